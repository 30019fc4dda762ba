"""Reading the audio of clips, piece by piece, as it lies in their files."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Mapping

import numpy as np
import soundfile

from hear_cacophony.files.audio_extent import check_whole
from hear_cacophony.files.wav_header import HEAD_BYTES, parse_plain_header

_BLOCK = 1 << 20


class BadClipError(ValueError):
    """A clip that cannot be embedded; the message names it and says why."""


class FailedClipsError(Exception):
    """Clips that a plugin fails for.

    Attributes:
        messages: what it said for each, by the index of the clip in its task.
        every: whether it fails for each of several clips, so that others hardly fare better.
    """

    def __init__(self, messages: Mapping[int, str], every: bool) -> None:
        super().__init__("; ".join(messages.values()))
        self.messages = messages
        self.every = every


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
        found, channels, clip = _read_header(file)
    except (OSError, ValueError, soundfile.SoundFileError) as error:
        raise BadClipError(f"{file}: {_reason(file, error)}") from error
    if found != rate:
        raise BadClipError(
            f"{file}: expected {rate} samples per second, got {found}; hear-cacophony prepare --rates {rate} makes them"
        )
    if channels != 1:
        raise BadClipError(f"{file}: expected mono, got {channels} channels")
    if clip.samples == 0:
        raise BadClipError(f"{file}: empty, it has no samples")
    return clip


def _read_header(file: pathlib.Path) -> tuple[int, int, Clip]:
    """Sample rate, channels and clip. The header of a plain file is read eight times as fast as by libsndfile."""
    with open(file, "rb", buffering=0) as raw:
        plain = parse_plain_header(raw.read(HEAD_BYTES))
        size = os.fstat(raw.fileno()).st_size
    if plain is not None and plain.offset + 2 * plain.frames * plain.channels <= size:
        return plain.rate, plain.channels, Clip(file, plain.frames, True, plain.offset)
    remark = check_whole(file)
    header = soundfile.info(str(file))
    return header.samplerate, header.channels, Clip(file, header.frames, header.subtype == "PCM_16", None, remark)


def _reason(file: pathlib.Path, error: Exception) -> str:
    if not file.exists():
        return "no such file"
    if isinstance(error, ValueError):
        return str(error)
    return f"cannot be read ({error}); is it damaged?"


def read_piece(clip: Clip, start: int, stop: int, target: np.ndarray) -> None:
    """Read samples from `start` to `stop` into `target`, int16 or float32, shape (stop - start,).

    Raises:
        BadClipError: fewer samples than the header says, NaN or infinite samples, or not readable.
    """
    plain = clip.offset is not None and target.dtype == np.int16
    try:
        got = _copy(clip, start, target) if plain else _decode(clip, start, target)
    except (soundfile.SoundFileError, OSError) as error:
        raise BadClipError(f"{clip.file}: cannot be read ({error}); is it damaged?") from error
    if got < stop - start:
        raise BadClipError(f"{clip.file}: expected {clip.samples} samples, it ends after {start + got}; truncated?")
    if target.dtype == np.float32 and not np.isfinite(target).all():
        raise BadClipError(f"{clip.file}: expected finite samples, got NaN or infinity")


def _copy(clip: Clip, start: int, target: np.ndarray) -> int:
    """Samples straight from the file, where they lie as they are needed (little-endian, like the machines)."""
    assert clip.offset is not None
    with open(clip.file, "rb", buffering=0) as raw:
        raw.seek(clip.offset + 2 * start)
        return (raw.readinto(target.data.cast("B")) or 0) // 2


def _decode(clip: Clip, start: int, target: np.ndarray) -> int:
    with soundfile.SoundFile(str(clip.file)) as file:
        file.seek(start)
        return len(file.read(out=target, dtype=target.dtype.name))


def check_samples(clip: Clip) -> None:
    """Read a clip to its end.

    Raises:
        BadClipError: see `read_piece`.
    """
    for start in range(0, clip.samples, _BLOCK):
        stop = min(clip.samples, start + _BLOCK)
        read_piece(clip, start, stop, np.empty(stop - start, np.float32))
