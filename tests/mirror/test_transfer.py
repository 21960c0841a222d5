from __future__ import annotations

import asyncio
import os
from dataclasses import replace

import duckdb
import pytest

from ctera_insights.errors import QueryFailed, UsageError
from ctera_insights.mirror import RemoteFile, download, duplicates, hash_content, mirror, remote_files
from ctera_insights.simulator import SimulatedPortal
from ctera_insights.simulator.directio import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from ctera_insights.simulator.directio_faults import Fault
from ctera_insights.simulator.sources.directory import DirectorySource


async def test_files_go_under_their_paths_with_their_times(share, client, tmp_path, tree):
    share.add("Team/a.txt", b"a" * 10)
    share.add("Team/deep/er/b.bin", os.urandom(200_000))
    share.add("empty", b"")
    report = await mirror(client, share.files, tmp_path / "copy")
    assert (report.downloaded, report.downloaded_bytes, report.skipped) == (3, 200_010, 0)
    assert (report.failures, report.renamed) == ([], {})
    assert await asyncio.to_thread(tree, tmp_path / "copy") == {
        "Team/a.txt": share.contents[1],
        "Team/deep/er/b.bin": share.contents[2],
        "empty": b"",
    }
    modified = (tmp_path / "copy" / "empty").stat().st_mtime
    assert modified == pytest.approx(share.files[0].modified.timestamp(), abs=1e-6)


async def test_what_is_there_is_skipped_and_what_changed_on_either_side_is_not(share, client, tmp_path):
    for number in range(6):
        share.add(f"f{number}", bytes([number]) * 100)
    await mirror(client, share.files, tmp_path)
    before = share.settings.requests["list"]
    again = await mirror(client, share.files, tmp_path)
    assert (again.downloaded, again.skipped) == (0, 6)
    assert share.settings.requests["list"] == before

    (tmp_path / "f0").unlink()
    (tmp_path / "f1").write_bytes(b"x" * 100)
    share.contents[3] = b"new"
    share.files[2] = replace(share.files[2], stamp="v2", size=3)
    report = await mirror(client, share.files, tmp_path)
    assert (report.downloaded, report.skipped) == (3, 3)
    assert [(tmp_path / f"f{n}").read_bytes() for n in range(3)] == [b"\0" * 100, b"\x01" * 100, b"new"]


async def test_a_note_cut_short_costs_its_file_only(share, client, tmp_path):
    share.add("a")
    share.add("b")
    await mirror(client, share.files, tmp_path)
    notes = tmp_path / ".ctera-insights-mirror.jsonl"
    notes.write_bytes(notes.read_bytes()[:-10])
    report = await mirror(client, share.files, tmp_path)
    assert (report.downloaded, report.skipped) == (1, 1)
    assert (await mirror(client, share.files, tmp_path)).skipped == 2


async def test_a_damaged_note_costs_its_file_only(share, client, tmp_path):
    share.add("a")
    share.add("b")
    await mirror(client, share.files, tmp_path)
    notes = tmp_path / ".ctera-insights-mirror.jsonl"
    notes.write_bytes(b"\xff\xfe" + notes.read_bytes().lstrip(b"\n"))
    report = await mirror(client, share.files, tmp_path)
    assert (report.downloaded, report.skipped) == (1, 1)
    assert (await mirror(client, share.files, tmp_path)).skipped == 2


async def test_notes_do_not_grow_without_end(share, client, tmp_path):
    remote = share.add("a")
    notes = tmp_path / ".ctera-insights-mirror.jsonl"
    notes.write_text('["a", 1, "old", 1, 1]\n' * 3000)
    await mirror(client, [remote], tmp_path)
    assert len(notes.read_text().splitlines()) == 1
    assert (await mirror(client, [remote], tmp_path)).skipped == 1


async def test_one_bad_file_does_not_stop_the_others(share, client, tmp_path, tree):
    for number in range(20):
        share.add(f"f{number:02}")
    del share.contents[3]
    share.settings.not_direct = {5}
    share.settings.faults.add(Fault("short", file_id=7))
    share.files.append(RemoteFile("no id", None, 5))
    report = await mirror(client, share.files, tmp_path)
    assert report.downloaded == 17
    reasons = {failure.path: failure.reason for failure in report.failures}
    assert reasons.keys() == {"f02", "f04", "f06", "no id"}
    assert "no file 3" in reasons["f02"]
    assert "Direct mode" in reasons["f04"]
    assert "damaged" in reasons["f06"]
    found = await asyncio.to_thread(tree, tmp_path)
    assert len(found) == 17


HOSTILE = [
    "../outside",
    "/absolute",
    "a/../../outside",
    "..",
    "C:/windows",
    "nul\0byte",
    "n" * 300 + ".txt",
    "CON",
    ".ctera-insights-mirror.jsonl",
    ".a.part",
    "line\nbreak",
    "🎉/\u202egnp.exe",
    "~root/x",
    "-rf",
]


@pytest.mark.parametrize("portable", [True, False])
async def test_nothing_is_written_outside_whatever_the_names_are(share, client, tmp_path, tree, portable):
    top = tmp_path / "deep" / "top"
    for path in HOSTILE:
        share.add(path, path.encode())
    report = await mirror(client, share.files, top, portable=portable)
    assert report.failures == []
    found = await asyncio.to_thread(tree, top)
    assert sorted(found.values()) == sorted(path.encode() for path in HOSTILE)
    outside = await asyncio.to_thread(tree, tmp_path)
    assert all(name.startswith("deep/top/") for name in outside)
    assert (await mirror(client, share.files, top, portable=portable)).skipped == len(HOSTILE)


@pytest.mark.skipif(os.name == "nt", reason="symbolic links")
async def test_a_symbolic_link_does_not_lead_out(share, client, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "top").mkdir()
    (tmp_path / "top" / "link").symlink_to(outside)
    (tmp_path / "top" / "file").symlink_to(outside / "file")
    share.add("link/f")
    share.add("file", b"new")
    report = await mirror(client, share.files, tmp_path / "top")
    assert [failure.path for failure in report.failures] == ["link/f"]
    assert list(outside.iterdir()) == []
    assert not (tmp_path / "top" / "file").is_symlink()


async def test_two_files_of_one_path_both_arrive(share, client, tmp_path, tree):
    """Two cloud folders may hold the same path, and some file systems take "A" and "a" for one name."""
    share.add("same.txt", b"first")
    share.add("same.txt", b"second")
    share.add("SAME.txt", b"third")
    report = await mirror(client, share.files, tmp_path, portable=True)
    assert await asyncio.to_thread(tree, tmp_path) == {
        "SAME.txt": b"third",
        "same~1.txt": b"first",
        "same~2.txt": b"second",
    }
    assert "same.txt" in report.renamed


async def test_a_file_gives_way_to_a_directory(share, client, tmp_path, tree):
    """As when a folder was made where a file was deleted, and the feed's news are not all in yet."""
    share.add("a", b"file")
    share.add("a/b", b"below")
    report = await mirror(client, share.files, tmp_path)
    assert report.failures == []
    assert await asyncio.to_thread(tree, tmp_path) == {"a~1": b"file", "a/b": b"below"}


async def test_progress_counts_files_and_bytes(share, client, tmp_path):
    for number in range(5):
        share.add(f"f{number}", bytes(1000))
    share.add("large", bytes(9 << 20))
    told = []
    await mirror(
        client,
        share.files,
        tmp_path,
        progress=lambda state: told.append((state.done_files, state.done_bytes)),
    )
    assert told == sorted(told)
    assert told[-1] == (6, 5000 + (9 << 20))
    assert len(told) > 8


async def test_an_interrupted_mirror_goes_on(share, client, tmp_path, tree):
    share.settings.faults.add(Fault("slow", delay_s=0.01))
    for number in range(30):
        share.add(f"f{number}", bytes([number]) * 10)
    enough = asyncio.Event()
    task = asyncio.create_task(
        mirror(
            client,
            share.files,
            tmp_path,
            concurrency=2,
            progress=lambda state: enough.set() if state.done_files >= 10 else None,
        )
    )
    await enough.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    report = await mirror(client, share.files, tmp_path)
    assert report.skipped >= 10
    assert report.skipped + report.downloaded == 30
    found = await asyncio.to_thread(tree, tmp_path)
    assert found == {f"f{number}": bytes([number]) * 10 for number in range(30)}


async def test_a_directory_that_cannot_be_is_told(client, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError):
        await mirror(client, [], tmp_path / "file")


async def test_content_is_hashed_without_being_stored(share, client):
    import hashlib

    data = os.urandom(300_000)
    remote = share.add("f", data)
    assert await hash_content(client, remote.file_id) == hashlib.sha256(data).hexdigest()
    assert await hash_content(client, remote.file_id, algorithm="md5") == hashlib.md5(data).hexdigest()
    assert await hash_content(client, 1, start=5, end=9) == hashlib.sha256(data[5:9]).hexdigest()


async def test_duplicates_are_files_of_the_same_content(share, client):
    large = bytes(100_000)
    late = bytes(99_999) + b"x"
    for path, data in {
        "a": b"one",
        "b": b"one",
        "c": b"two",
        "alone": b"longer",
        "empty": b"",
        "empty too": b"",
        "large": large,
        "large again": large,
        "differs late": late,
        "broken": b"one",
    }.items():
        share.add(path, data)
    del share.contents[10]
    groups, failures = await duplicates(client, share.files)
    assert [[file.path for file in group.files] for group in groups] == [["large", "large again"], ["a", "b"]]
    assert [group.wasted_bytes for group in groups] == [100_000, 3]
    assert [failure.path for failure in failures] == ["broken"]
    assert share.settings.requests["list"] == 4 + 3 + 3, "no file of a size of its own is read"


@pytest.fixture
def store():
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("""
        CREATE TABLE objects AS FROM (VALUES
            ('file', 'Finance/a.txt', 1, 7, false, TIMESTAMPTZ '2026-01-01 00:00:00Z', NULL, 'g:1'),
            ('file', 'Finance/gone', 2, 7, true, NULL, NULL, NULL),
            ('folder', 'Finance', 3, NULL, false, NULL, NULL, NULL),
            ('file', 'Other/b', 2, 7, false, NULL, TIMESTAMPTZ '2026-01-02 00:00:00Z', NULL)
        ) t(type, path, id, size, deleted, file_timestamp, portal_modified_date, gvsn)""")
    with connection:
        yield connection


def test_a_condition_selects_existing_files(store):
    assert [file.path for file in remote_files(store)] == ["Finance/a.txt", "Other/b"]
    (one,) = remote_files(store, "path LIKE 'Finance/%' -- only these")
    assert (one.file_id, one.size, one.stamp.split(" ")[0]) == (1, 7, "g:1")
    assert one.modified.year == 2026
    assert remote_files(store, "path = ';'") == []


@pytest.mark.parametrize(
    "where", ["nonsense(", "no_such_column = 1", "true); DROP TABLE objects; SELECT (1", "true; SELECT 1"]
)
def test_a_condition_that_is_none_is_refused(store, where):
    with pytest.raises(QueryFailed):
        remote_files(store, where)
    assert len(remote_files(store)) == 2


def test_the_plain_call_mirrors_what_a_condition_selects(store, tmp_path, plain_share):
    node = plain_share.world.find(f"{plain_share.source.cloud_folder}/a.txt")
    store.execute("UPDATE objects SET id = $1 WHERE id = 1", [node.id])
    report = download(
        plain_share.url,
        store,
        tmp_path,
        "path LIKE 'Finance/%'",
        access_key_id=ACCESS_KEY_ID,
        secret_access_key=SECRET_ACCESS_KEY,
    )
    assert (report.downloaded, report.failures) == (1, [])
    assert (tmp_path / "Finance" / "a.txt").read_bytes() == b"content"


@pytest.fixture
def plain_share(tmp_path_factory):
    top = tmp_path_factory.mktemp("share")
    (top / "a.txt").write_bytes(b"content")
    with SimulatedPortal(DirectorySource(top)).run_in_thread() as portal:
        yield portal
