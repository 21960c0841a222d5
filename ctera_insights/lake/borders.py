"""What the system, Arrow, delta-rs and DuckDB raise while a store is read, as errors of ours.

Whoever reads a store does it inside :func:`reading`. What comes out says what is wrong with which file or
bucket and what to do; backtraces, stack traces and the words of libraries about themselves stay behind.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import re
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, Protocol, TypeVar, cast

from ctera_insights.errors import (
    InsightsError,
    LakeError,
    QueryFailed,
    StoreDamaged,
    StoreRefused,
    StoreUnreachable,
    ViewsOutdated,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ctera_insights.lake.lake import Lake
    from ctera_insights.lake.place import Place

_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_BEHIND: Final = re.compile(r"\n\s*(?:0: |Stack Trace|stack backtrace|LINE \d+: )", re.IGNORECASE)
_XML: Final = re.compile(r"<Code>(.*?)</Code>(?:.*?<Message>(.*?)</Message>)?", re.DOTALL)
_DATA_FILE: Final = re.compile(r"[^\s\"'\[\](),]+\.parquet")
_DAMAGE: Final = re.compile(
    r"parquet|magic bytes|footer|thrift|TProtocol|zstd|snappy|decompress|page header|checksum|corrupt"
    r"|end of stream|deserializ|metadata",
    re.IGNORECASE,
)
_CREDENTIALS: Final = (
    "AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|Unauthorized|Forbidden"
    r"|\b40[13] |169\.254\.|credentials|IMDS is disabled"
)
_SET_THEM: Final = (
    "The object store does not accept AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: set or check them."
)
_ADVICE: Final = (
    ("NoSuchBucket|bucket does not exist", StoreRefused, "Create the bucket, or check the URL."),
    (
        "PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint|301 Moved|wrong region",
        StoreRefused,
        "The bucket is in another region: set AWS_REGION.",
    ),
    (_CREDENTIALS, StoreRefused, _SET_THEM),
    (
        "URL scheme is not allowed|HTTP is not allowed|builder error",
        StoreRefused,
        "For an endpoint without TLS set AWS_ALLOW_HTTP=true; otherwise check AWS_ENDPOINT_URL.",
    ),
    (
        "Permission denied|Operation not permitted",
        StoreRefused,
        "Check the owner and mode of the directory and its files.",
    ),
    (
        r"[Cc]onnect|dns error|timed? ?out|error sending request|\b5\d\d |reset by peer|refused",
        StoreUnreachable,
        "Check that the disk or the endpoint answers (AWS_ENDPOINT_URL), then try again.",
    ),
)
_PATH: Final = re.compile(r"[^\s\"'\[\](),]*/[^\s\"'\[\](),]*")
_FROM_STORE: Final = re.compile(r"Error performing |Generic \w+ error")
"""What the Delta library's object stores say of a request, also where DuckDB passes it on."""
_SILENCE: Final = re.compile(
    r"error sending request|(?:decoding|reading a) (?:response )?body|incomplete message|connection closed"
    r"|connection reset|timed? ?out|dns error|\b(?:429|5\d\d) |SlowDown|InternalError|ServiceUnavailable"
    r"|after \d+ retries",
    re.IGNORECASE,
)
"""What the Delta library says when a request to an object store failed on the way, or was put off."""
_DUCKDB: Final = re.compile(r"(?:[A-Z][\w-]*:? )?[A-Z][a-zA-Z ]+ Error: ")
"""How DuckDB begins its messages, also where Arrow passes them on."""
DAMAGED: Final = "`ctera-insights check` names every damaged file and what it held, and says how to recover."


def words(error: BaseException) -> str:
    """What a library says happened, without its frames, colours and documents."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    text = _BEHIND.split(_COLOUR.sub("", said), maxsplit=1)[0]
    if "↳" in text:
        text = text.rpartition("↳")[2]  # the innermost cause
    if found := _XML.search(text):
        text = ": ".join(part for part in found.groups() if part)
    text = " ".join(text.split()).rstrip(".") or type(error).__name__
    return text if len(text) <= 400 else text[:400] + " …"


class _Placed(Protocol):
    @property
    def place(self) -> Place: ...


_On = TypeVar("_On", bound=_Placed)
_P = ParamSpec("_P")
_T = TypeVar("_T")


def bordered(call: Callable[Concatenate[_On, _P], _T]) -> Callable[Concatenate[_On, _P], _T]:
    """A function of a lake or a table, or a method of theirs, inside :func:`reading`."""
    if inspect.iscoroutinefunction(call):

        @functools.wraps(call)
        async def awaited(on: _On, /, *arguments: _P.args, **options: _P.kwargs) -> Any:
            with _reading_of(on):
                return await call(on, *arguments, **options)

        return cast("Callable[Concatenate[_On, _P], _T]", awaited)

    @functools.wraps(call)
    def inside(on: _On, /, *arguments: _P.args, **options: _P.kwargs) -> _T:
        with _reading_of(on):
            return call(on, *arguments, **options)

    return inside


def _reading_of(on: _Placed) -> contextlib.AbstractContextManager[None]:
    from ctera_insights.lake.lake import Lake

    return reading(on.place.uri, on if isinstance(on, Lake) else None)


@contextlib.contextmanager
def reading(where: object, lake: Lake | None = None) -> Iterator[None]:
    """Turn what fails while a store is read into an error of ours.

    Args:
        where: path or URL, for the message.
        lake: the store itself: tells a damaged file from one that compaction replaced.

    Raises:
        StoreDamaged: a data file is missing, cut or not what was written.
        ViewsOutdated: a data file was replaced and removed since the views were made.
        StoreRefused: no permission, no such bucket, wrong credentials.
        StoreUnreachable: the disk or the bucket did not answer.
        QueryFailed: DuckDB refused the SQL, or failed to run it.
    """
    import pyarrow as pa
    from deltalake.exceptions import DeltaError

    try:
        yield
    except (InsightsError, BrokenPipeError):
        raise
    except (OSError, pa.ArrowException, DeltaError) as error:
        raise told(error, where, lake) from None
    except Exception as error:
        import duckdb

        if isinstance(error, duckdb.Error):
            raise told(error, where, lake) from None
        raise


def told(error: Exception, where: object, lake: Lake | None = None) -> LakeError:
    """The error of ours that a library's error amounts to."""
    import duckdb

    whole = str(error)
    # What a query itself says, a value that it could not convert say, may hold any words.
    of_query = isinstance(error, duckdb.Error) and not _FROM_STORE.search(whole)
    if not of_query and (found := unanswered(error, where)):
        return found
    if isinstance(error, duckdb.Error) or _DUCKDB.match(whole):
        return _of_query(error) or _of_file(whole, lake) or _of_sql(error, where, lake)
    return _of_file(whole, lake) or _of_place(error, where)


def unanswered(error: Exception, where: object) -> LakeError | None:
    """What an object store's silence or refusal amounts to, whatever the file is called that was asked for.

    It names the file in the same way as one that is damaged, and tells nothing about it.
    """
    if "://" not in str(where):
        return None
    said = _PATH.sub("", str(error))
    if re.search(_CREDENTIALS, said):
        return StoreRefused(f"Cannot read {where}: {words(error)}. {_SET_THEM}")
    if _SILENCE.search(said):
        return StoreUnreachable(
            f"{where} does not answer: {words(error)}. Nothing was changed; try again. Should it stay so, "
            "check the endpoint (AWS_ENDPOINT_URL)."
        )
    return None


def _of_query(error: Exception) -> QueryFailed | None:
    """What the machine or DuckDB itself could not do, whatever was asked."""
    import duckdb

    text = words(error)
    if "No space left" in str(error) or "No more space" in str(error):
        return QueryFailed(
            f"The query needs more room than its scratch directory has: {text}. "
            "Free some space there, start in a directory on a larger disk, or narrow the query."
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        return QueryFailed(f"The query needs more memory than there is: {text}. Narrow it, or ask for less.")
    if isinstance(error, duckdb.ConnectionException) and "closed" in text:
        return QueryFailed("The store was closed; open it again with Insights(…).")
    if isinstance(error, (duckdb.InternalException, duckdb.FatalException)):
        return QueryFailed(f"DuckDB failed inside: {text}. Open the store again; then report the query.")
    return None


def _of_sql(error: Exception, where: object, lake: Lake | None) -> LakeError:
    import duckdb

    text = words(error)
    about_sql = (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException)
    # What Parquet's own decoder says has no class and no pattern: the place where it says so tells.
    in_files = type(error) is duckdb.Error or "read_parquet(" in str(error) or _DAMAGE.search(text)
    if lake is not None and in_files and not isinstance(error, about_sql):
        return StoreDamaged(f"A data file of {where} cannot be read: {text}. {DAMAGED}")
    return QueryFailed(_COLOUR.sub("", re.split(r"\n+Stack Trace", str(error))[0]).strip())


def _of_place(error: Exception, where: object) -> LakeError:
    text = words(error)
    for pattern, kind, advice in _ADVICE:
        if re.search(pattern, str(error)):
            return kind(f"Cannot read {where}: {text}. {advice}")
    if isinstance(error, OSError) and error.errno is not None and not isinstance(error, FileNotFoundError):
        return StoreUnreachable(f"Cannot read {where}: {error.strerror or text}. Check the disk.")
    return StoreDamaged(f"Cannot read {where}: {text}. {DAMAGED}")


def _of_file(text: str, lake: Lake | None) -> LakeError | None:
    """What is to be said of the data file of the store that a message names; ``None`` when it names none."""
    if lake is None:
        return None
    base = lake.uri.rstrip("/")
    key = base.split("://", 1)[-1].partition("/")[2] if "://" in base else base
    for path in _DATA_FILE.findall(text):
        before, inside, relative = path.partition(f"{key}/")
        if not inside or (before and "://" not in base):
            continue
        table, _, file = relative.partition("/")
        with contextlib.suppress(InsightsError, OSError):
            if not _is_current(lake, table, file):
                return ViewsOutdated(
                    f"{path} was replaced since the views were made, and removed after its grace period. "
                    "Call refresh() and ask again (`optimize --keep-replaced` sets how long files are kept)."
                )
        return StoreDamaged(f"{path} is missing, cut or not what was written. {DAMAGED}")
    return None


def _is_current(lake: Lake, table: str, file: str) -> bool:
    """Whether the newest version of a table still names a file."""
    from deltalake import DeltaTable

    options = dict(lake.place.options) or None
    named = DeltaTable(f"{lake.uri.rstrip('/')}/{table}", storage_options=options).file_uris()
    return any(uri.endswith(file) for uri in named)
