"""Changes to the document of a session: one after the other, and sent together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import panel as pn
from bokeh.document.events import DocumentPatchedEvent


@contextmanager
def together() -> Iterator[None]:
    """Send all changes made inside as one, by Bokeh's own locked way: a visitor who leaves meanwhile does no harm to it."""
    document = pn.state.curdoc
    if document is None or document.callbacks.hold_value:
        yield
        return
    document.hold("combine")
    try:
        yield
    finally:
        # Who listens to a model wants to know what the browser changed. What was set here is known, and to hear of it again would take a
        # quarter of the time of a frame.
        for event in document.callbacks._held_events:
            if isinstance(event, DocumentPatchedEvent):
                event.callback_invoker = None
        document.unhold()


def in_turn(action: Callable[[Any], object]) -> Callable[[Any], None]:
    """What a click does, under the document's lock; Panel by itself runs clicks without it while other changes wait."""

    def clicked(event: Any) -> None:
        def act() -> None:
            action(event)

        pn.state.execute(act, schedule=True)

    return clicked
