"""Whatever goes wrong, a range of a file is either its bytes or a typed error."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ctera_insights.errors import DirectIOError
from ctera_insights.portal import Timeouts
from ctera_insights.simulator.blocks import COMPRESSION_TYPE, Encoding
from ctera_insights.simulator.directio_faults import Fault

if TYPE_CHECKING:
    from ctera_insights.portal import DirectIO

SCALE = int(os.environ.get("CTERA_INSIGHTS_TEST_SCALE", "1"))

encodings = st.builds(
    Encoding, st.sampled_from(list(COMPRESSION_TYPE)), encrypted=st.booleans(), block_size=st.integers(1, 400)
)
faults = st.builds(
    Fault,
    st.sampled_from(
        [
            "status",
            "expired",
            "short",
            "long",
            "corrupt",
            "padding",
            "cut",
            "reset",
            "slow",
            "stall",
            "redirect",
            "html",
        ]
    ),
    number=st.one_of(st.none(), st.integers(0, 8)),
    times=st.one_of(st.none(), st.integers(1, 4)),
    status=st.sampled_from([400, 401, 403, 404, 408, 410, 416, 422, 429, 500, 503]),
    delay_s=st.sampled_from([0.001, 0.2]),
)


async def fetch(client: DirectIO, how: str, start: int, end: int | None, got: bytearray) -> None:
    """Append a range of file 1 to ``got``."""
    if how == "stream":
        async for block in client.stream(1, start, end):
            assert block.offset == start + len(got)
            got += block.data
    else:
        for future in await client.blocks(1, start, end):
            got += (await future).data


@pytest.mark.parametrize("checksums", [True, False])
async def test_a_range_is_its_bytes_or_a_typed_error(served, connect, checksums):
    """Only bytes overwritten in the store (``corrupt``) need its checksum to show in every format."""
    loop = asyncio.get_running_loop()
    outcomes = Counter()

    @settings(
        max_examples=60 * SCALE, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(
        st.integers(0, 2**32),
        st.integers(0, 2500),
        encodings,
        st.integers(0, 3000),
        st.one_of(st.none(), st.integers(0, 3000)),
        st.lists(faults, max_size=3),
        st.sampled_from(["stream", "blocks"]),
    )
    def check(seed, size, encoding, start, length, wrong, how):
        assume(checksums or not any(fault.kind in {"corrupt", "padding"} for fault in wrong))
        work = one(seed, size, encoding, start, length, wrong, how)
        asyncio.run_coroutine_threadsafe(work, loop).result()

    async def one(seed, size, encoding, start, length, wrong, how):
        generator = random.Random(seed)
        data = generator.randbytes(size) if seed % 2 else bytes(generator.choices(b"ab", k=size))
        served.files = {1: data}
        served.settings.encoding = encoding
        served.settings.checksums = checksums
        served.settings.faults.clear()
        for fault in wrong:
            served.settings.faults.add(fault)
        end = None if length is None else start + length
        got = bytearray()
        async with connect(concurrency=4, max_bytes_in_flight=500, timeouts=Timeouts(read_s=0.1)) as client:
            (result,) = await asyncio.gather(fetch(client, how, start, end, got), return_exceptions=True)
        outcomes[type(result).__name__] += 1
        if result is None:
            assert bytes(got) == data[start:end]
            return
        assert isinstance(result, DirectIOError), result
        assert wrong, "nothing went wrong, and yet it fails"
        assert result.file_id == 1
        assert data[start:end].startswith(got)
        if how == "stream":
            assert result.offset == start + len(got)

    await asyncio.to_thread(check)
    assert outcomes["NoneType"]  # the faults leave room for success; each fault alone is tested elsewhere
