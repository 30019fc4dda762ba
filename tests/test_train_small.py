"""`scripts/train_small.sh`: what is trained on, the probes, the order of its parts, and the card."""

from __future__ import annotations

import csv
import json
import pathlib
import zipfile

import numpy as np
import pytest
import soundfile

from hear_tasks.demo import piano, sonic_pi, soundfont, vowel
from hear_tasks.train_small import packages, probes, run
from hear_tasks.train_small.__main__ import main
from hear_tasks.train_small.collect import collect

COPYRIGHT = "Files: *\nLicense: CC0-1.0\n\nFiles: music/*\nLicense:  GPL-2+\n some text\nLicense: CC0-1.0\n"


def write_package(sources: pathlib.Path, name: str, files: dict[str, int], copyright: str = COPYRIGHT) -> pathlib.Path:
    """An unpacked package with noise of these seeds."""
    folder = sources / name / "usr"
    for file, seed in files.items():
        write_noise(folder / "share" / file, seed)
    document = folder / "share" / "doc" / name / "copyright"
    document.parent.mkdir(parents=True)
    document.write_text(copyright)
    return folder / "share"


def write_noise(file: pathlib.Path, seed: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, 0.1 * np.random.default_rng(seed).standard_normal(8_000), 16_000)


@pytest.fixture
def sources(tmp_path):
    """Two packages to train on, the second with an archive, and those of the probes."""
    folder = tmp_path / "sources"
    write_package(folder, "game-music", {"music/a.ogg": 1, "music/b.wav": 2})
    share = write_package(folder, "game-data", {}, "no fields here\n")
    (share / "hidden-elsewhere.wav").symlink_to("/etc/hostname")
    write_noise(tmp_path / "c.flac", 3)
    with zipfile.ZipFile(share / "data.pk3", "w") as archive:
        archive.write(tmp_path / "c.flac", "sound/c.flac")
        archive.writestr("readme.txt", "words")
    kits = [f"{file}.wav" for file in ("Kick1", "kick-snare", "snare", "cowbell")]
    for package, names in zip(packages.KITS, (("a", "b", "c"), ("d", "e")), strict=True):
        files = {
            f"hydrogen/data/drumkits/{kit}/{file}": 100 * ord(kit) + place
            for kit in names
            for place, file in enumerate(kits)
        }
        write_package(folder, package, files)
    samples = {f"lmms/samples/{kind}/{i}.wav": 7 * i + len(kind) for i in range(6) for kind in ("drums", "bassloops")}
    share = write_package(folder, packages.SAMPLES, {**samples, "lmms/samples/waveforms/sine.wav": 999})
    (share / "lmms/samples/drums/cut.wav").write_bytes(b"RIFF")
    return folder


def test_what_is_trained_on_has_nothing_of_what_is_scored_on():
    tests = {piano.PIECES, sonic_pi.PACKAGE, vowel.PACKAGE, soundfont.TIM_GM.package, soundfont.FLUID_R3_MONO.package}
    assert not set(packages.TRAINING) & (tests | set(packages.KITS) | {packages.SAMPLES})
    assert len(packages.TRAINING) == len(set(packages.TRAINING)) == 62


def test_recordings_are_listed_those_in_archives_too_with_the_licences_of_their_packages(sources, tmp_path):
    told: list[str] = []
    listed = collect(["game-data", "game-music"], tmp_path / "out", sources, told.append)
    names = listed.read_text().split("\n")
    assert names == [
        str(tmp_path / "out/unpacked/game-data/0/sound/c.flac"),
        str(sources / "game-music/usr/share/music/a.ogg"),
        str(sources / "game-music/usr/share/music/b.wav"),
        "",
    ]
    assert told == ["game-data unknown: 1 recordings", "game-music unknown: 2 recordings"]
    with (tmp_path / "out/packages.csv").open(newline="") as file:
        assert list(csv.reader(file))[1:] == [
            ["game-data", "unknown", "1", "see licences/game-data.txt"],
            ["game-music", "unknown", "2", "CC0-1.0; GPL-2+"],
        ]
    assert (tmp_path / "out/licences/game-music.txt").read_text() == COPYRIGHT


def test_the_probes_tell_strokes_and_kinds_apart_and_keep_a_kit_in_one_fold(sources, tmp_path):
    told: list[str] = []
    probes.build_probes(tmp_path, sources, told.append)
    strokes, samples = (
        [json.loads((tmp_path / f"{name}-v1-full/fold{fold:02d}.json").read_text()) for fold in range(5)]
        for name in ("probe_strokes", "probe_samples")
    )
    assert strokes == [{"000-Kick1.wav": ["kick"], "001-snare.wav": ["snare"]}] * 5
    labels = sorted(label for fold in samples for [label] in fold.values())
    assert labels == ["bass"] * 6 + ["drum"] * 6
    [cut] = told
    assert cut.startswith("left out of a probe: ")
    assert "cut.wav: expected a recording" in cut


@pytest.fixture
def parts(monkeypatch):
    """Stands for the commands that the parts are; `parts.failing` names one that fails."""

    class Parts(list):
        failing = ""

    made = Parts()

    def run_part(*arguments):
        made.append(list(arguments))
        if made.failing in arguments:
            return 75
        if "--tasks-dir" in arguments:
            card = pathlib.Path(arguments[1], "run", "README.md")
            card.parent.mkdir(parents=True)
            card.write_text("# the card\n")
        return 0

    monkeypatch.setattr(run, "run_module", run_part)
    monkeypatch.setattr(run, "TRAINING", ("game-data", "game-music"))
    return made


def test_each_part_follows_the_other_and_the_card_names_packages_and_licences(sources, tmp_path, parts, capsys):
    out = tmp_path / "out"
    assert main([str(out), "--sources", str(sources), "--steps", "40"]) == 0
    assert [part[:2] for part in parts] == [
        ["hear_tasks", "demo-tasks"],
        ["hear_tasks", "pack"],
        ["hear_tasks.train_and_score", str(out / "training")],
    ]
    scored = parts[2]
    assert scored[scored.index("--score-at") + 1 : scored.index("--")] == ["0", "10", "20", "30", "40"]
    assert scored[scored.index("--") + 1 :][:3] == ["audiomae", "--data", str(out / "shards")]
    card = (out / "README.md").read_text()
    assert card.startswith("# the card\n")
    assert "| game-music unknown | 2 | CC0-1.0; GPL-2+ |" in card
    assert f"the card, with the licence of each package: {out / 'README.md'}" in capsys.readouterr().err


def test_a_part_that_fails_ends_it_with_its_status_and_the_next_call_goes_on(sources, tmp_path, parts):
    arguments = [str(tmp_path / "out"), "--sources", str(sources)]
    parts.failing = "pack"
    assert main(arguments) == 75
    assert not (tmp_path / "out/README.md").exists()
    parts.failing = ""
    assert main(arguments) == 0
    assert (tmp_path / "out/README.md").exists()


def test_a_package_that_is_not_to_be_had_is_named_before_any_training(tmp_path, parts, capsys):
    (tmp_path / "empty").mkdir()
    assert main([str(tmp_path / "out"), "--sources", str(tmp_path / "empty")]) == 1
    assert "expected hydrogen-data_VERSION.deb, or the unpacked package" in capsys.readouterr().err
    assert [part[1] for part in parts] == ["demo-tasks"], "which takes seconds"


def test_too_few_steps_to_score_at_are_refused(tmp_path, parts, capsys):
    assert main([str(tmp_path / "out"), "--steps", "3"]) == 1
    assert "--steps 3: expected at least 4" in capsys.readouterr().err
