"""`map`: sounds as points on a page."""

from __future__ import annotations

import csv
import json
import os
import pathlib
import pickle
import re
import shutil
import sys

import numpy as np
import pytest

pytest.importorskip("tokenizers", reason="the extra 'text' is not installed")
pytest.importorskip("jinja2", reason="the extra 'pages' is not installed")

from embeddings_on_disk import FRAMES, HOP_MS, make_embeddings
from test_pages import EVIL as ODD
from tones_on_disk import write_tones

from hear_cacophony.printable import as_text
from hear_cacophony.sounds.chunks import open_embeddings
from hear_cacophony.sounds.find import find_sounds
from hear_tasks.cli import main
from hear_tasks.embed import read_splits
from hear_tasks.map import event_points, layout
from hear_tasks.map.colours import NOT_LISTED, Table, by_folder
from hear_tasks.map.event_points import Event, event_embeddings
from hear_tasks.map.layout import lay_out, principal_components
from hear_tasks.map.page import write_map
from hear_tasks.map.points import Colours, Points

pytestmark = [pytest.mark.filterwarnings("ignore:.*are untrained"), pytest.mark.usefixtures("own_cache")]

EVIL = (
    "<img src=x onerror=alert(1)>.wav",
    'it\'s "quoted", & <b>.wav',
    "line\nbreak.wav",
    "🐕.wav",
    f"{'x' * 240}.wav",
)


def rows_of(page: str) -> list[list]:
    """The rows of the list on a map."""
    [data] = pathlib.Path(f"{pathlib.Path(page).stem}_files/data").glob("*.js")
    return json.loads(re.search(r"\d,(\[.*\])\);", data.read_text())[1])


def traces_of(page: str) -> list[dict]:
    """The traces of a map."""
    found = re.search(r'<script type="application/json">(\{"data".*?)</script>', pathlib.Path(page).read_text())
    return json.loads(found[1])["data"]


# Places


def test_principal_components_are_those_of_the_largest_variance():
    generator = np.random.default_rng(0)
    data = generator.standard_normal((50, 6)) * np.array([0.1, 5, 0.1, 2, 0.1, 0.1]) + 7
    found, share = principal_components(data.astype(np.float32), 2)
    centred = data - data.mean(axis=0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs(found), np.abs(left[:, :2] * values[:2]), atol=1e-4)
    assert share == pytest.approx((values[:2] ** 2).sum() / (values**2).sum(), abs=1e-5)
    assert (found[np.abs(found).argmax(axis=0), [0, 1]] > 0).all()
    assert principal_components(np.ones((1, 4), np.float32), 2)[0].tolist() == [[0, 0]]
    assert principal_components(np.array([[1.0], [3.0]], np.float32), 2)[0].tolist() == [[1, 0], [-1, 0]]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_equal_embeddings_get_places_beside_each_other(count):
    places, told = lay_out(np.full((count, 5), 0.3, np.float32))
    assert places.shape == (count, 2)
    assert len(np.unique(places, axis=0)) == count
    assert np.ptp(places, axis=0).max() < 0.03
    assert told.startswith("two principal components")


def test_two_equal_sounds_among_others_stay_together():
    rows = np.random.default_rng(0).standard_normal((12, 8)).astype(np.float32)
    rows[9] = rows[3]
    places, _ = lay_out(rows)
    distances = np.linalg.norm(places - places[3], axis=1)
    assert np.argsort(distances)[1] == 9
    assert 0 < distances[9] < 0.01 * np.ptp(places)
    assert np.array_equal(lay_out(rows)[0], places)


def test_without_umap_there_are_principal_components_and_it_is_said(monkeypatch):
    monkeypatch.setattr(layout.importlib.util, "find_spec", lambda name: None)
    _, told = lay_out(np.random.default_rng(0).standard_normal((40, 8)).astype(np.float32))
    assert told.endswith("for UMAP: pip install 'hear_cacophony[map]'")


def test_the_nearest_neighbours_are_those_of_all_distances(monkeypatch):
    rows = np.random.default_rng(0).standard_normal((40, 5)).astype(np.float32)
    rows[7] = rows[30]
    expected = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    for block in (7, 40, 100):
        monkeypatch.setattr(layout, "_BLOCK", block)
        indices, distances = layout.nearest_neighbours(rows, 6)
        assert indices[:, 0].tolist() == list(range(40))
        assert indices[7, 1] == 30
        np.testing.assert_allclose(distances, np.sort(expected, axis=1)[:, :6], atol=1e-2)
        np.testing.assert_allclose(np.take_along_axis(expected, indices, 1), distances, atol=1e-2)


@pytest.mark.repeats
def test_umap_puts_groups_apart_and_is_the_same_each_time():
    pytest.importorskip("umap", reason="the extra 'map' is not installed")
    generator = np.random.default_rng(0)
    centres = 10 * generator.standard_normal((3, 80))
    rows = (np.repeat(centres, 20, axis=0) + generator.standard_normal((60, 80))).astype(np.float32)
    places, told = lay_out(rows)
    assert told == "UMAP, 15 neighbours, seed 0"
    groups = places.reshape(3, 20, 2)
    within = max(float(np.linalg.norm(group - group.mean(axis=0), axis=1).max()) for group in groups)
    between = min(
        float(np.linalg.norm(a.mean(axis=0) - b.mean(axis=0)))
        for a, b in zip(groups, np.roll(groups, 1, 0), strict=True)
    )
    assert between > 2 * within
    assert np.array_equal(lay_out(rows)[0], places)


# Colours


def test_colours_by_folder_are_told_below_what_all_have_in_common():
    assert by_folder(["s/a/1.wav", "s/b/2.wav", "s/b/c/3.wav"]).values == ["a", "b", "b/c"]
    assert by_folder(["s/1.wav", "s/2.wav"]).values == [".", "."]
    assert by_folder(["1.wav", "/x/2.wav"]).values == [".", "/x"]
    assert by_folder(["one.wav"]).values == ["."]


def test_colours_by_a_column_know_files_by_path_end_name_or_stem():
    with open("t.csv", "w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerows(
            [["id", "filename", "kind"], [1, "b/1.wav", "dog"], [2, "2.wav", "rain"], [3, "three", "x, y"]]
        )
    pathlib.Path("two.csv").write_text("name,file,kind\nA,1.wav,dog\n")
    assert Table(pathlib.Path("two.csv"), "kind").colours(["1.wav"])[0].values == ["dog"]
    colours, missing = Table(pathlib.Path("t.csv"), "kind").colours(["/s/b/1.wav", "q/2.wav", "three.flac", "4.wav"])
    assert (colours.values, missing) == (["dog", "rain", "x, y", NOT_LISTED], 1)
    assert not colours.are_numbers
    pathlib.Path("n.csv").write_text("file,year\n" + "".join(f"{i}.wav,{i / 2}\n" for i in range(20)) + "20.wav,\n")
    colours, missing = Table(pathlib.Path("n.csv"), "year").colours([f"{i}.wav" for i in range(22)])
    assert colours.values == [*(i / 2 for i in range(20)), None, None]
    assert colours.are_numbers
    with pytest.raises(ValueError, match=r"expected a column 'no', there are file, year"):
        Table(pathlib.Path("n.csv"), "no")
    pathlib.Path("b.csv").write_bytes(b"\xff\xfe\x00")
    for name, said in (("b.csv", "expected UTF-8, got the byte 0xFF"), ("none.csv", "expected a CSV file in UTF-8")):
        with pytest.raises(ValueError, match=f"--table {name}: {said}"):
            Table(pathlib.Path(name), "a")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("file,kind\na.wav,dog\n\nb.wav,x\na.wav,cat", "t.csv, line 5: .* got 'cat' for a.wav, which is 'dog' above"),
        ("file,note,kind\na.wav,loud, near,dog", "t.csv, line 2: expected 3 columns, got more; put what holds a comma"),
        ("file,kind,kind\na.wav,dog,cat", "t.csv: expected each column once, found kind more often"),
        ('file,kind\na.wav,"dog\n', "t.csv, line 2: no CSV .*is a quote left open"),
    ],
)
def test_a_table_that_tells_two_things_is_refused(rows, message):
    pathlib.Path("t.csv").write_text(rows)
    with pytest.raises(ValueError, match=f"^--table {message}"):
        Table(pathlib.Path("t.csv"), "kind")


def test_a_table_may_name_a_file_twice_alike_and_have_columns_without_a_name():
    pathlib.Path("t.csv").write_text(",file,kind,,\n0,a.wav,dog,,\n1,a.wav,dog,,\n2,b.wav\n")
    colours, missing = Table(pathlib.Path("t.csv"), "kind").colours(["a.wav", "b.wav"])
    assert (colours.values, missing) == (["dog", ""], 0)


# Pages


def test_a_map_of_a_folder_has_each_sound_once(tmp_path, capsys):
    for folder, first in (("dogs", 0), ("rain", 5)):
        write_tones(pathlib.Path("sounds", folder), 3, first=first)
    for name in EVIL:
        shutil.copy("sounds/dogs/000.wav", f"sounds/{name}")
    pathlib.Path("sounds/bad.wav").write_text("no audio")
    assert main(["map", "sounds", "--model", "random-tiny", "--out", "m.html", "--errors", "e.csv"]) == 1
    printed = capsys.readouterr()
    assert "m.html: 11 sounds by two principal components" in printed.out
    assert "map: sounds/bad.wav: expected an audio file" in printed.err
    assert pathlib.Path("e.csv").read_text().splitlines()[1].startswith("sounds/bad.wav,")
    rows, traces = rows_of("m.html"), traces_of("m.html")
    assert sorted(row[0][0] for row in rows) == sorted(
        [*(f"sounds/{name}" for name in EVIL), *(sound for sound in map(str, pathlib.Path("sounds").glob("*/*.wav")))]
    )
    assert {trace["name"] for trace in traces} == {"dogs", "rain", "."}
    assert sorted(row for trace in traces for row in trace["customdata"]) == list(range(11))
    for trace in traces:
        assert {rows[row][1] for row in trace["customdata"]} == {trace["name"]}
        assert len(trace["x"]) == len(trace["y"]) == len(trace["customdata"])
    text = pathlib.Path("m.html").read_text()
    assert not {"img", "b"} & set(re.findall(r"<(\w+)", text))
    # What features has kept is not embedded again, and the page of a map is replaced by the next one.
    odd = os.fsdecode(b"no UTF-8 \xe9 #%?.html")
    assert main(["map", "sounds/rain/005.wav", "--model", "random-tiny", "--out", odd]) == 0
    assert capsys.readouterr().out.startswith("no UTF-8 \\xe9 #%?.html: 1 sounds by")
    assert pathlib.Path(odd).exists()
    assert main(["map", "sounds/rain/005.wav", "--model", "random-tiny", "--out", "m.html"]) == 0
    assert [row[0][0] for row in rows_of("m.html")] == ["sounds/rain/005.wav"]


def test_embeddings_that_are_not_finite_are_told_and_left_out(monkeypatch, capsys):
    write_tones(pathlib.Path("sounds"), 3)
    with open_embeddings(find_sounds(["sounds"]), identity(), "test") as found:
        rows = np.array([[1, 2], [np.nan, 0], [3, 5]], np.float32)
        found.compute(lambda: lambda clips, sounds: {"embeddings": rows[: len(clips)]}, "test")
    assert main(["map", "sounds", "--model", "random-tiny", "--out", "m.html"]) == 1
    assert "map: sounds/001.wav: expected a finite embedding, got NaN or infinity" in capsys.readouterr().err
    assert [row[0][0] for row in rows_of("m.html")] == ["sounds/000.wav", "sounds/002.wav"]


def identity() -> dict:
    """That of the embeddings of random-tiny."""
    from hear_cacophony.checkpoint.load import load_summary
    from hear_cacophony.commands.model_options import scene_identity

    return scene_identity(load_summary("random-tiny"), {})


def test_colours_by_label_are_those_of_classify(text_model, capsys):
    write_tones(pathlib.Path("sounds"), 5)
    assert main(["map", "sounds", "--labels", 'dog,"rain, heavy",speech', "--out", "m.html", *text_model]) == 0
    capsys.readouterr()
    assert (
        main(["classify", "sounds", "--labels", 'dog,"rain, heavy",speech', "--json", "--top", "1", *text_model]) == 0
    )
    best = json.loads(capsys.readouterr().out)["files"]
    assert {row[0][0]: row[1] for row in rows_of("m.html")} == {name: each[0]["label"] for name, each in best.items()}


PLUGIN = """
import numpy as np
import torch

class Model(torch.nn.Module):
    sample_rate = 22050
    scene_embedding_size = 3
    timestamp_embedding_size = 3

def load_model(path=""):
    return Model()

def get_scene_embeddings(audio, model):
    return torch.stack([torch.tensor([len(clip), 1.0, float(clip.abs().max())]) for clip in audio])

def get_timestamp_embeddings(audio, model):
    raise NotImplementedError
"""


def test_a_map_of_a_plugin_takes_its_sample_rate_and_keeps_what_it_gives(tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch", reason="the plugin needs torch")
    pathlib.Path("map_plugin.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    write_tones(pathlib.Path("sounds"), 2, seconds=0.5)
    write_tones(pathlib.Path("sounds"), 2, first=2, seconds=1)
    assert main(["map", "sounds", "--module", "map_plugin", "--out", "m.html"]) == 0
    files = list(pathlib.Path("cache/hear_cacophony/embeddings").glob("*/chunk-*.npz"))
    with np.load(files[0]) as kept:
        assert kept["embeddings"][:, 0].tolist() == [11_025, 11_025, 22_050, 22_050]
    assert len(rows_of("m.html")) == 4
    assert main(["map", "sounds", "--module", "map_plugin", "--out", "m.html", "--labels", "a,b"]) == 1
    assert "--labels and --tokenizer go with our own model" in capsys.readouterr().err
    sys.modules.pop("map_plugin", None)


def write_embedded(folder: pathlib.Path, kind: str = "scene") -> dict[str, np.ndarray]:
    """Write what `map` reads of an embedded task; the embeddings by clip."""
    folder.mkdir(parents=True)
    labels = {
        "train": {f"t{i}.wav": [("dog", "rain")[i % 2]] for i in range(7)},
        "test": {"a.wav": ["dog", "rain"], "b.wav": [], "<b>.wav": ["x"]},
    }
    metadata = {"splits": list(labels), "embedding_type": kind}
    (folder / "task_metadata.json").write_text(json.dumps(metadata))
    for split, clips in labels.items():
        (folder / f"{split}.json").write_text(json.dumps(clips))
    rows: dict[str, np.ndarray] = {}
    for split in read_splits(folder, metadata):
        values = np.random.default_rng(len(split.order)).standard_normal((len(split.order), 4)).astype(np.float32)
        values.tofile(folder / f"{split.name}.embeddings.npy")
        (folder / f"{split.name}.embedding-dimensions.json").write_text(json.dumps(values.shape))
        (folder / f"{split.name}.target-labels.pkl").write_bytes(pickle.dumps([[] for _ in values]))
        rows |= {f"{split.name}/{clip}": row for clip, row in zip(split.order, values, strict=True)}
    return rows


def test_a_map_of_an_embedded_task_has_its_clips_labels_and_audio(capsys):
    folder = pathlib.Path("embeddings/module/task")
    rows = write_embedded(folder)
    write_tones(pathlib.Path("tasks/task/16000/test"), 1)
    pathlib.Path("tasks/task/16000/test/000.wav").rename("tasks/task/16000/test/a.wav")
    assert main(["map", str(folder), "--tasks-dir", "tasks", "--out", "m.html"]) == 0
    assert "map: 9 clips have no audio in tasks, and do not play" in capsys.readouterr().err
    listed = {row[0][0]: row for row in rows_of("m.html")}
    assert listed.keys() == rows.keys()
    assert listed["test/a.wav"][0][1] == pathlib.Path("tasks/task/16000/test/a.wav").absolute().as_uri()
    told = ["train/t0.wav", "train/t1.wav", "test/a.wav", "test/b.wav", "test/<b>.wav"]
    assert [listed[name][1] for name in told] == ["dog", "rain", "several labels", "no label", "x"]
    expected = np.round(lay_out(np.stack(list(rows.values())))[0], 4)
    names = [row[0][0] for row in rows_of("m.html")]
    assert names == list(rows)
    for trace in traces_of("m.html"):
        places = np.stack([trace["x"], trace["y"]], axis=1)
        np.testing.assert_allclose(places, expected[trace["customdata"]], atol=1e-4)
    (folder / "test.embeddings.npy").write_bytes(b"cut")
    assert main(["map", str(folder), "--out", "m.html"]) == 1
    assert "test.embeddings.npy: expected the embeddings of a split" in capsys.readouterr().err


def test_a_map_of_an_event_task_has_its_events(monkeypatch, capsys):
    monkeypatch.setattr(layout, "NEIGHBOURS", 24)  # principal components: UMAP compiles for long
    folder = make_embeddings(pathlib.Path("embeddings/module/task"), (2, 1, 1), kind="event", labels=("a", "<b>", "c"))
    write_tones(pathlib.Path("tasks/task/16000/test"), 1, seconds=2)
    pathlib.Path("tasks/task/16000/test/000.wav").rename("tasks/task/16000/test/test-0.wav")
    assert main(["map", str(folder), "--tasks-dir", "tasks", "--out", "m.html"]) == 0
    events, means = [], []
    for split in ("train", "valid", "test"):
        frames = np.fromfile(folder / f"{split}.embeddings.npy", np.float32).reshape(-1, 12)
        for number, (clip, listed) in enumerate(json.loads((folder / f"{split}.json").read_text()).items()):
            for each in listed:
                first, last = round(each["start"] / HOP_MS), round(each["end"] / HOP_MS)
                events.append((f"{split}/{clip}", each))
                means.append(frames[FRAMES * number :][first : last + 1].mean(axis=0))
    rows = rows_of("m.html")
    assert len(rows) == len(events) == 24
    url = pathlib.Path("tasks/task/16000/test/test-0.wav").absolute().as_uri()
    for [[name, link], label], (clip, event) in zip(rows, events, strict=True):
        start, end = event["start"] / 1000, event["end"] / 1000
        assert (name, label) == (f"{clip}, {start:.2f} to {end:.2f} s", event["label"])
        assert link == (f"{url}#t={start:.3f},{end:.3f}" if clip == "test/test-0.wav" else "")
    places = np.round(lay_out(np.stack(means))[0], 4)
    drawn = {
        row: place for t in traces_of("m.html") for row, *place in zip(t["customdata"], t["x"], t["y"], strict=True)
    }
    np.testing.assert_allclose([drawn[i] for i in range(24)], places, atol=2e-4)
    monkeypatch.setattr(event_points, "MOST_EVENTS", 10)
    capsys.readouterr()
    assert main(["map", str(folder), "--out", "m.html"]) == 0
    assert "map: 10 of 24 events, at random" in capsys.readouterr().err
    assert {row[0][0] for row in rows_of("m.html")} < {row[0][0] for row in rows}
    (folder / "test.filename-timestamps.json").write_text("[]")
    assert main(["map", str(folder), "--out", "m.html"]) == 1
    assert "test.filename-timestamps.json: expected the time of each embedding" in capsys.readouterr().err


def test_an_event_between_two_frames_is_the_nearer_one(tmp_path):
    (tmp_path / "s.filename-timestamps.json").write_text(
        json.dumps([["s/a.wav", 0], ["s/a.wav", 100], ["s/b.wav", 40]])
    )
    frames = np.eye(3, dtype=np.float32)
    events = [Event("a.wav", "x", 60, 70), Event("b.wav", "x", 500, 600), Event("a.wav", "x", 0, 100)]
    expected = [frames[1], frames[2], (frames[0] + frames[1]) / 2]
    assert np.array_equal(event_embeddings(tmp_path, "s", frames, events), expected)
    with pytest.raises(ValueError, match=r"expected embeddings of c\.wav, which has events, found none"):
        event_embeddings(tmp_path, "s", frames, [Event("c.wav", "x", 0, 1)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sounds", "--out", "m.txt"], "expected the name of a page, which ends in .html"),
        (["sounds", "--out", "mine.html"], "exists, and is no page of hear-cacophony"),
        (["sounds", "--tasks-dir", "t"], "--tasks-dir goes with a task that is embedded"),
        (["sounds", "--labels", "dog"], "expected at least two labels"),
        (["sounds", "--table", "none.csv", "a"], "--table none.csv: expected a CSV file"),
        (["task", "--labels", "a,b"], "a task that is embedded is drawn by itself and by its labels"),
        (["task", "--tasks-dir", "none"], "none/task: no such task"),
        (["events"], "expected events with label, start and end"),
        (["damaged"], "damaged/task_metadata.json: expected"),
    ],
)
def test_impossible_maps_are_told_before_any_work(arguments, message, capsys):
    write_tones(pathlib.Path("sounds"), 1)
    write_embedded(pathlib.Path("task"))
    write_embedded(pathlib.Path("events"), "event")
    write_embedded(pathlib.Path("damaged"))
    pathlib.Path("damaged/task_metadata.json").write_text("[]")
    pathlib.Path("mine.html").write_text("mine")
    out = [] if "--out" in arguments else ["--out", "m.html"]
    assert main(["map", *arguments, *out]) == 1
    assert message in capsys.readouterr().err
    assert not pathlib.Path("cache/hear_cacophony/embeddings").exists()
    assert pathlib.Path("mine.html").read_text() == "mine"
    assert not pathlib.Path("m.html").exists()


@pytest.mark.browser
def test_odd_texts_on_a_map_stay_texts(tmp_path):
    from browser import open_browser

    with (tmp_path / "t.csv").open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        csv.writer(file).writerows([["file", ODD[0]], *([f"{i}.wav", text] for i, text in enumerate(ODD[:-1]))])
    colours, missing = Table(tmp_path / "t.csv", ODD[0]).colours([f"{i}.wav" for i in range(len(ODD))])
    assert (colours.values, missing) == ([*(text.strip() for text in ODD[:-1]), NOT_LISTED], 1)
    points = Points(ODD, [""] * len(ODD), np.zeros((len(ODD), 2), np.float32), {}, [(ODD[0], ODD[1])])
    write_map(tmp_path / "m.html", points, np.random.default_rng(0).random((len(ODD), 2)), colours, ODD[2], ODD)
    with open_browser() as browser:
        browser.resize(1280, 2400)
        browser.open(tmp_path / "m.html")
        browser.wait("return document.querySelectorAll('.legendtoggle').length")
        listed = browser.run("return [...document.querySelectorAll('tbody td.link')].map((each) => each.textContent)")
        assert listed == [as_text(text) for text in ODD]
        legend = browser.run("return [...document.querySelectorAll('.legendtext')].map((each) => each.textContent)")
        assert {"{{ 7 * 7 }} {% raw %}", "javascript:alert(1)", "none", "x" * 39 + "…"} <= set(legend)
        assert browser.run("return document.querySelectorAll('img, b, textarea, main style').length") == 0
        browser.run("document.querySelector('figure.plot').focus()")
        told = [
            f"{as_text(name)} ({value}): no audio" for name, value in zip(ODD[:-1], colours.values[:-1], strict=True)
        ]
        for key in ("\ue011", "\ue014", "\ue012", "\ue013"):
            browser.press(key)
            assert browser.run("return document.querySelector('.current').textContent") in told
        assert browser.errors() == []


@pytest.mark.browser
def test_a_map_in_a_browser(tmp_path):
    from browser import open_browser
    from selenium.webdriver.common.action_chains import ActionChains

    tones = write_tones(tmp_path / "sounds", 6)
    names = [*(f'{i} "<b>", é.wav' for i in range(5)), "gone.wav"]
    files = [
        str(pathlib.Path(tone).rename(tmp_path / "sounds" / name)) for tone, name in zip(tones, names, strict=True)
    ]
    pathlib.Path(files[-1]).unlink()
    places = np.array([[0, 0], [1, 0.1], [2, 0], [1, 1], [0, 2], [2, 2]], float)
    points = Points(names, files, places, {}, [])
    write_map(tmp_path / "m.html", points, places, Colours("kind", list("aabbcc")), "hand", [])
    with open_browser() as browser:
        browser.driver.execute_cdp_cmd(
            "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
        )
        browser.resize(1280, 1600)
        browser.open(tmp_path / "m.html")
        browser.wait("return hearPages.plots[0].data?.length === 4")
        told = "return document.querySelector('.current').textContent"
        audio = "document.querySelector('.map-tools audio')"
        assert browser.beyond_tab() == []
        assert browser.pale_texts() == []
        # By the keyboard: the nearest point to the right, above and so on, and it plays.
        browser.run("document.querySelector('figure.plot').focus()")
        keys = {"home": "\ue011", "left": "\ue012", "up": "\ue013", "right": "\ue014", "down": "\ue015"}
        for key, row in (("home", 0), ("right", 1), ("right", 2), ("left", 1), ("up", 3), ("down", 1)):
            browser.press(keys[key])
            assert browser.run(told) == f"{names[row]} ({'aabbcc'[row]})", key
        browser.wait(f"return {audio}.currentTime > 0.02")
        parts = "return [...document.querySelectorAll('.current bdi')].map((part) => part.textContent)"
        assert browser.run(parts) == [names[1], "a"], "neither turns what follows it"
        # An area by the keyboard, and zoom; the tools and the legend of the plot.
        shown = "const table = [...hearPages.tables.values()][0]; return table.chosen.map((i) => table.rows[i][0][0])"
        for key in (" ", keys["right"], keys["up"]):
            browser.press(key)
        assert browser.run("return hearPages.plots[0].layout.shapes.length") == 1
        browser.press(" ")
        corner = browser.run("const [ring] = hearPages.plots[0].data.slice(3); return [ring.x[0], ring.y[0]]")
        inside = [names[i] for i, (x, y) in enumerate(places) if 1 <= x <= corner[0] and 0.1 <= y <= corner[1]]
        assert browser.run(shown) == inside
        assert browser.run(told) == f"{len(inside)} points chosen; the list has them"
        assert browser.run("return hearPages.plots[0].layout.shapes.length") == 0
        browser.press("\ue00c")
        assert len(browser.run(shown)) == 6
        for dark, ink in ((True, "#ececec"), (False, "#1b1b1b")):
            browser.dark(dark)
            browser.wait(f"return hearPages.plots[0].data[3].marker.color === '{ink}'")
        width = "const [a, b] = hearPages.plots[0]._fullLayout.xaxis.range; return b - a"
        before = browser.run(width)
        browser.press("+")
        assert browser.run(width) == pytest.approx(0.8 * before, rel=0.05)
        browser.run("document.querySelector('.legendtoggle').focus()")
        browser.press("\ue007")
        browser.wait("return hearPages.plots[0].data[0].visible === 'legendonly'")
        browser.press("\ue007")
        browser.wait("return hearPages.plots[0].data[0].visible === true")
        browser.run("document.querySelector('.modebar-btn[data-title=\"Reset axes\"]').focus()")
        browser.press("\ue007")
        assert browser.run(width) == pytest.approx(before)
        # By pointing.
        place = "const plot = hearPages.plots[0], box = plot.querySelector('.nsewdrag').getBoundingClientRect(),"
        axes = " x = plot._fullLayout.xaxis, y = plot._fullLayout.yaxis;"
        at = f"{place}{axes} return [box.left + x.d2p(arguments[0]), box.top + y.d2p(arguments[1])]"

        def move(*stops, press=False):
            actions = ActionChains(browser.driver)
            pointer = actions.w3c_actions.pointer_action
            for number, stop in enumerate(stops):
                pointer.move_to_location(*(round(value) for value in browser.run(at, *stop)))
                if press and number == 0:
                    pointer.pointer_down()
            if press:
                pointer.pointer_up()
            actions.perform()

        move((1.5, 1.5), (0, 2))
        browser.wait(f"return ({told.removeprefix('return ')}).startsWith('4 ')")
        browser.wait(f"return {audio}.currentTime > 0.02 && {audio}.src.includes('4%20%22%3Cb%3E')")
        move((1.5, 1.5), (2, 2))
        browser.wait(f"return ({told.removeprefix('return ')}).includes('cannot be played')")
        # An area: its names are listed, and saved.
        browser.run("Plotly.relayout(hearPages.plots[0], {dragmode: 'select'})")
        move((0.5, -0.06), (2.2, 0.5), (2.2, 1.2), press=True)
        shown = "const table = [...hearPages.tables.values()][0]; return table.chosen.map((i) => table.rows[i][0][0])"
        browser.wait(f"return (() => {{ {shown} }})().length === 3")
        assert browser.run(shown) == names[1:4]
        browser.run(
            "[...document.querySelectorAll('.map-tools button')].find((b) => b.textContent.includes('CSV')).click()"
        )
        browser.wait(f"return ({told.removeprefix('return ')}) === '3 names saved as sounds.csv'")
        for _ in range(200):
            if (tmp_path / "sounds.csv").exists():
                break
            browser.run("return 1")
        with open(tmp_path / "sounds.csv", newline="", encoding="utf-8") as saved:
            assert list(csv.reader(saved)) == [["file", "kind"], *([names[i], "aabb"[i]] for i in (1, 2, 3))]
        browser.run(
            "[...document.querySelectorAll('.map-tools button')].find((b) => b.textContent === 'show all').click()"
        )
        assert len(browser.run(shown)) == 6
        errors = [each for each in browser.errors() if "gone.wav" not in each]
        assert errors == []
        assert [url for url in browser.requests() if not url.startswith(("file:", "data:", "blob:"))] == []
