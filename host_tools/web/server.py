"""The page of `mobi run`, and the same over HTTP for programs: commands in, views out.

Served to this machine only. One websocket per page gets what has changed since it last heard;
`POST /api/do` runs one command of `live.Hands`, `GET /api/state` gives everything at once.
"""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from aiohttp import WSMsgType, web

from host_tools.acquirer.codec import SPEC
from host_tools.acquirer.trace import Entry
from host_tools.bench.keypad import LAYOUT
from host_tools.bench.live import MISTAKES, Live, Slip, View, facts, pixel_bytes

_FILES = {"/": ("index.html", "text/html"), "/app.js": ("app.js", "text/javascript"),
          "/words.js": ("words.js", "text/javascript"), "/style.css": ("style.css", "text/css")}
_HERE = ("localhost", "127.0.0.1", "::1")
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
_LIVE: web.AppKey[Live] = web.AppKey("live", Live)


class PortTaken(Exception):
    """The page's port cannot be had; the text says what to do."""


# -- what goes out ----------------------------------------------------------------------------


def entry_dict(entry: Entry) -> dict[str, Any]:
    """A message of the trace, decoded and masked."""
    keys = sorted((key for key in entry.fields if key.isdecimal()), key=int)
    return {
        "time": entry.time.strftime("%H:%M:%S"), "direction": entry.direction,
        "operation": entry.operation, "mti": entry.fields.get("t", ""),
        "trace": entry.fields.get("11", ""), "code": entry.fields.get("39", ""),
        "verdict": entry.verdict,
        "fields": [[key, SPEC[key]["desc"], entry.fields[key]] for key in keys],
    }


def _slip_dict(slip: Slip) -> dict[str, Any]:
    png = base64.b64encode(slip.png).decode()
    return {"text": slip.text, "png": png, "height": slip.height, "cut": slip.cut}


def news(view: View, before: View | None) -> dict[str, Any]:
    """What a page that knows ``before`` must be told to show ``view``."""
    out: dict[str, Any] = {"status": view.status}
    if before is None or view.pixels != before.pixels:
        out["panel"] = {"pixels": pixel_bytes(view), "text": view.text}
    if before is None or view.paper is not before.paper or view.paper_roll != before.paper_roll:
        same = 0
        if before is not None and view.paper_roll == before.paper_roll:
            while same < min(len(before.paper), len(view.paper)) and (
                before.paper[same] == view.paper[same]
            ):
                same += 1
        lines = [_slip_dict(slip) for slip in view.paper[same:]]
        out["paper"] = {"from": same, "lines": lines}
    if before is None or view.journal != before.journal or view.ledger != before.ledger:
        out["books"] = {"journal": view.journal, "ledger": view.ledger}
    if before is None or view.trace_count != before.trace_count:
        known = 0 if before is None else before.trace_count
        fresh = min(view.trace_count - known, len(view.trace))
        out["trace"] = [entry_dict(e) for e in view.trace[len(view.trace) - fresh:]]
    return out


def state(view: View) -> dict[str, Any]:
    """Everything at once, for programs."""
    return {
        "screen": view.text, "paper": [slip.text for slip in view.paper],
        "journal": view.journal, "ledger": view.ledger,
        "trace": [entry_dict(e) for e in view.trace], "status": view.status,
    }


# -- requests -----------------------------------------------------------------------------------


@web.middleware
async def _guard(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    # Other sites in the same browser must not reach the bench: neither by a name that leads here
    # nor by a request of theirs.
    if _name(f"//{request.host}") not in _HERE:
        raise web.HTTPForbidden(text="the bench answers to localhost only\n")
    origin = request.headers.get("Origin")
    if origin is not None and _name(origin) not in _HERE:
        raise web.HTTPForbidden(text="the bench takes no commands from other sites\n")
    response = await handler(request)
    if not response.prepared:
        response.headers.update(_HEADERS)
    return response


def _name(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


async def _file(request: web.Request) -> web.Response:
    name, kind = _FILES[request.path]
    text = files("host_tools.web").joinpath(name).read_text(encoding="utf-8")
    return web.Response(text=text, content_type=kind, charset="utf-8")


async def _state(request: web.Request) -> web.Response:
    view = request.app[_LIVE].view()
    if view is None:
        raise web.HTTPServiceUnavailable(text="the bench has ended\n")
    return _json(state(view))


async def _do(request: web.Request) -> web.Response:
    if request.content_type != "application/json":
        return _json({"error": "send the command as application/json"}, 415)
    try:
        said = await request.json()
    except json.JSONDecodeError as error:
        return _json({"error": f"this is no JSON: {error}"}, 400)
    wrong = await _run(request.app[_LIVE], said)
    return _json({"error": wrong}, 400) if wrong else _json({"ok": True})


async def _run(live: Live, said: Any) -> str:
    # One command; what is wrong with it, "" when it was done.
    if not isinstance(said, dict) or not isinstance(said.get("do"), str):
        return 'a command is an object like {"do": "press", "key": "1"}'
    arguments = {key: value for key, value in said.items() if key != "do"}
    try:
        await asyncio.wrap_future(live.do(said["do"], **arguments))
    except MISTAKES as error:
        return str(error).splitlines()[0] if str(error) else type(error).__name__
    return ""


def _json(data: Any, status: int = 200) -> web.Response:
    return web.json_response(
        data, status=status, dumps=lambda item: json.dumps(item, ensure_ascii=False))


async def _socket(request: web.Request) -> web.WebSocketResponse:
    live = request.app[_LIVE]
    socket = web.WebSocketResponse(heartbeat=20)
    await socket.prepare(request)
    await socket.send_json({"facts": {**facts(), "keys": LAYOUT}})
    teller = asyncio.create_task(_tell(socket, live))
    try:
        async for message in socket:
            if message.type != WSMsgType.TEXT:
                continue
            try:
                said = json.loads(message.data)
            except ValueError:
                said = None
            error = await _run(live, said)
            if error:
                await socket.send_json({"error": error})
    finally:
        teller.cancel()
    return socket


async def _tell(socket: web.WebSocketResponse, live: Live) -> None:
    before: View | None = None
    loop = asyncio.get_running_loop()
    while not socket.closed:
        after = -1 if before is None else before.number
        view = await loop.run_in_executor(None, live.view, after, 0.5)
        if view is not None:
            await socket.send_json(news(view, before))
            before = view
        elif not live.running:
            await socket.send_json({"ended": True})
            await socket.close()


class Page:
    """Serves ``live`` on this machine, from a thread of its own. Port 0 takes a free one."""

    def __init__(self, live: Live, port: int = 0) -> None:
        self._live = live
        self._wanted = port
        self.port = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._main, name="page", daemon=True)

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        """Returns when the page can be opened; ``PortTaken`` when it never will be."""
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            self._thread.join(5)
            raise PortTaken(
                f"the page cannot have port {self._wanted}: {self._error.strerror}. "
                + "Take another with --page PORT, or any free one with --page 0."
            )

    def stop(self) -> None:
        """Close all pages."""
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)

    def _main(self) -> None:
        self._loop = loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=1)
        try:
            loop.run_until_complete(runner.setup())
            loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", self._wanted).start())
            self.port = runner.addresses[0][1]
        except OSError as error:
            self._error = error
        self._ready.set()
        if self._error is None:
            loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.run_until_complete(loop.shutdown_default_executor())
        asyncio.set_event_loop(None)
        loop.close()

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[_guard])
        app[_LIVE] = self._live
        app.router.add_get("/ws", _socket)
        app.router.add_get("/api/state", _state)
        app.router.add_post("/api/do", _do)
        for path in _FILES:
            app.router.add_get(path, _file)
        return app
