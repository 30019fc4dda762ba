"""Data sets of clips with captions, read in the layouts in which their publishers distribute them."""

from __future__ import annotations

import pathlib
from collections import Counter
from collections.abc import Sequence

from hear_tasks.evaluate.clip_files import YOUTUBE_NAMES, ClipFiles, find_numbered_clips, find_youtube_clips
from hear_tasks.evaluate.listing import Entry, Listing, by_file, make_listing, repeated_rows, require
from hear_tasks.evaluate.tables import WHOLE_NUMBER, LayoutError, read_table

AUDIOCAPS_NAMES = f"{YOUTUBE_NAMES}, or by an audiocap_id alone"
AUDIOCAPS_LAYOUT = f"test.csv and, in any folder, clips named {AUDIOCAPS_NAMES}"
CLOTHO_LAYOUT = "clotho_captions_evaluation.csv and evaluation/, as Clotho is distributed"

_CLOTHO_CAPTIONS = tuple(f"caption_{i}" for i in range(1, 6))


def read_audiocaps(data: pathlib.Path) -> Listing:
    """AudioCaps: the clips of its test split that were fetched, each with all its captions."""
    require(data, AUDIOCAPS_LAYOUT, "test.csv")
    columns = ("audiocap_id", "youtube_id", "start_time", "caption")
    checks = {"audiocap_id": WHOLE_NUMBER, "start_time": WHOLE_NUMBER}
    rows = read_table(data / "test.csv", columns, checks=checks)
    captions: dict[int, str] = {}
    owners: dict[int, tuple[str, int]] = {}
    for row in rows:
        number, clip = int(row["audiocap_id"]), (row["youtube_id"].strip(), int(row["start_time"]))
        if (owners.setdefault(number, clip), captions.setdefault(number, row["caption"])) != (clip, row["caption"]):
            raise LayoutError(f"{data / 'test.csv'}: audiocap_id {number} is there twice, with different rows")
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
    return make_listing(entries, files, sizes, labelled=False, names=AUDIOCAPS_NAMES, remarks=remarks)


def _odd_counts(entries: Sequence[Entry]) -> list[str]:
    """Says which clips have more or fewer captions than the five of AudioCaps' test split."""
    odd = [entry for entry in entries if len(entry.texts) != 5]
    if not odd:
        return []
    return [f"clips without five captions: {len(odd)}, such as {odd[0].name}, which has {len(odd[0].texts)}"]


def read_clotho(data: pathlib.Path) -> Listing:
    """Clotho: its evaluation split."""
    require(data, CLOTHO_LAYOUT, "clotho_captions_evaluation.csv", "evaluation/")
    rows = read_table(data / "clotho_captions_evaluation.csv", ("file_name", *_CLOTHO_CAPTIONS))
    files = ClipFiles(data / "evaluation")
    named = ((row["file_name"], row["file_name"], tuple(row[each] for each in _CLOTHO_CAPTIONS)) for row in rows)
    return make_listing(by_file(files, data / "evaluation", named), files, [(1045, 5225)], labelled=False)
