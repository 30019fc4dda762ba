"""An audio file of any kind, read block by block; what its header promises and does not come is an error."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import re
import stat
from collections.abc import Iterator

import numpy as np
import soundfile

from hear_cacophony.files.audio_extent import check_whole
from hear_cacophony.files.sample_end import open_samples
from hear_cacophony.frontend import media_sound
from hear_cacophony.frontend.audio_kinds import HEAD_BYTES, codec_name, foreign_kind, may_be_foreign
from hear_cacophony.frontend.counted_samples import Counted, MiscountedError, flac_samples, mpeg_samples
from hear_cacophony.frontend.media_sound import MediaSound, UnknownMediaError
from hear_cacophony.frontend.resample import RATES

BLOCK = 1 << 18
"""Samples of each channel in a block unless told otherwise."""

_UNKNOWN = 1 << 62
"""libsndfile's count of samples that the header does not tell is larger."""

_SHORTER = re.compile(r"truncated|Data length \d+ should be|^\s*Frames\s*: (?P<frames>\d+)", re.MULTILINE)
"""What libsndfile remarks on files of rare forms that are shorter than their headers say."""

_RARE_FORMS = ("AVR", "MAT4", "MPC2K", "WVE")

_SEQUENTIAL = ("MPEG", "OPUS", "DWVW")
"""Beginnings of the names of codecs whose samples depend on where the decoder was before, or that fail to seek."""

_NO_SUCH_FORM = "does not exist or is not a regular file"
"""libsndfile's words for an MP3 file by its name that is none."""


@dataclasses.dataclass(frozen=True)
class AudioHeader:
    """What the header of a file says.

    Attributes:
        rate: samples per second.
        channels: number of channels.
        frames: samples of each channel; None where the header does not tell.
        format: as libsndfile names it, such as WAV or FLAC; or FFmpeg.
        subtype: coding of the samples as libsndfile names it, such as PCM_16; or the codec's name of FFmpeg's.
        remark: what is wrong with it although all samples are there, "" where nothing is.
        least: samples of each channel that come at least, where `frames` is None.
    """

    rate: int
    channels: int
    frames: int | None
    format: str
    subtype: str
    remark: str = ""
    least: int = 0


class AudioFile:
    """An open audio file. Made by `open_audio`.

    Attributes:
        header: what its header says.
    """

    def __init__(self, sound: _Sound | MediaSound, header: AudioHeader) -> None:
        self._sound = sound
        self._position = 0
        self.header = header

    def blocks(self, size: int = BLOCK, dtype: str = "float32") -> Iterator[np.ndarray]:
        """The samples from here to the end, as many as the decoder gives.

        Args:
            size: most samples of each channel in a block.
            dtype: float32 or float64, full scale 1; or int16, or int32.

        Returns:
            Arrays of shape (samples, channels).

        Raises:
            ValueError: they cannot be decoded, there are none at all, or fewer than the header says.
        """
        while len(block := self._decode(np.empty((size, self.header.channels), dtype))):
            yield block
        if not self._position:
            told = f", {self.header.remark}" if self.header.remark else ""
            raise ValueError(
                f"expected samples, the file holds none that can be read{told}; was a recording interrupted?"
            )
        if self.header.frames is not None and self._position < self.header.frames:
            raise ValueError(
                f"expected {self.header.frames} samples by its header, got {self._position}; was a copy interrupted?"
            )
        if self._position < self.header.least:
            raise ValueError(
                f"expected {self.header.least} samples by its frames, they can be decoded up to {self._position}; "
                "is it damaged, or were files joined? ffmpeg -i IN OUT.wav"
            )

    def read(self, start: int, target: np.ndarray) -> int:
        """Read samples from `start` on into `target`, shape (samples, channels), or (samples,) of a mono file.

        Where the decoder cannot go there, it decodes all that lies between: then `start` must not go back.

        Returns:
            How many of each channel came; fewer where the file ends.

        Raises:
            ValueError: they cannot be decoded.
        """
        if start != self._position and self._sound.can_seek():
            self._seek(start)
        assert start >= self._position, f"back from sample {self._position} to {start}"
        while self._position < start:
            skipped = np.empty((min(BLOCK, start - self._position), self.header.channels), target.dtype)
            if not len(self._decode(skipped)):
                return 0
        return len(self._decode(target))

    def _seek(self, start: int) -> None:
        assert isinstance(self._sound, _Sound), "only those can be gone to a sample of"
        try:
            self._position = self._sound.seek(start)
        except soundfile.LibsndfileError as error:
            raise ValueError(f"sample {start} cannot be gone to ({_reason(error)}); is it damaged?") from error

    def _decode(self, target: np.ndarray) -> np.ndarray:
        """The part of `target` that the decoder fills; what lies behind the samples, such as a tag, is none of them."""
        if self.header.frames is not None:
            target = target[: self.header.frames - self._position]
        if not len(target):
            return target
        try:
            block = self._sound.read(out=target)
        except soundfile.LibsndfileError as error:
            told = "more samples" if self.header.frames is None else f"{self.header.frames} samples by its header"
            raise ValueError(
                f"expected {told}, they cannot be decoded behind {self._position} ({_reason(error)}); "
                "was a copy interrupted?"
            ) from error
        self._position += len(block)
        return block


class _Sound(soundfile.SoundFile):
    """Read from the first sample to the last: to go back and forth, as soundfile does, changes what some decoders
    give, fails for others, and takes the header's count for the truth.
    """

    def seekable(self) -> bool:
        """Not as far as soundfile should know."""
        return False

    def can_seek(self) -> bool:
        """Whether any sample can be gone to, and is the same then."""
        return super().seekable() and not self.subtype.startswith(_SEQUENTIAL)


@contextlib.contextmanager
def open_audio(path: str | os.PathLike[str]) -> Iterator[AudioFile]:
    """Open an audio file of any form that libsndfile reads, or, where av is installed, FFmpeg.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is no audio, or cut as far as that can be told without decoding it; the message does not name
            the file.
        OSError: it cannot be read.
        TypeError: `path` is no path.
    """
    file = _existing_file(path)
    remark = check_whole(file)
    with contextlib.ExitStack() as stack:
        try:
            sound = stack.enter_context(_Sound(stack.enter_context(open_samples(file))))
            header = _read_header(sound, file, remark)
        except (soundfile.LibsndfileError, MiscountedError) as error:
            media = _open_media(file, error, stack)
            _check_rate(media.samplerate)
            yield AudioFile(media, AudioHeader(media.samplerate, media.channels, None, media.format, media.subtype))
            return
        except TypeError as error:  # files named .raw, of which soundfile wants to be told everything
            raise ValueError(_HEADERLESS) from error
        yield AudioFile(sound, header)


def _open_media(
    file: pathlib.Path, error: soundfile.LibsndfileError | MiscountedError, stack: contextlib.ExitStack
) -> MediaSound:
    """The sound of a file that libsndfile cannot read, as long as the stack is open."""
    if isinstance(error, MiscountedError):
        if not media_sound.is_installed():
            raise error
        return stack.enter_context(media_sound.open_media(file))
    with file.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    if not (media_sound.is_installed() and may_be_foreign(head, file.suffix)):
        raise ValueError(f"{_EXPECTED}{_kind(head, error)}") from error
    try:
        return stack.enter_context(media_sound.open_media(file))
    except UnknownMediaError as unknown:
        kind = foreign_kind(head)
        raise ValueError(f"{_EXPECTED}{f' {kind} that {unknown}' if kind else _kind(head, error)}") from unknown


_EXPECTED = "expected an audio file, such as WAV, FLAC, OGG or MP3, got"
_HEADERLESS = "expected an audio file with a header, got headerless samples by its name"


def _existing_file(path: str | os.PathLike[str]) -> pathlib.Path:
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"expected the path of an audio file, got {type(path).__name__}")
    file = pathlib.Path(path)
    try:
        status = file.stat()
    except FileNotFoundError:
        if file.is_symlink():
            raise FileNotFoundError(
                f"{file}: a link to {os.readlink(file)}, where nothing is; was that moved, or is a disk not mounted?"
            ) from None
        raise FileNotFoundError(
            f"{file}: no such audio file; is the path right, seen from {pathlib.Path.cwd()}?"
        ) from None
    if stat.S_ISDIR(status.st_mode):
        raise ValueError("expected an audio file, got a folder; name its files: sorted(folder.glob('*.wav'))")
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("expected an audio file, got a pipe or a device; save it to a file first")
    if not status.st_size:
        raise ValueError("expected an audio file, this is empty; was a copy or download interrupted?")
    return file


def _kind(head: bytes, error: soundfile.LibsndfileError) -> str:
    """What a file is that libsndfile cannot open, by its beginning, and what to do."""
    if kind := foreign_kind(head):
        return (
            f" {kind}, which cannot be read here: pip install 'hear_cacophony[media]', or make a WAV file of it: "
            "ffmpeg -i IN OUT.wav"
        )
    codec = f" (codec {codec})" if (codec := codec_name(head)) else ""
    return f": {_reason(error)}{codec}; is it what its name says, and whole? Other formats: ffmpeg -i IN OUT.wav"


def _reason(error: soundfile.LibsndfileError) -> str:
    text = error.error_string.strip().rstrip(".").removeprefix("Error : ")
    return "Format not recognised" if _NO_SUCH_FORM in text else text


def _read_header(sound: _Sound, file: pathlib.Path, remark: str) -> AudioHeader:
    if sound.format == "RAW" and sound.subtype == "ULAW":  # what libsndfile takes .au and .snd for that are none
        raise ValueError(_HEADERLESS)
    _check_rate(sound.samplerate)
    frames = None if sound.frames >= _UNKNOWN else sound.frames
    counted = Counted(frames)
    if sound.subtype.startswith("MPEG"):
        counted = mpeg_samples(file, frames)
    elif sound.format == "FLAC":
        counted = flac_samples(file, frames)
    elif sound.format in _RARE_FORMS:
        _check_remarks(sound)
    form = (sound.format, sound.subtype)
    return AudioHeader(sound.samplerate, sound.channels, counted.frames, *form, remark, counted.least)


def _check_rate(rate: int) -> None:
    if not RATES[0] <= rate <= RATES[1]:
        raise ValueError(
            f"expected {RATES[0]} to {RATES[1]} samples per second, got {rate} by its header; is that damaged?"
        )


def _check_remarks(sound: _Sound) -> None:
    for found in _SHORTER.finditer(sound.extra_info):
        if found["frames"] is None or int(found["frames"]) > sound.frames:
            raise ValueError(f"expected more samples by its header than {sound.frames}; was a copy interrupted?")
