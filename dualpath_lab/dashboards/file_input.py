"""A field for a file that keeps its bound on the server too, whatever a browser sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import panel_material_ui as pmui


class BoundedFileInput(pmui.FileInput):
    """Takes at most ``max_file_size`` bytes of parts that have not become a file yet.

    The library's own looks at the size in the browser alone, and keeps whatever parts come until all of them are there.
    """

    _bytes_waiting = 0

    def _handle_msg(self, msg: Mapping[str, Any]) -> None:
        if msg.get("status") == "upload_event":
            self._bytes_waiting += len(msg["data"])
            if self.max_file_size and self._bytes_waiting > self.max_file_size:
                self._file_buffer.clear()
                self._buffer.clear()
                return
        else:
            self._bytes_waiting = 0
        super()._handle_msg(msg)
