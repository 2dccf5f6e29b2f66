"""The true capacities that measurements are judged by: theory and long runs agree, and so do two theories."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import pytest

from bench.load_servers import CASES
from bench.load_truth import by_formula, by_long_runs, has_formula, late_share, run_share, true_capacity
from tuner.load.simulated import SimulatedServer, Spells

KNOWN = {name: case for name, case in CASES.items() if has_formula(case.server)}
ONE = SimulatedServer(service=0.001)


@pytest.mark.parametrize("name", KNOWN)
def test_theory_agrees_with_long_runs(name: str) -> None:
    """At the capacity that theory names a long run has the share over the bound that the percentile allows.

    Bursts leave that share uncertain by a fifth, which is 0.2 % of the rate where waiting is short (M/D/c) and 1.3 %
    where it is long (log-normal): how fast the share grows with the rate says so.
    """
    case = KNOWN[name]
    theory = by_formula(case.server, case.percentile, case.bound)
    assert theory.error == 0
    allowed, within = 1 - case.percentile / 100, case.bound - case.server.overhead
    assert late_share(case.server, theory.rate, within) == pytest.approx(allowed, rel=1e-2)
    growth = math.log(late_share(case.server, 1.005 * theory.rate, within) / allowed) / math.log(1.005)
    seen = run_share(case.server, case.bound, 7, 3_000_000, theory.rate)
    assert abs(math.log(seen / allowed)) < 0.2
    assert 0.2 / growth < (0.0025 if case.server.law == "deterministic" else 0.013)


@pytest.mark.parametrize("law", ["deterministic", "exponential"])
@pytest.mark.parametrize("utilisation", [0.5, 0.9, 0.95])
def test_two_theories_agree(law: Literal["deterministic", "exponential"], utilisation: float) -> None:
    """The formula of each queue, and Pollaczek and Khinchine's for any."""
    server = replace(ONE, law=law)
    known = late_share(server, 1000 * utilisation, 0.02)
    grid = late_share(server, 1000 * utilisation, 0.02, any_law=True)
    assert grid == pytest.approx(known, rel=0.02, abs=1e-9)


def test_one_server_with_exponential_service_in_closed_form() -> None:
    """P(time in the system > t) = exp(-(mu - lambda) t)."""
    assert true_capacity(replace(ONE, law="exponential"), 99, 0.05).rate == pytest.approx(1000 - 92.103, rel=1e-4)


def test_an_answers_way_back_and_what_passes_do_not_count_as_service() -> None:
    base = true_capacity(ONE, 99, 0.05).rate
    assert true_capacity(replace(ONE, overhead=0.01), 99, 0.06).rate == pytest.approx(base)
    assert true_capacity(replace(ONE, cold=(1.0, 5.0), stall=(1.0, 2.0)), 99, 0.05).rate == pytest.approx(base)


def test_what_no_formula_knows_is_run() -> None:
    slow = replace(ONE, spells=Spells(1.3, 0.01, 0.04))
    assert not has_formula(slow)
    found = by_long_runs(slow, 99, 0.05, error=0.02, requests=100_000)
    assert found.error > 0
    assert 0.8 * slow.saturation < found.rate < slow.saturation
