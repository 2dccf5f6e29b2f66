"""Other tuners behind a pipe, and tables of estimates: the parts that are ours."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path

import pytest

from bench.search_environment import Environment, Pipe
from bench.search_estimates import row_of
from bench.search_peers import Peer
from tuner.errors import PermanentError
from tuner.replay.recording import Noise, Recording
from tuner.replay.run import Step, replay

PEER = """
import json, sys
for line in sys.stdin:
    order, answer = json.loads(line), {}
    if "begin" in order:
        seen, sizes = [], [size for size, _ in order["begin"]["sizes"]]
    seen.append(order)
    if "ask" in order:
        number = sum("ask" in one for one in seen)
        answer = {"places": None if number > 9 else [number // 2 % size for size in sizes], "seen": seen}
    print(json.dumps(answer), flush=True)
    if len(seen) > 60:
        break
"""


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    lock = tmp_path / "lock.txt"
    lock.write_text("setuptools==1 \\\n    --hash=sha256:0\nother==2\n")
    made = Environment("peers", lock)
    (made.home / "bin").mkdir(parents=True)
    (made.home / "bin" / "python").symlink_to(sys.executable)
    return made


@pytest.fixture
def pipe(environment: Environment, tmp_path: Path) -> Pipe:
    script = tmp_path / "peer.py"
    script.write_text(PEER)
    return Pipe(environment, script)


def test_a_peer_begins_with_the_start_and_is_told_costs(pipe: Pipe, recording: Recording) -> None:
    peer = Peer("any", recording, seed=3, trials=9, worker=pipe)
    steps = list(islice(replay(recording, peer, Noise(0.0, 0)), 4))
    assert steps[0].assignment == recording.start
    seen = pipe.exchange({"ask": True})["seen"]
    assert seen[0] == {"begin": {"method": "any", "seed": 3, "trials": 9, "sizes": [[4, True], [5, True]]}}
    assert seen[1]["tell"]["places"] == [0, 4]  # the start, which nobody asked for
    costs = {tuple(order["tell"]["places"]): order["tell"]["cost"] for order in seen if "tell" in order}
    assert len(costs) == 4
    held = [(recording.worth(step.assignment), costs[_places(recording, step)]) for step in steps]
    known = sorted((worth, cost) for worth, cost in held if worth is not None)
    assert [cost for _, cost in known] == sorted((cost for _, cost in known), reverse=True)
    pipe.close()


def _places(recording: Recording, step: Step) -> tuple[int, ...]:
    parameters = recording.space.parameters
    return tuple(list(parameter.domain.grid()).index(step.assignment[parameter.name]) for parameter in parameters)


def test_what_was_tried_is_no_further_trial(pipe: Pipe, recording: Recording) -> None:
    """This peer says everything twice, and nothing after nine times; every trial is another configuration."""
    peer = Peer("any", recording, seed=0, trials=20, worker=pipe)
    steps = list(replay(recording, peer, Noise(0.0, 0)))
    assert {step.assignment for step in steps} == set(recording.candidates)
    assert len(steps) == len(recording.candidates)
    pipe.close()


def test_a_broken_limit_costs_more_than_its_merit_brings(pipe: Pipe, recording: Recording) -> None:
    peer = Peer("any", recording, seed=0, trials=9, worker=pipe)
    for assignment in recording.candidates:
        peer.tell(recording.tried(assignment))
    best = recording.best
    assert best is not None
    assert min(peer._costs, key=lambda assignment: peer._costs[assignment]) == best.assignment
    pipe.close()


def test_a_process_that_ended_is_an_error(pipe: Pipe) -> None:
    pipe.exchange({"begin": {"sizes": [[2, True]]}})
    for _ in range(60):
        pipe.exchange({"ask": True})
    with pytest.raises(PermanentError, match=r"peer\.py ended"):
        pipe.exchange({"ask": True})
    pipe.close()


def test_another_lock_file_is_another_environment(environment: Environment) -> None:
    before = environment.home
    assert environment.installed
    environment.lock.write_text("other==3\n")
    assert environment.home != before
    assert not environment.installed


def test_estimates_become_rows_and_what_does_not_fit_none() -> None:
    order = {"model": "m", "system": "s", "devices": 2, "batch": 10, "context": 1, "input": 100, "output": 101}
    row = row_of(order, {"ttft": 1000.0, "tpot": 10.0})
    assert row is not None
    assert row.split(",")[:5] == ["m", "s", "2", "10", "1"]
    assert float(row.split(",")[-1]) == pytest.approx(10 * 101 / 2.0)
    assert row_of(order, {"failed": "OOM: it does not fit"}) is None
