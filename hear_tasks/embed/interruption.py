"""Ctrl-C, and a request to terminate: told at once, and followed within seconds, whatever the devices are at.

Python looks for signals between its own instructions, and a batch on a device is a single one, of seconds or, where it
is compiled first, of a minute. So a thread hears of the signal; where the work does not end by itself soon, the process
does. Nothing is lost that a killed run would not lose: the batches in hand.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from os import _exit  # by its name, as the code of plugins finds another in `os`

INTERRUPTED = 130
"""Exit status after Ctrl-C or a request to terminate."""

GRACE_SECONDS = 3.0
"""Time for the work to end by itself: as long as small batches take."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def ending_soon(command: str) -> Iterator[None]:
    """Let the signals raise KeyboardInterrupt here, and end the process where that takes too long.

    A second signal ends it at once. To be used in the main thread.
    """
    heard, tell = os.pipe()
    os.set_blocking(tell, False)
    before = {number: signal.signal(number, _interrupt) for number in _SIGNALS}
    earlier = signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    watcher = threading.Thread(target=_watch, args=(heard, command), name="signals", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(earlier)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(tell)
        watcher.join()
        os.close(heard)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _watch(heard: int, command: str) -> None:
    if not _wait(heard, None):
        return
    _say(f"{command}: interrupted; finishing the batch in hand (once more: end at once)")
    if _wait(heard, GRACE_SECONDS) is False:
        return
    _say(f"{command}: interrupted; the same command goes on where this one was")
    _exit(INTERRUPTED)


def _wait(heard: int, seconds: float | None) -> bool | None:
    """Whether one of the signals came; False at the end of the work, None after so many seconds."""
    while select.select([heard], [], [], seconds)[0]:
        received = os.read(heard, 1)
        if not received:
            return False
        if received[0] in _SIGNALS:
            return True
    return None


def _say(message: str) -> None:
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"{message}\n".encode())
