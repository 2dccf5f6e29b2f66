"""One campaign answers every band of arrival rates, and proposes what today's traffic needs, replicas included."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import yaml

from tests.campaign.service import MANIFEST, MANIFEST_PATH, SPEC_PATH, Service, spec_text

pytestmark = pytest.mark.campaign

Make = Callable[..., Service]

SLOW = MANIFEST.replace('"base_us": 2000', '"base_us": 20000').replace("replicas: 2", "replicas: 5")
"""About 50 requests per second without batches, 190 with batches of four; fewer on a busy machine."""
POLICIES = {
    "policies/main.rego": """\
package tuner.main

default allow := false

allow if count(deny) == 0

packages := {"headroom"}

warn := set()

deny contains reason if some reason in data.tuner.policy.headroom.deny
""",
    "policies/admission.rego": "package tuner.admission\n\nallow := true\n\ndeny := set()\n\npackages := set()\n",
    "policies/headroom.rego": """\
package tuner.policy.headroom

deny contains {"id": "headroom", "severity": "deny", "msg": "too few replicas", "path": "candidate.capacity"} if {
	input.relative.expected_load < 1
}
""",
}


def banded() -> str:
    """Batches of four need twice the memory, so they are worth their price only where there is much to serve."""
    text = spec_text(trials=4).replace("wallClock: 20m", "wallClock: 4m")
    parameters = """\
parameters:
  max_batch_size: { values: [1, 4] }
  memory: { values: [256Mi, 512Mi], default: 256Mi }
  replicas: { min: 1, max: 6 }
constraints:
  - expression: max_batch_size < 4 || memory == quantity('512Mi')
"""
    start, end = text.index("parameters:"), text.index("load:")
    text = text[:start] + parameters + text[end:]
    text = text.replace("load:\n", "load:\n  expected: 90/s\n").replace("0.004 USD", "0.04 USD")
    text = text.replace("sampler: random", "sampler: tuner").replace("probe: 200ms", "probe: 500ms")
    return text.replace("budget:", "objective: { goal: minimize-cost, bands: [15/s, 120/s] }\nbudget:")


def test_each_band_has_its_configuration_and_the_manifest_that_of_today(make_service: Make) -> None:
    service = make_service({MANIFEST_PATH: SLOW, **POLICIES})
    service.write({SPEC_PATH: banded()}, "bands")
    ended = service.run()
    assert ended["result"] == "proposed", ended

    low, high = ended["bands"]
    assert (low["above"], low["up_to"], low["today"]) == (0, 15, False)
    assert (high["above"], high["up_to"], high["today"]) == (15, 120, True)
    assert low["assignment"]["memory"] == 256 * 2**20
    assert low["standing"] in ("baseline", "measured")
    assert low["replicas"] == 1
    assert (high["assignment"]["max_batch_size"], high["assignment"]["memory"]) == (4, 512 * 2**20)
    assert high["standing"] == "confirmed"
    assert high["baseline_replicas"] >= 3 > high["replicas"]
    comparison = ended["recommendation"]["comparison"]
    assert (comparison["metric"], comparison["rate"]) == ("fleet", 120)
    assert comparison["ratio"]["low"] > 1

    (pull,) = service.pulls()
    after = list(yaml.safe_load_all(service.git("show", f"{pull['branch']}:{MANIFEST_PATH}")))
    replicas = comparison["candidate"]["cost"]["replicas"]
    assert after[1]["spec"]["replicas"] == replicas < 3
    assert '"max_batch_size": 4' in after[0]["data"]["config.json"]
    assert "The winner changes once. Up to 15 requests/s:" in pull["body"]
    assert "| 15 to 120 (today) | trial " in pull["body"]
    assert f"| `replicas` | `5` | `{replicas}` |" in pull["body"]
    assert "not the same, do not merge" not in pull["body"]

    kinds = [record["kind"] for record in service.records(ended["campaign"])]
    assert kinds.count("bands-recommended") == 1
    assert kinds.index("bands-recommended") > kinds.index("search-ended")
    shown = service.tuner("run", str(service.repository / SPEC_PATH)).stdout
    assert "up to 15 requests/s" in shown or "by traffic" in shown
