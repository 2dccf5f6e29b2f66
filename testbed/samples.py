"""Payload samples for the text-orientation service: rendered lines of text, some of them turned by 180 degrees.

``python -m testbed.samples FOLDER`` writes ``image.npy`` (uint8 [n, 48, 192, 3]: height, width, BGR) and
``turned.npy`` (bool [n]). The same seed gives the same bytes wherever the same Pillow is installed.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

__all__ = ["HEIGHT", "WIDTH", "main", "render", "write"]

HEIGHT, WIDTH = 48, 192
_WORDS = (
    "account",
    "address",
    "amount",
    "balance",
    "bank",
    "bill",
    "city",
    "client",
    "contract",
    "country",
    "customer",
    "date",
    "delivery",
    "department",
    "discount",
    "due",
    "email",
    "invoice",
    "item",
    "line",
    "net",
    "number",
    "office",
    "order",
    "page",
    "paid",
    "payment",
    "period",
    "phone",
    "price",
    "quantity",
    "receipt",
    "reference",
    "refund",
    "service",
    "shipping",
    "street",
    "subtotal",
    "supplier",
    "tax",
    "terms",
    "total",
    "unit",
    "value",
    "warehouse",
    "week",
    "year",
)


def render(count: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """``count`` images, uint8 [count, 48, 192, 3], and which of them are turned, bool [count] (about half)."""
    source = random.Random(seed)  # noqa: S311  (samples, not secrets)
    turned = [source.random() < 0.5 for _ in range(count)]
    images = [_line(source).rotate(180 if turn else 0) for turn in turned]
    return np.stack([np.asarray(image)[:, :, ::-1] for image in images]), np.asarray(turned)


def write(folder: Path, count: int = 64, seed: int = 0) -> None:
    """Render into ``folder``, which is made where it is missing."""
    images, turned = render(count, seed)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "image.npy", images)
    np.save(folder / "turned.npy", turned)


def _line(source: random.Random) -> Image.Image:
    """One line of words and figures, dark on light, fitted to the model's input and padded on the right."""
    words = [source.choice(_WORDS).capitalize() for _ in range(source.randint(1, 2))]
    text = " ".join([*words, str(source.randint(1, 99_999))])
    font = ImageFont.load_default(source.randint(22, 32))
    left, top, right, bottom = (round(edge) for edge in font.getbbox(text))
    margin = source.randint(3, 8)
    paper, ink = source.randint(215, 255), source.randint(0, 70)
    image = Image.new("RGB", (right - left + 2 * margin, bottom - top + 2 * margin), (paper, paper, paper))
    ImageDraw.Draw(image).text((margin - left, margin - top), text, fill=(ink, ink, ink), font=font)
    return image.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)


def main(arguments: Sequence[str]) -> int:
    """Write the samples into the folder that is named; 2 where none is."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m testbed.samples FOLDER\n")
        return 2
    write(Path(arguments[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
