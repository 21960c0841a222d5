"""Real directories, changed by real programs' habits: the world equals ``os.walk``."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from ctera_insights.errors import UsageError
from ctera_insights.simulator import Feed, World
from ctera_insights.simulator.sources.base import Source
from ctera_insights.simulator.sources.directory import DirectorySource
from ctera_insights.simulator.sources.directory.born import born_ns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

SCALE = int(os.environ.get("CTERA_INSIGHTS_TEST_SCALE", "1"))


class Shown:
    """A directory, the source that shows it, and what a reader of the feed learns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.source = DirectorySource(path)
        self.world = World(Feed())
        self.source.populate(self.world)
        self.states: dict[str, dict[str, object]] = {}
        self.read = 0

    def news(self) -> list[str]:
        """Say what the new states tell: ``created a``, ``renamed a -> b``, ``written a``, ``deleted a``."""
        told = []
        for raw in self.world.feed.log(self.read):
            self.read += 1
            entry = msgspec.json.decode(raw)
            before = self.states.get(entry["guid"])
            old = "" if before is None else self.path_of(before)
            self.states[entry["guid"]] = entry
            new = self.path_of(entry)
            if entry["deleted"]:
                told.append(f"deleted {old}")
            elif before is None:
                told.append(f"created {new}")
            else:
                told.append(f"renamed {old} -> {new}" if old != new else f"written {new}")
        return told

    def path_of(self, entry: dict[str, object]) -> str:
        names = []
        while (parent := entry.get("parent_guid")) is not None:
            names.append(str(entry["name"]))
            entry = self.states[str(parent)]
        return "/".join(reversed(names))

    def refreshed(self) -> list[str]:
        self.source.refresh()
        return self.news()

    def differs(self) -> str:
        """Say how the world, or what the feed tells, differs from the directory; nothing when it does not."""
        there = walked(self.path)
        root = next(iter(self.world.roots.values()))
        cut = len(root.name) + 1
        shown = {
            node.path[cut:]: (node.type, node.size if node.type == "file" else 0)
            for node in root.walk()
            if node is not root
        }
        self.news()
        told = {
            self.path_of(entry): (entry["type"], entry["size"] if entry["type"] == "file" else 0)
            for entry in self.states.values()
            if not entry["deleted"] and "parent_guid" in entry
        }
        if shown != there:
            return f"the world: {sorted(set(shown.items()) ^ set(there.items()))}"
        return "" if told == there else f"the feed: {sorted(set(told.items()) ^ set(there.items()))}"

    def guid(self, path: str) -> str:
        return next(g for g, e in self.states.items() if not e["deleted"] and self.path_of(e) == path)


def walked(path: Path) -> dict[str, tuple[str, int]]:
    found = {}
    for above, folders, files in os.walk(path):
        for name in folders + files:
            place = Path(above, name)
            folder = place.is_dir() and not place.is_symlink()
            shown = os.fsencode(place.relative_to(path)).decode("utf-8", "replace")
            found[shown] = ("folder", 0) if folder else ("file", place.lstat().st_size)
    return found


@pytest.fixture
def share(tmp_path: Path) -> Path:
    path = tmp_path / "share"
    path.mkdir()
    return path


def write(path: Path, content: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def test_the_inventory_is_what_is_there(share: Path):
    """Names, types, sizes and times are the tree's own; the source is what the Portal asks for."""
    write(share / "a/b/report 📊.docx", "x" * 1234)
    (share / "empty").mkdir()
    os.utime(share / "a/b/report 📊.docx", (1_600_000_000, 1_600_000_000))
    shown = Shown(share)
    assert shown.differs() == ""
    assert isinstance(shown.source, Source)
    assert (shown.source.name, shown.source.identity, shown.source.inventory) == ("dir:share", None, "now")
    node = shown.world.find("share/a/b/report 📊.docx")
    assert node is not None
    assert node.file_timestamp == datetime.fromtimestamp(1_600_000_000, UTC)
    assert shown.source.content(node.id) == share / "a/b/report 📊.docx"
    assert list(shown.source.history(shown.world)) == []


def test_what_happens_to_files(share: Path):
    """Made, written, renamed, moved, deleted: one state each, with the guid kept."""
    write(share / "old.txt", "content")
    (share / "d").mkdir()
    shown = Shown(share)
    shown.news()
    guid = shown.guid("old.txt")
    write(share / "new.txt")
    assert shown.refreshed() == ["created new.txt"]
    write(share / "old.txt", "more content")
    assert shown.refreshed() == ["written old.txt"]
    (share / "old.txt").rename(share / "renamed.txt")
    assert shown.refreshed() == ["renamed old.txt -> renamed.txt"]
    (share / "renamed.txt").rename(share / "d/moved.txt")
    assert shown.refreshed() == ["renamed renamed.txt -> d/moved.txt"]
    (share / "d/moved.txt").rename(share / "d/MOVED.txt")
    assert shown.refreshed() == ["renamed d/moved.txt -> d/MOVED.txt"]
    assert shown.guid("d/MOVED.txt") == guid
    (share / "d/MOVED.txt").unlink()
    assert shown.refreshed() == ["deleted d/MOVED.txt"]
    assert shown.refreshed() == []


def test_what_happens_to_folders(share: Path):
    """A folder that moves is one state, whatever is below; what changed below it is told besides."""
    for n in range(20):
        write(share / f"project/deep/{n}")
    (share / "archive").mkdir()
    shown = Shown(share)
    shown.news()
    (share / "project").rename(share / "archive/done")
    assert shown.refreshed() == ["renamed project -> archive/done"]
    write(share / "archive/done/deep/3", "changed")
    write(share / "archive/done/new")
    (share / "archive/done").rename(share / "back")
    assert sorted(shown.refreshed()) == [
        "created back/new",
        "renamed archive/done -> back",
        "written back/deep/3",
    ]
    shutil.rmtree(share / "back")
    assert len(shown.refreshed()) == 23
    assert shown.differs() == ""


def test_moves_into_a_folder_made_since(share: Path):
    """What moved into new folders is known again, though the place that it left was taken meanwhile."""
    for name in "abc":
        write(share / name, name * 10)
    shown = Shown(share)
    shown.news()
    guids = {name: shown.guid(name) for name in "abc"}
    (share / "new/er").mkdir(parents=True)
    (share / "b").rename(share / "new/er/b")
    (share / "a").rename(share / "b")
    (share / "c").rename(share / "a")
    shown.refreshed()
    assert shown.differs() == ""
    assert (shown.guid("new/er/b"), shown.guid("b"), shown.guid("a")) == tuple(guids[name] for name in "bac")


def test_folders_that_change_places(share: Path):
    """Two folders that swap, and a folder that goes below its own child, keep their guids."""
    write(share / "one/1")
    write(share / "two/2")
    write(share / "up/down/x")
    shown = Shown(share)
    shown.news()
    one, two, up, down = (shown.guid(path) for path in ("one", "two", "up", "up/down"))
    (share / "one").rename(share / "t")
    (share / "two").rename(share / "one")
    (share / "t").rename(share / "two")
    (share / "up/down").rename(share / "down")
    (share / "up").rename(share / "down/up")
    shown.refreshed()
    assert shown.differs() == ""
    assert (shown.guid("two"), shown.guid("one")) == (one, two)
    assert (shown.guid("down/up"), shown.guid("down")) == (up, down)


def test_a_number_given_out_again_is_no_rename(share: Path):
    """A new file with the inode of one deleted is a new object."""
    reused = False
    for _ in range(50):
        old = write(share / "old", "same size")
        os.utime(old, (1e9, 1e9))
        shown = Shown(share)
        shown.news()
        number = old.stat().st_ino
        old.unlink()
        new = write(share / "new", "same size")
        os.utime(new, (1e9, 1e9))
        reused = new.stat().st_ino == number
        if reused and born_ns(str(new)) is not None:
            assert sorted(shown.refreshed()) == ["created new", "deleted old"]
            break
        new.unlink()
    else:
        pytest.skip("this file system gives no number out twice, or knows no births")


def save_beside(path: Path) -> None:
    temporary = path.with_name(f".{path.name}.x1y2z3")
    write(temporary, "saved anew")
    temporary.replace(path)


def save_with_backup(path: Path) -> None:
    path.rename(path.with_name(path.name + "~"))
    write(path, "saved anew")
    path.with_name(path.name + "~").unlink()


def save_anew(path: Path) -> None:
    path.unlink()
    write(path, "saved anew")


@pytest.mark.parametrize("save", [save_beside, save_with_backup, save_anew])
def test_a_save_is_one_write(share: Path, save: Callable[[Path], None]):
    """However an editor saves, the file was written."""
    write(share / "report.docx")
    shown = Shown(share)
    shown.news()
    save(share / "report.docx")
    assert shown.refreshed() == ["written report.docx"]
    assert shown.differs() == ""


def test_a_save_seen_half_way(share: Path):
    """A temporary file that was told of is deleted when it becomes the file, and that was written."""
    write(share / "report.docx")
    shown = Shown(share)
    shown.news()
    write(share / "report.docx.tmp", "saved anew")
    assert shown.refreshed() == ["created report.docx.tmp"]
    (share / "report.docx.tmp").replace(share / "report.docx")
    assert shown.refreshed() == ["deleted report.docx.tmp", "written report.docx"]
    (share / "report.docx").rename(share / "report.docx~")
    write(share / "report.docx", "and again")
    assert shown.refreshed() == ["created report.docx~", "written report.docx"]
    assert shown.differs() == ""


def test_a_rename_over_another_file_is_a_rename(share: Path):
    """A file of long standing that replaces another keeps its own guid."""
    write(share / "a", "a")
    write(share / "b", "bb")
    shown = Shown(share)
    shown.news()
    (share / "a").replace(share / "b")
    assert shown.refreshed() == ["deleted b", "renamed a -> b"]
    assert shown.differs() == ""


def test_files_and_folders_take_one_anothers_place(share: Path):
    """A file becomes a folder, a folder a file, a folder is replaced by another."""
    write(share / "file")
    write(share / "folder/x")
    write(share / "other/y")
    shown = Shown(share)
    (share / "file").unlink()
    write(share / "file/inside")
    shutil.rmtree(share / "folder")
    write(share / "folder")
    shutil.rmtree(share / "other")
    write(share / "z/y2")
    (share / "z").rename(share / "other")
    shown.refreshed()
    assert shown.differs() == ""


def test_links_are_never_followed(share: Path, tmp_path: Path):
    """A symbolic link is a file whose content is its target's path, even when that is a folder or outside."""
    write(tmp_path / "outside/secret")
    (share / "link").symlink_to(tmp_path / "outside")
    (share / "loop").symlink_to(".")
    (share / "broken").symlink_to("nowhere")
    os.mkfifo(share / "pipe")
    shown = Shown(share)
    (share / "pipe").unlink()
    assert shown.differs() == ""
    node = shown.world.find("share/link")
    assert node is not None
    assert shown.source.content(node.id) == os.fsencode(tmp_path / "outside")
    (share / "link").unlink()
    assert shown.source.content(node.id) is None
    (share / "link").symlink_to("elsewhere")
    assert "written link" in shown.refreshed()
    assert shown.source.content(10**9) is None


def test_hard_links_are_files_of_their_own(share: Path):
    """Two names of one file are two objects, and each is renamed and deleted for itself."""
    write(share / "a", "shared")
    shown = Shown(share)
    shown.news()
    guid = shown.guid("a")
    (share / "b").hardlink_to(share / "a")
    assert shown.refreshed() == ["created b"]
    (share / "a").rename(share / "c")
    assert shown.refreshed() == ["renamed a -> c"]
    assert shown.guid("c") == guid
    (share / "c").unlink()
    assert shown.refreshed() == ["deleted c"]
    write(share / "b", "changed by one name")
    assert shown.refreshed() == ["written b"]


def test_names_of_every_kind(share: Path):
    """Emoji, newlines, both Unicode forms, and bytes that are no UTF-8 and look the same by that."""
    for name in ("🎉", "new\nline", "é", "e\u0301", "-rf", "n" * 255, "quo\"te'", "back\\slash", " "):
        write(share / name)
    (share / "folder").mkdir()
    shown = Shown(share)
    assert shown.differs() == ""
    for raw in (b"\xe9", b"\xe8", b"folder/\xff"):
        raw_path(share, raw).write_text("latin")
    told = shown.refreshed()
    assert "created folder/\ufffd" in told
    assert set(told) - {"created folder/\ufffd"} <= {"created \ufffd", "created \\xe8", "created \\xe9"}
    assert len(set(told)) == 3
    raw_path(share, b"\xe9").rename(raw_path(share, b"\xea"))
    assert len(shown.refreshed()) == 1
    shutil.rmtree(share / "folder")
    for raw in (b"\xea", b"\xe8"):
        raw_path(share, raw).unlink()
    shown.refreshed()
    assert shown.differs() == ""


def raw_path(share: Path, raw: bytes) -> Path:
    return Path(os.fsdecode(os.fsencode(share) + b"/" + raw))


class Disorder:
    """Does to a directory what people and programs do, some of it many times a second."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path = path
        self.draw = random.Random(seed)

    def change(self) -> None:
        doings = [self.make, self.make, self.write, self.write, self.rename, self.rename, self.make_folder]
        doings += [self.delete, self.delete_folder, self.save, self.swap, self.copy_folder, self.replace]
        try:
            self.draw.choice(doings)()
        except OSError:
            return  # what a person sees as an error message: the place is taken, or not empty

    def anything(self, folders: bool) -> Path:
        found = [
            Path(above, name)
            for above, below, files in os.walk(self.path)
            for name in (below if folders else files)
        ]
        if not found:
            raise FileNotFoundError(self.path)
        return self.draw.choice(sorted(found))

    def a_place(self) -> Path:
        folders = [self.path, *(Path(above, n) for above, below, _ in os.walk(self.path) for n in below)]
        return self.draw.choice(sorted(folders)) / self.draw.choice(
            ["a", "b", "c", "A", "d e", "é", "🙂", ".tmp", "x~"]
        )

    def make(self) -> None:
        self.a_place().write_text("x" * self.draw.randrange(1000))

    def write(self) -> None:
        with self.anything(folders=False).open("a") as file:
            file.write("more")

    def rename(self) -> None:
        self.anything(folders=self.draw.random() < 0.5).rename(self.a_place())

    def make_folder(self) -> None:
        (self.a_place() / "sub").mkdir(parents=True)

    def delete(self) -> None:
        self.anything(folders=False).unlink()

    def delete_folder(self) -> None:
        if self.draw.random() < 0.3:
            shutil.rmtree(self.anything(folders=True))

    def save(self) -> None:
        save = self.draw.choice([save_beside, save_with_backup, save_anew])
        save(self.anything(folders=False))

    def swap(self) -> None:
        folders = self.draw.random() < 0.5
        one, two = self.anything(folders), self.anything(folders)
        aside = self.path / "aside"
        one.rename(aside)
        try:
            two.rename(one)
            aside.rename(two)
        except OSError:
            if aside.exists() and not one.exists():
                aside.rename(one)
            raise

    def copy_folder(self) -> None:
        source = self.anything(folders=True)
        if sum(1 for _ in source.rglob("*")) < 50:
            shutil.copytree(source, self.path / f"copy {self.draw.randrange(3)}")

    def replace(self) -> None:
        self.anything(folders=False).replace(self.anything(folders=False))


@pytest.mark.parametrize("seed", range(6 * SCALE))
def test_random_changes_looked_at_now_and_then(share: Path, seed: int):
    """Whatever happened between two looks, the world and the feed equal the directory after each."""
    disorder = Disorder(share, seed)
    for _ in range(30):
        disorder.change()
    shown = Shown(share)
    for _ in range(60):
        for _ in range(disorder.draw.choice([1, 1, 2, 5, 20])):
            disorder.change()
        shown.source.refresh()
        assert shown.differs() == ""


@asynccontextmanager
async def followed(shown: Shown) -> AsyncIterator[None]:
    task = asyncio.create_task(shown.source.follow(shown.world))
    try:
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def until_equal(shown: Shown, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while difference := await asyncio.to_thread(shown.differs):
        assert time.monotonic() < deadline, difference
        await asyncio.sleep(0.05)


async def until_told(shown: Shown, *wanted: str) -> list[str]:
    told: list[str] = []
    deadline = time.monotonic() + 60
    while not set(wanted) <= set(told):
        assert time.monotonic() < deadline, told
        told += await asyncio.to_thread(shown.news)
        await asyncio.sleep(0.02)
    return told


async def test_changes_become_states_while_they_happen(share: Path):
    """A watched directory tells each change by itself, folders included."""
    write(share / "there")
    shown = await asyncio.to_thread(Shown, share)
    await asyncio.to_thread(shown.news)
    async with followed(shown):
        write(share / "a/b/c.txt", "made while nobody may have watched yet")
        assert set(await until_told(shown, "created a/b/c.txt")) == {
            "created a",
            "created a/b",
            "created a/b/c.txt",
        }
        write(share / "a/b/c.txt", "written")
        await until_told(shown, "written a/b/c.txt")
        (share / "a").rename(share / "z")
        assert await until_told(shown, "renamed a -> z") == ["renamed a -> z"]
        (share / "z/b/c.txt").rename(share / "c.txt")
        assert await until_told(shown, "renamed z/b/c.txt -> c.txt") == ["renamed z/b/c.txt -> c.txt"]
        write(share / "z/b/late.txt")
        await until_told(shown, "created z/b/late.txt")
        shutil.rmtree(share / "z")
        await until_told(shown, "deleted z", "deleted z/b", "deleted z/b/late.txt")
        await until_equal(shown)


@pytest.mark.parametrize("seed", range(2 * SCALE))
async def test_random_changes_while_watched(share: Path, seed: int):
    """At the end of any script of changes, the world equals ``os.walk``."""
    disorder = Disorder(share, 1000 + seed)

    def script() -> None:
        for _ in range(400):
            disorder.change()
            if disorder.draw.random() < 0.1:
                time.sleep(disorder.draw.random() * 0.1)

    shown = await asyncio.to_thread(Shown, share)
    async with followed(shown):
        await asyncio.to_thread(script)
        await until_equal(shown)


async def test_names_that_are_not_text_are_noticed_too(share: Path):
    """A file whose name is no UTF-8 appears, and the watch goes on."""
    shown = await asyncio.to_thread(Shown, share)
    async with followed(shown):
        await asyncio.sleep(0.3)
        write(raw_path(share, b"\xff.txt"))
        await until_told(shown, "created \ufffd.txt")
        write(share / "plain.txt")
        await until_told(shown, "created plain.txt")


async def test_a_watch_ends_when_cancelled(share: Path):
    """After the task is cancelled nothing is published any more."""
    shown = await asyncio.to_thread(Shown, share)
    async with followed(shown):
        write(share / "a")
        await until_told(shown, "created a")
    write(share / "b")
    await asyncio.sleep(0.5)
    assert await asyncio.to_thread(shown.news) == []


async def test_a_great_many_files(share: Path):
    """A large tree is shown as fast as it can be listed, and a bulk change within it is followed."""
    count = 3000 * SCALE
    for n in range(count):
        if n % 100 == 0:
            (share / f"d{n // 100}").mkdir()
        (share / f"d{n // 100}/f{n}").touch()
    shown = await asyncio.to_thread(Shown, share)
    assert len(shown.world.feed) == count + count // 100 + 1
    async with followed(shown):
        await asyncio.to_thread(shutil.copytree, share / "d0", share / "copies/d0")
        await asyncio.to_thread((share / "d1").rename, share / "copies/d1")
        await asyncio.to_thread(shutil.rmtree, share / "d2")
        await until_equal(shown)


def test_no_directory(tmp_path: Path):
    """A path that is no directory is refused with the path in the message."""
    with pytest.raises(UsageError, match="nowhere"):
        DirectorySource(tmp_path / "nowhere")
