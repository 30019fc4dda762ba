"""What one audio file holds."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterator

import numpy as np
import soundfile

from hear_cacophony.files.audio_extent import check_whole

BLOCK = 1 << 18
"""Samples that are held at a time."""

_SCALE = 1 << 15


class AudioFault(Exception):
    """A file that cannot be read as audio."""


@dataclasses.dataclass(frozen=True)
class Header:
    """What the header of a file says: sample rate in Hz, channels, samples in each, format and coding."""

    rate: int
    channels: int
    frames: int
    format: str
    subtype: str


@dataclasses.dataclass(frozen=True)
class Content:
    """What the samples of a file are like.

    Attributes:
        not_finite: position of the first NaN or infinity, None if there is none.
        silent: no sample is more than one step of 16 bits from zero.
        clipped: share of the samples at full scale, 0 to 1.
        digest: hash of the samples, rounded to 16 bits.
    """

    not_finite: int | None
    silent: bool
    clipped: float
    digest: bytes


@dataclasses.dataclass(frozen=True)
class Clip:
    """A file's header and, if they were read, its samples; what is wrong with the header although all can be read."""

    header: Header
    content: Content | None
    remark: str = ""


def read_clip(file: str, *, whole: bool) -> Clip:
    """Read the header of an audio file, or all of it, in blocks.

    Raises:
        AudioFault: it cannot be read, is empty or cut short.
    """
    try:
        remark = _check_size(file)
        with soundfile.SoundFile(file) as audio:
            header = Header(audio.samplerate, audio.channels, audio.frames, audio.format, audio.subtype)
            return Clip(header, _read_content(audio) if whole and audio.frames else None, remark)
    except (OSError, soundfile.SoundFileError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise AudioFault(f"expected a WAV file, could not read it: {reason}") from error


def _check_size(file: str) -> str:
    """Raise AudioFault where there is no file of the size that its header says; a remark on a header that is wrong."""
    if os.path.isdir(file):
        raise AudioFault("expected a WAV file, found a folder")
    size = os.path.getsize(file)
    if not size:
        raise AudioFault("expected a WAV file, got an empty one (0 bytes)")
    try:
        return check_whole(file)
    except ValueError as error:
        raise AudioFault(str(error)) from error


def _read_content(audio: soundfile.SoundFile) -> Content:
    digest = hashlib.blake2b(digest_size=16)
    not_finite, peak, clipped, position = None, 0, 0, 0
    for block in _blocks(audio):
        finite = np.isfinite(block) if block.dtype.kind == "f" else None
        if finite is not None and not finite.all():
            not_finite = position + int(np.argmin(finite.all(axis=1))) if not_finite is None else not_finite
            block = np.where(finite, block, 0.0)
        pcm = block if block.dtype == np.int16 else np.clip(np.rint(block * _SCALE), -_SCALE, _SCALE - 1).astype("<i2")
        peak = max(peak, int(pcm.max()), -int(pcm.min()))
        clipped += int(np.count_nonzero(pcm == _SCALE - 1)) + int(np.count_nonzero(pcm == -_SCALE))
        digest.update(np.ascontiguousarray(pcm).data)
        position += len(block)
    if position != audio.frames:
        raise AudioFault(f"expected {audio.frames:,} samples by its header, got {position:,}")
    return Content(not_finite, peak <= 1, clipped / (position * audio.channels), digest.digest())


def _blocks(audio: soundfile.SoundFile) -> Iterator[np.ndarray]:
    """Blocks of shape (samples, channels)."""
    dtype = "int16" if audio.subtype in ("PCM_16", "PCM_S8", "PCM_U8") else "float32"
    while len(block := audio.read(BLOCK, dtype=dtype, always_2d=True)):
        yield block
