"""The two paths as lists of steps: which links each crosses, and a turn's exact bytes on every one of them (reference section 4).

Every copy to or from a GPU crosses that GPU's compute NIC; a local copy (DRAM <-> HBM) loops back and so takes both of its directions.

    prefill side: storage -> PE buffer | PE buffer -> PE HBM | hit + miss: PE HBM -> DE buffer | DE buffer -> DE HBM
    decode side:  storage -> DE buffer | DE buffer -> PE HBM |       miss: PE HBM -> DE buffer | DE buffer -> DE HBM

During decode each full block goes DE HBM -> DE DRAM -> storage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

AnyLink = TypeVar("AnyLink")
"""A link, or its name and direction."""


class Ports(NamedTuple, Generic[AnyLink]):
    """The links at which an engine's KV-cache comes and goes; the engines of a node share all but the compute NIC."""

    snic_rx: AnyLink
    snic_tx: AnyLink
    dram: AnyLink
    cnic_tx: AnyLink
    cnic_rx: AnyLink


@dataclass(frozen=True)
class Step(Generic[AnyLink]):
    """One step of a turn's way.

    Parameters
    ----------
    number : str
        As section 4 counts, after the side of the read.
    what : str
        From where to where.
    size_bytes : int
        What each of the links carries.
    links : tuple
        Every link crossed; in DRAM once for a read or a write.
    """

    number: str
    what: str
    size_bytes: int
    links: tuple[AnyLink, ...]


def read(side: Ports[AnyLink]) -> tuple[AnyLink, ...]:
    """Storage to the buffer of an engine."""
    return side.snic_rx, side.dram


def copy_in(engine: Ports[AnyLink]) -> tuple[AnyLink, ...]:
    """An engine's own buffer to its HBM, looping back through its compute NIC."""
    return engine.dram, engine.cnic_tx, engine.cnic_rx


def send_hits(de: Ports[AnyLink], pe: Ports[AnyLink]) -> tuple[AnyLink, ...]:
    """DE buffer to PE HBM."""
    return de.dram, de.cnic_tx, pe.cnic_rx


def hand_over(pe: Ports[AnyLink], de: Ports[AnyLink]) -> tuple[AnyLink, ...]:
    """PE HBM to DE buffer."""
    return pe.cnic_tx, de.cnic_rx, de.dram


def write_back(de: Ports[AnyLink]) -> tuple[AnyLink, ...]:
    """DE HBM to storage, through DRAM, which the bytes cross twice."""
    return de.cnic_tx, de.cnic_rx, de.dram, de.dram, de.snic_tx


def steps(
    pe: Ports[AnyLink],
    de: Ports[AnyLink],
    prefill_read_bytes: int,
    decode_read_bytes: int,
    miss_bytes: int,
    written_bytes: int,
    prefill_reloaded_bytes: int = 0,
    decode_reloaded_bytes: int = 0,
) -> list[Step[AnyLink]]:
    """Every step of a turn that moves anything, in order; their sums are what the links carry for it (law 2).

    Parameters
    ----------
    pe, de : Ports
        Of the engines that prefill and decode it.
    prefill_read_bytes, decode_read_bytes : int
        Hits read on either side.
    miss_bytes : int
        KV-cache of the computed tokens.
    written_bytes : int
        Blocks that became full.
    prefill_reloaded_bytes, decode_reloaded_bytes : int
        What later forwards of a chunked turn load again from either buffer.
    """
    near, far = prefill_read_bytes, decode_read_bytes
    every = [
        Step("PE 1-2", "storage to PE buffer", near, read(pe)),
        Step("DE 1-2", "storage to DE buffer", far, read(de)),
        Step("PE 3-4", "PE buffer to PE HBM", near + prefill_reloaded_bytes, copy_in(pe)),
        Step("DE 3-5", "DE buffer to PE HBM", far + decode_reloaded_bytes, send_hits(de, pe)),
        Step("PE 5-7", "hits: PE HBM to DE buffer", near, hand_over(pe, de)),
        Step("PE 5-7" if near else "DE 6-7", "misses: PE HBM to DE buffer", miss_bytes, hand_over(pe, de)),
        Step("8-9", "DE buffer to DE HBM", near + far + miss_bytes, copy_in(de)),
        Step("write-back", "DE HBM to storage", written_bytes, write_back(de)),
    ]
    return [step for step in every if step.size_bytes]
