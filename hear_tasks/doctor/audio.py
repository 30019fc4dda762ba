"""The audio of a task: the files that should be there, and what is in them."""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np

from hear_cacophony.frontend.audio_file import AudioFile as OpenedAudio
from hear_cacophony.frontend.audio_file import AudioHeader, open_audio
from hear_cacophony.progress import ByteProgress
from hear_tasks.doctor.audio_folder import AudioFile, find_files
from hear_tasks.doctor.metadata import Metadata
from hear_tasks.doctor.report import Findings
from hear_tasks.doctor.splits import Split
from hear_tasks.task_folder import DURATION_TOLERANCE_MS, METADATA_FILE
from hear_tasks.text_files import UNPACK_AGAIN

WHOLE_BYTES = 400_000_000
"""Up to this size all samples of a task are read even in a quick check (400 MB: 3.5 h at 16 kHz)."""

SAMPLED_CLIPS = 50
"""Clips of each split of a larger task whose headers are read in a quick check."""

ODD_CLIPS = 1000
"""Clips of a larger task, at most, whose headers are read in a quick check since their size stands out."""

CLIPPED_SHARE = 0.05
"""Share of samples at full scale from which a clip counts as heavily clipped."""

_SCALE = 1 << 15
_HEADER_BYTES = 44
_PROGRESS_BYTES = 1_000_000_000


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


@dataclasses.dataclass(frozen=True)
class Audio:
    """The audio of a task.

    Attributes:
        files: the audio files, by split and name.
        clips: what could be read of them, likewise.
        whole: whether all samples of all files were read.
        duration: length of every clip in seconds by the metadata, None if they say none.
    """

    files: dict[tuple[str, str], AudioFile]
    clips: dict[tuple[str, str], Clip]
    whole: bool
    duration: float | None

    def seconds(self, split: str, name: str) -> float | None:
        """Length of a clip in seconds, from its header, the task's metadata or its size; None if it is not there."""
        clip = self.clips.get((split, name))
        if clip:
            return clip.frames / clip.header.rate
        if self.duration is not None:
            return self.duration
        file = self.files.get((split, name))
        return max(0, file.size - _HEADER_BYTES) / (2 * file.rate) if file else None


def check_audio(
    folder: pathlib.Path, rate: int, splits: Sequence[Split], metadata: Metadata, findings: Findings, *, deep: bool
) -> Audio:
    """Check a task's audio at one rate.

    `rate` in Hz is the name of the audio's folder; `deep` reads all samples of all files, whatever the size of the
    task.
    """
    files = find_files(folder, rate, splits, findings)
    whole = deep or sum(file.size for file in files.values()) <= WHOLE_BYTES
    chosen = list(files.values()) if whole else _choose(list(files.values()), metadata)
    clips = dict(_read_all(chosen, findings, whole=whole))
    for key, clip in clips.items():
        _check_form(files[key], clip, findings)
        _check_content(files[key], clip, findings)
    if not whole:
        read = {(file.split, file.name) for file in chosen}
        _check_sizes([file for key, file in files.items() if key not in read], findings)
    _check_lengths(rate, [(files[key], clip) for key, clip in clips.items()], metadata, findings)
    return Audio(files, clips, whole, metadata.seconds)


# Which files to read, and reading them


def _choose(files: list[AudioFile], metadata: Metadata) -> list[AudioFile]:
    """Some files of each split, evenly spread, and those of unusual size."""
    by_split: dict[str, list[AudioFile]] = {}
    for file in files:
        by_split.setdefault(file.split, []).append(file)
    chosen: dict[tuple[str, str], AudioFile] = {}
    odd: list[AudioFile] = []
    for members in by_split.values():
        step = max(1, len(members) / SAMPLED_CLIPS)
        spread = [members[int(i * step)] for i in range(min(SAMPLED_CLIPS, len(members)))]
        chosen |= {(file.split, file.name): file for file in spread}
        odd += _odd_sizes(members, fixed=metadata.seconds is not None)
    chosen |= {(file.split, file.name): file for file in odd[:ODD_CLIPS]}
    return list(chosen.values())


def _odd_sizes(files: list[AudioFile], *, fixed: bool) -> list[AudioFile]:
    """Files that can hold no samples, and, where all clips are of one length, those not of the commonest size."""
    common = collections.Counter(file.size for file in files).most_common(1)[0][0]
    return [file for file in files if file.size <= _HEADER_BYTES or (fixed and file.size != common)]


def _read_all(files: list[AudioFile], findings: Findings, *, whole: bool) -> Iterator[tuple[tuple[str, str], Clip]]:
    """Read files on all cores; those that cannot be read are reported and left out."""
    cores = len(os.sched_getaffinity(0))
    total = sum(file.size for file in files)
    with contextlib.ExitStack() as stack:
        long = whole and total >= _PROGRESS_BYTES
        progress = stack.enter_context(ByteProgress(findings.task, total)) if long else None
        threads = stack.enter_context(concurrent.futures.ThreadPoolExecutor(cores))

        def read(file: AudioFile) -> Clip | AudioFault:
            try:
                return read_clip(file.path, whole=whole)
            except AudioFault as fault:
                return fault
            finally:
                if progress:
                    progress.advance(file.size)

        for file, clip in zip(files, threads.map(read, files), strict=True):
            if isinstance(clip, AudioFault):
                findings.error("audio-unreadable", file.shown, str(clip), "make it again (prepare), or unpack it again")
            else:
                yield (file.split, file.name), clip


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


def _read_whole(audio: OpenedAudio) -> Clip:
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


# What was read


def _check_form(file: AudioFile, clip: Clip, findings: Findings) -> None:
    header = clip.header
    if header.rate != file.rate:
        fix = f"make it again from the original audio: hear-cacophony prepare --rates {file.rate}"
        findings.error("audio-rate", file.shown, f"expected {file.rate} Hz, got {header.rate} Hz", fix)
    if header.channels != 1:
        message = f"expected one channel, got {header.channels}"
        findings.error("audio-channels", file.shown, message, "mix it down to mono")
    if not clip.frames:
        findings.error("audio-empty", file.shown, "expected audio, got a file without samples", UNPACK_AGAIN)
    if not header.format.startswith(("WAV", "RF64")):
        message = f"expected a WAV file, got {header.format}"
        findings.warn("audio-format", file.shown, message, "convert it to WAV, 16-bit PCM")
    elif header.subtype != "PCM_16":
        message = f"expected 16-bit PCM, got {header.subtype}"
        findings.warn("audio-coding", file.shown, message, "convert it to 16-bit PCM")
    if header.remark:
        message = f"expected the sizes of the file in its header, got others ({header.remark}); it is read to its end"
        findings.note("audio-header", file.shown, message, "nothing, or write it anew, such as with sox or prepare")


def _check_content(file: AudioFile, clip: Clip, findings: Findings) -> None:
    content = clip.content
    if content is None:
        return
    if content.not_finite is not None:
        message = f"expected finite samples, got NaN or infinity, first at sample {content.not_finite}"
        findings.error("audio-not-finite", file.shown, message, "make it again from the original audio")
    elif content.silent:
        findings.warn("audio-silent", file.shown, "expected sound, got silence alone", "listen to the original audio")
    elif content.clipped > CLIPPED_SHARE:
        message = f"expected samples below full scale, got {content.clipped:.0%} of them at full scale"
        findings.warn("audio-clipped", file.shown, message, "lower the level before it is converted to 16 bits")


def _check_sizes(files: list[AudioFile], findings: Findings) -> None:
    """Files that were not read: those that are too small are wrong in any case."""
    for file in files:
        if file.size <= _HEADER_BYTES:
            message = f"expected audio, got a file of {file.size} bytes"
            findings.error("audio-empty", file.shown, message, UNPACK_AGAIN)


def _check_lengths(rate: int, clips: list[tuple[AudioFile, Clip]], metadata: Metadata, findings: Findings) -> None:
    """Whether every clip has the task's length, where it has one; those of another rate have their finding."""
    seconds = metadata.seconds
    if seconds is None:
        return
    timed = [(file, clip.frames) for file, clip in clips if clip.header.rate == rate and clip.frames]
    lengths = {frames for _, frames in timed}
    wanted, tolerance = round(seconds * rate), rate * DURATION_TOLERANCE_MS // 1000
    if len(timed) > 1 and len(lengths) == 1 and abs(min(lengths) - wanted) > tolerance:
        _report_duration(min(lengths) / rate, seconds, findings)
        return
    for file, frames in timed:
        if abs(frames - wanted) > tolerance:
            findings.error(
                "audio-length",
                file.shown,
                f"expected {seconds:g} s ({wanted} samples), the sample_duration of {METADATA_FILE}, got "
                f"{frames / rate:g} s ({frames} samples)",
                "make it again (prepare), or unpack it again; is it cut short, or of another task?",
            )
    _check_batches([(file, frames) for file, frames in timed if abs(frames - wanted) <= tolerance], findings)


def _report_duration(length: float, seconds: float, findings: Findings) -> None:
    scale = " (was it given in milliseconds?)" if abs(seconds - 1000 * length) < 1 else ""
    findings.error(
        "metadata-duration",
        METADATA_FILE,
        f"expected 'sample_duration' to be the length of the clips, got {seconds:g} s{scale}, while every clip "
        f"that was read has {length:g} s",
        f"set it to {length:g}, or, if the audio is wrong, make it again",
    )


def _check_batches(clips: list[tuple[AudioFile, int]], findings: Findings) -> None:
    """heareval stacks the clips of a task with a sample_duration, so a split's must be equal to the sample."""
    by_split: dict[str, list[tuple[AudioFile, int]]] = {}
    for file, frames in clips:
        by_split.setdefault(file.split, []).append((file, frames))
    for members in by_split.values():
        common = collections.Counter(frames for _, frames in members).most_common(1)[0][0]
        for file, frames in members:
            if frames != common:
                findings.error(
                    "audio-length",
                    file.shown,
                    f"expected {common} samples as in the other clips, which heareval stacks, got {frames}",
                    f"make it again: hear-cacophony prepare --rates {file.rate}",
                )
