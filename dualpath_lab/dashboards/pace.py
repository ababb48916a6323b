"""New pages open one after the other, and leave time in between for those that are open: to build one takes as long as many frames."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any

from bokeh.application.handlers.handler import Handler
from bokeh.document import Document

from dualpath_lab.dashboards.player import playing

CROWD = 15
"""Races under way beside which every page that opens is followed by a pause as long as it took to build; twice as many, twice as long."""
LONGEST_PAUSE = 3.0
"""Times what it took."""
MOST_WAITING = 100
"""Visitors who may wait for a page to open; whoever comes then is turned away."""


class Pace(Handler):
    """Delays new sessions; added to every application of a server.

    Attributes
    ----------
    waiting : int
        Visitors whose page has not been opened yet.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waiting = 0
        self._turn = asyncio.Lock()
        self._next_at = 0.0

    def modify_document(self, doc: Document) -> None:
        """Nothing: the page is another handler's."""

    async def on_session_created(self, session_context: Any) -> None:
        """Wait; the library builds the page as soon as this returns, without a look at anything else."""
        self.waiting += 1
        try:
            async with self._turn:
                await asyncio.sleep(max(self._next_at - monotonic(), 0.0))
                asyncio.get_running_loop().call_soon(self._built, monotonic())
        finally:
            self.waiting -= 1

    def _built(self, began: float) -> None:
        """The page is there: how long until the next."""
        now = monotonic()
        self._next_at = now + (now - began) * min(playing() / CROWD, LONGEST_PAUSE)


def has_left(session_context: Any) -> bool:
    """Whether a visitor has gone before his page was opened."""
    connection = getattr(session_context.request, "connection", None) if session_context else None
    stream = getattr(connection, "stream", None)
    return bool(stream and stream.closed())
