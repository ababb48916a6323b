"""What a page changes at once goes out as one message, and is not mistaken for what a browser sends."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

from bokeh.document import Document
from bokeh.models import ColumnDataSource, Div
from bokeh.protocol import Protocol
from bokeh.server.session import ServerSession
from panel.io.state import set_curdoc

from dualpath_lab.dashboards.locking import together


class Connection:
    """Keeps what a browser would get."""

    def __init__(self) -> None:
        self.protocol = Protocol()
        self._socket = self
        self.sent: list[Any] = []

    async def send_message(self, message: Any) -> None:
        self.sent.append(message.content["events"])


def test_all_changes_are_one_message_and_no_change_of_a_browsers(finished: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
    """Mutants: a message for each change; listeners to the browser's changes are told; another visitor's connection is left out."""
    document, text, table = Document(), Div(text="before"), ColumnDataSource({"t": [1.0]})
    for model in (text, table):
        document.add_root(model)
    session = ServerSession("a session", document)  # type: ignore[arg-type]
    context = SimpleNamespace(session=session)
    document._session_context = lambda: context  # type: ignore[assignment,return-value]
    seen = [Connection(), Connection()]
    session._subscribed_connections.update(seen)  # type: ignore[arg-type]
    echoes: list[str] = []
    text.on_change("text", lambda attr, old, new: echoes.append(f"{attr} {old} {new}"))

    def change() -> None:
        with set_curdoc(document), together():
            text.text = "between"
            table.stream({"t": [2.0]})
            text.text = "after"

    finished(session.with_document_locked(change))  # type: ignore[arg-type]
    for connection in seen:
        (events,) = connection.sent
        assert [event["kind"] for event in events] == ["ModelChanged", "ColumnsStreamed"]
        assert events[0]["new"] == "after"
    assert echoes == []
    assert not document.callbacks.hold_value
