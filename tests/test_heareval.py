"""Each patch for heareval, provoked: what it mends fails without it."""

from __future__ import annotations

import importlib
import importlib.metadata
import io
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import types

import pytest
from heareval_here import run_heareval

from hear_tasks import heareval
from hear_tasks.library_caches import use_cache_folder

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # of the libraries of 2021


def run(code: str) -> subprocess.CompletedProcess[str]:
    """What Python does with some code, in a process of its own."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.fixture
def settable(monkeypatch):
    """Lightning and torch as they are before the patches for predictors, and again after the test."""
    import torch
    from pytorch_lightning.loops import FitLoop

    safe = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    monkeypatch.setattr(FitLoop, "current_epoch", None, raising=False)
    monkeypatch.delattr(FitLoop, "current_epoch")
    yield
    torch.serialization.clear_safe_globals()
    torch.serialization.add_safe_globals(safe)


def set_epoch() -> int:
    """The epoch that Lightning is in, once it is set to 3."""
    import pytorch_lightning as pl

    trainer = pl.Trainer(logger=False, enable_checkpointing=False, max_epochs=9)
    trainer.fit_loop.current_epoch = 3
    return trainer.current_epoch


def test_the_epoch_can_be_set(settable):
    assert set_epoch() == 0
    heareval.allow_setting_the_epoch()
    assert set_epoch() == 3


def read_predictor(**more: object) -> int:
    """The epoch in a predictor's checkpoint, which torch has written and reads again."""
    import torch
    from heareval.predictions.task_predictions import PARAM_GRID

    file = io.BytesIO()
    torch.save({"epoch": 7, "hyper_parameters": PARAM_GRID, "state_dict": {"w": torch.ones(2)}, **more}, file)
    file.seek(0)
    return torch.load(file)["epoch"]


def test_own_checkpoints_can_be_read_and_those_with_other_classes_stay_refused(settable):
    with pytest.raises(pickle.UnpicklingError, match="weights_only"):
        read_predictor()
    heareval.allow_own_checkpoints()
    assert read_predictor() == 7
    with pytest.raises(pickle.UnpicklingError, match="weights_only"):
        read_predictor(other=pathlib.PurePosixPath("x"))


def test_help_of_predictions_is_that_of_heareval(tmp_path, capsys):
    run_heareval("predictions", "--help", folder=tmp_path)
    assert "--grid-points" in capsys.readouterr().out


@pytest.fixture
def one_gpu(monkeypatch):
    """A machine with a card, as torch and the NVML bindings see it; its name may be changed in the list."""
    import torch

    name = ["A GPU"]
    pynvml = types.ModuleType("pynvml")
    told = {
        "nvmlInit": lambda: None,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetMemoryInfo": None,
    }
    vars(pynvml).update(told, NVMLError=OSError, nvmlDeviceGetName=lambda handle: name[0])
    monkeypatch.setitem(sys.modules, "pynvml", pynvml)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    return name


@pytest.fixture
def heareval_anew(monkeypatch):
    """heareval as in a new process: what a test imports of it is of that test alone."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "heareval"]:
        monkeypatch.delitem(sys.modules, name)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "heareval"]:
        del sys.modules[name]  # before what was there comes back


def test_device_names_may_be_text(one_gpu, heareval_anew):
    from heareval import gpu_max_mem

    with pytest.raises(AttributeError, match="'str' object has no attribute 'decode'"):
        gpu_max_mem.device_name()
    heareval.allow_text_device_names()
    for one_gpu[0] in ("A GPU", b"A GPU"):
        assert gpu_max_mem.device_name() == "A GPU"


def test_the_guard_against_tensorflow_without_gpu_is_passed_and_help_is_that_of_heareval(
    one_gpu, heareval_anew, monkeypatch, capsys
):
    for changed in ("check_versions", "load_triton_before_tensorflow", "note_weights"):
        monkeypatch.setattr(heareval, changed, lambda: None)
    with pytest.raises(ValueError, match="GPUs not available in tensorflow, but found by pytorch"):
        importlib.import_module("heareval.embeddings.runner")
    heareval.embeddings().main(["--help"], standalone_mode=False)
    assert "--model-options" in capsys.readouterr().out


TRITON = """
import sys
from hear_tasks import heareval

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "triton":
            sys.exit("tensorflow" in sys.modules)

sys.meta_path.insert(0, Finder())
heareval.embeddings()
"""


def test_triton_is_loaded_before_tensorflow():
    assert run(TRITON).returncode == 0


@pytest.mark.parametrize(
    ("versions", "message"),
    [
        ({"heareval": "2022.0.1"}, r"expected heareval 2021\.1\.3, found 2022\.0\.1"),
        ({"pytorch-lightning": "2.6.0"}, r"expected pytorch-lightning 1\.9, found 2\.6\.0"),
        ({"heareval": None}, r"expected heareval 2021\.1\.3, found none: .*setup\.sh installs it"),
    ],
)
def test_other_versions_are_refused(versions, message, monkeypatch):
    real = importlib.metadata.version

    def version(package):
        found = versions.get(package, real(package))
        if found is None:
            raise importlib.metadata.PackageNotFoundError(package)
        return found

    monkeypatch.setattr(importlib.metadata, "version", version)
    with pytest.raises(RuntimeError, match=message):
        heareval.check_versions()


@pytest.mark.parametrize("arguments", [[], ["train"]])
def test_unknown_runner_lists_both(arguments):
    done = subprocess.run(
        [sys.executable, "-m", "hear_tasks.heareval", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "{embeddings,predictions}" in done.stderr


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "expected folders of tasks' embeddings, EMBEDDINGS_DIR/MODEL/TASK ..., got none"),
        (["--grid", "faster"], "expected folders of tasks' embeddings, EMBEDDINGS_DIR/MODEL/TASK ..., got none"),
        (["nosuch"], "nosuch: no such folder; expected one of a task's embeddings"),
        (["model/task", "nosuch"], "nosuch: no such folder"),
        (["file", "--grid-points=1"], "file: expected a folder of a task's embeddings, got a file"),
        (["empty"], "empty: no task_metadata.json in it"),
        (["a-task"], "a-task: no embeddings in it; is it the task itself"),
        (["model"], "model: expected the folder of one task; did you mean model/*/, such as model/task?"),
    ],
)
def test_predictions_of_what_is_not_embedded_say_what_is_wrong(given, message, tmp_path, monkeypatch, capsys):
    for folder in ("empty", "a-task", "model/task"):
        (tmp_path / folder).mkdir(parents=True)
    for folder in ("a-task", "model/task"):
        (tmp_path / folder / "task_metadata.json").write_text("{}")
    (tmp_path / "model/task/test.embedding-dimensions.json").write_text("[3, 4]")
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(heareval.RUNNERS, "predictions", lambda: pytest.fail("nothing is to be imported"))
    assert heareval.main(["predictions", *given]) == 1
    told = capsys.readouterr().err
    assert told.startswith("predictions: ")
    assert message in told


def test_predictions_of_what_is_embedded_are_run(tmp_path, monkeypatch):
    (tmp_path / "task_metadata.json").write_text("{}")
    (tmp_path / "test.embedding-dimensions.json").write_text("[3, 4]")
    taken = []
    monkeypatch.setattr(sys, "argv", [])
    monkeypatch.setitem(heareval.RUNNERS, "predictions", lambda: lambda: taken.append(sys.argv))
    assert heareval.main(["predictions", "--grid", "faster", str(tmp_path)]) == 0
    assert taken == [["hear_tasks.heareval predictions", "--grid", "faster", str(tmp_path)]]


def test_embeddings_of_no_tasks_say_what_is_wrong(tmp_path):
    with pytest.raises(ValueError, match=r"--tasks-dir .*nosuch: no such folder; expected one of HEAR tasks"):
        heareval.check_arguments("embeddings", ["a.module", "--tasks-dir", str(tmp_path / "nosuch")])
    heareval.check_arguments("embeddings", ["a.module", f"--tasks-dir={tmp_path}"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_predictions_that_take_it_for_the_end_of_training(number, tmp_path):
    (tmp_path / "task_metadata.json").write_text("{}")
    (tmp_path / "test.embedding-dimensions.json").write_text("[3, 4]")
    code = f"""
import os, signal, sys, time
from hear_tasks import heareval

def train():
    signal.signal(signal.SIGTERM, lambda *_: None)  # as Lightning does
    try:
        os.kill(os.getpid(), {int(number)})
        time.sleep(600)
    except KeyboardInterrupt:
        print("went on")

heareval.RUNNERS["predictions"] = lambda: train
sys.argv = ["heareval", "predictions", {str(tmp_path)!r}]
sys.exit(heareval.main())
"""
    done = run(code)
    assert (done.stdout, done.stderr, done.returncode) == ("", "predictions: interrupted\n", 128 + number)


def test_slurm_is_not_asked(monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", "1")
    heareval.forget_slurm()
    assert not any(name.startswith("SLURM_") for name in os.environ)


def test_libraries_keep_to_the_cache_folder(tmp_path, monkeypatch):
    from torch._inductor.runtime.cache_dir_utils import cache_dir

    temporary, cache = tmp_path / "temporary", tmp_path / "cache"
    temporary.mkdir()
    for name in ("KERAS_HOME", "MPLCONFIGDIR", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"):
        monkeypatch.setenv(name, "")  # so that it is as it was after the test
        monkeypatch.delenv(name)
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    use_cache_folder()
    assert cache_dir() == str(cache / "hear_cacophony" / "torch_inductor")
    assert run("import matplotlib; print(matplotlib.get_cachedir())").stdout.strip() == str(
        cache / "hear_cacophony" / "matplotlib"
    )
    assert not any(temporary.iterdir())
