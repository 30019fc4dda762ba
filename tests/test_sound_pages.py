"""Pages of `classify`, `search` and `caption`: the same lists with players and pictures."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil

import pytest

pytest.importorskip("tokenizers", reason="the extra 'text' is not installed")
pytest.importorskip("jinja2", reason="the extra 'pages' is not installed")

from tones_on_disk import write_tones

from hear_cacophony.printable import as_text
from hear_tasks.cli import main

pytestmark = [pytest.mark.filterwarnings("ignore:.*are untrained"), pytest.mark.usefixtures("own_cache")]

EVIL = (
    "<img src=x onerror=alert(1)>.wav",
    'it\'s "quoted" & <b>.wav',
    "line\nbreak.wav",
    "🐕 #1 50% ?.wav",
    "{{7*7}} %00 javascript:alert(1) \u2028 \u202e\u200f.wav",
    f"{'x' * 240}.wav",
    os.fsdecode(b"caf\xe9.wav"),
)


ODD_LABELS = (
    "</script><script>alert(1)</script>",
    "line\u2028separator\x85and more",
    "]]> <!-- <![CDATA[ -->",
    "nul \0 bell \a",
    "\u202eright to left\u200f عربي",
    "x" * 300,
)


@pytest.fixture
def sounds():
    for name, tone in zip(EVIL, write_tones(pathlib.Path("sounds"), len(EVIL)), strict=True):
        pathlib.Path(tone).rename(f"sounds/{name}")
    shutil.copy(f"sounds/{EVIL[0]}", "sounds/zz.wav")


def rows_of(page: str) -> list[list]:
    """The rows of the only table of a page."""
    [data] = pathlib.Path(f"{pathlib.Path(page).stem}_files/data").glob("*.js")
    return json.loads(re.search(r"\d,(\[.*\])\);", data.read_text())[1])


@pytest.mark.filterwarnings("ignore:.* texts cut at the limit")
def test_a_page_of_labels_has_what_is_printed(sounds, text_model, capsys):
    listed = ["dog", "<b>rain</b>", *ODD_LABELS]
    pathlib.Path("labels.txt").write_text("\n".join(listed), encoding="utf-8", newline="")
    command = ["classify", "sounds", "--labels-file", "labels.txt", "--sort", "dog", "--html", "p.html", "--json"]
    command += text_model
    assert main(command) == 0
    printed = json.loads(capsys.readouterr().out)["files"]
    rows = rows_of("p.html")
    assert [row[1] for row in rows] == list(map(as_text, printed))
    for row, best in zip(rows, printed.values(), strict=True):
        assert [listed[label] for label, _ in row[2]] == [each["label"] for each in best]
        assert [p for _, p in row[2]] == pytest.approx([each["probability"] for each in best])
        assert row[3] == pytest.approx(next(each["probability"] for each in best if each["label"] == "dog"))
        audio, picture, seconds = row[0]
        assert audio.startswith("file:///")
        assert pathlib.Path(picture).read_bytes()[8:12] == b"WEBP"
        assert seconds == 0.5
    text = pathlib.Path("p.html").read_text()
    assert not {"b", "img"} & set(re.findall(r"<(\w+)", text))
    assert "Probabilities sum to 1" in text
    assert main(command) == 0, "a page of ours is replaced"


@pytest.mark.filterwarnings("ignore:.* texts cut at the limit")
def test_pages_of_searches_duplicates_and_captions_have_what_is_printed(sounds, text_model, capsys):
    texts = ["dog", "<i>rain", *ODD_LABELS]
    pathlib.Path("q.txt").write_text("\n".join(texts), encoding="utf-8", newline="")
    assert main(["search", "sounds", "--queries", "q.txt", "--html", "q.html", "--json", *text_model]) == 0
    queries = json.loads(capsys.readouterr().out)["queries"]
    assert [query["query"] for query in queries] == texts
    expected = [
        (number, rank, as_text(match["file"]), match["score"])
        for number, query in enumerate(queries)
        for rank, match in enumerate(query["matches"], 1)
    ]
    assert [(row[2], row[3], row[1], pytest.approx(row[4])) for row in rows_of("q.html")] == expected
    assert main(["search", "sounds", "--duplicates", "--html", "d.html", *text_model]) == 0
    assert [f"sounds/{EVIL[0]}", 1, 1, "yes"] in [row[1:] for row in rows_of("d.html")]
    capsys.readouterr()
    assert main(["caption", "sounds", "--max-tokens", "4", "--html", "c.html", "--json", *text_model]) == 0
    captions = json.loads(capsys.readouterr().out)["files"]
    assert [row[1:] for row in rows_of("c.html")] == [[as_text(name), text] for name, text in captions.items()]


@pytest.mark.parametrize(
    ("html", "message"),
    [
        ("p.txt", "expected the name of a page, which ends in .html"),
        ("mine.html", "mine.html: exists, and is no page of hear-cacophony"),
        ("none/p.html", "no folder none"),
    ],
)
def test_a_page_that_cannot_be_written_is_told_before_any_work(html, message, sounds, text_model, capsys):
    pathlib.Path("mine.html").write_text("mine")
    assert main(["classify", "sounds", "--labels", "a,b", "--html", html, *text_model]) == 1
    assert message in capsys.readouterr().err
    assert main(["search", "a", "sounds", "--html", html, *text_model]) == 1
    assert message in capsys.readouterr().err
    assert not pathlib.Path("cache/hear_cacophony/embeddings").exists()
    assert pathlib.Path("mine.html").read_text() == "mine"


@pytest.mark.browser
def test_a_page_of_labels_plays_in_a_browser(sounds, text_model):
    from browser import open_browser

    pathlib.Path("q.txt").write_text("dog\nrain")
    assert main(["classify", "sounds", "--labels", "dog,rain", "--html", "p.html", *text_model]) == 0
    with open_browser() as browser:
        browser.open(pathlib.Path("p.html"))
        names = "return [...document.querySelectorAll('tbody td.text')].map((cell) => cell.textContent)"
        assert sorted(browser.run(names)) == sorted(as_text(f"sounds/{name}") for name in [*EVIL, "zz.wav"])
        for number in range(len(EVIL) + 1):
            audio = f"document.querySelectorAll('audio')[{number}]"
            browser.run(f"{audio}.play()")
            browser.wait(f"return {audio}.currentTime > 0.02")
        assert main(["search", "sounds", "--queries", "q.txt", "--html", "q.html", *text_model]) == 0
        assert main(["caption", "sounds", "--max-tokens", "4", "--html", "c.html", *text_model]) == 0
        for page in ("p.html", "q.html", "c.html"):
            browser.open(pathlib.Path(page))
            assert browser.run("return document.querySelectorAll('audio').length") > 0
            assert browser.beyond_tab() == [], page
        assert browser.errors() == []
        assert [url for url in browser.requests() if not url.startswith(("file:", "data:", "blob:"))] == []


def test_a_page_of_scores_along_time_has_what_is_printed(text_model, capsys):
    write_tones(pathlib.Path("sounds"), 1, seconds=2.3)
    labels = ["dog", "<img src=x onerror=alert(1)>", *(f"sound {i}" for i in range(12))]
    pathlib.Path("labels.txt").write_text("\n".join(labels))
    command = ["classify", "sounds", "--labels-file", "labels.txt", "--along", "1", "--html", "p.html", "--json"]
    assert main([*command, *text_model]) == 0
    [printed] = json.loads(capsys.readouterr().out)["files"].values()
    lists = sorted(pathlib.Path("p_files/data").glob("*.js"))
    [[sound, name, highest]], excerpts = (
        json.loads(re.search(r"\d,(\[.*\])\);", each.read_text())[1]) for each in lists
    )
    assert name == "sounds/000.wav"
    below = sound[3]
    assert below["ends"] == [1, 2.3]
    scores = {label: [each["scores"][label] for each in printed] for label in labels}
    most = sorted(labels, key=lambda label: -max(scores[label]))
    assert sorted(below["labels"]) == sorted(most[:12]), "the highest ones are drawn"
    for label, row in zip(below["labels"], below["scores"], strict=True):
        assert row == pytest.approx(scores[label], abs=1e-4)
    assert below["high"] == pytest.approx(max(scores[most[0]]))
    assert highest.startswith(f"{max(scores[most[0]]):.3f}, 0:0")
    assert highest.endswith(f": {most[0]}")
    assert [row[1:3] for row in excerpts] == [[0, 1], [1, 2.3]]
    for row, each in zip(excerpts, printed, strict=True):
        expected = sorted(each["scores"].values(), reverse=True)[:3]
        assert [score for _, score in row[3]] == pytest.approx(expected, abs=1e-4)
        assert [each["scores"][labels[label]] for label, _ in row[3]] == pytest.approx(expected, abs=1e-4)
    text = pathlib.Path("p.html").read_text()
    assert "img" not in re.findall(r"<(\w+)", text)
    assert "Of 14 labels, the 12 that score highest somewhere" in text


@pytest.mark.browser
def test_scores_along_time_follow_the_player_in_a_browser(text_model):
    from browser import open_browser

    write_tones(pathlib.Path("sounds"), 1, seconds=3.0)
    labels = "dog,<img src=x onerror=alert(1)>"
    assert main(["classify", "sounds", "--labels", labels, "--along", "1", "--html", "p.html", *text_model]) == 0
    with open_browser() as browser:
        browser.open(pathlib.Path("p.html"))
        lanes = browser.run("return [...document.querySelectorAll('.lane')].map((each) => each.textContent)")
        assert sorted(lanes) == sorted(labels.split(","))
        told = "return document.querySelector('.told').textContent"
        assert browser.run(told).startswith("0:00 to 0:01: ")
        browser.run("document.querySelector('audio').play()")
        browser.wait("return document.querySelector('audio').currentTime > 0")
        browser.run("const audio = document.querySelector('audio'); audio.pause(); audio.currentTime = 2.5")
        browser.wait("return document.querySelector('.told').textContent.startsWith('0:02 to 0:03: ')")
        cursor = browser.run("return parseFloat(document.querySelector('.cursor').style.left)")
        assert cursor == pytest.approx(83.3, abs=0.1)
        assert browser.run("return document.querySelector('canvas').getAttribute('aria-label')").startswith(
            "scores along time of sounds/000.wav: highest "
        )
        assert browser.pale_texts() == []
        assert browser.beyond_tab() == []
        assert browser.errors() == []
