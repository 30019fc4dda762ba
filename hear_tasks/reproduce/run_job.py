"""Running one phase of one job, in a process of its own, with a log of its own."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO

from hear_tasks.child_process import INTERPRETER, bound_command
from hear_tasks.reproduce.hardware import Slot, child_environment
from hear_tasks.reproduce.jobs import Job
from hear_tasks.reproduce.models import RunModel
from hear_tasks.reproduce.options import Options, Phase, Predictor
from hear_tasks.reproduce.record import Attempt, Outcome, begin, end, is_locked, locked, read_state
from hear_tasks.task_folder import PREDICTED_FILE

POLL_SECONDS = 0.2
GRACE_SECONDS = 20.0
"""Time that a process which is asked to end has to do so: less than the 30 s that Slurm leaves by default."""

SMALL_ROWS = 8192
"""Embeddings up to which a task is predicted by one CPU thread: a second one would gain less than a second task beside
it, and as the order of sums depends on their number, the last digits of the scores would depend on the machine."""

CAUSE_LINES = 5
_CAUSE_CHARACTERS = 500

_GPU_PROBES = {
    Phase.EMBED: ("JAX", "import jax; print(jax.default_backend())", "jax[cuda12]"),
    Phase.PREDICT: ("torch", "import torch; print('gpu' if torch.cuda.is_available() else 'cpu')", "torch for CUDA"),
}
_PLUGIN_PROBE = """
found = []
try:
    import torch
    found.append(torch.cuda.is_available())
except ImportError:
    pass
if not any(found):
    try:
        import tensorflow
        found.append(bool(tensorflow.config.list_physical_devices("GPU")))
    except ImportError:
        pass
print("gpu" if any(found) else "cpu")
"""
"""A plugin is of one of the two; which, only loading it would tell."""

_ASKING_TO_END = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def interrupted_by(number: int) -> str:
    """What is said of a phase that a signal has ended."""
    return f"interrupted by {signal.Signals(number).name}; the same command goes on where it was"


class Stop:
    """A request to end, which a signal makes and whoever works looks for.

    Attributes:
        reason: why, "" as long as there is no such request.
        status: what the process is to end with.
    """

    def __init__(self) -> None:
        self.reason = ""
        self.status = 0

    def request(self, reason: str, status: int) -> None:
        """Ask for an end; the first reason stays."""
        if not self.reason:
            self.status = status
            self.reason = reason

    @property
    def final(self) -> bool:
        """Whether nothing will take the work up again by itself."""
        return self.status == 1

    def is_requested(self) -> bool:
        """Whether there is such a request."""
        return bool(self.reason)


def run_job(job: Job, phase: Phase, slot: Slot, options: Options, stop: Stop, tell: Callable[[str], None]) -> str:
    """Run a phase of a job unless that is done, and note what became of it.

    Returns:
        What became of it, for people.

    Raises:
        OSError: it cannot be noted.
    """
    with locked(job, phase, stop.is_requested, tell) as lock:
        if lock is None:
            return "not begun"
        if job.is_done(phase):
            return "was done already"
        if phase is Phase.PREDICT and not job.is_done(Phase.EMBED):
            state, _ = read_state(job, Phase.EMBED)
            return f"left out: its embeddings are not there ({state})"
        return _attempt(job, phase, slot, options, stop, lock)


def _attempt(job: Job, phase: Phase, slot: Slot, options: Options, stop: Stop, lock: int) -> str:
    command = _command(job, phase, options)
    threads = 1 if phase is Phase.PREDICT and job.rows <= SMALL_ROWS else slot.threads
    environment = child_environment(phase, slot, threads, options)
    attempt = begin(job, phase, slot.label, threads, command)
    start = time.monotonic()
    log = job.log(phase)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        offset = output.tell()
        _write_head(output, attempt)
        attempt.cause = _missing_gpu(job.model, phase, environment, stop) if options.require_gpu else []
        if not attempt.cause:
            directory = _prepare(job, phase, options)
            # heareval's runner has nothing to finish, as it begins anew.
            gently = phase is Phase.EMBED or options.predictor is Predictor.OWN
            streams = {"stdout": output, "stderr": subprocess.STDOUT, "pass_fds": (lock,)}
            status = run_bound(command, stop, gently=gently, cwd=directory, env=environment, **streams)
            _judge(attempt, job, phase, status, stop, log, offset)
        else:
            attempt.outcome = Outcome.FAILED
            output.write(f"{attempt.cause[0]}\n".encode())
    attempt.seconds = round(time.monotonic() - start, 1)
    end(job, phase, attempt)
    if attempt.outcome is Outcome.DONE:
        return f"done in {attempt.seconds:.0f} s on {slot.label}"
    return f"{str(attempt.outcome).upper()}: {summary(attempt.cause)} (see {log})"


def summary(cause: list[str]) -> str:
    """The line of a cause that tells most."""
    marked = [line for line in cause if "FAILED:" in line or "Error" in line or "error:" in line]
    return (marked or cause or ["no reason was given"])[-1]


def _command(job: Job, phase: Phase, options: Options) -> list[str]:
    if phase is Phase.EMBED:
        places = ["--tasks-dir", str(job.task.parent), "--embeddings-dir", str(job.embeddings.parent)]
        command = [*INTERPRETER, "-m", "hear_tasks.cli", "embed", *_model_arguments(job.model), *places]
        return [*command, "--task", job.task.name]
    grid = ["--grid", options.grid, "--grid-points", str(options.grid_points)]
    task = os.path.join(job.embeddings.name, job.task.name)
    if options.predictor is Predictor.HEAREVAL:
        return [sys.executable, "-m", "hear_tasks.heareval", "predictions", task, *grid]
    return [*INTERPRETER, "-m", "hear_tasks.cli", "predict", task, *grid, "--seeds", options.seeds]


def _model_arguments(model: RunModel) -> list[str]:
    arguments = ["--module", model.module]
    if model.file:
        arguments += ["--model", model.file]
    if model.options:
        arguments += ["--model-options", json.dumps(model.options)]
    return arguments if model.python is None else [*arguments, "--python", model.python]


def _write_head(output: BinaryIO, attempt: Attempt) -> None:
    slurm = f", Slurm job {attempt.job}" if attempt.job else ""
    head = f"=== {attempt.started} on {attempt.host}, {attempt.device}, {attempt.threads} threads{slurm}\n"
    output.write((head + " ".join(map(repr, attempt.command)) + "\n").encode())
    output.flush()


def _missing_gpu(model: RunModel, phase: Phase, environment: dict[str, str], stop: Stop) -> list[str]:
    """What to say where the library that is to use a GPU sees none; [] where it does."""
    library, code, package = _GPU_PROBES[phase]
    python = list(INTERPRETER)
    if phase is Phase.EMBED and model.stage is None:
        library, code, package = "torch or TensorFlow", _PLUGIN_PROBE, "one of them for CUDA"
        python = [model.python] if model.python else python
    environment = environment | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    with tempfile.TemporaryFile("w+", errors="replace") as out, tempfile.TemporaryFile("w+", errors="replace") as err:
        status = run_bound([*python, "-c", code], stop, gently=False, env=environment, stdout=out, stderr=err)
        told = err if status else out
        told.seek(0)
        lines = told.read().strip().splitlines() or ["nothing"]
    if stop.is_requested() or _asked_to_end(status) or (status == 0 and lines[-1] == "gpu"):
        return []
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    return [
        f"expected a GPU, as one was asked for, but {library} on {os.uname().nodename} sees: {lines[-1]} "
        f"(CUDA_VISIBLE_DEVICES is {'not set' if visible is None else repr(visible)}). Was the job given a card, and "
        f"is {package} installed in this environment?"
    ]


def _prepare(job: Job, phase: Phase, options: Options) -> pathlib.Path:
    """Make room for predictions, without what a killed run of heareval may have left; the folder to start in."""
    if phase is not Phase.PREDICT:
        return pathlib.Path.cwd()  # in which a plugin may lie
    # Half a mark counts as a whole one, with which the task would be skipped.
    (job.target / PREDICTED_FILE).unlink(missing_ok=True)
    shutil.rmtree(job.work, ignore_errors=True)
    if options.predictor is Predictor.OWN:
        return job.embeddings.parent
    job.work.mkdir(parents=True)
    # heareval keeps its checkpoints in "logs" and the path it was given, and thus in this folder, if that is relative.
    (job.work / job.embeddings.name).symlink_to(os.path.relpath(job.embeddings, job.work))
    return job.work


def tidy(jobs: Iterable[Job]) -> None:
    """Remove the predictors of all grid points of finished jobs, which nothing reads again."""
    for job in jobs:
        if job.is_done(Phase.PREDICT) and not is_locked(job, Phase.PREDICT):
            shutil.rmtree(job.work, ignore_errors=True)


def run_bound(command: list[str], stop: Stop, *, gently: bool, **settings: Any) -> int:
    """The exit status of a command; negative where a signal ended it. `settings` are those of Popen."""
    # Ctrl-C is not for it: this process ends it, if need be.
    with subprocess.Popen(bound_command(command), stdin=subprocess.DEVNULL, process_group=0, **settings) as process:
        while not stop.is_requested():
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(POLL_SECONDS)
        return _end(process, gently=gently)


def _end(process: subprocess.Popen, *, gently: bool) -> int:
    """End a process and all that it has started, `gently` where it may finish what it has in hand."""
    if gently:
        with contextlib.suppress(subprocess.TimeoutExpired, ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
            return process.wait(GRACE_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def _judge(attempt: Attempt, job: Job, phase: Phase, status: int, stop: Stop, log: pathlib.Path, offset: int) -> None:
    """How an attempt has ended, by its exit status and the marks beside the embeddings."""
    if job.is_done(phase):
        attempt.outcome = Outcome.DONE
        return
    if stop.is_requested():
        attempt.outcome = Outcome.FAILED if stop.final else Outcome.INTERRUPTED
        attempt.cause = [stop.reason]
        return
    asked = _asked_to_end(status)
    if asked:
        attempt.outcome = Outcome.INTERRUPTED
        attempt.cause = [interrupted_by(asked)]
        return
    attempt.outcome = Outcome.FAILED
    attempt.cause = last_lines(log, offset)
    if status < 0:
        name = signal.Signals(-status).name
        hint = "; out of memory?" if name == "SIGKILL" else ""
        attempt.cause.append(f"FAILED: ended by the signal {name}{hint}")
    elif not attempt.cause:
        attempt.cause = [f"exit status {status}, and no output"]


def _asked_to_end(status: int) -> signal.Signals | None:
    """The signal to end that a process has ended of: a cluster sends it to all of a job, and this one may hear last."""
    return next((number for number in _ASKING_TO_END if status in (-number, 128 + number)), None)


def last_lines(log: pathlib.Path, offset: int) -> list[str]:
    """The last lines of a log behind `offset` that hold anything."""
    with log.open("rb") as file:
        file.seek(offset)
        text = file.read().decode(errors="replace")
    lines = [line.split("\r")[-1].strip() for line in text.splitlines()[2:]]
    return [line[:_CAUSE_CHARACTERS] for line in lines if line][-CAUSE_LINES:]
