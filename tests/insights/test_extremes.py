"""One extreme file takes nothing down: sums beyond 64 bits, times at the ends of the calendar, any name."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pytest

import ctera_insights
from ctera_insights.errors import UsageError
from ctera_insights.insights import Insights, analyses
from ctera_insights.insights.charts.style import shortened

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb

PACKAGE = Path(ctera_insights.__file__).parent
LARGEST, SMALLEST = 2**63 - 1, -(2**63)
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
NAMES = {
    "families": FAMILY * 40,
    "emoji": "\U0001f600" * 40,
    "long": "x" * 33_000,
    "accents": "e" + "\u0301" * 3_000,
    "controls": "a\tb\nc\x1b[31m\x07",
    "backwards": "invoice\u202excod.exe",
    "empty": "",
    "markup": "<script>alert(1)</script>&amp;",
    "slashes": "a//b",
    "quotes": "'\"`$size;--",
    "halves": "\ufffd\ufffe\uffff",
    "unknown": None,
}
SIZES_AND_TIMES = (
    (LARGEST, datetime(1, 1, 2, tzinfo=UTC)),
    (LARGEST, datetime(9999, 12, 30, tzinfo=UTC)),
    (SMALLEST, datetime(2026, 3, 20, 10, tzinfo=UTC)),
    (LARGEST, datetime(2026, 3, 20, 11, tzinfo=UTC)),
)
OPEN, CLOSED, NO_DESCRIPTOR = "D:(A;;FA;;;WD)", "D:(A;;FA;;;BA)", "no descriptor"
CHANGES = (
    *((op, None, None) for op in ("created", "modified", "deleted", "moved", "restored")),
    ("acl_changed", OPEN, CLOSED),
    ("acl_changed", NO_DESCRIPTOR, CLOSED),
)


def doctored(connection: duckdb.DuckDBPyConnection) -> Insights:
    """Beside a usual history, objects as no disk has them."""
    activity, objects = [], []
    for name, (size, at) in product(NAMES.values(), SIZES_AND_TIMES):
        state = {
            "feed": "portal", "type": "file", "guid": f"x:{len(objects)}", "folder_id": 99,
            "cloud_folder": name, "path": None if name is None else f"{name}/{name}", "name": name,
            "size": size, "depth": 1, "extension": name, "deleted": False, "file_timestamp": at,
        }  # fmt: skip
        objects.append(state | {"id": len(objects), "portal_modified_date": at})
        for op, acl, old_acl in CHANGES:
            change = {
                "seq": 1_000_000 + len(activity), "batch": 1, "at": at, "collected_at": at, "phase": "live",
                "op": op, "old_path": None if name is None else f"{name}/before/{name}", "acl": acl,
                "old_acl": old_acl, "size_delta": SMALLEST if op == "deleted" else size,
                "acl_changed": acl is not None, "epoch": 1, "portal_modified_date": at, "caught_up": True,
            }  # fmt: skip
            activity.append(state | change)
    for view, rows in (("activity", activity), ("objects", objects), ("events", activity)):
        connection.register("rows", pa.Table.from_pylist(rows))
        known = [name for (name, *_) in connection.sql(f"DESCRIBE {view}").fetchall() if name in rows[0]]
        columns = ", ".join(f'"{name}"' for name in known)
        connection.execute(f"INSERT INTO {view} BY NAME SELECT {columns} FROM rows")
    return Insights(connection)


@pytest.fixture(scope="module")
def extremes(world: Any, connection_of: Callable[[Any], duckdb.DuckDBPyConnection]) -> Insights:
    return doctored(connection_of(world))


ARGUMENTS: dict[str, dict[str, Any]] = {"path_history": {"of_path": f"{FAMILY * 40}/{FAMILY * 40}"}}


@pytest.mark.parametrize("name", analyses())
def test_every_analysis_answers_in_every_form(extremes: Insights, name: str):
    result = getattr(extremes, name)(**ARGUMENTS.get(name, {}))
    assert result.arrow().num_rows > 0
    assert len(result.df()) == result.arrow().num_rows
    assert repr(result)
    assert "<script>" not in result._repr_html_()


@pytest.mark.parametrize("name", [name for name, stated in analyses().items() if stated.picture != "none"])
@pytest.mark.parametrize("tz", ["UTC", "Pacific/Kiritimati", "America/New_York"])
def test_every_picture_is_drawn(extremes: Insights, name: str, tz: str):
    extremes.tz = tz
    picture = (
        getattr(extremes, name)(limit=30).plot()
        if "limit" in analyses()[name].parameters
        else getattr(extremes, name)().plot()
    )
    assert picture.png().startswith(b"\x89PNG")
    assert "\u202e" not in picture.svg()
    extremes.tz = "UTC"


@pytest.mark.parametrize("by", ["cloud_folder", "extension"])
@pytest.mark.parametrize("every", ["1 hour", "1 month", "1 year", "100 years"])
def test_every_split_and_width_is_drawn(extremes: Insights, by: str, every: str):
    assert extremes.activity_over_time(by=by, every=every).plot().svg()


def test_sums_are_exact_and_shares_are_shares(extremes: Insights, world: Any):
    added = extremes.sql("SELECT sum(greatest(size_delta, 0)) AS n FROM changes").arrow()["n"][0].as_py()
    told = extremes.overview().arrow()["bytes_added"][0].as_py()
    usual = int(world.changes.size_delta.clip(lower=0).sum())
    assert int(told) == int(added) == usual + 3 * 6 * len(NAMES) * LARGEST
    assert pd.api.types.is_float_dtype(extremes.overview().df().bytes_added)
    assert pd.api.types.is_integer_dtype(extremes.overview().df().changes)


def test_alerts_come_in_every_form_and_no_rule_fails(extremes: Insights):
    alerts = extremes.alerts()
    assert alerts.failures == ()
    assert {"sudden_growth", "permission_opening"} <= {alert.rule for alert in alerts}
    assert json.loads(alerts.to_json())["alerts"]
    assert len(alerts.df()) == len(alerts)
    for text in (alerts.text(), alerts._repr_html_(), alerts.subject()):
        assert not re.search("[\u202e\x07\x1b]", text)
    assert alerts.unreadable is not None
    assert alerts.unreadable.changes == 4 * len(NAMES)
    assert len(extremes.preview().plot().png()) > 1000


def test_the_explorer_shows_any_name_time_and_size(extremes: Insights):
    explorer = extremes.explore()
    try:
        assert explorer.svg()
        frame = explorer._frame()
        assert frame is not None
        assert len(frame.edges_s) <= 402
        assert int(frame.ops.sum()) == len(extremes.changes()), "lost clocks count at the edges"
        assert frame.sizes.sum() > 1e20
        pages = explorer._pages
        told = [
            row
            for at in range(0, frame.events, 500)
            for row in pages.page(frame, explorer.selection, at, 500)
        ]
        assert len(told) == frame.events, "the table pages through all of them"
        with pytest.raises(UsageError, match="did you mean 'Projects'"):
            explorer.select(cloud_folder="projects")
        explorer.select(cloud_folder=[None, FAMILY * 40])
        assert "\u202e" not in explorer.svg()
        assert len(explorer.df()) == 2 * 4 * len(CHANGES)
    finally:
        explorer.close()


def test_labels_fit_and_cut_no_character_apart():
    for name in NAMES.values():
        label = shortened(name or "")
        assert len(label) <= 52 * 16
        assert not re.search("[\ud800-\udfff\u202e\x00-\x1f]", label)
    assert shortened("\U0001f600" * 40) == "\U0001f600" * 8 + "…" + "\U0001f600" * 17


SUM = re.compile(r"\bsum\s*\(", re.IGNORECASE)


def sql_texts() -> list[tuple[str, str]]:
    found = [*PACKAGE.rglob("*.sql"), *PACKAGE.rglob("*.py")]
    return [(str(path.relative_to(PACKAGE)), path.read_text(encoding="utf-8")) for path in found]


@pytest.mark.parametrize(
    ("name", "text"), sql_texts(), ids=lambda value: value[:60] if "\n" not in value else ""
)
def test_no_sum_is_squeezed_into_64_bits(name: str, text: str):
    """DuckDB sums integers in 128 bits; a cast of a sum, or of what is made of sums, can overflow."""
    for start in SUM.finditer(text):
        assert "::BIGINT" not in after_parentheses(text, start.end() - 1), name
        assert not re.search(r"CAST\(\s*(coalesce\(\s*)?$", text[: start.start()], re.IGNORECASE), name
    assert "greatest(-" not in text.replace(" ", ""), f"{name}: the negative of the smallest integer is none"


def after_parentheses(text: str, opening: int) -> str:
    """What follows the call, and the calls around it, up to the end of its expression."""
    depth, at = 0, opening
    while at < len(text):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth <= 0 and text[at] in ",\n;":
            break
        at += 1
    return text[opening:at]
