"""A trace file's text, line by line: plain, gzip, xz or zstd, told by its first bytes, and never more of it in memory than a line."""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from dualpath_lab.scenario import ScenarioError

LONGEST_LINE = 16 * 2**20
"""Bytes; a recorded session of 2,000 calls takes 4 MB."""
MOST_BYTES = 2 * 2**30
"""Of the text, unpacked."""
MOST_LINES = 30_000_000
"""Beyond ``MOST_TURNS`` sessions are drawn."""
_UNPACK_MEMORY = 128 * 2**20
"""What unpacking may ask for; xz's highest preset takes 65 MiB."""
_CHUNK = 2**20
_GZIP, _XZ, _ZSTD = b"\x1f\x8b", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd"
_PACKED = {".gz": ("gzip", _GZIP), ".xz": ("xz", _XZ), ".zst": ("zstd", _ZSTD), ".zstd": ("zstd", _ZSTD)}
_UNREADABLE = {
    b"PK\x03\x04": "a zip archive: it should be plain, gzip, xz or zstd",
    b"BZh": "packed with bzip2: it should be plain, gzip, xz or zstd",
    b"\x7fELF": "a program: it should be text or Parquet",
    b"\xff\xfe": "text in UTF-16: it should be in UTF-8",
    b"\xfe\xff": "text in UTF-16: it should be in UTF-8",
}


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
    if number == 1 and line.startswith(b"PAR1"):
        raise failure(path, "is a packed Parquet file: it should be unpacked, as Parquet packs its columns itself")
    if number == 1 and (what := next((what for magic, what in _UNREADABLE.items() if line.startswith(magic)), None)):
        raise failure(path, f"is {what}")
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8").removesuffix("\r")
    except UnicodeDecodeError:
        raise failure(path, f"is not text in UTF-8: line {number} cannot be decoded") from None


def _chunks(path: Path) -> Iterator[bytes]:
    expected, magic = _PACKED.get(path.suffix.lower(), ("", b""))
    if expected and not begins_with(path, magic):
        raise failure(path, f"is not a whole {expected} file, as its name says it should be")
    kind = next((kind for kind, magic in _PACKED.values() if begins_with(path, magic)), "")
    try:
        with path.open("rb") as file:
            yield from _UNPACK[kind](file) if kind else _read(file.read)
    except (gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError):
        raise _not_whole(path, kind) from None
    except OSError as error:
        raise (_not_whole(path, kind) if kind == "zstd" else failure(path, f"cannot be read: {error.strerror}")) from None


def _not_whole(path: Path, kind: str) -> ScenarioError:
    return failure(path, f"is not a whole {kind} file, or one that needs more than {_UNPACK_MEMORY / 2**20:.0f} MiB to unpack")


def _read(read: Callable[[int], bytes]) -> Iterator[bytes]:
    return iter(lambda: read(_CHUNK), b"")


def _gunzip(file: BinaryIO) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=file) as unpacked:
        yield from _read(unpacked.read)


def _unzstd(file: BinaryIO) -> Iterator[bytes]:
    """All frames; the library bounds what one may ask for at 128 MiB."""
    import pyarrow as pa

    with pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd") as unpacked:
        yield from _read(unpacked.read)


def _unxz(file: BinaryIO) -> Iterator[bytes]:
    """All streams of the file, with nulls between them or not."""
    unpacker, packed = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_UNPACK_MEMORY), b""
    while True:
        if unpacker.eof:
            packed = (unpacker.unused_data or file.read(_CHUNK)).lstrip(b"\0")
            if not packed:
                return
            unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_UNPACK_MEMORY)
        elif unpacker.needs_input:
            packed = file.read(_CHUNK)
            if not packed:
                raise EOFError
        yield unpacker.decompress(packed, _CHUNK)
        packed = b""


_UNPACK = {"gzip": _gunzip, "xz": _unxz, "zstd": _unzstd}
