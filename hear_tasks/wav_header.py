"""What the header of a WAV file says of its size: a file that was cut short can be told by it."""

from __future__ import annotations

import os

_UNKNOWN_SIZES = (0, 0xFFFFFFFF)  # what programs that write WAV to a pipe leave in the header


def check_whole(file: str | os.PathLike[str]) -> None:
    """Check that a WAV file is as long as its header says; libsndfile reads one that was cut as a shorter one.

    Raises:
        ValueError: it is shorter; other forms than WAV pass.
        OSError: it cannot be read.
    """
    with open(file, "rb") as wav:
        head = wav.read(8)
    if head[:4] != b"RIFF" or len(head) < 8:
        return
    size = int.from_bytes(head[4:], "little")
    # One byte less is a file without the padding of an odd last chunk.
    if size not in _UNKNOWN_SIZES and os.path.getsize(file) < size + 7:
        raise ValueError(
            f"expected {size + 8} bytes by its header, got {os.path.getsize(file)}; was a copy interrupted?"
        )
