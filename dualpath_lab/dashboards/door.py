"""Who is turned away at the door: visitors over the limit, sockets from web pages of others, and links that name a session."""

from __future__ import annotations

from typing import Any, NamedTuple

from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher, Rule
from tornado.web import Application, RequestHandler

from dualpath_lab.dashboards import sessions
from dualpath_lab.dashboards.pace import MOST_WAITING, Pace
from dualpath_lab.dashboards.shell import PAGES

FULL = 503
RETRY_S = 60
_NAMES_OF_SESSIONS = ("bokeh-session-id", "bokeh-token")


class Refusal(NamedTuple):
    """What somebody who is turned away gets: an HTTP status and a sentence."""

    status: int
    sentence: str


class Door(Matcher):
    """Matches the requests that are turned away.

    Parameters
    ----------
    pace : Pace
        Knows how many wait for their page.
    origins : collection of str or None
        ``host:port`` of the web pages that may speak to the server, besides pages of the name that it was asked under; None where the
        library looks at the origins itself.
    """

    def __init__(self, pace: Pace, origins: set[str] | None = None) -> None:
        self._pace = pace
        self._origins = None if origins is None else set(map(_with_port, origins))

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """Something where a request is turned away, None where it may go on."""
        refusal = self.refusal(request)
        if refusal is None:
            return None
        sessions.shared().refused += refusal.status == FULL
        return {}

    def refusal(self, request: HTTPServerRequest) -> Refusal | None:
        """Why a request is turned away, if it is."""
        if request.headers.get("Bokeh-Session-Id") or any(name in request.query_arguments for name in _NAMES_OF_SESSIONS):
            return Refusal(403, "A link can't name a session: everybody gets his own.")
        if self._foreign(request):
            return Refusal(403, "Only pages of this server may speak to it; `dualpath-lab serve --allow-origin` lets others.")
        here = sessions.shared()
        if request.path.rsplit("/", 1)[-1] not in PAGES:
            return None
        if here.full:
            return Refusal(FULL, sessions.full_text(here))
        if self._pace.waiting >= MOST_WAITING:
            return Refusal(FULL, "Too many pages are being opened at once: come back in a minute.")
        return None

    def _foreign(self, request: HTTPServerRequest) -> bool:
        origin = request.headers.get("Origin")
        if self._origins is None or origin is None or request.headers.get("Upgrade", "").lower() != "websocket":
            return False
        place = _with_port(origin.partition("://")[2])
        return place not in self._origins and place != _with_port(request.headers.get("Host", ""))


class TurnedAway(RequestHandler):
    """Says why."""

    def initialize(self, door: Door) -> None:
        """Called by the library."""
        self._door = door

    def prepare(self) -> None:
        """Answer, whatever was asked."""
        refusal = self._door.refusal(self.request) or Refusal(FULL, "Try again.")  # somebody has left just now
        self.set_status(refusal.status)
        if refusal.status == FULL:
            self.set_header("Retry-After", str(RETRY_S))
        self.finish(f'<!doctype html><html lang="en"><title>DualPath Lab</title><p role="status">{refusal.sentence}</p></html>')


def watch_the_door(application: Application, door: Door) -> None:
    """Have every request pass the door before anything else."""
    application.add_handlers(".*", [Rule(door, TurnedAway, {"door": door})])


def _with_port(place: str) -> str:
    place = place.lower()
    return place if ":" in place.rpartition("]")[2] else f"{place}:80"
