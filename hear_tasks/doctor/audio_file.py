"""What one audio file holds."""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np

from hear_cacophony.frontend.audio_file import AudioFile, AudioHeader, open_audio

_SCALE = 1 << 15


class AudioFault(Exception):
    """A file that cannot be read as audio."""


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
    """A file's header and, if they were read, its samples; `frames` of either kind."""

    header: AudioHeader
    frames: int
    content: Content | None


def read_clip(file: str, *, whole: bool) -> Clip:
    """Read the header of an audio file, or all of it, in blocks; all where the header does not tell its length.

    Raises:
        AudioFault: it cannot be read, is empty or cut short.
    """
    try:
        with open_audio(file) as audio:
            frames = audio.header.frames
            if frames == 0 or (frames is not None and not whole):
                return Clip(audio.header, frames, None)
            return _read_whole(audio)
    except FileNotFoundError as error:
        raise AudioFault("expected an audio file, found a link to nowhere") from error
    except (OSError, ValueError) as error:
        raise AudioFault(getattr(error, "strerror", None) or str(error)) from error


def _read_whole(audio: AudioFile) -> Clip:
    digest = hashlib.blake2b(digest_size=16)
    not_finite, peak, clipped, position = None, 0, 0, 0
    dtype = "int16" if audio.header.subtype in ("PCM_16", "PCM_S8", "PCM_U8") else "float32"
    for block in audio.blocks(dtype=dtype):
        finite = np.isfinite(block) if block.dtype.kind == "f" else None
        if finite is not None and not finite.all():
            not_finite = position + int(np.argmin(finite.all(axis=1))) if not_finite is None else not_finite
            block = np.where(finite, block, 0.0)
        pcm = block if block.dtype == np.int16 else np.clip(np.rint(block * _SCALE), -_SCALE, _SCALE - 1).astype("<i2")
        peak = max(peak, int(pcm.max()), -int(pcm.min()))
        clipped += int(np.count_nonzero(pcm == _SCALE - 1)) + int(np.count_nonzero(pcm == -_SCALE))
        digest.update(np.ascontiguousarray(pcm).data)
        position += len(block)
    content = Content(not_finite, peak <= 1, clipped / (position * audio.header.channels), digest.digest())
    return Clip(audio.header, position, content)
