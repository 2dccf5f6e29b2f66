"""An API's published description: every exchange with a fake of it is held against this."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from openapi_schema_validator import OAS30Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

_ROOT = "urn:api"


class NotAsDescribedError(Exception):
    """An exchange that the description does not allow."""


@dataclass(frozen=True)
class Described:
    """The document of one API, and what in an exchange goes against it."""

    document: Mapping[str, Any]
    seen: set[tuple[str, str, int]] = field(default_factory=set)
    """Operations with the status of each exchange that was checked."""

    @cached_property
    def _registry(self) -> Registry[Any]:
        registry: Registry[Any] = Registry()
        resource: Resource[Any] = DRAFT202012.create_resource(self.document)
        filled: Registry[Any] = registry.with_resource(_ROOT, resource)
        return filled

    def check_request(self, method: str, template: str, query: Mapping[str, str], body: Any) -> None:
        """The query's names and values, and the body, are as described for the operation."""
        operation = self._operation(method, template)
        known = {each["name"]: each for each in map(self._resolved, operation.get("parameters", ()))}
        for name, value in query.items():
            if name not in known or known[name]["in"] != "query":
                raise NotAsDescribedError(f"{method} {template} has no parameter {name}")
            schema = known[name].get("schema", {})
            typed = int(value) if schema.get("type") == "integer" else value
            self._validate(schema, typed, f"{method} {template}?{name}")
        described = operation.get("requestBody")
        if described is None:
            if body is not None:
                raise NotAsDescribedError(f"{method} {template} takes no body")
            return
        if body is None and not self._resolved(described).get("required", False):
            return
        self._validate(self._resolved(described)["content"]["application/json"]["schema"], body, f"{method} {template}")

    def check_answer(self, method: str, template: str, status: int, body: Any) -> None:
        """The status is one that the operation has, and its body is as described.

        What every operation may answer (limits, outages, missing or wrong credentials) need not be listed.
        """
        answers = self._operation(method, template)["responses"]
        self.seen.add((method, template, status))
        if str(status) not in answers:
            if status not in (401, 403, 404, 429, 500, 502, 503):
                raise NotAsDescribedError(f"{method} {template} never answers {status}")
            return
        content = self._resolved(answers[str(status)]).get("content", {})
        if "application/json" in content:
            self._validate(content["application/json"]["schema"], body, f"{method} {template} {status}")

    def filled(self, schema: Mapping[str, Any], given: Any) -> Any:
        """What is given, with everything that the schema requires beside it in its plainest form."""
        schema = self._resolved(schema)
        for key in ("allOf", "oneOf", "anyOf"):
            if schema.get(key):
                parts = schema[key] if key == "allOf" else schema[key][:1]
                for part in parts:
                    given = self.filled(part, given)
                return given
        if isinstance(given, list):
            return [self.filled(schema.get("items", {}), each) for each in given]
        if schema.get("type") == "object" or "properties" in schema:
            return self._object(schema, given or {})
        return _plainest(schema) if given is None else given

    def answer(self, method: str, template: str, status: int, given: Any) -> Any:
        """The whole body of an answer of which something is given."""
        content = self._resolved(self._operation(method, template)["responses"][str(status)]).get("content", {})
        schema = content.get("application/json", {}).get("schema")
        return given if schema is None else self.filled(schema, given)

    def _object(self, schema: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        made = dict(given)
        for name, inner in schema.get("properties", {}).items():
            if name in made:
                nullable = made[name] is None
                made[name] = None if nullable else self.filled(inner, made[name])
            elif name in schema.get("required", ()):
                target = self._resolved(inner)
                made[name] = None if target.get("nullable") else self.filled(inner, None)
        return made

    def _operation(self, method: str, template: str) -> Mapping[str, Any]:
        try:
            operation: Mapping[str, Any] = self.document["paths"][template][method.lower()]
        except KeyError as error:
            raise NotAsDescribedError(f"there is no {method} {template}") from error
        return operation

    def _resolved(self, part: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in part:
            found: Any = self.document
            for step in part["$ref"].removeprefix("#/").split("/"):
                found = found[step.replace("~1", "/").replace("~0", "~")]
            part = found
        return part

    def _validate(self, schema: Mapping[str, Any], value: Any, about: str) -> None:
        absolute = json.loads(re.sub(r'"#/', f'"{_ROOT}#/', json.dumps(schema)))
        errors = sorted(OAS30Validator(absolute, registry=self._registry).iter_errors(value), key=lambda e: e.path)
        if errors:
            place = "/".join(str(step) for step in errors[0].absolute_path)
            raise NotAsDescribedError(f"{about}: {place}: {errors[0].message[:300]}")


def _plainest(schema: Mapping[str, Any]) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("nullable"):
        return None
    plain = {"integer": 0, "number": 0, "boolean": False, "array": []}
    if schema.get("type") in plain:
        return plain[schema["type"]]
    if schema.get("format") == "date-time":
        return "2025-01-01T00:00:00Z"
    if schema.get("format") in ("uri", "url"):
        return "https://example.com/"
    return ""


@lru_cache(maxsize=2)
def read_description(path: Path) -> Described:
    return Described(json.loads(path.read_bytes()))
