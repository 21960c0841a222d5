"""What a feed is of: one spelling for one Portal, refusals with a way out, two feeds of the same events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctera_insights.errors import StoreDamaged, UsageError
from ctera_insights.lake import FeedWriter, Lake, Origin, admit, feed_name, overlaps
from ctera_insights.lake.feeds import origins
from tests.lake.conftest import page

if TYPE_CHECKING:
    from pathlib import Path

PORTAL = "https://portal.example.com"
ALL = Origin.of(PORTAL, "admin")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def collected(lake: Lake, feed: str) -> None:
    with FeedWriter(lake, feed) as writer:
        writer.commit([page(["a"])], [], cursor="c", caught_up=True)


def begin(lake: Lake, feed: str, origin: Origin, **options: bool) -> list[str]:
    """Admit a feed, and let it commit a batch."""
    words = admit(lake, feed, origin, **options)
    collected(lake, feed)
    return words


@pytest.mark.parametrize(
    "spelling",
    [
        "portal.example.com",
        "PORTAL.Example.COM",
        "https://portal.example.com/",
        "https://portal.example.com:443",
        "http://portal.example.com:80/admin",
        "portal.example.com.",
        "HTTPS://portal.example.com.:443/ServicesPortal/#/files",
    ],
)
def test_spellings_of_one_address_are_one_portal(spelling: str) -> None:
    assert Origin.of(spelling, "admin") == ALL
    assert feed_name(spelling, "admin") == "portal.example.com/admin"


@pytest.mark.parametrize(
    "other", ["portal.example.com:8443", "portal.example.org", "http://portal.example.com:81"]
)
def test_other_addresses_are_other_portals(other: str) -> None:
    assert Origin.of(other, "admin").portal != ALL.portal


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (Origin.of("https://other.example.com", "admin"), "another Portal"),
        (Origin.of(PORTAL, "ServicesPortal"), "another context"),
        (Origin.of(PORTAL, "admin", [7]), "another set of cloud folders"),
        (Origin.of(PORTAL, "admin", tenant="beta"), "another tenant"),
    ],
)
def test_a_feed_refuses_what_it_is_not_of(lake: Lake, other: Origin, what: str) -> None:
    """With the names of both, and the way out; and the record stays."""
    mine = Origin.of(PORTAL, "admin", tenant="alpha")
    begin(lake, "f", mine)
    with pytest.raises(UsageError, match=what) as refused:
        admit(Lake(lake.uri), "f", other)
    assert "portal.example.com" in str(refused.value)
    assert other.portal in str(refused.value)
    assert "--feed" in str(refused.value)
    assert origins(lake) == {"f": mine}


def test_another_users_folders_are_another_feed(lake: Lake) -> None:
    """In the end users' portal, all cloud folders are all of that user."""
    begin(lake, "f", Origin.of(PORTAL, "ServicesPortal", user="Ann"))
    assert admit(lake, "f", Origin.of(PORTAL, "ServicesPortal", user="ann")) == []
    with pytest.raises(UsageError, match="another user"):
        admit(lake, "f", Origin.of(PORTAL, "ServicesPortal", user="bob"))
    assert admit(lake, "f", Origin.of(PORTAL, "ServicesPortal", user="bob"), portal_moved=True) == []


def test_a_portal_that_moved_takes_its_feed_along(lake: Lake) -> None:
    """Only the address changes with it; from then on the new one counts."""
    begin(lake, "f", ALL)
    moved = Origin.of("https://new.example.com", "admin")
    with pytest.raises(UsageError, match="--portal-moved"):
        admit(lake, "f", moved)
    with pytest.raises(UsageError, match="another set of cloud folders"):
        admit(lake, "f", Origin.of("https://new.example.com", "admin", [1]), portal_moved=True)
    assert admit(lake, "f", moved, portal_moved=True) == []
    assert admit(lake, "f", moved) == []
    with pytest.raises(UsageError, match="another Portal"):
        admit(lake, "f", ALL)


def test_a_portal_that_moved_needs_the_feed_that_goes_on(lake: Lake) -> None:
    """A new address makes a new default name: without a word, everything would come a second time."""
    moved = Origin.of("https://new.example.com", "admin")
    begin(lake, ALL.name, ALL)
    with pytest.raises(UsageError, match=f"--feed {ALL.name}"):
        admit(lake, moved.name, moved, portal_moved=True)
    assert admit(lake, ALL.name, moved, portal_moved=True) == []
    with pytest.raises(UsageError, match=f"Go on with --feed {ALL.name}"):
        admit(lake, moved.name, moved)


def test_a_portal_of_an_unknown_address_may_be_a_known_one(lake: Lake) -> None:
    """An address and a name lead to one Portal, and nothing tells: so it is said when the feed begins."""
    begin(lake, ALL.name, ALL)
    (word,) = begin(lake, "10.0.0.1/admin", Origin.of("10.0.0.1", "admin"))
    assert f"--portal-moved --feed {ALL.name}" in word
    assert admit(lake, "10.0.0.1/admin", Origin.of("10.0.0.1", "admin")) == []


def test_a_tenant_that_the_portal_tells_later_is_noted(lake: Lake) -> None:
    begin(lake, "f", ALL)
    admit(lake, "f", Origin.of(PORTAL, "admin", tenant="alpha"))
    admit(lake, "f", ALL)
    assert origins(lake)["f"].tenant == "alpha"
    with pytest.raises(UsageError, match="another tenant"):
        admit(lake, "f", Origin.of(PORTAL, "admin", tenant="beta"))


def test_a_feed_that_never_got_anything_is_of_nothing_yet(lake: Lake) -> None:
    """A mistyped start does not bind the next one."""
    collected(lake, "other")
    admit(lake, "f", Origin.of(PORTAL, "admin", [99]), allow_overlap=True)
    admit(lake, "f", Origin.of(PORTAL, "admin", [9]), allow_overlap=True)
    assert origins(lake)["f"].cloud_folders == (9,)


def test_a_feed_under_way_counts_though_it_has_not_committed_yet(lake: Lake) -> None:
    """The inventory of a large Portal takes a while; a notebook started beside it must not double it."""
    with lake.locks.writer("f"):
        admit(lake, "f", ALL, allow_overlap=True)
        with pytest.raises(UsageError, match="'f'"):
            admit(lake, "g", Origin.of(PORTAL, "admin", [7]), allow_overlap=False)
        assert any("'f'" in words for words in admit(lake, "g", ALL, allow_overlap=True))
    assert admit(lake, "h", ALL) == []


@pytest.mark.parametrize("name", ["", "ctera-insights:f", "caf\udce9"])
def test_what_no_feed_can_be_called_is_refused_before_anything_is_written(lake: Lake, name: str) -> None:
    """Bytes of a terminal in another encoding would leave a table that nothing can read."""
    with pytest.raises(UsageError, match="cannot be called"):
        admit(lake, name, ALL)
    assert not lake.feeds.exists()


def test_a_user_name_of_any_bytes_can_be_noted(lake: Lake) -> None:
    begin(lake, "f", Origin.of(PORTAL, "ServicesPortal", user="jos\udce9"))
    admit(lake, "f", Origin.of(PORTAL, "ServicesPortal", user="JOS\udce9"))


OVERLAPPING = [
    (ALL, ALL),
    (ALL, Origin.of(PORTAL, "admin", [7])),
    (Origin.of(PORTAL, "admin", [7]), ALL),
    (Origin.of(PORTAL, "admin", [7, 8]), Origin.of(PORTAL, "admin", [8, 9])),
    (Origin.of(PORTAL, "admin", tenant="alpha"), ALL),
]
APART = [
    (Origin.of(PORTAL, "admin", [7]), Origin.of(PORTAL, "admin", [8, 9])),
    (ALL, Origin.of("https://other.example.com", "admin")),
    (Origin.of(PORTAL, "admin", tenant="alpha"), Origin.of(PORTAL, "admin", tenant="beta")),
]


@pytest.mark.parametrize(("first", "second"), OVERLAPPING)
def test_a_second_feed_of_the_same_events_is_refused_unless_one_insists(
    lake: Lake, first: Origin, second: Origin
) -> None:
    """Then it goes on without being asked again, and `check` has a word for it."""
    begin(lake, "one", first)
    with pytest.raises(UsageError, match="counted twice") as refused:
        admit(lake, "two", second)
    assert "--allow-overlap" in str(refused.value)
    assert "--feed one" in str(refused.value)
    assert overlaps(lake) == []
    assert len(begin(lake, "two", second, allow_overlap=True)) == 1
    assert admit(lake, "two", second) == []
    assert len(overlaps(lake)) == 1
    assert lake.check() == []


@pytest.mark.parametrize(("first", "second"), APART)
def test_feeds_of_different_events_live_side_by_side(lake: Lake, first: Origin, second: Origin) -> None:
    begin(lake, "one", first)
    words = begin(lake, "two", second)
    assert words == [] or (first.portal != second.portal and "another address" in words[0])
    assert admit(lake, "two", second) == []
    assert overlaps(lake) == []


def test_one_portal_in_two_contexts_brings_the_same_files(lake: Lake) -> None:
    """An end user's files are the administrator's, too."""
    begin(lake, "one", ALL)
    user = Origin.of(PORTAL, "ServicesPortal", user="ann")
    with pytest.raises(UsageError, match="--allow-overlap"):
        begin(lake, "two", user)
    (word,) = begin(lake, "two", user, allow_overlap=True)
    assert "counted twice" in word
    assert len(overlaps(lake)) == 1


def test_a_store_from_before_is_adopted_and_known_by_its_names(lake: Lake) -> None:
    """A default name tells what the feed is of; one that a person gave does not."""
    collected(lake, "portal.example.com/admin")
    assert admit(lake, "portal.example.com/admin", ALL) == []
    assert origins(lake) == {"portal.example.com/admin": ALL}
    collected(lake, "other.example.com/admin/7,8")
    with pytest.raises(UsageError, match="overlaps"):
        admit(lake, "mine", Origin.of("other.example.com", "admin", [8]))
    assert admit(lake, "mine", Origin.of("other.example.com", "admin", [9])) == []
    collected(lake, "office")
    with pytest.raises(UsageError, match="Nothing tells which Portal the feed 'office'"):
        admit(lake, "new", Origin.of("third.example.com", "admin"))
    admit(lake, "office", Origin.of("fourth.example.com", "admin"))
    (word,) = admit(lake, "new", Origin.of("third.example.com", "admin"))
    assert "another address" in word


def test_the_record_survives_clean_up_and_a_lost_table_is_written_anew(lake: Lake) -> None:
    """Whatever becomes of logs: the rows tell it; and without them, the next start does."""
    import shutil
    from pathlib import Path

    begin(lake, "f", ALL)
    lake.feeds.delta().create_checkpoint()
    for entry in (Path(lake.uri) / "feeds" / "_delta_log").glob("*.json"):
        entry.unlink()
    assert origins(Lake(lake.uri)) == {"f": ALL}
    (data,) = lake.feeds.snapshot().uris()
    Path(data).unlink()
    with pytest.raises(StoreDamaged, match="feeds"):
        origins(Lake(lake.uri))
    shutil.rmtree(Path(lake.uri) / "feeds")
    assert admit(Lake(lake.uri), "f", ALL) == []
    assert origins(Lake(lake.uri)) == {"f": ALL}


ids = st.lists(st.integers(1, 12), max_size=4)


@given(ids, ids, st.sampled_from(["alpha", "beta", None]), st.sampled_from(["alpha", "beta", None]))
def test_overlap_is_what_both_may_bring(a: list[int], b: list[int], one: str | None, two: str | None) -> None:
    """Against sets of events: the cloud folders of every tenant that each may see."""

    def events(folders: list[int], tenant: str | None) -> set[tuple[str, int]]:
        tenants = [tenant] if tenant else ["alpha", "beta"]
        return {(name, folder) for name in tenants for folder in folders or range(1, 13)}

    first, second = Origin.of(PORTAL, "admin", a, tenant=one), Origin.of(PORTAL, "admin", b, tenant=two)
    assert first.overlaps(second) == second.overlaps(first) == bool(events(a, one) & events(b, two))
