"""A HEAR plugin in a Python of its own: a worker process with the libraries that the plugin needs."""

from __future__ import annotations

import contextlib
import subprocess
import weakref
from collections.abc import Mapping
from typing import Any, BinaryIO, cast

import numpy as np

from hear_tasks.embed.plugin import call
from hear_tasks.embed.plugin.call import PluginError

_SECONDS_TO_END = 10.0


class PluginProcess:
    """A plugin that another Python has loaded; used like `call.Plugin`.

    Attributes:
        facts: see there.
    """

    def __init__(self, python: str, name: str, path: str, options: Mapping[str, Any]) -> None:
        """Start the worker, which ends with this process.

        Args:
            python: the interpreter of an environment with the plugin and NumPy.
            name, path, options: see `call.Plugin`.

        Raises:
            PluginError: there is no such interpreter, it lacks NumPy, or the plugin cannot be loaded.
        """
        self._python = python
        try:
            self._process = subprocess.Popen(
                [python, call.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0
            )
        except OSError as error:
            raise PluginError(f"--python {python}: cannot be run ({error.strerror}); expected a Python") from error
        weakref.finalize(self, _end, self._process)
        head, _ = self._ask({"name": name, "path": path, "options": dict(options)})
        self.facts: dict[str, Any] = head["facts"]

    def call(self, kind: str, audio: np.ndarray) -> list[np.ndarray]:
        """See `call.Plugin.call`."""
        return self._ask({"kind": kind}, [audio])[1]

    def _ask(self, head: Mapping[str, Any], arrays: list[np.ndarray] | None = None) -> tuple[dict, list[np.ndarray]]:
        try:
            call.send(cast(BinaryIO, self._process.stdin), head, arrays or [])
            answer, results = call.receive(cast(BinaryIO, self._process.stdout))
        except (EOFError, BrokenPipeError):
            status = self._process.wait()
            ended = f"the signal {-status}; out of memory?" if status < 0 else f"exit status {status}"
            raise PluginError(
                f"--python {self._python}: the plugin's process ended with {ended} (what it said is above). It needs "
                "Python 3.7 or later with NumPy and the plugin"
            ) from None
        if "error" in answer:
            raise getattr(call, answer["kind"])(answer["error"])
        return answer, results


def _end(process: subprocess.Popen) -> None:
    """Close the worker's pipe, at which it ends."""
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):  # of what could not be sent
            cast(BinaryIO, pipe).close()
    try:
        process.wait(_SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
