"""One good input for each door: what the hostile ones are made from, and the first seeds of the fuzzer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

__all__ = ["CASE", "DESCRIPTOR", "EXPERIENCE", "ORIGINALS", "QUOTA", "TABLE", "TRACE", "WAIVERS", "WATCH", "onnx_model"]

_CONFIGS = Path(__file__).parents[2] / "configs"
SPEC = (_CONFIGS / "text-orientation" / "tuning.yaml").read_bytes()
MANIFEST = (_CONFIGS / "text-orientation" / "deployment.yaml").read_bytes()
WATCH = b"""\
apiVersion: tuner/v1alpha1
kind: WatchConfiguration
repositories:
  - name: vision
    url: https://git.example.com/vision/serving.git
    branch: main
    forge: ours
    project: vision/serving
    token: { file: /run/secrets/token }
    team: vision
    priority: 10
    interval: 30s
forges:
  ours: { kind: gitea, url: https://git.example.com, token: { env: GITEA_TOKEN } }
teams:
  vision: { running: 2, computeHours: 40, window: 7d }
backends:
  process: { running: 1 }
polling: { interval: 2m, jitter: 50%, longest: 1h, workers: 8 }
database: { url: postgresql://tuner@db/tuner }
webhook: { listen: 127.0.0.1:8484, secret: { file: /run/secrets/hook }, rate: 5/s }
leader: { kind: database, lease: 15s }
retention: { campaigns: 90d }
"""
WAIVERS = b"""\
apiVersion: tuner/v1alpha1
kind: Waivers
waivers:
  - rule: cost.increase
    service: orientation
    reason: the old boards go in April
    approver: lead@example.com
    expires: 2026-03-31
"""
QUOTA = b"""\
apiVersion: tuner/v1alpha1
kind: Quota
quotas:
  - product: NVIDIA-H100-80GB-HBM3
    resources:
      nvidia.com/mig-1g.10gb: {limit: 7, taken: 2}
      nvidia.com/gpu: {limit: 1}
"""
CASE = b"""\
point: admission
input:
  service: orientation
  labels: { team: vision }
  team: vision
  engine: triton
  image: registry.example.com/triton:1
  currency: USD
  trials: 40
  wall_clock: 3600
  money: 0.25
  gpus: {}
  time: { date: "2026-03-02", weekday: 1, hour: 12.5 }
expect:
  allow: true
  deny: []
"""
DESCRIPTOR = b"""\
service: {column: model, engine: simulator}
parameters:
  batch: {column: batch}
  share: {column: [share, {name: fraction, scale: 100}], max: 100}
metrics:
  latency: {column: latency_ms, unit: ms}
objective:
  maximize: {latency: -1}
  known: 1000.0 * double(batch) / double(share)
  unit: requests/s per share
limits: {latency: 40}
start: {batch: 1, share: 100}
"""
TABLE = b"model,batch,share,latency_ms\nsmall,1,100,3.5\nsmall,2,50,9.25\nlarge,1,100,30\n"
_TRIED = {
    "campaign": "echo-1",
    "number": 3,
    "service": "echo",
    "engine": "simulator",
    "features": {"size": 10, "parameters": 5, "operations": 7, "depth": 2},
    "trial": {
        "assignment": {"max_batch_size": 8},
        "outcome": "completed",
        "readings": [{"metric": "capacity", "value": 12.5, "error": 0.1, "side": "at"}],
    },
}
EXPERIENCE = f'{{"format":"tuner-experience","version":1}}\n{json.dumps(_TRIED)}\n'.encode()
TRACE = b"# arrivals\n0.0\n0.5\n0.75\n2\n"
MODEL_CONFIG = (
    b'name: "echo"\nbackend: "python"\nmax_batch_size: 8\n'
    b'input [ { name: "x" data_type: TYPE_FP32 dims: [ 4 ] } ]\n'
    b"instance_group [ { count: 2 kind: KIND_CPU } ]\ndynamic_batching { max_queue_delay_microseconds: 100 }\n"
)
PUSH = {
    "ref": "refs/heads/main",
    "repository": {
        "full_name": "vision/serving",
        "clone_url": "https://git.example.com/vision/serving.git",
        "ssh_url": "ssh://git@git.example.com/vision/serving.git",
    },
}
WEBHOOK = b"Signed: yes\nX-GitHub-Event: push\n\n" + json.dumps(PUSH).encode()


def _varint(number: int) -> bytes:
    raw = bytearray()
    while number > 127:
        raw.append(number & 127 | 128)
        number >>= 7
    return bytes([*raw, number])


def field(number: int, content: bytes | int) -> bytes:
    """One field of a protobuf message: bytes with their length, or a number."""
    if isinstance(content, int):
        return _varint(number << 3) + _varint(content)
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def onnx_model(*, operator: bytes = b"Gemm", dims: tuple[int, ...] = (4, 4), raw: bytes = bytes(64)) -> bytes:
    """A model of one operation with one weight (numbers of fields: onnx/onnx.proto)."""
    weight = b"".join(field(1, size) for size in dims) + field(2, 1) + field(8, b"w") + field(9, raw)
    node = field(1, b"x") + field(1, b"w") + field(2, b"y") + field(4, operator)
    return field(1, 8) + field(7, field(1, node) + field(5, weight))


ORIGINALS: Mapping[str, bytes] = {
    "spec": SPEC,
    "watch": WATCH,
    "manifest": MANIFEST,
    "waivers": WAIVERS,
    "quota": QUOTA,
    "case": CASE,
    "descriptor": DESCRIPTOR,
    "table": TABLE,
    "experience": EXPERIENCE,
    "trace": TRACE,
    "model": onnx_model(),
    "model-config": MODEL_CONFIG,
    "webhook": WEBHOOK,
    "comment": b"please\n/tuner rerun\n",
    "address": b"https://git.example.com/vision/serving.git",
    "branch": b"main",
    "path": b"configs/echo/tuning.yaml",
    "listen": b"127.0.0.1:8484",
}
