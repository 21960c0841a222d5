# The first program of the reference client's manual, kept as it is printed there. Changed are the lines of
# import, host, credentials and TLS, and the bodies that it leaves open.
# ruff: noqa: BLE001, I001, Q000, TRY400
# fmt: off
import asyncio
import logging
import os
from ctera_insights.portal import AsyncGlobalAdmin


async def save_cursor(cursor):
    """Use this function to persist the cursor"""
    print('cursor', cursor, flush=True)


async def process_event(event):
    """Process an event"""
    print('event', event.guid, event.name, flush=True)


async def worker(queue):
    """Sample worker thread"""
    while True:
        event = await queue.get()
        try:
            await process_event(event)
        except Exception:
            logging.getLogger().error('Error Message')
        finally:
            queue.task_done()  # Service will not produce events unless all tasks are done.


async def main():
    cursor = None
    queue = asyncio.Queue()  # Shared queue between producer and consumer threads
    async with AsyncGlobalAdmin(os.environ['PORTAL_URL']) as admin:
        await admin.login(os.environ['PORTAL_USER'], os.environ['PORTAL_PASSWORD'])
        """Start event producer service."""
        admin.notifications.service.run(queue, save_cursor, cursor=cursor)
        """Start event consumer to process events"""
        consumer = asyncio.create_task(worker(queue))
        await consumer
        await admin.logout()


if __name__ == '__main__':
        asyncio.run(main())
