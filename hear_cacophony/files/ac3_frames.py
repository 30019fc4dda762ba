"""How long a frame of AC-3 or E-AC-3 is by its head: decoders make sound of one that was cut, too."""

from __future__ import annotations

_RATES = (48_000, 44_100, 32_000)
_KILOBITS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
_HEAD_BYTES = 6
_LAST_OF_AC3 = 10
"""Versions of the bit stream up to here are AC-3, those above E-AC-3."""


def frame_bytes(head: bytes) -> int:
    """Bytes of the frame that begins with these; 0 where none does."""
    if len(head) < _HEAD_BYTES or head[:2] != b"\x0b\x77":
        return 0
    if head[5] >> 3 > _LAST_OF_AC3:
        return 2 * (((head[2] & 7) << 8 | head[3]) + 1)
    rate, size = head[4] >> 6, head[4] & 63
    if rate == len(_RATES) or size >> 1 >= len(_KILOBITS):
        return 0
    return 2 * (96_000 * _KILOBITS[size >> 1] // _RATES[rate] + (size & 1 if _RATES[rate] == 44_100 else 0))
