"""Where the files of a table lie, a local directory or an object store, and how one becomes durable there."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import uuid
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import unquote, urlsplit

from ctera_insights.errors import StoreUnreachable, StoreUnwritable, UsageError
from ctera_insights.lake.borders import words
from ctera_insights.lake.digest import with_checksum
from ctera_insights.platforms import WINDOWS, flush, in_use

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa
    import pyarrow.fs

STAGING = "_staging"
"""Files in the making lie here until they are complete; readers and globs pass over it."""
_LOG: Final = "_delta_log"
_UNFINISHED: Final = re.compile(r".+#\d+|_commit_.+\.json\.tmp")
"""What the Delta library writes before it links or renames it to an entry or a checkpoint."""


class Place(Protocol):
    """A directory of files, addressed by relative paths with ``/``."""

    uri: str
    local: bool

    @property
    def options(self) -> Mapping[str, str]:
        """Credentials and endpoint of an object store; never shown."""
        ...

    def child(self, name: str) -> Place:
        """The place one level below."""
        ...

    def write_parquet(
        self,
        path: str,
        pieces: Iterable[pa.Table],
        *,
        row_group_rows: int,
        dictionary: Sequence[str],
    ) -> tuple[str, int, Any]:
        """Write one file, durable before it appears.

        Returns:
            Its path, which now tells its checksum, its size in bytes, and its Parquet metadata.
        """
        ...

    def write_bytes(self, path: str, content: bytes) -> None:
        """Write a small file whole, or not at all; not flushed."""
        ...

    def publish(self, path: str) -> None:
        """Make a written file appear under its name (on object stores it does so when written)."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file, published or not; one that is gone already is no error."""
        ...

    def staged(self) -> list[str]:
        """Names of the files in the making, those left by writers that died included."""
        ...

    def remove_staged(self, name: str) -> None:
        """Remove one of them; one that is gone already is no error."""
        ...

    def clear_log(self) -> None:
        """Remove what a writer that died left half written in the log; the caller holds the commit lock."""
        ...

    def files(self) -> Iterator[tuple[str, int, float]]:
        """Published data files: relative path, size in bytes, time of modification (seconds since 1970)."""
        ...

    def filesystem(self) -> pyarrow.fs.FileSystem:
        """A pyarrow file system rooted here."""
        ...

    def sync(self, *paths: str) -> None:
        """Flush the named files or directories to the disk."""
        ...


def place(uri: str | os.PathLike[str], options: Mapping[str, str] | None = None) -> Place:
    """The place that a path or URL names.

    Raises:
        UsageError: it is no path, or a relative one where there is no working directory; the store cannot
            live on a URL of this scheme or without a bucket, or in a directory so named.
    """
    text = _text(uri)
    scheme = urlsplit(text).scheme if "://" in text else ""
    if scheme in {"", "file"}:
        return LocalPlace(_usable(_whole(_local(text), text)))
    if scheme in {"s3", "s3a"}:
        if not urlsplit(text).netloc:
            raise UsageError(f"No bucket is named in {text!r}: write it as {scheme}://bucket/folder.")
        return ObjectPlace(text.rstrip("/"), dict(options or {}))
    raise UsageError(f"A store cannot live at {text!r}: give a local directory or an s3:// URL.")


def _text(uri: object) -> str:
    text = os.fsdecode(uri) if isinstance(uri, (str, bytes, os.PathLike)) else ""
    if not text.strip() or "\0" in text:
        raise UsageError(f"{uri!r} cannot be the place of a store: give a directory, or s3://bucket/prefix.")
    return text


def _whole(path: Path, text: str) -> Path:
    """The path from the root on."""
    try:
        return path.expanduser().absolute()
    except RuntimeError:
        raise UsageError(
            f"{text!r} begins with the home directory of a user whom this system does not know. Write the "
            "whole path; ./~name is a directory of that name here."
        ) from None
    except OSError as error:
        raise UsageError(
            f"{text!r} is relative to the working directory, which cannot be had: {error.strerror}. Write "
            "the whole path, or change to a directory that exists."
        ) from None


def _usable(path: Path) -> Path:
    """Refuse what the Delta library takes for another path: it decodes ``%41``, and knows Unicode alone."""
    try:
        path.as_posix().encode()
        unusable = unquote(path.as_posix()) != path.as_posix()
    except UnicodeEncodeError:
        unusable = True
    if unusable:
        raise UsageError(
            f"{str(path)!r} cannot be the directory of a store: names with a percent sign before two "
            "hexadecimal digits, or in another encoding than UTF-8, do not work. Take another directory."
        )
    return path


def _local(text: str) -> Path:
    """A local path, or that of a ``file://`` URL, percent-encoded as such URLs are."""
    parts = urlsplit(text)
    if parts.scheme != "file":
        return Path(text)
    from urllib.request import url2pathname

    host = "" if parts.netloc == "localhost" else parts.netloc
    if host and not WINDOWS:
        raise UsageError(f"{text!r} names the host {host!r}: a local directory is file:///PATH.")
    return Path(url2pathname(f"//{host}{parts.path}" if host else parts.path))


class LocalPlace:
    """A local directory: files are staged, flushed, and renamed into place."""

    local = True
    options: Mapping[str, str] = MappingProxyType({})

    def __init__(self, path: Path) -> None:
        self.path = path
        self.uri = path.as_posix()  # with "/" on Windows, too: relative paths are appended to it

    def child(self, name: str) -> LocalPlace:
        return LocalPlace(self.path / name)

    def _staged(self, path: str) -> Path:
        return self.path / STAGING / path.rpartition("/")[2]

    def write_parquet(
        self,
        path: str,
        pieces: Iterable[pa.Table],
        *,
        row_group_rows: int,
        dictionary: Sequence[str],
    ) -> tuple[str, int, Any]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        staged = self._staged(path)
        with writing(staged):
            staged.parent.mkdir(parents=True, exist_ok=True)
            try:
                _write(staged, pieces, row_group_rows, dictionary)
                content = staged.read_bytes()
                path = with_checksum(path, content)
                staged = staged.rename(self._staged(path))
                flush(staged)
            except BaseException:
                staged.unlink(missing_ok=True)
                raise
            return path, len(content), pq.read_metadata(pa.BufferReader(content))

    def write_bytes(self, path: str, content: bytes) -> None:
        target = self.path / path
        with writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            written = target.with_name(f"{target.name}.{uuid.uuid4().hex[:12]}")
            written.write_bytes(content)
            written.replace(target)

    def publish(self, path: str) -> None:
        target = self.path / path
        with writing(target):
            if not target.parent.is_dir():
                target.parent.mkdir(parents=True, exist_ok=True)
                flush(target.parent.parent)
            self._staged(path).replace(target)
            flush(target.parent)

    def remove(self, path: str) -> None:
        self._staged(path).unlink(missing_ok=True)
        _unlink(self.path / path)

    def staged(self) -> list[str]:
        with contextlib.suppress(FileNotFoundError):
            return [path.name for path in (self.path / STAGING).iterdir() if path.suffix == ".parquet"]
        return []

    def remove_staged(self, name: str) -> None:
        _unlink(self.path / STAGING / name)

    def clear_log(self) -> None:
        for path in (self.path / _LOG).glob("*"):
            if _UNFINISHED.fullmatch(path.name):
                _unlink(path)

    def files(self) -> Iterator[tuple[str, int, float]]:
        for path in self.path.glob("**/*.parquet"):
            relative = path.relative_to(self.path).as_posix()
            if relative.startswith("_"):
                continue
            with contextlib.suppress(FileNotFoundError):  # removed while we look
                status = path.stat()
                yield relative, status.st_size, status.st_mtime

    def filesystem(self) -> pyarrow.fs.FileSystem:
        from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

        return SubTreeFileSystem(self.uri, LocalFileSystem())

    def sync(self, *paths: str) -> None:
        for path in paths:
            with writing(self.path / path):
                flush(self.path / path)


def _unlink(path: Path) -> None:
    """Remove a file, unless it is gone; one that somebody reads stays for the next time where it must."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        if not in_use(error):
            raise


class ObjectPlace:
    """A prefix in an object store: a file is there whole when its upload completes, or not at all."""

    local = False

    def __init__(self, uri: str, options: dict[str, str]) -> None:
        self.uri = uri
        self.options = options

    def __repr__(self) -> str:  # the options hold credentials
        return f"ObjectPlace({self.uri!r})"

    def child(self, name: str) -> ObjectPlace:
        return ObjectPlace(f"{self.uri}/{name}", dict(self.options))

    def write_parquet(
        self,
        path: str,
        pieces: Iterable[pa.Table],
        *,
        row_group_rows: int,
        dictionary: Sequence[str],
    ) -> tuple[str, int, Any]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = pa.BufferOutputStream()
        _write(sink, pieces, row_group_rows, dictionary)
        content = sink.getvalue()
        path = with_checksum(path, memoryview(content))
        with writing(f"{self.uri}/{path}"):
            self._upload(path, content.to_pybytes())
        return path, content.size, pq.read_metadata(pa.BufferReader(content))

    def write_bytes(self, path: str, content: bytes) -> None:
        with writing(f"{self.uri}/{path}"):
            self._upload(path, content)

    def _upload(self, path: str, content: bytes) -> None:
        from deltalake.fs import DeltaStorageHandler

        # pyarrow's face of this stream hands over buffers, which the stream itself refuses: bytes only.
        handler = DeltaStorageHandler(self.uri, dict(self.options))._handler  # noqa: SLF001
        stream: Any = handler.open_output_stream(path, None)
        stream.write(content)
        stream.close()

    def publish(self, path: str) -> None:
        """Nothing to do: the upload published it."""

    def remove(self, path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.filesystem().delete_file(path)

    def staged(self) -> list[str]:
        return []  # an upload cut short leaves no file

    def remove_staged(self, name: str) -> None:
        """Nothing to do: nothing is staged."""

    def clear_log(self) -> None:
        """Nothing to do: an upload cut short leaves no file."""

    def files(self) -> Iterator[tuple[str, int, float]]:
        from pyarrow.fs import FileSelector, FileType

        for info in self.filesystem().get_file_info(FileSelector("", recursive=True, allow_not_found=True)):
            if (
                info.type == FileType.File
                and info.path.endswith(".parquet")
                and not info.path.startswith("_")
            ):
                yield info.path, info.size, info.mtime.timestamp()

    def filesystem(self) -> pyarrow.fs.FileSystem:
        from deltalake.fs import DeltaStorageHandler
        from pyarrow.fs import PyFileSystem

        return PyFileSystem(DeltaStorageHandler(self.uri, dict(self.options)))

    def sync(self, *paths: str) -> None:
        """Nothing to do: an object store answers when the bytes are safe."""


@contextlib.contextmanager
def reachable(path: object) -> Iterator[None]:
    """Turn a failure to read into :class:`StoreUnreachable`: it is no sign that nothing is there."""
    try:
        yield
    except OSError as error:
        raise StoreUnreachable(
            f"Cannot read {path}: {words(error)}. Nothing was changed; try again."
        ) from error


@contextlib.contextmanager
def writing(path: object) -> Iterator[None]:
    """Turn a failure of the file system into :class:`StoreUnwritable`, with what to do about it."""
    try:
        yield
    except OSError as error:
        advice = {
            errno.ENOSPC: "The disk is full: free some space and start again.",
            errno.EDQUOT: "The disk quota is used up: free some space and start again.",
            errno.EACCES: "Permission denied: check the owner and mode of the directory.",
            errno.EPERM: "Permission denied: check the owner and mode of the directory.",
            errno.EROFS: "The file system is read-only.",
        }.get(error.errno or 0, f"{words(error)}.")
        raise StoreUnwritable(
            f"Cannot write {path}. {advice} Everything committed before is safe; nothing was half written."
        ) from error


def _write(sink: Any, pieces: Iterable[pa.Table], row_group_rows: int, dictionary: Sequence[str]) -> None:
    """Write pieces of one schema; a dictionary-encoded column is a plain one in the file."""
    import pyarrow.parquet as pq

    pieces = iter(pieces)
    first = next(pieces)
    with pq.ParquetWriter(
        sink,
        first.schema,
        compression="zstd",
        use_dictionary=list(dictionary),
        store_schema=False,
        write_page_checksum=True,
    ) as writer:
        for piece in itertools.chain([first], pieces):
            writer.write_table(piece, row_group_size=row_group_rows)
