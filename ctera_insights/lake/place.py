"""Where the files of a table lie, a local directory or an object store, and how one becomes durable there."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import uuid
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from ctera_insights.errors import StoreUnwritable, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa
    import pyarrow.fs

STAGING = "_staging"
"""Files in the making lie here until they are complete; readers and globs pass over it."""


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
    ) -> tuple[int, Any]:
        """Write one file, durable before it appears; gives its size in bytes and its Parquet metadata."""
        ...

    def publish(self, path: str) -> None:
        """Make a written file appear under its name (on object stores it does so when written)."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file, published or not; one that is gone already is no error."""
        ...

    def clear_staging(self, stem: str) -> None:
        """Remove the staged files whose names begin so: their writer died."""
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
        UsageError: the URL's scheme is not one that the store can live on.
    """
    text = os.fspath(uri)
    scheme = urlsplit(text).scheme if "://" in text else ""
    if scheme in {"", "file"}:
        path = Path(urlsplit(text).path if scheme else text).expanduser()
        return LocalPlace(path.absolute())
    if scheme in {"s3", "s3a", "gs", "az", "abfs", "abfss", "memory"}:
        return ObjectPlace(text.rstrip("/"), dict(options or {}))
    raise UsageError(f"A store cannot live at {text!r}: give a local directory or an s3:// URL.")


class LocalPlace:
    """A local directory: files are staged, flushed, and renamed into place."""

    local = True
    options: Mapping[str, str] = MappingProxyType({})

    def __init__(self, path: Path) -> None:
        self.path = path
        self.uri = str(path)

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
    ) -> tuple[int, Any]:
        import pyarrow.parquet as pq

        staged = self._staged(path)
        with writing(staged):
            staged.parent.mkdir(parents=True, exist_ok=True)
            try:
                _write(staged, pieces, row_group_rows, dictionary)
                _fsync(staged)
            except BaseException:
                staged.unlink(missing_ok=True)
                raise
            return staged.stat().st_size, pq.read_metadata(staged)

    def publish(self, path: str) -> None:
        target = self.path / path
        with writing(target):
            if not target.parent.is_dir():
                target.parent.mkdir(parents=True, exist_ok=True)
                _fsync(target.parent.parent)
            self._staged(path).replace(target)
            _fsync(target.parent)

    def remove(self, path: str) -> None:
        self._staged(path).unlink(missing_ok=True)
        (self.path / path).unlink(missing_ok=True)

    def clear_staging(self, stem: str) -> None:
        for path in (self.path / STAGING).glob(f"{stem}-*.parquet"):
            path.unlink(missing_ok=True)

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
                _fsync(self.path / path)


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
    ) -> tuple[int, Any]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = pa.BufferOutputStream()
        _write(sink, pieces, row_group_rows, dictionary)
        content = sink.getvalue()
        with writing(f"{self.uri}/{path}"):
            self._upload(path, content.to_pybytes())
        return content.size, pq.read_metadata(pa.BufferReader(content))

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

    def clear_staging(self, stem: str) -> None:
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


def new_name(stem: str) -> str:
    """A file name that no other writer will choose."""
    return f"{stem}-{uuid.uuid4().hex[:12]}.parquet"


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
        }.get(error.errno or 0, f"{error.strerror or error}.")
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
    ) as writer:
        for piece in itertools.chain([first], pieces):
            writer.write_table(piece, row_group_size=row_group_rows)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
