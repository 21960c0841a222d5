"""Deriving beside a collection, supervised: what fails is said, tried again, and in the end ends the run."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from ctera_insights.activity.behind import Behind, behind_in_all, note_failure
from ctera_insights.activity.run import Summary, enrich_lake
from ctera_insights.errors import DerivingFailed, InsightsError, PortalTimeout, StoreLocked
from ctera_insights.pipeline.span import TimeIsUp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from ctera_insights.activity.ask import Ancestors
    from ctera_insights.lake import Lake
    from ctera_insights.model import Event
    from ctera_insights.pipeline.span import Span

    Show = Callable[[int, int, str], None]
    """Told how many batches and events deriving is behind, and what keeps it."""

logger: Final = logging.getLogger(__name__)

EVERY_S: Final = 30.0
"""While following: seconds between derivations, when anything was committed since."""
GIVE_UP_S: Final = 3600.0
"""When deriving has failed for so long, the run ends with the cause."""
BACKOFF_S: Final = 1.0
BACKOFF_CAP_S: Final = 300.0
SILENT_S: Final = 900.0
"""After so long without a step, a derivation is spoken of, and again each half of it."""
LAST_TRIES: Final = 3
"""Attempts of the derivation at the end of a run."""
ASKING_S: Final = 600.0
"""How long one derivation may ask the Portal for directories; what is left is asked the next time."""


class Deriving:
    """Keeps the derived tables of a lake up to date while something is collected into it.

    Args:
        lake: the lake.
        ancestors: how to ask the Portal, see :func:`~ctera_insights.activity.enrich_lake`.
        show: told after each attempt how far deriving is behind, and what keeps it.
        give_up_s: how long it may fail, seconds; by default an hour.

    Attributes:
        summary: what all derivations did; ``None`` when none came to its end.
        trouble: what keeps it from getting on, or an empty string.
    """

    def __init__(
        self, lake: Lake, ancestors: Ancestors, show: Show, *, give_up_s: float | None = None
    ) -> None:
        self.summary: Summary | None = None
        self.trouble = ""
        self._lake = lake
        self._ancestors = ancestors
        self._show = show
        self._give_up_s = GIVE_UP_S if give_up_s is None else give_up_s
        self._failing: tuple[float, datetime] | None = None
        self._failures = 0
        self._told_locked = False

    @contextlib.asynccontextmanager
    async def beside(self, batches: Callable[[], int], end: Callable[[], None]) -> AsyncIterator[None]:
        """Derive now and then while the block runs.

        Args:
            batches: how many were committed; deriving follows when that has grown.
            end: called when deriving has failed for too long, to end the block.

        Raises:
            InsightsError: what ended the deriving, once the block has ended.
        """
        task = asyncio.create_task(self._keep_up(batches), name="deriving")

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and task.exception():
                end()

        task.add_done_callback(ended)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
        if not task.cancelled():
            task.result()

    async def finish(self, span: Span, grace_s: float) -> None:
        """Derive what is left, in a few attempts, as far as the time allows; nothing when told to stop.

        Raises:
            InsightsError: what kept it from that.
        """
        error: BaseException | None = None
        if span.stopped:
            await self._tell()
            return
        try:
            async with span.within(grace_s=grace_s):
                for attempt in range(LAST_TRIES):
                    if attempt:
                        await asyncio.sleep(self._pause_s())
                    error = await self._attempt()
                    if error is None:
                        return
        except TimeIsUp:
            await self._tell()
        if error is not None and not isinstance(error, StoreLocked):
            raise _named(error) from error

    async def _keep_up(self, batches: Callable[[], int]) -> None:
        handled = 0 if await self._behind() == Behind() else -1
        while True:
            news = batches()
            if news == handled:
                await asyncio.sleep(EVERY_S)
                continue
            error = await self._attempt()
            if error is None:
                handled = news
                await asyncio.sleep(EVERY_S)
                continue
            if self._failing and time.monotonic() - self._failing[0] >= self._give_up_s:
                raise _named(error) from error
            await asyncio.sleep(EVERY_S if isinstance(error, StoreLocked) else self._pause_s())

    async def _attempt(self) -> BaseException | None:
        """Derive once; gives what went wrong."""
        asking = _Asking(self._ancestors)
        try:
            async with self._watched() as moves:
                done = await enrich_lake(self._lake, asking, moves)
        except StoreLocked as error:
            self._leave_it_to_others()
            await self._tell()
            return error
        except (asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001 -- this is where every failure of deriving is told and counted
            await self._failed(error)
            return error
        if self.trouble and self._failing:
            logger.warning("Deriving activity works again.")
        self._failing, self._failures, self.trouble = None, 0, ""
        before = self.summary or Summary()
        self.summary = replace(
            done,
            events=before.events + done.events,
            steps=before.steps + done.steps,
            asked=before.asked + done.asked,
            mended=before.mended + done.mended,
            seconds=before.seconds + done.seconds,
        )
        await self._tell()
        return None

    @contextlib.asynccontextmanager
    async def _watched(self) -> AsyncIterator[Callable[[int, int], None]]:
        """Say when a derivation goes on without a step: what hangs raises nothing, and would die unheard."""
        moved_at = time.monotonic()

        def moves(_done: int, _total: int) -> None:
            nonlocal moved_at
            moved_at = time.monotonic()

        async def watch() -> None:
            while True:
                await asyncio.sleep(SILENT_S / 2)
                silent_s = time.monotonic() - moved_at
                if silent_s < SILENT_S:
                    continue
                self.trouble = (
                    f"Deriving activity has made no step for {silent_s / 60:.0f} min: it is a large one, or "
                    "the disk, the object store or the Portal does not answer. Should it stay so, start "
                    "again."
                )
                logger.warning("%s", self.trouble)
                since = datetime.now(UTC) - timedelta(seconds=silent_s)
                await asyncio.to_thread(note_failure, self._lake, self.trouble, since)
                await self._tell()

        watching = asyncio.create_task(watch(), name="deriving is watched")
        try:
            yield moves
        finally:
            watching.cancel()
            await asyncio.wait([watching])
            if not watching.cancelled():
                watching.result()  # it ended by an error: that is one of deriving

    def _leave_it_to_others(self) -> None:
        """Another process derives in this lake: no failure, but worth a word."""
        self._failing, self._failures = None, 0
        self.trouble = "Another process derives activity in this store, and is left to it."
        if not self._told_locked:
            self._told_locked = True
            logger.warning("%s", self.trouble)

    async def _failed(self, error: BaseException) -> None:
        now = datetime.now(UTC)
        self._failures += 1
        if self._failing is None:
            self._failing = time.monotonic(), now
        words = _words(error)
        self.trouble = f"Deriving activity fails since {self._failing[1]:%H:%M:%S} UTC: {words}"
        logger.warning("Deriving activity failed, and is tried again: %s", words)
        await asyncio.to_thread(note_failure, self._lake, words, self._failing[1])
        await self._tell()

    def _pause_s(self) -> float:
        return float(min(BACKOFF_S * 2 ** min(max(self._failures - 1, 0), 16), BACKOFF_CAP_S))

    async def _behind(self) -> Behind | None:
        try:
            return await asyncio.to_thread(behind_in_all, self._lake)
        except (InsightsError, OSError) as error:
            logger.debug("How far deriving is behind cannot be told: %s", error)
            return None

    async def _tell(self) -> None:
        lag = await self._behind()
        if lag is not None:
            self._show(lag.batches, lag.events, self.trouble)


class _Asking:
    """Asks for ancestors until one derivation has asked for long enough."""

    def __init__(self, ancestors: Ancestors) -> None:
        self._ancestors = ancestors
        self._until: float | None = None

    async def __call__(self, folder_id: int, guid: str) -> Sequence[Event]:
        if self._until is None:
            self._until = asyncio.get_running_loop().time() + ASKING_S
        timeout = asyncio.timeout_at(self._until)
        try:
            async with timeout:
                return await self._ancestors(folder_id, guid)
        except TimeoutError:
            if not timeout.expired():
                raise
        raise PortalTimeout(
            f"The Portal was asked for directories for {ASKING_S:.0f} s; the rest is asked the next time."
        )


def _named(error: BaseException) -> InsightsError:
    if isinstance(error, InsightsError):
        return error
    return DerivingFailed(
        f"Activity could not be derived: {_words(error)} What was collected is safe; `ctera-insights enrich` "
        "derives the rest, and `ctera-insights check` tells whether the store is sound."
    )


def _words(error: BaseException) -> str:
    """A foreign error by its type and first line; DuckDB's go on with the query and its stack."""
    if isinstance(error, InsightsError):
        return str(error)
    text = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {text}".removesuffix(": ").rstrip(".") + "."
