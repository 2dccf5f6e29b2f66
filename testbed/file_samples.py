"""Payload samples for the file-type service: small files of several kinds, as its model wants their bytes.

``python -m testbed.file_samples FOLDER`` writes ``bytes.npy`` (int16 [n, 2048]: the first and the last 1,024 bytes of a
file without the blanks around it, 256 where it is too short) and ``type.npy`` (text [n], as the model names types).
The same seed gives the same files.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import sys
import tarfile
import wave
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["KINDS", "LENGTH", "features", "main", "make", "write"]

LENGTH = 2048
_HALF, _BLOCK, _PADDING = LENGTH // 2, 4096, 256
_WORDS = (
    *("account", "address", "amount", "balance", "city", "client", "contract", "country", "customer", "date"),
    *("delivery", "discount", "email", "invoice", "item", "line", "number", "office", "order", "page"),
    *("payment", "period", "price", "quantity", "receipt", "reference", "service", "street", "total", "value"),
)


def features(content: bytes) -> NDArray[np.int16]:
    """What the model is told of a file: int16 [2048]."""
    first, last = content[:_BLOCK].lstrip()[:_HALF], content[-_BLOCK:].rstrip()[-_HALF:]
    told = np.full(LENGTH, _PADDING, dtype=np.int16)
    told[: len(first)] = np.frombuffer(first, dtype=np.uint8)
    told[LENGTH - len(last) :] = np.frombuffer(last, dtype=np.uint8)
    return told


def make(count: int, seed: int = 0) -> list[tuple[str, bytes]]:
    """``count`` files, each with its type, in the order of ``KINDS`` again and again."""
    source = random.Random(seed)  # noqa: S311  (samples, not secrets)
    kinds = [list(KINDS)[number % len(KINDS)] for number in range(count)]
    return [(kind, KINDS[kind](source)) for kind in kinds]


def write(folder: Path, count: int = 64, seed: int = 0) -> None:
    """Write into ``folder``, which is made where it is missing."""
    made = make(count, seed)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "bytes.npy", np.stack([features(content) for _, content in made]))
    np.save(folder / "type.npy", np.array([kind for kind, _ in made]))


def _rows(source: random.Random, count: int) -> list[dict[str, object]]:
    names = source.sample(_WORDS, 4)
    return [
        {"id": number, names[0]: source.choice(_WORDS), names[1]: source.randint(1, 9999), names[2]: source.random()}
        for number in range(1, count + 1)
    ]


def _csv(source: random.Random) -> bytes:
    rows, text = _rows(source, source.randint(20, 60)), io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _json(source: random.Random) -> bytes:
    return json.dumps({source.choice(_WORDS): _rows(source, source.randint(8, 40))}, indent=2).encode()


def _xml(source: random.Random) -> bytes:
    rows = "".join(
        "  <row>" + "".join(f"<{name}>{value}</{name}>" for name, value in row.items()) + "</row>\n"
        for row in _rows(source, source.randint(8, 30))
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<rows>\n{rows}</rows>\n'.encode()


def _html(source: random.Random) -> bytes:
    lines = "".join(f"<p>The {source.choice(_WORDS)} of the {source.choice(_WORDS)}.</p>\n" for _ in range(30))
    title = f"{source.choice(_WORDS)} {source.randint(1, 99)}"
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{title}</title></head>\n'
        f'<body class="page">\n<h1>{title}</h1>\n{lines}</body>\n</html>\n'
    ).encode()


def _python(source: random.Random) -> bytes:
    parts = (
        f"\n\ndef {word}_of(rows: list[dict[str, int]]) -> int:\n"
        f'    """The {word} of all rows."""\n'
        f'    found = Counter(row["{word}"] for row in rows if row["{word}"] > {source.randint(1, 99)})\n'
        f"    return sum(found.values())\n"
        for word in source.sample(_WORDS, 8)
    )
    begin = '"""Sums over orders."""\n\nimport sys\nfrom collections import Counter\n'
    return f'{begin}{"".join(parts)}\n\nif __name__ == "__main__":\n    print(len(sys.argv))\n'.encode()


def _image(kind: str) -> Callable[[random.Random], bytes]:
    def made(source: random.Random) -> bytes:
        wide, high = source.randint(24, 64), source.randint(24, 64)
        noise = Image.frombytes("RGB", (wide, high), source.randbytes(3 * wide * high))
        written = io.BytesIO()
        noise.save(written, kind)
        return written.getvalue()

    return made


def _wav(source: random.Random) -> bytes:
    written = io.BytesIO()
    with wave.open(written, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(source.randbytes(2 * source.randint(1500, 4000)))
    return written.getvalue()


def _gzip(source: random.Random) -> bytes:
    return gzip.compress(source.randbytes(source.randint(1500, 4000)), mtime=0)


def _zip(source: random.Random) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for word in source.sample(_WORDS, 3):
            archive.writestr(zipfile.ZipInfo(f"{word}.bin"), source.randbytes(source.randint(500, 2000)))
    return written.getvalue()


def _tar(source: random.Random) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for word in source.sample(_WORDS, 2):
            content = _csv(source)
            entry = tarfile.TarInfo(f"{word}.csv")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return written.getvalue()


KINDS: Mapping[str, Callable[[random.Random], bytes]] = {
    "bmp": _image("BMP"),
    "csv": _csv,
    "gif": _image("GIF"),
    "gzip": _gzip,
    "html": _html,
    "jpeg": _image("JPEG"),
    "json": _json,
    "png": _image("PNG"),
    "python": _python,
    "tar": _tar,
    "tiff": _image("TIFF"),
    "wav": _wav,
    "xml": _xml,
    "zip": _zip,
}
"""How a file of each type is made; the names are the model's."""


def main(arguments: Sequence[str]) -> int:
    """Write the samples into the folder that is named; 2 where none is."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m testbed.file_samples FOLDER\n")
        return 2
    write(Path(arguments[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
