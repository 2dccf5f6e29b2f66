"""A verdict in words: which rule decided, where it stands, what it looked at, and what would make it pass."""

from __future__ import annotations

import json
import re
from typing import Any, Literal

from tuner.policy.bundle import PolicyBundle
from tuner.policy.decision import point_of
from tuner.policy.document import policy_document
from tuner.policy.model import Denial, PolicyDocument, Verdict
from tuner.value import Value

__all__ = ["Explanation", "Ruling", "explain"]

_TITLE = re.compile(r"^# title: (?P<title>.+)$", re.MULTILINE)


class Ruling(Value):
    """What one rule, or one package that had nothing to say, contributed."""

    package: str
    title: str
    said: Literal["denies", "warns", "allows"]
    id: str = ""
    place: str = ""
    """File and line of the rule in the policies; empty where the id stands in none of them."""
    path: str = ""
    value: str = ""
    """What the input has at the path."""
    reason: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        if self.said == "allows":
            return f"{self.package} ({self.title}) has nothing against it"
        where = f" [{self.place}]" if self.place else ""
        looked = f"; {self.path} is {self.value}" if self.value else f"; it looked at {self.path}" if self.path else ""
        passes = f"; to pass: {self.remedy}" if self.remedy else ""
        return f"{self.id}{where} {self.said}: {self.reason}{looked}{passes}"


class Explanation(Value):
    """A whole verdict in words: what decided first."""

    point: str
    allow: bool
    engine: str
    revision: str
    decision_id: str = ""
    rulings: tuple[Ruling, ...]

    @property
    def sentence(self) -> str:
        """The decision and what it rests on, in one sentence."""
        denials = [ruling.id for ruling in self.rulings if ruling.said == "denies"]
        if denials:
            return f"{self.point}: denied by {', '.join(denials)}"
        count = len({ruling.package for ruling in self.rulings})
        return f"{self.point}: allowed, because none of {count} packages denies"


def explain(bundle: PolicyBundle, document: PolicyDocument, verdict: Verdict) -> Explanation:
    """The verdict in words, by the policies that made it."""
    plain = policy_document(document)
    rulings = [_ruling(bundle, "denies", each, plain, verdict) for each in verdict.denials]
    rulings += [_ruling(bundle, "warns", each, plain, verdict) for each in verdict.warnings]
    spoke = {ruling.package for ruling in rulings}
    rulings += [
        Ruling(package=name, title=_title(bundle, name), said="allows")
        for name in verdict.packages
        if name not in spoke
    ]
    return Explanation(
        point=point_of(document),
        allow=verdict.allow,
        engine=verdict.engine,
        revision=verdict.revision,
        decision_id=verdict.decision_id,
        rulings=tuple(rulings),
    )


def _ruling(
    bundle: PolicyBundle, said: Literal["denies", "warns"], denial: Denial, document: dict[str, Any], verdict: Verdict
) -> Ruling:
    package = denial.id.partition(".")[0]
    reason, _, remedy = denial.msg.partition(": ")
    return Ruling(
        package=package,
        title=_title(bundle, package) if package in verdict.packages else package,
        said=said,
        id=denial.id,
        place=_place(bundle, package, denial.id),
        path=denial.path,
        value=_value(document, denial.path),
        reason=denial.reason or reason,
        remedy=denial.remedy or (remedy if not denial.reason and said == "denies" else ""),
    )


def _module(bundle: PolicyBundle, package: str) -> tuple[str, str]:
    pattern = re.compile(rf"^package tuner\.policy\.{re.escape(package)}$", re.MULTILINE)
    return next(((path, text) for path, text in sorted(bundle.modules.items()) if pattern.search(text)), ("", ""))


def _title(bundle: PolicyBundle, package: str) -> str:
    found = _TITLE.search(_module(bundle, package)[1])
    return found["title"] if found else package


def _place(bundle: PolicyBundle, package: str, rule: str) -> str:
    """Where the rule's id is written: in its own package first, else in any."""
    modules = [_module(bundle, package), *sorted(bundle.modules.items())]
    for path, text in modules:
        for number, line in enumerate(text.splitlines(), start=1):
            if f'"{rule}"' in line:
                return f"{path}:{number}"
    return ""


def _value(document: Any, path: str) -> str:
    """The plain value at a dotted path; names may hold dots themselves, as resources do."""
    if not path:
        return "" if isinstance(document, dict | list) else json.dumps(document, ensure_ascii=False)
    if isinstance(document, dict):
        for name in sorted(document, key=len, reverse=True):
            if path == name or path.startswith(f"{name}."):
                return _value(document[name], path[len(name) + 1 :])
    if isinstance(document, list):
        step, _, rest = path.partition(".")
        if step.isdecimal() and int(step) < len(document):
            return _value(document[int(step)], rest)
    return ""
