"""`task_metadata.json`: its fields, and whether they go together."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from hear_cacophony.files.plain_name import is_plain_name
from hear_tasks.doctor.metadata_parameters import check_parameters
from hear_tasks.doctor.report import Findings
from hear_tasks.registry import TASKS, EmbeddingType, HearTask, PredictionType, SplitMode
from hear_tasks.task_folder import METADATA_FILE
from hear_tasks.text_files import FileFault, is_moderate, listed, read_object, shown

TRAIN_VALID_TEST = ("train", "valid", "test")

SCENE_SCORES, EVENT_SCORES = (
    tuple(dict.fromkeys(score for task in TASKS if task.embedding_type == kind for score in task.scores))
    for kind in EmbeddingType
)
"""Names that heareval 2021.1.3 knows."""

_CHOICES: dict[str, tuple[str, ...]] = {
    "embedding_type": tuple(EmbeddingType),
    "prediction_type": tuple(PredictionType),
    "split_mode": tuple(SplitMode),
}
_EXAMPLES = {
    "task_name": '"esc50"',
    "version": '"v2.0.0"',
    "mode": '"full"',
    "embedding_type": '"scene"',
    "prediction_type": '"multiclass"',
    "split_mode": '"trainvaltest"',
    "sample_duration": "5.0 (seconds, or null where clips differ)",
    "evaluation": '["top1_acc"]',
    "splits": '["train", "valid", "test"]',
}
_LONGEST_SECONDS = 3600  # the longest clips of HEAR have 600 s


@dataclasses.dataclass(frozen=True)
class Metadata:
    """The fields that could be used, None or empty where they could not.

    Attributes:
        embedding_type: scene or event.
        prediction_type: multiclass or multilabel.
        split_mode: the way the task is split.
        seconds: length of every clip; None where clips differ, or the field is of no use.
        splits: names of the splits.
        scores: the scores, the primary one first.
        hear_task: the task of HEAR that the directory is by its name or fields, None for any other.
        batch_sizes: rows in the batches that networks with batch normalization may be trained in.
    """

    embedding_type: str | None = None
    prediction_type: str | None = None
    split_mode: str | None = None
    seconds: float | None = None
    splits: tuple[str, ...] = ()
    scores: tuple[str, ...] = ()
    hear_task: HearTask | None = None
    batch_sizes: tuple[int, ...] = ()


def check_metadata(folder: pathlib.Path, findings: Findings) -> Metadata:
    """Check the metadata of a task directory; what could be used of it."""
    by_name = next((task for task in TASKS if task.directory == folder.name), None)
    try:
        fields, repeated = read_object(folder / METADATA_FILE)
    except FileFault as fault:
        findings.error("metadata-unreadable", METADATA_FILE, str(fault), fault.fix)
        return Metadata(hear_task=by_name)
    for name in repeated:
        findings.error(
            "metadata-field", METADATA_FILE, f"expected {name!r} once, got it more than once", "delete all but one"
        )
    checker = _Checker(fields, findings, by_name)
    metadata = checker.check(folder.name)
    batch_sizes = check_parameters(fields, metadata.embedding_type, findings)
    metadata = dataclasses.replace(metadata, batch_sizes=batch_sizes)
    if metadata.hear_task:
        _check_registry(metadata.hear_task, fields, metadata.splits, metadata.scores, findings)
    return metadata


def _identity(fields: Mapping[str, Any]) -> str | None:
    names = [fields.get(field) for field in ("task_name", "version", "mode")]
    return "-".join(names) if all(isinstance(name, str) and name for name in names) else None  # type: ignore[arg-type]


class _Checker:
    """Checks each field in turn."""

    def __init__(self, fields: Mapping[str, Any], findings: Findings, known: HearTask | None) -> None:
        self._fields, self._findings = fields, findings
        self._known = known

    def check(self, directory: str) -> Metadata:
        for name in ("task_name", "version", "mode"):
            self._check_text(name)
        choices = {name: self._choice(name) for name in _CHOICES}
        splits = self._splits()
        metadata = Metadata(
            embedding_type=choices["embedding_type"],
            prediction_type=choices["prediction_type"],
            split_mode=choices["split_mode"],
            seconds=self._seconds(),
            splits=splits,
            scores=self._scores(choices["embedding_type"]),
            hear_task=self._hear_task(directory),
        )
        self._check_split_mode(metadata)
        self._check_event_fields(metadata)
        return metadata

    def _error(self, message: str, fix: str, kind: str = "metadata-field") -> None:
        self._findings.error(kind, METADATA_FILE, message, fix)

    def _is_missing(self, name: str) -> bool:
        if name in self._fields:
            return False
        known = _expected_fields(self._known) if self._known else {}
        fix = (
            f'add "{name}": {json.dumps(known[name])}'
            if name in known
            else f'add it, such as "{name}": {_EXAMPLES[name]}'
        )
        self._error(f"expected a field {name!r}, found none", fix)
        return True

    def _check_text(self, name: str) -> None:
        if self._is_missing(name):
            return
        value = self._fields[name]
        if not isinstance(value, str) or not value or "/" in value:
            self._error(f"expected {name!r} to be a name, got {shown(value)}", f"set it, such as to {_EXAMPLES[name]}")

    def _choice(self, name: str) -> str | None:
        if self._is_missing(name):
            return None
        value, known = self._fields[name], _CHOICES[name]
        if isinstance(value, str) and value in known:
            return value
        self._error(f"expected {name!r} to be {' or '.join(known)}, got {shown(value)}", "set it to one of these")
        return None

    def _seconds(self) -> float | None:
        if self._is_missing("sample_duration"):
            return None
        value = self._fields["sample_duration"]
        if value is None:
            return None
        wanted = "expected 'sample_duration' in seconds, above 0, or null where clips differ"
        if not is_moderate(value) or not value > 0:
            self._error(f"{wanted}, got {shown(value)}", "set it to the clips' length in seconds", "metadata-duration")
            return None
        if value > _LONGEST_SECONDS:
            fix = f"if these are milliseconds, set it to {value / 1000:g}"
            self._error(f"{wanted}, got {value:g}, which looks like milliseconds", fix, "metadata-duration")
            return None
        return float(value)

    def _scores(self, embedding_type: str | None) -> tuple[str, ...]:
        if self._is_missing("evaluation"):
            return ()
        value = self._fields["evaluation"]
        fix = f"choose from {', '.join(_scores_of(embedding_type))}"
        if not isinstance(value, list) or not value or not all(isinstance(score, str) for score in value):
            self._error(f"expected 'evaluation' to be a list of scores, the primary one first, got {shown(value)}", fix)
            return ()
        for score in value:
            if score not in (*SCENE_SCORES, *EVENT_SCORES):
                self._error(f"expected scores in 'evaluation' that heareval knows, got {score!r}", fix)
            elif score not in _scores_of(embedding_type):
                self._error(f"expected scores of {embedding_type} tasks in 'evaluation', got {score!r}", fix)
        return tuple(value)

    def _splits(self) -> tuple[str, ...]:
        if self._is_missing("splits"):
            return ()
        value = self._fields["splits"]
        fix = "list the names of the split files without .json"
        if not isinstance(value, list) or not value or not all(is_plain_name(split) for split in value):
            self._error(f"expected 'splits' to be a list of names, got {shown(value)}", fix, "metadata-splits")
            return ()
        if len(set(value)) < len(value):
            self._error(f"expected each split once in 'splits', got {shown(value)}", fix, "metadata-splits")
        return tuple(dict.fromkeys(value))

    def _hear_task(self, directory: str) -> HearTask | None:
        identity = _identity(self._fields)
        if identity and identity != directory:
            self._findings.warn(
                "metadata-directory",
                METADATA_FILE,
                f"expected the directory's name to be task_name-version-mode, {identity!r}, got {directory!r}",
                "rename the directory, or correct the fields; results go by the directory's name",
            )
        by_fields = next((task for task in TASKS if task.directory == identity), None)
        return self._known or by_fields

    def _check_split_mode(self, metadata: Metadata) -> None:
        splits, mode = metadata.splits, metadata.split_mode
        if not splits or mode is None:
            return
        if mode == SplitMode.TRAIN_VALID_TEST:
            if set(splits) != set(TRAIN_VALID_TEST):
                message = f"expected the splits train, valid and test of split_mode {mode!r}, got {listed(splits)}"
                self._error(message, "correct 'splits' or 'split_mode'", "metadata-splits")
            return
        if len(splits) < 3:
            message = (
                f"expected at least 3 folds of split_mode {mode!r} (one to test, one to validate), got {listed(splits)}"
            )
            self._error(message, "correct 'splits' or 'split_mode'", "metadata-splits")
        self._check_folds(splits)

    def _check_folds(self, splits: tuple[str, ...]) -> None:
        if "nfolds" not in self._fields:
            message = f"expected a field 'nfolds' of {len(splits)}, found none (heareval does without)"
            self._findings.warn("metadata-field", METADATA_FILE, message, f'add "nfolds": {len(splits)}')
            return
        count = self._fields["nfolds"]
        if not isinstance(count, int) or isinstance(count, bool) or count != len(splits):
            message = f"expected 'nfolds' to be {len(splits)}, the number of 'splits', got {shown(count)}"
            self._error(message, "correct the one that is wrong", "metadata-splits")

    def _check_event_fields(self, metadata: Metadata) -> None:
        if metadata.embedding_type == EmbeddingType.EVENT and metadata.prediction_type == PredictionType.MULTICLASS:
            self._error(
                "expected 'prediction_type' multilabel in an event task, as a moment may have no event, got multiclass",
                'set it to "multilabel"',
            )


def _scores_of(embedding_type: str | None) -> tuple[str, ...]:
    scores = {"scene": SCENE_SCORES, "event": EVENT_SCORES}
    return scores.get(embedding_type or "", (*SCENE_SCORES, *EVENT_SCORES))


# Whether the metadata of a task of HEAR are those of the benchmark


def _expected_fields(task: HearTask) -> dict[str, Any]:
    """The fields that the registry knows."""
    fields: dict[str, Any] = {
        "task_name": task.name,
        "version": task.version,
        "mode": task.mode,
        "embedding_type": str(task.embedding_type),
        "prediction_type": str(task.prediction_type),
        "split_mode": str(task.split_mode),
        "sample_duration": task.seconds,
        "splits": list(task.splits),
    }
    return fields | ({"nfolds": task.folds} if task.folds else {})


def _check_registry(
    task: HearTask, fields: Mapping[str, Any], splits: Sequence[str], scores: Sequence[str], findings: Findings
) -> None:
    """Compare the fields of a task's metadata, its splits and scores with those of the benchmark."""
    expected = _expected_fields(task)
    compared = {
        name: fields[name] for name in expected if name in fields and name not in ("task_name", "version", "mode")
    }
    if "splits" in compared:
        compared["splits"], expected["splits"] = sorted(splits), sorted(expected["splits"])
    for name, value in compared.items():
        if value != expected[name]:
            _report_difference(findings, task, name, expected[name], value)
    if scores and scores[0] != task.primary_score:
        _report_difference(findings, task, "evaluation", f"{task.primary_score} first", list(scores))


def _report_difference(findings: Findings, task: HearTask, name: str, expected: object, value: object) -> None:
    findings.error(
        "metadata-registry",
        METADATA_FILE,
        f"expected {name!r} of {task.directory} to be {expected if name == 'evaluation' else repr(expected)}, "
        f"got {shown(value)}",
        "unpack the task's tarball again, or give a task of your own another name",
    )
