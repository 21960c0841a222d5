"""The commit of a table: the moment at which files become part of it, and what is true when it fails.

1. Files are staged and flushed (:meth:`Table.write`), then, under the commit lock, renamed into place.
2. One entry of the Delta log names them, with the commit's metadata, the writer's transaction number and a
   *mark* that no other commit has. Delta refuses it when the log, since the version that the writer stands
   on, has gained a transaction of the same application: that is the fence between two writers.
   Commits that replace files share one application more, and replace only what is part of the version that
   they stand on.
3. The entry is flushed before the commit counts.

**After any failure the log decides, by the mark.** A store may take an entry and lose the answer, so that the
repetition meets our own entry and looks like another writer's; a number alone may be another machine's.

* The mark is in the log: the commit succeeded.
* It is not, and cannot come any more (the entry's place is taken by others, or the disk is a local one, whose
  calls are over when they return): the files are withdrawn, and the error says that nothing was committed.
* It is not, but a request may still be under way (object stores): the same commit is tried again. Of the two
  at most one can land, since both carry the same transaction number.
* The log cannot be read, or no try is answered in time: :class:`CommitUnclear`. Nothing is removed. Whoever
  starts next reads from the log where things stand, and sweeps what it does not name
  (:mod:`ctera_insights.lake.sweep`).
"""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ctera_insights.errors import CommitUnclear, LakeError, StoreDamaged, StoreFenced, StoreUnwritable
from ctera_insights.lake.borders import words
from ctera_insights.lake.named import MARK, has_mark
from ctera_insights.lake.place import writing
from ctera_insights.lake.sweep import withdraw

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from deltalake.transaction import AddAction, RemoveAction

    from ctera_insights.lake.table import Table

SETTLE_S: Final = 60.0
"""How long a commit whose outcome is not known is asked about, and tried again."""
_RETRIES: Final = 100
"""How often the Delta library goes on behind what other streams committed at the same moment."""


def marked(metadata: Mapping[str, str]) -> dict[str, str]:
    """The metadata of a commit, with a mark that no other commit has."""
    return {**metadata, MARK: uuid.uuid4().hex}


def commit(
    table: Table,
    add: Sequence[AddAction],
    remove: Sequence[RemoveAction],
    *,
    transactions: Mapping[str, int],
    metadata: Mapping[str, str],
) -> None:
    """Name written files in the log, and un-name removed ones.

    Args:
        table: stands on the version that its handle has seen.
        add: written files.
        remove: files of the table.
        transactions: the new number of each application; the fence.
        metadata: from :func:`marked`.

    Raises:
        StoreFenced: a number has moved on, or a removed file is gone; nothing was committed.
        StoreUnwritable: the store refused; nothing was committed.
        CommitUnclear: the store does not tell whether it took the commit; nothing was removed.
    """
    with table.locks.commit():
        try:
            _require_same_log(table)
            _require_live(table, remove)
            for action in add:
                table.place.publish(action.path)
        except LakeError:
            withdraw(table, [action.path for action in add])
            raise
        _Attempt(table, add, remove, transactions, metadata).settle()
        _make_durable(table)


class _Attempt:
    """One commit, until it is known to be in the log or known never to be."""

    def __init__(
        self,
        table: Table,
        add: Sequence[AddAction],
        remove: Sequence[RemoveAction],
        transactions: Mapping[str, int],
        metadata: Mapping[str, str],
    ) -> None:
        from deltalake import CommitProperties, Transaction

        self._table = table
        self._add = add
        self._remove = remove
        self._mark = metadata[MARK]
        self._properties = CommitProperties(
            custom_metadata=dict(metadata),
            app_transactions=[Transaction(*each) for each in transactions.items()],
            max_commit_retries=_RETRIES,
        )
        self._what = " and ".join(f"batch {number} of {name!r}" for name, number in transactions.items())
        self._behind = table.delta().version()

    def settle(self) -> None:
        """Try until the log tells how it ended."""
        pauses = _pauses(SETTLE_S)
        while True:
            try:
                self._try()
            except Exception as error:  # noqa: BLE001 - whatever it was, the log tells what came of it
                if self._landed(error):
                    return
                self._judge(error)
                _wait_or_give_up(pauses, self._unclear(error))
            else:
                return

    def _try(self) -> None:
        from deltalake import PostCommitHookProperties

        with writing(self._table.place.uri):
            self._table.delta().create_write_transaction(
                [*self._add, *self._remove],
                mode="append",
                schema=self._table.schema,
                partition_by=list(self._table.partition_by),
                commit_properties=self._properties,
                post_commithook_properties=PostCommitHookProperties(
                    create_checkpoint=False, cleanup_expired_logs=False
                ),
            )

    def _landed(self, failure: Exception) -> bool:
        """Whether the log has our mark; asked again while it cannot be read."""
        pauses = _pauses(SETTLE_S)
        while True:
            try:
                return has_mark(self._table.place, self._mark, behind=self._behind)
            except (OSError, StoreDamaged):
                _wait_or_give_up(pauses, self._unclear(failure))

    def _judge(self, error: Exception) -> None:
        """Withdraw and raise when the commit, which has not landed, cannot land any more."""
        from deltalake.exceptions import CommitFailedError

        if isinstance(error, CommitFailedError):
            self._withdraw()
            raise StoreFenced(
                f"{self._table.place.uri}: another writer committed {self._what}, or replaced the same "
                "files. Nothing was written twice. If two collectors write this feed, stop one of them."
            ) from error
        if self._table.place.local:
            self._withdraw()
            if isinstance(error, StoreUnwritable):
                raise error
            raise StoreUnwritable(f"{self._table.place.uri}: the commit failed: {words(error)}.") from error

    def _withdraw(self) -> None:
        withdraw(self._table, [action.path for action in self._add])

    def _unclear(self, error: Exception) -> CommitUnclear:
        unclear = CommitUnclear(
            f"{self._table.place.uri} did not tell whether it took {self._what}: {words(error)}. Nothing was "
            "removed. Start again when the store answers: it goes on behind what the log holds."
        )
        unclear.__cause__ = error
        return unclear


def _make_durable(table: Table) -> None:
    """Let the handle see the commit, and flush its entry."""
    try:
        version = table.delta(refresh=True).version()
        table.sync_log(version)
    except LakeError as error:
        table.forget()
        if table.place.local:
            raise CommitUnclear(
                f"{table.place.uri}: the commit is in the log, but may not survive a loss of power: {error} "
                "Nothing was removed. Start again: it goes on behind what the log holds."
            ) from error


def _require_same_log(table: Table) -> None:
    """Refuse to write behind a log that was put back or replaced while this process ran.

    Raises:
        StoreDamaged: the newest entry is older than what this process has seen.
    """
    if not table.place.local:  # there it would cost a request for each commit
        return
    known = table.delta().version()
    if (Path(table.place.uri) / "_delta_log" / f"{known:020d}.json").exists():
        return
    found = table.open().version()  # beside the handle, whose version is what the fence stands on
    if found < known:
        raise StoreDamaged(
            f"{table.place.uri}: the log ended at version {known}, and now ends at {found}: it was put back "
            "or replaced meanwhile. Nothing was written. Start again, and look at `ctera-insights check`."
        )


def _require_live(table: Table, remove: Sequence[RemoveAction]) -> None:
    """Refuse to replace files that are not part of the version that the writer stands on.

    Raises:
        StoreFenced: another process replaced one since it was looked up.
    """
    if remove:
        live = {file.path for file in table.files()}
        if gone := sorted(action.path for action in remove if action.path not in live):
            raise StoreFenced(
                f"{table.place.uri}: another process replaced {gone[0]} in the meantime. Nothing was written "
                "twice."
            )


def _pauses(total_s: float) -> Iterator[float]:
    """Growing pauses in seconds, until so much time has passed."""
    end = time.monotonic() + total_s
    pause = 0.1
    while time.monotonic() < end:
        yield min(pause, max(end - time.monotonic(), 0.0))
        pause = min(2 * pause, 5.0)


def _wait_or_give_up(pauses: Iterator[float], error: CommitUnclear) -> None:
    for pause in pauses:
        time.sleep(pause)
        return
    raise error
