"""Which data files make up a table whose log was lost: each event once, and every one that is left.

Three kinds of files may lie side by side: the files of batches, merged files beside the files that they
replaced, and what a crash left behind. What the choice rests on is in the rows: a *copy* is one batch as it
stands in one file, whole: its ``seq`` run from the first to the last without gap. Copies of one batch that
were sealed at the same moment are the same; sealed at different moments they are *attempts*, of which at most
one was ever committed.

1. **Attempts.** The attempts kept form a chain, along which batch and ``seq`` grow. Of all chains the one
   wins that has the most attempts of which it is known that they were committed (a surviving log entry
   names their file, or they stand in a merged file: only committed ones are merged); then the one with
   the most events; then the one along which the time of sealing turns back least often; then the one
   sealed last. Behind an attempt that has a rival nothing follows that was sealed earlier. So a batch
   that was written twice around a crash counts once, and of two histories that went apart (an old log was
   put back, and collecting went on) one is kept, not a mixture; while a clock that was set back loses
   nothing.
2. **Files.** Of the files whose every copy is kept, those with the most batches are taken first, and each
   that overlaps none taken before: merged files before what they replaced.
3. **The rest.** A batch that now stands only in files which overlap (two merges that crossed) is to be
   written anew from one of them.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_FAR: Final = 2**63


class Copy(NamedTuple):
    """One batch as it stands in one file.

    Attributes:
        feed: name of the stream.
        batch: number of the commit.
        sealed_us: when the batch was sealed, microseconds since 1970.
        low: its first ``seq``.
        high: its last ``seq``.
    """

    feed: str
    batch: int
    sealed_us: int
    low: int
    high: int

    @property
    def rows(self) -> int:
        """Events in it."""
        return self.high - self.low + 1


class Candidate(NamedTuple):
    """A data file that can be read.

    Attributes:
        path: where it lies.
        copies: the batches in it.
        proven: whether it is known to have been committed.
    """

    path: str
    copies: tuple[Copy, ...]
    proven: bool = False


@dataclass(frozen=True)
class Choice:
    """What makes up the table.

    Attributes:
        files: paths of the files that are taken as they are.
        anew: for each further file, the copies of it that are to be written anew.
        replaced: paths of files whose every event stands in what was taken.
        aside: paths of files that hold attempts which do not count.
        kept: the copies that make up each feed, in order.
    """

    files: list[str] = field(default_factory=list)
    anew: dict[str, list[Copy]] = field(default_factory=dict)
    replaced: list[str] = field(default_factory=list)
    aside: list[str] = field(default_factory=list)
    kept: dict[str, list[Copy]] = field(default_factory=dict)

    def gaps(self) -> list[tuple[str, int, int]]:
        """Events that are nowhere: (feed, first ``seq``, last ``seq``)."""
        found = []
        for feed, copies in self.kept.items():
            due = 1
            for copy in copies:
                if copy.low > due:
                    found.append((feed, due, copy.low - 1))
                due = copy.high + 1
        return found


def choose(candidates: Iterable[Candidate]) -> Choice:
    """Choose by the rules above; the same files always give the same choice."""
    files = sorted(candidates)
    proven: set[Copy] = set()
    for file in files:
        if file.proven or len(file.copies) > 1:
            proven.update(file.copies)
    attempts: dict[str, set[Copy]] = defaultdict(set)
    for file in files:
        for copy in file.copies:
            attempts[copy.feed].add(copy)
    kept = {feed: _chain(sorted(copies), proven) for feed, copies in sorted(attempts.items())}
    wanted = {copy for copies in kept.values() for copy in copies}

    return cover(files, wanted, kept)


def cover(files: Sequence[Candidate], wanted: set[Copy], kept: dict[str, list[Copy]]) -> Choice:
    """Rules 2 and 3: the files that hold each of the wanted copies once."""
    choice = Choice(kept=kept)
    taken: set[Copy] = set()
    for file in sorted(files, key=lambda file: (-len(file.copies), not file.proven, file.path)):
        own = set(file.copies)
        if own and own <= wanted and not own & taken:
            choice.files.append(file.path)
            taken |= own
    chosen = set(choice.files)
    for file in files:
        if lacking := [copy for copy in file.copies if copy in wanted and copy not in taken]:
            choice.anew[file.path] = lacking
            taken.update(lacking)
        if file.path not in chosen:
            (choice.replaced if set(file.copies) <= wanted else choice.aside).append(file.path)
    choice.files.sort()
    return choice


class _Link(NamedTuple):
    """The best chain that ends with an attempt: its score, and the attempt before."""

    score: tuple[int, int, int, int]
    before: Copy | None


def _chain(attempts: Sequence[Copy], proven: set[Copy]) -> list[Copy]:
    """The chain of attempts of one feed that rule 1 keeps; ``attempts`` in the order of batches.

    An attempt that goes with all others belongs to every best chain. Only between such ones is there a
    choice, and only there is it searched for.
    """
    alone = _undisputed(attempts, set())
    rivals = set(attempts) - alone
    alone = _undisputed(attempts, rivals)
    chain: list[Copy] = []
    disputed: list[Copy] = []
    for copy in attempts:
        if copy not in alone:
            disputed.append(copy)
            continue
        chain += _best_chain(disputed, proven, rivals)
        disputed = []
        chain.append(copy)
    return chain + _best_chain(disputed, proven, rivals)


def _undisputed(attempts: Sequence[Copy], rivals: set[Copy]) -> set[Copy]:
    """The attempts that go with all others, before and behind them."""
    after: list[tuple[int, int, int]] = []
    batch, low, sealed = _FAR, _FAR, _FAR
    for copy in reversed(attempts):
        after.append((batch, low, sealed))
        batch, low, sealed = min(batch, copy.batch), min(low, copy.low), min(sealed, copy.sealed_us)
    found = set()
    batch, high, sealed = -1, -1, -_FAR
    for copy, (next_batch, next_low, next_sealed) in zip(attempts, reversed(after), strict=True):
        if (
            batch < copy.batch < next_batch
            and high < copy.low
            and copy.high < next_low
            and sealed <= copy.sealed_us
            and not (copy in rivals and next_sealed < copy.sealed_us)
        ):
            found.add(copy)
        batch, high = max(batch, copy.batch), max(high, copy.high)
        if copy in rivals:
            sealed = max(sealed, copy.sealed_us)
    return found


def _best_chain(attempts: Sequence[Copy], proven: set[Copy], rivals: set[Copy]) -> list[Copy]:
    links: dict[Copy, _Link] = {}
    for copy in attempts:
        best = _Link((0, 0, 0, 0), None)
        for before, link in links.items():
            back = copy.sealed_us < before.sealed_us
            if before.batch < copy.batch and before.high < copy.low and not (back and before in rivals):
                known, rows, turns, _ = link.score
                best = max(best, _Link((known, rows, turns - back, before.sealed_us), before), key=_score)
        known, rows, turns, _ = best.score
        links[copy] = _Link((known + (copy in proven), rows + copy.rows, turns, copy.sealed_us), best.before)
    chain: list[Copy] = []
    last = max(links, key=lambda copy: links[copy].score, default=None)
    while last is not None:
        chain.append(last)
        last = links[last].before
    return chain[::-1]


def _score(link: _Link) -> tuple[int, int, int, int]:
    return link.score
