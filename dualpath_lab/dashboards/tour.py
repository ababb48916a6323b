"""Six steps through the lab: each sets a page up, says where to look, and leaves the reader free to play."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from html import escape
from typing import NamedTuple

from dualpath_lab.calibration import COMPUTE_QUOTA_S
from dualpath_lab.dashboards.anatomy_state import AnatomyState
from dualpath_lab.dashboards.lane_state import LaneState
from dualpath_lab.dashboards.linked import LinkedState
from dualpath_lab.dashboards.state import LabState

KEY = "tour"
"""Of a link: the number of the step, from 1."""

Href = Callable[[str], str]
"""From the name of a page to its address."""


class Step(NamedTuple):
    """One stop.

    Attributes
    ----------
    title : str
    story : str
        What happens here, and why.
    look : str
        Where to see it.
    play : str
        What to try next.
    state : LinkedState
        The page and how it is set up.
    """

    title: str
    story: str
    look: str
    play: str
    state: LinkedState


@cache
def steps() -> tuple[Step, ...]:
    """All of them, in order; their states are never changed."""
    return (
        Step(
            "The storage wall",
            "At every turn an agent reads its whole KV-cache again. Without a second path (A, solid lines) all of it comes through the "
            "storage NICs of the prefill nodes.",
            "The storage NICs' plot: A's prefill line sticks to 100 % while its decode line stays at zero. In A's card TTFT grows as reads "
            "queue up.",
            "Take the prefill nodes from 1 to 2: more NICs help A, at the price of eight more GPUs.",
            LabState(),
        ),
        Step(
            "The second path opens",
            "DualPath (B, dashed) also reads through the decode nodes and passes the KV-cache on to the prefill engine over the compute "
            "network. A already loads layer by layer; all that it lacks is the second path.",
            "The same plot: B's decode storage NICs now work as well as its prefill ones. The speed-up in B's card rises; its bound is the "
            "ratio of all storage NICs to the prefill nodes' own.",
            "Take the decode nodes from 2 to 4, then to 1, and follow the speed-up.",
            LabState(system_a="layerwise"),
        ),
        Step(
            "Who reads what",
            "Two paths are only as good as the choice between them. Both sides have both paths here: A takes them in turn, B's scheduler "
            "looks at read queues and engines first.",
            "The read queues: where A lets one side run full and the other dry, B keeps the two close together.",
            "Give both less to read with a hit rate of 50 %: the choice matters less.",
            LabState(system_a="roundrobin"),
        ),
        Step(
            "Lanes keep the model first",
            "On the compute network KV-cache meets the model's own traffic. InfiniBand's virtual lanes let the model go first, packet by "
            "packet.",
            "Port A (the published tables): a burst of the model takes as long as on an empty link. Port B (a plain queue): the same "
            "bursts wait behind KV-cache.",
            "Drag across a burst to zoom in, down to single packets.",
            LaneState(),
        ),
        Step(
            "Many engines in step",
            "The engines of an expert-parallel group wait for the slowest in every forward. The compute quota fills a forward up to "
            f"{COMPUTE_QUOTA_S:g} s of attention on each engine and cuts the request that would pass it.",
            "The forwards around the slowest turn, at the bottom of the page: bars reach the line of the quota, and none passes it.",
            "Choose the system roundrobin, which packs a fixed number of tokens: some forwards take twice the quota.",
            AnatomyState(model="ds-660b", prefill_nodes=2, decode_nodes=4, agents=48, pick="slowest"),
        ),
        Step(
            "When it does not help",
            "With a hit rate of 30 % most of the context is computed again. The prefill engines are the bottleneck, and no path makes them "
            "faster.",
            "Both cards name prefill compute as the bottleneck, and the speed-up, the scheduler's, stays below 1.2.",
            "Raise the hit rate step by step: at some point the wall is back, and with it the gain.",
            LabState(hit_rate=0.3),
        ),
    )


def step_asked_for(arguments: Mapping[str, list[bytes]]) -> tuple[int | None, str]:
    """Number of the step that a link names, and what is wrong with it."""
    text = arguments.get(KEY, [b""])[0].decode(errors="replace")
    last = len(steps())
    if not text:
        return None, ""
    if text in map(str, range(1, last + 1)):
        return int(text), ""
    return None, f"{KEY} = {text[:20]!r} in the link is not allowed: it should be a whole number from 1 to {last}."


def address(number: int, href: Href) -> str:
    """Link to a step, all its settings included."""
    state = steps()[number - 1].state
    return f"{href(state.PAGE).split('?')[0]}{state.to_query()}&{KEY}={number}"


def strip(number: int, href: Href) -> str:
    """What a step says, with the way to the others."""
    every = steps()
    step = every[number - 1]
    dots = "".join(
        f'<a href="{escape(address(each, href))}" aria-label="Step {each}: {escape(every[each - 1].title)}"'
        f"{_HERE if each == number else ''}>{each}</a>"
        for each in range(1, len(every) + 1)
    )
    on = (
        f'<a class="on" href="{escape(address(number + 1, href))}">Next: {escape(every[number].title)} →</a>' if number < len(every) else ""
    )
    return (
        f'<section aria-label="Tour, step {number} of {len(every)}"><h2>{number}. {escape(step.title)}</h2><p>{escape(step.story)}</p>'
        f"<p><b>★ Look here first.</b> {escape(step.look)}</p><p><b>Then play.</b> {escape(step.play)}</p>"
        f'<nav aria-label="Steps of the tour">{dots}{on}</nav></section>'
    )


_HERE = ' aria-current="step"'
CSS = """
:host { font-family: Roboto, "Helvetica Neue", Arial, sans-serif; font-size: 14px; line-height: 1.4; }
section { border-left: 5px solid #009E73; padding: 6px 12px 8px; background: color-mix(in srgb, #009E73 9%, transparent); }
h2 { font-size: 17px; font-weight: 600; margin: 0 0 4px; }
p { margin: 0 0 4px; max-width: 90ch; }
nav { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; margin-top: 6px; }
a { color: inherit; text-decoration: none; border: 1px solid color-mix(in srgb, currentColor 40%, transparent); border-radius: 12px; }
a { min-width: 24px; height: 24px; line-height: 24px; text-align: center; }
a[aria-current] { background: #00795A; color: #fff; border-color: #00795A; }
a.on { padding: 0 12px; margin-left: 8px; font-weight: 600; }
"""
