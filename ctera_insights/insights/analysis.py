"""Named analyses: one ``.sql`` file each, whose header says what it answers, in which units, and its caveats.

A file queries these scopes, which :meth:`Analysis.statement` puts in front of it, already filtered:

``changes``
    live activity (``phase = 'live'``, ``op <> 'unchanged'``) that passes every filter: the observed changes.
``history``
    baseline and live activity that passes every filter but ``since``: what a running total starts from.
``story``
    baseline and live activity that passes every filter but ``path``: what follows an object through its
    paths.
``current``
    the objects that exist now, with the filters that apply to a state (cloud folder, path, type, extension).
``untold``
    files that went with a deleted folder although the Portal told of the folder only: ``folder_id``,
    ``guid``, ``cloud_folder``, ``size``, ``phase``, and ``at``, when the first folder above them went.

A file may also read any view as it is (``events``, ``batches``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from ctera_insights.errors import UsageError
from ctera_insights.insights.statement import defines, with_tables
from ctera_insights.insights.suggest import closest, instead, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ctera_insights.insights.filters import Filters

_SCOPES: Final = {
    "changes": ("activity", "phase = 'live' AND op <> 'unchanged'", ()),
    "history": ("activity", "op <> 'unchanged'", ("since",)),
    "story": ("activity", "op <> 'unchanged'", ("path",)),
    "current": ("objects", "NOT deleted", ()),
}
_UNTOLD: Final = """untold_graves AS MATERIALIZED (
    SELECT feed, folder_id, path, "at", phase FROM activity
    WHERE op = 'deleted' AND type <> 'file' AND {activity}
),
untold_buried AS MATERIALIZED (
    SELECT o.feed, o.folder_id, o.guid, o.cloud_folder, o.size, graves."at", graves.phase
    FROM (
        SELECT *, unnest([array_to_string(parts[:i], '/') FOR i IN range(1, len(parts))]) AS above
        FROM (
            SELECT feed, folder_id, guid, cloud_folder, size, portal_modified_date,
                string_split(path, '/') AS parts
            FROM objects
            WHERE deleted AND type = 'file' AND path IS NOT NULL AND {objects}
        )
    ) o
    JOIN untold_graves graves
        ON graves.feed = o.feed AND graves.folder_id = o.folder_id AND graves.path = o.above
        AND graves."at" >= coalesce(o.portal_modified_date, graves."at")
),
untold AS (
    SELECT feed, folder_id, guid, any_value(cloud_folder) AS cloud_folder, any_value(size) AS size,
        min("at") AS "at", arg_min(phase, "at") AS phase
    FROM untold_buried
    ANTI JOIN (
        SELECT feed, folder_id, guid FROM activity
        SEMI JOIN untold_buried USING (feed, folder_id, guid)
        WHERE op IN ('deleted', 'restored')
        GROUP BY feed, folder_id, guid HAVING arg_max(op, "at") = 'deleted'
    ) USING (feed, folder_id, guid)
    GROUP BY feed, folder_id, guid
)"""
_NOT_THE_TIME: Final = ("since", "cloud_folder", "path", "type", "extension", "op")
_SECTIONS: Final = ("Question", "Columns", "Parameters", "Caveats", "Picture")
_MARKER: Final = re.compile(r"\$([a-z_0-9]+)")


@dataclass(frozen=True, slots=True)
class Analysis:
    """One analysis as its file states it."""

    name: str
    title: str
    question: str
    columns: Mapping[str, str]
    """Meaning and unit of each column, in order."""
    parameters: Mapping[str, str]
    """Meaning of each parameter beside the filters."""
    caveats: str
    picture: str
    """Which picture :mod:`ctera_insights.insights.charts` draws of it."""
    sql: str
    """The query, over scopes and views."""

    def statement(self, filters: Filters, parameters: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """The whole SQL statement, with its scopes in front, and the parameters that it binds."""
        return with_scopes(self.sql, filters, parameters)

    def doc(self) -> str:
        """The header as a docstring."""
        lines = [f"{self.title}.", "", self.question, "", "Columns of the answer:"]
        lines += [f"    {name}: {meaning}" for name, meaning in self.columns.items()]
        if self.parameters:
            lines += ["", "Parameters:"]
            lines += [f"    {name}: {meaning}" for name, meaning in self.parameters.items()]
        lines += ["", "Filters: since, until, cloud_folder, path, type, extension, op."]
        if self.caveats:
            lines += ["", f"Caveats: {self.caveats}"]
        return "\n".join(lines)


def with_scopes(sql: str, filters: Filters, parameters: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Put the scopes that a query names in front of it; returns the statement and what it binds."""
    bound: dict[str, Any] = {}
    scopes = []
    for name, (view, condition, without) in _SCOPES.items():
        if re.search(rf"\b{name}\b", sql) and not defines(sql, name):
            filtered, values = filters.predicate(view, without=without)
            bound.update(values)
            # Inlined, each reference reads only the columns and row groups that it needs.
            body = f"SELECT * FROM {view}\n    WHERE {condition} AND {filtered}"  # noqa: S608  # constants
            scopes.append(f"{name} AS NOT MATERIALIZED (\n    {body}\n)")
    if re.search(r"\buntold\b", sql) and not defines(sql, "untold"):
        objects, values = filters.predicate("objects")
        activity, until = filters.predicate("activity", without=_NOT_THE_TIME)
        bound.update(values | until)
        scopes.append(_UNTOLD.format(objects=objects, activity=activity))
    statement = with_tables(sql, scopes) if scopes else sql
    wanted = markers(sql)
    bound.update({name: value for name, value in parameters.items() if name in wanted})
    return statement, bound


def markers(sql: str) -> set[str]:
    """The names of the parameters that a query binds."""
    return set(_MARKER.findall(sql))


@cache
def analyses() -> dict[str, Analysis]:
    """Every analysis that the package ships, by name."""
    folder = resources.files("ctera_insights.insights") / "analyses"
    found = (
        parse(entry.name.removesuffix(".sql"), entry.read_text(encoding="utf-8"))
        for entry in folder.iterdir()
        if entry.name.endswith(".sql")
    )
    return {a.name: a for a in sorted(found, key=lambda a: a.name)}


def analysis(name: str) -> Analysis:
    """The analysis of a name.

    Raises:
        UsageError: there is none of this name.
    """
    try:
        return analyses()[name]
    except KeyError:
        there = ", ".join(analyses())
        close = f"{instead(name, analyses())} There" if closest(name, analyses()) else "; there"
        raise UsageError(f"No analysis is called {shown(name)}{close} are {there}") from None


def parse(name: str, text: str) -> Analysis:
    """Read an analysis file: a header of ``--`` lines, then one ``SELECT``.

    The first line is the title. Sections begin with ``Question:``, ``Columns:``, ``Parameters:``,
    ``Caveats:`` and ``Picture:``; columns and parameters stand one a line as ``name: meaning``.
    """
    lines = text.strip().splitlines()
    header: list[str] = []
    while lines and lines[0].startswith("--"):
        header.append(lines.pop(0).removeprefix("--").strip())
    sections: dict[str, list[str]] = {section: [] for section in _SECTIONS}
    into: list[str] = []
    for line in header[1:]:
        head, colon, rest = line.partition(":")
        if colon and head in sections:
            into = sections[head]
        content = rest.strip() if colon and head in sections else line
        if content:
            into.append(content)
    return Analysis(
        name=name,
        title=header[0],
        question=" ".join(sections["Question"]),
        columns=_pairs(sections["Columns"]),
        parameters=_pairs(sections["Parameters"]),
        caveats=" ".join(sections["Caveats"]),
        picture=" ".join(sections["Picture"]),
        sql="\n".join(lines).strip(),
    )


def _pairs(lines: list[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for line in lines:
        name, _, meaning = line.partition(":")
        pairs[name.strip()] = meaning.strip()
    return pairs
