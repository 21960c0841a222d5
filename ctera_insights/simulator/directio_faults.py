"""What can go wrong between a Direct IO client and the Portal or the object store, on demand."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Literal

FaultKind = Literal[
    "status",  # an HTTP status
    "expired",  # 403, as an object store answers an expired URL
    "short",  # a byte less than announced, stored in good order
    "long",  # a byte more
    "corrupt",  # the middle of the stored block overwritten
    "padding",  # wrong PKCS#7 padding
    "cut",  # the connection closes in the middle of the body
    "reset",  # the connection closes without an answer
    "slow",  # an answer after a while
    "stall",  # half of the body, the rest after a while
    "redirect",  # 302
    "html",  # 200 with a web page
]
BLOCK_LIST = 0
"""In place of a block's number: the block list itself."""


@dataclass
class Fault:
    """One fault, for the requests that match.

    Attributes:
        kind: what goes wrong.
        file_id: of the file, or ``None`` for any.
        number: of the block, from 1; :data:`BLOCK_LIST`; or ``None`` for any block (and not the list).
        times: how often it still happens; ``None`` for ever.
        status: of ``status``.
        delay_s: of ``slow`` and ``stall``, in seconds.
        location: of ``redirect``.
        retry_after: text of a ``Retry-After`` header, with ``status``.
    """

    kind: FaultKind
    file_id: int | None = None
    number: int | None = None
    times: int | None = None
    status: int = 503
    delay_s: float = 0.2
    location: str = "/ServicesPortal/login.html"
    retry_after: str | None = None

    def matches(self, file_id: int, number: int) -> bool:
        """Whether the fault befalls this request."""
        if self.times == 0 or self.file_id not in {None, file_id}:
            return False
        return number != BLOCK_LIST if self.number is None else self.number == number


class DirectIOFaults:
    """The faults that are set; the first that matches befalls a request."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Set a fault, from any thread."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Let everything work again."""
        with self._lock:
            self._faults.clear()

    def take(self, file_id: int, number: int) -> Fault | None:
        """Find the fault of one request, and count it."""
        with self._lock:
            for fault in self._faults:
                if fault.matches(file_id, number):
                    if fault.times is not None:
                        fault.times -= 1
                    return fault
        return None
