"""The data sets of the published evaluations: the layouts in which their publishers distribute them, and how each was
evaluated."""

from __future__ import annotations

import dataclasses
import difflib
import enum
import os
import pathlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from hear_tasks.evaluate.clip_files import YOUTUBE_NAMES, ClipFiles, find_numbered_clips, find_youtube_clips
from hear_tasks.evaluate.listing import Entry, Listing, by_file, make_listing, repeated_rows, require
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
_TUT_FOLD = re.compile(r"fold(\d+)_(?:evaluate|test)\.txt")
AUDIOCAPS_NAMES = f"{YOUTUBE_NAMES}, or by an audiocap_id alone"
AUDIOCAPS_LAYOUT = f"test.csv and, in any folder, clips named {AUDIOCAPS_NAMES}"
CLOTHO_LAYOUT = "clotho_captions_evaluation.csv and evaluation/, as Clotho is distributed"

_ESC50_CLASS = re.compile(r"^\d+-\d+-[A-Z]-(\d+)\.")
_URBANSOUND8K_CLASS = re.compile(r"^\d+-(\d+)-\d+-\d+\.")
_TUT_RECORDING = re.compile(r"([^/]+)_\d+_\d+\.[^/]+$")
"""What in the name of a file tells its class by a number, or that several are of one recording."""

_CLOTHO_CAPTIONS = tuple(f"caption_{i}" for i in range(1, 6))


def read_esc50(data: pathlib.Path) -> Listing:
    """ESC-50: all five folds; the classes with underscores, as in its table."""
    require(data, ESC50_LAYOUT, "meta/esc50.csv", "audio/")
    table = data / "meta/esc50.csv"
    rows = read_table(table, ("filename", "category", "fold"), checks={"fold": WHOLE_NUMBER})
    files = ClipFiles(data / "audio")
    named = ((row["filename"], row["filename"], (row["category"].strip(),)) for row in rows)
    folds = _folds((table, row["filename"], _fold(row)) for row in rows)
    entries = by_file(files, data / "audio", named)
    return make_listing(entries, files, [(2000, 50)], labelled=True, tables=[table], folds=folds, group=_ESC50_CLASS)


def read_urbansound8k(data: pathlib.Path) -> Listing:
    """UrbanSound8K: all ten folds; the classes with spaces for the underscores of its table."""
    require(data, URBANSOUND8K_LAYOUT, "metadata/UrbanSound8K.csv", "audio/")
    table, columns = data / "metadata/UrbanSound8K.csv", ("slice_file_name", "fold", "class")
    rows = read_table(table, columns, checks={"fold": WHOLE_NUMBER})
    files = ClipFiles(data / "audio")
    named = (
        (name := row["slice_file_name"], os.path.join(f"fold{_fold(row)}", name), (_spaced(row["class"]),))
        for row in rows
    )
    folds = _folds((table, row["slice_file_name"], _fold(row)) for row in rows)
    entries = by_file(files, data / "audio", named)
    return make_listing(
        entries, files, [(8732, 10)], labelled=True, tables=[table], folds=folds, group=_URBANSOUND8K_CLASS
    )


def _fold(row: Mapping[str, str]) -> str:
    """As the folders name it, whatever spaces or zeros a program has written before it."""
    return str(int(row["fold"]))


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
    folds = _folds(row for folder in sets for row in _tut_folds(folder, within=folder != data))
    tables = [table for folder in sets if (table := _tut_table(folder)) is not None]
    told = [remark, *remarks]
    return make_listing(
        entries, files, sizes, labelled=True, tables=tables, remarks=told, folds=folds, group=_TUT_RECORDING
    )


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


def _tut_folds(folder: pathlib.Path, *, within: bool) -> Iterator[tuple[pathlib.Path, str, str]]:
    """Tables, clips and the fold that each is tested in; none of the evaluation set, which is tested whole."""
    prefix = f"{folder.name}/" if within else ""
    for table in sorted(folder.glob("evaluation_setup/fold*_*.txt")):
        if found := _TUT_FOLD.fullmatch(table.name):
            for row in read_table(table, ("file",), header=False, others=2, delimiter="\t"):
                yield table, prefix + row["file"], str(int(found[1]))


def _folds(rows: Iterable[tuple[pathlib.Path, str, str]]) -> dict[str, str]:
    """The fold of each clip, from tables, clips and folds; LayoutError where a clip is in two."""
    folds: dict[str, str] = {}
    for table, clip, fold in rows:
        if folds.setdefault(clip, fold) != fold:
            raise LayoutError(f"{table}: expected each clip in one fold, {clip} is in {folds[clip]} and in {fold}")
    return folds


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
    training = {clip for clip, row in zip(clips, rows, strict=True) if row["split"].strip() != "test"}
    if not tests:
        raise LayoutError(f"{table}: expected rows of the split 'test', got {len(rows)} rows without one")
    files = ClipFiles(data)
    found, remarks = find_youtube_clips(files, set(clips))
    both = sum(clip in training for clip, _ in tests)
    remarks += [f"clips of the test split that are in the training split, too: {both}"] if both else []
    entries = []
    for clip, row in tests:
        name = f"{clip[0]}_{clip[1]:06d}"
        entries.append(Entry(name, (row["class"].strip(),), files.choose(name, found.get(clip, []))))
    sizes = [(15_446, 309), (15_496, 309)]
    return make_listing(entries, files, sizes, labelled=True, tables=[table], names=YOUTUBE_NAMES, remarks=remarks)


def read_audiocaps(data: pathlib.Path) -> Listing:
    """AudioCaps: the clips of its test split that were fetched, each with all its captions."""
    require(data, AUDIOCAPS_LAYOUT, "test.csv")
    columns = ("audiocap_id", "youtube_id", "start_time", "caption")
    checks = {"audiocap_id": WHOLE_NUMBER, "start_time": WHOLE_NUMBER}
    table = data / "test.csv"
    rows = read_table(table, columns, checks=checks)
    captions: dict[int, str] = {}
    owners: dict[int, tuple[str, int]] = {}
    for row in rows:
        number, clip = int(row["audiocap_id"]), (row["youtube_id"].strip(), int(row["start_time"]))
        if (owners.setdefault(number, clip), captions.setdefault(number, row["caption"])) != (clip, row["caption"]):
            raise LayoutError(f"{table}: audiocap_id {number} is there twice, with different rows")
    files = ClipFiles(data)
    found, remarks = find_youtube_clips(files, set(owners.values()))
    for clip, paths in find_numbered_clips(files, owners).items():
        found.setdefault(clip, []).extend(paths)
    texts: dict[tuple[str, int], list[str]] = {}
    for number, clip in owners.items():
        texts.setdefault(clip, []).append(captions[number])
    several = Counter(youtube_id for youtube_id, _ in texts)
    entries = []
    for clip, its_captions in texts.items():
        name = clip[0] if several[clip[0]] == 1 else f"{clip[0]}_{clip[1]}"
        entries.append(Entry(name, tuple(its_captions), files.choose(name, found.get(clip, []))))
    remarks += [repeated_rows(len(rows) - len(owners))] if len(owners) < len(rows) else []
    remarks += _odd_counts(entries)
    sizes = [(975, 4875), (957, 4785)]
    return make_listing(entries, files, sizes, labelled=False, tables=[table], names=AUDIOCAPS_NAMES, remarks=remarks)


def _odd_counts(entries: Sequence[Entry]) -> list[str]:
    """Says which clips have more or fewer captions than the five of AudioCaps' test split."""
    odd = [entry for entry in entries if len(entry.texts) != 5]
    if not odd:
        return []
    return [f"clips without five captions: {len(odd)}, such as {odd[0].name}, which has {len(odd[0].texts)}"]


def read_clotho(data: pathlib.Path) -> Listing:
    """Clotho: its evaluation split."""
    require(data, CLOTHO_LAYOUT, "clotho_captions_evaluation.csv", "evaluation/")
    table = data / "clotho_captions_evaluation.csv"
    rows = read_table(table, ("file_name", *_CLOTHO_CAPTIONS))
    files = ClipFiles(data / "evaluation")
    named = ((row["file_name"], row["file_name"], tuple(row[each] for each in _CLOTHO_CAPTIONS)) for row in rows)
    entries = by_file(files, data / "evaluation", named)
    return make_listing(entries, files, [(1045, 5225)], labelled=False, tables=[table])


class Evaluation(enum.StrEnum):
    """What is evaluated."""

    ZERO_SHOT = "zero-shot"
    RETRIEVAL = "retrieval"
    CAPTIONING = "captioning"


@dataclasses.dataclass(frozen=True)
class Dataset:
    """One data set.

    Attributes:
        name: its name on the command line.
        title: its name in the table of published figures.
        evaluations: what it is for.
        read: reads a folder that holds it.
        layout: what this folder has to hold.
        complete: whether its audio is distributed as a whole, so that a missing clip is a fault; for the others
            everyone fetches the clips that are still there.
        template: the published prompt of zero-shot classification, {} being the class; "" without.
        published_seconds: audio that the published retrieval or classification took of each clip.
        published_tokens: longest text in it.
    """

    name: str
    title: str
    evaluations: tuple[Evaluation, ...]
    read: Callable[[pathlib.Path], Listing]
    layout: str
    complete: bool
    template: str
    published_seconds: int
    published_tokens: int


_CLASSES = (Evaluation.ZERO_SHOT,)
_CAPTIONS = (Evaluation.RETRIEVAL, Evaluation.CAPTIONING)
_OF, _ON = "This is a sound of {}", "This is a sound on {}"

# One row a data set; Dataset names the fields.
# fmt: off
DATASETS = tuple(Dataset(*row) for row in (
    ("esc50", "ESC-50", _CLASSES, read_esc50, ESC50_LAYOUT, True, _OF, 10, 77),
    ("urbansound8k", "UrbanSound8K",
     _CLASSES, read_urbansound8k, URBANSOUND8K_LAYOUT, True, _OF, 10, 77),
    ("tut2017", "TUT Acoustic Scenes 2017",
     _CLASSES, read_tut2017, TUT2017_LAYOUT, True, _ON, 10, 77),
    ("vggsound", "VGGSound test", _CLASSES, read_vggsound, VGGSOUND_LAYOUT, False, _OF, 10, 77),
    ("audiocaps", "AudioCaps test",
     _CAPTIONS, read_audiocaps, AUDIOCAPS_LAYOUT, False, "", 10, 77),
    ("clotho", "Clotho evaluation", _CAPTIONS, read_clotho, CLOTHO_LAYOUT, True, "", 30, 100),
))
# fmt: on


def find_dataset(name: str, evaluation: Evaluation) -> Dataset:
    """The data set of this name or title, in any case and with any punctuation.

    Raises:
        ValueError: there is none, or it is not for this evaluation; the message lists those that are.
    """
    fitting = [dataset for dataset in DATASETS if evaluation in dataset.evaluations]
    found = next((each for each in DATASETS if _plain(name) in (_plain(each.name), _plain(each.title))), None)
    if found in fitting:
        return found
    listed = ", ".join(dataset.name for dataset in fitting)
    if found is not None:
        raise ValueError(f"{name} is not for {evaluation} evaluation; expected one of {listed}")
    near = difflib.get_close_matches(_plain(name), [dataset.name for dataset in DATASETS], n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ValueError(f"unknown data set {name!r}; expected one of {listed}{hint}")


def _plain(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())
