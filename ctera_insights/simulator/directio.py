"""Direct IO of the simulated Portal: block lists for those with an access key, and the store of the blocks.

The list is served at ``/directio/{file_id}``, the blocks at ``/blocks/…`` by signed URLs that expire, as an
object store would serve them: without cookies, without the access key.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import time
from base64 import b64encode
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import parse_qsl, quote

from aiohttp import web

from ctera_insights.simulator.blocks import (
    COMPRESSION_TYPE,
    Content,
    Encoding,
    encode_block,
    file_key,
    wrap_key,
)
from ctera_insights.simulator.directio_faults import BLOCK_LIST, DirectIOFaults, Fault

if TYPE_CHECKING:
    from pathlib import Path

    from ctera_insights.simulator.blocks import Damage

ACCESS_KEY_ID: Final = "L5WT94ULMS3KFNE7IK5O"
SECRET_ACCESS_KEY: Final = "CVZG1U07gRaY4sEdUmIH7tkHN7Vn63RKyvP6Rmrh"  # noqa: S105 - the documentation's sample
_DAMAGE: Final[dict[str, Damage]] = {
    "short": "short",
    "long": "long",
    "corrupt": "corrupt",
    "padding": "padding",
}
_DATE = "%Y%m%dT%H%M%SZ"


class ServesContent(Protocol):
    """The part of a source that Direct IO needs."""

    def content(self, file_id: int) -> Path | bytes | None:
        """Give a file's content, or ``None`` when there is no such file. May block."""


class HasSource(Protocol):
    """The part of a simulated Portal that Direct IO needs."""

    @property
    def source(self) -> ServesContent | None:
        """Where the content comes from."""


@dataclass
class DirectIOSettings:
    """How the simulated Portal serves content; may be changed while it runs.

    Attributes:
        encoding: how blocks are stored.
        keys: secret access keys by access key id.
        url_lifetime_s: seconds for which a signed URL is good.
        exact_query: refuse a URL that does not come back byte for byte as it was given out. Object stores
            compare decoded queries, and so does the simulator otherwise.
        checksums: send ``Content-MD5`` with a block, as Azure does.
        old_portal: answer as Portals before 8.3 did: the wrapped key at the top level, no compression type.
        not_direct: ids of files whose blocks are on storage that is not in Direct mode.
        cache_bytes: room for encoded blocks.
        faults: what goes wrong.
        requests: how many were answered, by ``list`` and ``block``.
        served_bytes: of blocks as stored.
        busiest: the most block requests that were under way at once.
        keys_seen_at_store: requests for a block that carried an ``Authorization`` header.
    """

    encoding: Encoding = field(default_factory=Encoding)
    keys: dict[str, str] = field(default_factory=lambda: {ACCESS_KEY_ID: SECRET_ACCESS_KEY})
    url_lifetime_s: float = 86_400
    exact_query: bool = False
    checksums: bool = False
    old_portal: bool = False
    not_direct: set[int] = field(default_factory=set)
    cache_bytes: int = 64 << 20
    faults: DirectIOFaults = field(default_factory=DirectIOFaults)
    requests: Counter[str] = field(default_factory=Counter)
    served_bytes: int = 0
    busiest: int = 0
    keys_seen_at_store: int = 0


def add_routes(
    app: web.Application, portal: HasSource, settings: DirectIOSettings | None = None
) -> DirectIOSettings:
    """Serve Direct IO from ``portal.source.content(file_id)``.

    Args:
        app: the simulated Portal's application.
        portal: whose source is asked anew for every request, so it may change.
        settings: how to serve; the defaults are those of a Portal of today.

    Returns:
        The settings, to change and to read counters from.
    """
    settings = settings or DirectIOSettings()
    routes = _Routes(portal, settings)
    app.router.add_get("/directio/{file_id}", routes.block_list)
    app.router.add_get("/blocks/{group}/{name}", routes.block)
    return settings


class _Routes:
    def __init__(self, portal: HasSource, settings: DirectIOSettings) -> None:
        self._portal = portal
        self._settings = settings
        self._seed = os.urandom(32)
        self._cache: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._cached_bytes = 0
        self._under_way = 0

    async def block_list(self, request: web.Request) -> web.StreamResponse:
        settings = self._settings
        settings.requests["list"] += 1
        scheme, _, access_key_id = request.headers.get("Authorization", "").partition(" ")
        text = request.match_info["file_id"]
        file_id = int(text) if text.isdecimal() else -1
        fault = settings.faults.take(file_id, BLOCK_LIST)
        if scheme != "Bearer" or access_key_id not in settings.keys:
            return web.json_response({"msg": "Unauthorized"}, status=401)
        if file_id in settings.not_direct:
            return web.json_response({"msg": "Not all blocks are in Direct mode"}, status=422)
        content = await asyncio.to_thread(self._content, file_id)
        if content is None:
            return web.json_response({"msg": "Object not found"}, status=400)
        secret = settings.keys[access_key_id]
        body = json.dumps(self._list(f"{request.scheme}://{request.host}", file_id, content, secret)).encode()
        return await _answer(request, fault, body, "application/json")

    async def block(self, request: web.Request) -> web.StreamResponse:
        settings = self._settings
        settings.requests["block"] += 1
        settings.keys_seen_at_store += "Authorization" in request.headers
        self._under_way += 1
        settings.busiest = max(settings.busiest, self._under_way)
        try:
            return await self._block(request)
        finally:
            self._under_way -= 1

    async def _block(self, request: web.Request) -> web.StreamResponse:
        settings = self._settings
        group, name = request.match_info["group"], request.match_info["name"]
        digest, _, suffix = name.partition("-")
        if not (group.isdecimal() and suffix[:-1].isdecimal()):
            return _store_error(404, "NoSuchKey")
        file_id, index = int(group), int(suffix[:-1])
        fault = settings.faults.take(file_id, index + 1)
        raw_path, _, raw_query = request.raw_path.partition("?")
        refusal = self._refusal(raw_path, raw_query)
        if fault is not None and fault.kind == "expired":
            refusal = "Request has expired"
        if refusal is not None:
            return _store_error(403, "AccessDenied", refusal)
        damage = _DAMAGE.get(fault.kind) if fault is not None else None
        body = self._cached(digest, index) if damage is None else None
        if body is None:
            body = await asyncio.to_thread(self._encoded, file_id, digest, index, damage)
            if body is None:
                return _store_error(404, "NoSuchKey")
        settings.served_bytes += len(body)
        headers = {}
        if settings.checksums:
            whole = body if damage is None else self._cached(digest, index) or b""
            headers["Content-MD5"] = b64encode(hashlib.md5(whole, usedforsecurity=False).digest()).decode()
        return await _answer(request, fault, body, "binary/octet-stream", headers)

    def _content(self, file_id: int) -> Content | None:
        source = self._portal.source
        data = source.content(file_id) if source is not None else None
        return Content.of(data) if data is not None else None

    def _digest(self, file_id: int, content: Content) -> str:
        text = f"{file_id}:{content.version}:{self._settings.encoding}"
        return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def _list(self, base: str, file_id: int, content: Content, secret: str) -> dict[str, object]:
        encoding = self._settings.encoding
        digest = self._digest(file_id, content)
        chunks = []
        for index, offset in enumerate(range(0, content.size, encoding.block_size)):
            path = f"/blocks/{file_id:08d}/{digest}-{index}q"
            length = min(encoding.block_size, content.size - offset)
            chunks.append({"url": f"{base}{path}?{self._signed_query(path)}", "len": length})
        wrapped = wrap_key(file_key(self._seed, file_id, content.version), secret)
        answer: dict[str, object] = {"chunks": chunks}
        if self._settings.old_portal:
            return answer | ({"wrapped_key": wrapped} if encoding.encrypted else {})
        answer["encrypt_info"] = {"wrapped_key": wrapped, "data_encrypted": encoding.encrypted}
        answer["compression_type"] = COMPRESSION_TYPE[encoding.compression]
        answer["actual_blocks_range"] = {"file_size": content.size, "range": f"0-{max(0, content.size - 1)}"}
        return answer

    def _encoded(self, file_id: int, digest: str, index: int, damage: Damage | None) -> bytes | None:
        content = self._content(file_id)
        if content is None or self._digest(file_id, content) != digest:
            return None  # the file became another version: the store no longer has this block
        encoding = self._settings.encoding
        data = content.read(index * encoding.block_size, encoding.block_size)
        key = file_key(self._seed, file_id, content.version)
        body = encode_block(data, encoding, key)
        self._keep((digest, index), body)
        return body if damage is None else encode_block(data, encoding, key, damage)

    def _cached(self, digest: str, index: int) -> bytes | None:
        return self._cache.get((digest, index))

    def _keep(self, name: tuple[str, int], body: bytes) -> None:
        if name not in self._cache:
            self._cache[name] = body
            self._cached_bytes += len(body)
        while self._cached_bytes > self._settings.cache_bytes and len(self._cache) > 1:
            self._cached_bytes -= len(self._cache.popitem(last=False)[1])

    def _signed_query(self, path: str) -> str:
        """A SigV4-like query with what clients are tempted to re-quote."""
        lifetime = self._settings.url_lifetime_s
        query = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": "AKIAEXAMPLE/20260101/eu-west-1/s3/aws4_request",
            "X-Amz-Date": datetime.now(UTC).strftime(_DATE),
            "X-Amz-Expires": f"{lifetime:g}",
            "X-Amz-SignedHeaders": "host",
            "response-content-disposition": 'attachment; filename="it\'s (1)*.bin"',
        }
        query["X-Amz-Signature"] = self._signature(path, query)
        return "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())

    def _signature(self, path: str, query: dict[str, str]) -> str:
        text = path + json.dumps(sorted(query.items()))
        return hmac.new(self._seed, text.encode(), "sha256").hexdigest()

    def _refusal(self, path: str, raw_query: str) -> str | None:
        """Why a signed URL is refused, or ``None``."""
        query = dict(parse_qsl(raw_query, keep_blank_values=True))
        signature = query.pop("X-Amz-Signature", "")
        if not hmac.compare_digest(signature, self._signature(path, query)):
            return "The request signature we calculated does not match"
        exact = "&".join(
            f"{n}={quote(v, safe='')}" for n, v in [*query.items(), ("X-Amz-Signature", signature)]
        )
        if self._settings.exact_query and raw_query != exact:
            return "The query was quoted anew"
        issued = datetime.strptime(query["X-Amz-Date"], _DATE).replace(tzinfo=UTC)
        if issued.timestamp() + float(query["X-Amz-Expires"]) < time.time():
            return "Request has expired"
        return None


def _store_error(status: int, code: str, message: str = "") -> web.Response:
    error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n{error}'
    return web.Response(status=status, text=text, content_type="application/xml")


async def _answer(
    request: web.Request,
    fault: Fault | None,
    body: bytes,
    content_type: str,
    headers: dict[str, str] | None = None,
) -> web.StreamResponse:
    """Answer with a body, or as the fault has it."""
    whole = web.Response(body=body, content_type=content_type, headers=headers)
    if fault is None:
        return whole
    match fault.kind:
        case "status":
            extra = {"Retry-After": fault.retry_after} if fault.retry_after else None
            return web.Response(status=fault.status, text="refused by a fault", headers=extra)
        case "redirect":
            return web.Response(status=302, headers={"Location": fault.location})
        case "html":
            return web.Response(text="<html><body>Sign in</body></html>", content_type="text/html")
        case "reset":
            _hang_up(request)
        case "slow":
            await asyncio.sleep(fault.delay_s)
        case "cut" | "stall":
            return await _in_two_parts(request, fault, body, content_type)
        case _:  # told by the status, or in the body already
            pass
    return whole


async def _in_two_parts(
    request: web.Request, fault: Fault, body: bytes, content_type: str
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": content_type, "Content-Length": str(len(body))})
    await response.prepare(request)
    half = len(body) // 2
    await response.write(body[:half])
    if fault.kind == "cut":
        _hang_up(request)
        return response
    await asyncio.sleep(fault.delay_s)
    await response.write(body[half:])
    return response


def _hang_up(request: web.Request) -> None:
    """Close after what was written so far; at once, when nothing was."""
    if request.transport is not None:
        request.transport.close()
