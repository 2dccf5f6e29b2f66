"""What a service does with what people do to their repositories; campaigns are recorded instead of run."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from tests.repository.conftest import Plain
from tests.watch.conftest import SPEC, Place, Recorder, configuration, spec, started, until
from tuner.watch.configuration import Configuration
from tuner.watch.job import Ended, State
from tuner.watch.service import Service
from tuner.watch.tables import campaigns, repositories, specs

OTHER = "configs/other/tuning.yaml"
FAST = {"polling": "{interval: 100ms, jitter: 10%}", "leader": "{lease: 1s}", "drain": "2s"}


def watching(work: Plain, *more: str, **sections: str) -> Configuration:
    return configuration(f"name: work, url: {work.folder}", *more, **{**FAST, **sections})


def states(service: Service, path: str = SPEC) -> list[str]:
    wanted = select(campaigns.c.state).where(campaigns.c.spec_path == path).order_by(campaigns.c.id)
    with service.wiring.database.read() as connection:
        return [row.state for row in connection.execute(wanted)]


def test_a_committed_spec_gets_one_campaign_and_a_quiet_branch_none(place: Place, work: Plain) -> None:
    runner = Recorder()
    with place.running(watching(work), runner) as service:
        until(lambda: service.metrics.registry.get_sample_value("tuner_looks_total", {"outcome": "quiet"}))
        until(lambda: states(service) == [State.DONE])
        work.commit({"README": "a change beside every spec\n"})
        until(lambda: seen(service) == work.git("rev-parse", "HEAD"))
    assert len(runner.runs) == 1
    assert runner.started[0][0] == SPEC


def seen(service: Service) -> str:
    with service.wiring.database.read() as connection:
        return str(connection.execute(select(repositories.c.revision)).scalar())


def test_a_service_that_starts_again_runs_nothing_twice(place: Place, work: Plain) -> None:
    runner = Recorder()
    with place.running(watching(work), runner) as service:
        until(lambda: states(service) == [State.DONE])
    again = Recorder()
    with place.running(watching(work), again, "b") as service:
        until(lambda: service.metrics.registry.get_sample_value("tuner_looks_total", {"outcome": "quiet"}))
        work.commit({OTHER: spec("other")})
        until(lambda: states(service, OTHER) == [State.DONE])
    assert [path for path, _ in again.started] == [OTHER]


def test_a_new_commit_to_a_spec_supersedes_the_campaign_in_flight(place: Place, work: Plain) -> None:
    runner = Recorder(ends=False)
    with place.running(watching(work), runner) as service:
        until(lambda: len(runner.runs) == 1)
        newer = work.commit({SPEC: spec(seed=4)})
        until(lambda: len(runner.runs) == 2)
        assert runner.runs[0].interrupted
        assert not runner.runs[1].interrupted
        assert runner.runs[1].job.revision == newer
        runner.runs[1].end()
        until(lambda: states(service) == [State.SUPERSEDED, State.DONE])


def test_a_commit_beside_the_spec_leaves_its_campaign_alone(place: Place, work: Plain) -> None:
    runner = Recorder(ends=False)
    with place.running(watching(work), runner) as service:
        until(lambda: len(runner.runs) == 1)
        head = work.commit({"configs/echo/model/weights": "new\n", OTHER: spec("other")})
        until(lambda: seen(service) == head)
        assert not runner.runs[0].interrupted
        runner.runs[0].end()
        until(lambda: len(runner.runs) == 2)
        runner.runs[1].end()
        until(lambda: states(service) == [State.DONE])


def test_a_force_push_takes_campaigns_to_the_new_history(place: Place, work: Plain) -> None:
    work.commit({"README": "to be rewritten\n"})
    runner = Recorder(ends=False)
    with place.running(watching(work), runner) as service:
        until(lambda: len(runner.runs) == 1)
        work.git("commit", "-q", "--amend", "--allow-empty", "-m", "another history")
        until(lambda: len(runner.runs) == 2)
        assert runner.runs[0].interrupted
        assert runner.runs[1].job.revision == work.git("rev-parse", "HEAD")
        runner.runs[1].end()
        until(lambda: states(service) == [State.SUPERSEDED, State.DONE])


def test_a_force_push_after_the_campaign_measures_nothing_again(place: Place, work: Plain) -> None:
    runner = Recorder()
    with place.running(watching(work), runner) as service:
        until(lambda: states(service) == [State.DONE])
        work.git("commit", "-q", "--amend", "--allow-empty", "-m", "reworded")
        until(lambda: seen(service) == work.git("rev-parse", "HEAD"))
    assert len(runner.runs) == 1


def test_a_rebase_that_brings_other_commits_leaves_specs_measured_once(place: Place, work: Plain) -> None:
    work.git("checkout", "-q", "-b", "topic")
    work.commit({OTHER: spec("other")})
    work.git("checkout", "-q", "main")
    runner = Recorder()
    with place.running(watching(work), runner) as service:
        until(lambda: states(service) == [State.DONE])
        work.commit({"README": "meanwhile on main\n"})
        work.git("rebase", "-q", "main", "topic")
        work.git("checkout", "-q", "main")
        work.git("merge", "-q", "--ff-only", "topic")
        until(lambda: states(service, OTHER) == [State.DONE])
    assert sorted(path for path, _ in runner.started) == [SPEC, OTHER]


def test_a_deleted_spec_withdraws_its_campaign(place: Place, work: Plain) -> None:
    runner = Recorder(ends=False)
    with place.running(watching(work), runner) as service:
        until(lambda: len(runner.runs) == 1)
        work.git("rm", "-q", SPEC)
        work.git("commit", "-q", "-m", "no more tuning")
        until(lambda: runner.runs[0].interrupted)
        until(lambda: states(service) == [State.WITHDRAWN])
        with service.wiring.database.read() as connection:
            assert connection.execute(select(specs)).all() == []


def test_a_renamed_spec_is_another_spec(place: Place, work: Plain) -> None:
    runner = Recorder(ends=False)
    with place.running(watching(work), runner) as service:
        until(lambda: len(runner.runs) == 1)
        work.git("mv", SPEC, "configs/echo/tuning-new.yaml")
        work.git("commit", "-q", "-m", "renamed")
        until(lambda: len(runner.runs) == 2)
        assert runner.runs[0].interrupted
        assert runner.runs[1].job.spec_path == "configs/echo/tuning-new.yaml"
        runner.runs[1].end()
        until(lambda: states(service) == [State.WITHDRAWN])


def test_a_spec_that_comes_back_as_it_was_measured_is_not_measured_again(place: Place, work: Plain) -> None:
    runner = Recorder()
    with place.running(watching(work), runner) as service:
        until(lambda: states(service) == [State.DONE])
        work.commit({SPEC: spec(seed=4)})
        until(lambda: len(states(service)) == 2)
        work.git("reset", "-q", "--hard", "HEAD~1")
        until(lambda: seen(service) == work.git("rev-parse", "HEAD"))
    assert [revision for _, revision in runner.started].count(work.git("rev-parse", "HEAD")) == 1


def test_a_wrong_spec_is_told_and_another_one_runs(place: Place, work: Plain) -> None:
    work.commit({SPEC: "kind: TuningSpec\n", OTHER: spec("other")})
    runner = Recorder()
    with place.running(watching(work), runner) as service:
        until(lambda: states(service, OTHER) == [State.DONE])
        with service.wiring.database.read() as connection:
            error = connection.execute(select(specs.c.error).where(specs.c.path == SPEC)).scalar_one()
    assert f"{SPEC}:1:1" in error
    assert [path for path, _ in runner.started] == [OTHER]


def test_a_link_in_the_place_of_a_spec_is_not_followed(place: Place, work: Plain) -> None:
    (work.folder / "configs" / "tuning-link.yaml").symlink_to("/etc/hostname")
    work.commit({OTHER: spec("other")})
    runner = Recorder()
    with place.running(watching(work), runner) as service:
        until(lambda: states(service, OTHER) == [State.DONE])
        assert states(service, "configs/tuning-link.yaml") == []


def test_a_refused_campaign_is_tried_again_when_its_folder_changes(place: Place, work: Plain) -> None:
    runner = Recorder(outcome=lambda _: Ended("refused", "the manifest is not there"))
    with place.running(watching(work), runner) as service:
        until(lambda: states(service) == [State.REFUSED])
        head = work.commit({"README": "far from the spec\n"})
        until(lambda: seen(service) == head)
        assert len(runner.runs) == 1
        work.commit({"configs/echo/deployment.yaml": "mended: true\n"})
        until(lambda: len(runner.runs) == 2)


def test_other_branches_are_not_watched(place: Place, work: Plain) -> None:
    runner = Recorder()
    with place.running(watching(work), runner) as service:
        until(lambda: states(service) == [State.DONE])
        work.git("checkout", "-q", "-b", "proposal")
        work.commit({SPEC: spec(seed=99), OTHER: spec("other")})
        work.git("checkout", "-q", "main")
        head = work.commit({"README": "on main\n"})
        until(lambda: seen(service) == head)
    assert len(runner.runs) == 1


def test_an_unreachable_repository_does_not_stop_another(place: Place, work: Plain, tmp_path: Path) -> None:
    runner = Recorder()
    settings = watching(work, f"name: gone, url: {tmp_path / 'nowhere'}")
    with place.running(settings, runner) as service:
        until(lambda: states(service) == [State.DONE])
        until(lambda: service.metrics.registry.get_sample_value("tuner_repository_failures", {"repository": "gone"}))
        with service.wiring.database.read() as connection:
            error = connection.execute(select(repositories.c.error).where(repositories.c.name == "gone")).scalar_one()
        assert "nowhere" in error


def test_a_repository_that_is_not_watched_any_more_is_let_go(place: Place, work: Plain, tmp_path: Path) -> None:
    other = Plain(tmp_path / "other")
    other.folder.mkdir()
    other.git("init", "-q", "-b", "main")
    other.commit({OTHER: spec("other")})
    runner = Recorder(ends=False)
    with place.running(watching(work, f"name: other, url: {other.folder}", backends="{process: {running: 2}}"), runner):
        until(lambda: len(runner.runs) == 2)
    with place.running(watching(work), Recorder(), "b") as service:
        until(lambda: states(service) == [State.DONE])
        assert states(service, OTHER) == [State.WITHDRAWN]


def test_draining_stops_campaigns_and_keeps_them_for_later(place: Place, work: Plain) -> None:
    runner = Recorder(ends=False)
    service = place.service(watching(work), runner)
    with started(service) as thread:
        until(lambda: len(runner.runs) == 1)
        service.stop()
        thread.join(30)
        assert not thread.is_alive()
        assert runner.runs[0].interrupted
        assert states(service) == [State.QUEUED]
    again = Recorder()
    with place.running(watching(work), again, "b") as service:
        until(lambda: states(service) == [State.DONE])
    assert again.runs[0].job.id == runner.runs[0].job.id
    assert again.runs[0].job.attempts == 0


def test_a_running_campaign_hears_that_its_service_leads(place: Place, work: Plain) -> None:
    runner = Recorder(ends=False)
    with place.running(watching(work), runner):
        until(lambda: bool(runner.runs) and runner.runs[0].beats >= 2)
        runner.runs[0].end()
