"""`predict` beside heareval's own prediction runner: whole processes in turn on the same synthetic embeddings.

Each case is capped at few epochs. What a row costs in them is projected to the clips of HEAR.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import pickle
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from hear_tasks.benchmark.config import Config, tell
from hear_tasks.benchmark.projection import STAGES
from hear_tasks.registry import TASKS, EmbeddingType

GRID_POINTS = 2
_PRODUCTS = ("aten::addmm", "aten::mm")
HOP_MS = 40.0
SCORES_FILE = "test.predicted-scores.json"


@dataclasses.dataclass(frozen=True)
class Case:
    """A synthetic task.

    Attributes:
        name: for the table.
        clips: of each split: train, valid and test, or folds where there are more.
        size: of an embedding.
        labels: of the vocabulary.
        epochs: that each training is capped at.
        frames: embeddings of a clip, of an event task; otherwise 0.
        events: of each clip of an event task.
        every: epochs from one validation to the next.
    """

    name: str
    clips: tuple[int, ...]
    size: int
    labels: int
    epochs: int
    frames: int = 0
    events: int = 0
    every: int = 3

    @property
    def trainings(self) -> int:
        """How many networks are trained."""
        return GRID_POINTS + (len(self.clips) - 1 if len(self.clips) > 3 else 0)

    @property
    def training_rows(self) -> int:
        """Embeddings that each of them is trained on, about."""
        clips = sum(self.clips[2:]) if len(self.clips) > 3 else self.clips[0]
        return clips * (self.frames or 1)

    @property
    def metadata(self) -> dict[str, Any]:
        """task_metadata.json."""
        kfold = len(self.clips) > 3
        splits = [f"fold{number:02d}" for number in range(len(self.clips))] if kfold else ["train", "valid", "test"]
        grid = {"max_epochs": [self.epochs], "check_val_every_n_epoch": [self.every]}
        return {
            "task_name": re.sub(r"\W", "_", self.name),
            "version": "v1",
            "mode": "full",
            "embedding_type": "event" if self.frames else "scene",
            "prediction_type": "multilabel" if self.frames else "multiclass",
            "split_mode": "new_split_kfold" if kfold else "trainvaltest",
            "evaluation": ["event_onset_50ms_fms"] if self.frames else ["top1_acc"],
            "evaluation_params": {"task_specific_param_grid": grid},
            "splits": splits,
        }


FULL = (
    Case("236 clips x 5 folds", (48, 47, 47, 47, 47), 768, 4, 60),
    Case("4,000 clips x 4 folds", (1000,) * 4, 768, 10, 12),
    Case("16,000 clips", (16_000, 2_000, 2_000), 768, 12, 6),
    Case("100,000 clips", (80_000, 10_000, 10_000), 768, 35, 3),
    Case("DCASE-like, 36 clips", (24, 6, 6), 768, 11, 10, frames=3000, events=40, every=10),
    Case("MAESTRO-like, 12 clips", (8, 2, 2), 768, 88, 6, frames=3000, events=1000, every=1),
)
QUICK = (Case("20 clips x 4 folds", (5,) * 4, 16, 3, 3), Case("3 clips of events", (1, 1, 1), 16, 4, 3, 100, 10))


def make_embeddings(case: Case, folder: pathlib.Path) -> pathlib.Path:
    """Write embeddings of a case into `folder`: a noisy centre for each label."""
    folder.mkdir(parents=True)
    metadata = case.metadata
    (folder / "task_metadata.json").write_text(json.dumps(metadata))
    names = [f"label{number}" for number in range(case.labels)]
    lines = "".join(f"{number},{name}\n" for number, name in enumerate(names))
    (folder / "labelvocabulary.csv").write_text("idx,label\n" + lines)
    random = np.random.default_rng(0)
    centres = random.standard_normal((case.labels, case.size), np.float32)
    for split, clips in zip(metadata["splits"], case.clips, strict=True):
        if case.frames:
            active, listed = _draw_events(case, split, clips, names, random)
            times = [(clip, frame * HOP_MS) for clip in listed for frame in range(case.frames)]
            (folder / f"{split}.filename-timestamps.json").write_text(json.dumps(times))
        else:
            active = np.eye(case.labels, dtype=bool)[np.arange(clips) % case.labels]
            listed = {f"{split}-{clip}.wav": [names[clip % case.labels]] for clip in range(clips)}
        embeddings = active.astype(np.float32) @ centres
        embeddings += 4 * random.standard_normal(embeddings.shape, np.float32)
        embeddings.tofile(folder / f"{split}.embeddings.npy")
        (folder / f"{split}.json").write_text(json.dumps(listed))
        (folder / f"{split}.embedding-dimensions.json").write_text(json.dumps(embeddings.shape))
        labels = [[names[number] for number in np.flatnonzero(row)] for row in active]
        (folder / f"{split}.target-labels.pkl").write_bytes(pickle.dumps(labels))
    return folder


def _draw_events(
    case: Case, split: str, clips: int, names: Sequence[str], random: np.random.Generator
) -> tuple[np.ndarray, dict[str, list]]:
    """Which labels are active in each frame, and the events of each clip."""
    active = np.zeros((clips, case.frames, case.labels), dtype=bool)
    listed: dict[str, list] = {f"{split}-{clip}.wav": [] for clip in range(clips)}
    for clip, events in enumerate(listed.values()):
        for _ in range(case.events):
            label, first = int(random.integers(case.labels)), int(random.integers(case.frames - 12))
            last = first + int(random.integers(4, 12))
            active[clip, first : last + 1, label] = True
            events.append({"label": names[label], "start": first * HOP_MS, "end": last * HOP_MS})
    return active.reshape(-1, case.labels), listed


@dataclasses.dataclass(frozen=True)
class Process:
    """What a process took: seconds by the clock and of the processors, and bytes at its peak."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int


def run_process(arguments: Sequence[str], threads: int, folder: pathlib.Path) -> Process:
    """Run a Python module with its arguments in `folder`.

    Raises:
        ChildProcessError: it failed; what it said is in the message.
    """
    env = {**os.environ, "OMP_NUM_THREADS": str(threads), "CUDA_VISIBLE_DEVICES": ""}
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen([sys.executable, "-m", *arguments], env=env, cwd=folder, stdout=said, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - start
        if process.returncode:
            said.seek(0)
            raise ChildProcessError(f"{' '.join(arguments)}: status {process.returncode}: {said.read()[-1000:]}")
    return Process(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def measure_predict(config: Config) -> dict[str, Any]:
    """Both predictors in turn, of each case, with one thread, and with two where there are two cores.

    Returns:
        Figures by case, and the projection; or the reason why heareval cannot run.
    """
    from hear_tasks.heareval import check_versions

    try:
        check_versions()
    except RuntimeError as error:
        return {"skipped": str(error)}
    full = config.scale.name == "full"
    cases, rounds = (FULL, 3) if full else (QUICK, 1)
    threads = (1, 2) if full and len(os.sched_getaffinity(0)) > 1 else (1,)
    measured = {case.name: [measure_case(case, n, rounds, config.folder) for n in threads] for case in cases}
    pair = FULL[1] if full else QUICK[0]
    return {
        "cases": measured,
        "side_by_side": measure_side_by_side(pair, rounds, config.folder),
        "projection_hours": project_hours(measured),
    }


def measure_case(case: Case, threads: int, rounds: int, folder: pathlib.Path) -> dict[str, Any]:
    """Median figures of both predictors for a case, and whether their scores are equal."""
    tell(f"predict: {case.name}, threads {threads}")
    runners = {
        "heareval": ["hear_tasks.heareval", "predictions"],
        "predict": ["hear_tasks.cli", "predict"],
    }
    taken: dict[str, list[Process]] = {name: [] for name in runners}
    with tempfile.TemporaryDirectory(dir=folder) as name:
        master = make_embeddings(case, pathlib.Path(name) / "master")
        products = measure_products(shutil.copytree(master, pathlib.Path(name) / "profiled-v1-full"), threads)
        scores: dict[str, str] = {}
        for _ in range(rounds):
            for runner, arguments in runners.items():
                task = pathlib.Path(name) / "task-v1-full"
                shutil.copytree(master, task)
                options = ["--grid-points", str(GRID_POINTS), task.name]
                taken[runner].append(run_process([*arguments, *options], threads, task.parent))
                scores[runner] = _comparable((task / SCORES_FILE).read_text())
                shutil.rmtree(task)
    result: dict[str, Any] = {
        f"{runner}_{field.name}": statistics.median(getattr(each, field.name) for each in processes)
        for runner, processes in taken.items()
        for field in dataclasses.fields(Process)
    }
    return {
        **result,
        "threads": threads,
        "training_rows": case.training_rows,
        "trainings": case.trainings,
        "epochs": case.epochs,
        "products_seconds": products,
        "most_beside_heareval": result["heareval_seconds"] / products,
        "speed_beside_heareval": result["heareval_seconds"] / result["predict_seconds"],
        "cpu_beside_heareval": result["heareval_cpu_seconds"] / result["predict_cpu_seconds"],
        "scores_equal": scores["heareval"] == scores["predict"],
    }


def measure_products(task: pathlib.Path, threads: int) -> float:
    """Seconds that predicting a task takes for matrix products, which heareval computes as well, by torch's profiler.

    Equal scores need equal products, so that heareval's time over this bounds what anything may win.
    """
    import torch

    from hear_tasks.predict import predict_task

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            predict_task(task, grid_points=GRID_POINTS, threads=threads, tell=lambda _: None)
    finally:
        torch.set_num_threads(before)
    return sum(each.self_cpu_time_total for each in profile.key_averages() if each.key in _PRODUCTS) / 1e6


def measure_side_by_side(case: Case, rounds: int, folder: pathlib.Path) -> dict[str, Any]:
    """Median seconds of two equal tasks, with one thread each, one after the other and at once."""
    tell(f"predict: {case.name}, two tasks")
    seconds: dict[str, list[float]] = {"1": [], "2": []}
    with tempfile.TemporaryDirectory(dir=folder) as name:
        master = make_embeddings(case, pathlib.Path(name) / "master")
        for _ in range(rounds):
            for jobs, taken in seconds.items():
                tasks = [pathlib.Path(name) / "twice" / task for task in ("one-v1-full", "two-v1-full")]
                for task in tasks:
                    shutil.copytree(master, task)
                options = ["--grid-points", str(GRID_POINTS), "--jobs", jobs, *(task.name for task in tasks)]
                taken.append(run_process(["hear_tasks.cli", "predict", *options], 1, tasks[0].parent).seconds)
                shutil.rmtree(tasks[0].parent)
    after, at_once = (statistics.median(taken) for taken in seconds.values())
    return {
        "case": case.name,
        "one_after_the_other_seconds": after,
        "at_once_seconds": at_once,
        "speed_at_once": after / at_once,
    }


def _comparable(scores: str) -> str:
    """A scores file without times and addresses in memory."""
    return re.sub(r'"time_in_min(_\w+)?": [^,\n]*| at 0x\w+', "", scores)


def describe_predict(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Lines of the table."""
    lines = []
    for name, figures in result["cases"].items():
        for each in figures:
            lines += [
                (
                    f"{name}, {each['threads']} threads",
                    f"{each['predict_seconds']:.1f} s, heareval {each['heareval_seconds']:.1f} s: "
                    f"{each['speed_beside_heareval']:.2f} times as fast",
                ),
                (
                    "",
                    f"{each['cpu_beside_heareval']:.2f} by processor time, peak {each['predict_peak_bytes'] / 1e9:.2f} "
                    f"of {each['heareval_peak_bytes'] / 1e9:.2f} GB, "
                    f"scores {'equal' if each['scores_equal'] else 'DIFFER'}",
                ),
                (
                    "",
                    f"{each['products_seconds']:.1f} s of it matrix products, which bound it to "
                    f"{each['most_beside_heareval']:.2f}",
                ),
            ]
    pair = result["side_by_side"]
    lines.append(
        (
            f"two of {pair['case']} at once",
            f"{pair['at_once_seconds']:.1f} s, one after the other {pair['one_after_the_other_seconds']:.1f} s: "
            f"{pair['speed_at_once']:.2f} times as fast",
        )
    )
    return [*lines, ("all of HEAR, both stages", f"{result['projection_hours']:.0f} hours, {EPOCHS} epochs each")]


EPOCHS = 150
"""Of a training until it stops, for the projection."""

CLIPS = {
    "beehive_states_fold0": 576,
    "beehive_states_fold1": 576,
    "beijing_opera": 236,
    "tfds_crema_d": 7438,
    "dcase2016_task2": 72,
    "esc50": 2000,
    "fsd50k": 51185,
    "tfds_gtzan": 1000,
    "tfds_gtzan_music_speech": 128,
    "gunshot_triangulation": 88,
    "libricount": 5720,
    "maestro": 185,
    "mridangam_stroke": 6977,
    "mridangam_tonic": 6977,
    "nsynth_pitch-50h": 49060,
    "nsynth_pitch-5h": 5000,
    "speech_commands-5h": 22890,
    "speech_commands-full": 100503,
    "vocal_imitation": 5601,
    "vox_lingua_top10": 972,
}
"""Clips of HEAR's tasks by name, and mode where a name has two."""


def project_hours(cases: dict[str, list[dict[str, Any]]]) -> float:
    """Hours for both stages of all of HEAR one task after the other, each row at the cost of the nearest case.

    A k-fold task trains on k - 2 folds, eight grid points and k - 1 more networks; the others on four fifths.
    """
    costs: dict[int, float] = {}
    for each in (figures for measured in cases.values() for figures in measured):
        rows = each["training_rows"] * each["trainings"] * each["epochs"]
        cost = each["predict_seconds"] / rows
        costs[each["training_rows"]] = min(cost, costs.get(each["training_rows"], cost))
    seconds = 0.0
    for task in TASKS:
        clips = CLIPS.get(task.name) or CLIPS[f"{task.name}-{task.mode}"]
        rows = clips * (1 if task.embedding_type == EmbeddingType.SCENE else round(120_000 / HOP_MS))
        rows = round(rows * ((task.folds - 2) / task.folds if task.folds else 0.8))
        nearest = min(costs, key=lambda measured: abs(np.log(measured / rows)))
        seconds += rows * (8 + (task.folds - 1 if task.folds else 0)) * EPOCHS * costs[nearest]
    return STAGES * seconds / 3600
