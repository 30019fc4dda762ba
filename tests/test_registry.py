from __future__ import annotations

import dataclasses
import re

import pytest

from hear_tasks.registry import COLUMNS, TASKS, find_tasks

# The table of the benchmark, in text of its own: directories, column, type, prediction, splits, seconds,
# primary score, classes, and the seconds that the published evaluation of Cacophony padded to.
TABLE = """
beehive_states_fold0-v2-full, beehive_states_fold1-v2-full | Beehive | scene | multiclass | TVT | 600 | aucroc | 2 | -
beijing_opera-v1.0-hear2021-full | Beijing Opera | scene | multiclass | 5 folds | 4.77 | top1_acc | 4 | 5
tfds_crema_d-1.0.0-full | CREMA-D | scene | multiclass | 5 folds | 5 | top1_acc | 6 | 5
dcase2016_task2-hear2021-full | DCASE 2016 | event | multilabel | TVT | 120 | event_onset_200ms_fms | 11 | 120
esc50-v2.0.0-full | ESC-50 | scene | multiclass | 5 presplit folds | 5 | top1_acc | 50 | 5
fsd50k-v1.0-full | FSD50K | scene | multilabel | TVT | null | mAP | 200 | -
tfds_gtzan-1.0.0-full | GTZAN Genre | scene | multiclass | 10 folds | 30 | top1_acc | 10 | 30
tfds_gtzan_music_speech-1.0.0-full | GTZAN Music/Speech | scene | multiclass | 10 folds | 30 | top1_acc | 2 | 30
gunshot_triangulation-v1.0-full | Gunshot | scene | multiclass | 7 folds | 1.5 | top1_acc | 4 | 1.5
libricount-v1.0.0-hear2021-full | Libricount | scene | multiclass | 5 folds | 5 | top1_acc | 11 | 5
maestro-v3.0.0-5h | Maestro 5h | event | multilabel | 5 folds | 120 | event_onset_50ms_fms | 88 | 120
mridangam_stroke-v1.5-full | Mridangam Stroke | scene | multiclass | 5 folds | 0.81 | top1_acc | 10 | -
mridangam_tonic-v1.5-full | Mridangam Tonic | scene | multiclass | 5 folds | 0.81 | top1_acc | 6 | -
nsynth_pitch-v2.2.3-50h | NSynth Pitch 50h | scene | multiclass | TVT | 4 | pitch_acc | 88 | 4
nsynth_pitch-v2.2.3-5h | NSynth Pitch 5h | scene | multiclass | TVT | 4 | pitch_acc | 88 | 4
speech_commands-v0.0.2-5h | Speech commands 5h | scene | multiclass | TVT | 1 | top1_acc | 12 | 1
speech_commands-v0.0.2-full | Speech commands full | scene | multiclass | TVT | 1 | top1_acc | 12 | 1
vocal_imitation-v1.1.3-full | Vocal Imitation | scene | multiclass | 3 folds | 11.26 | mAP | 302 | 12
vox_lingua_top10-hear2021-full | VoxLingua107 top 10 | scene | multiclass | 5 folds | 18.64 | top1_acc | 10 | 19
"""
ROWS = [[cell.strip() for cell in line.split("|")] for line in TABLE.strip().splitlines()]


def test_twenty_directories_in_nineteen_columns():
    assert len(TASKS) == len({task.directory for task in TASKS}) == 20
    assert [row[1] for row in ROWS] == list(COLUMNS)
    assert [directory for row in ROWS for directory in row[0].split(", ")] == [task.directory for task in TASKS]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[1])
def test_every_field_of_a_column(row):
    directories, column, embedding, prediction, splits, seconds, score, classes, published = row
    tasks = find_tasks(column)
    assert [task.directory for task in tasks] == directories.split(", ")
    for task in tasks:
        assert (task.column, task.embedding_type, task.prediction_type) == (column, embedding, prediction)
        assert task.seconds == (None if seconds == "null" else float(seconds))
        assert (task.primary_score, task.classes) == (score, int(classes))
        assert task.published_seconds == (None if published == "-" else float(published))
        folds = re.match(r"(\d+) (presplit )?folds", splits)
        assert task.folds == (int(folds[1]) if folds else None)
        expected_mode = "trainvaltest" if not folds else "presplit_kfold" if folds[2] else "new_split_kfold"
        assert task.split_mode == expected_mode


# What the metadata of each task say of its scores, and, where heareval or they differ from its default (500 epochs, a
# check each 3, stopped by the score), how it is trained.
SCORES = {
    "Beehive": "aucroc mAP d_prime top1_acc",
    "DCASE 2016": "event_onset_200ms_fms segment_1s_er",
    "FSD50K": "mAP d_prime aucroc top1_acc",
    "Maestro 5h": "event_onset_50ms_fms event_onset_offset_50ms_20perc_fms",
    "NSynth Pitch 50h": "pitch_acc chroma_acc",
    "NSynth Pitch 5h": "pitch_acc chroma_acc",
    "Speech commands 5h": "top1_acc",
    "Speech commands full": "top1_acc",
    "Vocal Imitation": "mAP d_prime aucroc top1_acc",
}
TRAININGS = {"DCASE 2016": (500, 10, True, (250,), (125, 250)), "Maestro 5h": (50, 1, False, (150,), (50,))}


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.directory)
def test_scores_and_training(task):
    assert " ".join(task.scores) == SCORES.get(task.column, "top1_acc mAP d_prime aucroc")
    assert dataclasses.astuple(task.training) == TRAININGS.get(task.column, (500, 3, True, (), ()))


def test_directories_are_made_of_name_version_and_mode():
    task = find_tasks("nsynth_pitch-v2.2.3-50h")[0]
    assert (task.name, task.version, task.mode) == ("nsynth_pitch", "v2.2.3", "50h")
    assert [(task.version, task.mode) for task in find_tasks("beijing_opera")] == [("v1.0-hear2021", "full")]


def test_splits():
    assert find_tasks("fsd50k")[0].splits == ("train", "valid", "test")
    assert find_tasks("fsd50k")[0].tests == ("test",)
    assert find_tasks("ESC-50")[0].splits == ("fold00", "fold01", "fold02", "fold03", "fold04")
    assert find_tasks("tfds_gtzan")[0].tests[-1] == "fold09"


@pytest.mark.parametrize(
    ("name", "directories"),
    [
        ("nsynth_pitch", ["nsynth_pitch-v2.2.3-50h", "nsynth_pitch-v2.2.3-5h"]),
        ("Beehive", ["beehive_states_fold0-v2-full", "beehive_states_fold1-v2-full"]),
        ("beehive_states_fold1", ["beehive_states_fold1-v2-full"]),
        ("speech_commands-v0.0.2-full", ["speech_commands-v0.0.2-full"]),
        ("GTZAN Genre", ["tfds_gtzan-1.0.0-full"]),
    ],
)
def test_a_task_is_found_by_directory_name_and_column(name, directories):
    assert [task.directory for task in find_tasks(name)] == directories


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("ECS-50", "'ESC-50'"),
        ("esc50-v1.0.0-full", "'esc50-v2.0.0-full'"),
        ("gtzan", "'tfds_gtzan'"),
        ("VoxLingua107", "'VoxLingua107 top 10'"),
        ("SPEECH COMMANDS 5H", "'Speech commands 5h'"),
    ],
)
def test_an_unknown_name_lists_near_matches(name, near):
    with pytest.raises(ValueError, match=rf"unknown HEAR task '{re.escape(name)}'; did you mean .*{re.escape(near)}"):
        find_tasks(name)


@pytest.mark.parametrize("name", ["", "xy", "a task of our own making"])
def test_a_name_that_is_near_to_none_lists_the_columns(name):
    with pytest.raises(ValueError, match=r"expected a task directory.*'Beehive', .*, 'VoxLingua107 top 10'"):
        find_tasks(name)


def test_tasks_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TASKS[0].seconds = 1.0
