"""The server behind ``dualpath-lab serve``."""

from __future__ import annotations

import socket

import panel as pn

from dualpath_lab.core.network import warm_up
from dualpath_lab.dashboards.app import app
from dualpath_lab.dashboards.shell import PAGES
from dualpath_lab.scenario import ScenarioError

SESSION_CHECK_MS = 1000
UNUSED_SESSION_MS = 6_000
"""A closed page is gone after this; with the library's longer default, pages opened in a row can stay dead."""
EVERY_ADDRESS = ("0.0.0.0", "::", "")


def serve(port: int, address: str, show: bool) -> None:
    """Serve the app until interrupted; ``/healthz`` answers 200 once it is up.

    Parameters
    ----------
    port : int
        0 takes any free one.
    address : str
        What to listen on. One that means every network of the machine also lets pages be opened under any name of it.
    show : bool
        Open a browser.

    Raises
    ------
    ScenarioError
        If the address and port can't be had.
    KeyboardInterrupt
        At Ctrl-C, once everything has stopped.
    """
    warm_up()
    try:
        port = port or free_port(address)
        origins = ["*"] if address in EVERY_ADDRESS else [f"{host}:{port}" for host in (address, "localhost", "127.0.0.1")]
        pn.serve(
            {f"/{page}": app for page in PAGES},
            port=port,
            address=address,
            show=show,
            title="DualPath Lab",
            liveness="healthz",
            websocket_origin=origins,
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
