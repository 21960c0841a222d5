"""Whose certificates are trusted, and which one this client shows."""

from __future__ import annotations

import logging
import os
import ssl
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ctera_insights.errors import UsageError

logger: Final = logging.getLogger(__name__)

StrPath = str | os.PathLike[str]
ClientCert = StrPath | tuple[StrPath, StrPath]
"""A PEM file with certificate and key, or ``(certificate, key)``."""

_warned: Final[set[str]] = set()


class InsecureTLSWarning(UserWarning):
    """The Portal's certificate is not checked: whoever sits in between reads the password and all content."""


@dataclass(frozen=True, slots=True)
class TLSOptions:
    """What :class:`~ctera_insights.portal.client.AsyncGlobalAdmin` takes about TLS.

    Attributes:
        verify: whether the Portal's certificate must be valid for its host.
        ca_file: PEM file of the certificate authorities to trust *instead of* the system's; a directory
            (OpenSSL's hashed layout) works too.
        client_cert: this client's own certificate, unencrypted PEM.
    """

    verify: bool = True
    ca_file: StrPath | None = None
    client_cert: ClientCert | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.verify, bool):
            raise UsageError(
                f"verify={self.verify!r}: True or False; a file of authorities goes into ca_file."
            )
        if not self.verify and self.ca_file is not None:
            raise UsageError(
                "verify=False together with ca_file: a CA file is of use only when certificates are checked."
            )

    def context(self) -> ssl.SSLContext:
        """The context for connections. Reads files: call it in a thread.

        Raises:
            UsageError: a file is missing, or is not what it should be.
        """
        context = self._trusting()
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.client_cert is not None:
            self._show(context, self.client_cert)
        return context

    def _trusting(self) -> ssl.SSLContext:
        if self.ca_file is None:
            named = os.environ.get("SSL_CERT_FILE")
            if named and not os.access(named, os.R_OK):  # OpenSSL would trust nobody, without a word
                raise UsageError(f"SSL_CERT_FILE names {named!r}, which cannot be read.")
            return ssl.create_default_context()
        path = Path(self.ca_file)
        try:
            if path.is_dir():
                return ssl.create_default_context(capath=path)
            return ssl.create_default_context(cafile=path)
        except ssl.SSLError as error:
            raise UsageError(
                f"The CA file {str(path)!r} holds no PEM certificates ({error.reason})."
            ) from None
        except OSError as error:
            raise UsageError(f"The CA file {str(path)!r} cannot be read: {error.strerror}.") from None

    @staticmethod
    def _show(context: ssl.SSLContext, client_cert: ClientCert) -> None:
        cert, key = client_cert if isinstance(client_cert, tuple) else (client_cert, None)
        names = f"The client certificate {os.fspath(cert)!r}" + (
            f" with key {os.fspath(key)!r}" if key else ""
        )
        try:
            # Without a callback OpenSSL would ask for the pass phrase of an encrypted key on the terminal.
            context.load_cert_chain(cert, key, password=lambda: "")
        except ssl.SSLError as error:
            raise UsageError(
                f"{names} cannot be used ({error.reason or error}): give a PEM certificate and its own key, "
                "unencrypted."
            ) from None
        except OSError as error:
            raise UsageError(f"{names} cannot be read: {error.strerror}.") from None


def warn_insecure(host: str, *, stacklevel: int) -> None:
    """Say loudly, once per process and host, that certificates are not checked."""
    if host in _warned:
        return
    _warned.add(host)
    text = (
        f"The certificate of {host} is not checked: anyone in between can read the password and the data. "
        "Give ca_file (--ca-file) instead of verify=False (--insecure)."
    )
    logger.warning(text)
    warnings.warn(text, InsecureTLSWarning, stacklevel=stacklevel + 1)
