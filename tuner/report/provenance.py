"""What was measured, on what, and whether that is what ships."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.report import format as fmt
from tuner.report.decision import Decision, decide, subject_of
from tuner.report.model import Machine, ReportInput

__all__ = ["Provenance", "machine_words", "provenance_of", "short"]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Digests in full. ``same`` tells whether the proposed manifest holds the measured configuration."""

    baseline: str
    measured: str | None
    shipped: str | None
    image_measured: str | None
    image_shipped: str | None

    @property
    def same(self) -> bool | None:
        """``None`` where nothing ships."""
        return None if self.shipped is None else self.shipped == self.measured

    @property
    def same_image(self) -> bool | None:
        """``None`` where nothing ships; False where the trials ran no image at all."""
        return None if self.image_shipped is None else self.image_shipped == self.image_measured


def provenance_of(report: ReportInput) -> Provenance:
    """The digests to compare; nothing ships unless a change is proposed."""
    subject = subject_of(report)
    shipped = report.shipped if decide(report) is Decision.PROPOSE else None
    comparison = subject.comparison
    return Provenance(
        baseline=report.baseline,
        measured=comparison.candidate.workload if comparison is not None else None,
        shipped=shipped.workload if shipped is not None else None,
        image_measured=report.machine.image,
        image_shipped=shipped.image if shipped is not None else None,
    )


def machine_words(machine: Machine) -> str:
    """The machine in one line."""
    gpus = ", ".join(machine.gpus) or "no GPU"
    cores = f"{machine.cores} core{'' if machine.cores == 1 else 's'}"
    return (
        f"{machine.processor}, {cores}, {fmt.size(machine.memory)}, {gpus}, {machine.system}; "
        f"{machine.engine}, backend {machine.backend}"
    )


def short(digest: str | None) -> str:
    """A digest or commit by its first twelve digits, enough to tell it apart by eye."""
    if not digest:
        return "–"
    scheme, _, rest = digest.rpartition(":")
    return f"{scheme}:{rest[:12]}" if scheme else rest[:12]
