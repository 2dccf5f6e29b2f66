"""When warm-up ends: the change point behind which a series is steady."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["steady_from"]

ROUNDING = 1e-12


def steady_from(series: Sequence[float]) -> int:
    """Index of the first value of the steady part of a series; 0 where all of it is.

    The Marginal Standard Error Rule (White 1997, "An effective truncation heuristic for bias reduction in simulation
    output"): cut off as many values as makes the squared standard error of the mean of the rest smallest. Cuts behind
    the middle are not looked at, as the rule has it: what is left would be too little to tell, so an answer of half
    the length says that the series was not yet steady there. Values are taken as ranks of magnitude, in logarithms,
    where all are above 0: a first answer that took a hundred times as long counts as one change.
    """
    values = np.asarray(series, dtype=np.float64)
    if len(values) < 4:
        return len(values)
    if (values > 0).all():
        values = np.log(values)
    last = len(values) // 2
    errors = np.array([values[cut:].var() / (len(values) - cut) for cut in range(last + 1)])
    return int(np.argmax(errors <= errors.min() + ROUNDING))
