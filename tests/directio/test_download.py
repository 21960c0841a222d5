from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ctera_insights.errors import BlockCorrupt, DirectIOClosed, UsageError
from ctera_insights.portal.directio import Downloaded
from ctera_insights.portal.directio.partial import Partial
from ctera_insights.simulator.blocks import Encoding
from ctera_insights.simulator.directio import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from ctera_insights.simulator.directio_faults import Fault

BLOCK = 1 << 20
LARGE = 12 * BLOCK + 17


@pytest.fixture
def large(served) -> bytes:
    """File 2: 12 MiB and a bit, in 13 blocks."""
    served.settings.encoding = Encoding("none", block_size=BLOCK)
    data = os.urandom(LARGE)
    served.files[2] = data
    return data


def names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


async def test_a_download_is_complete_and_leaves_nothing_else(served, content, large, connect, tmp_path):
    client = connect()
    small = await client.download(1, tmp_path / "small")
    assert (small.path, small.size, small.resumed_at) == (tmp_path / "small", len(content), 0)
    await client.download(2, str(tmp_path / "large"))
    assert (tmp_path / "small").read_bytes() == content
    assert (tmp_path / "large").read_bytes() == large
    assert names(tmp_path) == ["large", "small"]
    assert served.settings.requests["list"] == 2


@pytest.mark.parametrize("file_id", [1, 2])
async def test_progress_runs_from_nothing_to_all(served, large, connect, tmp_path, file_id):
    told: list[tuple[int, int]] = []
    await connect().download(file_id, tmp_path / "f", progress=lambda *step: told.append(step))
    size = len(served.files[file_id])
    assert large
    assert told[0] == (0, size)
    assert told[-1] == (size, size)
    assert [done for done, _ in told] == sorted({done for done, _ in told})


@pytest.mark.parametrize("file_id", [1, 2])
async def test_a_failed_download_leaves_an_existing_target_alone(served, large, connect, tmp_path, file_id):
    assert large
    served.settings.faults.add(Fault("short"))
    target = tmp_path / "f"
    target.write_text("old")
    with pytest.raises(BlockCorrupt):
        await connect().download(file_id, target, resume=False)
    assert target.read_text() == "old"
    assert names(tmp_path) == ["f"]


async def test_an_interrupted_download_goes_on_where_it_stopped(served, large, connect, tmp_path):
    served.settings.faults.add(Fault("short", number=9, times=1))
    client = connect(max_bytes_in_flight=2 * BLOCK)
    target = tmp_path / "f"
    with pytest.raises(BlockCorrupt) as caught:
        await client.download(2, target)
    assert caught.value.offset == 8 * BLOCK
    assert names(tmp_path) == [".f.part", ".f.part.json"]
    before = served.settings.requests["block"]
    done = await client.download(2, target)
    assert done.resumed_at == 8 * BLOCK
    assert served.settings.requests["block"] - before == 5
    assert target.read_bytes() == large
    assert names(tmp_path) == ["f"]


async def test_a_cancelled_download_goes_on_too(served, large, connect, tmp_path):
    client = connect(concurrency=1, max_bytes_in_flight=BLOCK)
    target = tmp_path / "f"
    enough = asyncio.Event()
    task = asyncio.create_task(
        client.download(2, target, progress=lambda done, _: enough.set() if done >= 5 * BLOCK else None)
    )
    await enough.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    done = await client.download(2, target)
    assert done.resumed_at >= 5 * BLOCK
    assert target.read_bytes() == large
    assert served.settings.requests["list"] == 2


async def test_a_closed_client_leaves_a_beginning_to_go_on_from(large, connect, tmp_path):
    client = connect(concurrency=1, max_bytes_in_flight=BLOCK)
    enough = asyncio.Event()
    task = asyncio.create_task(
        client.download(2, tmp_path / "f", progress=lambda done, _: enough.set() if done >= BLOCK else None)
    )
    await enough.wait()
    await client.close()
    with pytest.raises(DirectIOClosed):
        await task
    assert (await connect().download(2, tmp_path / "f")).resumed_at >= BLOCK
    assert (tmp_path / "f").read_bytes() == large


async def begin(client, target: Path) -> None:
    with pytest.raises(BlockCorrupt):
        await client.download(2, target)


@pytest.mark.parametrize("spoil", ["content", "cut", "note", "no note"])
async def test_a_beginning_that_is_not_as_it_was_left_is_not_trusted(served, large, connect, tmp_path, spoil):
    served.settings.faults.add(Fault("short", number=9, times=1))
    client = connect()
    target, part, note = tmp_path / "f", tmp_path / ".f.part", tmp_path / ".f.part.json"
    await begin(client, target)
    if spoil == "content":
        with part.open("r+b") as file:
            file.seek(BLOCK)
            file.write(b"\0\0\0\0")
    elif spoil == "cut":
        os.truncate(part, 100)
    elif spoil == "note":
        note.write_text("{")
    else:
        note.unlink()
    assert (await client.download(2, target)).resumed_at == 0
    assert target.read_bytes() == large
    assert names(tmp_path) == ["f"]


async def test_the_beginning_of_another_version_is_not_used(served, large, connect, tmp_path):
    served.settings.faults.add(Fault("short", number=9, times=1))
    client = connect()
    await begin(client, tmp_path / "f")
    served.files[2] = bytes(reversed(large))
    assert (await client.download(2, tmp_path / "f")).resumed_at == 0
    assert (tmp_path / "f").read_bytes() == served.files[2]


async def test_resume_false_starts_over(served, large, connect, tmp_path):
    served.settings.faults.add(Fault("short", number=9, times=1))
    client = connect()
    await begin(client, tmp_path / "f")
    assert (await client.download(2, tmp_path / "f", resume=False)).resumed_at == 0
    assert (tmp_path / "f").read_bytes() == large
    assert names(tmp_path) == ["f"]


async def test_a_second_download_to_the_same_place_is_refused(large, connect, tmp_path):
    client = connect()
    results = await asyncio.gather(
        *(client.download(2, tmp_path / "f") for _ in range(3)), return_exceptions=True
    )
    assert [isinstance(r, Downloaded) for r in results].count(True) >= 1
    assert all(isinstance(r, Downloaded | UsageError) for r in results)
    assert (tmp_path / "f").read_bytes() == large
    assert names(tmp_path) == ["f"]


async def test_names_of_the_longest_kind_have_room_for_the_temporary_one(large, connect, tmp_path):
    target = tmp_path / ("é" * 127)
    await connect().download(2, target)
    assert target.read_bytes() == large


async def test_a_missing_directory_is_told(connect, tmp_path):
    with pytest.raises(FileNotFoundError):
        await connect().download(1, tmp_path / "none" / "f")


CHILD = """
import asyncio, sys
from ctera_insights.portal import DirectIO

async def main():
    url, key, secret, target = sys.argv[1:]
    async with DirectIO(url, key, secret, concurrency=2, max_bytes_in_flight=1 << 20) as client:
        await client.download(2, target, progress=lambda done, size: print(done, flush=True))

asyncio.run(main())
"""


@pytest.mark.skipif(os.name == "nt", reason="kills a process")
async def test_a_killed_download_goes_on_from_its_last_checkpoint(served, connect, tmp_path):
    """SIGKILL leaves no time to note anything: what was noted every 64 MiB is what is kept."""
    served.settings.encoding = Encoding("none", encrypted=False, block_size=BLOCK)
    data = bytearray(os.urandom(BLOCK) * 80)
    served.files[2] = bytes(data)
    target = tmp_path / "f"
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, served.url, ACCESS_KEY_ID, SECRET_ACCESS_KEY, str(target),
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    while int(await child.stdout.readline()) < 66 * BLOCK:
        pass
    child.send_signal(signal.SIGKILL)
    await child.stdout.read()
    await child.wait()
    assert json.loads((tmp_path / ".f.part.json").read_text())["bytes"] == 64 * BLOCK
    done = await connect().download(2, target)
    assert done.resumed_at == 64 * BLOCK
    assert target.read_bytes() == data
    assert names(tmp_path) == ["f"]


def opened(target: Path) -> Partial:
    partial = Partial(target, "a")
    partial.open(keep=True)
    return partial


def test_a_writer_that_waited_for_the_lock_does_not_write_into_the_finished_file(tmp_path):
    first = opened(tmp_path / "f")
    first.append(b"done")
    with pytest.raises(UsageError, match="Another download"):
        opened(tmp_path / "f")
    first.publish()
    second = opened(tmp_path / "f")
    assert second.size == 0
    second.append(b"x")
    assert (tmp_path / "f").read_bytes() == b"done"
    second.abandon(keep=False)
    assert names(tmp_path) == ["f"]


def test_a_rename_that_was_done_and_denied_is_done(tmp_path, monkeypatch):
    """As on a network file system that repeats a rename whose answer was lost."""
    partial = opened(tmp_path / "f")
    partial.append(b"whole")
    replace = Path.replace

    def denied(path, target):
        replace(path, target)
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(Path, "replace", denied)
    partial.publish()
    assert (tmp_path / "f").read_bytes() == b"whole"
    assert names(tmp_path) == ["f"]


def test_a_rename_that_failed_leaves_the_beginning_to_go_on_from(tmp_path, monkeypatch):
    (tmp_path / "f").write_bytes(b"old")
    partial = opened(tmp_path / "f")
    partial.append(b"whole")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", _refused)
        with pytest.raises(PermissionError):
            partial.publish()
    partial.abandon(keep=True)
    assert (tmp_path / "f").read_bytes() == b"old"
    assert opened(tmp_path / "f").size == 5


def _refused(*_: object) -> None:
    raise PermissionError(13, "Permission denied")


def test_giving_up_does_not_remove_what_another_writer_began_meanwhile(tmp_path):
    """The first one's temporary file was moved away; the name is another's by now."""
    first = opened(tmp_path / "f")
    first.append(b"x")
    (tmp_path / ".f.part").rename(tmp_path / "elsewhere")
    second = opened(tmp_path / "f")
    second.append(b"whole")
    second.save()
    first.abandon(keep=False)
    second.publish()
    assert (tmp_path / "f").read_bytes() == b"whole"


def test_long_names_that_begin_alike_have_temporary_files_of_their_own(tmp_path):
    one, other = (opened(tmp_path / ("n" * 250 + end)) for end in "ab")
    one.append(b"one")
    other.append(b"other")
    other.abandon(keep=False)
    one.publish()
    assert (tmp_path / ("n" * 250 + "a")).read_bytes() == b"one"
