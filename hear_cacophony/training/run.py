"""A training run: the loop, from the first step or from where it was, to a checkpoint in the published layout."""

from __future__ import annotations

import contextlib
import pathlib
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hear_cacophony.files.lock import locked_folder
from hear_cacophony.model.stages import AUDIOMAE
from hear_cacophony.text.characters import check_characters
from hear_cacophony.text.tokenizer import Tokenizer
from hear_cacophony.training.batches import Batches
from hear_cacophony.training.checkpoints import Checkpoints
from hear_cacophony.training.held_out import HeldOut
from hear_cacophony.training.initial import Parameters, training_shapes
from hear_cacophony.training.metrics import METRICS, Metrics, read_metrics
from hear_cacophony.training.objectives import make_objective
from hear_cacophony.training.options import TrainOptions
from hear_cacophony.training.processes import Processes, SharedError, Whereabouts, say
from hear_cacophony.training.progress import TrainProgress
from hear_cacophony.training.record import CHECKPOINTS, check_agreement, check_place, check_record, make_record
from hear_cacophony.training.result import Result
from hear_cacophony.training.shards import Shards
from hear_cacophony.training.step import Mesh, State, StepMetrics, first_state, learning_rate, make_step

STEPS_BETWEEN_ROWS = 20
"""Steps whose losses are fetched at once, so that devices need not wait for each."""


class Stopped(Exception):
    """A signal has stopped the run; its state is saved."""


def train(
    options: TrainOptions,
    shards: Shards,
    begin: Callable[[], Parameters],
    out: pathlib.Path,
    *,
    tokenizer: Tokenizer | None = None,
    keep: int = 3,
    stop_at: int | None = None,
) -> pathlib.Path:
    """Train a model, or go on with a run that was interrupted.

    Where jax.distributed is initialised, all processes call this with the same arguments.

    Args:
        options: those of the run.
        shards: what it is trained on.
        begin: gives what it starts from, called where there is no checkpoint yet.
        out: the folder of the run.
        tokenizer: stage 2: of the captions.
        keep: checkpoints that stay.
        stop_at: step after which it ends early, with the checkpoint of that step: 0 is what it starts from. The same
            call with a later one goes on.

    Returns:
        The checkpoint in the published layout; the same as .safetensors lies beside it.

    Raises:
        ValueError: the folder holds a run of other options, data or tokenizer, batches do not divide among the devices,
            there are fewer clips than in a batch, clips lack captions, or one of these holds half a character;
            the run is beyond `stop_at`; or a loss was not finite.
        BusyError: another process trains into the folder.
        OSError: a file could not be written.
        Stopped: SIGTERM came; the same call goes on.
    """
    mesh, processes = Mesh(), Processes()
    batches = Batches(shards, options, tokenizer, process=processes.index, processes=processes.count)
    record = make_record(options, shards, tokenizer)
    check_agreement(processes, record, out)
    with contextlib.ExitStack() as held:

        def take() -> None:
            _check_data(options, shards, batches, mesh)
            check_place(out)
            held.enter_context(locked_folder(out, say))
            check_record(out, record)

        processes.first(f"it takes the folder {out}", take)
        last = options.steps if stop_at is None else min(stop_at, options.steps)
        return _Run(options, shards, batches, mesh, out, keep, processes).train_to(last, begin)


class _Run:
    def __init__(
        self,
        options: TrainOptions,
        shards: Shards,
        batches: Batches,
        mesh: Mesh,
        out: pathlib.Path,
        keep: int,
        processes: Processes,
    ) -> None:
        self.options, self.shards, self.batches, self.mesh, self.out = options, shards, batches, mesh, out
        self.processes = processes
        self.objective = make_objective(options, mesh.devices)
        self.step = make_step(self.objective, options, mesh)
        captions = [clip.captions for clip in shards.clips]
        self.held_out = HeldOut(self.objective.measure, batches, captions, options.batch, mesh)
        self.checkpoints = Checkpoints(out / CHECKPOINTS, keep)
        self.schedule = learning_rate(options)
        self.pending: list[StepMetrics] = []
        self.metrics: Metrics | None = None
        self.last_loss = float("nan")
        self.looked: dict[str, float] = {}

    def train_to(self, last: int, begin: Callable[[], Parameters]) -> pathlib.Path:
        try:
            with _watch_signals() as signals:
                file = self._train_to(last, begin, signals)
        except BaseException as error:
            # The checkpoint that is being written takes all processes; where one is gone it would be waited for.
            if self.processes.count == 1 or isinstance(error, SharedError | Stopped):
                self._close()
            raise
        self._close()
        return file

    def _train_to(self, last: int, begin: Callable[[], Parameters], signals: _Signals) -> pathlib.Path:
        first = self.checkpoints.latest() or 0
        if first > last:
            raise SharedError(f"--stop-at {last}: expected at least {first}, the step that the run in {self.out} is at")
        shapes = training_shapes(self.options.of, self.options.sizes)
        parameters = {path: np.zeros(shape) for path, shape in shapes.items()} if first else begin()
        state = first_state(parameters, self.options, self.mesh)
        if first:
            state = self.checkpoints.restore(first, state)
        if self.processes.index == 0:
            self._tell_of_lost(first)
        self.metrics = Metrics(self.out, first) if self.processes.index == 0 else None
        if signals.came and self.processes.count == 1:
            raise Stopped(f"stopped after step {first} of {self.options.steps}; the same command goes on")
        if self.processes.index == 0 and first < last:
            say(f"held-out losses are of {self.held_out.extent}")
        with self.processes.explained():
            if first < last:
                state = self._loop(state, first, last, signals)
        self.checkpoints.wait()
        result = Result(self.out, self.options, self.shards, self.batches, self.held_out.extent)
        self.processes.first(f"it writes {result.file}", lambda: result.write(state, made=last - first))
        return result.file

    def _tell_of_lost(self, first: int) -> None:
        """Tell which files of the run are gone, though it goes on without them."""
        steps = {int(row["step"]) for row in read_metrics(self.out / METRICS)}
        if steps and not first:
            say(f"{self.out}: no checkpoint of the {max(steps)} steps that were made is there; beginning anew")
        lost = first - len(steps & set(range(1, first + 1)))
        if lost:
            say(f"{self.out / METRICS}: {lost} of the {first} steps that were made are not in it any more")

    def _close(self) -> None:
        self.checkpoints.close()
        if self.metrics is not None:
            self.metrics.close()

    def _loop(self, state: State, first: int, last: int, signals: _Signals) -> State:
        options = self.options
        with (
            Whereabouts(self.processes) as whereabouts,
            TrainProgress(options, first, self.objective, self.mesh) as progress,
        ):
            for step, batch in enumerate(self.batches.from_step(first), first + 1):
                whereabouts.at(f"step {step}")
                stopping = self.mesh.split(np.full(jax.local_device_count(), signals.came))
                state, metrics = self.step(state, self.mesh.split(batch), stopping)
                self.pending.append(metrics)
                # What was asked for a step ago is known by now, so that the devices are not waited for.
                stop = len(self.pending) > 1 and bool(self.pending[-2].stopping)
                if step % options.checkpoint_every == 0 or step == last:
                    self._write_rows(step, look_at=state)
                    self._begin_to_save(state, step)
                elif stop:
                    self._write_rows(step)
                    self._begin_to_save(state, step)
                elif step % STEPS_BETWEEN_ROWS == 0:
                    self._write_rows(step)
                progress.made(batch, self.last_loss, self.looked)
                if step == last:
                    break
                if stop:
                    self.checkpoints.wait()
                    raise Stopped(
                        f"stopped after step {step} of {options.steps}, saved; the same command goes on, and with "
                        f"--stop-at {step} writes the checkpoint of this step"
                    )
                whereabouts.at(f"reading the batch of step {step + 1}")
        return state

    def _begin_to_save(self, state: State, step: int) -> None:
        """Begin to write a state, from which the run can go on: the loss of a step is that of the parameters before."""
        self._check_finite(step, {"largest parameter": float(_largest(state.parameters))})
        if self.metrics is not None:
            self.metrics.sync()
        self.checkpoints.save(step, state)

    def _write_rows(self, step: int, look_at: State | None = None) -> None:
        """Write the rows of the steps up to `step` that are not written yet.

        Raises:
            ValueError: a loss or gradient among them is not finite.
        """
        rows: list[dict[str, Any]] = []
        for made, metrics in enumerate(self.pending, step - len(self.pending) + 1):
            loss, norm = float(metrics.loss), float(metrics.gradient_norm)
            self._check_finite(made, {"loss": loss, "norm of its gradient": norm})
            rate = float(self.schedule(made - 1))
            rows.append({"step": made, "loss": loss, "learning_rate": rate, "gradient_norm": norm})
        self.pending.clear()
        if rows:
            self.last_loss = rows[-1]["loss"]
        if look_at is not None:
            self.looked = self.held_out.look(look_at.parameters)
            rows[-1] |= self.looked
            self._check_finite(step, {"loss of the held-out clips": self.looked["held_out_loss"]})
        if self.metrics is not None:
            self.metrics.write(rows)

    def _check_finite(self, step: int, told: Mapping[str, float]) -> None:
        if np.isfinite(list(told.values())).all():
            return
        self.checkpoints.wait()
        last = self.checkpoints.latest()
        kept = f"the state of step {last} is kept" if last else "there is no checkpoint yet"
        names = [self.shards.clips[number].name for number in self.batches.numbers(step - 1)]
        more = f" and {len(names) - 8} more" if len(names) > 8 else ""
        raise SharedError(
            f"step {step}: {' and '.join(f'the {name} is {value:g}' for name, value in told.items())}, {kept}; a lower "
            f"--learning-rate, or a longer --warmup? Its clips: {', '.join(names[:8])}{more}"
        )


@jax.jit
def _largest(parameters: Mapping[str, jax.Array]) -> jax.Array:
    """The largest magnitude; NaN where there is one."""
    return jnp.max(jnp.stack([jnp.abs(each).max() for each in parameters.values()]))


def _check_data(options: TrainOptions, shards: Shards, batches: Batches, mesh: Mesh) -> None:
    training = batches.split.training
    if options.batch % (len(mesh) * options.accumulate):
        parts = f" times --accumulate {options.accumulate}" if options.accumulate > 1 else ""
        raise ValueError(f"--batch {options.batch}: expected a multiple of the {len(mesh)} devices{parts}")
    if len(training) < options.batch:
        raise ValueError(
            f"--batch {options.batch}: expected at most as many clips as there are for training, {len(training)} "
            f"({len(batches.split.held_out)} are held out)"
        )
    if options.of is AUDIOMAE:
        return
    without = [clip.name for clip in shards.clips if not clip.captions]
    if without:
        raise ValueError(
            f"stage 2 needs a caption of each clip; {len(without)} of {len(shards.clips)} have none, such as "
            f"{', '.join(without[:3])}; pack a .csv or .jsonl table, or .tar files with captions"
        )
    for clip in shards.clips:
        for caption in clip.captions:
            check_characters(caption.text, f"{shards.folder}: a caption of {clip.name}")
    cut, longest = batches.cut_captions
    if cut:
        say(f"{cut:,} captions are cut at --tokens {options.tokens}, marks included; the longest one has {longest}")


class _Signals:
    came = False
    ends_by_itself = True
    """For whoever else hears of the signals: the run ends by itself, when it is saved."""

    def __call__(self, *_: object) -> None:
        self.came = True


@contextlib.contextmanager
def _watch_signals() -> Iterator[_Signals]:
    """Notes SIGTERM, and the SIGUSR1 by which Slurm scripts tell of the time limit, instead of dying of them."""
    signals = _Signals()
    watched: Sequence[int] = (signal.SIGTERM, signal.SIGUSR1)
    before = [signal.signal(each, signals) for each in watched]
    try:
        yield signals
    finally:
        for each, handler in zip(watched, before, strict=True):
            signal.signal(each, handler)
