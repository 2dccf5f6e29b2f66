"""Answers end where HTTP says, however the bytes come in pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.load.answer import AnswerReader, Head
from tuner.load.codec import MalformedAnswerError

BODY = st.binary(max_size=400)


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, int, int]:
    """(the bytes, status, length of the body) of one answer on a connection that stays open."""
    status = draw(st.sampled_from([200, 200, 200, 204, 400, 500, 503]))
    body = b"" if status == 204 else draw(BODY)
    extra = draw(st.sampled_from([b"", b"Inference-Header-Content-Length: 7\r\n", b"Date: now\r\n"]))
    head = b"HTTP/1.1 %d Some Reason\r\n%s" % (status, extra)
    if status == 204:
        return head + b"\r\n", status, 0
    if draw(st.booleans()):
        return head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body), status, len(body)
    cut = draw(st.integers(0, len(body)))
    chunks = b"".join(b"%x;a=b\r\n%s\r\n" % (len(part), part) for part in (body[:cut], body[cut:]) if part)
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\nTrailer: x\r\n\r\n", status, len(body)


@given(st.lists(answers(), min_size=1, max_size=6), st.data())
def test_every_answer_is_read_whole_in_any_pieces(sent: list[tuple[bytes, int, int]], data: st.DataObject) -> None:
    known: dict[bytes, Head] = {}
    reader = AnswerReader(known)
    for raw, status, length in sent:
        cuts = sorted(data.draw(st.sets(st.integers(1, len(raw) - 1), max_size=4)))
        pieces = [raw[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
        told = [reader.feed(piece) for piece in pieces]
        assert told == [False] * (len(pieces) - 1) + [True]
        assert reader.head == Head(status, length, keep=True)


@pytest.mark.parametrize("known", [False, True])
def test_a_second_answer_nobody_asked_for_is_malformed(known: bool) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    reader = AnswerReader()
    if known:
        assert reader.feed(answer)
    with pytest.raises(MalformedAnswerError):
        reader.feed(answer + answer)


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot a length\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
    ],
)
def test_what_is_no_answer_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedAnswerError):
        AnswerReader().feed(raw)


@given(st.binary(min_size=1, max_size=300))
def test_any_bytes_are_an_answer_or_malformed(raw: bytes) -> None:
    try:
        AnswerReader().feed(raw)
    except MalformedAnswerError:
        return


@pytest.mark.parametrize(
    ("raw", "whole"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\nbody", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nbody", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbody", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n", False),
        (b"HTTP/1.1 200 OK\r\nConte", False),
    ],
)
def test_a_closed_connection_ends_only_what_has_no_length(raw: bytes, whole: bool) -> None:
    reader = AnswerReader()
    assert not reader.feed(raw)
    assert reader.closed() is whole
    if whole:
        assert reader.head == Head(200, 4, keep=False)


def test_a_server_that_says_so_is_not_asked_again_on_that_connection() -> None:
    raw = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
    reader = AnswerReader()
    assert [reader.feed(raw), reader.head.keep] == [True, False]


def test_heads_that_change_all_the_time_are_not_kept_for_ever() -> None:
    known: dict[bytes, Head] = {}
    reader = AnswerReader(known)
    for number in range(2000):
        assert reader.feed(b"HTTP/1.1 200 OK\r\nX-Number: %d\r\nContent-Length: 0\r\n\r\n" % number)
    assert len(known) <= 512


def test_hints_before_an_answer_are_no_answers() -> None:
    raw = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    reader = AnswerReader()
    assert [reader.feed(raw), reader.feed(raw), reader.head] == [True, True, Head(200, 2, keep=True)]
