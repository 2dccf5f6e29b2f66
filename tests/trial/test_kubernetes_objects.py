"""What a trial on a cluster is made of: the service's own template, a list of differences, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.engine.triton.engine import TritonEngine
from tuner.engine.workload import Resources
from tuner.errors import PermanentError
from tuner.manifest.manifest import Manifest
from tuner.manifest.template import PodTemplate
from tuner.space.assignment import Assignment
from tuner.trial.kubernetes import objects as objects_module
from tuner.trial.kubernetes.difference import ALLOWED, differences, unlisted
from tuner.trial.kubernetes.objects import LEASE, MANAGED, TRIAL, Staging, TrialObjects, objects_of

ROOT = Path(__file__).parents[2]
STAGING = Staging("staging", priority_class="tuner-trial")

MANIFEST = dedent("""
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: settings}
    data:
      settings.json: |
        {"instances": 1}
    ---
    apiVersion: argoproj.io/v1alpha1
    kind: Rollout
    metadata: {name: detector, labels: {app: detector}}
    spec:
      replicas: 4
      strategy: {canary: {steps: [{setWeight: 10}]}}
      selector: {matchLabels: {app: detector}}
      template:
        metadata:
          labels: {app: detector}
          annotations: {scrape: "true"}
        spec:
          serviceAccountName: detector
          priorityClassName: production
          nodeSelector: {zone: a}
          tolerations: [{key: nvidia.com/gpu, operator: Exists}]
          imagePullSecrets: [{name: registry}]
          containers:
            - name: server
              image: example/server:1
              args: [--config, /etc/server/settings.json]
              ports: [{name: http, containerPort: 8080, protocol: TCP}]
              env:
                - {name: TOKEN, valueFrom: {secretKeyRef: {name: production, key: token}}}
                - {name: MODE, value: fast}
              envFrom: [{secretRef: {name: production}}, {configMapRef: {name: elsewhere}}]
              resources: {limits: {cpu: "1", memory: 1Gi, nvidia.com/mig-1g.10gb: "1"}}
              volumeMounts:
                - {name: settings, mountPath: /etc/server}
                - {name: keys, mountPath: /keys}
          volumes:
            - {name: settings, configMap: {name: settings}}
            - {name: keys, projected: {sources: [{secret: {name: production}}]}}
            - {name: more-keys, secret: {secretName: production}}
""")


def manifest(text: str = MANIFEST) -> Manifest:
    return Manifest.load(lambda _: text.encode(), "service.yaml", "server")


def made(template: PodTemplate, *, lease: str = "lease", trial: str = "0001") -> TrialObjects:
    return objects_of(template, STAGING, lease=lease, trial=trial)


def found(objects: TrialObjects, kind: str) -> Any:
    return next(body for _, body in objects.owned if body["kind"] == kind)


def test_the_template_is_that_of_the_manifest_with_what_it_mounts() -> None:
    template = PodTemplate.of(manifest())
    assert (template.service, template.container) == ("detector", "server")
    assert template.pod["spec"]["containers"][0]["env"][1] == {"name": "MODE", "value": "fast"}
    assert template.configuration == {"settings": {"data": {"settings.json": '{"instances": 1}\n'}}}


def test_the_digest_is_that_of_what_runs_and_not_of_how_it_is_written() -> None:
    digest = PodTemplate.of(manifest()).digest
    same = [
        MANIFEST.replace("replicas: 4", "replicas: 9"),
        MANIFEST.replace("image: example/server:1", "image: 'example/server:1'   # as before"),
        MANIFEST.replace("kind: Rollout", "kind: Deployment").replace("argoproj.io/v1alpha1", "apps/v1"),
    ]
    assert {PodTemplate.of(manifest(text)).digest for text in same} == {digest}
    others = [
        MANIFEST.replace("server:1", "server:2"),
        MANIFEST.replace('"instances": 1', '"instances": 2'),
        MANIFEST.replace("zone: a", "zone: b"),
    ]
    assert len({digest, *(PodTemplate.of(manifest(text)).digest for text in others)}) == 4


def test_a_trial_runs_what_the_edited_manifest_says() -> None:
    """The code that edits the manifest for the pull request makes the trial's template, too."""
    text = (ROOT / "configs/text-orientation/deployment.yaml").read_bytes()
    before = Manifest.load(lambda _: text, "deployment.yaml", "triton")
    engine = TritonEngine()
    workload = engine.apply(Assignment({"max_batch_size": 8, "instance_count": 2}), before.workload)
    edited = before.with_workload(workload.model_copy(update={"resources": Resources(cpu=2, memory=2**31)}))
    objects = made(PodTemplate.of(edited))
    assert objects.template == PodTemplate.of(edited).digest != PodTemplate.of(before).digest
    trial = found(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    assert trial["resources"]["limits"] == {"cpu": "2", "memory": "2Gi"}
    assert "max_batch_size: 8" in found(objects, "ConfigMap")["data"]["config.pbtxt"]


def test_slices_selectors_and_tolerations_reach_the_pod() -> None:
    before = manifest()
    resources = before.workload.resources.model_copy(update={"gpus": {"nvidia.com/mig-2g.20gb": 1}})
    labels = {"zone": "a", "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}
    edited = before.with_workload(before.workload.model_copy(update={"resources": resources, "node_selector": labels}))
    pod = found(made(PodTemplate.of(edited)), "Deployment")["spec"]["template"]["spec"]
    limits = pod["containers"][0]["resources"]["limits"]
    assert {name: count for name, count in limits.items() if "/" in name} == {"nvidia.com/mig-2g.20gb": "1"}
    assert pod["nodeSelector"] == labels
    assert pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists"}]


def test_nothing_differs_but_what_is_listed() -> None:
    template = PodTemplate.of(manifest())
    pod = found(made(template), "Deployment")["spec"]["template"]
    changed = set(differences(template.pod, pod))
    assert "metadata.labels.app" in changed
    assert "spec.volumes[0].configMap.name" in changed
    assert not [path for path in changed if path.startswith(("spec.containers[0].image", "spec.containers[0].resou"))]
    assert unlisted(template.pod, pod) == ()
    assert all(allowed.why for allowed in ALLOWED)


def test_no_secret_and_no_right_of_production_reaches_a_trial() -> None:
    pod = found(made(PodTemplate.of(manifest())), "Deployment")["spec"]["template"]
    spec = pod["spec"]
    assert "production" not in json.dumps(spec)
    assert "serviceAccountName" not in spec
    assert spec["automountServiceAccountToken"] is False
    assert spec["priorityClassName"] == "tuner-trial"
    secrets = [
        spec["containers"][0]["env"][0]["valueFrom"]["secretKeyRef"],
        spec["containers"][0]["envFrom"][0]["secretRef"],
        spec["volumes"][1]["projected"]["sources"][0]["secret"],
        spec["volumes"][2]["secret"],
    ]
    assert all(each["optional"] for each in secrets)
    assert pod["metadata"]["labels"].keys() & {"app"} == set()
    assert pod["metadata"]["annotations"] == {"scrape": "true"}


def test_a_difference_that_is_not_listed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def meddling(value: Any) -> Any:
        value["containers"][0]["image"] = "example/another:1"
        return iter(())

    monkeypatch.setattr(objects_module, "_secrets", meddling)
    with pytest.raises(PermanentError, match=r"spec\.containers\[0\]\.image would differ"):
        made(PodTemplate.of(manifest()))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "y", "z"]), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, JSON)
def test_values_without_a_difference_are_equal(one: Any, other: Any) -> None:
    assert (list(differences(one, other)) == []) == (
        json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    )
    assert sorted(differences(one, other)) == sorted(differences(other, one)) or isinstance(one, dict | list)


def test_everything_of_a_trial_has_its_label_and_its_owner() -> None:
    objects = made(PodTemplate.of(manifest()))
    assert objects.owner["metadata"]["labels"] == {**MANAGED, TRIAL: objects.name, LEASE: "lease"}
    kinds = []
    for path, body in objects.belonging_to("the-uid"):
        kinds.append(body["kind"])
        assert path.startswith(("/api/v1/namespaces/staging/", "/apis/"))
        assert path.endswith(f"/{body['metadata']['name']}")
        assert body["metadata"]["labels"] == {**MANAGED, TRIAL: objects.name}
        assert [(each["uid"], each["name"]) for each in body["metadata"]["ownerReferences"]] == [
            ("the-uid", objects.name)
        ]
    assert sorted(kinds) == ["ConfigMap", "Deployment", "NetworkPolicy", "Service"]
    assert found(objects, "Deployment")["spec"]["replicas"] == 1
    assert json.loads(objects.text)[0] == objects.owner


def test_names_follow_from_the_content() -> None:
    template = PodTemplate.of(manifest())
    other = PodTemplate.of(manifest(MANIFEST.replace("server:1", "server:2")))
    name = made(template).name
    assert made(template).name == name
    assert len({name, made(other).name, made(template, trial="0002").name, made(template, lease="b").name}) == 4
    assert len(name) <= 63


def test_only_load_reaches_a_trial() -> None:
    staging = Staging("staging", sources=("10.1.0.0/16",))
    objects = objects_of(PodTemplate.of(manifest()), staging, lease="lease", trial="0001")
    policy = found(objects, "NetworkPolicy")["spec"]
    assert policy["podSelector"] == {"matchLabels": {TRIAL: objects.name}}
    assert policy["ingress"][0]["from"][1] == {"ipBlock": {"cidr": "10.1.0.0/16"}}
