"""The labels that the clips of a task have, and which of them each split uses."""

from __future__ import annotations

import collections
import difflib
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from hear_tasks.doctor.metadata import TRAIN_VALID_TEST, Metadata
from hear_tasks.doctor.report import Findings
from hear_tasks.doctor.splits import Split
from hear_tasks.doctor.vocabulary import Vocabulary
from hear_tasks.registry import EmbeddingType, PredictionType
from hear_tasks.task_folder import METADATA_FILE, VOCABULARY_FILE
from hear_tasks.text_files import describe_type, listed

Counts = Mapping[str, collections.Counter[str]]
"""By split, how often it uses each label."""

RANKING_SCORES = ("d_prime", "aucroc")
"""Scores that compare clips with a label to clips without it: NaN in heareval where a split has none of either."""

UNTRAINED_SHARE = 0.05
"""Share of the tested events with labels that were never trained on, from which it is worth a warning."""


def check_scene_labels(
    splits: Iterable[Split], vocabulary: Vocabulary | None, metadata: Metadata, findings: Findings
) -> dict[str, collections.Counter[str]]:
    """Check the labels of a scene task; how often each split uses each label."""
    read = functools.partial(_clip_labels, metadata=metadata, findings=findings)
    return count_labels(splits, vocabulary, findings, read)


def count_labels(
    splits: Iterable[Split],
    vocabulary: Vocabulary | None,
    findings: Findings,
    read: Callable[[Split, str, object], list[str]],
) -> dict[str, collections.Counter[str]]:
    """How often each split uses each label, as `read` finds them in the entry of a clip; unknown ones are reported."""
    used, known = {}, None if vocabulary is None else set(vocabulary.read)
    for split in splits:
        labels = [(label, clip) for clip, entry in (split.clips or {}).items() for label in read(split, clip, entry)]
        unknown: dict[str, list[str]] = {}
        for label, clip in labels:
            if known is not None and label not in known:
                unknown.setdefault(label, []).append(clip)
        _report_unknown(split, unknown, vocabulary, findings)
        used[split.name] = collections.Counter(label for label, _ in labels)
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


def _report_unknown(
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


# Which labels the splits use: those that are never trained on, and scores that cannot be computed


def check_use(used: Counts, vocabulary: Sequence[str], metadata: Metadata, findings: Findings) -> None:
    """Report labels that no split uses, and labels that are validated or tested but never trained on.

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
            f"expected every label of this split in the training data, found none there with "
            f"{listed([repr(label) for label in absent])} ({share:.1%} of its labels)",
            "split the clips so that each label is in every split; these labels cannot be learned",
        )


def _untrained(used: Counts) -> Iterator[tuple[str, list[str]]]:
    """Each tested split with those of its labels that the splits trained on do not have; then valid's own ones."""
    for test, trained in _training_splits(sorted(used)).items():
        seen = set().union(*(used[name] for name in trained))
        absent = sorted(set(used[test]) - seen)
        if absent and seen:
            yield test, absent
    if set(used) == set(TRAIN_VALID_TEST) and used["train"]:
        absent = sorted(set(used["valid"]) - set(used["train"]) - set(used["test"]))
        if absent:
            yield "valid", absent


def _training_splits(splits: list[str]) -> dict[str, list[str]]:
    """What heareval trains on for each tested split: it tests on each fold, and validates on the one after it."""
    if set(splits) == set(TRAIN_VALID_TEST):
        return {"test": ["train"]}
    following = dict(zip(splits, splits[1:] + splits[:1], strict=True))
    return {test: [name for name in splits if name not in (test, following[test])] for test in splits}


def check_scores(splits: Sequence[Split], vocabulary: Sequence[str], metadata: Metadata, findings: Findings) -> None:
    """Report splits of a scene task of which heareval cannot compute a score, which it finds out after its run."""
    scores = [score for score in metadata.scores if score in RANKING_SCORES]
    for split in _evaluated(splits):
        texts = [
            {str(label) for label in labels} for labels in (split.clips or {}).values() if isinstance(labels, list)
        ]
        counts = collections.Counter(label for labels in texts for label in labels)
        present = [label for label in vocabulary if counts[label]]
        absent = [label for label in vocabulary if not counts[label]]
        everywhere = [label for label in vocabulary if counts[label] == len(texts)]
        if scores and present:
            _report_no_score(split, scores, metadata.scores[0], absent, everywhere, findings)
        if metadata.prediction_type == PredictionType.MULTICLASS and len(present) == 1 and len(vocabulary) > 1:
            findings.warn(
                "split-one-class",
                split.file,
                f"expected clips of several labels in each split, got {present[0]!r} alone",
                "split the clips so that each label is in every split; scores on this one tell nothing",
            )


def _evaluated(splits: Sequence[Split]) -> list[Split]:
    """The splits that heareval validates or tests on: all folds, or all but train."""
    names = {split.name for split in splits}
    return [split for split in splits if names != set(TRAIN_VALID_TEST) or split.name != "train"]


def _report_no_score(
    split: Split, scores: list[str], first: str, absent: list[str], everywhere: list[str], findings: Findings
) -> None:
    kinds = {"no clip with": absent, "no clip without": everywhere}
    faults = [f"{kind} {listed([repr(label) for label in labels])}" for kind, labels in kinds.items() if labels]
    if not faults:
        return
    report = findings.error if first in scores else findings.warn
    report(
        "score-undefined",
        split.file,
        f"expected clips with and without each label, as {' and '.join(scores)} of 'evaluation' compare them, got "
        f"{' and '.join(faults)}: the score will be NaN",
        f"split the clips so that each label is in every split, take the label out of {VOCABULARY_FILE}, or choose "
        f"another score in {METADATA_FILE}",
    )
