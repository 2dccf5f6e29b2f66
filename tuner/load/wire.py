"""What a generator and its worker process say to each other: frames of a JSON header and raw bytes over pipes."""

from __future__ import annotations

import json
import struct
from dataclasses import fields
from typing import Any

from tuner.load.order import Order

__all__ = ["FRAME", "Frame", "decode_order", "encode_order", "frame"]

FRAME = struct.Struct(">II")
"""Bytes of the header and of the blob that follow."""

Frame = tuple[dict[str, Any], bytes]


def frame(header: dict[str, Any], blob: bytes = b"") -> bytes:
    """One frame as it goes over the pipe."""
    text = json.dumps(header, allow_nan=False).encode()
    return FRAME.pack(len(text), len(blob)) + text + blob


def encode_order(order: Order) -> bytes:
    """The frame of an order; its payloads are the blob."""
    header = {field.name: getattr(order, field.name) for field in fields(order) if field.name != "payloads"}
    header["sizes"] = [len(payload) for payload in order.payloads]
    return frame(header, b"".join(order.payloads))


def decode_order(received: Frame) -> Order:
    """The order of a frame."""
    header, blob = received
    payloads, begin = [], 0
    for size in header.pop("sizes"):
        payloads.append(blob[begin : begin + size])
        begin += size
    for name in ("bounds", "hopeless_after", "answer_lengths"):
        header[name] = None if header[name] is None else tuple(header[name])
    return Order(payloads=tuple(payloads), **header)
