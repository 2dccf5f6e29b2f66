"""A mirror sees what changed on one branch, asks for little, and follows nothing that it should not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.repository.conftest import Plain
from tuner.errors import TunerError, UserError
from tuner.repository.mirror import Mirror, Tip

SPEC = "configs/demo/tuning.yaml"


@pytest.fixture
def mirror(work: Plain, tmp_path: Path) -> Mirror:
    return Mirror.open(str(work.folder), tmp_path / "mirror.git", local=True)


def test_the_tip_is_that_of_the_remotes_own_branch_or_of_the_named_one(
    work: Plain, mirror: Mirror, tmp_path: Path
) -> None:
    assert mirror.tip() == Tip("main", work.git("rev-parse", "main"))
    work.git("branch", "release", "main")
    work.commit({"README": "further\n"})
    named = Mirror.open(str(work.folder), tmp_path / "named.git", branch="release", local=True)
    assert named.tip() == Tip("release", work.git("rev-parse", "release"))


def test_a_branch_that_is_not_there_is_a_mistake(work: Plain, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no branch nowhere"):
        Mirror.open(str(work.folder), tmp_path / "m.git", branch="nowhere", local=True).tip()


def test_the_first_fetch_brings_one_commit_and_later_ones_what_is_new(work: Plain, mirror: Mirror) -> None:
    for number in range(5):
        work.commit({"README": f"{number}\n"})
    first = mirror.fetch(mirror.tip())
    assert count(mirror, first) == 1
    work.commit({"README": "six\n"})
    work.commit({SPEC: "kind: Other\n"})
    second = mirror.fetch(mirror.tip())
    assert count(mirror, second) == 3
    assert mirror.changed(first, second) == sorted(["README", SPEC])
    assert not mirror.rewritten(first, second)


def count(mirror: Mirror, sha: str) -> int:
    return int(mirror.git.run("rev-list", "--count", sha).text)


def test_a_force_push_is_seen_as_one(work: Plain, mirror: Mirror) -> None:
    work.commit({"README": "one\n"})
    first = mirror.fetch(mirror.tip())
    work.git("commit", "-q", "--amend", "-m", "other words")
    second = mirror.fetch(mirror.tip())
    assert mirror.rewritten(first, second)
    assert mirror.changed(first, second) == []
    assert mirror.holds(first)


def test_only_plain_files_are_listed_and_read(work: Plain, mirror: Mirror) -> None:
    (work.folder / "tuning-link.yaml").symlink_to("/etc/hostname")
    (work.folder / "tuning-script.yaml").write_text("x\n")
    (work.folder / "tuning-script.yaml").chmod(0o755)
    head = work.commit({"a b/tuning.yaml": "blank\n", "ümlaut/tuning.yaml": "umlaut\n"})
    mirror.fetch(mirror.tip())
    found = mirror.files(head, lambda path: path.endswith(".yaml"))
    assert sorted(found) == sorted([SPEC, "a b/tuning.yaml", "tuning-script.yaml", "ümlaut/tuning.yaml"])
    asked = [*found, "tuning-link.yaml", "configs", "missing.yaml", "../x", "a\nb"]
    assert mirror.blobs(head, asked) == found
    texts = dict(mirror.read(list(found.values()), 100))
    assert texts[found["ümlaut/tuning.yaml"]] == b"umlaut\n"


def test_bytes_are_read_as_they_are_in_the_order_asked_for(work: Plain, mirror: Mirror) -> None:
    contents = {f"f{number}": "\n" * number + f"text {number}\n\nblob 7\n" for number in range(300)}
    head = work.commit({**contents, "empty": "", "large": "x" * 1000})
    mirror.fetch(mirror.tip())
    blobs = mirror.files(head, lambda path: "/" not in path)
    order = sorted(blobs, reverse=True)
    read = list(mirror.read([blobs[path] for path in order], 999))
    assert [sha for sha, _ in read] == [blobs[path] for path in order]
    by_path = dict(zip(order, (text for _, text in read), strict=True))
    assert by_path["large"] is None
    assert by_path["empty"] == b""
    assert all(by_path[path] == text.encode() for path, text in contents.items())
    assert list(mirror.read(["0" * 40], 10)) == [("0" * 40, None)]
    assert list(mirror.read([], 10)) == []


def test_a_mirror_of_another_address_is_made_anew(work: Plain, bare: Plain, tmp_path: Path) -> None:
    folder = tmp_path / "mirror.git"
    first = Mirror.open(str(work.folder), folder, local=True)
    head = first.fetch(first.tip())
    assert Mirror.open(str(work.folder), folder, local=True).holds(head)
    assert not Mirror.open(str(bare.folder), folder, local=True).holds(head)


def test_a_mirror_in_which_much_has_gathered_can_be_replaced(work: Plain, mirror: Mirror) -> None:
    assert not mirror.crowded()
    mirror.remove()
    again = Mirror.open(str(work.folder), mirror.git.folder, local=True)
    assert again.fetch(again.tip()) == work.git("rev-parse", "main")


def test_a_remote_that_is_not_there_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(TunerError):
        Mirror.open(str(tmp_path / "nowhere"), tmp_path / "m.git", local=True).tip()


def test_addresses_that_run_programs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        Mirror.open("ext::sh -c true", tmp_path / "m.git", local=True)
