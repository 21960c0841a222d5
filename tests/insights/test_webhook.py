"""The webhook: a real receiver gets each alert once, signed, however often it stumbles."""

from __future__ import annotations

import hmac
import json
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest
from aiohttp import web

from ctera_insights.errors import UsageError, WebhookFailed
from ctera_insights.insights.alerts import Alert, Alerts, Failure
from ctera_insights.insights.payload import payload
from ctera_insights.insights.webhook import SIGNATURE_HEADER, post

HOUR = datetime(2026, 1, 1, 9, tzinfo=UTC)
ALERTS = Alerts(
    [
        Alert(
            "mass_deletion",
            "Mass deletion",
            "many files went",
            "deletion(s)",
            "Projects 📣",
            HOUR,
            HOUR,
            700,
            2.0,
            31.0,
        )
    ],
    sensitivity=1.0,
)


@pytest.fixture
async def receiver():
    answers: list[web.Response | str] = []
    got: list[tuple[dict[str, str], bytes]] = []

    async def take(request: web.Request) -> web.StreamResponse:
        got.append((dict(request.headers), await request.read()))
        answer = answers.pop(0) if answers else web.Response(status=204)
        if answer == "drop":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        assert isinstance(answer, web.Response)
        return answer

    app = web.Application()
    app.router.add_post("/hook/{token}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook/very-secret-token"
    yield url, answers, got
    await runner.cleanup()


async def test_the_receiver_gets_the_alerts_signed(receiver: Any):
    url, _, got = receiver
    assert await post(url, ALERTS, secret="key") == 204
    headers, body = got[0]
    assert headers["Content-Type"] == "application/json"
    assert headers[SIGNATURE_HEADER] == "sha256=" + hmac.new(b"key", body, sha256).hexdigest()
    assert "Projects 📣" in body.decode()


async def test_a_stumbling_receiver_is_asked_again_with_the_same_key(receiver: Any):
    url, answers, got = receiver
    answers += [web.Response(status=503), "drop", web.Response(status=429, headers={"Retry-After": "0"})]
    assert await post(url, ALERTS, first_wait_s=0.01) == 204
    assert len(got) == 4
    assert len({headers["Idempotency-Key"] for headers, _ in got}) == 1


async def test_a_refusal_is_final_and_the_message_keeps_the_url_secret(receiver: Any):
    url, answers, got = receiver
    answers += [web.Response(status=403)]
    with pytest.raises(WebhookFailed, match="HTTP 403") as failure:
        await post(url, ALERTS, first_wait_s=0.01)
    assert len(got) == 1
    assert "very-secret-token" not in str(failure.value)


async def test_a_redirect_is_not_followed(receiver: Any):
    url, answers, got = receiver
    answers += [web.Response(status=302, headers={"Location": url})]
    with pytest.raises(WebhookFailed, match="HTTP 302"):
        await post(url, ALERTS)
    assert len(got) == 1


async def test_attempts_end(receiver: Any):
    url, answers, _ = receiver
    answers += [web.Response(status=500) for _ in range(3)]
    with pytest.raises(WebhookFailed, match="in 3 attempts: HTTP 500"):
        await post(url, ALERTS, attempts=3, first_wait_s=0.01)


async def test_nothing_is_sent_when_all_is_quiet(receiver: Any):
    url, _, got = receiver
    assert await post(url, Alerts([], sensitivity=1)) == 0
    assert got == []


async def test_what_is_no_url_is_refused():
    with pytest.raises(UsageError):
        await post("ftp://x", ALERTS)


def many(count: int, name: str = "Cloud folder {} of the department with a long name") -> Alerts:
    alerts = []
    for number in range(count):
        alert = Alert(
            "mass_deletion", "Mass deletion", "many files went", "deletion(s)", name.format(number), HOUR,
            HOUR, 700, 2.0, 31.0 + number,
        )  # fmt: skip
        alert.folders = [f"{alert.cloud_folder}/folder {i}" for i in range(5)]
        alert.sample_paths = [f"{alert.cloud_folder}/folder/report number {i}.docx" for i in range(5)]
        alerts.append(alert)
    return Alerts(alerts, sensitivity=1.0, failures=[Failure("sudden_growth", "x" * 5000)])


FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


@pytest.mark.parametrize(
    ("count", "name"),
    [*((count, "Cloud folder {}") for count in (1, 10, 60, 70, 1000)), (12, f"{{}} {FAMILY} {'ß' * 33_000}")],
)
def test_a_message_is_never_larger_than_chat_receivers_take(count: int, name: str):
    alerts = many(count, name)
    body = payload(alerts)
    told = json.loads(body)
    assert len(body) <= 28_000
    assert len(told["text"]) <= 40_000
    assert len(told["alerts"]) + told["left_out"] == count
    assert told["alerts"], "the strongest are always told"
    assert told["failures"][0]["rule"] == "sudden_growth"
    strongest = max(alerts, key=lambda alert: alert.score)
    assert strongest.id in {alert["id"] for alert in told["alerts"]}
    assert payload(alerts) == body
    if count == 60 and len(name) < 100:
        assert told["left_out"] == 0, "evidence goes before alerts do"
    if count <= 10 and len(name) < 100:
        assert told["alerts"][0]["sample_paths"]


async def test_a_rule_that_failed_is_told_although_nothing_fired(receiver: Any):
    url, _, got = receiver
    assert await post(url, Alerts([], sensitivity=1, failures=[Failure("mass_rename", "no column")])) == 204
    assert json.loads(got[0][1])["failures"] == [{"rule": "mass_rename", "reason": "no column"}]


async def test_the_proxy_of_the_environment_is_used(receiver: Any, monkeypatch: pytest.MonkeyPatch):
    url, _, got = receiver
    monkeypatch.setenv("http_proxy", url.partition("/hook")[0])
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert await post("http://hooks.example.invalid/hook/token", ALERTS) == 204
    assert got[0][0]["Host"] == "hooks.example.invalid"


@pytest.mark.parametrize("url", ["http://[", "http://host:99999/x", "https://", "//x", ""])
async def test_addresses_that_are_none_are_refused(url: str):
    with pytest.raises(UsageError):
        await post(url, ALERTS)


@pytest.mark.parametrize(
    "url",
    [
        None,
        5,
        "",
        "hooks.example.com",
        "ftp://h/x",
        "http://",
        "http://hooks..example/T0KEN",
        "http://.x/T0KEN",
    ],
)
async def test_what_is_no_webhook_is_refused_without_being_repeated(url: Any) -> None:
    with pytest.raises(UsageError, match="A webhook is") as caught:
        await post(url, ALERTS)
    assert "T0KEN" not in str(caught.value)


async def test_a_strange_retry_after_is_no_number(receiver) -> None:
    """Python takes a superscript for a digit, and then for no number."""
    url, answers, _ = receiver
    answers[:] = [web.Response(status=503, headers={"Retry-After": "²"})]
    assert await post(url, ALERTS, first_wait_s=0.01) == 204
