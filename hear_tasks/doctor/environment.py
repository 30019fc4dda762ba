"""The Python environment: versions, and the devices that JAX, torch and TensorFlow see."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import os
import pathlib
import platform
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import IO

from hear_cacophony.installed import installed_versions
from hear_tasks.child_process import INTERPRETER, bound_command, wait_for
from hear_tasks.doctor.cuda import Builds, check_builds, find_builds
from hear_tasks.doctor.report import Findings

ENVIRONMENT = "environment"
"""Name of what is checked here, in its findings."""

PYTHON = ((3, 11, 5), (3, 14))
"""The lowest Python version, and the first that is too high."""

_SETUP = "scripts/setup.sh installs it"
_NVIDIA = pathlib.Path("/dev/nvidia0")


@dataclasses.dataclass(frozen=True)
class Requirement:
    """A package that a run needs.

    Attributes:
        names: names of the distributions that provide it; one of them is enough.
        lowest: lowest version that will do, () for any.
        below: lowest version that is too high, () for none.
        fix: how to get it.
        needed: whether nothing runs without it; otherwise only `purpose` does not.
        purpose: what it is for.
    """

    names: tuple[str, ...]
    lowest: tuple[int, ...] = ()
    below: tuple[int, ...] = ()
    fix: str = _SETUP
    needed: bool = True
    purpose: str = ""


_CORE = "pip install ."
REQUIREMENTS = (
    Requirement(("jax",), (0, 10), fix=_CORE, purpose="the encoders"),
    Requirement(("jaxlib",), (0, 10), fix=_CORE, purpose="the encoders"),
    Requirement(("flax",), (0, 12), fix=_CORE, purpose="the encoders"),
    Requirement(("numpy",), (2,), fix=_CORE, purpose="the encoders"),
    Requirement(("soundfile",), fix=_CORE, purpose="reading audio"),
    Requirement(("heareval",), (2021, 1, 3), (2021, 1, 4), purpose="embeddings and predictions of tasks"),
    Requirement(("hearvalidator",), (2021, 0, 6), (2021, 0, 7), needed=False, purpose="hear-validator"),
    Requirement(("pytorch-lightning",), (1, 9), (1, 10), purpose="heareval's predictions"),
    Requirement(("torch",), (2,), purpose="heareval"),
    Requirement(("tensorflow", "tensorflow-cpu"), (2,), purpose="the HEAR API"),
    Requirement(("setuptools",), (), (81,), purpose="pytorch-lightning 1.9, which imports pkg_resources"),
    Requirement(("soxr",), needed=False, fix="pip install .", purpose="audio at other rates than 16 kHz"),
)

_PROBES = {
    "jax": (
        "import jax; "
        "print(', '.join(d.platform if d.device_kind == d.platform else f'{d.platform} {d.device_kind}' "
        "for d in jax.devices()))"
    ),
    "torch": (
        "import torch; n = torch.cuda.device_count() if torch.cuda.is_available() else 0; "
        "print(', '.join('gpu ' + torch.cuda.get_device_name(i) for i in range(n)) or 'cpu')"
    ),
    "tensorflow": (
        "import tensorflow as tf; print(', '.join(d.device_type.lower() for d in tf.config.list_physical_devices()))"
    ),
}
# A probe must not take the memory of a GPU that a run is using.
_QUIET = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true", "TF_CPP_MIN_LOG_LEVEL": "3"}


@dataclasses.dataclass(frozen=True)
class Device:
    """What a library sees, or why it cannot tell."""

    seen: str
    error: str = ""


@dataclasses.dataclass(frozen=True)
class Environment:
    """What is installed, and the devices that are seen.

    Attributes:
        python: version of Python.
        system: operating system and processor.
        cores: number of processor cores that may be used.
        versions: version of each required package, None if it is missing.
        devices: by library; those that are not installed are left out.
        has_nvidia: whether the machine has an NVIDIA GPU.
        builds: which builds of JAX and torch there are, and the driver that they are for.
    """

    python: str
    system: str
    cores: int
    versions: Mapping[str, str | None]
    devices: Mapping[str, Device]
    has_nvidia: bool
    builds: Builds


@contextlib.contextmanager
def probing() -> Iterator[Callable[[], Environment]]:
    """Look at the environment while other work is done.

    Libraries are imported in processes of their own, at the same time. They end with the context.

    Yields:
        What gives the environment, as soon as all libraries have answered.
    """
    present = [library for library in _PROBES if importlib.util.find_spec(library) is not None]
    with contextlib.ExitStack() as stack:
        answers = {library: stack.enter_context(_probe(library)) for library in present}

        def environment() -> Environment:
            return Environment(
                python=platform.python_version(),
                system=f"{platform.system()} {platform.machine()}",
                cores=len(os.sched_getaffinity(0)),
                versions={
                    each.names[0]: next(iter(installed_versions(each.names).values()), None) for each in REQUIREMENTS
                },
                devices={library: answer() for library, answer in answers.items()},
                has_nvidia=_NVIDIA.exists(),
                builds=find_builds(),
            )

        yield environment


@contextlib.contextmanager
def _probe(library: str) -> Iterator[Callable[[], Device]]:
    """Start a process that imports a library; what gives its answer, as soon as there is one."""
    command = bound_command([*INTERPRETER, "-c", _PROBES[library]])
    with (
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, env=os.environ | _QUIET
        ) as process,
    ):

        def answer() -> Device:
            status = wait_for(process, f"{library} to be imported and to list its devices")
            if status:
                return Device("", _last_line(errors) or f"exit status {status}")
            return Device(_last_line(output) or "nothing")

        try:
            yield answer
        finally:
            process.kill()


def _last_line(file: IO[bytes]) -> str:
    file.seek(0)
    lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def check_environment(environment: Environment, findings: Findings) -> None:
    """Check versions and devices."""
    python = _numbers(environment.python)
    if not PYTHON[0] <= python < PYTHON[1]:
        findings.error(
            "python", "python", f"expected Python 3.11.5 to 3.13, got {environment.python}", "use one of these versions"
        )
    for requirement in REQUIREMENTS:
        _check_version(requirement, environment.versions.get(requirement.names[0]), findings)
    _check_devices(environment, findings)
    check_builds(environment.builds, findings)


def _check_version(requirement: Requirement, version: str | None, findings: Findings) -> None:
    name = requirement.names[0]
    report = findings.error if requirement.needed else findings.warn
    if version is None:
        if name == "setuptools" and importlib.util.find_spec("pkg_resources") is not None:
            return
        report("package-missing", name, f"expected it for {requirement.purpose}, found none", requirement.fix)
        return
    numbers = _numbers(version)
    too_low = numbers < requirement.lowest
    if too_low or (requirement.below and numbers >= requirement.below):
        message = f"expected version {_range(requirement)} for {requirement.purpose}, got {version}"
        report("package-version", name, message, requirement.fix.replace("installs it", "installs the right one"))


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version."""
    return tuple(int(number) for number in re.findall(r"\d+", re.match(r"[\d.]*", version)[0]))  # type: ignore[index]


def _range(requirement: Requirement) -> str:
    lowest, below = (".".join(map(str, numbers)) for numbers in (requirement.lowest, requirement.below))
    if lowest and below and requirement.lowest[:-1] == requirement.below[:-1]:
        return lowest if len(requirement.lowest) > 2 else f"{lowest}.x"
    return " and ".join(filter(None, (f"{lowest} or higher" if lowest else "", f"below {below}" if below else "")))


def _check_devices(environment: Environment, findings: Findings) -> None:
    for library, device in environment.devices.items():
        if device.error:
            message = f"expected {library} to list its devices, got: {device.error}"
            findings.error("devices", library, message, f"mend the installation of {library}; {_SETUP}")
    sees = {library: "gpu" in device.seen or "cuda" in device.seen for library, device in environment.devices.items()}
    jax = environment.devices.get("jax")
    if environment.has_nvidia and jax and not jax.error and not sees["jax"]:
        message = f"expected JAX to see the NVIDIA GPU of this machine, got {jax.seen}: embeddings will be slow"
        findings.warn("devices", "jax", message, "pip install 'jax[cuda12]', or 'jax[cuda13]' with a newer driver")
    if sees.get("torch") and not sees.get("tensorflow"):
        findings.note(
            "devices",
            "tensorflow",
            "expected TensorFlow to see the GPU that torch sees, as heareval's own embedding runner demands, got none",
            "run python -m hear_tasks.heareval embeddings, which needs no GPU in TensorFlow",
        )
