"""Following objects by a watch, from a thread of its own: told of each change, never asking again and again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from tuner.errors import TemporaryError, TunerError
from tuner.trial.kubernetes.api import Api, Watch

__all__ = ["Follower"]

_PAUSE = 1.0

Json = dict[str, Any]


class Follower:
    """Tells ``take`` of all objects that match, as (what, objects): ``all`` with every one, then each ``changed``.

    A watch that breaks off, or whose version is too old, begins again with ``all``. ``failed`` is told why it can go on
    no more. Both are called from the follower's thread.
    """

    def __init__(
        self,
        api: Api,
        path: str,
        query: Mapping[str, str],
        take: Callable[[str, tuple[Json, ...]], None],
        failed: Callable[[TunerError], None],
    ) -> None:
        self._api = api
        self._path = path
        self._query = dict(query)
        self._take = take
        self._failed = failed
        self._over = threading.Event()
        self._watch: Watch | None = None
        self._thread = threading.Thread(target=self._follow, name="tuner-follower", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it; any number of times, from any thread."""
        self._over.set()
        if self._watch is not None:
            self._watch.close()
        if self._thread is not threading.current_thread():
            self._thread.join(5.0)

    def _follow(self) -> None:
        while not self._over.is_set():
            try:
                self._events(self._begin())
            except TemporaryError:
                self._over.wait(_PAUSE)
            except TunerError as error:
                self._failed(error)
                return

    def _begin(self) -> str:
        """Tell of what there is now; the version to go on from."""
        found: list[Json] = []
        page = self._api.page(self._path, self._query)
        found += page.items
        while page.following:
            page = self._api.page(self._path, self._query, page.following)
            found += page.items
        self._take("all", tuple(found))
        return page.version

    def _events(self, version: str) -> None:
        """Tell of changes until the watch has to begin anew."""
        while not self._over.is_set():
            self._watch = watch = self._api.watch(self._path, self._query, version)
            if self._over.is_set():
                watch.close()
            before = version
            for kind, found in watch:
                if kind == "ERROR":  # the version is too old
                    return
                version = str(found["metadata"]["resourceVersion"])
                if kind in ("ADDED", "MODIFIED", "DELETED") and not self._over.is_set():
                    self._take("gone" if kind == "DELETED" else "changed", (found,))
            if version == before:
                self._over.wait(_PAUSE)  # it ended at once: an API server that is going down
