"""Captioning: captions in files, and their scores."""

from __future__ import annotations

import csv
import json

import jax
import numpy as np
import pytest
from evaluate_datasets import WORDS, ToneModel, write_clotho
from test_evaluate import evaluate

from hear_cacophony.engine.caption_keys import caption_keys
from hear_tasks.evaluate import captioning
from hear_tasks.evaluate.captioning import score_captions


def test_captions_are_scored_and_no_row_is_lost(tmp_path):
    model = ToneModel(WORDS)
    report, folder = evaluate("captioning", "clotho", write_clotho(tmp_path / "clotho"), model, beams=4)
    assert model.calls == [{"method": "beam", "beams": 4}]
    assert {"CIDEr-D", "BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L"} <= set(report.scored.scores)
    with (folder / "captions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == [f"Recording, {word}.wav" for word in WORDS]
    assert [row["caption"] for row in rows] == [f"the {word}, again" for word in WORDS]
    assert rows[0]["reference_5"] == "a horn and a bell"
    listed = json.loads((folder / "captions.json").read_text())
    assert [each["caption"] for each in listed] == [row["caption"] for row in rows]
    assert len(listed[4]["references"]) == 5
    results = json.loads((folder / "results.json").read_text())
    assert set(results["left_out"]) == {"METEOR", "SPICE", "SPIDEr", "FENSE"}
    printed = report.as_text()
    assert "captions by 4 beams" in printed
    assert "left out: SPICE: " in printed
    assert "no published figures of captioning on Clotho evaluation" in printed


def test_published_captions_are_drawn_with_a_key_for_each_clip(tmp_path):
    model = ToneModel(WORDS)
    evaluate("captioning", "clotho", write_clotho(tmp_path / "clotho"), model, protocol="published")
    (call,) = model.calls
    assert (call["method"], call["temperature"]) == ("sample", 0.1)
    assert "kept_patches" not in call, "no clip is longer than 30 s"
    with jax.threefry_partitionable(False):
        last = jax.random.split(jax.random.fold_in(jax.random.PRNGKey(42), 4), 1)[0]
    np.testing.assert_array_equal(call["keys"], caption_keys(range(5), 42))
    np.testing.assert_array_equal(call["keys"][4], last)


def test_captions_depend_on_no_other_clip(tmp_path):
    """Neither on one that is missing, nor on one that is unreadable, twice in the table, or there again later."""

    class Telling(ToneModel):
        def caption(self, clips, **settings):
            keys = [key.tolist() for key in settings["keys"]]
            return [f"{text} {key}" for text, key in zip(super().caption(clips), keys, strict=True)]

    def captions(data):
        _, folder = evaluate("captioning", "clotho", data, Telling(WORDS), protocol="published")
        with (folder / "captions.csv").open(newline="") as file:
            return {row["file"]: row["caption"] for row in csv.DictReader(file)}

    whole = captions(write_clotho(tmp_path / "whole/clotho"))
    data = write_clotho(tmp_path / "clotho")
    clips = sorted((data / "evaluation").iterdir())
    table = data / "clotho_captions_evaluation.csv"
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join([*lines[:3], lines[1], *lines[3:]]))
    content = clips[0].read_bytes()
    clips[0].unlink()
    clips[1].write_text("no sound")
    found = captions(data)
    assert len(found) == 3
    clips[0].write_bytes(content)
    found |= captions(data)
    clips[1].rename(clips[1].with_suffix(".m4a"))
    assert captions(data) == found
    assert found == {name: whole[name] for name in found}
    assert len(found) == 4


def test_scores_of_known_captions():
    """BLEU-1 counts clipped words: 2 of 3 and 2 of 2, as long as the references; ROUGE-L is of subsequences."""
    found = score_captions(["a dog sings", "Rain falls."], [["a dog barks"], ["rain falls"]])
    assert found.scores["BLEU-1"] == pytest.approx(4 / 5)
    assert found.scores["BLEU-2"] == pytest.approx((4 / 5 * 2 / 3) ** 0.5)
    assert found.scores["ROUGE-L"] == pytest.approx((2 / 3 + 1) / 2)
    exact = score_captions(
        ["a dog barks at a cat", "rain falls on the roof"], [["a dog barks at a cat"], ["Rain falls on the roof!"]]
    )
    assert exact.scores["CIDEr-D"] == pytest.approx(10)
    assert [exact.scores[f"BLEU-{n}"] for n in range(1, 5)] == pytest.approx([1] * 4)


def test_words_without_java(monkeypatch):
    monkeypatch.setattr(captioning.shutil, "which", lambda name: None)
    found = score_captions(["A dog's bark, loud", "rain"], [["a dog's bark loud"], ["rain"]])
    assert found.scores["BLEU-1"] == pytest.approx(1)
    assert found.tokens == "words in lower case without punctuation (no Java 8 to 13)"
    assert found.left_out["METEOR"] == "no Java 8 to 13"


def test_one_clip_has_no_cider(monkeypatch):
    found = score_captions(["rain"], [["rain falls"]])
    assert "CIDEr-D" not in found.scores
    assert "it needs two clips" in found.left_out["CIDEr-D"]
    assert "SPIDEr" in found.left_out


def test_programs_and_models_are_used_where_they_are(monkeypatch):
    """One of them fails, which leaves the others alone."""
    own = captioning._score
    theirs = {"meteor": (0.25, [0.2, 0.3]), "spice": (0.5, [0.4, 0.6])}

    def score(name, *texts):
        if name == "fense":
            raise RuntimeError("out of memory")
        return theirs.get(name) or own(name, *texts)

    monkeypatch.setattr(captioning, "_not_there", lambda: {"PTB tokens": "no Java"})
    monkeypatch.setattr(captioning, "_score", score)
    found = score_captions(["a dog barks at a cat", "rain"], [["a dog barks at a cat"], ["wind"]])
    assert (found.scores["METEOR"], found.scores["SPICE"]) == (0.25, 0.5)
    assert found.scores["SPIDEr"] == pytest.approx((found.scores["CIDEr-D"] + 0.5) / 2)
    assert found.by_clip["SPIDEr"] == pytest.approx(np.mean([found.by_clip["CIDEr-D"], [0.4, 0.6]], axis=0).tolist())
    assert found.left_out == {"FENSE": "it failed: out of memory"}


def test_programs_and_models_are_looked_for_where_aac_metrics_has_them(tmp_path, monkeypatch):
    monkeypatch.setattr(captioning, "_java_problem", lambda: "")
    monkeypatch.setenv("AAC_METRICS_CACHE_PATH", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("FENSE_DATA", raising=False)
    assert list(captioning._not_there()) == ["PTB tokens", "METEOR", "SPICE", "FENSE"]
    jar, model = "aac-metrics/meteor/meteor-1.5.jar", "torch/hub/fense_data/echecker_clotho_audiocaps_base.ckpt"
    for file in (jar, model):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).touch()
    assert list(captioning._not_there()) == ["PTB tokens", "SPICE"]


def test_java_of_another_version(tmp_path, monkeypatch):
    java = tmp_path / "java"
    for told, problem in (
        ('openjdk version "17.0.15"', f"no Java 8 to 13, {java} is 17"),
        ('java version "1.8.0_391"', ""),
        ("what?", f"no Java 8 to 13, {java} is of unknown version"),
    ):
        java.write_text(f"#!/bin/sh\necho '{told}' >&2\n")
        java.chmod(0o755)
        monkeypatch.setenv("AAC_METRICS_JAVA_PATH", str(java))
        assert captioning._java_problem() == problem


def test_packages_that_are_not_installed(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'hear_cacophony\[captions\]'"):
        evaluate("captioning", "clotho", tmp_path / "nowhere", ToneModel(WORDS))
