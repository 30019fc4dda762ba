"""`hear-cacophony embed`: the same files, whatever happens on the way; tests/test_end_to_end.py: heareval's."""

from __future__ import annotations

import fcntl
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import soundfile
from hear_tasks_on_disk import make_event_task, make_scene_task, make_tags_task
from repeats import first

from hear_cacophony.files.lock import BusyError
from hear_tasks import cli
from hear_tasks.embed import engine, work_folder
from hear_tasks.embed.clips import open_clip, read_piece
from hear_tasks.embed.engine import TaskProgress
from hear_tasks.embed.record import RECORD_FILE
from hear_tasks.embed.task import read_task
from hear_tasks.embed.work_folder import is_busy, open_work_folder

pytestmark = pytest.mark.slow

TIMES = "profile.embeddings.json"


LENGTHS = (0.4, 1.4)
"""Seconds of clips: so many shapes are compiled."""


@pytest.fixture(scope="module")
def made_tasks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    make_scene_task(folder, clips=6)
    make_tags_task(folder, clips=6, lengths=LENGTHS)
    make_event_task(folder, clips=2, seconds=4.0)
    return folder


@pytest.fixture
def tasks(made_tasks, tmp_path):
    return shutil.copytree(made_tasks, tmp_path / "tasks")


def command(tasks, out, checkpoint, *more: str) -> list[str]:
    places = ["--tasks-dir", str(tasks), "--embeddings-dir", str(out)]
    return ["embed", "--model", str(checkpoint), *places, *map(str, more)]


def subprocess_env() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key != "JAX_NUMPY_DTYPE_PROMOTION"}


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    """All files below a folder but for the times that were taken."""
    files = (path for path in folder.rglob("*") if not path.is_dir() and path.name != TIMES)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def break_clip(tasks, split="train", clip="train-0.wav", task="test_events-v1-full") -> pathlib.Path:
    file = tasks / task / "16000" / split / clip
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    return file


def test_clips_of_many_windows(tiny_checkpoints, tmp_path):
    """The embedding of a long clip is that of the HEAR API, beside short clips and as float samples."""
    from hear_cacophony import load_embedding_model

    task = make_tags_task(tmp_path / "tasks", clips=3, lengths=LENGTHS)
    long = task / "16000" / "train" / "train-1.wav"
    samples = (0.1 * np.random.default_rng(5).standard_normal(1_500_000)).astype(np.float32)
    soundfile.write(long, samples, 16_000, subtype="FLOAT")
    assert cli.main(command(tmp_path / "tasks", tmp_path / "out", tiny_checkpoints["cacophony"])) == 0
    folder = tmp_path / "out" / "hear_cacophony.cacophony" / task.name
    embeddings = np.fromfile(folder / "train.embeddings.npy", np.float32).reshape(3, 64)
    order = list(json.loads((task / "train.json").read_text()))
    random.Random(0).shuffle(order)
    (expected,) = load_embedding_model(tiny_checkpoints["cacophony"]).embed_scenes([samples])
    np.testing.assert_allclose(embeddings[order.index("train-1.wav")], expected, atol=1e-5)


def test_the_published_protocol_pads_to_the_seconds_of_the_task(tiny_checkpoints, tmp_path):
    from hear_cacophony import load_embedding_model

    task = make_scene_task(tmp_path / "tasks", clips=3).rename(tmp_path / "tasks" / "vox_lingua_top10-hear2021-full")
    arguments = command(tmp_path / "tasks", tmp_path / "out", tiny_checkpoints["audiomae"], "--protocol", "published")
    assert cli.main([*arguments, "--task", "VoxLingua107 top 10"]) == 0
    folder = tmp_path / "out" / "hear_cacophony.audiomae-protocol=published" / task.name
    order = list(json.loads((task / "fold00.json").read_text()))
    random.Random(0).shuffle(order)
    clip = soundfile.read(task / "16000" / "fold00" / order[0], dtype="float32")[0]
    model = load_embedding_model(tiny_checkpoints["audiomae"], protocol="published", max_seconds=19)
    embeddings = np.fromfile(folder / "fold00.embeddings.npy", np.float32).reshape(3, 64)
    np.testing.assert_allclose(embeddings[0], model.embed_scenes([clip])[0], atol=1e-5)


def test_the_baseline_goes_through_the_same_command(tasks, tmp_path):
    places = ["--tasks-dir", str(tasks), "--embeddings-dir", str(tmp_path / "out")]
    assert cli.main(["embed", "--module", "hear_cacophony.logmel", *places, "--hop", "80"]) == 0
    folder = tmp_path / "out" / "hear_cacophony.logmel-timestamp-hop-ms=80"
    assert json.loads((folder / "weights.json").read_text())["weights"] == "none"
    assert json.loads((folder / "test_events-v1-full" / "test.embedding-dimensions.json").read_text()) == [100, 256]


def test_finished_tasks_are_left_alone(tasks, tiny_checkpoints, tmp_path, capsys):
    arguments = command(tasks, tmp_path / "out", tiny_checkpoints["audiomae"])
    assert cli.main(arguments) == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    assert cli.main(arguments) == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before
    assert capsys.readouterr().err.count("was done already") == 3


def marked(done: pathlib.Path) -> int | None:
    """Windows that are marked as done; None where no work is under way."""
    try:
        return sum(done.read_bytes())
    except FileNotFoundError:
        return None


@pytest.mark.parametrize("count", first(1, [2, 5]))
def test_killed_at_any_moment_and_run_again_the_files_are_the_same(count, tiny_checkpoints, tmp_path, keeps_nothing):
    """SIGKILL while windows are computed: many small batches, so that there are many moments."""
    tasks = tmp_path / "tasks"
    make_tags_task(tasks, clips=60, lengths=LENGTHS)
    arguments = [*command(tasks, "", tiny_checkpoints["audiomae"], "--batch-seconds", "4"), "--embeddings-dir"]

    killed = [sys.executable, "-m", "hear_tasks.cli", *arguments, str(tmp_path / "killed")]
    assert cli.main([*arguments, str(tmp_path / "whole")]) == 0
    kills = random.Random(1)
    done = tmp_path / "killed" / "hear_cacophony.audiomae" / ".embedding-test_tags-v1-full" / "done"
    progress = [0]
    for _ in range(count):
        process = subprocess.Popen(killed, env={**subprocess_env(), **keeps_nothing}, stderr=subprocess.DEVNULL)
        while process.poll() is None and marked(done) in (None, progress[-1]):
            time.sleep(0.01)
        time.sleep(kills.uniform(0, 0.1))
        process.kill()
        process.wait()
        if (now := marked(done)) is not None:
            progress.append(now)
    assert cli.main([*arguments, str(tmp_path / "killed")]) == 0
    assert progress == sorted(progress), "what was marked stays"
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_a_kill_between_the_last_two_changes_leaves_nothing(tasks, tiny_checkpoints, tmp_path, monkeypatch):
    arguments = command(tasks, tmp_path / "out", tiny_checkpoints["audiomae"], "--task", "test_pitch")
    with monkeypatch.context() as patched:
        patched.setattr(work_folder.WorkFolder, "remove", lambda self: None)
        assert cli.main(arguments) == 0
    folder = tmp_path / "out" / "hear_cacophony.audiomae"
    assert (folder / ".embedding-test_pitch-v1-full").exists()
    assert cli.main(arguments) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["test_pitch-v1-full", "weights.json"]


def test_windows_that_are_done_are_not_computed_again(tasks, tiny_checkpoints, tmp_path, monkeypatch, capsys):
    arguments = command(tasks, tmp_path / "out", tiny_checkpoints["audiomae"], "--task", "test_tags-v1-full")
    with monkeypatch.context() as patched:
        patched.setattr(engine._Run, "finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert cli.main(arguments) == 130
    assert "interrupted; the same command goes on" in capsys.readouterr().err
    with monkeypatch.context() as patched:
        patched.setattr(engine.Plan, "read", lambda *_: pytest.fail("nothing is left to read"))
        assert cli.main(arguments) == 0
    with monkeypatch.context() as patched:
        patched.setattr(engine._Run, "finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert cli.main([*arguments, "--batch-seconds", "3", "--task", "test_pitch"]) == 130
    capsys.readouterr()
    with monkeypatch.context() as patched:
        patched.setattr(engine.Plan, "read", lambda *_: pytest.fail("it was done"))
        assert cli.main([*arguments, "--batch-seconds", "9", "--devices", "1", "--task", "test_pitch"]) == 0
    assert "done again" not in capsys.readouterr().err


def test_an_interrupt_while_a_clip_is_read_ends_cleanly(tasks, tiny_checkpoints, tmp_path, monkeypatch):
    monkeypatch.setattr(engine.Plan, "read", lambda *_: os.kill(os.getpid(), signal.SIGINT) or time.sleep(0.5))
    assert cli.main(command(tasks, tmp_path / "out", tiny_checkpoints["audiomae"])) == 130


def test_another_checkpoint_is_refused(tasks, tiny_checkpoints, tmp_path, capsys):
    assert cli.main(command(tasks, tmp_path / "out", tiny_checkpoints["audiomae"], "--task", "test_pitch")) == 0
    other = tmp_path / "other.ckpt"
    shutil.copy(tiny_checkpoints["audiomae"], other)
    with other.open("r+b") as file:
        file.seek(-100, os.SEEK_END)
        file.write(b"\0")
    before = contents(tmp_path / "out")
    assert cli.main(command(tasks, tmp_path / "out", other, "--task", "test_tags")) == 1
    assert "holds embeddings of another model (" in capsys.readouterr().err
    assert contents(tmp_path / "out") == before


def test_other_options_go_to_their_own_folder(tasks, tiny_checkpoints, tmp_path):
    arguments = command(tasks, tmp_path / "out", tiny_checkpoints["audiomae"], "--task", "test_events")
    assert cli.main(arguments) == cli.main([*arguments, "--hop", "160", "--precision", "bfloat16"]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "hear_cacophony.audiomae",
        "hear_cacophony.audiomae-timestamp-hop-ms=160-precision=bfloat16",
    ]


def test_embeddings_of_another_program_are_kept_but_not_silently(tasks, tiny_checkpoints, tmp_path, capsys):
    folder = tmp_path / "out" / "hear_cacophony.audiomae"
    assert cli.main(command(tasks, tmp_path / "out", tiny_checkpoints["audiomae"], "--task", "test_pitch")) == 0
    for name in (".done.embeddings", RECORD_FILE, "../weights.json"):
        (folder / "test_pitch-v1-full" / name).unlink()
    (folder / "test_pitch-v1-full" / ".done.embeddings").touch()
    before = contents(folder / "test_pitch-v1-full")
    (folder / "test_tags-v1-full").mkdir()
    (folder / "test_tags-v1-full" / "stray").touch()
    assert cli.main(command(tasks, tmp_path / "out", tiny_checkpoints["audiomae"])) == 0
    said = capsys.readouterr().err
    assert "test_pitch-v1-full: embedded by another program, with weights that are not recorded; kept" in said
    assert "test_tags-v1-full: was left unfinished by another program; it is made anew" in said
    assert not (folder / "test_tags-v1-full" / "stray").exists()
    assert contents(folder / "test_pitch-v1-full") == before


def test_all_bad_clips_are_named_and_other_tasks_go_on(tasks, tiny_checkpoints, tmp_path, capsys):
    broken = [break_clip(tasks, split, f"{split}-{i}.wav") for split, i in [("train", 0), ("train", 1), ("test", 0)]]
    clip = tasks / "test_tags-v1-full" / "16000" / "test" / "test-1.wav"
    soundfile.write(clip, np.full(16_000, np.nan, np.float32), 16_000, subtype="FLOAT")
    assert cli.main(command(tasks, tmp_path / "out", tiny_checkpoints["audiomae"])) == 1
    said = capsys.readouterr().err
    assert all(said.count(f"{file}: expected") >= 1 for file in broken)
    assert f"{clip}: expected finite samples, got NaN or infinity" in said
    assert "test_pitch-v1-full: done" in said
    assert "2 of 3 tasks failed: test_events-v1-full, test_tags-v1-full" in said
    folder = tmp_path / "out" / "hear_cacophony.audiomae"
    assert (folder / "test_pitch-v1-full" / ".done.embeddings").exists()
    assert not (folder / "test_tags-v1-full").exists()


def write(rate=16_000, channels=1, samples=1000):
    def make(file: pathlib.Path) -> None:
        soundfile.write(file, np.zeros((samples, channels)), rate, subtype="PCM_16")

    return make


def cut_flac(file: pathlib.Path) -> None:
    """FLAC by another name, whose header is whole."""
    soundfile.write(file, np.random.default_rng(0).uniform(-1, 1, 9_000), 16_000, format="FLAC")
    file.write_bytes(file.read_bytes()[:-4_000])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda file: file.write_bytes(file.read_bytes()[:-100]), "expected 16044 bytes by its header, got 15944"),
        (write(rate=48_000), "expected 16000 samples per second, got 48000; hear-cacophony prepare --rates 16000"),
        (write(channels=2), "expected mono, got 2 channels"),
        (write(samples=0), "empty, it has no samples"),
        (pathlib.Path.unlink, "no such file"),
        (lambda file: file.write_bytes(b""), "expected an audio file, this is empty"),
        (lambda file: file.write_text("no audio"), "expected an audio file, such as WAV"),
        (cut_flac, "expected 9000 samples by its header, they cannot be decoded behind"),
    ],
)
def test_clips_that_cannot_be_embedded(change, expected, tasks, tiny_checkpoints, tmp_path, capsys):
    clip = tasks / "test_pitch-v1-full" / "16000" / "fold01" / "fold01-2.wav"
    change(clip)
    assert cli.main(command(tasks, tmp_path / "out", tiny_checkpoints["audiomae"], "--task", "test_pitch")) == 1
    assert f"{clip}: {expected}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("task_metadata.json", "{", "could not read it"),
        (
            "task_metadata.json",
            '{"embedding_type": "scenes"}',
            "embedding_type: expected 'scene' or 'event', got 'scenes'",
        ),
        ("fold01.json", '{"fold01-0.wav": ["low"', "could not read it"),
        (
            "fold01.json",
            '{"fold01-0.wav": ["low", "high"]}',
            "expected one label for each clip of a multiclass task, got 2",
        ),
        ("fold01.json", "{}", "expected a list of labels for each of one or more clips"),
        (
            "fold01.json",
            '{"fold01-0.wav": ["low"], "fold01-0.wav": ["high"]}',
            "expected each name once, got more than once, of which only the last would count: fold01-0.wav",
        ),
    ],
)
def test_tasks_that_cannot_be_embedded(file, content, expected, tasks, tiny_checkpoints, tmp_path, capsys):
    (tasks / "test_pitch-v1-full" / file).write_text(content)
    assert cli.main(command(tasks, tmp_path / "out", tiny_checkpoints["audiomae"], "--task", "test_pitch")) == 1
    said = capsys.readouterr().err
    assert str(tasks / "test_pitch-v1-full" / file) in said
    assert expected in said


@pytest.mark.parametrize(
    "event",
    [
        '{"label": "low", "start": 5}',
        '{"label": "low", "start": 5, "end": 4}',
        '{"label": "low", "start": 5, "end": 1e999}',
        '{"label": "low", "start": false, "end": 6}',
        '{"start": 5, "end": 6}',
        '"low"',
    ],
)
def test_events_that_cannot_be_read(event, tasks, tiny_checkpoints, tmp_path, capsys):
    file = tasks / "test_events-v1-full" / "valid.json"
    file.write_text(f'{{"valid-0.wav": [{event}]}}')
    assert cli.main(command(tasks, tmp_path / "out", tiny_checkpoints["audiomae"], "--task", "test_events")) == 1
    assert f"{file}: valid-0.wav: expected events with a label, and a start and a later end" in capsys.readouterr().err


def test_what_is_odd_about_a_task_is_told(tasks):
    """It is embedded all the same; heareval fails with the first, and takes the second as it is."""
    scenes, events = tasks / "test_pitch-v1-full", tasks / "test_events-v1-full"
    assert [*read_task(scenes, 16_000).remarks(), *read_task(events, 16_000).remarks()] == []
    clip = scenes / "16000/fold01/fold01-3.wav"
    soundfile.write(clip, np.zeros(1), 16_000)
    (told,) = read_task(scenes, 16_000).remarks()
    assert told.startswith("1 clips are not of the 0.5 s that task_metadata.json tells, such as ")
    assert f"{clip} of 6.25e-05 s; " in told
    length = soundfile.info(events / "16000/valid/valid-0.wav").duration * 1000
    times = [(0, length + 9), (-1, 5), (length, length + 1), (5, length + 11)]
    listed = json.loads((events / "valid.json").read_text())
    listed["valid-0.wav"] = [{"label": "low", "start": start, "end": end} for start, end in times]
    (events / "valid.json").write_text(json.dumps(listed))
    (told,) = read_task(events, 16_000).remarks()
    assert told.startswith("3 events are not within their clips, such as one from -1 to 5 ms in valid-0.wav of ")


def test_only_48_khz_audio(tasks, tiny_checkpoints, tmp_path, capsys):
    (tasks / "test_pitch-v1-full" / "16000").rename(tasks / "test_pitch-v1-full" / "48000")
    assert cli.main(command(tasks, tmp_path / "out", tiny_checkpoints["audiomae"], "--task", "test_pitch")) == 1
    assert "16000: no such folder; make it from the 48 kHz audio: hear-cacophony prepare" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--task", "esc-50"], "did you mean 'ESC-50'"),
        (["--task", "ESC-50"], "esc50-v2.0.0-full is not there; there are test_events-v1-full"),
        (["--module", "hear_cacophony.cacophony"], "expected"),
        (["--module", "other"], "other: no such module in"),
        (["--devices", "0,7"], "expected some of the devices 0 to 1"),
        (["--devices", "gpu"], "--devices: expected indices such as 0,1, got 'gpu'"),
        (["--hop", "50"], "timestamp_hop_ms=50 is not possible"),
        (["--batch-seconds", "0"], "--batch-seconds: expected a positive number, got 0"),
    ],
)
def test_bad_arguments(arguments, expected, tasks, tiny_checkpoints, tmp_path, capsys):
    assert cli.main(command(tasks, tmp_path / "out", tiny_checkpoints["audiomae"], *arguments)) == 1
    assert expected in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("form", ["WAV", "WAVEX"])
def test_samples_are_read_as_libsndfile_reads_them(form, subtype, tmp_path):
    file = tmp_path / "clip.wav"
    samples = np.random.default_rng(0).uniform(-1, 1, 5_000)
    soundfile.write(file, samples, 16_000, subtype=subtype, format=form)
    clip = open_clip(file, 16_000)
    assert (clip.samples, clip.pcm_16) == (5_000, subtype == "PCM_16")
    assert (clip.offset is not None) == (subtype == "PCM_16" and form == "WAV")
    for dtype in ["int16", "float32"] if clip.pcm_16 else ["float32"]:
        target = np.empty(1_000, dtype)
        read_piece(clip, 700, target)
        assert np.array_equal(target, soundfile.read(file, start=700, stop=1_700, dtype=dtype)[0])


def test_a_folder_without_tasks(tiny_checkpoints, tmp_path, capsys):
    assert cli.main(command(tmp_path, tmp_path / "out", tiny_checkpoints["audiomae"])) == 1
    assert "expected HEAR tasks, TASK/task_metadata.json, found none" in capsys.readouterr().err


def test_a_second_process_waits(tasks, tiny_checkpoints, tmp_path, capsys):
    folder = tmp_path / "out" / "hear_cacophony.audiomae"
    working = folder / ".embedding-test_pitch-v1-full"
    working.mkdir(parents=True)
    with (working / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert is_busy(folder / "test_pitch-v1-full")
        with pytest.raises(BusyError), open_work_folder(folder / "test_pitch-v1-full"):
            pytest.fail("the task is another process's")

        def finish() -> None:
            """What the other process does in the end."""
            time.sleep(0.5)
            while "waiting for that" not in "".join(said):
                said.append(capsys.readouterr().err)
            (folder / "test_pitch-v1-full").mkdir()
            (folder / "test_pitch-v1-full" / ".done.embeddings").write_text("{}")
            shutil.rmtree(working)
            fcntl.flock(lock, fcntl.LOCK_UN)

        said: list[str] = []
        other = threading.Thread(target=finish)
        other.start()
        assert cli.main(command(tasks, tmp_path / "out", tiny_checkpoints["audiomae"], "--task", "test_pitch")) == 0
        other.join()
    assert "test_pitch-v1-full: another process is embedding it; waiting" in "".join(said)
    assert not working.exists()
    assert not is_busy(folder / "test_pitch-v1-full")


def test_a_limit_on_the_size_of_files_keeps_what_is_finished(tasks, tmp_path, keeps_nothing):
    """The scene tasks fit, the event task does not."""
    arguments = command(tasks, tmp_path / "out", "random-tiny")
    code = (
        "import resource, sys; from hear_tasks import cli; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)); sys.exit(cli.main(sys.argv[1:]))"
    )
    environment = {**subprocess_env(), **keeps_nothing}
    full = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(full, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert (
        "test_events-v1-full: file too large (File too large): its embeddings need about 0.3 MB in all" in done.stderr
    )
    assert "20,000 bytes into a file (ulimit -f); raise that limit and run the same command again" in done.stderr
    assert "test_pitch-v1-full: done" in done.stderr
    with pytest.warns(UserWarning, match="untrained"):
        assert cli.main(arguments) == 0
    assert not list((tmp_path / "out").rglob(".embedding-*"))


def out_of_memory_beyond(size: int):
    from jax.errors import JaxRuntimeError

    from hear_cacophony.engine.window_embedders import SceneEmbedder

    run = SceneEmbedder.run

    def run_or_fail(self, audio, windows):
        if len(audio) > size:
            raise JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 12 GiB")
        return run(self, audio, windows)

    return SceneEmbedder, "run", run_or_fail


def test_batches_are_halved_until_the_memory_of_the_device_does(tasks, tiny_checkpoints, tmp_path, monkeypatch, capsys):
    arguments = command(tasks, tmp_path / "out", tiny_checkpoints["audiomae"], "--task", "test_pitch")
    monkeypatch.setattr(*out_of_memory_beyond(4))
    assert cli.main(arguments) == 0
    assert capsys.readouterr().err.count("out of memory on the device; going on with batches of at most") == 2
    embeddings = tmp_path / "out" / "hear_cacophony.audiomae" / "test_pitch-v1-full" / "fold02.embeddings.npy"
    found = embeddings.read_bytes()
    shutil.rmtree(tmp_path / "out")
    monkeypatch.undo()
    assert cli.main(arguments) == 0
    np.testing.assert_allclose(np.frombuffer(found, "f4"), np.frombuffer(embeddings.read_bytes(), "f4"), atol=1e-5)


def test_too_little_memory_for_one_clip_fails_the_task(tasks, tiny_checkpoints, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(*out_of_memory_beyond(0))
    assert cli.main(command(tasks, tmp_path / "out", tiny_checkpoints["audiomae"])) == 1
    said = capsys.readouterr().err
    assert "test_pitch-v1-full: out of memory on the device, even one clip at a time" in said
    assert "test_events-v1-full: done" in said


def test_progress_tells_clips_hours_speed_and_time_left():
    progress = TaskProgress("esc50", clips=2000, samples=2000 * 5 * 16_000, rate=16_000)
    progress.advance(500, 500 * 5 * 16_000)
    progress.advance(500, 500 * 5 * 16_000)
    assert progress.line(60) == "esc50:  50%, 1000 of 2000 clips, 1.39 of 2.78 h of audio, 42 h/h, 2:00 left"
