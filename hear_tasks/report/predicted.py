"""What predictions left of one task: clips, what is so of them, and what was predicted.

What is not there is told in `gaps`, and never guessed: heareval's own runner, and whoever passes scores on, leave less.
"""

from __future__ import annotations

import csv
import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hear_cacophony.files.json_file import read_json
from hear_tasks.report.tensor_pickle import DamagedPickle, read_tensor_pickle
from hear_tasks.task_folder import METADATA_FILE, SCORES_FILE, VOCABULARY_FILE, clip_orders

Events = Mapping[str, Sequence[Mapping[str, Any]]]
"""Of each clip by its name, the events: "label", and "start" and "end" in milliseconds."""


@dataclasses.dataclass(frozen=True)
class Tested:
    """The test of one network.

    Attributes:
        split: that it was tested on.
        clips: names of the clips, in the order of the rows; () where that is not known.
        truths: which labels each clip has, bool (clips, labels); of an event task without rows.
        probabilities: predicted ones, float32 (clips, labels); of an event task without rows.
        reference, predicted: the events of an event task, {} of others.
    """

    split: str
    clips: tuple[str, ...]
    truths: np.ndarray
    probabilities: np.ndarray
    reference: Events = dataclasses.field(default_factory=dict)
    predicted: Events = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Predicted:
    """What there is of one task of one model.

    Attributes:
        metadata: of the task; {} where there is none.
        labels: of the vocabulary, by their numbers.
        scores: the content of the scores file.
        tests: those whose predictions are there.
        gaps: what is not there, a message each.
    """

    metadata: Mapping[str, Any]
    labels: tuple[str, ...]
    scores: Mapping[str, Any]
    tests: tuple[Tested, ...]
    gaps: tuple[str, ...]

    @property
    def is_event(self) -> bool:
        """Whether labels have times."""
        return self.metadata.get("embedding_type") == "event"

    @property
    def is_multiclass(self) -> bool:
        """Whether each clip has exactly one label."""
        return self.metadata.get("prediction_type") == "multiclass"

    @property
    def metrics(self) -> tuple[str, ...]:
        """heareval's names of the scores, the first one primary."""
        return tuple(self.metadata.get("evaluation") or ())

    @property
    def test_scores(self) -> dict[str, Mapping[str, Any]]:
        """What the scores file tells of each tested split."""
        others = ("aggregated_scores", "hparams")
        return {name: part for name, part in self.scores.items() if isinstance(part, dict) and name not in others}


def read_predicted(folder: pathlib.Path, task: pathlib.Path | None) -> Predicted:
    """Read what predictions left in `folder`, EMBEDDINGS/MODEL/TASK; it has scores.

    Args:
        folder: the folder.
        task: the task's own folder, for what is not beside the scores; None where there is none.

    Raises:
        ModuleNotFoundError: torch is not installed.
    """
    places = [folder, *([task] if task is not None else [])]
    gaps: list[str] = []
    metadata = _read_json(places, METADATA_FILE, gaps) or {}
    labels = _read_labels(places, gaps)
    scores = read_json(folder / SCORES_FILE)
    predicted = Predicted(metadata, labels, scores, (), ())
    clips = _clips(places, metadata, gaps)
    tests = [_read_test(folder, name, predicted, clips.get(name, {}), gaps) for name in predicted.test_scores]
    return dataclasses.replace(predicted, tests=tuple(each for each in tests if each), gaps=tuple(gaps))


def _find(places: Sequence[pathlib.Path], name: str) -> pathlib.Path | None:
    return next((place / name for place in places if (place / name).is_file()), None)


def _read_json(places: Sequence[pathlib.Path], name: str, gaps: list[str]) -> dict[str, Any] | None:
    file = _find(places, name)
    if file is None:
        gaps.append(f"no {name} in {' or '.join(map(str, places))}")
        return None
    try:
        content = read_json(file)
    except (OSError, ValueError) as error:
        gaps.append(f"{file}: cannot be read ({error})")
        return None
    if not isinstance(content, dict):
        gaps.append(f"{file}: expected a JSON object, got {type(content).__name__}")
        return None
    return content


def _read_labels(places: Sequence[pathlib.Path], gaps: list[str]) -> tuple[str, ...]:
    file = _find(places, VOCABULARY_FILE)
    if file is None:
        gaps.append(f"no {VOCABULARY_FILE} in {' or '.join(map(str, places))}: labels are shown by their numbers")
        return ()
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            numbers = {int(line["idx"]): line["label"] for line in csv.DictReader(opened)}
        if not numbers:
            raise ValueError("no label")
        return tuple(numbers[number] for number in range(len(numbers)))
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        gaps.append(f"{file}: expected lines of idx,label ({error!r}): labels are shown by their numbers")
        return ()


def _clips(places: Sequence[pathlib.Path], metadata: Mapping[str, Any], gaps: list[str]) -> dict[str, dict[str, Any]]:
    """The clips of each split in the order of their embeddings, each with its labels."""
    splits = metadata.get("splits")
    if not isinstance(splits, list):
        return {}
    listed = {str(name): _read_clips(places, f"{name}.json", gaps) for name in splits}
    whole = {name: clips for name, clips in listed.items() if clips is not None}
    if len(whole) < len(listed):
        return {}  # the order of a split depends on those before it
    orders = clip_orders(whole)
    return {name: {clip: whole[name][clip] for clip in order} for name, order in orders.items()}


def _read_clips(places: Sequence[pathlib.Path], name: str, gaps: list[str]) -> dict[str, Any] | None:
    clips = _read_json(places, name, gaps)
    if clips is not None and not all(isinstance(listed, list) for listed in clips.values()):
        gaps.append(f"{_find(places, name)}: expected a list of labels for each clip; clips are shown without names")
        return None
    return clips


def _read_test(
    folder: pathlib.Path, split: str, predicted: Predicted, clips: dict[str, Any], gaps: list[str]
) -> Tested | None:
    file = folder / f"{split}.predictions.pkl"
    try:
        kept = read_tensor_pickle(file)
        if predicted.is_event:
            empty = np.zeros((0, len(predicted.labels)), np.float32)
            events = kept["target_events"], kept["predicted_events"]
            return Tested(split, tuple(events[0]), empty.astype(bool), empty, *map(_checked_events, events))
        truths, probabilities = (np.asarray(kept[name], np.float32) for name in ("target", "prediction"))
        if truths.ndim != 2 or truths.shape != probabilities.shape:
            raise DamagedPickle(f"{file}: targets of shape {truths.shape}, predictions of {probabilities.shape}")
    except FileNotFoundError:
        gaps.append(f"no {file.name} in {folder}: no clip of {split} can be shown; was it left behind?")
        return None
    except DamagedPickle as error:
        gaps.append(f"{error}: no clip of {split} can be shown; run the predictions again")
        return None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        gaps.append(f"{file}: no predictions as heareval keeps them ({error!r}): no clip of {split} can be shown")
        return None
    names = _matched(file, predicted.labels, clips, truths > 0.5, gaps)
    return _finite(file, Tested(split, names, truths > 0.5, probabilities), gaps)


def _finite(file: pathlib.Path, test: Tested, gaps: list[str]) -> Tested | None:
    """The clips whose probabilities are numbers; None where there are none."""
    finite = np.isfinite(test.probabilities).all(axis=1)
    if finite.all():
        return test
    gaps.append(
        f"{file}: NaN or infinity in {np.count_nonzero(~finite):,} of {len(finite):,} rows, which are left out below: "
        "the training has diverged; are the embeddings very large?"
    )
    if not finite.any():
        return None
    clips = tuple(clip for clip, there in zip(test.clips, finite, strict=True) if there) if test.clips else ()
    return dataclasses.replace(test, clips=clips, truths=test.truths[finite], probabilities=test.probabilities[finite])


def _checked_events(events: Any) -> Events:
    return {
        str(clip): [
            {"label": str(event["label"]), "start": float(event["start"]), "end": float(event["end"])}
            for event in listed
        ]
        for clip, listed in events.items()
    }


def _matched(
    file: pathlib.Path, labels: Sequence[str], clips: dict[str, Any], truths: np.ndarray, gaps: list[str]
) -> tuple[str, ...]:
    """Names of the clips of the rows of predictions; () where the labels of the rows are not those of the clips."""
    if not clips:
        return ()
    numbers = {label: number for number, label in enumerate(labels)}
    wrong = len(clips) != len(truths) or (labels and truths.shape[1] != len(labels))
    if not wrong and labels:
        expected = np.zeros_like(truths)
        known = np.ones(len(truths), bool)
        for row, listed in enumerate(clips.values()):
            for label in listed:
                number = numbers.get(str(label))
                known[row] &= number is not None
                if number is not None:
                    expected[row, number] = True
        wrong = bool((expected != truths)[known].any())
    if wrong:
        gaps.append(
            f"{file}: its {len(truths)} rows are not those of the {len(clips)} clips in the file of its split, in "
            "heareval's order: clips are shown without names and audio; are both files of the same task?"
        )
        return ()
    return tuple(clips)
