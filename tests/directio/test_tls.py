from __future__ import annotations

import pytest

from ctera_insights.errors import BlockUnavailable
from ctera_insights.portal import DirectIO, InsecureTLSWarning, RetryPolicy
from ctera_insights.simulator import SimulatedPortal
from ctera_insights.simulator.directio import ACCESS_KEY_ID, SECRET_ACCESS_KEY


class Source:
    name, identity, inventory = "test", None, "now"

    def populate(self, world):
        world.cloud_folder("Team")

    def history(self, world):  # noqa: ARG002 - the protocol's
        return iter(())

    async def follow(self, world):
        """Nothing changes."""

    def content(self, file_id):
        return b"content" * file_id


@pytest.fixture
async def portal():
    async with SimulatedPortal(Source(), https=True) as portal:
        yield portal


async def test_a_private_authority_is_trusted_at_portal_and_store(portal, read):
    async with DirectIO(portal.url, ACCESS_KEY_ID, SECRET_ACCESS_KEY, ca_file=portal.ca_file) as client:
        assert await read(client, 3) == b"content" * 3


async def test_an_unknown_certificate_is_refused_at_once_with_the_way_out(portal):
    before = portal.directio.requests["list"]
    patient = RetryPolicy(attempts=5, base_s=10)
    async with DirectIO(portal.url, ACCESS_KEY_ID, SECRET_ACCESS_KEY, retries=patient) as client:
        with pytest.raises(BlockUnavailable, match="ca_file"):
            await client.metadata(1)
    assert portal.directio.requests["list"] == before


async def test_not_verifying_is_possible_and_warned_of(portal, read):
    with pytest.warns(InsecureTLSWarning):
        client = DirectIO(portal.url, ACCESS_KEY_ID, SECRET_ACCESS_KEY, verify=False)
    async with client:
        assert await read(client, 3) == b"content" * 3
