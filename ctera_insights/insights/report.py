"""A report as one HTML file: a notebook, run over a store, whose pictures are all static."""

from __future__ import annotations

from html import escape
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from ctera_insights.activity.behind import overdue
from ctera_insights.errors import ReportIncomplete, UsageError
from ctera_insights.insights.filters import When, moment, zone
from ctera_insights.insights.parts import run_notebook
from ctera_insights.lake import Lake
from ctera_insights.output import output, writable
from ctera_insights.text import visible

if TYPE_CHECKING:
    from datetime import datetime

    from nbformat import NotebookNode

NOTEBOOK: Final = "report.ipynb"
_STYLE: Final = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 1100px; margin: 2rem
auto;
  padding: 0 1.5rem; }
h1 { font-size: 1.8rem; } h2 { font-size: 1.3rem; margin-top: 2.5rem; border-bottom: 1px solid #ddd; }
img { max-width: 100%; height: auto; }
table { border-collapse: collapse; font-size: 13px; margin: .5rem 0; }
th, td { padding: .25rem .6rem; text-align: left; border-bottom: 1px solid #eee; max-width: 36rem;
  overflow-wrap: anywhere; vertical-align: top; }
th { border-bottom: 2px solid #999; } td { font-variant-numeric: tabular-nums; }
p.failed { color: #b00020; border-left: 3px solid #b00020; padding-left: .6rem; overflow-wrap: anywhere; }
code { font-size: 12px; overflow-wrap: anywhere; } a.anchor-link { display: none; }
@media print { body { margin: 0; max-width: none; } h2 { break-after: avoid; } img, tr { break-inside: avoid;
} }
"""


def notebook_path() -> Path:
    """The report's notebook, as it is installed with the package: copy it to change it."""
    return Path(str(resources.files("ctera_insights.insights") / NOTEBOOK))


def make_report(
    store: str | Path,
    to: str | Path,
    *,
    since: When | None = None,
    until: When | None = None,
    tz: str = "UTC",
    title: str = "File activity report",
    sensitivity: float = 1.0,
    notebook: str | Path | None = None,
    keep: str | Path | None = None,
) -> Path:
    """Write a report as one self-contained HTML file.

    Args:
        store: path or URL of the store. Credentials come from the environment; a URL that carries some is
        refused,
            because the report would tell them.
        to: the HTML file; replaced when it exists.
        since: start of the period.
        until: end of the period, itself not included.
        tz: time zone of everything in the report.
        title: its heading.
        sensitivity: of the alerts, see :mod:`ctera_insights.insights.detections`.
        notebook: another notebook than the one that comes with the package; its cell tagged ``parameters``
        takes
            ``store``, ``since``, ``until``, ``tz``, ``title`` and ``sensitivity``.
        keep: where to keep the executed notebook as well.

    Returns:
        The path of the HTML file.

    Raises:
        UsageError: the extra ``notebooks`` is missing, or an argument is wrong.
        StoreNotFound: nothing was ever collected there.
        ReportIncomplete: it was written, but parts of it failed: each says so in its place.
        InsightsError: nothing of it could be made, or it cannot be written to that place.
    """
    for package in ("nbclient", "nbconvert", "papermill"):
        if find_spec(package) is None:
            raise UsageError("Reports need the extra: pip install 'ctera-insights[notebooks]'")
    zone(tz)
    if urlsplit(str(store)).password or urlsplit(str(store)).username:
        raise UsageError("Give the store's credentials in the environment, not in its URL")
    parameters = {
        "store": str(store),
        "since": _text(moment(since, tz)),
        "until": _text(moment(until, tz)),
        "tz": tz,
        "title": title,
        "sensitivity": sensitivity,
    }
    to = writable(to)
    if keep is not None:
        writable(keep)
    lake = Lake(store)
    lake.events.delta()  # a store that is not there is told here, not by each part
    lacks = overdue(lake)
    executed, failed = run_notebook(Path(notebook) if notebook else notebook_path(), parameters, Path.cwd())
    with output(to) as file:
        file.write_text(_page(title, _missing(lacks) + _body(executed)), encoding="utf-8")
    if keep is not None:
        import nbformat

        write: Any = nbformat.write  # untyped
        with output(keep) as file:
            write(executed, file)
    if failed or lacks:
        raise ReportIncomplete(to, [*map(str, failed), *filter(None, [lacks])])
    return to


def _text(when: datetime | None) -> str | None:
    return when.isoformat() if when else None


def _missing(lacks: str) -> str:
    return f'<p class="failed">{escape(visible(lacks))}</p>\n' if lacks else ""


def _body(executed: NotebookNode) -> str:
    """The outputs and texts of an executed notebook as HTML, without its code."""
    import nbconvert

    make: Any = nbconvert.HTMLExporter  # untyped
    exporter = make(
        template_name="basic",
        exclude_input=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
        embed_images=True,
    )
    body: str = exporter.from_notebook_node(executed)[0]
    return body


def _page(title: str, body: str) -> str:
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(visible(title))}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )
