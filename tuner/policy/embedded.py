"""Policies evaluated in this process by regorus: the default engine, which needs no server."""

from __future__ import annotations

import json
import re
import threading
from importlib.metadata import version
from typing import Any

from regorus.regorus import Engine

from tuner.errors import Problem, UserError
from tuner.policy.bundle import PolicyBundle
from tuner.policy.decision import ENTRIES, NoDecisionError, decide
from tuner.policy.model import PolicyDocument, Verdict

__all__ = ["EmbeddedEngine", "check_policies"]

_PLACE = re.compile(r"--> (?P<file>.+?):(?P<line>\d+):(?P<column>\d+)")
_REASON = re.compile(r"^error: (?P<reason>.+)$", re.MULTILINE)
_ASKED = "tuner_asked"
"""A package of our own beside the policies: what each decision point answers, and nothing else of its package.

A rule is evaluated in two thirds of the time that a query for the package takes, which also shows its helpers.
"""


class EmbeddedEngine:
    """The default policy engine. Policies that it cannot read deny everything; ``check_policies`` says why."""

    def __init__(self, bundle: PolicyBundle) -> None:
        self.name = f"regorus {version('gordon-to-regorus')}"
        self.bundle = bundle
        self._loaded = threading.local()  # an engine of regorus belongs to the thread that made it

    def decide(self, document: PolicyDocument) -> Verdict:
        """Judge one document by every package of its decision point."""
        return decide(document, self._ask, self.name, self.bundle.revision)

    def _ask(self, entry: str, document: dict[str, Any]) -> object:
        try:
            engine = getattr(self._loaded, "engine", None)
            if engine is None:
                engine = self._loaded.engine = _loaded(self.bundle)
            engine.set_input_json(json.dumps(document, allow_nan=False))
            answer = json.loads(engine.eval_rule_as_json(f"data.{_ASKED}.{_name(entry)}"))
        except RuntimeError as error:
            problem = _problem(error)
            raise NoDecisionError(f"the policies cannot be evaluated: {problem}") from error
        if not (answer and isinstance(answer, dict)) and f"data.{entry}" not in engine.get_packages():
            raise NoDecisionError(f"the policies have no package {entry}, so nothing is allowed")
        return answer


def check_policies(bundle: PolicyBundle) -> None:
    """UserError, with the place, where a module or the data cannot be read."""
    try:
        _loaded(bundle)
    except RuntimeError as error:
        raise UserError(_problem(error)) from error


def _loaded(bundle: PolicyBundle) -> Any:
    engine = Engine()
    for path, text in bundle.modules.items():
        engine.add_policy(path, text)
    engine.add_policy(f"{_ASKED}.rego", _asking())
    engine.add_data_json(bundle.data)
    return engine


def _asking() -> str:
    """Rego for ``_ASKED``: what a package does not define is left out, as where the package itself is asked for."""
    lines = [f"package {_ASKED}"]
    for entry in ENTRIES.values():
        name = _name(entry)
        lines += [f"_{name}.{rule} := data.{entry}.{rule}" for rule in ("allow", "deny", "warn", "packages")]
        lines.append(f"{name} := _{name}")
    return "\n".join(lines)


def _name(entry: str) -> str:
    return entry.replace(".", "_")


def _problem(error: RuntimeError) -> Problem:
    """The place and reason in an error of regorus, without its drawing and its backtrace."""
    text = str(error)
    place, reason = _PLACE.search(text), _REASON.search(text)
    what = reason["reason"] if reason else next((line for line in text.splitlines() if line.strip()), "no reason given")
    if place is None:
        return Problem(what)
    return Problem(what, "", place["file"], int(place["line"]), int(place["column"]))
