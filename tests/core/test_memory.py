"""Memory: first come, first served, and never more than there is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualpath_lab.core.memory import Memory


def asker(memory: Memory, granted: list[str]) -> Callable[..., None]:
    def take(name: str, size: int, urgent: bool = False) -> None:
        memory.take(size, lambda: granted.append(name), urgent)

    return take


def test_grants_at_once_what_is_free() -> None:
    """Law 5. Mutant: a grant that fills the memory to the last byte is put off."""
    memory, granted = Memory("m", 100), list[str]()
    take = asker(memory, granted)
    take("a", 60)
    take("b", 40)
    assert granted == ["a", "b"]
    assert (memory.used_bytes, memory.free_bytes, memory.peak_bytes) == (100, 0, 100)


def test_waits_for_room_and_keeps_the_order() -> None:
    """Law 8. Mutant: a small request overtakes the large one before it."""
    memory, granted = Memory("m", 100), list[str]()
    take = asker(memory, granted)
    take("a", 60)
    take("large", 50)
    take("small", 10)
    assert granted == ["a"]
    memory.give_back(10)
    assert granted == ["a", "large"]
    assert memory.free_bytes == 0
    memory.give_back(50)
    assert granted == ["a", "large", "small"]


def test_urgent_goes_first_but_takes_nothing_away() -> None:
    """Law 5: the prefill side's turns can't starve behind reads. Mutant: urgent ones queue with the others."""
    memory, granted = Memory("m", 100), list[str]()
    take = asker(memory, granted)
    take("a", 100)
    take("read", 10)
    take("forward", 50, urgent=True)
    take("forward 2", 20, urgent=True)
    memory.give_back(40)
    assert granted == ["a"]
    memory.give_back(60)
    assert granted == ["a", "forward", "forward 2", "read"]


def test_a_grant_may_ask_and_give_back_in_its_turn() -> None:
    """Law 6. Mutant: the count is raised after the grant's action, so that the inner request sees room that is gone."""
    memory, granted = Memory("m", 100), list[str]()

    def first() -> None:
        granted.append("first")
        memory.take(50, lambda: granted.append("inner"))
        assert memory.used_bytes == 80
        memory.give_back(80)

    memory.take(80, first)
    assert granted == ["first", "inner"]
    assert memory.used_bytes == 50


def test_what_could_never_fit_is_refused() -> None:
    """Law 6. Mutant: it waits for good, and everyone behind it."""
    memory = Memory("p0.buffer", 100)
    with pytest.raises(MemoryError, match=r"p0\.buffer"):
        memory.take(101, lambda: None)
    assert memory.free_bytes == 100


requests = st.tuples(st.integers(0, 60), st.booleans())


@settings(max_examples=100)
@given(st.lists(st.one_of(requests, st.none()), max_size=40))
def test_never_exceeded_nor_idle_while_the_next_one_fits(steps: list[tuple[int, bool] | None]) -> None:
    """Laws 5 and 6 under any sequence; None gives the oldest grant back. Mutant: a grant is off by one byte, or is forgotten."""
    memory = Memory("m", 60)
    held: list[int] = []
    waiting: dict[bool, list[tuple[int, int]]] = {True: [], False: []}

    def granted(number: int, size: int, urgent: bool) -> None:
        if not urgent:
            assert not waiting[True]
        assert waiting[urgent].pop(0) == (number, size)
        held.append(size)

    for number, step in enumerate(steps):
        if step:
            size, urgent = step
            waiting[urgent].append((number, size))
            memory.take(size, lambda number=number, size=size, urgent=urgent: granted(number, size, urgent), urgent)
        elif held:
            memory.give_back(held.pop(0))
        assert memory.used_bytes == sum(held) <= memory.peak_bytes <= memory.capacity_bytes
        queue = waiting[True] or waiting[False]
        assert not queue or queue[0][1] > memory.free_bytes
