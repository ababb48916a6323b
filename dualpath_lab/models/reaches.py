"""Which layers of a config attend to a window only."""

from __future__ import annotations

from collections.abc import Sequence

from dualpath_lab.models.config import LARGEST_DIMENSION, Config
from dualpath_lab.models.shape import Reach

LONGEST_WINDOW = 1_000_000_000
_RULE_FIELDS = (
    *("sliding_window", "use_sliding_window", "max_window_layers", "sliding_window_pattern", "_sliding_window_pattern"),
    *("no_rope_layers", "no_rope_layer_interval", "attention_chunk_size", "hybrid_layer_pattern"),
)
FULL, SLIDING, CHUNKED, SPARSE = "full_attention", "sliding_attention", "chunked_attention", "deepseek_sparse_attention"


def read_reaches(config: Config, layers: int, rule: str) -> tuple[Reach, ...]:
    """Layers with a window.

    Parameters
    ----------
    config : Config
    layers : int
        How many layers there are.
    rule : str
        What a model of this type does where ``layer_types`` does not tell: ``full`` and ``sparse``, all layers reach back over everything;
        ``all``, none does if there is a ``sliding_window``; ``late``, those from ``max_window_layers`` on do not with
        ``use_sliding_window``; ``every N``, only each N-th does; ``chunks``, those of ``no_rope_layers`` do, others see a chunk;
        ``pattern``, those that ``hybrid_layer_pattern`` marks with 0 do.

    Raises
    ------
    ScenarioError
        If a layer is of another type, or the fields do not fit together.
    """
    types = config.get("layer_types")
    if types is None:
        types = _types_by_rule(config, layers, rule)
    else:
        _check(config, types, layers, rule)
    for kind, field in ((SLIDING, "sliding_window"), (CHUNKED, "attention_chunk_size")):
        if count := types.count(kind):
            return (Reach(count, config.integer(field, largest=LONGEST_WINDOW), kind == CHUNKED),)
    return ()


def _check(config: Config, types: object, layers: int, rule: str) -> None:
    known = {"full": (FULL,), "sparse": (FULL, SPARSE), "chunks": (FULL, CHUNKED)}.get(rule, (FULL, SLIDING))
    if not isinstance(types, list) or len(types) != layers or not all(one in known for one in types):
        raise config.refusal("layer_types", f"it should be a list of {layers} times {' or '.join(map(repr, known))}")
    if rule != "full":
        for field in _RULE_FIELDS:  # layer_types says it all
            config.get(field)


def _types_by_rule(config: Config, layers: int, rule: str) -> Sequence[str]:
    if rule == "all":
        return [FULL if config.optional("sliding_window") is None else SLIDING] * layers
    if rule == "late":
        window, late = config.get("sliding_window"), config.get("max_window_layers")
        if config.get("use_sliding_window") is not True or window is None:
            return [FULL] * layers
        first = layers if late is None else config.integer("max_window_layers", smallest=0)
        return [FULL if layer < first else SLIDING for layer in range(layers)]
    if rule == "chunks":
        return _chunked_types(config, layers)
    if rule == "pattern":
        return [SLIDING if one else FULL for one in _marks(config, "hybrid_layer_pattern", config.value("hybrid_layer_pattern"), layers)]
    if rule.startswith("every "):
        return _periodic(config, layers, int(rule.removeprefix("every ")))
    return [FULL] * layers


def _periodic(config: Config, layers: int, period: int) -> Sequence[str]:
    field = next((name for name in ("sliding_window_pattern", "_sliding_window_pattern") if config.has(name)), "sliding_window_pattern")
    found = config.integer(field, default=period)
    return [SLIDING if (layer + 1) % found else FULL for layer in range(layers)]


def _chunked_types(config: Config, layers: int) -> Sequence[str]:
    """With rotary positions (1) a layer sees a chunk, without (0) everything."""
    rotary = config.get("no_rope_layers") or None
    if rotary is None:
        period = config.integer("no_rope_layer_interval", largest=LARGEST_DIMENSION, default=4)
        rotary = [int((layer + 1) % period != 0) for layer in range(layers)]
    return [CHUNKED if one else FULL for one in _marks(config, "no_rope_layers", rotary, layers)]


def _marks(config: Config, key: str, found: object, layers: int) -> list[int]:
    """A list with 0 or 1 for each layer."""
    if not isinstance(found, list) or len(found) != layers or not all(type(one) is int and one in (0, 1) for one in found):
        raise config.refusal(key, f"it should be a list of {layers} times 0 or 1")
    return found
