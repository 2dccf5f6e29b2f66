from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.errors import UserError
from tuner.space.assignment import Assignment
from tuner.space.parameter import Domain
from tuner.space.space import LISTED, Space
from tuner.spec.model import Scalar

Build = Callable[[str], Space]


def mistakes(build: Build, text: str) -> list[str]:
    with pytest.raises(UserError) as caught:
        build(text)
    return [str(problem) for problem in caught.value.problems]


class TestParameters:
    def test_an_empty_entry_takes_the_engines_range_and_default(self, space_of: Build) -> None:
        space = space_of("parameters: {batch: {}, copies: }")
        assert [(p.name, p.domain.size, p.default) for p in space.parameters] == [("batch", 4, 1), ("copies", 8, 1)]
        assert space.size() == 32

    def test_values_and_ranges_narrow_the_engines(self, space_of: Build) -> None:
        space = space_of("parameters: {batch: {max: 4}, copies: {min: 2, max: 8, step: 3}, share: {values: [0.1, 1]}}")
        assert [list(p.domain.grid()) for p in space.parameters] == [[1, 2, 4], [2, 5, 8], [0.1, 1.0]]

    def test_numbers_that_an_engine_suggests_are_not_all_that_it_takes(self, space_of: Build) -> None:
        assert list(space_of("parameters: {batch: {values: [3, 64]}}").parameter("batch").domain.grid()) == [3, 64]
        domain = space_of("parameters: {batch: {type: int, max: 5}}").parameter("batch").domain
        assert list(domain.grid()) == [1, 2, 3, 4, 5]

    def test_the_engines_own_default_stays_where_the_range_is_narrowed(self, space_of: Build) -> None:
        space = space_of("parameters: {batch: {values: [4, 8]}}")
        assert space.defaults() == Assignment({"batch": 1})
        assert not space.contains(space.defaults())

    def test_resources_are_numbers_however_they_are_written(self, space_of: Build) -> None:
        space = space_of(
            "parameters:\n  cpu: {values: [500m, 2]}\n  memory: {values: [512Mi, 1Gi], default: 1Gi}\n"
            "  replicas: {min: 2, max: 3}\n  gpu: {values: [nvidia.com/mig-1g.10gb]}\n"
            "  boards: {min: 0, max: 1, target: {manifest: resources.nvidia.com/gpu}}\n"
            "  gpu_product: {values: [NVIDIA-H200]}\n"
        )
        assert dict(space.defaults()) == {
            "cpu": 0.5,
            "memory": 2**30,
            "replicas": 2,
            "gpu": "nvidia.com/mig-1g.10gb",
            "boards": 0,
            "gpu_product": "NVIDIA-H200",
        }
        assert space.parameter("gpu_product").target.place == ("manifest", "nodeSelector.nvidia.com/gpu.product")
        assert space.complete({"memory": "512Mi", "cpu": "2"})["memory"] == 2**29

    def test_every_missing_part_of_an_unknown_parameter_is_named(self, space_of: Build) -> None:
        assert mistakes(space_of, "parameters: {batchh: {}, own: {type: int, min: 1}}") == [
            "t.yaml:8:14: the engine does not know the parameter batchh "
            "(did you mean batch? Or add type, values or min and max, default, target)",
            "t.yaml:8:26: the engine does not know the parameter own (add values or min and max, default, target)",
        ]


class TestConditions:
    def test_an_inactive_parameter_is_absent(self, space_of: Build) -> None:
        space = space_of("parameters: {delay: {values: [0, 100]}, batching: {}}")
        # A parameter comes after the one that it depends on.
        assert [p.name for p in space.parameters] == ["batching", "delay"]
        assert [dict(point) for point in space.feasible()] == [
            {"batching": False},
            {"batching": True, "delay": 0},
            {"batching": True, "delay": 100},
        ]
        assert space.complete({"batching": False, "delay": 100}) == Assignment({"batching": False})
        assert space.active("delay", {"batching": True})
        assert not space.active("delay", {})

    def test_the_engines_condition_falls_away_where_its_parameter_is_not_tuned(self, space_of: Build) -> None:
        assert space_of("parameters: {delay: {}}").defaults() == Assignment({"delay": 0})

    def test_conditions_add_up(self, space_of: Build) -> None:
        space = space_of("parameters: {batching: {}, batch: {}, delay: {values: [0], when: {batch: [4, 8]}}}")
        assert {(p["batching"], p["batch"]) for p in space.feasible() if "delay" in p} == {(True, 4), (True, 8)}

    def test_a_condition_that_can_never_hold_is_a_mistake(self, space_of: Build) -> None:
        assert mistakes(space_of, "parameters: {batching: {values: [false]}, delay: {}}") == [
            "t.yaml:8:43: delay is never used: the engine needs batching to be True (remove it, or widen batching)"
        ]

    def test_true_is_not_one(self, space_of: Build) -> None:
        assert (
            "batching is never 1" in mistakes(space_of, "parameters: {batching: {}, batch: {when: {batching: 1}}}")[0]
        )


class TestConstraints:
    def test_what_breaks_a_rule_is_not_in_the_space_and_says_why(self, space_of: Build) -> None:
        space = space_of(
            "parameters: {batch: {}, copies: {}}\n"
            "constraints: [{expression: batch * copies <= 8, reason: memory}, {expression: copies < 8}]\n"
        )
        assert space.violations({"batch": 8, "copies": 8}) == ("memory", "copies < 8")
        assert space.contains({"batch": 8, "copies": 1})
        assert not space.contains({"batch": 8, "copies": 2})
        assert space.size() == 14 == sum(1 for _ in space.feasible())

    def test_a_rule_that_needs_an_inactive_parameter_holds(self, space_of: Build) -> None:
        space = space_of("parameters: {batching: {}, delay: {}}\nconstraints: [{expression: delay > 500}]\n")
        assert space.contains({"batching": False})
        assert space.violations({"batching": True, "delay": 100}) == ("delay > 500",)

    def test_a_rule_that_is_decided_without_the_inactive_parameter_decides(self, space_of: Build) -> None:
        rule = "copies > 2 && delay >= 0"
        space = space_of(
            f"parameters: {{batching: {{}}, delay: {{}}, copies: {{}}}}\nconstraints: [{{expression: '{rule}'}}]"
        )
        assert space.violations({"batching": False, "copies": 1}) == (rule,)

    def test_a_rule_that_cannot_be_evaluated_is_broken_with_the_reason(self, space_of: Build) -> None:
        space = space_of("parameters: {copies: {}, delay: {}}\nconstraints: [{expression: 8 / delay > copies - 9}]")
        assert space.violations({"copies": 1, "delay": 0}) == (
            "8 / delay > copies - 9: division by zero in CEL expression",
        )

    def test_memory_is_compared_with_a_quantity(self, space_of: Build) -> None:
        space = space_of(
            "parameters: {memory: {values: [512Mi, 1Gi, 4Gi]}, cpu: {values: [500m, 1]}}\n"
            """constraints: [{expression: "memory >= quantity('1Gi') && cpu < quantity(\\"750m\\")"}]"""
        )
        assert [point["memory"] for point in space.feasible()] == [2**30, 2**32]

    def test_only_the_rules_that_leave_nothing_are_blamed(self, space_of: Build) -> None:
        lines = mistakes(
            space_of,
            "parameters: {batch: {}, copies: {}}\nconstraints:\n"
            "- expression: copies >= 1\n- expression: batch > 4\n- expression: batch < copies - 1\n"
            "- expression: batch <= 4\n",
        )
        assert [line.split(" (")[0] for line in lines] == [
            "t.yaml:11:15: no configuration satisfies this constraint together with line 13",
            "t.yaml:13:15: no configuration satisfies this constraint together with line 11",
        ]

    def test_a_space_too_large_to_walk_is_judged_by_what_was_tried(self, space_of: Build) -> None:
        lines = mistakes(space_of, "parameters: {share: {}, batch: {}}\nconstraints: [{expression: share > 2.0}]")
        assert lines == [
            "t.yaml:9:28: no configuration was found that satisfies the constraint share > 2.0 "
            "(loosen it, or widen the parameters)"
        ]

    @given(st.text(alphabet="batchcopies0123456789.<>=!&|()[]{}?:+-*/%'\"\\, inuxr\n", max_size=60))
    def test_no_expression_does_more_than_complain(self, space_of: Build, expression: str) -> None:
        quoted = "".join(f"\\x{ord(letter):02x}" for letter in expression)
        text = f'parameters: {{batch: {{}}, copies: {{}}}}\nconstraints: [{{expression: "{quoted}"}}]'
        try:
            assert next(space_of(text).feasible())
        except UserError:
            assert all("\n" not in line for line in mistakes(space_of, text))

    @pytest.mark.parametrize(
        "unit", ["(", "[", "!", "-", "batch+", "batch?", "{1:", "'a'+", "batch.matches('(a{99}){99}')&&"]
    )
    def test_the_longest_expression_ends(self, space_of: Build, unit: str) -> None:
        long = (unit * 1000)[:1000].replace("'", "''")
        assert mistakes(space_of, f"parameters: {{batch: {{}}}}\nconstraints: [{{expression: '{long}'}}]")


class TestSize:
    def test_a_continuous_space_has_none(self, space_of: Build) -> None:
        space = space_of("parameters: {share: {}, batch: {}}")
        assert space.size() is None
        assert not space.counted
        with pytest.raises(ValueError, match="continuous"):
            list(space.feasible())

    def test_a_large_one_is_bounded_without_listing_it(self, space_of: Build) -> None:
        entry = "{type: int, min: 0, max: 999, default: 0, target: {argument: --x%d}}"
        many = ", ".join(f"x{index}: {entry % index}" for index in range(8))
        space = space_of(f"parameters: {{{many}}}\nconstraints: [{{expression: x0 + x7 < 10}}]")
        assert space.size() == 1000**8
        assert not space.counted
        assert LISTED < 1000**8
        assert next(space.feasible()) == Assignment({f"x{index}": 0 for index in range(8)})

    @given(
        st.lists(st.integers(1, 4), min_size=1, max_size=4),
        st.integers(-1, 12),
    )
    def test_feasible_points_are_those_of_the_product_that_break_no_rule(
        self, space_of: Build, sizes: list[int], limit: int
    ) -> None:
        entry = "{type: int, min: 1, max: %d, default: 1, target: {argument: --x%d}}"
        many = ", ".join(f"x{index}: {entry % (size, index)}" for index, size in enumerate(sizes))
        rule = " + ".join(f"x{index}" for index in range(len(sizes)))
        expected = [
            {f"x{index}": value for index, value in enumerate(point)}
            for point in itertools.product(*(range(1, size + 1) for size in sizes))
            if sum(point) <= limit
        ]
        text = f"parameters: {{{many}}}\nconstraints: [{{expression: {rule} <= {limit}}}]"
        if not expected:
            assert "no configuration satisfies" in mistakes(space_of, text)[0]
            return
        space = space_of(text)
        assert [dict(point) for point in space.feasible()] == expected
        assert space.size() == len(expected)
        assert all(space.contains(point) for point in expected)


class TestAssignments:
    def test_a_difference_names_what_changed(self, space_of: Build) -> None:
        space = space_of("parameters: {batching: {}, delay: {}, batch: {}}")
        before = space.complete({})
        after = space.complete({"batching": True, "delay": 100})
        assert space.difference(before, after) == (("batching", False, True), ("delay", None, 100))
        assert space.difference(before, before) == ()

    def test_what_is_outside_incomplete_or_unknown_is_not_contained(self, space_of: Build) -> None:
        space = space_of("parameters: {batch: {}, copies: {}}")
        assert space.contains({"batch": 8, "copies": 8})
        outside: list[dict[str, Scalar]] = [
            {"batch": 8},
            {"batch": 8, "copies": 9},
            {"batch": True, "copies": 1},
            {"batch": 8, "copies": "1"},
            {"batch": 8, "copies": 1, "else": 1},
        ]
        assert not any(space.contains(values) for values in outside)

    def test_completing_keeps_what_lies_outside_and_refuses_what_has_no_meaning(self, space_of: Build) -> None:
        space = space_of("parameters: {copies: {}}")
        assert space.complete({"copies": 99.0, "else": 1}) == Assignment({"copies": 99})
        with pytest.raises(UserError, match="copies cannot be 'many'"):
            space.complete({"copies": "many"})

    def test_a_stated_baseline_may_lie_outside_and_must_be_of_the_right_type(self, space_of: Build) -> None:
        stated = "baseline: {source: values, values: {copies: %s}}"
        assert space_of(f"parameters: {{copies: {{max: 4}}}}\n{stated % 99}")
        assert (
            "the baseline's copies cannot be 1.5"
            in mistakes(space_of, f"parameters: {{copies: {{}}}}\n{stated % 1.5}")[0]
        )


class TestDomain:
    @given(st.floats(-100, 100), st.floats(0.001, 50), st.integers(0, 40))
    def test_every_listed_value_is_contained_and_nothing_between(self, low: float, step: float, steps: int) -> None:
        low, step = round(low, 3), round(step, 3)
        domain = Domain(kind="float", low=low, high=round(low + steps * step, 3), step=step)
        values = list(domain.grid())
        assert len(values) == domain.size == steps + 1
        assert all(domain.contains(value) for value in values)
        assert not domain.contains(low + step / 2)

    @pytest.mark.parametrize(
        ("domain", "text"),
        [
            (Domain(kind="categorical", values=(True, "a", 1)), "true, a, 1"),
            (Domain(kind="int", low=1, high=1000000, step=1, log=True), "1 to 1000000, log scale"),
            (Domain(kind="float", low=0.5, high=4, step=0.5), "0.5 to 4 in steps of 0.5"),
        ],
    )
    def test_it_reads_as_a_person_would_say_it(self, domain: Domain, text: str) -> None:
        assert str(domain) == text
