"""Spans reach a collector that speaks OTLP, and a collector that is away harms nobody."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tuner.errors import UserError
from tuner.telemetry.tracing import configure_tracing, flush, span, tracer

ROOT = Path(__file__).parent.parent.parent


class Collector:
    """A collector on the loopback that keeps what it was sent."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, ExportTraceServiceRequest]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.requests.append((self.path, ExportTraceServiceRequest.FromString(body)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    @property
    def spans(self) -> dict[str, Span]:
        return {
            item.name: item
            for _, request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for item in scope.spans
        }

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    flush()
    collector.close()


def attributes(item: Any) -> dict[str, Any]:
    return {entry.key: getattr(entry.value, entry.value.WhichOneof("value")) for entry in item.attributes}


def test_spans_arrive_as_a_tree(collector: Collector) -> None:
    configure_tracing("otlp", endpoint=collector.url)
    with (
        span("campaign", {"tuner.campaign": "demo-1"}),
        span("step"),
        span("trial", {"tuner.trial.number": 7}),
        span("probe", {"tuner.probe.rate": 120.5}),
    ):
        pass
    assert flush()
    assert {path for path, _ in collector.requests} == {"/v1/traces"}
    spans = collector.spans
    assert set(spans) == {"campaign", "step", "trial", "probe"}
    assert not spans["campaign"].parent_span_id
    for parent, child in (("campaign", "step"), ("step", "trial"), ("trial", "probe")):
        assert spans[child].parent_span_id == spans[parent].span_id
        assert spans[child].trace_id == spans[parent].trace_id
        assert spans[child].start_time_unix_nano >= spans[parent].start_time_unix_nano
    assert attributes(spans["trial"]) == {"tuner.trial.number": 7}
    assert attributes(spans["probe"]) == {"tuner.probe.rate": 120.5}


def test_the_resource_names_the_service(collector: Collector) -> None:
    configure_tracing("otlp", endpoint=f"{collector.url}/v1/traces")
    with span("campaign"):
        pass
    flush()
    (_, request) = collector.requests[0]
    found = attributes(request.resource_spans[0].resource)
    assert found["service.name"] == "tuner"
    assert found["service.version"]
    assert found["service.instance.id"]


def test_a_failed_span_says_why_without_its_secrets(collector: Collector) -> None:
    configure_tracing("otlp", endpoint=collector.url)
    with pytest.raises(RuntimeError), span("step", {"url": "http://u:hunter22@forge/", "forge_token": "abcdef"}):
        raise RuntimeError("refused: password=hunter22")
    flush()
    item = collector.spans["step"]
    assert item.status.code == Status.STATUS_CODE_ERROR
    assert item.status.message == "RuntimeError: refused: password=[redacted]"
    assert attributes(item) == {"url": "http://[redacted]@forge/", "forge_token": "[redacted]"}
    assert "hunter22" not in str(item)


def test_the_console_gets_one_line_of_json_a_span() -> None:
    stream = io.StringIO()
    configure_tracing("console", stream=stream)
    with span("campaign"), span("step"):
        pass
    flush()
    assert [json.loads(line)["name"] for line in stream.getvalue().splitlines()] == ["step", "campaign"]


def test_off_means_off(collector: Collector) -> None:
    configure_tracing("otlp", endpoint=collector.url)
    configure_tracing("none")
    with span("campaign"):
        pass
    assert flush()
    assert not collector.requests


@pytest.mark.parametrize(
    "endpoint", ["localhost:4318", "ftp://host/", "http://", "http://host:port/", "", "http://[::1"]
)
def test_an_address_that_is_none_is_refused(endpoint: str) -> None:
    with pytest.raises(UserError, match="is not the address of an OTLP collector"):
        configure_tracing("otlp", endpoint=endpoint)


def program(body: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program that uses tracing in a fresh interpreter; it has to end within a minute."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", body, *arguments],
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


def test_without_configuration_the_api_does_nothing() -> None:
    body = """
from opentelemetry import trace
from tuner.telemetry.tracing import span, tracer
with span("campaign") as current:
    print(current.is_recording(), type(trace.get_tracer_provider()).__name__)
"""
    assert program(body).stdout.split() == ["False", "ProxyTracerProvider"]


SPANS = """
import sys
from tuner.telemetry.logs import configure_logs
from tuner.telemetry.tracing import configure_tracing, span
configure_logs()
configure_tracing("otlp", endpoint=sys.argv[1])
for number in range(5000):
    with span("trial", {"tuner.trial.number": number}):
        pass
print("done")
"""


def test_what_is_left_is_delivered_at_exit(collector: Collector) -> None:
    body = SPANS.replace("5000", "50")
    assert program(body, collector.url).stderr == ""
    count = sum(
        len(scope.spans)
        for _, request in collector.requests
        for resource in request.resource_spans
        for scope in resource.scope_spans
    )
    assert count == 50


def test_an_absent_collector_costs_one_line_and_no_traceback() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        ended = program(SPANS, f"http://127.0.0.1:{nobody.getsockname()[1]}")
    assert ended.stdout == "done\n"
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.splitlines()) <= 1


def test_a_collector_that_never_answers_does_not_hold_the_exit_up() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        ended = program(SPANS, f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert ended.stdout == "done\n"
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.splitlines()) <= 1


def test_the_tracer_is_the_apis() -> None:
    with tracer().start_as_current_span("probe") as current:
        assert trace.get_current_span() is current
