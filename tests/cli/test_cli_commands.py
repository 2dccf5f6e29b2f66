"""The command line as a person meets it: what it prints, how it exits, what it says to a mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from tests.campaign.service import MANIFEST, MANIFEST_PATH, SPEC_PATH, Service, spec_text
from tuner.cli.output import EXIT_CODES

ROOT = Path(__file__).parents[2]


def test_every_command_is_documented(tmp_path: Path) -> None:
    written = tmp_path / "commands.md"
    typer = str(Path(sys.executable).with_name("typer"))
    command = [typer, "tuner.cli.app", "utils", "docs", "--name", "tuner", "--output", str(written)]
    subprocess.run(command, check=True, capture_output=True)
    assert written.read_text() == (ROOT / "docs/commands.md").read_text(), "run `make docs`"


def test_exit_codes_are_in_the_help(service: Service) -> None:
    shown = " ".join(service.tuner("--help").stdout.split())
    assert all(meaning in shown for meaning in EXIT_CODES.values())


def test_the_schema_accepts_the_spec(service: Service) -> None:
    schema = json.loads(service.tuner("schema").stdout)
    jsonschema.validate(yaml.safe_load(spec_text()), schema)


def test_validate_says_how_many_are_valid(service: Service) -> None:
    out = service.tuner("validate", str(service.repository / "configs")).stdout
    assert "1 valid, 0 mistakes" in out


def test_validate_names_every_mistake_with_its_place(service: Service) -> None:
    path = service.repository / SPEC_PATH
    path.write_text(spec_text().replace("p50: 50ms", "p50: 50").replace("trials:", "trails:"))
    done = service.tuner("validate", str(path), expect=2)
    lines = [line for line in done.stdout.splitlines() if line.startswith(f"{path}:")]
    assert len(lines) == 2
    assert any("trials" in line and "trails" in line for line in lines)
    assert any("50ms" in line for line in lines)
    told = json.loads(service.tuner("validate", str(path), "--json", expect=2).stdout)
    assert [problem["line"] for problem in told["problems"]] == [int(line.split(":")[1]) for line in lines]


def test_validate_checks_policies_quota_and_waivers_too(service: Service) -> None:
    folder = service.root / "policies"
    folder.mkdir()
    (folder / "broken.rego").write_text("package broken\n\ndeny contains if {\n")
    (folder / "quota.yaml").write_text("quotas: 3\n")
    (folder / "waivers.yaml").write_text(
        "apiVersion: tuner/v1alpha1\nkind: Waivers\nwaivers:\n  - { rule: cost, service: echo }\n"
    )
    done = service.tuner("validate", str(service.repository / SPEC_PATH), "--policies", str(folder), expect=2)
    for place in ("broken.rego:", "quota.yaml:1:", "waivers.yaml:4:"):
        assert place in done.stdout, "every file's mistakes are told at once"


def test_init_writes_a_spec_that_validates(service: Service) -> None:
    manifest = service.repository / MANIFEST_PATH
    target = manifest.with_name("tuning-first.yaml")
    service.tuner("init", str(manifest), "--engine", "simulator", "-o", str(target))
    service.tuner("validate", str(target))
    again = service.tuner("init", str(manifest), "--engine", "simulator", "-o", str(target), expect=2)
    assert "is there already" in again.stderr


def test_plan_runs_nothing_and_says_what_would_be_run(service: Service) -> None:
    plan = json.loads(service.tuner("plan", str(service.repository / SPEC_PATH), "--json").stdout)
    assert plan["space"] == 12
    assert plan["trials"] == 4
    assert plan["minutes"] > 0
    assert {parameter["name"] for parameter in plan["parameters"]} == {"instances", "max_batch_size"}
    shown = service.tuner("plan", str(service.repository / SPEC_PATH)).stdout
    assert "12 configurations" in shown
    assert "p50 at 90% confidence needs 4 requests in one load" in shown
    assert "no capacity below 20/s can be certified" in " ".join(shown.split())
    assert not (service.state / "campaigns").exists()


def test_doctor_says_clearly_that_there_is_no_gpu(service: Service) -> None:
    told = json.loads(service.tuner("doctor", "--json").stdout)
    gpu = next(finding for finding in told["findings"] if finding["what"] == "gpu")
    if not told["hardware"]["gpus"]["gpus"]:
        assert gpu["ok"] is False
        assert "no " in gpu["detail"]


def test_doctor_says_which_disturbances_this_machine_can_tell(service: Service) -> None:
    told = {one["what"]: one for one in json.loads(service.tuner("doctor", "--json").stdout)["findings"]}
    for source in ("interference", "pressure", "throttling", "cpu clock"):
        assert told[source]["ok"] or "not " in told[source]["detail"]


def test_the_key_is_made_once_and_printed_as_an_allowed_signer(service: Service) -> None:
    line = service.tuner("audit", "key").stdout
    assert line == (service.repository / "audit/allowed_signers").read_text()


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({SPEC_PATH: spec_text().replace("deployment.yaml", "missing.yaml")}, f"{SPEC_PATH}:4:"),
        ({SPEC_PATH: spec_text().replace("container: simulator", "container: other")}, "other"),
        ({SPEC_PATH: spec_text().replace("engine: simulator", "engine: simulater")}, "simulator"),
        ({SPEC_PATH: spec_text().replace("samples: samples", "samples: nowhere")}, f"{SPEC_PATH}:9:"),
        ({SPEC_PATH: spec_text().replace("model: model", "model: ../../../etc")}, f"{SPEC_PATH}:4:"),
        ({MANIFEST_PATH: "kind: [\n"}, f"{MANIFEST_PATH}:"),
        ({MANIFEST_PATH: MANIFEST.replace("    limits: ", "    limit: ").replace('cpu: "1", ', "")}, "limit"),
        ({"configs/echo/samples/x.npy": b"not an array"}, "x.npy"),
        ({"configs/echo/samples/x.npy": b""}, "x.npy"),
        ({"policies/broken.rego": "package broken\n\ndeny contains if {\n"}, "broken.rego"),
        ({"policies/quota.yaml": "quotas: 3\n"}, "policies/quota.yaml:1:"),
        ({"policies/data.yaml": "limits: {}\n"}, "it would have no effect"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value,
)
def test_a_mistake_is_named_before_anything_runs(service: Service, files: dict[str, str | bytes], told: str) -> None:
    service.write(files)
    done = service.tuner("run", str(service.repository / SPEC_PATH), expect=2)
    assert told in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert service.strays() == []
    assert service.git("branch", "--list", "tuner/*") == ""


@pytest.mark.parametrize("path", [SPEC_PATH, MANIFEST_PATH, "configs/echo/samples/x.npy", "configs/echo/model/README"])
def test_a_link_in_the_repository_is_refused(service: Service, path: str) -> None:
    file = service.repository / path
    file.unlink()
    file.symlink_to("/etc/passwd")
    service.git("add", "--all")
    service.git("commit", "--quiet", "--message", "a link")
    done = service.tuner("run", str(service.repository / SPEC_PATH), expect=2)
    assert "is a symbolic link" in done.stderr
    assert "root:" not in done.stderr


def test_what_is_not_committed_is_not_run(service: Service) -> None:
    path = service.repository / SPEC_PATH
    path.write_text(spec_text(trials=9))
    assert "commit" in service.tuner("run", str(path), expect=2).stderr


def test_a_folder_without_git_is_told_so(service: Service) -> None:
    outside = service.root / "outside"
    outside.mkdir()
    (outside / "tuning.yaml").write_text(spec_text())
    done = service.tuner("run", str(outside / "tuning.yaml"), expect=2)
    assert "not" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_pull_request_and_an_unknown_campaign_are_told_so(service: Service) -> None:
    repo = ("--repo", str(service.repository))
    assert "7" in service.tuner("pr", "show", "7", *repo, expect=2).stderr
    assert "nothing-here" in service.tuner("audit", "verify", "nothing-here", *repo, expect=2).stderr


def test_watch_names_one_broken_spec_and_still_sees_the_others(service: Service) -> None:
    service.git("rm", "--quiet", SPEC_PATH)
    service.write({"configs/a/tuning.yaml": "kind: Nothing\n", "configs/b/tuning.yml": "also: wrong\n"})
    done = service.tuner("watch", str(service.repository), "--once", expect=2)
    assert "configs/a/tuning.yaml:" in done.stderr
    assert "configs/b/tuning.yml:" in done.stderr


def test_policies_that_are_links_are_refused_rather_than_passed_over(service: Service) -> None:
    folder = service.repository / "policies"
    folder.mkdir()
    (folder / "own.rego").symlink_to("/etc/passwd")
    service.git("add", "--all")
    service.git("commit", "--quiet", "--message", "a link")
    assert "no plain file" in service.tuner("run", str(service.repository / SPEC_PATH), expect=2).stderr


def test_a_mistake_that_was_mended_in_the_manifest_is_not_kept(service: Service) -> None:
    """The spec's commit stays the same; what was read before anything was measured is read again."""
    broken = MANIFEST.replace('limits: {cpu: "1", memory: 256Mi}', "limits: {memory: 256Mi}")
    service.write({MANIFEST_PATH: broken})
    assert "CPU" in service.tuner("run", str(service.repository / SPEC_PATH), expect=2).stderr
    assert list(service.state.glob("campaigns/*/ledger.jsonl")) == []


def test_folders_and_foreign_places_are_mistakes_not_tracebacks(service: Service) -> None:
    folder = service.repository / "configs/echo"
    assert "this is a folder" in service.tuner("run", str(folder), expect=2).stderr
    assert "no such folder" in service.tuner("validate", str(folder), "--policies", "nowhere", expect=2).stdout
    assert "there is no folder" in service.tuner("watch", "./nowhere", "--once", expect=2).stderr
    unwritable = service.root / "nowhere" / "tuning.yaml"
    done = service.tuner("init", str(service.repository / MANIFEST_PATH), "-o", str(unwritable), expect=None)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr


def test_plan_takes_any_way_to_the_spec(service: Service) -> None:
    winding = service.repository / "configs" / ".." / SPEC_PATH
    assert "12 configurations" in service.tuner("plan", str(winding)).stdout


def test_watch_gives_one_json_document_whatever_it_finds(service: Service) -> None:
    service.git("rm", "--quiet", SPEC_PATH)
    service.write({"configs/a/tuning.yaml": "kind: Nothing\n"})
    told = json.loads(service.tuner("watch", str(service.repository), "--once", "--json", expect=2).stdout)
    assert [one["exit"] for one in told] == [2]
    assert "configs/a/tuning.yaml:" in told[0]["error"][0]
