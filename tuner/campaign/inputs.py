"""Everything that a campaign reads, from one commit: spec, manifest, model, samples, policies, quota."""

from __future__ import annotations

import posixpath
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tuner.engine.protocol import Engine, HttpRequest
from tuner.engine.workload import Workload
from tuner.errors import TemporaryError, UserError
from tuner.experience.exchange import read_experience
from tuner.experience.remembered import Remembered
from tuner.load.arrivals import Arrivals, Trace
from tuner.load.trace import arrivals_of, read_trace
from tuner.manifest.landing import land, read_landed
from tuner.manifest.manifest import Manifest
from tuner.policy.bundle import PolicyBundle
from tuner.policy.embedded import check_policies
from tuner.policy.quota import QUOTA, QuotaEntry, parse_quota
from tuner.policy.waiver import WAIVERS
from tuner.repository.snapshot import Snapshot
from tuner.search.objective import Goal
from tuner.space.assignment import Assignment
from tuner.space.build import build_space
from tuner.space.space import Space
from tuner.spec.loading import LoadedSpec, load_spec
from tuner.spec.model import TuningSpec
from tuner.value import digest_of

__all__ = ["POLICIES", "QUOTA", "Inputs", "inside", "read_inputs"]

POLICIES = "policies"


@dataclass(frozen=True, slots=True)
class Inputs:
    """What one campaign rests on. ``digests`` names each file that was read, by its path in the repository."""

    loaded: LoadedSpec
    engine: Engine
    space: Space
    manifest: Manifest
    manifest_path: str
    deployed: Assignment
    """What the manifest says now."""
    baseline: Assignment
    """What candidates are compared with."""
    goal: Goal
    bundle: PolicyBundle
    quota: tuple[QuotaEntry, ...]
    digests: Mapping[str, str]
    snapshot: Snapshot
    folder: str
    """The spec's folder in the repository."""
    arrivals: Arrivals
    """How requests arrive; a trace is that of the commit."""
    experience: tuple[Remembered, ...] = ()
    """Earlier trials that are shipped with the spec."""

    @property
    def spec(self) -> TuningSpec:
        """The spec itself."""
        return self.loaded.spec

    def workload(self, assignment: Assignment) -> Workload:
        """The manifest's workload with the assignment applied: what a trial runs, and what is proposed."""
        own = {parameter.name for parameter in self.space.parameters if parameter.target.engine is not None}
        engine_part = Assignment({name: value for name, value in assignment.items() if name in own})
        landed = land(self.space.parameters, assignment, self.manifest.workload)
        return self.engine.apply(engine_part, landed)

    def model(self, scratch: Path) -> Path:
        """The model's folder or file on this machine; exported from the commit once."""
        written = self.spec.service.model
        if urlsplit(written).scheme == "file":
            path = Path(unquote(urlsplit(written).path))
            if not path.exists():
                raise UserError(
                    self.loaded.problem(("service", "model"), f"there is no {path}", "name an existing one")
                )
            return path
        return _exported(self.snapshot, inside(self.folder, written), scratch / "model")

    def requests(self, scratch: Path) -> tuple[HttpRequest, ...]:
        """The prepared requests, from the samples of the commit."""
        load = self.spec.load
        payload = load.payload
        samples = _exported(self.snapshot, inside(self.folder, payload.samples), scratch / "samples")
        return self.engine.requests(payload, samples, self.manifest.workload, load.protocol)


def inside(folder: str, path: str) -> str:
    """A path written in a spec, relative to the spec's folder, as a path of the repository."""
    return posixpath.normpath(posixpath.join(folder, path))


def read_inputs(snapshot: Snapshot, spec_path: str, engine_named: Callable[[str], Engine]) -> Inputs:
    """Read and check everything. UserError with every mistake that can be seen without starting a server."""
    loaded = load_spec(snapshot.read(spec_path), spec_path)
    spec = loaded.spec
    folder = posixpath.dirname(spec_path)
    try:
        engine = engine_named(spec.service.engine)
    except UserError as error:
        raise _at(loaded, ("service", "engine"), error) from error
    space = build_space(loaded, engine.parameters())
    manifest_path = inside(folder, spec.service.manifest)
    manifest = _manifest(snapshot, loaded, manifest_path)
    now = {**engine.read(manifest.workload), **read_landed(space.parameters, manifest.workload)}
    deployed = space.complete(now)
    files = _present(snapshot, loaded, folder)
    bundle = _bundle(snapshot)
    quota = parse_quota(snapshot.read(QUOTA), QUOTA) if snapshot.entry(QUOTA) else ()
    read = {spec_path, *manifest.texts, *(path for path in (QUOTA, WAIVERS) if snapshot.entry(path))}
    digests = {path: digest_of(snapshot.read(path)) for path in read} | _blobs(snapshot, files)
    return Inputs(
        loaded=loaded,
        engine=engine,
        space=space,
        manifest=manifest,
        manifest_path=manifest_path,
        deployed=deployed,
        baseline=_baseline(spec, space, deployed),
        goal=Goal(spec.objective, spec.slo, spec.prices, expected=spec.load.expected, counts=space.replicas),
        bundle=bundle,
        quota=quota,
        digests=dict(sorted(digests.items())),
        snapshot=snapshot,
        folder=folder,
        arrivals=arrivals_of(spec.load.arrivals, lambda path: _trace(snapshot, inside(folder, path))),
        experience=_experience(snapshot, spec, folder),
    )


def _manifest(snapshot: Snapshot, loaded: LoadedSpec, path: str) -> Manifest:
    if snapshot.entry(path) is None:
        what = f"the manifest {path} is not in the repository"
        raise UserError(loaded.problem(("service", "manifest"), what, "commit it, or name the file that is there"))
    folder = posixpath.dirname(path)
    beside = [other for other in snapshot.files(folder) if posixpath.dirname(other) == folder]
    return Manifest.load(snapshot.read, path, loaded.spec.service.container, beside)


def _baseline(spec: TuningSpec, space: Space, deployed: Assignment) -> Assignment:
    if spec.baseline.source == "engine":
        return space.defaults()
    if spec.baseline.source == "values":
        return space.complete(spec.baseline.values or {})
    return deployed


def _present(snapshot: Snapshot, loaded: LoadedSpec, folder: str) -> tuple[str, ...]:
    """The files of the model, the samples, the trace and the experience, where they are in the repository."""
    spec = loaded.spec
    found: list[str] = []
    places: list[tuple[tuple[str, ...], str]] = [
        (("service", "model"), spec.service.model),
        (("load", "payload", "samples"), spec.load.payload.samples),
    ]
    if spec.load.arrivals.file is not None:
        places.append((("load", "arrivals", "file"), spec.load.arrivals.file))
    if spec.search.experience is not None:
        places.append((("search", "experience"), spec.search.experience))
    for place, written in places:
        if urlsplit(written).scheme == "file":
            continue
        path = inside(folder, written)
        entry = snapshot.entry(path)
        if entry is None:
            raise UserError(
                loaded.problem(place, f"{path} is not in the repository", "commit it, or name what is there")
            )
        try:
            found += [path] if entry.regular else snapshot.files(path)
        except UserError as error:
            raise _at(loaded, place, error) from error
    return tuple(found)


def _trace(snapshot: Snapshot, path: str) -> Trace:
    return read_trace(snapshot.read(path), path)


def _experience(snapshot: Snapshot, spec: TuningSpec, folder: str) -> tuple[Remembered, ...]:
    if spec.search.experience is None:
        return ()
    path = inside(folder, spec.search.experience)
    return read_experience(snapshot.read(path), path)


def _blobs(snapshot: Snapshot, files: Iterable[str]) -> dict[str, str]:
    """Git's own name of each file's content: models may be too large to read into memory."""
    entries = ((path, snapshot.entry(path)) for path in files)
    return {path: f"git:{entry.sha}" for path, entry in entries if entry is not None}


def _bundle(snapshot: Snapshot) -> PolicyBundle:
    """The repository's own policies where it has any, else the shipped ones."""
    if snapshot.entry(POLICIES) is None:
        return PolicyBundle.default()
    listed = snapshot.files(POLICIES)
    found = [path for path in listed if path != QUOTA]
    hidden = sorted(path for path in snapshot.links(POLICIES) if path.endswith((".rego", ".json", ".yaml", ".yml")))
    if hidden:
        raise UserError.of("is no plain file, so it would not be read", "commit a copy of the policy", file=hidden[0])
    if not any(path.endswith(".rego") for path in found):
        data = [path for path in found if posixpath.basename(path) in ("data.json", "data.yaml", "data.yml")]
        if data:
            what = "there is data for policies but no policy, so it would have no effect"
            raise UserError.of(what, "add the .rego files that they belong to", file=data[0])
        return PolicyBundle.default()
    bundle = PolicyBundle.load({path.removeprefix(f"{POLICIES}/"): snapshot.read(path) for path in found})
    check_policies(bundle)
    return bundle


def _exported(snapshot: Snapshot, path: str, to: Path) -> Path:
    """The file or folder of the commit on this machine. TemporaryError where the disk does not let us."""
    try:
        if to.exists():
            shutil.rmtree(to)
    except OSError as error:
        raise TemporaryError(f"{to} cannot be written: {error.strerror or error}", delay=5.0) from error
    snapshot.export(path, to)
    return to


def _at(loaded: LoadedSpec, path: tuple[str | int, ...], error: UserError) -> UserError:
    return UserError(loaded.problem(path, problem.what, problem.fix) for problem in error.problems)
