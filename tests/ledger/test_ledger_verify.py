"""Verification finds everything that can be done to the three files of an audit log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path

import pytest

from tuner.errors import PermanentError
from tuner.ledger.chain import continue_chain
from tuner.ledger.head import AuditFiles, Head, SignedHead, sign_head
from tuner.ledger.inspection import inspect
from tuner.ledger.signature import ServiceKey
from tuner.ledger.verify import Verification, verify

CAMPAIGN = "orientation-3f2a91c0"
SIGNED_AT = datetime(2026, 3, 1, 13, tzinfo=UTC)


@pytest.fixture
def signed(chain: bytes, key: ServiceKey) -> SignedHead:
    return sign_head(chain, key, time=SIGNED_AT)


def check(chain: bytes, signed: SignedHead, allowed: str, **options: str | datetime) -> Verification:
    return verify(chain, signed.head.encode(), signed.signature, allowed, **options)  # type: ignore[arg-type]


def said(verification: Verification) -> str:
    assert not verification.ok
    return "; ".join(map(str, verification.findings))


def flipped(raw: bytes) -> list[bytes]:
    """The bytes with each bit flipped in turn."""
    flips = []
    for index in range(len(raw)):
        for bit in range(8):
            changed = bytearray(raw)
            changed[index] ^= 1 << bit
            flips.append(bytes(changed))
    return flips


def test_an_untouched_log_is_accepted(chain: bytes, signed: SignedHead, key: ServiceKey) -> None:
    answer = check(chain, signed, key.allowed_signer, campaign=CAMPAIGN, identity="tuner")
    assert answer.ok
    assert answer.findings == ()
    assert answer.records == 4
    assert answer.campaign == CAMPAIGN
    assert answer.signer is not None
    assert answer.signer.startswith("tuner SHA256:")


def test_every_flipped_bit_of_the_chain_is_found_even_without_the_head(chain: bytes) -> None:
    for changed in flipped(chain):
        assert not inspect(changed).ok


def test_every_flipped_bit_of_the_chain_is_found_against_the_head(
    chain: bytes, signed: SignedHead, key: ServiceKey
) -> None:
    for changed in flipped(chain)[::7]:
        assert not check(changed, signed, key.allowed_signer).ok


def test_every_flipped_bit_of_the_head_is_found(chain: bytes, signed: SignedHead, key: ServiceKey) -> None:
    for changed in flipped(signed.head.encode()):
        assert not verify(chain, changed, signed.signature, key.allowed_signer).ok


def test_every_flipped_bit_of_the_signature_is_found(chain: bytes, signed: SignedHead, key: ServiceKey) -> None:
    head = signed.head.encode()
    assert verify(chain, head, signed.signature.encode(), key.allowed_signer).ok
    for changed in flipped(signed.signature.encode()):
        assert not verify(chain, head, changed, key.allowed_signer).ok


def test_every_byte_cut_off_is_found(chain: bytes, signed: SignedHead, key: ServiceKey) -> None:
    for size in range(len(chain)):
        assert not check(chain[:size], signed, key.allowed_signer).ok
    head = signed.head.encode()
    for size in range(len(head)):
        assert not verify(chain, head[:size], signed.signature, key.allowed_signer).ok
    for size in range(len(signed.signature)):
        assert not verify(chain, head, signed.signature[:size], key.allowed_signer).ok


def test_every_dropped_record_is_found(chain: bytes, signed: SignedHead, key: ServiceKey) -> None:
    lines = chain.splitlines(keepends=True)
    for dropped in range(len(lines)):
        answer = check(b"".join(lines[:dropped] + lines[dropped + 1 :]), signed, key.allowed_signer)
        assert "the chain ends after 3 of 4 records: record 4 missing" in said(answer)
        if dropped < 3:
            assert f"record {dropped + 1} says that it is record {dropped + 2}" in said(answer)


def test_a_truncation_at_a_record_says_which_are_missing(chain: bytes, signed: SignedHead, key: ServiceKey) -> None:
    lines = chain.splitlines(keepends=True)
    assert inspect(b"".join(lines[:2])).ok  # which is why the head holds the number of records
    answer = check(b"".join(lines[:2]), signed, key.allowed_signer)
    assert said(answer) == "the chain ends after 2 of 4 records: records 3 to 4 missing"
    assert "after 0 of 4 records: records 1 to 4" in said(check(b"", signed, key.allowed_signer))


def test_every_other_order_is_found(chain: bytes, signed: SignedHead, key: ServiceKey) -> None:
    lines = chain.splitlines(keepends=True)
    for order in permutations(range(len(lines))):
        changed = b"".join(lines[index] for index in order)
        assert check(changed, signed, key.allowed_signer).ok == (order == (0, 1, 2, 3))


def test_every_repeated_record_is_found(chain: bytes, signed: SignedHead, key: ServiceKey) -> None:
    lines = chain.splitlines(keepends=True)
    for repeated in range(len(lines)):
        for place in range(len(lines) + 1):
            changed = b"".join([*lines[:place], lines[repeated], *lines[place:]])
            assert not check(changed, signed, key.allowed_signer).ok


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        (b'"seq":2', b'"seq":2.0'),
        (b'"seq":2', b'"seq": 2'),
        (b"523.25", b"523.250"),
        (b"523.25", b"5.2325e2"),
        (b'"n', b'"\\u006e'),
        (b'"number":0', b'"number":0,"number":0'),
        (b'{"body"', b'\xef\xbb\xbf{"body"'),
        (b"\n", b"\r\n"),
        (b"\n", b"\n\n"),
    ],
)
def test_another_spelling_of_the_same_content_is_found(
    chain: bytes, signed: SignedHead, key: ServiceKey, written: bytes, instead: bytes
) -> None:
    changed = chain.replace(written, instead, 1)
    assert changed != chain
    assert not inspect(changed).ok
    assert not check(changed, signed, key.allowed_signer).ok


def test_an_appended_record_is_found_although_the_chain_is_sound(
    chain: bytes, signed: SignedHead, key: ServiceKey
) -> None:
    longer = continue_chain(continue_chain(chain, "forged", {}), "forged", {})
    assert inspect(longer).ok
    answer = check(longer, signed, key.allowed_signer)
    assert said(answer) == (
        "record 5 was added after the head was signed; record 6 was added after the head was signed"
    )


def test_a_continued_chain_has_a_head_of_its_own(chain: bytes, key: ServiceKey) -> None:
    longer = continue_chain(chain, "merged", {"commit": "abc"})
    assert check(longer, sign_head(longer, key), key.allowed_signer).ok


def test_a_chain_rewritten_as_a_whole_is_found(
    chain: bytes, signed: SignedHead, key: ServiceKey, tmp_path: Path
) -> None:
    first = chain.splitlines(keepends=True)[0]
    forged = continue_chain(continue_chain(continue_chain(first, "a", {}), "b", {}), "c", {})
    assert "record 4 is not the one whose hash the head holds" in said(check(forged, signed, key.allowed_signer))
    stranger = ServiceKey.load(tmp_path / "stranger")
    answer = check(forged, sign_head(forged, stranger), key.allowed_signer)
    assert said(answer) == "the allowed signers do not admit the signer: none of its lines has this key"
    assert answer.signer is None


def test_a_head_with_a_wrong_digest_of_the_file_is_found(chain: bytes, key: ServiceKey) -> None:
    head = Head.of(chain).model_copy(update={"chain": f"sha256:{'0' * 64}"})
    answer = check(chain, SignedHead(head, key.sign(head.encode())), key.allowed_signer)
    assert said(answer) == "the chain file has other bytes than the head says"


def test_the_files_of_another_campaign_are_found(chain: bytes, signed: SignedHead, key: ServiceKey) -> None:
    answer = check(chain, signed, key.allowed_signer, campaign="another")
    assert said(answer) == f"the head is for campaign {CAMPAIGN}, not for another"


def test_a_signature_for_another_purpose_is_found(chain: bytes, signed: SignedHead, key: ServiceKey) -> None:
    for_git = SignedHead(signed.head, key.sign(signed.head.encode(), namespace="git"))
    assert "for namespace 'git', not 'tuner-audit@v1'" in said(check(chain, for_git, key.allowed_signer))


def test_a_signature_of_something_else_is_found(chain: bytes, signed: SignedHead, key: ServiceKey) -> None:
    other = SignedHead(signed.head, key.sign(b"something else"))
    assert "does not fit the signed bytes" in said(check(chain, other, key.allowed_signer))


def _allowed(key: ServiceKey, options: str, principals: str = "tuner") -> str:
    return f"# who may sign\n\n{principals} {options} {key.public} a comment\n"


@pytest.mark.parametrize(
    "options",
    [
        "",
        'namespaces="tuner-audit@v1"',
        'namespaces="git,tuner-audit@*"',
        'valid-before="20260302"',
        'valid-after="20260228",valid-before="20260301130000Z"',
        'valid-after="202603011300Z",namespaces="*"',
    ],
)
def test_a_line_that_admits_the_signer(chain: bytes, signed: SignedHead, key: ServiceKey, options: str) -> None:
    assert check(chain, signed, _allowed(key, options)).ok


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ('valid-before="20260228"', "line 3 was valid only before 20260228"),
        ('valid-before="20260301125959Z"', "was valid only before"),
        ('valid-after="20260303"', "is valid only after 20260303"),
        ('valid-before="2026"', "has a date that cannot be read"),
        ('namespaces="git"', "is for namespace git"),
        ('namespaces="*,!tuner-audit@v1"', "is for namespace"),
        ("cert-authority", "certificate authority"),
        ('unknown="x"', "line 3 cannot be read"),
        ('namespaces="unclosed', "line 3 cannot be read"),
    ],
)
def test_a_line_that_does_not_admit_the_signer(
    chain: bytes, signed: SignedHead, key: ServiceKey, options: str, reason: str
) -> None:
    assert reason in said(check(chain, signed, _allowed(key, options)))


def test_the_dates_of_a_key_are_held_against_the_signed_time_or_a_given_one(
    chain: bytes, signed: SignedHead, key: ServiceKey
) -> None:
    allowed = _allowed(key, 'valid-before="20260401Z"')
    assert check(chain, signed, allowed).ok
    assert "was valid only before" in said(check(chain, signed, allowed, at=SIGNED_AT + timedelta(days=60)))


def test_the_signer_may_be_narrowed_to_one_principal(chain: bytes, signed: SignedHead, key: ServiceKey) -> None:
    allowed = _allowed(key, "", principals="tuner@*.example,!tuner@old.example")
    assert check(chain, signed, allowed, identity="tuner@a.example").ok
    for identity in ("tuner@old.example", "someone"):
        assert "not for" in said(check(chain, signed, allowed, identity=identity))


@pytest.mark.parametrize("allowed", ["", "#", "nonsense", "\x00", "tuner ", "*"])
def test_without_a_readable_line_nobody_may_sign(chain: bytes, signed: SignedHead, allowed: str) -> None:
    assert "do not admit the signer" in said(check(chain, signed, allowed))


def test_files_that_are_something_else_are_findings_and_no_exceptions(key: ServiceKey) -> None:
    for junk in (b"", b"\xff\xfe", b"[" * 100_000, b"{}", b"null\n", b"-----BEGIN SSH SIGNATURE-----\n"):
        assert not verify(junk, junk, junk, key.allowed_signer).ok


def test_an_empty_or_broken_chain_has_no_head(chain: bytes, key: ServiceKey) -> None:
    for broken in (b"", chain[:-1]):
        with pytest.raises(PermanentError):
            sign_head(broken, key)


def test_the_three_files_lie_side_by_side(chain: bytes, signed: SignedHead) -> None:
    files = AuditFiles("orientation", CAMPAIGN).content(chain, signed)
    assert [str(path) for path in files] == [
        f"audit/orientation/{CAMPAIGN}.jsonl",
        f"audit/orientation/{CAMPAIGN}.head.json",
        f"audit/orientation/{CAMPAIGN}.head.json.sig",
    ]
    assert list(files.values()) == [chain, signed.head.encode(), signed.signature.encode()]
