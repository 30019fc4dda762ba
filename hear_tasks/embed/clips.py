"""Reading the audio of clips, piece by piece, as it lies in their files."""

from __future__ import annotations

import dataclasses
import pathlib

import numpy as np
import soundfile

from hear_tasks.wav_header import check_whole

_BLOCK = 1 << 20


class BadClipError(ValueError):
    """A clip that cannot be embedded; the message names it and says why."""


@dataclasses.dataclass(frozen=True)
class Clip:
    """One mono clip.

    Attributes:
        file: where it is.
        samples: its length.
        pcm_16: whether its samples are 16-bit integers.
    """

    file: pathlib.Path
    samples: int
    pcm_16: bool


def open_clip(file: pathlib.Path, rate: int) -> Clip:
    """What the header of a clip says.

    Raises:
        BadClipError: missing, unreadable, empty, not mono, or not of `rate` samples per second.
    """
    try:
        check_whole(file)
        header = soundfile.info(str(file))
    except (soundfile.SoundFileError, OSError, TypeError) as error:
        reason = "no such file" if not file.exists() else f"cannot be read ({error}); is it damaged?"
        raise BadClipError(f"{file}: {reason}") from error
    except ValueError as error:
        raise BadClipError(f"{file}: {error}") from error
    if header.samplerate != rate:
        raise BadClipError(
            f"{file}: expected {rate} samples per second, got {header.samplerate}; hear-cacophony prepare makes them"
        )
    if header.channels != 1:
        raise BadClipError(f"{file}: expected mono, got {header.channels} channels")
    if header.frames == 0:
        raise BadClipError(f"{file}: empty, it has no samples")
    return Clip(file, header.frames, header.subtype == "PCM_16")


def read_piece(clip: Clip, start: int, stop: int, target: np.ndarray) -> None:
    """Read samples from `start` to `stop` into `target`, int16 or float32, shape (stop - start,).

    Raises:
        BadClipError: fewer samples than the header says, NaN or infinite samples, or not readable.
    """
    try:
        with soundfile.SoundFile(str(clip.file)) as file:
            file.seek(start)
            got = len(file.read(out=target, dtype=target.dtype.name))
    except (soundfile.SoundFileError, OSError) as error:
        raise BadClipError(f"{clip.file}: cannot be read ({error}); is it damaged?") from error
    if got < stop - start:
        raise BadClipError(
            f"{clip.file}: expected {clip.samples} samples, it ends after {start + got}; is it truncated?"
        )
    if target.dtype == np.float32 and not np.isfinite(target).all():
        raise BadClipError(f"{clip.file}: expected finite samples, got NaN or infinity")


def check_samples(clip: Clip) -> None:
    """Read a clip to its end.

    Raises:
        BadClipError: see `read_piece`.
    """
    for start in range(0, clip.samples, _BLOCK):
        stop = min(clip.samples, start + _BLOCK)
        read_piece(clip, start, stop, np.empty(stop - start, np.float32))
