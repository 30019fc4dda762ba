"""What a data set holds: its clips, with a class or captions, and those that are missing."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections import Counter
from collections.abc import Iterable, Sequence

from hear_tasks.evaluate.tables import LayoutError
from hear_tasks.similar_names import describe_similar, match_names

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif")
"""Endings of clips that everyone fetches alone, the first one preferred where a clip is there twice."""


_VIDEO_SUFFIXES = (".mp4", ".m4a", ".mkv", ".webm")
"""Endings of files as they are fetched, which libsndfile does not read."""


@dataclasses.dataclass(frozen=True)
class Clip:
    """One clip of a data set.

    Attributes:
        name: as the data set's table names it.
        path: its file.
        texts: its class alone, or its captions.
    """

    name: str
    path: pathlib.Path
    texts: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Listing:
    """The clips of a data set that are on this machine.

    Attributes:
        clips: in the order of the data set's table.
        missing: names of clips that the table has and the folder lacks.
        classes: all classes of the table, sorted; none in a data set of captions.
        remarks: what else is to be said of the data set.
    """

    clips: tuple[Clip, ...]
    missing: tuple[str, ...]
    classes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def listed(self) -> int:
        """Clips in the table."""
        return len(self.clips) + len(self.missing)


def make_listing(
    entries: Iterable[tuple[str, pathlib.Path | None, tuple[str, ...]]],
    folder: pathlib.Path,
    *,
    labelled: bool,
    files: AudioFiles | None = None,
    remarks: Sequence[str] = (),
) -> Listing:
    """A listing from the table's entries: name, file (None or no file where it is missing) and texts.

    Args:
        entries: in the order of the table.
        folder: where the clips should be, at any depth.
        labelled: whether the texts are classes.
        files: where the clips were looked for by name, for what there is to say of that.
        remarks: as in `Listing`.

    Raises:
        LayoutError: a name is there twice with different texts, leads out of the folder, or no clip is there.
    """
    clips: dict[str, Clip] = {}
    missing: dict[str, pathlib.Path | None] = {}
    seen: dict[str, tuple[str, ...]] = {}
    repeated = 0
    for name, path, texts in entries:
        if seen.setdefault(name, texts) != texts:
            raise LayoutError(f"{folder}: {name!r} is in the table twice, as {seen[name]} and as {texts}")
        if path is not None and not _is_below(path, folder):
            raise LayoutError(f"{folder}: expected names of clips in this folder, but {name!r} leads to {path}")
        if name in clips or name in missing:
            repeated += 1
        elif path is not None and path.is_file():
            clips[name] = Clip(name, path, texts)
        else:
            missing[name] = path
    if not clips:
        example = f", such as {next(iter(missing))!r}" if missing else ""
        hint = files.hint if files else ""
        raise LayoutError(f"expected clips in {folder}, found none of the {len(missing)} in the table{example}{hint}")
    classes = {text for texts in seen.values() for text in texts} if labelled else set()
    remarks = [*remarks, *(files.remarks if files else ()), *_alike_classes(classes), *_alike_files(missing.values())]
    if repeated:
        remarks.append(f"rows of the table that repeat another: {repeated}; each clip counts once")
    return Listing(tuple(clips.values()), tuple(missing), tuple(sorted(classes)), tuple(remarks))


def _alike_classes(classes: Iterable[str]) -> list[str]:
    """Says which classes are one, but for case and blanks."""
    alike: dict[str, list[str]] = {}
    for name in sorted(classes):
        alike.setdefault(" ".join(name.casefold().split()), []).append(name)
    pairs = [" and ".join(map(repr, names)) for names in alike.values() if len(names) > 1]
    return [f"classes that differ in case or blanks alone, and count apart: {', '.join(pairs)}"] if pairs else []


def _alike_files(missing: Iterable[pathlib.Path | None]) -> list[str]:
    """Says which clips that are missing are there under a name that looks the same, or nearly."""
    by_folder: dict[pathlib.Path, list[str]] = {}
    for path in missing:
        if path is not None and path.parent.is_dir():
            by_folder.setdefault(path.parent, []).append(path.name)
    found = {
        name: similar
        for folder, names in by_folder.items()
        for name, similar in match_names(names, os.listdir(folder)).items()
    }
    if not found:
        return []
    name, similar = next(iter(found.items()))
    told = describe_similar(name, similar, "the table")
    return [f"missing clips with a name much like that of a file: {len(found)}; of {name!r}, {told}"]


def _is_below(path: pathlib.Path, folder: pathlib.Path) -> bool:
    """Whether a path is below a folder by its name; links inside may lead where they do."""
    return os.path.abspath(path).startswith(os.path.join(os.path.abspath(folder), ""))


class AudioFiles:
    """The audio files below a folder, by their name without its ending."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._by_stem: dict[str, list[pathlib.Path]] = {}
        self._others: Counter[str] = Counter()
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in AUDIO_SUFFIXES:
                self._by_stem.setdefault(path.stem, []).append(path)
            elif path.suffix.lower() in _VIDEO_SUFFIXES:
                self._others[path.suffix.lower()] += 1
        self._twice: set[str] = set()

    def find(self, stems: Iterable[str]) -> pathlib.Path | None:
        """The file with the first of these names that there is."""
        for stem in stems:
            found = self._by_stem.get(stem)
            if found:
                self._twice.update([stem] if len(found) > 1 else [])
                return min(found, key=lambda path: (AUDIO_SUFFIXES.index(path.suffix.lower()), path))
        return None

    @property
    def hint(self) -> str:
        """What to say where no clip was found."""
        if not self._others:
            return ""
        listed = " and ".join(f"{suffix} files ({count})" for suffix, count in self._others.items())
        return f"; there are {listed}: extract their audio, to WAV for example"

    @property
    def remarks(self) -> list[str]:
        """Says how many of the clips that were found are there more than once."""
        if not self._twice:
            return []
        first = min(self._twice)
        return [f"clips that are there more than once: {len(self._twice)}, such as {first}; {AUDIO_SUFFIXES[0]} first"]


def require(data: pathlib.Path, layout: str, *parts: str) -> None:
    """Check that files and folders are where a publisher puts them.

    Args:
        data: folder of the data set.
        layout: the layout in words, for the error.
        parts: paths in it; those that end in "/" are folders.

    Raises:
        FileNotFoundError: there is no such folder.
        LayoutError: a part is not there; where a folder in it, or the one above, has them all, it is named.
    """
    if not data.is_dir():
        raise FileNotFoundError(f"{data}: no such folder; expected one with {layout}")
    lacking = _lacking(data, parts)
    if not lacking:
        return
    near = [each for each in (*_folders(data), data.resolve().parent) if not _lacking(each, parts)]
    hint = f"; did you mean {near[0]}?" if near else ""
    raise LayoutError(f"{data}: expected {layout}; there is no {' and no '.join(lacking)}{hint}")


def _lacking(data: pathlib.Path, parts: Sequence[str]) -> list[str]:
    return [part for part in parts if not ((data / part).is_dir() if part.endswith("/") else (data / part).is_file())]


def _folders(data: pathlib.Path) -> list[pathlib.Path]:
    return sorted(each for each in data.iterdir() if each.is_dir())
