from typing import Any

import pytest

from ctera_insights.errors import UsageError
from ctera_insights.portal.address import portal_url


@pytest.mark.parametrize(
    ("arguments", "url"),
    [
        (("tenant.ctera.com",), "https://tenant.ctera.com"),
        (("tenant.ctera.com", 8443), "https://tenant.ctera.com:8443"),
        (("tenant.ctera.com:8443",), "https://tenant.ctera.com:8443"),
        (("tenant.ctera.com:8443", 8443), "https://tenant.ctera.com:8443"),
        (("tenant.ctera.com", None, False), "http://tenant.ctera.com"),
        (("127.0.0.1", 18080, False), "http://127.0.0.1:18080"),
        (("127.0.0.1:18080", None, False), "http://127.0.0.1:18080"),
        (("http://127.0.0.1:18080",), "http://127.0.0.1:18080"),
        (("HTTPS://Tenant.CTERA.com/",), "https://tenant.ctera.com"),
        (("https://tenant.ctera.com/ServicesPortal/#/files",), "https://tenant.ctera.com"),
        (("tenant.ctera.com/admin/",), "https://tenant.ctera.com"),
        (("https://tenant.ctera.com?x=1",), "https://tenant.ctera.com"),
        (("  tenant.ctera.com\n",), "https://tenant.ctera.com"),
        (("::1",), "https://[::1]"),
        (("::1", 8080, False), "http://[::1]:8080"),
        (("[::1]:8080", None, False), "http://[::1]:8080"),
        (("http://[2001:db8::1]:8080/admin",), "http://[2001:db8::1]:8080"),
        (("https://tenant.ctera.com", 443), "https://tenant.ctera.com"),
    ],
)
def test_reads_any_usual_way_to_write_an_address(arguments: tuple[Any, ...], url: str):
    """A host, host:port, IPv6 address or URL from a browser becomes the URL of the host's root."""
    assert str(portal_url(*arguments)) == url


@pytest.mark.parametrize(
    "arguments",
    [
        ("",),
        ("   ",),
        ("ftp://tenant.ctera.com",),
        ("https://",),
        ("tenant ctera com",),
        ("tenant.ctera.com:http",),
        ("tenant.ctera.com:99999",),
        ("tenant.ctera.com:0",),
        ("tenant.ctera.com", 0),
        ("tenant..ctera.com",),
        (".ctera.com",),
        ("...",),
        (f"https://{'a' * 64}.ctera.com/admin",),
        ("tenant.ctera.com", 65536),
        ("tenant.ctera.com", True),
        ("tenant.ctera.com", "443"),
        ("https://tenant.ctera.com:8443", 9443),
    ],
)
def test_refuses_what_is_no_address(arguments: tuple[Any, ...]):
    """Nonsense and contradictions are refused when the client is made, not when it connects."""
    with pytest.raises(UsageError):
        portal_url(*arguments)


@pytest.mark.parametrize(
    "text",
    [
        "https://admin:hunter2@tenant.ctera.com",
        "admin:hunter2@tenant.ctera.com",
        "admin:hun/ter2@host",
        "hunter2@h",
    ],
)
def test_refuses_credentials_in_an_address_without_repeating_them(text: str):
    """A password in the address is refused, and does not stand in the message."""
    with pytest.raises(UsageError) as caught:
        portal_url(text)
    assert "hun" not in str(caught.value)
    assert "login()" in str(caught.value)
