"""The MCP server as a child process: started exactly as asked, and never left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

NOT_FOUND = 127
NOT_EXECUTABLE = 126
PR_SET_PDEATHSIG = 1


class ServerNotStartedError(Exception):
    """The command cannot be run; `exit_code` is what a shell would return."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Server:
    """A running server. To be started from the main thread, which must live as long as it."""

    def __init__(self, command: Sequence[str]) -> None:
        """Starts the command with this process's environment, folder, stderr and process group.

        Raises:
            ServerNotStartedError: there is no such command, or it may not be executed.
        """
        if not command:
            raise ServerNotStartedError("no command for the MCP server", 2)
        try:
            self._process = subprocess.Popen(
                list(command),
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                preexec_fn=_death_follows(os.getpid()),  # noqa: PLW1509  (no thread runs yet)
            )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            missing = isinstance(error, FileNotFoundError | NotADirectoryError)
            raise ServerNotStartedError(
                f"cannot start the MCP server {command[0]!r}: {reason}",
                NOT_FOUND if missing else NOT_EXECUTABLE,
            ) from None
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise ServerNotStartedError("no pipes to the MCP server", 1)
        # The descriptors are closed by number; the objects must not close them a second time.
        self.stdin = os.dup(stdin.fileno())
        self.stdout = os.dup(stdout.fileno())
        stdin.close()
        stdout.close()

    def wait(self) -> int:
        """Waits for the end; the exit code, or 128 and the signal's number."""
        code = self._process.wait()
        return code if code >= 0 else 128 - code

    @property
    def exit_code(self) -> int | None:
        """The same without waiting; `None` while it runs."""
        code = self._process.poll()
        return code if code is None or code >= 0 else 128 - code

    def stop(self, patience: float, grace: float = 0.0) -> int:
        """Asks it to end, and after `patience` seconds ends it; those that it started as well.

        Until `grace` seconds have passed it may still end by itself.
        """
        if grace:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace)
        family = [pid for pid in descendants(self._process.pid) if _same_group(pid)]
        with contextlib.suppress(OSError):
            self._process.terminate()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
        for pid in family:
            # Whoever has left the group, or is gone, is not ours.
            if _same_group(pid):
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
        return self.wait()


def descendants(pid: int) -> list[int]:
    """The processes that it started and those that these did."""
    found: list[int] = []
    todo = [pid]
    while todo:
        for task in Path("/proc", str(todo.pop()), "task").glob("*/children"):
            with contextlib.suppress(OSError):
                children = [int(child) for child in task.read_text().split()]
                found += children
                todo += children
    return found


def _same_group(pid: int) -> bool:
    try:
        return os.getpgid(pid) == os.getpgrp()
    except OSError:
        return False


def _death_follows(parent: int) -> Callable[[], None] | None:
    """What the child does before the command: even `kill -9` of the guard ends it."""
    if sys.platform != "linux":
        return None
    import ctypes  # noqa: PLC0415  (not loaded where it is not needed)

    prctl = ctypes.CDLL(None).prctl

    def in_child() -> None:
        prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:  # it has died before it could be watched
            os._exit(1)

    return in_child
