"""Reading commits, making commits, moving branches."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.repository.conftest import Plain
from tuner.errors import PermanentError, TemporaryError, TunerError, UserError
from tuner.repository.commit import TUNER, Identity
from tuner.repository.failure import ContendedError, error_from
from tuner.repository.merge import Conflict
from tuner.repository.path import checked, relative
from tuner.repository.reference import RefUpdate
from tuner.repository.repository import Repository
from tuner.value import digest_of

NOW = datetime(2025, 1, 1, tzinfo=UTC)
SPEC = "configs/demo/tuning.yaml"


def child(repository: Repository, changes: dict[str, bytes | None], *, on: str = "main", message: str = "m") -> str:
    return repository.commit(parent=repository.resolve(on), changes=changes, message=message, date=NOW)


def state_of(plain: Plain) -> tuple[str, str, str]:
    """All that a person would miss if it changed: work tree and index, references, configuration."""
    config = Path(plain.git("rev-parse", "--absolute-git-dir")) / "config"
    return plain.git("status", "--porcelain=v2", "--branch"), plain.git("for-each-ref"), config.read_text()


class TestOpening:
    def test_a_work_tree_and_a_bare_repository_are_opened_by_their_top(self, work: Plain, bare: Plain) -> None:
        assert work.open().work_tree == work.folder
        assert bare.open().work_tree is None
        for plain in (work, bare):
            with plain.open() as repository:
                assert repository.default_branch() == "main"
                assert repository.address == str(plain.folder)

    def test_a_folder_below_is_not_the_repository_but_is_in_it(self, work: Plain) -> None:
        with pytest.raises(UserError, match="not a Git repository"):
            Repository.open(work.folder / "configs")
        assert Repository.around(work.folder / SPEC).folder == work.folder

    @pytest.mark.parametrize("name", ["nowhere", "."])
    def test_what_is_no_repository_is_a_users_mistake(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(UserError) as caught:
            Repository.open(tmp_path / name)
        assert "\n" not in str(caught.value)

    def test_a_linked_work_tree_is_opened_too(self, work: Plain, tmp_path: Path) -> None:
        work.git("worktree", "add", "-q", str(tmp_path / "linked"), "-b", "side")
        linked = Repository.open(tmp_path / "linked")
        assert linked.default_branch() == "side"
        assert linked.snapshot("main").read(SPEC)

    def test_the_default_branch_is_the_remotes_before_the_current_one(self, work: Plain, tmp_path: Path) -> None:
        plain = Plain(tmp_path / "clone")
        work.git("clone", "-q", str(work.folder), str(plain.folder))
        plain.git("switch", "-q", "-c", "feature")
        assert plain.open().default_branch() == "main"

    def test_an_empty_repository_or_a_detached_head_needs_a_branch(self, work: Plain, tmp_path: Path) -> None:
        empty = Plain(tmp_path)
        empty.git("init", "-q")
        with pytest.raises(UserError, match="default branch"):
            empty.open().default_branch()
        work.git("checkout", "-q", "--detach")
        with pytest.raises(UserError, match="default branch"):
            work.open().default_branch()

    def test_git_that_is_not_installed_is_said_in_one_line(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        programs = tmp_path / "bin"
        programs.mkdir()
        (programs / "env").symlink_to("/usr/bin/env")
        monkeypatch.setenv("PATH", str(programs))
        with pytest.raises(PermanentError, match="git is not installed"):
            Repository.open(tmp_path)


class TestReading:
    def test_names_are_resolved_to_full_shas(self, work: Plain) -> None:
        sha = work.git("rev-parse", "HEAD")
        work.git("tag", "-a", "v1", "-m", "v1")
        repository = work.open()
        assert {repository.resolve(name) for name in ("main", "v1", sha, sha[:10], "HEAD", "refs/heads/main")} == {sha}

    @pytest.mark.parametrize("name", ["nowhere", "", "-x", "--all", "a b", "main:configs", "\0", "main\n", "f" * 40])
    def test_what_names_no_commit_is_a_users_mistake(self, work: Plain, name: str) -> None:
        with pytest.raises(UserError, match="names no commit"):
            work.open().resolve(name)

    def test_a_snapshot_stays_as_it_was(self, work: Plain) -> None:
        snapshot = work.open().snapshot("main")
        work.commit({SPEC: "changed\n"})
        assert snapshot.read(SPEC) == b"kind: TuningSpec\n"
        assert work.open().snapshot("main").read(SPEC) == b"changed\n"

    def test_files_are_listed_below_a_folder(self, work: Plain) -> None:
        snapshot = work.open().snapshot("main")
        assert snapshot.files() == ("configs/demo/model/1/model.py", SPEC)
        assert snapshot.files("configs/demo/model") == ("configs/demo/model/1/model.py",)
        for folder in ("configs/dem", "nowhere", SPEC):
            with pytest.raises(UserError):
                snapshot.files(folder)

    @pytest.mark.parametrize("path", ["nowhere", "configs", "configs/demo/tuning.yaml/x", "*", ":/", ":(top)configs"])
    def test_only_a_file_by_its_very_name_is_read(self, work: Plain, path: str) -> None:
        with pytest.raises(UserError):
            work.open().snapshot("main").read(path)

    def test_odd_but_honest_names_are_read(self, work: Plain) -> None:
        names = ["with blank.yaml", "ünïcode.yaml", "*.yaml", "[x].yaml", ":colon", "-dash", '"quoted"']
        work.commit({name: name for name in names})
        snapshot = work.open().snapshot("main")
        for name in names:
            assert snapshot.read(name) == name.encode()
            assert name in snapshot.files()

    def test_an_export_appears_complete_or_not_at_all(self, work: Plain, tmp_path: Path) -> None:
        work.commit({"model/1/model.py": "x\n", "model/config.pbtxt": "y\n"})
        snapshot = work.open().snapshot("main")
        out = tmp_path / "deep" / "out"
        assert snapshot.export("model", out) == ("1/model.py", "config.pbtxt")
        assert (out / "1/model.py").read_text() == "x\n"
        with pytest.raises(PermanentError, match="cannot be written"):
            snapshot.export("model", out)
        assert [path.name for path in out.parent.iterdir()] == ["out"]

    def test_one_file_is_exported_however_large(self, work: Plain, tmp_path: Path) -> None:
        large = "x" * (17 * 2**20)
        work.commit({"model/1/model.onnx": large, "top.onnx": "y\n"})
        snapshot = work.open().snapshot("main")
        with pytest.raises(UserError, match="larger than"):
            snapshot.read("model/1/model.onnx")
        assert snapshot.export("model/1/model.onnx", tmp_path / "out") == ("model.onnx",)
        assert (tmp_path / "out/model.onnx").read_text() == large
        assert snapshot.export("top.onnx", tmp_path / "top") == ("top.onnx",)
        with pytest.raises(UserError, match="over the limit"):
            snapshot.export("model/1/model.onnx", tmp_path / "other", largest=2**20)

    def test_the_last_commit_for_a_file_is_the_one_that_carried_it(self, work: Plain) -> None:
        first = work.git("rev-parse", "HEAD")
        work.commit({"other.yaml": "x\n"})
        repository = work.open()
        assert repository.last_commit_for(SPEC, "main") == first
        second = work.commit({SPEC: "new\n"})
        assert repository.last_commit_for(SPEC, "main") == second
        (work.folder / SPEC).unlink()
        work.commit({})
        with pytest.raises(UserError, match="does not exist on main"):
            repository.last_commit_for(SPEC, "main")

    def test_changed_paths_are_those_of_plain_git(self, work: Plain) -> None:
        old = work.git("rev-parse", "HEAD")
        (work.folder / SPEC).unlink()
        new = work.commit({"a/b/c": "1", "configs/demo/x": "2"})
        expected = work.git("diff-tree", "-r", "--no-renames", "--name-only", old, new).splitlines()
        assert list(work.open().changed_paths(old, new)) == sorted(expected)
        assert list(work.open().changed_paths(new, old)) == sorted(expected)
        assert work.open().changed_paths(new, new) == ()


class TestCommitting:
    def test_a_commit_has_the_changes_and_nothing_of_the_user_moves(self, work: Plain) -> None:
        work.write({"dirty.txt": "uncommitted\n", SPEC: "uncommitted too\n"})
        work.git("add", "dirty.txt")
        before = state_of(work)
        repository = work.open()
        sha = child(repository, {SPEC: b"new\n", "new/file": b"x", "configs/demo/model/1/model.py": None})
        assert repository.snapshot(sha).files() == (SPEC, "new/file")
        assert state_of(work) == before
        commit = repository.commit_at(sha)
        assert (commit.author, commit.committer, commit.date) == (TUNER, TUNER, NOW)
        assert work.git("fsck", "--strict", "--no-dangling") == ""

    def test_equal_input_gives_an_equal_commit(self, work: Plain) -> None:
        repository = work.open()
        assert child(repository, {"a": b"1"}) == child(repository, {"a": b"1"})
        assert child(repository, {"a": b"1"}) != child(repository, {"a": b"2"})
        assert child(repository, {"a": b"1"}) != child(repository, {"a": b"1"}, message="other")

    def test_a_first_commit_needs_no_parent(self, tmp_path: Path) -> None:
        plain = Plain(tmp_path)
        plain.git("init", "-q", "--bare")
        repository = plain.open()
        sha = repository.commit(parent=None, changes={"a/b": b"1"}, message="first", date=NOW)
        assert repository.commit_at(sha).parents == ()
        repository.push("tuner/audit", sha, expected=None)
        assert repository.snapshot("tuner/audit").files() == ("a/b",)

    def test_an_executable_file_keeps_its_mode(self, work: Plain) -> None:
        work.write({"run.sh": "#!/bin/sh\n"})
        (work.folder / "run.sh").chmod(0o755)
        work.commit({})
        repository = work.open()
        entry = repository.snapshot(child(repository, {"run.sh": b"#!/bin/sh\ntrue\n"})).entry("run.sh")
        assert entry is not None
        assert entry.mode == "100755"

    @pytest.mark.parametrize(
        "changes",
        [
            {"../x": b""},
            {"/x": b""},
            {".git/config": b""},
            {"a/.GIT/hooks/x": b""},
            {"configs": b""},
            {"configs": None},
            {SPEC + "/x": b""},
            {"a": b"", "a/b": b""},
            {"a/b": b"", "a": b""},
            {"": b""},
            {"a\nb": b""},
        ],
    )
    def test_a_path_that_may_not_be_written_is_refused(self, work: Plain, changes: dict[str, bytes | None]) -> None:
        with pytest.raises(UserError):
            child(work.open(), changes)

    def test_trailers_are_the_last_paragraph(self, work: Plain) -> None:
        repository = work.open()
        sha = child(repository, {"a": b"1"}, message="Subject\n\nBody: not one\nof them\n\nTuner-A: 1\nTuner-B: x: y\n")
        assert repository.commit_at(sha).trailers == {"Tuner-A": "1", "Tuner-B": "x: y"}
        assert repository.commit_at(child(repository, {"a": b"1"}, message="Tuner-A: 1")).trailers == {}

    @pytest.mark.parametrize("name", ["a<b", "a\nb", "", " ", "a>"])
    def test_an_identity_cannot_forge_a_header(self, name: str) -> None:
        with pytest.raises(ValueError, match="one line"):
            Identity(name=name, email="a@example.com")

    def test_the_persons_identity_is_found_where_there_is_one(
        self, work: Plain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
        monkeypatch.delenv("GIT_CONFIG_GLOBAL", raising=False)
        assert work.open().identity() is None
        (tmp_path / ".gitconfig").write_text("[user]\n\tname = Ada\n\temail = ada@example.com\n")
        assert work.open().identity() == Identity(name="Ada", email="ada@example.com")
        work.git("config", "user.name", "Ada at work")
        assert work.open().identity() == Identity(name="Ada at work", email="ada@example.com")


class TestMovingBranches:
    def test_a_branch_moves_only_from_where_it_was_seen(self, bare: Plain) -> None:
        repository = bare.open()
        one, two = child(repository, {"a": b"1"}), child(repository, {"a": b"2"})
        repository.push("tuner/x", one, expected=None)
        with pytest.raises(ContendedError):
            repository.push("tuner/x", two, expected=None)
        with pytest.raises(ContendedError):
            repository.push("tuner/x", two, expected=two if two != one else None)
        repository.push("tuner/x", one, expected=None)
        repository.push("tuner/x", two, expected=one)
        assert repository.branch("tuner/x") == two

    def test_of_many_at_once_exactly_one_wins(self, bare: Plain) -> None:
        repository = bare.open()
        shas = [child(repository, {"a": str(n).encode()}) for n in range(8)]

        def attempt(sha: str) -> bool:
            try:
                repository.push("tuner/x", sha, expected=None)
            except TemporaryError:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            won = [sha for sha, done in zip(shas, pool.map(attempt, shas), strict=True) if done]
        assert won == [repository.branch("tuner/x")]

    def test_several_references_move_together_or_not_at_all(self, bare: Plain, tmp_path: Path) -> None:
        clone = Repository.clone(str(bare.folder), tmp_path / "clone.git", local=True)
        for repository in (bare.open(), clone):
            start, one = repository.resolve("main"), child(repository, {"a": repository.address.encode()})
            name = f"refs/tuner/{'clone' if repository is clone else 'own'}"
            with pytest.raises(ContendedError):
                repository.swap([RefUpdate(name, one, None), RefUpdate("refs/heads/main", one, one[::-1])])
            assert name not in bare.open().refs()
            repository.swap([RefUpdate(name, one, None), RefUpdate("refs/heads/main", start, start)])
            assert bare.open().refs()[name] == one

    @pytest.mark.parametrize(
        "name", ["", "a b", "a..b", "-x", "x.lock", "a/", "/a", "a//b", "a\nb", "@", "a@{1}", "a~1"]
    )
    def test_a_bad_branch_name_is_a_users_mistake(self, bare: Plain, name: str) -> None:
        with pytest.raises(UserError):
            bare.open().push(name, bare.git("rev-parse", "main"), expected=None)

    def test_a_branch_that_is_in_the_way_by_its_name_is_said(self, bare: Plain) -> None:
        bare.git("branch", "tuner", "main")
        repository = bare.open()
        with pytest.raises(PermanentError, match="clashing name"):
            repository.push("tuner/x", child(repository, {"a": b"1"}), expected=None)

    def test_a_held_lock_is_waited_for(self, bare: Plain) -> None:
        lock = bare.folder / "refs/heads/tuner"
        lock.mkdir(parents=True)
        (lock / "x.lock").touch()
        repository = bare.open()
        with pytest.raises(ContendedError, match=r"x\.lock"):
            repository.push("tuner/x", child(repository, {"a": b"1"}), expected=None)

    def test_a_checked_out_branch_is_not_moved_under_a_persons_feet(self, work: Plain, tmp_path: Path) -> None:
        work.git("worktree", "add", "-q", str(tmp_path / "linked"), "-b", "side")
        repository = work.open()
        before = state_of(work)
        new = child(repository, {"a": b"1"})
        for branch in ("main", "side"):
            with pytest.raises(UserError, match="checked out"):
                repository.push(branch, new, expected=repository.resolve(branch))
        with pytest.raises(UserError, match="checked out"):
            repository.advance("side", new, expected=repository.resolve("side"))
        assert state_of(work) == before


class TestAdvancingACheckedOutBranch:
    def test_a_clean_work_tree_goes_along(self, work: Plain) -> None:
        repository = work.open()
        old = repository.resolve("main")
        new = child(repository, {SPEC: b"new\n", "added/file": b"x\n", "configs/demo/model/1/model.py": None})
        repository.advance("main", new, expected=old)
        assert work.git("status", "--porcelain") == ""
        assert work.git("rev-parse", "HEAD") == new
        assert (work.folder / SPEC).read_text() == "new\n"
        assert not (work.folder / "configs/demo/model/1/model.py").exists()

    def test_unrelated_uncommitted_work_stays(self, work: Plain) -> None:
        work.commit({"notes.md": "notes\n", "staged.md": "x\n"})
        work.write({"notes.md": "more notes\n", "untracked.md": "mine\n", "staged.md": "staged\n"})
        work.git("add", "staged.md")
        before = work.git("status", "--porcelain")
        repository = work.open()
        repository.advance("main", child(repository, {SPEC: b"new\n"}), expected=repository.resolve("main"))
        assert work.git("status", "--porcelain") == before
        assert (work.folder / "notes.md").read_text() == "more notes\n"
        assert (work.folder / SPEC).read_text() == "new\n"

    @pytest.mark.parametrize("how", ["edited", "staged", "untracked", "deleted"])
    def test_work_in_the_way_is_never_lost(self, work: Plain, how: str) -> None:
        path = "new.yaml" if how == "untracked" else SPEC
        if how == "deleted":
            (work.folder / path).unlink()
            work.git("add", "-A")
        else:
            work.write({path: "mine\n"})
        if how == "staged":
            work.git("add", path)
        before = state_of(work)
        repository = work.open()
        with pytest.raises(UserError, match="uncommitted work") as caught:
            repository.advance("main", child(repository, {path: b"theirs\n"}), expected=repository.resolve("main"))
        assert "\n" not in str(caught.value)
        assert state_of(work) == before
        if how != "deleted":
            assert (work.folder / path).read_text() == "mine\n"

    def test_a_lost_race_takes_the_files_back(self, work: Plain) -> None:
        repository = work.open()
        old = repository.resolve("main")
        new = child(repository, {SPEC: b"new\n"})
        before = state_of(work)
        with pytest.raises(ContendedError):
            repository.advance("main", new, expected=old, also=[RefUpdate("refs/tuner/x", new, old)])
        assert state_of(work) == before
        assert (work.folder / SPEC).read_text() == "kind: TuningSpec\n"


class TestClones:
    def test_a_clone_is_made_once_and_then_followed(self, bare: Plain, tmp_path: Path) -> None:
        folder = tmp_path / "cache" / "clone.git"
        first = Repository.clone(str(bare.folder), folder, local=True)
        assert first.default_branch() == "main"
        assert first.address == str(bare.folder)
        new = child(bare.open(), {"a": b"1"})
        bare.git("update-ref", "refs/heads/main", new)
        assert first.ls_remote().refs["refs/heads/main"] == new
        assert first.branch("main") != new
        again = Repository.clone(str(bare.folder), folder, local=True)
        assert again.branch("main") == new
        bare.git("branch", "-m", "main", "trunk")
        again.fetch()
        assert again.default_branch() == "trunk"
        assert again.branch("main") is None

    def test_a_clone_of_something_else_is_not_taken_over(self, bare: Plain, work: Plain, tmp_path: Path) -> None:
        folder = tmp_path / "clone.git"
        Repository.clone(str(bare.folder), folder, local=True)
        for place in (folder, work.folder):
            before = sorted(place.rglob("*"))
            with pytest.raises(TunerError):
                Repository.clone(f"{bare.folder}/../work", place, local=True)
            assert sorted(place.rglob("*")) == before

    def test_a_failed_clone_leaves_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="no Git repository at this address"):
            Repository.clone(str(tmp_path / "nowhere"), tmp_path / "clone.git", local=True)
        assert list(tmp_path.iterdir()) == []

    def test_a_remote_that_does_not_answer_is_worth_another_try(self, tmp_path: Path) -> None:
        with pytest.raises(TemporaryError):
            Repository.clone("http://127.0.0.1:9/x.git", tmp_path / "clone.git")
        assert list(tmp_path.iterdir()) == []

    def test_a_push_that_the_other_side_refuses_is_said(self, bare: Plain, tmp_path: Path) -> None:
        hook = bare.folder / "hooks" / "pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("#!/bin/sh\necho 'ask the platform team' >&2\nexit 1\n")
        hook.chmod(0o755)
        clone = Repository.clone(str(bare.folder), tmp_path / "clone.git", local=True)
        with pytest.raises(PermanentError, match="refused the push") as caught:
            clone.push("tuner/x", child(clone, {"a": b"1"}), expected=None)
        assert "ask the platform team" in str(caught.value)
        assert clone.branch("tuner/x") is None


@contextmanager
def unprivileged(*folders: Path) -> Iterator[None]:
    """Root may write anywhere, so the tests that must not are somebody else for a while."""
    if os.geteuid() != 0:
        yield
        return
    for folder in folders:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, 65534, 65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


class TestTrouble:
    def test_a_repository_that_cannot_be_written_is_said_and_left_alone(self, bare: Plain) -> None:
        above = [bare.folder.parent, *bare.folder.parent.parents]
        modes = {path: path.stat().st_mode for path in above if path.owner() == "root" and path != Path("/")}
        for path in modes:
            path.chmod(modes[path] | 0o055)
        inside = [bare.folder, *(path for path in bare.folder.rglob("*") if path.is_dir())]
        try:
            with unprivileged(bare.folder):
                repository = bare.open()
                sha = child(repository, {"a": b"1"})
                for path in inside:
                    path.chmod(0o555)
                with pytest.raises(PermanentError, match="cannot be written") as caught:
                    child(repository, {"a": b"2"})
                assert "\n" not in str(caught.value)
                with pytest.raises(PermanentError, match="cannot be written"):
                    repository.push("tuner/x", sha, expected=None)
                assert list(repository.refs()) == ["refs/heads/main"]
        finally:
            for path in inside:
                path.chmod(0o755)
            for path, mode in modes.items():
                path.chmod(mode)

    def test_a_full_disk_is_said_and_leaves_nothing_half_written(self, work: Plain, tmp_path: Path) -> None:
        script = """
import subprocess, sys
from datetime import UTC, datetime
from pathlib import Path
from tuner.errors import PermanentError
from tuner.repository.repository import Repository
from tuner.value import digest_of

disk, source = Path(sys.argv[1]), sys.argv[2]
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(disk)], check=True)
folder = disk / "full.git"
subprocess.run(["git", "clone", "-q", "--bare", "--template=", source, str(folder)], check=True)
repository = Repository.open(folder)
tip, before = repository.resolve("main"), dict(repository.refs())
noise = Path("/dev/urandom").open("rb").read(4 << 20)
try:
    repository.commit(parent=tip, changes={"big": noise}, message="m", date=datetime(2025, 1, 1, tzinfo=UTC))
except PermanentError as error:
    print(error)
try:
    Path(disk, "filler").open("wb").write(noise)
except OSError:
    pass
try:
    repository.snapshot(tip).export("configs", disk / "out")
except PermanentError as error:
    print(error)
try:
    repository.push("tuner/x", tip, expected=None)
except PermanentError as error:
    print(error)
Path(disk, "filler").unlink()
assert dict(repository.refs()) == before
assert not list(disk.glob("*out*"))
assert not list(folder.rglob("*.lock"))
# Git itself leaves an unfinished object under a temporary name that nothing reads; its clean-up takes it away.
subprocess.run(["git", "-C", str(folder), "prune"], check=True)
assert not list(folder.rglob("tmp_obj*"))
subprocess.run(["git", "-C", str(folder), "fsck", "--strict"], check=True, capture_output=True)
sha = repository.commit(parent=tip, changes={"a": b"1"}, message="m", date=datetime(2025, 1, 1, tzinfo=UTC))
repository.push("tuner/x", sha, expected=None)
print("goes on")
"""
        disk = tmp_path / "disk"
        disk.mkdir()
        root = str(Path(__file__).parents[2])
        done = subprocess.run(
            ["unshare", "--map-root-user", "--mount", sys.executable, "-c", script, str(disk), str(work.folder)],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": root},
            check=False,
        )
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        assert lines[-1] == "goes on"
        assert len(lines) == 4
        assert "the disk is full" in lines[0]
        assert "No space left on device" in lines[1]
        assert "the disk is full or fails" in lines[2]

    @pytest.mark.parametrize(
        ("stderr", "kind", "words"),
        [
            ("error: cannot lock ref 'refs/heads/x': is at aaa but expected bbb", ContendedError, "moved"),
            ("fatal: unable to access 'https://h/x/': Could not resolve host: h", TemporaryError, "does not answer"),
            ("error: RPC failed; HTTP 503\nfatal: the remote end hung up unexpectedly", TemporaryError, "answer"),
            (
                "fatal: unable to access 'https://h/': The requested URL returned error: 403",
                PermanentError,
                "credential",
            ),
            ("fatal: could not read Username for 'https://h': terminal prompts disabled", PermanentError, "credential"),
            ("git@h: Permission denied (publickey).\nfatal: Could not read from remote", PermanentError, "credential"),
            ("remote: error: GH006: Protected branch update failed\n ! [remote rejected] x", PermanentError, "refused"),
            ("fatal: transport 'ext' not allowed", UserError, "protocol"),
            ("fatal: loose object 12 (stored in x) is corrupt", PermanentError, "damaged"),
            ("fatal: something new", PermanentError, "something new"),
            ("", PermanentError, "exit code 128"),
        ],
    )
    def test_gits_words_say_whether_to_wait_stop_or_mend(self, stderr: str, kind: type[TunerError], words: str) -> None:
        error = error_from("push", 128, stderr, about="https://h/x")
        assert type(error) is kind
        assert words in str(error)
        assert "\n" not in str(error)

    def test_no_secret_and_no_control_character_of_a_remote_is_shown(self) -> None:
        error = error_from("push", 1, "fatal: unable to access 'https://u:s3cret@h/x': \x1b[31mno\x1b[0m")
        assert "s3cret" not in str(error)
        assert str(error).isprintable()


def _refusal(path: str) -> str | None:
    try:
        checked(path)
    except UserError as error:
        return str(error)
    return None


parts = st.sampled_from(["a", "b", "..", ".", "", ".git", "c.yaml", "é"])


class TestPaths:
    @given(st.lists(parts, max_size=6).map("/".join), st.lists(st.sampled_from(["a", "b"]), max_size=3).map("/".join))
    def test_a_relative_path_ends_inside_or_is_refused(self, path: str, folder: str) -> None:
        expected = os.path.normpath(f"/{'x/' * 9}{folder}/{path}")[len("/x" * 9) :]
        try:
            found = relative(folder, path)
        except UserError:
            outside = not os.path.normpath(f"/{'x/' * 9}{folder}/{path}").startswith("/x" * 9)
            assert outside or path.startswith("/") or ".git" in path
        else:
            assert found == expected.strip("/")
            assert not found or checked(found) == found

    @given(st.text())
    def test_a_checked_path_has_nothing_that_a_file_system_could_misread(self, path: str) -> None:
        refused = _refusal(path)
        if refused is not None:
            assert refused.isprintable()
            return
        assert path.isprintable() or " " in path or not path.isascii()
        assert not {"", ".", "..", ".git"} & {part.casefold() for part in path.split("/")}
        assert os.path.normpath(f"/top/{path}").startswith("/top/")

    @pytest.mark.parametrize(
        "path", [".git", "a/.Git/x", ".git ", ".git.", "git~1", ".g\u200cit", "a/../b", "a\\b", "a\0"]
    )
    def test_known_tricks_are_refused(self, path: str) -> None:
        with pytest.raises(UserError):
            checked(path)


lines = st.lists(st.sampled_from(["a", "b", "c"]), max_size=4).map(lambda found: "".join(f"{x}\n\n" for x in found))
trees = st.dictionaries(st.sampled_from(["x", "y", "d/x", "d/y", "d"]), lines, max_size=4).filter(
    lambda files: not ("d" in files and any(name.startswith("d/") for name in files))
)


class TestMerging:
    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(base=trees, ours=trees, theirs=trees)
    def test_a_merge_is_what_plain_git_makes_of_it(
        self, bare: Plain, base: dict[str, str], ours: dict[str, str], theirs: dict[str, str]
    ) -> None:
        repository = bare.open()

        def commit(side: str, parent: str | None, before: dict[str, str], after: dict[str, str]) -> str:
            gone = repository.commit(parent=parent, changes=dict.fromkeys(before), message=side, date=NOW)
            # Unlike beginnings keep git from taking one file for another renamed, which we leave to a person.
            files = {name: (f"{digest_of(name)}\n" * 20 + text).encode() for name, text in after.items()}
            return repository.commit(parent=gone, changes=files, message=side, date=NOW)

        start = commit("base", None, {}, base)
        left, right = commit("ours", start, base, ours), commit("theirs", start, base, theirs)
        merged = repository.merge(ours=left, theirs=right, message="m", date=NOW)
        done = subprocess.run(
            ["git", "-C", str(bare.folder), "-c", "merge.renames=false", "merge-tree", "--write-tree", left, right],
            capture_output=True,
            text=True,
            check=False,
        )
        if isinstance(merged, Conflict):
            # Git finds an answer for some of these; here a person decides.
            added_twice = (ours.keys() & theirs.keys()) - base.keys()
            names = base.keys() | ours.keys() | theirs.keys()
            file_and_folder = "d" in names and len(names & {"d/x", "d/y"}) > 0
            assert done.returncode == 1 or added_twice or file_and_folder
        else:
            assert done.returncode == 0
            assert repository.commit_at(merged).tree == done.stdout.strip()
            assert repository.commit_at(merged).parents == (left, right)

    def test_branches_without_common_history_are_for_a_person(self, bare: Plain) -> None:
        repository = bare.open()
        other = repository.commit(parent=None, changes={"a": b"1"}, message="m", date=NOW)
        found = repository.merge(ours=repository.resolve("main"), theirs=other, message="m", date=NOW)
        assert isinstance(found, Conflict)
        assert "no common history" in str(found)
