"""The merchant's events, from the operator's keys to a real HTTP receiver and to a file."""

import http.server
import json
import queue
import subprocess
import sys
import threading
import urllib.request

import pytest

from host_tools.acquirer.notices import FileSink, Webhook
from host_tools.bench import Bench, stories
from host_tools.bench.bench import WrongUse
from tests.e2e.kit import CARD, CARDS, signed_on, started
from tests.programs import program

PATIENCE_S = 20  # of real time, for a delivery within this machine


@pytest.fixture
def receiver():
    """(address, queue of the events that were posted there) of an HTTP server on this machine."""
    got = queue.Queue()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.put(json.loads(body) | {"key": self.headers["Idempotency-Key"]})
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/events", got
    server.shutdown()
    thread.join()
    server.server_close()


def test_every_event_of_a_day_reaches_the_merchant(make_bench, receiver, tmp_path):
    url, got = receiver
    path = tmp_path / "events.jsonl"
    b = signed_on(make_bench(notices=[Webhook(url), FileSink(path)], settings={"ask_reason": 0}))

    def event(name, **wanted):
        found = got.get(timeout=PATIENCE_S)
        assert found["event"] == name, found
        assert {key: found[key] for key in wanted} == wanted
        assert found["terminal"] == b.terminal and found["key"] == str(found["number"])
        return found

    sale = stories.sale(b, 8000)
    event("approved", trace=sale.trace, amount=8000, card_last4=CARD[-4:])
    stories.refund(b, sale.rrn, f"{b.clock.now:%m%d}", 3000)
    event("refunded", amount=3000)
    sale = stories.sale(b, 5000)
    event("approved", trace=sale.trace)
    stories.void(b, sale.trace)
    event("voided", original_trace=sale.trace)
    stories.lost_sale(b, 700)
    lost = event("approved", amount=700)
    stories.sale(b, 600)
    event("reversed", trace=lost["trace"], reason="98")
    event("approved", amount=600)
    started(b, 100, CARDS["lost"])
    b.type(stories.PIN)
    b.press("ENTER")
    b.wait_for("41")
    event("risk", code="41")
    for _ in range(5):
        b.press("CANCEL")
    b.to_idle()
    stories.settle(b)
    event("settled", batch=1, debit=8000 + 5000 + 600, credit=3000 + 5000)
    b.close()  # everything is delivered before it ends
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["event"] for line in lines] == [
        "approved", "refunded", "approved", "voided", "approved", "reversed", "approved", "risk",
        "settled"]
    assert CARD not in path.read_text() and CARD[:6] not in path.read_text()


def test_a_terminals_own_report_is_a_risk_event(make_bench, receiver):
    url, got = receiver
    b = signed_on(make_bench(notices=[Webhook(url)]))
    for _ in range(3):  # a supervisor's password wrong three times
        b.press("VOID")
        b.type("999999")
        b.press("ENTER")
        b.to_idle()
    found = got.get(timeout=PATIENCE_S)
    assert found["event"] == "risk" and found["reason"] == "access: wrong passwords for 00, locked"


def test_mobi_run_sends_them(receiver, tmp_path):
    url, got = receiver
    path = tmp_path / "events.jsonl"
    command = [sys.executable, "-m", "host_tools.cli", "run", "--webhook", url, "--notices", path]
    with program(*map(str, command)) as run:
        page = run.wait(r"http://127.0.0.1:\d+/")[0]

        def do(what, **arguments):
            said = json.dumps({"do": what, **arguments}).encode()
            headers = {"Content-Type": "application/json"}
            with urllib.request.urlopen(
                urllib.request.Request(f"{page}api/do", said, headers), timeout=PATIENCE_S
            ) as answer:
                assert answer.status == 200

        do("sign_on")
        do("swipe", card="good")
        run.wait("panel .*622202")
        do("press", key="ENTER")
        for digits in ("700", stories.PIN):
            do("type", digits=digits)
            do("press", key="ENTER")
        found = got.get(timeout=PATIENCE_S)
        assert (found["event"], found["amount"]) == ("approved", 700)
        assert run.interrupt() in (0, 130)
    assert json.loads(path.read_text(encoding="utf-8").splitlines()[0])["event"] == "approved"


def test_mobi_run_refuses_an_address_that_is_none():
    done = subprocess.run(
        [sys.executable, "-m", "host_tools.cli", "run", "--webhook", "merchant.example"],
        capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "http://" in done.stderr


def test_without_a_place_to_go_nothing_is_kept(bench):
    signed_on(bench)
    stories.sale(bench, 100)
    assert bench.host.waiting_notices() == []


def test_what_keeps_a_bench_from_beginning_is_told_with_notices_too(tmp_path):
    with pytest.raises(ValueError, match="no parameter"):
        Bench(notices=[FileSink(tmp_path / "x")], settings={"no_such": 1})


def test_notices_belong_to_the_benchs_own_acquirer(tmp_path):
    with pytest.raises(WrongUse, match="own acquirer"):
        Bench(notices=[FileSink(tmp_path / "x")], line="pty")
