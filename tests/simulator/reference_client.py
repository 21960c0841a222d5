"""Drives the reference client, ``cterasdk``, from another process: a JSON command a line in, an answer out.

Runs in any environment that has the package; knows nothing of the project. Answers are ``{"result": …}`` or
``{"error": class name, "text": …, "attributes": …}``.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import cterasdk.settings
from cterasdk import AsyncGlobalAdmin, AsyncServicesPortal
from cterasdk.core.types import CloudFSFolderFindingHelper, UserAccount

CONTEXTS = {"admin": AsyncGlobalAdmin, "ServicesPortal": AsyncServicesPortal}


def plain(value: Any) -> Any:
    """Take the client's objects apart."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    if hasattr(value, "__dict__"):
        return {key: plain(each) for key, each in vars(value).items() if key != "_classname"}
    return value


def folders(asked: list[Any] | None) -> list[Any] | None:
    """Cloud folders by uid, or by name, owner and the owner's domain."""
    if asked is None:
        return None
    return [
        each if isinstance(each, int) else CloudFSFolderFindingHelper(each[0], UserAccount(*each[1:]))
        for each in asked
    ]


class Driver:
    """The commands."""

    def __init__(self, host: str, port: int, context: str) -> None:
        self.admin = CONTEXTS[context](host, port)
        self.queue: asyncio.Queue[Any] = asyncio.Queue()
        self.saved: list[str] = []

    async def login(self, user: str, password: str) -> Any:
        await self.admin.login(user, password)
        session = self.admin.session()
        return {"user": session.account.name, "version": str(session.software_version)}

    async def sso(self, ticket: str) -> None:
        await self.admin.sso(ticket)

    async def logout(self) -> None:
        await self.admin.logout()

    async def browse(self, tenant: str) -> None:
        await self.admin.portals.browse(tenant)

    async def run(self, cursor: str | None = None, cloudfolders: list[Any] | None = None) -> None:
        async def save(cursor: str) -> None:
            self.saved.append(cursor)

        self.admin.notifications.service.run(
            self.queue, save, cloudfolders=folders(cloudfolders), cursor=cursor
        )

    async def take(self, count: int) -> Any:
        """Take events off the queue, wait until the cursor after them is saved."""
        events = []
        saved = len(self.saved)
        for _ in range(count):
            events.append(plain(await self.queue.get()))
            self.queue.task_done()
        while len(self.saved) == saved:  # noqa: ASYNC110 -- the client's own callback moves it
            await asyncio.sleep(0.01)
        return {"events": events, "cursor": self.saved[-1]}

    async def stop(self) -> None:
        await self.admin.notifications.service.stop()

    async def get(
        self, cloudfolders: list[Any] | None = None, cursor: str | None = None, max_results: int | None = None
    ) -> Any:
        page = await self.admin.notifications.get(folders(cloudfolders), cursor, max_results)
        return {"entries": plain(page.objects), "more": page.more, "cursor": page.cursor}

    async def changes(self, cursor: str, timeout: int) -> bool:  # noqa: ASYNC109 -- the client's word
        return await self.admin.notifications.changes(cursor, timeout=timeout)

    async def ancestors(self, folder_id: int, guid: str) -> Any:
        event = type("Event", (), {"folder_id": folder_id, "guid": guid})()
        return plain(await self.admin.notifications.ancestors(event))


async def main() -> None:
    cterasdk.settings.core.asyn.settings.connector.ssl = False
    host, port, context = sys.argv[1:]
    driver = Driver(host, int(port), context)
    async with driver.admin:
        while line := await asyncio.to_thread(sys.stdin.readline):
            command = json.loads(line)
            try:
                answer = {"result": await getattr(driver, command.pop("do"))(**command)}
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
                attributes = {
                    key: each for key, each in vars(error).items() if isinstance(each, int | str | list)
                }
                answer = {"error": type(error).__name__, "text": str(error), "attributes": attributes}
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
