"""One line of the audit log: what happened, chained by hash to the line before."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime
from json.encoder import encode_basestring
from typing import Annotated, Any, NoReturn, Self

from pydantic import Field, JsonValue

from tuner.value import Value, canonical_json, digest_of

__all__ = ["CampaignId", "Digest", "Record", "Timestamp", "genesis", "read_fields", "timestamp"]

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
CampaignId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@+-]*$", max_length=200)]
Timestamp = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$")]


def genesis(campaign: str) -> str:
    """What the first record of a campaign names as its predecessor."""
    return digest_of(f"tuner-audit@v1 {campaign}")


def timestamp(moment: datetime | None = None) -> str:
    """A moment (now, where none is given) in UTC, ISO 8601 with milliseconds."""
    at = (moment or datetime.now(UTC)).astimezone(UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


class Record(Value):
    """One event of a campaign. ``hash`` is the SHA-256 of the canonical JSON of all other fields."""

    seq: int = Field(ge=1)
    """Number of the record, counted from 1."""
    time: Timestamp
    campaign: CampaignId
    kind: str = Field(min_length=1, max_length=100)
    body: dict[str, JsonValue]
    previous: Digest
    hash: Digest

    @classmethod
    def after(cls, previous: Record | None, campaign: str, kind: str, body: dict[str, Any], time: str) -> Self:
        """The next record of a chain. ValueError where ``body`` is not plain JSON that UTF-8 can carry."""
        fields = {
            "seq": previous.seq + 1 if previous else 1,
            "time": time,
            "campaign": campaign,
            "kind": kind,
            "body": body,
            "previous": previous.hash if previous else genesis(campaign),
        }
        try:
            record = cls.model_validate({**fields, "hash": digest_of(canonical_json(fields))})
            spelled = cls.read(record.line())
        except (TypeError, RecursionError) as error:
            raise ValueError(f"the body of a {kind} record is not plain JSON: {error}") from error
        if spelled != record:
            raise ValueError(f"the body of a {kind} record does not survive JSON: use text keys and plain values")
        return record

    @classmethod
    def read(cls, line: bytes) -> Self:
        """The record on one line of a chain file, newline included.

        ValueError, with the reason, where it is not exactly the bytes that ``line`` writes or its hash is not its own.
        """
        return cls.model_construct(**read_fields(line))  # type: ignore[return-value]

    def expected_hash(self) -> str:
        """The hash that the other fields give."""
        return digest_of(canonical_json(self.model_dump(mode="json", exclude={"hash"})))

    def line(self) -> bytes:
        """The record as it stands in the chain file: canonical JSON and a newline."""
        return canonical_json(self.model_dump(mode="json")).encode() + b"\n"


def read_fields(line: bytes) -> dict[str, Any]:
    """The fields of the record on one line, checked as ``Record.read`` does; ValueError, with the reason.

    It does what the model would, without making one: a million records are looked at one by one.
    """
    try:
        fields = _DECODER.decode(line.decode())
        sound = _is_record(fields)
        spelled = _ENCODER.encode(fields).encode() + b"\n" if sound else b""
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error
    except ValueError as error:
        raise ValueError("is not a record in JSON") from error
    if not sound:
        raise ValueError("is not a record in JSON")
    if spelled != line:
        raise ValueError("is not spelled canonically")
    # The hash is of the same bytes without itself; sorted keys put it in front of these four.
    kind = encode_basestring(fields["kind"])
    after = (
        f',"kind":{kind},"previous":"{fields["previous"]}","seq":{fields["seq"]},"time":"{fields["time"]}"}}'.encode()
    )
    before = len(spelled) - 1 - len(after) - len(f',"hash":"{fields["hash"]}"')
    if fields["hash"] != f"sha256:{hashlib.sha256(spelled[:before] + after).hexdigest()}":
        raise ValueError("has other content than its hash says")
    return fields  # type: ignore[no-any-return]


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
"""As ``canonical_json`` spells; made once."""
_FIELDS = frozenset({"body", "campaign", "hash", "kind", "previous", "seq", "time"})
_TEXTS = re.compile(
    r"sha256:[0-9a-f]{64} sha256:[0-9a-f]{64} "
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z [A-Za-z0-9][A-Za-z0-9._@+-]{0,199}"
)


def _is_record(fields: Any) -> bool:
    """What the model asks for, of a value that JSON gave."""
    if not isinstance(fields, dict) or fields.keys() != _FIELDS:
        return False
    seq, kind = fields["seq"], fields["kind"]
    texts = (fields["hash"], fields["previous"], fields["time"], fields["campaign"])
    return (
        type(seq) is int
        and seq >= 1
        and type(kind) is str
        and 1 <= len(kind) <= 100
        and type(fields["body"]) is dict
        and all(type(text) is str for text in texts)
        and _TEXTS.fullmatch(" ".join(texts)) is not None
    )
