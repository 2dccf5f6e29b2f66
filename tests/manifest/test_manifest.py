"""A manifest is read for what its container starts, and edited in nothing but that."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tuner.engine.workload import Resources, Workload
from tuner.errors import UserError
from tuner.manifest.manifest import Manifest

DEPLOYMENT = """\
# owned by the documents team
apiVersion: v1
kind: ConfigMap
metadata: { name: line-triton }
data:
  config.pbtxt: |
    name: "line"   # keep
    max_batch_size: 1

    # the end
  other.txt: "one line\\n"
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: line
  annotations: {  example.com/odd: 'it''s'  }   # two blanks, kept
spec:
  selector: { matchLabels: { app: line } }
  template:
    metadata:
      labels: {app: line}
    spec:
      terminationGracePeriodSeconds: 30
      containers:
      - name: sidecar
        image: proxy:1
      - name: server   # the one that is tuned
        image: "registry.example.com/triton@sha256:abc"
        command: ["tritonserver"]
        args:
          - --model-repository=/models   # mounted below
          - --http-thread-count
          - "8"
          - --log-verbose=0
        env:
        - name: LEVEL
          value: 'info'
        - {name: MALLOC, value: "glibc"}   # or jemalloc
        - name: TOKEN
          valueFrom:
            secretKeyRef: {name: line, key: token}
        resources:
          requests:
            cpu: 500m
            memory: 1Gi      # measured in May
          limits: {cpu: 1, memory: "1Gi", nvidia.com/mig-1g.10gb: 1}
        unknownField: [1,2,   3]
        volumeMounts:
        - {name: config, mountPath: /models/line}
        - name: tmp
          mountPath: /tmp
      volumes:
      - name: config
        configMap:
          name: line-triton
      - {name: tmp, emptyDir: {}}
  # how changes reach production
  strategy: {type: RollingUpdate}
"""
FILE = "configs/line/deployment.yaml"


def loaded(text: str, container: str = "server", **beside: str) -> Manifest:
    files = {FILE: text.encode(), **{f"configs/line/{name}.yaml": other.encode() for name, other in beside.items()}}
    return Manifest.load(files.__getitem__, FILE, container, tuple(files))


def changed_lines(before: str, after: str) -> list[tuple[str, str]]:
    return [(old, new) for old, new in zip(before.splitlines(), after.splitlines(), strict=True) if old != new]


def edited(manifest: Manifest, **update: object) -> str:
    return manifest.with_workload(manifest.workload.model_copy(update=update)).texts[FILE]


def test_the_workload_is_what_the_container_starts() -> None:
    assert loaded(DEPLOYMENT).workload == Workload(
        image="registry.example.com/triton@sha256:abc",
        command=("tritonserver",),
        arguments=("--model-repository=/models", "--http-thread-count", "8", "--log-verbose=0"),
        environment={"LEVEL": "info", "MALLOC": "glibc"},
        files={
            "/models/line/config.pbtxt": 'name: "line"   # keep\nmax_batch_size: 1\n\n# the end\n',
            "/models/line/other.txt": "one line\n",
        },
        resources=Resources(cpu=1, memory=1 << 30, gpus={"nvidia.com/mig-1g.10gb": 1}),
        replicas=1,
    )


def test_an_unchanged_workload_gives_the_same_bytes() -> None:
    manifest = loaded(DEPLOYMENT)
    again = manifest.with_workload(Workload.model_validate_json(manifest.workload.model_dump_json()))
    assert again.texts[FILE] == DEPLOYMENT
    assert again.digest == manifest.digest
    assert manifest.diff(again) == ""


def test_one_argument_is_one_line() -> None:
    manifest = loaded(DEPLOYMENT)
    arguments = ("--model-repository=/models", "--http-thread-count", "4", "--log-verbose=1")
    assert changed_lines(DEPLOYMENT, edited(manifest, arguments=arguments)) == [
        ('          - "8"', '          - "4"'),
        ("          - --log-verbose=0", "          - --log-verbose=1"),
    ]


def test_arguments_are_added_and_taken_away() -> None:
    manifest = loaded(DEPLOYMENT)
    more = edited(manifest, arguments=(*manifest.workload.arguments, "--rate-limit=off", "--exit-on-error=true"))
    assert "          - --log-verbose=0\n          - --rate-limit=off\n          - --exit-on-error=true\n" in more
    fewer = edited(manifest, arguments=manifest.workload.arguments[:1])
    assert "        args:\n          - --model-repository=/models   # mounted below\n        env:" in fewer


def test_environment_keeps_its_quotes_and_comments() -> None:
    manifest = loaded(DEPLOYMENT)
    text = edited(manifest, environment={"LEVEL": "it's", "MALLOC": "jemalloc", "NEW": "yes"})
    assert "          value: 'it''s'\n" in text
    assert '        - {name: MALLOC, value: "jemalloc"}   # or jemalloc\n' in text
    assert 'key: token}\n        - name: NEW\n          value: "yes"\n' in text


def test_a_config_map_keeps_its_literal_block() -> None:
    manifest = loaded(DEPLOYMENT)
    path = "/models/line/config.pbtxt"
    files = {**manifest.workload.files, path: manifest.workload.files[path].replace("size: 1", "size: 8")}
    assert changed_lines(DEPLOYMENT, edited(manifest, files=files)) == [
        ("    max_batch_size: 1", "    max_batch_size: 8")
    ]


@pytest.mark.parametrize("header", ["|", "|-", "|+", "|2", ">", ">-", "| # a comment"])
@pytest.mark.parametrize(
    "content", ["a: 1\n", "a: 1", "  indented\nnot\n", "a\n\n\n", "\n\na\n", "ä # b: {\n", "", "\n"]
)
def test_any_text_survives_any_kind_of_block(header: str, content: str) -> None:
    manifest = loaded(DEPLOYMENT.replace("config.pbtxt: |", f"config.pbtxt: {header}"))
    files = {**manifest.workload.files, "/models/line/config.pbtxt": content}
    result = manifest.with_workload(manifest.workload.model_copy(update={"files": files}))
    assert result.workload.files == files
    assert ("# a comment" in result.texts[FILE]) == ("comment" in header)


def test_resources_keep_their_type_and_their_relation() -> None:
    manifest = loaded(DEPLOYMENT)
    resources = Resources(cpu=2, memory=2 << 30, gpus={"nvidia.com/mig-1g.10gb": 2})
    assert changed_lines(DEPLOYMENT, edited(manifest, resources=resources)) == [
        ("            memory: 1Gi      # measured in May", "            memory: 2Gi      # measured in May"),
        (
            '          limits: {cpu: 1, memory: "1Gi", nvidia.com/mig-1g.10gb: 1}',
            '          limits: {cpu: 2, memory: "2Gi", nvidia.com/mig-1g.10gb: 2}',
        ),
    ]


def test_a_request_never_exceeds_its_limit() -> None:
    manifest = loaded(DEPLOYMENT)
    text = edited(manifest, resources=manifest.workload.resources.model_copy(update={"cpu": 0.25}))
    assert "            cpu: 250m\n" in text
    assert "limits: {cpu: 250m," in text


def test_one_gpu_takes_the_place_of_another() -> None:
    manifest = loaded(DEPLOYMENT)
    resources = manifest.workload.resources.model_copy(update={"gpus": {"nvidia.com/gpu": 1}})
    assert 'limits: {cpu: 1, memory: "1Gi", nvidia.com/gpu: "1"}' in edited(manifest, resources=resources)


def test_what_the_manifest_lacks_is_added_where_it_belongs() -> None:
    manifest = loaded(DEPLOYMENT, "sidecar")
    workload = Workload(
        image="proxy:2",
        arguments=("--x=1",),
        environment={"A": "1"},
        resources=Resources(cpu=0.5, memory=512 << 20),
        replicas=3,
        node_selector={"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"},
    )
    result = manifest.with_workload(workload)
    assert result.workload == workload
    assert "spec:\n  replicas: 3\n  selector:" in result.texts[FILE]
    assert manifest.with_workload(workload).with_workload(workload) == result


def test_node_labels_are_set() -> None:
    text = DEPLOYMENT.replace(
        "      terminationGrace",
        "      nodeSelector: {nvidia.com/gpu.product: A100, pool: gpu}\n      terminationGrace",
    )
    manifest = loaded(text)
    assert manifest.workload.node_selector == {"nvidia.com/gpu.product": "A100", "pool": "gpu"}
    after = edited(manifest, node_selector={"nvidia.com/gpu.product": "H100", "pool": "gpu"})
    assert changed_lines(text, after) == [
        (
            "      nodeSelector: {nvidia.com/gpu.product: A100, pool: gpu}",
            "      nodeSelector: {nvidia.com/gpu.product: H100, pool: gpu}",
        )
    ]


def test_a_rollout_is_edited_alike() -> None:
    text = DEPLOYMENT.replace("apps/v1", "argoproj.io/v1alpha1").replace("kind: Deployment", "kind: Rollout")
    text = text.replace("spec:\n  selector", "spec:\n  replicas: 2\n  selector")
    assert changed_lines(text, edited(loaded(text), replicas=5)) == [("  replicas: 2", "  replicas: 5")]


def test_a_config_map_may_be_in_a_file_beside() -> None:
    config, deployment = DEPLOYMENT.split("---\n")
    manifest = loaded(deployment, config=config, service="kind: Service\nmetadata: {name: line}\n")
    assert set(manifest.texts) == {FILE, "configs/line/config.yaml"}
    files = {**manifest.workload.files, "/models/line/other.txt": "two\nlines\n"}
    result = manifest.with_workload(manifest.workload.model_copy(update={"files": files}))
    assert result.texts[FILE] == deployment
    assert changed_lines(config, result.texts["configs/line/config.yaml"]) == [
        ('  other.txt: "one line\\n"', '  other.txt: "two\\nlines\\n"')
    ]
    assert manifest.diff(result).startswith("--- a/configs/line/config.yaml\n+++ b/configs/line/config.yaml\n@@")


def test_a_mount_may_name_one_file_or_rename_it() -> None:
    mount = DEPLOYMENT.replace("mountPath: /models/line}", "mountPath: /etc/one.txt, subPath: other.txt}")
    assert set(loaded(mount).workload.files) == {"/etc/one.txt"}
    renamed = DEPLOYMENT.replace(
        "          name: line-triton\n",
        "          name: line-triton\n          items: [{key: other.txt, path: a/b.txt}]\n",
    )
    assert loaded(renamed).workload.files == {"/models/line/a/b.txt": "one line\n"}
    projected = DEPLOYMENT.replace(
        "        configMap:\n          name: line-triton\n",
        "        projected: {sources: [{configMap: {name: line-triton}}]}\n",
    )
    assert len(loaded(projected).workload.files) == 2


def test_line_ends_of_another_system_are_kept() -> None:
    text = DEPLOYMENT.replace("\n", "\r\n")
    manifest = loaded(text)
    path = "/models/line/config.pbtxt"
    files = {**manifest.workload.files, path: manifest.workload.files[path] + "a: 1\n"}
    result = edited(manifest, files=files, replicas=4, environment={**manifest.workload.environment, "A": "b"})
    assert "\n" not in result.replace("\r\n", "")


def test_an_anchor_that_the_edit_would_spread_is_refused() -> None:
    text = DEPLOYMENT.replace("            cpu: 500m", "            cpu: &cpu 500m").replace("{cpu: 1,", "{cpu: *cpu,")
    manifest = loaded(text)
    with pytest.raises(UserError, match=r"deployment\.yaml:\d+:\d+: .* anchor"):
        edited(manifest, resources=manifest.workload.resources.model_copy(update={"cpu": 2.0}))
    assert "replicas: 3" in edited(manifest, replicas=3)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (DEPLOYMENT.replace("kind: Deployment", "kind: CronJob"), f"{FILE}:2:1: the file has no Deployment or Rollout"),
        (DEPLOYMENT.replace("name: server ", "name: servant "), f"{FILE}:2:1: no container is called 'server'"),
        (
            DEPLOYMENT.replace("name: line-triton }", "name: other }"),
            f"{FILE}:56:11: the ConfigMap 'line-triton' is missing",
        ),
        (DEPLOYMENT.replace("          value: 'info'", "          value: 1"), f"{FILE}:38:18: env.0.value is no text"),
        (DEPLOYMENT.replace("cpu: 500m", "cpu: [").replace("1, memory", "1, memory"), f"{FILE}:"),
        (DEPLOYMENT.replace("{cpu: 1,", "{cpu: lots,"), "'lots' is not a CPU quantity"),
        (
            DEPLOYMENT.replace("spec:\n  selector", "spec:\n  replicas: two\n  selector"),
            f"{FILE}:19:13: replicas is no",
        ),
        (DEPLOYMENT + "---\n" + DEPLOYMENT.split("---\n")[1], "a second container is called 'server'"),
        (DEPLOYMENT.replace("  name: line\n", "  name: line\n  name: twice\n", 1), "'name' stands here twice"),
        ("a: [" * 200 + "]" * 200, "nested too deep"),
        ("a: b: c", f"{FILE}:1:5: not YAML"),
        ("\tx: 1", f"{FILE}:1:1: not YAML"),
    ],
)
def test_mistakes_have_their_place(text: str, complaint: str) -> None:
    with pytest.raises(UserError, match=re.escape(complaint)):
        loaded(text)


def test_an_alias_bomb_is_refused_quickly() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
    )
    with pytest.raises(UserError, match="too large or nested too deep"):
        loaded(DEPLOYMENT + "---\n" + bomb)


def test_missing_files_and_other_encodings_are_told() -> None:
    with pytest.raises(UserError, match="there is no such file"):
        Manifest.load(dict[str, bytes]().__getitem__, FILE, "server")
    with pytest.raises(UserError, match="not UTF-8 at byte 3"):
        Manifest.load(lambda _: b"a: \xff", FILE, "server")


@pytest.mark.parametrize(
    ("update", "complaint"),
    [
        ({"environment": {"LEVEL": "info", "MALLOC": "glibc", "TOKEN": "x"}}, r":40:11: TOKEN comes from valueFrom"),
        ({"environment": {"LEVEL": "$(TOKEN)", "MALLOC": "glibc"}}, r":37:11: '\$\(TOKEN\)' holds \$\("),
        ({"files": {"/etc/new": "x"}}, "no ConfigMap is mounted for /etc/new"),
        ({"resources": Resources(memory=1 << 30)}, "the limit of cpu cannot be taken away"),
    ],
)
def test_what_cannot_be_written_is_told(update: dict[str, object], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint) as error:
        edited(loaded(DEPLOYMENT), **update)
    assert FILE in str(error.value)


def test_the_demo_service_is_read() -> None:
    root = Path(__file__).resolve().parent.parent.parent
    manifest = Manifest.load(
        lambda path: (root / path).read_bytes(), "configs/text-orientation/deployment.yaml", "triton"
    )
    assert manifest.workload.resources == Resources(cpu=1, memory=1 << 30)
    assert list(manifest.workload.files) == ["/models/text-orientation/config.pbtxt"]


TEXT = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=12).filter(
    lambda text: "$(" not in text
)
CONTENT = st.text(st.sampled_from(list("ab:#{}[]'\"- \n|>&*%@é")), max_size=30)
ARGUMENT = st.one_of(st.sampled_from(["--a", "--a=1", "--b=2", "8", "yes", "null"]), TEXT)


@st.composite
def workloads(draw: st.DrawFn) -> Workload:
    """Anything that a candidate may make of the manifest's workload."""
    now = loaded(DEPLOYMENT).workload
    return Workload(
        image=now.image,
        command=now.command,
        arguments=tuple(draw(st.lists(ARGUMENT, max_size=6))),
        environment={
            **{name: draw(TEXT) for name in now.environment},
            **draw(st.dictionaries(st.sampled_from(["A", "B_C"]), TEXT, max_size=2)),
        },
        files={path: draw(CONTENT) for path in now.files},
        resources=Resources(
            cpu=draw(st.sampled_from([0.25, 1, 1.5, 4])),
            memory=draw(st.sampled_from([1 << 29, 1 << 30, 3 << 30, 1000])),
            gpus=draw(st.sampled_from([{}, {"nvidia.com/mig-1g.10gb": 3}, {"nvidia.com/gpu": 1}])),
        ),
        replicas=draw(st.integers(0, 9)),
        node_selector=draw(st.dictionaries(st.sampled_from(["a/b", "c"]), st.sampled_from(["x", "true"]), max_size=2)),
    )


def untouched(text: str) -> object:
    """Everything of the documents that no workload describes, as another YAML library reads it."""
    config, deployment = yaml.safe_load_all(text)
    deployment["spec"].pop("replicas", None)
    pod = deployment["spec"]["template"]["spec"]
    pod.pop("nodeSelector", None)
    server = pod["containers"][1]
    secret = [entry for entry in server["env"] if "valueFrom" in entry]
    for name in ("args", "env", "resources"):
        server.pop(name, None)
    return [{**config, "data": list(config["data"])}, deployment, secret]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(workload=workloads())
def test_any_edit_changes_only_what_it_has_to(workload: Workload) -> None:
    result = loaded(DEPLOYMENT).with_workload(workload)
    text = result.texts[FILE]
    assert result.workload == workload
    assert untouched(text) == untouched(DEPLOYMENT)
    kept = ("# owned by the documents team", "# two blanks, kept", "# the one that is tuned", "# measured in May")
    assert all(comment in text for comment in (*kept, "# or jemalloc", "# how changes reach production"))
    assert "  annotations: {  example.com/odd: 'it''s'  }   # two blanks, kept\n" in text
    assert "        unknownField: [1,2,   3]\n" in text
    back = result.with_workload(loaded(DEPLOYMENT).workload)
    assert back.workload == loaded(DEPLOYMENT).workload


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    cut=st.tuples(st.integers(0, len(DEPLOYMENT)), st.integers(0, 40)),
    new=st.one_of(
        st.text(st.sampled_from(list("ab:#{}[]'\"- \n\t|>&*%!~0é\x00")), max_size=8), st.just("\n    - - x\n")
    ),
)
def test_a_damaged_manifest_is_read_or_is_a_mistake(cut: tuple[int, int], new: str) -> None:
    start, length = cut
    text = DEPLOYMENT[:start] + new + DEPLOYMENT[start + length :]
    assert FILE in outcome_of(text)


KINDS_OF_VALUE = st.sampled_from(["[]", "{}", "x", "1", "[x]", "{a: b}", "null", "true", "[{}]", "[[]]", '"$(A)"'])


@settings(max_examples=150, deadline=None)
@given(key=st.sampled_from(sorted(set(re.findall(r"(?m)^ +(?:- )?(\w+):", DEPLOYMENT)))), value=KINDS_OF_VALUE)
def test_a_value_of_the_wrong_kind_is_a_mistake_or_harmless(key: str, value: str) -> None:
    lines = DEPLOYMENT.splitlines()
    index = next(n for n, line in enumerate(lines) if re.match(rf" +(- )?{key}:", line))
    indent = len(lines[index]) - len(lines[index].lstrip(" -"))
    end = next(
        (n for n in range(index + 1, len(lines)) if len(lines[n]) - len(lines[n].lstrip(" ")) <= indent - 2), len(lines)
    )
    inner = next((n for n in range(index + 1, end) if re.match(rf" {{0,{indent}}}[\w-]", lines[n])), end)
    text = "\n".join([*lines[:index], f"{lines[index].split(':')[0]}: {value}", *lines[inner:]]) + "\n"
    assert FILE in outcome_of(text)


def outcome_of(text: str) -> str:
    """The files read, or what is said about them; anything but a UserError is a fault."""
    try:
        return str(list(loaded(text).texts))
    except UserError as error:
        return str(error)
