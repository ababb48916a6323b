"""Prompts as hashes of their blocks, as Mooncake publishes them: the size of blocks, what is cached, and who goes on from whom."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dualpath_lab.workload.traces.tables import Table
from dualpath_lab.workload.traces.values import wrong

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

HASH_BLOCK = 512
"""Tokens of a block where lengths leave several sizes open: Mooncake's."""
_SMALLEST_BLOCK = 16
_LARGEST_BLOCK = 2**20
_MOST_OPEN = 16
"""Rows with the same full blocks of which the latest are remembered."""
FASTEST_TOKENS_PER_S = 1_000.0
"""What no request is taken to generate faster than; a request that goes on from its answer comes later than that."""


@dataclass(frozen=True)
class Blocks:
    """The hashed prompts of a table's rows.

    Attributes
    ----------
    size : int
        Tokens of a block.
    lists : object array, shape (rows,)
        Of each row its blocks, numbered from 0 over all rows.
    full : int64 array, shape (rows,)
        How many of them are full.
    """

    size: int
    lists: NDArray[Any]
    full: Ints


def read_blocks(table: Table, prompt: Ints) -> Blocks:
    """Find the size of the blocks with which all rows' lengths and hashes agree: one hash for each block, or for each full one.

    That is ``block_size``, where a column says so, 512 where it fits, else the smallest power of two from 16 on, else the only size.

    Raises
    ------
    ScenarioError
        If no size fits, with the first row that those before it contradict.
    """
    lists: NDArray[Any] = table["hash_ids"]
    hashes = np.array([len(one) for one in lists], np.int64)
    given = np.flatnonzero(hashes > 0)
    if "block_size" in table and (table["block_size"] > 0).any():
        size = int(table["block_size"].max())
        table.refuse((table["block_size"] > 0) & (table["block_size"] != size), "block_size", f"{size}, as in the other rows")
    else:
        size = _size_of(table, prompt[given], hashes[given], given)
    full = prompt // size
    fits = (hashes == -(-prompt // size)) | (hashes == full) | (hashes == 0)
    if not fits.all():
        raise _not_so_many(table, int(np.argmin(fits)), prompt, size)
    return Blocks(size, lists, np.minimum(full, hashes))


def _size_of(table: Table, prompt: Ints, hashes: Ints, rows: Ints) -> int:
    """The size that the lengths of these rows, which have hashes, allow."""
    if not len(rows):
        return HASH_BLOCK
    several = np.maximum(hashes - 1, 1)
    most = np.where(hashes > 1, np.maximum(prompt - 1, 0) // several, _LARGEST_BLOCK)
    bounds = [(-(-prompt // hashes), most), (prompt // (hashes + 1) + 1, prompt // hashes)]
    for least, most in bounds:
        if size := _chosen(int(least.max()), int(most.min())):
            return size
    least, most = (np.maximum.accumulate(bounds[0][0]), np.minimum.accumulate(bounds[0][1]))
    at = next(row for row in range(len(rows)) if not _chosen(int(least[row]), int(most[row])))
    before = _chosen(int(least[at - 1]), int(most[at - 1])) if at else HASH_BLOCK
    raise _not_so_many(table, int(rows[at]), dict(zip(rows.tolist(), prompt.tolist(), strict=True)), before)


def _chosen(least: int, most: int) -> int:
    """A size in these bounds; 0 if none is sure."""
    if least <= HASH_BLOCK <= most:
        return HASH_BLOCK
    power = max(_SMALLEST_BLOCK, 1 << max(least - 1, 0).bit_length())
    if least <= power <= most:
        return power
    return least if _SMALLEST_BLOCK <= least == most else 0


def _not_so_many(table: Table, row: int, prompt: Any, size: int) -> Exception:
    blocks, shown = -(-int(prompt[row]) // size), len(table["hash_ids"][row])
    return wrong(
        table.path,
        f"{table.unit} {table.places[row]}",
        table.names["hash_ids"],
        _Counted(shown),
        f"a list of {blocks}, one for each block of {size} tokens of a prompt of {prompt[row]} (a column block_size may say another size)",
    )


class _Counted:
    def __init__(self, ids: int) -> None:
        self.ids = ids

    def __repr__(self) -> str:
        return f"a list of {self.ids}"


def known_runs(blocks: Blocks, order: Ints) -> Ints:
    """Of each row, how many of its leading blocks some row before it in order has."""
    total = 1 + max((int(one.max()) for one in blocks.lists if len(one)), default=0)
    known, runs = np.zeros(total, bool), np.zeros(len(order), np.int64)
    for row in order.tolist():
        ids = blocks.lists[row]
        seen = known[ids]
        runs[row] = len(ids) if seen.all() else int(np.argmin(seen))
        known[ids] = True
    return runs


def continued(blocks: Blocks, prompt: Ints, generated: Ints, time_s: Floats, order: Ints) -> Ints:
    """Find for each row the one that it goes on from; -1 for none.

    A row goes on from an earlier one that no other goes on from, whose full blocks lead its own the longest. That one has a shorter
    prompt, and can have ended: at its time and a thousandth of a second for each token that it generates. Its full blocks are no prefix
    that sessions share: there are more of them than all rows of the file have in common, and other rows have but one full block behind
    the last of them, not several. Where each row goes on from the one before, one block counts as common.

    Parameters
    ----------
    blocks : Blocks
    prompt, generated : int64 arrays, shape (rows,)
    time_s : float64 array, shape (rows,)
        Not a number where it is not known.
    order : int64 array
        Rows as they come in time.
    """
    previous = np.full(len(prompt), -1, np.int64)
    common, branches = _common(blocks, order), _branches(blocks)
    open_ends: dict[int, deque[int]] = {}
    for row in order.tolist():
        ids = blocks.lists[row].tolist()
        for one in reversed(ids):
            ready = next((end for end in reversed(open_ends.get(one, ())) if _may_follow(row, end, prompt, generated, time_s)), None)
            if ready is not None:
                open_ends[one].remove(ready)
                previous[row] = ready
                break
        if (full := int(blocks.full[row])) > common and branches[ids[full - 1]] <= 1:
            open_ends.setdefault(ids[full - 1], deque(maxlen=_MOST_OPEN)).append(row)
    return previous


def _may_follow(row: int, end: int, prompt: Ints, generated: Ints, time_s: Floats) -> bool:
    if prompt[end] >= prompt[row]:
        return False
    ended = time_s[end] + generated[end] / FASTEST_TOKENS_PER_S
    return not time_s[row] <= max(time_s[end], ended - 1e-9)  # also where a time is not known


def _common(blocks: Blocks, order: Ints) -> int:
    """How many leading blocks all rows have in common."""
    rows = [blocks.lists[row] for row in order.tolist()]
    common, chain = rows[0], True
    for before, ids in zip(order.tolist(), rows[1:], strict=False):
        full = int(blocks.full[before])
        chain = chain and len(ids) >= full and bool((ids[:full] == blocks.lists[before][:full]).all())
        shared = min(len(common), len(ids))
        same = common[:shared] == ids[:shared]
        common = common[: shared if same.all() else int(np.argmin(same))]
        if not chain and not len(common):
            break
    return min(len(common), 1) if chain else len(common)


def _branches(blocks: Blocks) -> Ints:
    """Of each block, how many different full blocks stand right behind it."""
    full = [ids[:count] for ids, count in zip(blocks.lists, blocks.full.tolist(), strict=True)]
    total = 1 + max((int(ids.max()) for ids in blocks.lists if len(ids)), default=0)
    fathers = np.concatenate([ids[:-1] for ids in full]).astype(np.int64)
    children = np.concatenate([ids[1:] for ids in full]).astype(np.int64)
    pairs = np.unique(fathers * total + children)
    return np.bincount(pairs // total, minlength=total)
