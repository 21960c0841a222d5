"""Where deriving puts what does not fit into memory: a directory that its process takes away with it.

A killed process cannot. Each holds a lock in its directory, so that the next one sees which are left over:
where the system kills what takes too much memory, again and again, they would fill the disk.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ctera_insights.platforms import is_ours

if TYPE_CHECKING:
    from collections.abc import Iterator

    from filelock import BaseFileLock

PREFIX: Final = "ctera-insights-"
_LOCK: Final = "lock"


@contextmanager
def spill_directory() -> Iterator[str]:
    """A directory of this process's own, below the system's for temporary files; gone in the end.

    Raises:
        OSError: none can be made there.
    """
    _remove_left_over()
    path, lock = _locked()
    try:
        yield str(path)
    finally:
        lock.release()
        shutil.rmtree(path, ignore_errors=True)


def _locked() -> tuple[Path, BaseFileLock]:
    from filelock import FileLock, Timeout

    while True:
        path = Path(tempfile.mkdtemp(prefix=PREFIX))
        # Not thread-local: one thread opens it, and another may close it.
        lock = FileLock(path / _LOCK, blocking=False, thread_local=False)
        try:
            lock.acquire()
        except (Timeout, FileNotFoundError):  # in this moment another process took it for left over
            continue
        except BaseException:
            shutil.rmtree(path, ignore_errors=True)
            raise
        return path, lock


def _remove_left_over() -> None:
    from filelock import FileLock, Timeout

    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{_LOCK}"):
        with suppress(Timeout, OSError):
            if is_ours(path.parent):
                with FileLock(path, blocking=False):
                    shutil.rmtree(path.parent, ignore_errors=True)
