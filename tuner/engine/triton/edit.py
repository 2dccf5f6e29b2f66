"""Small edits of a text in Protocol Buffers text format. Each takes the whole text and gives the whole text back."""

from __future__ import annotations

from tuner.engine.triton.prototext import Body, Field

__all__ = ["insert", "remove", "replace"]


def replace(text: str, start: int, end: int, new: str) -> str:
    """The text with ``new`` instead of what stood from ``start`` to ``end``."""
    return f"{text[:start]}{new}{text[end:]}"


def remove(text: str, field: Field) -> str:
    """The text without the field; a line that it had to itself goes with it, a comment behind it stays."""
    line_start = text.rfind("\n", 0, field.start) + 1
    line_end = text.find("\n", field.end)
    line_end = len(text) if line_end < 0 else line_end
    before, after = text[line_start : field.start], text[field.end : line_end]
    if before.strip() and not after.strip():
        return replace(text, line_start + len(before.rstrip()), line_end, "")
    if before.strip() or after.strip():
        return replace(text, field.start, line_end - len(after.lstrip()), "")
    return replace(text, line_start, min(line_end + 1, len(text)), "")


def insert(text: str, body: Body, written: str) -> str:
    """The text with one more field at the end of ``body``, indented as its neighbours are."""
    if body.start == 0 and body.end == len(text):
        return f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{written}\n"
    line_start = text.rfind("\n", 0, body.end) + 1
    if line_start > body.start and not text[line_start : body.end].strip():
        indent = _indent(text, body, line_start)
        return replace(text, line_start, line_start, f"{indent}{written}\n")
    gap = "" if text[body.end - 1] in " \t\n" else " "
    return replace(text, body.end, body.end, f"{gap}{written} ")


def _indent(text: str, body: Body, closing_line: int) -> str:
    """Of the body's last field that begins its line, else two blanks more than the closing brace."""
    for field in reversed(body.fields):
        line_start = text.rfind("\n", 0, field.start) + 1
        if line_start > body.start and not text[line_start : field.start].strip():
            return text[line_start : field.start]
    return text[closing_line : body.end] + "  "
