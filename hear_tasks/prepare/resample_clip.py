"""One clip of a HEAR task from one sample rate to another, whole or not at all.

The resampler is libsoxr's at its very high quality, in 64-bit floats and in blocks, so that memory does
not depend on the length of a clip. The result is 16-bit PCM, mono, each sample rounded to the nearest
integer without dither: the same source gives the same bytes in every process.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import multiprocessing.connection
import os
import pathlib
import signal
import threading
import wave
from collections.abc import Iterator

import numpy as np
import soundfile

from hear_cacophony.files.audio_extent import check_whole
from hear_tasks.task_folder import DURATION_TOLERANCE_MS, UNFINISHED_CLIP

BLOCK = 1 << 15
"""Samples that are held at a time."""

_SCALE = 1 << 15


class BadClipError(ValueError):
    """The source of a clip is not what it should be."""


@dataclasses.dataclass(frozen=True)
class Conversion:
    """What is the same for all clips of a task.

    Attributes:
        source_rate: sample rate of the sources in Hz.
        rate: sample rate of the results in Hz.
        seconds: the length of every clip, None if it varies.
    """

    source_rate: int
    rate: int
    seconds: float | None

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
        replaced: made, in place of a file of another form or length, or older than its source.
        kept: found complete.
        fitted: among the made ones, those whose source was not quite of the task's duration: zeros
            were added at the end, or samples left out there, for at most `DURATION_TOLERANCE_MS`.
        clipped: among the made ones, those with samples beyond full scale after resampling.
        clipped_samples: number of such samples, which were set to full scale.
        most_clipped: source with most of them, and how many; ("", 0) if there are none.
        bad: source and fault of each clip that could not be made.
        size: bytes of the sources that were dealt with.
        failure: the error that stopped the writing of further clips, None if there was none.
    """

    written: int = 0
    replaced: int = 0
    kept: int = 0
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

    def count_clipping(self, source: str, samples: int) -> None:
        """Take in the clipped samples of one clip."""
        self.clipped += samples > 0
        self.clipped_samples += samples
        self.most_clipped = max(self.most_clipped, (source, samples), key=lambda each: (each[1], each[0]))

    def add(self, other: Tally) -> None:
        """Take in what became of other clips."""
        for name in ("written", "replaced", "kept", "fitted", "clipped", "clipped_samples", "size"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.most_clipped = max(self.most_clipped, other.most_clipped, key=lambda each: (each[1], each[0]))
        self.bad += other.bad
        self.failure = self.failure or other.failure


def start_worker() -> None:
    """Prepare a worker process: it leaves an interrupt to its parent, and ends if its parent is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def resample_clips(clips: list[Clip], conversion: Conversion) -> Tally:
    """Make those clips that are not there yet.

    A bad source is noted, and the next clip follows. A result that cannot be written ends the work: the
    next one would meet the same full disk.
    """
    tally = Tally()
    for clip in clips:
        try:
            _make_if_needed(clip, conversion, tally)
        except BadClipError as error:
            tally.bad.append((clip.source, str(error)))
        except OSError as error:
            tally.failure = error
            return tally
        tally.size += clip.size
    return tally


def _make_if_needed(clip: Clip, conversion: Conversion, tally: Tally) -> None:
    with _open_source(clip.source) as source:
        _check_source(source, clip.source, conversion)
        samples = conversion.samples(source.frames)
        if _is_current(clip, conversion.rate, samples):
            tally.kept += 1
            return
        exists = os.path.lexists(clip.target)
        clipped = _write_whole(clip.target, _resample(source, conversion, samples), conversion.rate, samples)
        tally.replaced += exists
        tally.written += not exists
        tally.fitted += _is_fitted(source.frames, conversion)
        tally.count_clipping(clip.source, clipped)


def _open_source(file: str) -> soundfile.SoundFile:
    try:
        if not os.path.getsize(file):
            raise BadClipError("expected a WAV file, got an empty one (0 bytes); was a copy interrupted?")
        check_whole(file)
        return soundfile.SoundFile(file)
    except (OSError, soundfile.LibsndfileError) as error:
        raise BadClipError(f"expected a WAV file, could not read it: {error}") from error
    except ValueError as error:
        raise BadClipError(str(error)) from error


def _check_source(source: soundfile.SoundFile, file: str, conversion: Conversion) -> None:
    rate, seconds = conversion.source_rate, conversion.seconds
    if source.samplerate != rate:
        folder = pathlib.PurePath(file).parent.parent.name
        raise BadClipError(f"expected {rate} Hz as in the folder's name {folder}, got {source.samplerate} Hz")
    if source.channels != 1:
        raise BadClipError(f"expected one channel, got {source.channels}; mix it down to mono")
    if not source.frames:
        raise BadClipError("expected audio, got a WAV file without samples")
    if seconds is not None and abs(source.frames - round(seconds * rate)) > rate * DURATION_TOLERANCE_MS // 1000:
        raise BadClipError(
            f"expected {seconds:g} s ({round(seconds * rate)} samples) as in task_metadata.json, got "
            f"{source.frames / rate:g} s ({source.frames} samples); is it cut short, or of another task?"
        )


def _is_fitted(frames: int, conversion: Conversion) -> bool:
    """Whether more than the rounding to whole samples parts the source from the task's duration."""
    seconds = conversion.seconds
    return seconds is not None and abs(frames - round(seconds * conversion.source_rate)) > 1


def _is_current(clip: Clip, rate: int, samples: int) -> bool:
    """Whether the result is there, of the right form and length, and not older than its source."""
    try:
        if os.stat(clip.target).st_mtime_ns < os.stat(clip.source).st_mtime_ns:
            return False
        found = soundfile.info(clip.target)
    except (OSError, soundfile.LibsndfileError):
        return False
    form = (found.format, found.subtype, found.channels, found.samplerate, found.frames)
    return form == ("WAV", "PCM_16", 1, rate, samples)


def _resample(source: soundfile.SoundFile, conversion: Conversion, samples: int) -> Iterator[np.ndarray]:
    """Exactly `samples` samples in blocks, float64, full scale 1."""
    left = samples
    for block in _resampled_blocks(source, conversion):
        yield block[:left]
        left -= min(left, len(block))
    yield np.zeros(left)


def _resampled_blocks(source: soundfile.SoundFile, conversion: Conversion) -> Iterator[np.ndarray]:
    import soxr  # here, so that the command line starts where the package's extra is not installed

    resampler = soxr.ResampleStream(conversion.source_rate, conversion.rate, 1, dtype="float64", quality="VHQ")
    for block in _source_blocks(source):
        yield resampler.resample_chunk(block)
    yield resampler.resample_chunk(np.zeros(0), last=True)


def _source_blocks(source: soundfile.SoundFile) -> Iterator[np.ndarray]:
    position = 0
    while position < source.frames:
        try:
            block = source.read(BLOCK, dtype="float64")
        except soundfile.LibsndfileError as error:
            raise BadClipError(f"could not be read at sample {position}: {error}") from error
        if not len(block):
            raise BadClipError(f"expected {source.frames} samples by its header, got {position}")
        finite = np.isfinite(block)
        if not finite.all():
            first = position + int(np.argmin(finite))
            raise BadClipError(f"expected finite samples, got {block[first - position]} at sample {first}")
        position += len(block)
        yield block


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
