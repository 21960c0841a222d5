"""What files hold, without storing it: digests, and which files are the same."""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ctera_insights.errors import InsightsError
from ctera_insights.mirror.transfer import Failure

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ctera_insights.mirror.select import RemoteFile
    from ctera_insights.portal import DirectIO

    Groups = dict[tuple[int, str], list[RemoteFile]]

_BEGINNING_BYTES: Final = 65_536
_INLINE_BYTES: Final = 65_536
"""Hashing less takes no longer than handing it to a thread."""


async def hash_content(
    client: DirectIO, file_id: int, *, algorithm: str = "sha256", start: int = 0, end: int | None = None
) -> str:
    """Digest of a file's content, read once and not stored.

    Args:
        client: for the content.
        file_id: of the file.
        algorithm: any that :mod:`hashlib` knows.
        start: first byte.
        end: first byte not included; ``None`` for all to the end.

    Raises:
        DirectIOError: the content could not be had.

    Example:
        >>> await hash_content(client, 14390)  # doctest: +SKIP
        '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'
    """
    digest = hashlib.new(algorithm, usedforsecurity=False)
    async for block in client.stream(file_id, start, end):
        if block.length <= _INLINE_BYTES:
            digest.update(block.data)
        else:
            await asyncio.to_thread(digest.update, block.data)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Files that hold the same bytes.

    Attributes:
        size: of each, in bytes.
        digest: of the content.
        files: two or more, in the order of their paths.
    """

    size: int
    digest: str
    files: tuple[RemoteFile, ...]

    @property
    def wasted_bytes(self) -> int:
        """What all but one of them take."""
        return self.size * (len(self.files) - 1)


async def duplicates(
    client: DirectIO, files: Iterable[RemoteFile], *, algorithm: str = "sha256", concurrency: int = 8
) -> tuple[list[Duplicates], list[Failure]]:
    """Find files with the same content. Only files of equal size are read, and first only how they begin.

    Args:
        client: for the content.
        files: candidates, see :func:`~ctera_insights.mirror.select.remote_files`. Empty files, and those
            whose size or id the feed did not tell, are left out.
        algorithm: any that :mod:`hashlib` knows.
        concurrency: files at once.

    Returns:
        Groups of files, those that waste most first; and the files that could not be read.
    """
    turn = asyncio.Semaphore(concurrency)
    failures: list[Failure] = []

    async def digest(remote: RemoteFile, end: int | None) -> str | None:
        assert remote.file_id is not None
        async with turn:
            try:
                return await hash_content(client, remote.file_id, algorithm=algorithm, end=end)
            except InsightsError as error:
                failures.append(Failure(remote.path, remote.file_id, str(error)))
                return None

    async def alike(candidates: list[RemoteFile], end: int | None) -> Groups:
        digests = await asyncio.gather(*(digest(remote, end) for remote in candidates))
        return _groups(
            (remote, (remote.size or 0, text))
            for remote, text in zip(candidates, digests, strict=True)
            if text is not None
        )

    ordered = sorted(files, key=lambda file: (file.path, file.file_id or -1))
    by_size = _groups((file, (file.size, "")) for file in ordered if file.size and file.file_id is not None)
    beginnings = await alike([file for group in by_size.values() for file in group], _BEGINNING_BYTES)
    found = {key: group for key, group in beginnings.items() if key[0] <= _BEGINNING_BYTES}
    longer = [file for key, group in beginnings.items() if key[0] > _BEGINNING_BYTES for file in group]
    found |= await alike(longer, None)
    result = [Duplicates(size, text, tuple(group)) for (size, text), group in found.items()]
    return sorted(result, key=lambda group: group.wasted_bytes, reverse=True), failures


def _groups(files: Iterable[tuple[RemoteFile, tuple[int, str]]]) -> Groups:
    """The files that share a size and a digest with another one."""
    groups: Groups = defaultdict(list)
    for remote, key in files:
        groups[key].append(remote)
    return {key: group for key, group in groups.items() if len(group) > 1}
