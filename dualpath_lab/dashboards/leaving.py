"""A visitor who leaves while a frame is on its way is no error: what the libraries log about it is kept out of the server's log."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from tornado.websocket import WebSocketClosedError


def expect_visitors_to_leave() -> None:
    """Tell the running event loop and Bokeh's logger; again and again does no harm."""
    asyncio.get_running_loop().set_exception_handler(_handle)
    logging.getLogger("bokeh.server.views.ws").addFilter(_is_news)


def _handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if not isinstance(context.get("exception"), WebSocketClosedError):
        loop.default_exception_handler(context)


def _is_news(record: logging.LogRecord) -> bool:
    return "connection was closed" not in record.getMessage()
