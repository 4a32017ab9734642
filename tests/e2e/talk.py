"""A client without an SDK: writes bytes to the guard and reads lines from it."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

RAW_SERVER = Path(__file__).resolve().parent / "raw_server.py"
SECONDS = 30


def request(number: Any, method: str = "ping", **params: Any) -> bytes:
    """One request as a line."""
    message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    return json.dumps(message).encode() + b"\n"


def call(number: Any, name: str = "list_files", **arguments: Any) -> bytes:
    """One `tools/call` as a line."""
    return request(number, "tools/call", name=name, arguments=arguments)


DENIED: dict[str, Any] = {"name": "shell_exec", "command": "rm -rf /srv/data"}


class Talk:
    """The guard in front of the raw server, or of another command."""

    def __init__(
        self,
        guard: str,
        folder: Path,
        *server: str,
        options: tuple[str, ...] = (),
        read: bool = True,
        **popen: Any,
    ) -> None:
        self.folder = folder
        self.notes = folder / "notes"
        if len(server) == 1:
            server = (sys.executable, str(RAW_SERVER), server[0], str(self.notes))
        self.process = subprocess.Popen(
            [guard, "run", *options, *(("--", *server) if server else ())],
            **{
                "cwd": folder,
                "stdin": subprocess.PIPE,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                "bufsize": 0,
            }
            | popen,
        )
        self.lines: queue.Queue[bytes | None] = queue.Queue()
        self.errors = b""
        if read:
            self.read()
        self._stderr = threading.Thread(target=self._read_errors, daemon=True)
        self._stderr.start()

    def read(self) -> None:
        """Begins to read the guard's stdout."""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with os.fdopen(os.dup(self.process.stdout.fileno()), "rb") as file:
            for line in file:
                self.lines.put(line)
        self.lines.put(None)

    def _read_errors(self) -> None:
        while data := os.read(self.process.stderr.fileno(), 1 << 16):
            self.errors += data

    def send(self, *data: bytes) -> None:
        """Writes to the guard's stdin."""
        for part in data:
            rest = memoryview(part)
            while rest:
                rest = rest[os.write(self.process.stdin.fileno(), rest) :]

    def line(self, seconds: float = SECONDS) -> bytes:
        """The next line of the guard's stdout."""
        line = self.lines.get(timeout=seconds)
        assert line is not None, f"stdout has ended; stderr: {self.errors!r}"
        return line

    def message(self, seconds: float = SECONDS) -> Any:
        """The next line as JSON."""
        return json.loads(self.line(seconds))

    def rest(self) -> list[Any]:
        """All messages until the end of stdout."""
        messages = []
        while (line := self.lines.get(timeout=SECONDS)) is not None:
            messages.append(json.loads(line))
        return messages

    def end(self) -> None:
        """Closes the guard's stdin."""
        self.process.stdin.close()

    def exit_code(self, seconds: float = SECONDS) -> int:
        """Waits for the guard's end."""
        code = self.process.wait(seconds)
        self._stderr.join(1)
        return code

    def arrived(self) -> list[bytes]:
        """The lines that the server has noted, after the guard's end."""
        return self.notes.read_bytes().splitlines(keepends=True) if self.notes.exists() else []

    @property
    def audit(self) -> list[dict[str, Any]]:
        """The audit lines."""
        log = self.folder / "egress_audit.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    @property
    def resident(self) -> int:
        """Bytes of memory that the guard holds."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be reaped does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}
