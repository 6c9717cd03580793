"""How many transactions the host answers per second, through real frames on real (pseudo) ports.

The host is the one of `mobi host`: serial ports, link protocol, books in an SQLite file whose
commits reach the disk before an answer leaves. The terminals are another process: each sends
its next request when it has the answer to the last; nine sales with PIN, then a void. Two
processes, so at most two cores are at work. After each run the books must add up to exactly
what was answered.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tty
from pathlib import Path

from host_tools.acquirer import TEST_CARDS, Acquirer
from host_tools.acquirer.cards import fleet
from host_tools.acquirer.client import Client, Done, TerminalEnd
from host_tools.acquirer.codec import decode
from host_tools.acquirer.server import Server

DESCRIPTIONS = {
    "host.transactions_per_s_1": "answered per second with 1 terminal, books in an SQLite file",
    "host.transactions_per_s_10": "the same with 10 terminals at once",
    "host.transactions_per_s_100": "the same with 100 terminals at once",
    "host.transactions_per_s": "the same as with 100 terminals",
    "host.answer_ms_p50_1": "request begun to answer read, 1 terminal, median",
    "host.answer_ms_p99_100": "request begun to answer read, 100 terminals, 99th percentile",
    "host.group_commit_gain": "100 terminals: rate with one commit per group / one per request",
}
GOALS = {"host.transactions_per_s": ">= 1000"}

SECONDS = 3.0
RESEND_S = 1.0  # a host that got no processor for half a second stays silent by its rules
_AMOUNT = 1_00


def measure(seconds: float = SECONDS) -> dict[str, float]:
    """Run 1, 10 and 100 terminals for ``seconds`` each."""
    results: dict[str, float] = {}
    for count in (1, 10, 100):
        rate, times = _run(count, seconds)
        results[f"host.transactions_per_s_{count}"] = rate
        if count == 1:
            results["host.answer_ms_p50_1"] = _percentile(times, 50)
        if count == 100:
            results["host.answer_ms_p99_100"] = _percentile(times, 99)
    results["host.transactions_per_s"] = results["host.transactions_per_s_100"]
    alone, _ = _run(100, seconds, grouped=False)
    results["host.group_commit_gain"] = results["host.transactions_per_s_100"] / alone
    return results


def _percentile(times: list[float], percent: int) -> float:
    return sorted(times)[min(len(times) - 1, len(times) * percent // 100)] * 1000


class _OneByOne(Acquirer):
    # The same host with a commit for every request: what grouping is measured against.
    def handle_many(self, messages, now):  # type: ignore[no-untyped-def]
        return [super(_OneByOne, self).handle_many([message], now)[0] for message in messages]


def _run(count: int, seconds: float, grouped: bool = True) -> tuple[float, list[float]]:
    masters, slaves = zip(*(os.openpty() for _ in range(count)), strict=True)
    with tempfile.TemporaryDirectory() as folder:
        kind = Acquirer if grouped else _OneByOne
        host = kind(f"sqlite:///{Path(folder) / 'books'}", seed=1,
                    cards=[*TEST_CARDS, *fleet(count)], trace_limit=100)
        for number in range(count):
            host.add_terminal(_name(number))
        server = Server(host, lambda text: None)
        for slave in slaves:
            tty.setraw(slave)
            server.serial(os.ttyname(slave))
            os.close(slave)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            done = subprocess.run(
                [sys.executable, "-m", __name__, json.dumps(masters), str(seconds)],
                pass_fds=masters, stdout=subprocess.PIPE, check=True, text=True, timeout=120)
        finally:
            server.stop()
            thread.join()
            for master in masters:
                os.close(master)
        told = json.loads(done.stdout)
        ledger = host.ledger()
        host.close()
    ledger.check()
    if ledger.balance("merchant") != told["booked"] or len(ledger.transactions) != told["answers"]:
        raise RuntimeError("the books and the answers differ")
    return told["measured"] / told["seconds"], told["times"]


def _name(number: int) -> str:
    return f"{number + 1:08d}"


class _Till:
    # One terminal of the fleet.
    def __init__(self, number: int, port: int):
        self.port = port
        self.client = Client(_name(number))
        self.card = fleet(number + 1)[number]
        self.end = TerminalEnd(number * 1_000_000)
        self.began = 0.0
        self.put_at = 0.0  # when the newest frame was put on the line
        self.count = 0
        self.booked = 0
        self.sale: Done | None = None

    def ask(self) -> None:
        """Send the next request."""
        if self.client.keys is None:
            message = self.client.sign_on()
        elif self.count % 10 == 9 and self.sale is not None:
            message = self.client.void(self.sale)
        else:
            message = self.client.sale(_AMOUNT, self.card)
            self.sale = self.client.last
        self.began = self.put_at = time.perf_counter()
        self.end.replies.clear()  # a second copy of the last one
        os.write(self.port, self.end.send(message))

    def remind(self, now: float) -> None:
        """Repeat the newest frame when the host has been silent too long."""
        if now - self.put_at > RESEND_S:
            self.put_at = now
            os.write(self.port, self.end.again())

    def hear(self) -> bool:
        """Take what has come; True with an answer."""
        out = self.end.feed(os.read(self.port, 4096))
        if out:
            self.put_at = time.perf_counter()
            os.write(self.port, out)
        if not self.end.replies:
            return False
        answer = self.end.replies.pop()
        if self.client.keys is None:
            self.client.signed_on(answer)
            return True
        reply = decode(answer)
        if reply.get("39") != "00":
            raise RuntimeError(f"answered {reply.get('39')}")
        self.booked += -_AMOUNT if reply.get("3") == "200000" else _AMOUNT
        self.count += 1
        return True


def _fleet(ports: list[int], seconds: float) -> dict[str, object]:
    # The other process: all terminals at once, then one line of JSON.
    tills = [_Till(number, port) for number, port in enumerate(ports)]
    poll = select.poll()
    by_port = {till.port: till for till in tills}
    for till in tills:
        poll.register(till.port, select.POLLIN)
        till.ask()
    times: list[float] = []
    warm = 2 * len(tills)
    began = ended = looked = 0.0
    waiting = set(by_port)
    while waiting:
        ready = poll.poll(RESEND_S * 1000)
        if not ready or time.perf_counter() > looked + RESEND_S:
            looked = time.perf_counter()
            for port in waiting:
                by_port[port].remind(looked)
        for port, _ in ready:
            till = by_port[port]
            if port not in waiting:
                os.read(port, 4096)  # a second copy of its last answer
                continue
            if not till.hear():
                continue
            now = time.perf_counter()
            answers = sum(t.count for t in tills) if not began else warm
            if not began and answers >= warm:
                began = now
            elif began and now <= began + seconds:
                times.append(now - till.began)
                ended = now
            if began and now > began + seconds:
                waiting.discard(port)
            else:
                till.ask()
    return {"measured": len(times), "seconds": ended - began, "times": times,
            "booked": sum(till.booked for till in tills),
            "answers": sum(till.count for till in tills)}


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C is told by the program that started this
    print(json.dumps(_fleet(json.loads(sys.argv[1]), float(sys.argv[2]))))
