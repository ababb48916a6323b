"""Advice as values for programs, and as a report."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from dualpath_lab.studies.advise import Advice, Choice, Point


def as_values(advice: Advice) -> dict[str, Any]:
    """The JSON of ``dualpath-lab advise``."""
    best = advice.best.point
    return {
        "scenario": advice.scenario.model_dump(),
        "gpus": advice.gpus,
        "seeds": advice.seeds,
        "best": {"system": best.system, "prefill_nodes": best.prefill_nodes, "decode_nodes": best.decode_nodes},
        "dual_path_helps": advice.verdict.helps,
        "limited_by": advice.verdict.limited_by,
        "bottleneck": best.bottleneck,
        "verdict": advice.verdict.text,
        "oracle_jct_s": advice.oracle_jct_s,
        "systems": {system: _choice(choice) for system, choice in advice.choices.items()},
        "points": [asdict(point) for point in advice.found.points],
        "refused": advice.found.refused,
    }


def _choice(choice: Choice) -> dict[str, Any]:
    return {
        "prefill_nodes": choice.point.prefill_nodes,
        "decode_nodes": choice.point.decode_nodes,
        "jct_s": choice.jct_s._asdict(),
        "speedup": choice.speedup._asdict(),
        "capacity_agents_per_s": choice.agents_per_s._asdict() if choice.agents_per_s else None,
        "bottleneck": choice.point.bottleneck,
        "limited_by": choice.limited_by,
        "changes": [asdict(change) for change in choice.changes],
    }


class Section(NamedTuple):
    """A part of the report: what it says, and a table."""

    title: str
    text: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]


def sections(advice: Advice) -> list[Section]:
    """The report."""
    scenario, best = advice.scenario, advice.best.point
    over = f"means over {advice.seeds} seeds, with 95 % confidence intervals" if advice.seeds > 1 else "one seed"
    return [
        Section(
            f"{scenario.model} on {advice.gpus} GPUs",
            f"Build {best.prefill_nodes}P{best.decode_nodes}D and run {best.system}. {advice.verdict.text} "
            f"({scenario.workload.source}, {scenario.workload.agents} agents; {over}.)",
            ("system", "best P:D", "JCT", "over basic", "agents/s within the objective", "busiest"),
            [_choice_row(system, choice) for system, choice in advice.choices.items()],
        ),
        Section(
            f"What more would buy {best.system}",
            "JCT before over JCT after, one change at a time, first seed.",
            ("change", "times as fast"),
            [
                (change.what, "could not run" if change.speedup is None else f"{change.speedup:.3g}x")
                for change in sorted(advice.best.changes, key=lambda change: -(change.speedup or 0.0))
            ],
        ),
        Section(
            "Every P:D tried",
            "First seed; a star marks what no other beats in both throughput and TTFT. " + " ".join(advice.found.refused),
            ("system", "P:D", "JCT, s", "turns/s per GPU", "TTFT mean, s", "TTFT p99, s", "TPOT, ms", "busiest"),
            [_point_row(point) for point in sorted(advice.found.points, key=lambda point: (point.system, point.prefill_nodes))],
        ),
    ]


def as_markdown(advice: Advice) -> str:
    """The report as Markdown."""
    lines = []
    for level, (title, text, header, rows) in zip(("#", "##", "##"), sections(advice), strict=True):
        lines += [f"{level} {title}", "", text.strip(), ""]
        lines += [f"| {' | '.join(row)} |" for row in (header, ("---",) * len(header), *rows)]
        lines.append("")
    return "\n".join(lines)


def _choice_row(system: str, choice: Choice) -> tuple[str, ...]:
    point = choice.point
    ratio, rate = f"{point.prefill_nodes}P{point.decode_nodes}D", choice.agents_per_s
    return system, ratio, choice.jct_s.text(" s"), choice.speedup.text("x"), rate.text() if rate else "-", point.bottleneck


def _point_row(point: Point) -> tuple[str, ...]:
    ratio = f"{point.prefill_nodes}P{point.decode_nodes}D{' *' if point.pareto else ''}"
    figures = (f"{point.jct_s:,.4g}", *(f"{value:.3g}" for value in (point.turns_per_s_per_gpu, point.ttft_s, point.ttft_p99_s)))
    return point.system, ratio, *figures, f"{point.tpot_s * 1e3:.3g}", point.bottleneck
