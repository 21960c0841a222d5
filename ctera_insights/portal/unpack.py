"""Bodies as they were before gzip or deflate, piece by piece: what unpacks to a lot never lies in memory."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from ctera_insights.errors import PortalUnreachable, UnreadableAnswer

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCEPTED: Final = "gzip, deflate"
"""What this client asks for. An answer in another encoding was not asked for."""

_PIECE: Final = 1 << 17
_GZIP: Final = 16 + zlib.MAX_WBITS
_GZIP_MAGIC: Final = b"\x1f\x8b"


class Unpacker:
    """Undoes one ``Content-Encoding``.

    Args:
        encoding: the header's value.
        what: what was asked, for messages.

    Raises:
        UnreadableAnswer: an encoding that was not asked for.
    """

    def __init__(self, encoding: str, what: str) -> None:
        steps = [step.strip().lower() for step in encoding.split(",")]
        named = [step.removeprefix("x-") for step in steps if step not in ("", "identity")]
        if named not in ([], ["gzip"], ["deflate"]):
            raise UnreadableAnswer(
                f"The answer to {what} came with the encoding {encoding[:40]!r}, which was not asked for. A "
                f"gateway may have added it: only {ACCEPTED} can be read."
            )
        self._what = what
        self._encoding = named[0] if named else None
        self._member: zlib._Decompress | None = None
        self._done = False

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """What some bytes of the wire unpack to, in pieces of bounded size.

        Raises:
            UnreadableAnswer: they do not unpack.
        """
        if self._encoding is None:
            yield data
            return
        while data:
            if self._member is None:
                self._member = self._begin(data)
                if self._member is None:
                    return
            try:
                piece = self._member.decompress(data, _PIECE)
            except zlib.error:
                raise UnreadableAnswer(
                    f"The answer to {self._what} is no {self._encoding}, as it says it is."
                ) from None
            data = self._member.unconsumed_tail
            yield piece
            while len(piece) == _PIECE and not data:  # the rest may wait inside
                piece = self._member.decompress(b"", _PIECE)
                yield piece
            if self._member.eof:
                data, self._member = self._member.unused_data, None
                self._done = True

    def end(self) -> None:
        """Nothing more comes.

        Raises:
            PortalUnreachable: more was due.
        """
        if self._member is not None:
            raise PortalUnreachable(f"The answer to {self._what} was cut off.")

    def _begin(self, data: bytes) -> zlib._Decompress | None:
        """A decompressor for what begins here; ``None`` for padding behind the end."""
        if self._encoding == "gzip":
            if self._done and not data.startswith(_GZIP_MAGIC[: len(data)]):
                return None
            return zlib.decompressobj(_GZIP)
        if self._done:
            return None
        # Some servers send deflate without the zlib header that the standard asks for.
        bare = data[0] & 0x0F != 8
        return zlib.decompressobj(-zlib.MAX_WBITS if bare else zlib.MAX_WBITS)
