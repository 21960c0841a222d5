"""Keeps secrets out of what is told: whoever echoes one, it is masked before anybody reads it."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, quote_plus

from ctera_insights.errors import PortalStatusError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ctera_insights.errors import InsightsError
    from ctera_insights.settings import Secret

MASK: Final = "***"
_SHORTEST: Final = 4
"""Shorter ones stand in every text by chance; to mask them would tell them."""


class Redactor:
    """Masks secrets in text and bytes, in every form in which a server may give one back.

    >>> from ctera_insights.settings import Secret
    >>> Redactor([Secret("pass word")]).text("j_password=pass+word; you sent pass word")
    'j_password=***; you sent ***'
    """

    def __init__(self, secrets: Iterable[Secret]) -> None:
        forms = {form for secret in secrets for form in _forms(secret.reveal())}
        self._forms = sorted(forms, key=len, reverse=True)  # what contains another goes first

    def text(self, text: str) -> str:
        """The text with every secret masked."""
        for form in self._forms:
            text = text.replace(form, MASK)
        return text

    def data(self, data: bytes) -> bytes:
        """The same for bytes of the wire."""
        for form in self._forms:
            data = data.replace(form.encode("utf-8", "surrogateescape"), MASK.encode())
        return data

    def error(self, error: InsightsError) -> None:
        """Mask what an error says."""
        error.args = tuple(self.text(each) if isinstance(each, str) else each for each in error.args)
        if isinstance(error, PortalStatusError):
            error.message = self.text(error.message)


def _forms(secret: str) -> set[str]:
    """As it is, and as it looks in a URL, a form, HTML, XML and JSON."""
    if len(secret) < _SHORTEST:
        return set()
    return {
        secret,
        *(encode(secret, safe="", errors="surrogateescape") for encode in (quote, quote_plus)),
        *(html.escape(secret, quote=quotes) for quotes in (True, False)),
        *(json.dumps(secret, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)),
    }
