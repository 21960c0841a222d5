"""Real certificates: the Portal's, and the client's own."""

import socket
import ssl
import threading
from contextlib import contextmanager, suppress

import pytest
import trustme
from aiohttp import web

from ctera_insights.errors import PortalError, TLSFailed
from ctera_insights.portal import AsyncGlobalAdmin, AsyncServicesPortal, InsecureTLSWarning, RetryPolicy
from ctera_insights.simulator import SimulatedPortal


@pytest.fixture
def authority():
    """A private certificate authority."""
    return trustme.CA()


@pytest.fixture
def ca_file(authority, tmp_path):
    """Its certificate."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return tmp_path / "ca.pem"


@pytest.fixture
def serve_tls(authority, served):
    """A front with a certificate of the authority for the names given, before a Portal that says nothing."""

    def serve(*names, clients=None):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(*names).configure_cert(context)
        if clients is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            clients.configure_trust(context)

        async def handler(request):
            name = request.path.rpartition("/")[2]
            text = "<obj></obj>" if name == "currentSession" else "<val></val>"
            return web.Response(text=text, headers={"Set-Cookie": "JSESSIONID=1; Secure"})

        return served(handler, ssl_context=context)

    return serve


async def _login(url, **options):
    async with AsyncGlobalAdmin(url, **options) as admin:
        await admin.login("jo", "secret")


@pytest.mark.parametrize("client", [AsyncGlobalAdmin, AsyncServicesPortal])
async def test_trusts_an_authority_of_its_own(client, world):
    """With the CA file of a private authority everything works over HTTPS."""
    async with (
        SimulatedPortal(world, https=True) as portal,
        client(portal.url, ca_file=portal.ca_file) as admin,
    ):
        await admin.login(portal.user, portal.password)
        assert len(await admin.notifications.get()) == 7
        await admin.logout()


async def test_a_certificate_of_an_unknown_authority_is_refused(serve_tls):
    """By default nothing is sent to a server whose certificate nobody vouches for; it is not tried again."""
    async with serve_tls("127.0.0.1") as url:
        with pytest.raises(TLSFailed, match="ca_file") as caught:
            await _login(url)
    assert not caught.value.transient


async def test_a_certificate_for_another_host_is_refused(serve_tls, ca_file):
    """A trusted authority does not help a certificate of the wrong name."""
    async with serve_tls("elsewhere.example") as url:
        with pytest.raises(TLSFailed, match=r"127\.0\.0\.1"):
            await _login(url, ca_file=ca_file)


async def test_a_ca_file_replaces_the_systems_authorities(serve_tls, tmp_path):
    """Who names an authority trusts no other."""
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    async with serve_tls("127.0.0.1") as url:
        with pytest.raises(TLSFailed):
            await _login(url, ca_file=other)


async def test_verification_can_be_switched_off(serve_tls):
    """Any certificate is taken then, and a warning says what that means."""
    async with serve_tls("elsewhere.example") as url:
        with pytest.warns(InsecureTLSWarning):
            await _login(url.replace("127.0.0.1", "localhost"), verify=False)


@pytest.mark.parametrize("files", [1, 2])
async def test_shows_a_client_certificate(files, serve_tls, ca_file, tmp_path):
    """One file with certificate and key, or two, for a Portal that asks for one."""
    clients = trustme.CA()
    ours = clients.issue_cert("collector@example.org")
    ours.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    ours.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    ours.private_key_pem.write_to_path(tmp_path / "key.pem")
    client_cert = tmp_path / "both.pem" if files == 1 else (tmp_path / "cert.pem", tmp_path / "key.pem")
    async with serve_tls("127.0.0.1", clients=clients) as url:
        await _login(url, ca_file=ca_file, client_cert=client_cert)


@contextmanager
def _strict_server(authority, clients, version):
    """A plain OpenSSL server that wants a client certificate, and says so (asyncio just hangs up)."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    authority.issue_cert("127.0.0.1").configure_cert(context)
    clients.configure_trust(context)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                tls = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                try:
                    tls.do_handshake()
                finally:
                    plain = socket.socket(fileno=tls.detach())
                    with plain:
                        plain.shutdown(socket.SHUT_WR)
                        while plain.recv(65536):
                            pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_missing_client_certificate_is_named(version, authority, ca_file):
    """A Portal that wants a client certificate fails the handshake; the error says what to give."""
    with (
        _strict_server(authority, trustme.CA(), version) as url,
        pytest.raises(TLSFailed, match="client_cert"),
    ):
        await _login(url, ca_file=ca_file)


async def test_https_to_a_plain_port_says_so(portal):
    """The usual mistake gets a hint instead of OpenSSL's words alone."""
    with pytest.raises(TLSFailed, match="https=False"):
        await _login(f"https://127.0.0.1:{portal.port}")


async def test_http_to_a_tls_port_fails(serve_tls):
    """Plain HTTP to a TLS port is an error of this package as well."""
    async with serve_tls("127.0.0.1") as url:
        with pytest.raises(PortalError):
            await _login(url.replace("https", "http"), retries=RetryPolicy(attempts=1))
