"""Several processes that train together, each with devices of its own, beside one that trains alone."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile
from repeats import first
from tokenizer_files import write_tokenizer

from hear_cacophony.training.join import joined
from hear_cacophony.training.metrics import read_metrics
from hear_cacophony.training.pack import pack
from hear_cacophony.training.sources import find_sources
from hear_tasks.cli import main

pytestmark = pytest.mark.slow

STOPPED = 75


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Packed clips with captions, and a tokenizer."""
    folder = tmp_path_factory.mktemp("sounds")
    random = np.random.default_rng(0)
    rows = ["file,caption"]
    for i in range(24):
        soundfile.write(folder / f"{i}.wav", 0.1 * random.standard_normal(6_000 + 500 * i), 16_000)
        rows.append(f"{i}.wav,{('dog', 'rain', 'a bird')[i % 3]}")
    (folder / "captions.csv").write_text("\n".join(rows))
    pack(find_sources([folder / "captions.csv"]), folder / "shards")
    return folder / "shards", write_tokenizer(folder / "tokenizer")


def arguments(stage, data, out, *, steps=10, every=10, learning_rate="1e-3"):
    shards, tokenizer = data
    given = [
        "train", stage, "--data", shards, "--out", out, "--size", "tiny", "--width", 32, "--layers", 1, "--seconds", 1,
        "--patches", 16, "--batch", 8, "--held-out", 0.3, "--steps", steps, "--warmup", 2, "--checkpoint-every", every,
        "--learning-rate", learning_rate,
    ]  # fmt: skip
    more = (
        ["--restore", 16, "--decoder-layers", 1]
        if stage == "audiomae"
        else ["--text-layers", 1, "--tokenizer", tokenizer]
    )
    return list(map(str, given + more))


def together(count, each, *, devices=2):
    """Start processes, with the arguments that `each` gives for one, which find each other at a free port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    flags = os.environ["XLA_FLAGS"].replace("device_count=2", f"device_count={devices}")
    return [
        subprocess.Popen(
            [sys.executable, "-m", "hear_tasks", *each(i), "--processes", str(count), "--process", str(i)],
            env={**os.environ, "XLA_FLAGS": flags, "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(count)
    ]


def ends(processes):
    said = [process.communicate() for process in processes]
    return [(process.returncode, *texts) for process, texts in zip(processes, said, strict=True)]


def losses(out):
    return np.array([float(row["loss"]) for row in read_metrics(out / "metrics.csv")])


@pytest.mark.parametrize(
    "stage_count_and_steps",
    first(
        1, (("audiomae", 2, 10), ("audiomae", 2, 20), ("cacophony", 2, 20), ("audiomae", 4, 20), ("cacophony", 4, 20))
    ),
)
def test_losses_are_those_of_one_process(stage_count_and_steps, data, tmp_path):
    stage, count, steps = stage_count_and_steps
    given = {"steps": steps, "every": steps, "learning_rate": 3e-2 / steps}
    assert main(arguments(stage, data, tmp_path / "alone", **given)) == 0
    processes = together(count, lambda _: arguments(stage, data, tmp_path / "together", **given))
    for status, _, errors in ends(processes):
        assert status == 0, errors
    expected, got = losses(tmp_path / "alone"), losses(tmp_path / "together")
    assert len(got) == steps
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5)
    assert expected[-1] < 0.9 * expected[0]
    assert sorted(p.name for p in (tmp_path / "together").iterdir()) == sorted(
        p.name for p in (tmp_path / "alone").iterdir()
    )


@pytest.mark.repeats
@pytest.mark.parametrize("counts", [(1, 2), (2, 1)])
def test_a_run_goes_on_with_another_number_of_processes(counts, data, tmp_path):
    for count, more in zip(counts, (["--stop-at", "10"], []), strict=True):
        given = [*arguments("audiomae", data, tmp_path / "run", steps=20), *more]
        for status, _, errors in ends(together(count, lambda _, given=given: given, devices=1)):
            assert status == 0, errors
    assert len(losses(tmp_path / "run")) == 20


@pytest.mark.repeats
def test_all_stop_when_one_is_asked_to_and_go_on_to_the_same_bytes(data, tmp_path):
    def each(name):
        return lambda _: arguments("audiomae", data, tmp_path / name, steps=60)

    for status, _, errors in ends(together(2, each("undisturbed"))):
        assert status == 0, errors
    stopped = together(2, each("stopped"))
    begun(tmp_path / "stopped", stopped)
    stopped[1].send_signal(signal.SIGTERM)
    assert [status for status, *_ in ends(stopped)] == [STOPPED, STOPPED]
    assert 10 <= len(losses(tmp_path / "stopped")) < 60
    assert [status for status, *_ in ends(together(2, each("stopped")))] == [0, 0]
    for name in ("metrics.csv", "AudioMAE.ckpt"):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "undisturbed" / name).read_bytes()


def begun(out, processes):
    """Wait until the run has a checkpoint."""
    while not (out / "checkpoints/10").exists():
        assert all(process.poll() is None for process in processes)
        time.sleep(0.05)


def wait_for_rows(out, count, processes):
    while not (out / "metrics.csv").exists() or len(losses(out)) < count:
        assert all(process.poll() is None for process in processes)
        time.sleep(0.05)


@pytest.mark.repeats
@pytest.mark.parametrize("killed", [0, 1])
def test_all_end_with_a_word_when_one_is_killed(killed, data, tmp_path):
    processes = together(2, lambda _: arguments("audiomae", data, tmp_path / "run", steps=4000), devices=1)
    begun(tmp_path / "run", processes)
    processes[killed].kill()
    status, _, errors = ends(processes)[1 - killed]
    assert status == 1
    assert f"process {killed} of 2 has ended, and so does process {1 - killed}" in errors


@pytest.mark.repeats
def test_one_that_is_suspended_for_longer_than_jax_waits_is_waited_for(data, tmp_path):
    many = [*arguments("audiomae", data, tmp_path / "run", steps=10**6), "--checkpoint-every", "1000000"]
    processes = together(2, lambda _: many, devices=1)
    wait_for_rows(tmp_path / "run", 20, processes)
    time.sleep(15)  # gRPC, on which jax builds, gives up one that is suspended for a minute soon after it has begun
    processes[1].send_signal(signal.SIGSTOP)
    time.sleep(110)
    processes[1].send_signal(signal.SIGCONT)
    wait_for_rows(tmp_path / "run", len(losses(tmp_path / "run")) + 20, processes)
    processes[0].send_signal(signal.SIGTERM)
    (status, _, errors), (other, *_) = ends(processes)
    assert (status, other) == (STOPPED, STOPPED), errors
    assert "for 80 s, which takes all processes; it waits for those that do not say the same" in errors


def test_processes_that_are_started_unlike_each_other_end_with_what_differs(data, tmp_path):
    rates = ("1e-3", "2e-3")
    told = ends(together(2, lambda i: arguments("audiomae", data, tmp_path / "run", learning_rate=rates[i]), devices=1))
    for status, _, errors in told:
        assert status == 1
        assert "learning_rate is 0.001 in process 0, 0.002 in process 1" in errors
        assert "Traceback" not in errors
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("node1:99", 2, None), "go together"),
        ((None, 2, 0), "JAX_COORDINATOR_ADDRESS"),
        (("node1:99", 2, 2), "--process 2: expected 0 to 1"),
        (("node1", 2, 0), "--coordinator node1: expected HOST:PORT"),
    ],
)
def test_processes_that_cannot_find_each_other_are_refused(given, message, monkeypatch):
    monkeypatch.delenv("JAX_COORDINATOR_ADDRESS", raising=False)
    with pytest.raises(ValueError, match=message), joined(*given):
        pass
