"""One clip of a HEAR task from one sample rate to another, whole or not at all.

The resampler is libsoxr's at its very high quality, in 64-bit floats and in blocks, so that memory does
not depend on the length of a clip. The result is 16-bit PCM, mono, each sample rounded to the nearest
integer without dither: the same source gives the same bytes in every process.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import wave
from collections.abc import Iterator

import numpy as np

from hear_cacophony.frontend.audio_file import AudioFile, open_audio
from hear_cacophony.frontend.read_audio import mono_blocks
from hear_cacophony.frontend.resample import resample_blocks
from hear_tasks.task_folder import DURATION_TOLERANCE_MS, UNFINISHED_CLIP

BLOCK = 1 << 15
"""Samples that are held at a time."""

_SCALE = 1 << 15


@dataclasses.dataclass(frozen=True)
class Conversion:
    """What is the same for all clips of a task.

    Attributes:
        source_rate: sample rate of the sources in Hz.
        rate: sample rate of the results in Hz.
        seconds: the length of every clip, None if it varies.
        anew: whether results that are there are made again, as they are of other sources.
        brought: whether the folder of the results holds audio that was not made here, in which nothing is written.
    """

    source_rate: int
    rate: int
    seconds: float | None
    anew: bool = False
    brought: bool = False

    def samples(self, frames: int) -> int:
        """Samples in the result of a source of `frames` samples, at least 1.

        The task's duration where there is one, otherwise frames * rate / source_rate to the nearest
        integer, halves upwards.
        """
        if self.seconds is not None:
            return max(1, round(self.seconds * self.rate))
        return max(1, (2 * frames * self.rate + self.source_rate) // (2 * self.source_rate))


@dataclasses.dataclass(frozen=True)
class Clip:
    """Where one clip is, where it goes, and the size of its source in bytes."""

    source: str
    target: str
    size: int


@dataclasses.dataclass
class Tally:
    """What became of a number of clips.

    Attributes:
        written: made, where there was nothing before.
        replaced: made, in place of a file of another form, length or source, or older than its source.
        kept: found complete.
        brought: among the kept ones, those that were not made here.
        fitted: among the made ones, those whose source was not quite of the task's duration: zeros
            were added at the end, or samples left out there, for at most `DURATION_TOLERANCE_MS`.
        clipped: among the made ones, those with samples beyond full scale after resampling.
        clipped_samples: number of such samples, which were set to full scale.
        most_clipped: source with most of them, and how many, 0 if there are none.
        bad: source and fault of each clip that could not be made.
        size: bytes of the sources that were dealt with.
        failure: the error that stopped the writing of further clips, None if there was none.
    """

    written: int = 0
    replaced: int = 0
    kept: int = 0
    brought: int = 0
    fitted: int = 0
    clipped: int = 0
    clipped_samples: int = 0
    most_clipped: tuple[str, int] = ("", 0)
    bad: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    size: int = 0
    failure: OSError | None = None

    @property
    def clips(self) -> int:
        """Clips that are there now."""
        return self.written + self.replaced + self.kept

    def add(self, other: Tally) -> None:
        """Take in what became of other clips."""
        for name in ("written", "replaced", "kept", "brought", "fitted", "clipped", "clipped_samples", "size"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.most_clipped = max(self.most_clipped, other.most_clipped, key=lambda each: (each[1], each[0]))
        self.bad += other.bad
        self.failure = self.failure or other.failure


def resample_clips(clips: list[Clip], conversion: Conversion) -> Tally:
    """Make those clips that are not there yet.

    A bad source is noted, and the next clip follows. A result that cannot be written ends the work: the
    next one would meet the same full disk.
    """
    tally = Tally()
    for clip in clips:
        try:
            tally.add(_make_if_needed(clip, conversion))
        except ValueError as error:
            tally.bad.append((clip.target if conversion.brought else clip.source, str(error)))
        except OSError as error:
            tally.failure = error
            return tally
        tally.size += clip.size
    return tally


def _make_if_needed(clip: Clip, conversion: Conversion) -> Tally:
    if conversion.brought:
        _check_brought(clip.target, conversion)
        return Tally(kept=1, brought=1)
    with _open_source(clip.source) as source:
        frames = _checked_frames(source, clip.source, conversion)
        samples = conversion.samples(frames)
        if not conversion.anew and _is_current(clip, conversion.rate, samples):
            return Tally(kept=1)
        exists = os.path.lexists(clip.target)
        clipped = _write_whole(clip.target, _resample(source, conversion, samples), conversion.rate, samples)
    return Tally(
        written=not exists,
        replaced=exists,
        fitted=_is_fitted(frames, conversion),
        clipped=clipped > 0,
        clipped_samples=clipped,
        most_clipped=(clip.source, clipped),
    )


@contextlib.contextmanager
def _open_source(file: str) -> Iterator[AudioFile]:
    with contextlib.ExitStack() as stack:
        try:
            source = stack.enter_context(open_audio(file))
        except OSError as error:  # not one of writing, which ends the work
            raise ValueError(f"expected an audio file, could not read it: {error.strerror or error}") from error
        yield source


def _checked_frames(source: AudioFile, file: str, conversion: Conversion) -> int:
    """Samples of a source, which has to be mono, and of its folder's rate and its task's length."""
    rate, seconds = conversion.source_rate, conversion.seconds
    if source.header.rate != rate:
        folder = pathlib.PurePath(file).parent.parent.name
        raise ValueError(f"expected {rate} Hz as in the folder's name {folder}, got {source.header.rate} Hz")
    if source.header.channels != 1:
        raise ValueError(f"expected one channel, got {source.header.channels}; mix it down to mono")
    frames = source.header.frames
    if frames is None:
        with open_audio(file) as counted:
            frames = sum(map(len, counted.blocks()))
    if not frames:
        raise ValueError("expected audio, got a WAV file without samples")
    if seconds is not None and not _is_of_length(frames, seconds, rate):
        raise ValueError(
            f"expected {seconds:g} s ({round(seconds * rate)} samples) as in task_metadata.json, got "
            f"{frames / rate:g} s ({frames} samples); is it cut short, or of another task?"
        )
    return frames


def _check_brought(file: str, conversion: Conversion) -> None:
    """Raise ValueError where a clip that was not made here is not there, or is not what its folder is for."""
    folder = pathlib.PurePath(file).parent.parent
    told = f"{{}}; {folder} was not made by this command, which writes nothing there: move it away to have it made"
    try:
        with open_audio(file) as audio:
            found = audio.header
    except FileNotFoundError as error:
        raise ValueError(told.format("expected a clip, found none")) from error
    except (OSError, ValueError) as error:
        raise ValueError(told.format(f"expected an audio file, could not read it: {error}")) from error
    if (found.rate, found.channels) != (conversion.rate, 1):
        raise ValueError(told.format(f"expected {conversion.rate} Hz, mono, got {found.rate} Hz, {found.channels} ch."))
    seconds = conversion.seconds
    if seconds is not None and found.frames is not None and not _is_of_length(found.frames, seconds, found.rate):
        raise ValueError(told.format(f"expected {seconds:g} s, got {found.frames / found.rate:g} s"))


def _is_of_length(frames: int, seconds: float, rate: int) -> bool:
    return abs(frames - round(seconds * rate)) <= rate * DURATION_TOLERANCE_MS // 1000


def _is_fitted(frames: int, conversion: Conversion) -> bool:
    """Whether more than the rounding to whole samples parts the source from the task's duration."""
    seconds = conversion.seconds
    return seconds is not None and abs(frames - round(seconds * conversion.source_rate)) > 1


def _is_current(clip: Clip, rate: int, samples: int) -> bool:
    """Whether the result is there, of the right form and length, and not older than its source."""
    try:
        source, target = os.stat(clip.source), os.stat(clip.target)
        # Whether it has changed since; a copy may bring an old time along, but not when it came.
        if source.st_mtime_ns > target.st_mtime_ns or source.st_ctime_ns > target.st_ctime_ns:
            return False
        with open_audio(clip.target) as audio:
            found = audio.header
    except (OSError, ValueError):
        return False
    form = (found.format, found.subtype, found.channels, found.rate, found.frames)
    return form == ("WAV", "PCM_16", 1, rate, samples)


def _resample(source: AudioFile, conversion: Conversion, samples: int) -> Iterator[np.ndarray]:
    """Exactly `samples` samples in blocks, float64, full scale 1."""
    left = samples
    blocks = mono_blocks(source, BLOCK, "float64")
    for block in resample_blocks(blocks, conversion.source_rate, conversion.rate, "float64"):
        yield block[:left]
        left -= min(left, len(block))
    yield np.zeros(left)


def _write_whole(target: str, blocks: Iterator[np.ndarray], rate: int, samples: int) -> int:
    """Write a WAV file beside its place and move it there; the number of clipped samples.

    It is not forced to the disk: what the loss of power may leave is a shorter file, which `_is_current`
    does not take for a whole one.
    """
    folder = os.path.dirname(target)
    os.makedirs(folder, exist_ok=True)
    temporary = os.path.join(folder, f"{UNFINISHED_CLIP}{os.getpid()}")
    try:
        clipped = _write_wav(temporary, blocks, rate, samples)
        os.replace(temporary, target)
    except BaseException:
        pathlib.Path(temporary).unlink(missing_ok=True)
        raise
    return clipped


def _write_wav(file: str, blocks: Iterator[np.ndarray], rate: int, samples: int) -> int:
    """With the standard library's writer: libsndfile's does not report a full disk."""
    clipped = 0
    with open(file, "wb") as raw, wave.open(raw, "wb") as wav:
        wav.setparams((1, 2, rate, samples, "NONE", "not compressed"))
        for block in blocks:
            scaled = np.rint(block * _SCALE)
            clipped += int(np.count_nonzero((scaled < -_SCALE) | (scaled > _SCALE - 1)))
            wav.writeframesraw(np.clip(scaled, -_SCALE, _SCALE - 1).astype("<i2").tobytes())
    return clipped
