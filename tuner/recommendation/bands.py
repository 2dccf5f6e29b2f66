"""Which configuration for which arrival rates: one for each band of the spec, with its replicas and what they cost.

A band is served by as many replicas as bear its upper end when each bears only what it certainly does, the lower end of
its capacity's interval. Where several configurations cost the same, the one with more room above the band is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from pydantic import Field

from tuner.measurement.model import Interval
from tuner.search.bands import Bands
from tuner.search.objective import Goal, Metrics
from tuner.search.record import Entry
from tuner.space.assignment import Assignment
from tuner.spec.model import Scalar
from tuner.value import Value

__all__ = ["STANDINGS", "Band", "Standing", "Stretch", "bands_of", "differing", "stretch_words", "stretches_of"]

Standing = Literal["baseline", "confirmed", "not-confirmed", "measured", "none"]
"""``baseline``: what production has is the best. ``confirmed``: shown to be cheaper than the baseline by interleaved
blocks, in today's band; ``not-confirmed``: these did not show it. ``measured``: by one trial of the search alone.
``none``: nothing that was measured bears the band with the replicas that are allowed."""
STANDINGS: Mapping[Standing, str] = {
    "baseline": "what production has",
    "confirmed": "confirmed against the baseline",
    "not-confirmed": "measured, and not shown to be cheaper than the baseline",
    "measured": "measured in one trial, not confirmed",
    "none": "none",
}
"""How sure a band's configuration is, in words."""


class Band(Value):
    """The best configuration for arrival rates above ``above`` and up to ``up_to``, in requests per second.

    ``hourly`` is money for an hour of one replica, ``bill`` of all of them: at the certified capacity, and at the ends
    of the capacity's interval. All but the rates and the reason are ``None`` where nothing serves the band.
    """

    above: float
    up_to: float
    today: bool
    """Whether it holds the expected traffic, so that the manifest has to serve it."""
    standing: Standing
    reason: str = Field(min_length=1)
    trial: int | None = None
    assignment: Assignment | None = None
    workload: str | None = None
    capacity: Interval | None = None
    replicas: int | None = None
    hourly: float | None = None
    bill: Interval | None = None
    baseline_replicas: int | None = None
    baseline_bill: float | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """Adjacent bands with one winner."""

    bands: tuple[Band, ...]

    @property
    def above(self) -> float:
        """The lower end of the first."""
        return self.bands[0].above

    @property
    def up_to(self) -> float:
        """The upper end of the last."""
        return self.bands[-1].up_to


def stretches_of(bands: Iterable[Band]) -> tuple[Stretch, ...]:
    """The bands in order, adjacent ones of the same configuration together: the winner changes between them."""
    found: list[Stretch] = []
    for band in bands:
        if found and found[-1].bands[0].workload == band.workload:
            found[-1] = Stretch((*found[-1].bands, band))
        else:
            found.append(Stretch((band,)))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Rival:
    """One measured configuration in one band."""

    entry: Entry
    metrics: Metrics
    capacity: Interval
    replicas: int
    bill: Interval

    @property
    def room(self) -> float:
        """Requests per second that all of its replicas certainly bear."""
        return self.replicas * self.metrics.sure


def bands_of(
    goal: Goal, history: Sequence[Entry], baseline_workload: str, shown: Mapping[str, bool] = MappingProxyType({})
) -> tuple[Band, ...]:
    """The winner of each band among the completed trials; empty where the goal has no bands.

    ``shown``: of candidates that were confirmed in today's band, by workload, whether the blocks showed them to be
    cheaper. Trials that failed, or were cut short, win nothing.
    """
    if goal.bands is None:
        return ()
    scored: dict[str, tuple[Entry, Metrics]] = {}
    for entry in history:
        if entry.metrics is not None and entry.record.cut is None:
            scored.setdefault(_workload(entry), (entry, entry.metrics))
    return tuple(
        _band(
            goal.bands, place, [_rival(goal.bands, rate, *each) for each in scored.values()], baseline_workload, shown
        )
        for place, rate in enumerate(goal.bands.ends)
    )


def _workload(entry: Entry) -> str:
    return entry.record.workload or entry.assignment.digest


def _rival(bands: Bands, rate: float, entry: Entry, metrics: Metrics) -> _Rival:
    high = max(entry.record.capacity_high or metrics.capacity, metrics.sure)
    replicas = bands.replicas(rate, metrics.sure)
    paid = metrics.hourly * replicas
    bill = Interval(value=paid, low=metrics.hourly * bands.replicas(rate, high), high=paid)
    capacity = Interval(value=metrics.capacity, low=min(metrics.sure, metrics.capacity), high=high)
    return _Rival(entry, metrics, capacity, replicas, bill)


def _band(
    bands: Bands, place: int, rivals: Sequence[_Rival], baseline_workload: str, shown: Mapping[str, bool]
) -> Band:
    able = [rival for rival in rivals if bands.allowed(rival.replicas)]
    ordered = sorted(able, key=lambda rival: (rival.bill.value, -rival.room, rival.entry.number))
    now = next((rival for rival in rivals if _workload(rival.entry) == baseline_workload), None)
    unserved = Band(
        above=bands.above(place),
        up_to=bands.ends[place],
        today=place == bands.today,
        standing="none",
        reason=_unserved(bands, rivals),
        baseline_replicas=None if now is None else now.replicas,
        baseline_bill=None if now is None else now.bill.value,
    )
    if not ordered:
        return unserved
    best, workload = ordered[0], _workload(ordered[0].entry)
    return unserved.model_copy(
        update={
            "standing": _standing(workload, baseline_workload, shown if unserved.today else {}),
            "reason": _reason(best, ordered[1] if len(ordered) > 1 else None, baseline_workload),
            "trial": best.entry.number,
            "assignment": best.entry.assignment,
            "workload": workload,
            "capacity": best.capacity,
            "replicas": best.replicas,
            "hourly": best.metrics.hourly,
            "bill": best.bill,
        }
    )


def _unserved(bands: Bands, rivals: Sequence[_Rival]) -> str:
    if not rivals:
        return "nothing was measured within the SLO"
    return f"nothing that was measured bears it with at most {bands.counts[-1] if bands.counts else 0} replicas"


def _standing(workload: str, baseline_workload: str, shown: Mapping[str, bool]) -> Standing:
    if workload == baseline_workload:
        return "baseline"
    if workload not in shown:
        return "measured"
    return "confirmed" if shown[workload] else "not-confirmed"


def _reason(best: _Rival, second: _Rival | None, baseline_workload: str) -> str:
    """Why this one, against the next best of the search."""
    if second is None:
        return "the only configuration that was measured to bear it"
    name = "the baseline" if _workload(second.entry) == baseline_workload else f"trial {second.entry.number}"
    if second.bill.value <= best.bill.value * (1 + 1e-9):
        return f"as cheap as {name}, and with more room above the band"
    share = second.bill.value / best.bill.value - 1 if best.bill.value > 0 else 0.0
    certain = "whatever the intervals allow" if best.bill.high < second.bill.low else "though the intervals overlap"
    return f"{name}, the next best, costs {share:.0%} more ({_counted(second.replicas)}), {certain}"


def stretch_words(stretch: Stretch, baseline: Mapping[str, Scalar] | None) -> str:
    """One stretch in words: its rates, its configuration by what differs from the baseline, and its replicas."""
    first = stretch.bands[0]
    rates = f"up to {stretch.up_to:g} requests/s" if stretch.above == 0 else f"{stretch.above:g} to {stretch.up_to:g}"
    if first.standing == "none" or first.assignment is None:
        return f"{rates}: none, as {first.reason}"
    counts = sorted({band.replicas for band in stretch.bands if band.replicas is not None})
    replicas = _counted(counts[-1]) if len(counts) == 1 else f"{counts[0]} to {_counted(counts[-1])}"
    name = (
        "the baseline"
        if first.standing == "baseline"
        else f"trial {first.trial} ({differing(first.assignment, baseline)})"
    )
    return f"{rates}: {name}, {replicas}"


def _counted(replicas: int) -> str:
    return f"{replicas} replica{'' if replicas == 1 else 's'}"


def differing(assignment: Mapping[str, Scalar], baseline: Mapping[str, Scalar] | None) -> str:
    """A configuration by the values that the baseline has not; all of them where there is no baseline."""
    known = baseline or {}
    return " ".join(f"{name}={value}" for name, value in assignment.items() if known.get(name) != value)
