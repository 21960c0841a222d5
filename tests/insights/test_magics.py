"""The cell magic: SQL over the views in IPython, with the notebook's variables and completion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from ctera_insights.insights import Insights, Result
from ctera_insights.insights.magics import load_ipython_extension

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def shell(insights: Insights) -> Iterator[InteractiveShell]:
    shell = InteractiveShell()
    load_ipython_extension(shell)
    shell.user_ns["insights"] = insights
    yield shell
    shell.history_manager.end_session()
    InteractiveShell.clear_instance()


def completed(shell: InteractiveShell, cell: str) -> list[str]:
    from IPython.core.completer import provisionalcompleter

    with provisionalcompleter():
        return [c.text for c in shell.Completer.completions(cell, len(cell))]


def test_a_cell_runs_over_views_and_scopes(shell: InteractiveShell):
    result = shell.run_cell_magic(
        "insights", "", "SELECT op, count(*) AS n FROM changes GROUP BY ALL ORDER BY n DESC"
    )
    assert isinstance(result, Result)
    assert result.df().op[0] == "modified"


def test_variables_are_bound_never_pasted(shell: InteractiveShell):
    shell.user_ns["folder"] = 'O\'Neill "Archive"'
    result = shell.run_cell_magic(
        "insights", "--to kept", "SELECT count(*) AS n FROM changes WHERE cloud_folder = $folder"
    )
    assert result.df().n[0] > 0
    assert shell.user_ns["kept"] is result


def test_what_is_missing_is_named(shell: InteractiveShell):
    with pytest.raises(UsageError, match="no_such"):
        shell.run_cell_magic("insights", "", "SELECT $no_such")
    with pytest.raises(UsageError, match="--to NAME"):
        shell.run_cell_magic("insights", "--from x", "SELECT 1")


def test_without_a_store_the_message_says_what_to_do(shell: InteractiveShell):
    del shell.user_ns["insights"]
    with pytest.raises(UsageError, match="%insights DIR"):
        shell.run_cell_magic("insights", "", "SELECT 1")


def test_the_line_magic_takes_a_variable_and_says_what_a_wrong_path_is(
    shell: InteractiveShell, insights: Insights
):
    assert shell.run_line_magic("insights", "insights") is insights
    assert shell.run_line_magic("insights", "") is insights
    with pytest.raises(UsageError):
        shell.run_line_magic("insights", "no/such/place")
    with pytest.raises(UsageError, match="No closing quotation"):
        shell.run_line_magic("insights", "'data")
    with pytest.raises(UsageError, match="No closing quotation"):
        shell.run_cell_magic("insights", "--to 'x", "SELECT 1")


def test_views_columns_and_words_complete(shell: InteractiveShell):
    assert "activity" in completed(shell, "%%insights\nSELECT * FROM act")
    assert "cloud_folder" in completed(shell, "%%insights\nSELECT cloud_f")
    assert '"at"' in completed(shell, "%%insights\nSELECT * FROM activity\nWHERE a")
    assert "objects.size" in completed(shell, "%%insights\nSELECT * FROM objects WHERE objects.si")
    assert "GROUP BY ALL" in completed(shell, "%%insights\nSELECT 1 GR")


def test_python_cells_complete_as_ever(shell: InteractiveShell):
    assert "cloud_folder" not in completed(shell, "cloud_f")
