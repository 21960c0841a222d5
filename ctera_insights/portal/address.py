"""Where a Portal is: a host name, or a URL as copied from a browser, to the URL of the host's root."""

from __future__ import annotations

from yarl import URL

from ctera_insights.errors import UsageError


def portal_url(host: str, port: int | None = None, https: bool = True) -> URL:
    """The root URL of a Portal.

    Args:
        host: a host name or address (IPv6 with or without brackets), ``host:port``, or a full URL. A URL's
            scheme wins over ``https``; its path, query and fragment are dropped: a Portal lives at the root.
        port: TCP port; by default that of the URL, else 443, or 80 without ``https``.
        https: whether to speak TLS when ``host`` carries no scheme.

    Raises:
        UsageError: the address cannot be read, holds credentials, or names two different ports.

    >>> portal_url("tenant.ctera.com")
    URL('https://tenant.ctera.com')
    >>> portal_url("::1", 8080, https=False)
    URL('http://[::1]:8080')
    >>> portal_url("https://tenant.ctera.com/ServicesPortal/#/files")
    URL('https://tenant.ctera.com')
    """
    text = host.strip()
    if "@" in text:  # anywhere: a password may hold a slash; the text is not repeated for the same reason
        raise UsageError(
            "The Portal's address holds an @, as if with a user name or password. Give the host alone, and "
            "the credentials to login()."
        )
    url = _parse(text, "https" if https else "http")
    if port is None:
        return url
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
        raise UsageError(f"{port!r} is not a TCP port: 1 to 65535.")
    if url.explicit_port not in (None, port):
        raise UsageError(f"Two ports for one Portal: {url.explicit_port} in {host!r}, and {port}. Give one.")
    return url.with_port(port)


def _parse(text: str, scheme: str) -> URL:
    authority, separator, rest = text.partition("://")
    if separator:
        scheme, text = authority.lower(), rest
    if scheme not in ("http", "https"):
        raise UsageError(f"A Portal speaks http or https, not {scheme!r}.")
    authority = text.replace("\\", "/").partition("/")[0].partition("?")[0].partition("#")[0]
    if authority.count(":") > 1 and not authority.startswith("["):
        authority = f"[{authority}]"
    try:
        url = URL(f"{scheme}://{authority}")
        host, port = url.host, url.explicit_port
    except ValueError as error:
        raise UsageError(f"{authority!r} is not the address of a host: {error}.") from None
    if not host or port == 0 or any(character.isspace() for character in authority) or not resolvable(url):
        raise UsageError(f"{authority!r} is not the address of a host.")
    return url.origin()


def resolvable(url: URL) -> bool:
    """Whether the name of a URL's host can be looked up: resolvers refuse empty and overlong labels.

    >>> resolvable(URL("http://portal.example.com.")), resolvable(URL("http://portal..example.com"))
    (True, False)
    """
    try:
        return bool((url.raw_host or "").encode("idna"))
    except UnicodeError:
        return False
