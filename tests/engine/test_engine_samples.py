"""Samples that do not fit the inputs are a person's mistake, found before anything is started."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from testbed import samples
from tuner.engine.sample import load_samples
from tuner.errors import UserError
from tuner.spec.model import Payload

PAYLOAD = Payload.model_validate(
    {
        "samples": "samples",
        "inputs": [
            {"name": "image", "datatype": "UINT8", "shape": [2, 3]},
            {"name": "scale", "datatype": "FP32", "shape": [5]},
        ],
    }
)


def write(folder: Path, count: int = 4) -> None:
    np.save(folder / "image.npy", np.arange(count * 6, dtype=np.uint8).reshape(count, 2, 3))
    np.save(folder / "scale.npy", np.ones((count, 5), dtype=np.float32))


def test_each_sample_has_every_input(tmp_path: Path) -> None:
    write(tmp_path)
    loaded = load_samples(PAYLOAD, tmp_path)
    assert len(loaded) == 4
    assert loaded[1]["image"].tolist() == [[6, 7, 8], [9, 10, 11]]
    assert loaded[1]["scale"].shape == (5,)


def break_missing(folder: Path) -> None:
    (folder / "scale.npy").unlink()


def break_bytes(folder: Path) -> None:
    (folder / "scale.npy").write_bytes(b"not numpy")


def break_pickle(folder: Path) -> None:
    np.save(folder / "scale.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)


def break_datatype(folder: Path) -> None:
    np.save(folder / "image.npy", np.zeros((4, 2, 3), dtype=np.int16))


def break_shape(folder: Path) -> None:
    np.save(folder / "image.npy", np.zeros((4, 3, 2), dtype=np.uint8))


def break_rank(folder: Path) -> None:
    np.save(folder / "image.npy", np.zeros((2, 3), dtype=np.uint8))


def break_count(folder: Path) -> None:
    np.save(folder / "image.npy", np.zeros((3, 2, 3), dtype=np.uint8))


def break_empty(folder: Path) -> None:
    write(folder, count=0)


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (break_missing, "no samples for the input 'scale'"),
        (break_bytes, r"not a \.npy file"),
        (break_pickle, r"not a \.npy file"),
        (break_datatype, "the samples are int16, not uint8"),
        (break_shape, "shape 4×3×2, not n×2×3"),
        (break_rank, "shape 2×3, not n×2×3"),
        (break_count, "image has 3, scale has 4"),
        (break_empty, "the file holds no sample"),
    ],
)
def test_what_does_not_fit_is_told(tmp_path: Path, broken: object, complaint: str) -> None:
    write(tmp_path)
    assert callable(broken)
    broken(tmp_path)
    with pytest.raises(UserError, match=complaint):
        load_samples(PAYLOAD, tmp_path)


def test_rendered_lines_are_the_same_for_the_same_seed() -> None:
    images, turned = samples.render(8, seed=3)
    again, _ = samples.render(8, seed=3)
    other, _ = samples.render(8, seed=4)
    assert images.shape == (8, samples.HEIGHT, samples.WIDTH, 3)
    assert images.dtype == np.uint8
    assert set(turned.tolist()) == {False, True}
    assert (images == again).all()
    assert (images != other).any()
