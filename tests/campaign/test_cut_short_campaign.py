"""A configuration that cannot win is not measured to the end; what was seen of it is kept as the bound that it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.campaign.service import MANIFEST, MANIFEST_PATH, SPEC_PATH, Service, spec_text

pytestmark = pytest.mark.campaign

Make = Callable[..., Service]
FINISHED = "trial-finished"

SLOW = MANIFEST.replace('"base_us": 2000', '"max_batch_size": 32,\n      "base_us": 20000')
"""About 50 requests per second without batches, 600 and more with batches of at least 16."""


def spec() -> str:
    """The hopeless one comes last with this seed, when three good ones are known."""
    text = spec_text(trials=5).replace("seed: 3", "seed: 1")
    start, end = text.index("parameters:"), text.index("load:")
    return text[:start] + "parameters:\n  max_batch_size: { values: [1, 16, 24, 28, 32], default: 32 }\n" + text[end:]


def test_a_trial_that_cannot_win_ends_early_and_bounds_its_capacity(make_service: Make) -> None:
    service = make_service({MANIFEST_PATH: SLOW})
    service.write({SPEC_PATH: spec()}, "batches")
    ended = service.run()
    finished = [record["body"]["trial"] for record in service.records(ended["campaign"]) if record["kind"] == FINISHED]
    measured = {trial["assignment"]["max_batch_size"]: trial["outcome"]["measurement"] for trial in finished}
    assert {batch for batch, measurement in measured.items() if measurement["cut"] is not None} == {1}
    hopeless = measured[1]
    assert 40 < hopeless["cut"]["at_most"] < 0.5 * hopeless["cut"]["needed"]
    assert hopeless["capacity"]["rate"]["high"] <= hopeless["cut"]["at_most"]
    # The bound is sure: whatever was measured to the end holds far more, however busy the machine was.
    whole = [measurement for batch, measurement in measured.items() if batch > 1]
    assert all(one["capacity"]["rate"]["high"] > 2 * hopeless["cut"]["at_most"] for one in whole)
    assert len(hopeless["curve"]) <= 3 <= min(len(one["curve"]) for one in whole)
