"""The sound of files that libsndfile does not read (M4A, MP4, WMA, WebM and others), by FFmpeg through av."""

from __future__ import annotations

import contextlib
import importlib.util
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from hear_cacophony.files.ac3_frames import frame_bytes
from hear_cacophony.files.media_extent import check_media_whole

if TYPE_CHECKING:
    import av

_FORMS = {"float32": "flt", "float64": "dbl", "int16": "s16", "int32": "s32"}
"""FFmpeg's names of samples."""

_NO_OTHER_FILES = {"protocol_whitelist": "none"}
"""What a file names, such as the parts of a playlist, is not opened."""

_TELLING = ("tta", "wv", "ape", "tak", "mpc", "mpc8", "dsf", "oma", "voc")
"""Forms whose headers tell how many samples there are; of others it is at times an estimate."""

_WITH_CHECKSUMS = ("flac", "tta", "wavpack")
"""Codecs whose frames have a checksum, of which FFmpeg passes over what does not fit unless told otherwise."""

_GAP_SECONDS, _GAP_FRAMES, _GAP_TICKS = 0.1, 1.5, 2
"""A gap in the times of frames larger than all of these is no rounding, but something lost."""

_TIMES_ARE_TABLES = "mov"
"""Beginning of the names of forms whose times lie apart from the sound: gaps in them are none of what is lost."""


class UnknownMediaError(ValueError):
    """FFmpeg finds nothing that it knows in a file."""


def is_installed() -> bool:
    """Whether av is there."""
    return importlib.util.find_spec("av") is not None


class MediaSound:
    """The first sound in an open file. Made by `open_media`.

    Attributes:
        samplerate, channels: of the sound.
        format, subtype: names of the container and the codec, as FFmpeg has them.
        seconds: how long it is by the container; None where that does not tell.
    """

    def __init__(self, container: av.container.InputContainer, stream: av.AudioStream) -> None:
        self._container, self._stream = container, stream
        self.samplerate, self.channels = stream.codec_context.sample_rate, stream.codec_context.channels
        self.format, self.subtype = container.format.name, stream.codec_context.name
        length = _seconds(stream.duration, stream.time_base)
        self.seconds = length if length is not None else _seconds(container.duration, 1e-6)
        if self.subtype in _WITH_CHECKSUMS:
            stream.codec_context.options = {"err_detect": "crccheck+explode"}
        self._frames = self._decoded()
        self._rest = np.empty((0, self.channels), np.float32)
        self._resampler: Any = None
        self._form = ""
        self._count = 0
        self._end: float | None = None

    def can_seek(self) -> bool:
        """Not to any sample, since what decoders give depends on where they were before."""
        return False

    def read(self, out: np.ndarray) -> np.ndarray:
        """The part of `out`, shape (samples, channels), or (samples,) of mono, that the next samples fill.

        Raises:
            ValueError: they cannot be decoded, or there are fewer than the header says.
        """
        if self._resampler is None:
            self._begin(str(out.dtype))
        target, filled = out.reshape(len(out), self.channels), 0
        while filled < len(target):
            if not len(self._rest):
                block = next(self._frames, None)
                if block is None:
                    break
                self._rest = block
            taken = self._rest[: len(target) - filled]
            target[filled : filled + len(taken)] = taken
            filled, self._rest = filled + len(taken), self._rest[len(taken) :]
        return out[:filled]

    def _begin(self, dtype: str) -> None:
        from av import AudioResampler

        self._form = dtype
        layout = self._stream.codec_context.layout
        self._resampler = AudioResampler(_FORMS[dtype], layout, self.samplerate)

    def _decoded(self) -> Iterator[np.ndarray]:
        """Samples, shape (samples, channels), as they come."""
        from av import FFmpegError

        try:
            for packet in self._container.demux(self._stream):
                if packet.is_corrupt:
                    raise ValueError(f"it is damaged behind sample {self._count}; was a copy interrupted?")
                if self.subtype in ("ac3", "eac3") and packet.size:
                    self._check_size(packet.size, frame_bytes(bytes(packet)[:16]))
                for frame in packet.decode():
                    self._check_gap(frame)
                    yield from self._converted(frame)
            yield from self._converted(None)
        except FFmpegError as error:
            raise ValueError(
                f"expected more samples, they cannot be decoded behind {self._count} ({error.strerror}); "
                "was a copy interrupted?"
            ) from error
        told = None if self.seconds is None else round(self.seconds * self.samplerate)
        if told is not None and self.format in _TELLING and self._count < told - 1:
            raise ValueError(f"expected {told} samples by its header, got {self._count}; was a copy interrupted?")

    def _check_size(self, size: int, told: int) -> None:
        if size < told:
            raise ValueError(
                f"expected {told} bytes by the head of a frame behind sample {self._count}, got {size}; was a copy "
                "interrupted?"
            )

    def _check_gap(self, frame: av.AudioFrame) -> None:
        """Raise ValueError if a frame begins, by its time, long after the one before has ended."""
        length = frame.samples / frame.sample_rate
        start, end = _seconds(frame.pts, frame.time_base), self._end
        if start is not None and end is not None and not self.format.startswith(_TIMES_ARE_TABLES):
            rounding = _seconds(_GAP_TICKS, frame.time_base) or 0.0
            if start - end > max(_GAP_SECONDS, _GAP_FRAMES * length, rounding):
                raise ValueError(
                    f"expected sound at {end:.3f} s, what follows is of {start:.3f} s; is it damaged, or was a "
                    "recording paused? silence instead: ffmpeg -i IN -af aresample=async=1 OUT.wav"
                )
        begin = end if start is None else start
        self._end = None if begin is None else begin + length

    def _converted(self, frame: av.AudioFrame | None) -> Iterator[np.ndarray]:
        if frame is not None and (frame.sample_rate, len(frame.layout.channels)) != (self.samplerate, self.channels):
            raise ValueError(
                f"expected {self.channels} channels at {self.samplerate} Hz throughout, got "
                f"{len(frame.layout.channels)} at {frame.sample_rate} Hz behind sample {self._count}"
            )
        for converted in self._resampler.resample(frame):
            block = converted.to_ndarray().reshape(-1, self.channels)
            self._count += len(block)
            yield block


def _seconds(duration: int | None, base: Any) -> float | None:
    return None if duration is None or base is None else float(duration * base)


@contextlib.contextmanager
def open_media(file: pathlib.Path) -> Iterator[MediaSound]:
    """Open a file with sound of any form that FFmpeg reads.

    Raises:
        UnknownMediaError: FFmpeg does not read it.
        ValueError: it holds no sound, or is cut as far as the container tells.
        OSError: it cannot be read.
    """
    import av

    check_media_whole(file)
    with file.open("rb") as stream, contextlib.ExitStack() as stack:  # not by its name, which may be an address to it
        try:
            container = stack.enter_context(av.open(stream, "r", container_options=_NO_OTHER_FILES))
        except av.FFmpegError as error:
            raise UnknownMediaError(
                f"FFmpeg cannot open ({error.strerror}); is it what its name says, and whole?"
            ) from error
        if not container.streams.audio:
            kinds = ", ".join(sorted({str(each.type) for each in container.streams})) or "nothing"
            raise ValueError(f"expected a file with sound, this one ({container.format.name}) holds {kinds}")
        yield MediaSound(container, container.streams.audio[0])


def media_seconds(file: str) -> float:
    """How long the sound of a file is by its container; 0 where that cannot be told."""
    if not is_installed():
        return 0.0
    try:
        with open_media(pathlib.Path(file)) as sound:
            return sound.seconds or 0.0
    except (OSError, ValueError):
        return 0.0
