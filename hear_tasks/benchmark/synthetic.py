"""HEAR tasks of noise."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import numpy as np

from hear_cacophony.frontend.spectrogram import SAMPLE_RATE
from hear_tasks.benchmark.encoder import noise
from hear_tasks.write_task import Clip, write_task, write_wav

SPLIT = "train"
LABELS = ["a", "b"]


def make_task(tasks: pathlib.Path, name: str, samples: Sequence[int], seconds: float | None) -> pathlib.Path:
    """Make a scene task of clips with these numbers of samples, in one split.

    `seconds` is the length of every clip; None where they differ, upon which heareval takes them one by one.
    """
    task = tasks / f"{name}-v1-full"
    named = enumerate(_noises(samples))
    clips = (Clip(f"{i}.wav", audio / 32_768, [LABELS[i % len(LABELS)]]) for i, audio in named)
    metadata = {
        "task_name": name,
        "version": "v1",
        "mode": "full",
        "embedding_type": "scene",
        "prediction_type": "multiclass",
        "split_mode": "trainvaltest",
        "sample_duration": seconds,
        "evaluation": ["top1_acc"],
    }
    write_task(task, metadata, LABELS, {SPLIT: clips}, "Noise")
    return task


def write_noise(folder: pathlib.Path, samples: Sequence[int]) -> list[pathlib.Path]:
    """Write clips with these numbers of samples into a new folder; their files."""
    folder.mkdir(parents=True)
    files = [folder / f"{i}.wav" for i in range(len(samples))]
    for file, audio in zip(files, _noises(samples), strict=True):
        write_wav(file, audio.astype("<i2").tobytes())
    return files


def _noises(samples: Sequence[int]) -> list[np.ndarray]:
    """Clips of noise, int16, with these numbers of samples."""
    audio = noise(max(samples) + len(samples))
    return [audio[i : i + count] for i, count in enumerate(samples)]


def mixed_lengths(clips: int, longest: float) -> list[int]:
    """Samples of clips whose lengths are spread like those of FSD50K: 0.3 s to `longest`, most of them short."""
    drawn = np.random.default_rng(0).lognormal(np.log(5.0), 0.9, clips)
    return np.round(np.clip(drawn, 0.3, longest) * SAMPLE_RATE).astype(int).tolist()
