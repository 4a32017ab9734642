"""The listener: TLS with the guard's certificate, clients with a certificate of theirs, workers."""

from __future__ import annotations

import datetime
import http.client
import ipaddress
import json
import ssl
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.e2e.http_peers import Guarded, Server, call, guarded, post

NOW = datetime.datetime.now(datetime.UTC)


@dataclass(frozen=True)
class Issued:
    """A certificate, its key, and the files of both."""

    made: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    cert_file: Path
    key_file: Path


def issue(folder: Path, name: str, by: Issued | None = None, days: int = 1) -> Issued:
    """A certificate for 127.0.0.1, of an authority or of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    alternative = x509.SubjectAlternativeName(
        [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.made.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - datetime.timedelta(days=3))
        .not_valid_after(NOW + datetime.timedelta(days=days))
        .add_extension(alternative, critical=False)
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
        .sign(by.key if by else key, hashes.SHA256())
    )
    issued = Issued(made, key, folder / f"{name}.pem", folder / f"{name}.key")
    issued.cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    issued.key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return issued


def ask(guard: Guarded, trusted: Issued, own: Issued | None = None, **headers: str) -> Any:
    """A call over TLS; status and answer."""
    context = ssl.create_default_context(cafile=str(trusted.cert_file))
    if own:
        context.load_cert_chain(own.cert_file, own.key_file)
    connection = http.client.HTTPSConnection("127.0.0.1", guard.port, timeout=20, context=context)
    try:
        body = json.dumps(call(7))
        connection.request("POST", "/mcp", body, {"Content-Type": "application/json"} | headers)
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())
    finally:
        connection.close()


def test_the_listener_speaks_tls(server: Server, guard: str, tmp_path: Path) -> None:
    authority = issue(tmp_path, "authority")
    own = issue(tmp_path, "guard", authority)
    # Relative to the configuration, like every path in it.
    listener = {"tls_certificate": own.cert_file.name, "tls_key": own.key_file.name}
    with guarded(guard, tmp_path, {"downstream_url": server.url, "http": listener}) as running:
        assert ask(running, authority)[0] == 200
        assert any("listening on https://" in line for line in running.stderr)
        with pytest.raises(ssl.SSLCertVerificationError):
            ask(running, issue(tmp_path, "other"))
        plain = b"GET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n"
        with pytest.raises(AssertionError, match="no answer"):
            running.ask(plain)
        assert ask(running, authority)[1]["id"] == 7
    assert [seen.message["id"] for seen in server.seen] == [7, 7]


def test_only_clients_with_a_certificate_of_ours(
    server: Server, guard: str, tmp_path: Path
) -> None:
    authority, clients = issue(tmp_path, "authority"), issue(tmp_path, "clients")
    own = issue(tmp_path, "guard", authority)
    listener = {
        "tls_certificate": str(own.cert_file),
        "tls_key": str(own.key_file),
        "client_ca": str(clients.cert_file),
        "bearer_token_variable": "GUARD_TOKEN",
    }
    proxy = {"downstream_url": server.url, "http": listener}
    token = {"Authorization": "Bearer open-sesame"}
    with guarded(guard, tmp_path, proxy, {"GUARD_TOKEN": "open-sesame"}) as running:
        ours = issue(tmp_path, "ours", clients)
        assert ask(running, authority, ours, **token)[0] == 200
        # One does not stand for the other.
        assert ask(running, authority, ours)[0] == 401
        for stranger in (
            None,
            issue(tmp_path, "stranger"),
            issue(tmp_path, "foreign", authority),
            issue(tmp_path, "expired", clients, days=-1),
        ):
            with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
                ask(running, authority, stranger, **token)
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("listener", "said"),
    [
        ({"tls_certificate": "guard.pem"}, "tls_key"),
        ({"client_ca": "guard.pem"}, "needs TLS"),
        ({"tls_certificate": "none.pem", "tls_key": "guard.key"}, "none.pem"),
        ({"tls_certificate": "guard.pem", "tls_key": "guard.pem"}, "no private key"),
        ({"tls_certificate": "guard.pem", "tls_key": "other.key"}, "guard.pem"),
        ({"tls_certificate": "guard.key", "tls_key": "guard.key"}, "no certificate"),
    ],
)
def test_a_certificate_that_cannot_be_used_stops_the_start(
    guard: str, tmp_path: Path, listener: dict[str, str], said: str
) -> None:
    issue(tmp_path, "guard")
    issue(tmp_path, "other")
    proxy = {"transport": "http", "downstream_url": "http://127.0.0.1:1/mcp", "http": listener}
    (tmp_path / "gateway.yaml").write_text(json.dumps({"proxy": proxy | {"listen_port": 0}}))
    done = subprocess.run(
        [guard, "run", "--config", "gateway.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_line_says_how_many_workers(server: Server, guard: str, tmp_path: Path) -> None:
    proxy = {"downstream_url": server.url, "http": {"workers": 1}}
    with guarded(guard, tmp_path, proxy, options=("--workers", "3")) as running:
        names = Path(f"/proc/{running.process.pid}/task").glob("*/comm")
        assert [name.read_text() for name in names].count("gateway\n") == 3
        with_port = [threading.Thread(target=running.ask, args=(post(call(n)),)) for n in range(30)]
        for thread in with_port:
            thread.start()
        for thread in with_port:
            thread.join()
    assert sorted(seen.message["id"] for seen in server.seen) == list(range(30))


def test_workers_are_for_http(guard: str, tmp_path: Path) -> None:
    for arguments in (("--workers", "2", "--", "cat"), ("--workers", "0"), ("--workers", "65")):
        done = subprocess.run(
            [guard, "run", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert (done.returncode, "--workers" in done.stderr) == (2, True), done.stderr
