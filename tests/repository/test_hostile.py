"""Repositories made to run something, to read something outside, or to fill the machine."""

from __future__ import annotations

import stat
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.repository.conftest import Plain
from tuner.errors import PermanentError, TunerError, UserError
from tuner.repository.address import Access, Address
from tuner.repository.commit import TUNER
from tuner.repository.git import Git
from tuner.repository.repository import Repository

NOW = datetime(2025, 1, 1, tzinfo=UTC)


def exercise(repository: Repository) -> None:
    """Everything that tuner does to a repository: read, export, commit, push, merge."""
    branch = repository.default_branch()
    tip = repository.resolve(branch)
    snapshot = repository.snapshot(tip)
    for path in snapshot.files():
        snapshot.read(path)
    repository.last_commit_for("configs/demo/tuning.yaml", branch)
    one = repository.commit(parent=tip, changes={"configs/demo/tuning.yaml": b"1\n"}, message="one", date=NOW)
    two = repository.commit(parent=tip, changes={"other.yaml": b"2\n"}, message="two", date=NOW)
    repository.changed_paths(tip, one)
    repository.push("tuner/one", one, expected=None)
    repository.push("tuner/one", two, expected=one)
    merged = repository.merge(ours=one, theirs=two, message="merge", date=NOW)
    assert isinstance(merged, str)
    repository.commit_at(merged)
    repository.fetch()
    repository.ls_remote()
    repository.identity()
    repository.advance(branch, merged, expected=tip)


def trap(folder: Path) -> tuple[Path, Path]:
    """A program, and the file that is there once it was run."""
    sprung = folder / "sprung"
    program = folder / "trap"
    program.write_text(f"#!/bin/sh\necho run >>{sprung}\ncat\n")
    program.chmod(0o755)
    return program, sprung


def arm(plain: Plain, program: Path) -> None:
    """Every setting, hook and attribute known to name a program."""
    for key, value in {
        "core.fsmonitor": str(program),
        "core.hooksPath": str(plain.folder / "hooks"),
        "core.sshCommand": str(program),
        "core.gitProxy": str(program),
        "core.askPass": str(program),
        "core.pager": str(program),
        "core.editor": str(program),
        "core.alternateRefsCommand": str(program),
        "credential.helper": f"!{program}",
        "alias.rev-parse": f"!{program}",
        "alias.cat-file": f"!{program}",
        "diff.external": str(program),
        "diff.trap.textconv": str(program),
        "diff.trap.command": str(program),
        "merge.trap.driver": str(program),
        "filter.trap.clean": str(program),
        "filter.trap.smudge": str(program),
        "filter.trap.process": str(program),
        "gpg.program": str(program),
        "commit.gpgSign": "true",
        "log.showSignature": "true",
        "trailer.x.command": str(program),
        "uploadpack.packObjectsHook": str(program),
        "remote.origin.url": "ext::trap",
        "remote.origin.uploadpack": str(program),
        "remote.origin.vcs": "trap",
        "protocol.allow": "always",
        "protocol.ext.allow": "always",
    }.items():
        plain.git("config", key, value)
    hooks = Path(plain.git("rev-parse", "--absolute-git-dir")) / "hooks"
    for folder in (plain.folder / "hooks", hooks):
        folder.mkdir(exist_ok=True)
        for name in (
            "reference-transaction",
            "post-index-change",
            "pre-push",
            "post-checkout",
            "post-merge",
            "pre-commit",
        ):
            hook = folder / name
            hook.write_text(f"#!/bin/sh\nexec {program} </dev/null\n")
            hook.chmod(0o755)


def test_the_traps_do_spring_for_plain_git(work: Plain, tmp_path: Path) -> None:
    program, sprung = trap(tmp_path)
    arm(work, program)
    work.git("update-ref", "refs/heads/x", "HEAD")
    assert sprung.exists()


@pytest.mark.parametrize("kind", ["bare", "work"])
def test_nothing_that_a_repository_names_is_run(kind: str, work: Plain, bare: Plain, tmp_path: Path) -> None:
    work.commit({".gitattributes": "*.md diff=trap merge=trap filter=trap\n", "a.md": "text\n"})
    work.git("push", "-q", str(bare.folder), "main")
    plain = {"bare": bare, "work": work}[kind]
    program, sprung = trap(tmp_path)
    arm(plain, program)
    exercise(plain.open())
    assert not sprung.exists()


def test_a_clone_of_an_armed_repository_runs_nothing_either(work: Plain, tmp_path: Path) -> None:
    program, sprung = trap(tmp_path)
    arm(work, program)
    with Repository.clone(str(work.folder), tmp_path / "clone.git", local=True) as clone:
        clone.snapshot("main").files()
        clone.fetch()
    assert not sprung.exists()


def test_a_file_behind_a_filter_is_not_checked_out(work: Plain, tmp_path: Path) -> None:
    tip = work.commit({".gitattributes": "*.md filter=trap\n"})
    program, sprung = trap(tmp_path)
    arm(work, program)
    repository = work.open()
    new = repository.commit(parent=tip, changes={"a.md": b"text\n"}, message="m", date=NOW)
    with pytest.raises(UserError, match="filter"):
        repository.advance("main", new, expected=tip)
    assert not sprung.exists()
    assert repository.branch("main") == tip


def test_a_missing_object_is_not_fetched_by_a_program(bare: Plain, tmp_path: Path) -> None:
    program, sprung = trap(tmp_path)
    bare.git("config", "remote.evil.url", str(bare.folder))
    bare.git("config", "remote.evil.promisor", "true")
    bare.git("config", "remote.evil.uploadpack", str(program))
    bare.git("config", "core.repositoryFormatVersion", "1")
    bare.git("config", "extensions.partialClone", "evil")
    blob = bare.git("rev-parse", "main:configs/demo/tuning.yaml")
    packs = list((bare.folder / "objects").rglob("*.pack"))
    for pack in packs:
        raw = pack.read_bytes()
        for file in pack.parent.glob(f"{pack.stem}.*"):
            file.chmod(0o644)
            file.unlink()
        bare.git("unpack-objects", "-q", stdin=raw)
    place = bare.folder / "objects" / blob[:2] / blob[2:]
    place.chmod(0o644)
    place.unlink()
    with pytest.raises(TunerError):
        bare.open().snapshot("main").read("configs/demo/tuning.yaml")
    assert not sprung.exists()


def test_a_replaced_object_is_not_read_in_its_stead(bare: Plain) -> None:
    path = "configs/demo/tuning.yaml"
    blob = bare.git("rev-parse", f"main:{path}")
    fake = bare.git("hash-object", "-w", "--stdin", stdin=b"fake\n")
    bare.git("replace", blob, fake)
    assert bare.git("show", f"main:{path}") == "fake"
    assert bare.open().snapshot("main").read(path) == b"kind: TuningSpec\n"


def test_the_surroundings_do_not_reach_git(
    bare: Plain, work: Plain, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program, sprung = trap(tmp_path)
    for name, value in {
        "GIT_DIR": str(tmp_path / "nowhere"),
        "GIT_WORK_TREE": "/",
        "GIT_INDEX_FILE": str(tmp_path / "index"),
        "GIT_OBJECT_DIRECTORY": str(tmp_path / "objects"),
        "GIT_EXTERNAL_DIFF": str(program),
        "GIT_SSH_COMMAND": str(program),
        "GIT_ASKPASS": str(program),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.fsmonitor",
        "GIT_CONFIG_VALUE_0": str(program),
        "GIT_TRACE": str(tmp_path / "trace"),
        "SECRET_TOKEN": "s3cret",
    }.items():
        monkeypatch.setenv(name, value)
    exercise(bare.open())
    assert not sprung.exists()
    assert not (tmp_path / "trace").exists()
    alias = ("-c", "alias.names=!env", "names")
    assert "s3cret" not in Git(bare.folder, bare.folder).run(*alias).text


@pytest.mark.parametrize(
    ("target", "path"),
    [("/etc/passwd", "link"), ("../../etc/passwd", "a/link"), ("configs/demo/tuning.yaml", "inner")],
)
def test_a_symbolic_link_is_neither_read_nor_exported_nor_written(work: Plain, target: str, path: str) -> None:
    link = work.folder / path
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(target)
    sha = work.commit({})
    repository = work.open()
    snapshot = repository.snapshot(sha)
    with pytest.raises(UserError, match="symbolic link"):
        snapshot.read(path)
    assert path not in snapshot.files()
    with pytest.raises(UserError, match="symbolic link"):
        snapshot.export("", work.folder.parent / "out")
    assert not (work.folder.parent / "out").exists()
    with pytest.raises(UserError, match="symbolic link"):
        repository.commit(parent=sha, changes={path: b"x"}, message="m", date=NOW)


def test_nothing_is_read_or_written_through_a_linked_folder(work: Plain) -> None:
    (work.folder / "alias").symlink_to("configs")
    sha = work.commit({})
    repository = work.open()
    with pytest.raises(UserError, match="'alias' is a symbolic link"):
        repository.snapshot(sha).read("alias/demo/tuning.yaml")
    with pytest.raises(UserError, match="'alias' is a symbolic link"):
        repository.commit(parent=sha, changes={"alias/demo/tuning.yaml": b"x"}, message="m", date=NOW)


def test_a_submodule_is_not_entered(work: Plain) -> None:
    work.git("update-index", "--add", "--cacheinfo", f"160000,{work.git('rev-parse', 'HEAD')},vendor")
    work.git("commit", "-q", "-m", "submodule")
    snapshot = work.open().snapshot("main")
    with pytest.raises(UserError, match="submodule"):
        snapshot.read("vendor")
    with pytest.raises(UserError, match="'vendor' is a submodule"):
        snapshot.read("vendor/spec.yaml")
    with pytest.raises(UserError, match="submodule"):
        snapshot.export("", work.folder.parent / "out")


def make_tree(plain: Plain, *entries: bytes) -> str:
    """A commit of a tree that plain git would never make."""
    tree = plain.git("hash-object", "-w", "-t", "tree", "--literally", "--stdin", stdin=b"".join(entries))
    return plain.git("commit-tree", tree, "-m", "crafted")


def entry(plain: Plain, name: bytes, mode: bytes = b"100644", text: bytes = b"x\n") -> bytes:
    return mode + b" " + name + b"\0" + bytes.fromhex(plain.git("hash-object", "-w", "--stdin", stdin=text))


@pytest.mark.parametrize(
    "name", [b"..", b".git", b".GIT", b"a\nb", b"\x1b[31mred", b"\xff\xfe", b"back\\slash", b"..\\x"]
)
def test_a_bad_name_in_a_tree_is_never_written_to_disk(bare: Plain, tmp_path: Path, name: bytes) -> None:
    sha = make_tree(bare, entry(bare, b"good"), entry(bare, name))
    snapshot = bare.open().snapshot(sha)
    assert snapshot.files() == ("good",)
    with pytest.raises(UserError) as caught:
        snapshot.export("", tmp_path / "out")
    assert str(caught.value).isprintable()
    assert not (tmp_path / "out").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bare.git", "work"]


def test_a_tree_that_unfolds_into_billions_of_files_is_refused_soon(bare: Plain, tmp_path: Path) -> None:
    content = bytes.fromhex(bare.git("hash-object", "-w", "--stdin", stdin=b"x"))
    raw = b"".join(b"100644 f%d\0" % n + content for n in range(10))
    for _ in range(10):
        tree = bytes.fromhex(bare.git("hash-object", "-w", "-t", "tree", "--stdin", stdin=raw))
        raw = b"".join(b"40000 d%d\0" % n + tree for n in range(10))
    sha = bare.git("commit-tree", tree.hex(), "-m", "bomb")
    repository = bare.open()
    with pytest.raises(UserError, match="over"):
        repository.snapshot(sha).files()
    with pytest.raises(UserError, match="over"):
        repository.snapshot(sha).export("", tmp_path / "out")
    with pytest.raises(UserError, match="over"):
        repository.changed_paths("main", sha)
    child = repository.commit(parent=sha, changes={"d0/d1/new": b"y"}, message="m", date=NOW)
    assert repository.snapshot(child).read("d0/d1/new") == b"y"


def test_a_huge_file_is_refused_before_it_is_read(bare: Plain) -> None:
    sha = make_tree(bare, entry(bare, b"huge", text=b"\0" * (17 << 20)))
    with pytest.raises(UserError, match="larger than 16,777,216 bytes"):
        bare.open().snapshot(sha).read("huge")


def test_limits_of_an_export_are_kept(work: Plain, tmp_path: Path) -> None:
    sha = work.commit({f"many/{n}": "12345" for n in range(5)})
    snapshot = work.open().snapshot(sha)
    for limits in ({"most": 4}, {"largest": 24}):
        with pytest.raises(UserError, match="over the limit"):
            snapshot.export("many", tmp_path / "out", **limits)
    assert len(snapshot.export("many", tmp_path / "out", most=5, largest=25)) == 5


def test_an_executable_file_is_exported_without_its_bit(work: Plain, tmp_path: Path) -> None:
    work.write({"model/run.sh": "#!/bin/sh\n"})
    (work.folder / "model/run.sh").chmod(0o755)
    sha = work.commit({})
    assert work.open().snapshot(sha).export("model", tmp_path / "out") == ("run.sh",)
    assert stat.S_IMODE((tmp_path / "out/run.sh").stat().st_mode) == 0o644


def test_damaged_bytes_are_noticed(bare: Plain) -> None:
    import zlib

    blob = bare.git("hash-object", "-w", "--stdin", stdin=b"true\n")
    sha = make_tree(bare, b"100644 file\0" + bytes.fromhex(blob))
    place = bare.folder / "objects" / blob[:2] / blob[2:]
    place.chmod(0o644)
    place.write_bytes(zlib.compress(b"blob 5\0fals\n"))
    with pytest.raises(PermanentError, match="damaged"):
        bare.open().snapshot(sha).read("file")


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c touch% /tmp/x",
        "fd::17",
        "--upload-pack=touch /tmp/x",
        "-oProxyCommand=x:y",
        "ssh://-oProxyCommand=x/y",
        "git://example.com/x",
        "http://example.com/x.git",
        "ftp://example.com/x",
        "file:///etc",
        "/etc",
        "https://",
        "",
        " https://example.com/x",
        "https://example.com/x\n",
        "https://[::1/x",
    ],
)
def test_an_address_that_is_not_plain_https_or_ssh_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        Repository.clone(url, tmp_path / "clone")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url", ["https://user:s3cret@example.com/x", "https://s3cret@example.com/x", "ssh://u:s3cret@h/x"]
)
def test_credentials_in_an_address_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(UserError, match="credentials") as caught:
        Address.parse(url)
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in repr(Access("u", "s3cret"))


@pytest.mark.parametrize(
    ("url", "protocol"),
    [
        ("https://example.com/team/x.git", "https"),
        ("ssh://git@example.com:2222/x", "ssh"),
        ("git@example.com:team/x.git", "ssh"),
        ("http://127.0.0.1:3000/x", "http"),
        ("http://[::1]:3000/x", "http"),
    ],
)
def test_usual_addresses_are_taken_and_allow_their_protocol_alone(url: str, protocol: str) -> None:
    assert Address.parse(url).protocol == protocol


def test_a_configured_rewrite_cannot_lead_to_another_protocol(bare: Plain, tmp_path: Path) -> None:
    clone = Repository.clone(str(bare.folder), tmp_path / "clone.git", local=True)
    clone.git.run("config", "url.ext::sh -c true %.insteadOf", str(bare.folder))
    with pytest.raises(UserError, match="protocol that is not allowed"):
        clone.ls_remote()


def test_a_repository_of_another_user_is_refused_unless_its_person_trusts_it(
    bare: Plain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tuner.repository import git as door

    monkeypatch.setitem(door._FIXED, "GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    with pytest.raises(UserError, match=r"safe\.directory"):
        bare.open()
    (tmp_path / ".gitconfig").write_text(f"[safe]\n\tdirectory = {bare.folder}\n")
    assert bare.open().default_branch() == "main"


def test_a_program_that_hangs_is_killed_with_its_children(bare: Plain) -> None:
    began = time.monotonic()
    with pytest.raises(TunerError, match="in time"):
        Git(bare.folder, bare.folder).run("-c", "alias.hang=!sleep 300", "hang", timeout=0.5)
    assert time.monotonic() - began < 60
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert "sleep 300" not in [line.strip() for line in listed.splitlines()]


def test_tuners_own_identity_cannot_be_a_persons() -> None:
    assert TUNER.email.endswith(".invalid")
