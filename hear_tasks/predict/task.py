"""A task as its folder of embeddings describes it, checked before anything is trained."""

from __future__ import annotations

import csv
import dataclasses
import pathlib
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from hear_cacophony.files.json_file import read_json
from hear_tasks.partitions import Partition, partition_splits
from hear_tasks.predict.scene_scores import SCENE_SCORES
from hear_tasks.task_folder import EMBEDDED_FILE, METADATA_FILE, VOCABULARY_FILE, TaskError

if TYPE_CHECKING:
    from hear_tasks.predict.event_postprocessing import Postprocessing


STOPS_BY_SCORE = "use_scoring_for_early_stopping"

EMBED_AGAIN = "delete it, and embed the task again"
"""For a file that has its size, so that `embed` cannot see that it is damaged."""


@dataclasses.dataclass(frozen=True)
class Task:
    """What is to be predicted.

    Attributes:
        folder: of its embeddings.
        metadata: the content of task_metadata.json.
        size: length of an embedding.
        label_numbers: number of each label, by its text.
        n_labels: length of the vocabulary.
        renamed: labels of the vocabulary that are read as others than those that are written, by these.
        scores: names of the scores, the first one primary.
        partitions: one, or one for each fold.
        stops_by_score: whether training is stopped by the primary score; otherwise by the loss.
        postprocessings: of an event task, otherwise none.
    """

    folder: pathlib.Path
    metadata: Mapping[str, Any]
    size: int
    label_numbers: Mapping[str, int]
    n_labels: int
    renamed: Mapping[str, str]
    scores: tuple[str, ...]
    partitions: tuple[Partition, ...]
    stops_by_score: bool
    postprocessings: tuple[Postprocessing, ...]

    @property
    def is_event(self) -> bool:
        """Whether labels have times."""
        return self.metadata["embedding_type"] == "event"

    @property
    def is_multiclass(self) -> bool:
        """Whether there is one label to each embedding."""
        return self.metadata["prediction_type"] == "multiclass"

    @property
    def vocabulary(self) -> list[str]:
        """The labels by their numbers."""
        return sorted(self.label_numbers, key=self.label_numbers.__getitem__)

    @property
    def splits(self) -> tuple[str, ...]:
        """All splits that are used."""
        return tuple(dict.fromkeys(name for each in self.partitions for name in (*each.train, each.valid, each.test)))

    @property
    def maximizes(self) -> bool:
        """Whether the best validation is the highest one."""
        return self.stops_by_score and _known_scores(self.metadata["embedding_type"])[self.scores[0]].maximize


def read_task(folder: pathlib.Path) -> Task:
    """Read and check the description of a task.

    Raises:
        TaskError: it is not what heareval's prediction runner reads.
    """
    if not folder.is_dir():
        raise TaskError(f"{folder}: no such folder; expected EMBEDDINGS/MODULE/TASK")
    file = folder / METADATA_FILE
    if not file.exists():
        lost = (folder / EMBEDDED_FILE).exists()
        remedy = "embed the task again" if lost else "expected the embeddings of a task, EMBEDDINGS/MODULE/TASK"
        raise TaskError(f"{folder}: no {METADATA_FILE} in it; {remedy}")
    metadata = read_task_json(file, dict)
    _check_metadata(file, metadata)
    numbers, renamed = _read_vocabulary(folder / VOCABULARY_FILE)
    partitions = _partitions(file, metadata)
    postprocessings = _postprocessings(file, metadata)
    stops_by_score = metadata.get(STOPS_BY_SCORE, True)
    if postprocessings and not stops_by_score and len(postprocessings) != 1:
        raise TaskError(
            f"{file}: expected one postprocessing of events where scores do not choose it, got {len(postprocessings)}"
        )
    return Task(
        folder=folder,
        metadata=metadata,
        size=_embedding_size(folder, metadata["splits"]),
        label_numbers=numbers,
        n_labels=len(numbers),
        renamed=renamed,
        scores=tuple(metadata["evaluation"]),
        partitions=partitions,
        stops_by_score=stops_by_score,
        postprocessings=postprocessings,
    )


def read_task_json(file: pathlib.Path, kind: type, remedy: str = EMBED_AGAIN) -> Any:
    """The content of a file, of this kind.

    Raises:
        TaskError: it is not there, is damaged, or holds something else.
    """
    try:
        content = read_json(file)
    except FileNotFoundError:
        raise TaskError(f"{file}: not there; embed the task again") from None
    except ValueError as error:
        raise TaskError(f"{file}: damaged or cut short ({error}); {remedy}") from error
    if not isinstance(content, kind):
        raise TaskError(f"{file}: expected a JSON {kind.__name__}, got {type(content).__name__}; {remedy}")
    return content


_CHOICES = {
    "embedding_type": ("scene", "event"),
    "prediction_type": ("multiclass", "multilabel"),
    "split_mode": ("trainvaltest", "new_split_kfold", "presplit_kfold"),
}


def _check_metadata(file: pathlib.Path, metadata: Mapping[str, Any]) -> None:
    if not isinstance(metadata.get("task_name"), str):
        raise TaskError(f'{file}: expected a text as "task_name", got {metadata.get("task_name")!r}')
    for name, choices in _CHOICES.items():
        if metadata.get(name) not in choices:
            raise TaskError(f'{file}: expected one of {", ".join(choices)} as "{name}", got {metadata.get(name)!r}')
    for name in ("splits", "evaluation"):
        values = metadata.get(name)
        if not isinstance(values, list) or not values or not all(isinstance(value, str) for value in values):
            raise TaskError(f'{file}: expected a list of names as "{name}", got {values!r}')
    if not isinstance(metadata.get(STOPS_BY_SCORE, True), bool):
        raise TaskError(f'{file}: expected true or false as "{STOPS_BY_SCORE}", got {metadata[STOPS_BY_SCORE]!r}')
    if not isinstance(metadata.get("evaluation_params") or {}, dict):
        raise TaskError(f'{file}: expected an object as "evaluation_params", got {metadata["evaluation_params"]!r}')
    kind = metadata["embedding_type"]
    known = _known_scores(kind)
    unknown = [name for name in metadata["evaluation"] if name not in known]
    if unknown:
        raise TaskError(
            f'{file}: "evaluation": {", ".join(unknown)}: no score of tasks of type {kind}; '
            f"expected some of {', '.join(known)}"
        )


def _known_scores(embedding_type: str) -> Mapping[str, Any]:
    """The scores of scenes, or those of events, whose modules take long to load."""
    if embedding_type == "scene":
        return SCENE_SCORES
    from hear_tasks.predict.event_scores import EVENT_SCORES

    return EVENT_SCORES


_PLAIN_LABEL = re.compile(r"(?!(na|n/a|nan|null|none|true|false|inf|infinity)\s*$)[a-z_].*", re.IGNORECASE)


def _read_vocabulary(file: pathlib.Path) -> tuple[dict[str, int], dict[str, str]]:
    """The number of each label, and the labels that are read as others than those that are written, by these."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            lines = list(csv.DictReader(opened))
        if any(None in line or None in line.values() for line in lines):
            raise ValueError("a line of another length; labels with commas belong in double quotes")
        written = [line["label"] for line in lines]
        plain = all(map(_PLAIN_LABEL.fullmatch, written))
        labels = written if plain else _read_labels_with_pandas(file)
        numbers = dict(zip(labels, [int(line["idx"]) for line in lines], strict=True))
    except FileNotFoundError:
        raise TaskError(f"{file}: not there; embed the task again") from None
    except (KeyError, ValueError, csv.Error) as error:
        raise TaskError(f"{file}: expected a header and lines of idx,label ({error!r}); {EMBED_AGAIN}") from error
    renamed = {old: new for old, new in zip(written, labels, strict=True) if old != new}
    if not lines or sorted(numbers.values()) != list(range(len(lines))):
        why = f"; {_explain_renamed(next(iter(renamed)), renamed)}" if renamed else ""
        raise TaskError(f"{file}: expected {len(lines)} different labels with the numbers 0 to {len(lines) - 1}{why}")
    return numbers, renamed


def _read_labels_with_pandas(file: pathlib.Path) -> list[str]:
    """Labels as heareval reads them, some of which pandas takes for numbers, or for nothing."""
    import pandas as pd  # takes as long to load as a small task takes to train

    return pd.read_csv(file)["label"].astype(str).tolist()


def explain_unknown(task: Task, labels: Iterable[str]) -> str:
    """Why labels may be missing in the vocabulary, and what to do."""
    renamed = next((label for label in labels if label in task.renamed), None)
    return "are both files of the same task?" if renamed is None else _explain_renamed(renamed, task.renamed)


def _explain_renamed(label: str, renamed: Mapping[str, str]) -> str:
    return (
        f"pandas, and so heareval, reads {label!r} there as {renamed[label]!r}: take labels that are no numbers, truth "
        "values or words for nothing, in the split files, too, and embed the task anew"
    )


def _partitions(file: pathlib.Path, metadata: Mapping[str, Any]) -> tuple[Partition, ...]:
    try:
        return partition_splits(metadata["splits"], metadata["split_mode"])
    except ValueError as error:
        raise TaskError(f"{file}: {error}") from error


def _postprocessings(file: pathlib.Path, metadata: Mapping[str, Any]) -> tuple[Postprocessing, ...]:
    if metadata["embedding_type"] != "event":
        return ()
    from hear_tasks.predict.event_postprocessing import DEFAULT_GRID, list_postprocessings

    grid = (metadata.get("evaluation_params") or {}).get("event_postprocessing_grid", DEFAULT_GRID)
    try:
        return tuple(list_postprocessings(grid))
    except ValueError as error:
        raise TaskError(f"{file}: {error}") from error


def _embedding_size(folder: pathlib.Path, splits: list[str]) -> int:
    sizes = {split: read_dimensions(folder, split)[1] for split in splits}
    if len(set(sizes.values())) != 1:
        listed = ", ".join(f"{split} {size}" for split, size in sizes.items())
        raise TaskError(f"{folder}: expected embeddings of one size in all splits, got {listed}; embed the task again")
    return next(iter(sizes.values()))


def read_dimensions(folder: pathlib.Path, split: str) -> tuple[int, int]:
    """How many embeddings a split has, and their size."""
    file = folder / f"{split}.embedding-dimensions.json"
    dimensions = read_task_json(file, list)
    if len(dimensions) != 2 or not all(type(each) is int and each >= 0 for each in dimensions) or not dimensions[1]:
        raise TaskError(f"{file}: expected [embeddings, size], got {dimensions}; {EMBED_AGAIN}")
    return dimensions[0], dimensions[1]
