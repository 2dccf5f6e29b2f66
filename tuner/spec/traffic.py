"""The sections ``load`` and ``slo``: the traffic that a configuration has to bear, and what counts as borne."""

from __future__ import annotations

import itertools
import math
import re
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, field_validator, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from tuner.spec.mistake import Mistake, nearest, shown
from tuner.spec.quantity import Duration, Rate, Share
from tuner.spec.section import Integer, Number, RelativePath, Section, Text

__all__ = ["Arrivals", "Load", "Payload", "Slo", "TensorInput"]

_MOST_ELEMENTS = 2**28
_PERCENTILE = r"p[0-9]{1,2}(\.[0-9]{1,3})?"


class TensorInput(Section):
    """One input tensor of a request."""

    name: Text = Field(max_length=200, description="Name of the input.")
    datatype: Literal["BOOL", "UINT8", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64"] = Field(
        description="Element type, as in the Open Inference Protocol."
    )
    shape: tuple[Annotated[Integer, Field(ge=1, le=_MOST_ELEMENTS)], ...] = Field(
        min_length=1, max_length=16, description="Shape of one request, without the batch dimension."
    )

    @field_validator("shape")
    @classmethod
    def _bounded(cls, shape: tuple[int, ...]) -> tuple[int, ...]:
        if math.prod(shape) > _MOST_ELEMENTS:
            raise Mistake(f"the shape has {math.prod(shape)} elements", f"use at most {_MOST_ELEMENTS}")
        return shape


class Payload(Section):
    """What each request carries."""

    samples: RelativePath = Field(
        description="Folder of `.npy` files named after the input: stacked samples along axis 0."
    )
    inputs: tuple[TensorInput, ...] = Field(min_length=1, max_length=64, description="The input tensors.")

    @field_validator("inputs")
    @classmethod
    def _distinct(cls, inputs: tuple[TensorInput, ...]) -> tuple[TensorInput, ...]:
        seen: set[str] = set()
        for index, tensor in enumerate(inputs):
            if tensor.name in seen:
                raise Mistake(f"two inputs are named {shown(tensor.name)}", "name each once", at=(index, "name"))
            seen.add(tensor.name)
        return inputs


_OF_KIND = {"poisson": (), "constant": (), "gamma": ("cv",), "diurnal": ("swing", "period"), "trace": ("file",)}
_EXAMPLE = {"cv": "cv: 2", "swing": "swing: 50%", "period": "period: 60s", "file": "file: arrivals.txt"}


class Arrivals(Section):
    """How requests arrive; each kind takes its own keys and no other. All are replayed from a seed."""

    kind: Literal["poisson", "constant", "gamma", "diurnal", "trace"] = Field(
        description="`poisson`, `constant` (for these two the word will do, `arrivals: poisson`), `gamma` in bursts, "
        "`diurnal` with a rate that rises and falls, `trace` for recorded timestamps."
    )
    cv: Annotated[Number, Field(ge=0.1, le=10)] | None = Field(
        None, description="Of `gamma`: coefficient of variation of the gaps; 1 is Poisson, more is burstier."
    )
    swing: Share | None = Field(None, description="Of `diurnal`: by which share of the mean the rate rises and falls.")
    period: Duration | None = Field(
        None, description="Of `diurnal`: length of a wave; each load holds whole waves, stretched or squeezed to fit."
    )
    file: RelativePath | None = Field(
        None, description="Of `trace`: file with a timestamp in seconds on each line; time is scaled to each rate."
    )

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        for key in _EXAMPLE:
            given, needed = getattr(self, key) is not None, key in _OF_KIND[self.kind]
            if needed and not given:
                raise Mistake(f"{self.kind} arrivals need {key}", f"add for example {_EXAMPLE[key]}")
            if given and not needed:
                owner = next(kind for kind, keys in _OF_KIND.items() if key in keys)
                raise Mistake(f"{key} is only for {owner} arrivals", f"remove it, or write kind: {owner}", at=(key,))
        return self


class _Word:
    """A word stands for the arrivals of that kind: ``poisson`` for ``{kind: poisson}``."""

    @staticmethod
    def read(raw: Any) -> Any:
        if not isinstance(raw, str):
            return raw
        if needs := _OF_KIND.get(raw):
            example = f"write {{kind: {raw}, {', '.join(_EXAMPLE[key] for key in needs)}}}"
            raise Mistake(f"{raw} arrivals need {' and '.join(needs)}", example)
        if raw not in _OF_KIND:
            near = nearest(raw, _OF_KIND)
            choice = f"write one of {', '.join(_OF_KIND)}"
            raise Mistake(f"arrivals cannot be {shown(raw)}", f"did you mean {near}? {choice}" if near else choice)
        return {"kind": raw}

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        words = [kind for kind, needs in _OF_KIND.items() if not needs]
        return {"anyOf": [{"type": "string", "enum": words}, handler(core)]}


class Load(Section):
    """The load that a configuration has to bear."""

    arrivals: Annotated[Arrivals, BeforeValidator(_Word.read), _Word()] = Field(
        "poisson", validate_default=True, description="How requests arrive (open loop)."
    )
    protocol: Literal["http", "grpc"] = Field(
        "http", description="How the server is asked: HTTP/1.1, or unary gRPC calls on its gRPC port."
    )
    payload: Payload = Field(description="What each request carries.")
    timeout: Duration = Field("2s", validate_default=True, description="A request unanswered after this has failed.")
    expected: Rate | None = Field(None, description="Traffic in production; with it the report states money a month.")


class Slo(Section):
    """What has to hold for a load to count as served."""

    latency: dict[str, Duration] = Field(
        min_length=1, max_length=16, description="Bound by percentile, for example `p99: 50ms`."
    )
    error_rate: Share = Field("0.1%", validate_default=True, description="Largest share of failed requests.")
    confidence: Share = Field("99%", validate_default=True, description="Confidence that each bound is stated with.")

    @field_validator("latency")
    @classmethod
    def _percentiles(cls, latency: dict[str, float]) -> dict[str, float]:
        for key in latency:
            if not re.fullmatch(_PERCENTILE, key) or not 0 < float(key[1:]) < 100:
                raise Mistake(f"{shown(key)} is not a percentile", "write p50, p95, p99 or p99.9", at=(key,))
        by_percentile = sorted((float(key[1:]), key) for key in latency)
        for (low, first), (high, second) in itertools.pairwise(by_percentile):
            if low == high:
                raise Mistake(f"{first} and {second} are the same percentile", "keep one", at=(second,))
            if latency[first] > latency[second]:
                raise Mistake(f"the bound of {first} is above that of {second}", "lower it", at=(first,))
        return latency

    @field_validator("error_rate")
    @classmethod
    def _some_succeed(cls, share: float) -> float:
        if share >= 1:
            raise Mistake("an error rate of 100% allows every request to fail", "write less, for example 0.1%")
        return share

    @field_validator("confidence")
    @classmethod
    def _reachable(cls, share: float) -> float:
        if not 0.5 <= share <= 0.99999:
            raise Mistake(f"a confidence of {share * 100:g}% cannot be worked with", "write 50% to 99.999%")
        return share

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """(percentile in 0..100, bound in seconds), sorted."""
        return tuple(sorted((float(key[1:]), bound) for key, bound in self.latency.items()))
