"""The source behind ``--from-dir``."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from math import inf
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from ctera_insights.errors import UsageError
from ctera_insights.simulator.sources.directory.mirror import Mirror
from ctera_insights.simulator.sources.directory.reconcile import Reconciler
from ctera_insights.simulator.sources.directory.scan import FOLDER, LINK, listing, look, moment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from os import PathLike

    from ctera_insights.simulator.feed import Inventory
    from ctera_insights.simulator.world import World


class DirectorySource:
    """A real directory tree as one cloud folder: what is in it now, and what happens to it.

    The inventory has the real names, sizes and times (``file_timestamp`` is the time of the last write,
    ``portal_modified_date`` that of the last change of any kind). Then the tree is watched:

    * What is made, written, renamed, moved or deleted, folders included, becomes a state; a renamed or moved
      object keeps its guid, and a folder that moves is one state. Objects are told apart by device and inode,
      and by the time of their birth where the file system knows it.
    * Changes within a fraction of a second may be told as one: a file made and written is made; one made and
      deleted again was never there; one deleted and made anew under the same path was written. A deletion is
      told a quarter of a second late, since the other half of a move may still come.
    * Programs that save a file by writing another and renaming it have written the file. Two names that
      changed places are told as three renames, through a name that starts with a dot.
    * A symbolic link is a file as long as the path that it holds, which is its content; it is never followed.
      A hard link is a file of its own. Sockets, pipes and devices are not shown, permissions neither.
    * Names that are not UTF-8 show U+FFFD for each odd byte, and stay different from one another. Changes to
      such files are noticed more slowly, by looking through the whole tree.

    When nothing has changed for a second, the world equals what ``os.walk`` finds.

    Args:
        path: the directory.
        name: name of the cloud folder; the directory's when not given.

    Raises:
        UsageError: there is no such directory, or the extra ``simulator`` is missing.

    Example:
        >>> source = DirectorySource("/srv/share")  # doctest: +SKIP
        >>> portal = SimulatedPortal(source)  # doctest: +SKIP
    """

    def __init__(self, path: str | PathLike[str], *, name: str | None = None) -> None:
        try:
            import watchfiles  # noqa: F401  # found missing here, not when the first change comes
        except ImportError:
            raise UsageError(
                "Serving a directory needs the extra: pip install 'ctera-insights[simulator]'"
            ) from None
        self.path = Path(path).resolve()
        if not self.path.is_dir():
            raise UsageError(
                f"There is no directory {self.path}. Name one whose content the Portal shall show."
            )
        self.cloud_folder = name or self.path.name or "root"
        self.name = f"dir:{self.cloud_folder}"
        self.identity: str | None = None
        self.inventory: Inventory = "now"
        self._reconciler: Reconciler | None = None

    def populate(self, world: World) -> None:
        """Make the cloud folder with everything that the directory holds at this moment."""
        place = os.fspath(self.path)
        top = look(place)
        if top is None:
            raise UsageError(f"The directory {self.path} is gone.")
        root = world.cloud_folder(self.cloud_folder, owner="dir", at=moment(top.ctime_ns))
        mirror = Mirror(place, top, world, root)
        folders = [mirror.root]
        while folders:
            folder = folders.pop()
            for name, seen in sorted((listing(mirror.place(folder)) or {}).items()):
                entry = mirror.create(folder, name, seen, at=-inf, live=False)
                if seen.kind == FOLDER:
                    folders.append(entry)
        self._reconciler = Reconciler(mirror)

    def history(self, world: World) -> Iterator[datetime | None]:
        """Nothing: a directory has no past."""
        del world
        return iter(())

    async def follow(self, world: World) -> None:
        """Watch the directory, in a thread of its own, until cancelled; in the world of :meth:`populate`."""
        del world  # the mirror knows it
        stop = Event()
        threads = ThreadPoolExecutor(1, thread_name_prefix="watch")
        watching = asyncio.get_running_loop().run_in_executor(threads, self._watch, stop)
        try:
            await asyncio.shield(watching)
        finally:
            stop.set()
            await asyncio.wait([watching])
            threads.shutdown(wait=False)

    def refresh(self) -> None:
        """Bring the world up to date at once, without waiting for notifications. Blocks."""
        self._populated().update(None, patience_s=0)

    def content(self, file_id: int) -> Path | bytes | None:
        """Give a file's path, or what a symbolic link holds; ``None`` when there is no such file any more."""
        reconciler = self._reconciler
        entry = reconciler.mirror.by_file_id.get(file_id) if reconciler is not None else None
        if reconciler is None or entry is None:
            return None
        place = reconciler.mirror.place(entry)
        try:
            return os.fsencode(os.readlink(place)) if entry.kind == LINK else Path(place)  # noqa: PTH115
        except OSError:
            return None

    def _watch(self, stop: Event) -> None:
        from ctera_insights.simulator.sources.directory.watch import Watch

        Watch(self._populated()).run(stop)

    def _populated(self) -> Reconciler:
        if self._reconciler is None:
            raise RuntimeError("populate() comes before follow().")
        return self._reconciler
