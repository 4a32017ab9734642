"""MCP servers that answer at once, so that what stands before them is measured.

`python -m mcp_egress_guard.bench.server stdio` answers each line; `… http` prints its port and
answers each POST. They stand on the standard library alone: they start quickly.
"""

from __future__ import annotations

import os
import selectors
import socket
import sys

RESULT = b'{"jsonrpc":"2.0","id":%b,"result":{"content":[]}}'
# Where a message of `workloads.call` has its id.
ID = slice(6, 13)
CHUNK = 1 << 20


def stdio() -> None:
    """Answers each line with an empty result under its id, many lines to a write."""
    rest: list[bytes] = []
    while data := os.read(0, CHUNK):
        *lines, last = data.split(b"\n")
        if lines:
            lines[0] = b"".join([*rest, lines[0]])
            rest = []
            out = b"".join(RESULT % line[ID] + b"\n" for line in lines)
            while out:
                out = out[os.write(1, out) :]
        if last:
            rest.append(last)


def http() -> None:
    """Answers each POST on connections that are kept."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(listener.getsockname()[1], flush=True)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    # What has come of a request, and how long it will be; 0 while that is not known.
    pending: dict[socket.socket, tuple[bytearray, int]] = {}
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                peer, _ = listener.accept()
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(peer, selectors.EVENT_READ)
                pending[peer] = (bytearray(), 0)
                continue
            peer = key.fileobj  # type: ignore[assignment]
            try:
                data = peer.recv(CHUNK)
            except OSError:
                data = b""
            if not data:
                selector.unregister(peer)
                del pending[peer]
                peer.close()
                continue
            got, total = pending[peer]
            got += data
            if not total and (end := got.find(b"\r\n\r\n")) >= 0:
                total = end + 4 + content_length(bytes(got[:end]))
            if total and len(got) >= total:
                body = RESULT % bytes(got[total - content_length(bytes(got)) :][ID])
                peer.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                    b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
                )
                got, total = bytearray(), 0
            pending[peer] = (got, total)


def content_length(message: bytes) -> int:
    """What the header of an HTTP message says; 0 where it says nothing."""
    head = message.partition(b"\r\n\r\n")[0].lower()
    _, found, after = head.partition(b"\r\ncontent-length:")
    return int(after.split(b"\r\n", 1)[0]) if found else 0


if __name__ == "__main__":
    http() if sys.argv[1:] == ["http"] else stdio()
