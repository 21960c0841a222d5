"""Where a setting comes from: argument > environment > ``.env`` file; and a type that does not tell a secret.

A variable ``CTERA_INSIGHTS_X`` may be given as ``CTERA_INSIGHTS_X_FILE`` instead: the path of a file that
holds the value, as container and service managers hand over secrets.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, final

from ctera_insights.errors import UsageError

PREFIX: Final = "CTERA_INSIGHTS_"
KEYRING_SERVICE: Final = "ctera-insights"


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
        UsageError: a ``_FILE`` variable names a file that cannot be read.
    """
    if argument is not None:
        return argument
    variable = PREFIX + name.upper()
    for source in (os.environ, _dotenv()):
        if (value := source.get(variable)) is not None:
            return value
        if path := source.get(f"{variable}_FILE"):
            return _read(f"{variable}_FILE", path)
    return None


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
    if not path.is_file():
        return {}
    from dotenv import dotenv_values

    return {key: value for key, value in dotenv_values(path).items() if value is not None}


def _read(variable: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise UsageError(f"{variable} names {path!r}, which cannot be read: {error.strerror}.") from None
