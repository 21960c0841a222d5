"""What a process of its own shows: exits, extras that are missing, permissions, a notebook's errors."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import nbformat
import pytest
from nbclient import NotebookClient

from tests.broken_worlds.test_commands import FOREIGN
from tests.broken_worlds.worlds import data_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CLI = [sys.executable, "-m", "ctera_insights"]
RUNS = 50 if os.environ.get("CTERA_INSIGHTS_TEST_SCALE") else 4


def told(command: list[str], code: int, **options) -> str:
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, **options
    )
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert not FOREIGN.search(done.stderr), done.stderr
    return done.stdout + done.stderr


EXPLORING = """
import sys, time, duckdb
from ctera_insights.insights import Insights
c = duckdb.connect()
c.execute("SET TimeZone = 'UTC'")
c.execute('''CREATE TABLE activity AS SELECT 'f' AS feed, i AS seq, 1 AS batch, 'live' AS phase,
    'created' AS op, 'file' AS type, TIMESTAMPTZ '2026-01-01' + to_minutes(i % 100000) AS "at",
    'Team ' || i % 7 AS cloud_folder,
    'Team ' || i % 7 || '/' || i % 3000 || '/' || i || '.txt' AS path, NULL AS old_path, i || '.txt' AS name,
    'txt' AS extension, i AS size, i AS size_delta, false AS deleted FROM range(400000) t(i)''')
explorer = Insights(c).explore()
explorer._hear(None, {"kind": "hello"}, [])
if sys.argv[1] == "search":
    explorer.state = {**explorer.state, "text": "17"}
time.sleep(float(sys.argv[2]))
if sys.argv[1] == "raise":
    raise SystemExit("as it should be")
"""


@pytest.mark.parametrize("how", ["end", "search", "raise"])
def test_a_script_with_an_explorer_ends_as_any_script(how: str) -> None:
    """Whatever its threads are at, inside DuckDB or waiting: no abort, no hanging."""
    for attempt in range(RUNS):
        out = told(
            [sys.executable, "-c", EXPLORING, how, f"{0.05 * attempt:.2f}"], 1 if how == "raise" else 0
        )
        assert "FATAL" not in out


EXTRAS = {
    "watchfiles": (["simulate", "--from-dir", "."], "ctera-insights[simulator]"),
    "papermill": (["report", "--data", "STORE", "--to", "x.html"], "ctera-insights[notebooks]"),
    "voila": (["dashboard", "--data", "STORE"], "ctera-insights[dashboard]"),
    "openpyxl": (["sql", "--data", "STORE", "SELECT 1", "--to", "x.xlsx"], "ctera-insights[excel]"),
    "polars": ("insights.operations().pl()", "ctera-insights[polars]"),
    "altair": ("insights.operations().plot()", "ctera-insights[charts]"),
    "vl_convert": ("insights.explore().png()", "ctera-insights[charts]"),
}


@pytest.mark.parametrize("package", EXTRAS)
def test_a_missing_extra_is_named(package: str, sound: Path, tmp_path: Path) -> None:
    """Without an optional package, what needs it says how to install it, and nothing else fails."""
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "sitecustomize.py").write_text(f"import sys\nsys.modules[{package!r}] = None\n")
    environment = {**os.environ, "PYTHONPATH": str(blocked)}
    what, advice = EXTRAS[package]
    if isinstance(what, str):
        code = (
            "from ctera_insights import Insights, InsightsError\n"
            f"insights = Insights({str(sound)!r})\n"
            f"try:\n    {what}\nexcept InsightsError as error:\n    print(error)"
        )
        out = told([sys.executable, "-c", code], 0, env=environment)
    else:
        command = [str(sound) if word == "STORE" else word for word in what]
        out = told([*CLI, *command], 2, env=environment, cwd=tmp_path)
    assert advice in out
    told([*CLI, "sql", "--data", str(sound), "SELECT 1"], 0, env=environment)


def unprivileged(command: list[str]) -> list[str]:
    """The command for whom modes of files hold; root without its privileges over files."""
    if os.geteuid():
        return command
    if (setpriv := shutil.which("setpriv")) is None:
        pytest.skip("root needs setpriv to give up its privileges")
    dropped = "-dac_override,-dac_read_search,-fowner"
    return [setpriv, f"--bounding-set={dropped}", f"--inh-caps={dropped}", *command]


@pytest.mark.parametrize("what", ["events", "events/_delta_log", "file"])
def test_no_permission_to_read_is_told(what: str, copy: Callable[[], Path]) -> None:
    store = copy()
    place = data_files(store)[0] if what == "file" else store / what
    place.chmod(0)
    try:
        for command in (["sql", "--data", str(store), "FROM events"], ["status", "--data", str(store)]):
            done = subprocess.run(unprivileged([*CLI, *command]), check=False, capture_output=True, text=True)
            assert done.returncode in {0, 1, 2, 7}, done.stderr
            assert not FOREIGN.search(done.stderr), done.stderr
    finally:
        place.chmod(0o755)


def test_no_permission_to_write_is_told(copy: Callable[[], Path]) -> None:
    store = copy()
    places = [store, *(path for path in store.rglob("*") if path.is_dir())]
    for place in places:
        place.chmod(0o555)
    try:
        for command in (["optimize", "--data", str(store)], ["enrich", "--rebuild", "--data", str(store)]):
            done = subprocess.run(unprivileged([*CLI, *command]), check=False, capture_output=True, text=True)
            assert done.returncode in {0, 1}, done.stderr
            assert not FOREIGN.search(done.stderr), done.stderr
            assert done.returncode == 0 or "ermission" in done.stderr
    finally:
        for place in places:
            place.chmod(0o755)


def test_no_scratch_directory_for_a_report_is_told(sound: Path, tmp_path: Path) -> None:
    """TMPDIR and its kin that cannot be written."""
    nowhere = dict.fromkeys(("HOME", "TMPDIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"), "/proc/nowhere")
    command = [*CLI, "report", "--data", str(sound), "--to", str(tmp_path / "x.html")]
    assert "TMPDIR" in told(command, 1, env={**os.environ, **nowhere})


@pytest.mark.parametrize("content", [None, "{", "[]", "\x00"])
def test_a_notebook_that_is_none_is_told(sound: Path, tmp_path: Path, content: str | None) -> None:
    notebook = tmp_path / "mine.ipynb"
    if content is not None:
        notebook.write_text(content)
    command = [*CLI, "report", "--data", str(sound), "--to", str(tmp_path / "x.html"), "--notebook"]
    told([*command, str(notebook)], 2)


def test_a_notebook_shows_an_error_once_and_without_our_frames(
    copy: Callable[[], Path], tmp_path: Path
) -> None:
    """In a real kernel: the message, not a traceback through the package; told once."""
    store = copy()
    cells = [
        f"from ctera_insights import Insights; insights = Insights({str(store)!r})",
        "insights.sql('DROP VIEW events')",
        "insights.sql('SELECT nope FROM events')",
        "insights.sql('SELECT nope FROM events').df()",
        f"import os; os.remove({str(data_files(store, 'activity')[0])!r})",
        "insights.operations()",
        f"%load_ext ctera_insights\n%insights {store}",
        "%%insights\nSELECT nope FROM events",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=60, kernel_name="python3", allow_errors=True).execute(cwd=str(tmp_path))
    errors = [[out for out in cell.outputs if out.output_type == "error"] for cell in notebook.cells]
    names = [[error.ename for error in each] for each in errors]
    refused = ["QueryFailed"]
    assert names == [[], ["UsageError"], refused, refused, [], ["StoreDamaged"], [], []]
    for cell, each in zip(notebook.cells, errors, strict=True):
        for error in each:
            shown = "\n".join(error.traceback)
            assert not re.search(
                r"Traceback|File |ctera_insights[/\\]|duckdb", shown.replace("_duckdb", "duckdb")
            )
        if each:
            assert not [out for out in cell.outputs if out.output_type != "error"]
    (of_magic,) = notebook.cells[-1].outputs  # IPython writes a magic's own error as one line
    assert of_magic.text.startswith("UsageError: ")
    assert "Traceback" not in of_magic.text
