"""The server behind ``dualpath-lab serve``."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence

import panel as pn

from dualpath_lab.core.network import warm_up
from dualpath_lab.dashboards import sessions
from dualpath_lab.dashboards.app import app
from dualpath_lab.dashboards.components import ComponentFiles
from dualpath_lab.dashboards.metrics import Metrics
from dualpath_lab.dashboards.sessions import MOST_SESSIONS
from dualpath_lab.dashboards.shell import PAGES
from dualpath_lab.dashboards.uploads import MOST_BYTES
from dualpath_lab.scenario import ScenarioError

SESSION_CHECK_MS = 1000
UNUSED_SESSION_MS = 6_000
"""A closed page is gone after this; with the library's longer default, pages opened in a row can stay dead."""
EVERY_ADDRESS = ("0.0.0.0", "::", "")
MOST_MESSAGE_BYTES = 2 * MOST_BYTES
"""What a browser may send at once: an upload, and the words around it."""


def serve(port: int, address: str, show: bool, origins: Sequence[str] = (), most_sessions: int = MOST_SESSIONS) -> None:
    """Serve the app until interrupted; ``/healthz`` answers 200 once it is up, ``/metrics`` tells what it does.

    Parameters
    ----------
    port : int
        0 takes any free one.
    address : str
        What to listen on. One that means every network of the machine also lets pages be opened under any name of it.
    show : bool
        Open a browser.
    origins : sequence of str
        ``host`` or ``host:port`` under which visitors may open pages besides: what a proxy in front of it is called.
    most_sessions : int
        Pages that may be open at a time.

    Raises
    ------
    ScenarioError
        If the address and port can't be had, or an origin is none.
    KeyboardInterrupt
        At Ctrl-C, once everything has stopped.
    """
    for origin in origins:
        if not re.fullmatch(r"[\w.-]+(:\d{1,5})?", origin):
            raise ScenarioError(f"--allow-origin {origin} is not allowed: it should be HOST or HOST:PORT, such as lab.example.org.")
    sessions.shared().most = most_sessions
    warm_up()
    try:
        port = port or free_port(address)
        own = (
            ["*"]
            if address in EVERY_ADDRESS and not origins
            else [f"{host}:{port}" for host in (address, "localhost", "127.0.0.1") if host]
        )
        pn.serve(
            {f"/{page}": app for page in PAGES},
            port=port,
            address=address,
            show=show,
            title="DualPath Lab",
            liveness="healthz",
            websocket_origin=[*own, *origins],
            websocket_max_message_size=MOST_MESSAGE_BYTES,
            extra_patterns=[("/metrics", Metrics), ("/components/(.*)", ComponentFiles, {})],
            check_unused_sessions_milliseconds=SESSION_CHECK_MS,
            unused_session_lifetime_milliseconds=UNUSED_SESSION_MS,
        )
    except OSError as error:
        raise ScenarioError(f"--port {port} on --address {address} can't be had: {error.strerror}.") from None
    raise KeyboardInterrupt  # the library ends its loop at Ctrl-C and returns


def free_port(address: str) -> int:
    """A port that nobody listens on now."""
    with socket.create_server((address, 0)) as probe:
        return int(probe.getsockname()[1])
