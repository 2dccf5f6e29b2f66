"""The tuning spec: what a user writes and commits. One frozen model a section, every unknown key refused.

The reference in ``docs/spec.md`` and the JSON Schema are generated from these models, so descriptions are written for
the people who write specs.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from tuner.spec.mistake import Mistake
from tuner.spec.parameters import Constraint, ParameterName, ParameterRange, Target
from tuner.spec.quantity import Duration, Price, Rate, Share
from tuner.spec.schedule import Schedule
from tuner.spec.section import Integer, ModelSource, Name, Number, RelativePath, Scalar, Section, Text, Written
from tuner.spec.traffic import Load, Payload, Slo, TensorInput

__all__ = [
    "Baseline",
    "Budget",
    "Constraint",
    "Load",
    "Metadata",
    "Metric",
    "Objective",
    "ParameterRange",
    "Payload",
    "Prices",
    "Rollout",
    "Scalar",
    "Search",
    "Section",
    "Service",
    "Slo",
    "Target",
    "TensorInput",
    "TuningSpec",
]

Metric = Literal["cost", "capacity", "latency"]
MOST_RATE = 10_000.0
"""Requests per second that one server is assumed to bear at most, where the spec states no rate."""


class Metadata(Section):
    """Who this spec is."""

    name: Name = Field(description="Name of the service; it names branches, files and campaigns.")
    labels: dict[Text, Text] = Field(
        default_factory=dict, max_length=64, description="Free labels; `team` is shown to policies."
    )


class Service(Section):
    """What is tuned and where its configuration lives in Git. Paths are below the spec's folder."""

    engine: Name = Field(description="Serving engine, for example `triton`.")
    model: ModelSource = Field(
        description="Model: a path below the spec, or a `file:///` URI on the machine that runs the trials."
    )
    manifest: RelativePath = Field(description="YAML file with the Deployment or Rollout that the pull request edits.")
    container: Name = Field(description="Name of the container that serves the model.")


class Objective(Section):
    """What better means."""

    goal: Literal["minimize-cost", "maximize-capacity", "minimize-latency", "weighted", "pareto"] = Field(
        "minimize-cost",
        description=(
            "`minimize-cost` is money per million requests within the SLO, `maximize-capacity` the largest rate within "
            "it, `minimize-latency` the latency at `rate`; `weighted` sums and `pareto` keeps several of them apart."
        ),
    )
    rate: Rate | None = Field(None, description="The load at which latency is compared.")
    weights: dict[Metric, Annotated[Number, Field(gt=0, le=1e6)]] | None = Field(
        None,
        description=(
            "Weights of a `weighted` goal, each above 0, for example `{latency: 0.5, capacity: 0.3, cost: 0.2}` "
            "(`capacity` is the throughput within the SLO). Each metric counts by the logarithm of its ratio to the "
            "baseline's, so none needs a scale."
        ),
    )
    of: tuple[Metric, ...] | None = Field(
        None, max_length=3, description="Metrics of a `pareto` goal, at least two; its knee is proposed."
    )
    bands: tuple[Rate, ...] | None = Field(
        None,
        min_length=1,
        max_length=16,
        description=(
            "Upper ends of arrival-rate bands, ascending, for `minimize-cost`: one campaign finds for each the "
            "configuration that serves it for the least money an hour, in whole replicas. `load.expected` names the "
            "band that the manifest has to serve today; with a parameter `replicas` it is given that many."
        ),
    )

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
        if self.goal == "weighted" and not self.weights:
            raise Mistake("a weighted goal needs weights", "add for example weights: {cost: 0.7, latency: 0.3}")
        if self.goal == "pareto" and len(set(self.of or ())) < 2:
            raise Mistake("a pareto goal needs at least two metrics", "add for example of: [cost, latency]")
        for key, goal in (("weights", "weighted"), ("of", "pareto")):
            if getattr(self, key) is not None and self.goal != goal:
                raise Mistake(f"{key} is only for the goal {goal}", f"remove it, or write goal: {goal}", at=(key,))
        if self.of and len(set(self.of)) != len(self.of):
            raise Mistake("of names a metric twice", "name each once", at=("of",))
        if "latency" in self.metrics and self.rate is None:
            raise Mistake("a goal about latency needs the rate at which it is compared", "add for example rate: 300/s")
        return self

    @model_validator(mode="after")
    def _bands_ascend(self) -> Self:
        if self.bands is None:
            return self
        if self.goal != "minimize-cost":
            raise Mistake(
                f"bands ask for the least money at each rate, and the goal is {self.goal}",
                "remove bands, or write goal: minimize-cost",
                at=("bands",),
            )
        for place, (lower, upper) in enumerate(pairwise(self.bands), 1):
            if upper <= lower:
                what = f"the band up to {upper:g}/s does not lie above the one up to {lower:g}/s"
                raise Mistake(what, "write the upper ends in ascending order, each once", at=("bands", place))
        return self


class Prices(Section):
    """What an hour of each resource costs. The currency is the same throughout."""

    cpu: Price = Field(description="One core for an hour, for example `0.0316 USD`.")
    memory: Price = Field(description="One GiB for an hour.")
    gpu: dict[Text, Price] = Field(
        default_factory=dict,
        max_length=64,
        description="One GPU or MIG slice for an hour, by resource, for example `nvidia.com/mig-1g.10gb: 0.41 USD`.",
    )

    @property
    def currency(self) -> str:
        """The currency (ISO 4217 code) of every price."""
        return self.cpu.currency

    @model_validator(mode="after")
    def _one_currency(self) -> Self:
        others = [(("memory",), self.memory), *((("gpu", name), price) for name, price in self.gpu.items())]
        for at, price in others:
            if price.currency != self.currency:
                raise Mistake(
                    f"prices mix the currencies {self.currency} and {price.currency}", "use one throughout", at=at
                )
        return self


class Budget(Section):
    """What the tuning itself may use; the first limit reached ends the search."""

    trials: Integer = Field(20, ge=1, le=10_000, description="Trials, the baseline included.")
    wall_clock: Duration = Field("1h", validate_default=True, description="Time of the whole campaign.")
    compute_hours: Annotated[Number, Field(gt=0, le=1e9)] | None = Field(None, description="Core-hours of trials.")
    money: Price | None = Field(None, description="Money spent on trials at the stated prices.")


class Search(Section):
    """How the next trial is chosen."""

    sampler: Literal["tuner", "tpe", "random", "grid", "nsga2", "cmaes", "qmc"] = Field(
        "tuner",
        description="`tuner` learns from earlier campaigns; the others are Optuna's, and `grid` needs a finite space.",
    )
    seed: Integer = Field(
        0, ge=0, le=2**32 - 1, description="Seed of everything random, so that a campaign can be repeated."
    )
    precision: Share = Field(
        "10%",
        validate_default=True,
        description="A capacity is known well enough once its interval is no wider than this, or after five loads.",
    )
    probe: Duration = Field("4s", validate_default=True, description="Longest load at one rate.")
    experience: RelativePath | None = Field(
        None,
        description="File of earlier trials (`tuner experience export`) that the search learns from, "
        "beside what this machine remembers.",
    )

    @field_validator("precision")
    @classmethod
    def _reachable(cls, share: float) -> float:
        if not 0.001 <= share <= 0.5:
            raise Mistake(f"a precision of {share * 100:g}% cannot be searched for", "write 0.1% to 50%")
        return share


class Baseline(Section):
    """What candidates are compared with; by default what the manifest says now."""

    source: Literal["manifest", "engine", "values"] = Field(
        "manifest",
        description="`manifest`: what it says now; `engine`: the engine's own defaults; `values`: those stated here.",
    )
    values: dict[str, Written] | None = Field(
        None, max_length=64, description="Value by parameter, with `source: values`; the engine's default for the rest."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.source == "values" and not self.values:
            raise Mistake("source: values needs values", "add for example values: {max_batch_size: 8}")
        if self.source != "values" and self.values is not None:
            raise Mistake("values is only for source: values", "remove it, or write source: values", at=("values",))
        return self


class Rollout(Section):
    """How the change should reach production."""

    strategy: Literal["canary", "blueGreen", "recreate"] = Field("canary", description="Strategy after the merge.")


def _empty_means_engine(raw: Any) -> Any:
    """`instances:` with nothing behind it means the engine's own range."""
    if isinstance(raw, dict):
        return {name: {} if value is None else value for name, value in raw.items()}
    return raw


class TuningSpec(Section):
    """A tuning spec: the whole file."""

    api_version: Literal["tuner/v1alpha1"] = Field(description="Version of this format.")
    kind: Literal["TuningSpec"] = Field(description="Always `TuningSpec`.")
    metadata: Metadata = Field(description="Who this spec is.")
    service: Service = Field(description="What is tuned.")
    parameters: Annotated[dict[ParameterName, ParameterRange], BeforeValidator(_empty_means_engine)] = Field(
        min_length=1, max_length=64, description="What may vary, by name."
    )
    constraints: tuple[Constraint, ...] = Field((), max_length=64, description="Rules between parameters.")
    load: Load = Field(description="The load that a configuration has to bear.")
    slo: Slo = Field(description="What has to hold for a load to count as served.")
    objective: Objective = Field(default_factory=lambda: Objective.model_validate({}), description="What better means.")
    prices: Prices = Field(description="What an hour of each resource costs.")
    budget: Budget = Field(
        default_factory=lambda: Budget.model_validate({}), description="What the tuning itself may use."
    )
    search: Search = Field(
        default_factory=lambda: Search.model_validate({}), description="How the next trial is chosen."
    )
    baseline: Baseline = Field(
        default_factory=lambda: Baseline.model_validate({}), description="What candidates are compared with."
    )
    rollout: Rollout = Field(
        default_factory=lambda: Rollout.model_validate({}), description="How the change should reach production."
    )
    schedule: Schedule | None = Field(
        None,
        description="When the service measures the merged configuration again, as in cron and in UTC; it reports a "
        "capacity below its own record.",
    )

    @model_validator(mode="after")
    def _sections_agree(self) -> Self:
        if self.budget.money and self.budget.money.currency != self.prices.currency:
            raise Mistake(
                f"the budget is in {self.budget.money.currency} and the prices are in {self.prices.currency}",
                "use one currency",
                at=("budget", "money"),
            )
        for key, bound in self.slo.latency.items():
            if bound > self.load.timeout:
                raise Mistake(
                    f"the bound of {key} ({bound:g}s) is above load.timeout ({self.load.timeout:g}s)",
                    "raise the timeout or lower the bound",
                    at=("slo", "latency", key),
                )
        self._banded()
        self._certifiable()
        return self

    def _banded(self) -> None:
        """One of the bands is that of today."""
        bands, expected = self.objective.bands, self.load.expected
        if bands is None:
            return
        if expected is None:
            raise Mistake(
                "bands need load.expected: it names the band that the manifest has to serve today",
                "add for example load.expected: 300/s",
                at=("objective", "bands"),
            )
        if expected > bands[-1]:
            raise Mistake(
                f"load.expected ({expected:g}/s) is above the last band ({bands[-1]:g}/s)",
                "add a band that holds it",
                at=("objective", "bands", len(bands) - 1),
            )

    def _certifiable(self) -> None:
        """A load of ``search.probe`` has to hold as many requests as certify each percentile with none over its bound.

        (1 - share over the bound) ** requests is how often a server that just misses the percentile shows none.
        """
        probe, stated = self.search.probe, self.objective.rate
        rate = stated or max(MOST_RATE, self.load.expected or 0.0)
        held = f"at objective.rate ({rate:g}/s)" if stated else f"even at {rate:g}/s"
        for key in self.slo.latency:
            needed = math.ceil(math.log(1 - self.slo.confidence) / math.log(float(key[1:]) / 100))
            if needed > rate * probe * (1 + 1e-9):
                raise Mistake(
                    f"{key} at {self.slo.confidence * 100:g}% confidence needs {needed:,} requests in one load, "
                    f"{held} search.probe ({probe:g}s) holds {int(rate * probe):,}",
                    f"write search.probe: {math.ceil(needed / rate)}s, a lower percentile or a lower confidence",
                    at=("slo", "latency", key),
                )
