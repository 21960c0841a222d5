"""A sound store, to be broken, and a Portal to collect from."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ctera_insights import SimulatedPortal
from ctera_insights.simulator.sources.scenario import ScenarioSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of some batches, never touched."""
    store = tmp_path_factory.mktemp("sound") / "store"
    command = [sys.executable, "-m", "ctera_insights", "demo", "--data", str(store), "--events", "300"]
    subprocess.run(command, check=True, capture_output=True)
    return store


@pytest.fixture
def copy(sound: Path, tmp_path: Path) -> Callable[[], Path]:
    """Another copy of the sound store at every call."""

    def make() -> Path:
        place = tmp_path / "store"
        if place.is_dir():
            shutil.rmtree(place)
        place.unlink(missing_ok=True)
        shutil.copytree(sound, place)
        return place

    return make


@pytest.fixture(scope="session")
def portal() -> Iterator[SimulatedPortal]:
    with SimulatedPortal(ScenarioSource("tiny", events=200)).run_in_thread() as serving:
        yield serving
