"""What the pictures of a turn are drawn from. Plain functions from turns to columns; times in s, sizes in GB."""

from __future__ import annotations

from typing import Any

import numpy as np

from dualpath_lab.core.recorder import TurnLog
from dualpath_lab.dashboards.anatomy_cards import PATHS
from dualpath_lab.picture.style import DECODE, KV, PREFILL, STRUCTURE, duration, three_digits
from dualpath_lab.studies.anatomy import Turns

Columns = dict[str, Any]

COLOURS = {
    "schedule": STRUCTURE,
    "read": KV,
    "prefill_queue": PREFILL,
    "prefill": PREFILL,
    "transfer": KV,
    "copy": KV,
    "decode": DECODE,
}
WAITING = ("schedule", "prefill_queue")
"""Stages in which nothing happens to a turn; drawn pale."""
PALE, FULL = 0.4, 0.9
NOT_TAKEN = "not taken"
ON_BLUE, ON_BRIGHT = "#FFFFFF", "#1A1A1A"
"""Text on a bar."""


def turn_columns(turns: Turns) -> Columns:
    """All turns as points: when each was submitted, its TTFT, and the side that reads."""
    columns = turns.columns
    paths = [PATHS[turns.path(row)] for row in range(len(turns))]
    return {
        "submitted": columns["submitted"],
        "ttft": columns["ttft"],
        "turn": np.arange(len(turns)),
        "agent": columns["agent"],
        "hit": columns["hit"],
        "path": [name for name, _ in paths],
        "colour": [colour for _, colour in paths],
    }


def bar_columns(turns: Turns, turn: int) -> Columns:
    """A turn's stages as bars from the top down, since its submission; reads have a bar a side, as long as what is read there takes."""
    pe, de = turns.engines(turn)
    stages = turns.stages(turn)
    begin_s, end_s = stages[0].start_s, stages[-1].end_s
    rows: list[tuple[Any, ...]] = []
    for name, start_s, stop_s, where in stages:
        colour, alpha = COLOURS[name], PALE if name in WAITING else FULL
        for label, taken in _labels(turns, turn, name, where, pe.node.name, de.node.name):
            left, right = start_s - begin_s, (stop_s if taken else start_s) - begin_s
            text = duration(right - left) if taken else NOT_TAKEN
            edge = float(taken)
            rows.append((label, left, right, colour, alpha, edge, text, *_text_place(left, right, end_s - begin_s, colour, alpha)))
    names = ("label", "left", "right", "colour", "alpha", "edge", "text", "text_x", "offset", "align", "ink")
    columns: Columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    columns["y"] = np.arange(len(rows))[::-1]
    return columns


def _labels(turns: Turns, turn: int, name: str, where: tuple[str, ...], pe_node: str, de_node: str) -> list[tuple[str, bool]]:
    """What a stage's bars are called, and whether the turn went that way."""
    if name == "read":
        reading = [each.partition(".")[0] for each in where] if turns.path(turn) != "none" else []
        return [(f"Read by {node}", node in reading) for node in (pe_node, de_node)]
    labels = {
        "schedule": "Scheduler",
        "prefill_queue": "Prefill queue",
        "prefill": "Forwards",
        "transfer": f"On to {de_node}",
        "copy": "Copy, first step",
        "decode": "Decode",
    }
    return [(labels[name], True)]


def _text_place(left: float, right: float, whole: float, colour: str, alpha: float) -> tuple[float, int, str, str]:
    """Where the text of a bar stands, and in which colour: behind it, before it, or inside where it takes all the room."""
    if right < 0.75 * whole:
        return right, 6, "left", STRUCTURE
    if left > 0.25 * whole:
        return left, -6, "right", STRUCTURE
    return left, 6, "left", ON_BLUE if colour == PREFILL and alpha == FULL else ON_BRIGHT


def link_columns(turns: Turns, turn: int) -> Columns:
    """A turn's bytes on every link of its two engines, step by step; a step that crosses a link twice counts there as two."""
    steps = turns.steps(turn)
    links = turn_links(turns, turn)
    columns: Columns = {name: [] for name in ("y", "left", "right", "alpha", "link", "step", "what", "least")}
    for place, link in enumerate(links):
        carried = 0
        for number, step in enumerate(steps):
            size = step.size_bytes * step.links.count(link)
            if size:
                row = (len(links) - 1 - place, carried / 1e9, (carried + size) / 1e9, (FULL, 0.55)[number % 2])
                told = (f"{link.name} {link.direction}", step.number, step.what, duration(size / link.capacity))
                for name, value in zip(columns, (*row, *told), strict=True):
                    columns[name].append(value)
                carried += size
    return columns


def link_totals(turns: Turns, turn: int) -> Columns:
    """What each of the links carries in all."""
    links, steps = turn_links(turns, turn), turns.steps(turn)
    totals = [sum(step.size_bytes * step.links.count(link) for step in steps) / 1e9 for link in links]
    return {"y": np.arange(len(links))[::-1], "total": totals, "text": [f"{three_digits(total)} GB" for total in totals]}


def turn_links(turns: Turns, turn: int) -> list[Any]:
    """Links at which the KV-cache of a turn may come and go."""
    pe, de = (engine.ports for engine in turns.engines(turn))
    return [pe.snic_rx, pe.dram, pe.cnic_tx, pe.cnic_rx, de.snic_rx, de.snic_tx, de.dram, de.cnic_tx, de.cnic_rx]


def forward_columns(turns: Turns, turn: int, start_s: float, end_s: float) -> Columns:
    """Forwards of a turn's prefill group in a window; its own stand out."""
    columns = turns.forwards(turn)
    inside = (columns["end"] > start_s) & (columns["start"] < end_s)
    shown = {name: column[inside] for name, column in columns.items()}
    began, ended = (turns.columns[name][turn] for name in ("prefill_started", "prefill_ended"))
    own = (shown["start"] >= began) & (shown["end"] <= ended)
    return {
        **{name: shown[name] for name in ("start", "end", "tokens", "requests")},
        "attention_ms": 1e3 * shown["attention_s"],
        "lasts": [duration(length) for length in (shown["end"] - shown["start"]).tolist()],
        "alpha": np.where(own, FULL, PALE),
    }


def prefill_window(turns: Turns, turn: int) -> tuple[float, float]:
    """Time around a turn's prefill: twice as long on either side, and half a second at least."""
    began, ended = (float(turns.columns[name][turn]) for name in TurnLog.TIMES[3:5])
    around_s = max(2 * (ended - began), 0.5)
    return max(began - around_s, 0.0), ended + around_s
