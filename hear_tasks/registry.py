"""The tasks of the HEAR benchmark: 20 task directories, 19 columns of its leaderboard.

Names, versions, types, splits, seconds, scores and classes are those of the benchmark (Turian et al., "HEAR:
Holistic Evaluation of Audio Representations", 2022); how each is trained is that of the tasks' metadata in the source
of its preprocessing (hearpreprocess), and of heareval 2021.1.3 itself. The seconds of the published evaluation are
those of the evaluation scripts of Cacophony.
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
from collections.abc import Iterable


class EmbeddingType(enum.StrEnum):
    """What a task embeds: a whole clip, or each timestamp of it."""

    SCENE = "scene"
    EVENT = "event"


class PredictionType(enum.StrEnum):
    """Exactly one label, or any number of them."""

    MULTICLASS = "multiclass"
    MULTILABEL = "multilabel"


class SplitMode(enum.StrEnum):
    """Train, valid and test; or folds, cut by the benchmark (new) or by the data set itself (presplit)."""

    TRAIN_VALID_TEST = "trainvaltest"
    NEW_FOLDS = "new_split_kfold"
    OWN_FOLDS = "presplit_kfold"


@dataclasses.dataclass(frozen=True)
class Training:
    """How heareval trains a task.

    Attributes:
        max_epochs: most epochs of a training.
        check_every: epochs from one validation to the next.
        stops_by_score: whether the score on the validation split decides when to stop and which grid point is best;
            where it does not, the loss does, and events are scored in the test alone.
        median_filter_ms, min_duration_ms: what is tried to make events of an event task's frames; () for scenes.
    """

    max_epochs: int = 500
    check_every: int = 3
    stops_by_score: bool = True
    median_filter_ms: tuple[int, ...] = ()
    min_duration_ms: tuple[int, ...] = ()


USUAL = Training()
"""As heareval trains where neither it nor the metadata of the task say otherwise."""


@dataclasses.dataclass(frozen=True)
class HearTask:
    """One task directory of HEAR.

    Attributes:
        name: `task_name` of its metadata, such as "esc50".
        version: `version` of its metadata, such as "v2.0.0".
        mode: "full", or how much of the audio it holds, such as "5h".
        column: its column of the leaderboard. The score of a column is the mean over its directories.
        embedding_type: scene or event.
        prediction_type: multiclass or multilabel.
        split_mode: train, valid and test, or folds.
        folds: number of folds, None without.
        seconds: length of every clip, None where clips differ.
        scores: those of its metadata, as heareval names them.
        classes: number of labels.
        clips: in all splits.
        published_seconds: seconds that the published evaluation of Cacophony padded each clip to, None where it
            published no length for the task.
        training: how heareval trains it.
    """

    name: str
    version: str
    mode: str
    column: str
    embedding_type: EmbeddingType
    prediction_type: PredictionType
    split_mode: SplitMode
    folds: int | None
    seconds: float | None
    scores: tuple[str, ...]
    classes: int
    clips: int
    published_seconds: float | None
    training: Training = USUAL

    @property
    def primary_score(self) -> str:
        """The score that the leaderboard shows."""
        return self.scores[0]

    @property
    def directory(self) -> str:
        """Name of the task directory."""
        return f"{self.name}-{self.version}-{self.mode}"

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, in the order of the task's metadata."""
        if self.folds is None:
            return ("train", "valid", "test")
        return tuple(f"fold{i:02d}" for i in range(self.folds))

    @property
    def tests(self) -> tuple[str, ...]:
        """Names of the splits that are tested on: each fold in turn, or the one test split."""
        return ("test",) if self.folds is None else self.splits


_SCENE, _EVENT = EmbeddingType.SCENE, EmbeddingType.EVENT
_CLASS, _LABELS = PredictionType.MULTICLASS, PredictionType.MULTILABEL
_TVT, _NEW, _OWN = SplitMode.TRAIN_VALID_TEST, SplitMode.NEW_FOLDS, SplitMode.OWN_FOLDS
_ACCURACY = ("top1_acc", "mAP", "d_prime", "aucroc")
_AUCROC = ("aucroc", "mAP", "d_prime", "top1_acc")
_PRECISION = ("mAP", "d_prime", "aucroc", "top1_acc")
_ONLY_ACCURACY = ("top1_acc",)
_PITCH = ("pitch_acc", "chroma_acc")
_ONSET_50 = ("event_onset_50ms_fms", "event_onset_offset_50ms_20perc_fms")
_ONSET_200 = ("event_onset_200ms_fms", "segment_1s_er")
_DCASE = Training(check_every=10, median_filter_ms=(250,), min_duration_ms=(125, 250))
_MAESTRO = Training(50, check_every=1, stops_by_score=False, median_filter_ms=(150,), min_duration_ms=(50,))

# One row a task; HearTask names the fields.
# fmt: off
TASKS = tuple(HearTask(*row) for row in (
    ("beehive_states_fold0", "v2", "full", "Beehive", _SCENE, _CLASS, _TVT, None, 600.0, _AUCROC, 2, 576, None),
    ("beehive_states_fold1", "v2", "full", "Beehive", _SCENE, _CLASS, _TVT, None, 600.0, _AUCROC, 2, 576, None),
    ("beijing_opera", "v1.0-hear2021", "full", "Beijing Opera", _SCENE, _CLASS, _NEW, 5, 4.77, _ACCURACY, 4, 236, 5.0),
    ("tfds_crema_d", "1.0.0", "full", "CREMA-D", _SCENE, _CLASS, _NEW, 5, 5.0, _ACCURACY, 6, 7_438, 5.0),
    ("dcase2016_task2", "hear2021", "full", "DCASE 2016", _EVENT, _LABELS, _TVT, None, 120.0, _ONSET_200, 11, 72, 120.0,
     _DCASE),
    ("esc50", "v2.0.0", "full", "ESC-50", _SCENE, _CLASS, _OWN, 5, 5.0, _ACCURACY, 50, 2_000, 5.0),
    ("fsd50k", "v1.0", "full", "FSD50K", _SCENE, _LABELS, _TVT, None, None, _PRECISION, 200, 51_185, None),
    ("tfds_gtzan", "1.0.0", "full", "GTZAN Genre", _SCENE, _CLASS, _NEW, 10, 30.0, _ACCURACY, 10, 1_000, 30.0),
    ("tfds_gtzan_music_speech", "1.0.0", "full", "GTZAN Music/Speech",
     _SCENE, _CLASS, _NEW, 10, 30.0, _ACCURACY, 2, 128, 30.0),
    ("gunshot_triangulation", "v1.0", "full", "Gunshot", _SCENE, _CLASS, _NEW, 7, 1.5, _ACCURACY, 4, 88, 1.5),
    ("libricount", "v1.0.0-hear2021", "full", "Libricount", _SCENE, _CLASS, _NEW, 5, 5.0, _ACCURACY, 11, 5_720, 5.0),
    ("maestro", "v3.0.0", "5h", "Maestro 5h", _EVENT, _LABELS, _NEW, 5, 120.0, _ONSET_50, 88, 185, 120.0, _MAESTRO),
    ("mridangam_stroke", "v1.5", "full", "Mridangam Stroke", _SCENE, _CLASS, _NEW, 5, 0.81, _ACCURACY, 10, 6_977, None),
    ("mridangam_tonic", "v1.5", "full", "Mridangam Tonic", _SCENE, _CLASS, _NEW, 5, 0.81, _ACCURACY, 6, 6_977, None),
    ("nsynth_pitch", "v2.2.3", "50h", "NSynth Pitch 50h", _SCENE, _CLASS, _TVT, None, 4.0, _PITCH, 88, 49_060, 4.0),
    ("nsynth_pitch", "v2.2.3", "5h", "NSynth Pitch 5h", _SCENE, _CLASS, _TVT, None, 4.0, _PITCH, 88, 5_000, 4.0),
    ("speech_commands", "v0.0.2", "5h", "Speech commands 5h",
     _SCENE, _CLASS, _TVT, None, 1.0, _ONLY_ACCURACY, 12, 22_890, 1.0),
    ("speech_commands", "v0.0.2", "full", "Speech commands full",
     _SCENE, _CLASS, _TVT, None, 1.0, _ONLY_ACCURACY, 12, 100_503, 1.0),
    ("vocal_imitation", "v1.1.3", "full", "Vocal Imitation",
     _SCENE, _CLASS, _NEW, 3, 11.26, _PRECISION, 302, 5_601, 12.0),
    ("vox_lingua_top10", "hear2021", "full", "VoxLingua107 top 10",
     _SCENE, _CLASS, _NEW, 5, 18.64, _ACCURACY, 10, 972, 19.0),
))
# fmt: on

COLUMNS = tuple(dict.fromkeys(task.column for task in TASKS))
"""The 19 columns of the official leaderboard, in its order."""


def find_tasks(name: str) -> tuple[HearTask, ...]:
    """The tasks that `name` stands for, in the order of `TASKS`.

    Args:
        name: a directory (always one task), a task name or a leaderboard column (one task or two).

    Raises:
        ValueError: no task has that name; the message lists near matches.
    """
    found = tuple(task for task in TASKS if name in _names(task))
    if not found:
        raise ValueError(f"unknown HEAR task {name!r}; {_near_matches(name)}")
    return found


def _names(task: HearTask) -> tuple[str, str, str]:
    return task.directory, task.name, task.column


def _near_matches(name: str) -> str:
    known = tuple(dict.fromkeys(each for task in TASKS for each in _names(task)))
    near = _closest(name, known)
    if near:
        return f"did you mean {' or '.join(map(repr, near))}?"
    return f"expected a task directory, a task name or a leaderboard column, one of {', '.join(map(repr, COLUMNS))}"


def _closest(name: str, known: Iterable[str]) -> list[str]:
    """At most five of the known names, nearest first, whatever their case."""
    by_folded: dict[str, list[str]] = {}
    for each in known:
        by_folded.setdefault(each.casefold(), []).append(each)
    folded = name.casefold().strip()
    near = difflib.get_close_matches(folded, by_folded, n=5, cutoff=0.6)
    within = [each for each in by_folded if len(folded) >= 3 and folded in each]
    return [each for key in dict.fromkeys([*near, *within]) for each in by_folded[key]][:5]
