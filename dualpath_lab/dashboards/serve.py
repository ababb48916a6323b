"""The server behind ``dualpath-lab serve``."""

from __future__ import annotations

import gc
import re
import signal
import socket
from collections.abc import Sequence
from typing import Any

import panel as pn
from bokeh.settings import settings
from panel.io import document

from dualpath_lab.core.network import warm_up
from dualpath_lab.dashboards import jobs, sessions
from dualpath_lab.dashboards.app import app
from dualpath_lab.dashboards.components import ComponentFiles
from dualpath_lab.dashboards.door import Door, watch_the_door
from dualpath_lab.dashboards.jobs import MOST_RUN_S, MOST_WAITING
from dualpath_lab.dashboards.metrics import Metrics
from dualpath_lab.dashboards.pace import Pace
from dualpath_lab.dashboards.sessions import MOST_SESSIONS
from dualpath_lab.dashboards.shell import PAGES
from dualpath_lab.dashboards.uploads import MOST_BYTES
from dualpath_lab.scenario import ScenarioError

SESSION_CHECK_MS = 1000
UNUSED_SESSION_MS = 6_000
"""A closed page is gone after this; with the library's longer default, pages opened in a row can stay dead."""
PING_S = 10
"""From one ping of a page to the next, by which it has to have answered; else its connection is taken for lost."""
GARBAGE_S = 10
"""From the last page that closes to the search for what it leaves in memory, which holds up all the others for longer than a frame."""
EVERY_ADDRESS = ("0.0.0.0", "::", "")
MOST_MESSAGE_BYTES = 2 * MOST_BYTES
"""What a browser may send at once: an upload, and the words around it."""
MOST_BODY_BYTES = 100_000
"""Of a request; nothing is ever posted."""


def serve(
    port: int,
    address: str,
    show: bool,
    origins: Sequence[str] = (),
    most_sessions: int = MOST_SESSIONS,
    processes: int | None = None,
    processes_each: int | None = None,
    most_waiting: int = MOST_WAITING,
    most_run_s: float = MOST_RUN_S,
    prefix: str = "",
) -> None:
    """Serve the app until interrupted; ``/healthz`` answers 200 once it is up, ``/metrics`` tells what it does.

    Parameters
    ----------
    port : int
        0 takes any free one.
    address : str
        What to listen on. One that means every network of the machine also lets pages be opened under any name of it, but no page of
        another server speak to this one.
    show : bool
        Open a browser.
    origins : sequence of str
        ``host`` or ``host:port`` under which visitors may open pages besides: what a proxy in front of it is called.
    most_sessions : int
        Pages that may be open at a time.
    processes, processes_each : int, optional
        Heavy runs at a time, of all visitors together and of one; see :class:`jobs.Jobs`.
    most_waiting : int
        Heavy runs that may wait, of all visitors together.
    most_run_s : float
        Wall time that a heavy run may take.
    prefix : str
        What every path begins with, such as ``/lab`` behind a proxy that serves other things too.

    Raises
    ------
    ScenarioError
        If the address and port can't be had, or an origin or the prefix is none.
    KeyboardInterrupt
        At Ctrl-C or SIGTERM, once everything has stopped.
    """
    for origin in origins:
        if not re.fullmatch(r"[\w.-]+(:\d{1,5})?", origin):
            raise ScenarioError(f"--allow-origin {origin} is not allowed: it should be HOST or HOST:PORT, such as lab.example.org.")
    if not re.fullmatch(r"(/[\w.~-]+)*", prefix):
        raise ScenarioError(f"--prefix {prefix} is not allowed: it should begin with a slash and end without, such as /lab.")
    sessions.shared().most = most_sessions
    runs = jobs.shared()
    runs.processes, runs.processes_each = processes or runs.processes, processes_each
    runs.most_waiting, runs.most_run_s = most_waiting, most_run_s
    warm_up()
    settings.perform_document_validation = False  # it looks through every page that opens for mistakes in how it was put together
    document.GC_DEBOUNCE = GARBAGE_S
    try:
        port = port or free_port(address)
        everywhere = address in EVERY_ADDRESS
        own = [f"{host}:{port}" for host in (address, "localhost", "127.0.0.1")]
        server: Any = pn.serve(
            {f"/{page}": app for page in PAGES},
            port=port,
            address=address,
            show=show,
            start=False,
            title="DualPath Lab",
            liveness="healthz",
            prefix=prefix,
            websocket_origin=["*"] if everywhere else [*own, *origins],
            websocket_max_message_size=MOST_MESSAGE_BYTES,
            http_server_kwargs={"max_body_size": MOST_BODY_BYTES},
            extra_patterns=[("/metrics", Metrics), ("/components/(.*)", ComponentFiles, {})],
            check_unused_sessions_milliseconds=SESSION_CHECK_MS,
            unused_session_lifetime_milliseconds=UNUSED_SESSION_MS,
        )
    except OSError as error:
        raise ScenarioError(f"--port {port} on --address {address} can't be had: {error.strerror}.") from None
    pace = Pace()
    for context in server._tornado._applications.values():
        context.application.add(pace)
    server._tornado.settings.update(websocket_ping_interval=PING_S, websocket_ping_timeout=PING_S)
    watch_the_door(server._tornado, Door(pace, set(origins) if everywhere else None))
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    server.start()
    gc.collect()
    gc.freeze()  # what stays for good need not be looked through again
    server.io_loop.start()  # the library ends it at Ctrl-C
    runs.close()
    raise KeyboardInterrupt


def free_port(address: str) -> int:
    """A port that nobody listens on now."""
    with socket.create_server((address, 0)) as probe:
        return int(probe.getsockname()[1])
