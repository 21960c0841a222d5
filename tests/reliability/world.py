"""The fault campaign: what a storage administrator's machine may do to a collector, and what must hold then.

Each module here takes one kind of fault: ``test_operations`` (the n-th file operation fails, or the process
is killed at it), ``test_kill`` (SIGKILL at any moment, of every command that writes), ``test_damage`` (bytes
change, files vanish), ``test_writers`` (several processes at once), ``test_lost_answers`` (an object store
does what it was asked, and says that it failed). After each fault the store is brought to its end without
faults, and must then hold what a store without any fault does: every table, every view, each event once.

As it stands a run takes a few minutes and tries a sample. To run it longer (or, below 1, shorter)::

    CTERA_INSIGHTS_TEST_SCALE=20 python -m pytest tests/reliability --timeout 0

tries twenty times as much; from a scale of about 60 on, ``test_operations`` tries every operation with every
fault. The sample is drawn by ``CTERA_INSIGHTS_TEST_SEED`` (1), so that another number tries others.

This module is what they share: a small Portal, the product's own command line in a process that faults can be
aimed at, and the comparison of stores. Processes are forked from one that has imported everything, so that
hundreds of them are cheap, and run with smaller constants (:data:`TUNED`), so that a collection of a second
goes through everything that one of a year does: compaction, checkpoints, many steps of deriving.
"""

from __future__ import annotations

import ctypes
import importlib
import inspect
import multiprocessing
import os
import pkgutil
import shutil
import subprocess
import sys
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

from ctera_insights.activity import check_derived, maintain_derived
from ctera_insights.activity.store import tables
from ctera_insights.errors import InsightsError
from ctera_insights.insights.views import connect
from ctera_insights.lake import Lake, maintain
from ctera_insights.simulator import Feed, SimulatedPortal, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from multiprocessing.context import ForkServerProcess

SCALE: Final = float(os.environ.get("CTERA_INSIGHTS_TEST_SCALE", "1"))
SEED: Final = int(os.environ.get("CTERA_INSIGHTS_TEST_SEED", "1"))
FEED: Final = "portal.example/admin"
PASSWORD: Final = "pw"
EXIT_CODES: Final = frozenset({0, 1, 2, 3, 4, 5, 6, 7, 10})
"""What a process that was not killed may leave with."""
VIEWS: Final = ("events", "batches", "quarantine", "activity", "objects", "folders")
TIMES: Final = frozenset({"collected_at", "collected_on", "first_seen_at"})
"""Columns that tell when something was collected, in which two stores differ."""
TUNED: Final = {
    "ctera_insights.collect.PAGE_EVENTS": 20,
    "ctera_insights.lake.writer.MAINTAIN_EVERY": 4,
    "ctera_insights.lake.maintain.FANOUT": 3,
    "ctera_insights.lake.checkpoint.CHECKPOINT_EVERY": 5,
    "ctera_insights.activity.compact.FANOUT": 3,
    "ctera_insights.activity.compact.EVERY_VERSIONS": 4,
    "ctera_insights.activity.compact.REPLACED_ROWS": 10,
    "ctera_insights.pipeline.deriving.EVERY_S": 0.1,
}
"""Constants, by their full names."""
TUNED_DEFAULTS: Final = {"ctera_insights.activity.run.enrich_lake.step_rows": 60}
"""Defaults of keyword arguments, by their full names."""
HASTY: Final = {
    "ctera_insights.lake.maintain.maintain.keep_replaced_hours": 0.0,
    "ctera_insights.activity.compact.sweep.keep_replaced_hours": 0.0,
}
"""The same, for a run that keeps nothing replaced, and so deletes it before its end."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended: its exit code (-9 when it was killed), and what it said."""

    code: int
    said: str

    @property
    def last(self) -> str:
        """Its exit code and its last words."""
        return f"{self.code}: {(self.said.strip().splitlines() or [''])[-1]}"

    def was_clear(self) -> bool:
        """Whether it was killed, or ended in words of ours."""
        foreign = ("Traceback", "panicked", "RuntimeError", "core dumped")
        if self.code == -9:
            return True
        if self.code not in EXIT_CODES or any(word in self.said for word in foreign):
            return False
        return self.code == 0 or "Error: " in self.said


@dataclass
class Command:
    """The product's command line, running in a process of its own."""

    process: ForkServerProcess
    output: Path

    def kill(self) -> None:
        self.process.kill()

    def running(self) -> bool:
        return self.process.is_alive()

    def wait(self) -> Ended:
        self.process.join(120 * max(SCALE, 1))
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
            raise AssertionError(f"It did not end: {self.output.read_text(errors='replace')}")
        ended = Ended(self.process.exitcode, self.output.read_text(errors="replace"))
        self.process.close()
        self.output.unlink()
        return ended


@dataclass(frozen=True)
class Runner:
    """Starts commands; below their store, faults can be made to happen.

    Attributes:
        shim: the library of ``faults.c``.
        scratch: where their output goes.
        portal: URL of the Portal that they collect from.
    """

    shim: Path
    scratch: Path
    portal: str = ""
    _context: Any = field(default_factory=lambda: multiprocessing.get_context("forkserver"))

    def __post_init__(self) -> None:
        self._context.set_forkserver_preload([__name__])
        with _variable("LD_PRELOAD", str(self.shim)):
            multiprocessing.forkserver.ensure_running()

    def at(self, portal: str) -> Runner:
        """The same, collecting from another Portal."""
        return replace(self, portal=portal)

    def start(
        self,
        data: Path | str,
        *arguments: str,
        hasty: bool = False,
        settings: Mapping[str, str] | None = None,
        **faults: object,
    ) -> Command:
        """Start ``ctera-insights ARGUMENTS`` on a store.

        Args:
            data: the store.
            arguments: command and options.
            hasty: whether to delete replaced files at once.
            settings: environment variables.
            faults: ``at``, ``kind``, ``log`` of a fault, see ``faults.c``.
        """
        output = self.scratch / uuid.uuid4().hex
        output.touch()  # it may be killed before it says anything
        environment = {
            "CTERA_INSIGHTS_PASSWORD": PASSWORD,
            "CTERA_INSIGHTS_USER": "admin",
            "CTERA_INSIGHTS_PORTAL": self.portal,
            "CTERA_INSIGHTS_DATA": str(data),
            **(settings or {}),
            **{f"FAULT_{name.upper()}": str(value) for name, value in faults.items()},
        }
        if faults:
            environment["FAULT_BELOW"] = str(data)
        process = self._context.Process(target=_command, args=(arguments, environment, output, hasty))
        process.start()
        return Command(process, output)

    def run(self, data: Path | str, *arguments: str, **options: Any) -> Ended:
        """Start a command as :meth:`start` does, and wait for its end."""
        return self.start(data, *arguments, **options).wait()

    def collect(self, data: Path | str, **options: Any) -> Ended:
        """Collect, a page for a batch, and wait for the end."""
        return self.run(data, *COLLECT, **options)


COLLECT: Final = ("collect", "--feed", FEED, "--batch-rows", "1")


def _command(arguments: tuple[str, ...], environment: Mapping[str, str], output: Path, hasty: bool) -> None:
    """Be ``ctera-insights``, in a child process."""
    file = os.open(output, os.O_WRONLY | os.O_CREAT, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.environ.update(environment)
    ctypes.CDLL(None).faults_arm()
    sys.argv = ["ctera-insights", *arguments]
    tune(hasty=hasty)
    importlib.import_module("ctera_insights.cli").main()


def tune(*, hasty: bool) -> None:
    """Make this process's product do early and often what it does late and seldom."""
    for name, value in TUNED.items():
        owner, constant = _named(name)
        assert hasattr(owner, constant), name
        setattr(owner, constant, value)
    for name, value in (TUNED_DEFAULTS | (HASTY if hasty else {})).items():
        function, keyword = _named(name)
        function = inspect.unwrap(function)
        assert keyword in function.__kwdefaults__, name
        function.__kwdefaults__[keyword] = value


def _named(name: str) -> tuple[Any, str]:
    """What holds the last part of a dotted name, and that part."""
    owner, _, last = name.rpartition(".")
    return pkgutil.resolve_name(owner), last


def scaled(count: int) -> int:
    """So many of something at scale 1."""
    return max(round(count * SCALE), 1)


def build_shim(directory: Path) -> Path:
    """Compile ``faults.c``."""
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    assert compiler, "The campaign needs a C compiler: `make tools` installs one."
    shim = directory / "faults.so"
    source = Path(__file__).with_name("faults.c")
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", shim, source, "-ldl"],
        check=True,
    )
    return shim


def office(changes: int = 140) -> World:
    """A little history that does everything: an inventory, then every kind of change; the same each time."""
    feed = Feed(identity="reliability", inventory="start")
    world = World(feed, portal_uuid="3a9f6d02-0000-4000-8000-5bb1c4f0a7e1")
    lots = Random(11)
    now = datetime(2026, 3, 1, tzinfo=UTC)

    def at() -> datetime:
        nonlocal now
        now += timedelta(seconds=1)
        return now

    root = world.cloud_folder("Projects", at=at())
    folders = [root]
    for number in range(14):
        folders.append(world.create(lots.choice(folders), f"team {number}", type="folder", at=at()))
    world.feed = Feed()
    cellar = world.create(
        root, "cellar", type="folder", at=at()
    )  # the feed never tells of it: it is asked for
    world.feed = feed
    world.create(cellar, "old wine.txt", size=12, at=at())
    files = [
        world.create(lots.choice(folders), f"plan {number}.docx", size=number, at=at())
        for number in range(45)
    ]
    feed.begin_live()
    for number in range(changes):
        chance, file = lots.random(), lots.choice(files)
        if chance < 0.3:
            world.write(file, size=1000 + number, at=at())
        elif chance < 0.5:
            world.rename(file, f"renamed {number}.pdf", at=at())
        elif chance < 0.6:
            world.rename(folders[1 + number % 14], f"department {number}", at=at())
        elif chance < 0.75:
            target = lots.choice(folders)
            if file.name not in target.children:
                world.move(file, target, at=at())
        elif chance < 0.85:
            files.remove(file)
            world.delete(file, at=at())
        else:
            files.append(world.create(lots.choice(folders), f"new {number}.xlsx", size=number, at=at()))
    return world


FAULTY_ENTRIES: Final = "unreadable:0.06,unknown-key:0.1"
"""Drawn by position, so that a page says the same whenever it is listed."""


@contextmanager
def served(world: World, faults: str = FAULTY_ENTRIES) -> Iterator[str]:
    """The URL of a Portal that serves a world."""
    with SimulatedPortal(world, password=PASSWORD, faults=faults).run_in_thread() as portal:
        yield portal.url


def content(data: Path | str) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that the views show but when it was collected, in an order of its own."""
    with connect(Lake(data)) as connection:
        found = {}
        for view in VIEWS:
            names = [name for name in connection.table(view).columns if name not in TIMES]
            found[view] = connection.sql(f"SELECT {', '.join(map(_quoted, names))} FROM {view}").fetchall()
    return {view: sorted(rows, key=repr) for view, rows in found.items()}


def _quoted(name: str) -> str:
    return f'"{name}"'


def committed(data: Path | str) -> set[tuple[Any, ...]]:
    """The events that a store holds, each with the moment at which it was collected."""
    lake = Lake(data)
    if not lake.events.exists():
        return set()
    with connect(lake) as connection:
        rows = connection.sql("SELECT feed, seq, guid, gvsn, epoch_us(collected_at) FROM events").fetchall()
    assert len({row[:2] for row in rows}) == len(rows)
    return set(rows)


def findings(data: Path | str) -> list[str]:
    """What ``check`` says of a store; nothing when it is sound."""
    lake = Lake(data)
    try:
        return [str(finding) for finding in [*lake.check(), *check_derived(lake)]]
    except InsightsError as error:
        return [str(error)]


def wrong_after(
    ended: Ended, data: Path | str, again: Callable[[], Ended], expected: Mapping[str, list[tuple[Any, ...]]]
) -> Iterator[str]:
    """What does not hold after a run that met a fault.

    Args:
        ended: how that run ended.
        data: the store.
        again: runs once more, without faults.
        expected: what :func:`content` gives for a store that met none.
    """
    if not ended.was_clear():
        yield f"it ended with {ended.last}"
    before = committed(data)
    second = again()
    if second.code:
        yield f"the next run ended with {second.last} (the first with {ended.last})"
        return
    if lost := before - committed(data):
        yield f"{len(lost)} committed events are gone"
    found = content(data)
    for view, rows in expected.items():
        if found[view] != rows:
            yield f"{view} differs: {len(found[view])} rows, {len(rows)} expected"
    yield from findings(data)


def strays(data: Path) -> list[str]:
    """Files below a store that nothing names, once everything replaced was removed."""
    lake = Lake(data)
    for table in lake.raw_tables():
        maintain(table, everything=True, keep_replaced_hours=0)
    maintain_derived(lake, everything=True, keep_replaced_hours=0)
    named = {
        data / table.name / file.path
        for table in (*lake.raw_tables(), *(each for each in tables(lake).all if each.exists()))
        for file in table.snapshot().files
    }
    return sorted(
        path.relative_to(data).as_posix()
        for path in data.rglob("*")
        if path.is_file() and path not in named and not _belongs(path)
    )


def _belongs(path: Path) -> bool:
    """Whether a file is a lock, or one of the log."""
    if path.parent.name == ".locks":
        return path.suffix == ".lock"
    log = path.parent.name == "_delta_log"
    return log and (
        path.name == "_last_checkpoint"
        or (path.suffix in {".json", ".parquet"} and path.stem[:20].isdecimal())
    )


@contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
