"""What a browser needs to draw the picture: code, and styles for a component's own root or for an element of a larger page."""

from __future__ import annotations

from pathlib import Path

from dualpath_lab.picture.style import BUSY_SCALE, DECODE, KV, MODEL, PREFILL, STRUCTURE

SCRIPT = Path(__file__).with_name("cluster.js")

_COLOURS = {"prefill": PREFILL, "decode": DECODE, "kv": KV, "model": MODEL, "structure": STRUCTURE}
_COLOURS |= {f"busy-{step}": colour for step, colour in enumerate(BUSY_SCALE)}
_VARIABLES = "".join(f"--{name}: {colour};" for name, colour in _COLOURS.items())
_RULES = Path(__file__).with_name("cluster.css").read_text()

ROOT_STYLE = f":host {{ {_VARIABLES} }}\n{_RULES}"
"""For a shadow root of its own."""
PART_STYLE = f".dualpath-cluster {{ {_VARIABLES}\n{_RULES}}}"
"""For an element of a page, whose other parts it leaves alone."""
