"""Measures what the HTTP transport adds, beside a direct connection and nginx as a plain proxy.

    python benches/http_proxy.py            latency, CPU and rate
    python benches/http_proxy.py --streams  memory of 1,000 open streams, delay of an event

All take turns in one run, evaluation and audit are on. The server behind them and the client that
loads them are small and fast, so that the proxies are what is measured. nginx is left out where it
is not installed. Exits 1 if a figure is over its budget.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import resource
import selectors
import shutil
import socket
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from mcp_egress_guard.bench.workloads import call, frame

GUARD = str(Path(sysconfig.get_path("scripts")) / "egress-guard")
BLOCKS = 5
ADDED_P50 = 150e-6
ADDED_P99 = 1e-3
CPU_OVER_NGINX = 2.5
RATE_OVER_NGINX = 0.5
STREAMS_MB = 150
EVENT_DELAY = 200e-6

BODY = frame(call("list_files", path="/srv/reports/2026/quarter") | {"id": 1})
ANSWER = b'{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"a.txt b.txt"}]}}'
REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(ANSWER),
    ANSWER,
)
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENT = b'data: {"jsonrpc":"2.0","method":"notifications/message","params":{"data":%d}}\n\n'


def request(port: int, method: bytes = b"POST", body: bytes = BODY) -> bytes:
    """The bytes of a request."""
    return (
        b"%b /mcp HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
        b"Accept: application/json, text/event-stream\r\nContent-Length: %d\r\n\r\n%b"
        % (method, port, len(body), body)
    )


def missing_of(data: bytes) -> int:
    """Bytes that are still to come of a message of a known length; at least one within its head."""
    head, end, body = data.partition(b"\r\n\r\n")
    if not end:
        return 1
    length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
    return int(length or 0) - len(body)


def whole_message(sock: socket.socket, data: bytes = b"") -> bool:
    """Reads what is missing of a message; false where the connection ends before."""
    while missing_of(data) > 0:
        more = sock.recv(65536)
        if not more:
            return False
        data += more
    return True


def serve(listener: socket.socket) -> None:
    """Answers every POST with the same result, and sends the time on every GET stream."""
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    streams: list[socket.socket] = []
    tick = 0.0
    while True:
        for key, _ in selector.select(0.05 if streams else None):
            sock = key.fileobj
            if sock is listener:
                peer, _ = listener.accept()
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(peer, selectors.EVENT_READ)
                continue
            assert isinstance(sock, socket.socket)
            try:
                data = sock.recv(65536)
            except OSError:
                data = b""
            if not data:
                selector.unregister(sock)
                if sock in streams:
                    streams.remove(sock)
                sock.close()
            elif data.startswith(b"GET"):
                sock.sendall(STREAM)
                streams.append(sock)
            else:
                # No pipelining here: what was read ends with the request, or before its end.
                sock.settimeout(5)
                whole_message(sock, data)
                with contextlib.suppress(OSError):
                    sock.sendall(REPLY)
        now = time.perf_counter()
        if streams and now - tick > 0.05:
            tick = now
            event = EVENT % time.monotonic_ns()
            # The first stream is the one that is looked at.
            with contextlib.suppress(OSError):
                streams[0].sendall(b"%x\r\n%b\r\n" % (len(event), event))


class Connection:
    """A client's connection that is kept."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = request(port)

    def ask(self) -> None:
        """One call."""
        self.sock.sendall(self.data)
        got = b""
        while not got.endswith(ANSWER):
            more = self.sock.recv(65536)
            if not more:
                raise SystemExit("the connection was closed")
            got += more

    def latencies(self, count: int, pause: float = 0.0) -> list[float]:
        """Seconds of each of so many calls."""
        taken = []
        for _ in range(count):
            start = time.perf_counter()
            self.ask()
            taken.append(time.perf_counter() - start)
            if pause:
                time.sleep(pause)
        return taken


def load(port: int, connections: int, seconds: float, body: bytes = BODY) -> int:
    """Calls over many connections at once for a while; how many were answered."""
    selector = selectors.DefaultSelector()
    for _ in range(connections):
        connection = Connection(port)
        connection.data = request(port, body=body)
        selector.register(connection.sock, selectors.EVENT_READ, connection)
        connection.sock.sendall(connection.data)
    done, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        for key, _ in selector.select(1):
            data = key.data.sock.recv(65536)
            if not data:
                raise SystemExit("the connection was closed")
            if data.endswith(ANSWER):
                done += 1
                key.data.sock.sendall(key.data.data)
    for key in list(selector.get_map().values()):
        key.data.sock.close()
    return done


def family(pid: int) -> list[int]:
    """The process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(int(child) for child in children)]


def cpu(pid: int) -> float:
    """CPU seconds that a process and its children have used."""
    ticks = 0
    for one in family(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> float:
    """Resident MB of a process and its children."""
    pages = sum(int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in family(pid))
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def ready(port: int) -> None:
    """Waits until somebody listens."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.02)
    raise SystemExit("nobody listens")


def start_guard(
    folder: Path, upstream: int, workers: int, **http: int
) -> tuple[subprocess.Popen[bytes], int]:
    """The installed command; `http` are further keys of `proxy.http`."""
    port = free_port()
    proxy = {
        "transport": "http",
        "listen_port": port,
        "downstream_url": f"http://127.0.0.1:{upstream}/mcp",
        "http": {"workers": workers, **http},
    }
    (folder / "gateway.yaml").write_text(json.dumps({"proxy": proxy}))
    command = [GUARD, "run", "--config", "gateway.yaml"]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL), port


def start_nginx(
    folder: Path, upstream: int, workers: int
) -> tuple[subprocess.Popen[bytes], int] | None:
    """Starts nginx as a plain reverse proxy with connections that are kept, if it is installed."""
    nginx = shutil.which("nginx")
    if nginx is None:
        return None
    port = free_port()
    (folder / "nginx.conf").write_text(
        f"""daemon off; worker_processes {workers}; pid {folder}/nginx.pid;
        error_log /dev/null; events {{ worker_connections 4096; }}
        http {{
          access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
          fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
          keepalive_requests 100000000;
          upstream up {{ server 127.0.0.1:{upstream}; keepalive 512;
            keepalive_requests 100000000; }}
          server {{ listen 127.0.0.1:{port} reuseport; location / {{
            proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_buffering off; }} }}
        }}"""
    )
    command = [nginx, "-c", str(folder / "nginx.conf"), "-p", str(folder)]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL), port


@contextlib.contextmanager
def peers(workers: int) -> Iterator[dict[str, tuple[int, int | None]]]:
    """Port and process id of each that is compared."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    upstream = listener.getsockname()[1]
    server = multiprocessing.get_context("fork").Process(target=serve, args=(listener,))
    server.daemon = True
    server.start()
    with tempfile.TemporaryDirectory() as name:
        started = {"guard": start_guard(Path(name), upstream, workers)}
        if nginx := start_nginx(Path(name), upstream, workers):
            started["nginx"] = nginx
        try:
            found: dict[str, tuple[int, int | None]] = {"direct": (upstream, None)}
            for key, (process, port) in started.items():
                ready(port)
                found[key] = (port, process.pid)
            yield found
        finally:
            for process, _ in started.values():
                process.terminate()
                process.wait()
            server.terminate()


def percentile(values: list[float], part: float) -> float:
    """The value below which this part of them lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def latency(found: dict[str, tuple[int, int | None]]) -> dict[str, tuple[float, float]]:
    """p50 and p99 of a call, the connections taking turns; the least of the blocks."""
    connections = {name: Connection(port) for name, (port, _) in found.items()}
    blocks: dict[str, list[tuple[float, float]]] = {name: [] for name in found}
    for connection in connections.values():
        connection.latencies(200)
    for _ in range(BLOCKS):
        for name, connection in connections.items():
            taken = connection.latencies(1_000)
            blocks[name].append((statistics.median(taken), percentile(taken, 0.99)))
    return {
        name: (min(p50 for p50, _ in all_), statistics.median(p99 for _, p99 in all_))
        for name, all_ in blocks.items()
    }


def rate(found: dict[str, tuple[int, int | None]]) -> dict[str, tuple[float, float]]:
    """Calls a second over 32 connections, and CPU seconds of the proxy for one."""
    best: dict[str, tuple[float, float]] = {}
    for _ in range(3):
        for name, (port, pid) in found.items():
            if pid is None:
                continue
            before = cpu(pid)
            done = load(port, 32, 2.0)
            used = (cpu(pid) - before) / max(done, 1)
            old = best.get(name, (0.0, 1.0))
            best[name] = (max(old[0], done / 2.0), min(old[1], used))
    return best


def streams(found: dict[str, tuple[int, int | None]], count: int) -> tuple[float, float]:
    """Memory of the guard with so many streams open, and the delay that it adds to an event."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    port, pid = found["guard"]
    assert pid is not None

    def delay(at: int, events: int) -> float:
        sock = socket.create_connection(("127.0.0.1", at))
        sock.sendall(request(at, b"GET", b""))
        taken: list[float] = []
        while len(taken) < events:
            data = sock.recv(65536)
            now = time.monotonic_ns()
            if (place := data.find(b'"data":')) >= 0:
                taken.append((now - int(data[place + 7 :].split(b"}")[0])) / 1e9)
        sock.close()
        time.sleep(0.2)
        return statistics.median(taken)

    delays = {name: delay(found[name][0], 60) for name in ("direct", "guard")}
    opened = []
    for _ in range(count):
        sock = socket.create_connection(("127.0.0.1", port))
        sock.sendall(request(port, b"GET", b""))
        opened.append(sock)
    for sock in opened:
        sock.recv(1024)
    used = memory(pid)
    for sock in opened:
        sock.close()
    return used, delays["guard"] - delays["direct"]


def main() -> int:
    """Prints the figures; 1 if one is over its budget."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", action="store_true")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    checks: list[tuple[str, float, float, Callable[[float], str]]] = []

    def us(seconds: float) -> str:
        return f"{seconds * 1e6:.0f} µs"

    with peers(options.workers) as found:
        if options.streams:
            used, delay = streams(found, 1_000)
            checks += [
                ("1,000 open streams, resident", used, STREAMS_MB, lambda mb: f"{mb:.0f} MB"),
                ("added delay of an event, median", delay, EVENT_DELAY, us),
            ]
        else:
            times, rates = latency(found), rate(found)
            for name, (p50, p99) in times.items():
                print(f"{name:>8}: p50 {us(p50)}, p99 {us(p99)}", end="")
                if name in rates:
                    print(f", {rates[name][0]:,.0f} calls/s, {us(rates[name][1])} CPU", end="")
                print()
            direct, guard = times["direct"], times["guard"]
            checks += [
                ("added latency, p50", guard[0] - direct[0], ADDED_P50, us),
                ("added latency, p99", guard[1] - direct[1], ADDED_P99, us),
            ]
            if "nginx" in rates:
                cost = rates["guard"][1] / rates["nginx"][1]
                pace = rates["nginx"][0] / rates["guard"][0]
                checks += [
                    ("CPU over nginx", cost, CPU_OVER_NGINX, lambda x: f"{x:.2f} x"),
                    ("nginx's rate over ours", pace, 1 / RATE_OVER_NGINX, lambda x: f"{x:.2f} x"),
                ]
    failed = 0
    for what, value, budget, show in checks:
        over = value > budget
        failed |= over
        print(f"{what}: {show(value)} (at most {show(budget)}){'  OVER' if over else ''}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
