"""What the picture of a cluster says of each of its parts, to who points at it and to who can't see it. Plain functions to text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypedDict

from dualpath_lab.picture.frame import ClusterFrame, NodeFrame
from dualpath_lab.picture.style import percent, three_digits
from dualpath_lab.units import BITS_PER_BYTE, GIGA

_LEAST_GBPS = 0.05
"""What is less is as good as nothing."""


class Words(TypedDict):
    """A sentence for the ``picture`` as a whole, and lines for its ``parts``: scheduler, storage, compute network, then the nodes."""

    picture: str
    parts: list[str]


def with_words(frame: ClusterFrame, label: str) -> dict[str, Any]:
    """What ``cluster.js`` draws: a frame and its words."""
    return {**frame, "words": words(frame, label)}


def words(frame: ClusterFrame, label: str) -> Words:
    """Everything in words; ``label`` is what the side is called."""
    waiting = _many(frame["scheduler_queue"], "turn")
    when = "over the whole run" if frame["ended"] else f"over the last {frame['window_s']:.0f} s"
    nics = " and ".join(
        f"of {_many(len(shares), f'{role} node')} at {percent(sum(shares) / len(shares))}"
        for role in ("prefill", "decode")
        if (shares := [node["read_share"] for node in frame["nodes"] if node["role"] == role])
    )
    picture = (
        f"{label} {frame['system']} at {frame['time_s']:.0f} s, {when}: storage NICs {nics} of their reading speed; "
        f"path one {_rate(frame['path_one'])}, second path {_rate(frame['path_two'])}; {waiting} to be placed."
    )
    storage = (
        "storage",
        f"path one: {_rate(frame['path_one'])} to prefill nodes",
        f"second path: {_rate(frame['path_two'])} to decode nodes",
        f"written: {_rate(frame['written'])}",
    )
    network = (
        "compute network",
        f"second path: {_rate(frame['hits'])} from decode to prefill nodes",
        f"hand-over: {_rate(frame['handed_over'])} from prefill to decode nodes",
    )
    nodes = (_node(node, frame["buffer_bytes"]) for node in frame["nodes"])
    return Words(picture=picture, parts=[_lines(part) for part in (("scheduler", f"{waiting} to be placed"), storage, network, *nodes)])


def _node(node: NodeFrame, buffer_bytes: int) -> Iterable[str]:
    prefill = node["role"] == "prefill"
    hits, handed_over = ("in", "out") if prefill else ("out", "in")
    requests = _many(node["requests"], "turn") + " ready" if prefill else _many(node["requests"], "sequence") + " decoding"
    return (
        f"{node['name']}, {node['role']} node",
        f"storage NIC: reads {_rate(node['read'])} ({percent(node['read_share'])}), "
        f"writes {_rate(node['written'])} ({percent(node['written_share'])})",
        f"second path {hits}: {_rate(node['hits'])}; hand-over {handed_over}: {_rate(node['handed_over'])}",
        f"read queue: {three_digits(node['read_tokens'])} tokens; {requests}",
        f"compute NICs: KV {percent(node['kv_share'])}, model {percent(node['model_share'])}; DRAM {percent(node['dram_share'])}",
        f"buffer: {percent(node['buffer_share'])} of {three_digits(buffer_bytes / GIGA)} GB",
        f"GPUs compute {percent(node['busy'])} of the time" if prefill else f"{percent(node['busy'])} of the GPUs decode",
    )


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines)


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _rate(bytes_per_s: float) -> str:
    gbps = bytes_per_s * BITS_PER_BYTE / GIGA
    return f"{three_digits(gbps) if gbps >= _LEAST_GBPS else '0'} Gb/s"
