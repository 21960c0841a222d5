"""Writing works on other operating systems: what one lacks is asked for in one place, behind a guard."""

from __future__ import annotations

import ast
import asyncio
import errno
import os
import shutil
import signal
import stat
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock  # noqa: F401 - it takes what locks this system has, not those of the pretended one
import pytest
from click.testing import CliRunner

import ctera_insights
from ctera_insights import platforms
from ctera_insights.cli import cli
from ctera_insights.errors import UsageError
from ctera_insights.lake import Lake
from ctera_insights.lake.place import place
from ctera_insights.portal.directio.partial import Partial
from ctera_insights.simulator import Feed, SimulatedPortal, World
from tests.lake.conftest import fill

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(ctera_insights.__file__).parent
GUARDED = PACKAGE / "platforms.py"

MODULES = {
    "crypt", "curses", "fcntl", "grp", "nis", "posix", "pty", "pwd", "readline", "resource", "spwd", "syslog",
    "termios", "tty",
}  # fmt: skip
"""Modules of the standard library that Windows does not have."""
MISSING = {
    "os": {
        "chown", "chroot", "confstr", "ctermid", "fchdir", "fchmod", "fchown", "fdatasync", "fork", "forkpty",
        "getegid", "geteuid", "getgid", "getgroups", "getloadavg", "getpgid", "getpgrp", "getpriority",
        "getresgid", "getresuid", "getsid", "getuid", "initgroups", "killpg", "lchown", "lockf", "major",
        "minor", "mkfifo", "mknod", "nice", "openpty", "pathconf", "pipe2", "posix_fadvise",
        "posix_fallocate", "posix_spawn", "pread", "preadv", "pwrite", "pwritev", "readv",
        "register_at_fork", "sendfile",
        "setegid", "seteuid", "setgid", "setpgid", "setpriority", "setsid", "setuid", "statvfs", "sync",
        "sysconf", "tcgetpgrp", "ttyname", "uname", "wait", "wait3", "wait4", "waitid", "writev",
        "O_CLOEXEC", "O_DIRECT", "O_DIRECTORY", "O_DSYNC", "O_NOATIME", "O_NOCTTY", "O_NOFOLLOW",
        "O_NONBLOCK", "O_PATH", "O_SYNC", "O_TMPFILE", "RTLD_GLOBAL",
    },
    "signal": {
        "SIGALRM", "SIGCHLD", "SIGCONT", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGSTOP", "SIGTSTP",
        "SIGUSR1", "SIGUSR2", "SIGWINCH", "alarm", "pause", "pthread_kill", "pthread_sigmask", "setitimer",
        "siginterrupt", "sigpending", "sigtimedwait", "sigwait", "sigwaitinfo",
    },
    "socket": {"AF_UNIX", "SO_REUSEPORT", "CMSG_LEN", "send_fds", "recv_fds", "sethostname"},
    "select": {"epoll", "kqueue", "poll", "devpoll"},
    "time": {"clock_settime", "pthread_getcpuclockid", "tzset"},
    "shutil": {"chown"},
}  # fmt: skip
"""What modules of the standard library have elsewhere, and not on Windows."""
ELSEWHERE = {
    "fsync": "Windows flushes no directory, and no file opened for reading",
    "dup2": "standard output may be no file",
    "add_signal_handler": "no event loop of Windows has it",
    "remove_signal_handler": "the same",
    "add_reader": "the usual event loop of Windows has it not",
    "add_writer": "the same",
    "create_unix_server": "no event loop of Windows has it",
    "open_unix_connection": "the same",
    "start_unix_server": "the same",
    "fromtimestamp": "Windows knows no time before 1970",
    "utcfromtimestamp": "the same",
    "preexec_fn": "there is no fork",
}
"""Attributes, of whatever, that behave differently there."""
ALLOWED = {
    ("mirror/record.py", "fsync"): "a file opened for writing",
    ("portal/directio/partial.py", "fsync"): "files opened for writing",
    ("cli/streams.py", "dup2"): "the command line's own standard streams; Windows has it, too",
    (
        "simulator/sources/scenario/ledger.py",
        "fromtimestamp",
    ): "times of its own, long after 1970",
    ("simulator/sources/scenario/office.py", "fromtimestamp"): "the same",
    ("simulator/sources/scenario/source.py", "fromtimestamp"): "the same",
    ("simulator/sources/scenario/rhythm.py", "fromtimestamp"): "the same",
    ("simulator/sources/scenario/incidents.py", "fromtimestamp"): "the same",
}


def uses(path: Path) -> Iterator[tuple[str, int]]:
    """Names in a module that some operating system lacks, and their lines."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((each.name, node.lineno) for each in node.names if each.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            if node.module in MODULES:
                yield node.module, node.lineno
            lacking = MISSING.get(node.module or "", set())
            yield from ((each.name, node.lineno) for each in node.names if each.name in lacking)
        elif isinstance(node, ast.Attribute):
            module = node.value.id if isinstance(node.value, ast.Name) else ""
            if node.attr in MISSING.get(module, set()) or node.attr in ELSEWHERE:
                yield node.attr, node.lineno
        elif isinstance(node, ast.keyword) and node.arg in {"preexec_fn", "dir_fd", "pass_fds"}:
            yield node.arg, node.value.lineno


def test_nothing_that_windows_lacks_is_called_but_behind_a_guard() -> None:
    """Every module is read; `platforms.py` alone may, and the test that follows tries it without."""
    found = [
        f"{path.relative_to(PACKAGE).as_posix()}:{line}: {name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path != GUARDED
        for name, line in uses(path)
        if (path.relative_to(PACKAGE).as_posix(), name) not in ALLOWED
    ]
    assert not found, found
    assert {name for name, _ in uses(GUARDED)} >= {"fcntl", "fsync", "add_signal_handler"}


@contextmanager
def windows(patch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:  # noqa: C901 - one small function for each refusal
    """This process with what Windows refuses refused; gives how often each thing was."""
    refused = {"fsync": 0, "directory": 0, "signal handler": 0, "rename": 0}
    opened: dict[int, tuple[int, str]] = {}
    real_open, real_close, real_fsync = os.open, os.close, os.fsync
    real_replace, real_unlink = Path.replace, Path.unlink

    def open_(path: Any, flags: int, *rest: Any, **options: Any) -> int:
        if Path(path).is_dir():
            refused["directory"] += 1
            raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
        descriptor = real_open(path, flags, *rest, **options)
        opened[descriptor] = (flags, str(Path(path).absolute()))
        return descriptor

    def close(descriptor: int) -> None:
        opened.pop(descriptor, None)
        real_close(descriptor)

    def fsync(descriptor: int) -> None:
        flags, _ = opened.get(descriptor, (os.O_RDWR, ""))
        if flags & (os.O_RDWR | os.O_WRONLY) == 0 or stat.S_ISDIR(os.fstat(descriptor).st_mode):
            refused["fsync"] += 1
            raise OSError(errno.EBADF, "Bad file descriptor")
        real_fsync(descriptor)

    def closed(path: Path) -> None:
        if str(path.absolute()) in {name for _, name in opened.values()}:
            refused["rename"] += 1
            raise PermissionError(errno.EACCES, "It is open", str(path))

    def replace(self: Path, target: Path) -> Path:
        closed(self)
        return real_replace(self, target)

    def unlink(self: Path, missing_ok: bool = False) -> None:
        if self.exists():
            closed(self)
        real_unlink(self, missing_ok=missing_ok)

    def no_handlers(*_: object) -> None:
        refused["signal handler"] += 1
        raise NotImplementedError

    with patch.context() as with_:
        with_.setattr(os, "open", open_)
        with_.setattr(os, "close", close)
        # The standard library opens directories only where that works.
        with_.setattr(shutil, "_use_fd_functions", False)
        with_.setattr(tempfile, "_O_TMPFILE_WORKS", False)
        with_.setattr(os, "fsync", fsync)
        with_.setattr(Path, "replace", replace)
        with_.setattr(Path, "unlink", unlink)
        with_.setattr(asyncio.unix_events._UnixSelectorEventLoop, "add_signal_handler", no_handlers)
        with_.setattr(asyncio.unix_events._UnixSelectorEventLoop, "remove_signal_handler", no_handlers)
        with_.setitem(sys.modules, "fcntl", None)
        for module in (platforms, sys.modules["ctera_insights.portal.directio.partial"]):
            with_.setattr(module, "WINDOWS", True)
        yield refused


def test_a_whole_collection_works_with_what_windows_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Collecting, deriving, merging and checking, without one call that Windows would refuse."""
    world = World(Feed())
    root = world.cloud_folder("Projects")
    for number in range(50):
        world.create(root, f"plan {number}.docx", size=number)
    with SimulatedPortal(world, password="pw").run_in_thread() as portal:
        monkeypatch.setenv("CTERA_INSIGHTS_PASSWORD", "pw")
        data = ["--data", str(tmp_path / "lake")]
        collect = ["collect", "--portal", portal.url, "--user", "admin", *data]
        before = signal.getsignal(signal.SIGINT)
        with windows(monkeypatch) as refused:
            for command in (collect, ["optimize", *data], ["check", *data]):
                result = CliRunner().invoke(cli, command, catch_exceptions=False)
                assert result.exit_code == 0, result.output
        assert signal.getsignal(signal.SIGINT) == before
    assert refused == {"fsync": 0, "directory": 0, "signal handler": 1, "rename": 0}
    assert Lake(tmp_path / "lake").status().events == 51


def test_downloads_work_with_what_windows_has(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file is closed before it is renamed or removed."""
    with windows(monkeypatch) as refused:
        Partial.write_whole(tmp_path / "whole", [b"a", b"b"])
        for keep in (True, False):
            partial = Partial(tmp_path / "cut", "identity")
            partial.open(keep=True)
            partial.append(b"some")
            partial.abandon(keep=keep)
        assert refused == {"fsync": 0, "directory": 0, "signal handler": 0, "rename": 0}
    assert [path.name for path in tmp_path.iterdir()] == ["whole"]
    assert (tmp_path / "whole").read_bytes() == b"ab"


def test_names_that_windows_reserves_are_not_made_there(tmp_path: Path) -> None:
    """A feed's name goes into file names, whatever characters it has."""
    fill(Lake(tmp_path), 2, feed='con:8443/a<b>"c|d?*\\ .')
    assert all(not set(path.name) & set('<>:"|?*\\') for path in tmp_path.rglob("*"))
    assert all(not path.name.endswith((".", " ")) for path in tmp_path.rglob("*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_a_loop_without_handlers_of_its_own(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """And what was there before is there afterwards."""
    before = signal.getsignal(number)

    async def wait() -> int:
        heard: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        with platforms.on_signals(heard.set_result):
            threading.Timer(0.05, signal.raise_signal, (number,)).start()
            async with asyncio.timeout(5):
                return await heard

    with windows(monkeypatch):
        assert asyncio.run(wait()) == number
    assert signal.getsignal(number) == before


def test_a_directory_that_cannot_be_flushed_is_left_to_its_file_system(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """But a disk that fails is never taken for one that cannot."""
    (tmp_path / "file").touch()
    answer = errno.EINVAL

    def fsync(_: int) -> None:
        raise OSError(answer, os.strerror(answer))

    monkeypatch.setattr(os, "fsync", fsync)
    platforms.flush(tmp_path)
    with pytest.raises(OSError, match="Invalid argument"):
        platforms.flush(tmp_path / "file")
    answer = errno.EIO
    for path in (tmp_path, tmp_path / "file"):
        with pytest.raises(OSError, match="Input/output error"):
            platforms.flush(path)


def test_a_file_that_is_read_stays_for_the_next_sweep_where_it_must(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Windows removes no open file; elsewhere a refusal is a refusal."""
    (tmp_path / "part.parquet").touch()
    real = Path.unlink

    def unlink(self: Path, missing_ok: bool = False) -> None:
        if self.exists():
            raise PermissionError(errno.EACCES, "It is in use", str(self))
        real(self, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    with pytest.raises(PermissionError):
        place(tmp_path).remove("part.parquet")
    monkeypatch.setattr(platforms, "WINDOWS", True)
    place(tmp_path).remove("part.parquet")
    assert (tmp_path / "part.parquet").exists()


def test_the_reader_of_a_pipe_goes_away_in_the_words_of_each_system(monkeypatch: pytest.MonkeyPatch) -> None:
    assert platforms.reader_is_gone(BrokenPipeError(errno.EPIPE, "Broken pipe"))
    invalid = OSError(errno.EINVAL, "Invalid argument")
    assert not platforms.reader_is_gone(invalid)
    monkeypatch.setattr(platforms, "WINDOWS", True)
    assert platforms.reader_is_gone(invalid)


def test_a_store_may_be_named_by_a_file_url(tmp_path: Path) -> None:
    """Percent-encoded, as such URLs are; another host is no local directory."""
    spaced = tmp_path / "a lake#1"
    assert place(spaced.as_uri()).uri == spaced.as_posix() == place(spaced).uri
    with pytest.raises(UsageError, match="server"):
        place("file://server/share")


def test_times_before_1970_are_times() -> None:
    assert platforms.from_seconds(-1.5).isoformat() == "1969-12-31T23:59:58.500000+00:00"
