"""A GitLab of our own on loopback: stateful, over a bare repository.

No description of its API is published in a package, so each call takes only the parameters that its documentation
names, of the types that it names, and everything else is held against the caller.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.serving import make_server

from tests.pull_request.faults import Limits
from tests.pull_request.hosting import Changes
from tuner.repository.repository import Repository

PATH = "acme/services"
PROJECT = 7
_PAGES = {"page": int, "per_page": int}
_LEVELS = {"guest": 10, "read": 20, "write": 30, "admin": 40}


class RefusedError(Exception):
    def __init__(self, status: int, message: Any) -> None:
        super().__init__(str(message))
        self.status, self.body = status, {"message": message}


@dataclass
class FakeMerge:
    iid: int
    source: str
    target: str
    title: str
    description: str
    author: str
    sha: str
    state: str = "opened"
    merge_commit: str | None = None
    labels: list[str] = field(default_factory=list)
    reviewers: list[str] = field(default_factory=list)


@dataclass
class FakeGitLab:
    """The state. ``people`` maps a name to guest, read, write or admin; its place there is the user's id."""

    repository: Repository
    limits: Limits = field(default_factory=Limits)
    people: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    merges: dict[int, FakeMerge] = field(default_factory=dict)
    notes: dict[int, tuple[int, str, str, bool]] = field(default_factory=dict)
    """Merge request, author, text and whether GitLab itself wrote it, by id."""
    statuses: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    url: str = ""
    changes: Changes = field(default_factory=Changes)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def tip(self, branch: str) -> str | None:
        self.repository.fetch()
        return self.repository.branch(branch)

    def settle(self) -> None:
        for merge in self.merges.values():
            if merge.state == "opened":
                merge.sha = self.tip(merge.source) or merge.sha

    def say(self, iid: int, author: str, text: str, *, system: bool = False) -> int:
        key = max(self.notes, default=500) + 1
        self.notes[key] = (iid, author, text, system)
        return key

    def said_on(self, iid: int) -> list[tuple[int, str, str, bool]]:
        return [note for note in self.notes.values() if note[0] == iid]

    def user(self, name: str) -> dict[str, Any]:
        return {"id": list(self.people).index(name) + 1, "username": name, "name": name, "state": "active"}

    def shown(self, merge: FakeMerge) -> dict[str, Any]:
        return {
            "id": merge.iid + 1000,
            "iid": merge.iid,
            "project_id": PROJECT,
            "source_project_id": PROJECT,
            "target_project_id": PROJECT,
            "source_branch": merge.source,
            "target_branch": merge.target,
            "title": merge.title,
            "description": merge.description,
            "draft": merge.title.lower().startswith("draft:"),
            "state": merge.state,
            "author": self.user(merge.author),
            "labels": merge.labels,
            "reviewers": [self.user(name) for name in merge.reviewers],
            "sha": merge.sha,
            "merge_commit_sha": merge.merge_commit,
            "squash_commit_sha": None,
            "updated_at": self.changes.at(merge.iid, (merge, self.said_on(merge.iid))).isoformat(),
            "web_url": f"https://gitlab.example/{PATH}/-/merge_requests/{merge.iid}",
        }

    def note(self, key: int) -> dict[str, Any]:
        iid, author, text, system = self.notes[key]
        shown = {"id": key, "body": text, "author": self.user(author), "system": system, "noteable_iid": iid}
        return shown | {"noteable_type": "MergeRequest"}


@contextmanager
def gitlab_server(fake: FakeGitLab) -> Iterator[FakeGitLab]:
    server = make_server("127.0.0.1", 0, _app(fake), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(frozen=True)
class Call:
    """One operation, with the parameters that it is documented to take."""

    method: str
    rule: str
    takes: Mapping[str, type]
    handle: Callable[..., tuple[int, Any]]


def _app(fake: FakeGitLab) -> Flask:
    app = Flask(__name__)
    for call in _CALLS:
        rule = f"/api/v4{call.rule}"
        app.add_url_rule(rule, f"{call.method} {rule}", _view(fake, call), methods=[call.method])
    app.register_error_handler(
        HTTPException, lambda error: _answered(fake, error.code or 500, {"error": "404 Not Found"})
    )
    return app


def _view(fake: FakeGitLab, call: Call) -> Callable[..., Response]:
    def view(**names: str) -> Response:
        fault = fake.limits.fault(call.method, request.path)
        if fault is not None and not fault.done:
            return _answered(fake, fault.status, {"message": fault.message}, fault.headers)
        given = dict(request.get_json(silent=True) or {}) if request.data else dict(request.args)
        for name, value in given.items():
            if name not in call.takes or (request.data and not isinstance(value, call.takes[name])):
                fake.wrong.append(f"{call.method} {call.rule} does not take {name}={value!r}")
        try:
            who = fake.tokens.get(request.headers.get("Authorization", "").removeprefix("Bearer "), "")
            if not who:
                raise RefusedError(401, "401 Unauthorized")
            names = {name: unquote(value) for name, value in names.items()}
            if names.pop("project", PATH) not in (PATH, str(PROJECT)):
                raise RefusedError(404, "404 Project Not Found")
            if call.method != "GET" and fake.people[who] not in ("write", "admin"):
                raise RefusedError(403, "403 Forbidden")
            with fake.lock:
                fake.settle()
                status, body = call.handle(fake, who, given, **names)
        except RefusedError as error:
            status, body = error.status, error.body
        if fault is not None:
            return _answered(fake, fault.status, {"message": fault.message}, fault.headers)
        return _paged(fake, status, body)

    return view


def _paged(fake: FakeGitLab, status: int, body: Any) -> Response:
    if not isinstance(body, list):
        return _answered(fake, status, body)
    size, page = min(int(request.args.get("per_page", "20")), 100), int(request.args.get("page", "1"))
    headers = {"X-Page": str(page), "X-Per-Page": str(size)}
    if page * size < len(body):
        rest = "&".join(f"{name}={value}" for name, value in request.args.items() if name != "page")
        headers |= {"X-Next-Page": str(page + 1)}
        path = request.path.replace(f"/projects/{PATH}", f"/projects/{PATH.replace('/', '%2F')}")
        headers["Link"] = f'<{fake.url}{path}?{rest}&page={page + 1}>; rel="next"'
    return _answered(fake, status, body[(page - 1) * size : page * size], headers)


def _answered(fake: FakeGitLab, status: int, body: Any, headers: Mapping[str, str] | None = None) -> Response:
    fake.limits.requests.append((request.method, request.path, status))
    kind = {"Content-Type": "application/json", "RateLimit-Limit": "2000", "RateLimit-Remaining": "1999"}
    return Response(json.dumps(body).encode(), status, {**kind, **(headers or {})})


def _merge(fake: FakeGitLab, iid: str) -> FakeMerge:
    if not iid.isdigit() or int(iid) not in fake.merges:
        raise RefusedError(404, "404 Not found")
    return fake.merges[int(iid)]


def _list(fake: FakeGitLab, who: str, given: Mapping[str, Any]) -> tuple[int, Any]:
    state, source = given.get("state", "all"), given.get("source_branch")
    found = [
        fake.shown(merge)
        for merge in fake.merges.values()
        if state in ("all", merge.state) and source in (None, merge.source)
    ]
    if since := given.get("updated_after"):
        moment = datetime.fromisoformat(since)
        found = [shown for shown in found if datetime.fromisoformat(shown["updated_at"]) >= moment]
    return 200, found if given.get("sort") == "asc" else found[::-1]


def _create(fake: FakeGitLab, who: str, given: Mapping[str, Any]) -> tuple[int, Any]:
    source, target = given["source_branch"], given["target_branch"]
    for merge in fake.merges.values():
        if merge.state == "opened" and (merge.source, merge.target) == (source, target):
            raise RefusedError(409, [f"Another open merge request already exists for this source branch: !{merge.iid}"])
    if fake.tip(source) is None or fake.tip(target) is None:
        raise RefusedError(400, {"source_branch": ["does not exist"]})
    sha = str(fake.tip(source))
    merge = FakeMerge(max(fake.merges, default=0) + 1, source, target, given["title"], given["description"], who, sha)
    fake.merges[merge.iid] = merge
    fake.say(merge.iid, who, "assigned to nobody", system=True)
    return 201, fake.shown(merge)


def _edit(fake: FakeGitLab, who: str, given: Mapping[str, Any], iid: str) -> tuple[int, Any]:
    merge = _merge(fake, iid)
    merge.title, merge.description = given.get("title", merge.title), given.get("description", merge.description)
    merge.labels += [name for name in given.get("add_labels", "").split(",") if name and name not in merge.labels]
    if "reviewer_ids" in given:
        merge.reviewers = [list(fake.people)[key - 1] for key in given["reviewer_ids"]]
    return 200, fake.shown(merge)


def _notes(fake: FakeGitLab, who: str, given: Mapping[str, Any], iid: str) -> tuple[int, Any]:
    _merge(fake, iid)
    return 200, [fake.note(key) for key, note in sorted(fake.notes.items()) if note[0] == int(iid)]


def _say(fake: FakeGitLab, who: str, given: Mapping[str, Any], iid: str) -> tuple[int, Any]:
    return 201, fake.note(fake.say(_merge(fake, iid).iid, who, given["body"]))


def _resay(fake: FakeGitLab, who: str, given: Mapping[str, Any], iid: str, key: str) -> tuple[int, Any]:
    number, author, _, system = fake.notes[int(key)]
    if author != who:
        raise RefusedError(403, "403 Forbidden")
    fake.notes[int(key)] = (number, author, given["body"], system)
    return 200, fake.note(int(key))


def _member(fake: FakeGitLab, who: str, given: Mapping[str, Any], user: str) -> tuple[int, Any]:
    name = list(fake.people)[int(user) - 1]
    if fake.people[name] == "guest":
        raise RefusedError(404, "404 Not found")
    return 200, {**fake.user(name), "access_level": _LEVELS[fake.people[name]]}


def _users(fake: FakeGitLab, who: str, given: Mapping[str, Any]) -> tuple[int, Any]:
    return 200, [fake.user(name) for name in fake.people if name == given.get("username")]


def _branch(fake: FakeGitLab, who: str, given: Mapping[str, Any], branch: str) -> tuple[int, Any]:
    sha = fake.tip(branch)
    if sha is None:
        raise RefusedError(404, "404 Branch Not Found")
    return 200, {"name": branch, "commit": {"id": sha}}


def _compare(fake: FakeGitLab, who: str, given: Mapping[str, Any]) -> tuple[int, Any]:
    base, head = str(fake.tip(given["from"])), str(fake.tip(given["to"]))
    same = fake.repository.contains(base, head)
    return 200, {"commits": [] if same else [{"id": head}], "diffs": [], "compare_same_ref": base == head}


def _statuses(fake: FakeGitLab, who: str, given: Mapping[str, Any], sha: str) -> tuple[int, Any]:
    """The last one of each name."""
    last = {status["name"]: status for commit, status in fake.statuses if commit == sha}
    return 200, [status for name, status in last.items() if given.get("name") in (None, name)]


def _status(fake: FakeGitLab, who: str, given: Mapping[str, Any], sha: str) -> tuple[int, Any]:
    last = [status for commit, status in fake.statuses if commit == sha and status["name"] == given["name"]]
    if last and last[-1]["status"] == given["state"]:
        state = given["state"]
        raise RefusedError(400, f"Cannot transition status via :{state} from :{state}")
    kept = {name: value for name, value in given.items() if name != "state"}
    status = {"target_url": None, "description": None, **kept, "id": len(fake.statuses) + 1, "status": given["state"]}
    fake.statuses.append((sha, status))
    return 201, status


_P = "/projects/<path:project>"
_MR = f"{_P}/merge_requests"
_WORDS = {"title": str, "description": str, "target_branch": str}
_CALLS = (
    Call("GET", "/user", {}, lambda fake, who, given: (200, fake.user(who))),
    Call("GET", "/users", {"username": str, **_PAGES}, _users),
    Call(
        "GET",
        _MR,
        {"state": str, "order_by": str, "sort": str, "source_branch": str, "updated_after": str, **_PAGES},
        _list,
    ),
    Call("POST", _MR, {"source_branch": str, **_WORDS}, _create),
    Call("GET", f"{_MR}/<iid>", {}, lambda fake, who, given, iid: (200, fake.shown(_merge(fake, iid)))),
    Call("PUT", f"{_MR}/<iid>", {**_WORDS, "add_labels": str, "reviewer_ids": list}, _edit),
    Call("GET", f"{_MR}/<iid>/notes", {"sort": str, "order_by": str, **_PAGES}, _notes),
    Call("POST", f"{_MR}/<iid>/notes", {"body": str}, _say),
    Call("PUT", f"{_MR}/<iid>/notes/<key>", {"body": str}, _resay),
    Call("GET", f"{_P}/members/all/<user>", {}, _member),
    Call("GET", f"{_P}/repository/branches/<path:branch>", {}, _branch),
    Call("GET", f"{_P}/repository/compare", {"from": str, "to": str}, _compare),
    Call("GET", f"{_P}/repository/commits/<sha>/statuses", {"name": str, **_PAGES}, _statuses),
    Call("POST", f"{_P}/statuses/<sha>", {"state": str, "name": str, "description": str, "target_url": str}, _status),
)
