"""Every error that this package raises on purpose, and what each one means to a caller.

    InsightsError                     exit 1   the message says what happened, on what, and what to do next
    ├── UsageError                         2   an argument or a setting is wrong or missing
    │   ├── CloudFolderNotFound            2   a cloud folder or its owner does not exist
    │   └── TooManyCloudFolders            2   more cloud folders than the Portal lists in one feed
    ├── PortalError                        1   the Portal, or the way to it
    │   ├── LoginRefused                   3   wrong user name or password: never retried
    │   ├── PortalUnreachable          ~   4   refused, reset, cut off, unresolvable
    │   │   ├── PortalTimeout          ~   4   no answer, or no further byte, in time
    │   │   └── TLSFailed                  4   the certificate was not accepted
    │   ├── SessionLost                ~   3   the Portal forgot the session (the client logs in again once)
    │   ├── SessionRefused                 3   logins work, but the sessions that they give are refused
    │   ├── PortalRefused                  1   an HTTP error that trying again does not mend
    │   │   └── CursorRefused              6   the Portal no longer knows the cursor
    │   ├── PortalBusy                 ~   4   408, 425, 429, 5xx: an HTTP error that passes
    │   │   └── PortalAway             ~   4   an error page of something on the way, not of the Portal
    │   ├── UnreadableAnswer           ~   4   HTML, nothing, or half a document where JSON was due
    │   ├── AnswerTooLarge                 1   an answer is larger than is read of one
    │   ├── AncestorsNotFound              1   the Portal knows no ancestors of the object
    │   ├── FeedStuck                      1   the Portal serves the same pages, or empty ones, for ever
    │   └── ServiceStopped                 1   the notification service was stopped while someone waited on it
    ├── DirectIOError                      1   file content; carries ``file_id`` and ``offset``
    │   ├── ObjectNotFound                 1   no such file
    │   ├── NotAuthorized                  1   the access key was refused
    │   ├── NotDirect                      1   the file's blocks are not on storage in Direct mode
    │   ├── BlockUnavailable           ~   1   a block could not be fetched
    │   ├── BlockCorrupt                   1   a block does not decrypt, decompress or measure as announced
    │   ├── FileChanged                    1   the file became another version while it was read
    │   └── DirectIOClosed                 1   the client was closed
    ├── WebhookFailed                      1   the receiver of the alerts did not take them
    ├── ReportIncomplete                   1   the report was written, but parts of it failed: each says so
    ├── OutputUnwritable                   1   a report, an export or a picture could not be written
    └── LakeError                          1   the store on disk or in a bucket
        ├── StoreNotFound                  2   nothing was ever collected there
        ├── StoreLocked                    5   another process writes this feed
        ├── StoreFenced                    5   another writer committed in between; nothing was written twice
        ├── StoreDamaged                   7   the store contradicts itself; ``check`` names each finding
        │   └── FileDamaged                7   a data file is missing, cut, or not what was written
        ├── StoreUnwritable                1   no space, no permission, or the file system failed
        ├── DerivingFailed                 1   activity could not be derived; what was collected is safe
        ├── StoreUnreachable           ~   1   the disk or the bucket did not answer
        ├── CommitUnclear                  1   the store does not tell whether it took a commit
        ├── StoreRefused                   1   no permission, no such bucket, or wrong credentials
        ├── ViewsOutdated              ~   1   files that a query needs were replaced, and removed since
        └── QueryFailed                    1   DuckDB refused the SQL

``~`` marks the transient ones: the same call may succeed later, and the retrying layers retry exactly these
(``error.transient``). The number is the exit code of the command line (``error.exit_code``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ctera_insights.text import visible

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_LOGIN_REFUSED = 3
EXIT_PORTAL_UNREACHABLE = 4
EXIT_STORE_LOCKED = 5
EXIT_CURSOR_REFUSED = 6
EXIT_STORE_DAMAGED = 7
EXIT_ALERT = 10
"""Not an error: ``alerts`` found something."""


class InsightsError(Exception):
    """The root of the tree above."""

    transient: ClassVar[bool] = False
    exit_code: ClassVar[int] = EXIT_FAILED

    def __str__(self) -> str:
        return visible(super().__str__(), keep="\n")

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback: the message says what to do, our frames do not."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(InsightsError):
    """An argument or a setting is wrong or missing."""

    exit_code = EXIT_USAGE


class CloudFolderNotFound(UsageError):
    """A cloud folder, or its owner, does not exist; never taken to mean "all folders"."""


class TooManyCloudFolders(UsageError):
    """More cloud folders were asked for than the Portal lists in one feed."""


class PortalError(InsightsError):
    """The Portal, or the way to it."""


class LoginRefused(PortalError):
    """The Portal refused the user name or the password."""

    exit_code = EXIT_LOGIN_REFUSED


class PortalUnreachable(PortalError):
    """The connection was refused, reset or cut off, or the host has no address."""

    transient = True
    exit_code = EXIT_PORTAL_UNREACHABLE


class PortalTimeout(PortalUnreachable):
    """No answer, or no further byte of it, came within the time allowed."""


class TLSFailed(PortalUnreachable):
    """The TLS handshake failed, usually over the Portal's certificate."""

    transient = False


class SessionLost(PortalError):
    """The Portal no longer knows the session."""

    transient = True
    exit_code = EXIT_LOGIN_REFUSED


class SessionRefused(PortalError):
    """Logins work, but the sessions that they give are refused, again and again."""

    exit_code = EXIT_LOGIN_REFUSED


class PortalStatusError(PortalError):
    """An HTTP error status, with the Portal's own words.

    Attributes:
        status: the HTTP status.
        message: what the Portal said, or an empty string.
        retry_after_s: seconds that the Portal asked to wait, or ``None``.
        is_blank: whether it came as a web page, or as nothing at all.
    """

    def __init__(
        self,
        text: str,
        *,
        status: int,
        message: str = "",
        retry_after_s: float | None = None,
        is_blank: bool = False,
    ) -> None:
        super().__init__(text)
        self.is_blank = is_blank
        self.status = status
        self.message = message
        self.retry_after_s = retry_after_s


class PortalRefused(PortalStatusError):
    """An HTTP error that trying again does not mend."""


class CursorRefused(PortalRefused):
    """The Portal no longer accepts the cursor; collecting again needs a new baseline."""

    exit_code = EXIT_CURSOR_REFUSED


class PortalBusy(PortalStatusError):
    """An HTTP error that passes: 408, 425, 429, 5xx."""

    transient = True
    exit_code = EXIT_PORTAL_UNREACHABLE


class PortalAway(PortalBusy):
    """An HTTP error page that is not the Portal's own, but a gateway's, or of a Portal that is starting."""


class UnreadableAnswer(PortalError):
    """HTML, nothing, or half a document came where JSON or XML was due."""

    transient = True
    exit_code = EXIT_PORTAL_UNREACHABLE


class AnswerTooLarge(PortalError):
    """An answer is larger, unpacked, than this client reads of one; what was read of it is dropped."""


class AncestorsNotFound(PortalError):
    """The Portal knows no ancestors of the object: it is unknown, or gone for good."""


class FeedStuck(PortalError):
    """The Portal serves pages that it has served before, or empty ones, and says that there is more."""


class ServiceStopped(PortalError):
    """The notification service was stopped while someone waited on it."""


class DirectIOError(InsightsError):
    """File content could not be had.

    Attributes:
        file_id: the file's id (the wire's ``id``).
        offset: the first byte that was not delivered: where to resume.
    """

    def __init__(self, text: str, *, file_id: int, offset: int | None = None) -> None:
        super().__init__(text)
        self.file_id = file_id
        self.offset = offset


class ObjectNotFound(DirectIOError):
    """There is no such file."""


class NotAuthorized(DirectIOError):
    """The access key was refused, or may not read this file."""


class NotDirect(DirectIOError):
    """Not all blocks of the file are on a storage node in Direct mode."""


class BlockUnavailable(DirectIOError):
    """A block, or the list of blocks, could not be fetched this time."""

    transient = True


class BlockCorrupt(DirectIOError):
    """A block does not decrypt, decompress or measure as announced."""


class FileChanged(DirectIOError):
    """The file became another version while it was read; what was read before does not go with it."""


class DirectIOClosed(DirectIOError):
    """The Direct IO client was closed before the content was complete."""


class WebhookFailed(InsightsError):
    """The receiver of the alerts did not take them, however often it was asked."""


class ReportIncomplete(InsightsError):
    """The report was written, but parts of it failed, or it lacks what was collected; it says so itself.

    Attributes:
        path: the report.
        failures: what failed, a sentence each, in the order of the parts.
    """

    def __init__(self, path: Path, failures: Sequence[str]) -> None:
        super().__init__(f"The report was written to {path}, but not whole: {'; '.join(failures)}")
        self.path = path
        self.failures = tuple(failures)


class OutputUnwritable(InsightsError):
    """A report, an export or a picture could not be written where it was asked for."""


class LakeError(InsightsError):
    """The store on disk or in a bucket."""


class StoreNotFound(LakeError):
    """Nothing was ever collected at this place."""

    exit_code = EXIT_USAGE


class StoreLocked(LakeError):
    """Another process writes this feed."""

    exit_code = EXIT_STORE_LOCKED


class StoreFenced(LakeError):
    """Another writer committed in between; this one wrote nothing."""

    exit_code = EXIT_STORE_LOCKED


class StoreDamaged(LakeError):
    """The store contradicts itself."""

    exit_code = EXIT_STORE_DAMAGED


class FileDamaged(StoreDamaged):
    """A data file is missing, cut, or not what was written.

    Attributes:
        path: the file, relative to its table.
        what: what is wrong with it, in a few words.
    """

    def __init__(self, text: str, *, path: str, what: str) -> None:
        super().__init__(text)
        self.path = path
        self.what = what


class StoreUnwritable(LakeError):
    """No space, no permission, or the file system failed."""


class DerivingFailed(LakeError):
    """Activity could not be derived from what was collected, which is safe."""


class StoreUnreachable(LakeError):
    """The disk or the bucket did not answer; it tells nothing of what it holds."""

    transient = True


class CommitUnclear(LakeError):
    """The store does not tell whether it took a commit. Nothing was removed; the next start finds out."""


class StoreRefused(LakeError):
    """No permission to read the store, no such bucket, or its credentials are not accepted."""


class ViewsOutdated(LakeError):
    """Files that a query needs were replaced by compaction, and removed after their grace period."""

    transient = True


class QueryFailed(LakeError):
    """DuckDB refused the SQL."""
