"""Plain calls of coroutines, in a script and inside a notebook's running loop alike."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

_T = TypeVar("_T")


def run(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine to its end and return what it returns.

    Without a running loop this is ``asyncio.run``. Inside one, as in a notebook's cell, the coroutine runs in
    that loop: ``nest_asyncio`` is applied to it then, and only then. ``await`` works there as well, and needs
    none of it.

    Raises:
        RuntimeError: the running loop cannot be entered again (uvloop); ``await`` the coroutine instead.

    Example:
        >>> async def answer() -> int:
        ...     return 42
        >>> run(answer())
        42
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    import nest_asyncio

    try:
        nest_asyncio.apply(loop)
    except ValueError as error:
        coroutine.close()
        raise RuntimeError(f"{error}; write `await` before the call instead") from None
    result: _T = loop.run_until_complete(coroutine)
    return result
