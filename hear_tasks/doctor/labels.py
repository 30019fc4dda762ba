"""The label vocabulary of a task, and the labels that its splits use."""

from __future__ import annotations

import collections
import csv
import dataclasses
import difflib
import io
import pathlib
from collections.abc import Iterable, Iterator, Sequence

from hear_tasks.doctor.finding import Findings
from hear_tasks.doctor.metadata import TRAIN_VALID_TEST, Metadata
from hear_tasks.doctor.splits import Split
from hear_tasks.doctor.text_files import BYTE_ORDER_MARK, UNPACK_AGAIN, FileFault, describe_type, listed, read_text
from hear_tasks.registry import EmbeddingType, PredictionType
from hear_tasks.task_folder import METADATA_FILE, VOCABULARY_FILE

# fmt: off
_MISSING = frozenset([
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
])
# fmt: on
"""What pandas, with which heareval reads the vocabulary, takes for a missing value."""

UNTRAINED_SHARE = 0.05
"""Share of the tested events with labels that were never trained on, from which it is worth a warning."""


def check_vocabulary(folder: pathlib.Path, metadata: Metadata, findings: Findings) -> tuple[str, ...] | None:
    """Check the vocabulary; its labels as heareval will see them, None if there is no telling."""
    try:
        rows = _read_rows(read_text(folder / VOCABULARY_FILE).removeprefix(BYTE_ORDER_MARK))
    except FileFault as fault:
        findings.error("vocabulary-unreadable", VOCABULARY_FILE, str(fault), fault.fix)
        return None
    if not rows:
        findings.error("vocabulary-empty", VOCABULARY_FILE, "expected a line for each label, got none", UNPACK_AGAIN)
        return None
    _check_indices([row.index for row in rows], findings)
    labels = [row.label for row in rows]
    _check_labels(labels, findings)
    task = metadata.hear_task
    if task and len(rows) != task.classes:
        findings.warn(
            "vocabulary-registry",
            VOCABULARY_FILE,
            f"expected the {task.classes} labels of {task.directory}, got {len(rows)}",
            "unpack the task's tarball again, or give a task of your own another name: scores on it cannot be compared",
        )
    return tuple(_as_read(labels))


@dataclasses.dataclass(frozen=True)
class _Row:
    index: str
    label: str


def _read_rows(text: str) -> list[_Row]:
    try:
        rows = [(number, row) for number, row in enumerate(csv.reader(io.StringIO(text), strict=True), 1) if row]
    except csv.Error as error:
        raise FileFault(f"expected CSV, could not read it: {error}") from error
    if not rows:
        raise FileFault("expected the header idx,label, got an empty file")
    header = rows[0][1]
    if not {"idx", "label"} <= set(header):
        raise FileFault(f"expected the header idx,label, got {','.join(header)!r}", "make idx,label its first line")
    for number, row in rows[1:]:
        if len(row) != len(header):
            fix = "put labels with commas in double quotes"
            raise FileFault(f"expected {len(header)} values in line {number}, got {','.join(row)!r}", fix)
    index, label = header.index("idx"), header.index("label")
    return [_Row(row[index], row[label]) for _, row in rows[1:]]


def _check_indices(indices: list[str], findings: Findings) -> None:
    fix = f"number the labels from 0 to {len(indices) - 1}"
    bad = [index for index in indices if not (index.strip().isascii() and index.strip().isdigit())]
    if bad:
        message = f"expected whole numbers from 0 in the column idx, got {listed([repr(each) for each in bad])}"
        findings.error("vocabulary-index", VOCABULARY_FILE, message, fix)
        return
    counts = collections.Counter(map(int, indices))
    repeated = sorted(index for index, count in counts.items() if count > 1)
    if repeated:
        message = f"expected each idx once, got more than once: {listed(list(map(str, repeated)))}"
        findings.error("vocabulary-index", VOCABULARY_FILE, message, fix)
    absent = sorted(set(range(len(indices))) - set(counts))
    if absent and not repeated:
        message = (
            f"expected idx from 0 to {len(indices) - 1} without a gap, found no {listed(list(map(str, absent)))} "
            f"and {max(counts)} as the highest"
        )
        findings.error("vocabulary-index", VOCABULARY_FILE, message, fix)


def _check_labels(labels: list[str], findings: Findings) -> None:
    repeated = [label for label, count in collections.Counter(labels).items() if count > 1]
    if repeated:
        message = f"expected each label once, got more than once: {listed([repr(label) for label in repeated])}"
        findings.error(
            "vocabulary-repeated", VOCABULARY_FILE, message, "delete all but one, and number the labels anew"
        )
    empty = sum(not label.strip() for label in labels)
    if empty:
        findings.error(
            "vocabulary-label", VOCABULARY_FILE, f"expected a label in each line, got {empty} without", UNPACK_AGAIN
        )
    missing = [label for label in labels if label in _MISSING and label]
    if missing:
        findings.error(
            "vocabulary-label",
            VOCABULARY_FILE,
            f"expected labels that stay text, got {listed([repr(label) for label in missing])}, which heareval (by "
            "pandas) reads as a missing value",
            "rename the label here and in the split files",
        )


def _as_read(labels: Sequence[str]) -> Iterator[str]:
    """Labels as heareval sees them: pandas turns a column of whole numbers into numbers, which lose their form."""
    whole = all(label.strip().removeprefix("-").isdigit() and label.isascii() for label in labels)
    return (str(int(label)) if whole and len(label) < 19 else label for label in labels)


def check_scene_labels(
    splits: Iterable[Split], vocabulary: tuple[str, ...] | None, metadata: Metadata, findings: Findings
) -> dict[str, collections.Counter[str]]:
    """Check the labels of a scene task; how often each split uses each label."""
    used, known = {}, None if vocabulary is None else set(vocabulary)
    for split in splits:
        unknown: dict[str, list[str]] = {}
        counts: collections.Counter[str] = collections.Counter()
        for clip, labels in (split.clips or {}).items():
            texts = _clip_labels(split, clip, labels, metadata, findings)
            counts.update(texts)
            for text in texts:
                if known is not None and text not in known:
                    unknown.setdefault(text, []).append(clip)
        report_unknown(split, unknown, vocabulary or (), findings)
        used[split.name] = counts
    return used


def _clip_labels(split: Split, clip: str, labels: object, metadata: Metadata, findings: Findings) -> list[str]:
    """The labels of one clip as text."""
    if not isinstance(labels, list):
        message = f"expected a list of labels for {clip}, got {describe_type(labels)}"
        findings.error("label-type", split.file, message, "make it a list, [LABEL]")
        return []
    bad = [label for label in labels if not is_label(label)]
    if bad:
        hint = " (events belong to tasks of embedding_type event)" if isinstance(bad[0], dict) else ""
        message = f"expected labels of {clip} to be text or whole numbers, got {describe_type(bad[0])}{hint}"
        findings.error("label-type", split.file, message, f"correct the entry, or embedding_type in {METADATA_FILE}")
        return []
    if metadata.prediction_type == PredictionType.MULTICLASS and len(labels) != 1:
        shown = listed([repr(label) for label in labels]) or "none"
        message = f"expected exactly one label for {clip} in a multiclass task, got {shown}"
        findings.error("label-count", split.file, message, f"leave one, or set prediction_type in {METADATA_FILE}")
    return [str(label) for label in labels]


def is_label(label: object) -> bool:
    """Whether a JSON value can be a label."""
    return isinstance(label, str | int) and not isinstance(label, bool)


def report_unknown(split: Split, unknown: dict[str, list[str]], vocabulary: Sequence[str], findings: Findings) -> None:
    """Report labels that are not in the vocabulary, each with the clips that have it."""
    for label, clips in unknown.items():
        near = difflib.get_close_matches(label, vocabulary, n=1)
        hint = f" (near {near[0]!r})" if near else ""
        findings.error(
            "label-unknown",
            split.file,
            f"expected labels of {VOCABULARY_FILE}, got {label!r}{hint} for {listed(list(dict.fromkeys(clips)), 1)}",
            f"correct the label, or add it to {VOCABULARY_FILE}",
        )


def check_use(
    used: dict[str, collections.Counter[str]], vocabulary: tuple[str, ...], metadata: Metadata, findings: Findings
) -> None:
    """Report labels that no split uses, and labels that are tested for but never trained on.

    The vocabulary of an event task is often that of an instrument, with rare pitches in few recordings or in
    none: there only a share of `UNTRAINED_SHARE` of the tested events is reported.
    """
    events = metadata.embedding_type == EmbeddingType.EVENT
    everywhere = set().union(*used.values())
    unused = [label for label in vocabulary if label not in everywhere]
    if unused and everywhere and not events:
        message = f"expected every label in a split, found none with {listed([repr(label) for label in unused])}"
        findings.note(
            "label-unused", VOCABULARY_FILE, message, "nothing, if the task is meant to have labels without clips"
        )
    for test, absent in _untrained(used):
        share = sum(used[test][label] for label in absent) / used[test].total()
        if events and share < UNTRAINED_SHARE:
            continue
        findings.warn(
            "label-untrained",
            f"{test}.json",
            f"expected every label that is tested in the training data, found none there with "
            f"{listed([repr(label) for label in absent])} ({share:.1%} of the labels tested)",
            "split the clips so that each label is in every split; these labels cannot be learned",
        )


def _untrained(used: dict[str, collections.Counter[str]]) -> Iterator[tuple[str, list[str]]]:
    """Each tested split with those of its labels that the splits trained on do not have."""
    for test, trained in _training_splits(sorted(used)).items():
        seen = set().union(*(used[name] for name in trained))
        absent = sorted(set(used[test]) - seen)
        if absent and seen:
            yield test, absent


def _training_splits(splits: list[str]) -> dict[str, list[str]]:
    """What heareval trains on for each tested split: it tests on each fold, and validates on the one after it."""
    if set(splits) == set(TRAIN_VALID_TEST):
        return {"test": ["train"]}
    following = dict(zip(splits, splits[1:] + splits[:1], strict=True))
    return {test: [name for name in splits if name not in (test, following[test])] for test in splits}
