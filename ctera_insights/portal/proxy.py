"""The proxy that the environment names for an address, and the addresses that it excepts."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final
from urllib.request import getproxies, getproxies_environment, proxy_bypass

from yarl import URL

from ctera_insights.errors import UsageError
from ctera_insights.portal.address import resolvable
from ctera_insights.settings import Secret

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

    _Address = IPv4Address | IPv6Address

_HOST_AND_PORT: Final = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<name>[^:]+))(?::(?P<port>\d+))?")


def environment_proxy(url: URL) -> Secret | None:
    """The proxy that ``HTTP_PROXY``, ``HTTPS_PROXY`` and ``NO_PROXY`` (or the system) name for an address.

    A proxy without a scheme is spoken to in plain HTTP. ``NO_PROXY`` lists, separated by commas or blanks:
    host names (each covers what lies below it, with or without a leading dot) and addresses, with ``:port``
    or without, networks such as ``10.0.0.0/8``, and ``*`` for all.

    aiohttp's own ``trust_env`` would read the environment too, but also send passwords of ``~/.netrc`` along.

    Raises:
        UsageError: the environment's proxy or exceptions cannot be used. The message does not repeat them.
    """
    proxy = getproxies().get(url.scheme, "").strip()
    if not proxy or _is_excepted(url):
        return None
    return Secret(_usable(proxy, f"{url.scheme.upper()}_PROXY"))


def _usable(proxy: str, variable: str) -> str:
    """The proxy's URL. Whatever is wrong with it, its text may hold a password."""
    text = (proxy if "://" in proxy else f"http://{proxy}").replace("\\", "%5C")  # of DOMAIN\user
    trouble = ""
    try:
        url = URL(text)
        if url.scheme not in ("http", "https"):
            trouble = f"proxies of the kind {url.scheme!r} are not supported, only http and https"
        elif not url.host or not url.port or any(character.isspace() for character in text):
            trouble = "it names no host, or no port"
        elif not resolvable(url):
            trouble = "its host is no name that can be looked up"
        elif url.raw_path not in ("", "/") or url.raw_query_string or url.raw_fragment:
            trouble = "something follows the port, or user and password hold a character that must be encoded"
    except ValueError:
        trouble = "host and port cannot be read from it"
    if trouble:
        raise UsageError(
            f"The environment's proxy {variable} cannot be used: {trouble}. Write it as "
            "http://host:port or http://user:password@host:port, special characters of user and password "
            "percent-encoded (# is %23, / is %2F, @ is %40)."
        )
    return text


def _is_excepted(url: URL) -> bool:
    host = (url.host or "").rstrip(".").lower()
    excepted = getproxies_environment().get("no")
    if excepted is None:
        return bool(proxy_bypass(host))  # where the system keeps exceptions, it knows
    address = _address(host)
    return any(
        _covers(entry, host, address, url.port) for entry in re.split(r"[,;\s]+", excepted.lower()) if entry
    )


def _covers(entry: str, host: str, address: _Address | None, port: int | None) -> bool:
    if "/" in entry:
        return address is not None and address in _network(entry)
    if _address(entry) is not None:
        return _address(entry) == address
    parts = _HOST_AND_PORT.fullmatch(entry)
    if parts is None or (parts["port"] and int(parts["port"]) != port):
        return False
    name = (parts["v6"] or parts["name"]).removeprefix("*.").strip(".")
    if "*" in name:
        return fnmatchcase(host, name)
    if address is not None:
        return _address(name) == address
    return host == name or host.endswith(f".{name}")


def _network(entry: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(entry, strict=False)
    except ValueError:
        raise UsageError(
            f"NO_PROXY holds {entry!r}, which is no network. Write one as 10.0.0.0/8 or fd00::/8."
        ) from None


def _address(text: str) -> _Address | None:
    try:
        return ip_address(text.strip("[]"))
    except ValueError:
        return None
