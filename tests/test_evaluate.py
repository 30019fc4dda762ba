"""Evaluations from a data set to a report, with a model that hears tones."""

from __future__ import annotations

import csv
import json
import os
import pathlib
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from evaluate_datasets import (
    ESC50_CLASSES,
    RATE,
    WORDS,
    ToneModel,
    write_audiocaps,
    write_clotho,
    write_esc50,
    write_tone,
    write_tut2017,
    write_vggsound,
)

from hear_cacophony.files.lock import locked_folder
from hear_cacophony.frontend.read_audio import read_audio
from hear_cacophony.sounds import chunks
from hear_tasks import cli
from hear_tasks.evaluate import captioning, run, zero_shot
from hear_tasks.evaluate.datasets import Evaluation, find_dataset
from hear_tasks.evaluate.protocols import choose_patches, is_longer, limits, read_published
from hear_tasks.evaluate.request import Request
from hear_tasks.evaluate.tables import LayoutError

ESC50_FOLDER = "tones-01234567/zero-shot-esc50-hear"


def evaluate(evaluation: str, name: str, data: pathlib.Path, model: ToneModel, tell=lambda message: None, **settings):
    """The report, and the folder of the results."""
    kind = Evaluation(evaluation)
    out = data.parent / "out"
    request = Request(kind, find_dataset(name, kind), data, "tones.ckpt", out, **settings)
    report = run.evaluate(request, load=lambda path, **options: model, tell=tell)
    return report, out / "tones-01234567" / request.folder_name


def read_json(folder: pathlib.Path):
    return json.loads((folder / "results.json").read_text())


def read_rows(file: pathlib.Path) -> list[list[str]]:
    with file.open(newline="") as lines:
        return list(csv.reader(lines))


@pytest.fixture
def esc50(tmp_path) -> pathlib.Path:
    return write_esc50(tmp_path / "esc50")


@pytest.fixture(autouse=True)
def confusion_written(request, monkeypatch) -> None:
    """Drawing takes longer than all else; one test looks at a picture."""

    def write(path, matrix, classes, title) -> None:
        path.write_text(f"{title}: {classes}, {matrix.tolist()}")

    if request.function is not test_zero_shot_scores_and_files:
        monkeypatch.setattr(zero_shot, "draw_confusion", write)


def test_zero_shot_scores_and_files(esc50):
    report, folder = evaluate("zero-shot", "esc50", esc50, ToneModel(ESC50_CLASSES))
    assert report.scored.scores["top1"] == pytest.approx(11 / 12)
    results = read_json(folder)
    assert results["scores"] == dict(report.scored.scores)
    assert results["per_class"]["sneezing"] == {
        "clips": 2,
        "top1": 0.5,
        "top5": results["per_class"]["sneezing"]["top5"],
    }
    assert results["per_class"]["dog"]["top1"] == 1
    assert results["clips"] == {
        "listed": 12, "used": 12, "missing": [], "unreadable": {}, "shortened": [], "seed_of_shortened": 0,
    }  # fmt: skip
    header, *confusion = read_rows(folder / "confusion.csv")
    assert header[1:] == sorted(ESC50_CLASSES)
    assert dict(zip(header[1:], next(row for row in confusion if row[0] == "sneezing")[1:], strict=True)) == {
        **dict.fromkeys(header[1:], "0"), "dog": "1", "sneezing": "1",
    }  # fmt: skip
    assert (folder / "confusion.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    wrong = [row for row in read_rows(folder / "predictions.csv")[1:] if row[1] != row[2]]
    assert [row[:3] for row in wrong] == [["2-100005-A-5.wav", "sneezing", "dog"]]
    assert read_rows(folder / "per_class.csv")[1] == ["clock_tick", "2", "1.0", "1.0"]


def test_an_evaluation_that_dies_leaves_no_results_of_an_earlier_one_beside_its_files(esc50):
    _, folder = evaluate("zero-shot", "esc50", esc50, ToneModel(ESC50_CLASSES))
    (folder / "confusion.png").unlink()
    (folder / "confusion.png").mkdir()
    with pytest.raises(OSError, match=r"confusion\.png"):
        evaluate("zero-shot", "esc50", esc50, ToneModel(ESC50_CLASSES))
    assert not (folder / "results.json").exists()


def test_scores_stand_beside_the_published_figures(esc50):
    report, folder = evaluate("zero-shot", "esc50", esc50, ToneModel(ESC50_CLASSES), protocol="published")
    top1 = report.scored.scores["top1"]
    assert [(each["published"], each["difference"]) for each in read_json(folder)["published"]] == [
        (0.934, pytest.approx(top1 - 0.934)),
        (0.925, pytest.approx(top1 - 0.925)),
    ]
    printed = report.as_text()
    assert "top1  0.9167      0.934     -0.0173  Cacophony README (JAX checkpoint)" in printed
    assert "ESC-50, zero-shot, protocol published, tones.ckpt (MD5 0123456789abcdef0123456789abcdef)" in printed
    assert "clips limited to 500 patches (10 s), texts to 77 tokens; no clip is longer" in printed


def test_other_protocol_and_missing_clips_are_said_beside_published_figures(tmp_path):
    model = ToneModel(["waterfall", "tweeting", "dog"])
    report, _ = evaluate("zero-shot", "vggsound", write_vggsound(tmp_path / "vgg"), model)
    assert report.scored.scores["top1"] == 1
    assert "(the published figures are of the published protocol; missing from ours: 1 of 4 clips)" in (
        report.as_text()
    )
    assert report.faults == []


def test_prompts_of_the_published_protocol(tmp_path):
    model = ToneModel(["on beach", "on cafe/restaurant"])
    report, folder = evaluate("zero-shot", "tut2017", write_tut2017(tmp_path / "tut"), model, protocol="published")
    assert report.scored.scores["top1"] == 1
    assert model.tokens == {77}
    assert read_json(folder)["templates"] == ["This is a sound on {}"]
    assert "top5 says nothing of 2 classes" in report.as_text()


def test_prompts_of_an_ensemble(esc50):
    """A prompt that says rain, too, makes dog and rain alike to the model; another one beside it mends that."""
    report, _ = evaluate("zero-shot", "esc50", esc50, ToneModel(ESC50_CLASSES), templates=("rain, {}",))
    assert report.scored.scores["top1"] == pytest.approx(7 / 12)
    prompts = ("rain, {}", "a {}")
    report, folder = evaluate("zero-shot", "esc50", esc50, ToneModel(ESC50_CLASSES), templates=prompts)
    assert report.scored.scores["top1"] == pytest.approx(11 / 12)
    assert read_json(folder)["templates"] == list(prompts)
    assert "prompt 'rain, {}' and 'a {}'" in report.as_text()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"templates": ("a sound",)}, "expected a prompt with {} for the class, got 'a sound'"),
        ({"templates": ("a \udcff {}",)}, "--template: expected whole characters, got the half one"),
        ({"templates": ("a {}", "a {}")}, "expected different prompts"),
        ({"templates": ("a {}",), "protocol": "published"}, "--template does not go with --protocol published"),
        ({"protocol": "haer"}, "unknown protocol 'haer'"),
        ({"beams": 1}, "--beams goes with captioning"),
        ({"seed": 0}, "--seed draws patches of longer clips under --protocol published"),
    ],
)
def test_settings_that_do_not_go_together(settings, message, esc50):
    with pytest.raises(ValueError, match=message):
        evaluate("zero-shot", "esc50", esc50, ToneModel(ESC50_CLASSES), **settings)


def test_a_place_that_cannot_be_written_is_told_before_any_work(esc50):
    (esc50.parent / "out").write_text("a file")
    with pytest.raises(OSError, match=r"--out .*out: expected a folder, or a place where one can be made: File exists"):
        evaluate("zero-shot", "esc50", esc50, None)


def test_unreadable_clips_are_named_and_left_out(esc50):
    clips = sorted((esc50 / "audio").iterdir())
    clips[0].write_bytes(clips[0].read_bytes()[:5000])
    clips[1].write_text("this is no sound")
    clips[2].write_bytes(b"")
    write_tone(clips[3], 0, seconds=0)
    clips[4].unlink()
    report, folder = evaluate("zero-shot", "esc50", esc50, ToneModel(ESC50_CLASSES))
    found = read_json(folder)["clips"]
    assert found["used"] == 7
    assert list(found["unreadable"]) == [str(clip) for clip in clips[:4]]
    assert "bytes by its header, got 5000" in found["unreadable"][str(clips[0])]
    assert (
        found["unreadable"][str(clips[3])]
        == "expected samples, the file holds none that can be read; was a recording interrupted?"
    )
    assert found["missing"] == [clips[4].name]
    assert len(report.faults) == 5
    assert report.faults[-1] == f"missing: {clips[4].name}"
    assert len(read_rows(folder / "predictions.csv")) == 8


def test_no_clip_can_be_read(esc50):
    for clip in (esc50 / "audio").iterdir():
        clip.write_text("this is no sound")
    with pytest.raises(
        ValueError, match=r"none of the 12 clips could be used; the first one, .*expected an audio file"
    ):
        evaluate("zero-shot", "esc50", esc50, ToneModel(ESC50_CLASSES))


def test_a_clip_that_the_model_refuses_takes_no_other_with_it(esc50):
    class Refusing(ToneModel):
        def embed_audio(self, clips, **settings):
            if any(len(clip) > RATE for clip in clips):
                raise ValueError("too long for the memory")
            return super().embed_audio(clips, **settings)

    write_tone(esc50 / "audio/1-100001-A-1.wav", 1, seconds=2)
    report, _ = evaluate("zero-shot", "esc50", esc50, Refusing(ESC50_CLASSES))
    assert report.faults == [f"unreadable: {esc50}/audio/1-100001-A-1.wav: too long for the memory"]
    assert report.used == 11


def test_an_interrupted_evaluation_goes_on(esc50, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_SOUNDS", 5)

    class Interrupted(ToneModel):
        def embed_audio(self, clips, **settings):
            if self.clips:
                raise KeyboardInterrupt
            return super().embed_audio(clips, **settings)

    with pytest.raises(KeyboardInterrupt):
        evaluate("zero-shot", "esc50", esc50, Interrupted(ESC50_CLASSES))
    model = ToneModel(ESC50_CLASSES)
    _, folder = evaluate("zero-shot", "esc50", esc50, model)
    assert model.clips == 7
    resumed = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    shutil.rmtree(folder.parent / "kept")
    model = ToneModel(ESC50_CLASSES)
    evaluate("zero-shot", "esc50", esc50, model)
    assert model.clips == 12
    assert resumed == {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def test_what_is_kept_belongs_to_content_weights_and_options(esc50, tmp_path):
    def count(data=esc50, **settings):
        model = ToneModel(ESC50_CLASSES)
        model.md5 = settings.pop("md5", model.md5)
        evaluate("zero-shot", "esc50", data, model, **settings)
        return model.clips

    assert count() == 12

    assert count() == 0
    assert count(templates=("a {}",)) == 0
    assert count(md5="0123456789abcdefffffffffffffffff") == 12
    assert count(options={"precision": "bfloat16"}) == 12
    assert count(protocol="published") == 12
    assert count(protocol="published", seed=1) == 12
    os.utime(esc50 / "audio/1-100000-A-0.wav", (0, 0))
    assert count() == 0
    other = shutil.copytree(esc50, tmp_path / "other")
    assert count(other) == 0
    clip, another = (other / "audio" / name for name in ("1-100000-A-0.wav", "1-100001-A-1.wav"))
    status = clip.stat()
    write_tone(clip, 7, rate=44_100, channels=2)
    os.utime(clip, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert clip.stat().st_size == status.st_size
    assert count(other) == 1, "a clip of equal name, size and time"
    assert "1-100000-A-0.wav" in [
        row[0] for row in read_rows(clip.parents[2] / "out" / ESC50_FOLDER / "predictions.csv")
    ]
    clip.write_bytes(another.read_bytes())
    assert count(other) == 0, "known by its content"


def test_evaluations_that_differ_lie_apart():
    def folder(evaluation="zero-shot", name="esc50", **settings):
        kind = Evaluation(evaluation)
        return Request(kind, find_dataset(name, kind), pathlib.Path(), "", pathlib.Path(), **settings).folder_name

    assert folder() == "zero-shot-esc50-hear"
    assert folder() == folder(
        templates=("This is a sound of {}",), options={"precision": "float32", "window_seconds": 30.0}, devices=[0]
    )
    assert folder(options={"window_seconds": 12.5}) == "zero-shot-esc50-hear-window-12.5"
    others = [
        folder(templates=("a {}",)),
        folder(templates=("a {}", "the {}")),
        *(folder(options={"precision": "bfloat16", **options}) for options in ({}, {"window_seconds": 20.0})),
        folder(options={"window_overlap_seconds": 8.0}),
        folder(protocol="published"),
        *(folder(protocol="published", seed=seed) for seed in (1, -1)),
        folder("captioning", "clotho"),
        *(folder("captioning", "clotho", beams=beams) for beams in (2, 3)),
    ]
    assert len({folder(), *others}) == 12


def test_what_is_replaced_is_told_with_its_data(esc50, tmp_path):
    told = []
    other = shutil.copytree(esc50, tmp_path / "other")
    for data in (esc50, other):
        evaluate("zero-shot", "esc50", data, ToneModel(ESC50_CLASSES), tell=told.append)
    assert told[1].endswith("zero-shot-esc50-hear: written")
    assert told[3].endswith(f"zero-shot-esc50-hear: replaced what was of {esc50}")


def test_names_of_files_are_printed_on_one_line(esc50):
    for name in (b"caf\xe9.wav", b"two\nlines.wav"):
        shutil.copy(esc50 / "audio/1-100000-A-0.wav", os.path.join(os.fsencode(esc50 / "audio"), name))
    report, _ = evaluate("zero-shot", "esc50", esc50, ToneModel(ESC50_CLASSES))
    assert r"sound files that the table lacks, left out: 2, such as caf\xe9.wav" in report.as_text().splitlines()
    for clip in (esc50 / "audio").glob("[12]*"):
        clip.unlink()
    with pytest.raises(LayoutError, match=r"there are 2 sound files, from caf\\xe9.wav to two\\nlines.wav"):
        evaluate("zero-shot", "esc50", esc50, ToneModel(ESC50_CLASSES))


def test_results_say_which_tokenizer_made_them(tmp_path, monkeypatch):
    scores = {"CIDEr-D": (1.0, [1.0] * 5)}  # of captions they are computed in tests/test_evaluate_captions.py
    monkeypatch.setattr(captioning, "_own_scores", lambda *_: (scores, {}))
    file = tmp_path / "tokenizer.json"
    model = ToneModel(WORDS)
    model.tokenizer.files = [file]
    data = write_clotho(tmp_path / "clotho")
    digests = []
    for text in ("first", "other"):
        file.write_text(text)
        report, folder = evaluate("captioning", "clotho", data, model)
        digests.append(read_json(folder)["tokenizer"][str(file)])
        assert f"tokenizer: {file}" in report.as_text()
        file.write_text("others")
        with pytest.raises(ValueError, match=r"hear: holds results with another tokenizer .*; choose another --out"):
            evaluate("captioning", "clotho", data, model)
        shutil.copytree(folder, tmp_path / text)
        (folder / "results.json").write_text('{"tokenizer": ["x"]}')
        with pytest.raises(ValueError, match=r"results.json: damaged: .* got \['x'\]; move it away"):
            evaluate("captioning", "clotho", data, model)
        shutil.rmtree(folder)
    assert digests[0] != digests[1]
    assert model.clips == 10, "what another tokenizer wrote is none of its captions"


def test_a_damaged_chunk_is_computed_again(esc50):
    model = ToneModel(ESC50_CLASSES)
    _, folder = evaluate("zero-shot", "esc50", esc50, model)
    chunk = next(folder.parent.glob("kept/*/chunk-*"))
    chunk.write_bytes(chunk.read_bytes()[:100])
    evaluate("zero-shot", "esc50", esc50, model)
    assert model.clips == 24


def test_a_second_process_waits_for_what_the_first_computes(esc50):
    _, folder = evaluate("zero-shot", "esc50", esc50, ToneModel(ESC50_CLASSES))
    (kept,) = (folder.parent / "kept").iterdir()
    waits = threading.Event()

    def tell(message):
        if "waiting" in message:
            waits.set()

    with ThreadPoolExecutor(1) as pool:
        with locked_folder(kept):
            second = pool.submit(evaluate, "zero-shot", "esc50", esc50, ToneModel(ESC50_CLASSES), tell=tell)
            while not waits.wait(0.05):
                assert not second.done()
        assert second.result()[0].used == 12


def test_what_failed_is_tried_again(esc50):
    class Failing(ToneModel):
        def embed_audio(self, clips, **settings):
            raise ValueError("too long for the memory")

    for _ in range(2):
        with pytest.raises(ValueError, match="too long for the memory"):
            evaluate("zero-shot", "esc50", esc50, Failing(ESC50_CLASSES))
    assert evaluate("zero-shot", "esc50", esc50, ToneModel(ESC50_CLASSES))[0].used == 12


def test_retrieval_both_ways(tmp_path):
    model = ToneModel(WORDS)
    report, folder = evaluate("retrieval", "clotho", write_clotho(tmp_path / "clotho"), model)
    scores = report.scored.scores
    assert len(scores) == 8
    assert scores["text-to-audio R@1"] == 1, "either clip of the shared caption is right"
    assert scores["audio-to-text R@5"] == 1
    results = read_json(folder)
    assert (results["captions"], results["equal_captions"]) == (25, 2)
    assert results["estimates"]["text-to-audio"]["R@1"]["interval95"] == [1, 1]
    assert "25 captions, 2 of them equal to another (never counted against their clips)" in report.as_text()
    assert len(results["published"]) == 12
    best = read_rows(folder / "text_to_audio.csv")
    assert best[25][:3] == ["a whistle sounds, 4", "Recording, whistle.wav", "Recording, whistle.wav"]


def test_published_retrieval_maps_equal_captions_to_one_clip(tmp_path):
    """The caption of horn and bell means the bell to the model, which is also the last clip that has it."""
    model = ToneModel(WORDS)
    data = write_clotho(tmp_path / "clotho", last_tone=2)
    report, _ = evaluate("retrieval", "clotho", data, model, protocol="published")
    assert report.scored.scores["text-to-audio R@1"] == pytest.approx(20 / 25), "the whistle sounds like a drum"
    assert model.tokens == {100}
    assert "(each mapped to one clip, as published)" in report.as_text()
    assert "clips limited to 1500 patches (30 s), texts to 100 tokens" in report.as_text()


def test_missing_clip_of_a_captions_file(tmp_path):
    data = write_clotho(tmp_path / "clotho")
    (data / "evaluation/Recording, drum.wav").unlink()
    report, folder = evaluate("retrieval", "clotho", data, ToneModel(WORDS))
    assert report.faults == ["missing: Recording, drum.wav"]
    assert read_json(folder)["captions"] == 20
    assert "clips: 4 of 5, 1 missing, 0 unreadable" in report.as_text()


def test_audiocaps_is_limited_to_10_seconds(tmp_path):
    data = write_audiocaps(tmp_path / "audiocaps")
    write_tone(data / "test/aaaaaaaaaa1.wav", 0, seconds=10.05)
    write_tone(data / "test/Ybbbbbbbbbb2.wav", 1, seconds=12)
    model = ToneModel(WORDS)
    report, folder = evaluate("retrieval", "audiocaps", data, model, protocol="published", seed=3)
    assert report.scored.scores["text-to-audio R@1"] == 1
    assert [patches is None for patches in model.patches] == [True, False, True, True]
    assert read_json(folder)["clips"]["shortened"] == ["bbbbbbbbbb2"]
    assert "longer clips: 1, of each of which a random subset of patches counts, sorted by time, drawn with seed 3" in (
        report.as_text()
    )
    assert report.faults == [], "missing clips are nobody's fault here"


def test_patches_that_count():
    for evaluation, name, patches, tokens in (
        ("zero-shot", "esc50", 500, 77),
        ("retrieval", "audiocaps", 500, 77),
        ("retrieval", "clotho", 1500, 100),
        ("captioning", "audiocaps", 1500, 100),
    ):
        kind = Evaluation(evaluation)
        found = limits("published", kind, find_dataset(name, kind))
        assert (found.patches, found.tokens) == (patches, tokens)
    assert choose_patches(RATE * 10, 500, 0, "a") is None, "62 steps of 8 patches are 496"
    assert not is_longer(RATE * 1000, None)
    chosen = choose_patches(RATE * 20, 500, 0, "a")
    assert chosen is not None
    assert len(set(chosen)) == 500
    assert (np.diff(chosen) > 0).all()
    assert 950 < chosen[-1] < 1000
    np.testing.assert_array_equal(chosen, choose_patches(RATE * 20, 500, 0, "a"))
    assert (chosen != choose_patches(RATE * 20, 500, 1, "a")).any()
    assert (chosen != choose_patches(RATE * 20, 500, 0, "b")).any()
    assert chosen[:5].tolist() == [0, 2, 3, 5, 9], "the same in every version of Python"


def test_published_resampling_is_that_of_the_fourier_domain(tmp_path):
    """A tone of whole periods comes out exactly; the length is rounded; channels are averaged."""
    import soundfile

    frames, rate = 44_101, 44_100
    wave = np.cos(2 * np.pi * 100 * np.arange(frames) / frames)
    soundfile.write(tmp_path / "a.wav", np.stack([wave, 0 * wave], axis=1), rate, subtype="FLOAT")
    found = read_published(tmp_path / "a.wav")
    assert found.dtype == np.float32
    assert len(found) == 16_000
    np.testing.assert_allclose(found, 0.5 * np.cos(2 * np.pi * 100 * np.arange(16_000) / 16_000), atol=1e-5)
    assert len(read_audio(tmp_path / "a.wav")) in (16_000, 16_001)


def test_command_reports_and_gives_a_status(esc50, tmp_path, monkeypatch, capsys):
    loaded = {}

    def load(path, **options):
        loaded.update(options, path=path)
        return ToneModel(ESC50_CLASSES)

    monkeypatch.setattr(run.evaluate, "__kwdefaults__", {**run.evaluate.__kwdefaults__, "load": load})
    command = ["evaluate", "zero-shot", "--dataset", "esc50", "--data", str(esc50), "--out", str(tmp_path / "out")]
    command += ["--model", "tones.ckpt", "--precision", "bfloat16", "--tokenizer", "words.json", "--devices", "0"]
    assert cli.main(command) == 0
    assert "top1  0.9167" in capsys.readouterr().out
    assert len(loaded.pop("devices")) == 1
    assert loaded == {
        "path": "tones.ckpt", "protocol": "hear", "precision": "bfloat16", "tokenizer": "words.json",
    }  # fmt: skip
    (esc50 / "audio/1-100000-A-0.wav").unlink()
    assert cli.main(command) == 1
    assert "evaluate: missing: 1-100000-A-0.wav" in capsys.readouterr().err
    assert cli.main([*command[:3], "clotho", *command[4:]]) == 1
    assert "hear-cacophony: clotho is not for zero-shot evaluation" in capsys.readouterr().err
    assert cli.main([*command, "--devices", "first"]) == 1
    assert "--devices: expected indices such as 0,1, got 'first'" in capsys.readouterr().err


def test_help_lists_the_layouts(capsys):
    with pytest.raises(SystemExit):
        cli.main(["evaluate", "zero-shot", "--help"])
    assert "esc50: meta/esc50.csv and audio/, as ESC-50 is distributed" in capsys.readouterr().out
