"""The machine, and the table."""

from __future__ import annotations

import importlib.metadata
import os
import pathlib
import platform
from typing import Any

PACKAGES = ("hear_cacophony", "jax", "jaxlib", "flax", "numpy", "soundfile", "heareval", "tensorflow-cpu", "tensorflow")


def describe_machine() -> dict[str, Any]:
    """The devices that jax sees, the processor, and versions of what is installed."""
    from hear_cacophony.engine.devices import Devices

    devices = Devices()
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "devices": [devices.kind] * len(devices),
        "platform": devices.platform,
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load_average": os.getloadavg()[0],
        "versions": versions,
    }


def _processor() -> str:
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def machine_lines(machine: dict[str, Any]) -> list[tuple[str, str]]:
    """Lines of the table."""
    return [
        ("device", f"{len(machine['devices'])} x {machine['devices'][0]} ({machine['platform']})"),
        ("processor", f"{machine['processor']}, {machine['cores']} cores; load {machine['load_average']:.1f}"),
        ("versions", ", ".join(f"{name} {version}" for name, version in machine["versions"].items())),
    ]


def format_table(sections: dict[str, list[tuple[str, str]]]) -> str:
    """Sections of lines, each a name and what was found."""
    width = max(len(name) for lines in sections.values() for name, _ in lines)
    text = []
    for title, lines in sections.items():
        text.append(title)
        text += [f"  {name:<{width}}  {value}" for name, value in lines]
    return "\n".join(text)
