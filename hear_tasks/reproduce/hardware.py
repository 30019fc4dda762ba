"""The cards and cores of this machine, shared among processes so that none gets in another's way."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import tempfile

from hear_tasks.child_process import wait_for
from hear_tasks.reproduce.options import MEMORY_FRACTION, Options, Phase

CORES_PER_PROCESS = {Phase.EMBED: 16, Phase.PREDICT: 1}
"""Cores that one process makes good use of where there is no card: the encoder's matrix products are large, those of
those of predictors small, with much Python between them."""

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NPROC")
"""Torch and the libraries of NumPy read the first four, XLA for CPUs the last."""

_FRACTION = "XLA_PYTHON_CLIENT_MEM_FRACTION"
_NOT_FOR_CHILDREN = ("SLURM_", "SBATCH_", "SRUN_")
"""Lightning takes these for orders: it ignores the signal to end, and asks for srun."""


@dataclasses.dataclass(frozen=True)
class Slot:
    """What one process at a time may use.

    Attributes:
        label: for people.
        card: what CUDA is to show it; None where there is no card.
        cores: to run on; None for any that this process may.
        threads: CPU threads to use.
        units: names of the cards and cores that it takes; slots of different phases may share some.
    """

    label: str
    card: str | None
    cores: frozenset[int] | None
    threads: int
    units: frozenset[str] = dataclasses.field(default=frozenset(), compare=False)


def make_slots(phase: Phase, options: Options, jobs: int) -> list[Slot]:
    """The slots for a phase.

    What a slot holds does not depend on what is already done, so that a run that goes on computes as the first did.

    Raises:
        ValueError: there are fewer cards than are asked for.
    """
    cards = visible_cards()
    cores, bound = granted_cores()
    if cards:
        if options.devices is not None and options.devices > len(cards):
            raise ValueError(f"--devices {options.devices}: there are {len(cards)} cards: {', '.join(cards)}")
        used = cards[: options.devices]
        threads = max(1, cores // len(used))
        return [Slot(f"gpu {card}", card, None, threads, frozenset({f"card {card}"})) for card in used]
    count = options.devices or max(1, min(jobs, cores // CORES_PER_PROCESS[phase]))
    threads = max(1, cores // count)
    shares = [
        frozenset(bound[i * threads : (i + 1) * threads]) if bound and count <= cores else None for i in range(count)
    ]
    units = [frozenset(f"core {number}" for number in range(i * threads, (i + 1) * threads)) for i in range(count)]
    return [Slot(f"cpu {i}", None, shares[i], threads, units[i]) for i in range(count)]


def visible_cards() -> list[str]:
    """The NVIDIA cards that this process may use, as CUDA names them; [] without any."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None and not named.replace("-1", "").strip(", "):
        return []
    with tempfile.TemporaryFile("w+") as output:
        try:
            with subprocess.Popen(["nvidia-smi", "-L"], stdout=output, stderr=subprocess.DEVNULL) as listing:
                status = wait_for(listing, "nvidia-smi -L")
        except OSError:
            return []
        output.seek(0)
        found = [line for line in output if line.startswith("GPU ")]
    if status or not found:
        return []
    return [str(i) for i in range(len(found))] if named is None else [each.strip() for each in named.split(",")]


def granted_cores() -> tuple[int, list[int]]:
    """How many cores this process may use, and which.

    Where Slurm grants a number of cores without binding the job to some, there is no telling which are not those
    of another job, and the second is [].
    """
    allowed = sorted(os.sched_getaffinity(0))
    granted = _slurm_cores()
    if granted is None or granted >= len(allowed):
        return len(allowed), allowed
    return granted, []


def _slurm_cores() -> int | None:
    for variable in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        text = os.environ.get(variable, "")
        if text.isdigit() and int(text) > 0:
            return int(text)
    return None


def child_environment(phase: Phase, slot: Slot, threads: int, options: Options) -> dict[str, str]:
    """The environment of a process that runs a phase in a slot.

    While a task is embedded JAX alone sees the card, for nothing imports torch or TensorFlow there; while it is
    predicted torch alone does.
    """
    environment = {key: value for key, value in os.environ.items() if not key.startswith(_NOT_FOR_CHILDREN)}
    environment |= dict.fromkeys(_THREADS, str(threads))
    environment |= {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONUNBUFFERED": "1"}
    if slot.card is not None:
        environment["CUDA_VISIBLE_DEVICES"] = slot.card
    if phase is Phase.EMBED:
        environment.setdefault(_FRACTION, str(MEMORY_FRACTION))
        if options.memory_fraction is not None:
            environment[_FRACTION] = str(options.memory_fraction)
    else:
        environment["JAX_PLATFORMS"] = "cpu"
    return environment
