"""The doctor: each fault planted once in a clean task, and no alarm on clean ones."""

from __future__ import annotations

import argparse
import ast
import collections
import contextlib
import errno
import fcntl
import importlib.util
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import soundfile
from damaged_audio import FORMS, encode, without_length
from damaged_audio import cut as cut_file
from hear_tasks_on_disk import make_event_task, make_scene_task, make_tags_task

from hear_tasks import child_process
from hear_tasks.doctor import audio as doctor_audio
from hear_tasks.doctor import command, environment, examination, metadata, metadata_parameters, resources
from hear_tasks.doctor.audio import AudioFault, read_clip
from hear_tasks.doctor.cuda import Builds
from hear_tasks.doctor.environment import Device, Environment, check_environment
from hear_tasks.doctor.report import SHOWN, Finding, Findings, Severity
from hear_tasks.doctor.resources import ModelFacts
from hear_tasks.doctor.tasks import check_task
from hear_tasks.heareval import VERSIONS
from hear_tasks.registry import TASKS
from hear_tasks.task_folder import EMBEDDED_FILE

SCENE, TAGS, EVENTS = "test_pitch-v1-full", "test_tags-v1-full", "test_events-v1-full"

SOUND = Environment(
    python="3.12.1",
    system="Linux x86_64",
    cores=2,
    versions={
        "jax": "0.10.2",
        "jaxlib": "0.10.2",
        "flax": "0.12.8",
        "numpy": "2.4.6",
        "soundfile": "0.14.0",
        "heareval": "2021.1.3",
        "hearvalidator": "2021.0.6",
        "pytorch-lightning": "1.9.5",
        "torch": "2.13.0+cpu",
        "tensorflow": "2.21.0",
        "setuptools": "80.9.0",
        "soxr": "1.1.0",
    },
    devices={"jax": Device("cpu cpu"), "torch": Device("cpu"), "tensorflow": Device("cpu CPU:0")},
    has_nvidia=False,
    builds=Builds("", (), ""),
)


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> pathlib.Path:
    tasks = tmp_path_factory.mktemp("clean")
    for make in (make_scene_task, make_tags_task, make_event_task):
        make(tasks)
    return tasks


@pytest.fixture
def tasks(clean, tmp_path) -> pathlib.Path:
    """A copy of the clean tasks, to plant a fault in."""
    return pathlib.Path(shutil.copytree(clean, tmp_path / "tasks"))


@pytest.fixture
def doctor(monkeypatch, capsys) -> Callable[..., tuple[int, str]]:
    """Runs the command in a sound environment; its exit status and what it printed."""
    monkeypatch.setattr(examination, "probing", lambda: contextlib.nullcontext(lambda: SOUND))

    def run(*args: object) -> tuple[int, str]:
        parser = argparse.ArgumentParser()
        command.add_parser(parser.add_subparsers())
        parsed = parser.parse_args(["doctor", *map(str, args)])
        status = parsed.func(parsed)
        return status, capsys.readouterr().out

    return run


def edit(file: pathlib.Path, change: Callable[[Any], object]) -> None:
    """Change the content of a JSON file in place, or by what `change` returns."""
    content = json.loads(file.read_text())
    changed = change(content)
    file.write_text(json.dumps(content if changed is None else changed))


def set_metadata(**fields: Any) -> Callable[[pathlib.Path], None]:
    return lambda task: edit(task / "task_metadata.json", lambda metadata: metadata.update(fields))


def drop_metadata(field: str) -> Callable[[pathlib.Path], None]:
    return lambda task: edit(task / "task_metadata.json", lambda metadata: metadata.pop(field) and None)


def set_grid(grid: Any) -> Callable[[pathlib.Path], None]:
    return set_metadata(evaluation_params={"event_postprocessing_grid": grid})


def set_points(**grid: Any) -> Callable[[pathlib.Path], None]:
    return set_metadata(evaluation_params={"task_specific_param_grid": grid})


def set_clip(file: str, clip: str, labels: Any) -> Callable[[pathlib.Path], None]:
    return lambda task: edit(task / file, lambda clips: clips.update({clip: labels}))


def change_events(change: Callable[[dict], object], clip: str = "train-0.wav", count: int = 1):
    def plant(task: pathlib.Path) -> None:
        def change_all(clips: dict) -> None:
            for event in clips[clip][:count]:
                change(event)

        edit(task / "train.json", change_all)

    return plant


def in_seconds(event: dict) -> None:
    event.update(start=event["start"] / 1000, end=event["end"] / 1000)


def all_in_seconds(task: pathlib.Path) -> None:
    def change(clips: dict) -> None:
        for events in clips.values():
            for event in events:
                in_seconds(event)

    edit(task / "valid.json", change)


def write(file: str, content: str | bytes) -> Callable[[pathlib.Path], None]:
    data = content if isinstance(content, bytes) else content.encode()
    return lambda task: (task / file).write_bytes(data) and None


def cut(file: str) -> Callable[[pathlib.Path], None]:
    def plant(task: pathlib.Path) -> None:
        data = (task / file).read_bytes()
        (task / file).write_bytes(data[: len(data) // 2])

    return plant


def remove(file: str) -> Callable[[pathlib.Path], None]:
    return lambda task: (task / file).unlink()


def rewrite(file: str, change: Callable[[np.ndarray], np.ndarray], rate: int = 16_000, subtype: str = "PCM_16"):
    def plant(task: pathlib.Path) -> None:
        samples, _ = soundfile.read(task / file)
        soundfile.write(task / file, change(samples), rate, subtype=subtype)

    return plant


def with_nan(samples: np.ndarray) -> np.ndarray:
    samples[7] = np.nan
    return samples


def copy_clip(source: str, target: str) -> Callable[[pathlib.Path], None]:
    return lambda task: shutil.copyfile(task / source, task / target) and None


def move_to_48(task: pathlib.Path) -> None:
    (task / "16000").rename(task / "48000")


def move_fold_to_48(task: pathlib.Path) -> None:
    (task / "48000").mkdir()
    (task / "16000" / "fold01").rename(task / "48000" / "fold01")


def drop_label(label: str) -> Callable[[pathlib.Path], None]:
    """Take a label out of the training split, and leave those clips without."""

    def change(clips: dict) -> None:
        for labels in clips.values():
            labels[:] = [each for each in labels if each != label]

    return lambda task: edit(task / "train.json", change)


def make_folder(file: str) -> Callable[[pathlib.Path], None]:
    def plant(task: pathlib.Path) -> None:
        (task / file).unlink()
        (task / file).mkdir()

    return plant


def make_pipe(file: str) -> Callable[[pathlib.Path], None]:
    def plant(task: pathlib.Path) -> None:
        (task / file).unlink()
        os.mkfifo(task / file)

    return plant


def set_vocabulary(written: list[str], in_splits: list[str]) -> Callable[[pathlib.Path], None]:
    """Other labels in the scene task."""

    def plant(task: pathlib.Path) -> None:
        (task / VOCABULARY).write_text("idx,label\n" + "".join(f"{i},{label}\n" for i, label in enumerate(written)))
        for fold in ("fold00", "fold01", "fold02"):
            edit(task / f"{fold}.json", lambda clips: {name: [in_splits[i % 3]] for i, name in enumerate(clips)})

    return plant


def relabel(file: str, label: str, to: list[str]) -> Callable[[pathlib.Path], None]:
    """Give the clips with a label other labels in one split."""

    def change(clips: dict) -> None:
        for name, labels in clips.items():
            if label in labels:
                clips[name] = to or [each for each in labels if each != label]

    return lambda task: edit(task / file, change)


def both(*plants: Callable[[pathlib.Path], None]) -> Callable[[pathlib.Path], None]:
    def plant(task: pathlib.Path) -> None:
        for each in plants:
            each(task)

    return plant


def set_sizes(file: str, riff: int, data: int | None = None) -> Callable[[pathlib.Path], None]:
    """Change the sizes in the header of a WAV file; `riff` is added to a whole one below 100."""

    def plant(task: pathlib.Path) -> None:
        content = bytearray((task / file).read_bytes())
        content[4:8] = (riff if riff >= 100 else len(content) - 8 + riff).to_bytes(4, "little")
        if data is not None:
            place = content.index(b"data") + 4
            content[place : place + 4] = data.to_bytes(4, "little")
        (task / file).write_bytes(content)

    return plant


def rename_clip(split: str, old: str, named: str, there: str) -> Callable[[pathlib.Path], None]:
    """Give a clip one name in the split file and another on the disk."""

    def plant(task: pathlib.Path) -> None:
        edit(task / f"{split}.json", lambda clips: {named if name == old else name: clips[name] for name in clips})
        (task / "16000" / split / old).rename(task / "16000" / split / there)

    return plant


NFC, NFD = "caf\u00e9.wav", "cafe\u0301.wav"

ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE
META, VOCABULARY = "task_metadata.json", "labelvocabulary.csv"
CLIP, TAGGED = "16000/fold00/fold00-0.wav", "16000/train/train-0.wav"

# Task, fault, severity, file that is named, part of the message.
FAULTS = {
    "metadata missing": (SCENE, remove(META), ERROR, META, "found none"),
    "metadata cut in half": (SCENE, cut(META), ERROR, META, "cut short"),
    "metadata empty": (SCENE, write(META, ""), ERROR, META, "empty file"),
    "metadata not UTF-8": (SCENE, write(META, b'{"a": "\xe9"}'), ERROR, META, "byte 0xe9 at offset 7"),
    "metadata with a mark": (SCENE, write(META, b"\xef\xbb\xbf{}"), ERROR, META, "a byte order mark"),
    "metadata a pipe": (SCENE, make_pipe(META), ERROR, META, "found a pipe or device"),
    "metadata a list": (SCENE, write(META, "[1]"), ERROR, META, "got a list"),
    "metadata nested": (SCENE, write(META, "[" * 100_000), ERROR, META, "nested too deeply"),
    "metadata a folder": (SCENE, make_folder(META), ERROR, META, "found a folder"),
    **{
        f"no {field}": (SCENE, drop_metadata(field), ERROR, META, f"expected a field '{field}', found none")
        for field in ("task_name", "version", "mode", "embedding_type", "prediction_type", "split_mode")
    },
    **{
        f"no {field}": (SCENE, drop_metadata(field), ERROR, META, f"expected a field '{field}', found none")
        for field in ("sample_duration", "evaluation", "splits")
    },
    "no nfolds": (SCENE, drop_metadata("nfolds"), WARNING, META, "expected a field 'nfolds' of 3, found none"),
    "unknown embedding type": (SCENE, set_metadata(embedding_type="clip"), ERROR, META, "scene or event, got 'clip'"),
    "prediction type a list": (SCENE, set_metadata(prediction_type=["x"]), ERROR, META, "got ['x']"),
    "unknown split mode": (SCENE, set_metadata(split_mode="kfold"), ERROR, META, "got 'kfold'"),
    "unknown score": (SCENE, set_metadata(evaluation=["top1"]), ERROR, META, "heareval knows, got 'top1'"),
    "score of events": (SCENE, set_metadata(evaluation=["segment_1s_er"]), ERROR, META, "scores of scene tasks"),
    "no score": (SCENE, set_metadata(evaluation=[]), ERROR, META, "got []"),
    "duration 0": (SCENE, set_metadata(sample_duration=0), ERROR, META, "above 0, or null where clips differ, got 0"),
    "duration negative": (SCENE, set_metadata(sample_duration=-1.5), ERROR, META, "got -1.5"),
    "duration text": (SCENE, set_metadata(sample_duration="0.5"), ERROR, META, "got '0.5'"),
    "duration in ms": (SCENE, set_metadata(sample_duration=500), ERROR, META, "given in milliseconds?"),
    "duration in many ms": (SCENE, set_metadata(sample_duration=5000), ERROR, META, "looks like milliseconds"),
    "duration wrong": (SCENE, set_metadata(sample_duration=1.0), ERROR, META, "every clip that was read has 0.5 s"),
    "nfolds wrong": (SCENE, set_metadata(nfolds=5), ERROR, META, "expected 'nfolds' to be 3"),
    "two folds": (SCENE, set_metadata(splits=["fold00", "fold01"]), ERROR, META, "at least 3 folds"),
    "a split twice": (SCENE, set_metadata(splits=["fold00", "fold01", "fold01"]), ERROR, META, "each split once"),
    "folds as splits": (TAGS, set_metadata(splits=["train", "test"]), ERROR, META, "train, valid and test"),
    "splits escape": (TAGS, set_metadata(splits=["../x"]), ERROR, META, "list of names"),
    "split file besides": (
        SCENE,
        write("fold03.json", '{"a.wav": []}'),
        ERROR,
        "fold03.json",
        "found this file besides",
    ),
    "directory renamed": (SCENE, set_metadata(version="v2"), WARNING, META, "'test_pitch-v2-full', got 'test_pitch-v1"),
    "multiclass events": (EVENTS, set_metadata(prediction_type="multiclass"), ERROR, META, "multilabel in an event"),
    "no grid": (EVENTS, set_metadata(evaluation_params={}), NOTE, META, "event_postprocessing_grid in an event task"),
    "grid empty": (EVENTS, set_grid({}), ERROR, META, "event_postprocessing_grid to be an object of lists, got {}"),
    "grid of unknown": (EVENTS, set_grid({"filter": [1]}), ERROR, META, "got 'filter': [1]"),
    "grid of numbers": (EVENTS, set_grid({"min_duration": 5}), ERROR, META, "got 'min_duration': 5"),
    "grid of text": (EVENTS, set_grid({"min_duration": ["5"]}), ERROR, META, "got 'min_duration': ['5']"),
    "grid too large": (EVENTS, set_metadata(use_scoring_for_early_stopping=False), ERROR, META, "one value each in"),
    "no grid to choose": (
        EVENTS,
        set_metadata(evaluation_params={}, use_scoring_for_early_stopping=False),
        ERROR,
        META,
        "event_postprocessing_grid, as 'use_scoring_for_early_stopping' is false, found none",
    ),
    "points of text": (
        SCENE,
        set_points(lr=["1e-3"]),
        ERROR,
        META,
        "values like (0.0032, 0.001, 0.00032, 0.0001) for lr in",
    ),
    "points beyond bounds": (
        TAGS,
        set_points(dropout=[1.5]),
        ERROR,
        META,
        "0 to 1 for dropout in task_specific_param_grid, got [1.5]",
    ),
    "points of torch": (
        TAGS,
        set_points(optim=["Adam"]),
        ERROR,
        META,
        "classes and functions of torch there, for optim",
    ),
    "points of unknown": (TAGS, set_points(foo=[0]), ERROR, META, "got 'foo': [0]"),
    "no validation": (TAGS, set_points(max_epochs=[2, 9]), ERROR, META, "max_epochs 2 with check_val_every_n_epoch 3"),
    "a last batch of one": (
        SCENE,
        set_points(batch_size=[11]),
        ERROR,
        "fold02.json",
        "got 12 clips to train on in fold02, in batches of 11",
    ),
    "parameters null": (TAGS, set_metadata(evaluation_params=None), ERROR, META, "to be an object, got null"),
    "vocabulary missing": (SCENE, remove(VOCABULARY), ERROR, VOCABULARY, "found none"),
    "vocabulary empty": (SCENE, write(VOCABULARY, "idx,label\n"), ERROR, VOCABULARY, "a line for each label, got none"),
    "vocabulary header": (SCENE, write(VOCABULARY, "0,low\n1,middle\n2,high\n"), ERROR, VOCABULARY, "got '0,low'"),
    "vocabulary comma": (SCENE, write(VOCABULARY, "idx,label\n0,a,b\n"), ERROR, VOCABULARY, "2 values in line 2"),
    "idx gap": (SCENE, write(VOCABULARY, "idx,label\n0,low\n1,middle\n3,high\n"), ERROR, VOCABULARY, "found no 2"),
    "idx twice": (SCENE, write(VOCABULARY, "idx,label\n0,low\n1,middle\n1,high\n"), ERROR, VOCABULARY, "once: 1"),
    "idx text": (SCENE, write(VOCABULARY, "idx,label\n0,low\nx,middle\n2,high\n"), ERROR, VOCABULARY, "got 'x'"),
    "label twice": (
        SCENE,
        write(VOCABULARY, "idx,label\n0,low\n1,middle\n2,high\n3,low\n"),
        ERROR,
        VOCABULARY,
        "more than once: 'low'",
    ),
    "label NA": (SCENE, write(VOCABULARY, "idx,label\n0,low\n1,middle\n2,high\n3,NA\n"), ERROR, VOCABULARY, "'NA'"),
    "label unused": (SCENE, write(VOCABULARY, "idx,label\n0,low\n1,middle\n2,high\n3,x\n"), NOTE, VOCABULARY, "'x'"),
    "label unknown": (
        SCENE,
        set_clip("fold00.json", "fold00-0.wav", ["lo"]),
        ERROR,
        "fold00.json",
        "'lo' (near 'low')",
    ),
    "label null": (SCENE, set_clip("fold00.json", "fold00-0.wav", [None]), ERROR, "fold00.json", "got null"),
    "label not a list": (SCENE, set_clip("fold00.json", "fold00-0.wav", "low"), ERROR, "fold00.json", "got text"),
    "two labels": (
        SCENE,
        set_clip("fold00.json", "fold00-0.wav", ["low", "high"]),
        ERROR,
        "fold00.json",
        "exactly one label for fold00-0.wav in a multiclass task, got 'low', 'high'",
    ),
    "no label": (SCENE, set_clip("fold00.json", "fold00-0.wav", []), ERROR, "fold00.json", "task, got none"),
    "label never trained": (TAGS, drop_label("low"), WARNING, "test.json", "none there with 'low'"),
    "split missing": (SCENE, remove("fold01.json"), ERROR, "fold01.json", "found none"),
    "split cut in half": (SCENE, cut("fold01.json"), ERROR, "fold01.json", "could not read it"),
    "split empty": (SCENE, write("fold01.json", "{}"), ERROR, "fold01.json", "expected clips in this split"),
    "split a list": (SCENE, write("fold01.json", "[]"), ERROR, "fold01.json", "got a list"),
    "clip named twice": (
        SCENE,
        lambda task: (task / "fold01.json").write_text('{"a.wav": ["low"], "a.wav": ["high"]}') and None,
        ERROR,
        "fold01.json",
        "'a.wav' once",
    ),
    "name escapes": (SCENE, set_clip("fold00.json", "../x.wav", ["low"]), ERROR, "fold00.json", "got '../x.wav'"),
    "audio missing": (SCENE, remove(CLIP), ERROR, CLIP, "fold00.json names, found no such file"),
    "audio extra": (SCENE, copy_clip(CLIP, "16000/fold00/x.wav"), ERROR, "16000/fold00/x.wav", "this one besides"),
    "48 kHz only": (SCENE, move_to_48, ERROR, "16000", "found only 48000"),
    "a fold at 48 kHz": (SCENE, move_fold_to_48, ERROR, "16000/fold01", "folder with the audio of split fold01"),
    "no audio": (SCENE, lambda task: shutil.rmtree(task / "16000"), ERROR, "16000", "no audio at all"),
    "audio empty": (SCENE, write(CLIP, b""), ERROR, CLIP, "this is empty"),
    "audio without samples": (SCENE, rewrite(CLIP, lambda x: x[:0]), ERROR, CLIP, "without samples"),
    "audio is text": (SCENE, write(CLIP, "no audio"), ERROR, CLIP, "got: Format not recognised"),
    "audio cut": (TAGS, cut(TAGGED), ERROR, TAGGED, "was a copy interrupted?"),
    "audio a folder": (SCENE, make_folder(CLIP), ERROR, CLIP, "got a folder"),
    "wrong rate": (TAGS, rewrite(TAGGED, lambda x: x, rate=48_000), ERROR, TAGGED, "16000 Hz, got 48000 Hz"),
    "stereo": (SCENE, rewrite(CLIP, lambda x: np.stack([x, x], 1)), ERROR, CLIP, "one channel, got 2"),
    "24 bit": (SCENE, rewrite(CLIP, lambda x: x, subtype="PCM_24"), WARNING, CLIP, "16-bit PCM, got PCM_24"),
    "NaN": (SCENE, rewrite(CLIP, with_nan, subtype="FLOAT"), ERROR, CLIP, "first at sample 7"),
    "silence": (SCENE, rewrite(CLIP, lambda x: 0 * x), WARNING, CLIP, "silence alone"),
    "clipping": (SCENE, rewrite(CLIP, lambda x: np.clip(20 * x, -1, 1)), WARNING, CLIP, "at full scale"),
    "too short": (SCENE, rewrite(CLIP, lambda x: x[:7000]), ERROR, CLIP, "expected 0.5 s (8000 samples)"),
    "a sample short": (SCENE, rewrite(CLIP, lambda x: x[:-1]), ERROR, CLIP, "8000 samples as in the other clips"),
    "same audio": (
        SCENE,
        copy_clip(CLIP, "16000/fold02/fold02-5.wav"),
        ERROR,
        "16000/fold02/fold02-5.wav",
        f"the same samples as {CLIP}",
    ),
    "same audio in another coding": (
        TAGS,
        lambda task: soundfile.write(
            task / "16000/test/test-3.wav", soundfile.read(task / TAGGED)[0], 16_000, subtype="FLOAT"
        ),
        ERROR,
        "16000/test/test-3.wav",
        f"the same samples as {TAGGED}",
    ),
    "seconds": (EVENTS, all_in_seconds, ERROR, "valid.json", "times that look like seconds"),
    "one clip in seconds": (EVENTS, change_events(in_seconds, count=3), ERROR, "train.json", "clip of 4 s"),
    "event after the clip": (
        EVENTS,
        change_events(lambda event: event.update(start=4100, end=4200)),
        ERROR,
        "train.json",
        "event 0 of train-0.wav inside the clip's 4000 ms, got 4100 to 4200 ms",
    ),
    "event past the end": (
        EVENTS,
        change_events(lambda event: event.update(end=4500)),
        ERROR,
        "train.json",
        "inside the clip's 4000 ms",
    ),
    "event before the clip": (
        EVENTS,
        change_events(lambda event: event.update(start=-5)),
        ERROR,
        "train.json",
        "at 0 ms or later, got -5 ms",
    ),
    "event backwards": (
        EVENTS,
        change_events(lambda event: event.update(start=900, end=800)),
        ERROR,
        "train.json",
        "after its start at 900, got its end at 800",
    ),
    "event of no length": (
        EVENTS,
        change_events(lambda event: event.update(start=900, end=900)),
        WARNING,
        "train.json",
        "both at 900 ms",
    ),
    "time text": (EVENTS, change_events(lambda event: event.update(start="9")), ERROR, "train.json", "'start': '9'"),
    "time NaN": (EVENTS, change_events(lambda event: event.update(end=np.nan)), ERROR, "train.json", "'end': nan"),
    "time huge": (EVENTS, change_events(lambda event: event.update(end=10**400)), ERROR, "train.json", "in numbers"),
    "no end": (EVENTS, change_events(lambda event: event.pop("end")), ERROR, "train.json", "got none named end"),
    "event label unknown": (
        EVENTS,
        change_events(lambda event: event.update(label="dog")),
        ERROR,
        "train.json",
        "got 'dog' for train-0.wav",
    ),
    "event is text": (EVENTS, set_clip("train.json", "train-0.wav", ["low"]), ERROR, "train.json", "got text"),
    "header of a pipe": (TAGS, set_sizes(TAGGED, 0xFFFFFFFF, 0xFFFFFFFF), NOTE, TAGGED, "it is read to its end"),
    "header of sox": (TAGS, set_sizes(TAGGED, 0x7FFFF024, 0x7FFFF000), NOTE, TAGGED, "the placeholder 0x7ffff000"),
    "size of the whole file": (TAGS, set_sizes(TAGGED, 8), NOTE, TAGGED, "it is read to its end"),
    "samples missing": (TAGS, set_sizes(TAGGED, 90_000, 89_964), ERROR, TAGGED, "was a copy interrupted?"),
    **{
        f"label {written}": (SCENE, set_vocabulary([written, *others], [written, *others]), ERROR, "fold00.json", seen)
        for written, others, seen in (
            ("0.10", ["0.20", "0.30"], "got '0.20', which heareval (by pandas) reads as '0.2'"),
            ("+1", ["2", "3"], "got '+1', which heareval (by pandas) reads as '1'"),
            ("true", ["false", "false"], "got 'true', which heareval (by pandas) reads as 'True'"),
            ("inf", ["1", "2"], "got '1', which heareval (by pandas) reads as '1.0'"),
            ("null", ["1", "2"], "got 'null', which heareval (by pandas) reads as a missing value"),
        )
    },
    "labels in another form": (
        SCENE,
        set_vocabulary(["1", "1.0", "2"], ["1"] * 3),
        ERROR,
        VOCABULARY,
        "once: '1', '1.",
    ),
    "label with blanks": (
        SCENE,
        set_vocabulary(["low ", "middle", "high"], ["low ", "middle", "high"]),
        WARNING,
        VOCABULARY,
        "got 'low ', which heareval keeps",
    ),
    "label with blanks there alone": (
        SCENE,
        set_vocabulary(["low ", "middle", "high"], ["low", "middle", "high"]),
        ERROR,
        "fold00.json",
        "got 'low' (near 'low ')",
    ),
    "primary score without a positive": (
        TAGS,
        both(set_metadata(evaluation=["d_prime", "mAP"]), relabel("test.json", "low", [])),
        ERROR,
        "test.json",
        "as d_prime of 'evaluation' compare them, got no clip with 'low': the score will be NaN",
    ),
    "validated score without a positive": (
        TAGS,
        both(set_metadata(evaluation=["aucroc"]), relabel("valid.json", "low", [])),
        ERROR,
        "valid.json",
        "no clip with 'low'",
    ),
    "score without a negative": (
        TAGS,
        both(
            set_metadata(evaluation=["aucroc"]),
            lambda task: edit(task / "test.json", lambda clips: {name: ["low", *clips[name]] for name in clips}),
        ),
        ERROR,
        "test.json",
        "no clip without 'low'",
    ),
    "another score without a positive": (TAGS, relabel("test.json", "low", []), WARNING, "test.json", "will be NaN"),
    "one class in a fold": (
        SCENE,
        lambda task: edit(task / "fold01.json", lambda clips: {name: ["low"] for name in clips}),
        WARNING,
        "fold01.json",
        "got 'low' alone",
    ),
    "label validated alone": (
        TAGS,
        both(drop_label("low"), relabel("test.json", "low", ["middle"])),
        WARNING,
        "valid.json",
        "none there with 'low'",
    ),
    "one class trained": (
        TAGS,
        lambda task: edit(task / "train.json", lambda clips: {name: ["low"] for name in clips}),
        WARNING,
        "test.json",
        "none there with 'high', 'middle'",
    ),
    "name decomposed on the disk": (
        SCENE,
        rename_clip("fold00", "fold00-0.wav", NFC, NFD),
        ERROR,
        "16000/fold00/" + NFD.encode("unicode_escape").decode().replace("\\u0301", "\u0301"),
        "(Unicode NFC), found one that looks the same and is written otherwise (NFD)",
    ),
    "name in other case on the disk": (
        SCENE,
        rename_clip("fold00", "fold00-0.wav", "Dog.wav", "dog.WAV"),
        ERROR,
        "16000/fold00/dog.WAV",
        "found 'dog.WAV', which differs in upper and lower case",
    ),
    "scene as events": (TAGS, set_metadata(embedding_type="event"), ERROR, "train.json", "embedding_type scene"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault, clean, tmp_path, doctor):
    task, plant, severity, file, message = FAULTS[fault]
    plant(pathlib.Path(shutil.copytree(clean / task, tmp_path / task)))
    status, out = doctor(tmp_path)
    lines = [line for line in out.splitlines() if line.startswith(f"{severity.upper()} {task}/{file}: expected ")]
    assert any(message in line and "; fix: " in line for line in lines), out
    assert status == (1 if severity is Severity.ERROR else 0)


@pytest.mark.parametrize("ending", FORMS)
def test_a_clip_of_any_form_is_read_and_a_cut_one_is_found(ending, tmp_path, noise):
    file = tmp_path / "clip.wav"
    file.write_bytes(encode(noise(9_000), 8_000, *FORMS[ending]))
    whole, header = read_clip(str(file), whole=True), read_clip(str(file), whole=False)
    assert whole.frames >= 9_000
    assert whole.header == header.header
    assert (whole.content is None, header.content is None) == (False, True)
    with pytest.raises(AudioFault, match=r"interrupted|is it what its name says"):
        read_clip(str(cut_file(file)), whole=True)


def test_a_clip_whose_header_tells_no_length_is_read_in_a_quick_check_too(tmp_path, noise):
    file = tmp_path / os.fsdecode(b"caf\xe9.wav")
    file.write_bytes(without_length(encode(noise(9_000), 16_000, "FLAC")))
    assert read_clip(str(file), whole=False).frames == 9_000
    file.unlink()
    file.symlink_to("nowhere")
    with pytest.raises(AudioFault, match="found a link to nowhere"):
        read_clip(str(file), whole=False)


@pytest.mark.parametrize("deep", [False, True])
def test_clean_tasks_have_no_finding(clean, doctor, deep):
    status, out = doctor(clean, *(["--deep"] if deep else []))
    assert status == 0
    assert "ERROR" not in out
    assert "WARNING" not in out
    assert "NOTE" not in out
    assert out.splitlines()[-1].startswith("3 tasks, 81 clips, ")
    assert out.splitlines()[-1].endswith(" of audio: no fault found")


def found(task: pathlib.Path, *, deep: bool = False) -> list[Finding]:
    return list(check_task(task, deep=deep).findings)


def kinds(task: pathlib.Path, *, deep: bool = False) -> collections.Counter[str]:
    return collections.Counter(finding.kind for finding in found(task, deep=deep))


def test_one_fault_gives_one_finding(tasks):
    all_in_seconds(tasks / EVENTS)
    assert kinds(tasks / EVENTS) == {"event-seconds": 1}
    set_metadata(sample_duration=500)(tasks / SCENE)
    assert kinds(tasks / SCENE) == {"metadata-duration": 1}
    move_to_48(tasks / TAGS)
    assert kinds(tasks / TAGS) == {"audio-missing": 1}


@pytest.mark.parametrize(("named", "there"), [(NFC, NFD), (NFD, NFC), ("Dog.wav", "dog.wav")])
def test_names_that_look_the_same_give_one_finding(tasks, named, there):
    rename_clip("fold00", "fold00-0.wav", named, there)(tasks / SCENE)
    assert len(found(tasks / SCENE)) == 1


@pytest.mark.parametrize(("named", "there"), [(NFC, NFD), ("Dog.wav", "dog.wav")])
def test_a_file_system_that_takes_two_names_for_the_same_gives_a_warning(tasks, monkeypatch, named, there):
    rename_clip("fold00", "fold00-0.wav", named, there)(tasks / SCENE)
    monkeypatch.setattr("hear_tasks.doctor.audio_folder.is_there", lambda file: True)
    report = check_task(tasks / SCENE)
    assert [each.severity for each in report.findings] == [WARNING]
    assert "this file system takes them for the same, others do not" in report.findings[0].message
    assert report.clips == 36


@pytest.mark.parametrize("taken_for_the_same", [False, True])
def test_two_clips_in_one_file_of_such_a_file_system_are_an_error(tasks, monkeypatch, taken_for_the_same):
    """Unpacked where case does not count, the second clip has taken the first one's place."""
    monkeypatch.setattr("hear_tasks.doctor.audio_folder.is_there", lambda file: taken_for_the_same)
    task = tasks / SCENE
    edit(task / "fold00.json", lambda clips: clips.update({"FOLD00-0.wav": ["low"]}))
    assert [(each.kind, each.severity) for each in found(task)] == [("audio-case", ERROR)]


def test_labels_that_pandas_changes_are_found_without_it_as_far_as_can_be(tasks, monkeypatch):
    set_vocabulary(["00", "01", "NA"], ["00", "01", "NA"])(tasks / SCENE)
    with_pandas = kinds(tasks / SCENE)
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pandas" else find_spec(name))
    assert kinds(tasks / SCENE)["vocabulary-label"] == with_pandas["vocabulary-label"] == 1


def test_numbers_as_pandas_writes_them_are_no_fault(tasks):
    set_vocabulary(["0.10", "+1", "1e3"], ["0.1", "1.0", "1000.0"])(tasks / SCENE)
    assert found(tasks / SCENE) == []


def test_prepare_is_the_fix_for_48_khz(tasks):
    move_to_48(tasks / SCENE)
    assert [finding.fix for finding in found(tasks / SCENE)] == [
        f"make it from that: hear-cacophony prepare --rates 16000 {tasks / SCENE}"
    ]


def test_audio_is_checked_at_the_rate_of_a_model(tasks):
    model = ModelFacts(44_100, 2048, 1024)

    def found(task: pathlib.Path) -> list[Finding]:
        return list(check_task(task, model=model).findings)

    command = f"hear-cacophony prepare --rates 44100 {tasks / SCENE}"
    (finding,) = found(tasks / SCENE)
    assert (finding.file, finding.fix) == ("44100", f"unpack the tarball of 48000 Hz, then run: {command}")
    move_to_48(tasks / SCENE)
    (finding,) = found(tasks / SCENE)
    assert finding.message == "expected a folder with the audio at 44100 Hz, found only 48000"
    assert finding.fix == f"make it from that: {command}"
    for seed, file in enumerate(sorted((tasks / SCENE / "48000").rglob("*.wav"))):
        target = tasks / SCENE / "44100" / file.relative_to(tasks / SCENE / "48000")
        target.parent.mkdir(parents=True, exist_ok=True)
        samples = np.random.default_rng(seed).uniform(-0.5, 0.5, 22_050)
        soundfile.write(target, samples, 44_100, subtype="PCM_16")
    assert found(tasks / SCENE) == []
    target.write_bytes((tasks / EVENTS / "16000" / "train" / "train-0.wav").read_bytes())
    (finding,) = [each for each in found(tasks / SCENE) if each.kind == "audio-rate"]
    assert finding.message == "expected 44100 Hz, got 16000 Hz"
    assert finding.fix.endswith("hear-cacophony prepare --rates 44100")


def test_labels_that_are_numbers_go_by_their_text(tasks):
    task = tasks / SCENE
    (task / VOCABULARY).write_text("idx,label\n0,60\n1,61\n2,62\n")
    for fold in ("fold00", "fold01", "fold02"):
        edit(task / f"{fold}.json", lambda clips: {name: [60 + i % 3] for i, name in enumerate(clips)})
    assert found(task) == []


def test_labels_that_lose_leading_zeros_in_heareval_are_found(tasks):
    task = tasks / SCENE
    (task / VOCABULARY).write_text("idx,label\n0,00\n1,01\n2,02\n")
    for fold in ("fold00", "fold01", "fold02"):
        edit(task / f"{fold}.json", lambda clips: {name: [f"0{i % 3}"] for i, name in enumerate(clips)})
    assert kinds(task)["label-unknown"] == 9


def test_the_files_that_the_benchmark_leaves_beside_the_splits_are_no_fault(tasks):
    for name in ("labelcount_train.json", "train_stats.json"):
        (tasks / TAGS / name).write_text("{}")
    assert found(tasks / TAGS) == []


def test_equal_lengths_a_millisecond_off_are_no_fault(tasks):
    for file in (tasks / SCENE / "16000").glob("*/*.wav"):
        samples, rate = soundfile.read(file)
        soundfile.write(file, samples[:-1], rate, subtype="PCM_16")
    assert found(tasks / SCENE) == []


def test_silence_in_two_splits_is_not_the_same_audio(tasks):
    for fold in ("fold00", "fold01"):
        rewrite(f"16000/{fold}/{fold}-0.wav", lambda samples: 0 * samples)(tasks / SCENE)
    assert kinds(tasks / SCENE) == {"audio-silent": 2}


def test_a_clip_twice_in_one_split_is_no_fault(tasks):
    copy_clip(CLIP, "16000/fold00/fold00-3.wav")(tasks / SCENE)
    assert found(tasks / SCENE) == []


def test_one_name_in_two_splits_is_noted(tasks):
    edit(tasks / TAGS / "test.json", lambda clips: clips.update({"train-0.wav": ["low"]}))
    samples = np.random.default_rng(5).uniform(-0.5, 0.5, 9000)
    soundfile.write(tasks / TAGS / "16000/test/train-0.wav", samples, 16_000, subtype="PCM_16")
    assert [(finding.severity, finding.file) for finding in found(tasks / TAGS)] == [(NOTE, "test.json")]


def test_rare_events_may_be_untrained(tasks):
    """Two rare pitches of a piano are no fault; a third of all events is."""
    task = tasks / EVENTS
    (task / VOCABULARY).write_text("idx,label\n0,low\n1,middle\n2,high\n3,rare\n4,unused\n")

    def add(share: float) -> None:
        def change(clips: dict) -> None:
            events = [{"label": "low", "start": 10 * i, "end": 10 * i + 5} for i in range(100)]
            for event in events[: int(100 * share)]:
                event["label"] = "rare"
            clips["test-0.wav"] = events

        edit(task / "test.json", change)

    add(0.02)
    assert found(task) == []
    add(0.4)
    assert kinds(task) == {"label-untrained": 1}


def as_hear_task(tasks: pathlib.Path, **changes: Any) -> pathlib.Path:
    """The scene task as if it were one of HEAR: a 3-fold task with other fields in it."""
    known = next(task for task in TASKS if task.name == "vocal_imitation")
    task = (tasks / SCENE).rename(tasks / known.directory)
    fields = {
        "task_name": known.name,
        "version": known.version,
        "mode": known.mode,
        "evaluation": ["mAP"],
        "sample_duration": known.seconds,
    }
    set_metadata(**fields | changes)(task)
    for i, file in enumerate(sorted((task / "16000").glob("*/*.wav"))):
        samples = np.random.default_rng(i).uniform(-0.5, 0.5, 180_160)
        soundfile.write(file, samples, 16_000, subtype="PCM_16")
    (task / VOCABULARY).write_text("idx,label\n" + "".join(f"{i},label {i}\n" for i in range(302)))
    for fold in ("fold00", "fold01", "fold02"):
        edit(task / f"{fold}.json", lambda clips: {name: [f"label {7 + i % 2}"] for i, name in enumerate(clips)})
    return task


def test_a_task_of_hear_as_it_should_be_has_no_fault(tasks):
    assert kinds(as_hear_task(tasks)) == {"label-unused": 1}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("embedding_type", "event"),
        ("prediction_type", "multilabel"),
        ("split_mode", "presplit_kfold"),
        ("sample_duration", 11.0),
        ("nfolds", 5),
        ("evaluation", ["top1_acc", "mAP"]),
    ],
)
def test_fields_of_a_task_of_hear_are_compared(tasks, field, value):
    task = as_hear_task(tasks, **{field: value})
    differences = [finding for finding in found(task) if finding.kind == "metadata-registry"]
    assert len(differences) == 1
    assert differences[0].severity is Severity.ERROR
    assert f"expected {field!r} of vocal_imitation-v1.1.3-full to be" in differences[0].message


def test_classes_of_a_task_of_hear_are_compared(tasks):
    task = as_hear_task(tasks)
    (task / VOCABULARY).write_text("idx,label\n0,label 7\n1,label 8\n")
    assert [(each.severity, each.kind) for each in found(task)] == [(WARNING, "vocabulary-registry")]


def test_a_few_copies_in_a_published_task_are_its_own(tasks):
    task = as_hear_task(tasks)
    copy_clip(CLIP, "16000/fold02/fold02-5.wav")(task)
    assert [each.severity for each in found(task) if each.kind == "audio-duplicate"] == [WARNING]
    for i in range(6):
        copy_clip(f"16000/fold00/fold00-{i}.wav", f"16000/fold01/fold01-{i}.wav")(task)
    assert {each.severity for each in found(task) if each.kind == "audio-duplicate"} == {ERROR}


@pytest.fixture
def _as_if_large(monkeypatch):
    monkeypatch.setattr(doctor_audio, "WHOLE_BYTES", 1000)
    monkeypatch.setattr(doctor_audio, "SAMPLED_CLIPS", 2)


@pytest.mark.usefixtures("_as_if_large")
def test_a_large_task_is_sampled_and_deep_reads_all(tasks, doctor):
    task = tasks / SCENE
    report = check_task(task)
    assert (report.clips, report.read, report.whole) == (36, 6, False)
    copy_clip(CLIP, "16000/fold02/fold02-5.wav")(task)
    rewrite("16000/fold01/fold01-5.wav", lambda samples: 0 * samples)(task)
    assert kinds(task) == {}
    assert kinds(task, deep=True) == {"audio-duplicate": 1, "audio-silent": 1}
    assert "6 of the 36 clips of test_pitch-v1-full were looked into" in doctor(task)[1]


@pytest.mark.usefixtures("_as_if_large")
def test_sizes_of_all_files_are_looked_at(tasks):
    rewrite("16000/fold01/fold01-5.wav", lambda samples: samples[:7000])(tasks / SCENE)
    write("16000/fold02/fold02-7.wav", b"")(tasks / SCENE)
    assert {(each.kind, each.file) for each in found(tasks / SCENE)} == {
        ("audio-length", "16000/fold01/fold01-5.wav"),
        ("audio-unreadable", "16000/fold02/fold02-7.wav"),
    }


@pytest.mark.usefixtures("_as_if_large")
def test_empty_files_are_found_where_lengths_differ(tasks):
    write("16000/test/test-7.wav", b"RIFF")(tasks / TAGS)
    assert {(each.kind, each.file) for each in found(tasks / TAGS)} == {("audio-unreadable", "16000/test/test-7.wav")}


def test_many_faults_of_a_kind_are_counted_and_json_has_all(tasks, doctor):
    for i in range(12):
        (tasks / SCENE / f"16000/fold00/fold00-{i}.wav").unlink()
    status, out = doctor(tasks)
    lines = [line for line in out.splitlines() if line.startswith("ERROR")]
    assert status == 1
    assert len(lines) == SHOWN + 1
    assert f"{SCENE}/16000/fold00: and {12 - SHOWN} more of this kind" in lines[-1]
    assert out.splitlines()[-1].endswith("12 errors")
    _, out = doctor(tasks, "--json")
    assert len(json.loads(out)["findings"]) == 12


def test_json(tasks, doctor):
    status, out = doctor(tasks, "--json")
    content = json.loads(out)
    assert status == 0
    assert content["ok"] is True
    assert content["findings"] == []
    assert {task["name"]: task["clips"] for task in content["tasks"]} == {SCENE: 36, TAGS: 36, EVENTS: 9}
    assert next(task["seconds"] for task in content["tasks"] if task["name"] == EVENTS) == 36.0
    assert content["environment"]["versions"]["heareval"] == "2021.1.3"
    assert content["environment"]["devices"]["jax"]["seen"] == "cpu cpu"
    assert content["resources"]["needs"]["disk"] > 0
    remove(CLIP)(tasks / SCENE)
    status, out = doctor(tasks, "--json")
    finding = json.loads(out)["findings"][0]
    assert status == 1
    assert json.loads(out)["ok"] is False
    assert (finding["severity"], finding["task"], finding["file"]) == ("error", SCENE, CLIP)
    assert set(finding) == {"severity", "kind", "task", "file", "message", "fix"}


def test_names_that_cannot_be_printed_stay_in_one_line(tasks, doctor):
    set_clip("train.json", "a\nb\ud800.wav", ["low"])(tasks / TAGS)
    status, out = doctor(tasks)
    assert status == 1
    assert "a\\nb\\ud800.wav" in out
    assert doctor(tasks, "--json")[0] == 1


def test_tasks_are_chosen_by_name(tasks, doctor):
    remove(CLIP)(tasks / SCENE)
    assert doctor(tasks, "--task", TAGS)[0] == 0
    assert doctor(tasks, "--task", "test_pitch")[0] == 1
    status, out = doctor(tasks, "--task", "test_pich-v1-full")
    assert status == 1
    assert "ERROR test_pich-v1-full: expected a task of this name" in out
    assert f"choose from {SCENE}" in out


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "found nothing"),
        (lambda folder: folder.mkdir(), "expected HEAR tasks (folders with task_metadata.json), found none"),
        (lambda folder: folder.write_text("x"), "found a file"),
    ],
)
def test_a_folder_without_tasks_is_an_error(tmp_path, doctor, make, message):
    make(tmp_path / "tasks")
    status, out = doctor(tmp_path / "tasks")
    assert status == 1
    assert f"ERROR {tmp_path / 'tasks'}: " in out
    assert message in out


def test_what_is_not_there_is_said_at_once(tasks, tmp_path, doctor, monkeypatch):
    def fail(*_: object, **__: object):
        raise AssertionError("nothing else is to be looked at")

    monkeypatch.setattr(examination, "probing", fail)
    monkeypatch.setattr(examination, "check_task", fail)
    for given in ([tmp_path / "nosuch"], [tasks, tmp_path / "nosuch"], [tasks, "--task", SCENE, "nosuch"]):
        status, out = doctor(*given)
        assert status == 1
        assert len(out.splitlines()) == 2
        assert "nosuch: expected a " in out
        assert out.splitlines()[1] == "nothing else was checked: 1 error"
    status, out = doctor(tasks, "--model", tmp_path / "nosuch.ckpt")
    assert (status, len(out.splitlines())) == (1, 2)
    assert f"ERROR checkpoint/{tmp_path / 'nosuch.ckpt'}: expected a checkpoint, got: " in out
    assert json.loads(doctor(tmp_path / "nosuch", "--json")[1])["environment"] is None


def test_the_environment_is_not_looked_at_twice(monkeypatch):
    monkeypatch.setattr(examination, "probing", lambda: pytest.fail("it is known"))
    assert examination.examine(environment=SOUND).environment == SOUND


def test_several_tasks_are_chosen_at_once(tasks, doctor):
    for given in (["--task", SCENE, TAGS], ["--task", SCENE, "--task", TAGS]):
        assert doctor(tasks, *given)[1].splitlines()[-1].startswith("2 tasks, 72 clips")


def test_a_file_system_without_locks_is_found(tasks, doctor, monkeypatch, tmp_path):
    def no_lock(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", no_lock)
    status, out = doctor(tasks, "--embeddings-dir", tmp_path / "e")
    assert status == 0
    assert f"WARNING resources/{tmp_path / 'e'}: expected a file system with locks, found none in {tmp_path}" in out


def test_what_is_no_task_is_named(tasks, doctor):
    (tasks / "some.tar.gz").write_bytes(b"")
    status, out = doctor(tasks)
    assert status == 0
    assert f"WARNING {tasks}: expected task directories alone" in out
    assert "found some.tar.gz" in out


def test_tasks_are_found_as_tarballs_unpack(tasks, tmp_path, doctor):
    (tmp_path / "unpacked" / "hear-2021.0.6").mkdir(parents=True)
    tasks.rename(tmp_path / "unpacked" / "hear-2021.0.6" / "tasks")
    assert doctor(tmp_path / "unpacked")[1].splitlines()[-1].startswith("3 tasks, 81 clips")


def test_this_folder_can_be_a_task(tasks, doctor, monkeypatch):
    monkeypatch.chdir(tasks / SCENE)
    status, out = doctor(".")
    assert (status, out.count("WARNING")) == (0, 0)


def test_nothing_is_written(tasks, doctor, tmp_path):
    before = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))
    doctor(tasks, "--deep", "--embeddings-dir", tmp_path / "embeddings")
    assert sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")) == before


def test_a_check_that_fails_is_a_finding(tasks, doctor, monkeypatch):
    def fail(*_: object, **__: object):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("hear_tasks.doctor.tasks.read_splits", fail)
    status, out = doctor(tasks)
    assert status == 1
    assert f"ERROR {SCENE}: expected a task that can be checked, got PermissionError" in out


def test_needs_grow_with_the_task(clean):
    scene, events = (check_task(clean / name).needs for name in (SCENE, EVENTS))
    # 36 clips, and 9 clips of 4 s at 40 ms, of 768 float32 each, twice.
    assert 36 * 768 * 4 * 2 < scene.disk < 36 * (768 * 4 * 2 + 10_000)
    assert 900 * 768 * 4 * 2 < events.disk < 900 * 768 * 4 * 2 + 900 * 300 + 9 * 20_000
    assert 900 * 768 * 4 < events.memory < 3 * 900 * 768 * 4


def test_a_full_disk_and_little_memory_are_found(tasks, doctor, monkeypatch, tmp_path):
    monkeypatch.setattr(resources, "_free_disk", lambda folder: 1000)
    monkeypatch.setattr(resources, "host_memory", lambda: 1000)
    status, out = doctor(tasks, "--embeddings-dir", tmp_path / "e")
    assert status == 1
    assert f"ERROR resources/{tmp_path / 'e'}: expected about 6.9 MB of room" in out
    assert "WARNING resources/memory: expected about 4.2 MB" in out


def test_embeddings_cannot_go_into_a_file(tasks, doctor, tmp_path):
    (tmp_path / "e").write_text("")
    status, out = doctor(tasks, "--embeddings-dir", tmp_path / "e" / "deeper")
    assert status == 1
    assert "expected a folder for the embeddings, found the file" in out


def test_a_checkpoint_is_described(doctor, tiny_checkpoints, tmp_path):
    status, out = doctor("--model", tiny_checkpoints["cacophony"])
    assert status == 0
    assert "checkpoint: stage 2, Cacophony, MD5 " in out
    assert f"NOTE checkpoint/{tiny_checkpoints['cacophony']}: expected a published file" in out
    damaged = tmp_path / "damaged.ckpt"
    damaged.write_bytes(tiny_checkpoints["cacophony"].read_bytes()[:5000])
    for file in (damaged, tmp_path / "none.ckpt", tmp_path):
        status, out = doctor("--model", file)
        assert status == 1
        assert f"ERROR checkpoint/{file}: expected a checkpoint, got: " in out


def module_dicts(file: pathlib.Path) -> dict[str, set[str]]:
    """The keys of the dictionaries that a module defines, without importing it."""
    keys = {}
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            keys[ast.unparse(target)] = {ast.literal_eval(key) for key in node.value.keys}
    return keys


def test_heareval_knows_the_same_names():
    spec = importlib.util.find_spec("heareval")
    if spec is None or spec.origin is None:
        pytest.skip("heareval is not installed")
    heareval = pathlib.Path(spec.origin).parent
    scores = module_dicts(heareval / "score.py")["available_scores"]
    predictions = module_dicts(heareval / "predictions" / "task_predictions.py")
    assert scores == {*metadata.SCENE_SCORES, *metadata.EVENT_SCORES}
    assert predictions["PARAM_GRID"] == set(metadata_parameters.HYPERPARAMETERS)
    assert predictions["EVENT_POSTPROCESSING_GRID"] < set(metadata_parameters.POSTPROCESSING)


# The environment


@pytest.mark.parametrize(
    ("place", "got"),
    [
        ("file/below", "got the file {home}/file: functions are compiled anew"),
        ("locked/below", "got {home}/locked without leave to write: functions"),
        ("relative", "got the file {home}/file: functions are compiled anew"),
    ],
)
def test_a_cache_that_cannot_be_written_is_told(place, got, tmp_path, doctor, monkeypatch):
    (tmp_path / "file").touch()
    (tmp_path / "locked").mkdir()
    usual = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: pathlib.Path(path).name != "locked" and usual(path, mode))
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    monkeypatch.setenv("XDG_CACHE_HOME", place if place == "relative" else str(tmp_path / place))
    status, out = doctor()
    assert status == 0
    (line,) = [line for line in out.splitlines() if line.startswith("WARNING environment: ") or "cache" in line]
    assert got.format(home=tmp_path) in line
    assert line.endswith("; fix: set HOME, or XDG_CACHE_HOME, to a folder that you may write to")
    assert not (tmp_path / "file" / "below").exists()


def test_embeddings_that_hold_anything_do_not_stop_a_check(tasks, tmp_path, doctor):
    for name, content in {"embedded": "[]", "sizes": '{"a": "b"}', "record": '{"audio": 3, "states": 4}'}.items():
        target = tmp_path / "embeddings" / name / SCENE
        target.mkdir(parents=True)
        (target / EMBEDDED_FILE).write_text(content)
        (target / "embedded-from.json").write_text(content)
        (target / "task_metadata.json").write_text(content)
    out = doctor(tasks, "--embeddings-dir", tmp_path / "embeddings")[1]
    assert f"expected embeddings in {tmp_path}/embeddings/record/{SCENE} that can be checked, got " in out


def environment_findings(**changes: Any) -> list[tuple[Severity, str, str]]:
    fields = {name: getattr(SOUND, name) for name in SOUND.__dataclass_fields__}
    fields["versions"] = {**SOUND.versions, **changes.pop("versions", {})}
    fields["devices"] = {**SOUND.devices, **changes.pop("devices", {})}
    findings = Findings("environment")
    check_environment(Environment(**fields | changes), findings)
    return [(each.severity, each.file, each.message) for each in findings.found]


def test_a_sound_environment_has_no_finding(doctor):
    assert environment_findings() == []
    status, out = doctor()
    assert status == 0
    assert out.splitlines()[-1] == "environment: no fault found"
    assert "heareval 2021.1.3" in out
    assert "jax sees cpu cpu" in out


@pytest.mark.parametrize(
    ("package", "version", "severity", "message"),
    [
        ("jax", None, ERROR, "expected it for the encoders, found none"),
        ("heareval", None, ERROR, "found none"),
        ("soxr", None, WARNING, "audio at other rates than 16 kHz, found none"),
        ("heareval", "2021.2.0", ERROR, "expected version 2021.1.3 for"),
        ("pytorch-lightning", "2.6.0", ERROR, "expected version 1.9.x for"),
        ("setuptools", "81.0.0", ERROR, "expected version below 81 for pytorch-lightning 1.9"),
        ("numpy", "1.26.4", ERROR, "expected version 2 or higher"),
    ],
)
def test_versions_are_checked(package, version, severity, message):
    findings = environment_findings(versions={package: version})
    assert [(each[0], each[1]) for each in findings] == [(severity, package)]
    assert message in findings[0][2]


def test_versions_agree_with_the_patches_of_heareval():
    lowest = {each.names[0]: each.lowest for each in environment.REQUIREMENTS}
    for package, beginning in VERSIONS.items():
        assert lowest[package] == tuple(map(int, beginning.rstrip(".").split(".")))


def test_python_is_checked():
    assert environment_findings(python="3.10.4")[0][:2] == (ERROR, "python")
    assert environment_findings(python="3.14.0rc1")[0][:2] == (ERROR, "python")


def test_devices_are_checked():
    assert environment_findings(devices={"jax": Device("", "boom")}) == [
        (ERROR, "jax", "expected jax to list its devices, got: boom")
    ]
    assert environment_findings(has_nvidia=True)[0][:2] == (WARNING, "jax")
    assert environment_findings(has_nvidia=True, devices={"jax": Device("gpu NVIDIA H100")}) == []
    assert environment_findings(devices={"torch": Device("gpu NVIDIA H100")})[0][:2] == (NOTE, "tensorflow")


def probe() -> dict[str, Device]:
    with environment.probing() as probed:
        return dict(probed().devices)


def test_probes_tell_what_is_seen_and_what_failed(monkeypatch, tmp_path):
    monkeypatch.setattr(
        environment,
        "_PROBES",
        {"json": "import os; print('noise'); print('cpu', os.environ['XLA_PYTHON_CLIENT_PREALLOCATE'])"},
    )
    assert probe() == {"json": Device("cpu false")}
    monkeypatch.setattr(environment, "_PROBES", {"json": "raise RuntimeError('broken')", "no_such_library": ""})
    assert probe() == {"json": Device("", "RuntimeError: broken")}
    monkeypatch.setattr(environment, "_PROBES", {"json": "import os; os.kill(os.getpid(), 9)"})
    assert probe() == {"json": Device("", "exit status -9")}
    monkeypatch.chdir(tmp_path)
    (tmp_path / "queue.py").write_text("raise RuntimeError('not the library of this name')")
    monkeypatch.setattr(environment, "_PROBES", {"json": "import queue; print('cpu')"})
    assert probe() == {"json": Device("cpu")}
    much = "import sys; sys.stderr.write('x' * (1 << 20)); print('y' * (1 << 20)); print('cpu')"
    monkeypatch.setattr(environment, "_PROBES", {"json": much})
    assert probe() == {"json": Device("cpu")}


def test_a_slow_library_is_waited_for(monkeypatch, tmp_path, capsys):
    """The probe answers when the third remark on the wait has come, not at a time."""
    answer = f"import os, time\nwhile not os.path.exists({str(tmp_path / 'go')!r}): time.sleep(0.01)\nprint('cpu')"
    monkeypatch.setattr(environment, "_PROBES", {"json": answer})
    monkeypatch.setattr(child_process, "TELL_SECONDS", 0.25)
    told: list[str] = []

    def tell(message: str, **_: object) -> None:
        told.append(message)
        if len(told) == 3:
            (tmp_path / "go").touch()

    monkeypatch.setattr("builtins.print", tell)
    assert probe() == {"json": Device("cpu")}
    assert told[:3] == [
        f"waiting for json to be imported and to list its devices: {s} s so far ..." for s in (0.25, 0.5, 0.75)
    ]


WAITING = """
import sys
from hear_tasks import cli
from hear_tasks.doctor import environment
lock, begun = sys.argv[1:]
slow = f"import fcntl, time; held = open({lock!r}, 'w'); fcntl.flock(held, 2); open({begun!r}, 'w'); time.sleep(6000)"
environment._PROBES = {"csv": "import time; time.sleep(6000)", "json": slow}
sys.argv = ["hear-cacophony", "doctor"]
sys.exit(cli.main())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_while_a_library_is_waited_for_leaves_nothing(tmp_path, number):
    lock, begun = tmp_path / "lock", tmp_path / "begun"
    process = subprocess.Popen([sys.executable, "-c", WAITING, lock, begun], stderr=subprocess.PIPE, text=True)
    while not begun.exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    told = process.communicate()[1]
    assert (process.returncode, told) == ((-9, "") if number == 9 else (128 + number, "doctor: interrupted\n"))
    with lock.open() as held:  # which the probe has as long as it lives
        fcntl.flock(held, fcntl.LOCK_EX)


def test_the_real_environment_is_probed(monkeypatch):
    monkeypatch.setattr(environment, "_PROBES", {"jax": environment._PROBES["jax"]})  # the others take longer
    with environment.probing() as probed_environment:
        probed = probed_environment()
    assert probed.versions["numpy"] == np.__version__
    assert "cpu" in probed.devices["jax"].seen
