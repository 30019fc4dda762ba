"""What a data set holds: its clips, with a class or captions; those that are missing; whether its table is whole."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from hear_tasks.evaluate.clip_files import UNREADABLE, ClipFiles, is_readable
from hear_tasks.evaluate.tables import LayoutError, ends_with_a_line
from hear_tasks.similar_names import describe_similar


@dataclasses.dataclass(frozen=True)
class Entry:
    """A clip as the data set's table has it.

    Attributes:
        name: of the clip.
        texts: its class alone, or its captions.
        path: its file, None where there is none.
        expected: where a file of the table's own name would lie; None where any name does.
    """

    name: str
    texts: tuple[str, ...]
    path: pathlib.Path | None
    expected: pathlib.Path | None = None


@dataclasses.dataclass(frozen=True)
class Clip:
    """One clip of a data set.

    Attributes:
        number: its place among the clips of the table, whether these are there or not.
        name: as the data set's table names it.
        path: its file.
        texts: its class alone, or its captions.
        fold: of the data set, "" where it has none.
    """

    number: int
    name: str
    path: pathlib.Path
    texts: tuple[str, ...]
    fold: str = ""


Size = tuple[int, int]
"""How much a data set's table holds: clips, and their classes or all their captions."""


@dataclasses.dataclass(frozen=True)
class Listing:
    """The clips of a data set that are on this machine.

    Attributes:
        clips: in the order of the data set's table.
        missing: names of clips that the table has and the folder lacks.
        unreadable: why clips cannot be read, by file, as far as their names tell.
        classes: all classes of the table, sorted; none in a data set of captions.
        remarks: what else is to be said of the data set.
        faults: what must be wrong with it.
    """

    clips: tuple[Clip, ...]
    missing: tuple[str, ...]
    unreadable: dict[str, str]
    classes: tuple[str, ...]
    remarks: tuple[str, ...]
    faults: tuple[str, ...]

    @property
    def listed(self) -> int:
        """Clips in the table."""
        return len(self.clips) + len(self.missing) + len(self.unreadable)


def make_listing(
    entries: Iterable[Entry],
    files: ClipFiles,
    published: Sequence[Size],
    *,
    labelled: bool,
    tables: Sequence[pathlib.Path],
    names: str = "the names of the table",
    group: re.Pattern[str] | None = None,
    remarks: Sequence[str] = (),
    folds: Mapping[str, str] | None = None,
) -> Listing:
    """A listing of the entries of a table.

    `published` holds the sizes of the table as it is published, `tables` its files, `names` those that clips may have,
    in words, `folds` the fold of each clip by its name. What `group` finds in a clip's name has one class alone.

    Raises:
        LayoutError: a name is there twice with different texts, two names are of one file, a group has two classes, or
            no clip is there that can be read.
    """
    table, repeated = _distinct(entries, files)
    if group is not None:
        _check_groups(table, group, tables)
    missing = [entry for entry in table if entry.path is None]
    there = [(number, entry, entry.path) for number, entry in enumerate(table) if entry.path is not None]
    _check_files(there)
    clips = tuple(
        Clip(number, entry.name, path, entry.texts, (folds or {}).get(entry.name, ""))
        for number, entry, path in there
        if is_readable(path)
    )
    unreadable = {str(path): f"{path.suffix} {UNREADABLE}" for _, _, path in there if not is_readable(path)}
    if not clips:
        example = f", such as {table[0].name!r}" if table else ""
        raise LayoutError(
            f"expected clips in {' and '.join(map(str, files.folders))}, found none of the {len(table)} in the "
            f"table{example}, under {names}; {files.describe()}"
        )
    classes = {text for entry in table for text in entry.texts} if labelled else set()
    odd = _odd_size(table, classes, published)
    cut = [f"sound files that the table lacks: {len(files.strangers)}"] if files.strangers else []
    cut += [f"the last line of {each.name} has no end" for each in tables if not ends_with_a_line(each)]
    return Listing(
        clips,
        tuple(entry.name for entry in missing),
        unreadable,
        tuple(sorted(classes)),
        (*remarks, *odd, *files.remarks, *_alike_classes(classes), *_alike_files(missing), *repeated),
        (f"{odd[0]}; {'; '.join(cut)}; was it cut?",) if odd and cut else (),
    )


def _distinct(entries: Iterable[Entry], files: ClipFiles) -> tuple[list[Entry], list[str]]:
    """The entries, each name once, and a remark on those that were there again."""
    table: dict[str, Entry] = {}
    repeated = 0
    for entry in entries:
        first = table.setdefault(entry.name, entry)
        if first.texts != entry.texts:
            where = " and ".join(map(str, files.folders))
            raise LayoutError(f"{where}: {entry.name!r} is in the table twice, as {first.texts} and as {entry.texts}")
        repeated += first is not entry
    return list(table.values()), [repeated_rows(repeated)] if repeated else []


def _check_files(there: Iterable[tuple[int, Entry, pathlib.Path]]) -> None:
    """Each clip has a file of its own, though a name may have another ending than its file."""
    first: dict[pathlib.Path, str] = {}
    for _, entry, path in there:
        if first.setdefault(path, entry.name) != entry.name:
            raise LayoutError(f"{path}: expected one clip of the table, got {first[path]!r} and {entry.name!r}")


def _check_groups(table: Iterable[Entry], group: re.Pattern[str], files: Sequence[pathlib.Path]) -> None:
    first: dict[str, Entry] = {}
    for entry in table:
        if found := group.search(entry.name):
            other = first.setdefault(found[1], entry)
            if _plain(other.texts[0]) != _plain(entry.texts[0]):
                where = " and ".join(map(str, files))
                raise LayoutError(
                    f"{where}: expected one class of all clips with {found[1]!r} at that place of their names, got "
                    f"{other.texts[0]!r} of {other.name} and {entry.texts[0]!r} of {entry.name}; was a line cut, or "
                    "one column sorted alone?"
                )


def repeated_rows(count: int) -> str:
    """The remark on rows that are there again."""
    return f"rows of the table that repeat another: {count}; each counts once"


def _odd_size(table: Sequence[Entry], classes: Collection[str], published: Sequence[Size]) -> list[str]:
    """Says where a table holds more or less than it does as it is published."""
    unit, texts = ("classes", len(classes)) if classes else ("captions", sum(len(entry.texts) for entry in table))
    if (len(table), texts) in published:
        return []
    known = " or ".join(f"{clips:,} and {texts:,}" for clips, texts in published)
    return [f"the table has {len(table):,} clips and {texts:,} {unit}, the published one {known}"]


def _alike_classes(classes: Iterable[str]) -> list[str]:
    """Says which classes are one, but for case and blanks."""
    alike: dict[str, list[str]] = {}
    for name in sorted(classes):
        alike.setdefault(_plain(name), []).append(name)
    pairs = [" and ".join(map(repr, names)) for names in alike.values() if len(names) > 1]
    return [f"classes that differ in case or blanks alone, and count apart: {', '.join(pairs)}"] if pairs else []


def _plain(name: str) -> str:
    return " ".join(name.casefold().split())


def _alike_files(missing: Iterable[Entry]) -> list[str]:
    """Says which clips that are missing are there under a name that looks the same, or nearly."""
    by_folder: dict[pathlib.Path, list[str]] = {}
    for path in (entry.expected for entry in missing):
        if path is not None and path.parent.is_dir():
            by_folder.setdefault(path.parent, []).append(path.name)
    found: dict[str, str] = {}
    for folder, names in by_folder.items():
        found |= describe_similar(names, os.listdir(folder), "the table")
    if not found:
        return []
    name, told = next(iter(found.items()))
    return [f"missing clips with a name much like that of a file: {len(found)}; of {name!r}, {told}"]


def by_file(
    files: ClipFiles, folder: pathlib.Path, named: Iterable[tuple[str, str, tuple[str, ...]]]
) -> Iterator[Entry]:
    """Entries of clips by their names, the paths of their files in a folder, and their texts.

    Raises:
        LayoutError: a path leads out of the folder; links inside may lead where they do.
    """
    inside = os.path.join(os.path.abspath(folder), "")
    for name, file, texts in named:
        path = folder / file
        if not os.path.abspath(path).startswith(inside):
            raise LayoutError(f"{folder}: expected names of clips in this folder, but {file!r} leads to {path}")
        yield Entry(name, texts, files.at(path), path)


def require(data: pathlib.Path, layout: str, *parts: str) -> None:
    """Check that files and folders are where a publisher puts them.

    Parts that end in "/" are folders.

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
