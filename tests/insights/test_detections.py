"""Detections: planted incidents are found, quiet and regularly busy histories are not."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

from ctera_insights.errors import InsightsError, UsageError
from ctera_insights.insights import Insights
from ctera_insights.insights.detections import RULES, SENSITIVITIES
from ctera_insights.insights.detections.incidents import merged
from ctera_insights.model import activity_schema

START = datetime(2026, 1, 5, tzinfo=UTC)
CLOSED, OPEN = "D:(A;;FA;;;BA)", "D:(A;;FA;;;BA)(A;;FA;;;WD)"


class Share:
    """Five weeks of a working share, to which incidents are added."""

    def __init__(self, seed: int = 1, days: int = 35) -> None:
        self.rows: list[dict[str, Any]] = []
        self.objects: list[dict[str, Any]] = []
        rnd = random.Random(seed)
        for hour in range(days * 24):
            when = START + timedelta(hours=hour)
            busy = when.weekday() < 5 and 8 <= when.hour < 18
            for n in range(rnd.randint(5, 60) if busy else rnd.randint(0, 3)):
                op = rnd.choices(["created", "modified", "deleted", "renamed"], [4, 10, 2, 1])[0]
                self.change(
                    when + timedelta(seconds=n * 50), op, f"doc {rnd.randint(0, 4000)}.docx",
                    delta=0 if op == "renamed" else rnd.choice([0, 0, 30_000, 2_000_000]),
                )  # fmt: skip
            if when.weekday() == 6 and when.hour == 2:  # the weekly clean-up
                self.burst(when, "deleted", 900 + rnd.randint(0, 90), "old {}.log")

    def change(
        self,
        when: datetime,
        op: str,
        name: str,
        *,
        folder: str = "Projects",
        delta: int | None = 0,
        **more: Any,
    ) -> None:
        self.rows.append(
            {
                "feed": "f", "seq": len(self.rows), "batch": 1, "at": when, "collected_at": when,
                "phase": "live", "op": op, "type": "file", "guid": f"g:{name}", "folder_id": 1,
                "cloud_folder": folder, "path": f"{folder}/Team/{name}", "old_path": None, "name": name,
                "extension": name.rpartition(".")[2].lower(), "depth": 2, "size": 500_000,
                "size_delta": delta,
                "deleted": op == "deleted", "file_timestamp": when, "acl_changed": False,
                "acl": None, "old_acl": None,
            }
            | more
        )  # fmt: skip

    def burst(self, when: datetime, op: str, count: int, name: str, **more: Any) -> None:
        for i in range(count):
            given = {k: v.format(i) if isinstance(v, str) else v for k, v in more.items()}
            self.change(when + timedelta(seconds=i * 2), op, name.format(i), **given)

    def insights(self) -> Insights:
        connection = duckdb.connect()
        connection.register("rows", pa.Table.from_pylist(self.rows, schema=activity_schema()))
        connection.execute("CREATE TABLE activity AS FROM rows")
        connection.execute(
            "CREATE TABLE objects (feed VARCHAR DEFAULT 'f', folder_id BIGINT, guid VARCHAR, path VARCHAR, "
            "type VARCHAR, deleted BOOLEAN, cloud_folder VARCHAR, size BIGINT, extension VARCHAR, "
            "portal_modified_date TIMESTAMPTZ)"
        )
        if self.objects:
            connection.register("state", pa.Table.from_pylist(self.objects))
            connection.execute("INSERT INTO objects BY NAME FROM state")
        return Insights(connection)


INCIDENT = START + timedelta(days=31, hours=15, minutes=10)


@pytest.fixture(scope="module")
def quiet() -> Insights:
    return Share().insights()


def test_a_working_share_with_a_weekly_clean_up_is_quiet_once_the_clean_up_is_known(quiet: Insights):
    later = [alert for alert in quiet.alerts() if alert.first_at > START + timedelta(days=28)]
    assert later == []
    early = {alert.rule for alert in quiet.alerts()}
    assert early <= {"mass_deletion"}  # the first clean-ups are news


@pytest.mark.parametrize("rule", [rule.name for rule in RULES])
def test_each_planted_incident_is_found_with_its_evidence(rule: str):
    share = Share()
    plant = {
        "mass_deletion": lambda: share.burst(INCIDENT, "deleted", 700, "doc {}.docx"),
        "mass_rename": lambda: share.burst(
            INCIDENT, "renamed", 700, "moved {}.docx", old_path="Projects/Team/doc {}.docx"
        ),
        "new_extension": lambda: share.burst(
            INCIDENT, "renamed", 60, "doc {}.docx.locked", old_path="Projects/Team/doc {}.docx"
        ),
        "rewrite_burst": lambda: share.burst(INCIDENT, "modified", 700, "doc {}.docx", delta=512),
        "sudden_growth": lambda: share.burst(INCIDENT, "created", 60, "film {}.mov", delta=2 * 10**9),
        "permission_opening": lambda: share.burst(
            INCIDENT, "acl_changed", 3, "doc {}.docx", acl_changed=True, acl=OPEN, old_acl=CLOSED
        ),
    }
    plant[rule]()
    found = [a for a in share.insights().alerts(since=INCIDENT - timedelta(hours=1)) if a.rule == rule]
    assert len(found) == 1
    alert = found[0]
    assert INCIDENT.replace(minute=0) <= alert.first_at <= INCIDENT
    assert INCIDENT < alert.last_at < INCIDENT + timedelta(hours=1)
    assert alert.folders == ["Projects/Team"]
    assert len(alert.sample_paths) in {3, 5}
    assert alert.score >= 1
    assert "Projects" in alert.sentence()


def test_files_written_under_a_new_extension_while_the_originals_go_are_found():
    share = Share()
    share.burst(INCIDENT, "created", 80, "doc {}.crypt", delta=500_000)
    share.burst(INCIDENT, "deleted", 80, "doc {}.docx", delta=-500_000)
    assert "new_extension" in {a.rule for a in share.insights().alerts(since=INCIDENT - timedelta(hours=1))}


def test_a_new_kind_of_project_is_no_burst_of_a_new_extension():
    share = Share()
    share.burst(INCIDENT, "created", 90, "table {}.parquet", delta=500_000)
    share.burst(
        INCIDENT + timedelta(minutes=9),
        "renamed",
        40,
        "t {}.parquet",
        old_path="Projects/Team/table {}.parquet",
    )
    assert not list(share.insights().alerts(since=INCIDENT - timedelta(hours=1)))


def test_a_folder_deleted_without_a_word_on_its_files_counts_its_files():
    share = Share()
    share.change(INCIDENT, "deleted", "Archive", type="folder", guid="g:folder", delta=None)
    share.objects = [
        {"folder_id": 1, "guid": f"g:buried {i}", "path": f"Projects/Team/Archive/{i % 7}/buried {i}.docx",
         "type": "file", "deleted": True, "cloud_folder": "Projects", "size": 1, "extension": "docx",
         "portal_modified_date": START}
        for i in range(300)
    ]  # fmt: skip
    found = [
        a for a in share.insights().alerts(since=INCIDENT - timedelta(hours=1)) if a.rule == "mass_deletion"
    ]
    assert [(a.rule, a.value >= 301) for a in found] == [("mass_deletion", True)]


def test_access_that_narrows_or_opens_to_a_person_raises_no_alert():
    share = Share()
    one = "D:(A;;FA;;;BA)(A;;FA;;;S-1-5-21-1-2-3-1107)"
    share.burst(INCIDENT, "acl_changed", 9, "doc {}.docx", acl_changed=True, acl=one, old_acl=CLOSED)
    share.burst(INCIDENT, "acl_changed", 9, "doc {}.docx", acl_changed=True, acl=CLOSED, old_acl=OPEN)
    assert not list(share.insights().alerts(since=INCIDENT - timedelta(hours=1)))


def test_an_incident_over_several_hours_is_one_alert():
    share = Share()
    for hour in range(4):
        share.burst(INCIDENT + timedelta(hours=hour), "deleted", 500, "doc {}.docx")
    found = [
        a for a in share.insights().alerts(since=INCIDENT - timedelta(hours=1)) if a.rule == "mass_deletion"
    ]
    assert len(found) == 1
    assert found[0].value >= 2000
    assert found[0].last_at > INCIDENT + timedelta(hours=3)


def test_an_incident_keeps_its_id_however_a_window_slides_over_it():
    share = Share()
    for minute in range(150):
        share.burst(INCIDENT + timedelta(minutes=minute), "deleted", 25, f"doc {minute} {{}}.docx")
    insights, ids = share.insights(), set()
    for quarter in range(1, 14):
        now = INCIDENT + timedelta(minutes=15 * quarter)
        window = {"since": now - timedelta(hours=1), "until": now}
        ids.add(tuple(a.id for a in insights.alerts(**window) if a.rule == "mass_deletion"))
    assert len(ids - {()}) == 1


def test_what_goes_on_for_days_is_told_anew_each_day():
    hours = pd.DataFrame(
        {
            "rule": "mass_deletion",
            "cloud_folder": "P",
            "hour": range(0, 60, 2),
            "value": 500.0,
            "expected": 1.0,
            "score": 40.0,
        }
    )
    found = merged(hours)
    assert [int((b.first_hour - a.first_hour).total_seconds() // 3600) for a, b in pairwise(found)] == [
        24,
        24,
    ]
    assert sum(alert.value for alert in found) == 30 * 500
    assert [a.id for a in merged(hours, lambda _, __, hour: hour == 30)] == [found[1].id]


@pytest.mark.parametrize("happened", ["five hours ago", "three weeks ago", "in five hours", "in 1970"])
def test_a_watch_tells_what_is_new_to_it_whenever_it_happened(happened: str):
    now = datetime.now(UTC)
    hour = now.replace(minute=0, second=0, microsecond=0)  # an hour of few deletions does not count
    at = {
        "five hours ago": hour - timedelta(hours=5),
        "three weeks ago": hour - timedelta(weeks=3),
        "in five hours": hour + timedelta(hours=5),
        "in 1970": datetime(1970, 1, 1, 7, tzinfo=UTC),
    }[happened]
    share = Share()
    share.burst(at, "deleted", 3000, "late {}.docx", collected_at=now - timedelta(minutes=10))
    insights = share.insights()
    told = [a for a in insights.alerts(since="1h") if a.rule == "mass_deletion"]
    assert [a.value for a in told] == [3000]
    assert [a.id for a in insights.alerts(since=timedelta(hours=1))] == [
        a.id for a in insights.alerts(since="1h")
    ]
    assert [a.id for a in insights.alerts(collected_since=now - timedelta(hours=1))] == [a.id for a in told]
    assert not list(insights.alerts(since="5m"))
    assert "collected since" in insights.alerts(since="1h").period
    # The other question, about the time of the changes, has its own answer.
    by_time = insights.alerts(since=now - timedelta(hours=1), until=now)
    assert not [a for a in by_time if a.rule == "mass_deletion"]
    with pytest.raises(UsageError, match="not both"):
        insights.alerts(since="1h", collected_since="2h")


def test_files_under_a_folder_deleted_late_without_a_word_are_told_by_the_watch():
    now = datetime.now(UTC)
    share = Share()
    at = now - timedelta(hours=9)
    share.change(at, "deleted", "Archive", type="folder", guid="g:folder", delta=None, collected_at=now)
    share.objects = [
        {"folder_id": 1, "guid": f"g:buried {i}", "path": f"Projects/Team/Archive/buried {i}.docx",
         "type": "file", "deleted": True, "cloud_folder": "Projects", "size": 1, "extension": "docx",
         "portal_modified_date": START}
        for i in range(900)
    ]  # fmt: skip
    assert [a.rule for a in share.insights().alerts(since="1h")] == ["mass_deletion"]


def planted() -> Insights:
    share = Share()
    share.burst(INCIDENT, "deleted", 700, "doc {}.docx")
    share.burst(INCIDENT, "acl_changed", 3, "open {}.docx", acl_changed=True, acl=OPEN, old_acl=CLOSED)
    return share.insights()


@pytest.mark.parametrize(
    ("lost", "failing"),
    [
        ("old_path", {"new_extension"}),
        ("acl", {"permission_opening"}),
        ("guid", {"rewrite_burst", "mass_deletion"}),
    ],
)
@pytest.mark.parametrize("since", [INCIDENT - timedelta(hours=1), "10000d"])
def test_a_rule_that_cannot_run_is_named_and_the_others_stand(lost: str, failing: set[str], since: Any):
    insights = planted()
    insights.connection.execute(f"ALTER TABLE activity DROP {lost}")
    alerts = insights.alerts(since=since)
    assert {failure.rule for failure in alerts.failures} == failing
    others = {"mass_deletion", "permission_opening"} - failing
    assert others <= {alert.rule for alert in alerts}
    for text in (alerts.text(), alerts._repr_html_(), alerts.to_json()):
        assert all(f"{rule} failed" in text for rule in failing)
    assert f"{len(failing)} rule" in alerts.subject()
    assert alerts.exit_code == 10
    told = insights.preview().df().set_index("rule").alerts
    assert told[sorted(failing)].isna().all()
    assert told[sorted(others)].notna().all()


def test_a_failed_rule_is_never_no_alerts():
    insights = planted()
    insights.connection.execute("ALTER TABLE activity DROP acl")
    alerts = insights.alerts(since="2099-01-01")
    assert (len(alerts), alerts.exit_code, alerts.quiet) == (0, 1, False)
    assert "1 rule failed" in alerts.subject()


def test_what_fails_for_every_rule_is_an_error_of_the_store():
    insights = planted()
    insights.connection.execute("ALTER TABLE activity DROP phase")
    with pytest.raises(InsightsError, match="phase"):
        insights.alerts()


def test_permissions_that_cannot_be_read_are_counted_and_named():
    share = Share()
    share.burst(INCIDENT, "acl_changed", 3, "odd {}.docx", acl_changed=True, acl="rwxr-xr-x", old_acl=CLOSED)
    insights = share.insights()
    alerts = insights.alerts()
    assert alerts.unreadable is not None
    assert alerts.unreadable.changes == 3
    assert "3 changes of permissions could not be read" in alerts.text()
    assert "Projects/Team/odd" in alerts.text()
    assert alerts.as_dict()["unreadable_permissions"]["changes"] == 3
    assert insights.alerts(since="2099-01-01").unreadable is None
    assert insights.permission_changes().df().gained.eq("unreadable").all()


def test_one_wrong_clock_makes_nothing_new():
    share = Share()
    share.change(datetime(1, 1, 2, tzinfo=UTC), "created", "lost clock.docx")
    usual = Share()
    assert {a.id for a in share.insights().alerts()} == {a.id for a in usual.insights().alerts()}


def test_the_preview_counts_what_each_sensitivity_raises(quiet: Insights):
    table = quiet.preview().df()
    assert set(table.rule) == {rule.name for rule in RULES}
    assert sorted(set(table.sensitivity)) == list(SENSITIVITIES)
    assert table.months[0] == pytest.approx(35 / 30.44, rel=0.05)
    for name, part in table.groupby("rule"):
        counts = part.sort_values("sensitivity").alerts
        if name != "mass_deletion":  # there, more hours merge into one alert
            assert counts.is_monotonic_increasing
    for sensitivity in SENSITIVITIES:
        raised = quiet.alerts(sensitivity=sensitivity).df().rule.value_counts()
        told = table[table.sensitivity == sensitivity].set_index("rule").alerts
        assert {rule: n for rule, n in told.items() if n} == raised.to_dict()


def test_a_sensitivity_out_of_range_is_refused(quiet: Insights):
    for wrong in (0, -1, 9, float("nan")):
        with pytest.raises(UsageError, match="sensitivity"):
            quiet.alerts(sensitivity=wrong)


def test_alerts_are_told_as_text_json_frame_and_exit_code():
    share = Share()
    share.burst(INCIDENT, "deleted", 700, "a\nb {}.docx")
    alerts = share.insights().alerts(since=INCIDENT - timedelta(hours=1))
    assert alerts.exit_code == 10
    assert "1 alert in Projects" in alerts.subject()
    assert r"a\nb 0.docx" in alerts.text()
    assert "Mass deletion in Projects: 7" in alerts.text()
    assert alerts.as_dict()["alerts"][0]["rule"] == "mass_deletion"
    assert alerts.df().first_at.dt.tz is not None
    assert "<b>" in alerts._repr_html_()
    again = share.insights().alerts(since=INCIDENT - timedelta(days=1))
    assert alerts[0].id in {alert.id for alert in again}


def test_an_empty_store_is_quiet():
    share = Share(days=0)
    share.change(START, "created", "only.txt")
    insights = share.insights()
    insights.connection.execute("DELETE FROM activity")
    assert insights.alerts().exit_code == 0
    assert "no alerts" in insights.alerts().text()
    assert insights.preview().df().alerts.sum() == 0


def test_what_lives_on_under_its_path_neither_went_nor_came():
    """A Portal restored from a backup numbers its objects anew; what is really gone by then still counts."""
    for gone, rules in ((0, set()), (150, {"mass_deletion"})):
        share = Share()
        at = INCIDENT
        share.burst(at, "deleted", 400, "doc {}.docx", epoch=2, seq=None, size_delta=-(10**8))
        share.burst(at, "created", 400 - gone, "doc {}.docx", epoch=2, size_delta=10**8)
        found = {alert.rule for alert in share.insights().alerts(since=at - timedelta(hours=1))}
        assert found == rules
