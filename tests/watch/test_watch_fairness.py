"""Which campaign runs next."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tuner.watch.fairness import AGING, Load, Quota, Waiting, choose

IDLE = Load({}, {}, {})


def waiting(
    number: int, team: str = "a", *, priority: int = 0, since: float = 0.0, hours: float = 1.0, backend: str = "process"
) -> Waiting:
    return Waiting(number, "repository", f"{number}.yaml", team, backend, priority, since, hours)


def chosen(*candidates: Waiting, load: Load = IDLE, limit: int = 1, now: float = 0.0, **quotas: Quota) -> int | None:
    found = choose(candidates, load, limit=lambda _: limit, quota=lambda team: quotas.get(team, Quota()), now=now)
    return found.id if found else None


def test_nothing_waits() -> None:
    assert chosen() is None


def test_a_higher_priority_goes_first_and_then_whoever_waits_longest() -> None:
    assert chosen(waiting(1, since=0), waiting(2, priority=5, since=9)) == 2
    assert chosen(waiting(1, since=9), waiting(2, since=0), now=10) == 2


def test_a_low_priority_is_late_and_never_forgotten() -> None:
    old, new = waiting(1, priority=0), waiting(2, priority=3, since=4 * AGING)
    assert chosen(old, new, now=4 * AGING) == 1
    assert chosen(old, waiting(3, priority=5, since=4 * AGING), now=4 * AGING) == 3


def test_a_team_that_had_less_goes_first() -> None:
    load = Load({}, {}, {"a": 3.0, "b": 1.0})
    assert chosen(waiting(1, "a"), waiting(2, "b", since=1), load=load, now=2) == 2


def test_a_full_backend_lets_nothing_start() -> None:
    assert chosen(waiting(1), load=Load({"process": 1}, {}, {})) is None
    assert chosen(waiting(1), load=Load({"process": 1}, {}, {}), limit=2) == 1
    assert chosen(waiting(1), waiting(2, backend="cluster"), load=Load({"process": 1}, {}, {})) == 2


def test_a_spec_has_one_campaign_at_a_time() -> None:
    busy = Load({}, {}, {}, frozenset({("repository", "1.yaml")}))
    assert chosen(waiting(1), load=busy, limit=9) is None


def test_a_team_stays_within_its_quota() -> None:
    quota = Quota(running=2, compute_hours=10)
    assert chosen(waiting(1, hours=4), load=Load({}, {"a": 1}, {"a": 6.0}), limit=9, a=quota) == 1
    assert chosen(waiting(1, hours=5), load=Load({}, {"a": 1}, {"a": 6.0}), limit=9, a=quota) is None
    assert chosen(waiting(1, hours=1), load=Load({}, {"a": 2}, {"a": 2.0}), limit=9, a=quota) is None


def test_a_campaign_larger_than_the_whole_quota_runs_alone() -> None:
    quota = Quota(compute_hours=10)
    assert chosen(waiting(1, hours=40), limit=9, a=quota) == 1
    assert chosen(waiting(1, hours=40), load=Load({}, {}, {"a": 0.5}), limit=9, a=quota) is None


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(-3, 3), st.floats(0, 100)), min_size=3, max_size=40),
    st.integers(1, 5),
)
def test_every_campaign_runs_in_the_end_and_no_limit_is_ever_passed(
    wanted: list[tuple[str, int, float]], limit: int
) -> None:
    left = [waiting(n, team, priority=p, since=s) for n, (team, p, s) in enumerate(wanted)]
    running: list[Waiting] = []
    order = []
    while left or running:
        load = Load(Counter(one.backend for one in running), Counter(one.team for one in running), {})
        one = choose(left, load, limit=lambda _: limit, quota=lambda _: Quota(running=1), now=200)
        if one is None:
            assert running, "everything waits and nothing runs"
            running.pop(0)
            continue
        assert len(running) < limit
        assert one.team not in {other.team for other in running}
        left.remove(one)
        running.append(one)
        order.append(one.id)
    assert sorted(order) == list(range(len(wanted)))
