"""What tuner remembers in the pull request itself: a comment in the body that nobody sees.

There is no other memory: the branch's name finds the pull requests, the marker says what each one proposed.
"""

from __future__ import annotations

import json
import re

from pydantic import ValidationError

from tuner.value import Value, canonical_json

__all__ = ["Marker"]

_COMMENT = re.compile(r"<!-- tuner: (?P<fields>\{[^<>]*\}) -->")


class Marker(Value):
    """``change`` is the digest of what is proposed, ``fingerprint`` that of everything written for it."""

    campaign: str
    change: str
    fingerprint: str

    def sign(self, body: str) -> str:
        """The body with the marker at its end."""
        return f"{body.rstrip()}\n\n{self}\n"

    def __str__(self) -> str:
        fields = canonical_json(self.model_dump())
        for char in "<>-":  # no text of a marker can end the comment
            fields = fields.replace(char, f"\\u{ord(char):04x}")
        return f"<!-- tuner: {fields} -->"

    @classmethod
    def find(cls, body: str) -> Marker | None:
        """The last marker of a body: what a spec or a manifest brings into the text stands before it."""
        for match in reversed(list(_COMMENT.finditer(body))):
            try:
                return cls.model_validate(json.loads(match["fields"]))
            except (ValueError, ValidationError, RecursionError):
                continue
        return None
