"""The states of a run on the disk, by orbax: written while training goes on, whole or not at all, the last few kept."""

from __future__ import annotations

import contextlib
import errno
import logging
import pathlib
import shutil
import sys
from collections.abc import Iterator

import jax

from hear_cacophony.training.join import barrier
from hear_cacophony.training.processes import NO_END
from hear_cacophony.training.step import State


class Checkpoints:
    """The checkpoints of a run. All processes make the same calls."""

    def __init__(self, folder: pathlib.Path, keep: int) -> None:
        """Open the folder, which is made where it is missing; at most `keep` checkpoints stay in it."""
        import orbax.checkpoint as ocp  # takes long to load

        logging.getLogger("absl").setLevel(logging.CRITICAL)  # orbax tells of each file, and of errors that it raises
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        self._ocp, self._folder = ocp, folder
        self._manager = ocp.CheckpointManager(
            folder.absolute(),
            options=ocp.CheckpointManagerOptions(
                max_to_keep=keep,
                cleanup_tmp_directories=True,
                # Directories made in the background would be waited for by the others for five minutes and no longer.
                async_options=ocp.AsyncOptions(
                    timeout_secs=NO_END, barrier_sync_fn=barrier(), create_directories_asynchronously=False
                ),
            ),
        )

    def latest(self) -> int | None:
        """The step of the last one, None where there is none."""
        return self._manager.latest_step()

    def restore(self, step: int, like: State) -> State:
        """Read a state; `like` has its shapes and shardings.

        Raises:
            ValueError: it cannot be read.
        """
        abstract = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), like)
        try:
            with _late_reads_untold():
                restored = self._manager.restore(step, args=self._ocp.args.StandardRestore(abstract._asdict()))
        except Exception as error:  # orbax has no error of its own: each layer below it raises another
            raise ValueError(
                f"{self._folder / str(step)}: the checkpoint cannot be read ({_first_line(error)}); delete this folder "
                "to go on from the one before"
            ) from error
        return State(**restored)

    def save(self, step: int, state: State) -> None:
        """Begin to write a state, after the one before is written.

        Raises:
            OSError: the one before, or this one, could not be written.
        """
        with self._told(step):
            self._manager.wait_until_finished()
            self._check_room(state)
            self._manager.save(step, args=self._ocp.args.StandardSave(_to_write(state)._asdict()), force=True)

    def wait(self) -> None:
        """Wait until all is written.

        Raises:
            OSError: the last one could not be written.
        """
        with self._told(None):
            self._manager.wait_until_finished()

    def close(self) -> None:
        """Free what was taken; what is being written is written."""
        self._manager.close()

    def _check_room(self, state: State) -> None:
        """Refuse to begin what cannot end: orbax would tell of each array, in a thousand lines."""
        needed, free = sum(x.nbytes for x in jax.tree.leaves(state)), shutil.disk_usage(self._folder).free
        if free < needed:
            raise OSError(errno.ENOSPC, f"{needed / 1e6:,.1f} MB are needed, {free / 1e6:,.1f} MB are free")

    @contextlib.contextmanager
    def _told(self, step: int | None) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # as in `restore`
            which = "a checkpoint" if step is None else f"the checkpoint of step {step}, or the one before,"
            raise OSError(
                f"{self._folder}: {which} could not be written ({_first_line(error)}); is the disk full? The one "
                "before it is there: make room, and start the same command again"
            ) from error


def _to_write(state: State) -> State:
    """The state as orbax is to be given it.

    Of one process in the host's memory, of which orbax makes a copy before it returns: it would cut arrays of devices
    into a slice for each, which takes as long as tens of steps of a small model. Of several each then writes its share.
    """
    return state if jax.process_count() > 1 else jax.device_get(state)


@contextlib.contextmanager
def _late_reads_untold() -> Iterator[None]:
    """Keep arrays that come after one could not be read from telling so, each in a traceback.

    orbax closes its event loop at the first error, and tensorstore goes on to report to it; therefore the hook stays.
    """
    earlier = sys.unraisablehook

    def tell(unraisable: sys.UnraisableHookArgs) -> None:
        if str(unraisable.exc_value) != "Event loop is closed":
            earlier(unraisable)

    sys.unraisablehook = tell
    yield
    sys.unraisablehook = earlier


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:300]
