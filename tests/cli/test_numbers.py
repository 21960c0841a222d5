"""A number that is none, or that no clock can count, is a usage error, never a run without an end."""

from __future__ import annotations

import pytest

from ctera_insights.errors import UsageError
from ctera_insights.pipeline import collect_portal
from tests.cli.test_cli import run

NONSENSE = ["nan", "-nan", "inf", "-1", "1e308", "5s", ""]


@pytest.mark.parametrize("value", NONSENSE)
@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("collect", "--for"),
        ("collect", "--batch-seconds"),
        ("optimize", "--keep-replaced"),
        ("simulate", "--speed"),
        ("alerts", "--sensitivity"),
    ],
)
def test_an_option_takes_only_what_can_be_counted(command: str, option: str, value: str) -> None:
    assert option in run(command, f"{option}={value}", code=2).stderr


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 0.0, 1e308])
async def test_so_does_a_call(value: float, tmp_path_factory: pytest.TempPathFactory) -> None:
    data = tmp_path_factory.getbasetemp() / "never"
    with pytest.raises(UsageError, match="seconds"):
        await collect_portal("portal.invalid", data, user="u", password="p", seconds=value)
    assert not data.exists()
