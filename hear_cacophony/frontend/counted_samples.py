"""How many samples a file holds whose frames can be counted, where libsndfile reads no more than it has counted."""

from __future__ import annotations

import dataclasses
import pathlib

from hear_cacophony.files.flac_frames import count_samples
from hear_cacophony.files.mpeg_frames import count_frames


class MiscountedError(ValueError):
    """libsndfile counts fewer samples than a whole file holds, and reads no more than that."""


@dataclasses.dataclass(frozen=True)
class Counted:
    """What comes of a file.

    Attributes:
        frames: samples of each channel; None where that is known only roughly.
        least: samples of each channel that come in any case.
    """

    frames: int | None
    least: int = 0


def mpeg_samples(file: pathlib.Path, frames: int | None) -> Counted:
    """Samples of an MPEG file where its header tells them; without, libsndfile's count is an estimate.

    Args:
        file: the file.
        frames: libsndfile's count.

    Raises:
        MiscountedError: libsndfile would read too few.
        ValueError: it was cut, or its frames are not of one kind.
        OSError: it cannot be read.
    """
    counted = count_frames(file)
    if counted.told is None and counted.is_cut:
        raise ValueError("it ends before its last frame of MPEG audio does; was a copy interrupted?")
    believed = frames if counted.told is None else counted.told
    if believed is not None and believed + 2 * counted.frame < counted.found:
        message = f"expected {believed} samples by its header, there are {counted.found}"
        if counted.told is not None:
            raise ValueError(f"{message}; ffmpeg -i IN OUT.wav makes a file that can be read to its end")
        raise MiscountedError(f"{message}: pip install 'hear_cacophony[media]', or ffmpeg -i IN OUT.wav")
    if counted.told is not None:
        return Counted(frames)
    return Counted(None, max(0, counted.found - 2 * counted.frame))  # the first ones may lack what was before them


def flac_samples(file: pathlib.Path, told: int | None) -> Counted:
    """Samples of a FLAC file, of which libsndfile reads no more than its header tells.

    Raises:
        MiscountedError: there are more.
        ValueError: it is damaged.
        OSError: it cannot be read.
    """
    found = count_samples(file)
    if told is None or found is None:
        return Counted(found)
    if found > told:
        raise MiscountedError(
            f"expected {told} samples by its header, there are {found}: pip install 'hear_cacophony[media]', or "
            "ffmpeg -i IN OUT.wav"
        )
    return Counted(told)
