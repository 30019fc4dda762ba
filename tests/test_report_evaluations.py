"""`hear-cacophony report` of evaluations, beside the files that they leave; and what these hold for it."""

from __future__ import annotations

import csv
import html
import json
import pathlib
import re
import shutil
from collections import Counter

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


class HazyModel(ToneModel):
    """Hears tones through noise, and every other one as the next word."""

    def __init__(self, words):
        super().__init__(words)
        self.noise = np.random.default_rng(2)

    def embed_audio(self, clips, **settings):
        exact = super().embed_audio(clips, **settings)
        noisy = exact + 1.2 * self.noise.standard_normal(exact.shape).astype(np.float32)
        return noisy / np.linalg.norm(noisy, axis=1, keepdims=True)

    def caption(self, clips, **settings):
        return [f"a {self.words[self._tone(clip) - self.noise.integers(2)]} sounds" for clip in clips]


def wilson(hits: np.ndarray) -> tuple[float, float]:
    z, clips, part = 1.959964, len(hits), np.mean(hits)
    middle, half = part + z * z / 2 / clips, z * (part * (1 - part) / clips + z * z / 4 / clips**2) ** 0.5
    return (middle - half) / (1 + z * z / clips), (middle + half) / (1 + z * z / clips)


def test_every_number_of_a_zero_shot_evaluation(tmp_path):
    out = tmp_path / "pages"
    _, folder = evaluate("zero-shot", "esc50", write_esc50(tmp_path / "esc50"), HazyModel(ESC50_CLASSES))
    assert main(["report", str(tmp_path / "out"), "--out", str(out)]) == 0
    kept = read_dicts(folder / "predictions.csv")
    first = np.array([row["class"] == row["predicted"] for row in kept])
    five = np.array([int(row["rank_of_class"]) <= 5 for row in kept])
    assert 0.2 < first.mean() < five.mean() < 1
    _, rows = table(out, "1-zero-shot", "difference")
    for name, hits in (("top1", first), ("top5", five)):
        [shown] = {tuple(row[1:4]) for row in rows if row[0] == name}
        assert shown == pytest.approx((hits.mean(), *wilson(hits)), abs=1e-6)
    _, [overview] = table(out, "index", "top1")
    low, high = wilson(first)
    assert overview[4] == [pytest.approx(first.mean()), f"{first.mean():.4f} [{low:.3f}, {high:.3f}]"]
    for column in ("fold", "class"):
        _, rows = table(out, "1-zero-shot", column)
        for name, clips, *parts in rows:
            chosen = np.array([row[column] == name for row in kept])
            assert [clips, *parts] == pytest.approx([chosen.sum(), first[chosen].mean(), five[chosen].mean()])
        assert sum(row[1] for row in rows) == len(kept)
    folds = [first[[row["fold"] == fold for row in kept]].mean() for fold in "12"]
    text = (out / "1-zero-shot.html").read_text(encoding="utf-8")
    assert f"top1 {np.mean(folds):.4f} ± {np.std(folds, ddof=1):.4f}" in text
    taken = Counter((row["class"], row["predicted"]) for row in kept)
    plot = json.loads(re.search(r"<figure.*?json\">(.*?)</script>", text, re.DOTALL)[1])["data"][0]
    assert plot["customdata"] == [[taken[one, other] for other in plot["x"]] for one in plot["y"]]
    assert sorted(plot["x"]) == sorted(ESC50_CLASSES)
    _, rows = table(out, "1-zero-shot", "part of the class")
    wrong = {pair: count for pair, count in taken.items() if pair[0] != pair[1]}
    assert {(one, other): [count, part] for one, other, count, part in rows} == {
        pair: [count, pytest.approx(count / sum(row["class"] == pair[0] for row in kept))]
        for pair, count in wrong.items()
    }
    heads, rows = table(out, "1-zero-shot", "of its class")
    listed = {row[0]: dict(zip(heads, row, strict=True)) for row in rows}
    own = [listed[row["file"]]["of its class"] for row in kept]
    assert own == pytest.approx([float(row["probability_of_class"]) for row in kept])
    assert [row[heads.index("of its class")] for row in rows] == sorted(own)
    for row in kept:
        best = [[row[f"best_{i}"], pytest.approx(float(row[f"probability_{i}"]), abs=1e-4)] for i in range(1, 6)]
        shown = listed[row["file"]]
        assert shown["likeliest"] == best
        names = [name for name, _ in shown["likeliest"]]
        expected = names.index(row["class"]) + 1 if row["class"] in names else 6
        assert shown["rank of its class"] == expected


def test_every_number_of_retrieval_and_captions(tmp_path):
    out, data = tmp_path / "pages", write_clotho(tmp_path / "clotho")
    evaluate("retrieval", "clotho", data, HazyModel(WORDS))
    _, captioned = evaluate("captioning", "clotho", data, HazyModel(WORDS))
    assert main(["report", str(tmp_path / "out"), "--out", str(out)]) == 0
    captions = {row[0]: row[1:] for row in read_rows(data / "clotho_captions_evaluation.csv")[1:]}
    _, scores = table(out, "2-retrieval", "difference")
    shown = {row[0]: row[1] for row in scores}
    ways = {
        "text-to-audio": ("rank of the first right clip", lambda text, name: text in captions[name]),
        "audio-to-text": ("rank of the first right caption", lambda name, text: text in captions[name]),
    }
    for way, (head, is_right) in ways.items():
        heads, rows = table(out, "2-retrieval", head)
        ranks = [row[heads.index(head)] for row in rows]
        assert ranks == sorted(ranks, reverse=True)
        assert ranks[-1] == 1 < ranks[0]
        for row in rows:
            listed = row[heads.index("found, best first")]
            right = [is_right(row[0], each) for each in listed]
            rank = row[heads.index(head)]
            assert right.index(True) + 1 == rank if True in right else rank > len(right) == 10
        for k in (1, 5, 10):
            assert shown[f"{way} R@{k}"] == pytest.approx(np.mean([rank <= k for rank in ranks]))
    assert len(table(out, "2-retrieval", ways["text-to-audio"][0])[1]) == 25
    heads, rows = table(out, "1-captioning", "references")
    kept = {row["file"]: row for row in read_dicts(captioned / "captions.csv")}
    assert len(rows) == len(kept) == 5
    for row in rows:
        cells = dict(zip(heads, row, strict=True))
        assert cells["caption"] == kept[row[0]]["caption"]
        assert cells["references"] == " / ".join(captions[row[0]])
        for measure in ("CIDEr-D", "BLEU-1", "BLEU-4", "ROUGE-L"):
            assert cells[measure] == pytest.approx(float(kept[row[0]][measure]))
        words = cells["caption"].split()
        assert cells["BLEU-1"] == pytest.approx(_bleu1(words, captions[row[0]]), abs=1e-5)
    assert len({row[heads.index("BLEU-1")] for row in rows}) > 1


def _bleu1(words: list[str], references: list[str]) -> float:
    """Of one caption: the part of its words that one of the references has as often, with the penalty of brevity."""
    counts = [Counter(reference.replace(",", "").split()) for reference in references]
    hits = sum(min(count, max(each[word] for each in counts)) for word, count in Counter(words).items())
    lengths = [sum(each.values()) for each in counts]
    closest = min(lengths, key=lambda length: (abs(length - len(words)), length))
    return hits / len(words) * min(1, np.exp(1 - closest / len(words)))


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
    cut = [lines[0].replace("probability", "best_1"), *lines[1:]]
    (old / "predictions.csv").write_text("\n".join(cut) + "\n")
    assert main(["report", str(place), "--out", str(tmp_path / "out")]) == 1, "a class without its probability"
    heads, clips = table(tmp_path / "out", "1-zero-shot", "of its class")
    assert clips[0][heads.index("likeliest")] == [cut[1].split(",")[3]]
    (old / "predictions.csv").unlink()
    assert main(["report", str(place), "--out", str(tmp_path / "out")]) == 1
    assert "cannot be read" in (tmp_path / "out" / "1-zero-shot.html").read_text()
    (tmp_path / "emb").mkdir()
    assert main(["report", str(place), str(tmp_path / "emb"), "--out", str(tmp_path / "out")]) == 1
    assert "give them a report of their own" in capsys.readouterr().err


ODD = (
    "nul \0 bell \a",
    "line\u2028separator\u2029\r\nend",
    "</script><script>alert(1)</script>",
    "]]> <!-- <![CDATA[ -->",
    "\u202eright to left\u200f عربي",
    "x" * 300,
    "",
    "{{7*7}} 'quoted' \"twice\" & &lt;b>",
    "=1+1",
)


def with_odd_texts(source: pathlib.Path, target: pathlib.Path, *columns: str) -> dict[str, list[str]]:
    """A copy of an evaluation whose CSV files have such texts in these columns, and paths that lead nowhere."""
    kept = {}
    shutil.copytree(source, target)
    for file in target.glob("*.csv"):
        rows = read_dicts(file)
        for number, row in enumerate(rows):
            for name in columns:
                if name in row:
                    row[name] = ODD[number % len(ODD)]
            if "path" in row:
                row["path"] = f"/nowhere/{number}\0.wav"
        with file.open("w", newline="") as opened:
            writer = csv.DictWriter(opened, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        kept |= {f"{file.name}: {name}": [row[name] for row in rows] for name in columns if name in rows[0]}
    return kept


def test_odd_texts_in_the_files_of_evaluations(evaluations, tmp_path):
    place, out = tmp_path / "mine" / "M", tmp_path / "out"
    source = evaluations / "tones-01234567"
    classes = with_odd_texts(source / "zero-shot-esc50-hear", place / "zero-shot-a", "file", "class", "predicted")
    found = with_odd_texts(source / "retrieval-clotho-hear", place / "retrieval-b", "file", "caption", "found_1")
    captions = with_odd_texts(source / "captioning-clotho-hear", place / "captioning-c", "caption", "reference_1")
    for folder in place.iterdir():
        content = read_json(folder)
        content["dataset"] = content["model"]["source"] = "".join(ODD)
        content["remarks"] = list(ODD)
        content["per_class"] = {text: {"clips": 1, "top1": 0.5, "top5": 1} for text in ODD}
        (folder / "results.json").write_text(json.dumps(content))
    assert main(["report", str(place), "--out", str(out)]) == 0
    for page in out.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        ours = text.count("<script src=") + text.count('<script type="application/json">')
        assert (text.count("<script"), text.count("</script>")) == (ours, ours)
        assert "<!--" not in text
        assert ("alert(1)" in text) == (page.name != "index.html"), "its table lies in a file of its own"
    heads, rows = table(out, "3-zero-shot", "of its class")
    assert sorted(row[heads.index("file")] for row in rows) == sorted(classes["predictions.csv: file"])
    assert {row[heads.index("class")] for row in rows} == set(ODD)
    assert {tuple(row[heads.index("sound")]) for row in rows} == {("", "", 0)}
    heads, rows = table(out, "2-retrieval", "rank of the first right clip")
    assert sorted(row[0] for row in rows) == sorted(found["text_to_audio.csv: caption"])
    heads, rows = table(out, "1-captioning", "references")
    assert sorted(row[heads.index("caption")] for row in rows) == sorted(captions["captions.csv: caption"])


@pytest.mark.parametrize(
    ("file", "change", "told"),
    [
        ("predictions.csv", lambda text: text[: text.rindex(",")], "expected a cell for each column in every row"),
        ("predictions.csv", lambda text: f"{text.rstrip()},more\n", "expected a cell for each column in every row"),
        ("predictions.csv", lambda text: text.replace(",1,", ",first,"), "could not convert string to float: 'first'"),
        ("predictions.csv", lambda text: text.encode("utf-16"), "cannot be read ('utf-8' codec"),
        ("predictions.csv", lambda text: text + "x" * 200_000, "field larger than field limit"),
        (
            "results.json",
            lambda text: re.sub('"top1": 0.9\\d*', '"top1": "most"', text),
            "expected a number, got 'most'",
        ),
        ("results.json", lambda text: text.replace('"zero-shot"', '"other"', 1), "evaluation: expected zero-shot"),
        ("results.json", lambda text: text.replace('"used": 12', '"used": null'), "expected a number, got None"),
        ("results.json", lambda text: text.replace('"missing": []', '"missing": [1]'), "expected a text, got 1"),
        ("results.json", lambda text: text.replace('"over_folds"', '"no_folds"'), "KeyError('over_folds')"),
        ("results.json", lambda text: "[" * 100_000, "brackets nested too deeply"),
    ],
)
def test_files_that_evaluate_does_not_write_so_are_told(evaluations, tmp_path, capsys, file, change, told):
    folder = tmp_path / "mine" / "zero-shot-a"
    shutil.copytree(evaluations / "tones-01234567" / "zero-shot-esc50-hear", folder)
    shutil.copytree(evaluations / "random" / "zero-shot-esc50-published", tmp_path / "mine" / "zero-shot-b")
    text = (folder / file).read_text()
    changed = change(text)
    assert changed != text
    (folder / file).write_bytes(changed if isinstance(changed, bytes) else changed.encode())
    status = main(["report", str(tmp_path / "mine"), "--out", str(tmp_path / "out")])
    pages = "".join(page.read_text(encoding="utf-8") for page in (tmp_path / "out").glob("*.html"))
    assert told in html.unescape(pages)
    assert (status, told in capsys.readouterr().err) == ((1, True) if file == "results.json" else (0, False))


@pytest.mark.browser
def test_the_pages_in_a_browser(evaluations, tmp_path):
    from browser import open_browser

    out = tmp_path / "out"
    assert main(["report", str(evaluations), "--out", str(out), "--audio", "copy"]) == 0
    with open_browser() as browser:
        for number, page in enumerate(sorted(out.glob("*.html"))):
            browser.dark(number % 2 == 0)
            browser.open(page)
            if browser.run("return document.querySelectorAll('figure.plot').length"):
                browser.run("document.querySelector('figure.plot').scrollIntoView()")
                browser.wait("return document.querySelectorAll('.ytick text').length")
            if page.name != "index.html":
                browser.run("document.querySelector('audio').play()")
                browser.wait("return document.querySelector('audio').currentTime > 0.05")
            assert browser.beyond_tab() == []
            assert browser.pale_texts() == []
            assert browser.errors() == []
        assert [url for url in browser.requests() if not url.startswith(("file:", "data:", "blob:"))] == []
