"""HEAR tasks of noise."""

from __future__ import annotations

import json
import pathlib
import wave
from collections.abc import Sequence

import numpy as np

from hear_cacophony.frontend.spectrogram import SAMPLE_RATE
from hear_tasks.benchmark.encoder import noise
from hear_tasks.task_folder import METADATA_FILE, VOCABULARY_FILE

SPLIT = "train"
LABELS = ("a", "b")


def make_task(tasks: pathlib.Path, name: str, samples: Sequence[int], seconds: float | None) -> pathlib.Path:
    """Make a scene task of clips with these numbers of samples, in one split.

    `seconds` is the length of every clip; None where they differ, upon which heareval takes them one by one.
    """
    task = tasks / f"{name}-v1-full"
    folder = task / str(SAMPLE_RATE) / SPLIT
    labels = {file.name: [LABELS[i % len(LABELS)]] for i, file in enumerate(write_noise(folder, samples))}
    metadata = {
        "task_name": name,
        "version": "v1",
        "mode": "full",
        "embedding_type": "scene",
        "prediction_type": "multiclass",
        "split_mode": "trainvaltest",
        "sample_duration": seconds,
        "evaluation": ["top1_acc"],
        "splits": [SPLIT],
    }
    (task / METADATA_FILE).write_text(json.dumps(metadata))
    (task / f"{SPLIT}.json").write_text(json.dumps(labels))
    windows = "".join(f"{i},{label}\n" for i, label in enumerate(LABELS))
    (task / VOCABULARY_FILE).write_text("idx,label\n" + windows)
    return task


def write_noise(folder: pathlib.Path, samples: Sequence[int]) -> list[pathlib.Path]:
    """Write clips with these numbers of samples into a new folder; their files."""
    folder.mkdir(parents=True)
    audio = noise(max(samples) + len(samples))
    files = [folder / f"{i}.wav" for i in range(len(samples))]
    for i, (file, count) in enumerate(zip(files, samples, strict=True)):
        _write_wav(file, audio[i : i + count])
    return files


def mixed_lengths(clips: int, longest: float) -> list[int]:
    """Samples of clips whose lengths are spread like those of FSD50K: 0.3 s to `longest`, most of them short."""
    drawn = np.random.default_rng(0).lognormal(np.log(5.0), 0.9, clips)
    return np.round(np.clip(drawn, 0.3, longest) * SAMPLE_RATE).astype(int).tolist()


def _write_wav(file: pathlib.Path, audio: np.ndarray) -> None:
    with wave.open(str(file), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(SAMPLE_RATE)
        wav.writeframes(audio.astype("<i2").tobytes())
