"""Kubernetes manifests that are YAML and no manifests: wrong kinds in every place, circles, twins, paths that climb."""

from __future__ import annotations

from collections.abc import Iterator

from testbed.hostile.originals import MANIFEST

__all__ = ["manifests"]

_INSTEAD: tuple[tuple[str, bytes, tuple[bytes, ...]], ...] = (
    (
        "replicas",
        b"replicas: 1",
        (b"replicas: -1", b"replicas: 1e9", b"replicas: yes", b"replicas: [1]", b"replicas: 9" * 1),
    ),
    ("replicas-huge", b"replicas: 1", (b"replicas: " + b"9" * 5_000, b"replicas: 0x" + b"f" * 100, b"replicas: .inf")),
    ("kind", b"kind: Deployment", (b"kind: [Deployment]", b"kind: Rollout", b"kind: ~", b"kind: {a: b}", b"kind: 1")),
    ("containers", b"      containers:", (b"      containers: {}\n      x:", b"      containers: 1\n      x:")),
    (
        "container-name",
        b"- name: triton\n",
        (b"- name: [triton]\n", b"- name: 1\n", b"- name:\n", b'- name: "\\e[31m"\n'),
    ),
    ("image", b'image: "registry.example.com/serving', (b'image: [x]\n          x: "', b'image: {}\n          x: "')),
    ("command", b'command: ["tritonserver"]', (b"command: tritonserver", b"command: [[x]]", b"command: [1, ~]")),
    (
        "args",
        b"          args:\n            - --model-repository",
        (b"          args:\n            - [x]\n            - --m",),
    ),
    ("env", b"          env:\n", (b"          env: {}\n          x:\n", b"          env: text\n          x:\n")),
    ("env-name", b"- name: PYTHONUNBUFFERED", (b"- name: [x]", b"- x: y", b"- name: A=B", b'- name: "\\0"')),
    ("env-value", b'value: "1"', (b"value: [1]", b"value: {a: b}", b"valueFrom: {secretKeyRef: {}}", b"value: 1e999")),
    (
        "cpu",
        b'limits: { cpu: "1"',
        (b"limits: { cpu: 1e999", b"limits: { cpu: -1", b"limits: { cpu: []", b"limits: { cpu: nan"),
    ),
    (
        "memory",
        b"memory: 1Gi }\n          startup",
        (b"memory: 9Zi }\n          startup", b"memory: 1e999 }\n          startup"),
    ),
    (
        "resources",
        b"            limits:",
        (b"            limits: 5\n            x:", b"            limits: [1]\n            x:"),
    ),
    ("mount-path", b"config.pbtxt, subPath", (b"../../../etc/passwd, subPath", b'"\\0", subPath', b"'', subPath")),
    ("sub-path", b"subPath: config.pbtxt", (b"subPath: ../../x", b"subPath: [x]", b"subPath: 1", b"subPath: absent")),
    (
        "volume",
        b"configMap: { name: text-orientation-triton }",
        (b"configMap: {}", b"configMap: x", b"configMap: {name: [x]}"),
    ),
    ("volume-name", b"        - name: config\n", (b"        - name: [config]\n", b"        - name: models\n")),
    ("data", b"data:\n", (b"data: text\nx:\n", b"data: []\nx:\n", b"binaryData:\n")),
    (
        "config",
        b"config.pbtxt: |",
        (b"config.pbtxt: 1\n  x: |", b"config.pbtxt: [x]\n  x: |", b"config.pbtxt: >-", b"config.pbtxt: |9"),
    ),
    ("node-selector", b"      initContainers:", (b"      nodeSelector: [x]\n      initContainers:",)),
    ("template", b"  template:", (b"  template: x\n  y:", b"  template: []\n  y:", b"  template:\n  y:")),
    ("spec", b"spec:\n  replicas", (b"spec: text\nx:\n  replicas", b"spec: []\nx:\n  replicas")),
)
_ALIASES: dict[str, bytes] = {
    "alias-in-args": MANIFEST.replace(b"- --exit-on-error=true", b"- &a --exit-on-error=true\n            - *a", 1),
    "alias-of-resources": MANIFEST.replace(
        b'limits: { cpu: "1", memory: 1Gi }', b'limits: &r { cpu: "1", memory: 1Gi }', 1
    ),
    "alias-circle": MANIFEST.replace(b"securityContext:\n", b"securityContext: &s\n        again: *s\n", 1),
    "twin-deployment": MANIFEST + b"---\n" + MANIFEST,
    "twin-container": MANIFEST.replace(
        b"        - name: triton\n", b"        - name: triton\n        - name: triton\n", 1
    ),
    "carriage-returns": MANIFEST.replace(b"\n", b"\r\n"),
    "only-carriage-returns": MANIFEST.replace(b"\n", b"\r"),
    "without-end": MANIFEST.rstrip(),
    "byte-order-mark": b"\xef\xbb\xbf" + MANIFEST,
    "documents-100": b"---\n".join([MANIFEST.replace(b"name: triton\n", b"name: other\n")] * 100),
    "list-of-kind": b"apiVersion: v1\nkind: List\nitems: []\n---\n" + MANIFEST,
    "merge": MANIFEST.replace(b"          ports:\n", b"          <<: {image: x}\n          ports:\n", 1),
    "helm": MANIFEST.replace(b"replicas: 1", b"replicas: {{ .Values.replicas }}", 1),
    "args-20000": MANIFEST.replace(b"          args:\n", b"          args:\n" + b"            - --x=1\n" * 20_000, 1),
    "env-of-one-name": MANIFEST.replace(
        b"          env:\n", b"          env:\n" + b"            - {name: A, value: b}\n" * 500, 1
    ),
    "comments-between": MANIFEST.replace(b"\n", b"  # \xe2\x80\xae comment\n", 40),
}


def manifests() -> Iterator[tuple[str, bytes]]:
    """The manifest with one thing in it that is something else."""
    for name, old, new in _INSTEAD:
        for number, text in enumerate(new):
            yield f"{name}-{number}", MANIFEST.replace(old, text, 1)
    yield from _ALIASES.items()
