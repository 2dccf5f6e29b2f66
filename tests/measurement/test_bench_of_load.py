"""What the benchmarks of load say together: figures of runs on a real server, and of all parts in one result."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench import load, result
from bench.load_peers import Window, climb, halve
from bench.load_triton import Method, Run, compared
from tuner.measurement.benchmark import BenchmarkResult, Figure


def run(number: int, method: Method, capacity: float | None, seconds: float = 10.0) -> Run:
    low, high = (None, None) if capacity is None else (0.9 * capacity, 1.1 * capacity)
    return Run(number, method, capacity, low, high, int(100 * seconds), seconds)


def by_id(figures: list[Figure]) -> dict[str, Figure]:
    assert len({figure.id for figure in figures}) == len(figures)
    return {figure.id: figure for figure in figures}


def test_spread_agreement_and_time_of_runs_on_one_server() -> None:
    ours = [run(number, "ours", capacity) for number, capacity in enumerate((100.0, 110.0, 100.0, 110.0))]
    theirs = [run(number, "perf_analyzer", capacity, 80.0) for number, capacity in enumerate((105.0, 115.5, None))]
    told = by_id(compared([*ours, *theirs]))
    spread = 100 * math.log(1.1) / math.sqrt(3)
    assert told["spread, ours"].value == pytest.approx(spread)
    assert told["spread, ours"].interval == pytest.approx((0.5665 * spread, 3.7285 * spread), rel=1e-3)
    assert told["capacity, ours"].value == pytest.approx(math.sqrt(100 * 110))
    assert told["runs that found a capacity, perf_analyzer"].value == pytest.approx(200 / 3)
    assert told["time ratio to perf_analyzer"].value == pytest.approx(1 / 8)
    assert told["time ratio to perf_analyzer"].met is True
    agreement = told["capacity ratio to perf_analyzer"]
    assert agreement.value == pytest.approx(1 / 1.05)
    assert agreement.interval is not None
    assert agreement.interval[0] < 1 < agreement.interval[1]
    ratio = told["spread ratio to perf_analyzer"]
    assert ratio.interval is not None
    assert ratio.interval[0] < ratio.value < ratio.interval[1]
    assert not any("sweep" in name for name in told)


def test_chance_covers_the_true_spread_as_often_as_stated() -> None:
    random = np.random.default_rng(1)
    inside = 0
    for _ in range(500):
        drawn = 100 * np.exp(0.05 * random.standard_normal(6))
        interval = by_id(compared([run(i, "ours", float(c)) for i, c in enumerate(drawn)]))["spread, ours"].interval
        assert interval is not None
        inside += interval[0] <= 5.0 <= interval[1]
    assert 0.92 < inside / 500 < 0.98


def test_a_server_without_capacity_gives_no_figures_of_one() -> None:
    told = by_id(compared([run(0, "ours", None), run(0, "sweep", None, 0.0)]))
    assert told["runs that found a capacity, ours"].value == 0
    assert not any(name.startswith(("capacity", "spread", "time ratio")) for name in told)


@pytest.mark.parametrize(("shares", "met"), [((0.02, 0.04), True), ((0.02, 0.4), False), ((None, None), True)])
def test_a_result_of_a_disturbed_machine_says_so(shares: tuple[float | None, float | None], met: bool) -> None:
    runs = [replace(run(number, "ours", 100.0), foreign=share) for number, share in enumerate(shares)]
    assert by_id(compared(runs))["runs on a disturbed machine"].met is met


class Exact:
    """Answers in 10 ms up to its capacity, in a second above it."""

    percentile, bound = 99.0, 0.05

    def __init__(self, capacity: float) -> None:
        self.capacity = capacity
        self.taken = 0

    def windows(self, rate: float) -> Iterator[Window]:
        while True:
            self.taken += 1
            yield self.load(rate, 5.0)

    def load(self, rate: float, seconds: float) -> Window:
        count = round(rate * seconds)
        return Window(count, np.full(count, 0.01 if rate <= self.capacity else 1.0))


@pytest.mark.parametrize("start", [55.0, 70.0, 85.0])
def test_the_peers_rules_bracket_the_capacity_of_any_server(start: float) -> None:
    server = Exact(100.0)
    for found, width in ((halve(server, start, 0.1), 0.1 * start), (climb(server, start), 0.05 * 100.0)):
        assert found.capacity is not None
        assert found.above is not None
        assert found.capacity <= 100.0 < found.above
        assert found.above - found.capacity <= width
    assert server.taken == 3 * 6, "no more windows are taken than the rule needs: three of start, end and four halvings"


Store = Callable[..., BenchmarkResult]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Writes a part's result into an empty folder of results."""
    monkeypatch.setattr(result, "RESULTS", tmp_path)

    def write(part: str, **changes: object) -> BenchmarkResult:
        found = BenchmarkResult(
            name=part,
            command="python -m bench",
            commit=result.commit(),
            machine=result.machine(),
            figures=(Figure.of("speed", 3.0, "×", goal=">= 2"),),
        ).model_copy(update=changes)
        (tmp_path / load.PARTS[part].file).write_text(found.model_dump_json())
        return found

    return write


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one commit, in which benchmarks look for their code."""
    folder = tmp_path / "checkout"
    (folder / "tuner" / "load").mkdir(parents=True)
    (folder / "bench" / "results").mkdir(parents=True)
    (folder / "tuner" / "code.py").write_text("pass\n")
    (folder / "tuner" / "load" / "code.py").write_text("pass\n")
    (folder / "bench" / "__init__.py").touch()
    (folder / "bench" / "load_comparison.py").write_text("raise SystemExit(1)\n")
    (folder / "bench" / "results" / "demo.json").write_text("{}\n")
    person = ["-c", "user.name=A", "-c", "user.email=a@example.com"]
    for command in (["init", "-q"], ["add", "."], [*person, "commit", "-qm", "Begin"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    monkeypatch.setattr(result, "ROOT", folder)
    return folder


def test_a_result_is_used_again_while_code_and_machine_are_the_same(store: Store, checkout: Path) -> None:
    part = load.PARTS["triton"]
    assert load.usable(part) is None
    found = store("triton")
    assert load.usable(part) == found
    store("triton", machine={**found.machine, "cpus": "96"})
    assert load.usable(part) is None
    store("triton", commit=f"{found.commit}-dirty")
    assert load.usable(part) is None
    store("triton", commit="0" * 40)
    assert load.usable(part) is None


def test_a_change_of_code_is_another_measurement_and_one_of_results_is_not(store: Store, checkout: Path) -> None:
    found = store("triton")
    (checkout / "bench" / "results" / "demo.json").write_text("[]\n")
    assert result.commit() == found.commit
    assert load.usable(load.PARTS["triton"]) == found
    (checkout / "tuner" / "code.py").write_text("raise SystemExit\n")
    assert result.commit() == f"{found.commit}-dirty"
    assert load.usable(load.PARTS["triton"]) == found, "no figure about load depends on it"
    (checkout / "tuner" / "load" / "code.py").write_text("raise SystemExit\n")
    assert load.usable(load.PARTS["triton"]) is None


def test_figures_are_named_after_their_part_and_keep_what_they_say(store: Store, checkout: Path) -> None:
    figures, runs = load.gathered({"triton": store("triton"), "generator": store("generator")})
    assert [figure.id for figure in figures] == ["triton: speed", "generator: speed"]
    assert all((figure.goal, figure.met, figure.value) == (">= 2", True, 3.0) for figure in figures)
    assert [run["details"] for run in runs] == [load.PARTS[name].file for name in ("triton", "generator")]


def test_all_parts_become_one_result(store: Store, checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store("triton")
    store("comparison")
    assert load.main(["--parts", "triton", "comparison"]) == 0
    written = BenchmarkResult.model_validate_json((result.RESULTS / "load.json").read_text())
    assert [figure.id for figure in written.figures] == ["triton: speed", "comparison: speed"]
    assert written.name == "load"
    assert "triton: speed" in capsys.readouterr().out


def test_a_goal_that_is_missed_is_told(store: Store, checkout: Path) -> None:
    store("triton", figures=(Figure.of("speed", 1.0, "×", goal=">= 2"),))
    assert load.main(["--parts", "triton"]) == 1
    assert (result.RESULTS / "load.json").exists()


def test_a_part_that_measures_nothing_leaves_no_whole(
    store: Store, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The part fails in this checkout, and the result that it left before is not taken for its own."""
    store("triton")
    store("comparison", commit="unknown")
    assert load.main(["--parts", "triton", "comparison"]) == 1
    assert not (result.RESULTS / "load.json").exists()
    assert "comparison gave no result" in capsys.readouterr().err


def test_every_part_is_a_module_that_can_be_run() -> None:
    for part in load.PARTS.values():
        path = Path(load.__file__).with_name(f"{part.module.removeprefix('bench.')}.py")
        assert "def main(" in path.read_text()
        assert f'"{part.result}"' in path.read_text(), "the result is looked for where it is written"
