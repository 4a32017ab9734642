"""Upstreams over TLS: the system's trust decides, HTTP/2 is used where it is offered."""

from __future__ import annotations

import datetime
import ipaddress
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.e2e.http_peers import Wire, call, free_port, guarded, post


@dataclass
class TlsServer:
    """A running server and what it says."""

    url: str
    trusted: Path
    said: queue.Queue[str]


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "guard test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[TlsServer]:
    node = shutil.which("node")
    assert node, "node is not on PATH"
    cert, key = certificate(tmp_path)
    port = free_port()
    script = Path(__file__).with_name("h2_server.mjs")
    process = subprocess.Popen(
        [node, str(script), str(port), str(cert), str(key)], stdout=subprocess.PIPE, text=True
    )
    said: queue.Queue[str] = queue.Queue()

    def listen() -> None:
        for line in process.stdout or ():
            said.put(line.strip())

    threading.Thread(target=listen, daemon=True).start()
    assert said.get(timeout=20) == "ready"
    yield TlsServer(f"https://127.0.0.1:{port}/mcp", cert, said)
    process.kill()
    process.wait()


def test_http_2_is_used_where_it_is_offered(tls: TlsServer, guard: str, tmp_path: Path) -> None:
    env = {"SSL_CERT_FILE": str(tls.trusted)}
    with guarded(guard, tmp_path, {"downstream_url": tls.url}, env) as http:
        reply = http.ask(post(call(5)))
        assert reply.message == {
            "jsonrpc": "2.0",
            "id": 5,
            "result": {"content": [], "version": "2.0"},
        }
        assert reply.all("set-cookie") == ["a=1", "b=2"]
        assert b'"result"' in http.ask(post(call(6, "stream", answer=True))).body


def test_a_client_that_is_gone_closes_its_stream(
    tls: TlsServer, guard: str, tmp_path: Path
) -> None:
    env = {"SSL_CERT_FILE": str(tls.trusted)}
    with guarded(guard, tmp_path, {"downstream_url": tls.url}, env) as http:
        with Wire(http.port) as wire:
            wire.send(post(call(7, "stream", answer=False)))
            assert wire.head().status == 200
            assert (wire.chunk() or b"").startswith(b"data: ")
        assert tls.said.get(timeout=10) == "closed"


def test_many_streams_share_the_way(tls: TlsServer, guard: str, tmp_path: Path) -> None:
    env = {"SSL_CERT_FILE": str(tls.trusted)}
    with guarded(guard, tmp_path, {"downstream_url": tls.url}, env) as http:
        wires = [Wire(http.port) for _ in range(150)]
        for number, wire in enumerate(wires):
            wire.send(post(call(number, "stream", answer=False)))
        for wire in wires:
            assert wire.head().status == 200
            assert (wire.chunk() or b"").startswith(b"data: ")
        assert http.ask(post(call(5))).message["id"] == 5
        for wire in wires:
            wire.close()


def test_a_certificate_that_nobody_vouches_for_is_refused(
    tls: TlsServer, guard: str, tmp_path: Path
) -> None:
    with guarded(guard, tmp_path, {"downstream_url": tls.url}) as http:
        reply = http.ask(post(call(5)))
        assert (reply.status, reply.message["id"]) == (502, 5)
        assert "certificate" in reply.message["error"]["message"]
