"""Cloud folders by name and owner."""

import asyncio

import pytest
from aiohttp import web

from ctera_insights.errors import CloudFolderNotFound, TooManyCloudFolders, UsageError
from ctera_insights.portal import AsyncGlobalAdmin, CloudFolder


@pytest.mark.parametrize(
    ("cloudfolders", "ids"),
    [
        (None, []),
        ([16], [16]),
        ([40, 16, 40], [40, 16]),
        ([CloudFolder("Projects", "svc")], [16]),
        ([CloudFolder("Legal", "slee@acme.com")], [40]),
        ([CloudFolder("Legal", ("slee", "acme.com"))], [40]),
        ((CloudFolder("Projects", ("svc", None)), 40), [16, 40]),
    ],
)
async def test_finds_folders_by_id_or_by_name_and_owner(cloudfolders, ids, admin):
    """Local and domain owners, ids, and both together; None alone means all."""
    assert await admin.notifications.folder_ids(cloudfolders) == ids


async def test_takes_the_reference_clients_objects(admin):
    """Programs written for the reference client pass its own types."""
    from cterasdk.core.types import CloudFSFolderFindingHelper, UserAccount

    folder = CloudFSFolderFindingHelper("Legal", UserAccount("slee", "acme.com"))
    page = await admin.notifications.get([folder])
    assert {event.folder_id for event in page} == {40}


async def test_a_folder_lists_its_own_events_only(admin):
    """The events of other folders do not come along, in pages and in long-polls."""
    folders = [CloudFolder("Projects", "svc")]
    page = await admin.notifications.get(folders)
    assert {event.folder_id for event in page} == {16}
    assert not await admin.notifications.changes(page.cursor, folders, timeout=10)


@pytest.mark.parametrize(
    "folder",
    [
        CloudFolder("No Such Folder", "svc"),
        CloudFolder("Projects", "nobody"),
        CloudFolder("Projects", "nobody@acme.com"),
        CloudFolder("Legal", "svc"),
        CloudFolder("", "svc"),
    ],
)
async def test_what_matches_nothing_is_an_error(folder, portal, admin):
    """An unknown folder or owner is never taken for "all folders", not even beside a known one."""
    for folders in ([folder], [16, folder]):
        with pytest.raises(CloudFolderNotFound):
            await admin.notifications.get(folders)
    assert portal.requests["list"] == 0


@pytest.mark.parametrize(
    "cloudfolders", [[], (), "Projects", 16, ["Projects"], [True], [None], [("Projects",)]]
)
async def test_what_is_no_list_of_folders_is_refused(cloudfolders, portal, admin):
    """An empty list or another type is a mistake, not "all folders"."""
    with pytest.raises(UsageError):
        await admin.notifications.get(cloudfolders)
    assert portal.requests["list"] == 0


@pytest.mark.parametrize("owner", ["", ("svc",), ("svc", 7), 7, ("", "acme.com")])
async def test_what_is_no_owner_is_refused(owner, admin):
    """An owner that cannot be read is a mistake."""
    with pytest.raises(UsageError):
        await admin.notifications.get([CloudFolder("Projects", owner)])


async def test_a_folder_is_looked_up_once(portal, admin):
    """Not before every call, and not twice when asked for at the same time."""
    folder = CloudFolder("Projects", "svc")
    pages = await asyncio.gather(*[admin.notifications.get([folder]) for _ in range(5)])
    assert portal.requests["users"] == portal.requests["cloud-drives"] == 1
    await admin.notifications.changes(pages[0].cursor, [folder], timeout=10)
    assert portal.requests["users"] == 1
    await admin.portals.browse("5")
    await admin.notifications.get([folder])
    assert portal.requests["users"] == 2


@pytest.mark.parametrize("name", ["a/b", "100 %", "Größe 📣", "<&>\"'", "..", "x?y#z", "a b+c"])
async def test_names_may_hold_anything(name, world, admin):
    """Folder and user names are quoted as the wire needs it."""
    uid = world.cloud_folder(name, owner=name, domain="acme.com").cloud_folder.uid
    assert await admin.notifications.folder_ids([CloudFolder(name, (name, "acme.com"))]) == [uid]


async def test_many_folders_of_one_name_are_all_found(world, portal, admin):
    """The Portal answers 50 at a time; all parts are read."""
    uids = [world.register("Home", owner="many").uid for _ in range(120)]
    assert await admin.notifications.folder_ids([CloudFolder("Home", "many")]) == uids
    assert portal.requests["cloud-drives"] == 3


async def test_more_folders_than_the_portal_lists_are_refused_with_the_limit(admin):
    """The limit of the Portal is told, for pages and for long-polls alike, with and without a cursor."""
    folders = list(range(100, 151))
    cursor = (await admin.notifications.get()).cursor
    for asking in (
        admin.notifications.get(folders),
        admin.notifications.get(folders, cursor),
        admin.notifications.changes(cursor, folders),
        admin.notifications.list_raw(None, folders),
    ):
        with pytest.raises(TooManyCloudFolders, match=r"0 to 50 .*51 were asked for"):
            await asking


async def test_a_portal_whose_filter_lets_other_names_pass(served):
    """Folders that do not bear the name asked for are left out; what is no folder does no harm."""
    drives = "".join(
        f'<obj><att id="uid"><val>{uid}</val></att><att id="name"><val>{name}</val></att></obj>'
        for uid, name in [(1, "Other"), (2, "home"), (3, ""), (4, "HOME")]
    )

    async def handler(request):
        name = request.path.rpartition("/")[2]
        if name == "cloudDrives":
            text = f'<obj><att id="objects"><list>{drives}<val>x</val></list></att></obj>'
        elif name == "svc":
            text = '<obj><att id="uid"><val>7</val></att><att id="name"><val>svc</val></att></obj>'
        else:
            text = "<obj></obj>" if name == "currentSession" else "<val></val>"
        return web.Response(text=text, headers={"Set-Cookie": "JSESSIONID=1"})

    async with served(handler) as url, AsyncGlobalAdmin(url) as admin:
        await admin.login("jo", "secret")
        assert await admin.notifications.folder_ids([CloudFolder("home", "svc")]) == [2, 3, 4]
