"""Signals while the main thread is in one long call, as while a batch is computed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

LONG_CALL = """
import hashlib, sys
from hear_tasks.embed import interruption
interruption.GRACE_SECONDS = float(sys.argv[1])
with interruption.ending_soon("embed"):
    try:
        print("begun", flush=True)
        hashlib.pbkdf2_hmac("sha256", b"", b"", int(sys.argv[2]))  # one call, as long as there are rounds
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        sys.exit(130)
print("ended", flush=True)
"""
SHORT, LONG = 500_000, 500_000_000
"""Rounds: a second or less, and minutes."""


def start(grace: float, rounds: int) -> subprocess.Popen:
    command = [sys.executable, "-c", LONG_CALL, str(grace), str(rounds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begun\n"
    time.sleep(0.1)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_short_batch_is_finished(number):
    process = start(60, SHORT)
    process.send_signal(number)
    out, err = process.communicate()
    assert process.returncode == 130
    assert out == "interrupted\n"
    assert err.startswith("embed: interrupted; finishing the batch in hand")


def test_a_long_batch_is_given_up():
    process = start(0.2, LONG)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert err.endswith("the same command goes on where this one was\n")


def test_a_second_signal_ends_it_at_once():
    process = start(600, LONG)
    process.send_signal(signal.SIGINT)
    assert "finishing the batch in hand" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 130


def test_handlers_are_as_before_and_nothing_is_said_without_a_signal(capfd):
    from hear_tasks.embed.interruption import ending_soon

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with ending_soon("embed"):
        assert signal.getsignal(signal.SIGTERM) != before[1]
    with pytest.raises(KeyboardInterrupt), ending_soon("embed"):
        signal.raise_signal(signal.SIGTERM)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
