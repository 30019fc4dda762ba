"""Data sets of clips with a class, read in the layouts in which their publishers distribute them."""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Iterator

from hear_tasks.evaluate.clip_files import YOUTUBE_NAMES, ClipFiles, find_youtube_clips
from hear_tasks.evaluate.listing import Entry, Listing, by_file, make_listing, require
from hear_tasks.evaluate.tables import WHOLE_NUMBER, LayoutError, read_table

ESC50_LAYOUT = "meta/esc50.csv and audio/, as ESC-50 is distributed"
URBANSOUND8K_LAYOUT = "metadata/UrbanSound8K.csv and audio/fold1/ to audio/fold10/, as UrbanSound8K is distributed"
TUT2017_LAYOUT = (
    "meta.txt (or evaluation_setup/evaluate.txt) and audio/, as TUT Acoustic Scenes 2017 is distributed, "
    "or its development and evaluation sets as folders that hold these"
)
VGGSOUND_LAYOUT = f"vggsound.csv and, in any folder, clips named {YOUTUBE_NAMES}"

_TUT_SIZES = {"development": (4680, 15), "evaluation": (1620, 15)}
_TUT_BOTH = (6300, 15)
_TUT_SET = re.compile(r"(?i)(?:^|[\W_])(dev|eval)(?:elopment|uation)?(?:$|[\W_])")
_OTHER_YEAR = re.compile(r"20(?!17)\d\d")


def read_esc50(data: pathlib.Path) -> Listing:
    """ESC-50: all five folds; the classes with underscores, as in its table."""
    require(data, ESC50_LAYOUT, "meta/esc50.csv", "audio/")
    rows = read_table(data / "meta/esc50.csv", ("filename", "category"))
    files = ClipFiles(data / "audio")
    named = ((row["filename"], row["filename"], (row["category"].strip(),)) for row in rows)
    return make_listing(by_file(files, data / "audio", named), files, [(2000, 50)], labelled=True)


def read_urbansound8k(data: pathlib.Path) -> Listing:
    """UrbanSound8K: all ten folds; the classes with spaces for the underscores of its table."""
    require(data, URBANSOUND8K_LAYOUT, "metadata/UrbanSound8K.csv", "audio/")
    columns = ("slice_file_name", "fold", "class")
    rows = read_table(data / "metadata/UrbanSound8K.csv", columns, checks={"fold": WHOLE_NUMBER})
    files = ClipFiles(data / "audio")
    named = (
        (name := row["slice_file_name"], os.path.join(f"fold{row['fold']}", name), (_spaced(row["class"]),))
        for row in rows
    )
    return make_listing(by_file(files, data / "audio", named), files, [(8732, 10)], labelled=True)


def _spaced(name: str) -> str:
    return name.strip().replace("_", " ")


def read_tut2017(data: pathlib.Path) -> Listing:
    """TUT Acoustic Scenes 2017: every set that is there, since the published figure is over both."""
    if not data.is_dir():
        raise FileNotFoundError(f"{data}: no such folder; expected one with {TUT2017_LAYOUT}")
    sets, remarks = ([data], []) if _tut_table(data) is not None else _tut_sets(data)
    for folder in sets:
        require(folder, TUT2017_LAYOUT, "audio/")
    remark = f"sets: {' and '.join(folder.resolve().name for folder in sets)}"
    if len(sets) < 2:
        remark += "; the published figure is over the development and the evaluation set: give the folder of both"
    files = ClipFiles(*(folder / "audio" for folder in sets))
    entries = (entry for folder in sets for entry in _tut_entries(files, folder, within=folder != data))
    sizes = [_TUT_BOTH] if len(sets) > 1 else list(_TUT_SIZES.values())
    return make_listing(entries, files, sizes, labelled=True, remarks=[remark, *remarks])


def _tut_sets(data: pathlib.Path) -> tuple[list[pathlib.Path], list[str]]:
    """The folders of the development and of the evaluation set in a folder, and a remark on others like them."""
    by_kind: dict[str, list[pathlib.Path]] = {}
    for folder in sorted(each for each in data.iterdir() if each.is_dir() and _tut_table(each) is not None):
        kind = _TUT_SET.search(folder.name)
        known = kind is not None and not _OTHER_YEAR.search(folder.name)
        by_kind.setdefault(kind[1].lower() if kind and known else "", []).append(folder)
    others = [folder.name for folder in by_kind.pop("", [])]
    if not by_kind:
        there = f"; {' and '.join(others)} have such a table, and the name of neither set" if others else ""
        raise LayoutError(f"{data}: expected {TUT2017_LAYOUT}; there is neither{there}")
    for folders in by_kind.values():
        if len(folders) > 1:
            names = " and ".join(folder.name for folder in folders)
            raise LayoutError(f"{data}: expected each set of TUT Acoustic Scenes 2017 once, got {names}; move one away")
    remarks = [f"folders with a table that are neither set by their names, left out: {', '.join(others)}"]
    return [folder for (folder,) in by_kind.values()], remarks if others else []


def _tut_table(folder: pathlib.Path) -> pathlib.Path | None:
    tables = (folder / "meta.txt", folder / "evaluation_setup" / "evaluate.txt")
    return next((table for table in tables if table.is_file()), None)


def _tut_entries(files: ClipFiles, folder: pathlib.Path, *, within: bool) -> Iterator[Entry]:
    """Entries of one set; both sets may name a file alike, so those of a set in a folder get its name."""
    table = _tut_table(folder)
    assert table is not None
    rows = read_table(table, ("file", "scene"), header=False, others=1, delimiter="\t")
    prefix = f"{folder.name}/" if within else ""
    yield from by_file(files, folder, ((prefix + row["file"], row["file"], (row["scene"].strip(),)) for row in rows))


def read_vggsound(data: pathlib.Path) -> Listing:
    """VGGSound: the clips of its test split that were fetched."""
    require(data, VGGSOUND_LAYOUT, "vggsound.csv")
    table = data / "vggsound.csv"
    columns = ("YouTube id", "start in seconds", "class", "split")
    splits = ("train or test", ("train", "test").__contains__)
    rows = read_table(table, columns, header=False, checks={columns[1]: WHOLE_NUMBER, "split": splits})
    clips = [(row[columns[0]].strip(), int(row[columns[1]])) for row in rows]
    tests = [(clip, row) for clip, row in zip(clips, rows, strict=True) if row["split"].strip() == "test"]
    if not tests:
        raise LayoutError(f"{table}: expected rows of the split 'test', got {len(rows)} rows without one")
    files = ClipFiles(data)
    found, remarks = find_youtube_clips(files, set(clips))
    entries = []
    for clip, row in tests:
        name = f"{clip[0]}_{clip[1]:06d}"
        entries.append(Entry(name, (row["class"].strip(),), files.choose(name, found.get(clip, []))))
    sizes = [(15_446, 309), (15_496, 309)]
    return make_listing(entries, files, sizes, labelled=True, names=YOUTUBE_NAMES, remarks=remarks)
