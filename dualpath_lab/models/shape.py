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
    ``attention`` is theirs where it is not that of the other layers.
    """

    layers: int
    tokens: int
    chunked: bool = False
    attention: GroupedQuery | None = None


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
    """Dimensions of a decoder whose attention layers are alike but for their reach, and where that differs, maybe their heads.

    Parameters
    ----------
    layers, hidden, vocab : int
        Decoder layers, hidden size, vocabulary.
    attention : GroupedQuery or Latent
        Every layer's that has none of its own.
    dense_layers, dense_width : int
        Layers with a plain feed-forward network, and its width; all the others have ``experts``.
    experts : Experts, optional
        None in a dense model.
    reaches : tuple of Reach
        Layers that do not attend to everything; all layers do when empty.
    tied : bool
        Whether the output head is the embedding table.
    matrices : int
        Of a plain feed-forward network: 3 with a gate, else 2.
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
    matrices: int = 3

    @property
    def attention_layers(self) -> list[tuple[int, GroupedQuery | Latent]]:
        """How many layers have which attention: first those that reach back over everything, then those with a window."""
        return [(self.full_layers, self.attention), *((reach.layers, reach.attention or self.attention) for reach in self.reaches)]

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
    def parts(self) -> dict[str, int]:
        """Parameters of attention, dense layers, shared experts, routed experts, routers, and tables: embedding and head."""
        experts = self.experts or Experts(routed=0, active=0, width=0)
        expert = _feed_forward(self.hidden, experts.width)
        return {
            "attention": sum(layers * attention.parameters(self.hidden) for layers, attention in self.attention_layers),
            "dense": self.dense_layers * _feed_forward(self.hidden, self.dense_width, self.matrices),
            "shared": self.expert_layers * _feed_forward(self.hidden, experts.shared_width),
            "routed": self.expert_layers * experts.routed * expert,
            "routers": self.expert_layers * self.hidden * experts.routed,
            "tables": (1 if self.tied else 2) * self.vocab * self.hidden,
        }

    @cached_property
    def active_parameters(self) -> int:
        """Parameters that a token passes through, the embedding table left out."""
        unmet = self.experts.routed - self.experts.active if self.experts else 0
        expert = _feed_forward(self.hidden, self.experts.width) if self.experts else 0
        table = 0 if self.tied else self.vocab * self.hidden
        return self.total_parameters - self.expert_layers * unmet * expert - table

    @cached_property
    def total_parameters(self) -> int:
        """All parameters."""
        return sum(self.parts.values())


def _feed_forward(hidden: int, width: int, matrices: int = 3) -> int:
    return matrices * hidden * width
