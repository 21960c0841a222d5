import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from ctera_insights.errors import UsageError
from ctera_insights.portal import AsyncGlobalAdmin, InsecureTLSWarning, Timeouts
from ctera_insights.portal.tls import TLSOptions


@pytest.mark.parametrize("name", ["connect_s", "read_s", "longpoll_s", "longpoll_margin_s"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "10", None, True, 10_000])
def test_timeouts_refuse_nonsense(name: str, value: Any):
    """A limit is a positive number of seconds; 10,000 is most likely meant as milliseconds."""
    with pytest.raises(UsageError, match=name):
        Timeouts(**{name: value})


def test_certificate_options_refuse_nonsense(tmp_path: Path):
    """Contradictions are refused when the client is made."""
    with pytest.raises(UsageError, match="ca_file"):
        AsyncGlobalAdmin("host", verify="/etc/ssl/ca.pem")
    with pytest.raises(UsageError, match="ca_file"):
        AsyncGlobalAdmin("host", verify=False, ca_file=tmp_path)


def test_certificate_files_that_cannot_be_used_are_named(tmp_path: Path):
    """A missing file, a file without certificates, and an encrypted or foreign key are told apart by name."""
    missing, empty = tmp_path / "missing.pem", tmp_path / "empty.pem"
    empty.write_text("nothing")
    for options in (TLSOptions(ca_file=missing), TLSOptions(client_cert=missing)):
        with pytest.raises(UsageError, match=r"missing\.pem.* cannot be read"):
            options.context()
    for options in (TLSOptions(ca_file=empty), TLSOptions(client_cert=(empty, empty))):
        with pytest.raises(UsageError, match=r"empty\.pem"):
            options.context()


def test_authorities_of_the_environment_that_are_not_there_are_named(monkeypatch: pytest.MonkeyPatch):
    """OpenSSL itself would trust nobody then, and blame the Portal's certificate."""
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    with pytest.raises(UsageError, match=r"SSL_CERT_FILE names '/nowhere/ca\.pem'"):
        TLSOptions().context()


def test_an_encrypted_key_does_not_ask_on_the_terminal(tmp_path: Path):
    """The key of a client certificate must not be encrypted; the error says so."""
    from cryptography.hazmat.primitives import serialization

    ours = trustme.CA().issue_cert("client@example.org")
    key = serialization.load_pem_private_key(ours.private_key_pem.bytes(), None)
    (tmp_path / "cert.pem").write_bytes(ours.cert_chain_pems[0].bytes())
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"pass phrase"),
        )
    )
    with pytest.raises(UsageError, match="unencrypted"):
        TLSOptions(client_cert=(tmp_path / "cert.pem", tmp_path / "key.pem")).context()


def test_checks_certificates_by_default():
    """Without options the system's authorities are trusted and the host name is checked."""
    context = TLSOptions().context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_warns_once_per_host_that_certificates_are_not_checked(
    caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
):
    """Switching verification off warns and logs, once per host, and not for plain HTTP."""
    with pytest.warns(InsecureTLSWarning, match="insecure-a") as warned:
        AsyncGlobalAdmin("insecure-a.example", verify=False)
    assert warned[0].filename == __file__
    assert "insecure-a.example is not checked" in caplog.text
    AsyncGlobalAdmin("insecure-a.example", verify=False)
    AsyncGlobalAdmin("http://insecure-b.example", verify=False)
    assert not recwarn.list
