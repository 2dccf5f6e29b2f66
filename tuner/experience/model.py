"""What earlier trials taught: the readings of each configuration, and the service that they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from tuner.space.assignment import Assignment
from tuner.value import Value

__all__ = ["Earlier", "ModelFeatures", "Reading", "Tried", "Word"]

_MOST_PARAMETERS = 1000
_LONGEST = 1000
_LARGEST = 2**53
"""Beyond it a JSON number is not everywhere the same number."""


def _word(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds a control character: write plain text")
    return text


def _checked(raw: object) -> object:
    """Refuse what is no assignment: it may come from a file that anybody wrote."""
    if isinstance(raw, Assignment):
        return raw
    if not isinstance(raw, Mapping) or len(raw) > _MOST_PARAMETERS:
        raise ValueError(f"is no mapping of parameters to values, at most {_MOST_PARAMETERS} of them")
    for name, value in raw.items():
        if not isinstance(name, str) or not 0 < len(name) <= _LONGEST or not name.isprintable():
            raise ValueError("has a name that is no plain text")
        if isinstance(value, str) and (len(value) > _LONGEST or not value.isprintable()):
            raise ValueError(f"the value of {name} is no plain text of at most {_LONGEST} characters")
        if isinstance(value, int | float) and not abs(value) <= _LARGEST:  # nor NaN
            raise ValueError(f"the value of {name} is not a number of at most 2^53")
        if not isinstance(value, bool | int | float | str):
            raise ValueError(f"the value of {name} is not true, false, a number or a text")
    return raw


Word = Annotated[str, Field(max_length=_LONGEST), AfterValidator(_word)]
"""Plain text on one line, safe to print."""
Count = Annotated[int, Field(ge=0, le=_LARGEST)]


class Reading(Value):
    """One measured quantity of one configuration, above 0, as its logarithm is what is learned from.

    ``error`` is the standard deviation of that logarithm (0.05: about 5 %). ``side`` says what is known: the value
    itself, or only that it lies ``below`` or ``above``: a trial that ended early, a load that never met its SLO.
    """

    metric: Word = Field(min_length=1)
    value: float = Field(gt=0, allow_inf_nan=False)
    error: float = Field(0.0, ge=0, allow_inf_nan=False)
    side: Literal["at", "below", "above"] = "at"


class Tried(Value):
    """One finished trial. ``failed`` did not run (a crash, no memory, refused); it may still have readings.

    A configuration that ran and missed its SLO is ``completed``: whether a limit holds is read off its readings.
    """

    assignment: Annotated[Assignment, BeforeValidator(_checked)]
    outcome: Literal["completed", "failed"]
    readings: tuple[Reading, ...] = Field((), max_length=100)


class ModelFeatures(Value):
    """What a model file says about its cost, read before the first trial.

    ``size`` in bytes, ``parameters`` in bytes of weights, ``operations`` the number of nodes, ``depth`` the longest
    path through them.
    """

    size: Count
    parameters: Count
    operations: Count
    depth: Count


class Earlier(Value):
    """A service's trials under one engine, hardware and load.

    ``family`` names services that resemble each other by construction (sizes of one model, say): they count together
    as one witness. ``hardware`` and ``load`` are digests or words; equal ones mean the same.
    """

    service: Word
    engine: Word
    hardware: Word = ""
    load: Word = ""
    family: Word | None = None
    features: ModelFeatures | None = None
    trials: tuple[Tried, ...]
