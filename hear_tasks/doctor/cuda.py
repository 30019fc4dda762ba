"""Whether the builds of JAX and torch go with the NVIDIA driver of this machine."""

from __future__ import annotations

import csv
import dataclasses
import importlib.metadata
import pathlib
import re
from collections.abc import Iterator

from hear_cacophony.installed import installed_versions
from hear_tasks.doctor.report import Findings

_TABLE = pathlib.Path(__file__).with_name("cuda_builds.csv")
_DRIVER = pathlib.Path("/proc/driver/nvidia/version")
_SET_UP = "scripts/setup.sh --gpu installs both for this driver"


@dataclasses.dataclass(frozen=True)
class Builds:
    """What this machine has.

    Attributes:
        driver: version of the NVIDIA driver, "" where there is none.
        jax: CUDA versions that JAX is installed for, such as "12"; () for CPUs.
        torch: CUDA version that torch is built for, "" for CPUs, None where it is not installed.
    """

    driver: str
    jax: tuple[str, ...]
    torch: str | None


def find_builds() -> Builds:
    """What is installed here, without importing it."""
    plugins = tuple(cuda for cuda in ("12", "13") if installed_versions([f"jax-cuda{cuda}-plugin"]))
    return Builds(_driver(), plugins, _torch_cuda())


def _driver() -> str:
    try:
        told = _DRIVER.read_text()
    except OSError:
        return ""
    found = re.search(r"Module\s+(?:for \S+\s+)?(\d[\d.]+)", told)
    return found[1] if found else ""


def _torch_cuda() -> str | None:
    version = installed_versions(["torch"]).get("torch")
    if version is None:
        return None
    local = re.search(r"\+cu(\d\d)\d", version)
    if local or "+" in version:
        return local[1] if local else ""
    brought = re.search(r"-cu(\d\d)\b", " ".join(importlib.metadata.requires("torch") or ()))
    return brought[1] if brought else ""


def check_builds(builds: Builds, findings: Findings) -> None:
    """Tell of builds that the driver does not take, and of those for CPUs where there is a driver."""
    if len(builds.jax) > 1:
        message = f"expected JAX's build for one CUDA, found {' and '.join(f'cuda{each}' for each in builds.jax)}"
        findings.warn("cuda-builds", "jax", message, "pip uninstall the plugin and pjrt packages of one of them")
    if not builds.driver:
        if builds.jax:
            message = f"expected an NVIDIA driver for jax[cuda{builds.jax[0]}], found none: everything runs on CPUs"
            findings.note("cuda-builds", "jax", message, "run this on a node with a card")
        return
    fit = _fitting(builds.driver)
    if fit is None:
        message = f"expected an NVIDIA driver of {_lowest()} or later, got {builds.driver}: no card will be used"
        findings.warn("cuda-builds", "driver", message, "have the driver renewed")
        return
    for name, cuda, instead in (
        ("jax", builds.jax[-1] if builds.jax else "", f"pip install 'jax[cuda{fit}]'"),
        ("torch", builds.torch, "torch's build for it"),
    ):
        if cuda == "":
            message = f"expected {name}'s build for CUDA {fit}, which driver {builds.driver} takes, found that for CPUs"
            report = findings.warn if name == "jax" else findings.note  # predictors train well on CPUs
            report("cuda-builds", name, message, f"{instead}; {_SET_UP}")
        elif cuda is not None and int(cuda) > int(fit):
            message = (
                f"expected {name}'s build for CUDA {fit}, as driver {builds.driver} takes no other, found CUDA {cuda}"
            )
            findings.warn("cuda-builds", name, f"{message}: it will see CPUs alone", f"{instead}; {_SET_UP}")


def _rows() -> Iterator[tuple[int, str]]:
    lines = [line for line in _TABLE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    for row in csv.DictReader(lines):
        yield int(row["driver"]), row["jax"].removeprefix("cuda")


def _fitting(driver: str) -> str | None:
    """The latest CUDA that a driver takes."""
    number = int(driver.partition(".")[0])
    return next((cuda for least, cuda in _rows() if number >= least), None)


def _lowest() -> int:
    return min(least for least, _ in _rows())
