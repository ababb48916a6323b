"""Text that follows the race: a headline card a side, the clock, and how it ended. Plain functions from frames to HTML."""

from __future__ import annotations

from html import escape

from dualpath_lab.dashboards.frames import Frame, SideFrame
from dualpath_lab.picture.style import NOTHING, STRUCTURE, duration, percent, ratio, three_digits
from dualpath_lab.result import turns_for

STAR = '<span class="star" title="Look here first">★</span>'


def card(label: str, side: SideFrame, speedup: float | None = None) -> str:
    """Headline figures of one side.

    Parameters
    ----------
    label : {"A", "B"}
    side : SideFrame
    speedup : float, optional
        How many times faster than A it is; B's card shows it.
    """
    when = "whole run" if side.finished else f"last {side.recent_s:,.0f} s"
    line = "solid" if label == "A" else "dashed"
    versus = (
        f'<span title="Time A took over time B took, for as many turns">{STAR}<b>{ratio(speedup)}</b> vs A</span>' if label == "B" else ""
    )
    throughput = f"{three_digits(side.turns_per_s)} <small>turns/s</small>"
    bottleneck = f"{escape(side.bottleneck) or NOTHING} <small>{percent(side.bottleneck_utilization)}</small>"
    return (
        f'<div class="card side-{label.lower()}"><div class="name"><span><b>{label} {escape(side.system)}</b> '
        f'<span class="key {line}" style="--ink:{STRUCTURE}"></span><span class="quiet">{when}</span></span>{versus}</div>'
        '<div class="figures">'
        + headline(STAR + "Throughput", throughput)
        + headline(STAR + "TTFT p50", duration(side.ttft_p50_s))
        + headline("TTFT p99" + _few(side.recent_turns), duration(side.ttft_p99_s))
        + headline("Turns done", f"{side.turns:,}")
        + headline("Agents done", f"{side.agents_finished:,}<small> of {side.agents:,}</small>")
        + "</div>"
        f'<div class="quiet" style="margin-top:6px">{STAR}Busiest: <span class="bottleneck">{bottleneck}</span></div>'
        f'<div class="meter"><i style="width:{min(100 * side.bottleneck_utilization, 100):.0f}%"></i></div></div>'
    )


def _few(turns: int) -> str:
    """A word beside a p99 that rests on too few turns."""
    least = turns_for(99)
    if not 0 < turns < least:
        return ""
    return f' <small class="few" title="It rests on {turns:,} turns; {least:,} make a p99 steady.">few turns</small>'


def clock(frame: Frame, asked: float, reached: float | None, past: bool = False) -> str:
    """Simulated time and speed; the speed reached where it falls short of what was asked."""
    if past:
        return f'<div class="clock"><b>t = {frame.time_s:,.0f} s</b> <span class="quiet pace">history</span></div>'
    short = reached is not None and reached < 0.85 * asked
    pace = f"only ×{three_digits(reached)} reached" if reached is not None and short else ""
    return f'<div class="clock"><b>t = {frame.time_s:,.0f} s</b> <span class="quiet pace">{pace}</span></div>'


def ending(frame: Frame) -> str:
    """How the race ended, in a sentence or two."""
    a, b = frame.a, frame.b
    if a.jct_s is None or b.jct_s is None or frame.speedup is None:
        return ""
    if frame.speedup >= 1:
        verdict = f"{b.system} is {ratio(frame.speedup)} as fast as {a.system}"
    else:
        verdict = f"{a.system} is {ratio(1 / frame.speedup)} as fast as {b.system}"
    return f"Both runs have ended. JCT: A {a.system} {duration(a.jct_s)}, B {b.system} {duration(b.jct_s)}; {verdict}."


def notice(text: str, kind: str) -> str:
    """A sentence for the visitor.

    Parameters
    ----------
    text : str
        Nothing is shown where it is empty.
    kind : {"info", "warning", "error"}
    """
    return f'<div class="notice {kind}" role="status">{escape(text)}</div>' if text else ""


def headline(what: str, value: str, title: str = "") -> str:
    """One figure of a card, by name; ``title`` explains it."""
    return f'<div title="{escape(title)}"><div class="what">{what}</div><div class="value">{value}</div></div>'
