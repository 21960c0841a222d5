# The second program of the reference client's manual, kept as it is printed there. Changed are the lines of
# import, host, credentials and TLS, and the bodies that it leaves open.
# ruff: noqa: BLE001, I001, Q000, TRY400
# fmt: off
import asyncio
import logging
import os
from pathlib import Path
from ctera_insights.portal import AsyncGlobalAdmin


async def save_cursor(cursor):
    """Use this function to persist the cursor"""
    print('cursor', cursor, flush=True)


async def process_event(admin, event):  # Print full file path
    """Process an event"""
    ancestors = await admin.notifications.ancestors(event)
    print(Path(*[ancestor.name for ancestor in ancestors]).as_posix(), flush=True)


async def worker(admin, queue):
    """Sample worker thread"""
    while True:
        event = await queue.get()
        try:
            if event.type == 'file' and not event.deleted:  # if file exists
                await process_event(admin, event)
        except Exception:
            logging.getLogger().error('Error Message')
        finally:
            queue.task_done()  # Service will not produce events unless all tasks are done.


async def main():
    cursor = None
    queue = asyncio.Queue()  # Shared queue between producer and consumer threads
    async with AsyncGlobalAdmin(os.environ['PORTAL_URL'], verify=False) as admin:
        await admin.login(os.environ['PORTAL_USER'], os.environ['PORTAL_PASSWORD'])
        """Start event producer service."""
        admin.notifications.service.run(queue, save_cursor, cursor=cursor)
        """Start event consumer to process events"""
        consumer = asyncio.create_task(worker(admin, queue))
        await consumer
        await admin.logout()


if __name__ == '__main__':
        asyncio.run(main())
