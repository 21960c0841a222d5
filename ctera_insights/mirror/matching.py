"""``ctera-insights download``: from a condition on a collected store to files in a directory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ctera_insights.plain import run

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    import duckdb

    from ctera_insights.lake import Lake
    from ctera_insights.mirror.select import RemoteFile
    from ctera_insights.mirror.transfer import MirrorProgress, MirrorReport


def download(
    portal: str,
    store: str | os.PathLike[str] | Lake | duckdb.DuckDBPyConnection,
    dest: str | os.PathLike[str],
    where: str = "true",
    *,
    access_key_id: str,
    secret_access_key: str,
    concurrency: int = 16,
    progress: Callable[[MirrorProgress], None] | None = None,
    **options: Any,
) -> MirrorReport:
    """Mirror the files of a collected store that meet a condition. A plain call, also in a notebook.

    Args:
        portal: URL of the Portal.
        store: path or URL of a store, a lake, or a DuckDB connection that has the views already.
        dest: the directory, see :func:`~ctera_insights.mirror.transfer.mirror`.
        where: SQL over the columns of ``objects``.
        access_key_id: see :class:`~ctera_insights.portal.DirectIO`.
        secret_access_key: the same.
        concurrency: files at once.
        progress: called now and then, and at the end.
        options: ``verify``, ``ca_file`` and the others of :class:`~ctera_insights.portal.DirectIO`.

    Raises:
        QueryFailed: DuckDB refuses the condition.
        StoreNotFound: nothing was ever collected there.
        UsageError: the directory cannot be written, or an option is wrong.

    Example:
        >>> report = download(  # doctest: +SKIP
        ...     "https://tenant.ctera.com", "data", "copy", "path LIKE 'Finance/%' AND size < 10_000_000",
        ...     access_key_id=key_id, secret_access_key=secret,
        ... )
        >>> report.downloaded, report.skipped, report.failures  # doctest: +SKIP
    """
    from ctera_insights.mirror.transfer import mirror
    from ctera_insights.portal import DirectIO

    files = _matching(store, where)

    async def transfer() -> MirrorReport:
        async with DirectIO(portal, access_key_id, secret_access_key, **options) as client:
            return await mirror(client, files, dest, concurrency=concurrency, progress=progress)

    return run(transfer())


def _matching(
    store: str | os.PathLike[str] | Lake | duckdb.DuckDBPyConnection, where: str
) -> list[RemoteFile]:
    import duckdb

    from ctera_insights.insights import connect
    from ctera_insights.lake import Lake
    from ctera_insights.mirror.select import remote_files

    if isinstance(store, duckdb.DuckDBPyConnection):
        return remote_files(store, where)
    lake = store if isinstance(store, Lake) else Lake(store)
    with connect(lake) as connection:
        return remote_files(connection, where, lake=lake)
