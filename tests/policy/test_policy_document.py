"""The document that Rego sees: sums and ratios worked out, numbers that every engine reads alike."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tuner.engine.workload import Resources
from tuner.measurement.model import Interval
from tuner.policy.document import policy_document
from tuner.policy.model import PolicyInput


def test_all_replicas_are_counted_at_the_lower_end_of_the_candidate(allowed: PolicyInput) -> None:
    document = policy_document(allowed)
    assert document["baseline"]["fleet"]["capacity"] == 1000
    assert document["candidate"]["fleet"]["capacity"] == 1900
    assert document["candidate"]["fleet"]["hourly_cost"] == 0.2
    assert document["candidate"]["fleet"]["cost_per_million"] == pytest.approx(0.1 / 950 / 3600 * 1e6, abs=1e-6)
    assert document["relative"]["capacity"] == 1.9
    assert document["relative"]["hourly_cost"] == 1
    assert document["relative"]["gpus"] is None


def test_gpus_are_counted_over_all_replicas(allowed: PolicyInput) -> None:
    workload = allowed.candidate.workload.model_copy(update={"resources": Resources(gpus={"nvidia.com/gpu": 3})})
    changed = allowed.model_copy(update={"candidate": allowed.candidate.model_copy(update={"workload": workload})})
    assert policy_document(changed)["candidate"]["fleet"]["gpus"] == {"nvidia.com/gpu": 6}


def test_steps_are_measured_against_what_is_deployed(allowed: PolicyInput) -> None:
    assert policy_document(allowed)["relative"]["replicas"] == 1
    deployed = allowed.baseline.workload.model_copy(update={"replicas": 8})
    document = policy_document(allowed.model_copy(update={"deployed": deployed}))
    assert document["relative"]["replicas"] == 0.25
    assert document["deployed"]["replicas"] == 8


def test_a_ratio_to_nothing_is_unknown(allowed: PolicyInput) -> None:
    baseline = allowed.baseline.model_copy(update={"capacity": Interval(value=0, low=0, high=0), "monthly_cost": None})
    relative = policy_document(allowed.model_copy(update={"baseline": baseline}))["relative"]
    assert relative["capacity"] is None
    assert relative["monthly_cost"] is None
    assert relative["expected_load"] is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.floats(min_value=-1e9, max_value=1e9))
def test_numbers_have_at_most_six_decimals(allowed: PolicyInput, value: float) -> None:
    document = policy_document(allowed.model_copy(update={"compared_load": value}))
    spelled = Decimal(json.dumps(document["compared_load"]))
    assert spelled == round(spelled, 6)
    assert abs(spelled - Decimal(value)) <= Decimal("0.0000005") + abs(Decimal(value)) * Decimal("1e-15")


@pytest.mark.parametrize("value", [1.0000001e9, -1.1e9, 1e300])
def test_numbers_that_engines_would_not_agree_on_are_refused(allowed: PolicyInput, value: float) -> None:
    with pytest.raises(ValueError, match="too large"):
        policy_document(allowed.model_copy(update={"compared_load": value}))


def test_the_document_is_a_function_of_what_the_ledger_stores(allowed: PolicyInput) -> None:
    stored = PolicyInput.model_validate_json(allowed.model_dump_json())
    assert policy_document(stored) == policy_document(allowed)
