"""The embeddings of sounds are kept once, for all commands, by the contents of the files."""

from __future__ import annotations

import json
import pathlib
import shutil
import threading

import numpy as np
import pytest

pytest.importorskip("tokenizers", reason="the extra 'text' is not installed")

from tones_on_disk import write_tones

from hear_cacophony.engine import load_audio_text
from hear_cacophony.files.cache_folder import cache_folder
from hear_cacophony.sounds import chunks as chunks_module
from hear_cacophony.sounds.chunks import open_embeddings
from hear_cacophony.sounds.find import find_sounds
from hear_tasks.cli import main

pytestmark = [pytest.mark.filterwarnings("ignore:.*are untrained"), pytest.mark.usefixtures("own_cache")]


def test_what_one_command_has_embedded_no_other_embeds_again(text_model, monkeypatch, capsys):
    write_tones(pathlib.Path("sounds"), 5)
    assert main(["features", "sounds", "--out", "f.npz", *text_model]) == 0
    shutil.copytree("sounds", "copies")
    monkeypatch.setattr(load_audio_text, "EmbeddingModel", lambda *_: pytest.fail("the audio side is loaded"))
    monkeypatch.setattr(chunks_module, "read_audio", lambda name: pytest.fail(f"{name} is read"))
    for folder in ("sounds", "copies"):
        for labels in ("dog,rain", "speech,music,engine"):
            capsys.readouterr()
            assert main(["classify", folder, "--labels", labels, "--json", *text_model]) == 0
            assert len(json.loads(capsys.readouterr().out)["files"]) == 5
        assert main(["search", "dog barks", folder, *text_model]) == 0
        assert main(["search", "--audio", f"{folder}/002.wav", folder, *text_model]) == 0
        assert main(["features", folder, "--out", f"{folder}.npz", *text_model]) == 0
    with np.load("f.npz") as first, np.load("copies.npz") as second:
        assert np.array_equal(first["embeddings"], second["embeddings"])
        assert second["files"].tolist() == [f"copies/{i:03}.wav" for i in range(5)]


def embeddings_of(folder: str, identity: dict, compute) -> tuple[list[str], np.ndarray, dict[str, str]]:
    with open_embeddings(find_sounds([folder]), identity, "test") as found:
        found.compute(lambda: compute, "test")
        chunks = list(found)
        names = [sound.name for chunk in chunks for sound in chunk.sounds]
        return names, np.concatenate([chunk.arrays["embeddings"] for chunk in chunks]), found.faults


def test_equal_contents_are_computed_once_and_other_identities_apart():
    write_tones(pathlib.Path("sounds"), 40)
    shutil.copy("sounds/000.wav", "sounds/999.wav")
    pathlib.Path("sounds/bad.wav").write_text("no audio")
    computed: list[str] = []

    def compute(clips, sounds):
        computed.extend(sound.name for sound in sounds)
        return {"embeddings": np.array([[len(computed), clip[1]] for clip in clips], np.float32)}

    names, rows, faults = embeddings_of("sounds", {"model": 1}, compute)
    assert computed == [f"sounds/{i:03}.wav" for i in range(40)]
    assert names == [*computed, "sounds/999.wav"]
    assert np.array_equal(rows[0], rows[-1])
    assert list(faults) == ["sounds/bad.wav"]
    again = embeddings_of("sounds", {"model": 1}, lambda *_: pytest.fail("computed"))
    assert (again[0], again[2]) == (names, faults)
    assert np.array_equal(again[1], rows)
    embeddings_of("sounds", {"model": 2}, compute)
    assert len(computed) == 80


def test_a_chunk_that_is_damaged_is_computed_again():
    write_tones(pathlib.Path("sounds"), 3)

    def compute(clips, _):
        return {"embeddings": np.array([[clip[1]] for clip in clips], np.float32)}

    names, rows, _ = embeddings_of("sounds", {}, compute)
    [file] = cache_folder("embeddings").glob("*/chunk-*.npz")
    file.write_bytes(file.read_bytes()[:100])
    assert np.array_equal(embeddings_of("sounds", {}, compute)[1], rows)
    assert len(names) == 3


def test_of_two_that_embed_the_same_one_waits_and_finds_it_done(monkeypatch):
    write_tones(pathlib.Path("sounds"), 3)
    waits, computed, results = threading.Event(), [], []
    monkeypatch.setattr(chunks_module, "tell", lambda message: waits.set() if "waiting" in message else None)

    def compute(clips, sounds):
        computed.append(len(sounds))
        second.start()
        waits.wait()
        return {"embeddings": np.array([[clip[1]] for clip in clips], np.float32)}

    def embed_again() -> None:
        results.append(embeddings_of("sounds", {}, lambda *_: pytest.fail("computed twice")))

    second = threading.Thread(target=embed_again)
    first = embeddings_of("sounds", {}, compute)
    second.join()
    assert computed == [3]
    assert np.array_equal(results[0][1], first[1])
    assert not list(cache_folder("embeddings").glob("*/work-*"))
