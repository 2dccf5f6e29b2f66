"""Policies evaluated by an OPA server, through opa-python-client."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import requests
from opa_client.errors import ConnectionsError
from opa_client.opa import OpaClient

from tuner.errors import UserError
from tuner.policy.decision import NoAnswerError, NoDecisionError, decide
from tuner.policy.model import PolicyDocument, Verdict

__all__ = ["OpaEngine"]

OLDEST = (1, 21, 3)
"""Earlier ones may skip the verification of a signature."""
_PASSING = frozenset({429, 502, 503, 504})
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class OpaEngine:
    """An OPA server whose active bundle must have exactly the expected revision.

    Its configuration must verify the signature of every bundle, by a key that it names, and log its decisions; OPA
    before 1.21.3 could skip the verification, so it is refused. ``timeout`` in seconds; ``authority`` is the path of
    the CA's certificate for an ``https`` address.
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
        logged: list[str] = []
        verdict = decide(document, lambda entry, given: self._ask(entry, given, logged), self.name, self.revision)
        return verdict.model_copy(update={"decision_id": logged[-1]}) if logged else verdict

    def _ask(self, entry: str, document: dict[str, Any], logged: list[str]) -> object:
        _check_configuration(_answered(self._client.get_config))
        # An error inside a built-in function is an error of the decision, as it is in the embedded engine: without
        # this OPA takes it for "undefined", and a rule that should deny would be silent.
        options = {"provenance": "true", "strict-builtin-errors": "true"}
        answer = _answered(lambda: self._client.query_rule(document, entry, query_params=options))
        self._check_revision(answer)
        if not isinstance(decision := answer.get("decision_id"), str) or not decision:
            raise NoDecisionError("the OPA server does not log its decisions: configure decision_logs")
        logged.append(decision)
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
            raise NoAnswerError(f"the OPA server has other policies (revision {found}, expected {self.revision})")
        version = str(provenance.get("version", "")) if isinstance(provenance, dict) else ""
        if _order(version) < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            raise NoDecisionError(f"the OPA server is {version or 'of no version'}: {oldest} or newer is needed")


def _answered(ask: Callable[[], object]) -> dict[str, Any]:
    """The server's answer; NoDecisionError where it gives none, NoAnswerError where it may give one later."""
    try:
        answer = ask()
    except requests.Timeout as error:
        raise NoAnswerError("the OPA server did not answer in time") from error
    except requests.HTTPError as error:
        kind = NoAnswerError if _is_passing(error.response) else NoDecisionError
        raise kind(f"the OPA server answered {_reason(error.response)}") from error
    except requests.JSONDecodeError as error:
        raise NoDecisionError("the OPA server did not answer with JSON") from error
    except requests.RequestException as error:
        raise NoAnswerError(f"the OPA server cannot be reached ({type(error).__name__})") from error
    if not isinstance(answer, dict):
        raise NoDecisionError("the OPA server did not answer with an object")
    return answer


def _check_configuration(answer: dict[str, Any]) -> None:
    """Every bundle is verified by a key that the server has, and decisions are logged."""
    result = answer.get("result")
    configuration = result if isinstance(result, dict) else {}
    bundles, keys = configuration.get("bundles"), configuration.get("keys")
    if not isinstance(bundles, dict) or not bundles:
        raise NoDecisionError("the OPA server has no bundles: configure one with a signature")
    for name, bundle in bundles.items():
        stated = bundle.get("signing") if isinstance(bundle, dict) else None
        signing = stated if isinstance(stated, dict) else {}
        key = signing.get("keyid")
        if not key or not isinstance(keys, dict) or key not in keys:
            raise NoDecisionError(f"the OPA server does not verify the bundle {name}: configure signing.keyid and keys")
        if signing.get("exclude_files"):
            raise NoDecisionError(f"the OPA server leaves files of the bundle {name} unverified: remove exclude_files")
    if not isinstance(configuration.get("decision_logs"), dict):
        raise NoDecisionError("the OPA server does not log its decisions: configure decision_logs")


def _order(version: str) -> tuple[int, ...]:
    parts = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    return tuple(map(int, parts.groups())) if parts else ()


def _is_passing(response: requests.Response | None) -> bool:
    """Whether a status is one of a gateway, of a server that starts, or of one that has too much to do.

    500 is OPA's word for policies that cannot be evaluated, which asking again does not mend.
    """
    return response is not None and response.status_code in _PASSING


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
