"""The history of a repository as a stream of commits, each with what it changed against its first parent."""

from __future__ import annotations

from dataclasses import dataclass
from io import BufferedReader
from typing import TYPE_CHECKING, Final, NamedTuple

from ctera_insights.platforms import from_seconds

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from datetime import datetime
    from typing import IO

    from ctera_insights.simulator.sources.git.command import Git

SUBMODULE: Final = 0o160000
"""Mode of an entry that stands for a commit of another repository."""

_READ_BYTES: Final = 1 << 20
_LOOK_AHEAD_BLOBS: Final = 1000
_LOOK_AHEAD_COMMITS: Final = 256
# A batch of ids, and its answers, must fit into the pipes (64 KiB), or the two programs wait on each other.
_ASK_AT_ONCE: Final = 256
_LATEST_SECOND: Final = 253_402_300_799


class Change(NamedTuple):
    """One line of ``git log --raw``: a path that differs from the first parent.

    Attributes:
        status: ``A`` added, ``D`` deleted, ``M`` content or mode, ``T`` type, ``R`` renamed.
        mode: the mode afterwards; 0 when deleted.
        was_mode: the mode before; 0 when added.
        blob: the object afterwards, as raw bytes; all zeros when deleted.
        was_blob: the object before.
        path: where it is; for ``R`` where it was.
        to: for ``R`` where it is now.
    """

    status: str
    mode: int
    was_mode: int
    blob: bytes
    was_blob: bytes
    path: bytes
    to: bytes | None


@dataclass(slots=True)
class Commit:
    """One commit of the first-parent line.

    Attributes:
        id: the commit's full id.
        at: the committer's time (UTC), never before that of the commit before it.
        changes: against the first parent; everything, for a commit without one.
        sizes: bytes of each blob that the commit brings, by object; absent when the repository lacks it.
    """

    id: str
    at: datetime
    changes: list[Change]
    sizes: dict[bytes, int]


def read_history(git: Git, head: str, *, rename_limit: int = 1000) -> Generator[Commit]:
    """Stream the first-parent history up to a commit, oldest first.

    Merges count as one change of the line they were merged into. Renames are git's own guess (similarity of
    at least half; ``rename_limit`` is the number of candidates up to which it compares contents). Memory
    holds a few hundred commits, whatever the length of the history.

    Raises:
        InsightsError: git failed, with its own words.
    """
    with (
        git.start(
            "log",
            "--format=C %H %ct",
            "--first-parent",
            "--diff-merges=first-parent",
            "--reverse",
            "--raw",
            "-r",
            "-z",
            "-M50%",
            f"-l{rename_limit}",
            "--no-abbrev",
            "--no-ext-diff",
            "--no-textconv",
            "--no-color",
            "--no-notes",
            "--no-relative",
            "--ignore-submodules=none",
            head,
            "--",
        ) as log,
        git.start("cat-file", "--batch-check=%(objectname) %(objectsize)") as sizes,
    ):
        assert isinstance(log.stdout, BufferedReader)
        ahead: list[Commit] = []
        blobs = 0
        for commit in _parse(log.stdout):
            ahead.append(commit)
            blobs += len(commit.changes)
            if blobs >= _LOOK_AHEAD_BLOBS or len(ahead) >= _LOOK_AHEAD_COMMITS:
                _measure(ahead, sizes.stdin, sizes.stdout)
                yield from ahead
                ahead, blobs = [], 0
        _measure(ahead, sizes.stdin, sizes.stdout)
        yield from ahead


def _parse(stream: BufferedReader) -> Iterator[Commit]:
    tokens = _tokens(stream)
    commit: Commit | None = None
    latest = 0
    for token in tokens:
        text = token.lstrip(b"\n")
        if text.startswith(b"C "):
            if commit is not None:
                yield commit
            _, commit_id, second = text.split()
            latest = min(max(latest, int(second)), _LATEST_SECOND)
            commit = Commit(commit_id.decode("ascii"), from_seconds(latest), [], {})
        elif text:
            assert commit is not None
            was_mode, mode, was_blob, blob, status = text[1:].split(b" ")
            letter = chr(status[0])
            path = next(tokens)
            to = next(tokens) if letter in "RC" else None
            commit.changes.append(
                Change(
                    letter,
                    int(mode, 8),
                    int(was_mode, 8),
                    bytes.fromhex(blob.decode("ascii")),
                    bytes.fromhex(was_blob.decode("ascii")),
                    path,
                    to,
                )
            )
    if commit is not None:
        yield commit


def _tokens(stream: BufferedReader) -> Iterator[bytes]:
    rest = b""
    while chunk := stream.read1(_READ_BYTES):
        *whole, rest = (rest + chunk).split(b"\0")
        yield from whole
    if rest:
        yield rest


def _measure(commits: list[Commit], ask: IO[bytes] | None, answer: IO[bytes] | None) -> None:
    """Fill in ``sizes`` for the blobs that the commits bring."""
    assert ask is not None
    assert answer is not None
    wanted: dict[bytes, int] = {}
    for commit in commits:
        for change in commit.changes:
            if change.mode not in {0, SUBMODULE} and change.blob != change.was_blob:
                wanted[change.blob] = -1
    blobs = list(wanted)
    for start in range(0, len(blobs), _ASK_AT_ONCE):
        batch = blobs[start : start + _ASK_AT_ONCE]
        ask.write(b"".join(b"%s\n" % blob.hex().encode("ascii") for blob in batch))
        ask.flush()
        for blob in batch:
            size = answer.readline().rsplit(b" ", 1)[1]
            if not size.startswith(b"missing"):
                wanted[blob] = int(size)
    for commit in commits:
        for change in commit.changes:
            if (size_bytes := wanted.get(change.blob, -1)) >= 0:
                commit.sizes[change.blob] = size_bytes
