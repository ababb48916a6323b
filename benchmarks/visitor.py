"""A visitor of the web app without a browser: speaks to the server as a page does, and counts what comes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from time import monotonic, sleep
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPClient, HTTPClientError
from tornado.websocket import WebSocketClientConnection, websocket_connect

from dualpath_lab.dashboards.serve import free_port

READY_S = 120.0


class Visitor:
    """One session; :meth:`open` it, let :meth:`listen` run for a while, and :meth:`close` it.

    Attributes
    ----------
    updates : int
        Changes so far of the curves or of a picture.
    frames : int
        Messages so far with such changes: what is seen at once counts once.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._socket: WebSocketClientConnection | None = None
        self._sent = 0
        self._controls: dict[str, str] = {}
        self.updates = self.frames = 0

    async def open(self) -> None:
        """Load the page and tell the server that it is there."""
        page = await AsyncHTTPClient().fetch(self._url, request_timeout=120)
        (token,) = set(re.findall(r'"token":"([^"]+)"', page.body.decode()))
        address = self._url.replace("http", "ws", 1).split("?")[0].rstrip("/")
        self._socket = await websocket_connect(f"{address}/ws", subprotocols=["bokeh", token], max_message_size=50_000_000)
        await self._message()
        await self._send("PULL-DOC-REQ", {})
        while (message := await self._message()) and message[0]["msgtype"] != "PULL-DOC-REPLY":
            pass
        self._controls = dict(_labelled(message[1])) if message else {}
        ready = {"type": "event", "name": "document_ready", "values": {"type": "map"}}
        await self._send("PATCH-DOC", {"events": [{"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": ready}]})

    async def listen(self) -> None:
        """Take in what comes until the connection ends."""
        while message := await self._message():
            events = message[1].get("events", [])
            changed = sum(event["kind"] == "ColumnsStreamed" or event.get("attr") == "frame" for event in events)
            self.updates += changed
            self.frames += changed > 0

    async def slide(self, label: str, value: float) -> None:
        """Let go of a slider at a value."""
        which = next(model for name, model in self._controls.items() if name.startswith(label))
        changed = [{"kind": "ModelChanged", "model": {"id": which}, "attr": attr, "new": value} for attr in ("value", "value_throttled")]
        await self._send("PATCH-DOC", {"events": changed})

    def close(self) -> None:
        """Leave."""
        if self._socket:
            self._socket.close()

    def abort(self) -> None:
        """Vanish: no word, no end of the connection, as when a cable is pulled."""
        if self._socket and self._socket.stream:
            self._socket.stream.close()

    async def _send(self, kind: str, content: dict[str, Any]) -> None:
        assert self._socket is not None  # opened first
        self._sent += 1
        for part in ({"msgid": str(self._sent), "msgtype": kind}, {}, content):
            await self._socket.write_message(json.dumps(part))

    async def _message(self) -> tuple[dict[str, Any], Any] | None:
        """Header and content of the next message; None where there is none any more."""
        assert self._socket is not None  # opened first
        parts: list[str | bytes] = []
        wanted = 3
        while len(parts) < wanted:
            part = await self._socket.read_message()
            if part is None:
                return None
            parts.append(part)
            if len(parts) == 1:
                wanted += 2 * json.loads(part).get("num_buffers", 0)
        return json.loads(parts[0]), json.loads(parts[2])


def _labelled(part: Any) -> Iterator[tuple[str, str]]:
    """Label and id of every control of a document."""
    if isinstance(part, dict):
        label = part.get("attributes", {}).get("label")
        if isinstance(label, str) and "value" in part["attributes"]:
            yield label, part["id"]
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from _labelled(each)


@contextmanager
def server() -> Iterator[tuple[str, int]]:
    """Address and process of the app, served as ``dualpath-lab serve`` does; its log must hold no error at the end."""
    port = free_port("127.0.0.1")
    url = f"http://127.0.0.1:{port}/"
    with TemporaryFile("w+") as log:
        command = [sys.executable, "-m", "dualpath_lab", "serve", "--no-show", "--port", str(port)]
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait_for(f"{url}healthz", process)
            yield url, process.pid
        finally:
            process.terminate()
            process.wait()
        log.seek(0)
        text = log.read()
    if "Traceback" in text or "ERROR" in text:
        raise RuntimeError(text)


def cpu_s(process: int) -> float:
    """Processor time that a process has had so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(process: int) -> float:
    """What a process has in memory now."""
    status = Path(f"/proc/{process}/status").read_text()
    (kilobytes,) = re.findall(r"VmRSS:\s+(\d+)", status)
    return int(kilobytes) / 1024


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = monotonic() + READY_S
    while monotonic() < deadline and process.poll() is None:
        try:
            HTTPClient().fetch(url)
            return
        except (HTTPClientError, OSError):
            sleep(0.2)
    raise RuntimeError(f"{url} does not answer")
