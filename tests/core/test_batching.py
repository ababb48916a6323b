"""What one prefill engine puts into a forward."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualpath_lab.core.batching import Batching, Chunk, ComputeQuota, TokenBudget
from dualpath_lab.core.turn import Turn
from dualpath_lab.models import load_model

FLOPS_PER_S = 1e14
MODELS = {name: load_model(name) for name in ("ds-27b", "ds-660b", "qwen-32b")}

requests = st.lists(st.tuples(st.integers(0, 600).map(lambda blocks: blocks * 64), st.integers(1, 9000)), min_size=1, max_size=8)


def turns(tokens: list[tuple[int, int]]) -> deque[Turn]:
    return deque(Turn(number, number, hit, computed, 1, 1) for number, (hit, computed) in enumerate(tokens))


def forwards(batching: Batching, tokens: list[tuple[int, int]]) -> list[tuple[list[Chunk], float]]:
    """Every forward until all is prefilled, as an engine has them."""
    ready, found = turns(tokens), []
    while ready:
        chunks, flops = batching.pack(iter(ready))
        for chunk in chunks:
            chunk.turn.prefilled += chunk.tokens
            if chunk.is_last:
                ready.remove(chunk.turn)
        found.append((chunks, flops))
        assert chunks, "a forward without tokens would never end"
    return found


def check_chunks(packed: list[tuple[list[Chunk], float]], tokens: list[tuple[int, int]], model: str) -> None:
    """Law 3 and FIFO: each request is computed once, from its first new token on, and only the last chunk of a forward is cut."""
    done = [hit for hit, _ in tokens]
    order: list[int] = []
    for chunks, flops in packed:
        for chunk in chunks:
            number = chunk.turn.agent
            assert chunk.cached == done[number]
            assert chunk.tokens >= 1
            assert chunk.is_first == (chunk.cached == tokens[number][0])
            done[number] += chunk.tokens
            order.append(number)
            assert chunk.is_last == (done[number] == sum(tokens[number]))
        assert all(chunk.is_last for chunk in chunks[:-1])
        assert flops == pytest.approx(sum(MODELS[model].attention_flops(chunk.cached, chunk.tokens) for chunk in chunks))
    assert order == sorted(order)
    assert done == [sum(request) for request in tokens]


@settings(max_examples=120)
@given(st.sampled_from(sorted(MODELS)), requests, st.floats(1e-7, 1.0))
def test_quota_is_kept_and_used_up(name: str, tokens: list[tuple[int, int]], quota_s: float) -> None:
    """Laws 3 and 5. Mutant: the cut chunk passes the quota, or leaves a token's room; a cut request is not packed first next time."""
    model = MODELS[name]
    packed = forwards(ComputeQuota(model, FLOPS_PER_S, quota_s), tokens)
    check_chunks(packed, tokens, name)
    started: dict[int, int] = {}
    for chunks, flops in packed:
        single_token = len(chunks) == 1 and chunks[0].tokens == 1
        assert flops <= FLOPS_PER_S * quota_s or single_token
        last = chunks[-1]
        spent = flops - model.attention_flops(last.cached, last.tokens)
        for chunk in chunks:
            started[chunk.turn.agent] = chunk.cached + chunk.tokens
        if not last.is_last:
            assert spent + model.attention_flops(last.cached, last.tokens + 1) > FLOPS_PER_S * quota_s * (1 - 1e-12)
        elif last.turn.agent + 1 < len(tokens):
            following = tokens[last.turn.agent + 1][0]
            assert flops + model.attention_flops(following, 1) > FLOPS_PER_S * quota_s * (1 - 1e-12)


def test_quota_cuts_at_the_exact_token() -> None:
    """Closed form: a quota of exactly the first 1,000 tokens takes 1,000. Mutant: the search ends one token early."""
    model = MODELS["qwen-32b"]
    quota_s = model.attention_flops(640, 1000) / FLOPS_PER_S
    packed = forwards(ComputeQuota(model, FLOPS_PER_S, quota_s * (1 + 1e-12)), [(640, 1500)])
    assert packed[0][0][0].tokens == 1000


def test_quota_too_short_for_any_token_still_goes_on() -> None:
    """Law 5. Mutant: an empty forward, for ever."""
    packed = forwards(ComputeQuota(MODELS["ds-27b"], FLOPS_PER_S, 1e-12), [(64, 3), (0, 1)])
    assert [[chunk.tokens for chunk in chunks] for chunks, _ in packed] == [[1]] * 4


@settings(max_examples=80)
@given(st.sampled_from(sorted(MODELS)), requests, st.integers(1, 10_000))
def test_token_budget_is_kept_and_used_up(name: str, tokens: list[tuple[int, int]], budget: int) -> None:
    """Laws 3 and 5. Mutant: cached tokens count against the budget, or a forward stops at the end of a request."""
    packed = forwards(TokenBudget(MODELS[name], budget), tokens)
    check_chunks(packed, tokens, name)
    sizes = [sum(chunk.tokens for chunk in chunks) for chunks, _ in packed]
    assert all(size == budget for size in sizes[:-1])
    assert 1 <= sizes[-1] <= budget


@pytest.mark.parametrize("batching", [ComputeQuota(MODELS["ds-27b"], FLOPS_PER_S, 1.0), TokenBudget(MODELS["ds-27b"], 512)])
def test_nothing_ready_is_no_forward(batching: Batching) -> None:
    """Mutant: the last request is taken twice."""
    assert batching.pack(iter([])) == ([], 0)
