"""A campaign on a machine that changes its speed: exactly the trials during which it did are run again, once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.campaign.service import SPEC_PATH, Service
from tests.campaign.test_campaign import policies
from tuner.report.model import ReportInput
from tuner.trial.outcome import Inconclusive

pytestmark = [pytest.mark.campaign, pytest.mark.timeout(900)]

Make = Callable[..., Service]


def run(service: Service, speeds: str, moment: str = "") -> bool:
    """Run to the end, or until the moment; whether it came to the end."""
    command = [sys.executable, "-m", "tests.campaign.drifting", str(service.repository / SPEC_PATH), str(service.state)]
    done = subprocess.run([*command, speeds, moment], capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode == 0


def records(service: Service) -> list[Any]:
    (ledger,) = service.state.glob("campaigns/*/ledger.jsonl")
    return [json.loads(line) for line in ledger.read_text().splitlines()]


def bodies(service: Service, kind: str) -> list[Any]:
    return [record["body"] for record in records(service) if record["kind"] == kind]


def trials(service: Service) -> dict[int, Any]:
    """Finished trials by number; none has two records."""
    found = [body["trial"] for body in bodies(service, "trial-finished")]
    assert len({trial["number"] for trial in found}) == len(found)
    return {trial["number"]: trial for trial in found}


def repeated(service: Service) -> list[int]:
    return [number for body in bodies(service, "machine-checked") for number in body["repeated"]]


def test_the_trial_in_which_the_machine_slowed_down_is_run_again_and_no_other(make_service: Make) -> None:
    """The fourth server meets a machine at half of its speed; three references later it is itself again."""
    service = make_service(policies(99), trials=6)
    assert run(service, "4:500*3")
    found = trials(service)
    assert repeated(service) == [3]
    assert found[4]["assignment"] == found[3]["assignment"]
    assert [n for n in found if found[n]["assignment"] == found[3]["assignment"]] == [3, 4]
    assert found[3]["outcome"]["kind"] == "completed", "the record stays as it was"

    (check,) = [body for body in bodies(service, "machine-checked") if body["change"] is not None]
    assert check["trials"] == [3]
    assert check["level"] == "regained"
    assert check["change"]["value"] == pytest.approx(-0.5, abs=0.02)

    (file,) = service.state.glob("campaigns/*/report/report.json")
    report = ReportInput.from_json(file.read_text())
    outcome = next(trial.outcome for trial in report.trials if trial.number == 3)
    assert isinstance(outcome, Inconclusive)
    assert outcome.reason.startswith("the machine changed speed by -50 % (")
    assert outcome.measurement is not None
    assert report.stability is not None
    assert report.stability.repeated == (3,)
    measured = [trial.number for trial in report.trials if trial.number in report.efficiencies]
    assert measured == [number for number in found if number != 3]
    assert "intact" in service.verify(check_campaign(service))


def check_campaign(service: Service) -> str:
    return str(records(service)[0]["campaign"])


def test_a_machine_that_stays_slow_and_recovers_later_spoils_two_trials(make_service: Make) -> None:
    service = make_service(policies(99), trials=7)
    assert run(service, "3:500 6:1000")
    assert repeated(service) == [2, 5]
    found = trials(service)
    assert found[3]["assignment"] == found[2]["assignment"]
    assert found[6]["assignment"] == found[5]["assignment"]


def test_a_configuration_is_run_again_once_and_blocks_are_only_marked(make_service: Make) -> None:
    """The machine falls in the first run of a configuration and rises in its second: the second counts, and is marked.

    Servers beyond the search are the confirmation's blocks: it falls again in one of them.
    """
    service = make_service(policies(99), trials=3)
    assert run(service, "2:500 3:1000 9:500")
    assert repeated(service) == [1]
    changed = [body for body in bodies(service, "machine-checked") if body["change"] is not None]
    assert [body["trials"] for body in changed[:2]] == [[1], [2]]
    assert [body["trials"] for body in changed[2:]] == [[]]
    assert all(body["block"] is not None and body["repeated"] == [] for body in changed[2:])
    (file,) = service.state.glob("campaigns/*/report/report.json")
    report = ReportInput.from_json(file.read_text())
    assert report.stability is not None
    assert sorted(report.stability.changes) == [1, 2]


@pytest.mark.parametrize("moment", ["trial-finished 2", "machine-checked 2"])
def test_a_killed_campaign_neither_forgets_the_change_nor_runs_another_trial_again(
    make_service: Make, moment: str
) -> None:
    service = make_service(policies(99), trials=4)
    assert not run(service, "3:500", moment)
    assert run(service, "3:500")
    assert repeated(service) == [2]
    found = trials(service)
    assert [n for n in found if found[n]["assignment"] == found[2]["assignment"]] == [2, 3]
    started = [body["number"] for body in bodies(service, "trial-started")]
    assert len(started) == len(set(started))
    assert service.strays() == []
