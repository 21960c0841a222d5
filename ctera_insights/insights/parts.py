"""Run a notebook whose parts stand alone: a cell that fails says so in its place, and the others go on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Final

from ctera_insights.errors import InsightsError, UsageError
from ctera_insights.plain import run
from ctera_insights.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from nbformat import NotebookNode

SETUP: Final = "setup"
_PARAMETERS: Final = {"parameters", "injected-parameters"}
_LONGEST_REASON: Final = 500
_START_WITHIN_S: Final = 300


@dataclass(frozen=True, slots=True)
class Part:
    """A part that failed: the heading above it, and why."""

    heading: str
    reason: str

    def __str__(self) -> str:
        return f"{self.heading}: {self.reason}"


def run_notebook(
    source: Path, parameters: Mapping[str, Any], folder: Path
) -> tuple[NotebookNode, list[Part]]:
    """Run a notebook with parameters.

    Args:
        source: the notebook; its cell tagged ``parameters`` has the defaults.
        parameters: values that take their place.
        folder: where it runs.

    Returns:
        The executed notebook, errors replaced by a sentence where they happened, and what failed.

    Raises:
        UsageError: the file is no notebook.
        InsightsError: the cell tagged ``setup`` failed (where none is tagged, the first cell of code after
            the parameters), or the kernel died: there is nothing to show.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import DeadKernelError
    from nbformat.reader import NotJSONError
    from nbformat.validator import ValidationError
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import parameterize_notebook

    try:
        loaded = load_notebook_node(str(source))
    except (OSError, ValueError, AttributeError, NotJSONError, ValidationError) as error:  # of any shape
        raise UsageError(f"{source} cannot be read as a notebook: {error}") from None
    notebook = parameterize_notebook(loaded, dict(parameters), kernel_name="python3", language="python")
    client = NotebookClient(
        notebook,
        timeout=None,
        startup_timeout=_START_WITHIN_S,
        kernel_name="python3",
        allow_errors=True,
        resources={"metadata": {"path": str(folder)}},
        config=_kernel_config(),
    )
    try:
        run(client.async_execute())
    except DeadKernelError:
        raise InsightsError(f"The kernel that ran {source.name} died: is there enough memory?") from None
    except (RuntimeError, OSError) as error:  # it does not start, or has no directory to speak through
        raise InsightsError(
            f"No kernel runs {source.name}: {error}. "
            "HOME (or JUPYTER_RUNTIME_DIR) and TMPDIR must be writable."
        ) from None
    return notebook, list(_tell_failures(notebook))


def _kernel_config() -> Any:
    """The kernel is spoken to through a file socket where there are any: no other user can listen in."""
    from traitlets.config import Config

    return Config({"KernelManager": {"transport": "ipc"}} if os.name == "posix" else {})


def _tell_failures(notebook: NotebookNode) -> Iterator[Part]:
    """Replace the errors among the outputs by a sentence each."""
    import nbformat

    make: Any = nbformat.v4.new_output  # untyped
    heading = "The beginning"
    setup = _setup_of(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            titles = [line.lstrip("# ") for line in cell.source.splitlines() if line.startswith("#")]
            heading = titles[-1] if titles else heading
        for number, output in enumerate(cell.get("outputs", [])):
            if output.output_type != "error":
                continue
            reason = _reason(output)
            if cell is setup:
                raise InsightsError(f"The report failed: {reason}")
            yield Part(heading, reason)
            words = f"This part failed: {reason}"
            cell.outputs[number] = make(
                "display_data",
                {"text/html": f'<p class="failed">{escape(words)}</p>', "text/plain": words},
            )


def _setup_of(notebook: NotebookNode) -> NotebookNode | None:
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    tagged = [cell for cell in code if SETUP in cell.metadata.get("tags", [])]
    others = [cell for cell in code if not _PARAMETERS & set(cell.metadata.get("tags", []))]
    return next(iter([*tagged, *others]), None)


def _reason(output: NotebookNode) -> str:
    lines = visible(str(output.evalue), keep="\n").strip().splitlines()
    reason = f"{output.ename}: {lines[0]}" if lines else str(output.ename)
    return reason if len(reason) <= _LONGEST_REASON else reason[: _LONGEST_REASON - 1] + "…"
