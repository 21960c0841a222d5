"""The watch on a tree: notifications say where to look, looking says what happened."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from watchfiles import watch

from ctera_insights.simulator.sources.directory.reconcile import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from threading import Event

    from ctera_insights.simulator.sources.directory.reconcile import Reconciler

_QUIET_S: Final = 0.5
_SWEEP_S: Final = 30.0
_SWEEP_SHARE: Final = 20
_RETRY_S: Final = 2.0

_log = logging.getLogger(__name__)


class Watch:
    """Follows a tree until told to stop.

    Notifications may be lost (a full queue of the kernel, a folder filled before the watch on it began, a
    network file system that sends none, a name that is not UTF-8). So the whole tree is compared once after
    each burst of changes has calmed down, and every half minute in any case; this takes at most a twentieth
    of the time.
    """

    def __init__(self, reconciler: Reconciler) -> None:
        self._reconciler = reconciler
        self._swept = 0.0
        self._sweep_took = 0.0
        self._changed: float | None = None

    def run(self, stop: Event) -> None:
        """Follow the tree; blocks until the event is set."""
        complained = False
        while not stop.is_set():
            try:
                self._sweep()
                for paths in self._notifications(stop):
                    self._tick(paths)
            except OSError as error:
                if not complained:
                    path = self._reconciler.mirror.path
                    _log.warning(
                        "Cannot watch %s (%s): looking through it now and then instead.", path, error
                    )
                complained = True
                stop.wait(max(_RETRY_S, self._sweep_took * _SWEEP_SHARE))
            except RuntimeError as error:
                # watchfiles ends with its own RuntimeError over a path that is not UTF-8.
                if "decode" not in str(error):
                    raise
                stop.wait(PATIENCE_S)

    def _notifications(self, stop: Event) -> Iterator[set[str]]:
        fresh = True
        for changes in watch(
            self._reconciler.mirror.path,
            watch_filter=None,
            debounce=400,
            step=50,
            rust_timeout=150,
            yield_on_timeout=True,
            stop_event=stop,
            raise_interrupt=False,
            ignore_permission_denied=True,
        ):
            if fresh:
                self._sweep()  # what changed before the watch stood
                fresh = False
            yield {path for _, path in changes}

    def _tick(self, paths: set[str]) -> None:
        now = time.monotonic()
        if paths:
            self._changed = now
        if paths or self._reconciler.missing:
            self._reconciler.update(paths)
        idle = now - self._swept
        if idle < self._sweep_took * _SWEEP_SHARE:
            return
        if (self._changed is not None and now - self._changed > _QUIET_S) or idle > _SWEEP_S:
            self._changed = None
            self._sweep()

    def _sweep(self) -> None:
        began = time.monotonic()
        self._reconciler.update(None)
        self._swept = time.monotonic()
        self._sweep_took = self._swept - began
