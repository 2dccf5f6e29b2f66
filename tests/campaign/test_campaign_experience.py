"""What one campaign tried is there for the next one; without it a campaign goes on all the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.campaign.service import SPEC_PATH, Service, spec_text
from tests.campaign.test_campaign import policies
from tests.campaign.test_killed_campaign import die_at
from tuner.campaign.event import CampaignStarted, ExperienceRecalled, TrialFinished
from tuner.campaign.inputs import read_inputs
from tuner.campaign.journal import Journal, progress_of
from tuner.campaign.observer import Silent
from tuner.campaign.remembering import COPY, about, recalled, remember
from tuner.campaign.session import Session
from tuner.campaign.target import Target
from tuner.cli.wiring import Settings, make_parts
from tuner.experience.model import Earlier, Reading, Tried
from tuner.experience.store import ExperienceStore, store_url
from tuner.measurement.model import Capacity, Interval, Measurement
from tuner.repository.repository import Repository
from tuner.space.assignment import Assignment
from tuner.trial.hardware import GpuInventory, Hardware
from tuner.trial.outcome import Completed, Failed, FailureKind, Inconclusive, Outcome, Trial

MACHINE = Hardware(
    cpu_model="a processor", cpus=(0, 1), cpu_quota=None, memory=8 * 2**30, gpus=GpuInventory(note="no GPU")
)


@pytest.fixture
def service(make_service: Callable[..., Service]) -> Service:
    return make_service()


@contextmanager
def open_session(service: Service) -> Iterator[Session]:
    """The campaign of the committed spec in this process; nothing of it is started."""
    with ExitStack() as stack:
        repository = stack.enter_context(Repository.open(service.repository))
        target = Target.of(repository, SPEC_PATH, "main", "echo")
        parts = make_parts(repository, Settings(service.state), Silent())
        folder = target.folder(service.state)
        journal = stack.enter_context(Journal.open(folder / "ledger.jsonl", target.campaign, Silent()))
        inputs = read_inputs(repository.snapshot(repository.resolve("main")), SPEC_PATH, parts.engine)
        model = service.repository / "configs/echo/model"
        backend = parts.backend(folder / "trials")
        session = Session(target, parts, journal, inputs, backend, folder, model, ())
        if journal.progress.started is None:
            journal.record(started(session))
        yield session


def started(session: Session) -> CampaignStarted:
    target, inputs = session.target, session.inputs
    return CampaignStarted(
        service=target.service,
        spec_path=target.spec_path,
        spec_commit=target.spec_commit,
        base_branch=target.branch,
        base_commit=target.spec_commit,
        inputs=dict(inputs.digests),
        engine=inputs.engine.name,
        backend=session.backend.name,
        policy_revision=inputs.bundle.revision,
        space_size=inputs.space.size(),
        baseline=inputs.baseline,
        baseline_workload="",
        seed=0,
        tuner="0",
        machine=MACHINE,
        system="",
    )


def tried(session: Session, number: int, outcome: Outcome | None = None) -> None:
    """Put a finished trial into the ledger."""
    rate = Interval(value=100.0 + number, low=90.0 + number, high=110.0 + number)
    measured = Completed(measurement=Measurement(capacity=Capacity(rate=rate), curve=(), warm_up=0, elapsed=1))
    point = Assignment({"instances": number + 1})
    ended = 1000.0 + number
    trial = Trial(
        number=number, assignment=point, workload="", outcome=outcome or measured, started=ended - 5, ended=ended
    )
    session.journal.record(TrialFinished(trial=trial))


def campaign(service: Service, trials: int = 3) -> Earlier:
    """A whole campaign, as far as experience goes; what it taught."""
    with open_session(service) as session:
        recalled(session)
        for number in range(trials):
            tried(session, number)
        remember(session)
        return about(session)


def another_spec(service: Service, seed: int) -> None:
    service.write({SPEC_PATH: spec_text().replace("seed: 3", f"seed: {seed}")}, "again")


def kept(service: Service) -> tuple[Earlier, ...]:
    with ExperienceStore(store_url(service.state, None)) as store:
        return store.recall()


def events(service: Service) -> list[ExperienceRecalled]:
    with open_session(service) as session:
        records = [record for record in session.journal.records if record.kind == "experience-recalled"]
        return [ExperienceRecalled.model_validate(record.body) for record in records]


def test_the_first_campaign_is_cold_and_the_next_one_learns_from_it(service: Service) -> None:
    first = campaign(service)
    (event,) = events(service)
    assert (event.trials, event.reason) == (0, "")
    assert event.features_missing == "there is no ONNX file in model"
    another_spec(service, 4)
    with open_session(service) as session:
        (found,) = recalled(session)
        told = session.progress.experience
    assert told is not None
    assert (told.trials, told.services) == (3, 1)
    assert told.digest.startswith("sha256:")
    assert found.model_copy(update={"trials": ()}) == first
    assert (found.service, found.engine, found.hardware) == ("echo", "simulator", "a processor, 2 cores, 8 GiB")
    assert [trial.assignment["instances"] for trial in found.trials] == [1, 2, 3]


def test_a_resumed_campaign_learns_from_what_it_began_with(service: Service) -> None:
    campaign(service)
    another_spec(service, 4)
    with open_session(service) as session:
        began = recalled(session)
        tried(session, 0)
    with ExperienceStore(store_url(service.state, None)) as store:
        store.remember("meanwhile", began[0].model_copy(update={"service": "another"}))
        store.forget("echo")
    with open_session(service) as session:
        assert recalled(session) == began
        assert recalled(session) == began
    assert len(events(service)) == 1


def test_killed_before_the_record_the_store_is_read_again(service: Service) -> None:
    campaign(service)
    another_spec(service, 4)
    with open_session(service) as session:
        session.folder.mkdir(parents=True, exist_ok=True)
        (session.folder / COPY).write_text("half of a co")
        assert len(recalled(session)[0].trials) == 3
        assert len(recalled(session)[0].trials) == 3, "the copy is whole now"


@pytest.mark.parametrize("harm", ["removed", "changed"])
def test_without_its_copy_the_search_goes_on_cold_and_says_so(service: Service, harm: str) -> None:
    campaign(service)
    another_spec(service, 4)
    with open_session(service) as session:
        assert recalled(session)
        copy = session.folder / COPY
        if harm == "removed":
            copy.unlink()
        else:
            copy.write_bytes(copy.read_bytes().replace(b"100.0", b"900.0"))
        assert recalled(session) == ()
        assert recalled(session) == ()
    assert ["is lost" in event.reason for event in events(service)] == [False, True]


def test_a_store_that_cannot_be_used_makes_a_cold_campaign(service: Service) -> None:
    service.state.mkdir(exist_ok=True)
    database = service.state / "experience.db"
    database.write_bytes(b"this is no database, and it is long enough to be read as one" * 40)
    campaign(service)
    (event,) = events(service)
    assert "not a database" in event.reason
    assert event.trials == 0


def test_a_search_that_began_without_looking_stays_cold(service: Service) -> None:
    campaign(service)
    another_spec(service, 4)
    with open_session(service) as session:
        tried(session, 0)
        assert recalled(session) == ()
        assert recalled(session) == ()
    assert [event.reason for event in events(service)] == ["the search began before experience was read"]


def test_each_trial_is_kept_once_and_says_what_it_taught(service: Service) -> None:
    with open_session(service) as session:
        tried(session, 0)
        tried(session, 1, Failed(failure=FailureKind.OUT_OF_MEMORY, reason="it took too much"))
        tried(session, 2, Inconclusive(reason="noise"))
        remember(session)
    with open_session(service) as session:
        tried(session, 3)
        remember(session)
        remember(session)
    (found,) = kept(service)
    assert [trial.assignment["instances"] for trial in found.trials] == [1, 2, 4]
    assert [trial.outcome for trial in found.trials] == ["completed", "failed", "completed"]
    assert [reading.metric for reading in found.trials[0].readings] == ["capacity", "seconds"]


def test_a_campaign_that_begins_anew_is_another_witness(service: Service) -> None:
    with open_session(service) as session:
        tried(session, 0)
        remember(session)
        ledger = session.folder / "ledger.jsonl"
    ledger.unlink()
    with open_session(service) as session:
        tried(session, 0)
        remember(session)
    (found,) = kept(service)
    assert len(found.trials) == 2


def test_the_load_is_known_by_all_that_a_capacity_depends_on(service: Service) -> None:
    def load() -> str:
        with open_session(service) as session:
            return about(session).load

    first = load()
    another_spec(service, 9)
    assert load() == first, "a seed is no part of the load"
    service.write({SPEC_PATH: spec_text().replace("p50: 50ms", "p50: 60ms")}, "another bound")
    second = load()
    assert second != first
    assert "p50 <= 60 ms" in second
    samples = (service.repository / "configs/echo/samples/x.npy").read_bytes()
    service.write({"configs/echo/samples/x.npy": samples[:-1] + b"\x01"}, "another sample")
    assert load() != second


def test_experience_is_shipped_with_the_repository(service: Service) -> None:
    campaign(service)
    file = service.repository / "configs/echo/experience.jsonl"
    service.tuner("experience", "export", str(file))
    service.tuner("experience", "forget", "echo")
    text = spec_text().replace("seed: 3", "experience: experience.jsonl, seed: 4")
    service.write({SPEC_PATH: text}, "with experience")
    with open_session(service) as session:
        (found,) = recalled(session)
        assert len(found.trials) == 3
        assert "configs/echo/experience.jsonl" in session.inputs.digests


def test_what_is_shipped_and_known_already_counts_once(service: Service) -> None:
    campaign(service)
    service.tuner("experience", "export", str(service.repository / "configs/echo/experience.jsonl"))
    text = spec_text().replace("seed: 3", "experience: experience.jsonl, seed: 4")
    service.write({SPEC_PATH: text}, "with experience")
    with open_session(service) as session:
        assert [len(found.trials) for found in recalled(session)] == [3]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "tuning.yaml:13:49: configs/echo/experience.jsonl is not in the repository"),
        ("{}", "configs/echo/experience.jsonl:1:1: this is no file of experience"),
    ],
)
def test_a_mistake_in_what_is_shipped_is_told_before_anything_runs(
    service: Service, content: str | None, told: str
) -> None:
    text = spec_text().replace("seed: 3", "seed: 3, experience: experience.jsonl")
    files: dict[str, str | bytes] = {SPEC_PATH: text}
    if content is not None:
        files["configs/echo/experience.jsonl"] = content
    service.write(files, "with experience")
    assert told in service.tuner("run", str(service.repository / SPEC_PATH), expect=2).stderr


def test_a_family_is_named_by_a_label(service: Service) -> None:
    service.write({SPEC_PATH: spec_text().replace("team: tests", "team: tests, family: echoes")}, "a family")
    with open_session(service) as session:
        assert about(session).family == "echoes"


def test_the_event_is_part_of_the_chain(service: Service) -> None:
    campaign(service)
    with open_session(service) as session:
        assert progress_of(session.journal.chain()).experience == session.progress.experience


@pytest.mark.campaign
def test_a_real_campaign_that_was_killed_keeps_each_trial_once(make_service: Callable[..., Service]) -> None:
    service = make_service(policies(99), instances="{ values: [1, 4] }", trials=3)
    for moment in (8, 14, 20):
        die_at(service, f"after {moment}")
    records = service.records(service.run()["campaign"])
    trials = [record["body"]["trial"] for record in records if record["kind"] == "trial-finished"]
    spoiled = {n for record in records if record["kind"] == "machine-checked" for n in record["body"]["repeated"]}
    certain = [trial for trial in trials if trial["outcome"]["kind"] in ("completed", "failed")]
    told = [trial["assignment"] for trial in certain if trial["number"] not in spoiled]
    (found,) = kept(service)
    assert [dict(trial.assignment) for trial in found.trials] == told
    assert any(trial.readings and trial.readings[0].metric == "capacity" for trial in found.trials)
    listed = json.loads(service.tuner("experience", "list", "--json").stdout)
    assert [(row["service"], row["trials"]) for row in listed] == [("echo", len(told))]


@pytest.mark.campaign
def test_a_campaign_whose_baseline_fails_still_teaches(make_service: Callable[..., Service]) -> None:
    service = make_service()
    text = spec_text().replace("50ms", "1ms")
    service.write({SPEC_PATH: text}, "an SLO that nobody meets")
    assert service.run(expect=1)["result"] == "failed"
    (found,) = kept(service)
    assert found.trials[0].outcome == "completed"
    assert found.trials[0].readings[0].side == "below"


def test_a_reading_is_a_value(service: Service) -> None:
    """What the sampler is given: frozen, comparable, complete."""
    campaign(service, trials=1)
    ((one,),) = [found.trials for found in kept(service)]
    capacity, seconds = one.readings
    assert one == Tried(
        assignment=Assignment({"instances": 1}),
        outcome="completed",
        readings=(
            Reading(metric="capacity", value=100.0, error=capacity.error),
            Reading(metric="seconds", value=5.0, error=seconds.error),
        ),
    )
    assert 0.05 < capacity.error < 0.07, "half of ln(110/90), at 90 % confidence"
