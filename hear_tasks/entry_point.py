"""How each command of ours ends: well, or with a word and a status where a signal, an error or a closed pipe ends it.

Python looks for signals between its own instructions, and a batch on a device, an import or a compilation is a single
one, of up to a minute; and what a signal raises is lost where it comes in a callback. So a thread hears of the signal,
too: where the work does not end by itself soon, the process does. Nothing is lost that a killed run would not lose.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import io
import os
import pathlib
import select
import signal
import sys
import threading
import time
import types
import warnings
from collections.abc import Callable
from os import _exit  # by its name, as the code of plugins finds another in `os`
from typing import Any, NoReturn

from hear_cacophony.printable import on_own_lines

GRACE_SECONDS = 3.0
"""Time for the work to end by itself when a signal came: as long as small batches take."""

READER_GONE = 128 + signal.SIGPIPE
"""Exit status where nobody reads the output any more, as behind `| head`."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PR_SET_CHILD_SUBREAPER = 36
"""Of Linux's prctl(2): processes that lose their parent become children of this one."""


class Parser(argparse.ArgumentParser):
    """Of arguments; a help that cannot be printed is an error, as other output is."""

    def print_help(self, file: Any = None) -> None:
        """Print it; argparse itself leaves it at that where it cannot be written."""
        (file or sys.stdout).write(self.format_help())


class Interruption(KeyboardInterrupt):
    """A signal asks the process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number


class Command:
    """A command while it runs.

    Attributes:
        name: stands before its errors.
        farewell: what it says where a signal ends it.
        grace: seconds that the work has to end by itself when a signal came. 0: it does not hear of it; None: it ends
            in its own time, unless Ctrl-C is pressed twice.
        hear: is told of each signal first.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.farewell = f"{name}: interrupted"
        self.grace: float | None = GRACE_SECONDS
        self.hear: Callable[[int], object] = lambda number: None
        self._signals: set[int] = set()
        self._raises = True
        self._listening = False

    def listen(self) -> None:
        """Have signals end this process, at the latest `grace` seconds after they came, a second one at once.

        They raise `Interruption` in the main thread, which is to call this.
        """
        heard, tell = os.pipe()
        os.set_blocking(tell, False)
        signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
        self._listening = True
        self.listen_to(*_SIGNALS)
        os.register_at_fork(after_in_child=self.listen_no_more)  # which shares the pipe
        with contextlib.suppress(AttributeError):  # where this is not Linux
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
        threading.Thread(target=self._watch, args=(heard,), name="signals", daemon=True).start()

    def listen_to(self, *numbers: signal.Signals) -> None:
        """Take these signals as well, in a process that listens."""
        heard = [number for number in numbers if self._listening and signal.getsignal(number) is not signal.SIG_IGN]
        self._signals.update(heard)  # what is ignored stays so, as under nohup
        for number in heard:
            signal.signal(number, self._take)

    def listen_no_more(self) -> None:
        """Leave signals to the system: there is nothing left to do."""
        self._raises = False
        signal.set_wakeup_fd(-1)
        for number in self._signals:
            signal.signal(number, signal.SIG_DFL)

    def _take(self, number: int, frame: types.FrameType | None) -> None:
        self.hear(number)
        if self._raises and self.grace:
            self._raises = False
            if _is_importing(frame):
                self._end(number)
            raise Interruption(number)

    def _watch(self, heard: int) -> None:
        number = self._next(heard, None)
        if self.grace is None:
            while (number := self._next(heard, None)) != signal.SIGINT:  # of the others, clusters send several
                pass
        else:
            self._next(heard, time.monotonic() + self.grace)
        self._end(number)

    def _end(self, number: int) -> NoReturn:
        self.say_farewell()
        end_descendants()
        _exit(128 + number)

    def _next(self, heard: int, end: float | None) -> int:
        """The next of the signals that this listens to; 0 where none comes until `end`.

        Work may take one itself, and end when it is saved: the attribute `ends_by_itself` of its handler tells.
        """
        while select.select([heard], [], [], None if end is None else max(0.0, end - time.monotonic()))[0]:
            number = os.read(heard, 1)[0]
            if number in self._signals and not getattr(signal.getsignal(number), "ends_by_itself", False):
                return number
        return 0

    def say(self, message: str) -> None:
        """Say something on standard error, in one piece, if there is still somebody to hear it.

        Names in it may hold what a terminal would obey.
        """
        with contextlib.suppress(OSError):
            print(f"{on_own_lines(message)}\n", end="", file=sys.stderr, flush=True)

    def say_farewell(self) -> None:
        """Say, once, that a signal ends the command."""
        farewell, self.farewell = self.farewell, ""
        if farewell:
            self.say(farewell)


def _is_importing(frame: types.FrameType | None) -> bool:
    """Whether a module is being imported: extension modules crash where something is raised meanwhile."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def run(name: str, work: Callable[[Command], int], *, whole_process: bool) -> int:
    """Do the work of a command; its exit status, with the reason on standard error where it is not that of the work.

    Args:
        name: stands before what is wrong.
        work: gives the exit status; OSError, ValueError and ModuleNotFoundError are faults of the input, status 1.
        whole_process: whether this process is there for the command alone, so that signals are for it, too, and what
            it has started ends with it.
    """
    command = Command(name)
    try:
        if whole_process:
            warnings.formatwarning = lambda message, *_, **__: f"{name}: {message}\n"  # no line of our source
            _open_closed_streams()
            command.listen()
        return _status(command, work)
    except KeyboardInterrupt as interruption:
        command.say_farewell()
        if whole_process:
            end_descendants()
        return interruption.status if isinstance(interruption, Interruption) else 128 + signal.SIGINT
    finally:
        _give_up_output()
        if whole_process:
            command.listen_no_more()


def _status(command: Command, work: Callable[[Command], int]) -> int:
    try:
        try:
            return work(command)
        finally:
            sys.stdout.flush()  # here, where it can still be told that it cannot be written
    except ModuleNotFoundError as error:
        command.say(f"{command.name}: {_what_to_install(error)}")
    except (OSError, ValueError) as error:
        if isinstance(error, BrokenPipeError) and _reader_is_gone():
            return READER_GONE
        command.say(f"{command.name}: {_describe(error)}")
    return 1


def _open_closed_streams() -> None:
    """Let what was closed by whoever started this process lead nowhere; the next file would take its number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or _ClosedOutput()
    sys.stderr = sys.stderr or os.fdopen(2, "w")


class _ClosedOutput(io.TextIOBase):
    """Stands for a standard output that was closed: to print a result there is an error."""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if text:
            raise OSError("standard output is closed, so that results cannot be printed; send them to a file: > FILE")
        return 0


def _give_up_output() -> None:
    """Let what cannot be written lead nowhere: at the end of the process Python would try again, and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _reader_is_gone() -> bool:
    """Whether standard output or standard error is a pipe that nobody reads any more."""
    poll = select.poll()
    for number in (1, 2):
        poll.register(number, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _describe(error: OSError | ValueError) -> str:
    """The message of the error; where there was no room for a file, with the reason."""
    from hear_cacophony.files.full_disk import describe_full, is_full

    if not (isinstance(error, OSError) and is_full(error)):
        return str(error)
    file = pathlib.Path(error.filename) if error.filename else None
    told = describe_full(error, file.parent if file and file.parent.is_dir() else None)
    return f"{f'{file}: ' if file else ''}{told} and run the same command again"


def _what_to_install(error: ModuleNotFoundError) -> str:
    """The message of the error, which already says so where it was raised by this package."""
    if "pip install" in str(error):
        return str(error)
    return f"{error}; pip install 'hear_cacophony[hear,tasks]', or scripts/setup.sh, installs what all commands need"


def end_descendants() -> None:
    """Kill the processes that this one has started, and those that they have."""
    killed: set[int] = set()
    while found := _descendants() - killed:
        for number in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        killed |= found


def _descendants() -> set[int]:
    """Processes below this one, without that which clears up behind Python's multiprocessing when all others ended."""
    children: dict[int, list[int]] = {}
    for file in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(file.read_text(errors="replace").rpartition(")")[2].split()[1])
            if b"multiprocessing.resource_tracker" not in file.with_name("cmdline").read_bytes():
                children.setdefault(parent, []).append(int(file.parent.name))
    found: set[int] = set()
    waiting = [os.getpid()]
    while waiting:
        below = children.get(waiting.pop(), [])
        found.update(below)
        waiting += below
    return found
