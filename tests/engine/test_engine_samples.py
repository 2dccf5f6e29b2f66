"""Samples that do not fit the inputs are a person's mistake, found before anything is started."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def break_length(folder: Path) -> None:
    (folder / "scale.npy").write_bytes(b"")


def break_end(folder: Path) -> None:
    (folder / "scale.npy").write_bytes((folder / "scale.npy").read_bytes()[:-1])


def break_header(folder: Path) -> None:
    (folder / "scale.npy").write_bytes((folder / "scale.npy").read_bytes()[:40])


def break_archive(folder: Path) -> None:
    with (folder / "scale.npy").open("wb") as file:
        np.savez(file, scale=np.ones((4, 5), dtype=np.float32))


def break_folder(folder: Path) -> None:
    break_missing(folder)
    (folder / "scale.npy").mkdir()


def break_size(folder: Path) -> None:
    """Petabytes, by the header alone."""
    claimed = header("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000000, 5), }")
    (folder / "scale.npy").write_bytes(claimed)


def break_integer(folder: Path) -> None:
    (folder / "scale.npy").write_bytes(
        header(f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({'9' * 30}, 5), }}")
    )


def break_syntax(folder: Path) -> None:
    (folder / "scale.npy").write_bytes(header("{'descr': '<f4', "))


def break_nesting(folder: Path) -> None:
    (folder / "scale.npy").write_bytes(header("-" * 9000 + "1"))


def header(text: str) -> bytes:
    """The beginning of a .npy file that says that."""
    return b"\x93NUMPY\x01\x00" + (len(text) + 1).to_bytes(2, "little") + text.encode() + b"\n"


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
        (break_length, r"not a \.npy file"),
        (break_end, r"not a \.npy file: it is shorter than its header says"),
        (break_header, r"not a \.npy file"),
        (break_archive, r"not a \.npy file"),
        (break_folder, r"not a \.npy file"),
        (break_size, r"not a \.npy file: it is shorter than its header says"),
        (break_integer, r"not a \.npy file"),
        (break_syntax, r"not a \.npy file"),
        (break_nesting, r"not a \.npy file"),
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


@given(st.lists(st.tuples(st.integers(0, 247), st.integers(0, 255)), max_size=4), st.integers(0, 248))
def test_no_bytes_are_more_than_a_mistake(changes: list[tuple[int, int]], length: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder)
        raw = bytearray((folder / "scale.npy").read_bytes()[:208])
        for place, value in changes:
            raw[place % len(raw)] = value
        (folder / "scale.npy").write_bytes(raw[:length])
        with contextlib.suppress(UserError):
            assert len(load_samples(PAYLOAD, folder)) == 4


def test_rendered_lines_are_the_same_for_the_same_seed() -> None:
    images, turned = samples.render(8, seed=3)
    again, _ = samples.render(8, seed=3)
    other, _ = samples.render(8, seed=4)
    assert images.shape == (8, samples.HEIGHT, samples.WIDTH, 3)
    assert images.dtype == np.uint8
    assert set(turned.tolist()) == {False, True}
    assert (images == again).all()
    assert (images != other).any()
