"""Every public call, over every broken store: it answers, or raises an error of ours that says what to do."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

import ctera_insights
from ctera_insights import Insights, InsightsError, Lake, connect, enrich_lake, run
from ctera_insights.errors import StoreDamaged, ViewsOutdated
from ctera_insights.insights import Result, report
from ctera_insights.lake import maintain
from ctera_insights.lake.borders import reading
from ctera_insights.widgets import Explorer
from tests.broken_worlds.test_commands import FOREIGN
from tests.broken_worlds.worlds import WORLDS, World, data_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# What each public method is called with; those not named take nothing.
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "sql": ("FROM activity",),
    "ask": ("overview",),
    "path_history": ("Nowhere",),
    "ancestors": ((1, "guid"),),
}
NOT_A_QUESTION = {"close", "reading", "live"}
"""What asks the store nothing, or in a thread of its own."""
NOT_OF_A_STORE = {
    "AsyncGlobalAdmin",
    "AsyncServicesPortal",
    "BatchLimits",
    "CloudFolder",
    "Collector",  # collects: see the commands
    "collect_portal",
    "DirectIO",
    "Event",
    "InsightsError",
    "Secret",
    "SimulatedPortal",
    "__version__",
    "enrich",  # rows of one's own
    "run",
}


def public(kind: type) -> list[str]:
    return [name for name in dir(kind) if not name.startswith("_")]


def ours(what: str, call: Callable[[], object]) -> BaseException | None:
    """Calls; anything but an answer or an error of ours fails the test."""
    told: InsightsError | None = None
    try:
        call()
    except InsightsError as error:
        told = error
    if told is not None:
        assert str(told).strip(), what
        assert not FOREIGN.search(str(told)), (what, str(told))
    return told


def rows(answer: object) -> None:
    if isinstance(answer, Result):
        answer.arrow()
        answer.df()
        repr(answer)
        answer._repr_html_()
        answer.fetchall()
    elif isinstance(answer, Explorer):
        answer.df()
        answer.svg()
        answer.refresh()
        answer.close()
    else:
        repr(answer)


def test_nothing_public_is_left_out() -> None:
    """A new public name must be tried here, or be said to have nothing to do with a store."""
    assert {"Insights", "Lake", "connect", "enrich_lake"} | NOT_OF_A_STORE == set(ctera_insights.__all__)


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_every_call_answers_or_says_what_is_wrong(
    world: World, copy: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = copy()
    world.wreck(store)
    lake = Lake(store)
    for name in public(Lake):
        member = inspect.getattr_static(Lake, name)
        if callable(member) and name != "table":
            ours(f"Lake.{name}", getattr(lake, name))
    for table in (lake.events, lake.quarantine):
        for call in (table.exists, table.delta, table.snapshot, lambda t=table: maintain(t, everything=True)):
            ours(f"Table.{call}", call)
    ours("connect", lambda: connect(store).close())
    opened: list[Insights] = []
    ours("Insights", lambda: opened.append(Insights(store)))
    for insights in opened:
        with insights:
            told = [
                error
                for name in public(Insights)
                if callable(getattr(Insights, name)) and name not in NOT_A_QUESTION
                if (
                    error := ours(name, lambda i=insights, n=name: rows(getattr(i, n)(*ARGUMENTS.get(n, ()))))
                )
            ]
            if world.told is StoreDamaged and world.table == "activity":
                assert any(isinstance(error, StoreDamaged) for error in told)
    ours("enrich_lake", lambda: run(enrich_lake(Lake(store))))  # it mends what can be derived


def test_a_file_that_compaction_replaced_asks_for_a_refresh(copy: Callable[[], Path]) -> None:
    """Views made before a compaction whose grace period is over: not damage, and a refresh mends it."""
    store = copy()
    lake = Lake(store)
    with Insights(store) as insights:
        maintain(lake.events, everything=True, keep_replaced_hours=0)
        (merged,) = data_files(store)
        assert merged.exists()
        with pytest.raises(ViewsOutdated, match=r"refresh\(\)"):
            insights.sql("FROM events").df()
        assert len(insights.refresh().sql("FROM events").df())


OUTPUTS = ["no/where/x", "", "/dev/full/x", "a\0b", "x" * 300]


@pytest.mark.parametrize("to", OUTPUTS)
@pytest.mark.parametrize("how", ["to_csv", "to_parquet", "to_json", "to_excel"])
def test_an_export_into_nowhere_is_refused_before_the_query_runs(
    sound: Path, to: str, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Insights(sound) as insights:
        result = insights.operations()
        monkeypatch.setattr(result, "arrow", lambda: pytest.fail("the query ran"))
        place = str(tmp_path / to)  # an absolute one stands for itself
        assert ours(how, lambda: getattr(result, how)(place)) is not None


def test_a_full_disk_is_told_and_leaves_what_was_there(sound: Path, tmp_path: Path) -> None:
    with Insights(sound) as insights:
        told = ours("to_csv", lambda: insights.operations().to_csv("/dev/full"))
        assert "No space left" in str(told)
        kept = insights.operations().to_csv(tmp_path / "kept.csv")
        before = kept.read_bytes()
        broken = insights.sql("SELECT error('late') FROM range(10)")
        assert ours("late", lambda: broken.to_csv(kept)) is not None
        assert kept.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["kept.csv"]


@pytest.mark.parametrize("option", ["to", "keep"])
@pytest.mark.parametrize("place", ["no/where.html", ".", "/dev/full"])
def test_a_report_into_nowhere_is_refused_before_an_hour_of_work(
    sound: Path, tmp_path: Path, option: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "run_notebook", lambda *_: pytest.fail("the notebook ran"))
    monkeypatch.chdir(tmp_path)
    places = {"to": "fine.html", option: place}
    assert ours(option, lambda: report.make_report(sound, places["to"], keep=places.get("keep"))) is not None


def test_a_query_too_large_for_the_machine_says_so(sound: Path, tmp_path: Path) -> None:
    """Memory and scratch space that do not suffice."""
    with Insights(sound) as insights:
        insights.connection.execute(
            f"SET memory_limit = '30MB'; SET temp_directory = '{tmp_path}'; "
            "SET max_temp_directory_size = '1MB'; SET threads = 1"
        )
        query = "SELECT range, hash(range) h, repeat('x', 100) || range FROM range(5000000) ORDER BY h"
        told = ours("sql", lambda: insights.sql(query).arrow())
        assert "arrow it" in str(told)  # narrow


def test_a_closed_store_says_so(sound: Path) -> None:
    insights = Insights(sound)
    result = insights.operations()
    insights.close()
    assert "closed" in str(ours("df", result.df))


@pytest.mark.parametrize(
    ("cause", "kind", "advice"),
    [
        (
            "Generic S3 error\n ↳ 404 Not Found\n ↳ <Error><Code>NoSuchBucket</Code></Error>",
            "StoreRefused",
            "Create",
        ),
        (
            "↳ 403 Forbidden\n ↳ <Error><Code>SignatureDoesNotMatch</Code></Error>",
            "StoreRefused",
            "AWS_ACCESS",
        ),
        (
            "↳ 301 Moved Permanently\n ↳ <Error><Code>PermanentRedirect</Code></Error>",
            "StoreRefused",
            "AWS_REGION",
        ),
        (
            "↳ client error (Connect)\n ↳ tcp connect error\n ↳ Connection refused",
            "StoreUnreachable",
            "AWS_ENDPOINT",
        ),
        ("↳ IMDS is disabled or the caller has insufficient permissions", "StoreRefused", "set or check"),
        ("↳ dns error: failed to lookup address", "StoreUnreachable", "AWS_ENDPOINT"),
        ("[Errno 13] Permission denied: 'x'", "StoreRefused", "owner and mode"),
    ],
)
def test_what_an_object_store_answers_becomes_advice(cause: str, kind: str, advice: str) -> None:
    with pytest.raises(InsightsError) as told, reading("s3://bucket/x"):
        raise OSError(cause)
    assert type(told.value).__name__ == kind
    assert advice in str(told.value)
    assert not FOREIGN.search(str(told.value))
