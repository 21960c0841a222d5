"""Where a setting comes from: argument > environment > ``.env`` file; and a type that does not tell a secret.

A variable ``CTERA_INSIGHTS_X`` may be given as ``CTERA_INSIGHTS_X_FILE`` instead: the path of a file that
holds the value, as container and service managers hand over secrets. A variable that is empty counts as not
given. Files are UTF-8, or UTF-16 as Windows writes it; a mark at the beginning and line ends at the end are
no part of a value.
"""

from __future__ import annotations

import codecs
import io
import os
from pathlib import Path
from typing import Final, final

from ctera_insights.errors import UsageError

PREFIX: Final = "CTERA_INSIGHTS_"
KEYRING_SERVICE: Final = "ctera-insights"

_LARGEST: Final = 2**20
"""Bytes of a file of settings; what is larger was named by mistake."""
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins like UTF-16's
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@final
class Secret:
    """Text that shows itself only when asked with :meth:`reveal`.

    >>> Secret("hunter2")
    Secret('***')
    >>> f"{Secret('hunter2')}"
    '***'
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        """The text itself; hand it to what needs it and keep no copy."""
        return self.__value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.reveal() == self.__value

    def __hash__(self) -> int:
        return hash(self.__value)

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not pickled: it would lie on disk in the clear")


def setting(name: str, argument: str | None = None) -> str | None:
    """Look up one setting by its lower-case name, e.g. ``"portal"`` for ``CTERA_INSIGHTS_PORTAL``.

    Raises:
        UsageError: ``.env``, or the file that a ``_FILE`` variable names, cannot be read or holds no text.
    """
    if argument is not None:
        return argument
    variable = PREFIX + name.upper()
    for source in (os.environ, _dotenv()):
        if value := source.get(variable, "").rstrip("\r\n"):
            return value
        if path := source.get(f"{variable}_FILE"):
            return _value_in(path, f"{variable}_FILE")
    return None


def mebibytes(name: str, default: int) -> int:
    """A size in bytes, from a setting in MiB.

    Raises:
        UsageError: the setting is no whole number, or no size of use.
    """
    text = setting(name)
    if text is None:
        return default * 2**20
    if not (text.isascii() and text.isdecimal() and len(text) < 8 and 1 <= int(text) <= 2**20):
        raise UsageError(f"{PREFIX}{name.upper()} is {text[:40]!r}: a whole number of MiB, at least 1.")
    return int(text) * 2**20


def password(user: str, *, url: str, ask: bool = False) -> Secret:
    """The Portal password: environment, file, keyring, or (with ``ask``) a prompt; never an argument.

    Raises:
        UsageError: there is none to be found.
    """
    if (value := setting("password")) is not None:
        return Secret(value)
    if (stored := _from_keyring(user, url)) is not None:
        return stored
    if ask:
        import getpass

        return Secret(getpass.getpass(f"Password of {user} at {url}: "))
    raise UsageError(
        f"No password for {user} at {url}. Set {PREFIX}PASSWORD or {PREFIX}PASSWORD_FILE, or store it once "
        f"with `keyring set {KEYRING_SERVICE} '{user}@{url}'`."
    )


def _from_keyring(user: str, url: str) -> Secret | None:
    try:
        import keyring
        import keyring.errors
    except ImportError:  # an optional extra
        return None
    try:
        value = keyring.get_password(KEYRING_SERVICE, f"{user}@{url}")
    except keyring.errors.KeyringError:  # no keyring service on this machine, or it is locked
        return None
    return None if value is None else Secret(value)


def _dotenv() -> dict[str, str]:
    path = Path(".env")
    try:
        if not path.is_file():
            return {}
    except OSError:  # where not even this can be asked, there is none for us
        return {}
    from dotenv import dotenv_values

    text = _text_in(path, f"The file {str(path)!r}")
    return {key: value for key, value in dotenv_values(stream=io.StringIO(text)).items() if value is not None}


def _value_in(path: str, variable: str) -> str:
    subject = f"{variable} names {path!r}, which"
    value = _text_in(Path(path), subject).rstrip("\r\n")
    if not value:
        raise UsageError(f"{subject} is empty. Write the value into it.")
    return value


def _text_in(path: Path, subject: str) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise UsageError(f"{subject} cannot be read: {error.strerror}.") from None
    if len(data) > _LARGEST:
        raise UsageError(f"{subject} is larger than {_LARGEST:,} bytes: that is no setting.")
    encoding = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise UsageError(f"{subject} is not text in UTF-8. Save it as UTF-8.")
    return text
