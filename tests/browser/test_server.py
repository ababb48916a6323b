"""The server among visitors who mean no good, or only too much of it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, expect
from prometheus_client.parser import text_string_to_metric_families
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from dualpath_lab.dashboards.serve import PING_S, UNUSED_SESSION_MS

from .conftest import Watched, free_port, running_process

pytestmark = pytest.mark.browser

PROXY = "lab.example.org"
SPY = "dualpath_spy"
REFUSAL = "Refusing websocket connection from Origin 'http://elsewhere.example'"
PATIENCE_MS = 180_000


class Served:
    """A server of a test's own."""

    def __init__(self, url: str, pid: int) -> None:
        self.url = url
        self.pid = pid
        self.spied: Callable[[], bool] = lambda: False

    def get(self, path: str = "") -> tuple[int, str]:
        """Status and text of an answer."""
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def metrics(self) -> dict[str, float]:
        """Every sample, by its name and labels."""
        status, text = self.get("metrics")
        assert status == 200
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        return {sample.name + "".join(f"[{value}]" for value in sample.labels.values()): sample.value for sample in samples}

    def silent(self) -> socket.socket:
        """The connection of a page whose machine answers nothing any more, and does not hang up either."""
        _, page = self.get("advisor?workload.agents=512&gpus=128")
        (token,) = set(re.findall(r'"token":"([^"]+)"', page))
        port = int(self.url.split(":")[2].rstrip("/"))
        connection = socket.create_connection(("localhost", port))
        head = {
            "Host": f"localhost:{port}",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Protocol": f"bokeh, {token}",
        }
        lines = ["GET /advisor/ws HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""]
        connection.sendall("\r\n".join(lines).encode())
        assert b"101" in connection.recv(100)
        return connection

    def socket(self, origin: str) -> int:
        """What a web page from somewhere gets that wants to speak to this server: 101, or a refusal."""
        _, page = self.get()
        (token,) = set(re.findall(r'"token":"([^"]+)"', page))

        async def connect() -> int:
            request = HTTPRequest(self.url.replace("http", "ws", 1) + "ws", headers={"Origin": origin})
            try:
                connection: WebSocketClientConnection = await websocket_connect(request, subprotocols=["bokeh", token])
            except HTTPClientError as error:
                return error.code
            connection.close()
            while await connection.read_message() is not None:
                pass
            return 101

        return int(in_thread(lambda: asyncio.run(connect())))


def in_thread(work: Callable[[], Any]) -> Any:
    """In a thread of its own: the browser's driver keeps an event loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


@contextmanager
def serving(*options: str, prefix: str = "") -> Iterator[Served]:
    port = free_port()
    url = f"http://localhost:{port}{prefix}/"
    options = (*options, f"--prefix={prefix}")
    with running_process(
        "-m", "dualpath_lab", "serve", "--no-show", f"--port={port}", *options, ready=f"{url}healthz", expected=REFUSAL
    ) as pid:
        yield Served(url, pid)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """With a module within its reach that leaves a file as soon as it is imported."""
    folder = tmp_path_factory.mktemp("reach")
    (folder / f"{SPY}.py").write_text(f"open({str(folder / 'imported')!r}, 'w').close()\nclass Policy: pass\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        with serving(f"--allow-origin={PROXY}") as served:
            served.spied = (folder / "imported").exists
            yield served


def children(pid: int) -> list[int]:
    """Processes that make heavy runs."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    threads = [task for task in Path(f"/proc/{pid}/task").iterdir() if task.name != str(pid)]
    listed += [child for task in threads for child in (task / "children").read_text().split()]
    return [int(child) for child in listed if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def test_metrics_count_what_is_there(served: Served) -> None:
    """Mutant: a page that is never counted off; a name or format that Prometheus does not take."""
    before = served.metrics()
    assert before["dualpath_lab_sessions_most"] == 100
    assert before["process_resident_memory_bytes"] > 50e6
    assert served.get("lanes")[0] == 200
    after = served.metrics()
    assert after["dualpath_lab_sessions[virtual lanes]"] == before["dualpath_lab_sessions[virtual lanes]"] + 1
    assert after["dualpath_lab_sessions_opened_total"] == before["dualpath_lab_sessions_opened_total"] + 1
    for _ in range(300):  # the page was asked for, and nobody ever spoke for it
        if not served.metrics()["dualpath_lab_sessions[virtual lanes]"]:
            return
        time.sleep(0.1)
    raise AssertionError("the session is still there")


def test_one_page_too_many_is_told_and_later_there_is_room(watched: Watched) -> None:
    """Mutant: no bound; a bound that locks everybody out for good."""
    page = watched.page
    with serving("--max-sessions=2") as served:
        assert [served.get("lanes")[0] for _ in range(2)] == [200, 200]
        status, text = served.get("lanes")
        assert status == 503
        assert "2 pages are open, which is the most that this server serves: come back later." in text
        assert served.metrics()["dualpath_lab_sessions_refused_total"] == 1
        for _ in range(300):
            if not served.metrics()["dualpath_lab_sessions[virtual lanes]"]:
                break
            page.wait_for_timeout(100)
        page.goto(f"{served.url}lanes")
        expect(page.get_by_role("heading", name="DualPath Lab")).to_be_visible()
        page.goto("about:blank")


def test_pages_of_others_may_not_speak_to_it(served: Served) -> None:
    """Mutant: any web page that a visitor has open can drive the lab in his name."""
    port = served.url.rsplit(":", 1)[1].rstrip("/")
    assert served.socket(f"http://localhost:{port}") == 101
    assert served.socket("http://elsewhere.example") == 403
    assert served.socket(f"https://{PROXY}") == 101


@pytest.mark.parametrize("root", ["static/", "static/extensions/panel/", "static/js/", "components/", ""])
@pytest.mark.parametrize("way", ["../" * 12, "..%2f" * 12, "%2e%2e/" * 12, "....//" * 12, "/"])
def test_no_path_leads_out(served: Served, root: str, way: str) -> None:
    status, text = served.get(f"{root}{way}etc/passwd")
    assert status >= 400 or "root:" not in text


@pytest.mark.parametrize("page", ["", "explore", "anatomy", "lanes", "advisor", "paper"])
def test_what_looks_like_a_number_in_a_link_breaks_no_page(served: Served, page: str) -> None:
    """Digits that Python does not take for an integer: too many, or of another kind. Mutant: the library's own reading of links."""
    values = ("9" * 4301, "-" + "9" * 4301, "%C2%B2", "1e999999", "[" * 4000)
    keys = ("workload.agents", "tour", "page", "v", "unknown")
    assert served.get(f"{page}?{'&'.join(f'{key}={value}' for key, value in zip(keys, values, strict=True))}")[0] == 200


@pytest.mark.parametrize("page", ["", "explore", "anatomy", "lanes", "advisor", "paper"])
def test_no_link_runs_code(served: Served, page: str) -> None:
    """Mutant: ``system=mine:Policy``, or a component of a module that an address names, is imported."""
    systems = "&".join(f"{key}={SPY}:Policy" for key in ("system", "a.system", "b.system", "a", "b"))
    assert served.get(f"{page}?{systems}")[0] == 200
    assert served.get(f"components/{SPY}/Policy/_css/x")[0] == 404
    assert not served.spied()


def test_on_every_address_pages_of_the_same_name_may_speak_to_it_and_no_others() -> None:
    """Mutant: ``*``, as the library would have it."""
    with serving("--address=0.0.0.0", prefix="/lab") as served:
        port = served.url.split(":")[2].split("/")[0]
        assert served.socket(f"http://localhost:{port}") == 101
        assert served.socket("http://elsewhere.example") == 403
        assert served.get("explore?bokeh-session-id=mine")[0] == 403


def test_what_was_uploaded_is_gone_when_the_server_is_told_to_end(watched: Watched, tmp_path: Path) -> None:
    """Mutant: SIGTERM ends it on the spot."""
    page = watched.page
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(tmp_path))
        with serving() as served:
            page.goto(f"{served.url}advisor?workload.agents=8&gpus=16")
            expect(page.get_by_role("button", name="Cancel")).to_be_visible(timeout=PATIENCE_MS)
            page.locator("input[type=file]").nth(1).set_input_files({"name": "mine.csv", "mimeType": "text/csv", "buffer": b"no trace"})
            expect(page.locator(".sidebar .notice.error")).to_contain_text("mine.csv", timeout=PATIENCE_MS)
            assert list(tmp_path.glob("dualpath-lab-*/*/mine.csv"))
    assert not list(tmp_path.glob("dualpath-lab-*"))


def test_a_process_that_is_killed_is_told_and_the_next_run_works(watched: Watched) -> None:
    """Mutant: the page waits for ever; the queue stands still."""
    page = watched.page
    with serving() as served:
        page.goto(f"{served.url}explore?workload.agents=2048&workload.source=paper-64k&x.to=2&x.values=2&y.to=2&y.values=2")
        expect(page.locator(".progress")).to_contain_text("0 of 4 cells", timeout=PATIENCE_MS)
        for _ in range(100):
            if children(served.pid):
                break
            page.wait_for_timeout(100)
        for child in children(served.pid):
            os.kill(child, signal.SIGKILL)
        expect(page.get_by_role("cell", name="The process that ran it came to an end before it did").first).to_be_visible(
            timeout=PATIENCE_MS
        )
        page.goto(f"{served.url}explore?workload.agents=8&x.to=2&x.values=2&y.to=2&y.values=2")
        expect(page.locator(".progress")).to_contain_text("4 of 4 cells", timeout=PATIENCE_MS)
        page.goto("about:blank")


def test_a_connection_that_answers_nothing_is_noticed_and_its_run_ended() -> None:
    """Within half a minute or so. Mutant: it is waited for until the network gives up, a quarter of an hour."""
    with serving() as served:
        began = time.monotonic()
        with served.silent():
            while not served.metrics()["dualpath_lab_runs_running"]:
                assert time.monotonic() < began + 60
                time.sleep(0.2)
            began = time.monotonic()
            time.sleep(UNUSED_SESSION_MS / 1000 + 2)
            assert served.metrics()["dualpath_lab_sessions[advisor]"] == 1, "as long as it may be slow, it is kept"
            while served.metrics()["dualpath_lab_sessions[advisor]"] or served.metrics()["dualpath_lab_runs_running"]:
                assert time.monotonic() < began + 2 * PING_S + UNUSED_SESSION_MS / 1000 + 10
                time.sleep(0.2)


def test_a_page_that_loses_its_server_says_so(browser: BrowserContext) -> None:
    """Mutant: it stands still without a word."""
    page = browser.new_page()
    with serving() as served:
        page.goto(f"{served.url}lanes")
        page.wait_for_function("() => Bokeh.documents.length && Bokeh.documents.every(document => document.is_idle)")
        page.wait_for_timeout(2.5 * 1000 * PING_S)
        expect(page.locator("#connection-lost")).to_have_count(0)
    expect(page.get_by_role("alert").filter(has_text="connection to the server is lost")).to_be_visible()
    link = page.get_by_role("link", name="Open the page again").get_attribute("href")
    assert link == page.url
    assert "v=1" in link
    page.close()


def test_a_page_that_is_offline_says_so(served: Served, browser: BrowserContext) -> None:
    assert browser.browser is not None
    context = browser.browser.new_context()
    page = context.new_page()
    page.goto(f"{served.url}lanes")
    page.wait_for_function("() => Bokeh.documents.length && Bokeh.documents.every(document => document.is_idle)")
    context.set_offline(True)
    expect(page.locator("#connection-lost")).to_be_visible()
    context.close()
