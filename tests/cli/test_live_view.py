"""What a terminal shows of a running search is what the search itself says: the best by the goal, what is left."""

from __future__ import annotations

import io

from rich.console import Console

from tuner.cli.live import LiveObserver
from tuner.search.objective import Metrics
from tuner.search.progress import Best, Progress
from tuner.space.assignment import Assignment


def shown(observer: LiveObserver) -> str:
    console = Console(file=io.StringIO(), width=120)
    with console.capture() as captured:
        console.print(observer.view())
    return captured.get()


def test_the_best_by_the_goal_and_the_trials_and_time_that_are_left() -> None:
    observer = LiveObserver(Console(file=io.StringIO()))
    observer.campaign("echo-1234", 40, "minimize-cost")
    metrics = Metrics(capacity=1310.4, hourly=0.03, cost=0.0067)
    best = Best(number=7, assignment=Assignment({"x": 1}), metrics=metrics, advantage=2.254)
    observer.search(Progress(completed=7, failed=1, spoiled=2, total=16, left=8, best=best, seconds_left=130.0))
    view = shown(observer)
    assert "best: trial 7, 1,310 requests/s, 2.25× as good as the baseline" in view
    assert "8/16" in view
    assert "at most 2 min of search left" in view


def test_nothing_is_best_before_the_first_trial() -> None:
    observer = LiveObserver(Console(file=io.StringIO()))
    observer.search(Progress(completed=0, failed=0, spoiled=0, total=16, left=16, best=None, seconds_left=None))
    view = shown(observer)
    assert "best" not in view
    assert "0/16" in view
