"""Data sets of clips with a class, read in the layouts in which their publishers distribute them."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

from hear_tasks.evaluate.listing import AudioFiles, Listing, make_listing, require
from hear_tasks.evaluate.tables import LayoutError, read_plain_table, read_table

ESC50_LAYOUT = "meta/esc50.csv and audio/, as ESC-50 is distributed"
URBANSOUND8K_LAYOUT = "metadata/UrbanSound8K.csv and audio/fold1/ to audio/fold10/, as UrbanSound8K is distributed"
TUT2017_LAYOUT = (
    "meta.txt (or evaluation_setup/evaluate.txt) and audio/, as TUT Acoustic Scenes 2017 is distributed, "
    "or its development and evaluation sets as folders that hold these"
)
VGGSOUND_LAYOUT = "vggsound.csv and, in any folder, clips named by YouTube id and start, such as --0PQM4-hqg_000030.wav"


def read_esc50(data: pathlib.Path) -> Listing:
    """ESC-50: all five folds; the classes with underscores, as in its table."""
    require(data, ESC50_LAYOUT, "meta/esc50.csv", "audio/")
    rows = read_table(data / "meta/esc50.csv", ("filename", "category"))
    entries = ((row["filename"], data / "audio" / row["filename"], (row["category"].strip(),)) for row in rows)
    return make_listing(entries, data / "audio", labelled=True)


def read_urbansound8k(data: pathlib.Path) -> Listing:
    """UrbanSound8K: all ten folds; the classes with spaces for the underscores of its table."""
    require(data, URBANSOUND8K_LAYOUT, "metadata/UrbanSound8K.csv", "audio/")
    rows = read_table(data / "metadata/UrbanSound8K.csv", ("slice_file_name", "fold", "class"))
    entries = (
        (
            row["slice_file_name"],
            data / "audio" / f"fold{row['fold']}" / row["slice_file_name"],
            (row["class"].strip().replace("_", " "),),
        )
        for row in rows
    )
    return make_listing(entries, data / "audio", labelled=True)


def read_tut2017(data: pathlib.Path) -> Listing:
    """TUT Acoustic Scenes 2017: every set that is there, since the published figure is over both."""
    if not data.is_dir():
        raise FileNotFoundError(f"{data}: no such folder; expected one with {TUT2017_LAYOUT}")
    inner = (each for each in data.iterdir() if each.is_dir() and _tut_table(each) is not None)
    sets = [data] if _tut_table(data) is not None else sorted(inner)
    if not sets:
        raise LayoutError(f"{data}: expected {TUT2017_LAYOUT}; there is neither")
    for folder in sets:
        require(folder, TUT2017_LAYOUT, "audio/")
    remark = f"sets: {' and '.join(folder.resolve().name for folder in sets)}"
    if len(sets) < 2:
        remark += "; the published figure is over the development and the evaluation set: give the folder of both"
    entries = (entry for folder in sets for entry in _tut_entries(folder, within=folder != data))
    return make_listing(entries, data, labelled=True, remarks=[remark])


def _tut_table(folder: pathlib.Path) -> pathlib.Path | None:
    tables = (folder / "meta.txt", folder / "evaluation_setup" / "evaluate.txt")
    return next((table for table in tables if table.is_file()), None)


def _tut_entries(folder: pathlib.Path, *, within: bool) -> Iterator[tuple[str, pathlib.Path | None, tuple[str, ...]]]:
    """Entries of one set; both sets may name a file alike, so those of a set in a folder get its name."""
    table = _tut_table(folder)
    assert table is not None
    for name, scene, *_ in read_plain_table(table, ("file", "scene"), "\t"):
        yield f"{folder.name}/{name}" if within else name, folder / name, (scene.strip(),)


def read_vggsound(data: pathlib.Path) -> Listing:
    """VGGSound: the clips of its test split that were fetched."""
    require(data, VGGSOUND_LAYOUT, "vggsound.csv")
    table = data / "vggsound.csv"
    rows = read_plain_table(table, ("YouTube id", "start in seconds", "class", "split"), ",")
    tests = [row for row in rows if row[3].strip() == "test"]
    if not tests:
        raise LayoutError(f"{table}: expected rows of the split 'test', got {len(rows)} rows without one")
    files = AudioFiles(data)
    names = [f"{row[0]}_{_whole_seconds(table, row[1]):06d}" for row in tests]
    entries = [(name, files.find([name]), (row[2].strip(),)) for name, row in zip(names, tests, strict=True)]
    return make_listing(entries, data, labelled=True, files=files)


def _whole_seconds(table: pathlib.Path, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise LayoutError(f"{table}: expected a start in whole seconds, got {text!r}") from None
