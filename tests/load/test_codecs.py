"""Codecs: however the bytes come in pieces, the same requests are answered the same way; nothing else ever escapes."""

from __future__ import annotations

from collections.abc import Callable

import h11
import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.load.peers import Peer, message, requested
from tuner.load.chunk import ChunkReader
from tuner.load.codec import Codec, MalformedAnswerError, Script
from tuner.load.event import EventReader
from tuner.load.exchange import HttpScript
from tuner.load.frame import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Frame,
    FrameReader,
    frame,
    numbers,
    setting,
)
from tuner.load.multiplex import CallScript
from tuner.load.request import wire_request
from tuner.load.stream import StreamScript

SCRIPTS: dict[str, Callable[[], Script]] = {"http": HttpScript, "grpc": CallScript, "stream": StreamScript}


def connected(protocol: str, outstanding: int = 8) -> Codec:
    """A connection whose server has said what it has to say first."""
    script = SCRIPTS[protocol]()
    request = requested(protocol, 40)  # type: ignore[arg-type]
    script.begin([wire_request(request, Peer(9).endpoint)], outstanding)
    codec = script.connection()
    codec.greet()
    if protocol == "grpc":
        codec.feed(frame(SETTINGS, 0, 0, b""), 1.0)
    return codec


def cut(raw: bytes, data: st.DataObject) -> list[bytes]:
    cuts = sorted(data.draw(st.sets(st.integers(1, max(len(raw) - 1, 1)), max_size=6)))
    return [raw[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(raw)], strict=True) if begin < end]


def block(*fields: tuple[str, str]) -> bytes:
    """A header block that needs no table."""
    return hpack.Encoder().encode([(*field, True) for field in fields])


GOOD_HEAD = block((":status", "200"), ("content-type", "application/grpc"))


@st.composite
def calls(draw: st.DrawFn) -> tuple[bytes, dict[int, str | None]]:
    """(what a server sends, fault by request) for up to eight calls, their frames interleaved."""
    count = draw(st.integers(1, 8))
    queues, faults = [], {}
    for index in range(count):
        stream = 2 * index + 1
        status = draw(st.sampled_from(["0", "0", "5", "14"]))
        body = b"\0" + (size := draw(st.integers(0, 50))).to_bytes(4, "big") + bytes(size)
        at = draw(st.integers(0, len(body)))
        trailers = block(("grpc-status", status), ("grpc-message", draw(st.text("abc %", max_size=20))))
        middle = draw(st.integers(0, len(trailers)))
        whole = [
            frame(HEADERS, END_HEADERS, stream, GOOD_HEAD),
            frame(DATA, 0, stream, body[:at]),
            frame(DATA, 8, stream, b"\x03" + body[at:] + bytes(3)),
            frame(HEADERS, END_STREAM, stream, trailers[:middle])
            + frame(CONTINUATION, END_HEADERS, stream, trailers[middle:]),
        ]
        if draw(st.booleans()):
            whole.append(frame(RST_STREAM, 0, stream, numbers(0)))
        queues.append(whole)
        faults[index] = None if status == "0" else f"grpc-{status}"
    sent = b""
    while queues:
        queue = draw(st.sampled_from(queues))
        sent += queue.pop(0)
        if not queue:
            queues.remove(queue)
        sent += draw(
            st.sampled_from(
                [b"", frame(PING, 0, 0, bytes(8)), frame(WINDOW_UPDATE, 0, 0, numbers(9)), frame(99, 0, 1, b"new")]
            )
        )
    return sent, faults


@given(calls(), st.data())
def test_calls_are_answered_once_whatever_the_order_and_the_pieces(
    told: tuple[bytes, dict[int, str | None]], data: st.DataObject
) -> None:
    raw, faults = told
    codec = connected("grpc")
    for index in faults:
        assert codec.room == 8 - index
        codec.ask(index)
    found = [pair for piece in cut(raw, data) for pair in codec.feed(piece, 1.0)]
    assert {index: answer.fault for index, answer in found} == faults
    assert len(found) == len(faults)
    assert not codec.asked()
    assert codec.room == 8


@pytest.mark.parametrize(
    "told",
    [
        frame(DATA, 0, 9, b"x"),
        frame(HEADERS, END_HEADERS, 2, GOOD_HEAD),
        frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff"),
        frame(HEADERS, 0, 1, GOOD_HEAD) + frame(DATA, 0, 1, b""),
        frame(CONTINUATION, END_HEADERS, 1, GOOD_HEAD),
        frame(DATA, 8, 1, b"\xff" + b"x"),
        frame(SETTINGS, 0, 0, b"cut"),
        frame(SETTINGS, 0, 0, setting(4, 2**31)),
        frame(WINDOW_UPDATE, 0, 0, b""),
        frame(GOAWAY, 0, 0, b""),
        frame(5, END_HEADERS, 1, bytes(8)),
        frame(HEADERS, 0, 1, bytes(16_000)) + frame(CONTINUATION, 0, 1, bytes(16_000)) * 5,
        b"\xff\xff\xff\0\0\0\0\0\0",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ],
)
def test_what_no_server_may_send_is_malformed(told: bytes) -> None:
    codec = connected("grpc")
    codec.ask(0)
    with pytest.raises(MalformedAnswerError):
        codec.feed(told, 1.0)


def test_a_server_begins_with_its_settings() -> None:
    script = CallScript()
    script.begin([wire_request(requested("grpc"), Peer(9).endpoint)], 8)
    codec = script.connection()
    assert codec.room == 0
    with pytest.raises(MalformedAnswerError):
        codec.feed(frame(PING, 0, 0, bytes(8)), 1.0)


def test_going_away_ends_what_was_not_begun_and_keeps_the_rest() -> None:
    codec = connected("grpc")
    for index in range(3):
        codec.ask(index)
    lost = codec.feed(frame(GOAWAY, 0, 0, numbers(3) + numbers(0)), 1.0)
    assert [(index, answer.fault) for index, answer in lost] == [(2, "reset")]
    assert (sorted(codec.asked()), codec.room, codec.lasting) == ([0, 1], 0, False)


def test_a_window_is_never_overdrawn_and_always_used() -> None:
    """The body of 4,005 bytes goes as the server opens its window, however that changes in between."""
    script = CallScript()
    script.begin([b"POST /a.B/C HTTP/1.1\r\nHost: x\r\n\r\n" + message(4005)], 8)
    codec = script.connection()
    codec.greet()
    codec.feed(frame(SETTINGS, 0, 0, setting(4, 1000)), 1.0)
    codec.owed = b""

    def body(raw: bytes) -> int:
        return sum(len(each.payload) for each in FrameReader().feed(raw) if each.kind == DATA)

    assert body(codec.ask(0)) == 1000
    for told, more in (
        (frame(WINDOW_UPDATE, 0, 1, numbers(500)), 500),
        (frame(SETTINGS, 0, 0, setting(4, 400)), 0),
        (frame(WINDOW_UPDATE, 0, 1, numbers(600)), 0),
        (frame(WINDOW_UPDATE, 0, 0, numbers(10_000)), 0),
        (frame(WINDOW_UPDATE, 0, 1, numbers(10)), 10),
        (frame(SETTINGS, 0, 0, setting(4, 5000)), 4005 - 1510),
    ):
        codec.owed = b""
        codec.feed(told, 1.0)
        assert body(codec.owed) == more


def test_a_call_that_nobody_waits_for_is_taken_back() -> None:
    codec = connected("grpc")
    codec.ask(0)
    codec.ask(1)
    codec.feed(frame(PING, 1, 0, bytes(8)), 1.0)
    assert codec.cancel(0)
    (reset,) = (each for each in FrameReader().feed(codec.owed) if each.kind == RST_STREAM)
    assert reset == Frame(RST_STREAM, 0, 1, numbers(8))
    assert (codec.lasting, codec.room, list(codec.asked())) == (True, 7, [1])
    codec.feed(frame(HEADERS, END_HEADERS | END_STREAM, 1, block((":status", "200"), ("grpc-status", "0"))), 1.0)
    codec.ask(2)
    assert codec.cancel(2)
    assert (codec.lasting, codec.room) == (False, 0)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[list[bytes], bytes]:
    chunks = draw(st.lists(st.binary(min_size=1, max_size=60), max_size=6))
    extension = draw(st.sampled_from([b"", b";a=b", b';q="x"', b"  "]))
    trailer = draw(st.sampled_from([b"", b"X: y\r\n", b"X: y\r\nZ: w\r\n"]))
    raw = b"".join(b"%X%s\r\n%s\r\n" % (len(part), extension, part) for part in chunks)
    return chunks, raw + b"0\r\n" + trailer + b"\r\n"


@given(bodies(), st.data())
def test_a_chunked_body_is_what_h11_takes_it_for(told: tuple[list[bytes], bytes], data: st.DataObject) -> None:
    chunks, raw = told
    reader = ChunkReader()
    assert b"".join(reader.feed(piece) for piece in cut(raw, data)) == b"".join(chunks) == by_h11(raw)
    assert reader.ended
    with pytest.raises(MalformedAnswerError):
        reader.feed(b"x")


def by_h11(raw: bytes) -> bytes:
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + raw)
    found = b""
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        assert event is not h11.NEED_DATA
        found += bytes(event.data) if isinstance(event, h11.Data) else b""
    return found


@pytest.mark.parametrize(
    "raw", [b"\r\n", b"x\r\n", b"-1\r\n", b"0x1\r\n", b"1_0\r\n", b"1" * 20 + b"\r\n", b"1\r\nab\r\n", b"9" * 9000]
)
def test_what_is_no_chunk_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedAnswerError):
        ChunkReader().feed(raw)


TOKEN = b'data: {"choices":[{"delta":{"content":"%s"}}]}\n\n'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@given(st.lists(st.sampled_from([b"a", b"", b'\\"error\\": 1', b"[DONE]", b"\\n\\n"]), max_size=8), st.data())
def test_tokens_are_counted_however_they_come(words: list[bytes], data: st.DataObject) -> None:
    events = b"".join(TOKEN % word for word in words) + b"data: [DONE]\n\n"
    raw = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in cut(events, data)) + b"0\r\n\r\n"
    codec = connected("stream")
    for _ in range(2):
        codec.ask(0)
        ((_, answer),) = [pair for piece in cut(HEAD + raw, data) for pair in codec.feed(piece, 1.0)]
        assert answer.tokens is not None
        assert answer.tokens.count == len(answer.tokens.moments) == sum(word != b"" for word in words)
        assert answer.tokens.moments == sorted(answer.tokens.moments)
        assert answer.fault == (None if any(words) else "empty")
        assert codec.room == 1


@pytest.mark.parametrize(
    ("event", "fault"),
    [
        (b'data: {"error": {"message": "no"}}', True),
        (b'data: {"object":"error","message":"no"}', True),
        (b'data: {"choices":[],"error":"no"}', True),
        (b"event: error\ndata: {}", True),
        (b'data: {"choices":[{"text":"x"}],"error":null}', False),
        (b'data: {"choices":[{"text":"\\"error\\": 1"}]}', False),
        (b'data: {"choices":[{"finish_reason":"error"}]}', False),
    ],
)
def test_events_that_say_that_it_went_wrong(event: bytes, fault: bool) -> None:
    reader = EventReader()
    reader.feed(event + b"\n\ndata: [DONE]\n\n", 1.0)
    assert (reader.fault, reader.done) == (fault, True)


@pytest.mark.parametrize("protocol", sorted(SCRIPTS))
@given(raw=st.binary(max_size=300), begin=st.sampled_from([b"", HEAD, HEAD + b"5\r\n", frame(SETTINGS, 0, 0, b"")]))
def test_any_bytes_are_answers_or_malformed(protocol: str, begin: bytes, raw: bytes) -> None:
    codec = connected(protocol)
    codec.ask(0)
    try:
        codec.feed(begin + raw, 1.0)
        codec.feed(raw, 1.0)
        codec.end()
    except MalformedAnswerError:
        return


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 255), st.integers(0, 5), st.binary(max_size=40)), max_size=9)
)
def test_any_frames_are_answers_or_malformed(frames: list[tuple[int, int, int, bytes]]) -> None:
    codec = connected("grpc")
    codec.ask(0)
    codec.ask(1)
    try:
        answers = codec.feed(b"".join(frame(*each) for each in frames), 1.0)
    except MalformedAnswerError:
        return
    assert len(answers) + len(codec.asked()) == 2
