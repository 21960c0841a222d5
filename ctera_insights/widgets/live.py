"""The live view: a collection as it goes, of a store that another process writes or of a collector at hand.

A store is followed by its transaction log alone: no lock is taken and no data is scanned, and while nothing
is committed one look at the log's directory is all that happens.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import anywidget
import traitlets

from ctera_insights.errors import InsightsError, StoreNotFound
from ctera_insights.lake import Lake
from ctera_insights.widgets.headless import is_headless
from ctera_insights.widgets.progress import duration

if TYPE_CHECKING:
    import os
    from collections.abc import Coroutine
    from datetime import datetime

    from ctera_insights.collect import Progress

POLL_S: Final = 1.0
_STATIC: Final = Path(__file__).parent / "static"
_VIEW: Final = "application/vnd.jupyter.widget-view+json"
_HISTORY: Final = 120
_RECENT: Final = 8
_RATE_WINDOW_S: Final = 30.0


class Watched(Protocol):
    """What a collector shows; see :class:`~ctera_insights.collect.Collector`."""

    progress: Progress

    def run(self) -> Coroutine[Any, Any, Progress]:
        """Collect."""
        ...

    def stop(self) -> None:
        """Commit what was read, then return from ``run``."""
        ...


class Source(Protocol):
    """Where a live view looks."""

    title: str

    def look(self) -> dict[str, Any] | None:
        """What is to be shown; ``None`` when nothing changed."""
        ...


class StoreSource:
    """A store that some process writes."""

    def __init__(self, lake: Lake) -> None:
        # Its own view of the tables: the one that was given may be in use on another thread.
        self._lake = Lake(lake.uri, lake.place.options or None)
        self.title = self._lake.uri
        self._seen: object = None
        self._started: int | None = None
        self._counts: deque[tuple[float, int]] = deque()

    def look(self) -> dict[str, Any] | None:
        """The store's status, when something was committed since the last look."""
        mark = self._mark()
        if mark is not None and mark == self._seen:
            return self._settled()
        try:
            status = self._lake.status()
        except StoreNotFound:
            return {"waiting": f"Nothing has been collected into {self.title} yet."}
        self._seen = mark
        if self._started is None:
            self._started = status.events
        self._counts.append((time.monotonic(), status.events))
        feeds = [
            {
                "feed": feed.feed,
                "phase": feed.position.phase,
                "batch": feed.position.batch,
                "committed": _ms(feed.position.committed_at),
                "lag_s": feed.position.lag_s,
            }
            for feed in status.feeds
        ]
        return {
            "waiting": "",
            "events": status.events,
            "arrived": status.events - self._started,
            "batches": status.batches,
            "quarantined": status.quarantined,
            "size_bytes": status.bytes,
            "committed": _ms(status.last_commit_at),
            "lag_s": status.lag_s,
            "rate": self._rate(),
            "feeds": feeds,
            "recent": self._recent(),
        }

    def _mark(self) -> object:
        """Something that changes with every commit; ``None`` where only the log itself can tell."""
        if not self._lake.place.local:
            try:
                return self._lake.events.delta(refresh=True).version()
            except StoreNotFound:
                return None
        marks = []
        for table in ("events", "quarantine"):
            with contextlib.suppress(FileNotFoundError):
                marks.append((Path(self._lake.uri) / table / "_delta_log").stat().st_mtime_ns)
        return tuple(marks) or None

    def _settled(self) -> dict[str, Any] | None:
        """Nothing was committed: only the rate may have changed."""
        if not self._counts or len(self._counts) == 1:
            return None
        rate = self._rate()
        if not rate:
            last = self._counts[-1]
            self._counts.clear()
            self._counts.append(last)
        return {"rate": rate}

    def _rate(self) -> float:
        now = time.monotonic()
        while len(self._counts) > 1 and self._counts[1][0] < now - _RATE_WINDOW_S:
            self._counts.popleft()
        first, last = self._counts[0], self._counts[-1]
        return (last[1] - first[1]) / max(now - first[0], 1.0)

    def _recent(self) -> list[list[Any]]:
        """The last events of the newest file."""
        import pyarrow.parquet as pq

        files = self._lake.events.snapshot().files
        newest = max(files, key=lambda f: (f.max.get("batch") or 0, f.max.get("seq") or 0), default=None)
        if newest is None or not self._lake.place.local:
            return []
        columns = ["seq", "name", "type", "deleted", "portal_modified_date", "size"]
        table = pq.read_table(newest.uri, columns=columns).sort_by([("seq", "descending")]).slice(0, _RECENT)
        return [
            [_ms(row["portal_modified_date"]), row["name"], row["type"], bool(row["deleted"]), row["size"]]
            for row in table.to_pylist()
        ]


class CollectorSource:
    """A collector in this process."""

    title = "This kernel's collector"

    def __init__(self, collector: Watched) -> None:
        self.collector = collector
        self._seen: Progress | None = None

    def look(self) -> dict[str, Any] | None:
        """The collector's progress, when there is some."""
        progress = self.collector.progress
        if progress is self._seen:
            return None
        self._seen = progress
        return {
            "waiting": "",
            "events": progress.events,
            "arrived": progress.committed,
            "batches": progress.batches,
            "quarantined": progress.quarantined,
            "committed": _ms(progress.last_commit_at),
            "lag_s": progress.lag_s,
            "rate": progress.rate,
            "phase": progress.phase,
            "caught_up": progress.caught_up,
            "trouble": progress.trouble,
        }


class LiveView(anywidget.AnyWidget):
    """Events arriving, their rate, the lag, the last commit, trouble and quarantine; start and stop.

    Args:
        source: what to watch.
        poll_s: seconds between looks.

    Attributes:
        running: whether it watches; set it, or press the button.
        shown: what the page shows, as plain values.
    """

    _esm = _STATIC / "live.js"
    shown = traitlets.Dict().tag(sync=True)
    running = traitlets.Bool(default_value=False).tag(sync=True)

    def __init__(self, source: Source, *, poll_s: float = POLL_S) -> None:
        self._source = source
        self._poll_s = poll_s
        self._stopped = threading.Event()
        self._history: deque[float] = deque(maxlen=_HISTORY)
        self._task: asyncio.Task[Progress] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        controls = isinstance(source, CollectorSource)
        super().__init__(shown={"title": source.title, "collector": controls, "waiting": "", "history": []})
        self.on_msg(self._hear)
        self.observe(self._switched, "running")

    def start(self) -> LiveView:
        """Watch."""
        self.running = True
        return self

    def stop(self) -> LiveView:
        """Watch no longer; a collector goes on."""
        self.running = False
        return self

    def close(self) -> None:
        """Stop, and remove the view from its pages."""
        self.stop()
        super().close()

    def look(self) -> None:
        """Look once, now."""
        try:
            news = self._source.look()
        except (InsightsError, OSError) as error:
            news = {"error": str(error) or type(error).__name__}
        else:
            if news is not None:
                news.setdefault("error", "")
        if news is None:
            return
        if "rate" in news:
            self._history.append(news["rate"])
            news["history"] = list(self._history)
        self.shown = {**self.shown, **news}

    def collect(self) -> asyncio.Task[Progress]:
        """Run the watched collector on the kernel's event loop; returns its task.

        Raises:
            TypeError: a store is watched, not a collector.
        """
        if not isinstance(self._source, CollectorSource):
            raise TypeError("This view watches a store; what writes it runs elsewhere.")
        if self._task is None:
            self._loop = asyncio.get_running_loop()
            self._task = self._loop.create_task(self._source.collector.run())
            self._task.add_done_callback(self._collected)
            self.shown = {**self.shown, "state": "collecting"}
        return self._task

    def _collected(self, task: asyncio.Task[Progress]) -> None:
        self.look()
        error = None if task.cancelled() else task.exception()
        self.shown = {**self.shown, "state": "stopped", "error": str(error) if error else ""}

    def _hear(self, _: Any, content: dict[str, Any], __: list[bytes]) -> None:
        if content.get("kind") == "stop" and isinstance(self._source, CollectorSource):
            stop = self._source.collector.stop
            if self._loop is not None:
                self._loop.call_soon_threadsafe(stop)
            else:
                stop()

    def _switched(self, change: dict[str, Any]) -> None:
        self._stopped.set()
        if change["new"]:
            self._stopped = threading.Event()
            threading.Thread(target=self._watch, args=(self._stopped,), name="live view", daemon=True).start()

    def _watch(self, stopped: threading.Event) -> None:
        while not stopped.is_set():
            self.look()
            stopped.wait(self._poll_s)

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The live widget, and its numbers as text for where no kernel runs."""
        data, metadata = super()._repr_mimebundle_(**options) or ({}, {})
        if is_headless():
            data = {kind: value for kind, value in data.items() if kind != _VIEW}
        data["text/plain"] = repr(self)
        data["text/html"] = f"<p>{escape(repr(self))}</p>"
        return data, metadata

    def __repr__(self) -> str:
        shown = self.shown
        if shown.get("waiting") or "events" not in shown:
            return f"LiveView({shown['title']}: nothing yet)"
        text = f"{shown['events']:,} events in {shown['batches']:,} batches"
        if shown.get("lag_s") is not None:
            text += f", {duration(shown['lag_s'])} behind"
        if shown.get("quarantined"):
            text += f", {shown['quarantined']:,} quarantined"
        return f"LiveView({shown['title']}: {text})"


def live(store: Lake | str | os.PathLike[str], *, poll_s: float = POLL_S) -> LiveView:
    """Watch a store that another process writes.

    Args:
        store: a lake, or its path or URL; it need not exist yet.
        poll_s: seconds between looks at its log.

    Example:
        >>> live("data")  # doctest: +SKIP
    """
    view = LiveView(StoreSource(store if isinstance(store, Lake) else Lake(store)), poll_s=poll_s)
    view.look()
    return view.start()


def monitor(collector: Watched, *, start: bool = True, poll_s: float = 0.5) -> LiveView:
    """Watch a collector of this kernel, with a button to stop it.

    Args:
        collector: what to watch.
        start: run it on the kernel's event loop; ``False`` when somebody else does.
        poll_s: seconds between looks.

    Example:
        >>> monitor(Collector(admin.notifications, Lake("data"), "example", follow=True))  # doctest: +SKIP
    """
    view = LiveView(CollectorSource(collector), poll_s=poll_s)
    view.look()
    if start:
        view.collect()
    return view.start()


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)
