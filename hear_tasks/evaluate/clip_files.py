"""The files of a data set's clips: where they lie, and under which names people have them."""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from hear_cacophony.frontend.audio_kinds import FOREIGN_ENDINGS
from hear_cacophony.printable import on_one_line
from hear_cacophony.sounds.find import files_below, has_sound
from hear_tasks.evaluate.tables import LayoutError

UNREADABLE = "cannot be read here: pip install 'hear_cacophony[media]', or extract the audio, to WAV for example"

_PREFERRED = (".wav", ".flac", ".aiff", ".aif", ".ogg", ".opus", ".mp3")
"""Endings of clips, the first one taken where a clip is there twice."""

_ENDING = re.compile(r"\.[A-Za-z]\w*$")
"""Not of a name that ends in the second where a clip stops."""

CLIP_SECONDS = 10
"""Length of the clips of VGGSound and AudioCaps, whose end some names tell."""

_SHOWN = 5
"""Names of other files that an error tells."""

YOUTUBE_NAMES = (
    "ID_000030, ID_30, ID_30_40, ID_30_10, ID_30000_40000, ID_30.000_40.000, the same with a dash, comma or blank for "
    "_, or ID alone where no other clip has it, with or without a Y before it, or as TITLE [ID] (ID being that of "
    "YouTube, 30 the second where the clip starts)"
)
_SPAN = re.compile(r"(?:[_ ,-](\d+(?:\.0+)?))?(?:[_ ,-](\d+(?:\.0+)?))?")
_BEHIND_TITLE = re.compile(r".*\[([^\[\]]+)\]")


class ClipFiles:
    """The sound files below folders."""

    def __init__(self, *folders: pathlib.Path) -> None:
        self.folders = folders
        names = (name for folder in folders for name in files_below(str(folder)) if has_sound(name))
        self.paths = list(map(pathlib.Path, sorted(names)))
        self._by_place: dict[str, list[pathlib.Path]] = {}
        for path in self.paths:
            self._by_place.setdefault(_ENDING.sub("", str(path)), []).append(path)
        self._known: set[pathlib.Path] = set()
        self._twice: dict[str, list[pathlib.Path]] = {}

    def at(self, path: pathlib.Path) -> pathlib.Path | None:
        """The file of a clip that a table names: this path, or else the same with another ending."""
        return self.choose(path.name, self._by_place.get(_ENDING.sub("", str(path)), []), path)

    def choose(
        self, name: str, paths: Sequence[pathlib.Path], named: pathlib.Path | None = None
    ) -> pathlib.Path | None:
        """The one of a clip's files that is taken, the `named` one first."""
        self.know(paths)
        readable = sorted(filter(is_readable, paths), key=lambda path: (path != named, _preference(path)))
        if len(readable) > 1:
            self._twice[name] = readable
        return next(iter(readable or paths), None)

    def know(self, paths: Iterable[pathlib.Path]) -> None:
        """These files belong to the data set, whether they are taken or not."""
        self._known.update(paths)

    @property
    def strangers(self) -> list[pathlib.Path]:
        """Files that no row of the table knows."""
        return [path for path in self.paths if path not in self._known]

    @property
    def remarks(self) -> list[str]:
        """Says which clips are there more than once, and which files belong to none."""
        lines = []
        if self._twice:
            name, paths = next(iter(self._twice.items()))
            lines.append(f"clips that are there more than once: {len(self._twice)}, such as {name}: {_listed(paths)}")
        if strangers := self.strangers:
            lines.append(f"sound files that the table lacks, left out: {len(strangers)}, such as {strangers[0].name}")
        return lines

    def describe(self) -> str:
        """What lies in the folders, for an error."""
        if not self.paths:
            names = sorted(name for folder in self.folders for name in os.listdir(folder))
            return (
                f"there is no sound file, but {on_one_line(', '.join(names[:_SHOWN]))}" if names else "there is nothing"
            )
        first, last = (on_one_line(path.name) for path in (self.paths[0], self.paths[-1]))
        line = f"there are {len(self.paths)} sound files, from {first} to {last}"
        unreadable = sorted({path.suffix for path in self.paths if not is_readable(path)})
        return f"{line}; {' and '.join(unreadable)} {UNREADABLE}" if unreadable else line


def is_readable(path: pathlib.Path) -> bool:
    """Whether a file's ending is none of those that cannot be read here; with PyAV all can."""
    from hear_cacophony.frontend.media_sound import is_installed  # with NumPy

    return is_installed() or path.suffix.lower() not in FOREIGN_ENDINGS


def _preference(path: pathlib.Path) -> tuple[int, str]:
    ending = path.suffix.lower()
    return _PREFERRED.index(ending) if ending in _PREFERRED else len(_PREFERRED), str(path)


def _listed(paths: Iterable[pathlib.Path]) -> str:
    first, *others = paths
    return f"{first.name} is taken, not {' or '.join(each.name for each in others)}"


YoutubeClip = tuple[str, int]
"""A YouTube id, and where in the video the clip starts, in seconds."""


def find_youtube_clips(
    files: ClipFiles, clips: Collection[YoutubeClip]
) -> tuple[dict[YoutubeClip, list[pathlib.Path]], list[str]]:
    """The files of clips by any of `YOUTUBE_NAMES`, and remarks on those that may be of several clips."""
    starts: dict[str, list[int]] = {}
    for youtube_id, start in clips:
        starts.setdefault(youtube_id, []).append(start)
    lengths = {len(youtube_id) for youtube_id in starts}
    found: dict[YoutubeClip, list[pathlib.Path]] = {}
    doubtful: dict[pathlib.Path, set[YoutubeClip]] = {}
    for path in files.paths:
        fitting = _fitting(_ENDING.sub("", path.name), starts, lengths)
        if len(fitting) == 1:
            found.setdefault(fitting.pop(), []).append(path)
        elif fitting:
            doubtful[path] = fitting
    files.know([*doubtful, *(path for paths in found.values() for path in paths)])
    if not doubtful:
        return found, []
    path, fitting = next(iter(doubtful.items()))
    which = " or ".join(f"{youtube_id}_{start}" for youtube_id, start in sorted(fitting))
    return found, [f"files that may be of several clips, left out: {len(doubtful)}, such as {path.name}: {which}"]


def _fitting(stem: str, starts: Mapping[str, Sequence[int]], lengths: Collection[int]) -> set[YoutubeClip]:
    """The clips that a file of this name may hold; `lengths` are those of the ids."""
    found = set()
    titled = _BEHIND_TITLE.fullmatch(stem)
    for name in {stem, stem.removeprefix("Y"), *(titled.groups() if titled else ())}:
        for length in lengths:
            youtube_id, span = name[:length], _SPAN.fullmatch(name[length:])
            if span and youtube_id in starts:
                found |= {(youtube_id, start) for start in starts[youtube_id] if _fits(span, start)}
    return found


def _fits(span: re.Match[str], start: int) -> bool:
    """Whether numbers in a name, start and end (or length) in seconds or milliseconds, are those of a clip."""
    first, last = (None if text is None else float(text) for text in span.groups())
    if first is None:
        return True
    lasts = (start + CLIP_SECONDS, CLIP_SECONDS)
    return any(first == start * unit and (last is None or last / unit in lasts) for unit in (1, 1000))


def find_numbered_clips(files: ClipFiles, owners: Mapping[int, YoutubeClip]) -> dict[YoutubeClip, list[pathlib.Path]]:
    """The files of clips that are named by an id of the table, among those that belong to no clip yet.

    `owners` holds the clip of each id, in the order of the table.

    Raises:
        LayoutError: the numbers are not all ids of the table, or may as well be places in it.
    """
    numbers = {path: int(path.stem) for path in files.strangers if path.stem.isdecimal()}
    ids = [number for number in numbers.values() if number in owners]
    if not ids:
        return {}
    if len(ids) < len(numbers) or _may_be_places(ids, owners):
        path = next(iter(numbers))
        raise LayoutError(
            f"{path.parent}: expected clips named by the YouTube id, or all by an audiocap_id of the table; got "
            f"{len(numbers)} named by a number, such as {path.name}, of which {len(ids)} are an audiocap_id, maybe by "
            "accident. If the numbers are places in some list, clips would get the captions of others: rename them; "
            "else move away those that are not of the table"
        )
    found: dict[YoutubeClip, list[pathlib.Path]] = {}
    for path, number in numbers.items():
        found.setdefault(owners[number], []).append(path)
    return found


def _may_be_places(ids: Collection[int], owners: Mapping[int, YoutubeClip]) -> bool:
    """Whether numbers may count the clips of the table, from 0 or from 1, and would then mean other clips."""
    clips = list(dict.fromkeys(owners.values()))
    if max(ids) > len(clips):
        return False
    counted = [dict(enumerate(clips, first)) for first in (0, 1)]
    return not any(all(places.get(number) == owners[number] for number in ids) for places in counted)
