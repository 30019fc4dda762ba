"""The processes of a run: how they agree, and wait for each other with a word."""

from __future__ import annotations

import contextlib
import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import jax

REMARK_SECONDS = 20.0
"""Time between two remarks on what a process waits for."""

NO_END = 365 * 24 * 3600
"""Seconds that stand for no limit where jax, XLA and orbax ask for one: a process that is slow has not ended."""

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
        client, call = coordination().client, next(_calls)
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
    """Says, where a step does not end, that this process waits in it, and for whom."""

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
        index, count = self._processes.index, self._processes.count
        known, waited = "", 0.0
        while not self._end.wait(REMARK_SECONDS):  # and the others are not asked: one that is suspended has no answer
            place = self._place
            waited = waited + REMARK_SECONDS if place == known else 0.0
            known = place
            if waited:
                say(
                    f"process {index} of {count} has been in {place} for {waited:.0f} s, which takes all processes; "
                    "it waits for those that do not say the same"
                )


def coordination() -> Any:
    """That of the coordination service, which jax offers under no public name; orbax takes it likewise."""
    from jax._src import distributed

    return distributed.global_state


def say(message: str) -> None:
    """Tell on the error output."""
    print(f"train: {message}", file=sys.stderr, flush=True)
