"""The environment's proxy and its exceptions: what is used, and what is refused without being repeated."""

import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from ctera_insights.errors import InsightsError, UsageError
from ctera_insights.portal import AsyncGlobalAdmin, RetryPolicy
from ctera_insights.portal.proxy import environment_proxy

PORTAL = URL("https://tenant.ctera.com")
VARIABLES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


@pytest.fixture
def proxied(monkeypatch):
    """Set the proxy, and what is excepted."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)

    def change(proxy, excepted=None):
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        monkeypatch.setenv("HTTP_PROXY", proxy)
        if excepted is not None:
            monkeypatch.setenv("NO_PROXY", excepted)

    return change


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("http://proxy.example:3128", "http://proxy.example:3128"),
        ("http://proxy.example:3128/", "http://proxy.example:3128/"),
        ("proxy.example:3128", "http://proxy.example:3128"),
        ("jo:pass@proxy.example:3128", "http://jo:pass@proxy.example:3128"),
        ("http://DOM\\jo:pass@proxy.example:3128", "http://DOM%5Cjo:pass@proxy.example:3128"),
        ("http://jo:p%40ss%23@proxy.example:3128", "http://jo:p%40ss%23@proxy.example:3128"),
        ("  http://proxy.example:3128\r\n", "http://proxy.example:3128"),
        ("http://proxy.example", "http://proxy.example"),
        ("http://[::1]:3128", "http://[::1]:3128"),
        ("https://proxy.example:443", "https://proxy.example:443"),
    ],
)
def test_a_proxy_is_used_as_it_is_usually_written(given, used, proxied):
    """With or without scheme, credentials and line end."""
    proxied(given)
    proxy = environment_proxy(PORTAL)
    assert proxy is not None
    assert proxy.reveal() == used


UNUSABLE = [
    "http://DOM\\user:pa#ssW0rd@127.0.0.1:9",
    "http://user:pa/ssW0rd@proxy.example:3128",
    "http://user:pa?ssW0rd@proxy.example:3128",
    "http://user:12/ssW0rd@proxy.example:3128",
    "http://user:ssW0rd@proxy.example:port",
    "http://user:ssW0rd@proxy.example:99999",
    "http://user:ssW0rd@:3128",
    "http://user:ssW0rd@",
    "http://user:ssW0rd x@proxy.example:3128",
    "socks5://user:ssW0rd@proxy.example:1080",
    "http://[ssW0rd",
    "ssW0rd://x:1",
    "http://user:ssW0rd@proxy..example:3128",
    f"http://user:ssW0rd@{'a' * 64}.example:3128",
]


@pytest.mark.parametrize("proxy", UNUSABLE)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_an_unusable_proxy_is_a_usage_error_that_does_not_repeat_it(proxy, scheme, proxied):
    """What is wrong with it, which variable, how it is written; never its text, not in a traceback either."""
    proxied(proxy)
    with pytest.raises(
        UsageError, match=rf"{scheme.upper()}_PROXY.*cannot be used.*http://host:port"
    ) as caught:
        await AsyncGlobalAdmin(f"{scheme}://tenant.ctera.com").login("jo", "secret")
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=False).format()
    assert "ssW0rd" not in "".join(shown)
    assert "ssW0rd" not in repr(caught.value)


@given(password=st.text(min_size=6).map(lambda text: f"{text}ssW0rd{text}"))
def test_no_password_of_a_proxy_is_ever_told(password):
    """Any text between the colon and the at sign: it is used, or refused, and never repeated."""
    with pytest.MonkeyPatch.context() as patch:
        for name in VARIABLES:
            patch.delenv(name, raising=False)
        try:
            patch.setenv("HTTPS_PROXY", f"http://jo:{password}@proxy.example:3128")
        except (ValueError, UnicodeEncodeError):  # no environment can hold it
            return
        try:
            told = repr(environment_proxy(PORTAL))
        except UsageError as error:
            told = str(error)
    assert "ssW0rd" not in told


@pytest.mark.parametrize(
    ("excepted", "url", "direct"),
    [
        ("", "https://tenant.ctera.com", False),
        ("*", "https://tenant.ctera.com", True),
        ("other.com, *", "https://tenant.ctera.com", True),
        ("tenant.ctera.com", "https://tenant.ctera.com", True),
        ("TENANT.ctera.COM.", "https://Tenant.CTERA.com", True),
        ("ctera.com", "https://tenant.ctera.com", True),
        (".ctera.com", "https://tenant.ctera.com", True),
        ("*.ctera.com", "https://tenant.ctera.com", True),
        (".ctera.com", "https://ctera.com", True),
        ("tera.com", "https://tenant.ctera.com", False),
        ("ctera.com.evil.org", "https://tenant.ctera.com", False),
        ("a.org b.org,ctera.com", "https://tenant.ctera.com", True),
        ("ctera.com:443", "https://tenant.ctera.com", True),
        ("ctera.com:8443", "https://tenant.ctera.com", False),
        ("ctera.com:8443", "https://tenant.ctera.com:8443", True),
        ("10.0.0.0/8", "http://10.1.2.3", True),
        ("10.0.0.1/8", "http://10.1.2.3", True),
        ("10.0.0.0/8", "http://11.1.2.3", False),
        ("10.0.0.0/8", "https://tenant.ctera.com", False),
        ("10.1.2.3", "http://10.1.2.3:8080", True),
        ("10.1.2.3:8080", "http://10.1.2.3:8080", True),
        ("10.1.2.3:80", "http://10.1.2.3:8080", False),
        ("2.3", "http://10.1.2.3", False),
        ("10.1.*", "http://10.1.2.3", True),
        ("fd00::/8", "http://[fd00::1]", True),
        ("fd00::1", "http://[fd00::1]:8080", True),
        ("[fd00::1]:8080", "http://[fd00::1]:8080", True),
        ("[fd00:0::0001]", "http://[fd00::1]", True),
        ("[fd00::1]:80", "http://[fd00::1]:8080", False),
        ("fd00::/8", "http://10.1.2.3", False),
        ("localhost", "http://localhost:8080", True),
        ("<local>;10.*", "http://10.1.2.3", True),
    ],
)
def test_exceptions_of_every_kind_are_heeded(excepted, url, direct, proxied):
    """Names with and without dots, ports, addresses, networks, everything."""
    proxied("http://proxy.example:3128", excepted)
    assert (environment_proxy(URL(url)) is None) is direct


def test_a_network_that_is_none_is_a_usage_error(proxied):
    """It would be a silent way through the proxy, or around it."""
    proxied("http://proxy.example:3128", "10.0.0.0/99")
    with pytest.raises(UsageError, match=r"NO_PROXY holds '10\.0\.0\.0/99'"):
        environment_proxy(URL("http://10.1.2.3"))
    assert environment_proxy(URL("ftp://10.1.2.3")) is None


async def test_what_a_proxy_echoes_of_its_password_is_masked(served, proxied):
    """In a page of the proxy's own, as it is and as it was sent."""
    from aiohttp import web

    async def proxy(request):
        return web.Response(status=502, text=f"you sent {request.headers['Proxy-Authorization']} or hunter2")

    async with served(proxy) as url:
        proxied(url.replace("http://", "http://jo:hunter2@"))
        async with AsyncGlobalAdmin("http://portal.invalid", retries=RetryPolicy(attempts=1)) as admin:
            with pytest.raises(InsightsError, match=r"you sent Basic \*\*\* or \*\*\*"):
                await admin.login("jo", "secret")
