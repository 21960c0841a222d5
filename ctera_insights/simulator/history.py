"""A history: what publishes more states, step by step, when somebody asks for more."""

from __future__ import annotations

from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_NO_MORE: Final = object()


class History:
    """Steps of a source, taken one at a time by whichever thread needs them.

    Args:
        steps: publishes states at each step, and may yield the moment of those that the next step publishes.

    Attributes:
        ended: whether there are no more steps.
    """

    def __init__(self, steps: Iterator[Any]) -> None:
        self.ended = False
        self._steps = steps
        self._lock = Lock()
        self._error: Exception | None = None

    def step(self) -> datetime | None:
        """Take one step, and give the moment that it yields.

        Raises:
            RuntimeError: an earlier step failed; a source that breaks is not one that ends.
            Exception: whatever this step fails with.
        """
        with self._lock:
            if self._error is not None:
                raise RuntimeError("The source of this feed has failed") from self._error
            if self.ended:
                return None
            try:
                moment = next(self._steps, _NO_MORE)
            except Exception as error:
                self._error = error
                raise
            self.ended = moment is _NO_MORE
            return moment if isinstance(moment, datetime) else None

    def close(self) -> None:
        """End it where it is, with what it holds open."""
        with self._lock:
            self.ended = True
            close = getattr(self._steps, "close", None)
            if close is not None:
                close()
