"""What one prefill engine puts into a forward."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualpath_lab.core.batching import AttentionTime, Batching, Chunk, ComputeQuota, TokenBudget
from dualpath_lab.core.turn import Turn
from dualpath_lab.models import load_model
from dualpath_lab.workload import BLOCK_TOKENS

FLOPS_PER_S = 1e14
MODELS = {name: load_model(name) for name in ("ds-27b", "ds-660b", "qwen-32b")}
requests = st.lists(st.tuples(st.integers(0, 600).map(lambda blocks: blocks * 64), st.integers(1, 9000)), min_size=1, max_size=8)


def attention(name: str, block_s: float = 0.0) -> AttentionTime:
    """What attention takes where a cached block costs so much besides its FLOPs."""
    return lambda cached, computed: MODELS[name].attention_flops(cached, computed) / FLOPS_PER_S + -(-cached // 64) * block_s


any_attention = st.builds(attention, st.sampled_from(sorted(MODELS)), st.sampled_from([0.0, 1e-5, 1e-3]))


def turns(tokens: list[tuple[int, int]]) -> deque[Turn]:
    return deque(Turn(number, number, hit, computed, 1, 1) for number, (hit, computed) in enumerate(tokens))


def forwards(batching: Batching, tokens: list[tuple[int, int]]) -> list[tuple[list[Chunk], float]]:
    """Every forward until all is prefilled, as an engine has them."""
    ready, found = turns(tokens), []
    while ready:
        chunks, seconds = batching.pack(iter(ready))
        for chunk in chunks:
            chunk.turn.prefilled += chunk.tokens
            if chunk.is_last:
                ready.remove(chunk.turn)
        found.append((chunks, seconds))
        assert chunks, "a forward without tokens would never end"
    return found


def check_chunks(packed: list[tuple[list[Chunk], float]], tokens: list[tuple[int, int]], attention_s: AttentionTime) -> None:
    """Law 3 and FIFO: each request is computed once, from its first new token on, and only the last chunk of a forward is cut."""
    done = [hit for hit, _ in tokens]
    order: list[int] = []
    for chunks, seconds in packed:
        for chunk in chunks:
            number = chunk.turn.agent
            assert chunk.cached == done[number]
            assert chunk.tokens >= 1
            assert chunk.is_first == (chunk.cached == tokens[number][0])
            done[number] += chunk.tokens
            order.append(number)
            assert chunk.is_last == (done[number] == sum(tokens[number]))
        assert all(chunk.is_last for chunk in chunks[:-1])
        assert seconds == pytest.approx(sum(attention_s(chunk.cached, chunk.tokens) for chunk in chunks))
    assert order == sorted(order)
    assert done == [sum(request) for request in tokens]


@settings(max_examples=120)
@given(any_attention, requests, st.floats(1e-7, 1.0))
def test_quota_is_kept_and_used_up(attention_s: AttentionTime, tokens: list[tuple[int, int]], quota_s: float) -> None:
    """Laws 3 and 5. Mutant: the cut chunk passes the quota, or leaves a token's room; a cut request is not packed first next time."""
    packed = forwards(ComputeQuota(attention_s, quota_s), tokens)
    check_chunks(packed, tokens, attention_s)
    for chunks, seconds in packed:
        last = chunks[-1]
        least = len(chunks) == 1 and last.tokens <= BLOCK_TOKENS
        assert seconds <= quota_s or least
        spent_s = seconds - attention_s(last.cached, last.tokens)
        if not last.is_last:
            assert spent_s + attention_s(last.cached, last.tokens + 1) > quota_s * (1 - 1e-12)
        elif last.turn.agent + 1 < len(tokens):
            following = tokens[last.turn.agent + 1][0]
            assert seconds + attention_s(following, 1) > quota_s * (1 - 1e-12)


def test_quota_cuts_at_the_exact_token() -> None:
    """Closed form: a quota of exactly the first 1,000 tokens, cached blocks included. Mutant: the search ends one token early."""
    attention_s = attention("qwen-32b", 1e-4)
    packed = forwards(ComputeQuota(attention_s, attention_s(640, 1000) * (1 + 1e-12)), [(640, 1500)])
    assert packed[0][0][0].tokens == 1000


def test_quota_holds_the_time_of_cached_blocks() -> None:
    """Section 11: blocks alone fill the quota, so that a second request has to wait. Mutant: the quota counts FLOPs alone."""
    attention_s = attention("ds-27b", 1e-3)
    packed = forwards(ComputeQuota(attention_s, 1.5 * attention_s(6400, 10)), [(6400, 10), (6400, 10)])
    assert [[chunk.tokens for chunk in chunks] for chunks, _ in packed] == [[10], [10]]


def test_quota_too_short_for_any_token_still_goes_on() -> None:
    """Law 5: a block at a time, or what is left. Mutant: an empty forward, for ever; a forward for each token."""
    packed = forwards(ComputeQuota(attention("ds-27b"), 1e-12), [(64, 130), (0, 1)])
    assert [[chunk.tokens for chunk in chunks] for chunks, _ in packed] == [[64], [64], [2], [1]]


@settings(max_examples=80)
@given(any_attention, requests, st.integers(1, 10_000))
def test_token_budget_is_kept_and_used_up(attention_s: AttentionTime, tokens: list[tuple[int, int]], budget: int) -> None:
    """Laws 3 and 5. Mutant: cached tokens count against the budget, or a forward stops at the end of a request."""
    packed = forwards(TokenBudget(attention_s, budget), tokens)
    check_chunks(packed, tokens, attention_s)
    sizes = [sum(chunk.tokens for chunk in chunks) for chunks, _ in packed]
    assert all(size == budget for size in sizes[:-1])
    assert 1 <= sizes[-1] <= budget


@pytest.mark.parametrize("batching", [ComputeQuota(attention("ds-27b"), 1.0), TokenBudget(attention("ds-27b"), 512)])
def test_nothing_ready_is_no_forward(batching: Batching) -> None:
    """Mutant: the last request is taken twice."""
    assert batching.pack(iter([])) == ([], 0)
