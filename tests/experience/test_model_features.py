"""What a model's file says of its cost; a file that anybody may have written, so that says nothing at worst."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.serving import onnx_model
from tuner.engine.triton.installation import default_home
from tuner.experience.features import features_of
from tuner.experience.model import ModelFeatures

FLOAT, INT8, INT64 = 1, 3, 7


def _file() -> descriptor_pb2.FileDescriptorProto:
    """The part of ONNX's own schema that these tests write."""
    text, whole, nested = 9, 3, 11  # string, int64, message
    raw = 12  # bytes
    schema: dict[str, tuple[tuple[str, int, int, str, bool], ...]] = {
        "Entry": (("key", 1, text, "", False), ("value", 2, text, "", False)),
        "Tensor": (
            ("dims", 1, whole, "", True),
            ("data_type", 2, 5, "", False),
            ("float_data", 4, 2, "", True),
            ("name", 8, text, "", False),
            ("raw_data", 9, raw, "", False),
            ("external_data", 13, nested, "Entry", True),
        ),
        "Sparse": (("values", 1, nested, "Tensor", False),),
        "Attribute": (
            ("name", 1, text, "", False),
            ("t", 5, nested, "Tensor", False),
            ("g", 6, nested, "Graph", False),
            ("graphs", 11, nested, "Graph", True),
        ),
        "Node": (
            ("input", 1, text, "", True),
            ("output", 2, text, "", True),
            ("op_type", 4, text, "", False),
            ("attribute", 5, nested, "Attribute", True),
        ),
        "Graph": (
            ("node", 1, nested, "Node", True),
            ("name", 2, text, "", False),
            ("initializer", 5, nested, "Tensor", True),
            ("sparse_initializer", 15, nested, "Sparse", True),
        ),
        "Model": (("ir_version", 1, whole, "", False), ("graph", 7, nested, "Graph", False)),
    }
    file = descriptor_pb2.FileDescriptorProto(name="model.proto", package="written", syntax="proto3")
    for name, fields in schema.items():
        message = file.message_type.add(name=name)
        for field, number, kind, of, repeated in fields:
            made = message.field.add(name=field, number=number)
            made.type = kind  # type: ignore[assignment]
            made.label = made.LABEL_REPEATED if repeated else made.LABEL_OPTIONAL
            if of:
                made.type_name = f".written.{of}"
    return file


_POOL = descriptor_pool.DescriptorPool()
_POOL.Add(_file())


def _new(name: str, **values: Any) -> Any:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"written.{name}"))(**values)


def node(inputs: Sequence[str], outputs: Sequence[str], operation: str = "Relu", *bodies: Any) -> Any:
    return _new(
        "Node", input=inputs, output=outputs, op_type=operation, attribute=[_new("Attribute", g=g) for g in bodies]
    )


def graph(nodes: Sequence[Any], tensors: Sequence[Any] = ()) -> Any:
    return _new("Graph", node=nodes, initializer=tensors)


def tensor(dims: Sequence[int], kind: int = FLOAT, **data: Any) -> Any:
    return _new("Tensor", dims=dims, data_type=kind, **data)


def model(content: Any) -> bytes:
    written: bytes = _new("Model", ir_version=8, graph=content).SerializeToString()
    return written


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def seen(path: Path) -> ModelFeatures:
    found = features_of(path)
    assert found.features is not None, found.reason
    return found.features


def reason(path: Path) -> str:
    found = features_of(path)
    assert found.features is None
    assert found.reason.isprintable()
    return found.reason


CHAIN = [node(["x"], ["a"]), node(["a"], ["b"]), node(["a"], ["c"]), node(["b", "c"], ["d"])]


def test_nodes_weights_and_the_longest_path(tmp_path: Path) -> None:
    weights = [tensor([3, 4], FLOAT, raw_data=bytes(48)), tensor([10], INT8, raw_data=bytes(10))]
    path = write(tmp_path / "model.onnx", model(graph(CHAIN, weights)))
    assert seen(path) == ModelFeatures(size=path.stat().st_size, parameters=58, operations=4, depth=3)


def test_the_order_of_the_nodes_does_not_matter(tmp_path: Path) -> None:
    one = seen(write(tmp_path / "one.onnx", model(graph(CHAIN))))
    assert seen(write(tmp_path / "two.onnx", model(graph(CHAIN[::-1])))) == one


def test_weights_count_the_same_however_they_are_held(tmp_path: Path) -> None:
    """As raw bytes, as numbers, as an operation that gives them out, or sparse: 6 floats are 24 bytes."""
    constant = _new(
        "Node", output=["w"], op_type="Constant", attribute=[_new("Attribute", t=tensor([6], raw_data=bytes(24)))]
    )
    sparse = graph(CHAIN)
    sparse.sparse_initializer.append(_new("Sparse", values=tensor([6], raw_data=bytes(24))))
    held = {
        "raw": graph(CHAIN, [tensor([2, 3], raw_data=bytes(24))]),
        "numbers": graph(CHAIN, [tensor([2, 3], float_data=[0.5] * 6)]),
        "constant": graph([*CHAIN, constant]),
        "sparse": sparse,
        "elsewhere": graph(CHAIN, [tensor([6], external_data=[_new("Entry", key="location", value="w.bin")])]),
    }
    found = {name: seen(write(tmp_path / f"{name}.onnx", model(content))) for name, content in held.items()}
    assert {name: features.parameters for name, features in found.items()} == dict.fromkeys(held, 24)
    assert {features.operations for features in found.values()} == {4}, "giving out weights is no operation"


def test_what_is_in_a_loop_counts_and_waits_for_what_it_needs(tmp_path: Path) -> None:
    body = graph([node(["b"], ["i"]), node(["i"], ["j"])], [tensor([5], INT64)])
    nodes = [node(["x"], ["a"]), node(["a"], ["b"]), node(["x"], ["y"], "Loop", body)]
    features = seen(write(tmp_path / "model.onnx", model(graph(nodes))))
    assert (features.operations, features.parameters) == (5, 40)
    assert features.depth == 2 + 3, "the loop begins once b is there, though no input says so"


def test_the_largest_model_of_a_folder_is_read(tmp_path: Path) -> None:
    write(tmp_path / "small" / "1" / "model.onnx", model(graph(CHAIN[:1])))
    write(tmp_path / "large" / "1" / "model.onnx", model(graph(CHAIN, [tensor([99], raw_data=bytes(396))])))
    write(tmp_path / "large" / "1" / "weights.bin", bytes(10_000))
    assert seen(tmp_path).operations == 4


def test_weights_in_another_file_of_the_folder_count_in_its_size_and_others_are_not_looked_at(tmp_path: Path) -> None:
    places = ["w.bin", "deep/w.bin", "../secret", "/etc/passwd", "link", "linked/w.bin", "none", "", "a\0b", "deep"]
    tensors = [tensor([6], external_data=[_new("Entry", key="location", value=place)]) for place in places]
    path = write(tmp_path / "inside" / "model.onnx", model(graph(CHAIN, tensors)))
    write(tmp_path / "inside" / "w.bin", bytes(100))
    write(tmp_path / "inside" / "deep" / "w.bin", bytes(20))
    write(tmp_path / "secret", bytes(10_000))
    write(tmp_path / "other" / "w.bin", bytes(10_000))
    (tmp_path / "inside" / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "inside" / "linked").symlink_to(tmp_path / "other")
    assert seen(path).size == path.stat().st_size + 120


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("model.plan", b"anything", "not an ONNX file"),
        ("model.onnx", b"", "no graph"),
        ("model.onnx", b"\x08\x08", "no graph"),
        ("model.onnx", b"this is text, and no message at all", "no ONNX model"),
        ("model.onnx", model(graph([])), "no nodes"),
        ("model.onnx", model(graph(CHAIN))[:-3], "ends within"),
        ("model.onnx", model(graph(CHAIN, [tensor([2**40, 2**40])])), "fit into any machine"),
        ("model.onnx", model(graph(CHAIN, [tensor([2**49], FLOAT)])), "fit into any machine"),
        ("model.onnx", model(graph(CHAIN, [tensor([-4])])), "negative"),
        ("model.onnx", model(graph([node(["a"], ["b"]), node(["b"], ["a"])])), "circle"),
        ("model.onnx", b"\x0b\x08\x01\x0c", "wire type"),
        ("model.onnx", b"\x08" + b"\xff" * 11, "number"),
        ("model.onnx", b"\x3a\xff\xff\xff\xff\x0f", "ends within a field"),
        ("model.onnx", b"\x00\x01", "no field 0"),
    ],
)
def test_a_file_that_is_no_model_gives_a_reason(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    assert told in reason(write(tmp_path / name, content))


def test_bodies_within_bodies_are_bounded(tmp_path: Path) -> None:
    inner = graph(CHAIN)
    for _ in range(20):
        inner = graph([node(["x"], ["y"], "If", inner)])
    assert "nested" in reason(write(tmp_path / "model.onnx", model(inner)))


def test_places_that_are_no_files_give_a_reason(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    (tmp_path / "empty").mkdir()
    assert "regular" in reason(tmp_path / "pipe.onnx")
    assert "no ONNX file" in reason(tmp_path / "empty")
    assert "not an ONNX" in reason(tmp_path / "none")
    assert "cannot be read" in reason(tmp_path / "none.onnx")
    write(tmp_path / "real.onnx", model(graph(CHAIN)))
    (tmp_path / "empty" / "link.onnx").symlink_to(tmp_path / "real.onnx")
    assert "no ONNX file" in reason(tmp_path / "empty"), "links are not followed"


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_bytes_are_more_than_a_reason(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = bytearray(model(graph(CHAIN, [tensor([3, 4], raw_data=bytes(48))])))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = write(tmp_path_factory.mktemp("model") / "model.onnx", bytes(content))
    found = features_of(path)
    assert (found.features is None) == bool(found.reason)


def test_what_a_file_may_ask_for_is_bounded(tmp_path: Path) -> None:
    """A node may be two bytes, and takes hundreds of them in memory."""
    fields = write(tmp_path / "fields.onnx", b"\x08\x01" * 2_100_000)
    assert "more than 2,000,000 fields" in reason(fields)
    nodes = write(tmp_path / "nodes.onnx", b"\x3a\x80\xb5\x18" + b"\x0a\x00" * 200_000)
    more = write(tmp_path / "more.onnx", b"\x3a\xc2\xb5\x18" + b"\x0a\x00" * 200_033)
    assert "more than 200,000 nodes" in reason(more)
    assert seen(nodes).operations == 200_000


def test_of_a_huge_file_only_the_structure_is_read(tmp_path: Path) -> None:
    """A terabyte of zeros in one field, which is jumped over."""
    body = graph(CHAIN).SerializeToString()
    head = b"\x3a" + bytes([len(body)]) + body
    path = tmp_path / "model.onnx"
    huge = 2**40
    length = bytes([(huge >> 7 * index) & 0x7F | (0x80 if index < 5 else 0) for index in range(6)])
    with path.open("wb") as stream:
        stream.write(head + b"\x12" + length)
        stream.truncate(len(head) + 7 + huge)
    assert seen(path).operations == 4


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "parameters", "operations", "depth"),
    [
        ("ch_ppocr_mobile_v2.0_cls_mobile", 535_412, 258, 239),
        ("PP-OCRv6_det_small", 9_813_664, 464, 359),
        ("PP-OCRv6_rec_small", 21_071_140, 480, 452),
    ],
)
def test_models_that_others_wrote(name: str, parameters: int, operations: int, depth: int) -> None:
    """What the onnx package itself counts in the models of the rapidocr wheel."""
    if not default_home().is_dir():
        pytest.skip("the serving stack is not installed (make demo installs it)")
    path = onnx_model(default_home()).with_name(f"{name}.onnx")
    expected = ModelFeatures(size=path.stat().st_size, parameters=parameters, operations=operations, depth=depth)
    assert seen(path) == expected
