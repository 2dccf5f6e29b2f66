"""What a campaign that was killed often has left behind, seen from outside: the forge, Git, the audit, processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.crash_place import Place
from bench.crash_service import Watcher
from bench.result import ROOT
from tests.campaign.service import SPEC_PATH
from tuner.pull_request.proposal import branch_name

__all__ = ["violations"]

Record = Mapping[str, Any]
_GIVEN_UP = "given up, since tuner was killed"


def violations(watcher: Watcher) -> list[str]:
    """Everything that is not as if nobody had killed anything.

    A configuration during which tuner was killed three times is not tried again, and the chain says so: then the
    campaign may keep what is deployed, and there is no pull request at all.
    """
    place = watcher.place
    rows = place.rows()
    wrong = [f"orphan: {line}" for line in watcher.left()]
    if [(row.state, row.result) for row in rows] == [("done", "kept-baseline")]:
        return [*wrong, *_kept(place), *_locks(place)]
    if [(row.state, row.result) for row in rows] != [("done", "proposed")]:
        return [*wrong, f"the queue says {rows}"]
    looks: tuple[Callable[[Place], Iterator[str]], ...] = (_forge, _branches, _audit, _locks)
    return [*wrong, *(found for look in looks for found in look(place))]


def _kept(place: Place) -> Iterator[str]:
    """Nothing was proposed, because the chain says that configurations were given up."""
    if pulls := place.get("/pulls?state=all"):
        yield f"{len(pulls)} pull requests, and the baseline is kept"
    clone = place.root / "seen.git"
    place.git("clone", "--quiet", "--mirror", place.address, str(clone))
    yield from _audit(place)
    reasons = [record["body"]["reason"] for record in _published(place) if record["kind"] == "search-ended"]
    if not any(_GIVEN_UP in reason for reason in reasons):
        yield f"the baseline is kept, and nothing was given up: {reasons}"


def _forge(place: Place) -> Iterator[str]:
    """One open pull request, presented once and without a comment; one status on the spec's commit, said once each."""
    pulls = place.get("/pulls?state=all")
    if len(pulls) != 1 or pulls[0]["state"] != "open":
        yield f"{len(pulls)} pull requests: {[pull['state'] for pull in pulls]}"
        return
    if (labels := [label["name"] for label in pulls[0]["labels"]]) != ["tuner"]:
        yield f"labels {labels}"
    if said := place.get(f"/issues/{pulls[0]['number']}/comments"):
        yield f"{len(said)} comments"
    commit = place.git("-C", str(place.service.repository), "log", "-1", "--format=%H", "main", "--", SPEC_PATH).strip()
    told = place.get(f"/commits/{commit}/statuses")
    if len({status["context"] for status in told}) != 1:
        yield f"statuses {sorted({status['context'] for status in told})}"
    times = Counter((status["context"], status["status"], status["description"]) for status in told)
    yield from (f"status said {count} times: {what}" for what, count in times.items() if count > 1)
    if not told or max(told, key=lambda status: status["id"])["status"] != "success":
        yield "the last status is no success"


def _branches(place: Place) -> Iterator[str]:
    """No reference but those that there should be, one commit on the proposal's branch and one of the audit."""
    lines = [line.split("\t") for line in place.git("ls-remote", place.address).splitlines()]
    refs = {ref: sha for sha, ref in lines if ref != "HEAD" and not ref.startswith("refs/pull/")}
    proposal = f"refs/heads/{branch_name(SPEC_PATH)}"
    wanted = {"refs/heads/main", "refs/heads/tuner/audit", proposal}
    if refs.keys() != wanted:
        yield f"references {sorted(refs)}"
        return
    clone = place.root / "seen.git"
    if not clone.exists():
        place.git("clone", "--quiet", "--mirror", place.address, str(clone))
    for span in (f"refs/heads/main..{proposal}", "refs/heads/tuner/audit"):
        if (count := place.git("-C", str(clone), "rev-list", "--count", span).strip()) != "1":
            yield f"{count} commits in {span}"
    (pull,) = place.get("/pulls?state=all")
    if pull["head"]["sha"] != refs[proposal]:
        yield "the pull request is not of the branch's commit"


def _audit(place: Place) -> Iterator[str]:
    """`tuner audit verify` of everything, and what the chain says was done."""
    clone = place.root / "seen.git"
    if not clone.exists():
        yield "nothing to verify"
        return
    verified = _tuner("audit", "verify", "--repo", str(clone), "--branch", "main")
    if verified.returncode != 0:
        yield f"audit verify: {verified.stdout}{verified.stderr}"
        return
    records = list(_published(place))
    if (chains := len({record["campaign"] for record in records})) != 1:
        yield f"{chains} chains of campaigns"
    yield from _records(records, proposed=place.rows()[0].result == "proposed")


def _published(place: Place) -> Iterator[Record]:
    clone = str(place.root / "seen.git")
    names = place.git("-C", clone, "ls-tree", "-r", "--name-only", "tuner/audit").split()
    for path in (name for name in names if name.endswith(".jsonl") and name.count("/") > 1):
        yield from map(json.loads, place.git("-C", clone, "show", f"tuner/audit:{path}").splitlines())


def _records(records: Sequence[Record], *, proposed: bool) -> Iterator[str]:
    finished: set[int] = set()
    for record in records:
        body = record["body"]
        if record["kind"] == "trial-started" and body["number"] in finished:
            yield f"trial {body['number']} was run again"
        if record["kind"] == "trial-finished":
            if body["trial"]["number"] in finished:
                yield f"trial {body['trial']['number']} finished twice"
            finished.add(body["trial"]["number"])
    blocks = Counter(
        (record["body"]["candidate"], record["body"]["block"]["index"])
        for record in records
        if record["kind"] == "block-finished" and record["body"]["trial"]["outcome"]["kind"] == "completed"
    )
    yield from (f"block {block} was measured {count} times" for block, count in blocks.items() if count > 1)
    for kind, times in (("campaign-started", 1), ("campaign-ended", 1), ("proposal-intended", int(proposed))):
        if (count := sum(record["kind"] == kind for record in records)) != times:
            yield f"{count} records {kind}"
    steps = Counter(record["body"]["step"] for record in records if record["kind"] == "step-finished")
    yield from (f"step {step} finished {count} times" for step, count in steps.items() if count > 1)


def _locks(place: Place) -> Iterator[str]:
    """No lock of Git's, no reference of tuner's own making in a clone, no record of a server that is gone."""
    state = place.service.state
    for folder in (state / "repositories", state / "watch" / "mirrors"):
        for found in sorted(folder.glob("*/**/*.lock")):
            yield f"lock {found.relative_to(state)}"
        for clone in sorted(each for each in folder.glob("*") if (each / "HEAD").exists()):
            refs = place.git("-C", str(clone), "for-each-ref", "--format=%(refname)").split()
            odd = [ref for ref in refs if not ref.startswith(("refs/heads/", "refs/tuner/", "refs/tags/"))]
            if odd:
                yield f"references {odd} in {clone.relative_to(state)}"
    for record in sorted((state / "processes" / "servers").glob("*")):
        yield f"record of a server: {record.name}"


def _tuner(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("tuner")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [str(program), *arguments], capture_output=True, text=True, check=False, timeout=300, env=environment
    )
