"""What a source is: where the content and the changes of a simulated Portal come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from ctera_insights.simulator.feed import Inventory
    from ctera_insights.simulator.world import World


@runtime_checkable
class Source(Protocol):
    """Content for a :class:`~ctera_insights.simulator.server.SimulatedPortal`.

    The Portal makes the feed and the world (``identity`` decides the guids and the cursors), then calls
    ``populate`` once, in a thread; ``history`` once; and ``follow`` once, as a task of its event loop.
    """

    name: str
    """For people: ``git:project``, ``scenario:office``."""

    identity: str | None
    """Stands for the whole content when that is the same in every run (kind, path, head, seed), so that
    cursors survive a restart of the process; ``None`` for content that depends on the moment."""

    inventory: Inventory
    """What a null cursor lists: ``"start"`` (what ``populate`` published, for every client the same, then all
    of the history) or ``"now"`` (the objects alive at the request)."""

    def populate(self, world: World) -> None:
        """Publish the state at the beginning: cloud folders and what is in them. May block."""

    def history(self, world: World) -> Iterator[datetime | None]:
        """Publish what happens later, lazily: the Portal asks for more only when a client reads that far.

        Each step yields the moment (UTC) of the states that it publishes when it is resumed (one, or as many
        as belong to the moment), or ``None`` when they have no time. A Portal with a ``speed`` waits for that
        moment before it resumes; otherwise nothing waits. A source of live changes has an empty history.
        May block: it runs in a thread.
        """

    async def follow(self, world: World) -> None:
        """Publish live changes until cancelled; return when there are none. Must not block the loop."""

    def content(self, file_id: int) -> Path | bytes | None:
        """Give a file's content by its ``id`` on the wire, or ``None`` without such a file. May block."""
