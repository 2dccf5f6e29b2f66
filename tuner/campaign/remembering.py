"""What earlier campaigns taught, and what this one teaches later ones. Experience helps; without it a search is cold.

What a search starts from is recorded, and copied into the campaign's folder, so that it can be repeated and resumed
from the record alone.
"""

from __future__ import annotations

from pathlib import Path

from tuner.campaign.event import ExperienceRecalled
from tuner.campaign.inputs import inside
from tuner.campaign.session import Session
from tuner.errors import PermanentError, TemporaryError, UserError
from tuner.experience.exchange import read_experience, written
from tuner.experience.features import Seen, features_of
from tuner.experience.model import Earlier
from tuner.experience.readings import tried_of
from tuner.experience.remembered import Remembered, grouped
from tuner.experience.store import ExperienceStore, store_url
from tuner.experience.words import hardware_words, load_words
from tuner.telemetry.logs import logger
from tuner.trial.folder import write_whole
from tuner.value import digest_of

__all__ = ["COPY", "about", "recalled", "remember"]

COPY = "experience.jsonl"
"""What the search started from, in the campaign's folder."""
FAMILY = "family"
"""The label of a spec that names services which resemble each other by construction."""

_log = logger("experience")


def recalled(session: Session) -> tuple[Earlier, ...]:
    """The experience that the campaign's search starts from; the same in every process of the campaign.

    The first call reads the store and the file that the spec names, keeps a copy and records its digest; later ones
    read the copy. What cannot be read is recorded with its reason, and the search does without it.
    """
    told = session.progress.experience
    if told is None:
        told, records = _first(session)
        session.journal.record(told)
        return grouped(records)
    if told.trials == 0:
        return ()
    try:
        return grouped(_copied(session.folder / COPY, told.digest))
    except (OSError, UserError) as error:
        reason = f"the copy of the experience that the search began with is lost: {error}"
        _log.warning("the search goes on without experience", reason=reason)
        session.journal.record(told.model_copy(update={"trials": 0, "services": 0, "digest": "", "reason": reason}))
        return ()


def remember(session: Session) -> None:
    """Keep every finished trial of the search for later campaigns. Doing it again changes nothing; it never fails."""
    this = about(session)
    taught = ((trial, tried_of(trial, session.inputs.spec.slo)) for trial in session.progress.trials.values())
    records = [
        Remembered(
            campaign=session.run,
            number=trial.number,
            ended=trial.ended,
            service=this.service,
            engine=this.engine,
            hardware=this.hardware,
            load=this.load,
            family=this.family,
            features=this.features,
            trial=tried,
        )
        for trial, tried in taught
        if tried is not None
    ]
    try:
        with ExperienceStore(_url(session)) as store:
            new = store.add(records)
    except (TemporaryError, PermanentError) as error:
        _log.warning("the experience of this campaign is not kept", reason=str(error))
    else:
        _log.info("experience kept", trials=len(records), new=new)


def about(session: Session) -> Earlier:
    """What this campaign's own trials belong to, without any trials."""
    inputs, told = session.inputs, session.progress.experience
    spec = inputs.spec
    local = session.started.backend == "process"
    return Earlier(
        service=spec.metadata.name,
        engine=session.started.engine,
        hardware=hardware_words(session.started.machine) if local else session.started.backend,
        load=load_words(spec.load, spec.slo, spec.objective, _contents(session)),
        family=spec.metadata.labels.get(FAMILY),
        features=told.features if told else _features(session).features,
        trials=(),
    )


def _first(session: Session) -> tuple[ExperienceRecalled, tuple[Remembered, ...]]:
    """Read what there is, here and in the repository, and keep a copy of it."""
    seen = _features(session)
    cold = ExperienceRecalled(features=seen.features, features_missing=seen.reason)
    if session.progress.trials:
        return cold.model_copy(update={"reason": "the search began before experience was read"}), ()
    known, reason = _known(session)
    records = tuple({record.key: record for record in (*session.inputs.experience, *known)}.values())
    content = written(records)
    try:
        write_whole(session.folder / COPY, content)
    except TemporaryError as error:
        reason, records = str(error), ()
    if reason:
        _log.warning("what earlier campaigns taught is not used", reason=reason)
    if not records:
        return cold.model_copy(update={"reason": reason}), ()
    services = len({record.service for record in records})
    learned = {"digest": digest_of(content), "trials": len(records), "services": services, "reason": reason}
    return cold.model_copy(update=learned), records


def _known(session: Session) -> tuple[tuple[Remembered, ...], str]:
    """What this machine remembers, or why that cannot be read."""
    try:
        with ExperienceStore(_url(session)) as store:
            return store.records(), ""
    except (TemporaryError, PermanentError) as error:
        return (), str(error)


def _copied(path: Path, digest: str) -> tuple[Remembered, ...]:
    """The records of the copy. OSError, UserError where it is not what was recorded."""
    content = path.read_bytes()
    if digest_of(content) != digest:
        raise UserError.of("it was changed", file=path.name)
    return read_experience(content, path.name)


def _contents(session: Session) -> list[str]:
    """Digests of the samples and of the trace."""
    inputs, load = session.inputs, session.inputs.spec.load
    written_paths = (load.payload.samples, *([load.arrivals.file] if load.arrivals.file else []))
    paths = [inside(inputs.folder, path) for path in written_paths]
    return [
        digest
        for file, digest in inputs.digests.items()
        if any(file == path or file.startswith(f"{path}/") for path in paths)
    ]


def _features(session: Session) -> Seen:
    return features_of(session.model)


def _url(session: Session) -> str:
    return store_url(session.parts.state, session.parts.storage_url)
