from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.reliability.world import Runner, build_shim, content, office, served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """Starts commands of the product."""
    scratch = tmp_path_factory.mktemp("campaign")
    return Runner(build_shim(scratch), scratch)


@pytest.fixture(scope="session")
def runner(commands: Runner) -> Iterator[Runner]:
    """The same, with a Portal to collect from."""
    with served(office()) as portal:
        yield commands.at(portal)


@pytest.fixture(scope="session")
def sound(runner: Runner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that was collected without faults."""
    data = tmp_path_factory.mktemp("sound") / "lake"
    ended = runner.collect(data)
    assert ended.code == 0, ended.said
    return data


@pytest.fixture(scope="session")
def expected(sound: Path) -> dict[str, list[tuple[Any, ...]]]:
    """What every store must hold in the end."""
    return content(sound)
