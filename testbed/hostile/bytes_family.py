"""Any text, damaged: cut short, with bytes in it that no text has, with signs that deceive whoever reads a message."""

from __future__ import annotations

import random
from collections.abc import Iterator

__all__ = ["DECEITS", "cut", "damaged"]

DECEITS: dict[str, bytes] = {
    "nul": b"\0",
    "bell": b"\a",
    "escape-colour": b"\x1b[31m",
    "escape-title": b"\x1b]0;owned\x07",
    "escape-clear": b"\x1b[2J\x1b[H",
    "backspace": b"\b\b\b\b",
    "delete": b"\x7f",
    "carriage-return": b"\r",
    "form-feed": b"\f",
    "vertical-tab": b"\v",
    "tab": b"\t",
    "c1-csi": "\x9b31m".encode(),
    "next-line": "\x85".encode(),
    "line-separator": "\u2028".encode(),
    "paragraph-separator": "\u2029".encode(),
    "byte-order-mark": "\ufeff".encode(),
    "bidi-override": "\u202e".encode(),
    "bidi-isolate": "\u2066\u2069".encode(),
    "zero-width": "\u200b\u200d".encode(),
    "tag-letters": "\U000e0041\U000e0042".encode(),
    "combining": ("a" + "\u0301" * 500).encode(),
    "noncharacter": "\uffff".encode(),
    "private-use": "\ue000".encode(),
    "emoji": "\U0001f4a5".encode() * 50,
    "fullwidth": "\uff11\uff12\uff1a".encode(),
    "lone-surrogate": b"\xed\xa0\x80",
    "overlong": b"\xc0\xaf",
    "not-utf-8": b"\xff\xfe\xfd",
    "half-a-sign": b"\xe2\x82",
    "utf-16": "ab".encode("utf-16"),
}


def cut(name: str, text: bytes, count: int) -> Iterator[tuple[str, bytes]]:
    """The text, cut short at places spread over it."""
    for number in range(count):
        yield f"cut-{name}-{number}", text[: len(text) * number // count]


def damaged(name: str, text: bytes, places: int) -> Iterator[tuple[str, bytes]]:
    """Every deceit at some places of the text, and alone."""
    drawn = random.Random(f"damaged {name}")  # noqa: S311 - the same corpus every time
    for kind, sign in DECEITS.items():
        yield f"{kind}-alone-{name}", sign
        for number in range(places):
            at = drawn.randrange(len(text))
            yield f"{kind}-in-{name}-{number}", text[:at] + sign + text[at:]
