"""Single requests, each a session of one turn: Azure's and BurstGPT's tables, and plain ones as ServeGen makes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dualpath_lab.workload.statistics import arrivals
from dualpath_lab.workload.traces.records import Record
from dualpath_lab.workload.traces.sessions import Sessions
from dualpath_lab.workload.traces.tables import Table
from dualpath_lab.workload.traces.values import A_MOMENT, MOST_TURNS, BadValueError, moments, too_many
from dualpath_lab.workload.trajectories import Workload

FORMS = (
    ("TIMESTAMP", "ContextTokens", "GeneratedTokens"),
    ("Timestamp", "Request tokens", "Response tokens"),
    ("timestamp", "input_tokens", "output_tokens"),
    ("timestamp", "input_length", "output_length"),
)
"""Arrival, prompt and output of Azure, BurstGPT, ServeGen, and Mooncake without hashes."""


def form_of(names: Iterable[str]) -> Sequence[str] | None:
    """The form whose columns these hold."""
    return next((form for form in FORMS if set(form) <= set(names)), None)


def read_requests(path: Path, form: Sequence[str], read: Callable[[dict[str, str]], Table]) -> Workload:
    """Read a table of requests. Those with an empty prompt (failed ones) are left out; the note ``empty_left_out`` counts them.

    Raises
    ------
    ScenarioError
        If a value is wrong, or nothing is left.
    """
    table = read(dict(zip(form, ("moment", "count", "count"), strict=True)))
    time, prompt, generated = (table[column] for column in form)
    table.refuse(np.full(len(table), not prompt.any()), form[1], "at least 1 in some row")
    return _singles(path, time, prompt, generated)


def read_request_records(path: Path, form: Sequence[str], records: Iterable[Record]) -> Workload:
    """Read JSON objects, one a request, as :func:`read_requests` does tables."""
    time, prompt, generated = [], [], []
    for position, record in enumerate(records):
        if position == MOST_TURNS:
            raise too_many(path)
        value = record.value(form[0])
        try:
            time.append(moments([value if isinstance(value, str) else repr(value)])[0])
        except BadValueError:
            raise record.wrong(form[0], A_MOMENT) from None
        prompt.append(record.count(form[1]))
        generated.append(record.count(form[2]))
    if not any(prompt):
        return Sessions(path).workload({})
    return _singles(path, np.array(time), np.array(prompt, np.int64), np.array(generated, np.int64))


def _singles(path: Path, time: NDArray[np.float64], prompt: NDArray[np.int64], generated: NDArray[np.int64]) -> Workload:
    kept = prompt > 0
    prompt, generated = prompt[kept], generated[kept]
    zeros = np.zeros_like(prompt)
    notes = arrivals(time[kept].tolist()) | {"empty_left_out": int(np.count_nonzero(~kept))}
    longest = int((prompt + generated).max())
    first_turn = np.arange(len(prompt) + 1)
    return Workload(path.name, first_turn, zeros, prompt, generated, np.zeros(len(prompt)), longest, notes=notes)
