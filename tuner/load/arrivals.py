"""When requests are sent: schedules fixed in advance from a seed."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["Arrivals", "schedule"]

Arrivals = Literal["poisson", "constant"]


def schedule(arrivals: Arrivals, count: int, lead_count: int, rate: float, seed: int) -> npt.NDArray[np.float64]:
    """Seconds from the start at which each of ``lead_count + count`` requests is sent, ascending.

    The lead fills the first ``lead_count / rate`` seconds, the counted requests the ``count / rate`` after them.
    Poisson: given its number of arrivals, a Poisson process is that many independent uniform times, sorted.
    """
    total = lead_count + count
    if arrivals == "constant":
        return np.arange(total) / rate
    random = np.random.Generator(np.random.PCG64(seed))
    begin = lead_count / rate
    lead = np.sort(random.uniform(0.0, begin, lead_count))
    counted = np.sort(random.uniform(begin, begin + count / rate, count))
    return np.concatenate([lead, counted])
