"""When the connection to a visitor ends: that he leaves in the middle of something is no error, and who stays is told that it is lost."""

from __future__ import annotations

import asyncio
import logging
from traceback import walk_tb
from typing import Any

from bokeh.document import Document
from bokeh.models import CustomJS
from tornado.websocket import WebSocketClosedError


def expect_visitors_to_leave() -> None:
    """Tell the running event loop and Bokeh's logger; again and again does no harm."""
    asyncio.get_running_loop().set_exception_handler(_handle)
    for logger in ("bokeh.server.views.ws", "bokeh.server.protocol_handler", "tornado.application"):
        logging.getLogger(logger).addFilter(_is_news)


def tell_of_a_lost_connection(document: Document) -> None:
    """Have the page say that it stands still, as soon as the browser knows: at once where the server ends, or the machine is offline."""
    document.js_on_event("document_ready", CustomJS(code=_WATCH_THE_NETWORK))
    document.js_on_event("connection_lost", CustomJS(code=_LOST))


_LOST = """
if (!document.querySelector("#connection-lost")) {
  const line = document.createElement("div")
  line.id = "connection-lost"
  line.setAttribute("role", "alert")
  line.style = "position: fixed; inset: auto 0 0 0; z-index: 10000; padding: 12px 16px; text-align: center; "
    + "font: 15px Roboto, sans-serif; color: #fff; background: #7a2e00"
  line.textContent = "The connection to the server is lost: nothing moves any more, and runs are stopped. "
  const again = document.createElement("a")
  again.textContent = "Open the page again"
  again.href = window.location.href
  again.style = "color: inherit; font-weight: 600"
  line.append(again, " with these settings.")
  document.body.append(line)
}
"""
_WATCH_THE_NETWORK = f'window.addEventListener("offline", () => {{ {_LOST} }})'


def _handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if not isinstance(context.get("exception"), WebSocketClosedError):
        loop.default_exception_handler(context)


def _is_news(record: logging.LogRecord) -> bool:
    return "connection was closed" not in record.getMessage() and not _left_in_the_middle(record)


def _left_in_the_middle(record: logging.LogRecord) -> bool:
    """The library takes it for granted that a socket has a session when it closes, and when a message of it comes up for reading."""
    error = record.exc_info[1] if record.exc_info else None
    if not isinstance(error, AssertionError) or error.__traceback__ is None:
        return False
    *_, (frame, _) = walk_tb(error.__traceback__)
    return frame.f_code.co_qualname == "ServerConnection.session"
