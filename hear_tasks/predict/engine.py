"""One task from embeddings to scores: heareval's grid search, folds and tests."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import functools
import json
import operator
import os
import pathlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

from hear_tasks.grids import GRID_POINTS, GRIDS, SEEDS
from hear_tasks.partitions import Partition
from hear_tasks.predict.evaluation import Test, has_score, run_test, validate
from hear_tasks.predict.grids import SEED, Configuration, choose_points
from hear_tasks.predict.network import make_network
from hear_tasks.predict.results import (
    PREDICTIONS,
    Log,
    describe_training,
    is_done,
    lost_predictions,
    make_scores,
    prediction_sizes,
    write_notes,
    write_predictions,
    write_trainings,
)
from hear_tasks.predict.same_run import ENGINE, check_done, check_unchanged, digest_inputs
from hear_tasks.predict.split import read_split, read_split_events, to_device
from hear_tasks.predict.task import Task, read_task
from hear_tasks.predict.trainer import Progress, StackedTrainer, Trainer, WorkFolder, open_work_folder, working_folder
from hear_tasks.predict.training import Job, Training, check_training, predict_logits
from hear_tasks.task_folder import PREDICTED_FILE, SCORES_FILE


def checked_count(option: str, count: int | None) -> int | None:
    """What an option counts, None where it is not given; ValueError where that is below 1."""
    if count is not None and count < 1:
        raise ValueError(f"--{option}: expected 1 or more, got {count}")
    return count


@dataclasses.dataclass(frozen=True)
class Options:
    """How a task is predicted.

    Attributes:
        grid: name of the grid of hyperparameters.
        grid_points: how many of it are tried.
        gpu: index of the GPU to use, None for the CPU.
        threads: of the CPU, 1 or more; sums are rounded by their number.
        seeds: one of `SEEDS`.

    Raises:
        ValueError: there is no such grid or seeds, or fewer than one point or thread is asked for.
    """

    grid: str = "default"
    grid_points: int = GRID_POINTS
    gpu: int | None = None
    threads: int = 1
    seeds: str = SEEDS[0]

    def __post_init__(self) -> None:
        for name, value, choices in (("grid", self.grid, GRIDS), ("seeds", self.seeds, SEEDS)):
            if value not in choices:
                raise ValueError(f"--{name}: expected one of {', '.join(choices)}, got {value!r}")
        checked_count("grid-points", self.grid_points)
        checked_count("threads", self.threads)

    @property
    def device(self) -> torch.device:
        """The device."""
        return torch.device("cpu") if self.gpu is None else torch.device("cuda", self.gpu)

    def identify(self, task: Task) -> dict[str, Any]:
        """All that the scores of a task depend on, for JSON; files by the digest of their content."""
        return {
            "engine": ENGINE,
            "grid": self.grid,
            "grid_points": self.grid_points,
            "seeds": self.seeds,
            "threads": self.threads,
            "device": str(self.device),
            "torch": torch.__version__,
            "inputs": digest_inputs(task),
        }

    def describe_run(self, task: Task) -> dict[str, Any]:
        """What heareval notes of a run."""
        on_gpu = self.gpu is not None
        return {
            "embedding_path": str(task.folder),
            "embedding_size": task.size,
            "grid_points": self.grid_points,
            "gpus": [self.gpu] if on_gpu else None,
            "gpu_max_mem": torch.cuda.max_memory_allocated(self.device) if on_gpu else None,
            "gpu_device_name": torch.cuda.get_device_name(self.device) if on_gpu else "cpu",
            "in_memory": True,
            "deterministic": True,
        }


def predict_folder(folder: pathlib.Path, options: Options, tell: Callable[[str], None], *, wait: bool = False) -> bool:
    """Predict one task, see `predict_task`.

    Returns:
        Whether there was anything left to do.

    Raises:
        TaskError: the embeddings are at fault, or finished predictions are others than those asked for.
        ValueError: there is no such grid.
        BusyError: another process predicts it.
    """
    task = read_task(folder)
    points = choose_points(options.grid, options.grid_points, task.metadata)
    identity = options.identify(task)
    did = False
    lost = lost_predictions(folder)
    if lost:
        check_done(task, identity, tell)
        tell(f"{', '.join(lost)}: gone or cut since the task was done; it is predicted again")
    run = None if is_done(folder) else _TaskRun(task, points, options, identity, tell)
    if run or working_folder(folder).exists():  # it is there when done where a process was killed at the very end
        with open_work_folder(folder, wait=wait) as work:
            if run and not is_done(folder):
                run.run(work)
                did = True
            work.remove()
    if not did:
        check_done(task, identity, tell)
    return did


_Trained = tuple[Partition, Configuration, Training]


@contextlib.contextmanager
def _torch_set_up(options: Options) -> Iterator[None]:
    """torch with its threads, its generators seeded as heareval does; all as before afterwards.

    On a GPU only with operations that repeat themselves, as Lightning has it; those of a CPU all do, and the setting
    would have it fill each new tensor.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before, only_repeating = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    torch.set_num_threads(options.threads)
    if options.device.type != "cpu":
        torch.set_deterministic_debug_mode("error")  # the other name for this setting takes seconds to load
    try:
        with torch.random.fork_rng():
            torch.manual_seed(SEED)
            yield
    finally:
        torch.set_num_threads(before)
        torch.set_deterministic_debug_mode(only_repeating)


class _TaskRun:
    """The run of one task."""

    def __init__(
        self,
        task: Task,
        points: list[Configuration],
        options: Options,
        identity: dict[str, Any],
        tell: Callable[[str], None],
    ) -> None:
        self._start = time.monotonic()
        self._task, self._points, self._options, self._tell = task, points, options, tell
        self._identity = identity
        self._splits = {name: read_split(task, name) for name in task.splits}
        scored = dict.fromkeys(name for each in task.partitions for name in (each.valid, each.test))
        self._events = {name: read_split_events(task, name) for name in scored} if task.is_event else {}
        self._check()
        self._tell_of_odd_events()
        self._tell_of_tests_without_a_score()

    def run(self, work: WorkFolder) -> None:
        """Train and test what is still to be trained and tested, and write the results."""
        self._work = work
        device = self._options.device
        if device.type != "cpu":
            self._splits = to_device(self._splits, device, torch.cuda.mem_get_info(device)[0] // 2)
        with contextlib.closing(Log(self._task)) as self._log, _torch_set_up(self._options):
            self._run()

    def _check(self) -> None:
        """Raise an error where something would fail later: after hours, perhaps."""
        if not os.access(self._task.folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self._task.folder))
        for point in self._points:
            for partition in self._task.partitions:
                check_training(self._task, point, sum(len(self._splits[name]) for name in partition.train))

    def _tell_of_odd_events(self) -> None:
        for name, events in self._events.items():
            for remark in events.remarks(self._task.label_numbers):
                self._tell(f"{name}.json: {remark}, as in heareval")

    def _tell_of_tests_without_a_score(self) -> None:
        for name in dict.fromkeys(each.test for each in self._task.partitions):
            if not has_score(self._task, self._splits[name], self._events.get(name)):
                self._tell(
                    f"{name}: whatever is predicted, {self._task.scores[0]} of its test will be no number, as in "
                    "heareval: it has no event, or a label has no clip or no other in it"
                )

    def _run(self) -> None:
        task, points = self._task, self._points
        reason = self._work.start(self._identity)
        if reason:
            self._tell(f"begun before with {reason}; done again")
        elif reason == "" and (task.folder / SCORES_FILE).exists() and not (task.folder / PREDICTED_FILE).exists():
            self._tell(f"no {PREDICTED_FILE} beside the scores of an earlier run, which are made again")
        self._log(f"Computing predictions for {task.folder.name}")
        progress = Progress(len(points) + len(task.partitions) - 1, self._tell)
        trainer = (Trainer if self._options.seeds == SEEDS[0] else StackedTrainer)(task, self._work, progress)
        trained, (best, training) = self._search(trainer)
        self._log(f"Best Grid Point Validation Score: {training.score}  Grid Point HyperParams: {best}  ")
        chosen = [training]
        rest = task.partitions[1:]
        jobs = [self._job(best, each, f"fold {n}/{len(task.partitions)}") for n, each in enumerate(rest, 2)]
        trainings = trainer.train(jobs)
        for number, partition in enumerate(rest, 2):
            self._log(f"Training split {number} of {len(task.partitions)}: {partition.to_json()}")
            training = next(trainings)
            chosen.append(training)
            trained.append((partition, best, training))
            self._log(f"Validation Score for the Training Split: {training.score}")
        write_trainings(task, trained)
        self._finish(best, chosen)

    def _search(self, trainer: Trainer) -> tuple[list[_Trained], tuple[Configuration, Training]]:
        """All trainings, and the grid point of the best validation, of equal ones the first, with its training."""
        points, partition = self._points, self._task.partitions[0]
        jobs = [self._job(point, partition, f"grid point {n}/{len(points)}") for n, point in enumerate(points, 1)]
        trainings = trainer.train(jobs)
        is_better = operator.gt if self._task.maximizes else operator.lt
        trained: list[_Trained] = []
        best: tuple[Configuration, Training] | None = None
        for number, point in enumerate(points, 1):
            self._log(f"Grid point {number} of {self._options.grid_points}: {point}")
            training = next(trainings)
            self._log(f" result: {describe_training(point, training)}")
            trained.append((partition, point, dataclasses.replace(training, state={})))  # networks are large
            if best is None or is_better(training.score, best[1].score):
                best = point, training
        assert best is not None
        return trained, best

    def _job(self, point: Configuration, partition: Partition, name: str) -> Job:
        valid = self._splits[partition.valid]
        validating = functools.partial(validate, self._task, valid, self._events.get(partition.valid))
        return Job(name, point, tuple(self._splits[each] for each in partition.train), valid, validating)

    def _finish(self, point: Configuration, trainings: list[Training]) -> None:
        task, options = self._task, self._options
        check_unchanged(task, self._identity)
        tests = {}
        for partition, training in zip(task.partitions, trainings, strict=True):
            test = self._test(point, partition, training)
            write_predictions(task, partition, test)
            tests[partition.test] = test.scores
        marks = {} if options.seeds == SEEDS[0] else {"seeds": options.seeds}
        scores = make_scores(task, point, trainings, tests, marks)
        write_notes(task, SCORES_FILE, scores)
        self._log(f"Final Test Results: {json.dumps(scores)}")
        seconds = time.monotonic() - self._start
        run = options.describe_run(task)
        logged = {"gpu_max_mem_used" if name == "gpu_max_mem" else name: value for name, value in run.items()}
        settings = ", ".join(f"{name}={value}" for name, value in {**logged, "grid": options.grid}.items())
        self._log(f"DONE took {seconds} seconds to complete task_predictions({settings})")
        write_notes(
            task, PREDICTED_FILE, {"time": seconds, **run, **self._identity, PREDICTIONS: prediction_sizes(task)}
        )
        metric = task.scores[0]
        mean = scores.get("aggregated_scores", {}).get("test_score_mean", next(iter(tests.values()))["test_score"])
        self._tell(f"{metric} {mean:.4f} in {seconds:.1f} s")

    def _test(self, point: Configuration, partition: Partition, training: Training) -> Test:
        split = self._splits[partition.test]
        with torch.random.fork_rng():
            network = make_network(self._task.size, self._task.n_labels, point).to(split.device)
        network.load_state_dict(training.state)
        logits = predict_logits(network, split, point["batch_size"])
        return run_test(self._task, split, self._events.get(partition.test), logits, training.postprocessing)
