"""A press in a plot is the beginning of a drag or a click, however long the pointer rests before it moves or is lifted."""

from __future__ import annotations

from bokeh.document import Document
from bokeh.models import CustomJS

LONGEST_TIMER_MS = 2**31 - 1


def let_the_pointer_rest(document: Document) -> None:
    """Take away the 0.3 s after which Bokeh makes a press of its own kind out of it, which nothing here listens to."""
    wait = f"Bokeh.require('core/ui_gestures').UIGestures.press_threshold = {LONGEST_TIMER_MS}"
    document.js_on_event("document_ready", CustomJS(code=wait))
