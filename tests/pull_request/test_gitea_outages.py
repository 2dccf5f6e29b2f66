"""A real Gitea behind a bad network: whatever happens to any one write, in the end there is one pull request."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import pytest

from testbed.proxy import Asked, CutError, Proxy, Reply, proxy_to
from tests.pull_request.conftest import proposal
from tests.pull_request.gitea_host import Town
from tests.pull_request.hosting import BRANCH, Hosted
from tuner.errors import TemporaryError
from tuner.pull_request.gitea.client import GiteaClient
from tuner.pull_request.gitea.forge import GiteaForge
from tuner.pull_request.patience import Patience
from tuner.pull_request.project import Project
from tuner.pull_request.proposal import propose
from tuner.pull_request.protocol import PullRequestState
from tuner.repository.address import Access
from tuner.repository.repository import Repository

pytestmark = pytest.mark.real


def cut(_: Asked) -> Reply | None:
    raise CutError


def answered(status: int, **headers: str) -> Callable[[Asked], Reply | None]:
    return lambda _: Reply(status, {name.replace("_", "-"): value for name, value in headers.items()})


TROUBLES = (cut, answered(502), answered(503, Retry_After="1"), answered(429))


@dataclass
class Bad:
    """Proposing through a proxy, by as many processes as it takes."""

    direct: Hosted
    proxy: Proxy
    town: Town
    folder: Path
    waits: list[float]

    def propose(self) -> int:
        """Until it is done; how often an outage ended a try."""
        for outages in itertools.count():
            assert outages < 5, "it does not come to an end"
            address = self.direct.repository.address.replace(self.town.gitea.url, self.proxy.url)
            project = Project.of(address)
            client = GiteaClient(project.server, lambda: self.town.bot.token)
            forge = GiteaForge(project, client, Patience(tries=2, longest=2.0, sleep=self._wait))
            access = lambda: Access(self.town.bot.name, self.town.bot.token)  # noqa: E731
            try:
                with Repository.clone(address, self.folder / "clone", access=access) as repository:
                    propose(repository, forge, replace(proposal(repository), labels=("tuner",), reviewers=("bob",)))
            except TemporaryError as error:
                self.waits.append(error.delay)
            else:
                return outages
        raise AssertionError

    def _wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        time.sleep(min(seconds, 0.1))

    def holds(self) -> None:
        (pull,) = self.direct.forge.list()
        self.direct.repository.fetch()
        assert pull.state is PullRequestState.OPEN
        assert pull.head == self.direct.repository.branch(BRANCH)
        assert (pull.labels, pull.reviewers) == (("tuner",), ("bob",))
        assert list(self.direct.forge.comments(pull.number)) == []
        assert set(self.direct.repository.refs("refs/heads/")) == {"refs/heads/main", f"refs/heads/{BRANCH}"}


@pytest.fixture
def make_bad(town: Town, tmp_path: Path) -> Iterator[Callable[[], Bad]]:
    counted = itertools.count()
    with proxy_to(town.gitea.url) as proxy:

        def make() -> Bad:
            proxy.clear()
            folder = tmp_path / str(next(counted))
            folder.mkdir()
            return Bad(town.host(folder), proxy, town, folder, [])

        yield make


def at(number: int, trouble: Callable[[Asked], Reply | None]) -> tuple[Callable[[Asked], Reply | None], list[str]]:
    """The trouble, at the write of that number; and the writes that came, those that only wanted a name included."""
    writes: list[str] = []
    lock = threading.Lock()

    def meet(asked: Asked) -> Reply | None:
        if not asked.writes:
            return None
        with lock:
            writes.append(f"{asked.method} {asked.path}")
            mine = len(writes) == number + 1
        return trouble(asked) if mine else None

    return meet, writes


@pytest.mark.parametrize(("when", "first"), [("before", 0), ("after", 1)])
def test_any_write_may_fail_or_its_answer_be_lost(make_bad: Callable[[], Bad], when: str, first: int) -> None:
    for number in range(100):
        bad = make_bad()
        meet, writes = at(number, TROUBLES[(number + first) % len(TROUBLES)])
        setattr(bad.proxy, when, meet)
        bad.propose()
        bad.holds()
        if len(writes) <= number:
            break
    assert number >= 4, "the push, the pull request, its label and its reviewer"


def test_a_forge_that_says_how_long_is_asked_again_no_sooner(make_bad: Callable[[], Bad]) -> None:
    bad = make_bad()
    bad.proxy.before, _ = at(1, answered(429, Retry_After="2"))
    assert bad.propose() == 0
    assert max(bad.waits) >= 2
    bad.holds()
    later = make_bad()
    later.proxy.before, _ = at(1, answered(429, Retry_After="1800"))
    assert later.propose() == 1
    assert max(later.waits) == 1800, "that is for whoever runs the campaign to wait"
    later.holds()


def test_a_branch_that_gitea_has_yet_to_take_in_is_waited_for(make_bad: Callable[[], Bad]) -> None:
    """Another process pushed it a moment ago: the repository has it, and Gitea's own tables do not."""
    bad = make_bad()
    unknown: list[str] = []

    def late(asked: Asked) -> Reply | None:
        asks = asked.method == "GET" and asked.path.endswith(f"/branches/{quote(BRANCH)}")
        if not asks or len(unknown) == 2:
            return None
        unknown.append(asked.path)
        return Reply(404, {})

    bad.proxy.before = late
    bad.propose()
    assert len(unknown) == 2
    bad.holds()


def test_a_slow_forge_is_waited_for(make_bad: Callable[[], Bad]) -> None:
    bad = make_bad()

    def slow(_: Asked) -> Reply | None:
        time.sleep(0.3)
        return None

    bad.proxy.before = slow
    assert bad.propose() == 0
    bad.holds()


def test_a_forge_that_is_gone_is_no_end(make_bad: Callable[[], Bad]) -> None:
    bad = make_bad()
    gone = itertools.count()

    def before(asked: Asked) -> Reply | None:
        return cut(asked) if next(gone) < 3 else None

    bad.proxy.before = before
    assert bad.propose() > 0
    bad.holds()
