"""Ours beside the published: errors, the spread over seeds, and all of it in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import Any

from dualpath_lab.studies.reproduce.jobs import Outcomes
from dualpath_lab.studies.reproduce.row import READ_ERROR, Published, Row, Use

READING = (
    f"What is *printed* in the paper is exact; what was *read* off one of its figures may be {READ_ERROR:.0%} off; of what is *inferred* "
    "the number is printed, and what it is of was concluded."
)


KEYS = ("row", "what", "published", "simulated", "relative_error", "use", "kind")
"""Of every row of ``dualpath-lab reproduce --json``."""

RowResult = dict[str, Any]
"""Such a row, and what :func:`compared` adds to it."""


def compared(row: Row, outcomes: Mapping[int, Outcomes], by_budget: Mapping[int, Outcomes] | None = None) -> RowResult:
    """Set our number beside the published.

    Parameters
    ----------
    row : Row
    outcomes : mapping of seed to Outcomes
        Where there are several seeds with the row's runs, ours is the mean over them, or whether the statement holds for all.
    by_budget : mapping of int to Outcomes, optional
        With other numbers of tokens in a forward without compute quota.

    Returns
    -------
    dict
        ``row``, ``what``, ``published``, ``simulated``, ``relative_error`` (to the nearer end of a range; None for statements), ``use``,
        ``kind``; of several seeds also ``seeds`` (ours for each) and ``spread`` (the least and the most; None for statements); ``detail``
        where the row has any (numbers behind ours; means over the seeds); and ``sensitivity`` (ours by the tokens of a forward).
    """
    run = {seed: done for seed, done in outcomes.items() if all(job in done for job in row.needs)}
    by_seed = {str(seed): row.simulate(done) for seed, done in run.items()}
    values = list(by_seed.values())
    statement = isinstance(row.published, str)
    ours = all(values) if statement else fmean(values)
    published = list(row.published) if isinstance(row.published, tuple) else row.published
    error = _relative_error(ours, row.published)
    result: RowResult = dict(zip(KEYS, (row.row, row.what, published, ours, error, row.use, row.kind), strict=True))
    if len(values) > 1:
        result["seeds"] = by_seed
        result["spread"] = None if statement else [min(values), max(values)]
    if row.detail:
        details = [row.detail(done) for done in run.values()]
        result["detail"] = {name: fmean(detail[name] for detail in details) for name in details[0]}
    if by_budget:
        result["sensitivity"] = {str(tokens): row.simulate(done) for tokens, done in by_budget.items()}
    return result


def _relative_error(ours: float, published: Published) -> float | None:
    if isinstance(published, str):
        return None
    low, high = published if isinstance(published, tuple) else (published, published)
    return ours / min(max(ours, low), high) - 1


def cells(rows: Sequence[RowResult]) -> list[list[str]]:
    """The rows in words, below a row of headings."""
    several = any("seeds" in row for row in rows)
    sensitive = any("sensitivity" in row for row in rows)
    more = [*(["spread over seeds"] if several else []), *(["by tokens of a forward"] if sensitive else [])]
    table = [["row", "what", "published", "kind", "simulated", *more, "error", "use"]]
    for row in rows:
        error = "" if row["relative_error"] is None else f"{row['relative_error']:+.1%}"
        more = [*([_spread(row)] if several else []), *([_sensitivity(row)] if sensitive else [])]
        table.append([row["row"], row["what"], _text(row["published"]), row["kind"], _text(row["simulated"]), *more, error, row["use"]])
    return table


def as_markdown(rows: Sequence[RowResult]) -> str:
    """The rows as a table, and below it how the predicted and the calibrated numbers come out."""
    names, *body = cells(rows)
    lines = [_line(names), _line(["---"] * len(names)), *map(_line, body)]
    if predicted := _errors(rows, "predict"):
        lines += ["", f"Predicted numbers: median error {median(predicted):.1%}, largest {max(predicted):.1%}."]
    if fitted := _errors(rows, "calibrate"):
        near = sum(error <= READ_ERROR for error in fitted)
        lines += ["", f"Calibrated rows: {near} of {len(fitted)} within {READ_ERROR:.0%}."]
    for row in rows:
        if "detail" in row:
            numbers = ", ".join(f"{name.replace('_', ' ')} {_text(value)}" for name, value in row["detail"].items())
            lines += ["", f"Behind {row['row']}: {numbers}."]
    return "\n".join(lines)


def in_words(settings: Mapping[str, Any]) -> str:
    """Scenario keys and their values."""
    return ", ".join(f"{key} = {value}" for key, value in settings.items())


def _errors(rows: Sequence[RowResult], use: Use) -> list[float]:
    return [abs(row["relative_error"]) for row in rows if row["use"] == use and row["relative_error"] is not None]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _spread(row: RowResult) -> str:
    if "seeds" not in row:
        return "one seed"
    if row["spread"] is None:
        values = row["seeds"].values()
        return f"holds for {sum(map(bool, values))} of {len(values)}"
    return _text(row["spread"])


def _sensitivity(row: RowResult) -> str:
    return "; ".join(f"{int(tokens):,}: {_text(value)}" for tokens, value in row.get("sensitivity", {}).items())


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "holds" if value else "fails"
    if isinstance(value, list):
        return " to ".join(_text(end) for end in value)
    return value if isinstance(value, str) else f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
