"""Calls of the API of Gitea and Forgejo over ``requests``: one call, one answer, no hidden repetition.

No client library of theirs is kept well enough: they lag behind by years of versions, or carry the whole API untyped.
What is needed of it is a dozen calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import requests
from pydantic import BaseModel, TypeAdapter, ValidationError
from requests.auth import AuthBase

from tuner.errors import PermanentError, TemporaryError
from tuner.pull_request.refusal import refusal

__all__ = ["GiteaClient"]

_TIMEOUT = (10.0, 60.0)
_PAGE = 50
_MOST_PAGES = 2_000
_Answer = TypeVar("_Answer", bound=BaseModel)
_Read = TypeVar("_Read")


class _TokenAuth(AuthBase):
    """Asked for at each call, since tokens are short-lived; its presence keeps ``requests`` from reading ``.netrc``."""

    def __init__(self, token: Callable[[], str]) -> None:
        self.token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"token {self.token()}"
        return request


class GiteaClient:
    """``server`` is such as ``https://gitea.example.com``. Errors as ``tuner.pull_request.refusal``."""

    def __init__(self, server: str, token: Callable[[], str]) -> None:
        self.server = server
        self._session = requests.Session()
        self._session.auth = _TokenAuth(token)
        self._session.headers.update({"Accept": "application/json", "User-Agent": "tuner"})

    def get(self, kind: type[_Answer], path: str, **query: str) -> _Answer:
        """One thing."""
        return _read(TypeAdapter(kind), self._call("GET", path, query=query))

    def maybe(self, kind: type[_Answer], path: str, **query: str) -> _Answer | None:
        """One thing; None where it is not there."""
        answer = self._call("GET", path, query=query, accept=(404,))
        return None if answer.status_code == 404 else _read(TypeAdapter(kind), answer)

    def all(self, kind: type[_Answer], path: str, **query: str) -> Iterator[_Answer]:
        """Every thing of a list, page by page."""
        many: TypeAdapter[tuple[_Answer, ...]] = TypeAdapter(tuple[kind, ...])  # type: ignore[valid-type]
        count = 0
        for page in range(1, _MOST_PAGES):
            answer = self._call("GET", path, query={**query, "page": str(page), "limit": str(_PAGE)})
            found = _read(many, answer)
            yield from found
            count += len(found)
            total = answer.headers.get("X-Total-Count", "")
            if not found or (total.isdigit() and count >= int(total)):
                return
        raise PermanentError(f"{self.server}{path} has more than {_MOST_PAGES * _PAGE} entries")

    def write(self, method: str, path: str, body: Mapping[str, Any]) -> requests.Response:
        """A call that changes something."""
        return self._call(method, path, body=body)

    def made(self, kind: type[_Answer], method: str, path: str, body: Mapping[str, Any]) -> _Answer:
        """A call that changes something and answers with it."""
        return _read(TypeAdapter(kind), self._call(method, path, body=body))

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        accept: tuple[int, ...] = (),
    ) -> requests.Response:
        try:
            answer = self._session.request(
                method,
                f"{self.server}/api/v1{path}",
                params=query,
                json=None if body is None else dict(body),
                timeout=_TIMEOUT,
                allow_redirects=False,
            )
        except requests.exceptions.SSLError as error:
            raise PermanentError(f"{self.server}: its certificate is not accepted ({error})") from error
        except requests.RequestException as error:
            raise TemporaryError(f"{self.server} does not answer ({type(error).__name__})") from error
        if 300 <= answer.status_code < 400:
            raise PermanentError(f"{self.server}{path} has moved: give the repository's new address")
        if answer.status_code >= 400 and answer.status_code not in accept:
            raise refusal(self.server, answer.status_code, answer.headers, _said(answer))
        return answer


def _said(answer: requests.Response) -> str:
    try:
        told: Any = answer.json()
    except ValueError:
        return answer.reason or ""
    return str(told.get("message", "")) if isinstance(told, dict) else ""


def _read(adapter: TypeAdapter[_Read], answer: requests.Response) -> _Read:
    try:
        return adapter.validate_json(answer.content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise PermanentError(
            f"{answer.url.partition('?')[0]}: not the answer of a Gitea ({where}: {first['msg']})"
        ) from error
