"""The package as a whole: its public names, how fast it starts, its examples, its structure."""

from __future__ import annotations

import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ctera_insights
from ctera_insights import errors

ROOT = Path(__file__).parent.parent


def test_every_public_name_can_be_had() -> None:
    for name in ctera_insights.__all__:
        assert getattr(ctera_insights, name) is not None
    assert {*ctera_insights._HOMES, "__version__"} == {*ctera_insights.__all__}
    assert sorted(ctera_insights.__all__) == ctera_insights.__all__


@pytest.mark.parametrize("room", ["portal", "lake", "activity", "insights", "simulator", "mirror"])
def test_a_rooms_public_names_exist_and_are_sorted(room: str) -> None:
    module = importlib.import_module(f"ctera_insights.{room}")
    assert [*module.__all__] == sorted(
        module.__all__, key=lambda name: (not name.isupper(), name[0].islower(), name)
    )
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = "aiohttp pandas numpy pyarrow duckdb deltalake ipywidgets altair cryptography IPython"
    code = f"import ctera_insights, sys; print([name for name in {heavy.split()!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_tree_of_errors_is_drawn_as_it_is() -> None:
    """Each class stands in the drawing under its parent, with its mark and its exit code."""
    drawn = errors.__doc__
    assert drawn is not None
    parents: list[str] = []
    for line in drawn.splitlines():
        found = re.match(r"^([\s│├└─]*)(\w+)\s+(~?)\s*(?:exit )?(\d+)\s", line)
        if not found or not hasattr(errors, found[2]):
            continue
        depth = (len(found[1]) - 4) // 4
        kind = getattr(errors, found[2])
        parents = [*parents[:depth], found[2]]
        assert kind.transient is bool(found[3]), found[2]
        assert kind.exit_code == int(found[4]), found[2]
        if depth:
            assert issubclass(kind, getattr(errors, parents[depth - 1])), found[2]
    classes = [
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and kind.__module__ == errors.__name__
    ]
    assert [name for name in classes if name not in drawn and name != "PortalStatusError"] == []


def test_every_module_says_what_it_is_for() -> None:
    for module in pkgutil.walk_packages(ctera_insights.__path__, "ctera_insights."):
        if module.name != "ctera_insights.__main__":
            assert importlib.import_module(module.name).__doc__, module.name


def test_readme_names_every_command_and_exit_code() -> None:
    from ctera_insights.cli import cli

    readme = (ROOT / "README.md").read_text()
    for name in cli.commands:
        assert f"`{name}`" in readme, name
    for value in (value for name, value in vars(errors).items() if name.startswith("EXIT_")):
        assert re.search(rf"\b{value} ", readme)
