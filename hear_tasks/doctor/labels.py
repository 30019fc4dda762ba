"""The labels that the clips of a scene task have."""

from __future__ import annotations

import collections
import difflib
from collections.abc import Iterable

from hear_tasks.doctor.finding import Findings
from hear_tasks.doctor.metadata import Metadata
from hear_tasks.doctor.splits import Split
from hear_tasks.doctor.text_files import describe_type, listed
from hear_tasks.doctor.vocabulary import Vocabulary
from hear_tasks.registry import PredictionType
from hear_tasks.task_folder import METADATA_FILE, VOCABULARY_FILE


def check_scene_labels(
    splits: Iterable[Split], vocabulary: Vocabulary | None, metadata: Metadata, findings: Findings
) -> dict[str, collections.Counter[str]]:
    """Check the labels of a scene task; how often each split uses each label."""
    used, known = {}, None if vocabulary is None else set(vocabulary.read)
    for split in splits:
        unknown: dict[str, list[str]] = {}
        counts: collections.Counter[str] = collections.Counter()
        for clip, labels in (split.clips or {}).items():
            texts = _clip_labels(split, clip, labels, metadata, findings)
            counts.update(texts)
            for text in texts:
                if known is not None and text not in known:
                    unknown.setdefault(text, []).append(clip)
        report_unknown(split, unknown, vocabulary, findings)
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


def report_unknown(
    split: Split, unknown: dict[str, list[str]], vocabulary: Vocabulary | None, findings: Findings
) -> None:
    """Report labels that are not in the vocabulary, each with the clips that have it."""
    for label, clips in unknown.items():
        hint, fix = _explain(label, vocabulary)
        findings.error(
            "label-unknown",
            split.file,
            f"expected labels of {VOCABULARY_FILE}, got {label!r}{hint} for {listed(list(dict.fromkeys(clips)), 1)}",
            fix,
        )


def _explain(label: str, vocabulary: Vocabulary | None) -> tuple[str, str]:
    """Why a label may be unknown, and what to do."""
    if vocabulary is None:
        return "", f"write {VOCABULARY_FILE}"
    if label in vocabulary.written:
        seen = vocabulary.read[vocabulary.written.index(label)]
        came = f"as {seen!r}" if seen else "as a missing value"
        return (
            f", which heareval (by pandas) reads {came} in {VOCABULARY_FILE}",
            "rename the label there and in the split files, so that it cannot be taken for a number or truth value",
        )
    near = difflib.get_close_matches(label, vocabulary.read, n=1)
    hint = f" (near {near[0]!r})" if near else ""
    return hint, f"correct the label, or add it to {VOCABULARY_FILE}"
