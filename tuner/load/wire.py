"""What a generator and its processes say to each other: frames of a JSON header and raw bytes over pipes.

An order is a few hundred bytes: what is large and the same from load to load (payloads, a trace) is named by its digest
and kept on the worker's ``Shelf``. What a worker saw goes back as it is, arrays as raw bytes.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import numpy as np

from tuner.load.arrivals import Arrivals, Diurnal, Gamma, Share, Trace
from tuner.load.order import Order
from tuner.load.tally import Observation, TokenObservation

__all__ = [
    "FRAME",
    "Frame",
    "Package",
    "Shelf",
    "WantedError",
    "decode_order",
    "decode_seen",
    "encode_order",
    "encode_seen",
    "frame",
    "unframed",
]

FRAME = struct.Struct(">IQ")
"""Bytes of the header and of the blob that follow."""
SHELF_BYTES = 256 * 2**20

Frame = tuple[dict[str, Any], bytes]


@dataclass(frozen=True, slots=True)
class Package:
    """Pieces of bytes that travel once; ``digest`` tells packages apart."""

    pieces: tuple[bytes, ...]
    digest: str

    @classmethod
    def of(cls, pieces: Iterable[bytes]) -> Package:
        """The package of those pieces."""
        packed = tuple(pieces)
        digest = hashlib.sha256(struct.pack(f">{len(packed)}Q", *map(len, packed)))
        for piece in packed:
            digest.update(piece)
        return cls(packed, digest.hexdigest())

    def frame(self) -> bytes:
        """The frame that puts it on a shelf."""
        return frame({"keep": self.digest, "sizes": [len(piece) for piece in self.pieces]}, b"".join(self.pieces))


class WantedError(Exception):
    """An order names a package that is not on the shelf; ``digest`` is its name."""

    def __init__(self, digest: str) -> None:
        super().__init__(digest)
        self.digest = digest


@dataclass(slots=True)
class Shelf:
    """The packages that a worker keeps: the ones used last, up to ``largest`` bytes, the newest whatever its size."""

    largest: int = SHELF_BYTES
    _kept: OrderedDict[str, tuple[bytes, ...]] = field(default_factory=OrderedDict)

    def keep(self, received: Frame) -> None:
        """Put the package of a frame on the shelf."""
        header, blob = received
        pieces, begin = [], 0
        for size in header["sizes"]:
            pieces.append(blob[begin : begin + size])
            begin += size
        self._kept[header["keep"]] = tuple(pieces)
        while len(self._kept) > 1 and self.size > self.largest:
            self._kept.popitem(last=False)

    def take(self, digest: str) -> tuple[bytes, ...]:
        """The pieces of a package. WantedError where it is not here."""
        if digest not in self._kept:
            raise WantedError(digest)
        self._kept.move_to_end(digest)
        return self._kept[digest]

    @property
    def size(self) -> int:
        """Bytes kept."""
        return sum(len(piece) for pieces in self._kept.values() for piece in pieces)


def frame(header: dict[str, Any], blob: bytes = b"") -> bytes:
    """One frame as it goes over the pipe."""
    text = json.dumps(header, allow_nan=False).encode()
    return FRAME.pack(len(text), len(blob)) + text + blob


def unframed(header: bytes, blob: bytes) -> Frame:
    """The frame of the two parts that were read."""
    return json.loads(header), blob


def encode_order(order: Order, payloads: Package, trace: Package | None) -> bytes:
    """The frame of an order whose payloads, and trace where it has one, are on the worker's shelf."""
    header = {item.name: getattr(order, item.name) for item in fields(order) if item.name != "payloads"}
    header["payloads"] = payloads.digest
    header["arrivals"] = _written(order.arrivals, trace)
    return frame({"order": header})


def decode_order(header: dict[str, Any], shelf: Shelf) -> Order:
    """The order of a frame's header. WantedError where something that it names is not on the shelf."""
    told = dict(header["order"])
    told["payloads"] = shelf.take(told["payloads"])
    told["arrivals"] = _read(told["arrivals"], shelf)
    for name, value in told.items():
        if isinstance(value, list):
            told[name] = tuple(value)
    return Order(**told)


def _written(arrivals: Arrivals | Share, trace: Package | None) -> Any:
    if isinstance(arrivals, Gamma):
        return {"cv": arrivals.cv}
    if isinstance(arrivals, Diurnal):
        return {"swing": arrivals.swing, "period": arrivals.period}
    if trace is not None:
        return {"trace": trace.digest}
    return arrivals


def _read(written: Any, shelf: Shelf) -> Arrivals:
    if isinstance(written, str):
        return "constant" if written == "constant" else "poisson"
    if "cv" in written:
        return Gamma(**written)
    if "trace" in written:
        return Trace(*shelf.take(written["trace"]))
    return Diurnal(**written)


def encode_seen(seen: Observation, elapsed: float) -> bytes:
    """The frame of what a worker saw; ``elapsed`` in seconds."""
    blobs: list[bytes] = []
    tree = _tree(seen, blobs)
    return frame({"seen": tree, "elapsed": elapsed}, b"".join(blobs))


def decode_seen(received: Frame) -> tuple[Observation, float]:
    """What a worker saw, and the seconds that it took."""
    header, blob = received
    seen: Observation = _grown(header["seen"], memoryview(blob))
    return seen, header["elapsed"]


def _tree(value: Any, blobs: list[bytes]) -> Any:
    """Plain data; of an array its type and place in the blob, of a counter its pairs, of a value its fields."""
    if isinstance(value, np.ndarray):
        begin = sum(map(len, blobs))
        blobs.append(np.ascontiguousarray(value).tobytes())
        return {"array": value.dtype.str, "at": [begin, begin + len(blobs[-1])]}
    if isinstance(value, Counter):
        return {"counts": list(value.items())}
    if is_dataclass(value):
        return {
            "is": type(value).__name__,
            "with": {f.name: _tree(getattr(value, f.name), blobs) for f in fields(value)},
        }
    return value.item() if isinstance(value, np.generic) else value


def _grown(tree: Any, blob: memoryview) -> Any:
    if not isinstance(tree, dict):
        return tree
    if "array" in tree:
        begin, end = tree["at"]
        return np.frombuffer(blob[begin:end], np.dtype(tree["array"]))
    if "counts" in tree:
        return Counter(dict(tree["counts"]))
    kind: Any = {"Observation": Observation, "TokenObservation": TokenObservation}[tree["is"]]
    return kind(**{name: _grown(value, blob) for name, value in tree["with"].items()})
