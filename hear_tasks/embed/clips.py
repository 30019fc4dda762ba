"""Reading the audio of clips, piece by piece, as it lies in their files."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
from typing import TYPE_CHECKING

import numpy as np

from hear_cacophony.files.audio_extent import MOST_LEFT
from hear_cacophony.files.wav_header import HEAD_BYTES, parse_plain_header

if TYPE_CHECKING:
    from hear_cacophony.frontend.audio_file import AudioFile


class BadClipError(ValueError):
    """A clip that cannot be embedded; the message names it and says why."""


@dataclasses.dataclass(frozen=True)
class Clip:
    """One mono clip.

    Attributes:
        file: where it is.
        samples: its length.
        pcm_16: whether its samples are 16-bit integers.
        offset: bytes before its first sample where they lie plainly in the file; None where they have to be decoded.
        remark: what is wrong with its header although it is whole, "" where nothing is.
        digest: of its content; "" where it was not read.
    """

    file: pathlib.Path
    samples: int
    pcm_16: bool
    offset: int | None
    remark: str = ""
    digest: str = ""


def open_clip(file: pathlib.Path, rate: int) -> Clip:
    """What the header of a clip says.

    Raises:
        BadClipError: missing, unreadable, cut short, empty, not mono, or not of `rate` samples per second.
    """
    try:
        found, channels, clip = _read_plain_header(file) or _read_header(file)
    except FileNotFoundError:
        raise BadClipError(f"{file}: no such file") from None
    except OSError as error:
        raise BadClipError(f"{file}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise BadClipError(f"{file}: {error}") from error
    if found != rate:
        raise BadClipError(
            f"{file}: expected {rate} samples per second, got {found}; hear-cacophony prepare --rates {rate} makes them"
        )
    if channels != 1:
        raise BadClipError(f"{file}: expected mono, got {channels} channels")
    if clip.samples == 0:
        raise BadClipError(f"{file}: empty, it has no samples")
    return clip


def _read_plain_header(file: pathlib.Path) -> tuple[int, int, Clip] | None:
    """Sample rate, channels and clip of a plain file, eight times as fast as by libsndfile; None of others."""
    with open(file, "rb", buffering=0) as raw:
        plain = parse_plain_header(raw.read(HEAD_BYTES))
        size = os.fstat(raw.fileno()).st_size
    if plain is None or not 0 <= size - plain.offset - 2 * plain.frames * plain.channels <= MOST_LEFT:
        return None
    return plain.rate, plain.channels, Clip(file, plain.frames, True, plain.offset)


def _open(file: pathlib.Path) -> contextlib.AbstractContextManager[AudioFile]:
    from hear_cacophony.frontend.audio_file import open_audio  # here, as plain files need no soundfile

    return open_audio(file)


def _read_header(file: pathlib.Path) -> tuple[int, int, Clip]:
    with _open(file) as audio:
        header = audio.header
        frames = sum(map(len, audio.blocks())) if header.frames is None else header.frames
    return header.rate, header.channels, Clip(file, frames, header.subtype == "PCM_16", None, header.remark)


def read_piece(clip: Clip, start: int, target: np.ndarray) -> None:
    """Read samples from `start` on into `target`, int16 or float32, shape (samples,).

    Raises:
        BadClipError: fewer samples than the header says, NaN or infinite samples, or not readable.
    """
    plain = clip.offset is not None and target.dtype == np.int16
    try:
        got = _copy(clip, start, target) if plain else _decode(clip, start, target)
    except (ValueError, OSError) as error:
        raise BadClipError(f"{clip.file}: {error}") from error
    if got < len(target):
        raise BadClipError(
            f"{clip.file}: expected {clip.samples} samples by its header, got {start + got}; was a copy interrupted?"
        )
    _check_finite(clip, target)


def _check_finite(clip: Clip, samples: np.ndarray) -> None:
    if samples.dtype == np.float32 and not np.isfinite(samples).all():
        raise BadClipError(f"{clip.file}: expected finite samples, got NaN or infinity")


def _copy(clip: Clip, start: int, target: np.ndarray) -> int:
    """Samples straight from the file, where they lie as they are needed (little-endian, like the machines)."""
    assert clip.offset is not None
    with open(clip.file, "rb", buffering=0) as raw:
        raw.seek(clip.offset + 2 * start)
        return (raw.readinto(target.data.cast("B")) or 0) // 2


def _decode(clip: Clip, start: int, target: np.ndarray) -> int:
    with _open(clip.file) as audio:
        return audio.read(start, target)


def find_fault(clip: Clip) -> str:
    """What is wrong with the samples of a clip, which is read to its end, as `read_piece` says it; "" if nothing is."""
    try:
        with _open(clip.file) as audio:
            for block in audio.blocks():
                _check_finite(clip, block)
    except BadClipError as error:
        return str(error)
    except (ValueError, OSError) as error:
        return f"{clip.file}: {error}"
    return ""
