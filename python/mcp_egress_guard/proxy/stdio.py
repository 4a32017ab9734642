"""The stdio transport: one client on stdin and stdout, one server as a child process.

Two threads share both directions: one reads the lines of whichever side speaks, hands each to the
session and carries out its commands in order; the other takes over the watch while the first one
waits or works for long. The main thread waits for the end of either side or for a signal. Exit
codes: the server's own; 128 and the number of the signal that ended the guard; 1 where the server
left requests unanswered, or the client was gone; 70 where the guard itself failed, such as for want
of memory; 126 and 127 where the server cannot be started.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from mcp_egress_guard.proxy.lines import ClientOutlet, Lines, ServerOutlet, TooLong, read, wait
from mcp_egress_guard.proxy.server import Server, ServerNotStartedError
from mcp_egress_guard.proxy.watch import Watch

if TYPE_CHECKING:
    from mcp_egress_guard.core import Session

__all__ = ["Audit", "Patience", "run"]

# Writes one line to the log; raises OSError where it cannot.
Audit = Callable[[bytes], None]

CLIENT, SERVER = 0, 1
AS_IT_IS, FORWARD, REPLY, AUDIT, LOG, HELD, ANSWERED = range(7)
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
MOST_LOG_LINES = 1_000
FLUSH = 1 << 16
# A line that is longer is judged while another thread watches: it takes a millisecond and more.
LONG = 1 << 16
# EX_SOFTWARE of sysexits.h.
BROKEN = 70
DEFAULT_LIMIT = 64 << 20


class Patience:
    """How many seconds the guard waits before it goes on without."""

    # For the server's end after the client's, if it owes no answer.
    end = 2.0
    # For the next answer that it owes.
    answers = 30.0
    # For the server's end after SIGTERM.
    terminate = 3.0
    # For the rest of the output after the server's end.
    output = 1.0
    # For what the client has written before it learns of the server's end.
    late = 1.0


def run(
    command: Sequence[str],
    session: Session,
    audit: Audit | None,
    *,
    limit: int = DEFAULT_LIMIT,
    approval_seconds: int = 300,
    slow: bool = False,
    patience: type[Patience] = Patience,
) -> int:
    """Runs the server between the client's stdin and stdout until either ends; the exit code.

    `slow` tells that judging or recording may wait, for a disk or a lock.

    Must be called from the main thread. Threads may still be blocked in reading afterwards: leave
    the process by `os._exit`.
    """
    try:
        server = Server(command)
    except ServerNotStartedError as error:
        Notes().write(str(error))
        return error.exit_code
    proxy = Proxy(
        server, session, audit, limit, patience, approval_seconds=approval_seconds, slow=slow
    )
    return proxy.run()


class Notes:
    """Messages for people on stderr. A stderr that nobody reads must not hold up the calls."""

    def __init__(self) -> None:
        self.left = MOST_LOG_LINES

    def write(self, text: str) -> None:
        """Shows one line, unless stderr is full or has shown enough."""
        if self.left <= 0:
            return
        self.left -= 1
        if self.left == 0:
            text = "further messages are not shown"
        try:
            if wait(2, select.POLLOUT, 0) & select.POLLOUT:
                os.write(2, f"egress-guard: {text}\n".encode(errors="replace"))
        except OSError:
            self.left = 0


class Proxy:
    """One conversation."""

    def __init__(
        self,
        server: Server,
        session: Session,
        audit: Audit | None,
        limit: int,
        patience: type[Patience],
        *,
        approval_seconds: int,
        slow: bool,
    ) -> None:
        self.server = server
        self.session = session
        self.audit = audit
        self.approval_seconds = approval_seconds
        self.slow = slow
        self.patience = patience
        self.notes = Notes()
        self.fds = (0, server.stdout)
        self.lines = (Lines(limit), Lines(limit))
        self.watch = Watch(self.fds)
        self.to_client = ClientOutlet(1, self.watch.give_way)
        self.to_server = ServerOutlet(server.stdin, self.watch.give_way)
        self.events: SimpleQueue[tuple[str, int]] = SimpleQueue()
        # Whether lines of this side are being judged or sent on.
        self.busy = [False, False]
        self.server_active = time.monotonic()
        self.owed = 0
        self.owed_since = 0.0

    # ── the two directions ────────────────────────────────────────────────────────────────────

    def pump(self) -> None:
        """Serves either side until both have ended, or the client does not listen any more."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            while (side := self.watch.next()) is not None:
                self.busy[side] = True
                try:
                    goes_on = self.step(side)
                finally:
                    self.busy[side] = False
                self.watch.done(side, ended=not goes_on)
        except OSError:
            self.events.put(("client gone", 0))
        except Exception as error:
            # Such as no memory left. A direction that stands still would leave both sides waiting.
            self.events.put(("broken", 0))
            self.notes.write(f"internal error of the guard: {type(error).__name__}")

    def step(self, side: int) -> bool:
        """Passes on what has arrived from this side; false at its end."""
        chunk = read(self.fds[side])
        stream = self.lines[side]
        self.handle(side, stream.arrived(chunk) if chunk else stream.ended())
        if side == SERVER:
            self.server_active = time.monotonic()
        if chunk:
            return True
        if side == SERVER:
            self.events.put(("server end", 0))
            return False
        for number in self.session.unanswered():
            self.settle(number, "timed_out")
        # Told first: the server's end is a consequence.
        self.events.put(("client end", 0))
        self.to_server.finish()
        return False

    def handle(self, side: int, lines: list[bytes | TooLong]) -> None:
        """Judges the lines that arrived together, and sends them on together."""
        receive, now = self.session.receive, time.time_ns
        onward: list[bytes] = []
        size = 0
        for line in lines:
            if self.slow or len(line) > LONG:
                self.watch.give_way()
            if isinstance(line, TooLong):
                commands = self.too_long(side, line)
                line = b""  # noqa: PLW2901  (never forwarded as it is)
            else:
                try:
                    commands = receive(side, line, now())
                except Exception:
                    commands = self.session.refuse(side, line, "internal error of the guard")
            for kind, data in self.recorded(side, line, commands):
                if kind == AS_IT_IS:
                    onward += (line, b"\n")
                    size += len(line)
                elif kind == FORWARD:
                    onward += (data, b"\n")
                    size += len(data)
                elif kind == REPLY:
                    self.send(1 - side, [data, b"\n"])
                elif kind == LOG:
                    self.notes.write(data.decode())
                elif kind == HELD:
                    self.wait_for(data.decode())
                elif kind == ANSWERED:
                    outcome, _, number = data.decode().partition(" ")
                    self.settle(number, outcome)
            if size > FLUSH:
                self.send(side, onward, patient=True)
                onward = []
                size = 0
        if onward:
            self.send(side, onward, patient=True)

    def wait_for(self, number: str) -> None:
        """Settles a question that nobody answers in time."""
        timer = threading.Timer(self.approval_seconds, self.settle, (number, "timed_out"))
        timer.daemon = True
        timer.start()

    def settle(self, number: str, outcome: str) -> None:
        """Lets a call that waited for a person go on, or answers it; once."""
        frame, commands = self.session.settle(number, outcome, time.time_ns())
        for kind, data in self.recorded(CLIENT, frame, commands):
            if kind == FORWARD:
                self.send(CLIENT, [data, b"\n"])
            elif kind == REPLY:
                try:
                    self.send(SERVER, [data, b"\n"])
                except OSError:
                    self.events.put(("client gone", 0))

    def too_long(self, side: int, line: TooLong) -> list[tuple[int, bytes]]:
        """Skips a part of a line; the commands once it has ended."""
        self.session.skip(side, line.part)
        return self.session.skipped(side) if line.last else []

    def recorded(
        self, side: int, line: bytes, commands: list[tuple[int, bytes]]
    ) -> list[tuple[int, bytes]]:
        """The commands, once their decisions are in the log; a refusal if they cannot be."""
        for kind, data in commands:
            if kind == AUDIT and self.audit is not None:
                try:
                    self.audit(data)
                except OSError as error:
                    self.notes.write(f"the audit log cannot be written: {error.strerror}")
                    return self.session.refuse(side, line, "the audit log cannot be written")
        return commands

    def send(self, side: int, pieces: list[bytes], *, patient: bool = False) -> None:
        """Sends lines that came from `side` to the other one.

        Only the client's own lines wait, `patient`, for a server that does not read: what comes
        from the server must go on.

        Raises:
            OSError: the client is gone.
        """
        if side == SERVER:
            self.to_client.send(pieces)
            return
        try:
            self.to_server.send(pieces, patient=patient)
        except OSError:
            self.events.put(("server deaf", 0))

    # ── the end ───────────────────────────────────────────────────────────────────────────────

    def run(self) -> int:
        """Starts both directions and waits for the end of either."""
        for number in SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, lambda number, _: self.events.put(("signal", number)))
        for target in (self.pump, self.pump, self.await_exit):
            threading.Thread(target=target, name=target.__name__, daemon=True).start()
        deadline: float | None = None
        client_ended = False
        while True:
            event, detail = self.next_event(deadline)
            if event == "signal":
                return self.stop(128 + detail)
            if event == "client gone":
                return self.stop(1)
            if event == "broken":
                return self.stop(BROKEN)
            if event == "server end":
                return self.server_ended(client_ended)
            if event == "client end":
                client_ended = True
                deadline = time.monotonic() + self.patience.end
            elif event in {"server exit", "server deaf"}:
                # Its last words are still in the pipe, unless a child of it holds that open.
                deadline = time.monotonic() + self.patience.output
            elif event == "late":
                deadline = self.extended(client_ended)
                if deadline is None:
                    return self.server_ended(client_ended)

    def next_event(self, deadline: float | None) -> tuple[str, int]:
        """The next event; "late" where there is none until the deadline."""
        try:
            if deadline is None:
                return self.events.get()
            return self.events.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            return "late", 0

    def extended(self, client_ended: bool) -> float | None:
        """A later deadline, while the server's answers are on their way to a client that reads."""
        now = time.monotonic()
        soon = now + 0.1
        if wait(1, 0, 0) & (select.POLLERR | select.POLLHUP):
            return None
        if self.busy[SERVER]:
            return soon
        if self.server.exit_code is not None:
            return soon if now - self.server_active < self.patience.output else None
        owed = self.session.waiting() if client_ended else 0
        if owed != self.owed:
            self.owed, self.owed_since = owed, now
        return soon if owed and now - self.owed_since < self.patience.answers else None

    def await_exit(self) -> None:
        """Tells when the server has exited, even where its output stays open."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        self.server.wait()
        self.events.put(("server exit", 0))

    def server_ended(self, client_ended: bool) -> int:
        """Answers what the server leaves unanswered."""
        owed = False
        try:
            for kind, data in self.session.server_gone():
                if kind == FORWARD:
                    owed = True
                    self.to_client.send([data, b"\n"])
            if not client_ended:
                self.answer_the_late()
        except OSError:
            owed = True
        # Its output is closed before it has ended: it is on its way out.
        grace = self.patience.end if client_ended else self.patience.output
        code = self.server.stop(self.patience.terminate, grace)
        return code or int(owed or not client_ended)

    def answer_the_late(self) -> None:
        """Lets the other thread answer what the client has written already."""
        until = time.monotonic() + self.patience.late
        quiet = 0
        while quiet < 2 and time.monotonic() < until:
            ready = wait(0, select.POLLIN, 50)
            quiet = 0 if ready & select.POLLIN or self.busy[CLIENT] else quiet + 1
            if ready:
                time.sleep(0.005)

    def stop(self, code: int) -> int:
        """Ends the server; a second signal does not wait for it."""
        for number in SIGNALS:
            signal.signal(number, lambda *_: os._exit(code))
        self.server.stop(self.patience.terminate)
        return code


if sys.platform == "win32":
    raise ImportError("the stdio proxy needs a POSIX system")
