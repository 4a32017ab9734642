"""The threads of the stdio proxy share the watch over both sides, and split what they read."""

from __future__ import annotations

import os
import random
import select
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from mcp_egress_guard.proxy.lines import ClientOutlet, Lines, ServerOutlet, TooLong
from mcp_egress_guard.proxy.watch import SOON, Watch

pytestmark = pytest.mark.timeout(60)


def until(condition: Callable[[], object]) -> None:
    """Waits for it to become true."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it did not become true"
        time.sleep(0.001)


class Peers:
    """Two pipes and threads that serve them; a number that is read tells how."""

    def __init__(self, threads: int = 2) -> None:
        self.reads, self.writes = zip(os.pipe(), os.pipe(), strict=True)
        self.watch = Watch(self.reads)
        self.served: list[tuple[int, bytes]] = []
        self.hold = [threading.Event(), threading.Event()]
        self.threads = [threading.Thread(target=self.serve, daemon=True) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def serve(self) -> None:
        while (side := self.watch.next()) is not None:
            data = os.read(self.reads[side], 1)
            if data == b"w":
                self.watch.give_way()
                assert self.hold[side].wait(20)
            self.served.append((side, data))
            self.watch.done(side, ended=not data)

    def send(self, side: int, data: bytes) -> None:
        os.write(self.writes[side], data)

    def end(self) -> None:
        for side in (0, 1):
            self.hold[side].set()
            os.close(self.writes[side])
        for thread in self.threads:
            thread.join(20)
            assert not thread.is_alive()
        for fd in self.reads:
            os.close(fd)


@pytest.fixture
def peers() -> Iterator[Peers]:
    peers = Peers()
    yield peers
    peers.end()


def test_both_sides_are_served_each_in_its_order(peers: Peers) -> None:
    for side in (0, 1, 0, 1):
        peers.send(side, b"abc")
    until(lambda: len(peers.served) == 12)
    for side in (0, 1):
        assert b"".join(data for one, data in peers.served if one == side) == b"abcabc"


def test_a_side_that_waits_does_not_hold_up_the_other(peers: Peers) -> None:
    peers.send(0, b"wx")
    peers.send(1, b"ab")
    until(lambda: peers.served == [(1, b"a"), (1, b"b")])
    # Its own order is kept meanwhile.
    peers.hold[0].set()
    until(lambda: peers.served[2:] == [(0, b"w"), (0, b"x")])


def test_both_may_wait_and_either_goes_on_first(peers: Peers) -> None:
    for first in (0, 1):
        peers.served.clear()
        for side in (0, 1):
            peers.hold[side].clear()
            peers.send(side, b"wy")
        peers.hold[first].set()
        until(lambda: len(peers.served) == 2)
        assert peers.served == [(first, b"w"), (first, b"y")]
        peers.hold[1 - first].set()
        until(lambda: len(peers.served) == 4)


def test_no_side_is_forgotten_however_the_threads_take_turns() -> None:
    peers = Peers()
    dice = random.Random(5)  # noqa: S311  (a test that repeats)
    for event in peers.hold:
        event.set()
    sent: list[list[int]] = [[], []]

    def feed(side: int) -> None:
        for _ in range(3_000):
            byte = dice.choice(b"wwab")
            sent[side].append(byte)
            peers.send(side, bytes([byte]))

    feeders = [threading.Thread(target=feed, args=(side,)) for side in (0, 1)]
    for feeder in feeders:
        feeder.start()
    for feeder in feeders:
        feeder.join()
    until(lambda: len(peers.served) == 6_000)
    for side in (0, 1):
        assert [data[0] for one, data in peers.served if one == side] == sent[side]
    peers.end()
    assert sorted(peers.served[6_000:]) == [(0, b""), (1, b"")]


def test_waiting_costs_a_bounded_time_of_the_core(peers: Peers) -> None:
    for _ in range(5):
        peers.send(0, b"a")
        time.sleep(0.001)
    before = time.process_time_ns()
    for _ in range(20):
        peers.send(0, b"a")
        time.sleep(0.02)
    # What came late last time is not looked for: far less than one look a message.
    assert time.process_time_ns() - before < 20 * SOON + 20_000_000
    before = time.process_time_ns()
    time.sleep(0.3)
    assert time.process_time_ns() - before < 5_000_000


# ── what is read, and what is written ─────────────────────────────────────────────────────────────


def joined(lines: list[bytes | TooLong]) -> Iterator[tuple[bytes, bool]]:
    """The lines, each with whether it was too long."""
    parts = b""
    for line in lines:
        if isinstance(line, TooLong):
            parts += line.part
            if line.last:
                yield parts, True
                parts = b""
        else:
            yield line, False


@pytest.mark.parametrize("seed", range(50))
def test_lines_are_the_same_however_the_bytes_arrive(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311  (a test that repeats)
    data = bytes(dice.choices(b"ab\r\n\n", weights=[9, 9, 1, 1, 1], k=dice.randrange(400)))
    *whole, last = data.split(b"\n")
    expected = [(line, len(line) > 12) for line in [*whole, *([last] if last else [])]]
    lines, found = Lines(12), []
    while data:
        size = dice.randrange(1, 30)
        found += lines.arrived(data[:size])
        data = data[size:]
    found += lines.ended()
    assert list(joined(found)) == expected
    assert all(len(line.part) < 12 + 60 for line in found if isinstance(line, TooLong))


def test_who_writes_gives_way_before_it_waits() -> None:
    waits: list[int] = []
    reads, writes = os.pipe()
    outlet = ClientOutlet(writes, lambda: waits.append(1))
    outlet.send([b"x" * select.PIPE_BUF])
    assert not waits
    outlet.send([b"x" * (select.PIPE_BUF + 1)])
    assert len(waits) == 1
    os.set_blocking(writes, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(writes, b"x" * select.PIPE_BUF)
    os.set_blocking(writes, True)
    threading.Timer(0.1, os.read, (reads, 1 << 20)).start()
    outlet.send([b"y"])
    assert len(waits) == 2


def test_a_patient_sender_gives_way_before_it_waits_for_the_server() -> None:
    waits: list[int] = []
    reads, writes = os.pipe()
    outlet = ServerOutlet(writes, lambda: waits.append(1), backlog=1 << 17)
    outlet.send([b"x" * (1 << 17)], patient=True)
    outlet.send([b"x" * (1 << 17)], patient=False)
    assert not waits
    sender = threading.Thread(target=outlet.send, args=([b"z"],), kwargs={"patient": True})
    sender.start()
    until(lambda: waits)
    outlet.finish()
    with os.fdopen(reads, "rb") as file:
        assert len(file.read()) == (1 << 18) + 1
    sender.join(20)
    assert not sender.is_alive()
