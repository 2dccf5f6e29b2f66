"""The tuning spec: what a user writes and commits. One frozen model a section, every unknown key refused.

The reference in ``docs/spec.md`` and the JSON Schema are generated from these models, so descriptions are written for
the people who write specs.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from tuner.spec.quantity import Duration, Price, Rate, Share
from tuner.value import Value

__all__ = [
    "Baseline",
    "Budget",
    "Constraint",
    "Load",
    "Metadata",
    "Objective",
    "ParameterRange",
    "Payload",
    "Prices",
    "Rollout",
    "Scalar",
    "Search",
    "Service",
    "Slo",
    "Target",
    "TuningSpec",
]

Scalar = bool | int | float | str
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]


class Section(Value):
    """Base of the sections: keys are written in camelCase, as in every Kubernetes manifest."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=False, validate_by_name=False, strict=False)


class Metadata(Section):
    """Who this spec is."""

    name: Name = Field(description="Name of the service; it names branches, files and campaigns.")
    labels: dict[str, str] = Field(default_factory=dict, description="Free labels; `team` is shown to policies.")


class Service(Section):
    """What is tuned and where its configuration lives in Git. Paths are relative to the spec's folder."""

    engine: str = Field(description="Serving engine, for example `triton`.")
    model: str = Field(description="Model: a path in the repository, or a `file:` URI on the trial machine.")
    manifest: str = Field(description="YAML file with the Deployment or Rollout that the pull request edits.")
    container: str = Field(description="Name of the container that serves the model.")


class Target(Section):
    """Where a parameter's value lands; exactly one place. Engine parameters have their place already."""

    engine: str | None = Field(None, description="Key of the engine's own configuration.")
    argument: str | None = Field(None, description="Command-line flag, for example `--max-num-seqs`.")
    environment: str | None = Field(None, description="Environment variable of the container.")
    manifest: str | None = Field(
        None, description="Field of the manifest: `replicas`, `resources.cpu`, `resources.memory` or `resources.<gpu>`."
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if sum(place is not None for place in (self.engine, self.argument, self.environment, self.manifest)) != 1:
            raise ValueError("a target names exactly one of engine, argument, environment, manifest")
        return self


class ParameterRange(Section):
    """What one parameter may be. An engine's own parameter may be left empty (`{}`): the engine supplies the rest."""

    type: Literal["int", "float", "categorical", "ordinal"] | None = Field(None, description="Kind of parameter.")
    values: tuple[Scalar, ...] | None = Field(None, description="The values to try, in order for `ordinal`.")
    min: float | None = Field(None, description="Lowest value of an int or float.")
    max: float | None = Field(None, description="Highest value of an int or float.")
    step: float | None = Field(None, gt=0, description="Distance between neighbouring values.")
    log: bool = Field(default=False, description="Search on a logarithmic scale.")
    default: Scalar | None = Field(None, description="Value the engine uses when nothing is set.")
    when: dict[str, Scalar | tuple[Scalar, ...]] | None = Field(
        None, description="Only where other parameters have these values."
    )
    target: Target | None = Field(None, description="Where the value lands.")

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.values is not None and not self.values:
            raise ValueError("values is empty: name at least one value")
        if self.values is not None and len({(type(value), value) for value in self.values}) != len(self.values):
            raise ValueError("values has a duplicate: name each value once")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"the range is empty: min {self.min:g} is above max {self.max:g}")
        if self.values is not None and (self.min is not None or self.max is not None):
            raise ValueError("values and min/max exclude each other: keep one")
        if self.log and self.min is not None and self.min <= 0:
            raise ValueError("a log scale needs min above 0")
        return self


class Constraint(Section):
    """A rule between parameters; configurations that break it are never tried."""

    expression: str = Field(description="CEL expression over the parameters, true where the configuration is allowed.")
    reason: str = Field("", description="Why, in a few words; shown where the rule decides.")


class TensorInput(Section):
    """One input tensor of a request."""

    name: str = Field(description="Name of the input.")
    datatype: Literal["BOOL", "UINT8", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64"] = Field(
        description="Element type, as in the Open Inference Protocol."
    )
    shape: tuple[int, ...] = Field(min_length=1, description="Shape of one request, without the batch dimension.")


class Payload(Section):
    """What each request carries."""

    samples: str = Field(description="Folder of `.npy` files named after the input: stacked samples along axis 0.")
    inputs: tuple[TensorInput, ...] = Field(min_length=1, description="The input tensors.")


class Load(Section):
    """The load that a configuration has to bear."""

    arrivals: Literal["poisson", "constant"] = Field("poisson", description="How requests arrive (open loop).")
    payload: Payload
    timeout: Duration = Field("2s", validate_default=True, description="A request unanswered after this has failed.")
    expected: Rate | None = Field(None, description="Traffic in production; with it the report states money a month.")


class Slo(Section):
    """What has to hold for a load to count as served."""

    latency: dict[str, Duration] = Field(min_length=1, description="Bound by percentile, for example `p99: 50ms`.")
    error_rate: Share = Field("0.1%", validate_default=True, description="Largest share of failed requests.")
    confidence: Share = Field("99%", validate_default=True, description="Confidence that each bound is stated with.")

    @field_validator("latency")
    @classmethod
    def _percentiles(cls, latency: dict[str, float]) -> dict[str, float]:
        for key in latency:
            if not re.fullmatch(r"p\d{1,2}(\.\d+)?", key) or not 0 < float(key[1:]) < 100:
                raise ValueError(f"{key!r} is not a percentile: write p50, p95, p99 or p99.9")
        return latency

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """(percentile in 0..100, bound in seconds), sorted."""
        return tuple(sorted((float(key[1:]), bound) for key, bound in self.latency.items()))


Metric = Literal["cost", "capacity", "latency"]


class Objective(Section):
    """What better means."""

    goal: Literal["minimize-cost", "maximize-capacity", "minimize-latency", "weighted", "pareto"] = Field(
        "minimize-cost",
        description="`minimize-cost` is money per million requests within the SLO; `weighted` and `pareto` combine.",
    )
    rate: Rate | None = Field(None, description="The load at which latency is compared.")
    weights: dict[Metric, float] | None = Field(None, description="Weights of a `weighted` goal; each above 0.")
    of: tuple[Metric, ...] | None = Field(None, description="Metrics of a `pareto` goal, at least two.")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics that this goal looks at."""
        single: dict[str, tuple[Metric, ...]] = {
            "minimize-cost": ("cost",),
            "maximize-capacity": ("capacity",),
            "minimize-latency": ("latency",),
        }
        return single.get(self.goal) or self.of or tuple(self.weights or {})

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.goal == "weighted" and not (self.weights and all(weight > 0 for weight in self.weights.values())):
            raise ValueError("a weighted goal needs weights, each above 0, for example {cost: 0.7, latency: 0.3}")
        if self.goal == "pareto" and len(set(self.of or ())) < 2:
            raise ValueError("a pareto goal needs at least two metrics in of, for example [cost, latency]")
        if "latency" in self.metrics and self.rate is None:
            raise ValueError("a goal about latency needs the rate at which it is compared, for example rate: 300/s")
        return self


class Prices(Section):
    """What an hour of each resource costs. The currency is the same throughout."""

    cpu: Price = Field(description="One core for an hour, for example `0.0316 USD`.")
    memory: Price = Field(description="One GiB for an hour.")
    gpu: dict[str, Price] = Field(default_factory=dict, description="One GPU or MIG slice for an hour, by resource.")

    @model_validator(mode="after")
    def _one_currency(self) -> Self:
        currencies = {price.currency for price in (self.cpu, self.memory, *self.gpu.values())}
        if len(currencies) > 1:
            raise ValueError(f"prices mix currencies: {', '.join(sorted(currencies))}")
        return self


class Budget(Section):
    """What the tuning itself may use; the first limit reached ends the search."""

    trials: int = Field(20, ge=1, le=10_000, description="Trials, the baseline included.")
    wall_clock: Duration = Field("1h", validate_default=True, description="Time of the whole campaign.")
    compute_hours: float | None = Field(None, gt=0, description="Core-hours of trials.")
    money: Price | None = Field(None, description="Money spent on trials at the stated prices.")


class Search(Section):
    """How the next trial is chosen."""

    sampler: Literal["tpe", "gp", "random", "grid", "nsga2", "cmaes", "qmc"] = Field(
        "tpe", description="Optuna sampler."
    )
    seed: int = Field(0, ge=0, description="Seed of everything random, so that a campaign can be repeated.")
    precision: Share = Field("5%", validate_default=True, description="Relative width at which a capacity search ends.")
    probe: Duration = Field("4s", validate_default=True, description="Longest load at one rate.")


class Baseline(Section):
    """What candidates are compared with; by default what the manifest says now."""

    source: Literal["manifest", "engine", "values"] = Field("manifest", description="Where the baseline comes from.")
    values: dict[str, Scalar] | None = Field(None, description="The baseline itself, with `source: values`.")


class Rollout(Section):
    """How the change should reach production."""

    strategy: Literal["canary", "blueGreen", "recreate"] = Field("canary", description="Strategy after the merge.")


class TuningSpec(Section):
    """A tuning spec: the whole file."""

    api_version: Literal["tuner/v1alpha1"]
    kind: Literal["TuningSpec"]
    metadata: Metadata
    service: Service
    parameters: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=63)], ParameterRange] = Field(
        min_length=1, description="What may vary, by name."
    )
    constraints: tuple[Constraint, ...] = Field((), description="Rules between parameters.")
    load: Load
    slo: Slo
    objective: Objective = Field(default_factory=lambda: Objective.model_validate({}))
    prices: Prices
    budget: Budget = Field(default_factory=lambda: Budget.model_validate({}))
    search: Search = Field(default_factory=lambda: Search.model_validate({}))
    baseline: Baseline = Field(default_factory=lambda: Baseline.model_validate({}))
    rollout: Rollout = Field(default_factory=lambda: Rollout.model_validate({}))

    @field_validator("parameters", mode="before")
    @classmethod
    def _empty_means_engine(cls, raw: Any) -> Any:
        """`instances:` with nothing behind it means the engine's own range."""
        if isinstance(raw, dict):
            return {name: {} if value is None else value for name, value in raw.items()}
        return raw
