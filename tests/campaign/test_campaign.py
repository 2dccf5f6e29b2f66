"""One pass over the pipeline with a real server, real load, real Git and real policies."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.campaign.service import MANIFEST_PATH, SPEC_PATH, Service, spec_text

pytestmark = pytest.mark.campaign

Make = Callable[..., Service]

MAIN = """\
package tuner.main

default allow := false

allow if count(deny) == 0

packages := {"instances", "evidence"}

warn := set()

deny contains reason if some reason in data.tuner.policy.instances.deny

deny contains reason if some reason in data.tuner.policy.evidence.deny
"""
ADMISSION = """\
package tuner.admission

allow := true

deny := set()

packages := set()
"""
FORBIDDEN = """\
package tuner.policy.instances

deny contains {"id": "instances.many", "severity": "deny", "msg": msg, "path": "candidate.workload.files"} if {
	some text in input.candidate.workload.files
	object.get(json.unmarshal(text), "instances", 1) >= data.most
	msg := "so many instances are not allowed here: take fewer"
}
"""
EVIDENCE = """\
package tuner.policy.evidence

deny contains {"id": "evidence.gain", "severity": "deny", "msg": "no gain was shown", "path": "ratio.low"} if {
	input.ratio.low <= 1
}
"""


def policies(most: int) -> dict[str, str]:
    """A repository's own policies, under which ``most`` instances are too many."""
    return {
        "policies/main.rego": MAIN,
        "policies/admission.rego": ADMISSION,
        "policies/instances.rego": FORBIDDEN,
        "policies/evidence.rego": EVIDENCE,
        "policies/data.yaml": f"most: {most}\n",
    }


def test_a_committed_spec_becomes_a_pull_request_with_manifest_report_and_audit(make_service: Make) -> None:
    service = make_service(policies(99), trials=6)
    ended = service.run()
    assert ended["result"] == "proposed", ended
    assert ended["recommendation"]["comparison"]["ratio"]["low"] > 1

    (pull,) = service.pulls()
    assert pull["state"] == "open"
    assert pull["base"] == "main"
    before, after = (
        service.git("show", f"main:{MANIFEST_PATH}"),
        service.git("show", f"{pull['branch']}:{MANIFEST_PATH}"),
    )
    assert "# keep in step with the alert" in after
    changed = [line for line in after.splitlines() if line not in before.splitlines()]
    assert changed
    assert all(any(name in line for name in ("instances", "max_batch_size", "item_us")) for line in changed), changed

    campaign = ended["campaign"]
    tree = service.git("ls-tree", "-r", "--name-only", pull["branch"]).splitlines()
    for name in (f"{campaign}.jsonl", f"{campaign}.head.json", f"{campaign}.head.json.sig", f"{campaign}/report.html"):
        assert f"audit/echo/{name}" in tree
    assert "intact" in service.verify(campaign, ref=pull["branch"])
    assert "intact" in service.verify(campaign)
    kinds = [record["kind"] for record in service.records(campaign)]
    assert kinds.index("proposal-intended") < kinds.index("pull-request") < kinds.index("campaign-ended")
    assert service.strays() == []

    again = service.run()
    assert again == ended
    assert len(service.pulls()) == 1


def test_what_is_merged_or_declined_continues_the_chain_once(make_service: Make) -> None:
    service = make_service(policies(99), trials=5)
    campaign = service.run()["campaign"]
    service.tuner("pr", "merge", "1", "--repo", str(service.repository))
    for _ in range(2):
        service.tuner("watch", str(service.repository), "--once", "--json")
    states = [r["body"]["state"] for r in service.records(campaign) if r["kind"] == "pull-request"]
    assert states == ["pushed", "opened", "merged"]
    assert "intact" in service.verify(campaign)
    assert service.git("log", "--format=%s", "-1", "main").startswith("Merge")
    assert len(service.pulls()) == 1


def test_a_declined_change_is_not_proposed_again(make_service: Make) -> None:
    service = make_service(policies(99), instances="{ values: [1, 4] }", trials=6)
    service.run()
    service.tuner("pr", "decline", "1", "-m", "not this week", "--repo", str(service.repository))
    text = spec_text(instances="{ values: [1, 4] }", trials=6)
    service.write({SPEC_PATH: text + "# measured again\n"}, "the spec, again")
    ended = service.run()
    assert len(service.pulls()) in (1, 2)
    if ended["result"] == "not-proposed":
        assert "not this week" in ended["reason"]
    else:
        first, second = service.pulls()
        assert service.git("show", f"{second['head']}:{MANIFEST_PATH}") != service.git(
            "show", f"{first['head']}:{MANIFEST_PATH}"
        )


def test_candidates_that_behave_like_the_baseline_keep_the_baseline(make_service: Make) -> None:
    service = make_service(policies(99))
    text = spec_text().replace(
        "  max_batch_size: { values: [1, 2, 4] }\n",
        "  colour: { type: categorical, values: [red, green, blue], default: red, target: { environment: COLOUR } }\n",
    )
    service.write({SPEC_PATH: text.replace("  instances: { min: 1, max: 4 }\n", "")}, "parameters without an effect")
    ended = service.run()
    assert ended["result"] == "kept-baseline", ended
    assert "keep the baseline" in ended["reason"]
    assert service.pulls() == []
    assert "intact" in service.verify(ended["campaign"])
    shown = service.git("ls-tree", "-r", "--name-only", "tuner/audit")
    assert f"audit/echo/{ended['campaign']}/report.html" in shown


def test_the_next_allowed_candidate_is_proposed_when_the_best_is_denied(make_service: Make) -> None:
    service = make_service(policies(4), instances="{ values: [1, 2, 4] }", trials=9)
    ended = service.run()
    verdicts = ended["verdicts"]
    assert ended["result"] == "proposed", ended
    assert [verdict["allow"] for verdict in verdicts.values()][-1] is True
    pull = service.pulls()[0]
    shipped = service.git("show", f"{pull['branch']}:{MANIFEST_PATH}")
    assert '"instances": 4' not in shipped


def test_no_pull_request_where_every_candidate_is_denied(make_service: Make) -> None:
    service = make_service(policies(2), instances="{ values: [2, 4] }", trials=4)
    ended = service.run(expect=3)
    assert ended["result"] == "denied"
    assert "so many instances are not allowed here" in ended["reason"]
    assert service.pulls() == []
    assert "intact" in service.verify(ended["campaign"])


def test_a_renamed_service_moves_its_pull_request_and_opens_no_second_one(make_service: Make) -> None:
    service = make_service(policies(99), instances="{ values: [1, 4] }", trials=3)
    first = service.run()
    text = spec_text(instances="{ values: [1, 4] }", trials=3)
    service.write({SPEC_PATH: text.replace("name: echo,", "name: reverb,")}, "another name")
    second = service.run()
    assert first["result"] == second["result"] == "proposed"
    assert second["campaign"].startswith("reverb-")
    (pull,) = service.pulls()
    assert pull["state"] == "open"
    assert "reverb" in pull["title"]


def test_trials_that_fail_are_recorded_with_their_reason_and_never_win(make_service: Make) -> None:
    service = make_service(policies(99))
    faults = "{ values: [none, exit-at-start, leak-at-start, die, error] }"
    text = spec_text(trials=8).replace("  max_batch_size: { values: [1, 2, 4] }\n", f"  fault: {faults}\n")
    service.write({SPEC_PATH: text}, "try faults too")
    ended = service.run()
    trials = [r["body"]["trial"] for r in service.records(ended["campaign"]) if r["kind"] == "trial-finished"]
    failed = [trial for trial in trials if trial["outcome"]["kind"] == "failed"]
    assert failed, "the random sampler is expected to meet a fault in eight trials"
    assert all(trial["outcome"]["reason"] for trial in failed)
    assert all(trial["assignment"]["fault"] != "none" for trial in failed)
    if ended["result"] == "proposed":
        assert (
            json.loads(json.dumps(ended["recommendation"]))["comparison"]["candidate"]["assignment"]["fault"] == "none"
        )
    assert service.strays() == []
