"""Memory in use."""

from __future__ import annotations

import pathlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hear_cacophony.engine.devices import Devices


def peak_bytes(devices: Devices) -> int:
    """The most memory that was ever in use: on the first device if it counts its own, otherwise by this process."""
    if devices.peak_gibibytes is not None:
        return round(devices.peak_gibibytes * 2**30)
    return peak_resident_bytes()


def peak_resident_bytes() -> int:
    """The most memory that this process ever held; unlike ru_maxrss without what the one that started it held."""
    return _status_bytes("VmHWM")


def resident_bytes() -> int:
    """The memory that this process holds."""
    return _status_bytes("VmRSS")


class LoadedMemory:
    """Memory above that of a model that has just been loaded.

    Attributes:
        loaded: bytes in use when this was made.
    """

    def __init__(self, devices: Devices) -> None:
        self._devices = devices
        self.loaded = resident_bytes() if devices.peak_gibibytes is None else peak_bytes(devices)

    def above(self) -> int:
        """Bytes that were in use above those, at most: the peak of the process may be from loading."""
        return max(0, peak_bytes(self._devices) - self.loaded)


def _status_bytes(name: str) -> int:
    """What Linux counts of this process under a name, in bytes."""
    status = pathlib.Path("/proc/self/status").read_text()
    found = re.search(rf"^{name}:\s*(\d+) kB$", status, re.MULTILINE)
    assert found is not None, status
    return int(found[1]) * 1024
