"""The label vocabulary of a task, as heareval will see it."""

from __future__ import annotations

import collections
import csv
import dataclasses
import importlib.util
import io
import pathlib
from collections.abc import Sequence

from hear_tasks.doctor.metadata import Metadata
from hear_tasks.doctor.report import Findings
from hear_tasks.task_folder import VOCABULARY_FILE
from hear_tasks.text_files import BYTE_ORDER_MARK, UNPACK_AGAIN, FileFault, listed, read_text

# fmt: off
_MISSING = frozenset([
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
])
# fmt: on
"""What pandas, with which heareval reads the vocabulary, takes for a missing value."""


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """Labels in the order of the file.

    Attributes:
        written: as the file has them.
        read: as heareval, by pandas, sees them: numbers and truth values lose the form that they were written in.
    """

    written: tuple[str, ...]
    read: tuple[str, ...]


def check_vocabulary(folder: pathlib.Path, metadata: Metadata, findings: Findings) -> Vocabulary | None:
    """Check the vocabulary of a task; None if there is no telling what its labels are."""
    try:
        text = read_text(folder / VOCABULARY_FILE).removeprefix(BYTE_ORDER_MARK)
        rows = _read_rows(text)
        if not rows:
            raise FileFault("expected a line for each label, got none")
        labels = [row.label for row in rows]
        read = _as_read(text, labels)
    except FileFault as fault:
        findings.error("vocabulary-unreadable", VOCABULARY_FILE, str(fault), fault.fix)
        return None
    _check_indices([row.index for row in rows], findings)
    _check_labels(labels, read, findings)
    task = metadata.hear_task
    if task and len(rows) != task.classes:
        findings.warn(
            "vocabulary-registry",
            VOCABULARY_FILE,
            f"expected the {task.classes} labels of {task.directory}, got {len(rows)}",
            "unpack the task's tarball again, or give a task of your own another name: scores on it cannot be compared",
        )
    return Vocabulary(tuple(labels), tuple(label or "" for label in read))


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


def _as_read(text: str, labels: Sequence[str]) -> list[str | None]:
    """Labels as heareval sees them, None for a missing value."""
    if importlib.util.find_spec("pandas") is None:
        return _as_read_without_pandas(labels)
    import pandas  # here, as only those have it who run heareval

    try:
        column = pandas.read_csv(io.StringIO(text))["label"]
    except (ValueError, KeyError) as error:
        raise FileFault(f"expected CSV that pandas can read, got: {error}") from error
    if len(column) != len(labels):
        raise FileFault(f"expected {len(labels)} labels, of which pandas reads {len(column)}")
    return [None if missing else str(each) for each, missing in zip(column.astype(str), column.isna(), strict=True)]


def _as_read_without_pandas(labels: Sequence[str]) -> list[str | None]:
    """The commonest of pandas' changes alone: missing values, and a column of whole numbers."""
    whole = all(label.strip().removeprefix("-").isdigit() and label.isascii() and len(label) < 19 for label in labels)
    return [None if label in _MISSING else str(int(label)) if whole else label for label in labels]


def _check_labels(labels: list[str], read: list[str | None], findings: Findings) -> None:
    counts = collections.Counter(read)
    repeated = [label for label, each in zip(labels, read, strict=True) if each is not None and counts[each] > 1]
    if repeated:
        shown = listed([repr(label) for label in dict.fromkeys(repeated)])
        findings.error(
            "vocabulary-repeated",
            VOCABULARY_FILE,
            f"expected each label once, got more than once: {shown}",
            "delete all but one, and number the labels anew",
        )
    empty = sum(not label.strip() for label in labels)
    if empty:
        message = f"expected a label in each line, got {empty} without"
        findings.error("vocabulary-label", VOCABULARY_FILE, message, UNPACK_AGAIN)
    missing = [label for label, each in zip(labels, read, strict=True) if each is None and label.strip()]
    if missing:
        findings.error(
            "vocabulary-label",
            VOCABULARY_FILE,
            f"expected labels that stay text, got {listed([repr(label) for label in missing])}, which heareval (by "
            "pandas) reads as a missing value",
            "rename the label here and in the split files",
        )
    padded = [
        label for label, each in zip(labels, read, strict=True) if each == label != label.strip() and each.strip()
    ]
    if padded:
        findings.warn(
            "vocabulary-blank",
            VOCABULARY_FILE,
            f"expected labels without blanks at their ends, got {listed([repr(label) for label in padded])}, which "
            "heareval keeps: a label of the split files without them is another one to it",
            "delete the blanks here and in the split files",
        )
