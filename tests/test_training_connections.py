"""How the processes of a run hear that one of them has ended: at once, and of nothing else."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading

import pytest

from hear_cacophony.training.connections import Connections

OTHER = """
import os, sys
from hear_cacophony.training.connections import Connections

def ended(index, connections):
    print("heard of", index, flush=True)
    connections.tell_ended(index)
    os._exit(1)

connections = Connections(ended)
connections.reach("localhost", sys.argv[1], int(sys.argv[2]))
print("connected", flush=True)
while point := input():
    connections.meet(point)
    print("met at", point, flush=True)
connections.end_well()
"""


class First:
    """Process 0, which is this one, with others."""

    def __init__(self, count: int) -> None:
        self.heard, self.hears = list[int](), threading.Event()
        self.connections = Connections(self._ended)
        self.told = self.connections.listen(count)
        pipes = dict.fromkeys(("stdin", "stdout"), subprocess.PIPE)
        command = [sys.executable, "-c", OTHER, self.told]
        self.others = [subprocess.Popen([*command, str(i)], text=True, **pipes) for i in range(1, count)]
        for other in self.others:
            assert other.stdout.readline() == "connected\n"

    def _ended(self, index: int, connections: Connections) -> None:
        self.heard.append(index)
        connections.tell_ended(index)
        self.hears.set()


@pytest.fixture
def first():
    first = First(3)
    yield first
    for other in first.others:
        other.kill()
        other.communicate()


def test_the_end_of_one_is_told_to_all_and_its_suspension_to_none(first):
    killed, other = first.others
    killed.send_signal(signal.SIGSTOP)
    assert not first.hears.wait(0.3)
    killed.kill()
    first.hears.wait()
    assert first.heard == [1]
    assert other.stdout.read() == "heard of 1\n"
    assert other.wait() == 1


def test_the_first_tells_of_its_own_end(first):
    first.connections.tell_ended(0)
    assert [other.stdout.read() for other in first.others] == ["heard of 0\n"] * 2
    assert first.heard == []  # that they have ended, too


def test_nobody_hears_of_an_end_where_all_end_well(first):
    for other in first.others:
        other.stdin.write("\n")
        other.stdin.flush()
    first.connections.end_well()
    assert [other.stdout.read() for other in first.others] == [""] * 2
    assert [other.wait() for other in first.others] == [0] * 2
    assert first.heard == []


def test_all_wait_at_a_point_for_the_last(first):
    def send(other: int, point: str) -> None:
        first.others[other].stdin.write(f"{point}\n")
        first.others[other].stdin.flush()

    waiting = threading.Thread(target=first.connections.meet, args=("a",))
    waiting.start()
    send(0, "a")
    waiting.join(0.3)
    assert waiting.is_alive()
    send(1, "a")
    waiting.join()
    assert [other.stdout.readline() for other in first.others] == ["met at a\n"] * 2
    for other in (1, 0):
        send(other, "b")
    first.connections.meet("b")
    assert [other.stdout.readline() for other in first.others] == ["met at b\n"] * 2


def test_strangers_at_the_port_are_none_of_the_processes(first):
    port = int(first.told.split()[0])
    for said in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\xff\xff\n"):
        with socket.create_connection(("localhost", port)) as stranger:
            stranger.sendall(said)
    assert not first.hears.wait(0.3)


def test_a_first_process_that_cannot_be_reached_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and listens to nobody
        port = taken.getsockname()[1]
        with pytest.raises(
            OSError, match=f"process 0 cannot be reached at port {port} of 127.0.0.1 .*refused.*firewall"
        ):
            Connections(lambda *_: None).reach("127.0.0.1", f"{port} word", 1)
