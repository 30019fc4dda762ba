"""Whole training runs, small: what they learn, what they leave, and that an interruption changes nothing."""

from __future__ import annotations

import dataclasses
import functools
import gc
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import types

import numpy as np
import pytest
import soundfile
from repeats import first
from tokenizer_files import write_tokenizer

from hear_cacophony import load_audio_text_model, load_embedding_model
from hear_cacophony.checkpoint.decoder import restores_normalised
from hear_cacophony.checkpoint.read import read_checkpoint, summarize_checkpoint
from hear_cacophony.checkpoint.write import write_checkpoint
from hear_cacophony.files.lock import BusyError, locked_folder
from hear_cacophony.model.stages import AUDIOMAE, CACOPHONY, find_stage
from hear_cacophony.text.tokenizer import TOKENIZER_FILE, load_tokenizer
from hear_cacophony.training import metrics, progress, run
from hear_cacophony.training import result as training_result
from hear_cacophony.training import step as training_step
from hear_cacophony.training.batches import Batches, split_clips
from hear_cacophony.training.initial import drawn_parameters
from hear_cacophony.training.metrics import draw_losses, read_metrics
from hear_cacophony.training.objectives import make_objective
from hear_cacophony.training.options import TrainOptions
from hear_cacophony.training.pack import pack
from hear_cacophony.training.progress import TrainProgress
from hear_cacophony.training.record import RECORD, check_record, make_record
from hear_cacophony.training.run import Stopped, train
from hear_cacophony.training.shards import Clip, Shards
from hear_cacophony.training.sizes import SIZES, change_sizes
from hear_cacophony.training.sources import find_sources
from hear_cacophony.training.step import Mesh, make_optimizer, make_step
from hear_tasks.cli import main

KINDS = ("dog", "rain")
TINY = SIZES["tiny"]
SMALLEST = change_sizes(
    dataclasses.replace(TINY, text=dataclasses.replace(TINY.text, vocabulary_size=512)),
    width=32, layers=1, decoder_layers=1, text_layers=1,
)  # fmt: skip
SMALL = [
    "--size", "tiny", "--width", "32", "--layers", "1", "--decoder-layers", "1", "--text-layers", "1",
    "--steps", "60", "--batch", "8", "--learning-rate", "3e-3", "--warmup", "1", "--seconds", "1", "--patches", "24",
    "--held-out", "0.2",
]  # fmt: skip
SMALL_OF = {"audiomae": ["--restore", "20", "--no-normalise"], "cacophony": ["--tokens", "16"]}
"""What makes of the command the options of `options`."""


@pytest.fixture(scope="module", autouse=True)
def compiled_once_for_equal_options():
    """What runs of the same options compile is traced once. Nor is there a picture at each checkpoint, or a measured
    matrix rate, which is told alone.

    Commands in processes of their own do all of it.
    """

    @functools.cache
    def objective(options, devices):
        made = make_objective(options, devices)
        made.__dict__["measure"] = made.measure  # a method is another object, which jax traces, each time
        return made

    @functools.cache
    def step(options, devices):
        return make_step(objective(whole(options), devices), options, Mesh())

    @functools.cache
    def optimizer(options):
        return make_optimizer(options)

    def what_counts(options):
        other = {"decoder": SMALLEST.decoder} if options.of is CACOPHONY else {"text": SMALLEST.text}
        given = {"sizes": dataclasses.replace(options.sizes, **other), "mask_ratio": 0.5, "restore": 1, "tokens": 16}
        return dataclasses.replace(options, checkpoint_every=1, audio="", text="", start="", **given)

    def whole(options):
        return dataclasses.replace(options, accumulate=1)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(run, "make_objective", lambda options, devices: objective(whole(what_counts(options)), devices))
        patched.setattr(run, "make_step", lambda _, options, mesh: step(what_counts(options), mesh.devices))
        patched.setattr(training_step, "make_optimizer", lambda options: optimizer(whole(what_counts(options))))
        patched.setattr(progress, "measure_matrix_rate", lambda precision: 1e12)
        patched.setattr(metrics, "draw_losses", lambda rows, picture: picture.touch())
        yield


@pytest.fixture(scope="module")
def tokenizer_folder(tmp_path_factory):
    return write_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Tones ("dog") and noise ("rain") of several lengths, with captions."""
    folder = tmp_path_factory.mktemp("sounds")
    random = np.random.default_rng(0)
    rows = []
    for i in range(40):
        samples = int(random.uniform(4_000, 24_000))
        tone = np.sin(np.arange(samples) * random.uniform(0.2, 0.4))
        clip = 0.5 * tone if i % 2 == 0 else 0.3 * random.standard_normal(samples)
        soundfile.write(folder / f"{i:02d}.wav", np.clip(clip, -1, 1), 16_000)
        rows.append(
            {"file": f"{i:02d}.wav", "captions": [KINDS[i % 2], f"this is {KINDS[i % 2]}"], "synthetic": [0, 1]}
        )
    (folder / "captions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder / "captions.jsonl"


@pytest.fixture(scope="module")
def shards(sounds, tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed") / "shards"
    pack(find_sources([sounds]), folder)
    return Shards(folder)


@pytest.fixture(scope="module")
def tokenizer(tokenizer_folder):
    return load_tokenizer(tokenizer_folder, size=512)


def options(stage, **changes):
    """Those of a run that learns; others make its first steps alone, so that all share what is compiled."""
    basics = {
        "sizes": SMALLEST, "steps": 60, "batch": 8, "learning_rate": 3e-3, "warmup": 1, "seconds": 1.0, "patches": 24,
        "held_out": 0.2, "checkpoint_every": 3, **({"restore": 20} if stage == "audiomae" else {"tokens": 16}),
    }  # fmt: skip
    return TrainOptions(**{"stage": stage, **basics, **changes})


def start(given):
    return lambda: drawn_parameters(given.of, given.sizes, given.seed)


def train_some(given, shards, begin, out, **more):
    """Train to the sixth step, unless told otherwise."""
    return train(given, shards, begin, out, **{"stop_at": 6, **more})


def result(out, stage):
    file = out / find_stage(stage).release.file_name
    return [path.read_bytes() for path in (out / "metrics.csv", file, file.with_suffix(".safetensors"))]


STAGES = pytest.mark.parametrize("stage", ["audiomae", "cacophony"])


@pytest.mark.parametrize("stage", first(1, ["cacophony", "audiomae"]))
def test_a_run_learns_and_leaves_a_checkpoint_that_is_taken_like_the_published_one(
    stage, shards, tokenizer, tokenizer_folder, tmp_path, noise, capsys, monkeypatch
):
    monkeypatch.setattr(metrics, "draw_losses", draw_losses)
    given = options(stage, checkpoint_every=20)
    file = train(given, shards, start(given), tmp_path / "run", tokenizer=tokenizer)
    rows = read_metrics(tmp_path / "run/metrics.csv")
    assert [int(row["step"]) for row in rows] == list(range(1, 61))
    looked = [float(row["held_out_loss"]) for row in rows if row["held_out_loss"]]
    assert len(looked) == 3
    assert looked[-1] < 0.7 * float(rows[0]["loss"])
    assert (rows[-1]["patch_mean_loss"] > "0") is (stage == "audiomae")
    summary = summarize_checkpoint(file)
    assert (summary.stage.name, summary.config.hidden_size, summary.release) == (stage, 32, None)
    assert load_embedding_model(file.with_suffix(".safetensors")).embed_scenes([noise(8_000)]).shape == (1, 32)
    card = (tmp_path / "run/README.md").read_text()
    assert "It is not the published model." in card
    assert "| looked at of these | 8 of 8 clips, in batches of 8 |" in card
    assert f"| held-out loss | {rows[-1]['held_out_loss']} |" in card
    assert (tmp_path / "run/loss.png").stat().st_size > 1000
    assert list((tmp_path / "run/tensorboard").iterdir())
    assert main(["info", str(file)]) == 0
    assert "(not loaded)" in capsys.readouterr().out or stage == "cacophony"
    if stage == "cacophony":
        assert float(rows[-1]["recall_at_1"]) > 0.75
        model = load_audio_text_model(file, tokenizer=tokenizer_folder)
        tone = 0.5 * np.sin(0.3 * np.arange(12_000)).astype(np.float32)
        assert model.classify([tone], list(KINDS), template="{}").best()[0][0][0] == "dog"


@STAGES
@pytest.mark.parametrize("interrupted", first(1, [5, 3, 2]))
def test_a_run_that_was_interrupted_ends_with_the_same_bytes(
    stage, interrupted, shards, tokenizer, tmp_path, monkeypatch, undisturbed
):
    given = options(stage)
    from_step = Batches.from_step

    def fail(self, first):
        for step, batch in enumerate(from_step(self, first), first):
            if step == interrupted:
                raise RuntimeError("power is gone")
            yield batch

    with monkeypatch.context() as patched:
        patched.setattr(Batches, "from_step", fail)
        with pytest.raises(RuntimeError, match="power is gone"):
            train_some(given, shards, start(given), tmp_path / "run", tokenizer=tokenizer)
    train_some(given, shards, start(given), tmp_path / "run", tokenizer=tokenizer)
    assert result(tmp_path / "run", stage) == result(undisturbed(stage), stage)


@pytest.fixture(scope="module")
def undisturbed(shards, tokenizer, tmp_path_factory):
    """The folder of a run to the sixth step; a copy is as good as another one."""

    @functools.cache
    def of(stage):
        out = tmp_path_factory.mktemp("undisturbed") / "run"
        with_texts = {"tokenizer": tokenizer} if stage == "cacophony" else {}
        train_some(options(stage), shards, start(options(stage)), out, **with_texts)
        return out

    return of


def test_sigterm_saves_at_once_and_the_same_call_goes_on(shards, tmp_path, monkeypatch, undisturbed):
    given = options("audiomae")
    from_step = Batches.from_step

    def stop(self, first):
        for step, batch in enumerate(from_step(self, first), first):
            if step == 0:
                os.kill(os.getpid(), signal.SIGTERM)
            yield batch

    with monkeypatch.context() as patched:
        patched.setattr(Batches, "from_step", stop)
        with pytest.raises(Stopped, match="stopped after step 2 of 60, saved; the same command goes on"):
            train_some(given, shards, start(given), tmp_path / "run")
    assert os.listdir(tmp_path / "run/checkpoints") == ["2"]
    train_some(given, shards, start(given), tmp_path / "run")
    assert result(tmp_path / "run", "audiomae") == result(undisturbed("audiomae"), "audiomae")


def test_a_run_that_is_done_is_not_done_again(shards, tmp_path, undisturbed, monkeypatch):
    shutil.copytree(undisturbed("audiomae"), tmp_path / "run")
    monkeypatch.setattr(Batches, "load", lambda *_: pytest.fail("a batch was read"))
    train_some(options("audiomae"), shards, lambda: pytest.fail("begun anew"), tmp_path / "run")
    assert result(tmp_path / "run", "audiomae") == result(undisturbed("audiomae"), "audiomae")


def test_a_damaged_checkpoint_is_told_alone_and_without_it_the_run_goes_on_from_the_one_before(
    shards, tmp_path, undisturbed, capfd
):
    out = shutil.copytree(undisturbed("audiomae"), tmp_path / "run")
    for data in (out / "checkpoints/6/default").rglob("d/*"):
        data.write_bytes(data.read_bytes()[:1_000])
    with pytest.raises(ValueError, match=r"checkpoints/6: the checkpoint cannot be read .*; delete this folder"):
        train_some(options("audiomae"), shards, start(options("audiomae")), out)
    gc.collect()  # of reads that nobody waits for
    assert "Traceback" not in capfd.readouterr().err
    shutil.rmtree(out / "checkpoints/6")
    train_some(options("audiomae"), shards, start(options("audiomae")), out)
    assert result(out, "audiomae") == result(undisturbed("audiomae"), "audiomae")


def test_a_run_that_ends_early_leaves_the_checkpoint_of_that_step_and_goes_on_later(shards, tmp_path, undisturbed):
    given, out = options("audiomae"), tmp_path / "run"
    begun = read_checkpoint(train_some(given, shards, start(given), out, stop_at=0)).parameters
    drawn = start(given)()
    assert begun
    assert all(np.array_equal(array, drawn[path]) for path, array in begun.items())
    assert "| steps | 0 |" in (out / "README.md").read_text()
    assert not (out / "checkpoints").exists() or not os.listdir(out / "checkpoints")
    train_some(given, shards, start(given), out, stop_at=3)
    assert [row["step"] for row in read_metrics(out / "metrics.csv")] == ["1", "2", "3"]
    assert "| steps | 3 |" in (out / "README.md").read_text()
    with pytest.raises(ValueError, match="--stop-at 2: expected at least 3, the step that the run"):
        train_some(given, shards, start(given), out, stop_at=2)
    train_some(given, shards, start(given), out)
    assert result(out, "audiomae") == result(undisturbed("audiomae"), "audiomae")


def test_accumulated_parts_give_the_gradient_of_the_whole_batch(shards, tmp_path, undisturbed):
    given = options("audiomae", accumulate=4)
    train_some(given, shards, start(given), tmp_path / "run", stop_at=3)
    got, expected = (
        [float(row["loss"]) for row in read_metrics(out / "metrics.csv")]
        for out in (tmp_path / "run", undisturbed("audiomae"))
    )
    np.testing.assert_allclose(got, expected[:3], rtol=1e-5)


def times_1e30(state, metrics):
    return state._replace(parameters={path: 1e30 * x for path, x in state.parameters.items()}), metrics


def no_loss(state, metrics):
    return state, metrics._replace(loss=np.float32("nan"))


@pytest.mark.parametrize(
    ("at", "spoil", "told"),
    [
        (4, no_loss, r"step 4: the loss is nan and the norm of its gradient .*, the state of step 3 is kept; a lower"),
        (3, times_1e30, r"step 3: the loss of the held-out clips is (nan|inf), there is no checkpoint yet; a lower"),
    ],
)
def test_what_is_not_finite_stops_the_run_names_its_clips_and_keeps_the_last_state(
    at, spoil, told, shards, tmp_path, monkeypatch
):
    given, made = options("audiomae"), run.make_step

    def make(*of_run):
        step = made(*of_run)
        return lambda state, *others: (spoil if int(state.step) == at - 1 else lambda *both: both)(
            *step(state, *others)
        )

    monkeypatch.setattr(run, "make_step", make)
    with pytest.raises(ValueError, match=told + r" --learning-rate.*\d\d\.wav"):
        train_some(given, shards, start(given), tmp_path / "run")
    assert os.listdir(tmp_path / "run/checkpoints") == (["3"] if at == 4 else [])
    assert not (tmp_path / "run/AudioMAE.ckpt").exists()


def test_a_state_that_is_not_finite_is_not_saved_when_a_signal_comes(shards, tmp_path, monkeypatch):
    given, made, from_step = options("audiomae"), run.make_step, Batches.from_step

    def make(*of_run):
        step = made(*of_run)
        return lambda state, *others: (times_1e60 if int(state.step) == 1 else lambda *both: both)(
            *step(state, *others)
        )

    def times_1e60(state, metrics):
        return state._replace(parameters={path: 1e30 * (1e30 * x) for path, x in state.parameters.items()}), metrics

    def stop(self, first):
        for step, batch in enumerate(from_step(self, first), first):
            if step == 0:
                os.kill(os.getpid(), signal.SIGTERM)
            yield batch

    monkeypatch.setattr(run, "make_step", make)
    monkeypatch.setattr(Batches, "from_step", stop)
    with pytest.raises(ValueError, match=r"step 2: the largest parameter is (nan|inf), there is no checkpoint yet"):
        train_some(given, shards, start(given), tmp_path / "run")
    assert os.listdir(tmp_path / "run/checkpoints") == []


def test_files_of_a_run_that_are_lost_or_edited_are_told(shards, tmp_path, undisturbed, capsys):
    given, out = options("audiomae"), shutil.copytree(undisturbed("audiomae"), tmp_path / "run")
    rows = (out / "metrics.csv").read_text()
    (out / "metrics.csv").write_text("\ufeff" + rows, encoding="utf-8")  # as a spreadsheet saves it
    train_some(given, shards, start(given), out)
    assert (out / "metrics.csv").read_text() == rows
    assert "any more" not in capsys.readouterr().err
    (out / "metrics.csv").unlink()
    train_some(given, shards, start(given), out)
    assert "metrics.csv: 6 of the 6 steps that were made are not in it any more" in capsys.readouterr().err
    assert "| steps | 6 |" in (out / "README.md").read_text()
    for content, told in [
        (rows.partition("\n")[2], r"metrics\.csv: expected the columns step,loss,.*; was it edited"),
        (rows.replace("\n3,", "\nthree,"), r"metrics\.csv, line 4: expected a step and its figures .*; was it edited"),
    ]:
        (out / "metrics.csv").write_text(content)
        with pytest.raises(ValueError, match=told):
            train_some(given, shards, start(given), out)
    (out / "metrics.csv").write_text(rows)
    shutil.rmtree(out / "checkpoints")
    train_some(given, shards, start(given), out)
    assert "no checkpoint of the 6 steps that were made is there; beginning anew" in capsys.readouterr().err
    assert result(out, "audiomae") == result(undisturbed("audiomae"), "audiomae")


def test_a_run_that_never_began_leaves_its_folder_to_another(shards, tmp_path):
    def refuse():
        raise ValueError("nothing to start from")

    with pytest.raises(ValueError, match="nothing to start from"):
        train_some(options("audiomae", seed=1), shards, refuse, tmp_path / "run")
    given = options("audiomae")
    train_some(given, shards, start(given), tmp_path / "run", stop_at=0)
    assert json.loads((tmp_path / "run/run.json").read_text())["options"]["seed"] == 0
    with pytest.raises(ValueError, match="holds a run of other options: seed is 0 there, 1 was given"):
        train_some(options("audiomae", seed=1), shards, start(given), tmp_path / "run")


def test_captions_that_are_cut_are_told(shards, tokenizer, tmp_path, capsys):
    lengths = [
        len(ids) for text in (*KINDS, *(f"this is {kind}" for kind in KINDS)) for ids in tokenizer.encode([text], 99)
    ]
    given = options("cacophony", tokens=sorted(lengths)[-3])
    train_some(given, shards, start(given), tmp_path / "run", tokenizer=tokenizer, stop_at=0)
    cut = 20 * sum(length > given.tokens for length in lengths)
    told = (
        f"train: {cut} captions are cut at --tokens {given.tokens}, marks included; the longest one has {max(lengths)}"
    )
    assert cut > 0
    assert told in capsys.readouterr().err
    row = f"| captions cut at {given.tokens} tokens | {cut}, the longest of {max(lengths)} |"
    assert row in (tmp_path / "run/README.md").read_text()


def test_sounds_are_held_out_by_their_names_whatever_these_are():
    names = ["a.wav", "b.wav", "ü.wav", os.fsdecode(b"\xff.wav")]
    for order in (names, names[::-1]):
        split = split_clips([Clip(name, 0, 16_000, 0.5) for name in order], 0.5)
        assert {order[i] for i in split.held_out} == {"ü.wav", os.fsdecode(b"\xff.wav")}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch": 9}, r"--batch 9: expected a multiple of the 2 devices"),
        ({"batch": 64}, r"--batch 64: expected at most as many clips as there are for training, 32 \(8 are held out\)"),
        ({"batch": 8, "accumulate": 8}, r"expected a multiple of the 2 devices times --accumulate 8"),
        ({"mask_ratio": 0.01, "seconds": 0.16}, r"--mask-ratio 0.01: leaves none of the longest clip's 8 patches"),
        ({"held_out": 0.01}, r"1 clips are held out, 2 devices need at least one each; raise --held-out"),
    ],
)
def test_batches_that_cannot_be_made_are_refused_before_anything_is_written(changes, message, shards, tmp_path):
    given = options("audiomae", **changes)
    with pytest.raises(ValueError, match=message):
        train_some(given, shards, start(given), tmp_path / "run")
    assert not (tmp_path / "run/checkpoints/1").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": 0.0}, r"--learning-rate 0.0: expected a number above 0"),
        ({"learning_rate": float("nan")}, r"--learning-rate nan: expected a number above 0"),
        ({"warmup": 60}, r"--warmup 60: expected less than the 60 steps"),
        ({"mask_ratio": 1.0}, r"--mask-ratio 1.0: expected a share between 0 and 1"),
        ({"batch": 9, "accumulate": 2}, r"--batch 9: expected a multiple of --accumulate 2"),
        ({"audio": "x"}, r"--audio and --text are for stage 2"),
        ({"steps": 10**20}, r"--steps 100000000000000000000: expected at most 1,000,000,000"),
        ({"stage": "cacophony", "batch": 4, "accumulate": 4}, r"--accumulate 4: expected 2 clips or more in each part"),
        ({"seconds": 0.1}, r"--seconds 0.1: expected 0.16 to 120"),
        ({"precision": "float16"}, r"--precision float16: expected float32 or bfloat16"),
    ],
)
def test_impossible_options_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        options(**{"stage": "audiomae", **changes})


def test_a_folder_keeps_to_its_run(shards, sounds, tmp_path, undisturbed):
    given = options("audiomae")
    shutil.copytree(undisturbed("audiomae"), tmp_path / "run")
    with pytest.raises(ValueError, match="holds a run of other options: seed is 0 there, 1 was given"):
        train_some(dataclasses.replace(given, seed=1), shards, start(given), tmp_path / "run")
    pack(find_sources([sounds])[:30], tmp_path / "fewer")
    with pytest.raises(ValueError, match="holds a run of other options: the data are others"):
        train_some(given, Shards(tmp_path / "fewer"), start(given), tmp_path / "run")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/thesis.tex").touch()
    with pytest.raises(ValueError, match=r"expected a new or empty folder, or that of a run, found thesis\.tex"):
        train_some(given, shards, start(given), tmp_path / "other")
    with locked_folder(tmp_path / "run"), pytest.raises(BusyError):
        train_some(given, shards, start(given), tmp_path / "run")


def test_captions_with_half_a_character_are_told_before_the_first_step(shards, tokenizer, tmp_path):
    shutil.copytree(shards.folder, tmp_path / "shards")
    index = tmp_path / "shards/clips-00000.json"
    index.write_text(index.read_text().replace("this is dog", r"this is \ud83d", 1))
    given = options("cacophony")
    with pytest.raises(ValueError, match=r"shards: a caption of .*\.wav: expected whole characters, got the half one"):
        train_some(given, Shards(tmp_path / "shards"), start(given), tmp_path / "run", tokenizer=tokenizer)


def test_a_folder_keeps_to_its_tokenizer(shards, tokenizer, tokenizer_folder, tmp_path, capsys):
    given = options("cacophony")
    record = make_record(given, shards, tokenizer)
    check_record(tmp_path, record)
    copy = shutil.copytree(tokenizer_folder, tmp_path / "copy")
    check_record(tmp_path, make_record(given, shards, load_tokenizer(copy, size=512)))
    assert json.loads((tmp_path / RECORD).read_text()) == record
    assert not capsys.readouterr().err
    changed = copy / TOKENIZER_FILE
    changed.write_text(changed.read_text() + "\n")
    other = make_record(given, shards, load_tokenizer(copy, size=512))
    with pytest.raises(ValueError, match=rf"of other options: tokenizer is .* there, {changed}, of other content, was"):
        check_record(tmp_path, other)
    del record["tokenizer"]
    (tmp_path / RECORD).write_text(json.dumps(record))
    check_record(tmp_path, other)
    assert f"which noted no tokenizer; going on with {changed}, noted from now on" in capsys.readouterr().err
    assert json.loads((tmp_path / RECORD).read_text()) == other


@pytest.mark.parametrize("option", ["start", "audio", "text"])
def test_a_folder_keeps_to_what_it_started_from(option, shards, tmp_path, capsys):
    file, out = tmp_path / "weights", tmp_path / "run"
    out.mkdir()
    file.write_text("first")
    given = options("cacophony", **{option: str(file)})
    record = make_record(given, shards, None)
    assert record["starts"] == {option: hashlib.md5(b"first").hexdigest()}
    check_record(out, record)
    (out / "AudioMAE.ckpt").touch()  # the run began
    shutil.copyfile(file, tmp_path / "same")
    os.replace(tmp_path / "same", file)
    check_record(out, make_record(given, shards, None))
    file.write_text("other")
    other = make_record(given, shards, None)
    md5s = [each["starts"][option] for each in (record, other)]
    with pytest.raises(ValueError, match=f"--{option} is a file of MD5 {md5s[0]} there, {md5s[1]} was given"):
        check_record(out, other)
    file.unlink()
    check_record(out, make_record(given, shards, None))
    assert json.loads((out / RECORD).read_text()) == record
    assert not capsys.readouterr().err
    del record["starts"]
    (out / RECORD).write_text(json.dumps(record))
    check_record(out, other)
    assert "of an earlier version, which noted no content of what it started from" in capsys.readouterr().err
    assert json.loads((out / RECORD).read_text()) == other


def test_the_card_tells_the_content_of_what_was_started_from(shards, tmp_path):
    (tmp_path / "weights").write_text("first")
    given = options("audiomae", start=str(tmp_path / "weights"))
    train_some(given, shards, start(given), tmp_path / "run", stop_at=0)
    told = f"| start | {tmp_path}/weights (MD5 {hashlib.md5(b'first').hexdigest()}) |"
    assert told in (tmp_path / "run/README.md").read_text()


def test_what_was_changed_of_a_result_is_kept(shards, tmp_path, capsys):
    given, out = options("audiomae"), tmp_path / "run"
    train_some(given, shards, start(given), out, stop_at=0)
    names = ["AudioMAE.ckpt", "AudioMAE.safetensors", "README.md"]
    written = {name: (out / name).read_bytes() for name in names}
    for name in names:
        (out / name).write_text(f"my own {name}")
    train_some(given, shards, start(given), out, stop_at=0)
    told = capsys.readouterr().err
    for name in names:
        assert (out / name).read_text() == f"my own {name}"
        assert f"train: {out / name}: changed since it was written; left as it is\n" in told
    (out / "README.md").unlink()
    train_some(given, shards, start(given), out, stop_at=0)
    told = capsys.readouterr().err
    assert {name: (out / name).read_bytes() for name in names} == written
    assert (out / "AudioMAE-kept-1.ckpt").read_text() == "my own AudioMAE.ckpt"
    assert (
        f"{out}/AudioMAE.safetensors: changed since it was written, or not of this run; kept as AudioMAE-kept-1" in told
    )
    (out / "README.md").write_text("my own once more")
    train_some(given, shards, start(given), out, stop_at=1)
    assert "| steps | 1 |" in (out / "README.md").read_text()
    assert (out / "README-kept-1.md").read_text() == "my own once more"
    assert not (out / "AudioMAE-kept-2.ckpt").exists()


def test_a_result_that_a_kill_left_unfinished_is_none_of_the_users(shards, tmp_path, monkeypatch):
    given, out = options("audiomae"), tmp_path / "run"

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(training_result, "card", killed)
        with pytest.raises(KeyboardInterrupt):
            train_some(given, shards, start(given), out, stop_at=0)
    train_some(given, shards, start(given), out, stop_at=0)
    assert not list(out.glob("*-kept-*"))
    assert "| steps | 0 |" in (out / "README.md").read_text()


def test_a_folder_of_something_else_is_refused_before_anything_is_packed(sounds, tmp_path, capsys):
    (tmp_path / "mine.txt").touch()
    given = ["train", "audiomae", "--data", str(sounds), "--out", str(tmp_path), *SMALL, *SMALL_OF["audiomae"]]
    assert main(given) == 1
    assert "expected a new or empty folder, or that of a run, found mine.txt" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["mine.txt"]


def test_a_checkpoint_that_cannot_be_written_is_told_and_the_run_goes_on_later(
    shards, tmp_path, monkeypatch, undisturbed
):
    import orbax.checkpoint as ocp

    given = options("audiomae")
    save = ocp.CheckpointManager.save

    def full(self, step, **others):
        if step == 6:
            raise OSError(28, "No space left on device")
        return save(self, step, **others)

    with monkeypatch.context() as patched:
        patched.setattr(ocp.CheckpointManager, "save", full)
        with pytest.raises(OSError, match=r"the checkpoint of step 6, .*No space left on device.*is the disk full"):
            train_some(given, shards, start(given), tmp_path / "run")
    train_some(given, shards, start(given), tmp_path / "run")
    assert result(tmp_path / "run", "audiomae") == result(undisturbed("audiomae"), "audiomae")


def test_a_checkpoint_is_not_begun_where_there_is_no_room_for_it(shards, tmp_path, monkeypatch):
    given = options("audiomae")
    with monkeypatch.context() as patched:
        usage = types.SimpleNamespace(free=0)
        patched.setattr("hear_cacophony.training.checkpoints.shutil.disk_usage", lambda folder: usage)
        with pytest.raises(OSError, match=r"the checkpoint of step 3, .* MB are needed, 0.0 MB are free"):
            train_some(given, shards, start(given), tmp_path / "run")
    assert not list((tmp_path / "run/checkpoints").iterdir())


def test_stage_2_needs_a_caption_of_each_clip(shards, tokenizer, sounds, tmp_path):
    pack(find_sources([sounds.parent]), tmp_path / "bare")
    given = options("cacophony")
    with pytest.raises(ValueError, match="stage 2 needs a caption of each clip; 40 of 40 have none, such as"):
        train_some(given, Shards(tmp_path / "bare"), start(given), tmp_path / "run", tokenizer=tokenizer)


def test_the_last_few_checkpoints_are_kept(shards, tmp_path):
    given = options("audiomae", checkpoint_every=1)
    train_some(given, shards, start(given), tmp_path / "run", keep=2, stop_at=4)
    assert sorted(os.listdir(tmp_path / "run/checkpoints")) == ["3", "4"]


@pytest.mark.parametrize(
    ("before", "asked", "after"), [(True, [], True), (False, [], False), (True, ["--no-normalise"], False)]
)
def test_stage_1_goes_on_with_the_patches_that_a_checkpoint_was_trained_on(before, asked, after, shards, tmp_path):
    file, out = tmp_path / "begun.ckpt", tmp_path / "run"
    write_checkpoint(drawn_parameters(AUDIOMAE, SMALLEST, 0), file, normalised=before)
    more = ["--start", str(file), "--stop-at", "0", "--batch", "8", "--seconds", "1", *asked]
    assert main(["train", "audiomae", "--data", str(shards.folder), "--out", str(out), *more]) == 0
    assert json.loads((out / "run.json").read_text())["options"]["normalise"] is after
    assert restores_normalised(out / "AudioMAE.ckpt") is after


def test_both_commands_one_after_the_other_from_sounds(sounds, tokenizer_folder, tmp_path, capsys):
    shards, first_out, second_out = tmp_path / "one/shards", tmp_path / "one", tmp_path / "two"
    common = [*SMALL, "--stop-at", "4", "--checkpoint-every", "4"]
    given = ["train", "audiomae", "--data", str(sounds), "--out", str(first_out), *common, *SMALL_OF["audiomae"]]
    assert main(given) == 0
    assert f"{first_out}/AudioMAE.ckpt: stage 1, AudioMAE, after 4 of 60 steps" in capsys.readouterr().out
    common = ["train", "cacophony", "--data", str(shards), *common, *SMALL_OF["cacophony"]]
    tokenizer = ["--tokenizer", str(tokenizer_folder)]
    assert main([*common, "--out", str(second_out), "--audio", str(first_out / "AudioMAE.ckpt"), *tokenizer]) == 0
    summary = summarize_checkpoint(second_out / "Cacophony.ckpt")
    assert (summary.text_config.vocabulary_size, summary.text_config.num_layers) == (512, 1)
    on = [
        "train",
        "cacophony",
        "--data",
        str(shards),
        "--out",
        str(tmp_path / "three"),
        *SMALL[SMALL.index("--steps") :],
    ]
    on += [*SMALL_OF["cacophony"], "--stop-at", "1", "--start", str(second_out / "Cacophony.ckpt")]
    assert main([*on, *tokenizer]) == 0
    capsys.readouterr()
    assert main([*given, "--data", str(shards), str(shards)]) == 1
    assert f"--data: {shards} is packed, and goes alone; pack all sounds into one folder" in capsys.readouterr().err
    small = write_tokenizer(tmp_path / "other tokenizer", size=500)
    assert main([*on, "--tokenizer", str(small)]) == 1
    assert "expected a vocabulary of 512 entries" in capsys.readouterr().err


CODE = "import sys; from hear_tasks.cli import main; sys.exit(main(sys.argv[1:]))"


THRICE = {5: signal.SIGKILL, 10: signal.SIGTERM, 17: signal.SIGKILL}


@pytest.mark.slow
@pytest.mark.parametrize(
    "stage_and_ends", first(1, [("audiomae", {5: signal.SIGKILL}), ("audiomae", THRICE), ("cacophony", THRICE)])
)
def test_kills_at_any_moment_change_nothing(stage_and_ends, shards, tokenizer_folder, tmp_path):
    """Ended by a signal after some rows; each time somewhere in a step, a look at held-out clips or a checkpoint."""
    stage, ends = stage_and_ends
    given = ["train", stage, "--data", str(shards.folder), *SMALL, *SMALL_OF[stage], "--stop-at", "24"]
    given += ["--checkpoint-every", "6"] + (["--tokenizer", str(tokenizer_folder)] if stage == "cacophony" else [])
    assert main([*given, "--out", str(tmp_path / "whole")]) == 0
    killed = [sys.executable, "-c", CODE, *given, "--out", str(tmp_path / "killed")]
    for rows, number in ends.items():
        process = subprocess.Popen(killed, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        while process.poll() is None and len(read_metrics(tmp_path / "killed/metrics.csv")) < rows:
            time.sleep(0.01)
        process.send_signal(number)
        assert process.wait() == (75 if number == signal.SIGTERM else -number)
    assert main([*given, "--out", str(tmp_path / "killed")]) == 0
    assert result(tmp_path / "killed", stage) == result(tmp_path / "whole", stage)


def test_the_record_of_a_run_tells_what_stage_it_is(undisturbed):
    out = undisturbed("audiomae")
    record = json.loads((out / RECORD).read_text())
    assert record["options"]["stage"] == AUDIOMAE.name != CACOPHONY.name
    assert isinstance(record["options"]["sizes"]["encoder"], dict)
    assert (out / "lock").exists()


def test_what_is_not_known_yet_is_not_told_as_a_number():
    given = options("audiomae")
    told = TrainProgress(given, 0, None, None).line(1.0)
    assert told == f"train: step 0 of {given.steps}, loss and speed not yet known"


def test_the_progress_tells_what_is_known_of_held_out_clips():
    given = options("audiomae")
    objective = types.SimpleNamespace(products=lambda batch: 0.0)
    progress = TrainProgress(given, 0, objective, None)
    batch = types.SimpleNamespace(audio=np.zeros((4, 16_000)))
    for _ in range(2):
        progress.made(batch, 0.5, {"held_out_loss": 0.25, "patch_mean_loss": 0.125})
    assert "loss 0.5 (held out 0.25, each patch's mean 0.125), " in progress.line(1.0)


@pytest.mark.parametrize("mean", ["", "0.5"])
def test_the_picture_has_the_curves_that_are_known(mean, tmp_path, monkeypatch):
    import matplotlib.figure

    figures = []
    made = matplotlib.figure.Figure
    monkeypatch.setattr(matplotlib.figure, "Figure", lambda **how: figures.append(made(**how)) or figures[-1])
    rows = [{"step": str(i), "loss": "2", "held_out_loss": "", "patch_mean_loss": ""} for i in range(1, 251)]
    rows[-1] |= {"held_out_loss": "1", "patch_mean_loss": mean}
    draw_losses(rows, tmp_path / "loss.png")
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
    (axes,) = figures[0].axes
    curves = {line.get_label(): len(line.get_xdata()) for line in axes.lines}
    means = {metrics.PATCH_MEAN: 2} if mean else {}
    assert curves == {"training, mean of 3 steps": 84, "held out": 1} | means
