"""A service's manifest as its owners wrote it: read for what it starts, changed in nothing else."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tuner.engine.workload import Workload
from tuner.errors import Problem, UserError
from tuner.manifest.change import changed
from tuner.manifest.container import find_container
from tuner.manifest.plan import edits_for
from tuner.manifest.tree import MOST_CHARACTERS, Tree
from tuner.spec.document import end_of
from tuner.value import canonical_json, digest_of

__all__ = ["Manifest"]


@dataclass(frozen=True, slots=True)
class Manifest:
    """One container of one Deployment or Rollout, and the files that describe it.

    ``path`` is the file with the workload, ``texts`` every file read (that one, and those beside it that hold a
    mounted ConfigMap), by path.
    """

    path: str
    container: str
    texts: Mapping[str, str]
    workload: Workload

    @classmethod
    def load(cls, read: Callable[[str], bytes], path: str, container: str, beside: Sequence[str] = ()) -> Manifest:
        """Read the manifest, and from the files ``beside`` it those with ConfigMaps (none of them beyond 256 KiB).

        ``read`` gives a file's bytes, or raises OSError or KeyError where there is none. UserError, with
        file:line:column, for a missing file, container or ConfigMap and for text that is no YAML or no UTF-8.
        """
        texts = {path: _text(read, path)}
        for other in beside:
            if other != path and other.endswith((".yaml", ".yml")):
                text = _text(read, other)
                if len(text) <= MOST_CHARACTERS and ("kind: ConfigMap" in text or '"ConfigMap"' in text):
                    texts[other] = text
        return cls._of(path, container, texts)

    @classmethod
    def _of(cls, path: str, container: str, texts: Mapping[str, str]) -> Manifest:
        trees = {file: Tree.parse(text, file) for file, text in texts.items()}
        found = find_container(trees, path, container)
        used = {path, *(source.file for source in found.files.values())}
        return cls(path, container, {file: texts[file] for file in texts if file in used}, found.workload())

    @property
    def digest(self) -> str:
        """Identity of the texts."""
        return digest_of(canonical_json(dict(self.texts)))

    def with_workload(self, workload: Workload) -> Manifest:
        """The same manifest, edited so that its container is started with ``workload``.

        Comments, order, quotes and unknown fields stay; an equal workload gives equal bytes. UserError, with the
        place, where what is asked for cannot be written in this manifest.
        """
        if workload == self.workload:
            return self
        trees = {file: Tree.parse(text, file) for file, text in self.texts.items()}
        container = find_container(trees, self.path, self.container)
        texts = changed(self.texts, edits_for(container, self.workload, workload))
        edited = Manifest._of(self.path, self.container, texts)
        if edited.workload != workload:
            raise UserError.of(
                "the manifest cannot hold what the parameters ask for", "leave these parameters out", file=self.path
            )
        return edited

    def diff(self, other: Manifest) -> str:
        """A unified diff from this manifest to ``other``, empty where their texts are equal."""
        parts: list[str] = []
        for file in sorted({*self.texts, *other.texts}):
            old, new = self.texts.get(file, ""), other.texts.get(file, "")
            lines = difflib.unified_diff(
                old.splitlines(keepends=True), new.splitlines(keepends=True), f"a/{file}", f"b/{file}"
            )
            parts += [line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines]
        return "".join(parts)


def _text(read: Callable[[str], bytes], path: str) -> str:
    try:
        raw = read(path)
    except (OSError, KeyError) as error:
        raise UserError(Problem("there is no such file", "correct service.manifest", path)) from error
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        place = end_of(raw[: error.start].decode())
        raise UserError(Problem(f"not UTF-8 at byte {error.start}", "save the file as UTF-8", path, *place)) from error
