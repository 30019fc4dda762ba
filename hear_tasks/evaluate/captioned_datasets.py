"""Data sets of clips with captions, read in the layouts in which their publishers distribute them."""

from __future__ import annotations

import pathlib
from collections import Counter
from collections.abc import Iterator, Sequence

from hear_tasks.evaluate.listing import AudioFiles, Listing, make_listing, require
from hear_tasks.evaluate.tables import read_table

AUDIOCAPS_LAYOUT = (
    "test.csv and, in any folder, clips named by the YouTube id, alone or with its start, or by the audiocap_id"
)
CLOTHO_LAYOUT = "clotho_captions_evaluation.csv and evaluation/, as Clotho is distributed"

_SECONDS = 10
"""Length of AudioCaps' clips, which some names end in."""

_CLOTHO_CAPTIONS = tuple(f"caption_{i}" for i in range(1, 6))


def read_audiocaps(data: pathlib.Path) -> Listing:
    """AudioCaps: the clips of its test split that were fetched, each with all its captions."""
    require(data, AUDIOCAPS_LAYOUT, "test.csv")
    rows = read_table(data / "test.csv", ("audiocap_id", "youtube_id", "start_time", "caption"))
    by_clip: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in rows:
        by_clip.setdefault((row["youtube_id"], row["start_time"]), []).append(row)
    starts = Counter(youtube_id for youtube_id, _ in by_clip)
    files = AudioFiles(data)
    entries = [
        (
            youtube_id if starts[youtube_id] == 1 else f"{youtube_id}_{start}",
            files.find(_audiocaps_names(youtube_id, start, its_rows, alone=starts[youtube_id] == 1)),
            tuple(row["caption"] for row in its_rows),
        )
        for (youtube_id, start), its_rows in by_clip.items()
    ]
    return make_listing(entries, data, labelled=False, files=files)


def _audiocaps_names(youtube_id: str, start: str, rows: Sequence[dict[str, str]], *, alone: bool) -> Iterator[str]:
    """Names under which the usual programs store a clip; the id `alone` where no other clip has it."""
    spans = [start]
    if start.isdigit():
        stop = int(start) + _SECONDS
        spans = [start, f"{start}_{stop}", f"{int(start) * 1000}_{stop * 1000}", f"{int(start):06d}"]
    for prefix in ("", "Y"):
        if alone:
            yield prefix + youtube_id
        yield from (f"{prefix}{youtube_id}_{span}" for span in spans)
    yield from (row["audiocap_id"] for row in rows)


def read_clotho(data: pathlib.Path) -> Listing:
    """Clotho: its evaluation split."""
    require(data, CLOTHO_LAYOUT, "clotho_captions_evaluation.csv", "evaluation/")
    rows = read_table(data / "clotho_captions_evaluation.csv", ("file_name", *_CLOTHO_CAPTIONS))
    folder = data / "evaluation"
    entries = [(row["file_name"], folder / row["file_name"], tuple(row[c] for c in _CLOTHO_CAPTIONS)) for row in rows]
    known = {row["file_name"] for row in rows}
    strangers = sorted(path.name for path in folder.glob("*.wav") if path.name not in known)
    remarks = [f"files without captions, left out: {len(strangers)}, such as {strangers[0]}"] if strangers else []
    return make_listing(entries, folder, labelled=False, remarks=remarks)
