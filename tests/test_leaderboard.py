from __future__ import annotations

import csv
import io
import json
import pathlib
import re
import shutil
import statistics
import struct
import subprocess
import sys

import pytest

from hear_tasks.cli import main
from hear_tasks.leaderboard.formats import Text, format_leaderboard
from hear_tasks.leaderboard.models import Weights, read_models, read_weights
from hear_tasks.leaderboard.plot import draw_leaderboard
from hear_tasks.leaderboard.published import published_rows
from hear_tasks.leaderboard.table import readable_metric
from hear_tasks.registry import TASKS, find_tasks
from hear_tasks.task_folder import UNTRAINED

HEADER = (
    "Model,URL,Submission Date,Beehive,Beijing Opera,CREMA-D,DCASE 2016,ESC-50,FSD50K,GTZAN Genre,GTZAN Music/Speech,"
    "Gunshot,Libricount,Maestro 5h,Mridangam Stroke,Mridangam Tonic,NSynth Pitch 50h,NSynth Pitch 5h,"
    "Speech commands 5h,Speech commands full,Vocal Imitation,VoxLingua107 top 10"
)
OFFICIAL = {
    "batch_size": 1024,
    "check_val_every_n_epoch": 3,
    "dropout": 0.1,
    "embedding_norm": "<class 'torch.nn.modules.linear.Identity'>",
    "hidden_dim": 1024,
    "hidden_layers": 2,
    "hidden_norm": "<class 'torch.nn.modules.batchnorm.BatchNorm1d'>",
    "initialization": "<function xavier_normal_ at 0x7fc2024d3ec0>",
    "lr": 0.0032,
    "max_epochs": 500,
    "norm_after_activation": False,
    "optim": "<class 'torch.optim.adam.Adam'>",
    "patience": 20,
}
WRITTEN_BY_HEAREVAL = pathlib.Path(__file__).parent / "heareval_scores"
"""What heareval 2021.1.3 left of a tiny untrained model on two tasks, without the embeddings."""

ESC50, SPEECH, DCASE = "esc50-v2.0.0-full", "speech_commands-v0.0.2-5h", "dcase2016_task2-hear2021-full"
BEEHIVE = ("beehive_states_fold0-v2-full", "beehive_states_fold1-v2-full")


def scores_of(directory: str, values: float | list[float], hparams: dict | None = None) -> dict:
    """The scores file of a known task: one value, or one for each fold."""
    task = find_tasks(directory)[0]
    if hparams is None:
        hparams = {**OFFICIAL, "check_val_every_n_epoch": 10} if directory == DCASE else OFFICIAL
    values = values if isinstance(values, list) else [values] * len(task.tests)
    metric = f"test_{task.primary_score}"
    content: dict = {
        split: {"test_loss": 1.5, "test_score": value, metric: value, "test_d_prime": float("nan"), "epoch": 8}
        for split, value in zip(task.tests, values, strict=True)
    }
    if task.folds:
        content["aggregated_scores"] = {
            "test_score_mean": statistics.fmean(values),
            "test_score_std": statistics.stdev(values),
        }
    return {**content, "hparams": hparams, "postprocessing": [], "score_mode": "max", "embedding_path": directory}


def write_task(
    model: pathlib.Path, directory: str, content: dict | str, grid_points: int | None = 8, log: str | None = None
) -> pathlib.Path:
    folder = model / directory
    folder.mkdir(parents=True)
    text = content if isinstance(content, str) else json.dumps(content, indent=4)
    (folder / "test.predicted-scores.json").write_text(text)
    if grid_points is not None:
        (folder / "prediction-done.json").write_text(json.dumps({"time": 3.2, "grid_points": grid_points}))
    if log is not None:
        (folder / "prediction.log").write_text(log)
    return folder


def write_weights(folder: pathlib.Path, weights: Weights) -> None:
    """The note that `embed` leaves beside the embeddings."""
    (folder / "weights.json").write_text(
        json.dumps({"weights": weights.name, "md5": weights.md5, "module": weights.module})
    )


def log_of(directory: str, content: dict | None, points: list[dict], grid: str = "default") -> str:
    """What the prediction runner logs of one run; without content, of one that failed."""
    start = "predict - name - 2026-01-01 00:00:00,000 - 0 - "
    lines = [f"{start}Computing predictions for {directory}"]
    lines += [f"{start} result: {json.dumps([0.5, 8, point, []])}" for point in points]
    if content:
        lines += [
            f"{start}Final Test Results: {json.dumps(content)}",
            f"{start}DONE took 3.2 seconds to complete task_predictions(embedding_path={directory}, "
            f"grid_points={len(points)}, gpus=None, deterministic=True, grid={grid})",
        ]
    return "\n".join(lines) + "\n"


@pytest.fixture
def run(capsys):
    """Runs the command; gives exit status, standard output and standard error."""

    def run(*arguments) -> tuple[int, str, str]:
        status = main(["leaderboard", *map(str, arguments)])
        return status, *capsys.readouterr()

    return run


def csv_rows(text: str) -> dict[str, dict[str, str]]:
    return {row["Model"]: row for row in csv.DictReader(io.StringIO(text))}


def cells(text: str, label: str) -> list[str]:
    """What a text table holds behind a label."""
    lines = [line.removeprefix(label).split() for line in text.splitlines() if line.startswith(label)]
    assert len(lines) == 1, text
    return lines[0]


def test_csv_of_every_column_to_four_places(run, tmp_path):
    values = {task.directory: 0.31415926 + i / 40 for i, task in enumerate(TASKS)}
    for directory, value in values.items():
        write_task(tmp_path / "model", directory, scores_of(directory, value))
    status, out, err = run(tmp_path, "--csv")
    assert (status, err) == (0, "")
    assert out.splitlines()[0] == HEADER
    row = csv_rows(out)["model"]
    for task in TASKS:
        if task.column != "Beehive":
            assert float(row[task.column]) == pytest.approx(values[task.directory], abs=1e-6), task.column
    assert float(row["Beehive"]) == pytest.approx(sum(values[each] for each in BEEHIVE) / 2, abs=1e-6)
    assert (row["URL"], row["Submission Date"]) == ("", "")


def test_csv_is_blank_where_a_task_was_not_run(run, tmp_path):
    write_task(tmp_path / "a", SPEECH, scores_of(SPEECH, 0.25))
    write_task(tmp_path / "b", BEEHIVE[0], scores_of(BEEHIVE[0], 0.75))
    write_task(tmp_path / "b", ESC50, scores_of(ESC50, 0.5))
    status, out, err = run(tmp_path, "--csv")
    rows = csv_rows(out)
    assert {column: value for column, value in rows["a"].items() if value} == {
        "Model": "a",
        "Speech commands 5h": "0.250000",
    }
    assert {column: value for column, value in rows["b"].items() if value} == {"Model": "b", "ESC-50": "0.500000"}
    assert status == 1
    assert f"b: Beehive is left blank: it is the mean over 2 tasks, and {BEEHIVE[1]} has no score" in err
    assert f"a: not run on {BEEHIVE[0]}, {ESC50}" in err
    assert f"b: not run on {SPEECH}" in err


def test_folds_with_their_deviation_beside_a_single_test(run, tmp_path):
    folds = [0.70, 0.72, 0.74, 0.76, 0.78]  # standard deviation: 0.0316
    write_task(tmp_path / "model", ESC50, scores_of(ESC50, folds))
    write_task(tmp_path / "model", SPEECH, scores_of(SPEECH, 0.12345))
    status, out, _ = run(tmp_path)
    assert status == 0
    assert cells(out, "ESC-50") == ["accuracy", "0.020", "0.740", "±", "0.032"]
    assert cells(out, "Speech commands 5h") == ["accuracy", "0.083", "0.123"]
    assert "*" not in out
    assert "not recorded" not in out


@pytest.mark.parametrize(
    ("directory", "change", "grid_points", "remark"),
    [
        (ESC50, {"hidden_dim": 64}, 8, "hidden_dim 64 (official: 1024)"),
        (ESC50, {"hidden_layers": 0}, 8, "hidden_layers 0 (official: 1 or 2)"),
        (ESC50, {"max_epochs": 50}, 8, "max_epochs 50 (official: 500)"),
        (ESC50, {"patience": 3}, 8, "patience 3 (official: 20)"),
        (ESC50, {"batch_size": 256}, 8, "batch_size 256 (official: 1024)"),
        (ESC50, {"lr": 0.01}, 8, "lr 0.01 (official: 0.0032 or 0.001 or 0.00032 or 0.0001)"),
        (ESC50, {"hidden_norm": "<class 'torch.nn.LayerNorm'>"}, 8, "hidden_norm LayerNorm (official: BatchNorm1d)"),
        (ESC50, {"warmup": 5}, 8, "warmup 5 (official: none)"),
        (ESC50, {}, 4, "grid points 4 (official: 8)"),
        (ESC50, None, 8, "hyperparameters not recorded"),
        (DCASE, {}, 8, "check_val_every_n_epoch 3 (official: 10)"),
        ("maestro-v3.0.0-5h", {"max_epochs": 50}, 8, "check_val_every_n_epoch 3 (official: 1)"),
    ],
)
def test_another_grid_is_marked_and_kept_out_of_the_csv(run, tmp_path, directory, change, grid_points, remark):
    content = scores_of(directory, 0.875, None if change is None else {**OFFICIAL, **change})
    if change is None:
        del content["hparams"]
    write_task(tmp_path / "model", directory, content, grid_points)
    column = find_tasks(directory)[0].column
    _, out, _ = run(tmp_path)
    assert cells(out, column)[-1] in ("0.875*a", "0.000*a")
    assert f"*a not as the official leaderboard asks: {remark} [model]" in out
    status, out, err = run(tmp_path, "--csv")
    assert (status, out) == (0, HEADER + "\n")
    assert f"left out of the CSV: {remark} [model]" in err
    _, out, err = run(tmp_path, "--csv", "--unofficial")
    assert csv_rows(out)[f"model (unofficial: {remark})"][column] == "0.875000"
    assert err == ""


def test_independent_seeds_are_marked_and_kept_out_of_the_csv(run, tmp_path):
    write_task(tmp_path / "model", ESC50, {**scores_of(ESC50, 0.875), "seeds": "independent"})
    column = find_tasks(ESC50)[0].column
    _, out, _ = run(tmp_path)
    assert cells(out, column)[-1] == "0.000*a"
    remark = "seeds independent (official: those of heareval)"
    assert f"*a not as the official leaderboard asks: {remark} [model]" in out
    status, out, err = run(tmp_path, "--csv")
    assert (status, out) == (0, HEADER + "\n")
    assert f"left out of the CSV: {remark} [model]" in err
    status, out, err = run(tmp_path, "--csv", "--unofficial")
    assert (status, err) == (0, "")
    assert csv_rows(out)[f"model (unofficial: {remark})"][column] == "0.875000"


def test_each_kind_of_reservation_has_its_letter_in_every_table(run, tmp_path):
    (published,) = (row for row in published_rows() if row.model == "Cacophony (stage 2)")
    ours = Weights("Cacophony.ckpt", published.md5, published.module)
    for name, weights in (("ours", ours), ("theirs", Weights(UNTRAINED, "", "hear_cacophony.audiomae"))):
        write_task(tmp_path / name, ESC50, {**scores_of(ESC50, 0.875), "seeds": "independent"})
        write_task(tmp_path / name, SPEECH, scores_of(SPEECH, 0.5), grid_points=3)
        write_weights(tmp_path / name, weights)
    write_task(tmp_path / "ours", "gunshot_triangulation-v1.0-full", scores_of("gunshot_triangulation-v1.0-full", 0.75))
    seeds, points = "seeds independent (official: those of heareval)", "grid points 3 (official: 8)"
    legend = [
        f"*a not as the official leaderboard asks: {seeds} [ours: ESC-50]",
        f"*b not as the official leaderboard asks: untrained weights; {seeds} [theirs: ESC-50]",
        f"*c not as the official leaderboard asks: {points} [ours: Speech commands 5h]",
        f"*d not as the official leaderboard asks: untrained weights; {points} [theirs: Speech commands 5h]",
    ]
    _, out, _ = run(tmp_path, "--published", "--published-table")
    assert [line for line in out.splitlines() if line.startswith("*")] == legend
    marks = {label: re.findall(rf"{label} .*", out) for label in ("ESC-50", "Speech commands 5h")}
    assert [re.findall(r"\*\w", line) for line in marks["ESC-50"]] == [["*a", "*b"], ["*a"], ["*b"], ["*b", "*a"]]
    assert re.findall(r"\*\w", marks["Speech commands 5h"][0]) == ["*c", "*d"]
    _, out, err = run(tmp_path, "--csv", "--unofficial")
    assert err.splitlines() == ["leaderboard: theirs: not run on gunshot_triangulation-v1.0-full"]
    assert list(csv_rows(out)) == [
        f"ours (unofficial: ESC-50: {seeds}; Speech commands 5h: {points})",
        f"theirs (unofficial: ESC-50: untrained weights; {seeds}; Speech commands 5h: untrained weights; {points})",
    ]


@pytest.mark.parametrize(
    ("directory", "change"),
    [
        (DCASE, {"check_val_every_n_epoch": 10}),
        ("maestro-v3.0.0-5h", {}),
        ("maestro-v3.0.0-5h", {"max_epochs": 50, "check_val_every_n_epoch": 1}),
        (ESC50, {"lr": 0.0001, "hidden_layers": 1, "initialization": "<function xavier_uniform_ at 0x1>"}),
    ],
)
def test_the_official_grid_of_each_task(run, tmp_path, directory, change):
    write_task(tmp_path / "model", directory, scores_of(directory, 0.5, {**OFFICIAL, **change}))
    _, out, _ = run(tmp_path, "--csv")
    assert csv_rows(out)["model"][find_tasks(directory)[0].column] == "0.500000"


def test_only_the_scores_files_of_another_plugin(run, tmp_path):
    hparams = {name: value for name, value in OFFICIAL.items() if name != "optim"}
    write_task(tmp_path / "openl3.hear-size=512", ESC50, scores_of(ESC50, 0.5, hparams), grid_points=None)
    status, out, err = run(tmp_path)
    assert (status, err) == (0, "")
    assert cells(out, "ESC-50")[2:] == ["0.500", "±", "0.000"]
    assert "not recorded: optim; grid points [openl3.hear-size=512]" in out
    _, out, _ = run(tmp_path / "openl3.hear-size=512", "--csv")
    assert csv_rows(out)["openl3.hear-size=512"]["ESC-50"] == "0.500000"


def test_untrained_weights_are_marked_and_kept_out_of_the_csv(run, tmp_path):
    write_task(tmp_path / "model", ESC50, scores_of(ESC50, 0.5))
    write_weights(tmp_path / "model", Weights(UNTRAINED))
    _, out, _ = run(tmp_path)
    assert "(untrained)" in out
    assert "0.500 ± 0.000*a" in out
    _, out, err = run(tmp_path, "--csv")
    assert (out, err) == (HEADER + "\n", "leaderboard: left out of the CSV: untrained weights [model]\n")


@pytest.mark.parametrize("note", ['{"weights": "untr', "[]", "{}", '{"weights": "a.ckpt", "md5": 5}'])
def test_weights_that_are_not_to_be_known_are_no_reason_to_trust_a_score(run, tmp_path, note):
    write_task(tmp_path / "model", ESC50, scores_of(ESC50, 0.5))
    (tmp_path / "model" / "weights.json").write_text(note)
    status, out, err = run(tmp_path, "--csv")
    assert (status, out) == (1, HEADER + "\n")
    assert f"{tmp_path / 'model' / 'weights.json'}: " in err
    assert "left out of the CSV: weights unknown [model]" in err


def test_weights_note(tmp_path):
    assert read_weights(tmp_path) == Weights()
    write_weights(tmp_path, Weights("Cacophony.ckpt", "bb6a"))
    assert read_weights(tmp_path) == Weights("Cacophony.ckpt", "bb6a")


def test_what_heareval_itself_wrote(run):
    status, out, err = run(WRITTEN_BY_HEAREVAL)
    assert (status, err) == (0, "")
    assert cells(out, "test_pitch-v1-full") == ["accuracy", "0.333", "0.333", "±", "0.083*a"]
    assert cells(out, "test_events-v1-full") == ["onset", "F1,", "200", "ms", "0.000*a"]
    remark = (
        "check_val_every_n_epoch 1 (official: 3); hidden_dim 64 (official: 1024); max_epochs 10 (official: 500); "
        "patience 3 (official: 20); grid points 1 (official: 8); grid faster (official: default) [tiny]"
    )
    assert f"*a not as the official leaderboard asks: {remark}" in out
    assert "not recorded" not in out
    status, out, err = run(WRITTEN_BY_HEAREVAL, "--csv", "--unofficial")
    assert (status, out) == (0, HEADER + "\n")
    assert "no column of the official leaderboard [tiny]" in err


def test_the_log_tells_of_grid_points_that_were_not_best(run, tmp_path):
    content = scores_of(ESC50, 0.5)
    points = [OFFICIAL, {**OFFICIAL, "hidden_dim": 64}, {**OFFICIAL, "hidden_dim": 128}]
    log = log_of(ESC50, content, points, "faster")
    write_task(tmp_path / "model", ESC50, content, grid_points=None, log=log)
    _, out, _ = run(tmp_path)
    assert "hidden_dim 64 and 128 (official: 1024); grid points 3 (official: 8); grid faster (official: default)" in out


def test_a_log_that_holds_the_runs_of_another_directory_too(run, tmp_path):
    five, fifty = "nsynth_pitch-v2.2.3-5h", "nsynth_pitch-v2.2.3-50h"
    first, second = scores_of(five, 0.25), scores_of(fifty, 0.75)
    log = log_of(five, first, [OFFICIAL] * 8) + log_of(fifty, second, [{**OFFICIAL, "hidden_dim": 64}] * 2, "faster")
    write_task(tmp_path / "model", five, first, grid_points=None, log=log)
    write_task(tmp_path / "model", fifty, second, grid_points=2, log=log_of(fifty, None, []))
    _, out, _ = run(tmp_path, "--csv")
    row = csv_rows(out)["model"]
    assert (row["NSynth Pitch 5h"], row["NSynth Pitch 50h"]) == ("0.250000", "")


def aggregated(value: float | None, key: str = "test_score_mean") -> str:
    content = scores_of(ESC50, 0.625)
    content["aggregated_scores"][key] = value
    return json.dumps(content)


def with_fold(value: float) -> str:
    """Folds as heareval averages them, which leaves out one that is no number."""
    content = scores_of(ESC50, 0.625)
    content["fold03"]["test_score"] = value
    return json.dumps(content)


WHOLE = json.dumps(scores_of(ESC50, 0.625), indent=4)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (WHOLE[: len(WHOLE) // 2], "damaged or half-written"),
        ("", "damaged or half-written"),
        ("[" * 100_000, "damaged or half-written"),
        ('[{"test_score": 0.625}]', "expected a JSON object, got list"),
        ("{}", "got 0 splits"),
        (aggregated(None), "test_score_mean: expected a number, got None"),
        (aggregated(0.75), "test_score_mean 0.75 is not the mean of its 5 folds, 0.625"),
        (aggregated(0.125, "test_score_std"), "test_score_std 0.125 is not the standard deviation of its 5 folds, 0;"),
        (aggregated(10**400), "test_score_mean is inf: the task failed"),
        (aggregated(float("nan")), "test_score_mean is nan: the task failed"),
        (with_fold(float("nan")), "fold03: test_score is nan: the task failed"),
        (with_fold(62.5), "expected a fraction from 0 to 1, got 62.5; is it a percentage?"),
        (json.dumps({"fold00": {"test_score": 0.625}, "fold01": {"test_score": 0.5}}), "got 2 splits"),
        (json.dumps({**scores_of(ESC50, 0.625), "aggregated_scores": 0.625}), "expected a JSON object, got 0.625"),
    ],
)
def test_a_scores_file_that_is_not_whole_is_named_and_does_not_count(run, tmp_path, text, reason):
    folder = write_task(tmp_path / "model", ESC50, text)
    write_task(tmp_path / "model", SPEECH, scores_of(SPEECH, 0.25))
    status, out, err = run(tmp_path, "--csv", "--unofficial")
    row = csv_rows(out)["model"]
    assert (status, row["ESC-50"], row["Speech commands 5h"]) == (1, "", "0.250000")
    assert f"{folder / 'test.predicted-scores.json'}: " in err
    assert reason in err
    _, out, _ = run(tmp_path)
    assert "ESC-50" not in out


def test_half_of_beehive_is_not_its_mean(run, tmp_path):
    write_task(tmp_path / "model", BEEHIVE[0], scores_of(BEEHIVE[0], 0.9))
    folder = write_task(tmp_path / "model", BEEHIVE[1], '{"test": {"test_sc')
    write_task(tmp_path / "model", ESC50, scores_of(ESC50, 0.5))
    status, out, err = run(tmp_path, "--csv")
    assert (status, csv_rows(out)["model"]["Beehive"]) == (1, "")
    assert f"{folder / 'test.predicted-scores.json'}: damaged or half-written" in err
    assert "model: Beehive is left blank" in err


def test_a_failed_event_task_hints_at_its_timestamps(run, tmp_path):
    write_task(tmp_path / "model", DCASE, scores_of(DCASE, float("nan")))
    status, out, err = run(tmp_path)
    assert (status, out) == (1, "")
    assert "test_score is nan: the task failed; are its timestamps in milliseconds?" in err
    assert "no task has a whole score, so there is nothing to show" in err


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "no test.predicted-scores.json: embeddings failed or have not finished"),
        ({"task_metadata.json": "{}"}, "embeddings failed or have not finished"),
        ({"task_metadata.json": "{}", ".done.embeddings": ""}, "embedded, but not predicted"),
        ({".done.embeddings": "", "prediction.log": "a line\n"}, "predictions failed or have not finished"),
    ],
)
def test_a_task_without_scores_is_named_with_how_far_it_came(run, tmp_path, files, reason):
    write_task(tmp_path / "model", SPEECH, scores_of(SPEECH, 0.25))
    folder = tmp_path / "model" / ESC50
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    status, out, err = run(tmp_path)
    assert status == 1
    assert f"leaderboard: {folder}: " in err
    assert reason in err
    assert cells(out, "Speech commands 5h")[-1] == "0.250"


def test_scores_of_before_a_failed_run_do_not_count(run, tmp_path):
    content = scores_of(ESC50, 0.5)
    log = log_of(ESC50, content, [OFFICIAL] * 8) + log_of(ESC50, None, [OFFICIAL])
    folder = write_task(tmp_path / "model", ESC50, content, grid_points=None, log=log)
    status, _, err = run(tmp_path)
    assert status == 1
    assert f"{folder}: the last predictions did not finish (see prediction.log)" in err


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ('{"task_na', "damaged or half-written"),
        ('{"evaluation": []}', 'expected a list of scores as "evaluation", got []'),
        (
            '{"evaluation": ["top1_acc"], "task_name": "esc50", "version": "v2.0.0", "mode": "small"}',
            f"expected the metadata of {ESC50}, got those of esc50-v2.0.0-small",
        ),
    ],
)
def test_metadata_that_cannot_be_trusted(run, tmp_path, metadata, reason):
    folder = write_task(tmp_path / "model", ESC50, scores_of(ESC50, 0.5))
    (folder / "task_metadata.json").write_text(metadata)
    status, _, err = run(tmp_path)
    assert status == 1
    assert f"{folder / 'task_metadata.json'}: {reason}" in err


def test_another_score_and_missing_folds_are_marked(run, tmp_path):
    content = scores_of(ESC50, 0.5)
    del content["fold04"]
    write_task(tmp_path / "model", ESC50, content)
    folder = write_task(tmp_path / "model", SPEECH, scores_of(SPEECH, 0.25))
    (folder / "task_metadata.json").write_text('{"evaluation": ["mAP"]}')
    _, out, _ = run(tmp_path)
    assert "4 splits tested on (official: 5) [model: ESC-50]" in out
    assert "score mAP (official: top1_acc) [model: Speech commands 5h]" in out
    _, out, _ = run(tmp_path, "--csv")
    assert out == HEADER + "\n"


def test_a_model_without_any_score_is_named_and_not_shown(run, tmp_path):
    write_task(tmp_path / "whole", ESC50, scores_of(ESC50, 0.5))
    (tmp_path / "broken").mkdir()
    status, out, err = run(tmp_path)
    assert status == 1
    assert f"{tmp_path / 'broken'}: no task in it" in err
    assert "broken" not in out


def test_folders_that_heareval_leaves_where_it_was_started_are_no_models(run, tmp_path):
    write_task(tmp_path / "model", ESC50, scores_of(ESC50, 0.5))
    (tmp_path / "logs" / "embeddings").mkdir(parents=True)
    (tmp_path / "model" / "lightning_logs").mkdir()
    (tmp_path / ".cache").mkdir()
    status, _, err = run(tmp_path)
    assert (status, err) == (0, "")


def test_folders_that_hold_no_scores(run, tmp_path):
    empty, other, file = tmp_path / "empty", tmp_path / "other", tmp_path / "file"
    empty.mkdir()
    (other / "a" / "b").mkdir(parents=True)
    file.write_text("")
    task = write_task(tmp_path / "model", ESC50, scores_of(ESC50, 0.5))
    expected = {
        empty: f"{empty}: expected MODEL/TASK/test.predicted-scores.json, found an empty folder",
        other: f"{other}: expected MODEL/TASK/test.predicted-scores.json, found nothing of the kind",
        file: f"{file}: expected a folder of embeddings, got a file",
        tmp_path / "none": f"{tmp_path / 'none'}: no such folder",
        task: f"{task}: expected EMBEDDINGS_DIR, which holds MODEL/TASK, got the folder of a task",
    }
    for folder, message in expected.items():
        status, out, err = run(tmp_path / "model", folder)
        assert (status, out) == (1, "")
        assert message in err
    assert run()[0] == 1


def test_two_models_with_one_name(run, tmp_path):
    write_task(tmp_path / "x" / "model", ESC50, scores_of(ESC50, 0.25))
    write_task(tmp_path / "y" / "model", ESC50, scores_of(ESC50, 0.75))
    status, out, err = run(tmp_path / "x", tmp_path / "y")
    assert (status, out) == (1, "")
    first, second = tmp_path / "x" / "model", tmp_path / "y" / "model"
    assert f"two models are called 'model': {first} and {second}; give one another name with --model-name" in err
    status, out, _ = run(tmp_path / "x", tmp_path / "y", "--csv", "--model-name", second, "a name, with a comma")
    assert {name: row["ESC-50"] for name, row in csv_rows(out).items()} == {
        "model": "0.250000",
        "a name, with a comma": "0.750000",
    }
    assert "given twice; leave one out" in run(tmp_path / "x", tmp_path / "x" / "model")[2]
    assert "named as a model, but not one of" in run(tmp_path / "x", "--model-name", tmp_path, "name")[2]


def test_published_rows_with_differences_and_the_row_of_the_checkpoint(run, tmp_path):
    rows = {row.model: row for row in published_rows()}
    assert len(rows) == 8
    own = rows["Cacophony (stage 2)"]
    write_task(tmp_path / "ours", ESC50, scores_of(ESC50, 0.95))
    write_task(tmp_path / "ours", "fsd50k-v1.0-full", scores_of("fsd50k-v1.0-full", 0.5))
    write_weights(tmp_path / "ours", Weights("Cacophony.ckpt", own.md5.upper()))
    write_task(tmp_path / "theirs", ESC50, scores_of(ESC50, 0.5))
    write_weights(tmp_path / "theirs", Weights("other.ckpt", "0" * 32))
    write_task(tmp_path / "untrained", DCASE, scores_of(DCASE, 0.5))
    write_weights(tmp_path / "untrained", Weights(UNTRAINED))
    write_task(tmp_path / "unknown", ESC50, scores_of(ESC50, 0.5))
    write_task(tmp_path / "plugin", ESC50, scores_of(ESC50, 0.5))
    write_weights(tmp_path / "plugin", Weights("none"))
    _, out, _ = run(tmp_path, "--published")
    belonging, *lines = out[out.index("ours: Cacophony.ckpt") :].splitlines()
    assert belonging.endswith("is the checkpoint of the published row 'Cacophony (stage 2)'")
    assert lines[0].split() == ["task", "ours", *(f"[{i}]" for i in range(1, 9)), "own", "row"]
    figures = [f"{row.scores['ESC-50']:.3f} {0.95 - row.scores['ESC-50']:+.3f}" for row in rows.values()]
    assert figures[-1] == "0.970 -0.020"
    assert lines[2].split() == ["ESC-50", "0.950", "±", "0.000", *" ".join(figures).split()]
    assert lines[3] == ""  # no score was published for FSD50K
    assert f"theirs: other.ckpt, MD5 {'0' * 32}, is the checkpoint of no published row" in out
    assert "untrained: untrained weights, of no published row\nNone of its tasks has a published score." in out
    assert "plugin: without a file of weights, of no published row" in out
    assert "unknown: the MD5 of its checkpoint is not recorded" in out
    assert f"[8] Cacophony (stage 2) ({own.source})" in out
    _, out, _ = run(tmp_path, "--published", "--markdown")
    assert "| ESC-50 | 0.950 ± 0.000 | 0.964 -0.014 |" in out


def test_both_releases_of_audiomae_are_told_apart(run, tmp_path):
    write_task(tmp_path / "model", ESC50, scores_of(ESC50, 0.87))
    write_weights(tmp_path / "model", Weights("AudioMAE.ckpt", "3a8a7778a5e2013ceb4a418e1504d3d8"))
    _, out, _ = run(tmp_path, "--published")
    assert "is the checkpoint of the published row 'AudioMAE (stage 1), release of 2024-04-20'" in out
    figures = cells(out[out.index("Beside the published scores") :], "ESC-50")
    assert figures[3 + 2 * 5 :][:4] == ["0.841", "+0.029", "0.870", "+0.000"]


def test_markdown(run, tmp_path):
    write_task(tmp_path / "a_model", ESC50, scores_of(ESC50, 0.5, {**OFFICIAL, "hidden_dim": 64}))
    write_task(tmp_path / "b|c", ESC50, scores_of(ESC50, 0.75))
    _, out, _ = run(tmp_path, "--markdown")
    assert out.splitlines() == [
        r"| task | score | chance | a\_model | b\|c |",
        "| --- | --- | --- | --- | --- |",
        r"| ESC-50 | accuracy | 0.020 | 0.500 ± 0.000\*a | 0.750 ± 0.000 |",
        "",
        r"- \*a not as the official leaderboard asks: hidden\_dim 64 (official: 1024) \[a\_model\]",
    ]


def test_models_without_a_place_in_the_published_table_are_told(run, tmp_path):
    for name, module in (
        ("first", "hear_cacophony.audiomae"),
        ("second", "hear_cacophony.audiomae"),
        ("other", "mine"),
    ):
        write_task(tmp_path / name, ESC50, scores_of(ESC50, 0.5))
        write_weights(tmp_path / name, Weights("a.ckpt", "0" * 32, module))
    status, out, err = run(tmp_path, "--published-table")
    assert err.splitlines() == [
        "leaderboard: first: left out of the published table, as second has its place",
        "leaderboard: other: left out of the published table, as none of its rows is of its module",
    ]
    assert (status, out.count("0.500 ± 0.000 (0.870 -0.370)")) == (0, 1)


def test_unofficial_without_a_csv_has_no_effect_and_is_an_error(run, tmp_path):
    write_task(tmp_path / "model", ESC50, scores_of(ESC50, 0.5))
    assert run(tmp_path, "--unofficial")[::2] == (
        1,
        "hear-cacophony: --unofficial is for --csv: other tables show such scores, marked\n",
    )


def test_names_of_any_characters_stay_on_their_lines(run, tmp_path):
    write_task(tmp_path / "two\nlines", ESC50, scores_of(ESC50, 0.5))
    text = run(tmp_path)[1].splitlines()
    assert text[0].endswith("two lines")
    assert text[2].startswith("ESC-50  ")
    table = run(tmp_path, "--markdown")[1].splitlines()
    assert table[0].endswith(r"| two\\nlines |")
    assert table[2].startswith("| ESC-50 |")


def test_a_wide_table_goes_on_below_itself(tmp_path):
    for i in range(6):
        write_task(tmp_path / f"model{i}", ESC50, scores_of(ESC50, i / 8))
    text = format_leaderboard(read_models([tmp_path]), Text(70))
    assert max(map(len, text.splitlines())) <= 70
    heads = [line.split()[3:] for line in text.splitlines() if line.startswith("task")]
    assert [name for part in heads for name in part] == [f"model{i}" for i in range(6)]
    assert len(heads) == 2


def test_files_in_place_of_standard_output(run, tmp_path):
    write_task(tmp_path / "emb" / "model", ESC50, scores_of(ESC50, 0.5))
    table, page = tmp_path / "out.csv", tmp_path / "out.md"
    page.write_text("before")
    status, out, err = run(tmp_path / "emb", "--csv", table, "--markdown", page)
    assert status == 0
    assert cells(out, "ESC-50")[2] == "0.500"
    assert table.read_text().splitlines()[0] == HEADER
    assert page.read_text().startswith("| task |")
    assert (f"{table}: written" in err, f"{page}: replaced" in err) == (True, True)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["emb", "out.csv", "out.md"]


def test_a_folder_behind_an_option_is_one_of_the_models(run, tmp_path):
    for name in "ab":
        write_task(tmp_path / name / f"model_{name}", ESC50, scores_of(ESC50, 0.5))
    status, out, _ = run("--csv", tmp_path / "a", tmp_path / "b")
    assert (status, list(csv_rows(out))) == (0, ["model_a", "model_b"])
    status, out, _ = run("--markdown", tmp_path / "a")
    assert (status, out.splitlines()[0]) == (0, r"| task | score | chance | model\_a |")


def test_outputs_that_cannot_be_written_are_refused_first(run, tmp_path):
    write_task(tmp_path / "emb" / "model", ESC50, scores_of(ESC50, 0.5))
    file = tmp_path / "out.png"
    expected = {
        ("--csv", "--markdown"): "cannot both take the place of the text",
        ("--csv", file, "--plot", file): "expected a file for each output",
        ("--csv", tmp_path / "none" / "out.csv"): f"no folder {tmp_path / 'none'}",
        ("--plot", tmp_path): "expected a file to write, got a folder",
        ("--plot", tmp_path / "out.jpg"): "expected a picture that ends in one of .png, .pdf, .svg",
    }
    for options, message in expected.items():
        status, out, err = run(tmp_path / "emb", *options)
        assert (status, out) == (1, ""), options
        assert message in err
    assert [each.name for each in tmp_path.iterdir()] == ["emb"]


def test_published_rows_of_other_columns_have_no_footnote(run, tmp_path):
    write_task(tmp_path / "emb" / "model", DCASE, scores_of(DCASE, 0.5))
    for options in (["--published"], ["--published", "--markdown"]):
        _, out, _ = run(tmp_path / "emb", *options)
        assert "None of its tasks has a published score." in out
        assert "[1]" not in out.replace("\\", "")
        assert "gzhu06" not in out


def test_heads_are_not_broken_within_a_name(tmp_path):
    name = "hear_cacophony.audiomae-protocol=published"
    write_task(tmp_path / name, ESC50, scores_of(ESC50, 0.5))
    write_weights(tmp_path / name, Weights(UNTRAINED))
    lines = format_leaderboard(read_models([tmp_path]), Text()).splitlines()
    assert (lines[0].split(), lines[1].split()) == ([name], ["task", "score", "chance", "(untrained)"])


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("event_onset_200ms_fms", "onset F1, 200 ms"),
        ("event_onset_offset_50ms_20perc_fms", "onset-offset F1, 50 ms, 20 %"),
        ("segment_1s_er", "segment error rate, 1 s"),
        ("top1_acc", "accuracy"),
        ("aucroc", "ROC AUC"),
        ("a_score_of_ones_own", "a_score_of_ones_own"),
    ],
)
def test_scores_have_readable_names(name, shown):
    assert readable_metric(name) == shown


def write_models(folder: pathlib.Path, count: int) -> None:
    """Models on all tasks, the last one on another grid."""
    for i in range(count):
        hparams = {**OFFICIAL, "hidden_dim": 64} if count > 1 and i == count - 1 else None
        for n, task in enumerate(TASKS):
            values = [0.2 + 0.03 * n + 0.02 * i + 0.01 * fold for fold in range(len(task.tests))]
            write_task(folder / f"model{i}", task.directory, scores_of(task.directory, values, hparams))


def colours(path: pathlib.Path) -> set[str]:
    """Those that more than a marker's edge is drawn in."""
    import numpy as np
    from matplotlib.image import imread

    pixels = np.rint(imread(path)[..., :3] * 255).astype(np.int64) @ [65536, 256, 1]
    found, counts = np.unique(pixels, return_counts=True)
    return {f"#{value:06X}" for value, count in zip(found, counts, strict=True) if count > 300}


OKABE_ITO = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#E69F00", "#7F7F7F"]


@pytest.mark.parametrize(("count", "height"), [(1, 1596), (3, 1644), (8, 2706)])
def test_plot_is_print_size_with_a_colour_for_each_model(run, tmp_path, count, height):
    write_models(tmp_path / "emb", count)
    picture = tmp_path / "out.png"
    status, _, err = run(tmp_path / "emb", "--plot", picture, "--published")
    assert (status, err) == (0, f"leaderboard: {picture}: written\n")
    data = picture.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (2100, height)  # 7 inches at 300 dots per inch, and at most a page
    assert set(OKABE_ITO[:count]) <= colours(picture)
    assert not set(OKABE_ITO[count:-1]) - {"#000000"} & colours(picture)


@pytest.mark.parametrize("count", [1, 3, 8])
def test_the_axis_ends_with_the_data_and_the_legend_is_smaller_than_the_plot(tmp_path, count):
    for i in range(count):
        model = tmp_path / f"hear_cacophony.model_of_a_long_name{i}"
        write_task(model, ESC50, scores_of(ESC50, [0.2, 0.2, 0.2, 0.2, 0.3]))
        (write_task(model, "demo_strokes-v1-full", scores_of(DCASE, 0.1)) / "task_metadata.json").write_text(
            '{"evaluation": ["event_onset_200ms_fms"]}'
        )
    figure = draw_leaderboard(read_models([tmp_path]))
    figure.draw_without_rendering()
    (axes,), (legend,) = figure.axes, figure.legends
    assert axes.get_xlim() == pytest.approx((0.020 - 0.0073, 0.22 + 0.0447 + 0.0073), abs=1e-3)  # chance, deviation
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "ESC-50\naccuracy",
        "demo_strokes\nonset F1, 200 ms",
    ]
    plot, below = axes.get_window_extent(), legend.get_window_extent()
    assert below.height < plot.height
    assert below.width < figure.bbox.width


@pytest.mark.parametrize("count", [2, 4, 5, 6, 7])
def test_plot_of_every_other_number_of_models(run, tmp_path, count):
    for i in range(count):
        write_task(tmp_path / "emb" / f"model{i}", ESC50, scores_of(ESC50, i / 10))
    picture = tmp_path / "out.png"
    assert run(tmp_path / "emb", "--plot", picture)[0] == 0
    assert set(OKABE_ITO[:count]) <= colours(picture)


def test_models_whose_names_begin_with_an_underscore_are_in_the_legend(tmp_path):
    write_task(tmp_path / "_mine", ESC50, scores_of(ESC50, 0.5))
    for expected in (["_mine", "chance"], ["_mine", "other", "chance"]):
        (legend,) = draw_leaderboard(read_models([tmp_path])).legends
        assert [text.get_text() for text in legend.get_texts()] == expected
        assert len(legend.legend_handles) == len(expected)
        if "other" not in expected:
            write_task(tmp_path / "other", ESC50, scores_of(ESC50, 0.25))


def test_a_deviation_below_zero_is_no_score(run, tmp_path):
    content = {"aggregated_scores": {"test_score_mean": 0.5, "test_score_std": -0.25}}
    folder = write_task(tmp_path / "model", "mine-v1-full", content)
    status, out, err = run(tmp_path, "--plot", tmp_path / "out.png")
    assert (status, out) == (1, "")
    assert f"{folder / 'test.predicted-scores.json'}: test_score_std: expected 0 or more, got -0.25" in err


def test_plot_of_nine_models_is_refused(run, tmp_path):
    for i in range(9):
        write_task(tmp_path / "emb" / f"model{i}", ESC50, scores_of(ESC50, i / 10))
    status, out, err = run(tmp_path / "emb", "--plot", tmp_path / "out.png")
    assert (status, out) == (1, "")
    assert "expected at most 8 models, which can be told apart, got 9" in err
    assert [each.name for each in tmp_path.iterdir()] == ["emb"]


def test_plots_of_the_same_scores_have_the_same_bytes(run, tmp_path):
    for suffix in ("pdf", "svg"):
        files = [tmp_path / f"{name}.{suffix}" for name in "ab"]
        for file in files:
            assert run(WRITTEN_BY_HEAREVAL, "--plot", file)[0] == 0
        assert files[0].read_bytes() == files[1].read_bytes()


def test_the_command_line_starts_without_matplotlib_and_says_what_to_install(tmp_path):
    emb = tmp_path / "emb"
    shutil.copytree(WRITTEN_BY_HEAREVAL, emb)
    code = (
        "import argparse, importlib.machinery, sys\n"
        "find = importlib.machinery.PathFinder.find_spec\n"
        "importlib.machinery.PathFinder.find_spec = classmethod(\n"
        "    lambda cls, name, *rest: None if name.split('.')[0] in ('matplotlib', 'numpy') else find(name, *rest))\n"
        "from hear_tasks.leaderboard import command as leaderboard_command\n"
        "parser = argparse.ArgumentParser()\n"
        "leaderboard_command.add_parser(parser.add_subparsers())\n"
        f"args = parser.parse_args(['leaderboard', {str(emb)!r}, *sys.argv[1:]])\n"
        "sys.exit(args.func(args))\n"
    )
    plain = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (plain.returncode, plain.stderr) == (0, "")
    plot = subprocess.run(
        [sys.executable, "-c", code, "--plot", "out.png"], capture_output=True, text=True, check=False
    )
    assert plot.returncode == 1
    assert "the picture needs matplotlib: pip install 'hear_cacophony[tasks]'" in plot.stderr
