"""A visitor who leaves while something is on its way is no error: what the libraries log about it is kept out of the server's log."""

from __future__ import annotations

import asyncio
import logging
from traceback import walk_tb
from typing import Any

from tornado.websocket import WebSocketClosedError


def expect_visitors_to_leave() -> None:
    """Tell the running event loop and Bokeh's logger; again and again does no harm."""
    asyncio.get_running_loop().set_exception_handler(_handle)
    for logger in ("bokeh.server.views.ws", "bokeh.server.protocol_handler", "tornado.application"):
        logging.getLogger(logger).addFilter(_is_news)


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
