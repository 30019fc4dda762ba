"""`predict` beside heareval's own prediction runner: whole processes in turn on the same synthetic embeddings.

Each case is capped at few epochs. What a row costs in them is projected to the clips of HEAR.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

from hear_tasks.benchmark import measured_process
from hear_tasks.benchmark.config import Config, tell
from hear_tasks.benchmark.predict_cases import FULL, GRID_POINTS, QUICK, Case, make_embeddings
from hear_tasks.benchmark.projection import EPOCHS, project_predictions
from hear_tasks.task_folder import SCORES_FILE


@dataclasses.dataclass(frozen=True)
class Process:
    """What a process took: seconds by the clock and of the processors, and bytes at its peak."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int


def run_process(arguments: Sequence[str], threads: int, folder: pathlib.Path, *, hide_gpus: bool = True) -> Process:
    """Run a Python module with its arguments in `folder`.

    Raises:
        ChildProcessError: it failed; what it said is in the message.
    """
    env = {**os.environ, "OMP_NUM_THREADS": str(threads), **({"CUDA_VISIBLE_DEVICES": ""} if hide_gpus else {})}
    with tempfile.NamedTemporaryFile("r+") as taken:
        command = [sys.executable, measured_process.__file__, taken.name, sys.executable, "-m", *arguments]
        done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stdout + done.stderr)[-1000:]
            raise ChildProcessError(f"{' '.join(arguments)}: status {done.returncode}: {said}")
        return Process(**json.load(taken))


def measure_predict(config: Config) -> dict[str, Any]:
    """Both predictors in turn, of each case, with one thread, and with two where there are two cores.

    The short scale has one case, on the GPU where torch sees one.

    Returns:
        Figures by case, and the projection; or the reason why heareval cannot run.
    """
    from hear_tasks.heareval import check_versions

    try:
        check_versions()
        import torch
    except (ImportError, RuntimeError) as error:
        return {"skipped": str(error)}
    if config.scale.name == "short":
        case = FULL[1]
        return {"cases": {case.name: [measure_case(case, 1, 1, config.folder, on_gpu=torch.cuda.is_available())]}}
    full = config.scale.name == "full"
    cases, rounds = (FULL, 3) if full else (QUICK, 1)
    threads = (1, 2) if full and len(os.sched_getaffinity(0)) > 1 else (1,)
    measured = {case.name: [measure_case(case, n, rounds, config.folder) for n in threads] for case in cases}
    pair = FULL[1] if full else QUICK[0]
    return {
        "cases": measured,
        "side_by_side": measure_side_by_side(pair, rounds, config.folder),
        "projection_hours": project_predictions(measured),
    }


def measure_case(
    case: Case, threads: int, rounds: int, folder: pathlib.Path, *, on_gpu: bool = False
) -> dict[str, Any]:
    """Median figures of both predictors for a case, and whether their scores are equal; on the CPU, its products."""
    tell(f"predict: {case.name}, {'GPU' if on_gpu else f'threads {threads}'}")
    runners = {
        "heareval": ["hear_tasks.heareval", "predictions"],
        "predict": ["hear_tasks.cli", "predict"],
    }
    taken: dict[str, list[Process]] = {name: [] for name in runners}
    bound: dict[str, float] = {}
    with tempfile.TemporaryDirectory(dir=folder) as name:
        master = make_embeddings(case, pathlib.Path(name) / "master")
        if not on_gpu:
            profiled = shutil.copytree(master, pathlib.Path(name) / "profiled-v1-full")
            bound["products_seconds"] = measure_products(profiled, threads)
        scores: dict[str, str] = {}
        for _ in range(rounds):
            for runner, arguments in runners.items():
                task = pathlib.Path(name) / "task-v1-full"
                shutil.copytree(master, task)
                options = ["--grid-points", str(GRID_POINTS), *(["--gpus", "[0]"] if on_gpu else []), task.name]
                ran = run_process([*arguments, *options], threads, task.parent, hide_gpus=not on_gpu)
                taken[runner].append(ran)
                scores[runner] = _comparable((task / SCORES_FILE).read_text())
                shutil.rmtree(task)
    result: dict[str, Any] = {
        f"{runner}_{field.name}": statistics.median(getattr(each, field.name) for each in processes)
        for runner, processes in taken.items()
        for field in dataclasses.fields(Process)
    }
    if bound:
        bound["most_beside_heareval"] = result["heareval_seconds"] / bound["products_seconds"]
    return {
        **result,
        **bound,
        "threads": threads,
        "on_gpu": on_gpu,
        "events": bool(case.frames),
        "labels": case.labels,
        "training_rows": case.training_rows,
        "trainings": case.trainings,
        "epochs": case.epochs,
        "speed_beside_heareval": result["heareval_seconds"] / result["predict_seconds"],
        "cpu_beside_heareval": result["heareval_cpu_seconds"] / result["predict_cpu_seconds"],
        "scores_equal": scores["heareval"] == scores["predict"],
    }


def measure_products(task: pathlib.Path, threads: int) -> float:
    """Seconds that predicting a task takes for matrix products, which heareval computes as well.

    Equal scores need equal products, so that heareval's time over this bounds what anything may win.
    """
    from hear_tasks.benchmark.product_timer import ProductTimer
    from hear_tasks.predict import predict_task

    with ProductTimer() as timer:
        predict_task(task, grid_points=GRID_POINTS, threads=threads, tell=lambda _: None)
    return timer.seconds


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
                    f"{name}, {'GPU' if each['on_gpu'] else str(each['threads']) + ' threads'}",
                    f"{each['predict_seconds']:.1f} s, heareval {each['heareval_seconds']:.1f} s: "
                    f"{each['speed_beside_heareval']:.2f} times as fast",
                ),
                (
                    "",
                    f"{each['cpu_beside_heareval']:.2f} by processor time, peak {each['predict_peak_bytes'] / 1e9:.2f} "
                    f"of {each['heareval_peak_bytes'] / 1e9:.2f} GB, "
                    f"scores {'equal' if each['scores_equal'] else 'DIFFER'}",
                ),
            ]
            if "products_seconds" in each:
                products, most = each["products_seconds"], each["most_beside_heareval"]
                lines.append(("", f"{products:.1f} s of it matrix products, which bound it to {most:.2f}"))
    if "side_by_side" not in result:
        return lines
    pair = result["side_by_side"]
    lines.append(
        (
            f"two of {pair['case']} at once",
            f"{pair['at_once_seconds']:.1f} s, one after the other {pair['one_after_the_other_seconds']:.1f} s: "
            f"{pair['speed_at_once']:.2f} times as fast",
        )
    )
    return [
        *lines,
        ("all of HEAR, both stages", f"{result['projection_hours']:.0f} hours, at most {EPOCHS} epochs each"),
    ]
