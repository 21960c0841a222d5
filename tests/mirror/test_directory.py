"""A mirror of a simulated Portal that serves a real directory is that directory."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path

import pytest

from ctera_insights.mirror import RemoteFile, mirror
from ctera_insights.portal import DirectIO
from ctera_insights.simulator import SimulatedPortal
from ctera_insights.simulator.directio import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from ctera_insights.simulator.sources.directory import DirectorySource

ODD = [
    "line\nbreak",
    "🎉 party.txt",
    "100%25 sure",
    "CON",
    "a'b\"c",
    " spaces ",
    "...",
    "~",
    "-rf",
    "é" * 120,
]


@pytest.mark.skipif(os.name == "nt", reason="names that Windows does not know")
async def test_a_mirror_of_a_directory_is_the_directory(tmp_path, tree):
    """Names, content and times, of real sources and of files with odd names."""
    share, copy = tmp_path / "share", tmp_path / "copy"

    def make() -> None:
        shutil.copytree(Path(json.__file__).parent.parent / "encodings", share / "encodings")
        shutil.copytree(Path(json.__file__).parent.parent / "email", share / "deep" / "er" / "email")
        for name in ODD:
            (share / name).write_bytes(name.encode())
        (share / "empty").touch()
        (share / "large").write_bytes(os.urandom(9 << 20))

    await asyncio.to_thread(make)
    source = await asyncio.to_thread(DirectorySource, share)
    async with SimulatedPortal(source) as portal:
        paths = [path for path in share.rglob("*") if path.is_file()]
        files = []
        for path in paths:
            relative = path.relative_to(share).as_posix()
            node = portal.world.find(f"{source.cloud_folder}/{relative}")
            files.append(RemoteFile(relative, node.id, node.size, node.file_timestamp, "v1"))
        async with DirectIO(portal.url, ACCESS_KEY_ID, SECRET_ACCESS_KEY) as client:
            report = await mirror(client, files, copy, portable=False)
    assert report.failures == []
    assert report.downloaded == len(paths) > 150
    assert report.renamed.keys() == {"100%25 sure"}
    expected = await asyncio.to_thread(tree, share)
    expected["100%2525 sure"] = expected.pop("100%25 sure")
    assert await asyncio.to_thread(tree, copy) == expected
    modified = [(share / name).stat().st_mtime for name in ("empty", "CON")]
    assert modified == pytest.approx([(copy / name).stat().st_mtime for name in ("empty", "CON")], abs=0.001)
