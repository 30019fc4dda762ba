"""Sounds of one's own: `features`, `classify`, `caption` and `search` on folders of mixed formats and rates."""

from __future__ import annotations

import csv
import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import soundfile
from safetensors import safe_open

pytest.importorskip("tokenizers", reason="the extra 'text' is not installed")


import hear_cacophony
from hear_cacophony.files.cache_folder import cache_folder
from hear_cacophony.frontend import media_sound
from hear_cacophony.frontend.read_audio import read_audio
from hear_cacophony.sounds import chunks as chunks_module
from hear_cacophony.sounds import search_index
from hear_cacophony.sounds.chunks import open_chunks
from hear_cacophony.sounds.find import Sound, find_sounds
from hear_cacophony.sounds.matches import Matches
from hear_tasks.cli import main

pytestmark = [pytest.mark.filterwarnings("ignore:.*are untrained"), pytest.mark.usefixtures("own_cache")]

FORMS = (("wav", 16_000, 1), ("flac", 44_100, 2), ("ogg", 22_050, 1), ("wav", 48_000, 2), ("mp3", 32_000, 1))


def write_sounds(folder: pathlib.Path, count: int, first: int = 0) -> None:
    """Write tones of two compiled lengths, in turn."""
    folder.mkdir(exist_ok=True)
    for i in range(first, first + count):
        suffix, rate, channels = FORMS[i % len(FORMS)]
        seconds = np.arange(round(rate * (0.58 + 0.25 * (i % 2) + 0.01 * (i % 7)))) / rate
        tone = 0.3 * np.sin(2 * np.pi * (200 + 90 * i) * seconds)
        soundfile.write(folder / f"sound{i:03}.{suffix}", np.stack([tone] * channels, axis=1), rate)


@pytest.fixture
def sounds(tmp_path):
    folder = tmp_path / "sounds"
    write_sounds(folder, 6)
    (folder / "notes.txt").write_text("no audio")
    return folder


def names(folder: pathlib.Path) -> list[str]:
    return sorted(str(file) for file in folder.glob("sound*"))


# Finding files


def test_folders_are_searched_to_their_depth_and_hidden_files_left_alone(sounds):
    write_sounds(sounds / "deeper", 1)
    write_sounds(sounds / ".hidden", 1)
    (sounds / ".sound000.wav").write_bytes(b"of a desktop")
    found = [sound.name for sound in find_sounds([sounds, sounds / "sound000.wav"])]
    assert found == sorted(
        [*(str(sounds / f"sound{i:03}.{FORMS[i % 5][0]}") for i in range(6)), str(sounds / "deeper/sound000.wav")]
    )


def test_no_path_no_file_and_no_audio_are_errors(tmp_path):
    with pytest.raises(ValueError, match="expected at least one audio file"):
        find_sounds([])
    with pytest.raises(FileNotFoundError, match="nosuch: no such file or folder"):
        find_sounds(["nosuch"])
    with pytest.raises(ValueError, match="expected audio files in this folder, found none"):
        find_sounds([tmp_path])


def test_links_are_followed_and_each_real_file_is_taken_once(tmp_path):
    write_sounds(tmp_path / "store", 2)
    write_sounds(tmp_path / "own", 1, first=5)
    (tmp_path / "own" / "session").symlink_to(tmp_path / "store")
    (tmp_path / "own" / "again").symlink_to("../store")
    (tmp_path / "own" / "loop").symlink_to(tmp_path / "own")
    (tmp_path / "own" / "deeper").mkdir()
    (tmp_path / "own" / "deeper" / "loop").symlink_to("..")
    (tmp_path / "own" / "copy.wav").symlink_to("sound005.wav")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "a").symlink_to(tmp_path / "store")
    assert [sound.name for sound in find_sounds(["own", "./own", str(tmp_path / "own")])] == [
        "own/again/sound000.wav",
        "own/again/sound001.flac",
        "own/copy.wav",
    ]
    assert [sound.name for sound in find_sounds(["links"])] == ["links/a/sound000.wav", "links/a/sound001.flac"]
    (tmp_path / "own" / "gone.wav").symlink_to("nowhere")
    assert [sound.name for sound in find_sounds(["own"]) if sound.state is None] == ["own/gone.wav"]


def test_sounds_are_told_by_their_endings_or_by_how_they_begin(tmp_path):
    tone = 0.3 * np.sin(np.arange(8_000) / 9)
    forms = {
        "a.sph": "NIST", "b.nist": "NIST", "c.sf": "IRCAM", "d.mat": "MAT5", "e.pvf": "PVF", "f.sds": "SDS",
        "g.iff": "SVX", "h.caf": "CAF", "i": "FLAC", "j.bak": "WAV", "k.mat": "MAT4", "l.data": "OGG", "m.paf": "PAF",
        "n.bin": "AIFF", "o.snd": "AU", "p.x": "W64", "q.y": "VOC", "r.z": "RF64",
    }  # fmt: skip
    for name, form in forms.items():
        soundfile.write(tmp_path / name, tone, 8_000, "PCM_16" if form != "OGG" else None, format=form)
    foreign = {"1.m4a": b"\0\0\0\x20ftypM4A ", "2.wma": b"\x30\x26\xb2\x75", "3.WEBM": b"?", "4": b"\0\0\0\x20ftypisom"}
    for name, head in foreign.items():
        (tmp_path / name).write_bytes(head.ljust(600, b"\0"))
    for name, text in (
        ("notes.txt", b"samplerate, sounds"),
        ("table.mat", b"MATLAB 5.0 MAT-file"),
        ("a.iff", b"FORM1234ILBM"),
    ):
        (tmp_path / name).write_bytes(text.ljust(600))
    found = [pathlib.Path(sound.name).name for sound in find_sounds([tmp_path])]
    assert found == sorted([*forms, *foreign])
    for name in forms:
        assert len(read_audio(tmp_path / name)) == 16_000


def test_names_of_any_bytes_keep_their_lines_and_files(sounds, text_model, capsys):
    strange = os.fsdecode(b"sounds/caf\xe9 one\ntwo.wav")
    (sounds / "sound000.wav").rename(strange)
    arguments = [str(sounds), "--labels", "dog,rain", *text_model]
    assert main(["classify", "sounds", *arguments[1:]]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert lines[0].startswith("sounds/caf\\xe9 one\\ntwo.wav")
    assert main(["classify", "sounds", *arguments[1:], "--json"]) == 0
    assert strange in json.loads(capsys.readouterr().out)["files"]
    assert main(["features", "sounds", "--model", "random-tiny", "--out", "f.npz"]) == 0
    with np.load("f.npz") as features:
        assert features["files"].tolist()[0] == strange


@pytest.mark.parametrize(
    ("variables", "told_of"),
    [
        ({"XDG_CACHE_HOME": "{here}/home"}, "home/hear_cacophony/embeddings"),
        ({"XDG_CACHE_HOME": "below", "HOME": "{here}/home"}, "home/.cache/hear_cacophony/embeddings"),
        ({"XDG_CACHE_HOME": "", "HOME": "below"}, "cannot be written to (no home is known)"),
    ],
)
def test_without_a_cache_folder_the_work_is_done_all_the_same(
    variables, told_of, sounds, text_model, monkeypatch, capsys
):
    pathlib.Path("home").write_text("no folder")
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(here=pathlib.Path.cwd()))
    for arguments in (
        ["features", "sounds", "--model", "random-tiny", "--out", "f.npz"],
        ["search", "dog", "sounds", *text_model],
        ["search", "dog", "sounds", *text_model],
    ):
        assert main(arguments) == 0
        told = capsys.readouterr().err
        assert told_of in told
        assert "set HOME, or XDG_CACHE_HOME, to a folder that you may write to" in told
    assert main(["search", "dog", "sounds", "--index", "home/i.safetensors", *text_model]) == 1
    assert "home: cannot be written to (File exists); choose another --index" in capsys.readouterr().err
    assert not pathlib.Path("below").exists()


def test_a_folder_that_cannot_be_read_is_not_left_out(sounds, monkeypatch):
    write_sounds(sounds / "private", 1)
    scan = os.scandir

    def refuse(path):
        if os.fspath(path).endswith("private"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(OSError, match=r"private: the files in this folder cannot be listed \(Permission denied\)"):
        find_sounds([sounds])


# features


def test_scene_features_are_those_of_the_model(sounds):
    assert main(["features", str(sounds), "--model", "random-tiny", "--out", "f.npz"]) == 0
    with np.load("f.npz") as features:
        assert features["files"].tolist() == names(sounds)
        model = hear_cacophony.load_embedding_model("random-tiny")
        expected = model.embed_scenes([read_audio(name) for name in names(sounds)])
        np.testing.assert_allclose(features["embeddings"], expected, atol=1e-5)
        about = json.loads(str(features["about"]))
    assert about == {"kind": "scene", "md5": "", "model": "random-tiny (untrained)", "options": {}}
    assert not list(cache_folder("embeddings").glob("*/work-*"))


def test_all_kinds_of_files_hold_the_same_timestamps(sounds):
    for suffix in ("npz", "safetensors"):
        arguments = ["--model", "random-tiny", "--timestamps", "--hop", "160", "--out", f"f.{suffix}"]
        assert main(["features", str(sounds), *arguments]) == 0
    with np.load("f.npz") as features, safe_open("f.safetensors", "numpy") as tensors:
        assert json.loads(tensors.metadata()["files"]) == features["files"].tolist() == names(sounds)
        for name in ("embeddings", "timestamps", "lengths"):
            np.testing.assert_array_equal(features[name], tensors.get_tensor(name))
        assert features["lengths"].sum() == len(features["timestamps"]) == len(features["embeddings"])
        assert features["timestamps"][:3].tolist() == [87.5, 247.5, 407.5]


def test_parquet_has_a_row_for_each_embedding(sounds):
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra 'parquet' is not installed")
    for suffix in ("npz", "parquet"):
        arguments = ["--model", "random-tiny", "--timestamps", "--hop", "160", "--out", f"f.{suffix}"]
        assert main(["features", str(sounds), *arguments]) == 0
    table = parquet.read_table("f.parquet")
    with np.load("f.npz") as features:
        np.testing.assert_array_equal(np.stack(table["embedding"].to_numpy()), features["embeddings"])
        assert table["file"].to_pylist() == np.repeat(features["files"], features["lengths"]).tolist()
        np.testing.assert_array_equal(table["timestamp_ms"].to_numpy(), features["timestamps"])


def test_files_that_cannot_be_read_are_listed_and_the_others_embedded(sounds, monkeypatch, capsys):
    (sounds / "text.wav").write_text("this is no audio")
    (sounds / "empty.wav").write_bytes(b"")
    whole = (sounds / "sound000.wav").read_bytes()
    (sounds / "cut.wav").write_bytes(whole[: len(whole) // 2])
    soundfile.write(sounds / "nothing.wav", np.zeros(0), 16_000)
    (sounds / "talk.m4a").write_bytes(b"\0\0\0\x20ftypM4A ".ljust(600, b"\0"))
    (sounds / "video.webm").write_bytes(b"\x1a\x45\xdf\xa3".ljust(600, b"\0"))
    monkeypatch.setattr(media_sound, "is_installed", lambda: False)
    assert main(["features", str(sounds), "--model", "random-tiny", "--out", "f.npz"]) == 1
    told = capsys.readouterr().err
    for name in ("text", "empty", "cut", "nothing"):
        assert f"features: {sounds / name}.wav: " in told
    for name, kind in (("talk.m4a", "an MP4 file"), ("video.webm", "a WebM or Matroska file")):
        assert f"features: {sounds / name}: expected an audio file, such as WAV, FLAC, OGG or MP3, got {kind}" in told
    assert "which cannot be read here: pip install 'hear_cacophony[media]', or make a WAV file of it" in told
    assert "6 files could not be read and were left out" in told
    with np.load("f.npz") as features:
        assert len(features["files"]) == len(features["embeddings"]) == 6


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("f.csv", "expected a file that ends in one of .npz, .parquet, .safetensors"),
        ("nosuch/f.npz", "no such folder for the features"),
        ("there.npz", "there.npz exists"),
    ],
)
def test_an_impossible_output_is_told_before_any_work(out, message, sounds, capsys):
    pathlib.Path("there.npz").write_bytes(b"")
    assert main(["features", str(sounds), "--model", "random-tiny", "--out", out]) == 1
    assert message in capsys.readouterr().err
    assert not cache_folder("embeddings").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--window", "inf"], "hear-cacophony: window_seconds=inf is not possible; expected 8 to 600"),
        (["--devices", "99"], "hear-cacophony: expected some of the devices 0 to "),
    ],
)
@pytest.mark.parametrize("given", [["features", "--out", "f.npz"], ["search", "rain"], ["map", "--out", "m.html"]])
def test_what_is_wrong_with_the_model_is_no_fault_of_the_sounds(given, options, message, sounds, text_model, capsys):
    assert main([*given, "sounds", *text_model, *options]) == 1
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith(message)


def test_a_hop_without_timestamps_is_an_error(sounds, capsys):
    arguments = ["features", str(sounds), "--model", "random-tiny", "--hop", "20", "--out", "f.npz"]
    assert main(arguments) == 1
    assert "--hop goes with --timestamps" in capsys.readouterr().err


def test_a_file_that_changes_while_it_is_read_is_told(sounds, monkeypatch, capsys):
    read = chunks_module.read_audio

    def read_and_replace(name):
        clip = read(name)
        if name.endswith("sound002.ogg"):
            os.utime(name)
        return clip

    monkeypatch.setattr(chunks_module, "read_audio", read_and_replace)
    assert main(["features", str(sounds), "--model", "random-tiny", "--out", "f.npz"]) == 1
    assert "sound002.ogg: changed while it was read" in capsys.readouterr().err


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(sounds, tmp_path, keeps_nothing, monkeypatch):
    write_sounds(sounds, 80, first=6)
    arguments = ["features", "sounds", "--model", "random-tiny", "--out"]
    with monkeypatch.context() as patched:
        patched.setenv("XDG_CACHE_HOME", str(tmp_path / "undisturbed"))
        assert main([*arguments, "a.npz"]) == 0
    command = [sys.executable, "-m", "hear_tasks", *arguments, "b.npz"]
    killed = {"env": {**os.environ, **keeps_nothing}, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    for wanted in (1, 2):
        process = subprocess.Popen(command, **killed)
        while process.poll() is None and len(list(cache_folder("embeddings").glob("*/chunk-*.npz"))) < wanted:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not pathlib.Path("b.npz").exists()
    assert main([*arguments, "b.npz"]) == 0
    assert pathlib.Path("a.npz").read_bytes() == pathlib.Path("b.npz").read_bytes()


def test_of_two_processes_that_do_the_same_one_waits(sounds, monkeypatch):
    listed = find_sounds([sounds])
    waits, told = threading.Event(), []
    monkeypatch.setattr(chunks_module, "tell", lambda message: (told.append(message), waits.set()))

    def do_the_same() -> None:
        with open_chunks(listed, {"a": 1}, "features"):
            told.append("done")

    with open_chunks(listed, {"a": 1}, "features"):
        second = threading.Thread(target=do_the_same)
        second.start()
        waits.wait()
        told.append("the first one ends")
    second.join()
    assert told == ["features: another process does the same; waiting for that", "the first one ends", "done"]


def count_reads(monkeypatch) -> list[str]:
    """The names of the files that are read from now on."""
    read, names_read = read_audio, []
    for module in (chunks_module, search_index):
        monkeypatch.setattr(module, "read_audio", lambda name: (names_read.append(name), read(name))[1])
    return names_read


def test_a_run_that_ended_before_its_output_is_taken_up(sounds, text_model, monkeypatch, capsys):
    (sounds / "text.wav").write_text("this is no audio")
    arguments = ["classify", str(sounds), "--labels", "dog,rain", *text_model]
    assert main(arguments) == 1
    expected = capsys.readouterr()

    with open("/dev/full", "w") as full, monkeypatch.context() as context:
        context.setattr(sys, "stdout", full)
        assert main(arguments) == 1
    assert "no room" in capsys.readouterr().err
    names_read = count_reads(monkeypatch)
    capsys.readouterr()
    assert main(arguments) == 1
    assert capsys.readouterr() == expected
    assert names_read == [str(sounds / "text.wav")]


def test_where_no_file_can_be_read_each_run_says_so(sounds, capsys):
    pathlib.Path("text.wav").write_text("this is no audio")
    for _ in range(2):
        assert main(["features", "text.wav", "--model", "random-tiny", "--out", "f.npz"]) == 1
        assert "none of the files could be read" in capsys.readouterr().err


# classify and caption


def test_labels_come_with_probabilities(sounds, text_model, capsys):
    assert main(["classify", str(sounds), "--labels", "dog,rain", "--top", "2", "--json", *text_model]) == 0
    printed = capsys.readouterr()
    answer = json.loads(printed.out)
    assert list(answer["files"]) == names(sounds)
    for best in answer["files"].values():
        assert {each["label"] for each in best} == {"dog", "rain"}
        assert sum(each["probability"] for each in best) == pytest.approx(1, abs=1e-5)
    assert answer["model"] == "tiny.ckpt"
    assert printed.err == ""


def test_classify_prints_a_table_or_csv_and_takes_labels_from_a_file(sounds, text_model, capsys):
    pathlib.Path("labels.txt").write_text("dog\n\nrain\nspeech\n")
    arguments = ["classify", str(sounds), "--labels-file", "labels.txt", "--template", "A {}", "--template", "{}!"]
    assert main([*arguments, *text_model]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 6
    assert main([*arguments, "--csv", "--top", "1", *text_model]) == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows[0] == ["file", "rank", "label", "probability"]
    assert [row[0] for row in rows[1:]] == names(sounds)


@pytest.mark.parametrize(
    "labels", ["dog", "dog,dog", "dog,", ",", 'dog,"rain', 'dog,"rain"s', "dog,rain\nspeech", "", "dog,ra\udcffin"]
)
def test_impossible_labels_are_told_before_any_work(labels, sounds, text_model, capsys):
    assert main(["classify", str(sounds), "--labels", labels, *text_model]) == 1
    assert "label" in capsys.readouterr().err
    assert main(["classify", str(sounds), "--labels", "dog,rain", "--template", "{}\ud83d", *text_model]) == 1
    assert "a template: expected whole characters" in capsys.readouterr().err
    assert not cache_folder("embeddings").exists()


def test_a_label_with_a_comma_stands_in_quotes(sounds, text_model, capsys):
    assert main(["classify", str(sounds), "--labels", ' dog , "rain, heavy", 5" gun', "--json", *text_model]) == 0
    assert json.loads(capsys.readouterr().out)["labels"] == ["dog", "rain, heavy", '5" gun']


def test_labels_come_from_a_file(sounds, text_model, capsys):
    pathlib.Path("labels.txt").write_text("\ufeffdog\n\n rain \n", encoding="utf-8")
    assert main(["classify", str(sounds), "--labels-file", "labels.txt", "--json", *text_model]) == 0
    assert json.loads(capsys.readouterr().out)["labels"] == ["dog", "rain"]
    pathlib.Path("labels.txt").write_bytes(b"\xff\xfe")
    for name, reason in (("labels.txt", "can't decode"), ("none.txt", "No such file")):
        assert main(["classify", str(sounds), "--labels-file", name, *text_model]) == 1
        told = capsys.readouterr().err
        assert f"--labels-file {name}: expected a text file in UTF-8, a label in each line: " in told
        assert reason in told


def test_captions_are_those_of_the_model(sounds, text_model, capsys):
    for name in names(sounds)[4:]:
        pathlib.Path(name).unlink()  # a few clips have one compiled length
    assert main(["caption", str(sounds), "--max-tokens", "8", "--json", *text_model]) == 0
    found = json.loads(capsys.readouterr().out)["files"]
    model = hear_cacophony.load_audio_text_model(text_model[1])
    expected = model.caption([read_audio(name) for name in names(sounds)], max_tokens=8)
    assert found == dict(zip(names(sounds), expected, strict=True))


def test_a_checkpoint_without_text_side_is_told(sounds, tiny_checkpoints, capsys):
    arguments = ["classify", str(sounds), "--labels", "a,b", "--model"]
    assert main([*arguments, str(tiny_checkpoints["audiomae"])]) == 1
    assert "stage 1 (AudioMAE) has no text side" in capsys.readouterr().err


def test_a_missing_tokenizer_is_told_before_the_model_is_loaded(sounds, text_model, tmp_path, monkeypatch, capsys):
    shutil.copy(text_model[1], tmp_path / "tiny.ckpt")
    monkeypatch.setattr("hear_cacophony.engine.load_audio_text.load_checkpoint", lambda *_, **__: pytest.fail("loaded"))
    for command in (["caption", "sounds"], ["classify", "sounds", "--labels", "a,b"], ["search", "a", "sounds"]):
        assert main([*command, "--model", "tiny.ckpt"]) == 1
        assert "no tokenizer found in" in capsys.readouterr().err


# search


def test_a_folder_is_known_by_its_contents_however_it_is_spelled(sounds, text_model, monkeypatch, capsys):
    names_read = count_reads(monkeypatch)
    spellings = ["sounds", "sounds/", "./sounds", str(sounds), "sounds/../sounds"]
    scores = []
    for spelling in spellings:
        assert main(["search", "dog", spelling, *text_model]) == 0
        scores.append(capsys.readouterr().out.replace(spelling.rstrip("/") + "/", "sounds/"))
    monkeypatch.chdir(sounds)
    assert main(["search", "dog", ".", *text_model]) == 0
    assert len(names_read) == 6
    assert set(scores) == {scores[0]}


def test_other_clips_with_equal_names_sizes_and_times_get_their_own_embeddings(sounds, text_model, capsys):
    arguments = ["search", "dog", "sounds", "--index", "i.safetensors", "--json", *text_model]
    here, other = pathlib.Path("sounds/sound000.wav"), pathlib.Path("sounds/sound005.wav")
    other.write_bytes(here.read_bytes()[:-4_000] + bytes(4_000))
    os.utime(other, ns=(here.stat().st_atime_ns, here.stat().st_mtime_ns))

    def scores() -> dict[str, float]:
        assert main(arguments) == 0
        return {match["file"]: match["score"] for match in json.loads(capsys.readouterr().out)["matches"]}

    first = scores()
    assert first[str(here)] != pytest.approx(first[str(other)], abs=1e-6)
    other.rename("moved")
    here.rename(other)
    pathlib.Path("moved").rename(here)
    swapped = {**first, str(here): first[str(other)], str(other): first[str(here)]}
    assert scores() == pytest.approx(swapped, abs=1e-6)
    assert swapped != pytest.approx(first, abs=1e-6)


@pytest.mark.parametrize("index", [(), ("--index", "i.safetensors")], ids=["kept", "index"])
def test_samples_without_a_header_are_known_by_the_ending_that_decodes_them(index, tmp_path, text_model, capsys):
    tone = 0.3 * np.sin(np.arange(8_000) / 3)
    soundfile.write(tmp_path / "clip.gsm", tone, 8_000, "GSM610", format="RAW")
    arguments = ["search", "dog", "clips", *index, "--json", *text_model]

    def score(name: str) -> float:
        shutil.rmtree("clips", ignore_errors=True)
        (tmp_path / "clips").mkdir()
        shutil.copy("clip.gsm", tmp_path / "clips" / name)
        assert main(arguments) == 0
        return json.loads(capsys.readouterr().out)["matches"][0]["score"]

    assert len({score(name) for name in ("a.gsm", "b.vox", "c.VOX", "d.gsm")}) == 2


def test_what_a_file_holds_stays_known_where_its_ending_decides_nothing(tmp_path):
    for name, form in (("a.wav", "WAV"), ("b.flac", "WAV"), ("c.vox", "WAV"), ("d.odd", "AIFF"), ("e.gsm", "RAW")):
        subtype = "GSM610" if form == "RAW" else None
        soundfile.write(tmp_path / name, np.zeros(800), 8_000, subtype, format=form)
    (tmp_path / "f.G722").write_bytes(bytes(range(256)))
    tags = {pathlib.Path(name).name: Sound.at(tmp_path / name, "tag").tag for name in os.listdir(tmp_path)}
    assert {name: tag for name, tag in tags.items() if tag != "tag"} == {"e.gsm": "tag.gsm", "f.G722": "tag.g722"}


def test_an_index_holds_several_folders(sounds, text_model, monkeypatch, capsys):
    write_sounds(sounds.parent / "more", 2, first=10)
    names_read = count_reads(monkeypatch)
    for folder in ("sounds", "more", "sounds", "./sounds", "more"):
        assert main(["search", "dog", folder, "--index", "i.safetensors", *text_model]) == 0
    assert sorted(names_read) == sorted([*names(pathlib.Path("sounds")), *names(pathlib.Path("more"))])
    shutil.rmtree("more")
    (sounds / "sound000.wav").unlink()
    write_sounds(sounds, 1, first=6)
    assert main(["search", "dog", "sounds", "--index", "i.safetensors", *text_model]) == 0
    with safe_open("i.safetensors", framework="numpy") as index:
        assert len(index.get_tensor("embeddings")) == 6, "those of files that are gone are of no use"


def test_options_may_stand_between(sounds, text_model, capsys):
    assert main(["search", "dog", *text_model, "sounds", "--top", "1"]) == 0
    assert main(["search", "--audio", "sounds/sound000.wav", *text_model, "sounds"]) == 0
    assert (
        main(["features", "sounds/sound000.wav", "--model", "random-tiny", "sounds/sound001.flac", "--out", "f.npz"])
        == 0
    )
    with np.load("f.npz") as features:
        assert len(features["files"]) == 2


def test_the_second_search_embeds_what_is_new_or_changed_alone(sounds, text_model, capsys, monkeypatch):
    arguments = ["search", "dog barks", str(sounds), "--index", "index.safetensors", "--json", *text_model]
    assert main(arguments) == 0
    first = json.loads(capsys.readouterr().out)["matches"]
    assert len(first) == 6
    assert [match["score"] for match in first] == sorted((match["score"] for match in first), reverse=True)
    write_sounds(sounds, 1, first=6)
    soundfile.write(sounds / "sound000.wav", np.zeros(8_000), 16_000)
    (sounds / "sound004.mp3").unlink()
    names_read = count_reads(monkeypatch)
    assert main(arguments) == 0
    second = {match["file"]: match["score"] for match in json.loads(capsys.readouterr().out)["matches"]}
    assert sorted(names_read) == [str(sounds / "sound000.wav"), str(sounds / "sound006.flac")]
    assert sorted(second) == names(sounds)
    unchanged = str(sounds / "sound001.flac")
    assert second[unchanged] == next(match["score"] for match in first if match["file"] == unchanged)
    names_read.clear()
    assert main(arguments) == 0
    assert names_read == []


def test_a_sound_is_most_like_itself(sounds, text_model, capsys):
    target = str(sounds / "sound003.wav")
    assert main(["search", "--audio", target, str(sounds), "--top", "1", *text_model]) == 0
    score, name = capsys.readouterr().out.split()
    assert name == target
    assert float(score) == pytest.approx(1, abs=1e-4)


def test_an_index_of_another_model_or_none_is_refused(sounds, text_model, capsys):
    arguments = ["search", "dog", str(sounds), "--index", "index.safetensors", *text_model]
    assert main(arguments) == 0
    assert main([*arguments, "--window", "10"]) == 1
    assert "the index was made with another model (options {} there" in capsys.readouterr().err
    pathlib.Path("index.safetensors").write_bytes(b"damaged")
    assert main(arguments) == 1
    assert "expected an index of a folder, could not read it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sounds"], "expected one thing to search for"),
        (["dog", "sounds", "--audio", "x.wav"], "expected one thing to search for"),
        (["", "sounds"], "got an empty one"),
        (["dog", "sounds/sound000.wav"], "expected a folder"),
        (["dog", "sounds", "--top", "0"], "--top: expected 1 or more"),
        (["dog", "sounds", "--index", "sounds"], "sounds: expected a file for the index of a folder, got a folder"),
        (["--audio", "nosuch.wav", "sounds"], "no such audio file"),
        (["--audio", "sounds/sound000.wav", "sounds", "--tokenizer", "t.json"], "--tokenizer goes with TEXT"),
    ],
)
def test_impossible_searches_are_told(arguments, message, sounds, text_model, capsys):
    assert main(["search", *arguments, *text_model]) == 1
    assert message in capsys.readouterr().err


def test_ties_keep_the_order_of_names():
    embeddings = np.array([[0, 1], [1, 0], [1, 0]], np.float32)
    sounds = tuple(Sound(name, None) for name in "abc")
    nearest = Matches(sounds, embeddings, (), {}).nearest(np.array([1, 0], np.float32), 2)
    assert [sound.name for sound, _ in nearest] == ["b", "c"]
