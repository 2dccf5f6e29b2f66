"""What else the machine did while a measurement ran, and whether that was too much to believe the measurement."""

from __future__ import annotations

from pydantic import Field

from tuner.value import Value

__all__ = ["LOST_SHARE", "PRESSURE_SHARE", "Interference", "marks_of"]

LOST_SHARE = 0.10
"""Share of the trial's CPU time that others may take. A server that is busy loses about that share of its capacity;
identical runs on shared machines differ by 9.8 % in one of ten cases (p90 of 100 groups of a public sweep)."""
PRESSURE_SHARE = 0.10
"""Share of the time in which something may wait for memory. Waiting for a CPU or a disk is recorded and has no bound:
a saturated server makes its own threads wait."""


class Interference(Value):
    """Shares of 1; ``None`` where this machine does not say, which is not the same as 0.

    ``marks`` says in words what was above its bound, as it was judged when the measurement was made.
    """

    elapsed: float = Field(ge=0)
    """Seconds between the two looks."""
    cores: int = Field(ge=0)
    """CPUs of the trial: the server's and the load generator's."""
    steal: float | None = None
    """Share of these CPUs' time that the hypervisor gave to others."""
    foreign: float | None = None
    """Share of these CPUs' time used by processes that are neither the server's, nor the generator's, nor tuner's."""
    throttled: float | None = None
    """Share of the scheduler's periods in which the surrounding container had used up its CPU quota."""
    cpu_waiting: float | None = None
    """Share of the time in which some process of the machine waited for a CPU (pressure stall information)."""
    memory_waiting: float | None = None
    io_waiting: float | None = None
    frequency_low: float | None = None
    """Hz: the lowest mean clock of these CPUs that was seen."""
    frequency_high: float | None = None
    marks: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """The marks in one line; empty where nothing was above its bound."""
        return "; ".join(self.marks)


def marks_of(interference: Interference) -> tuple[str, ...]:
    """What is above its bound, each in words."""
    judged = (
        (interference.steal, LOST_SHARE, "the hypervisor took {share} of the trial's CPU time"),
        (interference.foreign, LOST_SHARE, "other processes used {share} of the trial's CPU time"),
        (interference.throttled, LOST_SHARE, "the container's CPU quota was used up in {share} of the periods"),
        (interference.memory_waiting, PRESSURE_SHARE, "processes waited for memory {share} of the time"),
    )
    return tuple(
        words.format(share=f"{share * 100:.0f} %")
        for share, bound, words in judged
        if share is not None and share > bound
    )
