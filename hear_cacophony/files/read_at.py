"""Reading at some place of a file."""

from __future__ import annotations

from typing import BinaryIO


def read_at(stream: BinaryIO, place: int, count: int) -> bytes:
    """`count` bytes from a place on, or as many as there are."""
    stream.seek(place)
    return stream.read(count)
