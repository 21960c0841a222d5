"""A file's content to a path: complete and durable, or resumable."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ctera_insights.errors import BlockCorrupt
from ctera_insights.portal.directio.partial import Partial

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from ctera_insights.portal.directio.blocks import Block
    from ctera_insights.portal.directio.reading import Reading
    from ctera_insights.portal.tls import StrPath

    InOrder = Callable[[Reading, int, int], AsyncGenerator[Block]]
    Progress = Callable[[int, int], None]

_AT_ONCE_BYTES: Final = 1 << 20
_RESUMABLE_BYTES: Final = 8 << 20
_CHECKPOINT_BYTES: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A file that was downloaded.

    Attributes:
        path: where it is.
        size: in bytes.
        version: of the content, see :class:`FileMetadata`.
        resumed_at: bytes that an earlier, interrupted download had left.
    """

    path: Path
    size: int
    version: str
    resumed_at: int


async def download(
    in_order: InOrder, reading: Reading, path: StrPath, *, resume: bool, progress: Progress | None
) -> Downloaded:
    """See :meth:`DirectIO.download`."""
    target = Path(path)
    size, version = reading.blocks.size, reading.blocks.version
    resumable = resume and size > _RESUMABLE_BYTES
    if size <= _AT_ONCE_BYTES:
        return await _at_once(in_order, reading, target, progress)
    partial = Partial(target, f"{reading.file_id}:{version}")
    try:
        await _in_thread(partial.open, keep=resumable)
        kept = partial.size
        _tell(progress, kept, size)
        saved = kept
        blocks = in_order(reading, kept, size)
        async with aclosing(blocks):
            async for block in blocks:
                await _in_thread(partial.append, block.data)
                _tell(progress, partial.size, size)
                if resumable and partial.size - saved >= _CHECKPOINT_BYTES:
                    await _in_thread(partial.save)
                    saved = partial.size
        _require_size(partial.size, reading)
        await _in_thread(partial.publish)
    except BaseException:
        await _in_thread(partial.abandon, keep=resumable)
        raise
    return Downloaded(target, size, version, kept)


async def _at_once(
    in_order: InOrder, reading: Reading, target: Path, progress: Progress | None
) -> Downloaded:
    """A small file: gathered in memory, then all file work in one go."""
    size, version = reading.blocks.size, reading.blocks.version
    parts: list[bytes] = []
    done = 0
    _tell(progress, 0, size)
    blocks = in_order(reading, 0, size)
    async with aclosing(blocks):
        async for block in blocks:
            parts.append(block.data)
            done += block.length
            _tell(progress, done, size)
    _require_size(done, reading)
    await _in_thread(Partial.write_whole, target, parts)
    return Downloaded(target, size, version, 0)


async def _in_thread(work: Callable[..., None], *args: Any, **options: Any) -> None:
    """Run file work in a thread, to its end also when cancelled: two threads never write one file."""
    task = asyncio.create_task(asyncio.to_thread(work, *args, **options))
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
        except Exception:  # noqa: BLE001 - raised below, unless the caller was cancelled meanwhile
            break
    if cancelled is not None:
        task.exception()
        raise cancelled
    task.result()


def _require_size(done: int, reading: Reading) -> None:
    if done != reading.blocks.size:
        raise BlockCorrupt(
            f"File {reading.file_id} has {reading.blocks.size} bytes, {done} were delivered.",
            file_id=reading.file_id,
            offset=done,
        )


def _tell(progress: Progress | None, done: int, size: int) -> None:
    if progress is not None:
        progress(done, size)
