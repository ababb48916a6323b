"""Changes to the document of a session: one after the other, and sent together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import panel as pn
from bokeh.core.serialization import Ref, Serializer
from bokeh.document.events import DocumentPatchedEvent
from bokeh.document.models import DocumentModelManager
from bokeh.model import Model
from bokeh.protocol.messages.patch_doc import patch_doc


@contextmanager
def together() -> Iterator[None]:
    """Send all changes made inside as one message, by Bokeh's own locked way: a visitor who leaves meanwhile does no harm to it.

    By itself Bokeh sends each change in a message of its own, and tells Panel of it so late that Panel takes it for a change made in the
    browser and makes it once more; together that is as much work again as the frame of a live page.
    """
    document = pn.state.curdoc
    if document is None or document.callbacks.hold_value:
        yield
        return
    document.hold("combine")
    try:
        yield
    finally:
        _send(document)


def _send(document: Any) -> None:
    """Let go of a document, and send what was held back to everybody who looks at it."""
    callbacks = document.callbacks
    held, callbacks._held_events = callbacks._held_events, []
    document.unhold()
    patches = [event for event in held if isinstance(event, DocumentPatchedEvent)]
    for event in held:
        if event not in patches:
            callbacks.trigger_on_change(event)
    session = document.session_context.session if document.session_context else None
    if patches and session:
        for connection in session._subscribed_connections:
            session._pending_writes.append(connection._socket.send_message(_message(document, patches)))


def _message(document: Any, patches: list[DocumentPatchedEvent]) -> patch_doc:
    """As Bokeh makes it, which lists all models of the document each time."""
    serializer = _Serializer(document.models)
    message = patch_doc(patch_doc.create_header(), {}, {"events": serializer.encode(patches)})
    document.models.flush_synced(lambda model: not serializer.has_ref(model))
    message.add_buffers(*serializer.buffers)
    return message


class _Serializer(Serializer):
    """Looks models up that a browser has already, when it comes upon them."""

    def __init__(self, models: DocumentModelManager) -> None:
        super().__init__()
        self._models = models

    def get_ref(self, obj: Any) -> Ref | None:
        """How to refer to something; None if it has to be sent."""
        if isinstance(obj, Model) and obj.id in self._models and obj not in self._models._new_models:
            return obj.ref
        return super().get_ref(obj)


def in_turn(action: Callable[[Any], object]) -> Callable[[Any], None]:
    """What a click does, under the document's lock; Panel by itself runs clicks without it while other changes wait."""

    def clicked(event: Any) -> None:
        def act() -> None:
            action(event)

        pn.state.execute(act, schedule=True)

    return clicked
