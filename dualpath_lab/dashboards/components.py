"""Files of the pages' components, and of nothing else."""

from __future__ import annotations

import sys

from panel.io.server import ComponentResourceHandler
from tornado.web import HTTPError


class ComponentFiles(ComponentResourceHandler):
    """Serves ``/components/<module>/<class>/<attribute>/<path>`` of modules that the pages have imported.

    The library's own handler imports whatever module an address names, so that a visitor could have any code of the machine run.
    """

    def parse_url_path(self, path: str) -> str:
        """As the library does, or 404 for a module that is not there yet."""
        if path.split("/", maxsplit=1)[0] not in sys.modules:
            raise HTTPError(404, "Module not found")
        return str(super().parse_url_path(path))
