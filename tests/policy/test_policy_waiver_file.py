"""The waiver file: exceptions as people write them, and every mistake with its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.errors import UserError
from tuner.policy.waiver import Waiver, days_left, parse_waivers

GOOD = b"""\
apiVersion: tuner/v1alpha1
kind: Waivers
waivers:
  - rule: cost.increase
    service: orientation
    reason: the old boards go in April
    approver: lead@example.com
    expires: 2026-03-31
"""


def test_a_waiver_names_rule_service_reason_approver_and_last_day() -> None:
    assert parse_waivers(GOOD, "policies/waivers.yaml") == (
        Waiver(
            rule="cost.increase",
            service="orientation",
            reason="the old boards go in April",
            approver="lead@example.com",
            expires="2026-03-31",
        ),
    )


@pytest.mark.parametrize(
    ("written", "instead", "place"),
    [
        (b"2026-03-31", b"2026-02-30", "waivers.yaml:8:14: waivers.0.expires"),
        (b"2026-03-31", b"never", "waivers.yaml:8:14"),
        (b"    expires: 2026-03-31\n", b"", "waivers.0.expires is missing"),
        (b"    approver: lead@example.com\n", b"", "waivers.0.approver is missing"),
        (b"lead@example.com", b"''", "waivers.yaml:7:15"),
        (b"the old boards go in April", b"' '", "waivers.yaml:6:13"),
        (b"cost.increase", b"'*'", "waivers.yaml:4:11"),
        (b"cost.increase", b"cost", "waivers.yaml:4:11"),
        (b"service: orientation", b"service: '*'", "waivers.yaml:5:14"),
        (b"service: orientation", b"services: [a]", "unknown key waivers.0.services"),
        (b"kind: Waivers", b"kind: Waiver", "waivers.yaml:2:7"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_nothing_is_waived(written: bytes, instead: bytes, place: str) -> None:
    text = GOOD.replace(written, instead, 1)
    assert text != GOOD
    with pytest.raises(UserError) as caught:
        parse_waivers(text, "waivers.yaml")
    assert place in str(caught.value)


@given(st.binary(max_size=200))
def test_no_bytes_give_anything_but_a_users_mistake(text: bytes) -> None:
    with pytest.raises(UserError):
        parse_waivers(text, "waivers.yaml")


@given(st.dates(), st.dates())
def test_days_are_counted_to_the_last_day(today: object, last: object) -> None:
    (waiver,) = parse_waivers(GOOD, "waivers.yaml")
    left = days_left(waiver.model_copy(update={"expires": str(last)}), str(today))
    assert left == (last - today).days  # type: ignore[operator]
    assert days_left(waiver, "") is None
