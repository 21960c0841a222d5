from __future__ import annotations

import pickle
import sys
import traceback
from typing import TYPE_CHECKING

import keyring
import keyring.backend
import pytest

from ctera_insights.errors import UsageError
from ctera_insights.settings import Secret, password, setting

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("PORTAL", "PASSWORD", "PASSWORD_FILE"):
        monkeypatch.delenv(f"CTERA_INSIGHTS_{name}", raising=False)


def test_an_argument_wins_over_the_environment_and_that_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert setting("portal") is None
    (tmp_path / ".env").write_text("CTERA_INSIGHTS_PORTAL=from-dotenv\n")
    assert setting("portal") == "from-dotenv"
    monkeypatch.setenv("CTERA_INSIGHTS_PORTAL", "from-environment")
    assert setting("portal") == "from-environment"
    assert setting("portal", "argument") == "argument"


def test_a_variable_may_name_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file's last line break is not part of the value; other white space is."""
    (tmp_path / "secret").write_text(" pass word \r\n")
    monkeypatch.setenv("CTERA_INSIGHTS_PASSWORD_FILE", str(tmp_path / "secret"))
    assert setting("password") == " pass word "
    monkeypatch.setenv("CTERA_INSIGHTS_PASSWORD_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match=r"CTERA_INSIGHTS_PASSWORD_FILE.*No such file"):
        setting("password")


class OneSecret(keyring.backend.KeyringBackend):
    priority = 1

    def get_password(self, service: str, username: str) -> str | None:
        return "from-keyring" if (service, username) == ("ctera-insights", "me@https://portal") else None

    def set_password(self, service: str, username: str, password: str) -> None: ...
    def delete_password(self, service: str, username: str) -> None: ...


def test_a_password_comes_from_the_environment_or_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    before = keyring.get_keyring()
    keyring.set_keyring(OneSecret())
    try:
        assert password("me", url="https://portal").reveal() == "from-keyring"
        with pytest.raises(UsageError, match="keyring set"):
            password("somebody", url="https://portal")
        monkeypatch.setenv("CTERA_INSIGHTS_PASSWORD", "from-environment")
        assert password("me", url="https://portal").reveal() == "from-environment"
    finally:
        keyring.set_keyring(before)


def test_a_secret_does_not_show() -> None:
    """Not printed, not formatted, not pickled, not in a traceback that shows local variables."""
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret!r} {secret} {[secret]} {secret.__slots__}"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(secret)
    try:
        int("something")
    except ValueError:
        shown = "".join(traceback.TracebackException(*sys.exc_info(), capture_locals=True).format())
    assert "secret = " in shown
    assert "hunter2" not in shown
    assert secret == Secret("hunter2")
    assert secret != "hunter2"
    assert not Secret("")
