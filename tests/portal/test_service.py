"""The queue service: what it delivers, when it saves, and how it ends."""

import asyncio
import logging
import threading

import pytest
from aiohttp import web

from ctera_insights.errors import (
    CloudFolderNotFound,
    CursorRefused,
    LoginRefused,
    PortalBusy,
    PortalRefused,
    ServiceStopped,
    UsageError,
)
from ctera_insights.model import Event
from ctera_insights.portal import AsyncGlobalAdmin, CloudFolder, RetryPolicy, Timeouts, notifications

QUICK = RetryPolicy(attempts=60, base_s=0.001, cap_s=0.02, retry_after_cap_s=0.01)
SHORT = Timeouts(connect_s=5, read_s=5, longpoll_s=0.2, longpoll_margin_s=2)
ALL = ["Projects", "Reports 📣", "2026 final.docx", "plan.txt", "Legal", "contract.pdf", "notes"]


@pytest.fixture
def service(admin):
    """The service of a client that is logged in."""
    return admin.notifications.service


@pytest.fixture
def small_pages(monkeypatch):
    """Two events a page."""
    monkeypatch.setattr("ctera_insights.portal.service.PAGE_SIZE", 2)


async def until(condition):
    """Wait until something is so, 20 seconds at most."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  (what it watches is not made for tests)
            await asyncio.sleep(0.005)


class Consumer:
    """A worker as in the manual; it notes the names of events, the cursors saved, and the order of both."""

    def __init__(self):
        self.queue = asyncio.Queue()
        self.names, self.cursors, self.order = [], [], []
        self.task = asyncio.create_task(self._work())

    async def save_cursor(self, cursor):
        self.cursors.append(cursor)
        self.order.append("saved")

    async def reach(self, count):
        await until(lambda: len(self.names) >= count)

    async def saved(self, count):
        await until(lambda: len(self.cursors) >= count)

    async def _work(self):
        while True:
            event = await self.queue.get()
            self.names.append(event.name)
            self.order.append(event.name)
            self.queue.task_done()


@pytest.fixture
async def consumer():
    consumer = Consumer()
    yield consumer
    consumer.task.cancel()


async def test_delivers_what_is_there_and_what_changes(world, service, consumer):
    """The inventory first, then every change, as events with all attributes."""
    assert service.run(consumer.queue, consumer.save_cursor) is None
    await consumer.reach(7)
    assert consumer.names == ALL
    world.rename(world.find("Projects/plan.txt"), "plan b.txt")
    world.delete(world.find("Legal/notes"))
    await consumer.reach(9)
    assert consumer.names[7:] == ["plan b.txt", "notes"]


async def test_goes_on_where_the_last_cursor_was_saved(world, service, consumer):
    """A restart with the saved cursor gives only what is new."""
    service.run(consumer.queue, consumer.save_cursor)
    await consumer.saved(1)
    await service.stop()
    world.create(world.find("Projects"), "while away.txt")
    service.run(consumer.queue, consumer.save_cursor, cursor=consumer.cursors[-1])
    await consumer.reach(8)
    assert consumer.names == [*ALL, "while away.txt"]


@pytest.mark.usefixtures("small_pages")
async def test_saves_a_cursor_after_its_page_is_done_and_before_the_next(service, consumer):
    """The order is: the events of a page, its cursor, the events of the next page."""
    service.run(consumer.queue, consumer.save_cursor)
    await consumer.saved(4)
    assert consumer.order == [
        *ALL[0:2],
        "saved",
        *ALL[2:4],
        "saved",
        *ALL[4:6],
        "saved",
        *ALL[6:],
        "saved",
    ]
    assert len(set(consumer.cursors)) == 4


@pytest.mark.usefixtures("small_pages")
async def test_fetches_one_page_ahead_and_no_more(portal, service):
    """While a page is unfinished the next one is fetched, but neither delivered nor followed by another."""
    queue, saved = asyncio.Queue(), []
    service.run(queue, saved.append)
    await asyncio.sleep(0.3)
    assert portal.requests["list"] == 2
    assert queue.qsize() == 2
    assert saved == []
    for _ in range(2):
        queue.get_nowait()
        queue.task_done()
    await asyncio.sleep(0.3)
    assert portal.requests["list"] == 3
    assert queue.qsize() == 2
    assert len(saved) == 1


async def test_a_bounded_queue_bounds_memory(service):
    """A queue smaller than a page is filled as the consumer takes."""
    queue, saved, names = asyncio.Queue(maxsize=1), [], []
    service.run(queue, saved.append)
    async for event in service.events(queue):
        names.append(event.name)
        assert queue.qsize() <= 1
        if len(names) == 7:
            break
    assert names == ALL


async def test_a_plain_function_may_save_the_cursor(service, consumer):
    """``save_cursor`` need not be a coroutine function."""
    saved = []
    service.run(consumer.queue, saved.append)
    await consumer.reach(7)
    await asyncio.sleep(0.05)
    assert len(saved) == 1


async def test_saves_the_cursor_of_a_page_without_events(served):
    """In a feed that is filtered or quiet the saved cursor keeps up, and the Portal is asked now and then."""
    asked = 0

    async def handler(request):
        nonlocal asked
        name = request.path.rpartition("/")[2]
        if name == "list":
            asked += 1
            return web.json_response({"has_more": False, "cursor": f"c{asked}", "entries": []})
        if name == "longpoll":
            return web.json_response({"changes": True})
        text = "<obj></obj>" if name == "currentSession" else "<val></val>"
        return web.Response(text=text, headers={"Set-Cookie": "JSESSIONID=1"})

    saved = []
    async with served(handler) as url, AsyncGlobalAdmin(url, timeouts=SHORT) as admin:
        await admin.login("jo", "secret")
        admin.notifications.service.run(asyncio.Queue(), saved.append)
        await asyncio.sleep(0.8)
    assert saved[:3] == ["c1", "c2", "c3"]
    assert asked <= 6


@pytest.mark.parametrize("to", ["true", "false"])
async def test_an_early_long_poll_does_not_spin(to, world, portal, service, consumer):
    """A Portal that answers at once is asked at a bounded rate; changes still arrive."""
    portal.faults.add("early", to=to)
    service.run(consumer.queue, consumer.save_cursor)
    await consumer.reach(7)
    await asyncio.sleep(1)
    assert portal.requests["longpoll"] + portal.requests["list"] < 20
    portal.faults.clear()
    world.create(world.find("Projects"), "new.txt")
    await consumer.reach(8)


async def test_more_that_never_comes_does_not_spin(served):
    """A Portal that promises more and lists nothing is asked at a bounded rate too."""
    asked = 0

    async def handler(request):
        nonlocal asked
        name = request.path.rpartition("/")[2]
        if "/v2/" in request.path:
            asked += 1
            return web.json_response({"has_more": True, "cursor": "c1", "entries": [], "changes": True})
        text = "<obj></obj>" if name == "currentSession" else "<val></val>"
        return web.Response(text=text, headers={"Set-Cookie": "JSESSIONID=1"})

    async with served(handler) as url, AsyncGlobalAdmin(url, timeouts=SHORT) as admin:
        await admin.login("jo", "secret")
        admin.notifications.service.run(asyncio.Queue(), lambda _: None, cursor="c1")
        await asyncio.sleep(0.8)
    assert asked <= 12


FAULTS = [
    *[("status", {"code": code}) for code in (401, 429, 500, 502, 503, 504)],
    ("reset", {}),
    ("close", {}),
    ("cut", {}),
    ("html", {}),
    ("empty", {}),
    ("redirect", {"to": "each"}),
    ("kill-session", {}),
    ("restart", {}),
    ("slow", {"seconds": 0.05}),
]


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize(("fault", "options"), FAULTS)
async def test_no_fault_that_passes_loses_or_repeats_an_event(
    fault, options, world, portal, service, consumer
):
    """Every fault, at list and long-poll, costs time only."""
    portal.faults.add(fault, on=("list", "longpoll"), every=2, limit=8, **options)
    service.run(consumer.queue, consumer.save_cursor)
    await consumer.reach(7)
    for n in range(6):
        world.create(world.find("Projects"), f"new {n}.txt")
        await consumer.reach(8 + n)
    assert consumer.names == [*ALL, *[f"new {n}.txt" for n in range(6)]]
    assert portal.faults.fired[fault] > 0
    assert service.running


@pytest.mark.parametrize("fault", ["stall", "black-hole"])
async def test_a_silent_portal_is_given_up_and_asked_again(fault, world, portal, consumer):
    """A half-open connection does not hold the feed."""
    timeouts = Timeouts(read_s=0.2, longpoll_s=0.1, longpoll_margin_s=0.2)
    async with AsyncGlobalAdmin(portal.url, retries=QUICK, timeouts=timeouts) as admin:
        await admin.login(portal.user, portal.password)
        portal.faults.add(fault, on=("list", "longpoll"), every=3, limit=3)
        admin.notifications.service.run(consumer.queue, consumer.save_cursor)
        await consumer.reach(7)
        world.create(world.find("Projects"), "new.txt")
        await consumer.reach(8)


async def test_outlasts_the_default_attempts(portal, consumer):
    """Without a policy of the caller's the service goes on for as long as the trouble lasts."""
    async with AsyncGlobalAdmin(portal.url) as admin:
        assert admin.notifications.service._retries == RetryPolicy.forever()
    async with AsyncGlobalAdmin(portal.url, retries=RetryPolicy(attempts=3, base_s=0)) as admin:
        await admin.login(portal.user, portal.password)
        portal.faults.add("status", code=503, retry_after="none", on=("list",))
        admin.notifications.service.run(consumer.queue, consumer.save_cursor)
        with pytest.raises(PortalBusy):
            await admin.notifications.service.wait()


async def _ends(how, world, portal, service, consumer):
    """Start a feed that ends in the way named; the exception that is due."""
    await_events = how in ("cursor", "password", "refused")
    options = {}

    def failing(_):
        raise OSError(28, "No space left on device")

    if how == "folder":
        options["cloudfolders"] = [CloudFolder("No Such Folder", "svc")]
    if how == "save":
        service.run(consumer.queue, failing)
        return OSError
    service.run(consumer.queue, consumer.save_cursor, **options)
    if await_events:
        await consumer.saved(1)
        match how:
            case "cursor":
                portal.faults.add("cursor")
            case "password":
                portal.password = "changed"
                portal.sessions.kill()
            case "refused":
                portal.faults.add("status", code=403, on=("list", "longpoll"))
        world.create(world.find("Projects"), "new.txt")
    return {
        "folder": CloudFolderNotFound,
        "cursor": CursorRefused,
        "password": LoginRefused,
        "refused": PortalRefused,
    }[how]


ENDS = ["folder", "cursor", "password", "refused", "save"]


@pytest.mark.parametrize("how", ENDS)
async def test_wait_raises_what_ended_the_feed(how, world, portal, service, consumer):
    """Whoever waits gets the exception itself, every time."""
    error = await _ends(how, world, portal, service, consumer)
    for _ in range(2):
        with pytest.raises(error) as caught:
            async with asyncio.timeout(10):
                await service.wait()
        assert type(caught.value) is error
    assert not service.running
    assert consumer.queue.empty()


@pytest.mark.parametrize("how", ENDS)
async def test_a_consumer_is_told_by_on_stop(how, world, portal, service, consumer, caplog):
    """``on_stop`` gets the exception, once."""
    told = asyncio.get_running_loop().create_future()
    run = service.run
    service.run = lambda *arguments, **options: run(*arguments, on_stop=told.set_result, **options)
    error = await _ends(how, world, portal, service, consumer)
    async with asyncio.timeout(10):
        assert type(await told) is error
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("how", ENDS)
async def test_a_loop_over_events_raises_what_ended_the_feed(how, world, portal, service, consumer):
    """``async for`` gives what was delivered, then raises."""
    consumer.task.cancel()
    names = []

    async def read():
        await until(lambda: service.running)
        async for event in service.events(consumer.queue):
            names.append(event.name)  # noqa: PERF401  (a comprehension would lose what came before the error)

    reading = asyncio.create_task(read())
    error = await _ends(how, world, portal, service, consumer)
    with pytest.raises(error):
        async with asyncio.timeout(10):
            await reading
    assert names in ([] if how == "folder" else ALL, [*ALL, "new.txt"])


@pytest.mark.parametrize("how", ENDS)
async def test_a_death_that_nobody_waits_for_is_logged_at_once(how, world, portal, service, consumer, caplog):
    """The one thing that must not exist is a feed that has died silently."""
    error = await _ends(how, world, portal, service, consumer)
    await until(lambda: not service.running)
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "notification service has ended" in errors[0].message
    assert errors[0].exc_info[0] is error


async def test_a_failing_save_keeps_the_feed_at_its_page(service, consumer):
    """When the cursor cannot be saved, nothing after its page is delivered."""

    async def save_cursor(_):
        raise OSError(28, "No space left on device")

    service.run(consumer.queue, save_cursor)
    with pytest.raises(OSError, match="No space"):
        await service.wait()
    assert consumer.names == ALL


async def test_stop_ends_everything(service, consumer):
    """After stop() no task is left, no request is under way, and the callback was told."""
    before = asyncio.all_tasks()
    told = []
    service.run(consumer.queue, consumer.save_cursor, on_stop=told.append)
    await consumer.saved(1)
    await asyncio.sleep(0.05)
    waiting = asyncio.create_task(service.wait())
    await asyncio.sleep(0)
    await service.stop()
    await service.stop()
    assert told == [None]
    assert not service.running
    with pytest.raises(ServiceStopped):
        await waiting
    with pytest.raises(ServiceStopped):
        await service.wait()
    assert {task for task in asyncio.all_tasks() - before if "notification" in task.get_name()} == set()


@pytest.mark.parametrize("moment_s", [0, 0.001, 0.02, 0.1])
@pytest.mark.usefixtures("small_pages")
async def test_stop_works_at_any_moment(moment_s, service):
    """Before the first request, during requests, and while nobody takes the events."""
    for _ in range(3):
        told = []
        service.run(asyncio.Queue(), lambda _: None, on_stop=told.append)
        await asyncio.sleep(moment_s)
        await asyncio.gather(service.stop(), service.stop())
        assert told == [None]
    service.run(asyncio.Queue(), lambda _: None, on_stop=told.append)
    await service.stop()
    assert told == [None, None]


async def test_stop_lets_a_save_finish(service, consumer):
    """A cursor is never half written because the service was stopped."""
    begun, finished = asyncio.Event(), []

    async def save_cursor(cursor):
        begun.set()
        await asyncio.sleep(0.1)
        finished.append(cursor)

    service.run(consumer.queue, save_cursor)
    await begun.wait()
    await service.stop()
    assert len(finished) == 1


async def test_a_save_that_fails_during_stop_is_told(service, consumer):
    """Its exception is not lost."""
    begun = asyncio.Event()

    async def save_cursor(_):
        begun.set()
        await asyncio.sleep(0.05)
        raise OSError(28, "No space left on device")

    service.run(consumer.queue, save_cursor)
    await begun.wait()
    await service.stop()
    with pytest.raises(OSError, match="No space"):
        await service.wait()


async def test_a_callback_may_stop_the_service(service, consumer):
    """stop() from within ``save_cursor`` takes effect after it; from within ``on_stop`` it does nothing."""
    told = []

    async def save_cursor(cursor):
        await service.stop()
        told.append(cursor)

    async def on_stop(error):
        await service.stop()
        told.append(error)

    service.run(consumer.queue, save_cursor, on_stop=on_stop)
    with pytest.raises(ServiceStopped):
        await service.wait()
    assert len(told) == 2
    assert told[1] is None


async def test_a_worker_may_stop_the_service(service):
    """stop() while an event is in hand does not wait for it."""
    queue = asyncio.Queue()
    service.run(queue, lambda _: None)
    await queue.get()
    await service.stop()
    assert not service.running


async def test_run_twice_is_refused(service, consumer):
    """Two feeds on one service would mix; after stop() it may run again, and after a death too."""
    service.run(consumer.queue, consumer.save_cursor)
    with pytest.raises(UsageError, match="stop"):
        service.run(consumer.queue, consumer.save_cursor)
    await service.stop()
    service.run(consumer.queue, consumer.save_cursor, cloudfolders=[CloudFolder("none", "svc")])
    with pytest.raises(CloudFolderNotFound):
        await service.wait()
    service.run(consumer.queue, consumer.save_cursor)
    await consumer.saved(1)
    await service.stop()


async def test_waiting_on_what_was_never_started_is_a_mistake(service):
    """So is iterating, or iterating over another queue."""
    with pytest.raises(UsageError):
        await service.wait()
    with pytest.raises(UsageError):
        await anext(service.events(asyncio.Queue()))
    service.run(asyncio.Queue(), lambda _: None)
    with pytest.raises(UsageError, match="another queue"):
        await anext(service.events(asyncio.Queue()))
    await service.stop()


async def test_a_failing_on_stop_is_logged(service, consumer, caplog):
    """It cannot hide the end of the feed."""

    def on_stop(_):
        raise ZeroDivisionError

    service.run(consumer.queue, consumer.save_cursor, on_stop=on_stop)
    await consumer.saved(1)
    await service.stop()
    assert "on_stop failed" in caplog.text
    with pytest.raises(ServiceStopped):
        await service.wait()


async def test_events_are_done_when_their_turn_is_over(service):
    """In ``async for`` the cursor is saved once the loop has finished with a page; stopping ends the loop."""
    queue, saved, names = asyncio.Queue(), [], []
    service.run(queue, saved.append)
    async for event in service.events(queue):
        assert isinstance(event, Event)
        assert saved == []
        names.append(event.name)
        await asyncio.sleep(0)
        if len(names) == 7:
            asyncio.get_running_loop().call_later(0.1, lambda: asyncio.create_task(service.stop()))
    assert names == ALL
    assert len(saved) == 1


async def test_a_loop_that_is_cancelled_leaves_the_service_running(service):
    """Whoever stops listening does not stop the feed, and no event is lost on the way out."""
    queue = asyncio.Queue()
    service.run(queue, lambda _: None)

    async def read():
        return [event.name async for event in service.events(queue)]

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(read(), 0.3)
    assert service.running
    await service.stop()


async def test_what_cannot_be_read_is_logged_and_does_not_stop_the_feed(portal, service, consumer, caplog):
    """The readable rest of a page is delivered, and the log says what was left out."""
    portal.faults.add("unreadable", limit=2)
    service.run(consumer.queue, consumer.save_cursor)
    await consumer.saved(1)
    assert len(consumer.names) == 5
    assert "2 entries" in caplog.text


async def test_unknown_fields_and_types_reach_the_consumer(portal, service):
    """A Portal of the future does not end the feed."""
    portal.faults.add("unknown-key")
    portal.faults.add("unknown-type")
    queue = asyncio.Queue()
    service.run(queue, lambda _: None)
    event = await queue.get()
    assert event.extra
    assert event.type not in ("file", "folder")


async def test_logout_and_leaving_stop_the_service(portal, consumer):
    """Neither leaves a task behind that goes on without a session."""
    for leave in ("logout", "close"):
        async with AsyncGlobalAdmin(portal.url, retries=QUICK) as admin:
            await admin.login(portal.user, portal.password)
            told = []
            admin.notifications.service.run(consumer.queue, consumer.save_cursor, on_stop=told.append)
            await asyncio.sleep(0.05)
            await getattr(admin, leave)()
            assert told == [None]


async def test_a_stalled_consumer_is_mentioned(service, monkeypatch, caplog):
    """A forgotten ``task_done()`` shows in the log."""
    monkeypatch.setattr("ctera_insights.portal.feed._STALL_S", 0.05)
    service.run(asyncio.Queue(), lambda _: None)
    await asyncio.sleep(0.3)
    assert "task_done()" in caplog.text
    await service.stop()


async def test_decoding_does_not_block_the_loop(service, consumer, monkeypatch):
    """Pages are decoded in a thread."""
    threads = set()
    decode = notifications.decode_page
    monkeypatch.setattr(
        notifications, "decode_page", lambda body: threads.add(threading.current_thread()) or decode(body)
    )
    service.run(consumer.queue, consumer.save_cursor)
    await consumer.reach(7)
    assert threading.main_thread() not in threads
