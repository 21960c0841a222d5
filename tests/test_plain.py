"""Plain calls of coroutines, with and without a running loop."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from ctera_insights.plain import run


async def answer() -> int:
    await asyncio.sleep(0)
    return 42


def test_in_a_script_the_loop_is_left_as_it_is():
    code = (
        "import asyncio, sys\n"
        "from ctera_insights.plain import run\n"
        "async def f(): return 42\n"
        "assert run(f()) == 42\n"
        "assert 'nest_asyncio' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_inside_a_running_loop_a_plain_call_returns_too():
    code = (
        "import asyncio\n"
        "from ctera_insights.plain import run\n"
        "async def f():\n"
        "    await asyncio.sleep(0.01)\n"
        "    return 42\n"
        "async def cell():\n"
        "    other = asyncio.create_task(f())\n"
        "    assert run(f()) == 42\n"
        "    assert await f() == 42\n"
        "    assert await other == 42\n"
        "asyncio.run(cell())\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_errors_come_through():
    async def fails() -> None:
        raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        run(fails())
    assert run(answer()) == 42
