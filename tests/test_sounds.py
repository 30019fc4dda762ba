"""Sounds of one's own: `features`, `classify`, `caption` and `search` on folders of mixed formats and rates."""

from __future__ import annotations

import csv
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

pytest.importorskip("tokenizers", reason="the extra 'text' is not installed")

from conftest import write_checkpoint
from safetensors import safe_open
from tokenizer_files import write_tokenizer

import hear_cacophony
from hear_cacophony.files.cache_folder import cache_folder
from hear_cacophony.frontend.read_audio import read_audio
from hear_cacophony.sounds import chunks as chunks_module
from hear_cacophony.sounds import search_index
from hear_cacophony.sounds.chunks import BusyError, open_chunks
from hear_cacophony.sounds.find import find_sounds
from hear_tasks.cli import main

pytestmark = pytest.mark.filterwarnings("ignore:.*are untrained")

FORMS = (("wav", 16_000, 1), ("flac", 44_100, 2), ("ogg", 22_050, 1), ("wav", 48_000, 2), ("mp3", 32_000, 1))


def write_sounds(folder: pathlib.Path, count: int, first: int = 0) -> None:
    folder.mkdir(exist_ok=True)
    for i in range(first, first + count):
        suffix, rate, channels = FORMS[i % len(FORMS)]
        seconds = np.arange(round(rate * (0.5 + 0.1 * (i % 7)))) / rate
        tone = 0.3 * np.sin(2 * np.pi * (200 + 90 * i) * seconds)
        soundfile.write(folder / f"sound{i:03}.{suffix}", np.stack([tone] * channels, axis=1), rate)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def sounds(tmp_path):
    folder = tmp_path / "sounds"
    write_sounds(folder, 6)
    (folder / "notes.txt").write_text("no audio")
    return folder


@pytest.fixture(scope="session")
def text_model(tmp_path_factory):
    """The arguments that name a tiny checkpoint with a text side, which has its tokenizer beside it."""
    folder = write_tokenizer(tmp_path_factory.mktemp("weights"))
    return ["--model", str(write_checkpoint(folder / "tiny.ckpt", "Cacophony", tiny=True, audio_only=False))]


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
    assert not list(cache_folder("unfinished").iterdir())


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
        assert main(["features", str(sounds), "--model", "random-tiny", "--timestamps", "--out", f"f.{suffix}"]) == 0
    table = parquet.read_table("f.parquet")
    with np.load("f.npz") as features:
        np.testing.assert_array_equal(np.stack(table["embedding"].to_numpy()), features["embeddings"])
        assert table["file"].to_pylist() == np.repeat(features["files"], features["lengths"]).tolist()
        np.testing.assert_array_equal(table["timestamp_ms"].to_numpy(), features["timestamps"])


def test_files_that_cannot_be_read_are_listed_and_the_others_embedded(sounds, capsys):
    (sounds / "text.wav").write_text("this is no audio")
    (sounds / "empty.wav").write_bytes(b"")
    whole = (sounds / "sound000.wav").read_bytes()
    (sounds / "cut.wav").write_bytes(whole[: len(whole) // 2])
    soundfile.write(sounds / "nothing.wav", np.zeros(0), 16_000)
    assert main(["features", str(sounds), "--model", "random-tiny", "--out", "f.npz"]) == 1
    told = capsys.readouterr().err
    for name in ("text", "empty", "cut", "nothing"):
        assert f"features: {sounds / name}.wav: " in told
    assert "4 files could not be read and were left out" in told
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
    assert not cache_folder("unfinished").exists()


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


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(sounds, tmp_path):
    write_sounds(sounds, 80, first=6)
    arguments = [sys.executable, "-m", "hear_tasks", "features", "sounds", "--model", "random-tiny", "--out"]
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "undisturbed")}
    subprocess.run([*arguments, "a.npz"], env=env, check=True, capture_output=True)
    for wanted in (1, 2):
        process = subprocess.Popen([*arguments, "b.npz"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and len(list(cache_folder("unfinished").glob("*/chunk-*.npz"))) < wanted:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not pathlib.Path("b.npz").exists()
    subprocess.run([*arguments, "b.npz"], check=True, capture_output=True)
    assert pathlib.Path("a.npz").read_bytes() == pathlib.Path("b.npz").read_bytes()


def test_two_processes_do_not_do_the_same(sounds):
    listed = find_sounds([sounds])
    with (
        open_chunks(listed, {"a": 1}),
        pytest.raises(BusyError, match="another process works on it"),
        open_chunks(listed, {"a": 1}),
    ):
        pass


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


@pytest.mark.parametrize("labels", ["dog", "dog,dog", "dog,", ","])
def test_impossible_labels_are_told_before_any_work(labels, sounds, text_model, capsys):
    assert main(["classify", str(sounds), "--labels", labels, *text_model]) == 1
    assert "label" in capsys.readouterr().err
    assert not cache_folder("unfinished").exists()


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
    assert main(["caption", str(sounds), "--max-tokens", "8", "--json", *text_model]) == 0
    found = json.loads(capsys.readouterr().out)["files"]
    model = hear_cacophony.load_audio_text_model(text_model[1])
    expected = model.caption([read_audio(name) for name in names(sounds)], max_tokens=8)
    assert found == dict(zip(names(sounds), expected, strict=True))


def test_a_checkpoint_without_text_side_is_told(sounds, tiny_checkpoints, capsys):
    arguments = ["classify", str(sounds), "--labels", "a,b", "--model"]
    assert main([*arguments, str(tiny_checkpoints["audiomae"])]) == 1
    assert "stage 1 (AudioMAE) has no text side" in capsys.readouterr().err


# search


def test_the_second_search_embeds_what_is_new_or_changed_alone(sounds, text_model, capsys, monkeypatch):
    arguments = ["search", "dog barks", str(sounds), "--index", "index.safetensors", "--json", *text_model]
    assert main(arguments) == 0
    first = json.loads(capsys.readouterr().out)["matches"]
    assert len(first) == 6
    assert [match["score"] for match in first] == sorted((match["score"] for match in first), reverse=True)
    write_sounds(sounds, 1, first=6)
    (sounds / "sound000.wav").write_bytes((sounds / "sound003.wav").read_bytes())
    (sounds / "sound004.mp3").unlink()
    read, names_read = chunks_module.read_audio, []
    monkeypatch.setattr(chunks_module, "read_audio", lambda name: (names_read.append(name), read(name))[1])
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
    sounds = tuple(search_index.Sound(name, 0, 0) for name in "abc")
    nearest = search_index.SearchIndex(sounds, embeddings).nearest(np.array([1, 0], np.float32), 2)
    assert [sound.name for sound, _ in nearest] == ["b", "c"]
