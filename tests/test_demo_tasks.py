from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import pathlib
import sys

import demo_packages
import numpy as np
import pytest
import soundfile
from demo_packages import make_strokes_package, make_tags_package, wave, write_piece, write_sound_font

from hear_tasks.debian_packages import SourceError
from hear_tasks.demo import command as demo_command
from hear_tasks.demo import piano as demo_piano
from hear_tasks.demo import pitch as demo_pitch
from hear_tasks.demo import sonic_pi
from hear_tasks.demo import strokes as demo_strokes
from hear_tasks.demo import tags as demo_tags
from hear_tasks.demo.soundfont import FLUID_R3_MONO, TIM_GM, Note, SoundFont
from hear_tasks.demo.tasks import TASKS, build, directory
from hear_tasks.recordings import PERCUSSIVE_RMS, RMS
from hear_tasks.write_task import Clip, Event, write_task

A440 = 69


def read(task):
    """Metadata, and the labels of each split."""
    metadata = json.loads((task / "task_metadata.json").read_text())
    return metadata, {name: json.loads((task / f"{name}.json").read_text()) for name in metadata["splits"]}


def audio(task):
    """Samples of each clip, by split and name."""
    return {(file.parent.name, file.name): soundfile.read(file)[0] for file in sorted(task.glob("16000/*/*.wav"))}


def vocabulary(task):
    return [line.split(",")[1] for line in (task / "labelvocabulary.csv").read_text().splitlines()[1:]]


def digest(task):
    files = sorted(file for file in task.rglob("*") if file.is_file())
    return hashlib.sha256(b"".join(bytes(file.relative_to(task)) + file.read_bytes() for file in files)).hexdigest()


def level(samples):
    return np.sqrt(np.mean(samples**2))


def run(*arguments):
    parser = argparse.ArgumentParser()
    demo_command.add_parser(parser.add_subparsers())
    args = parser.parse_args(["demo-tasks", *map(str, arguments)])
    return args.func(args)


# Pitch


def make_fonts(sources, *, train=None):
    """Two sound fonts, in which one program of each split is fit."""
    tone, silent, octave_below = (wave(0.5, 0.1), A440), (wave(0), A440), (wave(0.5), A440 + 12)
    programs = {0: tone, 1: (wave(0.4), A440), 2: silent, 4: octave_below, 112: tone}
    write_sound_font(sources / TIM_GM.package / TIM_GM.path, programs if train is None else train)
    programs = {0: (wave(0.1, 0.5), A440), 32: (wave(0.5, 0.2), A440), 40: (wave(0.5, 0.3), A440)}
    write_sound_font(sources / FLUID_R3_MONO.package / FLUID_R3_MONO.path, programs)
    return sources


def test_pitch_has_every_pitch_of_the_programs_that_play_it(tmp_path):
    task = build("demo_pitch", tmp_path / "tasks", make_fonts(tmp_path))
    metadata, splits = read(task)
    programs = {"train": 0, "valid": 32, "test": 40}
    assert splits == {
        split: {f"{program:03d}-{pitch}.wav": [str(pitch)] for pitch in range(48, 72)}
        for split, program in programs.items()
    }
    assert vocabulary(task) == [str(pitch) for pitch in range(48, 72)]
    assert metadata["evaluation"] == ["pitch_acc", "chroma_acc"]
    assert {line for line in (task / "ATTRIBUTION").read_text().splitlines() if "icence" in line} == {
        "Sound font: TimGM6mb. Copyright 2004 Tim Brechbill, 2010 David Bolton. Licence: GPL-2.",
        "original stereo version copyright 2000-2002, 2008 Frank Wen. Licence: MIT.",
    }


def test_pitch_sounds_at_its_label(tmp_path):
    task = build("demo_pitch", tmp_path / "tasks", make_fonts(tmp_path))
    for (_, name), samples in audio(task).items():
        assert len(samples) == 16_000
        assert level(samples) == pytest.approx(RMS, rel=0.01)
        pitch = int(name.split("-")[1].removesuffix(".wav"))
        loudest = np.argmax(np.abs(np.fft.rfft(samples)))
        assert loudest == pytest.approx(440 * 2 ** ((pitch - A440) / 12), abs=1.5)
        assert level(samples[-1_600:]) < 0.02 * level(samples[:12_800])


def test_families_are_in_one_split():
    families = [family for each in demo_pitch.FAMILIES.values() for family in each]
    assert len(families) == len(set(families))
    assert not set(families) & {12, 14, 15}


@pytest.mark.parametrize(("shift", "expected"), [(0, 1), (-12, -1), (12, 1)])
def test_periodicity(shift, expected):
    time = np.arange(48_000) / 48_000
    tone = np.sin(2 * np.pi * 220 * 2 ** (shift / 12) * time)
    assert demo_pitch.periodicity(tone, 57) == pytest.approx(expected, abs=0.01)
    assert demo_pitch.periodicity(0 * tone, 57) == 0


def test_no_fit_instrument(tmp_path):
    sources = make_fonts(tmp_path, train={0: (wave(0), A440)})
    with pytest.raises(SourceError, match=r"TimGM6mb\.sf2: expected instruments with a steady pitch"):
        build("demo_pitch", tmp_path / "tasks", sources)
    assert list((tmp_path / "tasks").iterdir()) == []


@pytest.mark.parametrize("content", [None, b"", b"RIFF" + bytes(100)])
def test_a_damaged_sound_font_is_named(content, tmp_path):
    sources = make_fonts(tmp_path)
    file = sources / TIM_GM.package / TIM_GM.path
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SourceError, match=r"TimGM6mb\.sf2: expected a sound font"):
        build("demo_pitch", tmp_path / "tasks", sources)


def test_notes_start_on_their_sample_and_leave_nothing_behind(tmp_path):
    write_sound_font(tmp_path / "a.sf2", {0: (wave(0.5), A440), 1: (wave(0.1, 0.4), A440)})
    font = SoundFont(tmp_path / "a.sf2")
    notes = [Note(A440, 100, 700, 710), Note(A440 + 12, 64, 123, 500)]
    first = font.render(0, notes, 1000)
    assert first.shape == (48_000,)
    assert np.flatnonzero(first)[0] == 123 * 48
    assert not first[600 * 48 : 700 * 48].any()
    assert first[700 * 48]
    font.render(1, [Note(A440, 127, 0, 5000)], 50)
    np.testing.assert_array_equal(font.render(0, notes, 1000), first)


def test_missing_synthesiser(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tinysoundfont", None)
    with pytest.raises(ModuleNotFoundError, match="pip install --no-deps tinysoundfont"):
        build("demo_pitch", tmp_path / "tasks", make_fonts(tmp_path))


# Tags


def test_tags_are_the_families_of_the_samples(tmp_path):
    make_tags_package(tmp_path)
    task = build("demo_tags", tmp_path / "tasks", tmp_path)
    metadata, splits = read(task)
    assert metadata["sample_duration"] is None
    assert {split: len(clips) for split, clips in splits.items()} == {"train": 90, "valid": 45, "test": 45}
    members: dict[str, set] = {}
    for split, clips in splits.items():
        for name, labels in clips.items():
            samples = name.removesuffix(".wav").split("-")[1:]
            assert labels == [sample.split("_")[0] for sample in samples]
            assert len(set(labels)) == len(labels)
            members.setdefault(split, set()).update(samples)
        assert {label for labels in clips.values() for label in labels} == set(vocabulary(task))
        assert {len(labels) for labels in clips.values()} == {1, 2}
    assert not members["train"] & members["valid"] | members["train"] & members["test"]
    assert sum(map(len, members.values())) == len(set.union(*members.values())) == 40
    assert "CC0" in (task / "ATTRIBUTION").read_text()


def test_tags_have_their_lengths_and_one_level(tmp_path):
    folder = make_tags_package(tmp_path, 0.25)
    demo_packages.write_sound(folder / demo_packages.SAMPLES / "loop_9.flac", demo_packages.noise(11, 9))
    task = build("demo_tags", tmp_path / "tasks", tmp_path)
    lengths = set()
    for (_, name), samples in audio(task).items():
        seconds = [
            min(10, max(0.25, soundfile.info(folder / demo_packages.SAMPLES / f"{each}.flac").duration))
            for each in name.removesuffix(".wav").split("-")[1:]
        ]
        assert len(samples) / 16_000 == pytest.approx(max(0.3, *seconds), abs=1e-3)
        assert level(samples) == pytest.approx(PERCUSSIVE_RMS, rel=0.01)
        lengths.add(round(len(samples) / 16_000, 2))
    assert lengths == {0.3, 0.35, 0.45, 0.55, 10}


def test_takes_of_one_drum_stay_together():
    names = ["tabla_tun1", "tabla_tun2", "tabla_tun3", *(f"tabla_{i}" for i in range(6))]
    samples = {"tabla": {name: pathlib.Path(name) for name in names}}
    for seed in range(10):
        splits = sonic_pi.split_samples(samples, np.random.default_rng(seed))
        homes = {split for split, labels in splits.items() if any("tun" in file.name for file in labels["tabla"])}
        assert len(homes) == 1
        assert sorted(file.name for labels in splits.values() for file in labels["tabla"]) == sorted(names)
        assert all(labels["tabla"] for labels in splits.values())


def test_a_family_too_small_for_three_splits(tmp_path):
    folder = make_tags_package(tmp_path)
    for i in (0, 1):
        (folder / demo_packages.SAMPLES / f"guit_{i}.flac").unlink()
    with pytest.raises(SourceError, match="expected three or more samples of 'guit' that differ, found 2"):
        build("demo_tags", tmp_path / "tasks", tmp_path)
    assert not (tmp_path / "tasks").exists()


@pytest.mark.parametrize("name", ["demo_tags", "demo_strokes"])
def test_another_package_is_no_sonic_pi(name, tmp_path):
    (tmp_path / "sonic-pi-samples" / "usr").mkdir(parents=True)
    with pytest.raises(SourceError, match=r"expected samples .*\.flac, found none; is this sonic-pi-samples"):
        build(name, tmp_path / "tasks", tmp_path)


def test_a_damaged_sample_is_named(tmp_path):
    folder = make_tags_package(tmp_path)
    (folder / demo_packages.SAMPLES / "perc_2.flac").write_bytes(b"fLaC, then nothing")
    with pytest.raises(SourceError, match=r"perc_2\.flac: expected a recording"):
        build("demo_tags", tmp_path / "tasks", tmp_path)
    assert list((tmp_path / "tasks").iterdir()) == []


# Strokes


def test_strokes_sound_where_their_labels_say(tmp_path, monkeypatch):
    """Over ambience 40 dB below them, the energy of a clip steps up at each onset."""
    monkeypatch.setattr(demo_strokes, "LEVELS_DB", (40.0,))
    monkeypatch.setattr(demo_strokes, "CLIPS", {"train": 2, "valid": 1, "test": 1})
    make_strokes_package(tmp_path)
    task = build("demo_strokes", tmp_path / "tasks", tmp_path)
    _, splits = read(task)
    clips = audio(task)
    assert len(clips) == 4
    for split, labels in splits.items():
        for name, events in labels.items():
            samples = clips[split, name]
            for event, following in zip(events, [*events[1:], {"start": 20_000}], strict=True):
                onset, end = round(event["start"] * 16), round(event["end"] * 16)
                assert level(samples[onset - 800 : onset - 320]) < 0.1 * level(samples[onset + 160 : onset + 800])
                assert event["end"] - event["start"] == pytest.approx(400, abs=30)
                assert following["start"] - event["end"] > 0 or following["start"] == 20_000
                assert level(samples[end + 320 : end + 800]) < 0.1 * level(samples[onset:end])
                assert onset % 16 == 0


def test_strokes_on_disk(tmp_path):
    make_strokes_package(tmp_path)
    task = build("demo_strokes", tmp_path / "tasks", tmp_path)
    metadata, splits = read(task)
    assert vocabulary(task) == ["cymbal", "kick", "snare", "tabla_ghe", "tabla_na", "tom"]
    assert metadata["evaluation_params"] == {
        "event_postprocessing_grid": {"median_filter_ms": [250], "min_duration": [125, 250]}
    }
    assert {split: len(clips) for split, clips in splits.items()} == demo_strokes.CLIPS
    for clips in splits.values():
        events = [event for each in clips.values() for event in each]
        assert {event["label"] for event in events} == set(vocabulary(task))
        assert all(0 <= event["start"] < event["end"] <= 20_000 for event in events)
        for each in clips.values():
            assert all(first["label"] != second["label"] for first, second in itertools.pairwise(each))
    for samples in audio(task).values():
        assert len(samples) == 20 * 16_000
        assert level(samples) == pytest.approx(PERCUSSIVE_RMS, rel=0.01)


def test_levels_over_the_ambience(tmp_path):
    make_strokes_package(tmp_path)
    samples = tmp_path / "sonic-pi-samples" / demo_packages.SAMPLES
    strokes = [demo_strokes.Stroke("snare", samples / "sn_0.flac", 5000)]
    for decibels in (0.0, 12.0):
        scene = demo_strokes.Scene(samples / "ambi_drone.flac", 0.3, decibels, strokes)
        played, (event,) = demo_strokes._play(scene)
        background = level(played[: 4 * 16_000])
        both = level(played[5 * 16_000 : round(event.end * 16)])
        expected = np.sqrt(1 + 10 ** (decibels / 10))
        assert both / background == pytest.approx(expected, rel=0.05)


def test_ambience_repeats_without_steps():
    ramp = np.linspace(-1, 1, 32_000)
    repeated = demo_strokes._repeat(ramp, 100_000, 0.5)
    assert repeated.shape == (100_000,)
    assert np.abs(np.diff(repeated)).max() < 0.001
    np.testing.assert_allclose(repeated[24_000:48_000], repeated[:24_000])
    assert level(demo_strokes._repeat(demo_packages.noise(1, 0), 88_200, 0)) == pytest.approx(0.1, rel=0.03)


# Piano


def make_pieces(sources, pieces=5):
    """Pieces of a scale, 30 s long, each on keys of its own; the piano's tone decays not at all."""
    write_sound_font(sources / TIM_GM.package / TIM_GM.path, {0: (wave(0.5), A440)})
    for i in range(pieces):
        notes = [(0, 40 + 3 * i + j % 3, 500 * j, 500 * j + 300) for j in range(60)]
        write_piece(sources / demo_piano.PIECES / demo_packages.PIECES / f"piece{i}.mid", notes)
    return sources


def test_piano_notes_sound_where_their_labels_say(tmp_path):
    task = build("demo_piano", tmp_path / "tasks", make_pieces(tmp_path, 6))
    metadata, splits = read(task)
    assert metadata["split_mode"] == "trainvaltest"
    assert vocabulary(task) == [str(key) for key in range(21, 109)]
    assert {split: list(clips) for split, clips in splits.items()} == {
        "train": ["piece0.wav", "piece2.wav", "piece4.wav", "piece5.wav"],
        "valid": ["piece1.wav"],
        "test": ["piece3.wav"],
    }
    for (split, name), samples in audio(task).items():
        events = splits[split][name]
        assert len(samples) == 20 * 16_000
        assert level(samples) == pytest.approx(RMS, rel=0.01)
        # The piece ends at 29.8 s, so its middle starts at 4.9 s; the first note in it at 5 s.
        assert [(event["start"], event["end"]) for event in events] == [
            (100 + 500 * i, 400 + 500 * i) for i in range(40)
        ]
        for event in events:
            onset = 16 * event["start"]
            assert level(samples[onset : onset + 16]) > 5 * level(samples[max(0, onset - 32) : onset - 16])
            sound = samples[onset : onset + 3_200] * np.hanning(3_200)
            loudest = np.argmax(np.abs(np.fft.rfft(sound, 16_000)))
            assert loudest == pytest.approx(440 * 2 ** ((int(event["label"]) - A440) / 12), abs=3)


def test_drums_and_notes_outside_a_piano_are_left_out(tmp_path):
    file = tmp_path / "a.mid"
    write_piece(file, [(9, 36, 0, 100), (0, 60, 100, 400), (3, 61, 200, 300), (0, 20, 200, 300), (0, 109, 0, 90)], 118)
    assert demo_piano.read_piece(file) == [Note(60, 80, 100, 400)]


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        ([(0, 60, 0, 300), (1, 60, 10, 400)], [Note(60, 80, 0, 400)]),  # unison
        ([(0, 60, 0, 300), (1, 60, 100, 200)], [Note(60, 80, 0, 100), Note(60, 80, 100, 200)]),  # struck again
        ([(0, 60, 0, 20)], [Note(60, 80, 0, 50)]),  # too short
        ([(0, 60, 0, 300), (0, 67, 0, 200)], [Note(60, 80, 0, 300), Note(67, 80, 0, 200)]),  # a chord
        ([(0, 60, 0, 20), (1, 60, 50, 60)], [Note(60, 80, 0, 50), Note(60, 80, 50, 100)]),
    ],
)
def test_channels_become_one_keyboard(notes, expected, tmp_path):
    write_piece(tmp_path / "a.mid", notes)
    assert demo_piano.read_piece(tmp_path / "a.mid") == expected


def test_a_key_never_released_ends_with_the_piece(tmp_path):
    mido = demo_packages.mido
    piece = mido.MidiFile(ticks_per_beat=500)
    messages = [mido.Message("note_on", note=60, velocity=90, time=0), mido.MetaMessage("end_of_track", time=700)]
    piece.tracks.append(mido.MidiTrack(messages))
    piece.save(tmp_path / "a.mid")
    assert demo_piano.read_piece(tmp_path / "a.mid") == [Note(60, 90, 0, 700)]


def test_excerpt_is_the_middle():
    notes = [Note(60, 80, 1000 * i, 1000 * i + 1500) for i in range(10)]  # ends at 10.5 s
    assert demo_piano.excerpt(notes, 2500) == [
        Note(60, 80, 0, 1500),
        Note(60, 80, 1000, 2500),
        Note(60, 80, 2000, 2500),
    ]
    assert demo_piano.excerpt(notes, 1680)[-1] == Note(60, 80, 1590, 1680)
    assert demo_piano.excerpt(notes, 1580)[-1] == Note(60, 80, 540, 1580)  # 40 ms of the next are too short
    assert demo_piano.excerpt([], 2500) == []


@pytest.mark.parametrize("content", [b"", b"MThd", b"no music"])
def test_a_damaged_piece_is_named(content, tmp_path):
    sources = make_pieces(tmp_path)
    (sources / demo_piano.PIECES / demo_packages.PIECES / "piece3.mid").write_bytes(content)
    with pytest.raises(SourceError, match=r"piece3\.mid: expected a MIDI file"):
        build("demo_piano", tmp_path / "tasks", sources)
    assert list((tmp_path / "tasks").iterdir()) == []


def test_pieces_without_notes_or_too_few(tmp_path):
    sources = make_pieces(tmp_path)
    folder = sources / demo_piano.PIECES / demo_packages.PIECES
    write_piece(folder / "piece2.mid", [(9, 36, 0, 100)])
    with pytest.raises(SourceError, match=r"piece2\.mid: expected notes in the middle of the piece"):
        build("demo_piano", tmp_path / "tasks", sources)
    (folder / "piece2.mid").unlink()
    with pytest.raises(SourceError, match=r"expected 5 or more pieces \(\*\.mid\), found 4"):
        build("demo_piano", tmp_path / "tasks", sources)


# Event clips

EVENT_TASK = {"embedding_type": "event", "prediction_type": "multilabel"}
SECOND = np.zeros(16_000)


def test_events_on_disk(tmp_path):
    clip = Clip("a.wav", SECOND, [Event("x", 0, 250.5), Event("y", 250.5, 1000)])
    write_task(tmp_path / "task", EVENT_TASK, ["x", "y"], {"train": [clip]}, "mine")
    assert read(tmp_path / "task")[1]["train"] == {
        "a.wav": [{"label": "x", "start": 0, "end": 250.5}, {"label": "y", "start": 250.5, "end": 1000}]
    }


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["x"], "expected labels of type Event in this task"),
        ([Event("z", 0, 1)], r"labels \['z'\] are not in the vocabulary"),
        ([Event("x", -1, 1)], "expected 0 <= start < end <= 1000 ms"),
        ([Event("x", 5, 5)], "expected 0 <= start < end <= 1000 ms"),
        ([Event("x", 0, 1000.1)], r"expected 0 <= start < end <= 1000 ms, got .*1000\.1"),
        ([Event("x", float("nan"), 5)], "expected 0 <= start < end <= 1000 ms"),
    ],
)
def test_a_bad_event_leaves_no_task(labels, message, tmp_path):
    with pytest.raises(ValueError, match=rf"a\.wav: {message}"):
        write_task(tmp_path / "task", EVENT_TASK, ["x"], {"train": [Clip("a.wav", SECOND, labels)]}, "mine")
    assert list(tmp_path.iterdir()) == []


def test_events_do_not_belong_in_a_scene_task(tmp_path):
    with pytest.raises(ValueError, match=r"a\.wav: expected labels of type str"):
        write_task(tmp_path / "task", {}, ["x"], {"train": [Clip("a.wav", SECOND, [Event("x", 0, 5)])]}, "mine")


def test_two_splits_share_no_samples(tmp_path):
    splits = {"train": [Clip("a.wav", SECOND, ["x"])], "test": [Clip("b.wav", SECOND, ["x"])]}
    with pytest.raises(ValueError, match=r"b\.wav: expected samples of test alone, the same are in train"):
        write_task(tmp_path / "task", {}, ["x"], splits, "mine")


# All of them


@pytest.fixture
def all_sources(tmp_path, monkeypatch):
    monkeypatch.setattr(demo_strokes, "CLIPS", {"train": 2, "valid": 2, "test": 2})
    monkeypatch.setattr(demo_tags, "MIXES", {"train": 5, "valid": 5, "test": 5})
    sources = tmp_path / "sources"
    make_pieces(make_fonts(sources))
    make_fonts(sources)
    make_tags_package(sources)
    make_strokes_package(sources)
    for i, language in enumerate(("es", "it", "pt_BR", "tn")):
        file = sources / "klettres-data" / "usr" / "share" / "klettres" / language / "syllab" / "ba.ogg"
        demo_packages.write_sound(file, demo_packages.noise(0.5, i))
    return sources


def test_command_builds_all_the_same_twice_and_keeps_what_is_there(tmp_path, all_sources, capsys):
    assert run(tmp_path / "one", "--sources", all_sources) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        str(tmp_path / "one" / f"demo_{name}-v1-full") for name in ("vowel", "pitch", "tags", "strokes", "piano")
    ]
    assert lines[1].endswith(": built, 72 clips (train 24, valid 24, test 24)")
    assert run(tmp_path / "two", "--sources", all_sources) == 0
    capsys.readouterr()
    for name in TASKS:
        assert digest(tmp_path / "one" / directory(name)) == digest(tmp_path / "two" / directory(name))
    assert run(tmp_path / "one", "--sources", tmp_path / "gone") == 0
    assert capsys.readouterr().out == "\n".join(line.replace("built", "kept") for line in lines) + "\n"


def test_command_builds_what_it_can(tmp_path, all_sources, capsys):
    (all_sources / TIM_GM.package / TIM_GM.path).unlink()
    assert (
        run(tmp_path / "out", "--task", "demo_tags", "demo_piano", "--task", "demo_vowel", "--sources", all_sources)
        == 1
    )
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 2
    assert captured.err.startswith("demo-tasks: demo_piano: ")
    assert "TimGM6mb.sf2: expected a sound font" in captured.err
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == ["demo_tags-v1-full", "demo_vowel-v1-full"]


def test_command_names_the_tasks_there_are(tmp_path, capsys):
    with pytest.raises(SystemExit):
        run(tmp_path, "--task", "demo_bird")
    assert "demo_strokes" in capsys.readouterr().err


def test_command_says_what_is_not_there(tmp_path, capsys):
    assert run(tmp_path, "--task", "demo_vowel", "--sources", tmp_path / "gone") == 1
    assert "no such folder" in capsys.readouterr().err
