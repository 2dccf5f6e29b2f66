"""The few calls of the API server that the test bed itself makes, as its administrator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import requests

from testbed.cluster.place import Place
from tuner.errors import PermanentError

__all__ = ["Api", "answers"]


@dataclass(frozen=True, slots=True)
class Api:
    """The API server of a place; each call raises PermanentError for a refusal and for no answer."""

    place: Place

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """One object or list."""
        return self._call("GET", path, params=query)

    def patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """A merge patch."""
        headers = {"Content-Type": "application/merge-patch+json"}
        return self._call("PATCH", path, json=body, headers=headers)

    def stream(self, path: str, **query: str) -> Iterator[bytes]:
        """The lines of an answer that goes on, such as a watch; requests' errors where it breaks off."""
        with _session(self.place) as session:
            answer = session.get(f"{self.place.server}{path}", params=query, stream=True, timeout=(10, 300))
            answer.raise_for_status()
            yield from answer.iter_lines()

    def found(self, path: str) -> bool:
        """Whether there is such an object; also False where the server does not answer."""
        return answers(self.place, f"{self.place.server}{path}")

    def _call(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        try:
            answer = _session(self.place).request(method, f"{self.place.server}{path}", timeout=30, **more)
        except requests.RequestException as error:
            raise PermanentError(f"the API server does not answer: {error}") from error
        if not answer.ok:
            raise PermanentError(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        found: dict[str, Any] = answer.json()
        return found


def answers(place: Place, url: str) -> bool:
    """Whether this address answers 200 to the administrator."""
    try:
        return _session(place).get(url, timeout=5).ok
    except (requests.RequestException, OSError):
        return False


def _session(place: Place) -> requests.Session:
    """Without the environment's proxies: nothing leaves the machine."""
    session = requests.Session()
    session.trust_env = False
    session.cert = (str(place.pki / "admin.crt"), str(place.pki / "admin.key"))
    session.verify = str(place.pki / "ca.crt")
    return session
