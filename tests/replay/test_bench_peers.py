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
from tuner.replay.run import replay

PEER = """
import json, sys
for line in sys.stdin:
    order = json.loads(line)
    if "method" in order:
        sizes, places = [size for size, _ in order["sizes"]], order["start"]
        seen = [order]
    else:
        seen.append(order)
        places = [len(seen) % size for size in sizes]
    print(json.dumps({"places": places, "seen": seen}), flush=True)
    if len(seen) > 6:
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
    assert [step.assignment["batch"] for step in steps[1:]] == [4, 8, 1]
    seen = pipe.exchange({"cost": 0.0})["seen"]
    assert seen[0] == {"method": "any", "seed": 3, "trials": 9, "sizes": [[4, True], [5, True]], "start": [0, 4]}
    costs = [order["cost"] for order in seen[1:4]]
    merits = [recording.merit(step.tried) or 0.0 for step in steps]
    assert (costs[0] < costs[1]) == (merits[0] > merits[1])
    pipe.close()


def test_a_broken_limit_costs_more_than_its_merit_brings(pipe: Pipe, recording: Recording) -> None:
    peer = Peer("any", recording, seed=0, trials=9, worker=pipe)
    costs = {}
    for assignment in recording.candidates:
        peer.tell(recording.tried(assignment))
        costs[assignment] = peer._cost
    best = recording.best
    assert best is not None
    assert min(costs, key=lambda assignment: costs[assignment] or 0.0) == best.assignment
    pipe.close()


def test_a_process_that_ended_is_an_error(pipe: Pipe) -> None:
    answers = [pipe.exchange({"method": "any", "sizes": [[2, True]], "start": [0]})]
    answers += [pipe.exchange({"cost": 1.0}) for _ in range(6)]
    assert len(answers[-1]["seen"]) == 7
    with pytest.raises(PermanentError, match=r"peer\.py ended"):
        pipe.exchange({"cost": 1.0})
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
