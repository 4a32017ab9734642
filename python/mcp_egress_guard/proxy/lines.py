"""Lines over raw file descriptors: split without limits, written whole, bounded in memory.

Blocking calls in threads: on two cores this is four times as fast as an event loop.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable

# A pipe's capacity. A larger buffer is mapped and unmapped by the allocator at every read, which
# costs 15 µs instead of 1.
CHUNK = 1 << 16
# More than this is not joined into one buffer, only to save a system call.
JOIN = 1 << 16
# What a server that does not read is let lag behind; then its client waits too.
BACKLOG = 16 << 20


class TooLong:
    """A part of a line that is longer than the limit; `last` ends it."""

    __slots__ = ("last", "part")

    def __init__(self, part: bytes, last: bool) -> None:
        self.part = part
        self.last = last

    def __len__(self) -> int:
        return len(self.part)


class Lines:
    """The lines of one stream, without their LF, as its bytes arrive.

    Only LF ends a line; text after the last one is a line too. Beyond `limit` bytes a line is
    handed on in parts and never kept.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        # Of the line that has begun.
        self._size = 0
        self._parts: list[bytes] = []

    def arrived(self, chunk: bytes) -> list[bytes | TooLong]:
        """The lines that are whole with this chunk."""
        head, newline, rest = chunk.rpartition(b"\n")
        if not newline:
            self._parts.append(rest)
            self._size += len(rest)
            return [self._too_long(last=False)] if self._size > self.limit else []
        lines: list[bytes | TooLong] = []
        first, *whole = head.split(b"\n")
        self._size += len(first)
        if self._parts or self._size > self.limit:
            self._parts.append(first)
            lines.append(self._line())
        else:
            lines.append(first)
        lines += (TooLong(x, last=True) if len(x) > self.limit else x for x in whole)
        if rest:
            self._parts.append(rest)
        self._size = len(rest)
        return lines

    def ended(self) -> list[bytes | TooLong]:
        """What is left at the end of the stream."""
        return [self._line()] if self._size else []

    def _line(self) -> bytes | TooLong:
        if self._size > self.limit:
            return self._too_long(last=True)
        line = b"".join(self._parts)
        self._parts.clear()
        return line

    def _too_long(self, *, last: bool) -> TooLong:
        part = TooLong(b"".join(self._parts), last)
        self._parts.clear()
        return part


def read(fd: int) -> bytes:
    """What is there, at least one byte; nothing at the end of the stream."""
    while True:
        try:
            return os.read(fd, CHUNK)
        except BlockingIOError:  # the peer has set its end, which is ours too, to non-blocking
            wait(fd, select.POLLIN)
        except OSError:  # closed under our hands, or a terminal that is gone
            return b""


def write(fd: int, data: bytes) -> None:
    """Writes all of it, and waits for the reader as long as that takes.

    Raises:
        OSError: nobody reads any more.
    """
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(fd, rest) :]
        except BlockingIOError:
            wait(fd, select.POLLOUT)


def wait(fd: int, event: int, milliseconds: int | None = None) -> int:
    """Waits until the descriptor is ready; the events that are, 0 where the time is up."""
    poll = select.poll()
    poll.register(fd, event)
    ready = poll.poll(milliseconds)
    return ready[0][1] if ready else 0


def joined(pieces: list[bytes]) -> list[bytes]:
    """The same bytes in few pieces, without copying long ones."""
    if sum(map(len, pieces)) <= JOIN:
        return [b"".join(pieces)]
    return pieces


class ClientOutlet:
    """The one way to the client's ear: lines of two threads never mix."""

    def __init__(self, fd: int, waits: Callable[[], None]) -> None:
        """`waits` is called before the calling thread may have to wait."""
        self.fd = fd
        self._waits = waits
        self._lock = threading.Lock()

    def send(self, pieces: list[bytes]) -> None:
        """Writes whole lines, and waits for the client to read.

        Raises:
            OSError: the client is gone.
        """
        if not self._lock.acquire(blocking=False):
            self._waits()
            self._lock.acquire()
        try:
            for piece in joined(pieces):
                # A pipe that takes anything takes as much as this at once.
                if len(piece) > select.PIPE_BUF or not wait(self.fd, select.POLLOUT, 0):
                    self._waits()
                write(self.fd, piece)
        finally:
            self._lock.release()


class ServerOutlet:
    """The one way to the server's ear. A server that does not read holds up nobody at first.

    What it does not take is kept up to a bound, so that calls behind a stuck one are still judged
    and the denied ones answered.
    """

    def __init__(self, fd: int, waits: Callable[[], None], backlog: int = BACKLOG) -> None:
        """`waits` is called before the calling thread has to wait."""
        self.fd = fd
        self.backlog = backlog
        self._waits = waits
        self._changed = threading.Condition()
        self._queue: deque[memoryview] = deque()
        self._size = 0
        self._draining = False
        self._finished = False
        self._broken: OSError | None = None
        os.set_blocking(fd, False)

    def send(self, pieces: list[bytes], *, patient: bool) -> None:
        """Writes whole lines; a patient sender waits while too much is kept.

        Raises:
            OSError: the server does not read any more.
        """
        with self._changed:
            for piece in joined(pieces):
                self._send(piece)
            while patient and self._size > self.backlog and not self._broken:
                self._waits()
                self._changed.wait()
            if self._broken:
                raise self._broken

    def finish(self) -> None:
        """Closes the way once all that is kept has been read."""
        with self._changed:
            self._finished = True
            if not self._draining:
                self._close()
            self._changed.notify_all()

    def _send(self, piece: bytes) -> None:
        if self._broken or self._finished:
            raise self._broken or BrokenPipeError()
        written = 0
        if not self._queue:
            try:
                written = os.write(self.fd, piece)
            except BlockingIOError:
                pass
            except OSError as error:
                self._broken = error
                raise
        if written < len(piece):
            self._queue.append(memoryview(piece)[written:])
            self._size += len(piece) - written
            if not self._draining:
                self._draining = True
                threading.Thread(target=self._drain, name="to-server", daemon=True).start()

    def _drain(self) -> None:
        while True:
            # While the queue is not empty nobody else writes, so no lock is held meanwhile.
            wait(self.fd, select.POLLOUT)
            with self._changed:
                try:
                    written = os.write(self.fd, self._queue[0])
                except BlockingIOError:
                    continue
                except OSError as error:
                    self._broken = error
                    self._queue.clear()
                    self._size = written = 0
                else:
                    self._queue[0] = self._queue[0][written:]
                    if not self._queue[0]:
                        self._queue.popleft()
                    self._size -= written
                self._changed.notify_all()
                if not self._queue:
                    self._draining = False
                    if self._finished:
                        self._close()
                    return

    def _close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
