"""Container images made by code: layers of files with the same bytes each time, in an archive as Docker saves one."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

__all__ = ["Contents", "Image", "save"]

_SKIPPED = frozenset({"__pycache__", "test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3"})
_BLOCK = 1 << 20


@dataclass
class Contents:
    """What one layer holds, by its path in the image. Everything belongs to root and may be read by all."""

    files: dict[PurePosixPath, Path] = field(default_factory=dict)
    texts: dict[PurePosixPath, tuple[bytes, int]] = field(default_factory=dict)
    links: dict[PurePosixPath, str] = field(default_factory=dict)
    folders: dict[PurePosixPath, int] = field(default_factory=dict)

    def file(self, path: str, source: Path) -> None:
        """One file, with the mode of its source; where that is a link, what it leads to."""
        self.files[PurePosixPath(path)] = source

    def text(self, path: str, text: str, mode: int = 0o644) -> None:
        """A file of this text."""
        self.texts[PurePosixPath(path)] = text.encode(), mode

    def link(self, path: str, target: str) -> None:
        """A symbolic link."""
        self.links[PurePosixPath(path)] = target

    def folder(self, path: str, mode: int = 0o755) -> None:
        """A folder; those above a file are made without being named."""
        self.folders[PurePosixPath(path)] = mode

    def tree(self, path: str, source: Path, skipped: Iterable[str] = ()) -> None:
        """All files below a folder, links within it as links; without tests and compiled Python."""
        left_out = {*_SKIPPED, *skipped}
        for folder, names, files in os.walk(source):
            names[:] = sorted(set(names) - left_out)
            below = PurePosixPath(path, Path(folder).relative_to(source).as_posix())
            for name in sorted((*files, *(each for each in names if Path(folder, each).is_symlink()))):
                origin = Path(folder, name)
                if origin.suffix in (".a", ".pyc"):
                    continue
                if origin.is_symlink() and not os.path.isabs(target := os.readlink(origin)):  # noqa: PTH115, PTH117
                    self.links[below / name] = target
                elif origin.is_file():
                    self.files[below / name] = origin

    def entries(self) -> Iterator[tuple[tarfile.TarInfo, Path | bytes | None]]:
        """In the order of their paths, so that folders come before what is in them."""
        everything = {*self.files, *self.texts, *self.links, *self.folders}
        parents = {parent for path in everything for parent in path.parents} - {PurePosixPath("/")}
        for path in sorted(everything | parents):
            entry = tarfile.TarInfo(str(path).lstrip("/"))
            if path in self.files:
                source = self.files[path]
                about = source.stat()
                entry.size, entry.mode = about.st_size, (about.st_mode & 0o111) | 0o644
                yield entry, source
            elif path in self.texts:
                text, entry.mode = self.texts[path]
                entry.size = len(text)
                yield entry, text
            elif path in self.links:
                entry.type, entry.linkname = tarfile.SYMTYPE, self.links[path]
                yield entry, None
            else:
                entry.type, entry.mode = tarfile.DIRTYPE, self.folders.get(path, 0o755)
                yield entry, None


@dataclass(frozen=True, slots=True)
class Image:
    """A name with its tag, the layers from the lowest up, and how a container of it starts."""

    name: str
    layers: Sequence[Contents]
    command: Sequence[str] = ()
    entrypoint: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def config(self, layers: Sequence[str]) -> bytes:
        """As the OCI image specification has it; ``layers`` are SHA-256 digests."""
        settings: dict[str, object] = {"Env": [f"{name}={value}" for name, value in self.environment.items()]}
        if self.command:
            settings["Cmd"] = list(self.command)
        if self.entrypoint:
            settings["Entrypoint"] = list(self.entrypoint)
        config = {
            "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
            "os": "linux",
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in layers]},
            "history": [{"created_by": "tuner test bed"} for _ in layers],
        }
        return json.dumps(config, sort_keys=True).encode()


def save(image: Image, archive: Path) -> None:
    """Write the archive, whole or not at all. A file that is read meanwhile must not change."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".image-") as name:
        scratch = Path(name)
        digests = [_layer(contents, scratch / str(number)) for number, contents in enumerate(image.layers)]
        config = image.config(digests)
        title = f"{hashlib.sha256(config).hexdigest()}.json"
        layers = [f"{digest}/layer.tar" for digest in digests]
        manifest = json.dumps([{"Config": title, "RepoTags": [image.name], "Layers": layers}]).encode()
        with tarfile.open(scratch / "archive", "w") as out:
            _add(out, tarfile.TarInfo(title), config)
            for number, layer in enumerate(layers):
                entry = tarfile.TarInfo(layer)
                entry.size = (scratch / str(number)).stat().st_size
                _add(out, entry, scratch / str(number))
            _add(out, tarfile.TarInfo("manifest.json"), manifest)
        (scratch / "archive").replace(archive)


class _Digested(io.RawIOBase):
    """A file that is written to, and the digest of what was."""

    def __init__(self, file: io.BufferedWriter) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, block: bytes) -> int:  # type: ignore[override]
        self.digest.update(block)
        return self._file.write(block)


def _layer(contents: Contents, file: Path) -> str:
    """Write one layer; its digest."""
    with file.open("wb") as raw:
        digested = _Digested(raw)
        with tarfile.open(fileobj=digested, mode="w|", format=tarfile.GNU_FORMAT, bufsize=_BLOCK) as out:
            for entry, content in contents.entries():
                _add(out, entry, content)
    return digested.digest.hexdigest()


def _add(out: tarfile.TarFile, entry: tarfile.TarInfo, content: Path | bytes | None) -> None:
    if isinstance(content, Path):
        with content.open("rb") as file:
            out.addfile(entry, file)
    elif content is not None:
        entry.size = len(content)
        out.addfile(entry, io.BytesIO(content))
    else:
        out.addfile(entry)
