"""The processes of a run: how they find each other, agree, wait for each other with a word, and end."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from os import _exit
from typing import Any, NoReturn

import jax

REMARK_SECONDS = 20.0
"""Time between two remarks on what a process waits for."""

_SECONDS_TO_JOIN = 24 * 3600

_SLURM = ("SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID")
"""What Slurm tells each task that srun starts, and jax reads."""

_TASKS_ON_NODE = "SLURM_STEP_TASKS_PER_NODE"
_OPEN_MPI = "OMPI_COMM_WORLD_SIZE"
_COORDINATOR = "JAX_COORDINATOR_ADDRESS"

_calls = itertools.count()
"""Numbers of what the processes have told each other."""


class SharedError(ValueError):
    """What all processes of a run find wrong alike."""


class Processes:
    """The processes of a run, this one among them. All make the same calls in the same order.

    Attributes:
        index: which one this is, from 0.
        count: how many there are.
    """

    def __init__(self) -> None:
        self.index, self.count = jax.process_index(), jax.process_count()

    def first(self, what: str, do: Callable[[], None]) -> None:
        """Do something in the first process alone, while the others wait.

        Args:
            what: what the first process does meanwhile, for remarks of the others.
            do: may raise OSError or ValueError; all processes then raise a `SharedError` with its message.
        """
        if self.count == 1:
            do()
            return
        wrong = ""
        if self.index == 0:
            try:
                do()
            except (OSError, ValueError) as error:
                wrong = str(error) or type(error).__name__
        wrong = self.gather(what, wrong)[0]
        if wrong:
            raise SharedError(wrong if self.index == 0 else f"process 0: {wrong}")

    def gather(self, what: str, value: str) -> list[str]:
        """The values of all processes, in their order; `what` is what they do before it, for remarks."""
        if self.count == 1:
            return [value]
        client, call = _client(), next(_calls)
        client.key_value_set(f"train/{call}/{self.index}", value)
        return [self._wait_for(client, call, index, what) for index in range(self.count)]

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """A time in which the end of another process is told as such.

        Raises:
            OSError: a device could not go on, which is how it shows.
        """
        try:
            yield
        except jax.errors.JaxRuntimeError as error:
            if self.count == 1 or "RESOURCE_EXHAUSTED" in str(error):
                raise
            raise OSError(
                f"process {self.index} of {self.count} cannot go on; has another one ended? Its message tells why. The "
                f"same command, in all processes, goes on from the last checkpoint ({str(error).splitlines()[0]})"
            ) from error

    def _wait_for(self, client: Any, call: int, index: int, what: str) -> str:
        waited = 0.0
        while True:
            try:
                return client.blocking_key_value_get(f"train/{call}/{index}", int(REMARK_SECONDS * 1000))
            except jax.errors.JaxRuntimeError as error:
                if "DEADLINE_EXCEEDED" not in str(error):
                    raise
            waited += REMARK_SECONDS
            say(f"process {self.index} of {self.count} has waited {waited:.0f} s for process {index}: {what}")


class Whereabouts:
    """Says, where a step does not end, which processes wait in it, and where the others were seen last."""

    def __init__(self, processes: Processes) -> None:
        self._processes, self._place = processes, "the start"
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="whereabouts", daemon=True)

    def __enter__(self) -> Whereabouts:
        if self._processes.count > 1:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()

    def at(self, place: str) -> None:
        """This process is at a place now, such as "step 3"."""
        self._place = place

    def _watch(self) -> None:
        known, waited = "", 0.0
        while not self._end.wait(REMARK_SECONDS):
            place = self._place
            waited = waited + REMARK_SECONDS if place == known else 0.0
            known = place
            with contextlib.suppress(jax.errors.JaxRuntimeError):  # the coordinator is gone: jax ends the process
                self._tell(place, waited)

    def _tell(self, place: str, waited: float) -> None:
        client, index = _client(), self._processes.index
        client.key_value_set(f"train/at/{index:06d}", place, allow_overwrite=True)
        if not waited:
            return
        seen = {int(key.rpartition("/")[2]): at for key, at in client.key_value_dir_get("train/at")}
        others = [f"process {i}: {seen.get(i, 'not seen yet')}" for i in range(self._processes.count) if i != index]
        say(
            f"process {index} of {self._processes.count} has been in {place} for {waited:.0f} s, which takes all "
            f"processes; last seen: {', '.join(others)}"
        )


@contextlib.contextmanager
def joined(coordinator: str | None = None, count: int | None = None, index: int | None = None) -> Iterator[None]:
    """Join the processes of a run; without arguments those of a Slurm step or of Open MPI's mpirun, or none.

    Where this process alone goes wrong, it says so and ends at once: jax would have it wait for the others, which
    wait for it. They then end by themselves.

    Args:
        coordinator: address and port where the first process listens, HOST:PORT, the same in all processes; that of
            the environment variable JAX_COORDINATOR_ADDRESS unless given.
        count: how many processes there are.
        index: which one this is, from 0.

    Raises:
        ValueError: arguments that do not go together.
    """
    arguments = _arguments(coordinator, count, index)
    if arguments is None:
        yield
        return
    jax.config.update("jax_enable_preemption_service", False)  # it would take SIGTERM away from the run
    _join(arguments)
    try:
        yield
    except SharedError:
        raise
    except BaseException as error:
        _leave(error)


def _arguments(coordinator: str | None, count: int | None, index: int | None) -> dict[str, Any] | None:
    """Those of `jax.distributed.initialize`, None for a process that is alone."""
    if count is None and index is None and not coordinator:
        return _cluster_arguments()
    coordinator = coordinator or os.environ.get(_COORDINATOR)
    if count is None or index is None or not coordinator:
        raise ValueError(
            "--processes, --process and --coordinator (or the environment variable JAX_COORDINATOR_ADDRESS) go "
            "together: how many processes there are, which one this is, and HOST:PORT where the first one listens"
        )
    if not 0 <= index < count:
        raise ValueError(f"--process {index}: expected 0 to {count - 1}, as there are --processes {count}")
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"--coordinator {coordinator}: expected HOST:PORT, such as node1:9876")
    if count == 1:
        return None
    return {
        "coordinator_address": coordinator,
        "num_processes": count,
        "process_id": index,
        "cluster_detection_method": "deactivate",
    }


def _cluster_arguments() -> dict[str, Any] | None:
    if all(name in os.environ for name in _SLURM) and int(os.environ["SLURM_NTASKS"]) > 1:
        return {"cluster_detection_method": "slurm", "local_device_ids": _own_cards()}
    if int(os.environ.get(_OPEN_MPI, "1")) > 1:
        return {"cluster_detection_method": "ompi"}
    return None


def _own_cards() -> list[int] | None:
    """The cards of this task, by their number among those that it sees: an equal share, and all where it is alone.

    jax itself takes one for each task, and so a single one where a task has the whole node. [] is all that are seen;
    None leaves it to jax.
    """
    nodes = os.environ.get(_TASKS_ON_NODE, "1").replace("(", ",").split(",")
    tasks = max(int(each) for each in nodes if each.isdigit())
    seen = [each for each in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if each]
    if tasks == 1 or len(seen) == 1:
        return []
    if len(seen) % tasks or not seen:
        return None
    share, local = len(seen) // tasks, int(os.environ["SLURM_LOCALID"])
    return list(range(local * share, (local + 1) * share))


def _join(arguments: dict[str, Any]) -> None:
    done = threading.Event()

    def remark() -> None:
        waited = 0.0
        while not done.wait(REMARK_SECONDS):
            waited += REMARK_SECONDS
            where = arguments.get("coordinator_address") or "the address that the cluster tells"
            say(f"has waited {waited:.0f} s for the other processes of the run; process 0 listens at {where}")

    threading.Thread(target=remark, name="joining", daemon=True).start()
    try:
        jax.distributed.initialize(**arguments, initialization_timeout=_SECONDS_TO_JOIN)
    except (jax.errors.JaxRuntimeError, RuntimeError) as error:
        raise OSError(f"the processes of the run did not find each other: {error}") from error
    finally:
        done.set()


def _leave(error: BaseException) -> NoReturn:
    if isinstance(error, (OSError, ValueError, KeyboardInterrupt)):
        say(str(error) or "interrupted")
    else:
        traceback.print_exception(error)
    sys.stdout.flush()
    _exit(getattr(error, "status", 1))


def _client() -> Any:
    """That of the coordination service, which jax offers under no public name; orbax takes it likewise."""
    from jax._src import distributed

    return distributed.global_state.client


def say(message: str) -> None:
    """Tell on the error output."""
    print(f"train: {message}", file=sys.stderr, flush=True)
