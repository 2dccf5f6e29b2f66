"""From what a spec says of arrivals to how requests arrive; the trace that it names is read here."""

from __future__ import annotations

import io
import math
from collections.abc import Callable

from tuner.errors import Problem, UserError
from tuner.load.arrivals import LARGEST_TRACE, Arrivals, Diurnal, Gamma, Trace
from tuner.spec.traffic import Arrivals as Written

__all__ = ["LARGEST_BYTES", "arrivals_of", "read_trace"]

LARGEST_BYTES = 16 * 2**20
LONGEST_LINE = 80
_FIX = "write one timestamp in seconds a line, ascending, such as 12.75"


def arrivals_of(written: Written, read: Callable[[str], Trace] | None = None) -> Arrivals:
    """The arrivals that a spec asks for; ``read`` gets the trace at the path that it names.

    ValueError where a trace is named and cannot be read.
    """
    if written.kind == "gamma":
        assert written.cv is not None  # noqa: S101 - a spec's arrivals have what their kind needs
        return Gamma(written.cv)
    if written.kind == "diurnal":
        assert written.swing is not None  # noqa: S101
        assert written.period is not None  # noqa: S101
        return Diurnal(written.swing, written.period)
    if written.kind == "trace":
        assert written.file is not None  # noqa: S101
        if read is None:
            raise ValueError("a trace has to be read before its load is planned")
        return read(written.file)
    return written.kind


def read_trace(raw: bytes, file: str) -> Trace:
    """The trace in a file: one timestamp in seconds a line, ascending; blank lines and ``# …`` count for nothing.

    UserError with the line for anything else, for fewer than two timestamps, and for more than a million.
    """
    if len(raw) > LARGEST_BYTES:
        what = f"the trace has {len(raw)} bytes, more than the {LARGEST_BYTES} that are read"
        raise UserError.of(what, "keep a stretch of it", file=file)
    times: list[float] = []
    for number, line in enumerate(io.BytesIO(raw), start=1):
        text = line.partition(b"#")[0].strip()
        if text:
            times.append(_timestamp(text, file, number))
            if len(times) > 1 and times[-1] < times[-2]:
                raise UserError(Problem(f"{times[-1]:.15g} is earlier than the line before", _FIX, file, number, 1))
            if len(times) > LARGEST_TRACE:
                what = f"the trace has more than {LARGEST_TRACE} timestamps"
                raise UserError(Problem(what, "keep a stretch of it", file, number, 1))
    if len(times) < 2 or times[0] == times[-1]:
        what = f"a trace needs timestamps that differ, and this one has {len(times) or 'none'}"
        raise UserError(Problem(what if len(times) < 2 else "all timestamps are the same", _FIX, file, 1, 1))
    return Trace.of(times)


def _timestamp(text: bytes, file: str, number: int) -> float:
    """Python reads ``1_0``, ``nan`` and digits of every script as numbers; a trace holds none of them."""
    plain = text.decode("ascii", "replace")
    try:
        value = float(plain) if len(plain) <= LONGEST_LINE and "_" not in plain else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or abs(value) > 2**53:
        shown = plain[:LONGEST_LINE].encode("ascii", "backslashreplace").decode()
        shown = "".join(char if char.isprintable() else "?" for char in shown)
        raise UserError(Problem(f"{shown!r} is not a timestamp", _FIX, file, number, 1))
    return value
