"""What a decoder is made of: attention layers, feed-forward layers and tables, counted in parameters and elements.

Norms, biases and attention sinks, below 0.1 %, are left out, and so are multi-token-prediction layers and encoders of pictures or sound.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from dualpath_lab.models.attention import GroupedQuery, Latent


@dataclass(frozen=True)
class Reach:
    """``layers`` of the decoder attend to ``tokens`` positions at most, and keep no others.

    Those are the latest ones, the token's own included, or with ``chunked`` the ones so far of the token's own chunk of the text.
    """

    layers: int
    tokens: int
    chunked: bool = False


@dataclass(frozen=True, kw_only=True)
class Experts:
    """A feed-forward layer of routed experts.

    Parameters
    ----------
    routed, active : int
        Experts, and those of them that a token meets.
    width : int
        Of one expert.
    shared_width : int
        Of the experts that every token meets, together.
    """

    routed: int
    active: int
    width: int
    shared_width: int = 0


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Dimensions of a decoder whose attention layers are alike but for their reach.

    Parameters
    ----------
    layers, hidden, vocab : int
        Decoder layers, hidden size, vocabulary.
    attention : GroupedQuery or Latent
        Every layer's.
    dense_layers, dense_width : int
        Layers with a plain gated feed-forward network, and its width; all the others have ``experts``.
    experts : Experts, optional
        None in a dense model.
    reaches : tuple of Reach
        Layers that do not attend to everything; all layers do when empty.
    tied : bool
        Whether the output head is the embedding table.
    """

    layers: int
    hidden: int
    vocab: int
    attention: GroupedQuery | Latent
    dense_layers: int
    dense_width: int
    experts: Experts | None = None
    reaches: tuple[Reach, ...] = ()
    tied: bool = False

    @property
    def expert_layers(self) -> int:
        """Layers with experts."""
        return self.layers - self.dense_layers

    @property
    def full_layers(self) -> int:
        """Layers whose attention reaches back over the whole context."""
        return self.layers - sum(reach.layers for reach in self.reaches)

    @property
    def exchanged_elements(self) -> int:
        """Hidden elements that a token takes to its experts, and as many that it brings back, all layers."""
        return self.expert_layers * self.hidden

    @cached_property
    def active_parameters(self) -> int:
        """Parameters that a token passes through, the embedding table left out."""
        return self._common_parameters + self._expert_parameters(self.experts.active if self.experts else 0)

    @cached_property
    def routed_parameters(self) -> int:
        """Parameters of all routed experts."""
        return self._expert_parameters(self.experts.routed if self.experts else 0)

    @cached_property
    def total_parameters(self) -> int:
        """All parameters."""
        return self._common_parameters + self.routed_parameters + (0 if self.tied else self.vocab * self.hidden)

    @property
    def table_parameters(self) -> int:
        """Parameters of the embedding table and the output head, which are one where tied."""
        return self.vocab * self.hidden * (1 if self.tied else 2)

    @cached_property
    def _common_parameters(self) -> int:
        """Of attention, dense and shared feed-forward networks, routers and head."""
        attention = self.layers * self.attention.parameters(self.hidden)
        dense = self.dense_layers * _gated(self.hidden, self.dense_width)
        return attention + dense + self._shared_parameters() + self.vocab * self.hidden

    def _shared_parameters(self) -> int:
        if self.experts is None:
            return 0
        return self.expert_layers * (self.hidden * self.experts.routed + _gated(self.hidden, self.experts.shared_width))

    def _expert_parameters(self, met: int) -> int:
        return self.expert_layers * met * _gated(self.hidden, self.experts.width) if self.experts else 0


def _gated(hidden: int, width: int) -> int:
    return 3 * hidden * width
