"""Prints what the reference client's service yields, an event a line, until so many have come."""

import asyncio
import json
import sys

import cterasdk.settings
from cterasdk import AsyncGlobalAdmin


async def main(port: int, password: str, events: int) -> None:
    cterasdk.settings.core.asyn.settings.connector.ssl = False
    queue: asyncio.Queue = asyncio.Queue()

    async def save_cursor(_: str) -> None:
        """Nothing to keep."""

    async with AsyncGlobalAdmin("127.0.0.1", port) as admin:
        await admin.login("admin", password)
        admin.notifications.service.run(queue, save_cursor, cursor=None)
        for _ in range(events):
            event = await queue.get()
            print(json.dumps(vars(event)))
            queue.task_done()
        await admin.notifications.service.stop()
        await admin.logout()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
