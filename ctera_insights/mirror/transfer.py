"""Mirror files of the Portal into a directory."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ctera_insights.errors import InsightsError, UsageError
from ctera_insights.mirror.names import distinct, local_path
from ctera_insights.mirror.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ctera_insights.mirror.select import RemoteFile
    from ctera_insights.portal import DirectIO

_LARGE_BYTES: Final = 8 << 20
_LARGE_AT_ONCE: Final = 2
"""Large files fill the line by themselves, and each may read ahead: this bounds memory."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that could not be mirrored, and why."""

    path: str
    file_id: int | None
    reason: str


@dataclass(slots=True)
class MirrorProgress:
    """How far a mirror is. Sizes in bytes, as the feed told them."""

    files: int = 0
    bytes: int = 0
    done_files: int = 0
    done_bytes: int = 0


@dataclass(slots=True)
class MirrorReport:
    """What a mirror did.

    Attributes:
        downloaded: files that were downloaded.
        downloaded_bytes: their content.
        skipped: files that were there already.
        renamed: local paths, by path, of files that could not keep their names.
        failures: files that could not be mirrored.
    """

    downloaded: int = 0
    downloaded_bytes: int = 0
    skipped: int = 0
    renamed: dict[str, str] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)


async def mirror(
    client: DirectIO,
    files: Iterable[RemoteFile],
    dest: str | os.PathLike[str],
    *,
    concurrency: int = 16,
    portable: bool = os.name == "nt",
    progress: Callable[[MirrorProgress], None] | None = None,
) -> MirrorReport:
    """Download files under their paths below a directory; what is there already is skipped.

    No file is written outside the directory, whatever its name is: see
    :func:`~ctera_insights.mirror.names.local_path` for the mapping. Where two files would get one path, the
    one with the higher id gets ``~ID`` in its name, and so does a file where a directory must be. Nothing is
    deleted. A file that fails is reported and the others go on.

    A file counts as there when it was mirrored before from the same version (file id, ``gvsn``, times: noted
    in ``.ctera-insights-mirror.jsonl`` at the top) and its local size and time have not changed since. The
    local time is set to the file's own.

    Args:
        client: for the content.
        files: what to mirror, see :func:`~ctera_insights.mirror.select.remote_files`.
        dest: the directory; made if it is missing.
        concurrency: files at once.
        portable: see :func:`~ctera_insights.mirror.names.local_path`.
        progress: called in the event loop now and then, and at the end.

    Raises:
        UsageError: the directory cannot be made or written.

    Example:
        >>> files = remote_files(insights.connection, "path LIKE 'Finance/%'")  # doctest: +SKIP
        >>> report = await mirror(client, files, "copy")  # doctest: +SKIP
    """
    top = Path(dest)
    record = Record(top)
    try:
        await asyncio.to_thread(_prepare, top, record)
    except OSError as error:
        raise UsageError(f"The directory {str(top)!r} cannot be used: {error.strerror}.") from error
    run = _Run(client, top, record, progress)
    try:
        work = await asyncio.to_thread(run.plan, files, portable)
        workers = [asyncio.create_task(run.work(work)) for _ in range(concurrency)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
    finally:
        await asyncio.to_thread(record.close)
        run.tell()
    return run.report


def _prepare(top: Path, record: Record) -> None:
    top.mkdir(parents=True, exist_ok=True)
    record.open()


class _Run:
    """One run of :func:`mirror`."""

    def __init__(
        self,
        client: DirectIO,
        top: Path,
        record: Record,
        progress: Callable[[MirrorProgress], None] | None,
    ) -> None:
        self._client = client
        self._top = top
        self._record = record
        self._progress = progress
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)
        self._noting = asyncio.Lock()
        self._directories: set[Path] = set()
        self.report = MirrorReport()
        self.state = MirrorProgress()

    def plan(self, files: Iterable[RemoteFile], portable: bool) -> Iterator[tuple[RemoteFile, str]]:
        """Give each file its place below the top, and sort out what is there."""
        fold = portable or sys.platform == "darwin"  # the file system may take "A" and "a" for one name
        placed: list[tuple[RemoteFile, tuple[str, ...]]] = []
        taken: set[str] = set()
        for remote in sorted(files, key=lambda file: (file.path, file.file_id or -1)):
            if remote.file_id is None:
                self._fail(remote, "the feed told no file id")
                continue
            try:
                names = local_path(remote.path, portable=portable)
            except ValueError as error:
                self._fail(remote, str(error))
                continue
            placed.append((remote, names))
            taken.update(_key("/".join(names[:depth]), fold) for depth in range(1, len(names)))
        work: list[tuple[RemoteFile, str]] = []
        for remote, (*parents, name) in placed:
            local = "/".join([*parents, name])
            while _key(local, fold) in taken:
                name = distinct(name, remote.file_id or 0)  # noqa: PLW2901 - the name it gets in the end
                local = "/".join([*parents, name])
            taken.add(_key(local, fold))
            if local != remote.path.strip("/"):
                self.report.renamed[remote.path] = local
            if self._record.holds(local, self._top / local, remote):
                self.report.skipped += 1
            else:
                work.append((remote, local))
        self.state.files = len(work)
        self.state.bytes = sum(remote.size or 0 for remote, _ in work)
        return iter(work)

    async def work(self, files: Iterator[tuple[RemoteFile, str]]) -> None:
        """Mirror files from the common list until it is empty."""
        for remote, local in files:
            try:
                if (remote.size or 0) > _LARGE_BYTES:
                    async with self._large:
                        await self._one(remote, local)
                else:
                    await self._one(remote, local)
            except InsightsError as error:
                self._fail(remote, str(error))
            except OSError as error:
                self._fail(remote, f"{error.strerror or error} ({local!r})")
            except Exception as error:  # noqa: BLE001 - a fault of ours in one file is told, and costs that file
                self._fail(remote, f"{type(error).__name__}: {error} ({local!r})")
            self.state.done_files += 1
            self.tell()

    async def _one(self, remote: RemoteFile, local: str) -> None:
        assert remote.file_id is not None
        target = self._top / local
        if target.parent not in self._directories:
            await asyncio.to_thread(_make_directory, self._top, target.parent)
            self._directories.add(target.parent)
        before = 0

        def advance(done: int, size: int) -> None:
            nonlocal before
            self.state.done_bytes += done - before
            before = done
            if size > _LARGE_BYTES:
                self.tell()

        try:
            done = await self._client.download(remote.file_id, target, progress=advance)
        except BaseException:
            self.state.done_bytes -= before
            raise
        async with self._noting:
            await asyncio.to_thread(self._note, remote, local, target)
        self.report.downloaded += 1
        self.report.downloaded_bytes += done.size

    def _note(self, remote: RemoteFile, local: str, target: Path) -> None:
        if remote.modified is not None:
            seconds = remote.modified.timestamp()
            with suppress(
                OSError, OverflowError, ValueError
            ):  # not every file system holds the years 1 to 9999
                os.utime(target, (seconds, seconds))
        self._record.note(local, target, remote)

    def _fail(self, remote: RemoteFile, reason: str) -> None:
        self.report.failures.append(Failure(remote.path, remote.file_id, reason))

    def tell(self) -> None:
        """Tell whoever watches."""
        if self._progress is not None:
            self._progress(self.state)


def _key(local: str, fold: bool) -> str:
    return local.casefold() if fold else local


def _make_directory(top: Path, directory: Path) -> None:
    """Make a directory; a symbolic link on the way must not lead out of the top."""
    missing = [directory]
    while missing:  # Path.mkdir(parents=True) would call itself as often as the path has parts
        try:
            missing[-1].mkdir(exist_ok=True)
        except FileNotFoundError:
            missing.append(missing[-1].parent)
        else:
            missing.pop()
    if not directory.resolve().is_relative_to(top.resolve()):
        raise UsageError(f"{str(directory)!r} leads out of {str(top)!r} by a symbolic link.")
