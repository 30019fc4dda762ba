"""`hear-cacophony report` of evaluations, beside the files that they leave; and what these hold for it."""

from __future__ import annotations

import csv
import json
import pathlib

import numpy as np
import pytest
from evaluate_datasets import ESC50_CLASSES, WORDS, ToneModel, write_clotho, write_esc50
from test_evaluate import evaluate, read_json, read_rows
from test_report import table

from hear_cacophony.pages.confusion import confused_pairs
from hear_tasks.cli import main
from hear_tasks.evaluate.confusion_picture import draw_confusion
from hear_tasks.evaluate.retrieval import jackknife


@pytest.fixture(scope="module")
def evaluations(tmp_path_factory) -> pathlib.Path:
    """An evaluation of each kind, and the folder that holds them."""
    place = tmp_path_factory.mktemp("evaluations")
    write_esc50(place / "esc50")
    evaluate("zero-shot", "esc50", place / "esc50", ToneModel(ESC50_CLASSES))
    untrained = ToneModel(ESC50_CLASSES)
    untrained.untrained = True
    untrained.source, untrained.md5 = "random", ""
    evaluate("zero-shot", "esc50", place / "esc50", untrained, protocol="published")
    write_clotho(place / "clotho")
    evaluate("retrieval", "clotho", place / "clotho", ToneModel(WORDS))
    evaluate("captioning", "clotho", place / "clotho", ToneModel(WORDS))
    return place / "out"


def read_dicts(file: pathlib.Path) -> list[dict[str, str]]:
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_what_evaluations_keep_of_clips(evaluations):
    folder = evaluations / "tones-01234567"
    rows = read_dicts(folder / "zero-shot-esc50-hear" / "predictions.csv")
    for row in rows:
        best = [(row[f"best_{i}"], float(row[f"probability_{i}"])) for i in range(1, 6)]
        assert (row["predicted"], float(row["probability"])) == best[0]
        if int(row["rank_of_class"]) <= 5:
            assert (row["class"], float(row["probability_of_class"])) == best[int(row["rank_of_class"]) - 1]
        assert pathlib.Path(row["path"]).name == row["file"]
    results = read_json(folder / "zero-shot-esc50-hear")
    low, high = results["intervals95"]["top1"]
    hits, clips, z = 11, 12, 1.959964
    middle = (hits + z * z / 2) / (clips + z * z)
    half = z / (clips + z * z) * (hits * (clips - hits) / clips + z * z / 4) ** 0.5
    assert (low, high) == pytest.approx((middle - half, middle + half), abs=1e-6)
    assert {name: fold["clips"] for name, fold in results["folds"].items()} == {"1": 6, "2": 6}
    assert results["over_folds"]["top1_mean"] == pytest.approx(11 / 12)
    assert results["over_folds"]["top1_std"] == pytest.approx(np.std([1, 5 / 6], ddof=1))
    assert {each["difference"] for each in results["published"]} == {None}, "another protocol"
    found = read_dicts(folder / "retrieval-clotho-hear" / "audio_to_text.csv")
    assert [row["rank"] for row in found] == ["1"] * 5
    captions = read_dicts(folder / "captioning-clotho-hear" / "captions.csv")
    scores = read_json(folder / "captioning-clotho-hear")["scores"]
    assert np.mean([float(row["ROUGE-L"]) for row in captions]) == pytest.approx(scores["ROUGE-L"], abs=1e-5)
    assert np.mean([float(row["CIDEr-D"]) for row in captions]) == pytest.approx(scores["CIDEr-D"], abs=1e-5)
    published = read_json(evaluations / "random" / "zero-shot-esc50-published")["published"]
    assert {each["difference"] for each in published} == {None}, "untrained weights"


def test_intervals_of_means_of_fractions_stay_within_0_and_1():
    found = jackknife([1, 1, 1, 0])
    assert found.interval95[1] > 1
    assert found.bounded == (found.interval95[0], 1)
    assert jackknife([0.5]).bounded == (0, 1)


def test_confusions_from_the_most_frequent_on(tmp_path):
    matrix = np.array([[7, 3, 0], [0, 0, 0], [5, 0, 5]])
    assert confused_pairs(matrix, ["a", "b", "c"]) == [("c", "a", 5, 0.5), ("a", "b", 3, 0.3)]
    for size in (1, 7):
        draw_confusion(tmp_path / f"{size}.png", np.eye(size, dtype=int), [f"{i} $x$" for i in range(size)], "$title")
        assert (tmp_path / f"{size}.png").read_bytes()[:4] == b"\x89PNG"


def test_the_pages_of_evaluations(evaluations, tmp_path):
    out = tmp_path / "out"
    assert main(["report", str(evaluations), "--out", str(out)]) == 0
    heads, rows = table(out, "index", "top1")
    assert heads == ["data set", "model", "protocol and setting", "clips", "top1", "top5"]
    assert [row[1] for row in rows] == ["random (untrained)", "tones.ckpt"]
    assert rows[1][3:5] == [[12, "12 of 12"], [pytest.approx(11 / 12), "0.9167 [0.646, 0.985]"]]
    page = rows[1][0][1].removesuffix(".html")
    heads, clips = table(out, page, "of its class")
    assert len(clips) == 12
    assert [clips[0][heads.index(name)] for name in ("file", "class")] == ["2-100005-A-5.wav", "sneezing"]
    assert clips[0][heads.index("likeliest")][0][0] == "dog"
    assert (out / clips[0][heads.index("sound")][1]).read_bytes()[8:12] == b"WEBP"
    heads, scores = table(out, page, "difference")
    assert {row[heads.index("difference")] for row in scores} == {None}
    assert [row[heads.index("published")] for row in scores if row[0] == "top1"] == [0.934, 0.925]
    _, folds = table(out, page, "fold")
    assert [row[:2] for row in folds] == [["1", 6], ["2", 6]]
    _, rows = table(out, "index", "CIDEr-D")
    page = rows[0][0][1].removesuffix(".html")
    heads, captions = table(out, page, "references")
    assert captions[0][heads.index("references")].count(" / ") == 4
    values = [row[heads.index("CIDEr-D")] for row in captions]
    assert values == sorted(values)
    _, rows = table(out, "index", "text-to-audio R@1")
    page = rows[0][0][1].removesuffix(".html")
    heads, texts = table(out, page, "rank of the first right clip")
    assert len(texts) == 25
    assert {row[heads.index("rank of the first right clip")] for row in texts} == {1}


def test_evaluations_that_cannot_be_shown_whole_are_told(evaluations, tmp_path, capsys):
    place = tmp_path / "mine"
    for name, content in (("zero-shot-a-hear", "damaged"), ("zero-shot-b-hear", json.dumps({"evaluation": "x"}))):
        (place / "M" / name).mkdir(parents=True)
        (place / "M" / name / "results.json").write_text(content)
    assert main(["report", str(place), "--out", str(tmp_path / "out")]) == 1
    assert "none of the evaluations could be read" in capsys.readouterr().err
    old = place / "M" / "zero-shot-esc50-hear"
    old.mkdir()
    source = evaluations / "tones-01234567" / "zero-shot-esc50-hear"
    kept = {name: each for name, each in read_json(source).items() if name not in ("intervals95", "folds")}
    (old / "results.json").write_text(json.dumps(kept))
    lines = [
        "file,class,predicted,probability,rank_of_class",
        *(",".join(row[:5]) for row in read_rows(source / "predictions.csv")[1:]),
    ]
    (old / "predictions.csv").write_text("\n".join(lines) + "\n")
    assert main(["report", str(place), "--out", str(tmp_path / "out")]) == 1
    assert "damaged, or no results of an evaluation" in capsys.readouterr().err
    text = (tmp_path / "out" / "1-zero-shot.html").read_text()
    assert "probability_of_class was not kept; run the evaluation again" in text
    assert "damaged, or no results" in (tmp_path / "out" / "index.html").read_text()
    (old / "predictions.csv").write_text("\n".join([*lines, "x.wav,new class,dog,0.5,2"]) + "\n")
    assert main(["report", str(place), "--out", str(tmp_path / "out")]) == 1
    _, pairs = table(tmp_path / "out", "1-zero-shot", "part of the class")
    assert ["new class", "dog", 1, 1] in pairs, "a class that the results do not tell of"
    without = [",".join(cell for i, cell in enumerate(line.split(",")) if i != 3) for line in lines]
    (old / "predictions.csv").write_text("\n".join(without) + "\n")
    assert main(["report", str(place), "--out", str(tmp_path / "out")]) == 1
    heads, clips = table(tmp_path / "out", "1-zero-shot", "of its class")
    assert clips[0][heads.index("likeliest")] == [without[1].split(",")[2]], "a name, and no probability of 0"
    (old / "predictions.csv").unlink()
    assert main(["report", str(place), "--out", str(tmp_path / "out")]) == 1
    assert "cannot be read" in (tmp_path / "out" / "1-zero-shot.html").read_text()
    (tmp_path / "emb").mkdir()
    assert main(["report", str(place), str(tmp_path / "emb"), "--out", str(tmp_path / "out")]) == 1
    assert "give them a report of their own" in capsys.readouterr().err


@pytest.mark.browser
def test_the_pages_in_a_browser(evaluations, tmp_path):
    from browser import open_browser

    out = tmp_path / "out"
    assert main(["report", str(evaluations), "--out", str(out), "--audio", "copy"]) == 0
    with open_browser() as browser:
        for page in sorted(out.glob("*.html")):
            browser.open(page)
            if browser.run("return document.querySelectorAll('figure.plot').length"):
                browser.run("document.querySelector('figure.plot').scrollIntoView()")
                browser.wait("return document.querySelectorAll('.ytick text').length")
            if page.name != "index.html":
                browser.run("document.querySelector('audio').play()")
                browser.wait("return document.querySelector('audio').currentTime > 0.05")
            assert browser.errors() == []
        assert [url for url in browser.requests() if not url.startswith(("file:", "data:", "blob:"))] == []
