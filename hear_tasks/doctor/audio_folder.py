"""The audio files of a task, against the clips that its split files name."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Sequence

from hear_tasks.doctor.report import Findings
from hear_tasks.doctor.splits import Split
from hear_tasks.similar_names import look_the_same, match_names, unicode_form
from hear_tasks.task_folder import SAMPLE_RATES, UNFINISHED_CLIP
from hear_tasks.text_files import UNPACK_AGAIN, listed


@dataclasses.dataclass(frozen=True)
class AudioFile:
    """One file of a split's folder, the sample rate in Hz of its folder, and its size in bytes."""

    rate: int
    split: str
    name: str
    path: str
    size: int

    @property
    def shown(self) -> str:
        """Its path relative to the task."""
        return f"{self.rate}/{self.split}/{self.name}"


def find_files(
    folder: pathlib.Path, rate: int, splits: Sequence[Split], findings: Findings
) -> dict[tuple[str, str], AudioFile]:
    """The files at `rate` Hz of all splits that are clips, after a comparison with the split files."""
    audio = folder / str(rate)
    if not os.path.isdir(audio):
        _report_no_audio(folder, rate, findings)
        return {}
    _report_foreign_folders(audio, rate, [split.name for split in splits], findings)
    files: dict[tuple[str, str], AudioFile] = {}
    for split in splits:
        found = _scan(audio / split.name, rate, split.name)
        if found is None:
            findings.error(
                "audio-split-missing",
                f"{rate}/{split.name}",
                f"expected a folder with the audio of split {split.name}, found none that can be read",
                _fix_missing(folder, rate, split.name),
            )
            continue
        listed_names = set(found) if split.clips is None else set(split.clips)
        similar = _match_similar(folder, rate, split, found, findings)
        _report_missing(folder, rate, split.name, sorted(listed_names - set(found) - set(similar)), findings)
        _report_extra(rate, split.name, sorted(set(found) - listed_names - set(similar.values())), findings)
        present = {name: found[name] for name in found if name in listed_names}
        opened = {
            name: dataclasses.replace(found[file], name=name)
            for name, file in similar.items()
            if is_there(audio / split.name / name)
        }
        files |= {(split.name, name): file for name, file in sorted((present | opened).items())}
    return files


def _match_similar(
    folder: pathlib.Path, rate: int, split: Split, found: dict[str, AudioFile], findings: Findings
) -> dict[str, str]:
    """By each name of a split that is not there, that of a file that is much like it; they are reported."""
    named = split.clips or {}
    matched = match_names(named, sorted(found))
    for name, file in matched.items():
        # A file that is another clip's is not this one's, whatever the file system says.
        opens = file not in named and is_there(folder / str(rate) / split.name / name)
        _report_similar(f"{rate}/{split.name}/{file}", name, file, split.file, findings, opens=opens)
    return matched


def is_there(file: pathlib.Path) -> bool:
    """Whether the file system finds a file by this name."""
    return os.path.exists(file)


def _report_similar(shown: str, name: str, file: str, split_file: str, findings: Findings, *, opens: bool) -> None:
    report = findings.warn if opens else findings.error
    where = "; this file system takes them for the same, others do not" if opens else ""
    if look_the_same(name, file):
        report(
            "audio-unicode",
            shown,
            f"expected the name {name!r} as {split_file} writes it (Unicode {unicode_form(name)}), found one that "
            f"looks the same and is written otherwise ({unicode_form(file)}){where}",
            "rename the files, such as with convmv -r -f utf8 -t utf8 --nfc (or --nfd) --notest FOLDER, or correct "
            f"{split_file}",
        )
    else:
        report(
            "audio-case",
            shown,
            f"expected the name {name!r} as {split_file} writes it, found {file!r}, which differs in upper and lower "
            f"case{where}",
            f"rename the file, or correct {split_file}; where two clips differ in case alone, rename one of them",
        )


def _report_foreign_folders(audio: pathlib.Path, rate: int, splits: list[str], findings: Findings) -> None:
    for name in sorted(_scan(audio, rate, "") or ()):
        if name not in splits and not name.startswith("."):
            message = f"expected the splits {listed(splits)} alone, found this besides, which no run would use"
            findings.warn("audio-foreign", f"{rate}/{name}", message, "delete it, or add it to the splits")


def _scan(folder: pathlib.Path, rate: int, split: str) -> dict[str, AudioFile] | None:
    """The entries of a split's folder by name, None if there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name: AudioFile(rate, split, entry.name, entry.path, _size(entry)) for entry in entries}
    except OSError:
        return None


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except OSError:
        return 0  # a link to nowhere; reading it will tell


def _higher_rates(folder: pathlib.Path, rate: int) -> list[int]:
    """Rates that `rate` can be made from."""
    return [each for each in SAMPLE_RATES if each > rate and os.path.isdir(folder / str(each))]


def _report_no_audio(folder: pathlib.Path, rate: int, findings: Findings) -> None:
    there = [str(each) for each in SAMPLE_RATES if os.path.isdir(folder / str(each))]
    if os.path.lexists(folder / str(rate)):
        came, fix = "a file of this name", f"delete it, and run: {_prepare(folder, rate)}"
    elif _higher_rates(folder, rate):
        came, fix = f"only {listed(there)}", f"make it from that: {_prepare(folder, rate)}"
    elif there:
        came = f"only {listed(there)}"
        fix = f"unpack the tarball of 48000 Hz, then run: {_prepare(folder, rate)}"
    else:
        came, fix = "no audio at all", UNPACK_AGAIN
    findings.error("audio-missing", str(rate), f"expected a folder with the audio at {rate} Hz, found {came}", fix)


def _prepare(folder: pathlib.Path, rate: int) -> str:
    return f"hear-cacophony prepare --rates {rate} {folder}"


def _fix_missing(folder: pathlib.Path, rate: int, *parts: str) -> str:
    if any(os.path.exists(folder.joinpath(str(each), *parts)) for each in _higher_rates(folder, rate)):
        return f"make it from the audio at another rate: {_prepare(folder, rate)}"
    return UNPACK_AGAIN


def _report_missing(folder: pathlib.Path, rate: int, split: str, names: list[str], findings: Findings) -> None:
    for name in names:
        findings.error(
            "audio-missing",
            f"{rate}/{split}/{name}",
            f"expected this clip, which {split}.json names, found no such file",
            _fix_missing(folder, rate, split, name),
        )


def _report_extra(rate: int, split: str, names: list[str], findings: Findings) -> None:
    for name in names:
        shown = f"{rate}/{split}/{name}"
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
