"""Where Triton is found, and what a person is told where it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuner.engine.triton.installation import HOME_VARIABLE, Installation, find, merge_backends
from tuner.errors import UserError


def test_its_absence_names_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(HOME_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(UserError, match=r"Triton is not installed \(run `python -m testbed\.serving triton`"):
        find()


def test_a_folder_that_is_no_installation_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    with pytest.raises(UserError, match="Triton is not installed there"):
        find()


def test_an_installation_as_nvidia_makes_it_is_known(tmp_path: Path) -> None:
    for name in ("bin/tritonserver", "backends/onnxruntime/libtriton_onnxruntime.so", "backends/python/model.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    installation = Installation.at(tmp_path)
    assert installation.serves() == {"onnxruntime", "python"}
    assert installation.search["PATH"].startswith(f"{tmp_path}/bin:")
    assert installation.search["LD_LIBRARY_PATH"] == f"{tmp_path}/lib"


def wheel(home: Path, python: str) -> Path:
    """A venv with the files of the wheel that matter, empty."""
    server = home / f"lib/python{python}/site-packages/pytriton/tritonserver"
    for name in ("bin/tritonserver", "backends/python/libtriton_python.so", "python_backend_stubs/3.11/stub"):
        (server / name).parent.mkdir(parents=True, exist_ok=True)
        (server / name).write_bytes(b"")
    (home / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.7\n")
    return server


def test_the_backends_of_the_wheel_are_merged_once(tmp_path: Path) -> None:
    wheel(tmp_path, "3.11")
    with pytest.raises(UserError, match="lacks its merged backends"):
        Installation.at(tmp_path)
    merge_backends(tmp_path)
    merged = sorted(path.name for path in (tmp_path / "backends/python").iterdir())
    assert merged == ["libtriton_python.so", "stub"]
    merge_backends(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backends", "lib", "pyvenv.cfg"]


def test_a_python_without_a_stub_is_told(tmp_path: Path) -> None:
    wheel(tmp_path, "3.99")
    with pytest.raises(UserError, match=r"no stub for Python 3\.99 \(use one of 3\.11\)"):
        merge_backends(tmp_path)


@pytest.mark.real
def test_the_serving_stack_is_installed_once(triton_home: Path) -> None:
    from testbed import serving

    assert serving.install() == triton_home
    assert serving.onnx_model(triton_home).stat().st_size > 100_000
    assert Installation.at(triton_home).serves() == {"python"}
