"""The command line's contract: names, options, output and exit codes, in processes of its own."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PASSWORD = "a password that shows nowhere"
CLI = [sys.executable, "-m", "ctera_insights"]


def environment(**more: str) -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("CTERA_INSIGHTS_")}
    return {
        **clean,
        "CTERA_INSIGHTS_PASSWORD": PASSWORD,
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        **more,
    }


def run(*arguments: object, code: int = 0, **more: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*CLI, *map(str, arguments)],
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert PASSWORD not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


class Simulator:
    def __init__(self, folder: Path, *arguments: object) -> None:
        self.ready = folder / "ready.json"
        self.process = subprocess.Popen(
            [*CLI, "simulate", *map(str, arguments), "--ready-file", str(self.ready)],
            env=environment(),
            stderr=subprocess.PIPE,
        )
        deadline = time.monotonic() + 60
        while not self.ready.exists():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        self.told = json.loads(self.ready.read_text())
        self.url = self.told["url"]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=20)


@pytest.fixture(scope="module")
def portal(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    simulator = Simulator(tmp_path_factory.mktemp("portal"), "--from-dir", tree)
    yield simulator
    simulator.stop()


def collect(portal: Simulator, data: Path, *more: object, **options) -> subprocess.CompletedProcess[str]:
    return run("collect", "--portal", portal.url, "--user", "admin", "--data", data, *more, **options)


@pytest.fixture(scope="module")
def data(portal: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    collect(portal, data)
    return data


def test_collect_says_what_it_did(portal: Simulator, tmp_path: Path) -> None:
    told = collect(portal, tmp_path, "--json")
    assert json.loads(told.stdout) | {"seconds": 0} == {
        "enriched": 45,
        "events": 45,
        "batches": 1,
        "quarantined": 0,
        "phase": "live",
        "caught_up": True,
        "seconds": 0,
    }
    assert "0 events in 0 batches" in collect(portal, tmp_path).stdout


def test_status_has_the_keys_of_the_contract(data: Path) -> None:
    status = json.loads(run("status", "--data", data, "--json").stdout)
    assert {
        *("events", "batches", "quarantined", "cursor_sha256", "last_commit_at", "lag_s", "bytes", "files")
    } <= status.keys()
    assert (status["events"], status["batches"], status["quarantined"]) == (45, 1, 0)
    assert len(status["cursor_sha256"]) == 64
    assert status["last_commit_at"].endswith("Z")
    assert "45 events in 1 batch" in run("status", "--data", data).stdout


def test_sql_prints_every_format(data: Path) -> None:
    columns = "name, size, deleted, portal_modified_date"
    query = f"SELECT {columns} FROM events WHERE type = 'file' ORDER BY size LIMIT 2"
    rows = json.loads(run("sql", "--data", data, query, "--format", "json").stdout)
    assert [row["name"] for row in rows] == ["file 0.txt", "file 1.txt"]
    assert rows[0]["deleted"] is False
    assert rows[0]["portal_modified_date"].endswith("Z")
    read = list(csv.DictReader(io.StringIO(run("sql", "--data", data, query, "--format", "csv").stdout)))
    assert [row["size"] for row in read] == ["0", "1"]
    assert "file 1.txt" in run("sql", "--data", data, query).stdout
    arrow = subprocess.run(
        [*CLI, "sql", "--data", str(data), query, "--format", "arrow"],
        env=environment(),
        capture_output=True,
        check=True,
    )
    assert pa.ipc.open_stream(arrow.stdout).read_all()["size"].to_pylist() == [0, 1]
    assert json.loads(run("sql", "--data", data, "SELECT 1 WHERE false", "--format", "json").stdout) == []


def test_the_events_view_has_every_column_of_the_contract(data: Path) -> None:
    rows = json.loads(run("sql", "--data", data, "SELECT * FROM events LIMIT 1", "--format", "json").stdout)
    wire = "type guid deleted name folder_id parent_guid id size file_timestamp portal_modified_date"
    ours = "virtual_portal_id acl gvsn feed seq batch phase collected_at collected_on extra"
    assert {*wire.split(), *ours.split()} <= rows[0].keys()


def test_a_query_that_duckdb_refuses_names_the_views(data: Path) -> None:
    refused = run("sql", "--data", data, "SELECT * FROM nowhere", code=1)
    assert "events" in refused.stderr
    assert "batches" in refused.stderr


@pytest.mark.parametrize(
    "query", ["-- how many?\nSELECT 1 AS n; -- done", "--all\nSELECT 1 AS n", "--\nSELECT 1 AS n"]
)
def test_a_query_may_begin_with_a_comment(data: Path, query: str) -> None:
    """Two dashes make no option of it."""
    for arguments in (("--data", data, query), (query, "--data", data)):
        assert json.loads(run("sql", *arguments, "--format", "json").stdout) == [{"n": 1}]
    assert "No such option" in run("sql", "--data", data, "--all", "SELECT 1", code=2).stderr


def test_views_work_in_a_plain_duckdb(data: Path) -> None:
    import duckdb

    statements = run("views", "--data", data).stdout
    with duckdb.connect() as connection:
        connection.execute(statements)
        assert connection.sql("SELECT count(*) FROM events").fetchall() == [(45,)]
        assert connection.sql("SELECT events FROM batches").fetchall() == [(45,)]


def test_check_and_optimize_keep_a_store_sound(portal: Simulator, tmp_path: Path) -> None:
    collect(portal, tmp_path)
    collect(portal, tmp_path, "--resync")
    assert "sound" in run("check", "--data", tmp_path).stdout
    assert (
        "events: 2 files merged into 1" in run("optimize", "--data", tmp_path, "--keep-replaced", "0").stdout
    )
    assert "sound" in run("check", "--data", tmp_path).stdout
    (file,) = tmp_path.glob("events/collected_on=*/*.parquet")
    file.unlink()
    assert "is missing" in run("check", "--data", tmp_path, code=7).stdout


def test_live_changes_of_a_directory_arrive_while_following(tmp_path: Path) -> None:
    served = tmp_path / "served"
    served.mkdir()
    (served / "first.txt").write_text("1")
    simulator = Simulator(tmp_path, "--from-dir", served, "--https")
    try:
        data = tmp_path / "data"
        following = subprocess.Popen(
            [
                *(*CLI, "collect", "--portal", simulator.url, "--user", "admin", "--data", str(data)),
                *("--follow", "--batch-seconds", "0.2", "--ca-file", simulator.told["ca_file"]),
            ],
            env=environment(),
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        _until(lambda: _names(data)["first.txt"] == 1)
        (served / "second.txt").write_text("22")
        _until(lambda: _names(data)["second.txt"] >= 1)
        (served / "second.txt").rename(served / "third.txt")
        _until(lambda: _names(data)["third.txt"] >= 1)
        following.send_signal(signal.SIGINT)
        out, err = following.communicate(timeout=30)
        assert following.returncode == 0, err
        assert "committed to" in out
        assert "Committing what was read" in err
    finally:
        simulator.stop()
    assert not simulator.ready.exists()


def _names(data: Path) -> Counter[str]:
    from ctera_insights.errors import StoreNotFound
    from ctera_insights.insights.views import connect

    try:
        with connect(data) as connection:
            return Counter(name for (name,) in connection.sql("SELECT name FROM events").fetchall())
    except StoreNotFound:
        return Counter()


def _until(condition, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_exit_codes_tell_what_went_wrong(portal: Simulator, tmp_path: Path) -> None:
    """2 usage, 3 login refused, 4 unreachable, 5 locked, 6 cursor refused."""
    assert "--portal" in run("collect", "--data", tmp_path, code=2).stderr
    assert "collect" in run("status", "--data", tmp_path, code=2).stderr
    wrong = collect(portal, tmp_path, code=3, CTERA_INSIGHTS_PASSWORD="wrong")
    assert "password" in wrong.stderr
    nobody = run("collect", "--portal", "http://127.0.0.1:9", "--user", "a", "--data", tmp_path, code=4)
    assert "127.0.0.1:9" in nobody.stderr
    holding = subprocess.Popen(
        [
            *(*CLI, "collect", "--portal", portal.url, "--user", "admin", "--data", str(tmp_path)),
            *("--follow", "--feed", "held"),
        ],
        env=environment(),
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    _until(lambda: (tmp_path / "events").is_dir() and sum(_names(tmp_path).values()) == 45)
    assert "Another process" in collect(portal, tmp_path, "--feed", "held", code=5).stderr
    holding.terminate()
    assert holding.wait(timeout=30) == 0
    other = tmp_path / "other"
    other.mkdir()
    simulator = Simulator(other, "--from-dir", other)
    there = ("collect", "--portal", simulator.url, "--user", "admin", "--data", tmp_path, "--feed", "held")
    try:
        assert "--portal-moved" in run(*there, code=2).stderr
        assert "--resync" in run(*there, "--portal-moved", code=6).stderr
    finally:
        simulator.stop()


def test_there_is_no_option_for_a_password() -> None:
    assert "--password" not in run("collect", "--help").stdout
    assert "No such option" in run("collect", "--password", "x", code=2).stderr


def test_a_password_comes_from_a_file(portal: Simulator, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n")
    clean = environment(CTERA_INSIGHTS_PASSWORD_FILE=str(file))
    del clean["CTERA_INSIGHTS_PASSWORD"]
    subprocess.run(
        [*CLI, "collect", "--portal", portal.url, "--user", "admin", "--data", str(tmp_path / "data")],
        env=clean,
        check=True,
        capture_output=True,
    )
    del clean["CTERA_INSIGHTS_PASSWORD_FILE"]
    missing = subprocess.run(
        [*CLI, "collect", "--portal", portal.url, "--user", "admin", "--data", str(tmp_path / "data")],
        env=clean,
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert missing.returncode == 2
    assert "CTERA_INSIGHTS_PASSWORD_FILE" in missing.stderr


def test_nothing_secret_lies_in_the_store(data: Path) -> None:
    for path in data.rglob("*"):
        if path.is_file():
            assert PASSWORD.encode() not in path.read_bytes()


def test_every_command_has_help() -> None:
    listed = run("--help").stdout.partition("Commands:")[2].partition("Exit codes")[0].split("\n")
    commands = [line.split()[0] for line in listed if line[:3].strip()]
    assert len(commands) >= 8
    for command in commands:
        assert run(command, "--help").stdout.count("\n") > 3


def test_the_demo_collects_and_says_what_to_do_next(tmp_path: Path) -> None:
    first = run("demo", "--data", tmp_path / "demo", "--events", 3000)
    assert "Next:" in first.stdout
    assert "sound" in run("check", "--data", tmp_path / "demo").stdout
    again = run("demo", "--data", tmp_path / "demo", "--events", 3000)
    assert "collected before" in again.stdout


def test_sql_writes_a_file_in_which_nothing_runs(data: Path, tmp_path: Path) -> None:
    """A file for people is inert unless told otherwise; what goes to standard output is data."""
    query = "SELECT '=1+1' AS name"
    run("sql", "--data", data, query, "--to", tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_text().splitlines() == ['"name"', '"\'=1+1"']
    run("sql", "--data", data, query, "--to", tmp_path / "x.csv", "--raw-csv")
    assert (tmp_path / "x.csv").read_text().splitlines()[1] == '"=1+1"'
    assert run("sql", "--data", data, query, "--format", "csv").stdout.splitlines()[1] == '"=1+1"'
    assert (
        "no directory" in run("sql", "--data", data, query, "--to", tmp_path / "no" / "x.csv", code=2).stderr
    )


def test_sql_runs_one_query_and_shows_what_is_hidden(data: Path) -> None:
    assert "SELECT" in run("sql", "--data", data, "DROP VIEW events", code=2).stderr
    assert "SELECT" in run("sql", "--data", data, "/* nothing */", code=2).stderr
    shown = run("sql", "--data", data, "SELECT chr(8238) || 'a' || chr(27) AS x; -- done").stdout
    assert "\\u202ea\\x1b" in shown
    summed = run("sql", "--data", data, "SELECT sum(size) AS n FROM events", "--format", "json").stdout
    assert isinstance(json.loads(summed)[0]["n"], int)


def test_ctrl_c_is_heard_in_words_while_the_command_is_loaded(tmp_path: Path) -> None:
    """Loading takes a third of a second, in which someone may have thought better of it."""
    (tmp_path / "click.py").write_text("raise KeyboardInterrupt")
    done = subprocess.run(
        [*CLI, "status"],
        env=environment(PYTHONPATH=str(tmp_path)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (130, "Interrupted.\n")
