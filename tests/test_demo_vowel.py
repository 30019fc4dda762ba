from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import soundfile

from hear_tasks import recordings
from hear_tasks.debian_packages import SourceError
from hear_tasks.demo import vowel as demo_vowel
from hear_tasks.demo.tasks import build
from hear_tasks.write_task import Clip, write_task

pytestmark = pytest.mark.slow

SYLLABLES = {"es": ["ba", "lle", "ll", "gui"], "it": ["gno"], "pt_BR": ["xu"], "tn": ["ki", "a"]}


def make_package(folder, *, silent=False):
    """Recordings like those of the package: a tone between two silences."""
    for speaker, (language, syllables) in enumerate(SYLLABLES.items()):
        target = folder / "usr" / "share" / "klettres" / language / "syllab"
        target.mkdir(parents=True)
        for i, syllable in enumerate(syllables):
            time = np.arange(22_050) / 44_100
            tone = 0.3 * np.sin(2 * np.pi * (300 + 100 * i + 30 * speaker) * time) * (not silent)
            samples = np.concatenate([np.zeros(8_820), tone, np.zeros(4_410)])
            channels = samples[:, None].repeat(2, axis=1) if language == "tn" else samples
            soundfile.write(target / f"{syllable}.ogg", channels, 44_100, format="OGG", subtype="VORBIS")
    return folder


@pytest.mark.parametrize(
    ("syllable", "vowel"),
    [
        ("ba", "a"),
        ("lle", "e"),
        ("gna", "a"),
        ("y", None),
        ("gli", "i"),
        ("nna", "a"),
        ("gui", None),
        ("guue", None),
        ("ña", None),
        ("BA", None),
        ("a", None),
        ("ll", None),
        ("bai", None),
        ("ya", "a"),
    ],
)
def test_syllables_of_consonants_and_one_vowel(syllable, vowel):
    assert demo_vowel.vowel_of(syllable) == vowel


def test_task_on_disk(tmp_path):
    task = build("demo_vowel", tmp_path / "tasks", make_package(tmp_path))
    metadata = json.loads((task / "task_metadata.json").read_text())
    splits = [json.loads((task / f"{name}.json").read_text()) for name in metadata["splits"]]
    assert metadata["splits"] == ["fold00", "fold01", "fold02", "fold03"]
    assert splits == [
        {"es-ba.wav": ["a"], "es-lle.wav": ["e"]},
        {"it-gno.wav": ["o"]},
        {"pt_BR-xu.wav": ["u"]},
        {"tn-ki.wav": ["i"]},
    ]
    assert (task / "labelvocabulary.csv").read_text() == "idx,label\n0,a\n1,e\n2,i\n3,o\n4,u\n"
    assert "GPL-2+" in (task / "ATTRIBUTION").read_text()
    assert [folder.name for folder in (tmp_path / "tasks").iterdir()] == [task.name]


def test_clips_start_with_their_sound_and_share_a_level(tmp_path):
    task = build("demo_vowel", tmp_path / "tasks", make_package(tmp_path))
    for file in task.glob("16000/*/*.wav"):
        info = soundfile.info(file)
        assert (info.samplerate, info.channels, info.frames, info.subtype) == (16_000, 1, 16_000, "PCM_16")
        samples, _ = soundfile.read(file)
        sounding = samples[: 320 + 8_000]
        assert np.sqrt(np.mean(samples[320:8_000] ** 2)) == pytest.approx(recordings.RMS, rel=0.1)
        assert np.abs(samples[:160]).max() < 0.2 * np.abs(sounding).max()
        assert not samples[9_000:].any()


def test_the_syllable_of_a_noisy_recording_is_kept(tmp_path):
    """Noise above the silence threshold, with the syllable behind its first second."""
    package = make_package(tmp_path)
    samples = 0.05 * np.random.default_rng(0).standard_normal(2 * 44_100)
    samples[55_000:68_000] += 0.6 * np.sin(np.arange(13_000) / 10)
    file = package / "usr" / "share" / "klettres" / "it" / "syllab" / "gno.ogg"
    soundfile.write(file, samples, 44_100, format="OGG", subtype="VORBIS")
    task = build("demo_vowel", tmp_path / "tasks", package)
    level = np.abs(soundfile.read(task / "16000" / "fold01" / "it-gno.wav")[0])
    assert np.mean(level > 0.5 * level.max()) == pytest.approx(13_000 / 44_100 * 2 / 3, rel=0.1)


def digest(task):
    files = sorted(file for file in task.rglob("*") if file.is_file())
    return hashlib.sha256(b"".join(bytes(file.relative_to(task)) + file.read_bytes() for file in files)).hexdigest()


def test_same_recordings_same_bytes(tmp_path):
    package = make_package(tmp_path)
    first, second = (build("demo_vowel", tmp_path / name, package) for name in ("one", "two"))
    assert digest(first) == digest(second)


def test_a_finished_task_is_left_alone(tmp_path):
    task = build("demo_vowel", tmp_path / "tasks", make_package(tmp_path))
    (task / "mark").write_text("mine")
    assert build("demo_vowel", tmp_path / "tasks", tmp_path / "gone") == task
    assert (task / "mark").exists()


def test_failure_leaves_no_task(tmp_path):
    with pytest.raises(SourceError, match="silent throughout"):
        build("demo_vowel", tmp_path / "tasks", make_package(tmp_path, silent=True))
    assert list((tmp_path / "tasks").iterdir()) == []


def test_a_damaged_recording_is_named(tmp_path):
    package = make_package(tmp_path)
    (package / "usr" / "share" / "klettres" / "pt_BR" / "syllab" / "xu.ogg").write_bytes(b"OggS, then nothing")
    with pytest.raises(SourceError, match=r"pt_BR/syllab/xu\.ogg: expected a recording"):
        build("demo_vowel", tmp_path / "tasks", package)
    assert list((tmp_path / "tasks").iterdir()) == []


def test_another_package_is_refused(tmp_path):
    (tmp_path / "usr").mkdir()
    with pytest.raises(SourceError, match=r"expected recordings of syllables .* is this klettres-data"):
        build("demo_vowel", tmp_path / "tasks", tmp_path)


SECOND = np.zeros(16_000)


@pytest.mark.parametrize(
    ("clips", "message"),
    [
        ([], "fold00: expected clips in this split, got none"),
        ([Clip("b.wav", SECOND, ["a"])] * 2, r"b\.wav: expected one clip of this name"),
        ([Clip("../b.wav", SECOND, ["a"])], r"'\.\./b\.wav': expected a file name"),
        ([Clip("b.mp3", SECOND, ["a"])], r"'b\.mp3': expected a file name that ends in \.wav"),
        ([Clip("b.wav", SECOND, ["a", "e"])], r"b\.wav: expected one label"),
        ([Clip("b.wav", SECOND, [])], r"b\.wav: expected one label"),
        ([Clip("b.wav", SECOND[:, None], ["a"])], r"b\.wav: expected mono floats .* shape \(16000, 1\)"),
        ([Clip("b.wav", SECOND[:0], ["a"])], r"b\.wav: expected mono floats .* shape \(0,\)"),
        ([Clip("b.wav", SECOND.astype(int), ["a"])], r"b\.wav: expected mono floats .* int64"),
        ([Clip("b.wav", SECOND * np.nan, ["a"])], r"b\.wav: expected finite samples"),
        ([Clip("b.wav", SECOND[1:], ["a"])], r"b\.wav: expected 1 s, the task's sample_duration, got 0\.99"),
    ],
)
def test_a_clip_that_does_not_fit_the_task_leaves_no_task(clips, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        write_task(tmp_path / "task", demo_vowel.METADATA, demo_vowel.VOCABULARY, {"fold00": clips}, "mine")
    assert list(tmp_path.iterdir()) == []
