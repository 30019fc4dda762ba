"""`report` and `map` of three models that are not ours, of tasks of every kind, beside the files that they read."""

from __future__ import annotations

import json
import pathlib
import pickle
import sys

import hear_tasks_on_disk
import numpy as np
import pytest
import soundfile
from hear_tasks_on_disk import make_event_task, make_scene_task, make_tags_task
from test_map import rows_of
from test_report import cells_of, found_events, table

from hear_tasks.cli import main
from hear_tasks.embed import read_splits

PLUGIN = """
import torch
RATE, SCENE, TIMES, HOP = {numbers}
class Model(torch.nn.Module):
    sample_rate, scene_embedding_size, timestamp_embedding_size = RATE, SCENE, TIMES
def load_model(model_file_path=""):
    return Model()
def _spectra(audio, size, hop):
    count = max(1, audio.shape[1] // hop)
    length = min(hop, audio.shape[1])
    frames = torch.stack([audio[:, i * hop :][:, :length] for i in range(count)], 1)
    spectra = torch.fft.rfft(frames).abs()[:, :, : 4 * size]
    return torch.log(1e-3 + torch.nn.functional.adaptive_avg_pool1d(spectra, size))
def get_scene_embeddings(audio, model):
    return _spectra(audio, SCENE, RATE // 20).mean(1)
def get_timestamp_embeddings(audio, model):
    hop = RATE * HOP // 1000
    found = _spectra(audio, TIMES, hop)
    times = (torch.arange(found.shape[1]) + 0.5) * HOP
    return found, times.expand(len(audio), -1)
"""
PLUGINS = {"first_model": (16_000, 5, 7, 50), "second_model": (22_050, 9, 4, 20), "third_model": (32_000, 13, 6, 80)}
"""Sample rate, sizes of scene and timestamp embeddings, hop in milliseconds."""

LABELS = ("</script><script>alert(1)</script>", "{{7*7}} <img src=x onerror=alert(1)>", "javascript:alert(1)")


def add_rate(task: pathlib.Path, rate: int) -> None:
    """The audio of a task at another rate, of each sample the nearest one."""
    for file in sorted((task / "16000").glob("*/*")):
        samples, _ = soundfile.read(file)
        there = np.minimum(np.arange(len(samples) * rate // 16_000) * 16_000 // rate, len(samples) - 1)
        target = task / str(rate) / file.parent.name / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(target, samples[there], rate)


@pytest.fixture
def embedded(tmp_path, monkeypatch) -> pathlib.Path:
    """Three tasks with embeddings and scores of three plugins, in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(
        hear_tasks_on_disk, "PITCHES", dict(zip(LABELS, hear_tasks_on_disk.PITCHES.values(), strict=True))
    )
    tasks = tmp_path / "tasks"
    tasks.mkdir()
    made = [make_scene_task(tasks), make_tags_task(tasks), make_event_task(tasks)]
    for name, numbers in PLUGINS.items():
        pathlib.Path(f"{name}.py").write_text(PLUGIN.replace("{numbers}", repr(numbers)))
        for task in made:
            if numbers[0] != 16_000:
                add_rate(task, numbers[0])
        command = ["embed", "--module", name, "--tasks-dir", "tasks", "--embeddings-dir", "embeddings"]
        assert main(command) == 0
        assert main(["predict", f"embeddings/{name}", "--grid", "faster", "--grid-points", "1"]) == 0
        sys.modules.pop(name, None)
    return tmp_path


@pytest.mark.repeats
@pytest.mark.browser
@pytest.mark.filterwarnings("ignore")
def test_pages_of_three_models_that_are_not_ours(embedded):
    from browser import open_browser

    assert main(["report", "embeddings", "--tasks-dir", "tasks", "--out", "report"]) == 0
    for task in sorted(pathlib.Path("tasks").iterdir()):
        _check_scores(task.name)
        (_check_events if "events" in task.name else _check_clips)(task.name)
        for module in PLUGINS:
            _check_map(task.name, module)
    with open_browser() as browser:
        for page in [*pathlib.Path("report").glob("*.html"), *pathlib.Path().glob("map-*.html")]:
            browser.open(page)
            assert browser.errors() == [], page
            if page.parent.name == "report":
                assert browser.beyond_tab() == []
            assert [url for url in browser.requests() if not url.startswith(("file:", "data:", "blob:"))] == []
            assert (
                browser.run(
                    "return [...document.querySelectorAll('img')].filter((i) => i.complete && !i.naturalWidth).length"
                )
                == 0
            )


def _check_scores(task: str) -> None:
    """Scores of each tested split are those in the files."""
    _, rows = table(pathlib.Path("report"), task, "tested on")
    for module in PLUGINS:
        scores = json.loads(pathlib.Path("embeddings", module, task, "test.predicted-scores.json").read_text())
        tested = {
            name: values for name, values in scores.items() if isinstance(values, dict) and "test_score" in values
        }
        shown = {row[1]: row for row in rows if row[0] == module}
        assert tested.keys() <= shown.keys()
        for split, values in tested.items():
            assert shown[split][2] == pytest.approx(values["test_score"], abs=1e-6)


def _check_clips(task: str) -> None:
    """The probabilities of each clip are those that its model gave."""
    report, folder = pathlib.Path("report"), pathlib.Path("embeddings")
    heads, rows = table(report, task, "first_model: predicted")
    shown = {row[0]: dict(zip(heads, row, strict=True)) for row in rows}
    metadata = json.loads((pathlib.Path("tasks") / task / "task_metadata.json").read_text())
    count = 0
    for module in PLUGINS:
        splits = read_splits(folder / module / task, metadata)
        tested = [split for split in splits if split.name == "test" or split.name.startswith("fold")]
        for split in tested:
            with (folder / module / task / f"{split.name}.predictions.pkl").open("rb") as file:
                found = np.asarray(pickle.load(file)["prediction"])
            for clip, row in zip(split.order, found, strict=True):
                best = shown[f"{split.name}/{clip}"][f"{module}: predicted"]
                assert [label for label, _ in best] == np.argsort(-row, kind="stable")[: len(best)].tolist()
                assert [p for _, p in best] == pytest.approx(row[[label for label, _ in best]].tolist(), abs=1e-4)
                count += 1
    assert count == 3 * len(rows)
    columns = [about["columns"] for about, _ in cells_of(report, task).values()]
    assert any(column.get("labels") and set(column["labels"]) == set(LABELS) for each in columns for column in each)


def _check_events(task: str) -> None:
    """Events, predictions and F-measures of each clip and label are those of the files, and the score is of all."""
    report, folder = pathlib.Path("report"), pathlib.Path("embeddings")
    heads, labels = table(report, task, "first_model: score")
    modules = [head.removesuffix(": score") for head in heads if head.endswith(": score")]
    with_sounds = [
        rows
        for about, rows in cells_of(report, task).values()
        if {"sound", "events"} <= {column["title"] for column in about["columns"]}
    ]
    clips_of = dict(zip(modules, with_sounds, strict=True))
    assert clips_of.keys() == PLUGINS.keys()
    for module in PLUGINS:
        with (folder / module / task / "test.predictions.pkl").open("rb") as file:
            kept = pickle.load(file)
        scores = json.loads((folder / module / task / "test.predicted-scores.json").read_text())
        sides = kept["target_events"], kept["predicted_events"]

        def counts(clips, labels, sides=sides) -> np.ndarray:
            """Events that were found within 200 ms, that are there, and that were predicted."""
            starts = [
                [sorted(e["start"] for e in side[clip] if e["label"] == label) for side in sides]
                for clip in clips
                for label in labels
            ]
            return np.sum([(found_events(*pair, 200), *map(len, pair)) for pair in starts], axis=0)

        def f_measure(clips, labels, counts=counts):
            found, there, predicted = counts(clips, labels)
            return pytest.approx(2 * found / (there + predicted))

        clips = list(sides[0])
        assert scores["test"]["test_score"] == f_measure(clips, LABELS)
        assert sum(map(len, sides[1].values())), "something was predicted"
        for row in labels:
            shown = row[1], *row[heads.index(f"{module}: predicted") :][:2]
            assert shown == (*counts(clips, [row[0]])[1:], f_measure(clips, [row[0]]))
        rows = clips_of[module]
        assert {row[0] for row in rows} == {f"test/{clip}" for clip in clips}
        for name, sound, there, predicted, score in rows:
            clip = name.removeprefix("test/")
            assert (there, predicted, score) == (*counts([clip], LABELS)[1:], f_measure([clip], LABELS))
            drawn = [
                [(sound[3]["labels"][label], start, end) for label, start, end in sound[3][side]]
                for side in ("reference", "predicted")
            ]
            assert drawn == [
                [(e["label"], round(e["start"] / 1000, 3), round(e["end"] / 1000, 3)) for e in side[clip]]
                for side in sides
            ]


def _check_map(task: str, module: str) -> None:
    folder = pathlib.Path("embeddings", module, task)
    page = f"map-{module}-{task}.html"
    assert main(["map", str(folder), "--tasks-dir", "tasks", "--out", page]) == 0
    rows = rows_of(page)
    splits = json.loads((folder / "task_metadata.json").read_text())["splits"]
    listed = {
        f"{split}/{clip}": labels
        for split in splits
        for clip, labels in json.loads((folder / f"{split}.json").read_text()).items()
    }
    if "events" in task:
        assert len(rows) == sum(map(len, listed.values()))
        assert {row[1] for row in rows} == {event["label"] for events in listed.values() for event in events}
        assert all("#t=" in row[0][1] for row in rows)
    else:
        assert {row[0][0] for row in rows} == listed.keys()
        for (name, url), value in rows:
            assert value == (listed[name][0] if len(listed[name]) == 1 else "several labels")
            assert url.endswith(f"/tasks/{task}/16000/{name}")
