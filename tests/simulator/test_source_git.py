"""Histories made by the real git, replayed: the world equals ``git ls-tree -r`` at every commit."""

from __future__ import annotations

import os
import random
import subprocess
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import pytest

from ctera_insights.errors import InsightsError, UsageError
from ctera_insights.simulator import Feed, World
from ctera_insights.simulator.sources.base import Source
from ctera_insights.simulator.sources.git import GitSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCALE = int(os.environ.get("CTERA_INSIGHTS_TEST_SCALE", "1"))
FILE, EXECUTABLE, LINK, SUBMODULE = "100644", "100755", "120000", "160000"
OTHER_REPOSITORY = b"1234567890123456789012345678901234567890"

Tree = dict[bytes, tuple[str, bytes]]


def git(repo: Path, *arguments: str, data: bytes | None = None) -> bytes:
    return subprocess.run(
        ["git", "-C", str(repo), *arguments], input=data, check=True, capture_output=True
    ).stdout


def quoted(path: bytes) -> bytes:
    return b'"' + b"".join(b"\\%03o" % byte for byte in path) + b'"'


class Writer:
    """Writes whole trees as commits, through ``git fast-import``."""

    def __init__(self, repo: Path, *, when: int = 1_600_000_000) -> None:
        repo.mkdir()
        git(repo, "init", "-q", "-b", "main")
        self.repo = repo
        self.when = when
        self.marks = 0
        self.stream: list[bytes] = []

    def commit(
        self, tree: Tree, *, parents: tuple[int, ...] | None = None, branch: str = "main", step: int = 60
    ) -> int:
        self.when += step
        self.marks += 1
        stream = self.stream
        stream.append(
            b"commit refs/heads/%s\nmark :%d\ncommitter A <a@example.com> %d +0000\ndata 1\nc\n"
            % (branch.encode(), self.marks, self.when)
        )
        if parents is None:
            parents = (self.marks - 1,) if self.marks > 1 else ()
        stream.extend(b"%s :%d\n" % (b"merge" if n else b"from", parent) for n, parent in enumerate(parents))
        stream.append(b"deleteall\n")
        for path, (mode, content) in tree.items():
            if mode == SUBMODULE:
                stream.append(b"M 160000 %s %s\n" % (content, quoted(path)))
            else:
                stream.append(b"M %s inline %s\n" % (mode.encode(), quoted(path)))
                stream.append(b"data %d\n%s\n" % (len(content), content))
        return self.marks

    def done(self) -> Path:
        git(self.repo, "fast-import", "--quiet", "--force", data=b"".join(self.stream))
        return self.repo


class Reader:
    """What a consumer of the feed knows: the latest state by guid, and the path of each state."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.read = 0
        self.states: dict[str, dict[str, object]] = {}

    def news(self) -> Iterator[dict[str, object]]:
        for raw in self.feed.log(self.read):
            self.read += 1
            entry = msgspec.json.decode(raw)
            before = self.states.get(entry["guid"])
            entry["old_path"] = self.path(before) if before is not None else None
            self.states[entry["guid"]] = entry
            entry["path"] = self.path(entry)
            yield entry

    def path(self, entry: dict[str, object]) -> str:
        names = []
        while (parent := entry.get("parent_guid")) is not None:
            names.append(str(entry["name"]))
            entry = self.states[str(parent)]
        return "/".join(reversed(names))

    def files(self) -> dict[str, int]:
        return {
            self.path(entry): int(str(entry["size"]))
            for entry in self.states.values()
            if entry["type"] == "file" and not entry["deleted"]
        }

    def folders(self) -> set[str]:
        return {
            self.path(entry)
            for entry in self.states.values()
            if entry["type"] == "folder" and not entry["deleted"]
        } - {""}


def listing(repo: Path, commit: str) -> tuple[dict[str, int], set[str]]:
    """Give the files of a commit with their sizes, and its folders, as git lists them."""
    files, folders = {}, set()
    for line in git(repo, "ls-tree", "-r", "-t", "-l", "-z", commit).split(b"\0")[:-1]:
        about, path = line.split(b"\t", 1)
        _, kind, _, size = about.split()
        text = path.decode("utf-8", "replace")
        if kind == b"blob":
            files[text] = int(size)
        else:
            folders.add(text)
    return files, folders


def replay(repo: Path, **options: str) -> tuple[World, Reader, GitSource, Iterator[object]]:
    source = GitSource(repo, **options)
    world = World(Feed())
    source.populate(world)
    return world, Reader(world.feed), source, source.history(world)


def held_at_every_commit(repo: Path) -> list[list[dict[str, object]]]:
    """Replay a repository beside ``git ls-tree``; give the states of each commit."""
    world, reader, _, history = replay(repo)
    root = next(iter(world.roots.values()))
    assert [entry["path"] for entry in reader.news()] == [""]
    commits = git(repo, "log", "--first-parent", "--reverse", "--format=%H").decode().split()
    steps: list[list[dict[str, object]]] = []
    was: tuple[dict[str, int], set[str]] = ({}, set())
    next(history)
    for number, commit in enumerate(commits):
        last = next(history, None) is None
        assert last == (number == len(commits) - 1)
        news = list(reader.news())
        now = listing(repo, commit)
        assert (reader.files(), reader.folders()) == now
        of_the_world = [node for node in root.walk() if node is not root]
        prefix = len(root.name) + 1
        assert {n.path[prefix:]: n.size for n in of_the_world if n.type == "file"} == now[0]
        assert {n.path[prefix:] for n in of_the_world if n.type == "folder"} == now[1]
        for entry in news:
            there = was if entry["deleted"] else now
            assert entry["path"] in (there[0] if entry["type"] == "file" else there[1])
        was = now
        steps.append(news)
    return steps


def kinds(news: list[dict[str, object]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for entry in news:
        if entry["deleted"]:
            word = "deleted"
        elif entry["old_path"] is None:
            word = "created"
        else:
            word = "moved" if entry["old_path"] != entry["path"] else "written"
        found[f"{entry['type']} {word}"] += 1
    return found


def text(word: str, lines: int = 40) -> tuple[str, bytes]:
    return FILE, "".join(f"{word} {n}\n" for n in range(lines)).encode()


def test_a_source_by_its_protocol(tmp_path: Path):
    """The source is what the Portal asks for: a name, an identity of the content, an inventory."""
    writer = Writer(tmp_path / "project")
    writer.commit({b"a": text("a")})
    repo = writer.done()
    source = GitSource(repo)
    assert isinstance(source, Source)
    assert source.name == "git:project"
    assert source.identity == f"git:{git(repo, 'rev-parse', 'HEAD').decode().strip()}:project"
    assert source.inventory == "start"


def test_files_are_made_written_renamed_and_deleted(tmp_path: Path):
    """A plain history: each commit's changes become states, a rename keeps the guid, the times are git's."""
    writer = Writer(tmp_path / "r", when=1_700_000_000)
    writer.commit({b"docs/a.txt": text("a"), b"b.txt": text("b")})
    writer.commit({b"docs/a.txt": text("a", 41), b"b.txt": text("b")})
    writer.commit({b"docs/a.txt": text("a", 41), b"c.txt": text("b")})
    writer.commit({b"c.txt": text("b")}, step=3600)
    steps = held_at_every_commit(writer.done())
    assert [kinds(news) for news in steps] == [
        {"folder created": 1, "file created": 2},
        {"file written": 1},
        {"file moved": 1},
        {"file deleted": 1, "folder deleted": 1},
    ]
    assert steps[2][0]["old_path"] == "b.txt"
    assert steps[3][0]["portal_modified_date"] == "2023-11-14T23:16:20Z"


def test_times_never_go_back(tmp_path: Path):
    """A commit dated before the one before it happens at the same time as that."""
    writer = Writer(tmp_path / "r", when=1_700_000_000)
    for n, step in enumerate((60, -500, 30, 1000)):
        writer.commit({b"a": text("a", n + 1)}, step=step)
    _, _, _, history = replay(writer.done())
    assert [moment.timestamp() for moment in history if isinstance(moment, datetime)] == [
        1_700_000_060,
        1_700_000_060,
        1_700_000_060,
        1_700_000_590,
    ]


def test_a_folder_that_moves_is_one_state(tmp_path: Path):
    """Every file of a folder went to the same place: it moves, and only a file rewritten is told."""
    files = {b"lib/deep/%d.txt" % n: text(f"file {n}") for n in range(20)}
    writer = Writer(tmp_path / "r")
    writer.commit({**files, b"lib/top.txt": text("top"), b"keep.txt": text("keep")})
    moved = {b"src/core/" + path: entry for path, entry in files.items()}
    moved[b"src/core/lib/deep/3.txt"] = text("file 3", 39)
    writer.commit({**moved, b"src/core/lib/top.txt": text("top"), b"keep.txt": text("keep")})
    steps = held_at_every_commit(writer.done())
    assert kinds(steps[1]) == {"folder created": 2, "folder moved": 1, "file written": 1}
    [folder] = [entry for entry in steps[1] if entry["old_path"] == "lib"]
    assert folder["path"] == "src/core/lib"


def test_a_folder_moves_though_some_of_its_files_go(tmp_path: Path):
    """A move with a few deletions and one file rewritten beyond recognition is still the folder's move."""
    files = {b"old/%d" % n: text(f"file {n}") for n in range(9)}
    writer = Writer(tmp_path / "r")
    writer.commit(files)
    moved = {path.replace(b"old", b"new"): entry for path, entry in files.items()}
    del moved[b"new/4"]
    moved[b"new/5"] = text("something else", 3)
    writer.commit(moved)
    steps = held_at_every_commit(writer.done())
    assert kinds(steps[1]) == {"folder moved": 1, "file deleted": 1, "file written": 1}


def test_a_folder_that_splits_is_no_move(tmp_path: Path):
    """Files that went to two places move one by one, and the emptied folder is deleted."""
    files = {b"old/%d" % n: text(f"file {n}") for n in range(6)}
    writer = Writer(tmp_path / "r")
    writer.commit(files)
    writer.commit({(b"x" if n % 2 else b"y") + b"/%d" % n: text(f"file {n}") for n in range(6)})
    steps = held_at_every_commit(writer.done())
    assert kinds(steps[1]) == {"folder created": 2, "file moved": 6, "folder deleted": 1}


def test_a_folder_emptied_below_one_that_moves(tmp_path: Path):
    """What a commit empties below a folder that it moves is deleted where git had it."""
    files = {b"old/%d" % n: text(f"file {n}") for n in range(6)}
    writer = Writer(tmp_path / "r")
    writer.commit({**files, b"old/sub/deep/x": text("x"), b"old/stays/y": text("y")})
    moved = {path.replace(b"old", b"new"): entry for path, entry in files.items()}
    writer.commit({**moved, b"new/stays/z": text("something else", 5)})
    steps = held_at_every_commit(writer.done())
    assert kinds(steps[1]) == {"file deleted": 2, "folder deleted": 2, "folder moved": 1, "file created": 1}


def test_folders_that_swap_nest_and_hoist(tmp_path: Path):
    """Swapped folders, a folder below itself, and a folder hoisted into its parent end as git has them."""
    writer = Writer(tmp_path / "r")
    one = {b"a/%d" % n: text(f"one {n}") for n in range(4)}
    two = {b"b/%d" % n: text(f"two {n}") for n in range(4)}
    other = {b"b/x%d" % n: text(f"other {n}") for n in range(4)}
    swapped = {path.replace(b"a/", b"b/"): entry for path, entry in one.items()}
    writer.commit({**one, **two})
    writer.commit({**swapped, **{path.replace(b"b/", b"a/"): entry for path, entry in two.items()}})
    writer.commit({**one, **other})
    writer.commit({**swapped, **{path.replace(b"b/", b"a/"): entry for path, entry in other.items()}})
    writer.commit({b"b/old/" + path: entry for path, entry in swapped.items()})
    writer.commit({b"b/" + path: entry for path, entry in swapped.items()})
    writer.commit(swapped)
    held_at_every_commit(writer.done())


def test_files_and_folders_take_one_anothers_place(tmp_path: Path):
    """A file becomes a folder and back, a folder's only file takes its name, two of each kind swap."""
    writer = Writer(tmp_path / "r")
    p, q = text("p"), text("q")
    for tree in (
        {b"a": p, b"z": q},
        {b"a/a": p, b"z": q},
        {b"a": p, b"z": q},
        {b"a/b/c": text("new"), b"z/a": p},
        {b"a": q},
        {b"d/x": p, b"e/y": q},
        {b"e": p, b"d": q},
        {b"d/x": p, b"e/y": q},
        {b"S/1": p, b"S/2": text("2"), b"T": q},
        {b"T/1": p, b"T/2": text("2"), b"S": q},
        {b"T/1": q, b"T/2": p},
        {b"x/x/x/x": p},
        {b"x/x": p},
        {b"x": p},
    ):
        writer.commit(tree)
    held_at_every_commit(writer.done())


def test_links_modes_and_submodules(tmp_path: Path):
    """A link is a file with the length of its target, a submodule an empty folder, a mode alone a state."""
    sub = (SUBMODULE, OTHER_REPOSITORY)
    writer = Writer(tmp_path / "r")
    writer.commit({b"a": text("a"), b"link": (LINK, b"a"), b"vendor/sub": sub})
    writer.commit({b"a": (EXECUTABLE, text("a")[1]), b"link": (LINK, b"a"), b"vendor/sub": sub})
    writer.commit({b"a": (LINK, b"vendor"), b"link": text("link"), b"vendor/sub": sub})
    writer.commit({b"link": text("link"), b"lib/sub": sub})
    writer.commit({b"link": sub, b"lib/sub": text("file")})
    writer.commit({b"link": (SUBMODULE, OTHER_REPOSITORY[::-1]), b"lib/sub/x": text("file")})
    writer.commit({})
    writer.commit({b"again": text("again")})
    steps = held_at_every_commit(writer.done())
    assert kinds(steps[1]) == {"file written": 1}
    assert kinds(steps[6])["folder deleted"] == 3


def test_names_of_every_kind(tmp_path: Path):
    """Emoji, newlines, quotes, colons, case-only renames, both Unicode forms, and bytes that are no UTF-8."""
    names = [
        "📁/🎉 party.txt",
        "new\nline/tab\t.txt",
        "quo\"te's/back\\slash",
        ":100644 100755 /C 123",
        "é/e\u0301/é",
        " leading/trailing ",
        "-rf/--help",
        "n" * 255,
        "README",
    ]
    writer = Writer(tmp_path / "r")
    tree: Tree = {name.encode(): text(name) for name in names}
    tree[b"caf\xe9/\xff\xfe.txt"] = text("latin")
    writer.commit(tree)
    tree[b"readme"] = tree.pop(b"README")
    writer.commit(tree)
    moved: Tree = {path + " ✓".encode(): entry for path, entry in tree.items() if len(path) < 200}
    writer.commit(moved)
    writer.commit({b"up/" + path: entry for path, entry in moved.items()})
    steps = held_at_every_commit(writer.done())
    assert kinds(steps[1]) == {"file moved": 1}
    assert kinds(steps[3])["folder moved"] == len([path for path in moved if b"/" in path])


def test_names_that_look_the_same_stay_apart(tmp_path: Path):
    """Two names that differ in bytes which are no UTF-8 become two objects with two names."""
    writer = Writer(tmp_path / "r")
    writer.commit({b"d\xe9/\xe9": text("1"), b"d\xe9/\xe8": text("2"), b"d\xe8/x": text("3")})
    writer.commit({b"new/\xe9": text("1"), b"new/\xe8": text("2"), b"d\xe8/x": text("3")})
    writer.commit({})
    _, reader, _, history = replay(writer.done())
    next(history)
    next(history)
    list(reader.news())
    assert len(reader.files()) == 3
    next(history)
    list(reader.news())
    assert len(reader.files()) == 3
    assert len({path for path in reader.files() if path.startswith("new/")}) == 2
    assert next(history, None) is None
    list(reader.news())
    assert reader.files() == {}


def test_criss_cross_merges_follow_the_first_parent(tmp_path: Path):
    """Branches that merge one another twice are told as the line of first parents sees them."""
    base = {b"common": text("common")}
    left = {**base, b"left/l": text("l")}
    right = {**base, b"right/r": text("r")}
    both = {**left, **right}
    writer = Writer(tmp_path / "r")
    root = writer.commit(base)
    a = writer.commit(left, parents=(root,))
    b = writer.commit(right, parents=(root,), branch="side", step=5)
    c = writer.commit(both, parents=(a, b), step=5)
    d = writer.commit(both, parents=(b, a), branch="side", step=5)
    e = writer.commit({**both, b"left/l": text("l", 44)}, parents=(c,))
    f = writer.commit({**both, b"moved/r": text("r")}, parents=(d,), branch="side")
    writer.commit({**both, b"left/l": text("l", 44), b"moved/r": text("r")}, parents=(e, f))
    repo = writer.done()
    assert len(held_at_every_commit(repo)) == 5
    _, reader, _, history = replay(repo, rev="side")
    assert len(list(history)) == 4
    list(reader.news())
    assert reader.files() == listing(repo, "side")[0]


class Disorder:
    """Does to a tree what people do, and what tools do overnight."""

    WORDS = (b"a", b"b", b"c", b"A", b"d e", "é".encode(), b"\xe9", "🙂".encode())

    def __init__(self, tree: Tree, draw: random.Random) -> None:
        self.tree = tree
        self.draw = draw

    def change(self) -> None:
        doings = [self.write_new, self.write_new, self.append, self.move_file, self.move_folder, self.swap]
        doings += [self.delete, self.change_mode, self.push_down]
        self.draw.choice(doings if self.tree else doings[:1])()

    def write_new(self) -> None:
        self.put(self.new_path(), text(str(self.draw.random()), self.draw.randint(1, 60)))

    def append(self) -> None:
        path = self.a_file()
        mode, content = self.tree[path]
        self.tree[path] = (FILE if mode == SUBMODULE else mode, content + b"more\n")

    def move_file(self) -> None:
        self.relocate(self.a_file(), self.new_path())

    def move_folder(self) -> None:
        self.relocate(self.a_folder(), self.new_path())

    def swap(self) -> None:
        one, two = self.a_folder(), self.a_folder()
        if not one.startswith(two) and not two.startswith(one):
            self.relocate(one, b"in between")
            self.relocate(two, one)
            self.relocate(b"in between", two)

    def delete(self) -> None:
        doomed = self.draw.choice([self.a_file(), self.a_folder()])
        for path in list(self.tree):
            if path == doomed or path.startswith(doomed + b"/"):
                del self.tree[path]

    def change_mode(self) -> None:
        path = self.a_file()
        mode = self.draw.choice([FILE, EXECUTABLE, LINK, SUBMODULE])
        self.tree[path] = (mode, OTHER_REPOSITORY if mode == SUBMODULE else self.tree[path][1])

    def push_down(self) -> None:
        folder = self.a_folder()
        self.relocate(folder, folder + b"/" + self.draw.choice(self.WORDS))

    def new_path(self) -> bytes:
        return b"/".join(self.draw.choice(self.WORDS) for _ in range(self.draw.randint(1, 4)))

    def a_file(self) -> bytes:
        return self.draw.choice(sorted(self.tree))

    def a_folder(self) -> bytes:
        folders = {path.rsplit(b"/", n)[0] for path in self.tree for n in range(1, path.count(b"/") + 1)}
        return self.draw.choice(sorted(folders or self.tree))

    def put(self, path: bytes, entry: tuple[str, bytes]) -> None:
        """Put an entry, after removing what stands in its way."""
        for old in list(self.tree):
            if old.startswith(path + b"/") or path.startswith(old + b"/"):
                del self.tree[old]
        self.tree[path] = entry

    def relocate(self, old: bytes, new: bytes) -> None:
        paths = [path for path in self.tree if path == old or path.startswith(old + b"/")]
        for path, entry in [(path, self.tree.pop(path)) for path in paths]:
            self.put(new + path[len(old) :], entry)


@pytest.mark.parametrize("seed", range(6 * SCALE))
def test_random_histories(tmp_path: Path, seed: int):
    """Whatever people do to a tree, several things at a time: the world equals git at each commit."""
    draw = random.Random(seed)
    writer = Writer(tmp_path / "r")
    tree: Tree = {b"a/b/%d" % n: text(str(n)) for n in range(5)}
    for _ in range(60):
        writer.commit(tree)
        for _ in range(draw.choice([1, 1, 2, 3, 6])):
            Disorder(tree, draw).change()
    held_at_every_commit(writer.done())


def test_history_is_read_as_far_as_asked(tmp_path: Path):
    """The replay is lazy: nothing is published before its step, and a half-read history ends git."""
    writer = Writer(tmp_path / "r")
    for n in range(300):
        writer.commit({b"f%d" % n: text(str(n), 3)})
    world, _, _, history = replay(writer.done())
    assert len(world.feed) == 1
    assert next(history) == datetime.fromtimestamp(1_600_000_060, UTC)
    assert len(world.feed) == 1
    next(history)
    assert len(world.feed) == 2
    history.close()


def test_content_is_the_blob_of_the_current_state(tmp_path: Path):
    """The content of a file is what the commit replayed last has, byte for byte; unknown ids have none."""
    writer = Writer(tmp_path / "r")
    writer.commit({b"a": (FILE, b"one\r\n\0"), b"l": (LINK, b"a"), b"s": (SUBMODULE, OTHER_REPOSITORY)})
    writer.commit({b"b": (FILE, b"one\r\n\0two"), b"l": (LINK, b"a")})
    world, _, source, history = replay(writer.done())
    next(history)
    next(history)
    first = world.find("r/a")
    assert first is not None
    assert source.content(first.id) == b"one\r\n\0"
    link = world.find("r/l")
    assert link is not None
    assert source.content(link.id) == b"a"
    submodule = world.find("r/s")
    assert submodule is not None
    assert source.content(submodule.id) is None
    assert next(history, None) is None
    then = world.find("r/b")
    assert then is not None
    assert source.content(then.id) == b"one\r\n\0two"
    assert source.content(10**9) is None


def test_the_environment_of_a_hook_does_not_lead_astray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Variables that git sets for its hooks, and a user's configuration, do not change what is read."""
    writer = Writer(tmp_path / "r")
    writer.commit({b"a": text("a")})
    writer.commit({b"b": text("a")})
    repo = writer.done()
    for key, value in {
        "diff.renames": "false",
        "log.showRoot": "false",
        "log.diffMerges": "off",
        "diff.noprefix": "true",
        "core.quotePath": "true",
        "color.ui": "always",
        "log.showSignature": "true",
        "diff.ignoreSubmodules": "all",
        "diff.relative": "true",
        "log.decorate": "full",
    }.items():
        git(repo, "config", key, value)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    _, reader, _, history = replay(repo)
    list(history)
    assert [kinds([entry]) for entry in reader.news()] == [
        {"folder created": 1},
        {"file created": 1},
        {"file moved": 1},
    ]


def test_a_bare_repository_and_a_directory_inside_one(tmp_path: Path):
    """A bare clone is named without its ending; a subdirectory of a working tree replays the repository."""
    writer = Writer(tmp_path / "r")
    writer.commit({b"d/a": text("a")})
    repo = writer.done()
    git(tmp_path, "clone", "-q", "--bare", str(repo), str(tmp_path / "copy.git"))
    assert GitSource(tmp_path / "copy.git").cloud_folder == "copy"
    (repo / "inside").mkdir()
    world, _, _, history = replay(repo / "inside", name="R")
    list(history)
    assert world.find("R/d/a") is not None


def test_what_cannot_be_replayed_says_why(tmp_path: Path):
    """No repository, no commit, a wrong revision (even one that looks like an option)."""
    with pytest.raises(UsageError, match="not a git repository"):
        GitSource(tmp_path)
    git(tmp_path, "init", "-q")
    with pytest.raises(UsageError, match="no commit is called 'HEAD'"):
        GitSource(tmp_path)
    with pytest.raises(UsageError, match="--all"):
        GitSource(tmp_path, rev="--all")
    with pytest.raises(UsageError, match="Cannot replay"):
        GitSource(tmp_path / "nowhere")


def test_a_repository_that_breaks_on_the_way_fails_with_gits_words(tmp_path: Path):
    """A missing tree ends the replay with an error, never as if the history were over."""
    writer = Writer(tmp_path / "r")
    writer.commit({b"a": text("a")})
    repo = writer.done()
    tree = git(repo, "rev-parse", "HEAD^{tree}").decode().strip()
    (repo / ".git/objects" / tree[:2] / tree[2:]).unlink()
    source = GitSource(repo)
    with pytest.raises(InsightsError, match="git log failed"):
        source.populate(World(Feed()))
