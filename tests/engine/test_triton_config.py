"""config.pbtxt is edited as a person would: one value, with everything else as it was."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tuner.engine.triton.engine import TritonEngine
from tuner.engine.triton.model_config import parse
from tuner.engine.triton.prototext import PlaceError, outline
from tuner.engine.workload import Workload
from tuner.errors import UserError
from tuner.space.assignment import Assignment
from tuner.spec.model import Scalar

PATH = "/models/line/config.pbtxt"
ENGINE = TritonEngine()
RICH = """\
# line classifier, owned by the documents team
name: "line"
backend: "python"
max_batch_size: 8  # do not raise: see the incident of May
input [
  {
    name: "image"   # BGR
    data_type: TYPE_UINT8
    dims: [ 48, 192, 3 ]
  }
]
output: { name: "score", data_type: TYPE_FP32, dims: [ 2 ] }

instance_group [
  {
    kind: KIND_CPU  # no GPU yet
    count: 1
  }
]
dynamic_batching {
  # measured last year
  max_queue_delay_microseconds: 200;
  preferred_batch_size: [ 2, 4 ]
  default_queue_policy { timeout_action: REJECT }
}
parameters: { key: "intra_op_thread_count", value: { string_value: "2" } }
parameters { key: 'threshold' value { string_value: 'max_batch_size: 99 # not a setting' } }
"""
PLAIN = 'name: "line"\nbackend: "python"\nmax_batch_size: 8\n'


def edited(text: str, **values: Scalar) -> str:
    workload = Workload(image="triton", files={PATH: text})
    return ENGINE.apply(Assignment(values), workload).files[PATH]


def values(text: str) -> dict[str, Scalar]:
    return dict(ENGINE.read(Workload(image="triton", files={PATH: text})))


def lines_changed(before: str, after: str) -> tuple[list[str], list[str]]:
    old, new = before.splitlines(), after.splitlines()
    return [line for line in old if line not in new], [line for line in new if line not in old]


def test_a_value_is_replaced_where_it_stands_and_its_comment_stays() -> None:
    assert lines_changed(RICH, edited(RICH, max_batch_size=32)) == (
        ["max_batch_size: 8  # do not raise: see the incident of May"],
        ["max_batch_size: 32  # do not raise: see the incident of May"],
    )


def test_values_deep_inside_keep_their_surroundings() -> None:
    assert lines_changed(RICH, edited(RICH, instance_count=3)) == (["    count: 1"], ["    count: 3"])
    assert lines_changed(RICH, edited(RICH, max_queue_delay_us=500)) == (
        ["  max_queue_delay_microseconds: 200;"],
        ["  max_queue_delay_microseconds: 500;"],
    )


def test_a_parameter_is_edited_in_its_entry() -> None:
    assert lines_changed(RICH, edited(RICH, intra_op_threads=4)) == (
        ['parameters: { key: "intra_op_thread_count", value: { string_value: "2" } }'],
        ['parameters: { key: "intra_op_thread_count", value: { string_value: "4" } }'],
    )


def test_several_sizes_are_read_and_kept_as_text() -> None:
    assert values(RICH)["preferred_batch_size"] == "2,4"
    assert edited(RICH, preferred_batch_size="2,4") == RICH
    assert "  preferred_batch_size: [ 8 ]\n" in edited(RICH, preferred_batch_size=8)
    assert "preferred_batch_size" not in edited(RICH, preferred_batch_size=0)
    assert "# measured last year" in edited(RICH, preferred_batch_size=0)


def test_switching_batching_off_takes_the_block_away_and_nothing_else() -> None:
    off = edited(RICH, dynamic_batching=False)
    assert "dynamic_batching" not in off
    assert [line for line in RICH.splitlines() if line not in off.splitlines()] == [
        "dynamic_batching {",
        "  # measured last year",
        "  max_queue_delay_microseconds: 200;",
        "  preferred_batch_size: [ 2, 4 ]",
        "  default_queue_policy { timeout_action: REJECT }",
        "}",
    ]


def test_new_settings_go_to_the_end() -> None:
    assert edited(
        PLAIN, dynamic_batching=True, max_queue_delay_us=100, instance_count=2, graph_optimization="basic"
    ) == (
        PLAIN
        + "instance_group { count: 2 }\n"
        + "dynamic_batching { max_queue_delay_microseconds: 100 }\n"
        + "optimization { graph { level: -1 } }\n"
    )


def test_a_default_that_was_never_written_stays_unwritten() -> None:
    assert (
        edited(PLAIN, instance_count=1, intra_op_threads=0, intra_op_spinning=True, graph_optimization="all") == PLAIN
    )
    assert edited(PLAIN, dynamic_batching=False) == PLAIN


def test_a_default_that_was_written_is_written() -> None:
    assert 'key: "intra_op_thread_count", value: { string_value: "0" }' in edited(RICH, intra_op_threads=0)


def test_lists_and_repeated_fields_are_the_same_to_the_reader() -> None:
    repeated = PLAIN + "dynamic_batching { preferred_batch_size: 2 preferred_batch_size: 4 }\n"
    assert values(repeated)["preferred_batch_size"] == "2,4"
    assert edited(repeated, preferred_batch_size=8) == PLAIN + "dynamic_batching { preferred_batch_size: [ 8 ] }\n"


def test_a_file_without_a_last_newline_can_grow() -> None:
    assert edited(PLAIN.rstrip(), instance_count=2) == PLAIN + "instance_group { count: 2 }\n"
    assert edited(PLAIN + "# the end", instance_count=2) == PLAIN + "# the end\ninstance_group { count: 2 }\n"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('name: "line"\nmax_batch_sise: 8\n', "2:1: "),
        ('name: "line"\nmax_batch_size: many\n', "2:17: "),
        ('name: "line\n', "1:7: "),
        ("dynamic_batching {\n", "1:18: "),
        ("input [ { dims: [ 1, ] } ]", "1:22: "),
    ],
)
def test_broken_text_is_a_mistake_with_its_place(text: str, place: str) -> None:
    with pytest.raises(UserError) as error:
        values(text)
    assert str(error.value).startswith(f"{PATH}:{place}not a Triton model configuration")


@pytest.mark.parametrize(
    ("text", "change", "reason"),
    [
        ('name: "line"\n', {"max_batch_size": 4}, "no batch dimension"),
        (PLAIN, {"max_queue_delay_us": 100}, "needs dynamic_batching"),
        (PLAIN + "instance_group [ { count: 1 }, { count: 2 } ]\n", {"instance_count": 4}, "only one can be tuned"),
        (
            PLAIN + 'parameters { key: "intra_op_thread_count" value { string_value: "x" } }\n',
            {"intra_op_threads": 1},
            "cannot be 'x'",
        ),
    ],
)
def test_what_this_file_cannot_take_is_a_mistake(text: str, change: dict[str, Scalar], reason: str) -> None:
    with pytest.raises(UserError, match=reason) as error:
        edited(text, **change)
    assert PATH in str(error.value)


def test_the_one_config_pbtxt_has_to_be_there() -> None:
    with pytest.raises(UserError, match=r"mounts no config\.pbtxt"):
        ENGINE.read(Workload(image="triton"))
    with pytest.raises(UserError, match=r"mounts several config\.pbtxt"):
        ENGINE.read(Workload(image="triton", files={"/a/config.pbtxt": PLAIN, "/b/config.pbtxt": PLAIN}))


BLANK = st.sampled_from([" ", "\n", "  # a { comment }\n", "\t"])
NUMBER = st.integers(1, 64)


@st.composite
def configurations(draw: st.DrawFn) -> str:
    """A config.pbtxt in many spellings: order, separators, comments, lists or repeated fields, braces or angles."""
    gap, colon = draw(BLANK), draw(st.sampled_from([":", " :", ""]))
    close = draw(st.sampled_from(["", ",", ";"]))
    fields = [f'name: "line"{close}', f"max_batch_size: {draw(NUMBER)}{close}"]
    if draw(st.booleans()):
        fields.append(f"instance_group{colon} [{gap}{{ count: {draw(NUMBER)}{gap}kind: KIND_CPU }} ]{close}")
    if draw(st.booleans()):
        inner = draw(
            st.sampled_from(["", f"max_queue_delay_microseconds: {draw(NUMBER)}", "preferred_batch_size: [1]"])
        )
        fields.append(f"dynamic_batching{colon} {{{gap}{inner}{gap}}}{close}")
    if draw(st.booleans()):
        fields.append(f"optimization < graph <{gap}level: 1 > >")
    if draw(st.booleans()):
        quote = draw(st.sampled_from(["'", '"']))
        fields.append(
            f"parameters{colon} {{{gap}key: {quote}intra_op_thread_count{quote}{gap}"
            f"value {{ string_value: {quote}{draw(NUMBER)}{quote} }} }}"
        )
    if draw(st.booleans()):
        fields.append('metric_tags { key: "a" value: "max_batch_size: 1 } # {" }')
    return gap.join(draw(st.permutations(fields))) + draw(BLANK)


@st.composite
def changes(draw: st.DrawFn) -> dict[str, Scalar]:
    """Some of the knobs, at values inside and outside of what is suggested."""
    batching = draw(st.booleans())
    return draw(
        st.fixed_dictionaries(
            {"dynamic_batching": st.just(batching)},
            optional={
                "max_batch_size": NUMBER,
                "instance_count": NUMBER,
                "intra_op_threads": NUMBER,
                "intra_op_spinning": st.booleans(),
                "execution_mode": st.sampled_from(["sequential", "parallel"]),
                "graph_optimization": st.sampled_from(["all", "extended", "basic", "none"]),
                **({"max_queue_delay_us": NUMBER, "preferred_batch_size": NUMBER} if batching else {}),
            },
        )
    )


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=configurations(), change=changes())
def test_an_edit_sets_what_it_was_asked_for_and_keeps_the_rest(text: str, change: dict[str, Scalar]) -> None:
    assume(not ENGINE.conflicts(Assignment(change)))
    before = values(text)
    result = edited(text, **change)
    after = values(result)
    batched = {"max_queue_delay_us", "preferred_batch_size", "preserve_ordering"}
    gone = batched if change["dynamic_batching"] is False else set()
    assert {name: value for name, value in after.items() if name not in change and name not in gone} == {
        name: value for name, value in before.items() if name not in change and name not in gone
    }
    assert {name: after[name] for name in change} == change
    assert parse(result, PATH).metric_tags == parse(text, PATH).metric_tags
    assert [name for name in ("name:", "metric_tags") if name in text] == [
        name for name in ("name:", "metric_tags") if name in result
    ]


@settings(max_examples=300, deadline=None)
@given(text=configurations())
def test_the_outline_finds_every_field(text: str) -> None:
    """Cut out by its places and parsed alone, each field is a part of the whole."""
    whole = parse(text, PATH)
    rebuilt = parse("\n".join(text[field.start : field.end] for field in outline(text).fields), PATH)
    assert rebuilt == whole


@settings(max_examples=500, deadline=None)
@given(text=st.text(alphabet="abc:{}[]<>,;\"'# \n1-\\", max_size=40))
def test_no_text_breaks_the_outline(text: str) -> None:
    try:
        body = outline(text)
    except PlaceError as error:
        places = [error.offset]
    else:
        places = [place for field in body.fields for place in (field.start, field.end)]
    assert all(0 <= place <= len(text) for place in places)


def test_a_deep_nest_is_refused_before_it_costs_anything() -> None:
    with pytest.raises(PlaceError, match="too deep"):
        outline("a {" * 10_000)
