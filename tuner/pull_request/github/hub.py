"""GitHub behind PyGithub: who calls, one call at a time, and what its errors mean."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import jwt
import requests
from github import Auth, Github, GithubException, GithubIntegration

from tuner.errors import PermanentError, TemporaryError, UserError
from tuner.pull_request.refusal import refusal

__all__ = ["GitHubHub"]

_PERMISSIONS = {"contents": "write", "pull_requests": "write", "statuses": "write", "metadata": "read"}
"""The least that a token of an App is minted with."""
_BETWEEN_WRITES = 1.0
_PAGE = 100
_Result = TypeVar("_Result")


class _FreshToken(Auth.Token):
    """Whoever mints tokens may replace them at any time."""

    def __init__(self, read: Callable[[], str]) -> None:
        super().__init__("unread")
        self._read = read

    @property
    def token(self) -> str:
        return self._read()


class GitHubHub:
    """One for each account and server: writes are serial and ``between_writes`` seconds apart over all its projects.

    ``api`` is such as ``https://api.github.com`` or ``https://HOST/api/v3``. Tokens of an App are minted when a call
    needs one and the last one is about to end, so that a job of hours never calls with an old one.
    """

    def __init__(
        self, api: str, auth: Auth.Auth, app: Auth.AppAuth | None = None, *, between_writes: float = _BETWEEN_WRITES
    ) -> None:
        self.api = api
        self._auth = auth
        self._app = app
        self._one = threading.RLock()
        self._login = ""
        self.github = Github(
            auth=auth,
            base_url=api,
            per_page=_PAGE,
            retry=None,
            timeout=60,
            seconds_between_requests=None,
            seconds_between_writes=between_writes or None,
            user_agent="tuner",
            lazy=True,
        )

    @classmethod
    def with_token(cls, api: str, token: Callable[[], str], *, between_writes: float = _BETWEEN_WRITES) -> GitHubHub:
        """As the owner of a token, which is read anew at each use."""
        return cls(api, _FreshToken(token), between_writes=between_writes)

    @classmethod
    def as_app(
        cls, api: str, app: str, private_key: str, installation: int, *, between_writes: float = _BETWEEN_WRITES
    ) -> GitHubHub:
        """As an installation of an App; ``private_key`` is PEM. UserError where that is no key."""
        try:
            auth = Auth.AppAuth(app, private_key)
            auth.create_jwt()
        except (ValueError, jwt.PyJWTError) as error:
            raise UserError.of(
                "the private key of the GitHub App cannot be read", "give the PEM file as it is"
            ) from error
        return cls(api, auth.get_installation_auth(installation, _PERMISSIONS), auth, between_writes=between_writes)

    def call(self, work: Callable[[Github], _Result]) -> _Result:
        """Do some work with the client, alone; its errors as ``tuner.pull_request.refusal``."""
        with self._one:
            try:
                return work(self.github)
            except GithubException as error:
                raise refusal(self.api, error.status, error.headers or {}, said(error)) from error
            except requests.exceptions.SSLError as error:
                raise PermanentError(f"{self.api}: its certificate is not accepted") from error
            except requests.RequestException as error:
                raise TemporaryError(f"{self.api} does not answer ({type(error).__name__})") from error
            except (RuntimeError, AssertionError) as error:  # PyGithub's words for a redirection to elsewhere
                raise PermanentError(f"{self.api}: not the answer of a GitHub ({str(error)[:200]})") from error

    def token(self) -> str:
        """A token that is good for some minutes at least, for pushing with git."""
        return self.call(lambda _: self._auth.token)

    @property
    def login(self) -> str:
        """Who this is, as authors are shown."""
        if not self._login:
            self._login = self.call(self._who)
        return self._login

    def _who(self, github: Github) -> str:
        if self._app is None:
            return github.get_user().login
        integration = GithubIntegration(auth=self._app, base_url=self.api, retry=None, seconds_between_requests=None)
        return f"{integration.get_app().slug}[bot]"


def said(error: GithubException) -> str:
    """The message with the reasons that come with it."""
    data = error.data
    if not isinstance(data, dict):
        return str(data or "")
    reasons = [_reason(each) for each in data.get("errors") or () if each]
    return "; ".join([str(data.get("message") or ""), *reasons])


def _reason(error: object) -> str:
    if not isinstance(error, dict):
        return str(error)
    return str(error.get("message") or " ".join(str(error[key]) for key in ("field", "code") if key in error))
