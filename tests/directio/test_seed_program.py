from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from ctera_insights.simulator import SimulatedPortal
from ctera_insights.simulator.blocks import Encoding
from ctera_insights.simulator.directio import ACCESS_KEY_ID, SECRET_ACCESS_KEY, DirectIOSettings
from ctera_insights.simulator.sources.directory import DirectorySource

PROGRAM = Path(__file__).parent.parent / "examples" / "seed_directio.py"


@pytest.mark.skipif(os.name == "nt", reason="interrupts a process")
async def test_the_seeds_program_downloads_every_file_of_the_feed(tmp_path):
    """The reference documentation's download program; only imports, host, key and TLS lines differ."""
    share, local = tmp_path / "share", tmp_path / "local"
    (share / "deep" / "deeper").mkdir(parents=True)
    local.mkdir()
    contents = {f"file {number}.bin": os.urandom(number * 40_000) for number in range(8)}
    for number, (name, data) in enumerate(contents.items()):
        ((share / "deep" / "deeper") if number % 2 else share).joinpath(name).write_bytes(data)
    settings = DirectIOSettings(encoding=Encoding(block_size=65_536))
    source = await asyncio.to_thread(DirectorySource, share)
    async with SimulatedPortal(source, https=True, directio=settings) as portal:
        environment = {
            **os.environ,
            "PORTAL_URL": portal.url,
            "PORTAL_CA": str(portal.ca_file),
            "PORTAL_PASSWORD": portal.password,
            "ACCESS_KEY_ID": ACCESS_KEY_ID,
            "SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        }
        program = await asyncio.create_subprocess_exec(
            sys.executable, str(PROGRAM), cwd=local, env=environment, stdout=asyncio.subprocess.PIPE
        )

        def downloaded() -> dict[str, bytes]:
            return {path.name: path.read_bytes() for path in local.iterdir()}

        async with asyncio.timeout(60):
            while await asyncio.to_thread(downloaded) != contents:
                assert program.returncode is None
                await asyncio.sleep(0.1)
        program.send_signal(signal.SIGKILL)
        output, _ = await program.communicate()
    assert output == b""
