"""The rows of the published table as data."""

from __future__ import annotations

from math import nan

import pandas as pd

from dualpath_lab.studies.reproduce import Results


def row_table(results: Results) -> pd.DataFrame:
    """A row for each published result; its unit, where it has one, is in ``what``.

    A number or a range has ``published_low`` and ``published_high``, and ours with the least and the most over the seeds; of a statement
    ``holds`` says whether it holds for all of them.
    """
    lines = []
    for row in results.rows:
        published, ours = row["published"], row["simulated"]
        number = not isinstance(published, str)
        ends = published if isinstance(published, list) else [published] * 2
        low, high = row.get("spread") or [ours] * 2
        lines.append(
            {
                "row": row["row"],
                "what": row["what"],
                "published_low": float(ends[0]) if number else nan,
                "published_high": float(ends[1]) if number else nan,
                "simulated": float(ours) if number else nan,
                "simulated_low": float(low) if number else nan,
                "simulated_high": float(high) if number else nan,
                "holds": None if number else bool(ours),
                "relative_error": row["relative_error"] if number else nan,
                "use": row["use"],
                "kind": row["kind"],
            }
        )
    return pd.DataFrame(lines)
