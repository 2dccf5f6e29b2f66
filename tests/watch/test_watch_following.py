"""What the service makes of pull requests: closed ones are closed in its queue, and a writer may ask for more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from tests.repository.conftest import Plain
from tests.watch.conftest import SPEC, Place, Recorder, configuration, done, started, until
from tuner.campaign.target import Target
from tuner.errors import TemporaryError
from tuner.watch.chores import Followed, Rerun
from tuner.watch.configuration import Configuration, Watched
from tuner.watch.service import Service
from tuner.watch.tables import campaigns


def settings(work: Plain) -> Configuration:
    return configuration(
        f"name: work, url: {work.folder}", leader="{lease: 1s}", polling="{interval: 1s, jitter: 0%, follow: 1us}"
    )


def results(service: Service) -> list[str]:
    with service.wiring.database.read() as connection:
        return [row.result for row in connection.execute(select(campaigns.c.result).order_by(campaigns.c.id))]


def test_a_pull_request_that_was_merged_is_not_followed_any_more(place: Place, work: Plain) -> None:
    asked: list[datetime | None] = []

    def follow(watched: Watched, since: datetime | None) -> Followed:
        asked.append(since)
        if len(asked) == 1:
            raise TemporaryError("the forge does not answer")
        return Followed(closed=(("echo-1", "merged"),))

    runner = Recorder(outcome=lambda job: done(job, "proposed"))
    service = place.service(settings(work), runner, follow=follow)
    with started(service):
        until(lambda: results(service) == ["merged"], 60)
    assert asked == [None, None]


def test_after_a_whole_look_only_what_changed_is_asked_for(place: Place, work: Plain) -> None:
    asked: list[datetime | None] = []

    def follow(watched: Watched, since: datetime | None) -> Followed:
        asked.append(since)
        if len(asked) == 2:
            raise TemporaryError("the forge does not answer")
        return Followed()

    began = datetime.now(UTC)
    service = place.service(settings(work), Recorder(outcome=lambda job: done(job, "proposed")), follow=follow)
    with started(service):
        until(lambda: len(asked) >= 4, 60)
    first, second, third, fourth = asked[:4]
    assert first is None
    assert second is not None
    assert third == second, "what the look that failed did not see is asked for again"
    assert fourth is not None
    assert fourth > second
    assert second < began - timedelta(hours=23), "the forge's clock may be behind"


def test_a_writer_gets_one_further_campaign_for_one_comment(place: Place, work: Plain) -> None:
    answered: list[str] = []
    rerun = Rerun("echo-1", "rerun-7-1", lambda: answered.append("once"))
    runner = Recorder(ends=False)
    service = place.service(settings(work), runner, follow=lambda _, __: Followed(reruns=(rerun,)))
    with started(service):
        until(lambda: len(runner.runs) == 1)
        runner.runs[0].end("proposed")
        until(lambda: len(runner.runs) == 2)
        found_while_it_runs = len(answered) + 2
        until(lambda: len(answered) >= found_while_it_runs, 60)
        runner.runs[1].end("proposed")
        until(lambda: results(service) == ["proposed", "proposed"])
        found_after_it = len(answered) + 2
        until(lambda: len(answered) >= found_after_it, 60)
    assert [(run.job.spec_path, run.job.occasion) for run in runner.runs] == [(SPEC, ""), (SPEC, "rerun-7-1")]


def test_a_rerun_is_a_whole_campaign_and_a_schedule_only_measures() -> None:
    parts = ("echo", SPEC, "a" * 40, "main", "/srv/work")
    assert not Target(*parts).remeasures
    assert not Target(*parts, "rerun-7-1").remeasures
    assert Target(*parts, "2026-11-29T03:00Z").remeasures
