"""Connections by which the processes of a run hear that one of them has ended.

The system closes them when a process ends, however that is, and not before: one that is suspended, or slow, has not
ended. Each process has one with the first, which tells the others, and also when all have come to a point.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import threading
from collections.abc import Callable
from typing import NoReturn, TextIO

_LONGEST_LINE = 1000
_AT, _MET, _DONE = "at", "met", "done"


class Connections:
    """The connections of one process, and what it hears from them, in threads of their own."""

    def __init__(self, ended: Callable[[int, Connections], NoReturn]) -> None:
        """`ended` is called, once and in a thread, with the number of the process that is the first to have ended."""
        self._ended, self._ending = ended, threading.RLock()
        self._others: dict[socket.socket, threading.Thread] = {}
        self._points: dict[str, _Point] = {}
        self._count = 0
        self._telling = threading.RLock()

    def listen(self, count: int) -> str:
        """Take the connections of the other of `count` processes, in process 0; what they have to know for `reach`."""
        self._count = count
        if socket.has_dualstack_ipv6():
            server = socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        else:
            server = socket.create_server(("", 0))
        word = secrets.token_hex(8)
        _start(self._accept, server, word)
        return f"{server.getsockname()[1]} {word}"

    def reach(self, host: str, told: str, index: int) -> None:
        """Connect this process, `index`, with process 0.

        Raises:
            OSError: it could not be reached.
        """
        port, word = told.split()
        try:
            first = socket.create_connection((host, int(port)))
            first.sendall(f"{word} {index}\n".encode())
            lines = first.makefile()
            if lines.readline(_LONGEST_LINE).strip() != word:
                raise OSError("it gave no answer")
        except OSError as error:
            raise OSError(f"process 0 cannot be reached at port {port} of {host} ({error}); a firewall?") from error
        self._others[first] = _start(self._hear, 0, lines)

    def meet(self, point: str) -> None:
        """Wait until all processes have come to a point, which has a name, without spaces, of its own."""
        if self._count:
            self._arrive(point)
        else:
            self._tell(f"{_AT} {point}")
        self._point(point).met.wait()

    def _arrive(self, name: str) -> None:
        point = self._point(name)
        with self._telling:
            point.arrived += 1
            if point.arrived == self._count:
                self._tell(f"{_MET} {name}")
                point.met.set()

    def _point(self, name: str) -> _Point:
        with self._telling:
            return self._points.setdefault(name, _Point())

    def end_well(self) -> None:
        """Tell the processes at the other ends that this one ends well, and hear that they do."""
        self._tell(_DONE)
        for hearing in list(self._others.values()):
            hearing.join()

    def tell_ended(self, index: int) -> None:
        """Tell them that a process, this one or another, has ended; from now on nothing is heard of them."""
        self._ending.acquire()
        self._tell(index)

    def _tell(self, what: object) -> None:
        with self._telling:
            for other in list(self._others):
                with contextlib.suppress(OSError):  # it has ended, too
                    other.sendall(f"{what}\n".encode())

    def _accept(self, server: socket.socket, word: str) -> None:
        while True:
            _start(self._greet, server.accept()[0], word)

    def _greet(self, other: socket.socket, word: str) -> None:
        with other.makefile(errors="replace") as lines:
            try:
                said, _, index = lines.readline(_LONGEST_LINE).strip().partition(" ")
            except OSError:
                said = ""
            if said != word:  # anybody may knock at a port
                other.close()
                return
            self._others[other] = threading.current_thread()
            with contextlib.suppress(OSError):  # it has ended, as is heard
                other.sendall(f"{word}\n".encode())
            self._hear(int(index), lines)

    def _hear(self, index: int, lines: TextIO) -> None:
        """Take what the process at the other end says, until it ends."""
        while True:
            try:
                said, _, point = lines.readline(_LONGEST_LINE).strip().partition(" ")
            except OSError:  # as where it ended with something unread
                said = ""
            if said == _AT:
                self._arrive(point)
            elif said == _MET:
                self._point(point).met.set()
            elif said == _DONE:
                return
            else:
                with self._ending:
                    self._ended(int(said) if said else index, self)
                return


class _Point:
    def __init__(self) -> None:
        self.arrived, self.met = 0, threading.Event()


def _start(do: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=do, args=arguments, name="connections", daemon=True)
    thread.start()
    return thread
