"""A GitHub of our own on loopback: stateful, over a bare repository, and held against the published description.

It has what hurts: lists that lag behind, limits by time and by number, pages, conditional requests, tokens that end,
and accounts that may not.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
from flask import Flask, Request, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.serving import make_server

from tests.pull_request.described import Described, NotAsDescribedError
from tests.pull_request.faults import Limits
from tests.pull_request.hosting import Changes
from tuner.repository.repository import Repository

LIFE = 3600.0
"""Seconds that a minted token is good for."""
OWNER, NAME = "acme", "services"
_REPO = "/repos/{owner}/{repo}"


class RefusedError(Exception):
    def __init__(self, status: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status, self.body = status, {"message": message, "documentation_url": "https://docs.example.com", **more}


@dataclass
class FakePull:
    number: int
    head: str
    base: str
    title: str
    body: str | None
    author: str
    draft: bool
    sha: str
    state: str = "open"
    merge_commit: str | None = None
    hidden: int = 0
    labels: list[str] = field(default_factory=list)
    reviewers: list[str] = field(default_factory=list)
    teams: list[str] = field(default_factory=list)


@dataclass
class FakeGitHub:
    """The state. ``people`` maps a login to read, write or admin; ``tokens`` a token to a login and its end."""

    repository: Repository
    described: Described
    limits: Limits = field(default_factory=Limits)
    people: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, tuple[str, float]] = field(default_factory=dict)
    app_key: str = ""
    """Public key of the App, as PEM."""
    minted: list[str] = field(default_factory=list)
    pulls: dict[int, FakePull] = field(default_factory=dict)
    comments: dict[int, tuple[int, str, str]] = field(default_factory=dict)
    """Pull request, author and text by id."""
    statuses: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """What went against the description."""
    url: str = ""
    changes: Changes = field(default_factory=Changes)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def tip(self, branch: str) -> str | None:
        self.repository.fetch()
        return self.repository.branch(branch)

    def settle(self) -> None:
        """What pushes did to open pull requests."""
        for pull in self.pulls.values():
            if pull.state == "open":
                pull.sha = self.tip(pull.head) or pull.sha

    def say(self, number: int, author: str, text: str) -> int:
        key = max(self.comments, default=100) + 1
        self.comments[key] = (number, author, text)
        return key

    def said_on(self, number: int) -> list[tuple[int, str, str]]:
        return [comment for comment in self.comments.values() if comment[0] == number]

    def next_number(self) -> int:
        return max(self.pulls, default=0) + 1

    def open(self, body: Mapping[str, Any], who: str) -> FakePull:
        head, base = body["head"].removeprefix(f"{OWNER}:"), body["base"]
        for key, name in (("head", head), ("base", base)):
            if self.tip(name) is None:
                raise RefusedError(422, "Validation Failed", errors=[_error(key, "invalid")])
        if any(pull.state == "open" and (pull.head, pull.base) == (head, base) for pull in self.pulls.values()):
            said = f"A pull request already exists for {OWNER}:{head}."
            raise RefusedError(422, "Validation Failed", errors=[_error("base", "custom") | {"message": said}])
        tip = str(self.tip(head))
        if self.repository.contains(str(self.tip(base)), tip):
            said = f"No commits between {base} and {head}"
            raise RefusedError(422, "Validation Failed", errors=[_error("base", "custom") | {"message": said}])
        fields = (head, base, body["title"], body.get("body"), who, bool(body.get("draft")), tip)
        pull = FakePull(self.next_number(), *fields, hidden=self.limits.lag)
        self.pulls[pull.number] = pull
        return pull

    def shown(self, pull: FakePull) -> dict[str, Any]:
        api = f"{self.url}/repos/{OWNER}/{NAME}"
        repo = {"full_name": f"{OWNER}/{NAME}", "name": NAME, "owner": {"login": OWNER}, "url": api}
        return {
            "number": pull.number,
            "id": pull.number,
            "node_id": f"PR_{pull.number}",
            "url": f"{api}/pulls/{pull.number}",
            "issue_url": f"{api}/issues/{pull.number}",
            "html_url": f"https://github.example/{OWNER}/{NAME}/pull/{pull.number}",
            "state": "open" if pull.state == "open" else "closed",
            "title": pull.title,
            "body": pull.body,
            "draft": pull.draft,
            "user": {"login": pull.author},
            "labels": [{"id": 1, "node_id": "L", "name": name, "color": "ededed"} for name in pull.labels],
            "requested_reviewers": [{"login": name} for name in pull.reviewers],
            "requested_teams": [{"slug": slug, "name": slug} for slug in pull.teams],
            "head": {"ref": pull.head, "sha": pull.sha, "label": f"{OWNER}:{pull.head}", "repo": repo},
            "base": {"ref": pull.base, "sha": "0" * 40, "label": f"{OWNER}:{pull.base}", "repo": repo},
            "merged_at": "2025-01-01T00:00:00Z" if pull.state == "merged" else None,
            "merge_commit_sha": pull.merge_commit,
            "updated_at": self.changes.at(pull.number, (pull, self.said_on(pull.number))).isoformat(),
        }

    def comment_shown(self, key: int) -> dict[str, Any]:
        number, author, text = self.comments[key]
        api = f"{self.url}/repos/{OWNER}/{NAME}"
        url = {"url": f"{api}/issues/comments/{key}", "issue_url": f"{api}/issues/{number}"}
        return {"id": key, "body": text, "user": {"login": author}, **url}


def _error(name: str, code: str) -> dict[str, str]:
    return {"resource": "PullRequest", "field": name, "code": code}


@contextmanager
def github_server(fake: FakeGitHub) -> Iterator[FakeGitHub]:
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


_Handler = Callable[..., tuple[int, Any]]


def _app(fake: FakeGitHub) -> Flask:
    app = Flask(__name__)
    for method, template, handler in _ROUTES:
        rule = template.replace("{", "<").replace("}", ">")
        app.add_url_rule(rule, f"{method} {template}", _view(fake, method, template, handler), methods=[method])
    app.add_url_rule("/graphql", "graphql", _view(fake, "POST", None, _graphql), methods=["POST"])
    app.register_error_handler(
        HTTPException, lambda error: _answered(fake, error.code or 500, {"message": "Not Found"})
    )
    return app


def _view(fake: FakeGitHub, method: str, template: str | None, handler: _Handler) -> Callable[..., Response]:
    def view(**names: str) -> Response:
        fault = fake.limits.fault(method, request.path)
        if fault is not None and not fault.done:
            return _answered(fake, fault.status, {"message": fault.message}, fault.headers)
        try:
            body = request.get_json(silent=True) if request.data else None
            if template is not None:
                fake.described.check_request(method, template, request.args, body)
            status, given = _worked(fake, method, request, handler, names, body)
            whole = given if template is None else fake.described.answer(method, template, status, given)
        except RefusedError as error:
            status, whole = error.status, error.body
        except NotAsDescribedError as error:
            fake.wrong.append(str(error))
            return _answered(fake, 400, {"message": str(error)})
        if template is not None:
            try:
                fake.described.check_answer(method, template, status, whole)
            except NotAsDescribedError as error:
                fake.wrong.append(str(error))
        if fault is not None:
            return _answered(fake, fault.status, {"message": fault.message}, fault.headers)
        headers: dict[str, str] = {}
        if status == 403 and "secondary" in str(whole):
            headers["retry-after"] = "1"
        return _paged(fake, status, whole, headers)

    return view


def _worked(
    fake: FakeGitHub, method: str, asked: Request, handler: _Handler, names: Mapping[str, str], body: Any
) -> tuple[int, Any]:
    who = _who(fake, asked)
    if method != "GET" and "access_tokens" not in asked.path:
        if fake.limits.too_soon():
            raise RefusedError(403, "You have exceeded a secondary rate limit. Please wait before you try again.")
        if fake.people.get(who) not in ("write", "admin"):
            raise RefusedError(403, "Resource not accessible by personal access token")
    if "owner" in names and (names["owner"], names["repo"]) != (OWNER, NAME):
        raise RefusedError(404, "Not Found")
    if fake.limits.left <= 0:
        raise RefusedError(403, f"API rate limit exceeded for {who}.")
    with fake.lock:
        fake.settle()
        return handler(fake, who, body, **{key: each for key, each in names.items() if key not in ("owner", "repo")})


def _who(fake: FakeGitHub, asked: Request) -> str:
    kind, _, token = asked.headers.get("Authorization", "").partition(" ")
    if asked.path == "/app" or "access_tokens" in asked.path:
        try:
            claims = jwt.decode(token, fake.app_key, algorithms=["RS256"], options={"require": ["iss", "exp", "iat"]})
        except jwt.PyJWTError as error:
            raise RefusedError(401, f"A JSON web token could not be decoded: {error}") from error
        if claims["exp"] - claims["iat"] > 660:
            raise RefusedError(401, "'Expiration time' claim ('exp') is too far in the future")
        return "app"
    login, end = fake.tokens.get(token, ("", 0.0))
    if kind not in ("token", "Bearer") or not login or end < time.time():
        raise RefusedError(401, "Bad credentials")
    return login


def _paged(fake: FakeGitHub, status: int, whole: Any, headers: dict[str, str]) -> Response:
    if not isinstance(whole, list):
        return _answered(fake, status, whole, headers)
    size = min(int(request.args.get("per_page", "30")), 100)
    page = int(request.args.get("page", "1"))
    if page * size < len(whole):
        rest = "&".join(f"{key}={each}" for key, each in request.args.items() if key != "page")
        headers["Link"] = f'<{fake.url}{request.path}?{rest}&page={page + 1}>; rel="next"'
    return _answered(fake, status, whole[(page - 1) * size : page * size], headers)


def _answered(fake: FakeGitHub, status: int, body: Any, headers: Mapping[str, str] | None = None) -> Response:
    raw = json.dumps(body).encode()
    tag = f'"{hashlib.sha256(raw).hexdigest()[:32]}"'
    if status == 200 and request.method == "GET" and request.headers.get("If-None-Match") == tag:
        status, raw = 304, b""
    elif status != 304:
        fake.limits.left -= 1
    left = max(fake.limits.left, 0)
    limit = {"x-ratelimit-limit": "5000", "x-ratelimit-remaining": str(left), "x-ratelimit-used": str(5000 - left)}
    limit["x-ratelimit-reset"] = str(int(time.time()) + 900)
    kind = {"Content-Type": "application/json; charset=utf-8", "ETag": tag}
    fake.limits.requests.append((request.method, request.full_path.rstrip("?"), status))
    return Response(raw, status, {**limit, **kind, **(headers or {})})


def _list(fake: FakeGitHub, who: str, body: Any) -> tuple[int, Any]:
    state, head = request.args.get("state", "open"), request.args.get("head", "")
    found = []
    for pull in fake.pulls.values():
        matches = state == "all" or (state == "open") == (pull.state == "open")
        if not matches or (head and head != f"{OWNER}:{pull.head}"):
            continue
        if pull.hidden > 0:
            pull.hidden -= 1
            continue
        found.append(fake.shown(pull))
    if request.args.get("sort") == "updated":
        found.sort(key=lambda shown: str(shown["updated_at"]))
    return 200, found if request.args.get("direction") == "asc" else found[::-1]


def _pull(fake: FakeGitHub, number: str) -> FakePull:
    pull = fake.pulls.get(int(number)) if number.isdigit() else None
    if pull is None:
        raise RefusedError(404, "Not Found")
    return pull


def _edit(fake: FakeGitHub, who: str, body: Any, pull_number: str) -> tuple[int, Any]:
    pull = _pull(fake, pull_number)
    pull.title, pull.body = body.get("title", pull.title), body.get("body", pull.body)
    return 200, fake.shown(pull)


def _review(fake: FakeGitHub, who: str, body: Any, pull_number: str) -> tuple[int, Any]:
    pull = _pull(fake, pull_number)
    for name in body.get("reviewers", ()):
        if name not in fake.people or name == pull.author:
            raise RefusedError(422, "Reviews may only be requested from collaborators.")
    pull.reviewers += [name for name in body.get("reviewers", ()) if name not in pull.reviewers]
    pull.teams += [slug for slug in body.get("team_reviewers", ()) if slug not in pull.teams]
    return 201, fake.shown(pull)


def _label(fake: FakeGitHub, who: str, body: Any, issue_number: str) -> tuple[int, Any]:
    pull = _pull(fake, issue_number)
    pull.labels += [name for name in (body["labels"] if isinstance(body, dict) else body) if name not in pull.labels]
    return 200, fake.shown(pull)["labels"]


def _said(fake: FakeGitHub, who: str, body: Any, issue_number: str) -> tuple[int, Any]:
    number = _pull(fake, issue_number).number
    return 200, [fake.comment_shown(key) for key, (about, _, _) in sorted(fake.comments.items()) if about == number]


def _say(fake: FakeGitHub, who: str, body: Any, issue_number: str) -> tuple[int, Any]:
    return 201, fake.comment_shown(fake.say(_pull(fake, issue_number).number, who, body["body"]))


def _comment(fake: FakeGitHub, who: str, body: Any, comment_id: str) -> tuple[int, Any]:
    if int(comment_id) not in fake.comments:
        raise RefusedError(404, "Not Found")
    number, author, _ = fake.comments[int(comment_id)]
    if body is not None:
        fake.comments[int(comment_id)] = (number, author, body["body"])
    return 200, fake.comment_shown(int(comment_id))


def _permission(fake: FakeGitHub, who: str, body: Any, username: str) -> tuple[int, Any]:
    if username not in fake.people:
        raise RefusedError(404, f"{username} is not a user")
    return 200, {"permission": fake.people[username], "role_name": fake.people[username]}


def _statuses(fake: FakeGitHub, who: str, body: Any, ref: str) -> tuple[int, Any]:
    return 200, [status for sha, status in reversed(fake.statuses) if sha == ref]


def _status(fake: FakeGitHub, who: str, body: Any, sha: str) -> tuple[int, Any]:
    status = {"id": len(fake.statuses), "description": None, "target_url": None, **body, "creator": {"login": who}}
    fake.statuses.append((sha, status))
    return 201, status


def _mint(fake: FakeGitHub, who: str, body: Any, installation_id: str) -> tuple[int, Any]:
    token = f"ghs_{'x' * (30 + len(fake.minted))}{len(fake.minted)}"
    end = time.time() + LIFE
    fake.tokens[token] = ("tuner-app[bot]", end)
    fake.minted.append(token)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end))
    return 201, {"token": token, "expires_at": stamp, "permissions": (body or {}).get("permissions", {})}


def _graphql(fake: FakeGitHub, who: str, body: Any) -> tuple[int, Any]:
    """The two mutations that the other API lacks."""
    variables = body["variables"]["input"]
    pull = _pull(fake, variables["pullRequestId"].removeprefix("PR_"))
    names = [name for name in ("convertPullRequestToDraft", "markPullRequestReadyForReview") if name in body["query"]]
    pull.draft = names == ["convertPullRequestToDraft"]
    answer = {"clientMutationId": None, "pullRequest": {"isDraft": pull.draft, "id": f"PR_{pull.number}"}}
    return 200, {"data": {names[0]: answer}}


_ROUTES: tuple[tuple[str, str, _Handler], ...] = (
    ("GET", "/user", lambda fake, who, body: (200, {"login": who, "user_view_type": "private"})),
    ("GET", "/app", lambda fake, who, body: (200, {"slug": "tuner-app"})),
    ("POST", "/app/installations/{installation_id}/access_tokens", _mint),
    ("GET", f"{_REPO}/pulls", _list),
    ("POST", f"{_REPO}/pulls", lambda fake, who, body: (201, fake.shown(fake.open(body, who)))),
    (
        "GET",
        f"{_REPO}/pulls/{{pull_number}}",
        lambda fake, who, body, pull_number: (200, fake.shown(_pull(fake, pull_number))),
    ),
    ("PATCH", f"{_REPO}/pulls/{{pull_number}}", _edit),
    ("POST", f"{_REPO}/pulls/{{pull_number}}/requested_reviewers", _review),
    ("POST", f"{_REPO}/issues/{{issue_number}}/labels", _label),
    ("GET", f"{_REPO}/issues/{{issue_number}}/comments", _said),
    ("POST", f"{_REPO}/issues/{{issue_number}}/comments", _say),
    ("GET", f"{_REPO}/issues/comments/{{comment_id}}", _comment),
    ("PATCH", f"{_REPO}/issues/comments/{{comment_id}}", _comment),
    ("GET", f"{_REPO}/collaborators/{{username}}/permission", _permission),
    ("GET", f"{_REPO}/commits/{{ref}}/statuses", _statuses),
    ("POST", f"{_REPO}/statuses/{{sha}}", _status),
)
