"""Which files make up a table: batches written twice, merges beside what they replaced, two histories."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from ctera_insights.lake.choose import Candidate, Choice, Copy, choose

if TYPE_CHECKING:
    from collections.abc import Sequence


def batch(number: int, low: int, high: int, *, at: int | None = None, feed: str = "f") -> Copy:
    return Copy(feed, number, number if at is None else at, low, high)


def file(path: str, *copies: Copy, proven: bool = False) -> Candidate:
    return Candidate(path, tuple(sorted(copies)), proven)


ONE, TWO, THREE = batch(1, 1, 10), batch(2, 11, 20), batch(3, 21, 30)


def test_files_of_batches_are_all_taken() -> None:
    choice = choose([file("c", THREE), file("a", ONE), file("b", TWO)])
    assert choice.files == ["a", "b", "c"]
    assert choice.gaps() == []


def test_a_merged_file_counts_and_what_it_replaced_does_not() -> None:
    choice = choose([file("a", ONE), file("b", TWO), file("c", THREE), file("m", ONE, TWO)])
    assert (choice.files, choice.replaced, choice.aside) == (["c", "m"], ["a", "b"], [])


def test_a_merged_file_that_cannot_be_read_is_made_up_for_by_what_it_replaced() -> None:
    """A damaged file is no candidate; its originals are."""
    assert choose([file("a", ONE), file("b", TWO)]).files == ["a", "b"]


def test_of_two_attempts_at_a_batch_the_one_that_the_next_batch_continues_counts() -> None:
    cut = batch(2, 11, 15, at=1)
    choice = choose([file("a", ONE), file("orphan", cut), file("b", TWO), file("c", THREE)])
    assert (choice.files, choice.aside) == (["a", "b", "c"], ["orphan"])


def test_of_two_equal_attempts_the_later_one_counts() -> None:
    """The earlier one was left by a crash; had it been committed, there were no other."""
    choice = choose([file("a", ONE), file("early", TWO), file("late", TWO._replace(sealed_us=9))])
    assert (choice.files, choice.aside) == (["a", "late"], ["early"])


def test_an_attempt_that_a_log_entry_names_beats_one_sealed_later() -> None:
    late = TWO._replace(sealed_us=9)
    choice = choose([file("a", ONE), file("named", TWO, proven=True), file("late", late), file("c", THREE)])
    assert choice.files == ["a", "c", "named"]


def test_an_attempt_that_stands_in_a_merged_file_was_committed() -> None:
    late = TWO._replace(sealed_us=9)
    assert choose([file("m", ONE, TWO), file("late", late)]).files == ["m"]


def test_of_two_histories_one_is_kept_whole() -> None:
    """An old log was put back behind batch 1, and other batches 2 and 3 were collected."""
    old = [batch(n, 10 * n - 9, 10 * n, at=n) for n in range(1, 6)]
    new = [batch(2, 11, 17, at=11), batch(3, 18, 40, at=12)]
    files = [file(f"old {copy.batch}", copy) for copy in old]
    choice = choose([*files, *(file(f"new {copy.batch}", copy) for copy in new)])
    assert choice.kept["f"] == old
    named = [file(f"new {copy.batch}", copy, proven=True) for copy in new]
    assert choose([*files[:1], *named, *files[1:]]).kept["f"] == [old[0], *new]


def test_a_clock_that_was_set_back_loses_nothing() -> None:
    copies = [batch(n, n, n, at=n if n < 6 else n - 5) for n in range(1, 11)]
    assert choose([file(f"{copy.batch}", copy) for copy in copies]).kept["f"] == copies


def test_merges_that_cross_are_resolved_by_writing_the_rest_anew() -> None:
    choice = choose([file("m", ONE, TWO), file("n", TWO, THREE)])
    assert choice.files == ["m"]
    assert choice.anew == {"n": [THREE]}


def test_events_that_are_nowhere_are_told() -> None:
    choice = choose([file("b", TWO), file("d", batch(5, 41, 50))])
    assert choice.gaps() == [("f", 1, 10), ("f", 21, 40)]


@st.composite
def _stores(draw: st.DrawFn) -> tuple[list[Copy], list[Candidate]]:
    """What a store's life leaves: batches, orphans of crashes, merges kept beside their originals."""
    lots = random.Random(draw(st.integers(0, 2**32)))
    truth: list[Copy] = []
    files: list[Candidate] = []
    clock = 0
    for feed in draw(st.sampled_from([["f"], ["f", "g"], ["f", "g", "h"]])):
        seq = 0
        number = 0
        for _ in range(draw(st.integers(0, 12))):
            number += 1 + (lots.random() < 0.2)  # now and then a batch without rows, which has no file
            clock += 1
            rows = lots.randint(1, 5)
            if lots.random() < 0.3:  # cut off before its commit; then written again
                orphan = Copy(feed, number, clock, seq + 1, seq + lots.randint(1, rows))
                files.append(file(f"orphan {clock}", orphan))
                clock += 1
            copy = Copy(feed, number, clock, seq + 1, seq + rows)
            seq += rows
            truth.append(copy)
            files.append(file(f"batch {clock}", copy))
    current = [each for each in files if each.path.startswith("batch")]
    for turn in range(draw(st.integers(0, 4))):
        start = lots.randint(0, len(current))
        group = current[start : start + lots.randint(2, 4)]
        if len(group) < 2:
            continue
        merged = file(f"merged {turn}", *(copy for each in group for copy in each.copies))
        files.append(merged)
        if lots.random() < 0.7:  # else it was cut off before its commit
            current = [*(each for each in current if each not in group), merged]
            if lots.random() < 0.5:
                files = [each for each in files if each not in group]
    return truth, files


@given(_stores())
def test_whatever_crashes_and_merges_left_each_batch_counts_once(
    store: tuple[list[Copy], list[Candidate]],
) -> None:
    truth, files = store
    choice = choose(files)
    assert sorted(held(choice, files)) == sorted(truth)
    assert {*choice.files, *choice.replaced, *choice.aside} == {each.path for each in files}
    assert choice == choose(files[::-1])
    assert not choice.gaps()
    for kept in choice.kept.values():
        assert all(before.high < after.low for before, after in pairwise(kept))


def held(choice: Choice, files: Sequence[Candidate]) -> list[Copy]:
    """The copies that the chosen files hold, and those that are written anew."""
    by_path = {each.path: each.copies for each in files}
    whole = [copy for path in choice.files for copy in by_path[path]]
    return whole + [copy for copies in choice.anew.values() for copy in copies]
