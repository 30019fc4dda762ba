"""Several transfers at a time: cut ones are gone on with, hosts that ask for patience get it."""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import pathlib
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from hear_cacophony.download.remote_file import HostError, PassingError, RemoteFile
from hear_cacophony.progress import TransferProgress

ATTEMPTS = 6
"""Times in a row that a host may give nothing."""

MOST_PAUSE_SECONDS = 60.0
"""Longest pause where a host does not say how long it wants to be left alone; the first is a second."""

MOST_PATIENCE_SECONDS = 3600.0
"""Longest wait that a host may ask for; who is asked for more is told, and comes again later."""

_Answer = TypeVar("_Answer")
_Of = TypeVar("_Of")


class _Host:
    """What is to be known of a host by all that ask it for something."""

    def __init__(self) -> None:
        self.left_alone = threading.Lock()
        self.failures = 0


class Transfers:
    """Transfers of one call, and how far they are.

    Args:
        progress: tells how far they are.
        tell: takes remarks, such as that a host asks to wait; from several threads.
    """

    def __init__(self, progress: TransferProgress, tell: Callable[[str], None]) -> None:
        self._progress, self._tell = progress, tell
        self._stop = threading.Event()
        self._hosts: dict[str, _Host] = collections.defaultdict(_Host)

    @contextlib.contextmanager
    def pool(self, jobs: int) -> Iterator[concurrent.futures.ThreadPoolExecutor]:
        """Threads to fetch in, which end at the next bytes where this one is interrupted."""
        with concurrent.futures.ThreadPoolExecutor(jobs, "download") as threads:
            try:
                yield threads
            except BaseException:
                self._stop.set()
                threads.shutdown(wait=False, cancel_futures=True)
                raise

    def fetch(self, file: RemoteFile, target: pathlib.Path) -> None:
        """Bring a file to `target`, unless an earlier call has.

        Raises:
            HostError: its host refuses, or gave nothing for `ATTEMPTS` times.
            WrongFileError: what came is another file.
            OSError: it cannot be written.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        came = most = before = 0

        def advance(size: int) -> None:
            nonlocal came, most
            self._check_going_on()
            came = max(0, came + size)
            if came > most:  # what comes again and again is no progress
                most = came
                self._hosts[file.source.host].failures = 0
            self._progress.advance(size)

        def fetch() -> None:
            nonlocal before
            before = most
            file.source.fetch(file, target, advance)

        if not target.exists():
            self.patiently(file.source.host, fetch, lambda: most > before)
        self._progress.finish()

    def patiently(
        self, host: str, ask: Callable[[], _Answer], has_given: Callable[[], bool] = lambda: False
    ) -> _Answer:
        """Ask a host until it answers.

        Args:
            host: its name.
            ask: raises PassingError where it is to be asked again.
            has_given: whether the last attempt has brought anything.

        Raises:
            HostError: it refuses, or gave nothing for `ATTEMPTS` times.
        """
        failures = 0
        asked = self._hosts[host]
        while True:
            with asked.left_alone:
                self._check_going_on()
            try:
                return ask()
            except PassingError as error:
                if (error.seconds or 0) > MOST_PATIENCE_SECONDS:
                    hours = f"{(error.seconds or 0) / 3600:,.0f} h"
                    raise HostError(f"{error}; it asks to wait {hours}: run the same command again then") from error
                failures = 1 if has_given() else failures + 1
                asked.failures += 1
                if max(failures, asked.failures) >= ATTEMPTS:  # one file after the other would cost as many pauses
                    raise HostError(f"{error}; tried {ATTEMPTS} times") from error
                self._leave_alone(asked, error, failures)

    def _check_going_on(self) -> None:
        if self._stop.is_set():
            raise concurrent.futures.CancelledError

    def _leave_alone(self, host: _Host, error: PassingError, failures: int) -> None:
        """Ask a host for nothing, in any thread, for as long as it wants, or longer each time that it gave nothing."""
        seconds = min(2.0 ** (failures - 1), MOST_PAUSE_SECONDS) if error.seconds is None else error.seconds
        with host.left_alone:
            if error.seconds:
                self._tell(f"{error}; waiting {seconds:.0f} s, as the host asks")
            pause(self._stop, seconds)


class Turns(Generic[_Of]):
    """Which file is fetched next: one of the host that fewest are fetched from, so that none waits for a slow one.

    Args:
        files: each with what is to be known of it.
    """

    def __init__(self, files: Iterable[tuple[_Of, RemoteFile]]) -> None:
        self._lock = threading.Lock()
        self._fetching: collections.Counter[str] = collections.Counter()
        self._waiting: dict[str, collections.deque[tuple[_Of, RemoteFile]]] = {}
        for of, file in files:
            self._waiting.setdefault(file.source.host, collections.deque()).append((of, file))

    @contextlib.contextmanager
    def take(self) -> Iterator[tuple[_Of, RemoteFile]]:
        """The next file, which is fetched in the block; to be called once for each file."""
        with self._lock:
            host = min((each for each, files in self._waiting.items() if files), key=self._fetching.__getitem__)
            taken = self._waiting[host].popleft()
            self._fetching[host] += 1
        try:
            yield taken
        finally:
            with self._lock:
                self._fetching[host] -= 1


def pause(stop: threading.Event, seconds: float) -> None:
    """Wait, unless all is to stop."""
    stop.wait(seconds)
