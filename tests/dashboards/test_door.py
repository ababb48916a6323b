"""Who is turned away at the door, and how pages are kept from opening all at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from itertools import pairwise
from time import monotonic, sleep
from typing import Any

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from dualpath_lab.dashboards import pace as pace_module
from dualpath_lab.dashboards import sessions
from dualpath_lab.dashboards.door import Door, Refusal
from dualpath_lab.dashboards.pace import MOST_WAITING, Pace

Finished = Callable[[Coroutine[Any, Any, Any]], Any]


def asked(uri: str = "/lanes", **headers: str) -> HTTPServerRequest:
    named = HTTPHeaders({name.replace("_", "-"): value for name, value in headers.items()} | {"Host": headers.get("Host", "lab:5006")})
    return HTTPServerRequest(start_line=RequestStartLine("GET", uri, "HTTP/1.1"), headers=named)


def refusal(door: Door, request: HTTPServerRequest) -> Refusal:
    refused = door.refusal(request)
    assert refused is not None
    return refused


@pytest.fixture
def full() -> Iterator[sessions.Sessions]:
    here = sessions.shared()
    most, here.most = here.most, here.open.total()
    yield here
    here.most = most


def test_one_too_many_gets_503_and_a_sentence_and_is_counted(full: sessions.Sessions) -> None:
    """Mutants: what is not a page is refused too; counted twice or never."""
    door, before = Door(Pace()), full.refused
    for uri in ("/", "/lanes", "/lab/advisor?gpus=16"):
        assert refusal(door, asked(uri)) == Refusal(503, sessions.full_text(full))
        assert door.match(asked(uri)) == {}
    assert full.refused == before + 3
    for uri in ("/healthz", "/metrics", "/static/js/bokeh.min.js", "/lanes/ws"):
        assert door.match(asked(uri)) is None


def test_too_many_who_wait_for_a_page_are_turned_away() -> None:
    pace = Pace()
    pace.waiting = MOST_WAITING
    assert refusal(Door(pace), asked()).status == 503


@pytest.mark.parametrize(
    "request_", [asked("/?bokeh-session-id=mine"), asked("/lanes/ws?bokeh-token=mine"), asked("/", **{"Bokeh-Session-Id": "mine"})]
)
def test_no_link_names_a_session(request_: HTTPServerRequest) -> None:
    """Mutant: who sends a link shares the session of who follows it."""
    assert refusal(Door(Pace()), request_).status == 403


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://lab:5006", True),
        ("http://LAB:5006", True),
        ("https://proxy.example", True),
        ("http://lab:5007", False),
        ("http://elsewhere.example", False),
        ("http://proxy.example.elsewhere.example", False),
        ("null", False),
    ],
)
def test_on_every_address_only_pages_of_the_same_name_may_speak_to_it(origin: str, allowed: bool) -> None:
    """Mutant: any web page may, as the library has it for ``*``."""
    door = Door(Pace(), {"proxy.example"})
    assert (door.refusal(asked("/ws", Upgrade="websocket", Origin=origin)) is None) == allowed
    assert Door(Pace()).refusal(asked("/ws", Upgrade="websocket", Origin=origin)) is None, "the library looks at it"


def test_pages_open_one_by_one_with_a_pause_where_many_watch(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutants: all at once; a pause where nobody watches."""
    taken_s = 0.05

    async def opened(pages: int) -> list[float]:
        pace, began = Pace(), []

        async def one() -> None:
            await pace.on_session_created(None)
            began.append(monotonic())
            sleep(taken_s)  # as building a page does, without a look at the loop

        await asyncio.gather(*(one() for _ in range(pages)))
        assert pace.waiting == 0
        return [later - earlier for earlier, later in pairwise(began)]

    monkeypatch.setattr(pace_module, "playing", lambda: 0)
    assert min(finished(opened(4))) < 2 * taken_s
    monkeypatch.setattr(pace_module, "playing", lambda: 30)
    assert min(finished(opened(4))) >= 3 * taken_s
