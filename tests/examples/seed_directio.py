# The reference documentation's program; only imports, host, keys and TLS differ from it.
# ruff: noqa: BLE001, I001, Q000, SIM117 - its style is its authors'
# fmt: off
import aiofiles
import asyncio
import os
from ctera_insights.portal import AsyncGlobalAdmin, DirectIO


async def save_cursor(cursor):
    """Use this function to persist the cursor"""

def acquire_client():
    url = os.environ['PORTAL_URL']
    access_key_id = os.environ['ACCESS_KEY_ID']
    secret_access_key = os.environ['SECRET_ACCESS_KEY']
    return DirectIO(url, access_key_id, secret_access_key, ca_file=os.environ['PORTAL_CA'])


async def download_file(file_id, name):  # download files to local directory
    async with aiofiles.open(name, 'wb') as f:
        async with acquire_client() as client:
            futures = await client.blocks(file_id)
            for future in asyncio.as_completed(futures):
                block = await future
                await f.seek(block.offset)
                await f.write(block.data)


async def worker(queue):
    while True:
        event = await queue.get()
        try:
            if event.type == 'file' and not event.deleted:  # download all files if not deleted
                await download_file(event.id, event.name)
        except Exception as e:
            print(e)
        finally:
            queue.task_done()  # Service will not produce events unless all tasks are done.


async def main():
    cursor = None
    queue = asyncio.Queue()  # Shared queue between producer and consumer threads
    async with AsyncGlobalAdmin(os.environ['PORTAL_URL'], ca_file=os.environ['PORTAL_CA']) as admin:
        await admin.login('admin', os.environ['PORTAL_PASSWORD'])
        """Start event producer service."""
        admin.notifications.service.run(queue, save_cursor, cursor=cursor)
        """Start event consumer to process events"""
        consumer = asyncio.create_task(worker(queue))
        await consumer
        await admin.logout()


if __name__ == '__main__':
        asyncio.run(main())
