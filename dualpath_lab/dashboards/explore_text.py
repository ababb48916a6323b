"""What the Explore page says: a cell in words, how far the runs are, and a cell's card."""

from __future__ import annotations

from html import escape

from dualpath_lab.dashboards.cards import STAR, headline
from dualpath_lab.dashboards.explore_plan import Cell, Plan, Rows, turns_per_s
from dualpath_lab.picture.style import STRUCTURE, duration, ratio, three_digits
from dualpath_lab.studies.sweep.rows import DONE, Row


def spoken(plan: Plan, cell: Cell, rows: Rows) -> str:
    """A cell in a line: where it is and what came of it."""
    if failure := cell.failure(rows):
        what = f"failed: {failure}"
    elif cell.complete(rows):
        what = f"{plan.measure.title} {plan.measure.text(plan.value(cell, rows))}"
    else:
        what = "not run yet"
    return f"{plan.place(cell)}: {what}"


def written(plan: Plan, cell: Cell, rows: Rows) -> str:
    """The number in a cell, in the unit of the measure's axis."""
    if not cell.complete(rows):
        return ""
    value = plan.value(cell, rows)
    return ratio(value) if plan.measure.both else three_digits(value)


def readout(plan: Plan, cell: Cell, rows: Rows, link: str) -> str:
    """The numbers of a chosen cell as a card, and the link that opens it live."""
    lines = "".join(_side(side, plan.systems[side], row) for side, row in sorted(cell.rows(rows).items()) if row["status"] == DONE)
    speedup = f"{STAR}<b>{plan.measure.text(plan.value(cell, rows))}</b> B over A" if plan.measure.both and cell.complete(rows) else ""
    failure = cell.failure(rows)
    state = f'<div class="notice error">{escape(failure)}</div>' if failure else "" if lines else '<div class="quiet">Not run yet.</div>'
    return (
        f'<div class="card cell"><div class="name"><b>{escape(plan.place(cell))}</b><span>{speedup}</span></div>{lines}{state}'
        f'<div style="margin-top:8px"><a href="{escape(link)}">Open this cell live</a></div></div>'
    )


def _side(side: str, system: str, row: Row) -> str:
    line = "solid" if side == "a" else "dashed"
    return (
        f'<div style="margin-top:6px"><b>{side.upper()} {escape(system)}</b> <span class="key {line}" style="--ink:{STRUCTURE}"></span>'
        f'<span class="quiet">busiest: {escape(row["bottleneck"])}</span></div><div class="figures four">'
        + headline("JCT", duration(row["jct_s"]))
        + headline("Throughput", f"{three_digits(turns_per_s(row))} <small>turns/s</small>")
        + headline("TTFT p50", duration(row["latency_s.ttft.p50"]))
        + headline("TTFT p99", duration(row["latency_s.ttft.p99"]))
        + "</div>"
    )


def progress(settled: int, total: int, left_s: float | None, ahead: int) -> str:
    """How far the runs are."""
    done = f"{settled} of {total} cells"
    if ahead:
        return f"{done}. Queued behind {ahead} {'run' if ahead == 1 else 'runs'} of other visitors."
    return f"{done}, about {three_digits(left_s) if left_s >= 100 else f'{left_s:.0f}'} s left." if left_s is not None else f"{done}."
