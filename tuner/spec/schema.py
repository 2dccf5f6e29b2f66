"""The JSON Schema of the spec, for editors and for checks outside of tuner.

It accepts every spec that the models accept. What only tuner can say (does a range hold its default, do sections agree)
it does not refuse.
"""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from tuner.spec.model import TuningSpec

__all__ = ["json_schema"]

_ID = "urn:tuner:v1alpha1:TuningSpec"
_PERCENTILE = r"^p[0-9]{1,2}(\.[0-9]{1,3})?$"


def json_schema() -> dict[str, Any]:
    """The schema (draft 2020-12) as plain data, with the keys that a person writes."""
    generated = TuningSpec.model_json_schema(by_alias=True, mode="validation")
    schema: dict[str, Any] = _tidy(generated)
    parameters = schema["properties"]["parameters"]
    for pattern, entry in parameters["patternProperties"].items():
        parameters["patternProperties"][pattern] = {"anyOf": [entry, {"type": "null"}]}
    parameters["additionalProperties"] = False
    schema["$defs"]["Slo"]["properties"]["latency"]["propertyNames"] = {"pattern": _PERCENTILE}
    return {"$schema": GenerateJsonSchema.schema_dialect, "$id": _ID, **schema}


def _tidy(node: Any) -> Any:
    """Without ``null`` (a key with nothing behind it is refused) and with each property titled by its own key."""
    if isinstance(node, list):
        return [_tidy(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    tidy = {key: _tidy(value) for key, value in node.items() if not (key == "default" and value is None)}
    for key, value in tidy.get("properties", {}).items():
        if isinstance(value, dict):
            value["title"] = key
    choices = [choice for choice in tidy.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) == 1:
        del tidy["anyOf"]
        tidy = {**choices[0], **tidy}
    return tidy
