"""States written straight into the feed: a scenario has too many objects for a world of nodes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ctera_insights.simulator.sources.scenario.company import Item

if TYPE_CHECKING:
    from ctera_insights.simulator.world import World

_MINUTES: Final = tuple(f"{second // 60:02}:{second % 60:02}Z" for second in range(3600))


class Ledger:
    """Makes objects and tells their states.

    Args:
        world: gives the numbers; its feed takes the states.
    """

    def __init__(self, world: World) -> None:
        self.told = 0
        """States so far."""
        self.live: dict[int, Item] = {}
        """Files that exist, by the wire's ``id``."""
        self._world = world
        self._publish = world.feed.publish_encoded
        self._next_gvsn = world.next_gvsn
        self._uuid = world.portal_uuid
        self._hour = -1
        self._prefix = ""

    def time(self, second: int) -> str:
        """Write a moment (seconds since 1970) as the wire does."""
        hour, rest = divmod(second, 3600)
        if hour != self._hour:
            self._hour = hour
            self._prefix = datetime.fromtimestamp(hour * 3600, UTC).strftime("%Y-%m-%dT%H:")
        return self._prefix + _MINUTES[rest]

    def make(
        self, kind: str, name: str, parent: Item, when: str, *, size: int = 0, stamp: str | None = None
    ) -> Item:
        """Make a file or folder, and tell it."""
        home = parent.home
        ordinal = self._world.next_ordinal()
        file_id = self._world.next_file_id()
        item = Item(
            kind,
            name,
            parent,
            home,
            ordinal=ordinal,
            id=file_id,
            head=f'{{"type":"{kind}","guid":"{self._uuid}:{ordinal}",{home.wire}"id":{file_id},',
            size=size,
            acl=home.inherited if kind == "file" else home.acl,
            stamp=stamp or when,
        )
        if kind == "file":
            self.live[item.id] = item
        self.tell(item, when)
        return item

    def write(self, item: Item, size: int, when: str) -> None:
        """Give a file new content."""
        item.size = size
        item.stamp = when
        self.tell(item, when)

    def delete(self, item: Item, when: str, *, silently: bool = False) -> None:
        """Delete an object; ``silently`` when the tombstone of a folder above says it for all below."""
        item.gone = True
        self.live.pop(item.id, None)
        if silently:
            self._world.feed.hide(item.ordinal)
        else:
            self.tell(item, when)

    def restore(self, item: Item, when: str) -> None:
        """Bring an object back."""
        item.gone = False
        if item.kind == "file":
            self.live[item.id] = item
        self.tell(item, when)

    def tell(self, item: Item, when: str) -> None:
        """Publish the state of an object as of ``when``."""
        parent = item.parent
        gone = item.gone
        assert parent is not None
        raw = (
            f'{item.head}"deleted":{"true" if gone else "false"},"name":"{item.name}",'
            f'"file_timestamp":"{item.stamp}","portal_modified_date":"{when}","size":{item.size},'
            f'"gvsn":"{self._next_gvsn()}","parent_guid":"{self._uuid}:{parent.ordinal}","acl":"{item.acl}"}}'
        )
        self._publish(raw.encode(), ordinal=item.ordinal, folder_id=item.home.uid, deleted=gone)
        self.told += 1
