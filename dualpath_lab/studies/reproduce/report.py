"""Ours beside the published: errors, the spread over seeds, and all of it in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import Any

from dualpath_lab.studies.reproduce.jobs import Outcomes
from dualpath_lab.studies.reproduce.rows import Published, Row


def compared(row: Row, outcomes: Mapping[int, Outcomes]) -> dict[str, Any]:
    """Set our number beside the published.

    Parameters
    ----------
    row : Row
    outcomes : mapping of seed to Outcomes
        Where there are several seeds, ours is the mean over them, or whether the statement holds for all.

    Returns
    -------
    dict
        ``row``, ``what``, ``published``, ``simulated``, ``relative_error`` (to the nearer end of a range; None for statements), ``use``;
        of several seeds also ``seeds`` (ours for each) and ``spread`` (the least and the most; None for statements); and ``detail`` where
        the row has any (numbers behind ours; means over the seeds).
    """
    by_seed = {str(seed): row.simulate(done) for seed, done in outcomes.items()}
    values = list(by_seed.values())
    statement = isinstance(row.published, str)
    ours = all(values) if statement else fmean(values)
    result: dict[str, Any] = {
        "row": row.row,
        "what": row.what,
        "published": list(row.published) if isinstance(row.published, tuple) else row.published,
        "simulated": ours,
        "relative_error": _relative_error(ours, row.published),
        "use": row.use,
    }
    if len(values) > 1:
        result["seeds"] = by_seed
        result["spread"] = None if statement else [min(values), max(values)]
    if row.detail:
        details = [row.detail(done) for done in outcomes.values()]
        result["detail"] = {name: fmean(detail[name] for detail in details) for name in details[0]}
    return result


def _relative_error(ours: float, published: Published) -> float | None:
    if isinstance(published, str):
        return None
    low, high = published if isinstance(published, tuple) else (published, published)
    return ours / min(max(ours, low), high) - 1


def cells(rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """The rows in words, below a row of headings."""
    several = any("seeds" in row for row in rows)
    table = [["row", "what", "published", "simulated", *(["spread over seeds"] if several else []), "error", "use"]]
    for row in rows:
        error = "" if row["relative_error"] is None else f"{row['relative_error']:+.1%}"
        spread = [_spread(row)] if several else []
        table.append([row["row"], row["what"], _text(row["published"]), _text(row["simulated"]), *spread, error, row["use"]])
    return table


def as_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a table, and below it the median and the largest error of the predicted numbers."""
    names, *body = cells(rows)
    lines = [_line(names), _line(["---"] * len(names)), *map(_line, body)]
    errors = [abs(row["relative_error"]) for row in rows if row["use"] == "predict" and row["relative_error"] is not None]
    if errors:
        lines += ["", f"Predicted numbers: median error {median(errors):.1%}, largest {max(errors):.1%}."]
    for row in rows:
        if "detail" in row:
            numbers = ", ".join(f"{name.replace('_', ' ')} {_text(value)}" for name, value in row["detail"].items())
            lines += ["", f"Behind {row['row']}: {numbers}."]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _spread(row: Mapping[str, Any]) -> str:
    if "seeds" not in row:
        return "one seed"
    if row["spread"] is None:
        values = row["seeds"].values()
        return f"holds for {sum(values)} of {len(values)}"
    return _text(row["spread"])


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "holds" if value else "fails"
    if isinstance(value, list):
        return " to ".join(_text(end) for end in value)
    return value if isinstance(value, str) else f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
