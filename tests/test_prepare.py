"""Preparing HEAR tasks: resampling, resuming, tarballs, and everything that can be wrong with them."""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import errno
import gzip
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time

import numpy as np
import pytest
import soundfile
from damaged_audio import FORMS, cut, encode, without_length

from hear_cacophony.frontend.audio_file import open_audio
from hear_cacophony.progress import ByteProgress
from hear_tasks.prepare import archives, plan, prepare_tasks, resample_clip, run, sources, workers
from hear_tasks.prepare.command import add_parser
from hear_tasks.prepare.resample_clip import Clip, Conversion, resample_clips
from hear_tasks.prepare.run import describe_task

SPLITS = ("train", "valid", "test")
NOTES = (archives.NOTE_FILE, plan.SOURCE_NOTE)
COMMAND = """
import argparse, sys
from hear_tasks.prepare.command import add_parser
if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    args = parser.parse_args()
    sys.exit(args.func(args))
"""


@pytest.fixture(autouse=True)
def _one_job_needs_no_process(monkeypatch):
    """Starting a process takes longer than most of these tests; more jobs, and the command, get theirs."""
    start = concurrent.futures.ProcessPoolExecutor

    def choose(jobs: int, *rest: object) -> concurrent.futures.Executor:
        return start(jobs, *rest) if jobs > 1 else concurrent.futures.ThreadPoolExecutor(1)

    monkeypatch.setattr(workers.concurrent.futures, "ProcessPoolExecutor", choose)


def make_task(tasks: pathlib.Path, *, rate=48_000, clips=2, seconds=0.25, duration="as made", name="tones-v1-full"):
    """A task of noise in train, valid and test at one rate."""
    task = tasks / name
    random = np.random.default_rng(rate)
    for split in SPLITS:
        folder = task / str(rate) / split
        folder.mkdir(parents=True)
        for i in range(clips):
            samples = 0.1 * random.standard_normal(round(seconds * rate))
            soundfile.write(folder / f"{split}-{i}.wav", samples, rate, subtype="PCM_16")
        (task / f"{split}.json").write_text(json.dumps({f"{split}-{i}.wav": ["a"] for i in range(clips)}))
    metadata = {"sample_duration": seconds if duration == "as made" else duration, "splits": list(SPLITS)}
    (task / "task_metadata.json").write_text(json.dumps(metadata))
    (task / "labelvocabulary.csv").write_text("idx,label\n0,a\n")
    return task


def pack(tarball: pathlib.Path, task: pathlib.Path, layout: str = "hear-2021.0.6/tasks", **extra: tarfile.TarInfo):
    form = tarfile.PAX_FORMAT if any(each.pax_headers for each in extra.values()) else tarfile.GNU_FORMAT
    with tarfile.open(tarball, "w:gz", format=form) as tar:
        tar.add(task, f"{layout}/{task.name}")
        for member in extra.values():
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    return tarball


def member(name: str, **attributes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info


def contents(folder: pathlib.Path) -> dict[str, str]:
    """Hash of every file below a folder, hidden ones too but notes of sources, and an entry for each folder."""
    return {
        str(path.relative_to(folder)): hashlib.md5(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in sorted(folder.rglob("*"))
        if path.name not in NOTES
    }


def convert(source: pathlib.Path, target: pathlib.Path, rate: int = 48_000, seconds: float | None = None):
    return resample_clips([Clip(str(source), str(target), 0)], Conversion(rate, 16_000, seconds))


def run_command(*args, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, sys.executable, "-c", COMMAND, "prepare", *map(str, args)],
        capture_output=True,
        text=True,
        check=False,
    )


# One clip


@pytest.mark.parametrize("rate", [22_050, 32_000, 44_100, 48_000])
def test_a_tone_keeps_its_level_and_pitch(tmp_path, rate):
    time = np.arange(2 * rate) / rate
    soundfile.write(tmp_path / "in.wav", 0.5 * np.sin(2 * np.pi * 1000 * time), rate, subtype="PCM_16")
    assert convert(tmp_path / "in.wav", tmp_path / "out.wav", rate).written == 1
    out, out_rate = soundfile.read(tmp_path / "out.wav")
    expected = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(32_000) / 16_000)
    assert (out_rate, len(out)) == (16_000, 32_000)
    np.testing.assert_allclose(out[1000:-1000], expected[1000:-1000], atol=5e-5)


@pytest.mark.parametrize(("rate", "tone"), [(48_000, 10_000), (48_000, 8_400), (44_100, 10_000), (22_050, 9_000)])
def test_what_is_above_8_khz_does_not_fold_back(tmp_path, rate, tone):
    samples = 0.9 * np.sin(2 * np.pi * tone * np.arange(rate) / rate)
    soundfile.write(tmp_path / "in.wav", samples, rate, subtype="PCM_16")
    convert(tmp_path / "in.wav", tmp_path / "out.wav", rate)
    out = soundfile.read(tmp_path / "out.wav")[0][800:-800]
    assert 20 * np.log10(np.sqrt(np.mean(out**2)) / np.sqrt(np.mean(samples**2)) + 1e-12) < -80


@pytest.mark.parametrize(
    ("rate", "frames", "samples"),
    [
        (48_000, 1, 1),
        (48_000, 3, 1),
        (48_000, 100, 33),
        (48_000, 47_999, 16_000),
        (32_000, 32_001, 16_001),
        (44_100, 44_101, 16_000),
        (22_050, 105_178, 76_320),
        (48_000, 3 * resample_clip.BLOCK, resample_clip.BLOCK),
    ],
)
def test_a_clip_of_no_set_duration_is_as_long_as_its_source(tmp_path, noise, rate, frames, samples):
    soundfile.write(tmp_path / "in.wav", noise(frames), rate, subtype="PCM_16")
    convert(tmp_path / "in.wav", tmp_path / "out.wav", rate)
    assert soundfile.info(tmp_path / "out.wav").frames == samples


@pytest.mark.parametrize(
    ("frames", "fitted"), [(228_960, 0), (228_959, 0), (228_961, 0), (228_950, 1), (228_990, 1), (228_912, 1)]
)
def test_a_clip_of_a_set_duration_has_it_exactly(tmp_path, noise, frames, fitted):
    soundfile.write(tmp_path / "in.wav", noise(frames), 48_000, subtype="PCM_16")
    tally = convert(tmp_path / "in.wav", tmp_path / "out.wav", seconds=4.77)
    assert soundfile.info(tmp_path / "out.wav").frames == 76_320
    assert (tally.written, tally.fitted) == (1, fitted)


@pytest.mark.parametrize("frames", [228_900, 229_020, 1, 457_920])
def test_a_clip_far_from_the_set_duration_is_refused(tmp_path, noise, frames):
    soundfile.write(tmp_path / "in.wav", noise(frames), 48_000, subtype="PCM_16")
    tally = convert(tmp_path / "in.wav", tmp_path / "out.wav", seconds=4.77)
    assert "expected 4.77 s (228960 samples)" in tally.bad[0][1]
    assert f"({frames} samples)" in tally.bad[0][1]
    assert not (tmp_path / "out.wav").exists()


def test_clipping_saturates_and_is_counted(tmp_path):
    # A square wave overshoots once its upper partials are gone.
    square = np.where(np.arange(48_000) // 60 % 2, 1.0, -1.0)
    soundfile.write(tmp_path / "in.wav", square, 48_000, subtype="PCM_16")
    tally = convert(tmp_path / "in.wav", tmp_path / "out.wav")
    out = soundfile.read(tmp_path / "out.wav", dtype="int16")[0]
    assert tally.clipped == 1
    assert 1000 < tally.clipped_samples < 16_000
    assert tally.most_clipped == (str(tmp_path / "in.wav"), tally.clipped_samples)
    assert (out.max(), out.min()) == (32_767, -32_768)
    # Wrapped samples would have the other sign in the middle of a half-period of 20 samples.
    middles = out[10::20][5:-5].astype(int)
    np.testing.assert_array_equal(np.sign(middles), np.where(np.arange(len(middles)) % 2, -1, 1) * np.sign(middles[0]))


def test_samples_are_rounded_without_dither(tmp_path):
    soundfile.write(tmp_path / "in.wav", np.full(48_000, 1000.4 / 32_768), 48_000, subtype="FLOAT")
    convert(tmp_path / "in.wav", tmp_path / "out.wav")
    out = soundfile.read(tmp_path / "out.wav", dtype="int16")[0][2000:-2000]
    assert (out.min(), out.max()) == (1000, 1000)


def test_the_length_of_blocks_changes_nothing(tmp_path, noise, monkeypatch):
    soundfile.write(tmp_path / "in.wav", noise(100_000), 44_100, subtype="PCM_24")
    convert(tmp_path / "in.wav", tmp_path / "whole.wav", 44_100)
    monkeypatch.setattr(resample_clip, "BLOCK", 777)
    convert(tmp_path / "in.wav", tmp_path / "blocks.wav", 44_100)
    assert (tmp_path / "whole.wav").read_bytes() == (tmp_path / "blocks.wav").read_bytes()


def test_a_clip_that_is_there_is_kept_and_a_wrong_or_old_one_made_again(tmp_path, noise):
    source, target = tmp_path / "in.wav", tmp_path / "out.wav"
    soundfile.write(source, noise(48_000), 48_000, subtype="PCM_16")
    convert(source, target)
    right, stamp = target.read_bytes(), target.stat().st_mtime_ns
    assert convert(source, target).kept == 1
    assert target.stat().st_mtime_ns == stamp
    wrong = [right[:-2], b"", b"no audio", right[:44]]
    soundfile.write(tmp_path / "other.wav", noise(16_000), 22_050, subtype="PCM_16")
    soundfile.write(tmp_path / "float.wav", noise(16_000), 16_000, subtype="FLOAT")
    wrong += [(tmp_path / "other.wav").read_bytes(), (tmp_path / "float.wav").read_bytes()]
    for data in wrong:
        target.write_bytes(data)
        tally = convert(source, target)
        assert (tally.replaced, tally.written, tally.kept) == (1, 0, 0)
        assert target.read_bytes() == right
    newer = target.stat().st_mtime_ns + 1_000_000_000
    os.utime(source, ns=(newer, newer))
    assert convert(source, target).replaced == 1
    soundfile.write(source, noise(48_000)[::-1], 48_000, subtype="PCM_16")
    os.utime(source, ns=(stamp, stamp))
    assert convert(source, target).replaced == 1, "other samples, as old as those before"
    assert target.read_bytes() != right
    assert convert(source, target).kept == 1


def test_memory_does_not_grow_with_a_clip(tmp_path):
    peaks = []
    for seconds in (10, 600):
        path = tmp_path / f"{seconds}.wav"
        soundfile.write(path, np.zeros(48_000 * seconds, np.int16), 48_000, subtype="PCM_16")
        code = (
            "import soxr\n"
            "from hear_tasks.benchmark.memory import peak_resident_bytes\n"
            "from hear_tasks.prepare.resample_clip import Clip, Conversion, resample_clips\n"
            f"clip = Clip({str(path)!r}, {str(path) + '.out'!r}, 0)\n"
            "tally = resample_clips([clip], Conversion(48000, 16000, None))\n"
            "print(tally.written, peak_resident_bytes())"
        )
        written, peak = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
        assert written == "1"
        peaks.append(int(peak))
    assert peaks[1] - peaks[0] < 8_000_000, "the longer clip alone has 57 MB"


# Bad clips


def _write_stereo(path, noise):
    soundfile.write(path, np.stack([noise(12_000)] * 2, 1), 48_000, subtype="PCM_16")


def _write_nan(path, noise):
    samples = noise(12_000)
    samples[7000] = np.nan
    soundfile.write(path, samples, 48_000, subtype="FLOAT")


def _cut(path, noise):
    path.write_bytes(path.read_bytes()[:-1000])


FAULTS = {
    "rate": (lambda path, noise: soundfile.write(path, noise(11_025), 44_100), "expected 48000 Hz .* got 44100 Hz"),
    "stereo": (_write_stereo, "expected one channel, got 2"),
    "0 bytes": (lambda path, noise: path.write_bytes(b""), "this is empty"),
    "no samples": (lambda path, noise: soundfile.write(path, noise(0), 48_000), "without samples"),
    "text": (
        lambda path, noise: path.write_text("<html>not audio</html>"),
        "got: Format not recognised; is it what its name says",
    ),
    "NaN": (_write_nan, "expected finite samples, got nan at sample 7000"),
    "cut": (_cut, r"expected \d+ bytes by its header, got \d+"),
    "missing": (lambda path, noise: path.unlink(), "named in train.json, but not there"),
}


def test_all_bad_clips_are_in_one_error_and_the_others_are_made(tmp_path, noise):
    task = make_task(tmp_path, clips=len(FAULTS) + 1)
    for i, (plant, _) in enumerate(FAULTS.values()):
        plant(task / "48000" / "train" / f"train-{i}.wav", noise)
    other = make_task(tmp_path, name="whole-v1-full")
    report = prepare_tasks([tmp_path], jobs=1)
    (error,) = report.errors
    head, *lines = error.splitlines()
    assert head == f"{task}: {len(FAULTS)} bad files, which were left out; mend and run the same command again"
    for i, (line, (_, message)) in enumerate(zip(lines, FAULTS.values(), strict=True)):
        assert line.startswith(f"  {task}/48000/train/train-{i}.wav: ")
        assert re.search(message, line)
    made = {path.name for path in (task / "16000").rglob("*")} - {*SPLITS, *NOTES}
    assert made == {f"{split}-{i}.wav" for split in SPLITS for i in range(len(FAULTS) + 1)} - {
        f"train-{i}.wav" for i in range(len(FAULTS))
    }
    assert len(list((other / "16000").rglob("*.wav"))) == 6


@pytest.mark.parametrize("ending", FORMS)
def test_a_source_of_any_form_is_read_and_a_cut_one_is_bad(ending, tmp_path, noise):
    source = tmp_path / f"in.{ending}"
    source.write_bytes(encode(noise(9_000), 8_000, *FORMS[ending]))
    with open_audio(source) as audio:
        rate = audio.header.rate
    assert convert(source, tmp_path / "out.wav", rate=rate).written == 1
    assert convert(source, tmp_path / "out.wav", rate=rate).kept == 1
    (tmp_path / "out.wav").unlink()
    ((file, fault),) = convert(cut(source), tmp_path / "out.wav", rate=rate).bad
    assert file == str(source)
    assert re.search("interrupted|is it what its name says", fault)
    assert not (tmp_path / "out.wav").exists()


def test_sources_of_unknown_length_and_names_that_are_no_utf_8(tmp_path, noise):
    source, target = (tmp_path / os.fsdecode(b"caf\xe9" + ending) for ending in (b".flac", b".wav"))
    source.write_bytes(without_length(encode(noise(9_000), 48_000, "FLAC")))
    assert convert(source, target).written == 1
    assert convert(source, target).kept == 1
    source.write_bytes(source.read_bytes()[:-900])
    assert "they cannot be decoded behind" in convert(source, target).bad[0][1]


def test_names_of_any_bytes_are_told_on_one_line(tmp_path):
    task = make_task(tmp_path)
    loud, bad = (task / "48000" / "train" / os.fsdecode(name) for name in (b"caf\xe9\n.wav", b"\xff.wav"))
    square = np.where(np.arange(12_000) // 60 % 2, 1.0, -1.0)
    soundfile.write(os.fsencode(loud), square, 48_000, format="WAV")
    bad.write_text("no audio")
    clips = json.loads((task / "train.json").read_text())
    (task / "train.json").write_text(json.dumps(clips | {"\ud800.wav": clips["train-0.wav"]}))
    report = prepare_tasks([task], jobs=1)
    assert "train/caf\\xe9\\n.wav: " in describe_task(report.tasks[0]).encode().decode()
    first, second = sorted(line.split(": ")[0].rpartition("/")[2] for line in report.errors[0].splitlines()[1:])
    assert (first, second) == ("\\ud800.wav", "\\xff.wav")


# Tasks


def test_the_source_side_is_untouched_and_any_number_of_jobs_gives_the_same_bytes(tmp_path):
    task = make_task(tmp_path / "one", clips=25)
    shutil.copytree(task, tmp_path / "two" / task.name)
    before = contents(task)
    one = prepare_tasks([task], jobs=1)
    two = prepare_tasks([tmp_path / "two"], jobs=2)
    assert (one.errors, two.errors) == ((), ())
    assert one.tasks[0].tally.written == two.tasks[0].tally.written == 75
    after = contents(task)
    assert after == contents(tmp_path / "two" / task.name)
    assert {path: each for path, each in after.items() if not path.startswith("16000")} == before
    lengths = {soundfile.info(path).frames for path in (task / "16000").rglob("*.wav")}
    assert lengths == {4000}
    again = prepare_tasks([task], jobs=1)
    assert (again.tasks[0].tally.kept, again.tasks[0].tally.clips) == (75, 75)


def test_the_highest_rate_is_taken_and_other_rates_can_be_made(tmp_path):
    task = make_task(tmp_path, rate=22_050, duration=None, clips=1)
    assert prepare_tasks([task], jobs=1).tasks[0].source_rate == 22_050
    assert {soundfile.info(path).frames for path in (task / "16000").rglob("*.wav")} == {4000}
    make_task(tmp_path / "more", rate=44_100, clips=1)
    shutil.move(tmp_path / "more" / task.name / "44100", task)
    report = prepare_tasks([task], rates=[32_000], jobs=1)
    assert (report.tasks[0].source_rate, report.errors) == (44_100, ())
    assert {soundfile.info(path).samplerate for path in (task / "32000").rglob("*.wav")} == {32_000}


def test_several_rates_are_made_from_the_highest_like_each_alone(tmp_path):
    rates = (16_000, 22_050, 32_000, 44_100, 48_000)
    task = make_task(tmp_path / "one", clips=1)
    shutil.copytree(task, tmp_path / "two" / task.name)
    for rate in rates[:-1]:  # the order in which they are made changes nothing
        assert prepare_tasks([task], rates=[rate], jobs=1).errors == ()
    tarball = pack(tmp_path / "tones.tar.gz", tmp_path / "two" / task.name)
    report = prepare_tasks([tarball], tmp_path / "out", rates, jobs=1)
    assert report.errors == ()
    assert [(each.rate, each.source_rate, each.tally.written) for each in report.tasks] == [
        *((rate, 48_000, 3) for rate in rates[:-1]),
        (48_000, None, 0),
    ]
    assert contents(tmp_path / "out" / task.name) == contents(task)
    for rate in rates:
        assert {soundfile.info(file).frames for file in (task / str(rate)).rglob("*.wav")} == {round(rate / 4)}


def test_rates_are_resumed_each_by_itself_and_bad_clips_named_once(tmp_path):
    task = make_task(tmp_path)
    prepare_tasks([task], rates=[32_000], jobs=1)
    whole = contents(task / "32000")
    (task / "32000" / "test" / "test-0.wav").unlink()
    (task / "48000" / "train" / "train-0.wav").write_bytes(b"")
    result = run_command(task, "--rates", "16000,32000,48000", "--jobs", 1)
    assert result.returncode == 1
    first, second, third = result.stdout.splitlines()
    assert first == "tones-v1-full at 16000 Hz: 5 clips made from 48000 Hz, 0 there already, not whole, see below"
    assert second == "tones-v1-full at 32000 Hz: 1 clips made from 48000 Hz, 4 there already, not whole, see below"
    assert third == "tones-v1-full at 48000 Hz: there already, the highest rate that it has"
    assert result.stderr.count("train-0.wav: expected an audio file, this is empty") == 1
    assert contents(task / "32000") == whole


def test_a_source_that_goes_after_planning_is_told_and_the_other_tasks_go_on(tmp_path, monkeypatch):
    first, second = (make_task(tmp_path / "tasks", name=name) for name in ("a-v1-full", "b-v1-full"))
    planned = run.make_plan

    def make_plan_and_lose(task, rate):
        made = planned(task, rate)
        if task.target == first:
            shutil.rmtree(first / "48000")
        return made

    monkeypatch.setattr(run, "make_plan", make_plan_and_lose)
    report = prepare_tasks([tmp_path / "tasks"], rates=[16_000], jobs=1)
    assert [each.error != "" for each in report.tasks] == [True, False]
    assert str(first) in report.errors[0]
    assert not (first / "16000").exists()
    assert soundfile.info(second / "16000/train/train-0.wav").samplerate == 16_000


@pytest.mark.parametrize(
    ("rate", "message"),
    [
        (
            44_100,
            r"expected audio above 44100 Hz \(48000/\) to make that from, found 16000 Hz at most, which would gain",
        ),
        (48_000, r"expected 48000/, which is made of nothing higher, found 16000 Hz at most; .* tarballs of 48000 Hz"),
    ],
)
def test_a_rate_above_all_that_a_task_has_is_refused_and_the_others_are_not(tmp_path, rate, message):
    task = make_task(tmp_path, rate=16_000, clips=1)
    before = contents(task)
    report = prepare_tasks([task], rates=[rate, 16_000], jobs=1)
    (error,) = report.errors
    assert re.search(message, error)
    assert [(each.rate, bool(each.error)) for each in report.tasks] == [(rate, True), (16_000, False)]
    assert contents(task) == before


def test_rates_are_numbers_with_commas(tmp_path):
    result = run_command(make_task(tmp_path), "--rates", "16000;32000")
    assert result.returncode == 2
    assert "argument --rates: expected rates in Hz with commas between, got '16000;32000'" in result.stderr


def test_with_out_the_source_folder_is_only_read(tmp_path):
    task = make_task(tmp_path / "published" / "hear-2021.0.6" / "tasks")
    before = contents(tmp_path / "published")
    assert prepare_tasks([tmp_path / "published"], tmp_path / "out", jobs=1).errors == ()
    assert contents(tmp_path / "published") == before
    out = tmp_path / "out" / task.name
    described = [*(f"{split}.json" for split in SPLITS), "labelvocabulary.csv", "task_metadata.json"]
    assert sorted(path.name for path in out.iterdir()) == sorted(["16000", *described])
    assert all((out / name).read_bytes() == (task / name).read_bytes() for name in described)
    (out / "labelvocabulary.csv").write_text("idx,label\n0,b\n")
    (error,) = prepare_tasks([task], tmp_path / "out", jobs=1).errors
    assert "labelvocabulary.csv: differs" in error


def test_clips_of_another_folder_are_made_again_though_they_are_older(tmp_path):
    one, other = (make_task(tmp_path / name, clips=1) for name in ("one", "other"))
    for clip in other.glob("48000/*/*.wav"):
        soundfile.write(clip, -soundfile.read(clip)[0], 48_000, subtype="PCM_16")
    out = tmp_path / "out" / one.name / "16000"

    def made(source, rates=(16_000,)) -> list[tuple[int, int, int]]:
        report = prepare_tasks([source], tmp_path / "out", rates, jobs=1)
        assert report.errors == ()
        return [(task.tally.written, task.tally.replaced, task.tally.kept) for task in report.tasks]

    assert [made(one), made(one)] == [[(3, 0, 0)], [(0, 0, 3)]]
    first = contents(out)
    assert [made(other), made(other)] == [[(0, 3, 0)], [(0, 0, 3)]]
    assert contents(out) != first
    one.parent.rename(tmp_path / "moved")
    moved = tmp_path / "moved" / one.name
    assert [made(moved, (16_000, 32_000)), made(moved)] == [[(0, 3, 0), (3, 0, 0)], [(0, 0, 3)]]
    assert contents(out) == first
    (out / plan.SOURCE_NOTE).unlink()  # as earlier versions left it
    assert made(moved) == [(0, 0, 3)]


def test_clips_of_another_folder_of_a_split_are_made_again_though_they_are_older(tmp_path):
    task, other = (make_task(tmp_path / name, clips=1) for name in ("in", "other"))
    for clip in other.glob("48000/test/*.wav"):
        soundfile.write(clip, -soundfile.read(clip)[0], 48_000, subtype="PCM_16")
    assert prepare_tasks([task], jobs=1).errors == ()
    before = contents(task / "16000")
    (task / "48000/test").rename(tmp_path / "old")
    (other / "48000/test").rename(task / "48000/test")
    for kept in (0, 3):
        (report,) = prepare_tasks([task], jobs=1).tasks
        assert report.tally.kept == kept
    changed = {name for name, content in contents(task / "16000").items() if before[name] != content}
    assert changed == {"test/test-0.wav"}


def test_clips_of_another_folder_are_all_made_again_after_a_kill(tmp_path, monkeypatch):
    one, other = (make_task(tmp_path / name, clips=1) for name in ("one", "other"))
    assert prepare_tasks([one], tmp_path / "out", jobs=1).errors == ()
    resample = workers.Workers.resample

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(workers.Workers, "resample", killed)
    with pytest.raises(KeyboardInterrupt):
        prepare_tasks([other], tmp_path / "out", jobs=1)
    monkeypatch.setattr(workers.Workers, "resample", resample)
    (report,) = prepare_tasks([other], tmp_path / "out", jobs=1).tasks
    assert report.tally.replaced == 3


def test_audio_that_was_not_made_here_is_left_alone_whatever_its_times(tmp_path):
    """Also what came in a tarball, whose note would go on to tell that it is as it was."""
    low = pack(tmp_path / "low.tar.gz", make_task(tmp_path / "low", rate=16_000))
    high = pack(tmp_path / "high.tar.gz", make_task(tmp_path / "high"))
    unpacked, brought = tmp_path / "out" / "tones-v1-full", tmp_path / "brought" / "tones-v1-full"
    assert prepare_tasks([low], tmp_path / "out", jobs=1).errors == ()
    shutil.copytree(tmp_path / "low" / "tones-v1-full", brought)
    shutil.copytree(tmp_path / "high" / "tones-v1-full" / "48000", brought / "48000")
    for task, source in ((unpacked, high), (brought, brought)):
        before = contents(task / "16000")
        for clip in task.glob("16000/*/*.wav"):
            os.utime(clip, (0, 0))
        for _ in range(2):
            report = prepare_tasks([source], task.parent, jobs=1)
            assert report.errors == ()
            assert describe_task(report.tasks[0]) == (
                "tones-v1-full at 16000 Hz: 0 clips made from 48000 Hz, 6 there already that this command did not "
                "make, left as they are (move 16000/ away to have it made)"
            )
        assert contents(task / "16000") == before
        assert not (task / "16000" / plan.SOURCE_NOTE).exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda clip: clip.unlink(), "expected a clip, found none; "),
        (lambda clip: clip.write_bytes(b""), "could not read it: "),
        (lambda clip: soundfile.write(clip, np.zeros(2000), 8000), "expected 16000 Hz, mono, got 8000 Hz, 1 ch.; "),
        (lambda clip: soundfile.write(clip, np.zeros(2000), 16_000), "expected 0.25 s, got 0.125 s; "),
    ],
)
def test_what_is_wrong_with_audio_that_was_not_made_here_is_named(tmp_path, change, message):
    task = make_task(tmp_path, clips=1)
    make_task(tmp_path / "low", clips=1, rate=16_000)
    (tmp_path / "low" / task.name / "16000").rename(task / "16000")
    change(task / "16000/valid/valid-0.wav")
    before = contents(task)
    (error,) = prepare_tasks([task], jobs=1).errors
    assert message in error
    assert f"{task}/16000/valid/valid-0.wav: expected " in error
    assert f"; {task}/16000 was not made by this command, which writes nothing there: move it away" in error
    assert contents(task) == before


def test_a_task_that_has_only_the_rate_asked_for_is_left_alone(tmp_path):
    task = make_task(tmp_path / "in", rate=16_000)
    before = contents(task)
    report = prepare_tasks([task], jobs=1)
    assert (report.tasks[0].source_rate, report.errors) == (None, ())
    assert contents(task) == before
    (error,) = prepare_tasks([task], tmp_path / "out", jobs=1).errors
    assert "has no audio above 16000 Hz" in error


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("task_metadata.json", None, "task_metadata.json: expected this file, found none"),
        ("task_metadata.json", "{", "task_metadata.json: expected JSON"),
        ("task_metadata.json", "[]", "expected a JSON object {...}, got a list"),
        ("task_metadata.json", '{"splits": []}', 'expected a field "sample_duration"'),
        ("task_metadata.json", '{"sample_duration": "1 s"}', "in seconds or null, got '1 s'"),
        ("task_metadata.json", '{"sample_duration": 0}', "in seconds or null, got 0"),
        ("task_metadata.json", '{"sample_duration": 0.25, "splits": 3}', 'expected "splits" to be a list'),
        ("task_metadata.json", '{"sample_duration": 0.25, "splits": ["fold00"]}', "audio of split fold00, found no"),
        ("valid.json", "{", "valid.json: expected JSON"),
        ("valid.json", "[" * 100_000, "brackets nested too deeply"),
        ("valid.json", os.mkfifo, "expected a file, found a pipe or device"),
        ("task_metadata.json", os.mkdir, "expected a file, found a folder"),
    ],
)
def test_a_damaged_description_is_named(tmp_path, name, text, message):
    task = make_task(tmp_path, clips=1)
    (task / name).unlink()
    if callable(text):
        text(task / name)
    elif text is not None:
        (task / name).write_text(text)
    (error,) = prepare_tasks([tmp_path], jobs=1).errors
    assert message in error
    assert str(task) in error


@pytest.mark.parametrize("name", ["../../escaped", "/tmp/escaped", "..", "a/b"])
@pytest.mark.parametrize("place", ["splits", "clip"])
def test_names_that_lead_outside_are_refused(tmp_path, name, place):
    task = make_task(tmp_path / "a" / "b", clips=1)
    if place == "splits":
        (task / "task_metadata.json").write_text(json.dumps({"sample_duration": 0.25, "splits": ["train", name]}))
    else:
        (task / "valid.json").write_text(json.dumps({"valid-0.wav": ["a"], name: ["a"]}))
    before = contents(tmp_path)
    (error,) = prepare_tasks([task], tmp_path / "a" / "out", jobs=1).errors
    assert f"refused: expected plain names of the task's own files, got {name!r}" in error
    assert contents(tmp_path) == before


def test_a_link_to_a_task_keeps_its_name(tmp_path, monkeypatch):
    task = make_task(tmp_path / "disk", clips=1, name="0001")
    (tmp_path / "tasks").mkdir()
    link = tmp_path / "tasks" / "tones-v1-full"
    link.symlink_to(task)
    assert prepare_tasks([link], tmp_path / "out", jobs=1).errors == ()
    monkeypatch.chdir(tmp_path / "tasks")
    assert prepare_tasks(["tones-v1-full"], tmp_path / "out2", jobs=1).errors == ()
    for out in ("out", "out2"):
        assert [path.name for path in (tmp_path / out).iterdir()] == ["tones-v1-full"]
    report = prepare_tasks([link, task], jobs=1)
    assert [(each.task, each.tally.written) for each in report.tasks] == [(link, 3)]


def test_clips_without_the_usual_end_of_a_name_are_taken(tmp_path):
    task = make_task(tmp_path, clips=2)
    (task / "48000" / "train" / "train-0.wav").rename(task / "48000" / "train" / "train-0")
    (task / "48000" / "train" / "notes.txt").write_text("none of the clips")
    (task / "train.json").write_text(json.dumps({"train-0": ["a"], "train-1.wav": ["a"]}))
    report = prepare_tasks([task], jobs=1)
    assert (report.errors, report.tasks[0].tally.written) == ((), 6)
    assert soundfile.info(task / "16000" / "train" / "train-0").frames == 4000
    assert prepare_tasks([task], jobs=1).tasks[0].tally.kept == 6


@pytest.mark.parametrize(
    ("named", "there", "reason"),
    [
        ("caf\u00e9.wav", "cafe\u0301.wav", "looks the same (in Unicode NFD, there NFC)"),
        ("Dog.wav", "dog.wav", "differs in upper and lower case"),
    ],
)
def test_a_clip_of_a_similar_name_is_named(tmp_path, named, there, reason):
    task = make_task(tmp_path, clips=1)
    (task / "48000" / "train" / "train-0.wav").rename(task / "48000" / "train" / there)
    (task / "train.json").write_text(json.dumps({named: ["a"]}))
    (error,) = prepare_tasks([task], jobs=1).errors
    assert f"{named}: named in train.json, but not there; {there!r} is, whose name {reason}: rename the file" in error


def test_without_locks_the_work_goes_on_with_one_remark(tmp_path, monkeypatch, capsys):
    task = make_task(tmp_path, clips=1)
    other = make_task(tmp_path, clips=1, name="other-v1-full")

    def no_lock(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_lock)
    assert prepare_tasks([task, other], jobs=1).errors == ()
    lines = [line for line in capsys.readouterr().err.splitlines() if "no locks" in line]
    assert len(lines) == 1
    assert lines[0].startswith(f"prepare: {tmp_path}: its file system has no locks")


def test_headers_with_placeholders_are_read_to_the_end(tmp_path, noise):
    source, target = tmp_path / "in.wav", tmp_path / "out.wav"
    soundfile.write(source, noise(48_000), 48_000, subtype="PCM_16")
    data = source.read_bytes()
    convert(source, target)
    right = target.read_bytes()
    place = data.index(b"data") + 4
    for size in (0x7FFFF000, 0x80000000, 0x7FFFFFFF, 0xFFFFFFFF):
        number = size.to_bytes(4, "little")
        source.write_bytes(data[:4] + number + data[8:place] + number + data[place + 4 :])
        assert convert(source, target).replaced == 1
        assert target.read_bytes() == right
    source.write_bytes(data[:4] + len(data).to_bytes(4, "little") + data[8:])
    assert convert(source, target).replaced == 1
    assert target.read_bytes() == right


def as_an_owner() -> tuple[str, ...]:
    """Runs a command without root's leave to write anywhere."""
    if os.geteuid():
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("root writes anywhere")
    return ("setpriv", "--bounding-set", "-all", "--inh-caps", "-all")


def test_data_that_may_not_be_written_goes_elsewhere(tmp_path):
    task = make_task(tmp_path / "in", clips=1)
    for path in [*task.rglob("*"), task, tmp_path / "in"]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        refused = run_command(task, "--jobs", 1, before=as_an_owner())
        assert refused.returncode == 1
        assert "Permission denied" in refused.stderr
        assert "name another folder with --out" in refused.stderr
        out = tmp_path / "out" / task.name
        for kept in (0, 3):
            result = run_command(task, "--out", tmp_path / "out", "--jobs", 1, before=as_an_owner())
            assert (result.returncode, result.stderr.count("Permission denied")) == (0, 0)
            assert f"{kept} there already" in result.stdout
            (out / ".preparing-1").write_bytes(b"left by a killed run")
        assert all(path.stat().st_mode & 0o200 for path in out.rglob("*"))
    finally:
        for path in [tmp_path / "in", task, *task.rglob("*")]:
            path.chmod(0o755)


def test_a_task_without_audio_is_named(tmp_path):
    task = make_task(tmp_path, clips=0)
    (error,) = prepare_tasks([task], jobs=1).errors
    assert error.startswith(f"{task}/48000: expected SPLIT/*.wav, found none")
    shutil.rmtree(task / "48000")
    (error,) = prepare_tasks([task], jobs=1).errors
    assert error.startswith(f"{task}: expected a folder of audio (48000/, ")


def test_wrong_arguments(tmp_path):
    task = make_task(tmp_path / "a")
    make_task(tmp_path / "b")
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        prepare_tasks([task, tmp_path / "nowhere"])
    with pytest.raises(ValueError, match=r"expected a HEAR task \(a folder with task_metadata.json\)"):
        prepare_tasks([tmp_path / "empty"])
    with pytest.raises(ValueError, match=r"notes.txt: expected a folder or a .tar.gz file"):
        prepare_tasks([tmp_path / "notes.txt"])
    with pytest.raises(ValueError, match="would both go to"):
        prepare_tasks([tmp_path / "a", tmp_path / "b"], tmp_path / "out")
    with pytest.raises(ValueError, match="at least one"):
        prepare_tasks([])
    with pytest.raises(ValueError, match="44100, 48000 Hz, got 8000"):
        prepare_tasks([task], rates=[16_000, 8_000])
    with pytest.raises(ValueError, match="got none"):
        prepare_tasks([task], rates=[])
    with pytest.raises(ValueError, match="at least 1 job, got 0"):
        prepare_tasks([task], jobs=0)
    with pytest.raises(ValueError, match=r"json: expected a folder for the tasks, found a file"):
        prepare_tasks([task], task / "task_metadata.json")
    assert not (task / "16000").exists()


def test_without_soxr_the_way_to_install_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "soxr", None)
    with pytest.raises(ModuleNotFoundError, match="needs soxr: pip install soxr"):
        prepare_tasks([make_task(tmp_path)], jobs=1)


def test_two_runs_do_not_write_to_one_task(tmp_path):
    task = make_task(tmp_path, clips=1)
    with sources.lock_folder(task, tmp_path):
        (error,) = prepare_tasks([task], jobs=1).errors
    assert error == f"{task}: another run is writing to it; wait for its end, or stop it"
    assert prepare_tasks([task], jobs=1).errors == ()


def test_a_process_that_is_killed_is_reported(tmp_path, monkeypatch, capsys):
    task = make_task(tmp_path, clips=100)

    def kill_a_worker(self, done):
        for worker in workers.multiprocessing.active_children():
            worker.kill()

    monkeypatch.setattr(ByteProgress, "advance", kill_a_worker)
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    args = parser.parse_args(["prepare", str(task), "--jobs", "2"])
    assert args.func(args) == 1
    assert "a process was killed from outside" in capsys.readouterr().err


# Tarballs


@pytest.mark.parametrize("layout", ["hear-2021.0.6/tasks", "tasks", "./tasks"])
def test_a_tarball_of_either_layout_is_unpacked_and_prepared(tmp_path, layout):
    task = make_task(tmp_path / "made")
    tarball = pack(tmp_path / "tones-48000.tar.gz", task, layout)
    report = prepare_tasks([tarball], tmp_path / "out", jobs=1)
    assert report.errors == ()
    prepare_tasks([task], jobs=1)
    assert contents(tmp_path / "out") == contents(tmp_path / "made")


def test_a_tarball_is_unpacked_beside_itself_and_only_once(tmp_path):
    pack(tmp_path / "tones.tar.gz", make_task(tmp_path / "elsewhere"))
    assert prepare_tasks([tmp_path], jobs=1).errors == ()
    before = contents(tmp_path)
    stamp = (tmp_path / "tones-v1-full" / "48000").stat().st_mtime_ns
    again = prepare_tasks([tmp_path], jobs=1)
    assert [(task.tally.kept, task.tally.written) for task in again.tasks] == [(6, 0)]
    assert contents(tmp_path) == before
    assert (tmp_path / "tones-v1-full" / "48000").stat().st_mtime_ns == stamp


def test_a_tarball_that_is_unpacked_is_not_read_again(tmp_path, monkeypatch):
    pack(tmp_path / "tones.tar.gz", make_task(tmp_path / "elsewhere"))
    prepare_tasks([tmp_path / "tones.tar.gz"], jobs=1)
    prepare_tasks([tmp_path / "tones.tar.gz"], tmp_path / "out", jobs=1)
    monkeypatch.setattr(archives, "_compare", lambda *_: pytest.fail("it takes long"))
    for given, out in (([tmp_path], None), ([tmp_path / "tones.tar.gz"], tmp_path / "out")):
        report = prepare_tasks(given, out, jobs=1)
        assert [(task.tally.kept, task.tally.written) for task in report.tasks] == [(6, 0)]


def test_a_tarball_of_other_content_is_not_taken_for_done(tmp_path):
    task = make_task(tmp_path / "made", clips=1)
    pack(tmp_path / "tones.tar.gz", task)
    out, clip = tmp_path / "out" / task.name, task / "48000" / "valid" / "valid-0.wav"
    assert prepare_tasks([tmp_path / "tones.tar.gz"], tmp_path / "out", jobs=1).errors == ()
    before, first, labels = contents(out), clip.read_bytes(), (task / "valid.json").read_text()
    times = {"ns": ((stamp := (tmp_path / "tones.tar.gz").stat().st_mtime_ns), stamp)}

    def audio_of(folder):
        clip.write_bytes(first[:-2] + b"\0\1")
        return f"its 48000/valid/valid-0.wav differs from {folder}/48000/valid/valid-0.wav, which is there already"

    def labels_of(folder):
        (task / "valid.json").write_text(labels.replace("a", "b"))
        return f"its valid.json differs from {folder}/valid.json"

    def fewer(folder):
        shutil.rmtree(clip.parent)
        return f"does not hold {folder}/48000/valid/valid-0.wav, which is there already"

    def more(folder):
        (clip.parent / "more.wav").write_bytes(first)
        return f"its 48000/valid/more.wav is not in {folder}, which is there already"

    whole = tmp_path / "whole"
    shutil.copytree(task, whole)
    for change in (audio_of, labels_of, fewer, more):
        for tarball in (
            tmp_path / "tones.tar.gz",
            tmp_path / "other.tar.gz",
        ):  # in the place of the first, and beside it
            message = change(out)
            os.utime(pack(tarball, task), **times)
            (error,) = prepare_tasks([tarball], tmp_path / "out", jobs=1).errors
            assert error.startswith(f"{tarball}: {message}")
            assert error.endswith(f"; is it of another version of the task? Choose another folder, or move {out} away")
            assert contents(out) == before
            shutil.rmtree(task)
            shutil.copytree(whole, task)
    audio_of(out)
    (error,) = prepare_tasks([pack(tmp_path / "other.tar.gz", task), out], tmp_path / "copies", jobs=1).errors
    assert f"differs from {out}/48000/valid/valid-0.wav" in error  # nor where the task is a source itself


def test_what_is_there_of_a_tarball_without_a_note_is_compared_once(tmp_path, monkeypatch):
    task = make_task(tmp_path / "made", clips=1)
    tarball = pack(tmp_path / "tones.tar.gz", task)
    shutil.copytree(task, tmp_path / "out" / task.name)
    before = (tmp_path / "out" / task.name / "48000").stat().st_ino
    read, compare = [], archives._compare
    monkeypatch.setattr(archives, "_compare", lambda *given: read.append(given) or compare(*given))
    for _ in range(2):
        assert prepare_tasks([tarball], tmp_path / "out", jobs=1).errors == ()
        assert len(read) == 1
    tarball.rename(tmp_path / "moved.tar.gz")
    assert prepare_tasks([tmp_path / "moved.tar.gz"], tmp_path / "out", jobs=1).errors == ()
    assert len(read) == 2
    assert (tmp_path / "out" / task.name / "48000").stat().st_ino == before


def test_two_tarballs_of_one_name_are_unpacked_at_once(tmp_path, monkeypatch):
    given = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        given.append(pack(folder / "task.tar.gz", make_task(tmp_path / "made", name=f"{name}-v1-full")))
    both, extract = threading.Barrier(2), archives._extract

    def at_once(*rest):
        both.wait()
        return extract(*rest)

    monkeypatch.setattr(archives, "_extract", at_once)
    monkeypatch.setattr(archives, "_check_room", lambda *_: None)
    assert prepare_tasks(given, tmp_path / "out", jobs=2).errors == ()
    prepare_tasks([tmp_path / "made"], jobs=1)
    assert contents(tmp_path / "out") == contents(tmp_path / "made")


def test_of_two_tarballs_with_one_task_unpacked_at_once_one_is_kept_whole(tmp_path, monkeypatch):
    given = []
    for name in ("one", "two"):
        task = make_task(tmp_path / name)
        (task / "labelvocabulary.csv").write_text(f"idx,label\n0,{name}\n")
        given.append(pack(tmp_path / f"{name}.tar.gz", task))
    both, move = threading.Barrier(2), archives._note_origin

    def at_once(*rest):
        move(*rest)
        both.wait()

    monkeypatch.setattr(archives, "_note_origin", at_once)
    (error,) = prepare_tasks(given, tmp_path / "out", jobs=2).errors
    assert "its labelvocabulary.csv differs from" in error
    kept = "two" if error.startswith(str(given[0])) else "one"
    prepare_tasks([tmp_path / kept], jobs=1)
    assert contents(tmp_path / "out") == contents(tmp_path / kept)


def test_a_second_rate_of_a_task_joins_the_first(tmp_path):
    low = pack(tmp_path / "low.tar.gz", make_task(tmp_path / "low", rate=22_050))
    high = pack(tmp_path / "high.tar.gz", make_task(tmp_path / "high", rate=48_000))
    assert archives.unpack(low, tmp_path) == archives.unpack(high, tmp_path) == ["tones-v1-full"]
    folders = sorted(path.name for path in (tmp_path / "tones-v1-full").iterdir() if path.is_dir())
    assert folders == ["22050", "48000"]
    other = make_task(tmp_path / "other", rate=44_100)
    (other / "labelvocabulary.csv").write_text("idx,label\n0,z\n")
    with pytest.raises(archives.ArchiveError, match=r"its labelvocabulary.csv differs from"):
        archives.unpack(pack(tmp_path / "other.tar.gz", other), tmp_path)
    assert not (tmp_path / "tones-v1-full" / "44100").exists()


def pack_all(tarball: pathlib.Path, *tasks: pathlib.Path) -> pathlib.Path:
    with tarfile.open(tarball, "w:gz") as tar:
        for task in tasks:
            tar.add(task, f"tasks/{task.name}")
    return tarball


def test_all_tasks_of_a_tarball_are_prepared_and_told_of(tmp_path):
    made = [make_task(tmp_path / "made", clips=1, name=f"{name}-v1-full") for name in ("one", "two")]
    tarball = pack_all(tmp_path / "both.tar.gz", *made)
    first = prepare_tasks([tarball], tmp_path / "out", jobs=1)
    again = prepare_tasks([tarball], tmp_path / "out", jobs=1)
    beside = prepare_tasks([tarball, *made], tmp_path / "copies", jobs=1)
    assert (first.errors, again.errors, beside.errors) == ((), (), ())
    assert {task.task.name: task.tally.written for task in first.tasks} == {"one-v1-full": 3, "two-v1-full": 3}
    assert {task.task.name: task.tally.kept for task in again.tasks} == {"one-v1-full": 3, "two-v1-full": 3}
    assert sorted(path.name for path in (tmp_path / "copies").iterdir()) == ["one-v1-full", "two-v1-full"]
    shutil.rmtree(tmp_path / "out" / "two-v1-full")
    assert len(prepare_tasks([tarball], tmp_path / "out", jobs=1).tasks) == 2
    assert len(list((tmp_path / "out" / "two-v1-full" / "16000").rglob("*.wav"))) == 3


@pytest.mark.parametrize("name", ["tones.tar.gz", "tones.tar", "tones.tgz"])
def test_a_tarball_is_told_by_its_content(tmp_path, name):
    task = make_task(tmp_path / "made", clips=1)
    packed = pack(tmp_path / "packed.tar.gz", task).read_bytes()
    (tmp_path / "in").mkdir()
    for data in (gzip.decompress(packed), packed):
        (tmp_path / "in" / name).write_bytes(data)
        assert prepare_tasks([tmp_path / "in"], tmp_path / "out", jobs=1).errors == ()
        assert len(list((tmp_path / "out" / task.name / "16000").rglob("*.wav"))) == 3
        shutil.rmtree(tmp_path / "out")


def test_a_plain_tarball_that_was_cut_is_truncated(tmp_path):
    data = gzip.decompress(pack(tmp_path / "tones.tar.gz", make_task(tmp_path / "made")).read_bytes())
    for part in (0.3, 0.6, 0.9):
        (tmp_path / "tones.tar.gz").write_bytes(data[: int(len(data) * part)])
        with pytest.raises(archives.ArchiveError, match=r"tones.tar.gz: truncated: "):
            archives.unpack(tmp_path / "tones.tar.gz", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made", "tones.tar.gz"]


def test_progress_of_a_tarball_ends_at_its_size(tmp_path):
    tarball = pack(tmp_path / "tones.tar.gz", make_task(tmp_path / "made"))
    plain = tmp_path / "plain.tar"
    plain.write_bytes(gzip.decompress(tarball.read_bytes()))
    for file in (tarball, plain):
        for folder in ("out", "out", "new"):
            done: list[int] = []
            (tmp_path / file.name[:5] / folder).mkdir(parents=True, exist_ok=True)
            found = sources._unpack_one(sources.Tarball(file, tmp_path / file.name[:5] / folder), [], done.append)
            assert [task.source.name for task in found[0]] == ["tones-v1-full"]
            assert min(done) >= 0
            assert sum(done) == file.stat().st_size


def test_a_truncated_tarball_leaves_nothing_and_the_others_go_on(tmp_path):
    whole = pack(tmp_path / "whole.tar.gz", make_task(tmp_path / "made"))
    data = pack(tmp_path / "cut.tar.gz", make_task(tmp_path / "made", name="cut-v1-full")).read_bytes()
    for part in (0.1, 0.5, 0.9, 0.999):
        (tmp_path / "cut.tar.gz").write_bytes(data[: int(len(data) * part)])
        with pytest.raises(archives.ArchiveError, match=r"cut.tar.gz: truncated: .* interrupted download"):
            archives.unpack(tmp_path / "cut.tar.gz", tmp_path)
    (tmp_path / "cut.tar.gz").write_bytes(data[:-4])
    before = set(contents(tmp_path))
    report = prepare_tasks([tmp_path / "cut.tar.gz", whole], tmp_path / "out", jobs=1)
    assert [error.split(":")[0] for error in report.errors] == [str(tmp_path / "cut.tar.gz")]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["tones-v1-full"]
    assert set(contents(tmp_path)) - before == {"out"} | {f"out/{each}" for each in contents(tmp_path / "out")}


def test_damaged_tarballs_are_refused(tmp_path):
    tarball = pack(tmp_path / "tones.tar.gz", make_task(tmp_path / "made"))
    data = tarball.read_bytes()
    plain = gzip.decompress(data)
    header = plain.index(b"hear-2021.0.6/tasks/tones-v1-full/48000/valid/")
    middle = len(data) // 2
    damaged = {
        "could not read it": data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :],
        "or a web page": b"<!DOCTYPE html><html>Quota exceeded</html>",
        "truncated": gzip.compress(plain[: len(plain.rstrip(b"\0")) // 512 * 512]),
        "not read|truncated": b"",
        "data that cannot be read": gzip.compress(plain[:header] + b"x" * 512 + plain[header + 512 :]),
        f"data that cannot be read at byte {header}": plain[:header] + b"x" * 512 + bytes(len(plain) - header - 512),
        "another begins at byte": gzip.compress(plain + plain),
        "nothing but zeros": gzip.compress(plain[: header - 99] + bytes(len(plain) - header + 99)),
    }
    for message, content in damaged.items():
        tarball.write_bytes(content)
        with pytest.raises(archives.ArchiveError, match=message):
            archives.unpack(tarball, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made", "tones.tar.gz"]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (member("../escaped.wav", size=3), "'../escaped.wav' leads outside"),
        (member("tasks/t/../../../escaped.wav", size=3), "leads outside"),
        (member("/tmp/escaped.wav", size=3), "leads outside"),
        (member("tasks/t/48000/link.wav", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "is a link"),
        (member("tasks/t/48000/link.wav", type=tarfile.LNKTYPE, linkname="tasks/t/train.json"), "is a link"),
        (member("tasks/t/48000/pipe", type=tarfile.FIFOTYPE), "is a device"),
        (member("tasks/t/48000/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3), "is a device"),
        (
            member("tasks/t/48000/train/a\0b.wav", size=3, pax_headers={"path": "tasks/t/48000/train/a\0b.wav"}),
            "damaged",
        ),
        (member("elsewhere/t/48000/train/a.wav", size=3), "expected hear-VERSION/tasks/TASK/.* got member 'elsewhere"),
        (member("tasks/loose.json", size=3), "got member 'tasks/loose.json'"),
        (member("hear-2021.0.6/tasks/tones-v1-full/train.json", size=3), "holds train.json of tones-v1-full twice"),
    ],
)
def test_a_member_that_may_not_be_unpacked_is_named(tmp_path, bad, message):
    inside = tmp_path / "a" / "b" / "tasks"
    inside.mkdir(parents=True)
    tarball = pack(tmp_path / "tones.tar.gz", make_task(tmp_path / "made"), bad=bad)
    before = contents(tmp_path)
    with pytest.raises(archives.ArchiveError, match=message):
        archives.unpack(tarball, inside)
    assert contents(tmp_path) == before


def test_desktop_files_of_a_tarball_are_no_part_of_the_task(tmp_path):
    extra = member("hear-2021.0.6/tasks/tones-v1-full/48000/train/._train-0.wav", size=3)
    tarball = pack(tmp_path / "tones.tar.gz", make_task(tmp_path / "made"), extra=extra)
    archives.unpack(tarball, tmp_path)
    assert contents(tmp_path / "tones-v1-full") == contents(tmp_path / "made" / "tones-v1-full")


def test_a_tarball_without_audio_is_refused(tmp_path):
    task = make_task(tmp_path / "made")
    shutil.rmtree(task / "48000")
    with pytest.raises(archives.ArchiveError, match="expected audio in TASK/48000"):
        archives.unpack(pack(tmp_path / "tones.tar.gz", task), tmp_path)


# Full disks


SMALL_FILES = ("sh", "-c", 'ulimit -f 195 && exec "$0" "$@"')
"""Runs a command in which no file can grow beyond 195 blocks of 512 bytes."""


def test_a_disk_that_fills_up_leaves_what_was_finished(tmp_path):
    # A limit on the size of files stands in: the short clips can be written, the long one cannot.
    task = make_task(tmp_path)
    long = task / "48000" / "valid" / "valid-1.wav"
    soundfile.write(long, np.zeros(480_000, np.int16), 48_000, subtype="PCM_16")
    metadata = {"sample_duration": None, "splits": list(SPLITS)}
    (task / "task_metadata.json").write_text(json.dumps(metadata))
    result = run_command(task, "--jobs", 1, before=SMALL_FILES)
    assert result.returncode == 1
    assert f"{task}: file too large (File too large): the " in result.stderr
    assert re.search(
        r"clips made so far are whole, the others need about \d\.\d MB; this process may write \d+,\d+ b", result.stderr
    )
    made = list((task / "16000").rglob("*.wav"))
    assert 0 < len(made) < 6
    assert {soundfile.info(path).frames for path in made} == {4000}
    assert run_command(task, "--jobs", 1).returncode == 0
    assert len(list((task / "16000").rglob("*.wav"))) == 6


def test_a_tarball_that_does_not_fit_leaves_nothing(tmp_path):
    task = make_task(tmp_path / "made")
    soundfile.write(task / "48000" / "valid" / "valid-1.wav", np.zeros(480_000, np.int16), 48_000, subtype="PCM_16")
    tarball = pack(tmp_path / "tones.tar.gz", task)
    result = run_command(tarball, "--out", tmp_path / "out", before=SMALL_FILES)
    assert result.returncode == 1
    assert re.search(r"\(File too large\): unpacked to .*/out it needs about \d\.\d MB or more; this pr", result.stderr)
    assert list((tmp_path / "out").iterdir()) == []


def test_too_little_room_is_found_before_anything_is_written(tmp_path, monkeypatch):
    task = make_task(tmp_path / "in", clips=4)
    tarball = pack(tmp_path / "tones.tar.gz", task)
    usage = shutil.disk_usage(tmp_path)
    # Twelve clips of 8044 bytes.
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=90_000))
    (error,) = prepare_tasks([task], jobs=1).errors
    assert "no room: its audio still needs about 0.1 MB, 0.1 MB are free" in error
    assert not (task / "16000").exists()
    (error,) = prepare_tasks([tarball], tmp_path / "out", jobs=1).errors
    assert f"{tarball}: no room (No space left on device): unpacked to {tmp_path}/out it needs about" in error
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100_000))
    assert prepare_tasks([task], jobs=1).errors == ()
    # Room for one rate is not enough for two.
    (error,) = prepare_tasks([task], rates=[22_050, 32_000], jobs=1).errors
    assert "still needs about 0.3 MB, 0.1 MB are free; nothing was written" in error
    assert not (task / "22050").exists()
    # What is there already needs no room.
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000))
    assert prepare_tasks([task], jobs=1).errors == ()


def test_a_folder_that_cannot_be_written_is_named_once(tmp_path):
    task = make_task(tmp_path)
    (task / "16000").write_text("a file in the way")
    (error,) = prepare_tasks([task], jobs=1).errors
    assert error.startswith(f"{task}: could not be written: ")
    assert f"{task}/16000" in error


# Kills


def test_a_run_that_is_killed_and_started_again_ends_like_an_undisturbed_one(tmp_path):
    task = make_task(tmp_path / "made", clips=120, seconds=0.5)
    tarball = pack(tmp_path / "tones.tar.gz", task)
    prepare_tasks([task], jobs=2)
    command = [sys.executable, "-c", COMMAND, "prepare", str(tarball), "--out", str(tmp_path / "out"), "--jobs", "2"]
    (tmp_path / "out").mkdir()
    reached = _kill_when(command, lambda: any((tmp_path / "out").glob(".unpacking-*/*/48000/valid")))
    for clips in (5, 100, 220):
        reached += _kill_when(command, lambda n=clips: _count(tmp_path / "out" / task.name / "16000") >= n)
    assert reached >= 3  # of the four states; a fast machine may run through the last
    assert _count(tmp_path / "out" / task.name / "16000") < 360
    last = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.search(r"tones-v1-full at 16000 Hz: \d+ clips made from 48000 Hz, [1-9]\d* there already\n", last.stdout)
    assert contents(tmp_path / "out") == contents(tmp_path / "made")


def _count(folder: pathlib.Path) -> int:
    return sum(len(files) for _, _, files in os.walk(folder))


def _kill_when(command: list[str], is_reached) -> bool:
    """Start the command and kill it, alone, at the first sight of a state; whether it was still running."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not is_reached():
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        return process.wait() == -signal.SIGKILL


def test_what_a_kill_leaves_is_removed(tmp_path):
    task = make_task(tmp_path, clips=1)
    left = [task / ".preparing-1", task / "16000" / "train" / ".preparing-77"]
    left[1].parent.mkdir(parents=True)
    for file in left:
        file.write_bytes(b"half")
    tarball = pack(tmp_path / "tones.tar.gz", task)
    (tmp_path / "out" / ".unpacking-other.tar.gz" / "t").mkdir(parents=True)
    prepare_tasks([task], jobs=1)
    assert not any(file.exists() for file in left)
    prepare_tasks([tarball], tmp_path / "out", jobs=1)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["tones-v1-full"]


@pytest.mark.parametrize(
    ("state", "number"),
    [
        ("tarball", signal.SIGINT),
        ("workers", signal.SIGINT),
        ("workers", signal.SIGTERM),
        ("clips", signal.SIGTERM),
        ("clips", signal.SIGKILL),
    ],
)
def test_a_signal_leaves_no_process_and_nothing_unfinished(state, number, tmp_path):
    source = make_task(tmp_path / "in", clips=60)
    if state == "tarball":
        source = pack(tmp_path / "tones.tar.gz", source)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "hear_tasks.cli", "prepare", source, "--out", out, "--jobs", "2"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True)
    reached = {
        "tarball": lambda: any(out.glob(".unpacking-*")),
        "workers": lambda: b"spawn_main" in _commands_below(process.pid),
        "clips": lambda: any(out.glob("tones-v1-full/16000/train/*.wav")),
    }
    while process.poll() is None and not reached[state]():
        pass
    with contextlib.suppress(ProcessLookupError):
        (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)  # a terminal tells all processes
    told = process.communicate()[1]  # standard error is open until the last process has ended
    if number == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
        return
    assert (process.returncode, told) in (
        (128 + number, "prepare: interrupted; the same command goes on where this one was\n"),
        (0, ""),  # it was done before
    )
    assert not [file for file in out.rglob(".*") if file.name not in NOTES]


def _commands_below(parent: int) -> bytes:
    """The command lines of the processes that a process has started."""
    found = b""
    for file in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(file.read_text().rpartition(")")[2].split()[1]) == parent:
                found += file.with_name("cmdline").read_bytes()
    return found


# The command


def test_the_command_reports_each_task_and_fails_if_one_is_not_whole(tmp_path):
    make_task(tmp_path, clips=1, name="good-v1-full")
    bad = make_task(tmp_path, clips=1, name="bad-v1-full")
    (bad / "48000" / "test" / "test-0.wav").write_bytes(b"")
    square = np.where(np.arange(12_000) // 60 % 2, 1.0, -1.0)
    soundfile.write(bad / "48000" / "valid" / "valid-0.wav", square, 48_000, subtype="PCM_16")
    result = run_command(tmp_path, "--jobs", 1)
    assert result.returncode == 1
    broken, fine = result.stdout.splitlines()
    assert fine == "good-v1-full at 16000 Hz: 3 clips made from 48000 Hz, 0 there already"
    assert re.match(
        r"bad-v1-full at 16000 Hz: 2 clips made from 48000 Hz, 0 there already, \d+ samples of 1 clips beyond full "
        r"scale after resampling, set to full scale \(most in .*valid-0.wav: \d+\), not whole, see below$",
        broken,
    )
    assert f"prepare: {bad}: 1 bad file, which was left out" in result.stderr
    result = run_command(tmp_path / "nowhere")
    assert result.returncode == 1
    assert result.stderr.startswith("prepare: ")
    assert "Traceback" not in result.stderr
