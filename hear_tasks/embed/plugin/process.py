"""A HEAR plugin in a Python of its own: a worker process with the libraries that the plugin needs."""

from __future__ import annotations

import os
import subprocess
import sys
import weakref
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection, Pipe
from typing import Any

import numpy as np

from hear_tasks.child_process import wait_for
from hear_tasks.embed.plugin import call
from hear_tasks.embed.plugin.call import PluginError

_NEEDS = "It needs Python 3.7 or later with NumPy and the plugin"


class PluginProcess:
    """A plugin that another Python has loaded; used like `call.Plugin`.

    Attributes:
        facts: see there.
    """

    def __init__(self, python: str, name: str, path: str, options: Mapping[str, Any]) -> None:
        """Start the worker, which ends with this process.

        Args:
            python: the interpreter of an environment with the plugin and NumPy, or what starts one with its arguments.
            name, path, options: see `call.Plugin`.

        Raises:
            PluginError: there is no such interpreter, it lacks NumPy, or the plugin cannot be loaded.
        """
        self._python = python
        self._worker, theirs = Pipe()
        try:
            self._process = subprocess.Popen(
                [python, call.__file__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=sys.__stderr__,  # what an interpreter or a plugin prints is for people
                pass_fds=(theirs.fileno(),),
                process_group=0,
            )
        except OSError as error:
            raise PluginError(f"--python {python}: cannot be run ({error.strerror}); expected a Python") from error
        finally:
            theirs.close()
        weakref.finalize(self, _end, self._process, self._worker)
        head, _ = self._ask({"name": name, "path": path, "options": dict(options), "folder": os.getcwd()})
        self.facts: dict[str, Any] = head["facts"]

    def call(self, kind: str, audio: np.ndarray) -> list[np.ndarray]:
        """See `call.Plugin.call`."""
        return self._ask({"kind": kind}, [audio])[1]

    def _ask(self, head: Mapping[str, Any], arrays: Sequence[np.ndarray] = ()) -> tuple[dict, list[np.ndarray]]:
        try:
            call.send(self._worker, head, arrays)
            answer, results = call.receive(self._worker)
        except (EOFError, ConnectionError):
            status = self._process.wait()
            ended = f"the signal {-status}; out of memory?" if status < 0 else f"exit status {status}"
            raise PluginError(
                f"--python {self._python}: the plugin's process ended with {ended} (what it said is above). {_NEEDS}"
            ) from None
        except (ValueError, OSError) as error:
            self._process.kill()
            raise PluginError(f"--python {self._python}: no answer of a worker came ({error}). {_NEEDS}") from error
        except BaseException:
            self._process.kill()  # nobody waits for what it is at
            raise
        if "error" in answer:
            raise getattr(call, answer["kind"])(answer["error"])
        return answer, results


def _end(process: subprocess.Popen, worker: Connection) -> None:
    """Close the connection with the worker, at which it ends."""
    worker.close()
    try:
        wait_for(process, f"the plugin's process {process.pid} to end")
    except BaseException:
        process.kill()
        process.wait()
        raise
