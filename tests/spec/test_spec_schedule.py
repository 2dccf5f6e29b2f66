"""When a merged configuration is measured again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tuner.spec.schedule import Schedule, next_time

MONDAY = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ADAPTER: TypeAdapter[str] = TypeAdapter(Schedule)


@pytest.mark.parametrize(
    ("schedule", "next_one"),
    [
        ("0 3 * * 0", datetime(2026, 11, 29, 3, 0, tzinfo=UTC)),
        ("@weekly", datetime(2026, 11, 29, 0, 0, tzinfo=UTC)),
        ("30 4 1 * *", datetime(2026, 12, 1, 4, 30, tzinfo=UTC)),
        ("@daily", datetime(2026, 11, 24, 0, 0, tzinfo=UTC)),
        ("0 */6 * * MON", datetime(2026, 11, 23, 18, 0, tzinfo=UTC)),
    ],
)
def test_a_schedule_names_the_next_time(schedule: str, next_one: datetime) -> None:
    assert next_time(ADAPTER.validate_python(schedule), MONDAY) == next_one


@pytest.mark.parametrize(
    "schedule",
    ["", "weekly", "* * * * *", "*/5 * * * *", "0,30 3 * * *", "0 3 * *", "0 3 * * * *", "0 3 31 2 *", "61 3 * * *"],
)
def test_what_is_no_schedule_or_too_often_is_refused(schedule: str) -> None:
    with pytest.raises(ValidationError):
        ADAPTER.validate_python(schedule)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=120) | st.from_regex(r"[0-9*/,L# -]{1,30}", fullmatch=True))
def test_any_text_is_a_schedule_or_refused(text: str) -> None:
    try:
        schedule = ADAPTER.validate_python(text)
    except ValidationError:
        return
    found = next_time(schedule, MONDAY)
    assert found is not None
    assert found > MONDAY


def test_another_time_zone_names_the_same_moments() -> None:
    moment = MONDAY.astimezone().replace(microsecond=0)
    assert next_time("@hourly", moment) == MONDAY + timedelta(hours=1)
