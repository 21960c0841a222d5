from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from ctera_insights.portal.directio.limits import InFlight


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 4),
    st.integers(1, 20),
    st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=25),
)
def test_neither_bound_is_ever_exceeded_and_everyone_gets_in(concurrency, max_bytes, work):
    """Also when some give up while they wait; only a piece larger than the room runs, and then alone."""

    async def main() -> None:
        limits = InFlight(concurrency, max_bytes)
        running: list[int] = []

        async def one(size: int) -> None:
            async with limits.slot(size):
                running.append(size)
                assert len(running) <= concurrency
                assert sum(running) <= max_bytes or len(running) == 1
                try:
                    await asyncio.sleep(0)
                    await asyncio.sleep(0)
                finally:
                    running.remove(size)

        tasks = [asyncio.create_task(one(size)) for size, _ in work]
        await asyncio.sleep(0)
        for task, (_, gives_up) in zip(tasks, work, strict=True):
            if gives_up:
                task.cancel()
                await asyncio.sleep(0)
        async with asyncio.timeout(5):
            results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(result is None or isinstance(result, asyncio.CancelledError) for result in results)
        async with asyncio.timeout(5), limits.slot(max_bytes):
            pass

    asyncio.run(main())
