"""What a descriptor says, and what is said of a mistake in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuner.errors import UserError
from tuner.replay.descriptor import Descriptor, read_descriptor, read_descriptor_file

SHIPPED = sorted((Path(__file__).parents[2] / "bench/descriptors").glob("*.yaml"))


def said(text: str) -> str:
    with pytest.raises(UserError) as caught:
        read_descriptor(text.encode(), "d.yaml")
    return str(caught.value)


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_shipped_descriptors_are_right(file: Path) -> None:
    assert read_descriptor_file(file).objective.maximize


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("column: model", "colum: model", "d.yaml:1:11: unknown key 'colum' (did you mean column?)"),
        ("limits: {latency: 40}", "limits: {latncy: 40}", "d.yaml:11:18: latncy is no metric (did you mean latency?)"),
        ("limits: {latency: 40}", "limits: {latency: -1}", "d.yaml:11:19: latency should be greater than 0, not -1"),
        ("start: {batch: 1,", "start: {batches: 1,", "d.yaml:12:18: batches is no parameter (did you mean batch?)"),
        ("maximize: {latency: -1}", "maximize: {latency: 0}", "d.yaml:8:13: the merit depends on no metric"),
        ("double(share)", "double(shar)", "d.yaml:9:10: the constraint names shar, which is not a parameter"),
        ("double(share)", "sqrt(share)", "d.yaml:9:10: the function sqrt is not known"),
        ("batch: {column: batch}", "batch: {column: []}", "d.yaml:3:19: the list is empty"),
        ("batch: {column: batch}", "Batch: {column: batch}", "d.yaml:3:3: 'Batch' is not a parameter name"),
    ],
)
def test_a_mistake_is_named_with_its_place(descriptor_text: str, old: str, new: str, expected: str) -> None:
    assert old in descriptor_text
    assert any(line.startswith(expected) for line in said(descriptor_text.replace(old, new)).splitlines())


def test_a_missing_section_is_named(descriptor_text: str) -> None:
    without = "\n".join(line for line in descriptor_text.splitlines() if not line.startswith("service"))
    assert "service is missing (add it)" in said(without)


@pytest.mark.parametrize(
    ("service", "family"),
    [
        ("resnext50_32x4d", "resnet"),
        ("wide_resnet50_2", "resnet"),
        ("EfficientNet_v2_s", "efficientnet"),
        ("vit_b_16", "vit"),
        ("tinynet5_a", "tinynet"),
        ("yolo_v8", "yolo"),
        ("YOLO-v5s", "yolo"),
        ("bert-base", "bert"),
        ("7segment", "7segment"),
    ],
)
def test_families_go_by_the_longest_prefix_or_the_first_word(service: str, family: str) -> None:
    described = read_descriptor_file(next(file for file in SHIPPED if file.stem == "rapp_v100"))
    assert described.service.family(service) == family


def test_another_bound_may_be_asked_for(descriptor: Descriptor) -> None:
    assert descriptor.limited(20.0).limits == {"latency": 20.0}
    assert descriptor.limited(20.0, "latency").limits == {"latency": 20.0}
    with pytest.raises(UserError, match="which metric"):
        descriptor.limited(20.0, "speed")
    with pytest.raises(UserError, match="holds nothing"):
        descriptor.limited(0.0)
