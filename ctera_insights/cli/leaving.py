"""Leaving in time, whatever a thread hangs in: a name server, or a disk that does not answer."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from ctera_insights.errors import EXIT_FAILED

if TYPE_CHECKING:
    from collections.abc import Coroutine

_T = TypeVar("_T")

LATE_S: Final = 20.0
"""So long after its deadline, or after it was told to stop, a run that has not ended is left where it is."""
_THREADS: Final = "unawaited"


class _Unawaited(ThreadPoolExecutor):
    """Threads that nobody waits for at the end: by then, what they do is done, given up, or stuck."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002 -- see above
        super().shutdown(wait=False, cancel_futures=cancel_futures)


def run(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """As ``asyncio.run``, but without waiting for threads that outlast the coroutine."""
    with asyncio.Runner() as runner:
        runner.get_loop().set_default_executor(_Unawaited(thread_name_prefix=_THREADS))
        return runner.run(coroutine)


def leave(code: int) -> NoReturn:
    """Leave the process, also when a thread of :func:`run` hangs."""
    for thread in threading.enumerate():
        if thread.name.startswith(_THREADS):
            thread.join(1.0)
            if thread.is_alive():
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
    sys.exit(code)


def leave_late() -> None:
    """Leave where nothing else helps; a store takes no harm from it at any moment."""
    sys.stderr.write(
        f"The run did not end in {LATE_S:.0f} s: a disk or a server does not answer. It is left where it is; "
        "what was committed is safe.\n"
    )
    sys.stderr.flush()
    os._exit(EXIT_FAILED)
