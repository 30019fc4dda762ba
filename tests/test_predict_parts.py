"""Parts of the predictions beside what they stand for."""

from __future__ import annotations

import functools
import os
import pathlib
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from embeddings_on_disk import SIZE, make_embeddings

from hear_tasks.grids import GRIDS
from hear_tasks.leaderboard import read_score
from hear_tasks.predict import predict_task, run
from hear_tasks.predict.engine import Options, _torch_set_up
from hear_tasks.predict.evaluation import validate
from hear_tasks.predict.grids import choose_points
from hear_tasks.predict.network import Dropout, make_network
from hear_tasks.predict.results import _moments
from hear_tasks.predict.scene_scores import SCENE_SCORES
from hear_tasks.predict.split import read_split, to_device
from hear_tasks.predict.stacked_training import Stack, seed_of
from hear_tasks.predict.task import read_task
from hear_tasks.predict.training import Adam, Job, batches, make_adam, predict_logits, train


@pytest.fixture(autouse=True)
def one_thread():
    """Small tasks are slow on several threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_scores_are_those_of_heareval():
    """To the last digit and in their types, with ties, labels without clips, and clips without labels."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from heareval.score import available_scores
    random = np.random.default_rng(0)
    for case in range(90):
        rows, labels = int(random.integers(1, 60 if case % 5 else 600)), int(random.integers(1 if case == 0 else 2, 12))
        targets = (random.random((rows, labels)) < random.choice([0.02, 0.3, 0.9])).astype(np.float32)
        predictions = (random.random((rows, labels)) + targets * (case % 3)).astype(np.float32)
        if case % 2:
            predictions = predictions.round(case % 3)
        for name, score in SCENE_SCORES.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                expected = available_scores[name](label_to_idx={})(predictions, targets)
            got = score.compute(predictions, targets)
            assert type(got) is type(expected)
            np.testing.assert_array_equal(got, expected, err_msg=f"{name}, case {case}")


def test_predictions_that_are_no_numbers():
    predictions = np.array([[0.5, np.nan], [0.1, 0.2]], np.float32)
    targets = np.eye(2, dtype=np.float32)
    assert np.isnan(SCENE_SCORES["aucroc"].compute(predictions, targets))
    assert np.isnan(SCENE_SCORES["d_prime"].compute(predictions, targets))
    with pytest.raises(ValueError, match="training has diverged"):
        SCENE_SCORES["mAP"].compute(predictions, targets)


def test_moments_over_folds_are_those_of_pandas():
    pd = pytest.importorskip("pandas")
    random = np.random.default_rng(0)
    for case in range(300):
        values = random.standard_normal(int(random.integers(1, 13)))
        values[random.random(len(values)) < 0.2 * (case % 3 == 1)] = np.nan
        values[: case % 7 == 6] = np.inf
        with np.errstate(all="ignore"):
            expected = pd.Series(values).mean(), pd.Series(values).std()
        np.testing.assert_array_equal(_moments(values), expected)


def test_adam_is_that_of_torch():
    torch.manual_seed(0)
    ours, theirs = ([torch.nn.Parameter(torch.ones(30, 7)), torch.nn.Parameter(torch.ones(5))] for _ in range(2))
    adam, reference = Adam(ours, 3.2e-3), torch.optim.Adam(theirs, lr=3.2e-3)
    for _ in range(40):
        for mine, other in zip(ours, theirs, strict=True):
            mine.grad = torch.randn_like(mine)
            other.grad = mine.grad.clone()
        adam.step()
        reference.step()
    assert all(torch.equal(mine, other) for mine, other in zip(ours, theirs, strict=True))
    adam.zero_grad()
    assert all(mine.grad is None for mine in ours)


@pytest.mark.parametrize(("device", "kind"), [("cpu", Adam), ("meta", torch.optim.Adam)])
def test_a_gpu_has_the_adam_that_is_made_for_it(device, kind):
    assert type(make_adam([torch.nn.Parameter(torch.ones(5, device=device))], 1e-3)) is kind


@pytest.mark.parametrize(("gpu", "only_repeating"), [(None, False), (0, True)])
def test_operations_on_a_gpu_repeat_themselves(gpu, only_repeating):
    with _torch_set_up(Options(gpu=gpu)):
        assert torch.are_deterministic_algorithms_enabled() == only_repeating
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("shape", [(3, 5), (700, 130)])
def test_dropout_is_that_of_torch(share, shape):
    outputs = []
    for kind in (Dropout, torch.nn.Dropout):
        torch.manual_seed(3)
        module, x = kind(share), torch.randn(shape, requires_grad=True)
        y = torch.relu(module(x))
        y.sum().backward()
        outputs.append((y.detach(), x.grad, torch.rand(3), module.eval()(x)))
    assert all(map(torch.equal, *outputs))


def test_points_are_chosen_as_heareval_chooses_them():
    points = choose_points("default", 8, {"task_name": "esc50"})
    assert len(points) == 8
    assert list(points[0]) == sorted(GRIDS["default"])
    assert len(choose_points("default", 99, {"task_name": "esc50"})) == 16
    assert {
        point["check_val_every_n_epoch"] for point in choose_points("default", 8, {"task_name": "dcase2016_task2"})
    } == {10}
    assert {point["max_epochs"] for point in choose_points("faster", 8, {"task_name": "esc50"})} == {10}


def test_batches_go_on_from_one_split_to_the_next(tmp_path):
    task = read_task(make_embeddings(tmp_path / "task-v1-full", [11, 7, 4]))
    splits = [read_split(task, name) for name in ("train", "valid", "test")]
    parts = list(batches(splits, 8))
    assert [len(x) for x, _, _ in parts] == [8, 8, 6]
    for place, name in enumerate(("embeddings", "targets", "classes")):
        assert torch.equal(torch.cat([part[place] for part in parts]), torch.cat([getattr(s, name) for s in splits]))
    assert all(x.data_ptr() % 64 == 0 for x, _, _ in parts)


def test_labels_are_read_as_pandas_reads_them(tmp_path):
    """heareval takes "01" for 1, as long as all labels look like numbers."""
    folder = make_embeddings(tmp_path / "task-v1-full", [8, 8, 8], labels=[1, 2, 3, 4])
    (folder / "labelvocabulary.csv").write_text("idx,label\n0,01\n1,2\n2,03\n3,4\n")
    assert read_task(folder).label_numbers == {"1": 0, "2": 1, "3": 2, "4": 3}
    (folder / "labelvocabulary.csv").write_text("idx,label\n0,01\n1,b\n2,true\n3,4\n")
    assert read_task(folder).label_numbers == {"01": 0, "b": 1, "true": 2, "4": 3}


def jobs_of(folder: pathlib.Path, **configuration) -> tuple:
    """The task in a folder, and a job for each of its partitions with the first grid point."""
    task = read_task(folder)
    point = {**choose_points("default", 1, task.metadata)[0], **configuration}
    splits = {name: read_split(task, name) for name in task.splits}
    jobs = []
    for partition in task.partitions:
        valid = splits[partition.valid]
        check = functools.partial(validate, task, valid, None)
        jobs.append(Job("", point, tuple(splits[name] for name in partition.train), valid, check))
    return task, jobs


@pytest.mark.parametrize("kind", ["multiclass", "multilabel"])
@pytest.mark.parametrize("norm_after", [False, True])
def test_a_stack_trains_each_network_as_it_is_trained_alone(tmp_path, kind, norm_after):
    """Without dropout nothing is drawn after the weights, so that only rounding differs; folds are of three sizes."""
    folder = make_embeddings(
        tmp_path / "task-v1-full", [31, 20, 26], kind=kind, split_mode="new_split_kfold", scores=["aucroc"]
    )
    task, jobs = jobs_of(folder, dropout=0.0, hidden_layers=2, norm_after_activation=norm_after, batch_size=18, lr=1e-4)
    jobs = [job for job in jobs if len(job.splits[0]) != 20] + jobs[:1]
    stacked = Stack(task, jobs).train()
    for job, together in zip(jobs, stacked, strict=True):
        torch.manual_seed(seed_of(job))
        alone = train(task, job)
        assert (together.epoch, together.epochs) == (alone.epoch, alone.epochs)
        assert together.score == pytest.approx(alone.score, abs=1e-3)
        network = make_network(task.size, task.n_labels, job.configuration)
        logits = []
        for training in (together, alone):
            network.load_state_dict(training.state)
            logits.append(predict_logits(network, job.valid, 18))
        torch.testing.assert_close(*logits, rtol=2e-3, atol=2e-3)


def test_independent_seeds_are_marked(tmp_path):
    folder = make_embeddings(
        tmp_path / "task-v1-full", [30, 24, 27], split_mode="new_split_kfold", grid={"max_epochs": [12]}, noise=0.3
    )
    told: list[str] = []
    predict_task(folder, grid_points=4, threads=1, seeds="independent", tell=told.append)
    assert sum("grid point" in line for line in told) == 4
    assert float(re.search(r"top1_acc (\S+)", told[-1])[1]) > 0.35  # guessing: 0.25
    assert "seeds independent (official: those of heareval)" in read_score(folder).reservations
    with pytest.raises(ValueError, match=r"seeds independent \(now: heareval\)"):
        predict_task(folder, grid_points=4, threads=1)


def test_independent_seeds_do_not_depend_on_what_was_killed(tmp_path):
    folders = [make_embeddings(tmp_path / name, [30, 24, 27], split_mode="presplit_kfold") for name in ("a", "b")]

    def predict(folder: pathlib.Path, tell) -> str:
        predict_task(folder, grid_points=4, threads=1, seeds="independent", tell=tell)
        return re.sub(r'"(time_in_min\w*|embedding_path)": .*', "", (folder / "test.predicted-scores.json").read_text())

    def die(message: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(folders[0], die)
    address = re.compile(r" at 0x\w+")
    assert address.sub("", predict(folders[0], print)) == address.sub("", predict(folders[1], print))


def test_slots(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)

    def slots(*arguments) -> list[tuple]:
        return [(slot.gpu, slot.threads) for slot in run.make_slots(Options(), *arguments)]

    assert slots(20, [], None, None) == [(None, 1)] * 8
    assert slots(3, [], None, None) == [(None, 2)] * 3
    assert slots(1, [], None, None) == [(None, torch.get_num_threads())]
    assert slots(20, [], None, 4) == [(None, 4)] * 2
    assert slots(20, [], 3, None) == [(None, 2)] * 3
    assert slots(20, [0, 1], None, None) == [(0, 4), (1, 4)]
    assert slots(20, [0, 1], 4, None) == [(0, 2), (1, 2), (0, 2), (1, 2)]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # torch has read it at its start; here it has one thread anyway
    assert slots(3, [], None, None) == [(None, 1)] * 3


def test_settings_name_their_device():
    assert str(Options(gpu=1).device) == "cuda:1"
    assert str(Options().device) == "cpu"


def test_the_command_line_starts_without_torch():
    code = "import sys, hear_tasks.predict, hear_tasks.predict.command; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        sys.modules["hear_tasks.predict"].nothing  # noqa: B018


def test_embeddings_stay_on_the_disk(tmp_path):
    task = read_task(make_embeddings(tmp_path / "task-v1-full", [11, 7, 4]))
    split = read_split(task, "train")
    assert split.embeddings.shape == (11, SIZE)
    maps = pathlib.Path("/proc/self/maps")
    if maps.exists():
        assert "train.embeddings.npy" in maps.read_text()


def test_embeddings_that_a_device_has_no_room_for_come_batch_by_batch(tmp_path):
    """On the device "meta", which has no memory and tells where a tensor would be."""
    task = read_task(make_embeddings(tmp_path / "task-v1-full", [11, 7, 4]))
    splits = {name: read_split(task, name) for name in ("train", "valid", "test")}
    meta = torch.device("meta")
    placed = to_device(splits, meta, room=15 * SIZE * 4)
    assert [split.embeddings.device.type for split in placed.values()] == ["meta", "cpu", "meta"]
    for split in placed.values():
        assert split.device == meta
        for embeddings, targets, classes in batches([split], 4):
            assert (embeddings.device, targets.device, classes.device) == (meta, meta, meta)


def test_a_prediction_on_a_cpu_loads_nothing_that_compiles(tmp_path):
    task = make_embeddings(tmp_path / "task", [20, 8, 8], grid={"max_epochs": [2], "check_val_every_n_epoch": [1]})
    code = "import sys; from hear_tasks.predict import predict_task; predict_task(sys.argv[1], grid_points=1)"
    command = [sys.executable, "-c", f"{code}; print(*sys.modules)", str(task)]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "torch.optim" in loaded
    assert not {"torch._inductor", "torch._dynamo", "pytorch_lightning", "heareval"} & set(loaded)
