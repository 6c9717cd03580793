"""How much of the serial line is payload: a batch upload of 500 transactions, both real ends.

The terminal's end (messages, link, loop) runs under MicroPython, the host's end and the acquirer
here; between them is a line that carries 115200 baud, 8N1, in virtual time. What the processors
of both ends need is therefore not in these numbers; `line.frame_us` tells the terminal's part.
"""

from __future__ import annotations

import heapq
import json
import os
import subprocess
from datetime import datetime, timedelta
from typing import Any

from host_tools import micropython
from host_tools.acquirer import STANDARD_CARD, TEST_TERMINAL, TEST_TMK, Acquirer
from host_tools.link import REPLY, REQUEST, FrameInfo, HostLink, Request, frame
from host_tools.places import ROOT

BAUD = 115200
TRANSACTIONS = 500

DESCRIPTIONS = {
    "line.efficiency":
        "upload of 500 transactions, 115200 line: time its frames need / time it took",
    "line.payload_share":
        "the same upload: message bytes / bytes the line could carry in that time",
    "line.frame_overhead":
        "bytes framing adds to 200 bytes of real messages, stuffing included, as a share",
    "line.frame_overhead_random": "the same for random bytes, where more must be stuffed",
    "line.upload_s": "the upload of 500 transactions, time on the line, s",
    "line.frame_us": "framing and unframing a message of 200 bytes, MicroPython unix port, us",
}
GOALS = {"line.efficiency": ">= 0.95", "line.frame_overhead": "<= 0.03"}

# Runs under MicroPython. Lines out: "w HEX" bytes for the line, "s MS" sleep (-: no limit), "d
# JSON" the end. Lines in, after each sleep: "MICROSECONDS HEX", the time and what arrived.
_TERMINAL = r"""
import json, sys, time
from binascii import hexlify, unhexlify
from mobi import transactions as tx
from mobi.acquiring import security
from mobi.acquiring.messages import Composer
from mobi.link import frame
from mobi.link.link import Link
from mobi.loop import Event, Loop

TID, MID, TMK, PAN, PIN, COUNT = %r

class World:
    def __init__(self):
        self.us = 0
        self.inbox = bytearray()
        self.event = Event()
    def ticks_ms(self): return self.us // 1000
    def ticks_us(self): return self.us
    def ticks_add(self, t, d): return t + d
    def ticks_diff(self, a, b): return a - b
    def sleep(self, ms):
        print("s", "-" if ms is None else ms)
        now, data = sys.stdin.readline()[:-1].split(" ")
        self.us = int(now)
        if data:
            self.inbox.extend(unhexlify(data))
            self.event.set()
    def any(self): return len(self.inbox)
    def readinto(self, buffer):
        n = min(len(buffer), len(self.inbox))
        buffer[:n] = self.inbox[:n]
        self.inbox = self.inbox[n:]
        return n
    def write(self, data):
        print("w", hexlify(data).decode())
        return len(data)

class Setup:
    tid, mid, tpdu, reader = TID, MID, unhexlify("6000030000"), 2
    request_time = 1

class Keys:
    pik = mak = None

world = World()
loop = Loop(world, world.sleep)
link = Link(world, loop, world.event, 1)
composer = Composer(Setup, Keys)
trace = 0

def new(kind):
    global trace
    trace += 1
    txn = tx.Transaction(kind)
    txn.trace, txn.batch, txn.operator = trace, 1, 1
    txn.pan, txn.amount, txn.entry = PAN, 100 + trace * 7, "021"
    return txn

async def ask(name, txn):
    data = await link.request(composer.build(name, txn), 60000)
    return composer.read(name, txn, data)

async def story():
    reply = await ask("sign_on", new(0))
    Keys.pik, Keys.mak = security.unwrap(TMK, reply.keys)
    samples = []
    for _ in range(200):
        txn = new(tx.SALE)
        txn.track2 = PAN + "=3012101%%09d" %% (trace * 7919)
        txn.pin_block = security.pin_block(PIN, PAN, Keys.pik)
        samples.append(hexlify(composer.build("sale", txn)).decode())
    packets = []
    items = [new(tx.SALE) for _ in range(COUNT)]
    began = world.us
    before = link.stats.bytes_out + link.stats.bytes_in
    for at in range(0, COUNT, 8):
        txn = new(0)
        txn.packet = items[at:at + 8]
        reply = await ask("batch_upload", txn)
        if reply.code != "00":
            raise RuntimeError(reply.code)
    took = world.us - began
    return {"us": took, "began": began, "samples": samples, "resent": link.stats.resent,
            "messages": (COUNT + 7) // 8}

def frame_us():
    encoder, decoder = frame.Encoder(), frame.Decoder()
    data = bytes([i * 37 & 0xff for i in range(200)])
    piece = bytearray(64)
    began = time.ticks_us()
    for _ in range(500):
        encoder.begin(frame.REQUEST | 1, data, 0xffff)
        while True:
            n = encoder.fill(piece)
            if not n:
                break
            decoder.feed(piece, 0, n)
    return time.ticks_diff(time.ticks_us(), began) / 500

loop.spawn("link", link.run())
result = loop.run(loop.spawn("story", story()))
result["frame_us"] = frame_us()
print("d", json.dumps(result))
"""


class _Bench:
    # The line in virtual time, the host's end and the acquirer.

    def __init__(self) -> None:
        self.us = 0
        self.events: list[tuple[int, int, str, bytes]] = []
        self.free = {"up": 0.0, "down": 0.0}
        self.frames: list[tuple[int, FrameInfo]] = []
        self.link = HostLink(self._seen, number=1)
        self.acquirer = Acquirer("sqlite://", seed=1)
        self.day = datetime(2026, 1, 5, 12)
        self.inbox = bytearray()
        self._count = 0

    def _seen(self, direction: str, info: FrameInfo) -> None:
        self.frames.append((self.us, info))

    def put(self, direction: str, data: bytes) -> None:
        # One byte after the other; what arrives is handed over in pieces as a UART's driver does.
        start = max(self.free[direction], self.us)
        for at in range(0, len(data), 16):
            piece = data[at:at + 16]
            start += len(piece) * 10_000_000 / BAUD
            self._count += 1
            heapq.heappush(self.events, (round(start), self._count, direction, piece))
        self.free[direction] = start

    def sleep(self, ms: int | None) -> bytes:
        until = None if ms is None else self.us + ms * 1000
        while not self.inbox:
            deadline = self.link.deadline()
            times = [t for t in (
                until, self.events[0][0] if self.events else None,
                None if deadline is None else max(deadline * 1000, self.us)) if t is not None]
            if not times:
                raise RuntimeError("the terminal sleeps for ever")
            self.us = min(times)
            if self.events and self.events[0][0] <= self.us:
                _, _, direction, data = heapq.heappop(self.events)
                if direction == "down":
                    self.inbox += data
                else:
                    for request in self.link.feed(data, self.us // 1000):
                        self._answer(request)
            self.put("down", self.link.output(self.us // 1000))
            if until is not None and self.us >= until:
                break
        data = bytes(self.inbox)
        self.inbox.clear()
        return data

    def _answer(self, request: Request) -> None:
        now = self.day + timedelta(microseconds=self.us)
        for answer in self.acquirer.handle(bytes(request), now):
            self.link.send(answer.message, self.us // 1000, request)


def _run() -> tuple[_Bench, dict[str, Any]]:
    bench = _Bench()
    script = _TERMINAL % ((
        TEST_TERMINAL.terminal, TEST_TERMINAL.merchant, TEST_TMK, STANDARD_CARD.pan,
        STANDARD_CARD.pin, TRANSACTIONS),)
    with subprocess.Popen(
        [micropython.find(), "-X", "heapsize=2m", "-c", script],
        env={**os.environ, "MICROPYPATH": f"{ROOT / 'firmware'}:.frozen"}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        for line in process.stdout:
            kind, _, rest = line.strip().partition(" ")
            if kind == "w":
                bench.put("up", bytes.fromhex(rest))
            elif kind == "s":
                data = bench.sleep(None if rest == "-" else int(rest))
                process.stdin.write(f"{bench.us} {data.hex()}\n")
                process.stdin.flush()
            elif kind == "d":
                return bench, json.loads(rest)
            else:
                raise RuntimeError(f"the terminal says {line!r}")
    raise RuntimeError("the terminal ended early; its message is above")


def _overhead(messages: list[bytes]) -> float:
    # Mean over all windows of 200 bytes, each framed as a request.
    text = b"".join(messages)
    windows = [text[at:at + 200] for at in range(0, len(text) - 200, 200)]
    framed = sum(len(frame(REQUEST, 1 + i % 31, window, i.to_bytes(8, "big")))
                 for i, window in enumerate(windows))
    return framed / (200 * len(windows)) - 1


def measure() -> dict[str, float]:
    """Run the upload and give the numbers of ``DESCRIPTIONS``."""
    bench, result = _run()
    byte_s = 10 / BAUD
    upload = [info for at, info in bench.frames if at > result["began"]]
    carrying = [info for info in upload if info.kind in ("request", "reply")]
    if len(carrying) != 2 * result["messages"] or result["resent"]:
        raise RuntimeError("the upload did not go through at the first try")
    payload = sum(len(info.payload) for info in carrying)
    framed = sum(
        len(frame(REQUEST if info.kind == "request" else REPLY, info.number, info.payload,
                  info.session)) for info in carrying)
    took = result["us"] / 1e6
    sales = [bytes.fromhex(text) for text in result["samples"]]
    messages = sales + [info.payload for info in carrying]
    noise = bytes((i * i * 7919 + i * 104729 >> 7) & 0xFF for i in range(200_000))
    return {
        "line.efficiency": framed * byte_s / took,
        "line.payload_share": payload * byte_s / took,
        "line.frame_overhead": _overhead(messages),
        "line.frame_overhead_random": _overhead([noise]),
        "line.upload_s": took,
        "line.frame_us": result["frame_us"],
    }
