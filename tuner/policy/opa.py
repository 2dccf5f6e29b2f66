"""Policies evaluated by an OPA server, through opa-python-client."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import requests
from opa_client.errors import ConnectionsError
from opa_client.opa import OpaClient

from tuner.errors import UserError
from tuner.policy.decision import NoDecisionError, decide
from tuner.policy.model import PolicyDocument, Verdict

__all__ = ["OpaEngine"]

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class OpaEngine:
    """An OPA server whose active bundle must have exactly the expected revision.

    ``timeout`` in seconds; ``authority`` is the path of the CA's certificate for an ``https`` address.
    """

    def __init__(
        self,
        address: str,
        revision: str,
        *,
        token: str | None = None,
        authority: str | None = None,
        timeout: float = 5.0,
    ) -> None:
        parts = urlsplit(address)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise UserError.of(f"{address!r} is no address of an OPA server", "write for example http://127.0.0.1:8181")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        secure: bool | str = (authority or True) if parts.scheme == "https" else False
        port = parts.port or (443 if secure else 8181)
        self.name = f"opa {parts.scheme}://{host}:{port}"
        self.revision = revision
        client: Any = OpaClient  # untyped
        self._client = client(host=host, port=port, ssl=secure, token=token, timeout=timeout, retries=1)
        if parts.hostname in _LOOPBACK:
            self._client._session.trust_env = False  # a proxy of the environment cannot reach this machine's loopback

    def close(self) -> None:
        """Close the connections."""
        self._client.close_connection()

    def wait(self, seconds: float) -> bool:
        """Whether the server is ready, with its bundles active, within this time."""
        try:
            return bool(self._client.wait_for_ready(timeout=seconds, interval=0.05, query={"bundles": "true"}))
        except ConnectionsError:
            return False

    def decide(self, document: PolicyDocument) -> Verdict:
        """Judge one document by every package of its decision point."""
        return decide(document, self._ask, self.name, self.revision)

    def _ask(self, entry: str, document: dict[str, Any]) -> object:
        # An error inside a built-in function is an error of the decision, as it is in the embedded engine: without
        # this OPA takes it for "undefined", and a rule that should deny would be silent.
        options = {"provenance": "true", "strict-builtin-errors": "true"}
        try:
            answer = self._client.query_rule(document, entry, query_params=options)
        except requests.Timeout as error:
            raise NoDecisionError("the OPA server did not answer in time") from error
        except requests.HTTPError as error:
            raise NoDecisionError(f"the OPA server answered {_reason(error.response)}") from error
        except requests.JSONDecodeError as error:
            raise NoDecisionError("the OPA server did not answer with JSON") from error
        except requests.RequestException as error:
            raise NoDecisionError(f"the OPA server cannot be reached ({type(error).__name__})") from error
        if not isinstance(answer, dict):
            raise NoDecisionError("the OPA server did not answer with an object")
        self._check_revision(answer)
        if "result" not in answer:
            raise NoDecisionError(f"the policies have no package {entry}, so nothing is allowed")
        return answer["result"]

    def _check_revision(self, answer: dict[str, Any]) -> None:
        """The decision was made by the reviewed policies: provenance comes with the decision itself."""
        provenance = answer.get("provenance")
        bundles = provenance.get("bundles") if isinstance(provenance, dict) else None
        active = sorted(
            str(bundle.get("revision", "")) if isinstance(bundle, dict) else ""
            for bundle in (bundles.values() if isinstance(bundles, dict) else ())
        )
        if active != [self.revision]:
            found = ", ".join(active) or "none"
            raise NoDecisionError(f"the OPA server has other policies (revision {found}, expected {self.revision})")


def _reason(response: requests.Response | None) -> str:
    """Status and message of an error, without the input that OPA may repeat in it."""
    if response is None:
        return "with an error"
    try:
        body = response.json()
    except requests.JSONDecodeError:
        body = {}
    message = body.get("message", "") if isinstance(body, dict) else ""
    return f"{response.status_code} {str(message)[:200]}".strip()
