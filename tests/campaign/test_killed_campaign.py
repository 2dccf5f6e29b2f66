"""A campaign that is killed, anywhere and often, ends as one that was not."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.campaign.service import SPEC_PATH, Service, make_service
from tests.campaign.test_campaign import policies

pytestmark = [pytest.mark.campaign, pytest.mark.timeout(1800)]

RANDOM_KILLS = 50


def die_at(service: Service, moment: str) -> bool:
    """Run until the moment; whether it came (the campaign may end before)."""
    command = [sys.executable, "-m", "tests.campaign.dying", str(service.repository / SPEC_PATH), str(service.state)]
    done = subprocess.run([*command, moment], capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


def check_whole(service: Service, ended: Any) -> None:
    """One pull request, a valid chain, no finished trial run again, no process left."""
    assert ended["result"] == "proposed", ended
    assert len(service.pulls()) == 1
    assert "intact" in service.verify(ended["campaign"])
    records = service.records(ended["campaign"])
    finished: set[int] = set()
    for record in records:
        if record["kind"] == "trial-started":
            assert record["body"]["number"] not in finished, f"trial {record['body']['number']} was run again"
        elif record["kind"] == "trial-finished":
            number = record["body"]["trial"]["number"]
            assert number not in finished
            finished.add(number)
    blocks = Counter(
        (record["body"]["candidate"], record["body"]["block"]["index"])
        for record in records
        if record["kind"] == "block-finished" and record["body"]["trial"]["outcome"]["kind"] == "completed"
    )
    assert set(blocks.values()) == {1}
    assert sum(record["kind"] == "campaign-ended" for record in records) == 1
    assert service.strays() == []


def test_killed_after_each_record(make_service: Callable[..., Service]) -> None:
    service = make_service(policies(99), instances="{ values: [1, 4] }", trials=3)
    number, deaths = 1, 0
    while die_at(service, f"after {number}"):
        number, deaths = number + 1, deaths + 1
        assert number < 200
    check_whole(service, service.run())
    assert deaths > 30


@pytest.mark.parametrize("moment", ["push", "open"])
def test_killed_between_an_effect_and_its_record(make_service: Callable[..., Service], moment: str) -> None:
    service = make_service(policies(99), instances="{ values: [1, 4] }", trials=3)
    assert die_at(service, moment)
    check_whole(service, service.run())


def test_killed_at_random_instants(tmp_path: Path) -> None:
    kill_at_random(tmp_path, RANDOM_KILLS, random.Random(20))


def kill_at_random(root: Path, kills: int, source: random.Random) -> int:
    """Kill campaigns at random instants until that many were hit; the number of campaigns that it took."""
    campaigns = hit = 0
    while hit < kills:
        campaigns += 1
        service = make_service(root / str(campaigns), policies(99), instances="{ values: [1, 4] }", trials=3)
        while hit < kills:
            process = service.start("run", str(service.repository / SPEC_PATH), "--json")
            try:
                process.communicate(timeout=source.uniform(0.5, 12))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                hit += 1
            else:
                break
        check_whole(service, service.run())
    return campaigns
