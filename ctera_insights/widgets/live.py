"""The live view: a collection as it goes, in a store that another process writes or by a collector here."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anywidget
import traitlets

from ctera_insights.errors import InsightsError
from ctera_insights.lake import Lake
from ctera_insights.widgets.headless import is_headless
from ctera_insights.widgets.live_source import CollectorSource, StoreSource
from ctera_insights.widgets.progress import lag_words
from ctera_insights.widgets.worker import run

if TYPE_CHECKING:
    import os

    from ctera_insights.collect import Progress
    from ctera_insights.widgets.live_source import Source, Watched

POLL_S: Final = 1.0
_STATIC: Final = Path(__file__).parent / "static"
_VIEW: Final = "application/vnd.jupyter.widget-view+json"
_HISTORY: Final = 120
_BLIND_CAP_S: Final = 60.0

logger: Final = logging.getLogger(__name__)


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
        self._blind = False
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
        except Exception as error:  # noqa: BLE001 -- shown, whatever it is; the next look tries again
            named = isinstance(error, InsightsError | OSError)
            news = {"error": str(error) if named and str(error) else f"{type(error).__name__}: {error}"}
            self._blind = True
        else:
            if self._blind:
                news = {"error": ""} | (news or {})
                self._blind = False
            elif news is not None:
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
            stopped = self._stopped = threading.Event()
            run(self, "live view", lambda: self._watch(stopped), stopped.set)

    def _watch(self, stopped: threading.Event) -> None:
        pause_s = 0.0
        while not stopped.wait(pause_s):
            try:
                self.look()
                pause_s = self._poll_s
            except Exception:
                logger.exception("The live view could not be renewed, and is tried again.")
                pause_s = min(max(pause_s, self._poll_s) * 2, _BLIND_CAP_S)

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
            text += f", {lag_words(shown['lag_s'])}"
        if shown.get("behind_batches"):
            text += f", activity {shown['behind_batches']:,} batches behind"
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
