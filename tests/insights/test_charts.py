"""Pictures: every drawable analysis draws, offline, as PNG and SVG, with units and the zone on its axes."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from ctera_insights.errors import UsageError
from ctera_insights.insights import Insights, analyses
from ctera_insights.insights.charts import Picture
from ctera_insights.insights.charts.style import bytes_in_words, shortened

if TYPE_CHECKING:
    from pathlib import Path

DRAWN = [name for name, stated in analyses().items() if stated.picture != "none"]
OVER_TIME = ["activity_over_time", "growth", "file_type_drift", "feed_lag"]


def size_of(png: bytes) -> tuple[int, int]:
    width, height = struct.unpack(">II", png[16:24])
    return width, height


@pytest.mark.parametrize("name", DRAWN)
def test_every_drawable_analysis_draws(insights: Insights, name: str):
    picture = getattr(insights, name)().plot()
    png = picture.png()
    assert png.startswith(b"\x89PNG")
    assert size_of(png) > (800, 100)
    svg = picture.svg()
    assert analyses()[name].title in svg
    assert "http" not in svg.replace("http://www.w3.org/", "")


@pytest.mark.parametrize("name", OVER_TIME)
def test_an_axis_of_time_names_its_zone(insights: Insights, name: str):
    assert "time (Asia/Kathmandu)" in getattr(insights, name)(tz="Asia/Kathmandu").plot().svg()


@pytest.mark.parametrize("name", DRAWN)
def test_nothing_to_show_says_so(insights: Insights, name: str):
    nothing = {
        "since": "2099-01-01",
        "cloud_folder": "Projects",
        "path": "Projects/Team 1",
        "extension": "log",
    }
    if name not in {"activity_over_time", "heatmap", "operations", "hot_folders", "hot_files", "growth"}:
        nothing |= {"type": "folder"}
    result = getattr(insights, name)(**nothing)
    assert "no data" in result.plot().svg()


def test_a_picture_shows_in_notebooks_as_a_static_image_with_words_for_it(insights: Insights):
    bundle, metadata = insights.operations(since="2026-03-10").plot()._repr_mimebundle_()
    assert set(bundle) == {"image/png", "text/plain"}
    assert "Observed changes by operation" in bundle["text/plain"]
    assert "since 2026-03-10" in bundle["text/plain"]
    assert metadata["image/png"]["width"] > 400


def test_a_picture_goes_to_files(insights: Insights, tmp_path: Path):
    picture = insights.heatmap().plot(width=400)
    for ending, start in ((".png", b"\x89PNG"), (".svg", b"<svg"), (".pdf", b"%PDF"), (".json", b"{")):
        assert picture.save(tmp_path / f"x{ending}").read_bytes().startswith(start)
    with pytest.raises(UsageError, match=r"\.png"):
        picture.save(tmp_path / "x.bmp")


def test_packing_changes_no_pixel(insights: Insights):
    import zlib

    import vl_convert

    picture = insights.operations().plot()
    packed, plain = picture.png(), vl_convert.vegalite_to_png(picture._spec(), scale=2.0)

    def pixels(png: bytes) -> bytes:
        at, data = 8, b""
        while at < len(png):
            length, kind = struct.unpack(">I4s", png[at : at + 8])
            data += png[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
            at += 12 + length
        return zlib.decompress(data)

    assert pixels(packed) == pixels(plain)
    assert len(packed) <= len(plain)


def test_own_sql_draws_by_its_first_columns(insights: Insights):
    line = insights.sql(
        "SELECT date_trunc('day', \"at\") AS day, count(*) AS n FROM changes GROUP BY 1 ORDER BY 1"
    )
    assert isinstance(line.plot(), Picture)
    assert "day (UTC)" in line.plot().svg()
    bars = insights.sql("SELECT cloud_folder, count(*) AS n FROM changes GROUP BY 1")
    assert "Projects" in bars.plot(title="Mine").svg()
    with pytest.raises(UsageError, match="no column of numbers"):
        insights.sql("SELECT 'a' AS a, 'b' AS b").plot()


def test_a_table_without_a_picture_says_so(insights: Insights):
    with pytest.raises(UsageError, match="table"):
        insights.feed_health().plot()


def test_labels_keep_both_ends_and_hide_what_cannot_be_shown():
    long = "Projects/" + "deep/" * 30 + "report.pdf"
    assert len(shortened(long)) == 52
    assert shortened(long).endswith("report.pdf")
    assert "\n" not in shortened("a\nb")
    assert bytes_in_words(1_530_000) == "1.53 MB"
