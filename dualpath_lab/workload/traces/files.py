"""A trace file's text, line by line: plain, gzip or xz, told by its first bytes, and never more of it in memory than a line."""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from dualpath_lab.scenario import ScenarioError

LONGEST_LINE = 16 * 2**20
"""Bytes; a recorded session of 2,000 calls takes 4 MB."""
MOST_BYTES = 2 * 2**30
"""Of the text, unpacked."""
MOST_LINES = 10_000_000
_XZ_MEMORY = 128 * 2**20
"""What xz may ask for; its highest preset takes 65 MiB."""
_CHUNK = 2**20
_GZIP, _XZ, _ZIP = b"\x1f\x8b", b"\xfd7zXZ\x00", b"PK\x03\x04"
_PACKED = {".gz": ("gzip", _GZIP), ".xz": ("xz", _XZ)}


def failure(path: Path, what: str) -> ScenarioError:
    """The error for a whole file."""
    return ScenarioError(f"Trace {str(path)!r} {what}.")


def begins_with(path: Path, magic: bytes) -> bool:
    """Whether these are the file's first bytes.

    Raises
    ------
    ScenarioError
        If it is no file, or cannot be read.
    """
    try:
        if path.exists() and not path.is_file():
            raise failure(path, "cannot be read: it is not a file")
        with path.open("rb") as file:
            return file.read(len(magic)) == magic
    except OSError as error:
        raise failure(path, f"cannot be read: {error.strerror}") from None


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield number, from 1, and text of each line, without its end.

    Raises
    ------
    ScenarioError
        If the file cannot be read or unpacked, is not UTF-8, or a line or the whole is too long.
    """
    number, size, rest = 0, 0, b""
    for chunk in _chunks(path):
        size += len(chunk)
        if size > MOST_BYTES:
            raise failure(path, f"is too long: it should have at most {MOST_BYTES / 2**30:.0f} GiB of text, unpacked")
        *whole, rest = (rest + chunk).split(b"\n")
        if number + len(whole) > MOST_LINES:
            raise failure(path, f"is too long: it should have at most {MOST_LINES:,} lines")
        for line in whole:
            number += 1
            yield number, _text(path, number, line)
        if len(rest) > LONGEST_LINE:
            raise failure(path, f"is not a trace: line {number + 1} has more than {LONGEST_LINE / 2**20:.0f} MiB")
    if rest:
        yield number + 1, _text(path, number + 1, rest)


def _text(path: Path, number: int, line: bytes) -> str:
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError:
        raise failure(path, f"is not text in UTF-8: line {number} cannot be decoded") from None


def _chunks(path: Path) -> Iterator[bytes]:
    kind, magic = _PACKED.get(path.suffix, ("", b""))
    if kind and not begins_with(path, magic):
        raise failure(path, f"is not a whole {kind} file, as its name says it should be")
    if begins_with(path, _ZIP):
        raise failure(path, "is a zip archive: it should be plain, gzip or xz")
    try:
        with path.open("rb") as file:
            if begins_with(path, _GZIP):
                yield from _gunzip(file)
            elif begins_with(path, _XZ):
                yield from _unxz(file)
            else:
                yield from iter(lambda: file.read(_CHUNK), b"")
    except (gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError):
        kind = "gzip" if begins_with(path, _GZIP) else "xz"
        raise failure(path, f"is not a whole {kind} file, or one that needs more than {_XZ_MEMORY / 2**20:.0f} MiB to unpack") from None
    except OSError as error:
        raise failure(path, f"cannot be read: {error.strerror}") from None


def _gunzip(file: BinaryIO) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=file) as unpacked:
        yield from iter(lambda: unpacked.read(_CHUNK), b"")


def _unxz(file: BinaryIO) -> Iterator[bytes]:
    """All streams of the file, with nulls between them or not."""
    unpacker, packed = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY), b""
    while True:
        if unpacker.eof:
            packed = (unpacker.unused_data or file.read(_CHUNK)).lstrip(b"\0")
            if not packed:
                return
            unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
        elif unpacker.needs_input:
            packed = file.read(_CHUNK)
            if not packed:
                raise EOFError
        yield unpacker.decompress(packed, _CHUNK)
        packed = b""
