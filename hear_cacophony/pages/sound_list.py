"""A page with a list of sounds: a player and a picture of each, and what was found out about it."""

from __future__ import annotations

import itertools
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from hear_cacophony.pages.blocks import Block, Column, Facts, Page, Table, Text
from hear_cacophony.pages.folder import PageFolder, write_page
from hear_cacophony.pages.sounds import SoundCells
from hear_cacophony.progress import FileProgress


def write_sound_list(
    file: pathlib.Path,
    title: str,
    facts: Sequence[tuple[str, str]],
    columns: Sequence[Column],
    rows: Sequence[tuple[str, Sequence[Any]]],
    remarks: Sequence[str] = (),
    *,
    below: Sequence[Mapping[str, Any]] | None = None,
    more: Sequence[Block] = (),
) -> None:
    """Write a page with a list of sounds, and a folder of its files beside it.

    Args:
        file: the page.
        title: of the page.
        facts: what was done, in pairs of a name and a text.
        columns: what is told of each sound, beside the sound itself and its file.
        rows: of each the audio file, and the cells of `columns`.
        remarks: what is to be known of the numbers.
        below: of each row what is drawn along time below its spectrogram; see `SoundCells.cell`.
        more: what follows the list.

    Raises:
        ModuleNotFoundError, OSError, ValueError: see `check_page`.
    """

    def build(pages: PageFolder) -> Page:
        sounds = SoundCells(pages)
        with FileProgress(f"{file.name}: pictures", len({name for name, _ in rows})) as progress:
            table = Table(
                [Column("sound", "sound", wide=below is not None), Column("file", wide=True), *columns],
                list(_listed(rows, below or itertools.repeat(None, len(rows)), sounds, progress)),
                f"{title}: {len(rows)} rows",
            )
        blocks: list[Block] = [Facts(facts)]
        if remarks:
            blocks.append(Text(remarks))
        if sounds.faults:
            blocks.append(Text([_told(sounds.faults)], warns=True))
        return Page(title, [*blocks, table, *more])

    write_page(file, build)


def _listed(
    rows: Iterable[tuple[str, Sequence[Any]]],
    below: Iterable[Mapping[str, Any] | None],
    sounds: SoundCells,
    progress: FileProgress,
) -> Iterator[list[Any]]:
    seen: set[str] = set()
    for (name, cells), drawn in zip(rows, below, strict=True):
        yield [sounds.cell(name, drawn), name, *cells]
        progress.advance(name not in seen)
        seen.add(name)


def _told(faults: dict[str, str]) -> str:
    first = next(iter(faults))
    reason = faults[first].removeprefix(f"{first}: ")
    return f"{len(faults)} sounds could not be read for their pictures; the first, {os.path.basename(first)}: {reason}"
