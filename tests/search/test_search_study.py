"""Ask and tell: what is proposed, what is remembered, and what a killed process leaves behind."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import select
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4
from wsgiref.util import setup_testing_defaults

import optuna
import pytest
from optuna_dashboard import wsgi  # type: ignore[import-untyped]

from tuner.engine.workload import Resources
from tuner.errors import PermanentError, TemporaryError, UserError
from tuner.measurement.model import Measurement
from tuner.search.objective import Goal
from tuner.search.sampler import check_sampler
from tuner.search.storage import StudyStorage, sqlite_url
from tuner.search.study import ATTEMPTS, Exhausted, Proposal, Search
from tuner.space.assignment import Assignment
from tuner.space.space import Space
from tuner.spec.model import Search as Settings
from tuner.trial.outcome import Completed, Errored, Failed, FailureKind, Inconclusive, Outcome, Trial

Outcomes = Callable[[Assignment], Outcome]
TrialOf = Callable[[int, Assignment, Outcome], Trial]


def settings(sampler: str = "tpe", seed: int = 7) -> Settings:
    return Settings.model_validate({"sampler": sampler, "seed": seed})


@pytest.fixture
def study_name() -> str:
    return f"study-{uuid4().hex}"


@pytest.fixture
def file_url(tmp_path: Path) -> str:
    return sqlite_url(tmp_path / "study.db")


class Campaign:
    """Opens one search again and again, as a campaign that is restarted would."""

    def __init__(self, space: Space, goal: Goal, url: str, name: str, trial_of: TrialOf, resources: Resources) -> None:
        self.space, self.goal, self.url, self.name = space, goal, url, name
        self.trial_of, self.resources = trial_of, resources

    def open(self, sampler: str = "tpe", seed: int = 7, budget: int = 20) -> Search:
        return Search.open(self.space, settings(sampler, seed), self.goal, self.url, self.name, budget=budget)

    def tell(self, search: Search, proposal: Proposal, outcome: Outcome) -> None:
        search.tell(self.trial_of(proposal.number, proposal.assignment, outcome), self.resources)

    def run(self, search: Search, trials: int, outcomes: Outcomes) -> list[Assignment]:
        """Run up to this many trials; the configurations in order."""
        seen = []
        for _ in range(trials):
            proposal = search.ask()
            if isinstance(proposal, Exhausted):
                break
            self.tell(search, proposal, outcomes(proposal.assignment))
            seen.append(proposal.assignment)
        return seen


@pytest.fixture
def campaign(
    wide: Space, goal: Goal, file_url: str, study_name: str, trial_of: TrialOf, one_core: Resources
) -> Campaign:
    return Campaign(wide, goal, file_url, study_name, trial_of, one_core)


@pytest.fixture
def tiny(small: Space, goal: Goal, file_url: str, study_name: str, trial_of: TrialOf, one_core: Resources) -> Campaign:
    return Campaign(small, goal, file_url, study_name, trial_of, one_core)


def asked(search: Search) -> Proposal:
    proposal = search.ask()
    assert isinstance(proposal, Proposal)
    return proposal


def test_the_baseline_comes_first_and_is_what_the_rest_is_judged_against(
    campaign: Campaign, completed: Outcomes
) -> None:
    baseline = campaign.space.defaults()
    with campaign.open() as search:
        assert search.enqueue(baseline, "baseline")
        assert not search.enqueue(baseline, "baseline"), "a resumed campaign enqueues it again"
        assert search.baseline() is None
        first = asked(search)
        assert (first.number, first.assignment, first.origin) == (0, baseline, "baseline")
        campaign.tell(search, first, completed(baseline))
        metrics = search.baseline()
        assert metrics is not None
        assert campaign.goal.advantage(metrics, metrics) == 1


def test_a_baseline_outside_of_the_space_is_tried_all_the_same(campaign: Campaign, completed: Outcomes) -> None:
    outside = Assignment({**campaign.space.defaults(), "batch": 3, "queue": "lifo"})
    with campaign.open() as search:
        assert search.enqueue(outside, "baseline")
        assert campaign.run(search, 8, completed)[0] == outside
        assert search.history()[0].metrics is not None
        with pytest.raises(ValueError, match="not in the space"):
            search.enqueue(Assignment({**outside, "batch": 5}))


def test_a_grid_over_an_endless_space_is_refused(endless: Space, campaign: Campaign) -> None:
    campaign.space = endless
    with pytest.raises(UserError, match="grid"):
        campaign.open("grid")


def test_a_space_smaller_than_the_budget_ends_when_all_of_it_was_tried(tiny: Campaign, completed: Outcomes) -> None:
    with tiny.open() as search:
        seen = tiny.run(search, 100, completed)
        end = search.ask()
    assert sorted(map(str, seen)) == sorted(map(str, tiny.space.feasible())), "each once, and no more"
    assert end == Exhausted("every configuration was tried")


def test_several_objectives_are_told_at_once(tiny: Campaign, goal_of: Callable[..., Goal], completed: Outcomes) -> None:
    tiny.goal = goal_of(goal="pareto", of=("cost", "capacity"))
    with tiny.open("nsga2") as search:
        assert len(set(tiny.run(search, 6, completed))) == 6
        assert all(entry.metrics is not None for entry in search.history())


def test_running_trials_are_not_proposed_twice(tiny: Campaign) -> None:
    with tiny.open() as search:
        proposals = [asked(search) for _ in range(9)]
        assert len({proposal.assignment for proposal in proposals}) == 9
        assert isinstance(search.ask(), Exhausted)


def test_a_failed_trial_has_no_score_and_keeps_its_reason(tiny: Campaign, completed: Outcomes) -> None:
    with tiny.open() as search:
        failed = asked(search)
        tiny.tell(search, failed, Failed(failure=FailureKind.OUT_OF_MEMORY, reason="used 2.1 of 2 GiB"))
        tiny.run(search, 8, completed)
        assert isinstance(search.ask(), Exhausted), "it is not tried again"
        entry = search.history()[failed.number]
        assert entry.status == "failed"
        assert entry.metrics is None
        assert entry.record.reason == "out-of-memory: used 2.1 of 2 GiB"


def test_a_trial_that_completed_without_capacity_failed(tiny: Campaign, measured: Callable[..., Measurement]) -> None:
    with tiny.open() as search:
        proposal = asked(search)
        tiny.tell(search, proposal, Completed(measurement=measured(None)))
        assert search.history()[0].status == "failed"
        assert search.history()[0].metrics is None


@pytest.mark.parametrize("outcome", [Errored(reason="no port"), Inconclusive(reason="the generator was late")])
def test_what_the_machine_spoiled_is_tried_again_but_not_for_ever(tiny: Campaign, outcome: Outcome) -> None:
    with tiny.open() as search:
        first = asked(search)
        tiny.tell(search, first, outcome)
        for _ in range(ATTEMPTS - 1):
            again = asked(search)
            assert again.assignment == first.assignment
            assert again.number != first.number
            assert again.origin == "retry"
            tiny.tell(search, again, outcome)
        assert asked(search).assignment != first.assignment
        assert not any(entry.finished for entry in search.history()), "it says nothing about the configuration"


def test_a_retry_that_works_is_the_answer(tiny: Campaign, completed: Outcomes) -> None:
    with tiny.open() as search:
        first = asked(search)
        tiny.tell(search, first, Errored(reason="no port"))
        seen = tiny.run(search, 100, completed)
    assert len(seen) == len(set(seen)) == 9


def test_a_search_goes_on_in_another_process_as_if_nothing_had_happened(
    wide: Space, goal: Goal, storage_url: str, trial_of: TrialOf, one_core: Resources, completed: Outcomes
) -> None:
    name = f"study-{uuid4().hex}"
    whole = Campaign(wide, goal, storage_url, f"{name}-whole", trial_of, one_core)
    with whole.open() as search:
        expected = whole.run(search, 9, completed)
    parts = Campaign(wide, goal, storage_url, f"{name}-parts", trial_of, one_core)
    seen = []
    for _ in range(3):
        with parts.open() as search:
            seen += parts.run(search, 3, completed)
    assert seen == expected


def test_a_trial_left_running_is_handed_out_again_under_its_number(tiny: Campaign, completed: Outcomes) -> None:
    with tiny.open() as search:
        left = asked(search)
    with tiny.open() as search:
        again = asked(search)
        assert again == left
        assert asked(search) != left, "once by each process"
        tiny.tell(search, again, completed(again.assignment))
        assert search.history()[left.number].status == "completed"


def test_a_configuration_that_kills_tuner_is_given_up(tiny: Campaign) -> None:
    for _ in range(ATTEMPTS):
        with tiny.open() as search:
            deadly = asked(search)
    with tiny.open() as search:
        assert asked(search).assignment != deadly.assignment
        entry = search.history()[deadly.number]
        assert entry.status == "errored"
        assert entry.record.reason == f"tuner was killed {ATTEMPTS} times while this configuration ran"


def test_a_search_that_gave_configurations_up_says_so_at_its_end(tiny: Campaign, completed: Outcomes) -> None:
    for _ in range(ATTEMPTS):
        with tiny.open() as search:
            asked(search)
    with tiny.open() as search:
        while not isinstance(proposal := search.ask(), Exhausted):
            tiny.tell(search, proposal, completed(proposal.assignment))
    assert "1 of them given up" in proposal.reason


def test_telling_twice_changes_nothing(tiny: Campaign, completed: Outcomes) -> None:
    with tiny.open() as search:
        proposal = asked(search)
        tiny.tell(search, proposal, completed(proposal.assignment))
        before = search.history()
        tiny.tell(search, proposal, Failed(failure=FailureKind.DIED, reason="late news"))
        assert search.history() == before
        other = next(a for a in tiny.space.feasible() if a != proposal.assignment)
        with pytest.raises(ValueError, match="trial 0 is"):
            search.tell(tiny.trial_of(0, other, completed(other)), tiny.resources)


def test_a_lost_database_is_filled_again_from_the_ledger(tiny: Campaign, completed: Outcomes, tmp_path: Path) -> None:
    baseline = tiny.space.defaults()
    with tiny.open() as search:
        search.enqueue(baseline, "baseline")
        seen = tiny.run(search, 5, completed)
        history = search.history()
    ledger = [tiny.trial_of(number, assignment, completed(assignment)) for number, assignment in enumerate(seen)]
    tiny.url = sqlite_url(tmp_path / "new.db")
    with tiny.open() as search:
        search.enqueue(baseline, "baseline")
        for trial in ledger:
            search.tell(trial, tiny.resources)
        assert [entry.metrics for entry in search.history()] == [entry.metrics for entry in history]
        assert asked(search).assignment not in seen


def test_a_number_without_a_result_in_the_ledger_stays_unused(tiny: Campaign, completed: Outcomes) -> None:
    points = list(tiny.space.feasible())
    with tiny.open() as search:
        for number in (0, 3):
            search.tell(tiny.trial_of(number, points[number], completed(points[number])), tiny.resources)
        history = search.history()
        assert [entry.status for entry in history] == ["completed", "errored", "errored", "completed"]
        seen = tiny.run(search, 20, completed)
    assert len(seen) == len(points) - 2, "each of the others once"


def _work(campaign: Campaign, outcomes: Outcomes, pipe: int) -> None:
    """Search until killed, reporting each trial that was told."""
    with campaign.open() as search, os.fdopen(pipe, "w", buffering=1) as report:
        while True:
            proposal = search.ask()
            if isinstance(proposal, Exhausted):
                return
            campaign.tell(search, proposal, outcomes(proposal.assignment))
            report.write(f"{proposal.number}\n")


def _killed_after(campaign: Campaign, outcomes: Outcomes, trials: int, delay: float) -> int:
    """Run a worker, SIGKILL it ``delay`` seconds after it told ``trials`` trials; the number it had told."""
    reading, writing = os.pipe()
    worker = multiprocessing.get_context("fork").Process(target=_work, args=(campaign, outcomes, writing))
    worker.start()
    os.close(writing)
    assert worker.pid is not None
    with os.fdopen(reading) as report:
        told = [report.readline() for _ in range(trials)]
        select.select([], [], [], delay)
        os.kill(worker.pid, signal.SIGKILL)
        told += report.readlines()
    worker.join()
    return len([line for line in told if line.endswith("\n")])


def test_nothing_told_is_lost_and_nothing_is_measured_twice_when_killed_at_any_instant(
    campaign: Campaign, completed: Outcomes
) -> None:
    chance = random.Random(11)
    with campaign.open() as search:
        search.enqueue(campaign.space.defaults(), "baseline")
    for round_ in range(8):
        with campaign.open() as search:
            before = sum(entry.finished for entry in search.history())
        told = _killed_after(campaign, completed, trials=1 if round_ else 2, delay=chance.uniform(0, 0.2))
        with campaign.open() as search:
            history = search.history()
            finished = [entry.assignment for entry in history if entry.finished]
        assert len(finished) >= before + told
        assert len(finished) == len(set(finished))
        assert sum(entry.pending for entry in history) <= 1
    assert all(entry.metrics is not None for entry in history if entry.finished)


def test_the_study_reads_well_in_a_dashboard(campaign: Campaign, completed: Outcomes) -> None:
    with campaign.open() as search:
        search.enqueue(campaign.space.defaults(), "baseline")
        campaign.run(search, 5, completed)
    storage = StudyStorage(campaign.url)
    study = optuna.load_study(study_name=campaign.name, storage=storage.optuna)
    trial = study.trials[0]
    assert trial.params == dict(campaign.space.defaults()), "the values that people write, not indices"
    assert study.metric_names == ["cost"]
    assert trial.value == pytest.approx(trial.user_attrs["cost"])
    assert {"capacity", "capacity_low", "capacity_high", "hourly", "outcome", "origin"} <= set(trial.user_attrs)
    storage.close()


@pytest.mark.real
def test_the_dashboard_itself_opens_the_study(campaign: Campaign, completed: Outcomes) -> None:
    with campaign.open() as search:
        search.enqueue(campaign.space.defaults(), "baseline")
        campaign.run(search, 3, completed)
        failed = asked(search)
        campaign.tell(search, failed, Failed(failure=FailureKind.START, reason="exit 1"))
    storage = StudyStorage(campaign.url)
    app = wsgi(storage.optuna)

    def answer(path: str) -> Any:
        environ: dict[str, Any] = {"PATH_INFO": path}
        setup_testing_defaults(environ)
        statuses: list[str] = []
        body = b"".join(app(environ, lambda status, headers, *rest: statuses.append(status)))
        assert statuses == ["200 OK"], body
        return json.loads(body)

    studies = answer("/api/studies")["study_summaries"]
    assert [study["study_name"] for study in studies] == [campaign.name]
    trials = answer(f"/api/studies/{studies[0]['study_id']}")["trials"]
    storage.close()
    assert [trial["state"] for trial in trials] == ["Complete"] * 3 + ["Fail"]
    attributes = {pair["key"]: pair["value"] for pair in trials[3]["user_attrs"]}
    assert attributes["reason"] == "start: exit 1"


def test_a_study_is_not_mixed_up_with_another(tiny: Campaign, wide: Space, goal_of: Callable[..., Goal]) -> None:
    tiny.open().close()
    goal, space = tiny.goal, tiny.space
    tiny.goal = goal_of(goal="maximize-capacity")
    with pytest.raises(PermanentError, match="another goal"):
        tiny.open()
    tiny.goal, tiny.space = goal, wide
    with pytest.raises(PermanentError, match="another space"):
        tiny.open()
    tiny.space = space
    tiny.open().close()


def test_a_sampler_that_cannot_be_used_says_what_can() -> None:
    with pytest.raises(UserError, match="Pareto"):
        check_sampler(settings("cmaes"), objectives=2, finite=True)


@pytest.mark.parametrize("url", ["", "nonsense", "oracle://x", "mysql://root:secret@db/x", "sqlite://"])
def test_a_storage_url_that_cannot_be_used_is_the_users_mistake(url: str) -> None:
    with pytest.raises(UserError) as caught:
        StudyStorage(url)
    assert "secret" not in str(caught.value)
    assert "postgresql://" in str(caught.value)


def test_a_database_that_does_not_answer_is_waited_for_and_its_password_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(TemporaryError) as caught:
        StudyStorage(f"postgresql://tuner:secret@/none?host={tmp_path}")
    assert "secret" not in str(caught.value)
    assert caught.value.delay > 0


def test_a_file_that_is_no_database_stops_the_search(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    path.write_bytes(b"this is no database, and it is long enough to be read as one" * 40)
    with pytest.raises(PermanentError, match="not a database"):
        StudyStorage(sqlite_url(path))
    assert path.read_bytes().startswith(b"this is no database"), "it is left as it was"


def test_a_folder_that_cannot_be_made_stops_the_search(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PermanentError, match="cannot be made"):
        StudyStorage(sqlite_url(tmp_path / "file" / "study.db"))
