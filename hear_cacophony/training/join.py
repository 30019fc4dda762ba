"""How the processes of a run find each other, and how they end: together, whichever is the first to end."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from os import _exit
from typing import Any, NoReturn

import jax

from hear_cacophony.training.connections import Connections
from hear_cacophony.training.processes import NO_END, REMARK_SECONDS, Processes, SharedError, coordination, say

_SECONDS_TO_HEAR = 2.0
"""Time for the word of which process has ended, where its end shows otherwise first."""

_PATIENT = ("cpu_collective", "cpu_collective_call_terminate", "gpu_first_collective_call_terminate")
"""Time-outs of XLA after which it ends a process that waits for others, or for a thread of its own."""

_SLURM = ("SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID")
"""What Slurm tells each task that srun starts, and jax reads."""

_TASKS_ON_NODE = "SLURM_STEP_TASKS_PER_NODE"
_OPEN_MPI = "OMPI_COMM_WORLD_SIZE"
_COORDINATOR = "JAX_COORDINATOR_ADDRESS"

_CONNECTIONS = "train/connections"

_joined: list[Connections] = []
"""Those of this process, where it has joined others."""


@contextlib.contextmanager
def joined(coordinator: str | None = None, count: int | None = None, index: int | None = None) -> Iterator[None]:
    """Join the processes of a run; without arguments those of a Slurm step or of Open MPI's mpirun, or none.

    Where this process alone goes wrong, it says so and ends at once: jax would have it wait for the others, which
    wait for it. Where another one has ended, this one says which, and ends with status 1. One that is suspended or
    slow is waited for: jax would end all when it has not been heard of for 100 s. (Its gRPC still gives up one that is
    suspended for more than a minute within 10 s of a message, as at the start; that then is an end like others.)

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
    _wait_without_end()
    _join(arguments)
    connections, shared = Connections(_end_after), None
    try:
        _connect(connections)
        _joined.append(connections)
        try:
            yield
        except SharedError as error:
            shared = error
        Processes().gather("what comes before the end", "")
        jax.distributed.shutdown()
        connections.end_well()
    except BaseException as error:
        _leave(error, connections)
    if shared:
        raise shared


def barrier() -> Callable[..., None] | None:
    """What waits until all processes have called it with the same `key`; None where this one has joined none.

    That of jax is a message of gRPC.
    """
    if not _joined:
        return None
    return lambda *, key, timeout_ms: _joined[0].meet(key)


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


def _wait_without_end() -> None:
    """Have XLA wait for other processes as long as they take; it reads this when the first device is asked for."""
    flags = [f"--xla_{name}_timeout_seconds={NO_END}" for name in _PATIENT]
    os.environ["XLA_FLAGS"] = " ".join([*flags, os.environ.get("XLA_FLAGS", "")])  # those that are given come last
    jax.config.update("jax_cpu_get_local_topology_timeout_minutes", NO_END // 60)
    jax.config.update("jax_cpu_get_global_topology_timeout_minutes", NO_END // 60 + 1)


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
        jax.distributed.initialize(
            **arguments,
            initialization_timeout=NO_END,
            heartbeat_timeout_seconds=NO_END,
            shutdown_timeout_seconds=NO_END,
        )
    except (jax.errors.JaxRuntimeError, RuntimeError) as error:
        raise OSError(f"the processes of the run did not find each other: {error}") from error
    finally:
        done.set()


def _connect(connections: Connections) -> None:
    state = coordination()
    if state.process_id == 0:
        state.client.key_value_set(_CONNECTIONS, connections.listen(state.num_processes))
    else:
        host = state.coordinator_address.rpartition(":")[0].strip("[]")
        connections.reach(host, state.client.blocking_key_value_get(_CONNECTIONS, NO_END * 1000), state.process_id)


def _end_after(gone: int, connections: Connections) -> NoReturn:
    state = coordination()
    say(
        f"process {gone} of {state.num_processes} has ended, and so does process {state.process_id}, as each step "
        f"takes all of them; what process {gone} said last may tell why. The same command, in all processes, goes on "
        "from the last checkpoint"
    )
    _end(1, gone, connections)


def _leave(error: BaseException, connections: Connections) -> NoReturn:
    if _may_come_of_another(error):
        time.sleep(_SECONDS_TO_HEAR)
    if isinstance(error, (OSError, ValueError, KeyboardInterrupt)):
        say(str(error) or "interrupted")
    else:
        traceback.print_exception(error)
    sys.stdout.flush()
    _end(getattr(error, "status", 1), coordination().process_id, connections)


def _end(status: int, gone: int, connections: Connections) -> NoReturn:
    connections.tell_ended(gone)
    if coordination().process_id == 0:  # jax aborts the others when this one has ended: they are to hear of it first
        time.sleep(_SECONDS_TO_HEAR)
    _exit(status)


def _may_come_of_another(error: BaseException | None) -> bool:
    """Whether a device could not go on, as where another process has ended."""
    while error is not None and not isinstance(error, jax.errors.JaxRuntimeError):
        error = error.__cause__
    return error is not None
