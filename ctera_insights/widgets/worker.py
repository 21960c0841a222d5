"""Threads that end before what they work on does: with their owner, and at the latest before the interpreter.

A daemon thread that is inside DuckDB or Arrow while the interpreter goes down takes the process with it
(abort, exit code 134); a thread that is no daemon keeps a script from ending. So each of ours is a daemon
that is stopped, interrupted and joined when its owner closes, or else at exit, while Python is still whole.
"""

from __future__ import annotations

import queue
import threading
import weakref
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_LOOK_S: Final = 0.02


def joined(thread: threading.Thread, interrupt: Callable[[], None]) -> None:
    """Wait for a thread's end, interrupting whatever it waits for until then."""
    while thread.is_alive() and thread is not threading.current_thread():
        interrupt()
        thread.join(_LOOK_S)


def run(
    owner: object, name: str, work: Callable[[], None], interrupt: Callable[[], None]
) -> weakref.finalize[Any, Any]:
    """Do something in a thread that ends at the latest when the interpreter begins to.

    Args:
        owner: what the thread works for; ``work`` and ``interrupt`` may not refer to it, if it is to be
            collected before the end.
        name: of the thread.
        work: what it does.
        interrupt: called again and again until the thread has ended; it makes ``work`` return.

    Returns:
        Called, it ends the thread; a second call does nothing.
    """
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return weakref.finalize(owner, joined, thread, interrupt)


class Worker:
    """Calls in turn, in a thread of their own.

    Args:
        name: of the thread.
        interrupt: ends what the call at work waits for; called from another thread.
    """

    def __init__(self, name: str, interrupt: Callable[[], None]) -> None:
        self._calls: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._stopped = threading.Event()
        calls, stopped = self._calls, self._stopped

        def stop() -> None:
            if not stopped.is_set():
                stopped.set()
                calls.put(None)
            interrupt()

        self._end = run(self, name, lambda: _serve(calls, stopped), stop)

    def submit(self, call: Callable[[], Any]) -> Future[Any]:
        """Run a call after those before it; once closed, it is cancelled."""
        future: Future[Any] = Future()
        if self._stopped.is_set():
            future.cancel()
        else:
            self._calls.put((future, call))
        return future

    def close(self) -> None:
        """Interrupt the call at work, cancel those that wait, and end the thread."""
        self._end()


def _serve(calls: queue.SimpleQueue[Any], stopped: threading.Event) -> None:
    while (item := calls.get()) is not None:
        future, call = item
        if stopped.is_set() or not future.set_running_or_notify_cancel():
            future.cancel()
            continue
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 # the future tells it
            future.set_exception(error)
