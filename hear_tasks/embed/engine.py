"""Embedding a task: clips are read ahead, batches computed, and results written, all at once."""

from __future__ import annotations

import collections
import dataclasses
import json
import pathlib
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from hear_cacophony.files.full_disk import describe_full, is_full
from hear_cacophony.progress import ProgressLine, time_left
from hear_cacophony.sounds.pump import ReadAhead, WriteBehind
from hear_tasks.embed.clips import BadClipError, find_fault
from hear_tasks.embed.model import FailedClipsError, Model, Plan, make_plan
from hear_tasks.embed.record import lost_files
from hear_tasks.embed.results import Results, check_clip_file_names
from hear_tasks.embed.task import READERS, Task, listed, read_task
from hear_tasks.embed.work_folder import WorkFolder, is_done, open_work_folder
from hear_tasks.task_folder import TaskError
from hear_tasks.text_files import listed as names_of

if TYPE_CHECKING:
    from hear_cacophony.engine.batches import Batch

IN_WORK = 2
"""Batches that are on the devices at a time."""

_READ_AHEAD = 3
"""Batches that are read before they are needed."""

_OUT_OF_MEMORY = "RESOURCE_EXHAUSTED"
"""What XLA calls it."""

_MOST_FAILED = 20
"""Clips that a plugin may fail for before the task is given up."""

_MOST_NAMED = 20
"""Clips that are named for each thing that a plugin fails with."""


def embed_task(
    model: Model,
    task_folder: pathlib.Path,
    target: pathlib.Path,
    *,
    place: pathlib.Path,
    identity: dict[str, Any],
    batch_seconds: float | None = None,
    clip_files: bool = False,
    wait: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> bool:
    """Embed a task into `target`, unless that is done; goes on where a killed run was.

    `place` is the target as it was given, which heareval's files name. See `embed_tasks` for the rest.

    Returns:
        Whether there was anything to do.

    Raises:
        BusyError: another process works on the task.
        TaskError: the task cannot be embedded, or there is no room for its embeddings.
    """
    with open_work_folder(target, wait=wait, tell=tell) as work:
        if is_done(target):
            return False
        task = read_task(task_folder, model.sample_rate)
        if target.exists() and not lost_files(target):
            tell(f"{target}: was left unfinished by another program; it is made anew")
        for remark in task.remarks():
            tell(f"{task.name}: {remark}")
        if clip_files:
            check_clip_file_names(task, target)
        embedder = model.embedder(task.name, task.embedding_type)
        run = _Run(make_plan(embedder, task), work, place, identity, batch_seconds, tell)
        try:
            run.compute()
            run.finish(clip_files)
        except OSError as error:
            if not is_full(error):
                raise
            raise TaskError(_no_room(task, run.results, work, error)) from error
        return True


def _no_room(task: Task, results: Results, work: WorkFolder, error: OSError) -> str:
    needed = f"about {results.needed_bytes / 1e6:.1f} MB in all" if results.needed_bytes else "more"
    told = describe_full(error, work.task.parent, f"its embeddings need {needed}")
    return f"{task.name}: {told} and run the same command again; what is finished stays"


class _Run:
    """The work on one task in this process."""

    def __init__(
        self,
        plan: Plan,
        work: WorkFolder,
        place: pathlib.Path,
        identity: dict[str, Any],
        batch_seconds: float | None,
        tell: Callable[[str], None],
    ) -> None:
        self._plan, self._work, self._identity, self._tell = plan, work, identity, tell
        self._embedder = embedder = plan.embedder
        self._tokens = embedder.tokens_per_batch if batch_seconds is None else embedder.tokens(batch_seconds)
        self.results = embedder.results(plan, place)
        self._start = time.monotonic()
        self._earlier_samples = 0
        self._shapes: set[tuple[int, int]] = set()
        self._failed: dict[int, str] = {}

    def compute(self) -> None:
        """Compute all windows that are not yet done."""
        plan, task = self._plan, self._plan.task
        # Neither devices nor sizes of batches are among them: windows that are done stay done.
        settings = {**self._identity, "task": task.fingerprint}
        if reason := self._work.start(len(plan.windows), settings, self.results.files):
            self._tell(f"{task.name}: work of an earlier run is done again: {reason}")
        with TaskProgress(task.name, len(task.clips), task.samples, task.sample_rate) as progress:
            batches = self._remaining(plan.batches(self._tokens))
            clips, self._earlier_samples = self._shares(np.flatnonzero(self._done()))
            progress.advance(clips, self._earlier_samples)
            while batches:
                batches = self._try(batches, progress)
        if self._failed:
            raise TaskError(self._all_failed_clips("all others are done"))

    def _remaining(self, batches: list[Batch]) -> list[Batch]:
        """Those of the batches that hold a window which is not done."""
        done = self._done()
        return [batch for batch in batches if not done[list(batch.windows)].all()]

    def _done(self) -> np.ndarray:
        """Which windows are done, bool, shape (windows,)."""
        return self._work.done_windows(len(self._plan.windows))

    def _try(self, batches: list[Batch], progress: TaskProgress) -> list[Batch]:
        """Compute batches; those that are left where the memory of the devices did not do, in smaller pieces."""
        self._shapes |= {(batch.size, batch.steps) for batch in batches}
        try:
            self._pump(batches, progress)
        except BadClipError as error:
            raise TaskError(self._all_bad_clips(error)) from error
        except (MemoryError, RuntimeError) as error:
            if not isinstance(error, MemoryError) and _OUT_OF_MEMORY not in str(error):
                raise
            return self._halve(batches, error)
        return []

    def _halve(self, batches: list[Batch], error: Exception) -> list[Batch]:
        devices, name = len(self._embedder.devices), self._plan.task.name
        if all(batch.size <= devices for batch in batches):
            raise TaskError(
                f"{name}: out of memory on the device, even one clip at a time ({error}); does another program use "
                f"it?{self._embedder.thrift}"
            ) from error
        largest = max(batch.size * batch.steps for batch in batches) * self._embedder.tokens_per_step
        self._tokens = min(self._tokens, largest) // 2
        size = f"{self._tokens} {self._embedder.unit}"
        self._tell(f"{name}: out of memory on the device; going on with batches of at most {size}")
        return self._remaining(self._plan.batches(self._tokens))

    def _pump(self, batches: list[Batch], progress: TaskProgress) -> None:
        """Read, compute and write, each while the others go on."""
        with (
            ReadAhead(([batch] for batch in batches), self._plan.read, _READ_AHEAD) as reader,
            WriteBehind(self._write, self._work.flush) as writer,
        ):
            in_work: collections.deque[tuple[Batch, Any]] = collections.deque()

            def collect() -> None:
                batch, embedded = in_work.popleft()
                writer.put((batch, np.asarray(embedded)[: len(batch.windows)]))
                progress.advance(*self._shares(batch.windows))

            for batch in batches:
                (audio,) = next(reader)
                in_work.append(self._run(audio, batch))
                if len(in_work) >= IN_WORK:
                    collect()
            while in_work:
                collect()

    def _write(self, result: tuple[Batch, np.ndarray]) -> None:
        batch, embedded = result
        self.results.write(self._work, batch, embedded, ~self._done()[list(batch.windows)])
        self._work.mark(batch.windows)

    def _run(self, audio: np.ndarray, batch: Batch) -> tuple[Batch, Any]:
        """A batch with its results, perhaps not yet computed; without the clips that a plugin fails for."""
        try:
            return batch, self._embedder.run(audio, self._plan.members(batch))
        except FailedClipsError as error:
            self._failed |= error.messages
            if error.every or len(self._failed) >= _MOST_FAILED:
                raise TaskError(self._all_failed_clips("nothing after them was tried")) from error
            others = [each for each in batch.windows if self._plan.windows[each].clip not in error.messages]
            return dataclasses.replace(batch, windows=tuple(others)), error.others

    def _all_failed_clips(self, others: str) -> str:
        """What a plugin fails with, and for which clips."""
        by_message: dict[str, list[str]] = {}
        for clip, message in sorted(self._failed.items()):
            by_message.setdefault(message, []).append(str(self._plan.task.clips[clip].file))
        told = [f"{message}\n  for {names_of(files, _MOST_NAMED)}" for message, files in by_message.items()]
        return f"the plugin fails for {len(self._failed)} clips ({others}):\n" + listed(told)

    def _shares(self, windows: Iterable[int]) -> tuple[float, int]:
        """Clips and samples that windows stand for; a window of a long clip is a part of it."""
        first, clips = self._plan.first_windows, self._plan.task.clips
        members = [self._plan.windows[window].clip for window in windows]
        parts = [1 / (first[clip + 1] - first[clip]) for clip in members]
        return sum(parts), round(sum(part * clips[clip].samples for part, clip in zip(parts, members, strict=True)))

    def _all_bad_clips(self, first: BadClipError) -> str:
        """All clips of the task that cannot be read, so that they can be mended in one go."""
        self._tell(f"{first}; checking all other clips of the task")
        with ThreadPoolExecutor(READERS) as pool:
            faults = {str(first), *pool.map(find_fault, self._plan.task.clips)}
        return listed(sorted(faults - {""}))

    def finish(self, clip_files: bool) -> None:
        """Write the files of the task and give them their place."""
        self.results.finish(self._work, clip_files=clip_files)
        (self._work.task / "profile.embeddings.json").write_text(json.dumps(self._profile(), indent=4))
        self._work.finish()

    def _profile(self) -> dict[str, Any]:
        """heareval's three figures, and some of our own beside them."""
        task, devices, seconds = self._plan.task, list(self._embedder.devices), time.monotonic() - self._start
        computed = (task.samples - self._earlier_samples) / task.sample_rate
        return {
            "time_elapsed": seconds,
            "gpu_max_mem": self._embedder.peak_gibibytes,
            "gpu_device_name": None if devices[0] == "cpu" else devices[0],
            "devices": devices,
            "clips": len(task.clips),
            "hours_of_audio": task.samples / task.sample_rate / 3600,
            "hours_of_audio_in_this_run": computed / 3600,
            "hours_of_audio_per_hour": computed / seconds,
            "batch_shapes": len(self._shapes),
            "tokens_per_batch": self._tokens,
        }


class TaskProgress(ProgressLine):
    """How much of the clips and of the audio of a task is done."""

    def __init__(self, title: str, clips: int, samples: int, rate: int) -> None:
        super().__init__()
        self._title, self._total_clips, self._total_samples, self._rate = title, clips, samples, rate
        self._clips = 0.0
        self._samples = 0
        self._earlier: int | None = None

    def advance(self, clips: float, samples: int) -> None:
        """So many more clips and samples are done; the first call tells what earlier runs have done."""
        self._clips += clips
        self._samples += samples
        if self._earlier is None:
            self._earlier = self._samples
        self.tick()

    def line(self, seconds: float) -> str:
        """What is told after `seconds` of work."""
        hour, total = 3600 * self._rate, self._total_samples
        computed = self._samples - (self._earlier or 0)
        speed = computed / self._rate / max(seconds, 1e-9)
        return (
            f"{self._title}: {self._samples / total:4.0%}, {self._clips:.0f} of {self._total_clips} clips, "
            f"{self._samples / hour:.2f} of {total / hour:.2f} h of audio, {speed:.0f} h/h, "
            f"{time_left(computed, total - self._samples, seconds)}"
        )
