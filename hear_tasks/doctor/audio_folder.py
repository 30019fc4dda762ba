"""The audio files of a task, against the clips that its split files name."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Sequence

from hear_tasks.doctor.audio_names import is_there, match_similar
from hear_tasks.doctor.finding import Findings
from hear_tasks.doctor.splits import Split
from hear_tasks.doctor.text_files import UNPACK_AGAIN, listed
from hear_tasks.task_folder import SAMPLE_RATES, UNFINISHED_CLIP

SAMPLE_RATE = 16_000
"""Sample rate in Hz of the audio that the encoders take."""


@dataclasses.dataclass(frozen=True)
class AudioFile:
    """One file of a split's folder, and its size in bytes."""

    split: str
    name: str
    path: str
    size: int

    @property
    def shown(self) -> str:
        """Its path relative to the task."""
        return f"{SAMPLE_RATE}/{self.split}/{self.name}"


def find_files(folder: pathlib.Path, splits: Sequence[Split], findings: Findings) -> dict[tuple[str, str], AudioFile]:
    """The files of all splits that are clips, after a comparison with the split files."""
    audio = folder / str(SAMPLE_RATE)
    if not os.path.isdir(audio):
        _report_no_audio(folder, audio, findings)
        return {}
    _report_foreign_folders(audio, [split.name for split in splits], findings)
    files: dict[tuple[str, str], AudioFile] = {}
    for split in splits:
        found = _scan(audio / split.name, split.name)
        if found is None:
            findings.error(
                "audio-split-missing",
                f"{SAMPLE_RATE}/{split.name}",
                f"expected a folder with the audio of split {split.name}, found none that can be read",
                _fix_missing(folder, split.name),
            )
            continue
        listed_names = set(found) if split.clips is None else set(split.clips)
        similar = _match_similar(folder, split, found, findings)
        _report_missing(folder, split.name, sorted(listed_names - set(found) - set(similar)), findings)
        _report_extra(split.name, sorted(set(found) - listed_names - set(similar.values())), findings)
        present = {name: found[name] for name in found if name in listed_names}
        opened = {
            name: dataclasses.replace(found[file], name=name)
            for name, file in similar.items()
            if is_there(audio / split.name / name)
        }
        files |= {(split.name, name): file for name, file in sorted((present | opened).items())}
    return files


def _match_similar(
    folder: pathlib.Path, split: Split, found: dict[str, AudioFile], findings: Findings
) -> dict[str, str]:
    """By each name that is not there, that of a file that is much like it; they are reported."""
    return match_similar(folder, f"{SAMPLE_RATE}/{split.name}", split.clips or (), sorted(found), split.file, findings)


def _report_foreign_folders(audio: pathlib.Path, splits: list[str], findings: Findings) -> None:
    for name in sorted(_scan(audio, "") or ()):
        if name not in splits and not name.startswith("."):
            message = f"expected the splits {listed(splits)} alone, found this besides, which no run would use"
            findings.warn("audio-foreign", f"{SAMPLE_RATE}/{name}", message, "delete it, or add it to the splits")


def _scan(folder: pathlib.Path, split: str) -> dict[str, AudioFile] | None:
    """The entries of a split's folder by name, None if there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name: AudioFile(split, entry.name, entry.path, _size(entry)) for entry in entries}
    except OSError:
        return None


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except OSError:
        return 0  # a link to nowhere; reading it will tell


def _other_rates(folder: pathlib.Path) -> list[int]:
    return [rate for rate in SAMPLE_RATES if rate != SAMPLE_RATE and os.path.isdir(folder / str(rate))]


def _report_no_audio(folder: pathlib.Path, audio: pathlib.Path, findings: Findings) -> None:
    rates = _other_rates(folder)
    if os.path.lexists(audio):
        came, fix = "a file of this name", "delete it, and run: hear-cacophony prepare"
    elif rates:
        came = f"only {listed([str(rate) for rate in rates])}"
        fix = f"make it from that: hear-cacophony prepare {folder}"
    else:
        came, fix = "no audio at all", UNPACK_AGAIN
    findings.error(
        "audio-missing", str(SAMPLE_RATE), f"expected a folder with the audio at {SAMPLE_RATE} Hz, found {came}", fix
    )


def _fix_missing(folder: pathlib.Path, *parts: str) -> str:
    if any(os.path.exists(folder.joinpath(str(rate), *parts)) for rate in _other_rates(folder)):
        return f"make it from the audio at another rate: hear-cacophony prepare {folder}"
    return UNPACK_AGAIN


def _report_missing(folder: pathlib.Path, split: str, names: list[str], findings: Findings) -> None:
    for name in names:
        findings.error(
            "audio-missing",
            f"{SAMPLE_RATE}/{split}/{name}",
            f"expected this clip, which {split}.json names, found no such file",
            _fix_missing(folder, split, name),
        )


def _report_extra(split: str, names: list[str], findings: Findings) -> None:
    for name in names:
        shown = f"{SAMPLE_RATE}/{split}/{name}"
        if name.startswith(UNFINISHED_CLIP):
            message = "expected clips alone, found what a stopped run of prepare left"
            findings.note("audio-unfinished", shown, message, "delete it, unless prepare is running")
        elif name.startswith("."):
            findings.note(
                "audio-hidden", shown, "expected clips alone, found a hidden file", "delete it; it does no harm"
            )
        elif not name.lower().endswith(".wav"):
            findings.warn(
                "audio-foreign", shown, "expected WAV files alone, found this", "delete it if it is not needed"
            )
        else:
            findings.error(
                "audio-extra",
                shown,
                f"expected only the clips that {split}.json names, found this one besides, which no run would use",
                f"delete it, or add it to {split}.json; were audio and labels unpacked from one tarball?",
            )
