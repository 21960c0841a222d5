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


@pytest.mark.parametrize(
    "data",
    [
        b"pass\xc3\xa4",
        b"pass\xc3\xa4\n",
        b"pass\xc3\xa4\r\n",
        b"\xef\xbb\xbfpass\xc3\xa4\r\n",
        "passä\r\n".encode("utf-16"),
        b"\xfe\xff" + "passä".encode("utf-16-be"),
        "passä\n".encode("utf-32"),
    ],
)
def test_a_file_is_read_as_any_editor_writes_it(
    data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a mark or without, line ends of either kind, UTF-16 as Windows redirects it."""
    (tmp_path / "secret").write_bytes(data)
    monkeypatch.setenv("CTERA_INSIGHTS_PASSWORD_FILE", str(tmp_path / "secret"))
    assert password("me", url="https://portal").reveal() == "passä"
    (tmp_path / "dotenv").write_bytes(data)
    monkeypatch.delenv("CTERA_INSIGHTS_PASSWORD_FILE")
    text = "CTERA_INSIGHTS_PASSWORD=passä\r\nCTERA_INSIGHTS_PORTAL=p\r\n"
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32"):
        (tmp_path / ".env").write_bytes(text.encode(encoding))
        assert password("me", url="https://portal").reveal() == "passä"
        assert setting("portal") == "p"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"\r\n\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"s\xe4cret", "not text in UTF-8"),
        ("secret".encode("utf-16-le"), "not text in UTF-8"),
        (b"sec\0ret", "not text in UTF-8"),
        (b"\xff\xfes", "not text in UTF-8"),
        (b"\x89PNG\r\n\x1a\n", "not text in UTF-8"),
        (b"x" * 2_000_000, "larger than"),
        (None, "Is a directory"),
    ],
)
def test_a_file_that_holds_no_value_is_a_usage_error(
    data: bytes | None, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable and the file are named, what it holds is not."""
    if data is None:
        (tmp_path / "secret").mkdir()
    else:
        (tmp_path / "secret").write_bytes(data)
    monkeypatch.setenv("CTERA_INSIGHTS_PASSWORD_FILE", str(tmp_path / "secret"))
    with pytest.raises(
        UsageError, match=rf"CTERA_INSIGHTS_PASSWORD_FILE names '.*secret'.*{reason}"
    ) as caught:
        password("me", url="https://portal")
    assert "ret" not in str(caught.value).replace(str(tmp_path / "secret"), "")


@pytest.mark.parametrize("data", [b"CTERA_INSIGHTS_PORTAL=s\xe4ite", b"A=1\0\nB=2"])
def test_a_dotenv_file_that_is_no_text_is_a_usage_error(data: bytes, tmp_path: Path) -> None:
    """It is named."""
    (tmp_path / ".env").write_bytes(data)
    with pytest.raises(UsageError, match=r"'\.env'.*UTF-8"):
        setting("portal")


def test_an_empty_variable_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As containers set what was not filled in; the next source is asked."""
    monkeypatch.setenv("CTERA_INSIGHTS_PORTAL", "")
    assert setting("portal") is None
    (tmp_path / ".env").write_text("CTERA_INSIGHTS_PORTAL=from-dotenv\n")
    assert setting("portal") == "from-dotenv"
    monkeypatch.setenv("CTERA_INSIGHTS_PORTAL", "from-environment\r")
    assert setting("portal") == "from-environment"
    monkeypatch.setenv("CTERA_INSIGHTS_PASSWORD", "")
    with pytest.raises(UsageError, match="No password"):
        password("somebody", url="https://portal.invalid")
