"""Pages, long-polls, cursors, ancestors."""

import json
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from ctera_insights.errors import (
    AncestorsNotFound,
    CursorRefused,
    PortalRefused,
    TooManyCloudFolders,
    UnreadableAnswer,
    UsageError,
)
from ctera_insights.model import Event
from ctera_insights.portal import AsyncGlobalAdmin, RetryPolicy

ONCE = RetryPolicy(attempts=1)


@pytest.fixture
def saying(served):
    """A client of a Portal that gives one answer to everything asked of the Notification Service."""

    @asynccontextmanager
    async def connect(body, status=200):
        async def handler(request):
            if "/v2/" in request.path:
                return web.Response(body=body, status=status)
            text = "<obj></obj>" if request.path.endswith("currentSession") else "<val></val>"
            return web.Response(text=text, headers={"Set-Cookie": "JSESSIONID=1"})

        async with served(handler) as url, AsyncGlobalAdmin(url, retries=ONCE) as admin:
            await admin.login("jo", "secret")
            yield admin

    return connect


async def test_pages_through_everything_then_what_is_new(world, admin):
    """Small pages give every state once, in order; then only what changed."""
    notifications = admin.notifications
    names, cursor, more = [], None, True
    while more:
        page = await notifications.get(cursor=cursor, max_results=2)
        assert len(page) <= 2
        names += [event.name for event in page]
        cursor, more = page.cursor, page.has_more
    assert names == [
        "Projects",
        "Reports 📣",
        "2026 final.docx",
        "plan.txt",
        "Legal",
        "contract.pdf",
        "notes",
    ]
    plan = world.find("Projects/plan.txt")
    world.rename(plan, "plan b.txt")
    world.delete(world.find("Legal/notes"))
    page = await notifications.get(cursor=cursor)
    assert [(event.name, event.deleted) for event in page] == [("plan b.txt", False), ("notes", True)]
    assert not page.has_more
    assert not await notifications.get(cursor=page.cursor)


async def test_events_have_the_wires_fields_and_values(admin):
    """Every documented field is there under its name; ids are numbers, times the Portal's text."""
    page = await admin.notifications.get([16])
    raw = json.loads((await admin.notifications.list_raw(None, [16])).body)
    for event, entry in zip(page, raw["entries"], strict=True):
        assert {key: getattr(event, key) for key in entry} == entry
        assert event.extra == {}
    assert raw["cursor"] == page.cursor


async def test_an_empty_cursor_is_the_beginning(admin):
    """A cursor file that is empty starts from the beginning, as null does."""
    assert len(await admin.notifications.get(cursor="")) == 7


@pytest.mark.parametrize("max_results", [0, -1, True, "10"])
async def test_a_page_has_room_for_something(max_results, admin):
    """A page size that makes no sense is refused."""
    with pytest.raises(UsageError, match="max_results"):
        await admin.notifications.get(max_results=max_results)


@pytest.mark.parametrize(
    ("fault", "extra"),
    [
        ("unknown-key", True),
        ("wrong-type", True),
        ("unknown-type", False),
        ("old-name", False),
        ("missing-key", False),
        ("null", False),
        ("bare-tombstone", False),
    ],
)
async def test_entries_of_an_unknown_shape_survive(fault, extra, portal, admin):
    """Fields unknown, missing, null or of another type lose no event."""
    portal.faults.add(fault)
    page = await admin.notifications.get()
    assert len(page) + len(page.rejects) == 7
    assert not page.rejects
    assert portal.faults.fired[fault] > 0 or fault == "bare-tombstone"
    assert any(event.extra for event in page) is extra


async def test_what_cannot_be_read_is_handed_over(portal, admin):
    """An entry that is none comes back byte for byte, with its place."""
    portal.faults.add("unreadable", limit=2)
    page = await admin.notifications.get()
    assert len(page) == 5
    assert len(page.rejects) == 2
    assert "2 rejects" in repr(page)


async def test_waits_for_changes(world, admin):
    """True as soon as something is listable, False when the time is up."""
    cursor = (await admin.notifications.get()).cursor
    assert not await admin.notifications.changes(cursor, timeout=50)
    assert not await admin.notifications.wait_for_changes(cursor, [], 0.05)
    world.create(world.find("Projects"), "new.txt")
    assert await admin.notifications.changes(cursor)
    assert await admin.notifications.wait_for_changes(cursor, [])


async def test_an_early_no_is_asked_again_without_spinning(portal, admin):
    """A Portal that does not hold the request is asked a few times until the time is up, not thousands."""
    cursor = (await admin.notifications.get()).cursor
    portal.faults.add("early", to="false")
    assert not await admin.notifications.wait_for_changes(cursor, [], 0.5)
    assert 2 <= portal.requests["longpoll"] <= 4


@pytest.mark.parametrize(("said", "changes"), [("true", True), ("1", True), ('"true"', True)])
async def test_reads_any_way_to_say_yes(said, changes, saying):
    """Booleans, numbers and text are understood."""
    async with saying(b'{"changes": %s}' % said.encode()) as admin:
        assert await admin.notifications.changes("c1") is changes


@pytest.mark.parametrize("body", [b"{}", b'{"changes":null}', b'{"changes":[]}', b"[]", b"", b"{"])
async def test_a_long_poll_that_says_nothing_is_unreadable(body, saying):
    """A missing answer is not taken for a no."""
    async with saying(body) as admin:
        with pytest.raises(UnreadableAnswer):
            await admin.notifications.changes("c1")


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"entries":[]}',
        b'{"has_more":false,"cursor":null,"entries":[]}',
        b'{"a":1}}',
        b"null",
        b'{"\xff":1}',
    ],
)
async def test_a_page_that_is_none_is_unreadable(body, saying):
    """A page without cursor or entries is unreadable: going on would start the feed over, or lose events."""
    async with saying(body) as admin:
        with pytest.raises(UnreadableAnswer):
            await admin.notifications.get()


async def test_raw_pages_come_as_they_are(saying):
    """The raw page is not touched, whatever it holds."""
    body = b' {"has_more":false,  "cursor":"c","entries":[ {"x":1e400} ]}\n'
    async with saying(body) as admin:
        page = await admin.notifications.list_raw(None, [])
        assert (page.body, page.cursor, page.has_more) == (body, "c", False)


async def test_a_refused_cursor_is_told_with_the_portals_words(portal, admin):
    """Listing and waiting with a cursor that the Portal refuses ends in CursorRefused, at once."""
    cursor = (await admin.notifications.get()).cursor
    portal.faults.add("cursor")
    for asking in (
        admin.notifications.get(cursor=cursor),
        admin.notifications.changes(cursor),
        admin.notifications.list_raw(cursor, []),
    ):
        with pytest.raises(CursorRefused, match="The cursor has expired") as caught:
            await asking
        assert caught.value.status == 400
    assert portal.faults.fired["cursor"] == 3
    with pytest.raises(CursorRefused):
        await admin.notifications.get(cursor="not a cursor")


@pytest.mark.parametrize("status", [400, 404, 410, 422])
async def test_a_refusal_without_a_cursor_is_a_plain_refusal(status, saying):
    """In the Portal's own words; what other words mean is told in test_gateways.py."""
    async with saying(b'{"msg":"Not possible"}', status) as admin:
        with pytest.raises(PortalRefused, match="Not possible") as caught:
            await admin.notifications.get()
        assert not isinstance(caught.value, CursorRefused)


async def test_a_message_about_the_cursor_means_the_cursor(saying):
    """Even without a cursor sent, the Portal's own word counts."""
    async with saying(b'{"msg":"Invalid Cursor"}', 400) as admin:
        with pytest.raises(CursorRefused, match="Invalid Cursor"):
            await admin.notifications.get()


@pytest.mark.parametrize(
    "body",
    [
        b'{"details":[{"error":"size must be between 0 and 300"}]}',
        b'{"msg":"Invalid","details":[{"field":"ids","error":"size must be between 0 and 300"}]}',
        b'{"msg":"folder_ids: size must be between 0 and 300"}',
        b"size must be between 0 and 300",
    ],
)
async def test_the_folder_limit_is_found_in_any_shape(body, saying):
    """The limit is no matter of the cursor, and is told even when all folders were asked for."""
    async with saying(body, 400) as admin:
        with pytest.raises(TooManyCloudFolders, match=r"0 to 300 .*2 were asked for"):
            await admin.notifications.get([1, 2], "c1")
        with pytest.raises(TooManyCloudFolders, match=r"0 to 300 .*the session sees more"):
            await admin.notifications.changes("c1")


async def test_ancestors_lead_from_the_cloud_folder_to_the_object(admin):
    """Root first, the object last, for an event or for folder id and guid."""
    page = await admin.notifications.get()
    event = next(event for event in page if event.name == "2026 final.docx")
    for descendant in (event, (event.folder_id, event.guid)):
        lineage = await admin.notifications.ancestors(descendant)
        assert [ancestor.name for ancestor in lineage] == ["Projects", "Reports 📣", "2026 final.docx"]
        assert all(isinstance(ancestor, Event) for ancestor in lineage)
    root = page.entries[0]
    assert await admin.notifications.ancestors(root) == [root]


async def test_ancestors_of_what_is_not_there(admin):
    """An unknown object is told with the Portal's words; one without a folder cannot be asked for."""
    with pytest.raises(AncestorsNotFound, match=r"'nobody:1'.*does not exist"):
        await admin.notifications.ancestors((16, "nobody:1"))
    with pytest.raises(UsageError):
        await admin.notifications.ancestors(Event(guid="a:1"))


async def test_other_refusals_of_ancestors_stay_what_they_are(saying):
    """403 is not "no such object"."""
    async with saying(b'{"msg":"no right"}', 403) as admin:
        with pytest.raises(PortalRefused, match="no right"):
            await admin.notifications.ancestors((16, "a:1"))


LINEAGE = [
    {"guid": "a:1", "name": "Folder"},
    {"guid": "a:2", "parent_guid": "a:1", "name": "Dir"},
    {"guid": "a:3", "parent_guid": "a:2", "name": "file.txt", "future_field": [1]},
]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
async def test_ancestors_are_put_in_order(order, saying):
    """Portals that answer in another order, or leave the object out, give the same."""
    async with saying(json.dumps([LINEAGE[n] for n in order]).encode()) as admin:
        lineage = await admin.notifications.ancestors((16, "a:3"))
        assert [event.name for event in lineage] == ["Folder", "Dir", "file.txt"]
        assert lineage[2].extra == {"future_field": [1]}
    async with saying(json.dumps([LINEAGE[n] for n in order if n < 2]).encode()) as admin:
        event = Event(guid="a:3", parent_guid="a:2", folder_id=16, name="file.txt")
        assert [event.name for event in await admin.notifications.ancestors(event)] == [
            "Folder",
            "Dir",
            "file.txt",
        ]


async def test_ancestors_that_do_not_connect_keep_the_portals_order(saying):
    """Without parents to go by, nothing is dropped or moved."""
    loose = [{key: entry[key] for key in ("guid", "name")} for entry in LINEAGE]
    async with saying(json.dumps(loose).encode()) as admin:
        assert [event.name for event in await admin.notifications.ancestors((16, "a:3"))] == [
            "Folder",
            "Dir",
            "file.txt",
        ]


@pytest.mark.parametrize("body", [b"{}", b"null", b"[", b"[1]", b'[{"name":"no guid"}]', b"", b"[nope]"])
async def test_ancestors_that_cannot_be_read(body, saying):
    """Something else than a list of objects is unreadable."""
    async with saying(body) as admin:
        with pytest.raises(UnreadableAnswer):
            await admin.notifications.ancestors((16, "a:1"))
