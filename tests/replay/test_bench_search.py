"""The search benchmark on a small table: what it measures, how it sums up, and that it resumes."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import search, search_jobs, search_kept, search_setting
from bench.search_asks import proposal_times
from bench.search_figures import figures_of, quantile
from bench.search_intervals import interval_of, share_at
from bench.search_kept import Store
from bench.search_runs import Row, scored
from bench.search_setting import METHODS, OURS, Job, Setting
from tuner.replay.recording import Recording
from tuner.replay.sheet import read_sheet
from tuner.replay.strategy import strategy_named


@pytest.fixture
def setting(tmp_path: Path, csv_text: str, descriptor_text: str, monkeypatch: pytest.MonkeyPatch) -> Setting:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "t.csv").write_text(csv_text)
    (tmp_path / "d.yaml").write_text(descriptor_text)
    return Setting(tmp_path / "t.csv", tmp_path / "d.yaml", None, None, 100)


def _about(method: str, noise: float = 0.0) -> dict[str, object]:
    return {"table": "t", "model": "small1", "family": "small", "seed": 0, "noise": noise, "method": method}


def test_a_run_is_scored_by_the_truth(recording: Recording) -> None:
    row = scored(_about("grid"), recording, strategy_named("grid", recording, seed=0, trials=20), None, 20)
    best = recording.best
    assert best is not None
    assert recording.start is not None
    order = [recording.start, *(one for one in recording.candidates if one != recording.start)]
    worths = [recording.worth(assignment) or 0.0 for assignment in order]
    for name, share in (("5", 0.95), ("1", 0.99), ("0", 1.0)):
        assert row.trials_to[name] == next(
            number for number, worth in enumerate(worths, start=1) if worth >= share * best.merit * (1 - 1e-12)
        )
    for count in (5, 10, 20):
        assert row.regret[str(count)] == pytest.approx(1 - max(worths[:count]) / best.merit)
    assert row.infeasible == sum(worth == 0 for worth in worths)
    assert row.recommended is not None
    assert row.recommended.holds


def test_what_is_not_reached_is_null(recording: Recording) -> None:
    row = scored(_about("grid"), recording, strategy_named("grid", recording, seed=0, trials=2), None, 2)
    assert row.trials == 2
    assert row.trials_to["0"] is None


def test_the_benchmark_writes_runs_and_resumes(setting: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    out = setting.table.with_name("out.json")
    asked = ["--table", str(setting.table), "--descriptor", str(setting.descriptor), "--json", str(out)]
    options = [
        "--methods",
        "tuner+prior",
        "random",
        "--models",
        "large",
        "--seeds",
        "2",
        "--noise",
        "0.05",
        "--jobs",
        "1",
    ]
    assert search.main([*asked, *options]) == 0
    found = json.loads(out.read_text())
    assert len(found["runs"]) == 4
    for run in found["runs"]:
        wanted = {"table", "model", "seed", "noise", "method", "trials_to", "regret", "infeasible", "ask_ms"}
        assert run.keys() == wanted
        assert run["trials_to"].keys() == {"5", "1", "0"}
        assert run["regret"].keys() == {"5", "10", "20"}
    first = capsys.readouterr()
    assert "large: of the family large, learns from 2 services" in first.err
    assert "tuner+prior on large, noise 0.05" in first.err
    assert search.main([*asked, *options]) == 0
    again = capsys.readouterr()
    assert " on large" not in again.err  # nothing was run again
    assert again.out == first.out
    assert json.loads(out.read_text())["runs"] == found["runs"]
    assert [(group["method"], group["model"], group["seeds"]) for group in found["groups"]] == [
        ("tuner+prior", "large", 2),
        ("random", "large", 2),
    ]
    assert search.main([*asked, *options, "--seeds", "3", "--kept"]) == 0
    assert json.loads(out.read_text())["runs"] == found["runs"]  # the third seed is not known
    assert search.main([*asked, "--models", "small1", "--kept"]) == 2


def test_a_prior_holds_no_sibling(setting: Setting) -> None:
    experience = setting.experience("small1")
    assert [one.service for one in experience] == ["large"]


@pytest.mark.parametrize("method", ["tuner", "random"])
def test_rows_belong_to_what_made_them(setting: Setting, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    store = Store(setting)
    store.append(search_jobs._run(setting, Job("small1", method, 0.0, (0,))))
    assert list(store.read()) == [("small1", method, 0.0, 0)]
    search_kept._code.cache_clear()
    monkeypatch.setattr(search_kept, "_sources", lambda kind: f"other than that of {kind}")
    assert not store.read()


def test_a_change_of_the_search_makes_no_other_run_stale(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    store, sources = Store(setting), search_kept._sources
    before = {method: store.code("small1", method) for method in METHODS}
    search_kept._code.cache_clear()
    monkeypatch.setattr(search_kept, "_sources", lambda kind: "new" if kind == "ours" else sources(kind))
    changed = {method for method in METHODS if store.code("small1", method) != before[method]}
    assert changed == set(OURS)


def test_other_runs_belong_to_what_is_recorded(setting: Setting) -> None:
    """An engine's name is nothing to a search without a prior; another limit is something else to look for."""
    text = setting.descriptor.read_text()
    codes = []
    for changed in (text, text.replace("simulator", "other"), text.replace("latency: 40", "latency: 30")):
        setting.descriptor.write_text(changed)
        for known in (search_kept._code, search_kept._recorded, search_setting._recording, search_setting._table):
            known.cache_clear()
        codes.append({method: Store(setting).code("small1", method) for method in ("tuner", "random", "smac")})
    assert {method for method in codes[0] if codes[1][method] != codes[0][method]} == {"tuner"}
    assert {method for method in codes[0] if codes[2][method] != codes[0][method]} == {"tuner", "random", "smac"}


def test_comments_make_no_row_stale(tmp_path: Path) -> None:
    file = tmp_path / "one.py"
    file.write_text('"""What it is."""\nONE = 1  # a number\n')
    before = search_kept._meaning(file)
    file.write_text('"""What it is, better said."""\n\nONE = 1\n')
    assert search_kept._meaning(file) == before
    file.write_text("ONE = 2\n")
    assert search_kept._meaning(file) != before


def test_an_interval_holds_the_figure_and_knows_that_runs_of_one_model_are_alike() -> None:
    models = [f"m{number % 5}" for number in range(100)]
    values = [float(number % 5) for number in range(100)]
    low, high = interval_of(models, values, share_at(0.5)) or (0.0, 0.0)
    assert low < 2 < high
    assert interval_of(models, [3.0] * 100, share_at(0.5)) == (3.0, 3.0)
    assert interval_of(["a", "b"], [1.0, 2.0], share_at(0.5)) is None


def test_a_mistake_is_one_line_and_exit_2(setting: Setting, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--table", str(setting.table), "--descriptor", str(setting.descriptor)]
    assert search.main([*asked, "--models", "medium"]) == 2
    assert "the table has no model medium" in capsys.readouterr().err
    assert search.main(["--table", str(setting.table)]) == 2
    assert "no shipped descriptor has these columns" in capsys.readouterr().err
    assert search.main(["--table", "nowhere.csv"]) == 2
    assert "nowhere.csv: cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("header", ["model,batch,sm_pct,quota_pct,latency_ms", "model,batch,sm,quota,latency_ms,note"])
def test_the_shipped_descriptor_is_found_by_the_columns(header: str) -> None:
    assert search.shipped(read_sheet(f"{header}\n".encode(), "t.csv")).stem == "rapp_v100"


@given(st.lists(st.integers(1, 101), min_size=1, max_size=60), st.sampled_from([0.5, 0.9, 1.0]))
def test_a_quantile_is_the_least_value_that_covers_its_share(values: list[int], share: float) -> None:
    found = quantile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9
    assert sum(value < found for value in values) < math.ceil(share * len(values) - 1e-9) or found == min(values)


def _row(method: str, reached: int | None, *, solvable: bool = True, none_after: int | None = None) -> Row:
    known = dict.fromkeys(("5", "1", "0"), reached)
    return Row.model_validate(
        _about(method)
        | {
            "trials_to": known,
            "regret": dict.fromkeys(("5", "10", "20"), 0.0 if solvable else None),
            "infeasible": 5,
            "failed": 0,
            "trials": 20,
            "ask_ms": 1.0,
            "ask_ms_worst": 2.0,
            "solvable": solvable,
            "none_after": none_after,
        }
    )


def test_figures_count_what_was_not_reached_as_worse_than_all() -> None:
    rows = [_row("tuner+prior", reached) for reached in (3, 4, 9, None)]
    figures = {figure.id: figure for figure in figures_of(rows, 100, goals="rapp_v100")}
    assert figures["tuner+prior, noise 0: trials to within 1 %, median"].value == 4
    assert figures["tuner+prior, noise 0: trials to within 1 %, median"].met is True
    assert figures["tuner+prior, noise 0: trials to within 1 %, worst"].value == 101
    assert figures["tuner+prior, noise 0: trials to within 1 %, worst"].met is False
    assert figures["tuner+prior, noise 0: infeasible trials, mean over models"].value == 25
    assert figures["tuner+prior, noise 0: infeasible trials, mean over models"].met is False


@pytest.mark.parametrize(("said", "met"), [(4, True), (None, False)])
def test_a_model_without_feasible_cells_has_a_figure_of_its_own(said: int | None, met: bool) -> None:
    rows = [_row("tuner+prior", None, solvable=False, none_after=said)]
    figures = [figure for figure in figures_of(rows, 100, goals="rapp_v100") if "nothing holds the limits" in figure.id]
    assert [figure.met for figure in figures] == [met]


def test_proposals_are_timed_cold_and_with_experience() -> None:
    cold, informed = proposal_times(((2, "<= 1000000"),))
    assert (cold.id, cold.unit) == ("a proposal among 100 candidates after 100 trials, cold", "ms")
    assert informed.id.endswith("20 earlier services")
    assert cold.value > 0


def test_memory_has_goals_of_its_own() -> None:
    rows = [_row("tuner+prior", 3).model_copy(update={"failed": failed}) for failed in (0, 2)]
    figures = {figure.id: figure for figure in figures_of(rows, 100, goals="estimates")}
    assert figures["tuner+prior, noise 0: of the first 10 trials did not run, worst"].met is False
    assert figures["tuner+prior, noise 0: regret after 10 trials, worst"].met is True
    assert figures["tuner+prior, noise 0: trials to within 1 %, median"].goal is None
