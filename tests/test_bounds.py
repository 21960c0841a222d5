"""The versions that pyproject.toml allows are tested: `make lowest` installs the oldest of each."""

from __future__ import annotations

import os
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

PROJECT = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = [group for name, group in PROJECT["optional-dependencies"].items() if name not in {"test", "dev"}]


def requirements() -> list[Requirement]:
    """What a user installs, with all extras, on this machine."""
    texts = [*PROJECT["dependencies"], *(text for group in EXTRAS for text in group)]
    found = [Requirement(text) for text in texts]
    foreign = [each for each in found if each.name != PROJECT["name"]]
    return [each for each in foreign if not each.marker or each.marker.evaluate()]


def bound(requirement: Requirement) -> Version:
    (only,) = requirement.specifier
    assert only.operator == ">=", (
        f"{requirement}: a lower bound, and nothing else, unless something is known to break"
    )
    return Version(only.version)


def test_every_dependency_has_a_lower_bound_that_is_installed_at_least() -> None:
    for requirement in requirements():
        assert Version(version(requirement.name)) >= bound(requirement), requirement


@pytest.mark.skipif("CTERA_INSIGHTS_LOWEST" not in os.environ, reason="`make lowest` asks for it")
def test_the_oldest_versions_allowed_are_the_ones_under_test() -> None:
    """A bound that no release has, or that another package lifts, would be a promise that nothing tests."""
    differing = {}
    for requirement in requirements():
        installed, oldest = Version(version(requirement.name)), bound(requirement)
        if installed.release[: len(oldest.release)] != oldest.release:
            differing[requirement.name] = f"{installed}, not {oldest}"
    assert differing == {}
