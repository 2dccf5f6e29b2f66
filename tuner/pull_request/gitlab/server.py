"""GitLab behind python-gitlab: who calls, and what its errors mean."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import requests
from gitlab import Gitlab
from gitlab.exceptions import GitlabError
from requests.auth import AuthBase

from tuner.errors import PermanentError, TemporaryError
from tuner.pull_request.refusal import refusal

__all__ = ["GitLabServer", "said"]

_PAGE = 100
_Result = TypeVar("_Result")


class _TokenAuth(AuthBase):
    """Asked for at each call, since tokens are short-lived; its presence keeps ``requests`` from reading ``.netrc``."""

    def __init__(self, token: Callable[[], str]) -> None:
        self.token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.token()}"
        return request


class GitLabServer:
    """``server`` is such as ``https://gitlab.com``. Calls are made one at a time."""

    def __init__(self, server: str, token: Callable[[], str]) -> None:
        self.server = server
        self._one = threading.RLock()
        self._login = ""
        self.calls_left: int | None = None
        """Calls that the server said it still allows; None where it limits none, or has not said."""
        session = requests.Session()
        session.auth = _TokenAuth(token)
        session.hooks["response"].append(self._refuse)
        self.gitlab = Gitlab(
            server, session=session, per_page=_PAGE, timeout=60, user_agent="tuner", keep_base_url=True
        )

    def call(self, work: Callable[[Gitlab], _Result]) -> _Result:
        """Do some work with the client, alone; its errors as ``tuner.pull_request.refusal``."""
        with self._one:
            try:
                return work(self.gitlab)
            except GitlabError as error:
                raise refusal(self.server, error.response_code or 0, {}, said(error)) from error
            except requests.exceptions.SSLError as error:
                raise PermanentError(f"{self.server}: its certificate is not accepted") from error
            except requests.RequestException as error:
                raise TemporaryError(f"{self.server} does not answer ({type(error).__name__})") from error

    @property
    def login(self) -> str:
        """Who this is, as authors are shown."""
        if not self._login:
            self._login = self.call(_who)
        return self._login

    def _refuse(self, answer: requests.Response, *_: Any, **__: Any) -> None:
        """What the library would wait for by itself, for as long as it likes, goes to the caller with its delay."""
        left = answer.headers.get("RateLimit-Remaining", "")
        if left.isdecimal():
            self.calls_left = int(left)
        if answer.status_code == 429 or answer.status_code >= 500:
            raise refusal(self.server, answer.status_code, answer.headers, answer.text)


def _who(gitlab: Gitlab) -> str:
    gitlab.auth()
    return str(gitlab.user.username) if gitlab.user else ""


def said(error: GitlabError) -> str:
    """GitLab's words, whatever their shape."""
    return str(error.error_message)
