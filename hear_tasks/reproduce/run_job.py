"""Taking one step of one element, in a process of its own, with a log of its own."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import BinaryIO

from hear_tasks.reproduce.hardware import Slot, child_environment
from hear_tasks.reproduce.jobs import PREDICTED_FILE, Element
from hear_tasks.reproduce.options import Options, Step
from hear_tasks.reproduce.record import Attempt, Outcome, begin, end, locked, read_state

POLL_SECONDS = 0.2
GRACE_SECONDS = 20.0
"""Time that a process which is asked to end has to do so: less than the 30 s that Slurm leaves by default."""

SMALL_ROWS = 8192
"""Embeddings up to which a task is predicted by one CPU thread: more would gain nothing, and as the order of sums
depends on their number, the last digits of the scores would depend on the machine."""

CAUSE_LINES = 5
_CAUSE_CHARACTERS = 500

_GPU_PROBES = {
    Step.EMBED: ("JAX", "import jax; print(jax.default_backend())", "jax[cuda12]"),
    Step.PREDICT: ("torch", "import torch; print('gpu' if torch.cuda.is_available() else 'cpu')", "torch for CUDA"),
}


class Stop:
    """A request to end, which a signal makes and whoever works looks for.

    Attributes:
        reason: why, "" as long as there is no such request.
        final: whether nothing will take the work up again by itself.
        patient: whether somebody looks for it; otherwise a signal ends what is at work.
    """

    def __init__(self) -> None:
        self.reason = ""
        self.final = False
        self.patient = False

    def request(self, reason: str, *, final: bool = False) -> None:
        """Ask for an end; the first reason stays."""
        if not self.reason:
            self.final = final
            self.reason = reason

    def is_requested(self) -> bool:
        """Whether there is such a request."""
        return bool(self.reason)


def take_step(
    element: Element, step: Step, slot: Slot, options: Options, stop: Stop, tell: Callable[[str], None]
) -> str:
    """Take a step of an element unless that is done, and note what became of it.

    Args:
        element: the element.
        step: embed or predict.
        slot: the hardware to use.
        options: of the run.
        stop: looked at while the step is taken.
        tell: takes remarks.

    Returns:
        What became of it, for people.

    Raises:
        OSError: it cannot be noted.
    """
    with locked(element, step, stop.is_requested, tell) as lock:
        if lock is None:
            return "not begun"
        if element.is_done(step):
            return "was done already"
        if step is Step.PREDICT and not element.is_done(Step.EMBED):
            state, _ = read_state(element, Step.EMBED)
            return f"left out: its embeddings are not there ({state})"
        return _attempt(element, step, slot, options, stop, lock)


def _attempt(element: Element, step: Step, slot: Slot, options: Options, stop: Stop, lock: int) -> str:
    command = _command(element, step, options)
    threads = 1 if step is Step.PREDICT and element.rows <= SMALL_ROWS else slot.threads
    environment = child_environment(step, slot, threads, options)
    attempt = begin(element, step, slot.label, threads, command)
    start = time.monotonic()
    log = element.log(step)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        offset = output.tell()
        _write_head(output, attempt)
        attempt.cause = _missing_gpu(step, environment) if options.require_gpu else []
        if not attempt.cause:
            _prepare(element, step)
            directory = element.work if step is Step.PREDICT else element.out
            status = _run(command, directory, environment, output, lock, stop, step)
            _judge(attempt, element, step, status, stop, log, offset)
        else:
            attempt.outcome = Outcome.FAILED
            output.write(f"{attempt.cause[0]}\n".encode())
    attempt.seconds = round(time.monotonic() - start, 1)
    end(element, step, attempt)
    if attempt.outcome is Outcome.DONE:
        _tidy(element, step)
        return f"done in {attempt.seconds:.0f} s on {slot.label}"
    return f"{str(attempt.outcome).upper()}: {summary(attempt.cause)} (see {log})"


def summary(cause: list[str]) -> str:
    """The line of a cause that tells most."""
    marked = [line for line in cause if "FAILED:" in line or "Error" in line or "error:" in line]
    return (marked or cause or ["no reason was given"])[-1]


def _command(element: Element, step: Step, options: Options) -> list[str]:
    if step is Step.EMBED:
        protocol = [] if options.protocol == "hear" else ["--protocol", options.protocol]
        model = ["--model", element.checkpoint, "--module", element.stage.module]
        places = ["--tasks-dir", str(element.task.parent), "--embeddings-dir", str(element.embeddings.parent)]
        return [
            sys.executable,
            "-m",
            "hear_tasks.cli",
            "embed",
            *model,
            *places,
            "--task",
            element.task.name,
            *protocol,
        ]
    grid = ["--grid", options.grid, "--grid-points", str(options.grid_points)]
    runner = [sys.executable, "-m", "hear_tasks.heareval", "predictions"]
    return [*runner, os.path.join(element.embeddings.name, element.task.name), *grid]


def _write_head(output: BinaryIO, attempt: Attempt) -> None:
    job = f", job {attempt.job}" if attempt.job else ""
    head = f"=== {attempt.started} on {attempt.host}, {attempt.device}, {attempt.threads} threads{job}\n"
    output.write((head + " ".join(map(repr, attempt.command)) + "\n").encode())
    output.flush()


def _missing_gpu(step: Step, environment: dict[str, str]) -> list[str]:
    """What to say where the library that is to use a GPU sees none; [] where it does."""
    library, code, package = _GPU_PROBES[step]
    probe = subprocess.run(
        [sys.executable, "-c", code],
        env=environment | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    lines = (probe.stdout if probe.returncode == 0 else probe.stderr).strip().splitlines() or ["nothing"]
    if probe.returncode == 0 and lines[-1] == "gpu":
        return []
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    return [
        f"expected a GPU, as one was asked for, but {library} on {os.uname().nodename} sees: {lines[-1]} "
        f"(CUDA_VISIBLE_DEVICES is {'not set' if visible is None else repr(visible)}). Was the job given a card, and "
        f"is {package} installed in this environment?"
    ]


def _prepare(element: Element, step: Step) -> None:
    """Make room for predictions, without what a killed run may have left."""
    if step is not Step.PREDICT:
        return
    # Half a mark counts as a whole one for heareval, which would skip the task.
    (element.target / PREDICTED_FILE).unlink(missing_ok=True)
    shutil.rmtree(element.work, ignore_errors=True)
    element.work.mkdir(parents=True)
    # heareval keeps its checkpoints in "logs" and the path it was given, and thus in this folder, if that is relative.
    (element.work / element.embeddings.name).symlink_to(os.path.relpath(element.embeddings, element.work))


def _tidy(element: Element, step: Step) -> None:
    """Remove the predictors of all grid points, which nothing reads again."""
    if step is Step.PREDICT:
        shutil.rmtree(element.work, ignore_errors=True)


def _run(
    command: list[str],
    directory: pathlib.Path,
    environment: dict[str, str],
    output: BinaryIO,
    lock: int,
    stop: Stop,
    step: Step,
) -> int:
    """The exit status of a command; negative where a signal ended it."""
    process = subprocess.Popen(
        command,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        pass_fds=(lock,),
        # Ctrl-C is not for it: Lightning would end the training at once and heareval go on to score what there is.
        process_group=0,
    )
    with process:
        while not stop.is_requested():
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(POLL_SECONDS)
        return _end(process, gently=step is Step.EMBED)


def _end(process: subprocess.Popen, *, gently: bool) -> int:
    """End a process and all that it has started; predictions have nothing to finish, as they begin anew."""
    if gently:
        with contextlib.suppress(subprocess.TimeoutExpired, ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
            return process.wait(GRACE_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def _judge(
    attempt: Attempt, element: Element, step: Step, status: int, stop: Stop, log: pathlib.Path, offset: int
) -> None:
    """How an attempt has ended, by its exit status and the marks beside the embeddings."""
    if element.is_done(step):
        attempt.outcome = Outcome.DONE
        return
    if stop.is_requested():
        attempt.outcome = Outcome.FAILED if stop.final else Outcome.INTERRUPTED
        attempt.cause = [stop.reason]
        return
    attempt.outcome = Outcome.FAILED
    attempt.cause = last_lines(log, offset)
    if status < 0:
        name = signal.Signals(-status).name
        hint = "; out of memory?" if name == "SIGKILL" else ""
        attempt.cause.append(f"FAILED: ended by the signal {name}{hint}")
    elif not attempt.cause:
        attempt.cause = [f"exit status {status}, and no output"]


def last_lines(log: pathlib.Path, offset: int) -> list[str]:
    """The last lines of a log behind `offset` that hold anything."""
    with log.open("rb") as file:
        file.seek(offset)
        text = file.read().decode(errors="replace")
    lines = [line.split("\r")[-1].strip() for line in text.splitlines()[2:]]
    return [line[:_CAUSE_CHARACTERS] for line in lines if line][-CAUSE_LINES:]
