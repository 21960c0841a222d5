"""An object store does what it was asked, and the answer is lost on the way."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.object_store.proxy import CHANGING, Proxy, Trouble, proxy
from tests.object_store.store import BUCKET, object_store
from tests.reliability.world import SEED, Runner, content, scaled, wrong_after

if TYPE_CHECKING:
    from collections.abc import Iterator

TRIALS: Final = scaled(6)
LOSSES: Final = ("500", "503", "hang up")


@pytest.fixture(scope="module")
def store() -> Iterator[dict[str, str]]:
    """An object store that this process's environment names."""
    with object_store() as settings, pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        yield settings


@pytest.fixture(scope="module")
def way(store: dict[str, str]) -> Iterator[Proxy]:
    with proxy(store["AWS_ENDPOINT_URL"]) as made:
        yield made


@pytest.mark.timeout(1800 + scaled(1800))
def test_no_lost_answer_costs_an_event(
    runner: Runner, store: dict[str, str], way: Proxy, expected: dict[str, list[tuple[Any, ...]]]
) -> None:
    """Whatever was stored counts, or counts for nothing, but never half: in every table."""
    settings = {**store, "AWS_ENDPOINT_URL": way.url}
    way.make()
    quiet = runner.collect(f"s3://{BUCKET}/quiet", settings=settings)
    assert quiet.code == 0, quiet.said
    assert content(f"s3://{BUCKET}/quiet") == expected
    changes = way.changes()
    lots = Random(SEED)
    logged = [number for number, what in enumerate(changes) if "/_delta_log/" in what]
    wrong = []
    for trial in range(TRIALS):
        # Every other one is of the log, whose answers decide.
        number = lots.choice(logged) if trial % 2 == 0 else lots.randrange(len(changes))
        how = LOSSES[trial % len(LOSSES)]
        data = f"s3://{BUCKET}/lake-{trial}"
        way.make(Trouble("", how, method="|".join(CHANGING), skip=number))
        ended = runner.collect(data, settings=settings)
        assert way.happened() == [1]
        way.make()
        again = partial(runner.collect, data, settings=settings)
        if found := list(wrong_after(ended, data, again, expected)):
            wrong.append(f"{how} after {changes[number]}: {'; '.join(found)}")
            print(wrong[-1])  # in case the whole is cut short
    assert not wrong, "\n".join(wrong)
