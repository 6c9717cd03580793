"""The page of `mobi run`: what it serves, whom it answers, and a sale through its socket."""

import asyncio
import base64
import io
import json
import re
import urllib.error
import urllib.request
from html.parser import HTMLParser
from importlib.resources import files

import aiohttp
import pytest
from PIL import Image

from host_tools.bench import Bench
from host_tools.bench.live import Hands, Live, commands, facts
from host_tools.web.server import Page, PortTaken

WEB = files("host_tools.web")


@pytest.fixture(scope="module")
def page():
    live = Live(Bench)
    live.start()
    page = Page(live)
    page.start()
    yield page
    page.stop()
    live.stop()


def get(page, path="", **headers):
    request = urllib.request.Request(page.url + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), error.headers


def do(page, command, **arguments):
    return do_raw(page, {"do": command, **arguments})


def do_raw(page, said):
    data = json.dumps(said).encode()
    request = urllib.request.Request(
        page.url + "api/do", data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def view_with(page, condition):
    """The first view for which the condition holds."""
    number = -1
    for _ in range(500):
        view = page._live.view(number, 1)
        if view is not None:
            number = view.number
            if condition(view):
                return view
    raise AssertionError(f"never; the panel shows {view and view.text}")


class Browser:
    """What app.js keeps: the news of the socket put together."""

    def __init__(self, socket):
        self.socket = socket
        self.known = {"paper": [], "trace": []}

    async def hear(self, timeout=20):
        news = json.loads((await self.socket.receive(timeout)).data)
        for name, value in news.items():
            if name == "paper":
                self.known["paper"][value["from"]:] = value["lines"]
            elif name == "trace":
                self.known["trace"] += value
            else:
                self.known[name] = value
        return news

    async def until(self, condition, what):
        for _ in range(2000):
            if condition(self.known):
                return
            await self.hear()
        raise AssertionError(f"never: {what}; {self.known['panel']['text']}")

    async def shows(self, text):
        await self.until(
            lambda k: text in "".join("".join(k.get("panel", {}).get("text", ())).split()), text)

    async def say(self, command, **arguments):
        await self.socket.send_str(json.dumps({"do": command, **arguments}))


def test_a_sale_through_the_socket(page):
    async def story():
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(page.url + "ws") as socket:
                b = Browser(socket)
                await b.hear()
                assert b.known["facts"]["cards"][0]["name"] == "good"
                assert b.known["facts"]["keys"][4] == ["UP", "0", "DOWN", "ENTER"]
                await b.shows("操作员号")
                await b.say("sign_on")
                await b.shows("请刷卡")
                await b.say("speed", times=100)
                await b.say("swipe", card="good")
                await b.shows("卡号")
                await b.say("press", key="ENTER")
                await b.shows("请输入金额")
                await b.say("type", digits="12340")
                await b.shows("123.40")
                await b.say("press", key="ENTER")
                await b.shows("请输入密码")
                await b.say("type", digits="123456")
                await b.say("press", key="ENTER")
                await b.until(lambda k: any("123.40" in line["text"] for line in k["paper"]),
                              "a receipt")
                await b.say("line_fault", fault="lose", what="reply")
                await b.until(lambda k: "error" in k, "an error")
                assert "dropped, delayed or duplicated" in b.known["error"]
                return b.known

    known = asyncio.run(story())
    pixels = base64.b64decode(known["panel"]["pixels"])
    assert len(pixels) == 64 * 16 and any(pixels)
    (row,) = [txn for txn in known["books"]["journal"] if txn["amount"] == 12340]
    assert row["state"] == "approved"
    assert known["books"]["ledger"]["merchant"] == 12340
    assert known["books"]["ledger"]["sum"] == 0
    line = next(line for line in known["paper"] if "123.40" in line["text"])
    ink = Image.open(io.BytesIO(base64.b64decode(line["png"])))
    assert ink.size == (768, 2 * line["height"]) and ink.getextrema() == (0, 255)
    assert [e["mti"] for e in known["trace"]] == ["0800", "0810", "0200", "0210"]
    assert "6222021234567890128" not in json.dumps(known)


def test_a_page_that_comes_later_gets_everything(page):
    status, text, _ = get(page, "api/state")
    state = json.loads(text)
    assert status == 200 and len(state["screen"]) == 4
    assert state["status"]["board"] == "unix"

    async def first():
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(page.url + "ws") as socket:
                b = Browser(socket)
                await b.hear()
                await b.hear()
                return b.known

    known = asyncio.run(first())
    assert {"panel", "paper", "books", "trace", "status"} <= set(known)


def test_commands_over_http(page):
    assert do(page, "advance", seconds=1) == (200, {"ok": True})
    for command, arguments, wanted in (
        ("press", {"key": "NOPE"}, "ENTER"),
        ("dance", {}, "swipe"),
        ("press", {}, "key"),
        ("press", {"key": "1", "hard": True}, "hard"),
        ("press", {"key": 1}, "key"),
        ("type", {"digits": "12.5"}, "digits"),
        ("pay_by_code", {"card": "gold"}, "good"),
        ("power_cut_at", {"flash_op": -1}, "next operation"),
        ("power_cut_at", {"flash_op": "x"}, "flash_op"),
        ("line_cut_after", {"bytes": -1}, "next byte"),
        ("noise", {"ber": 2}, "rate"),
        ("noise", {"ber": "much"}, "ber"),
        ("advance", {"seconds": -1}, "forwards"),
        ("advance", {"seconds": None}, "seconds"),
        ("advance", {"seconds": float("inf")}, "seconds"),
        ("advance", {"seconds": 1e9}, "a day"),
        ("power", {"on": 1}, "bool"),
        ("rule", {"match": "sale", "delay": "long"}, "delay"),
        ("rule", {"match": "sale", "wrong_field": [99, "x"]}, "99"),
        ("rule", {"match": "sale", "drop": "yes"}, "drop"),
        ("paper_ends_after", {"lines": -1}, "lines"),
        ("line_fault", {"fault": "drop", "what": "tea"}, "reply"),
        ("swipe", {"card": "gold"}, "good"),
        ("rule", {"match": "nothing"}, "take one of"),
        ("personality", {"name": "grim"}, "honest"),
        ("speed", {"times": 10000}, "100"),
    ):
        status, answer = do(page, command, **arguments)
        assert status == 400 and wanted in answer["error"], (command, answer)
    request = urllib.request.Request(page.url + "api/do", b"no json",
                                     {"Content-Type": "application/json"})
    with pytest.raises(urllib.error.HTTPError) as failure:
        urllib.request.urlopen(request, timeout=20)
    with failure.value as error:
        assert error.code == 400 and "JSON" in error.read().decode()


def test_what_is_no_command_is_refused_and_the_bench_lives_on(page):
    for said in ([], "press", {}, {"do": 1}, {"do": "__init__"}, {"do": "press", "key": ["1"]}):
        status, answer = do_raw(page, said)
        assert status == 400 and answer["error"], said

    async def noise():
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(page.url + "ws") as socket:
                b = Browser(socket)
                for text in ("no json", "[]", '{"do": "dance"}', '{"do": "press", "key": null}'):
                    await socket.send_str(text)
                await socket.send_bytes(b"\x00")
                await b.until(lambda known: "dance" in known.get("error", ""), "an error")

    asyncio.run(noise())
    assert do(page, "advance", seconds=0) == (200, {"ok": True})
    assert get(page, "../secret")[0] == 404 and get(page, "api/do")[0] == 405


def test_a_payment_code_is_another_one_each_time(page):
    do(page, "sign_on")
    codes = set()
    for _ in range(2):
        view_with(page, lambda view: view.status["idle"])
        assert do(page, "pay_by_code", card="good") == (200, {"ok": True})
        view = view_with(page, lambda view: "6299" in "".join(view.text))
        codes.add("".join(view.text))
        do(page, "press", key="CANCEL")
    assert len(codes) == 2


def test_magic_amounts_are_a_switch(page):
    for on in (True, False):
        do(page, "amounts", on=on)
        view_with(page, lambda view, on=on: view.status["amounts"] is on)


def test_only_this_machine_and_only_its_own_page_are_answered(page):
    port = page.port
    assert get(page, Host=f"localhost:{port}")[0] == 200
    assert get(page, Host=f"evil.example:{port}")[0] == 403
    assert get(page, Origin="http://evil.example")[0] == 403
    assert get(page, Origin=f"http://127.0.0.1:{port}")[0] == 200
    request = urllib.request.Request(
        page.url + "api/do", b'{"do": "sign_on"}', {"Content-Type": "text/plain"})
    with pytest.raises(urllib.error.HTTPError) as failure:
        urllib.request.urlopen(request, timeout=20)
    with failure.value as error:
        assert error.code == 415, "a form of another site can send text/plain without asking"


def test_the_page_needs_nothing_from_elsewhere(page):
    for path in ("", "app.js", "words.js", "style.css"):
        status, text, headers = get(page, path)
        assert status == 200
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        foreign = set(re.findall(r"https?://[\w.]+", text)) - {"http://www.w3.org"}
        assert not foreign, foreign


class _Words(HTMLParser):
    def __init__(self):
        super().__init__()
        self.words, self.ids = set(), set()

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("data-word", "data-label"):
                self.words.add(value)
            elif name == "id":
                self.ids.add(value)


def test_what_the_acquirer_says_in_english_stands_there_in_chinese():
    notes = read("words.js").split("export const NOTES")[1]
    told = facts()
    texts = [one["text"] for one in told["personalities"]]
    texts += [card["note"] for card in told["cards"] if not card["note"].isdigit()]
    texts += [text for _, text in told["amounts"] if not re.fullmatch(r"declined with \w\w", text)]
    assert [text for text in texts if f'"{text}": "' not in notes] == []


def read(name):
    return WEB.joinpath(name).read_text(encoding="utf-8")


def test_every_word_is_there_in_both_languages():
    words = read("words.js")
    english, chinese = words.split("  zh: {")
    names = [set(re.findall(r"(?:^|[{,]\s*)[\"']?([a-z_0-9-]+)[\"']?:\s", half, re.M))
             for half in (english, "{" + chinese.split("export const EFFECTS")[0])]
    assert names[0] - {"en"} == names[1]
    parser = _Words()
    parser.feed(read("index.html"))
    used = parser.words | set(re.findall(r'word\("(\w+)"\)', read("app.js")))
    assert used <= names[1], used - names[1]


def test_the_script_uses_only_what_is_on_the_page_and_what_the_bench_can_do():
    parser = _Words()
    parser.feed(read("index.html"))
    script = read("app.js")
    assert set(re.findall(r'\$\("(\w+)"\)', script)) <= parser.ids
    sent = set(re.findall(r'send\("(\w+)"', script)) | {
        match for match in re.findall(r'flip\("\w+", "(\w+)"', script)}
    assert sent <= set(commands()), sent - set(commands())
    assert all(Hands.__dict__[name].__doc__ for name in commands())


def test_a_taken_port_is_explained(page):
    other = Page(page._live, page.port)
    with pytest.raises(PortTaken, match="--page 0"):
        other.start()
