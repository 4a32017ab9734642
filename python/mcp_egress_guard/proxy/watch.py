"""Who waits for the two sides: one thread at a time, so that a call and its answer wake no second.

The pattern is known as leader and followers; looking again before sleeping, as busy polling.
"""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence

# How long to look, in nanoseconds: where cores sleep, a peer needs half of it to wake and answer.
SOON = 200_000
# One look takes 2 to 4 µs, or a peer's turn on the same core. Where it takes this long others want
# the core, and who sleeps gets it back sooner: no more looks then, for so many times as long.
TAKEN = 200_000
PAUSE = 100


class Watch:
    """Hands out the sides that have something to read, to the threads that ask for them.

    A thread that was given a side serves it and asks again. Until then nobody watches the others:
    before a thread does what may take long or wait it gives way, and another one watches.
    """

    def __init__(self, fds: Sequence[int]) -> None:
        """Side n is read from the n-th of `fds`."""
        self._fds = fds
        self._sides = {fd: side for side, fd in enumerate(fds)}
        # Held by the thread that watches, which alone touches the first of what follows.
        self._turn = threading.Lock()
        self._watcher = 0
        self._poll = select.poll()
        self._ready: list[int] = []
        # The side that was served last, and whether its server watches again already.
        self._last = 0
        self._short = False
        self._spare_core = several_cores()
        self._soon = [self._spare_core] * len(fds)
        self._paused_until = 0
        # Touched by all. The bell tells whoever watches of a side that is to be watched again.
        self._open = set(self._sides.values())
        self._served: deque[int] = deque()
        self._hears, self._bell = os.pipe()
        for fd in (*fds, self._hears):
            self._poll.register(fd, select.POLLIN)

    def next(self) -> int | None:
        """The next side that can be read without waiting; none once all have ended."""
        if not self._watches():
            self._turn.acquire()
            self._watcher = threading.get_ident()
        while self._open:
            if self._ready:
                self._last = self._ready.pop()
                self._short = True
                return self._last
            for fd in self._wait():
                if fd != self._hears:
                    self._ready.append(self._sides[fd])
                    continue
                # First the bell, then what it is about: one that rings now is heard.
                os.read(fd, 1 << 10)
                while self._served:
                    self._poll.register(self._fds[self._served.popleft()], select.POLLIN)
        self._leave()
        return None

    def give_way(self) -> None:
        """Lets another thread watch the sides but the caller's; nothing if the caller does not."""
        if self._watches():
            self._poll.unregister(self._fds[self._last])
            self._ready.clear()
            self._short = False
            self._leave()

    def done(self, side: int, *, ended: bool = False) -> None:
        """The caller has served this side; `ended` where nothing more will come."""
        if ended:
            self._open.discard(side)
        if self._watches():
            if ended:
                self._poll.unregister(self._fds[side])
            return
        if not ended:
            self._served.append(side)
        os.write(self._bell, b".")

    def _watches(self) -> bool:
        return self._watcher == threading.get_ident()

    def _leave(self) -> None:
        self._watcher = 0
        self._turn.release()

    def _wait(self) -> list[int]:
        """The descriptors that can be read, once there is one.

        What comes soon after a message of this side is looked for before sleeping, if the last time
        it came soon: an idle conversation costs nothing, a slow server one look in vain.
        """
        poll, clock = self._poll.poll, time.monotonic_ns
        start = now = clock()
        events = poll(0)
        if self._short and self._soon[self._last] and now >= self._paused_until:
            while not events and now - start < SOON:
                # Whoever waits for this core may be the one that is waited for.
                os.sched_yield()
                events = poll(0)
                before, now = now, clock()
                if now - before > TAKEN:
                    self._paused_until = now + PAUSE * (now - before)
                    break
        if not events:
            events = poll()
            # The way in and out of the sleep counts as much again.
            self._soon[self._last] = self._spare_core and clock() - start < 2 * SOON
        return [fd for fd, _ in events]


def several_cores() -> bool:
    """Whether another process can run while this one does."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0)) > 1
    return (os.cpu_count() or 1) > 1
