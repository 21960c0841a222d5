"""Which files go: the one place that removes a data file, and the rules by which it does.

1. **The log decides, not a name.** A file that the newest version of the table names, or that was replaced
   less than the grace period ago (so that a reader of an older version may be at it), stays, whoever asks.
   What the log says is read afresh from the store, newest checkpoint and every entry behind it, while the
   commit lock is held: no file of ours appears between the look and the removal.
2. **A file that the log does not name** goes when it cannot become part of the table any more: on a local
   disk a file lies at its final place only while its commit holds the commit lock, so that one found there
   under that lock is left from a commit that never was; on an object store it may be an upload under way, and
   goes by its age. A file of a batch beyond the next one of its feed is no such rest: a log that lost its end
   leaves it, and it stays for the log to be built anew.
3. **A file in the making** has an owner (:mod:`ctera_insights.lake.names`), and goes when nobody holds the
   lock of the owner.

When the log cannot be read, nothing is removed.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from ctera_insights.errors import LakeError
from ctera_insights.lake.named import read_named
from ctera_insights.lake.names import earlier_label, owner_of, read_name
from ctera_insights.lake.place import reachable, writing

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from ctera_insights.lake.named import Named
    from ctera_insights.lake.table import Table

STRAY_HOURS: Final = 1
"""On an object store, a file that no commit names may be an upload under way until it is this old."""


def withdraw(table: Table, paths: Iterable[str]) -> None:
    """Remove the files of a commit that is known not to be in the log; the caller holds the commit lock.

    A store that cannot be read or written now keeps them: the next sweep takes them.
    """
    paths = list(paths)
    try:
        named = _named(table) if paths else None
        for path in paths:
            if named is not None and path not in named:
                table.place.remove(path)
    except (LakeError, OSError):
        return


def remove_orphans(table: Table, feed: str, batch: int) -> None:
    """Remove what a feed's last writer, which is gone, left of the batch that it did not commit.

    Args:
        table: a raw table.
        feed: whose lock the caller holds.
        batch: its last committed batch.
    """
    owner, label = owner_of(feed), earlier_label(feed)
    found = []
    with reachable(table.place.uri):
        for path, _, _ in table.place.files():
            name = read_name(path)
            if name.batch in {None, batch + 1} and (name.owner or name.label) in {owner, label}:
                found.append(path)
    live = {file.path for file in table.snapshot().files} if found else set()
    if found := [path for path in found if path not in live]:
        with table.locks.commit():
            named = _named(table)
            with writing(table.place.uri):
                for path in found:
                    if path not in named:
                        table.place.remove(path)


def remove_staged(table: Table, mine: Collection[str] = ()) -> None:
    """Remove what writers that are gone had in the making, in the table's directory and in its log.

    Args:
        table: any table.
        mine: owners whose locks the caller holds itself, with nothing in the making.
    """
    with writing(table.place.uri):
        names = table.place.staged()  # before the locks are asked: what is staged later is another's
        owners = {name: read_name(name).owner for name in names}
        gone = {owner for owner in set(owners.values()) if table.locks.free(owner, mine=mine)}
        for name, owner in owners.items():
            if owner in gone or owner in mine:
                table.place.remove_staged(name)
        with table.locks.commit():
            table.place.clear_log()


def remove_replaced(table: Table, keep_hours: float) -> int:
    """Remove files that were replaced long enough ago, and old ones that no commit names; gives how many."""
    now = time.time()
    grace = now - keep_hours * 3600
    stray = now - max(keep_hours, 0 if table.place.local else STRAY_HOURS) * 3600
    with table.locks.commit(), reachable(table.place.uri):
        live = {file.path for file in table.snapshot().files}
        # None was replaced before it was written: a young file needs no look at the log.
        found = [(path, at) for path, _, at in table.place.files() if path not in live and at <= grace]
        if not found:
            return 0
        named = _named(table)
        next_batch = _next_batches(named)
        gone = []
        for path, written_at in found:
            if path in named.live:
                continue
            if path in named.replaced:
                due = named.replaced[path] / 1000 <= grace
            else:
                name = read_name(path)
                known = next_batch.get(name.owner or name.label, 1)
                due = written_at <= stray and (name.batch is None or name.batch <= known)
            if due:
                gone.append(path)
        with writing(table.place.uri):
            for path in gone:
                table.place.remove(path)
    return len(gone)


def _named(table: Table) -> Named:
    with reachable(table.place.uri):
        return read_named(table.place)


def _next_batches(named: Named) -> dict[str, int]:
    """By owner, or by what earlier versions wrote into names, the batch that may have been under way."""
    known: dict[str, int] = {}
    for stream, batch in named.transactions.items():
        for key in (owner_of(stream), earlier_label(stream)):
            known[key] = min(known.get(key, batch + 1), batch + 1)
    return known
