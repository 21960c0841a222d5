"""A dashboard without a token answers to its own address on the loopback interface, and to no other page."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a running dashboard over a small store."""
    folder = tmp_path_factory.mktemp("dashboard")
    command = [sys.executable, "-m", "ctera_insights"]
    data = str(folder / "data")
    subprocess.run([*command, "demo", "--data", data, "--events", "200"], check=True, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "log").open("w") as log:
        serving = subprocess.Popen(
            [*command, "dashboard", "--data", data, "--no-token", f"--port={port}"], stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + 60
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert serving.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield port
    finally:
        serving.terminate()
        serving.wait(timeout=30)


def ask(port: int, headers: dict[str, str], path: str = "/voila/static/voila.js", method: str = "GET") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.putrequest(method, path, skip_host=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_its_own_names_are_answered(port: int, name: str) -> None:
    """By any name of the loopback interface, typed, followed from a mail, or asked by its own page."""
    host = {"Host": f"{name}:{port}"}
    assert ask(port, host) != 403
    assert ask(port, host | {"Origin": f"http://{name}:{port}", "Sec-Fetch-Site": "same-origin"}) != 403
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert ask(port, host | link) != 403


@pytest.mark.parametrize("path", ["/", "/voila/static/voila.js", "/api/kernels/x/channels", "/nowhere"])
def test_a_name_that_resolves_to_the_loopback_interface_is_refused(port: int, path: str) -> None:
    """DNS rebinding: whatever is asked for, a foreign name, another port or no name gets nothing."""
    for host in (
        "evil.example",
        f"evil.example:{port}",
        "localhost",
        f"localhost:{port + 1}",
        "127.0.0.1.evil.example",
    ):
        assert ask(port, {"Host": host}, path) == 403
    assert ask(port, {}, path) in {400, 403}


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
def test_another_page_is_refused(port: int, method: str) -> None:
    """Cross-site: another page cannot ask, whatever it names as its origin; nor open the kernel's socket."""
    host = {"Host": f"127.0.0.1:{port}", "Content-Length": "0"}
    for origin in (
        "http://evil.example",
        "null",
        f"http://127.0.0.1:{port + 1}",
        f"https://127.0.0.1:{port}",
    ):
        assert ask(port, host | {"Origin": origin}, method=method) == 403
    assert ask(port, host | {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"}, method=method) == 403
    socket_ = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "eA==",
        "Sec-WebSocket-Version": "13",
    }
    assert ask(port, host | socket_ | {"Origin": "http://evil.example"}, "/api/kernels/x/channels") == 403
