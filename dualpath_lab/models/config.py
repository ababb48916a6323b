"""A ``config.json``, read field by field: each complaint names its field, and what nobody read can be asked for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dualpath_lab.errors import ScenarioError, shown
from dualpath_lab.small_file import read_small

LARGEST_DIMENSION = 1_000_000
_MOST_BYTES = 4_000_000

_INFERENCE_NAMES = {
    "dim": "hidden_size",
    "inter_dim": "intermediate_size",
    "moe_inter_dim": "moe_intermediate_size",
    "n_layers": "num_hidden_layers",
    "n_dense_layers": "first_k_dense_replace",
    "n_heads": "num_attention_heads",
    "n_activated_experts": "num_experts_per_tok",
    "n_expert_groups": "n_group",
    "n_limited_groups": "topk_group",
}
"""Fields of the configs of DeepSeek's own inference code, in Hugging Face's words."""


_NESTED = (*("text_config", "llm_config", "language_config", "thinker_config", "lm_config", "language_model_config", "text_model_config"),)
"""Where models of pictures or sound keep their decoder."""
QUANTIZATION_FILE = "hf_quant_config.json"
"""What NVIDIA's ModelOpt writes beside a config: how weights and KV-cache are stored."""


class Config:
    """The fields of a decoder: those of ``text_config`` or the like where a model of pictures or sound nests them.

    Parameters
    ----------
    path : Path
        A JSON object of at most 4 MB; so is ``hf_quant_config.json`` beside it, if there is one.

    Attributes
    ----------
    beside : dict of str to Any
        The fields of ``hf_quant_config.json``; none where there is no such file.
    assumed : dict of str to Any
        Fields that were asked for and taken from the defaults of the model's class, as they are not in the file.
    remarks : list of str
        Sentences on how it was read.

    Raises
    ------
    ScenarioError
        If it is no such file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._outer: dict[str, Any] = _read(path)
        self._prefix = ""
        self._fields = self._outer
        while (key := next((name for name in _NESTED if self._fields.get(name) is not None), None)) is not None:
            nested = self._fields[key]
            if not isinstance(nested, dict):
                raise self.refusal(key, "it should be an object")
            if "num_hidden_layers" in self._fields and "num_hidden_layers" not in nested:
                break
            self._fields, self._prefix = nested, f"{self._prefix}{key}."
        if not self._prefix and "model_type" not in self._fields and "n_layers" in self._fields and "kv_lora_rank" in self._fields:
            self._fields = {_INFERENCE_NAMES.get(key, key): value for key, value in self._fields.items()}
            self._fields["model_type"] = "deepseek_v32" if "index_topk" in self._fields else "deepseek_v3"
        beside = path.with_name(QUANTIZATION_FILE)
        self.beside: dict[str, Any] = _read(beside) if beside.is_file() else {}
        self.assumed: dict[str, Any] = {}
        self.remarks: list[str] = []
        self._defaults: Mapping[str, Any] = {}
        self._read: set[str] = set()

    def use_defaults(self, anywhere: Mapping[str, Any], nested: Mapping[str, Any]) -> None:
        """Say what :meth:`value` and :meth:`integer` take where a field is missing.

        A decoder inside the config of a larger model leaves out all that equals its class's defaults; any other leaves out only what
        came to the class later.
        """
        self._defaults = {**nested, **anywhere} if self._prefix else anywhere

    def get(self, key: str, default: Any = None) -> Any:
        """A field; the default where it is missing or null."""
        self._read.add(key)
        value = self._fields.get(key)
        return default if value is None else value

    def shared(self, key: str) -> Any:
        """A field that may stand outside the decoder's part too; None where it does not stand anywhere."""
        value = self.get(key)
        return self._outer.get(key) if value is None else value

    def value(self, key: str) -> Any:
        """A field that must be there, or have a default."""
        self._read.add(key)
        if key in self._fields:
            return self._fields[key]
        if key in self._defaults:
            return self.assume(key, self._defaults[key])
        raise ScenarioError(f"Model config {str(self._path)!r} lacks the field {self._prefix + key!r}.")

    def optional(self, key: str) -> Any:
        """A field that may be null, or missing: then it has its default, if any."""
        return self.value(key) if key in self._fields or key in self._defaults else self.get(key)

    def assume(self, key: str, value: Any) -> Any:
        """Note that a missing field counts as this value, which is returned."""
        self.assumed[self._prefix + key] = value
        return value

    def has(self, *keys: str) -> bool:
        """Whether all these fields stand there, be it with null."""
        return all(key in self._fields for key in keys)

    def integer(self, key: str, smallest: int = 1, largest: int = LARGEST_DIMENSION, default: int | None = None) -> int:
        """A whole number in bounds; where there is no default it must be there."""
        value = self.value(key) if default is None else self.get(key, default)
        if type(value) is not int or not smallest <= value <= largest:
            raise self.refusal(key, f"it should be an integer from {smallest} to {largest}")
        return value

    def only(self, key: str, *allowed: Any) -> None:
        """Refuse any value of an optional field but these."""
        value = self.get(key, allowed[0])
        if not any(type(value) is type(one) and value == one for one in allowed):
            raise self.refusal(key, f"it should be {' or '.join(map(repr, allowed))}")

    def names(self) -> Iterable[str]:
        """All fields, those that say nothing (null, false, 0, 1, empty) left out."""
        return [key for key, value in self._fields.items() if not _says_nothing(value)]

    def unread(self) -> Iterable[str]:
        """Those of :meth:`names` that were not asked for."""
        return [key for key in self.names() if key not in self._read]

    def name_of(self, key: str) -> str:
        """A field with the names of the parts that it stands in."""
        return self._prefix + key if key in self._fields else key

    def refusal(self, key: str, reason: str) -> ScenarioError:
        """The error for a field's value."""
        value = self._fields[key] if key in self._fields else self._outer.get(key)
        return self.refused_value(self.name_of(key), value, reason)

    def refused_value(self, name: str, value: Any, reason: str) -> ScenarioError:
        """The error for a value that stands below a field."""
        return ScenarioError(f"Model config {str(self._path)!r}: {name} = {shown(value)} is not supported, {reason}.")


def _says_nothing(value: Any) -> bool:
    return value is None or value is False or value in ("", [], {}) or (type(value) in (int, float) and value in (0, 1))


def _read(path: Path) -> dict[str, Any]:
    name = str(path)
    content = read_small(path, "Model config", _MOST_BYTES)
    try:
        fields = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_once)
    except RecursionError:
        raise ScenarioError(f"Model config {name!r} is not JSON: it is nested too deeply.") from None
    except ValueError as error:
        raise ScenarioError(f"Model config {name!r} is not JSON: {error}.") from None
    if not isinstance(fields, dict):
        raise ScenarioError(f"Model config {name!r} must hold a JSON object.")
    return fields


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"the field {shown(twice)} stands twice")
    return fields
