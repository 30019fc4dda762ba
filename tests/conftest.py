"""Fixtures that several test modules share."""

from __future__ import annotations

import os

# Before jax is imported anywhere: two devices, so that nothing takes one for granted, and no
# silent change of dtype.
TWO_DEVICES = "--xla_force_host_platform_device_count=2"
os.environ["XLA_FLAGS"] = f"{TWO_DEVICES} " + os.environ.get("XLA_FLAGS", "")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["JAX_NUMPY_DTYPE_PROMOTION"] = "strict"
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads of torch that wait leave the processor to others
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # threads of numpy's spin while they wait
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")  # TensorFlow alone; importing Keras 3 takes as long again

import gc
import importlib.util
import pathlib
import shutil
import signal

import numpy as np
import pytest

from hear_tasks.heareval import load_triton_before_tensorflow

gc.disable()  # while the tests are imported

load_triton_before_tensorflow()  # torch's optimizers load it, where it is there

# In the background and under nohup some signals are ignored; commands that tests send them are to hear them.
for _number, _usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)

GOLDEN = pathlib.Path(__file__).parent / "golden"


QUICKLY_COMPILED = (
    "--xla_backend_optimization_level=0",
    "--xla_llvm_disable_expensive_passes=true",
    "--xla_cpu_use_fusion_emitters=false",
    "--xla_cpu_parallel_codegen_split_count=1",
)
"""Compiling takes a third of the time, and most of what is compiled runs once; --all compiles as elsewhere."""

IMPORT_MOST = (
    "test_plugins.py",
    "test_benchmark.py",
    "test_end_to_end.py",
    "test_heareval.py",
    "test_predict.py",
    "test_embed_plugin.py",
    "test_predict_parts.py",
    "test_benchmark_predict.py",
    "test_hear_api.py",
    "test_map.py",
    "test_pages_of_other_models.py",
    "test_report_evaluations.py",
    "test_frontend.py",
)
"""Those that import TensorFlow, heareval with Lightning, or transformers: in one process, which does so once."""

FIRST_FILES = (
    "test_slurm.py",
    *IMPORT_MOST,
    "test_training.py",
    "test_reproduce.py",
    "test_embed.py",
    "test_reproduce_models.py",
    "test_text_golden.py",
    "test_golden.py",
    "test_training_processes.py",
    "test_benchmark_training.py",
    "test_training_losses.py",
    "test_embedding.py",
    "test_captioning.py",
    "test_sounds.py",
    "test_prepare.py",
)
"""The one that waits most, those that import most, and others of 15 s and more, the longest first."""


def pytest_addoption(parser) -> None:
    parser.addoption("--all", action="store_true", help="also what only repeats: more seeds, lengths, sizes and kills")


def pytest_configure(config) -> None:
    if not config.getoption("--all"):
        os.environ["XLA_FLAGS"] = " ".join((os.environ["XLA_FLAGS"], *QUICKLY_COMPILED))


def pytest_collection_modifyitems(config, items) -> None:
    """Leave out what only repeats, or needs a browser that is not there; begin with long files, so that none is left
    alone at the end.

    The order of the files needs `--no-loadscope-reorder`.
    """
    left_out = set() if config.getoption("--all") else {"repeats"}
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        left_out.add("browser")
    wanted, unwanted = [], []
    for item in items:
        (unwanted if any(map(item.get_closest_marker, left_out)) else wanted).append(item)
    config.hook.pytest_deselected(items=unwanted)
    order = {name: i for i, name in enumerate(FIRST_FILES)}
    items[:] = sorted(wanted, key=lambda item: order.get(item.path.name, len(order)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Of `--dist loadfile`: the files that import most are as one."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return "" if pathlib.PurePath(file).name in IMPORT_MOST else file

    return Scheduling(config, log)


def pytest_collection_finish() -> None:
    """What all tests import stays: each search for garbage went through it, a twentieth of the time. Of what jax makes
    while it traces, little is garbage: it is searched less often than usual.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory):
    """Compile each function once for all processes of the tests and all commands that they start.

    The folder has a limit, as jax locks only one that has.
    """
    import jax

    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # that of all workers
    kept = {
        "jax_enable_compilation_cache": True,
        "jax_compilation_cache_dir": str(folder / "compiled"),
        "jax_compilation_cache_max_size": 1 << 33,
        "jax_persistent_cache_min_compile_time_secs": 0.1,
    }
    for name, value in kept.items():
        jax.config.update(name, value)
        os.environ[name.upper()] = str(value)


def usual_environment() -> dict[str, str]:
    """The environment of commands that are to have one device, and jax's own promotion of dtypes, as users have."""
    there = {key: value for key, value in os.environ.items() if key != "JAX_NUMPY_DTYPE_PROMOTION"}
    return {**there, "XLA_FLAGS": there["XLA_FLAGS"].replace(TWO_DEVICES, "").strip()}


@pytest.fixture
def keeps_nothing() -> dict[str, str]:
    """Environment of commands that are killed: they take what is compiled, and leave no half file of their own."""
    return {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "1e9"}


def _stand_in_weights():
    spec = importlib.util.spec_from_file_location("stand_in_weights", GOLDEN / "weights.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stand_in_parameters(model: str, *, tiny: bool) -> dict[str, np.ndarray]:
    """Parameters of a stand-in for the published file of `model` with all its towers, by full path."""
    from flax.traverse_util import flatten_dict

    return flatten_dict(_stand_in_weights().parameters(model, tiny=tiny), sep="/")


def write_checkpoint(path: pathlib.Path, model: str, *, tiny: bool, audio_only: bool = True) -> pathlib.Path:
    """Write a stand-in for the published file of `model`, its audio side alone unless told otherwise."""
    from flax import serialization

    parameters = _stand_in_weights().parameters(model, tiny=tiny, audio_only=audio_only)
    state = {"0": {"step": 1000, "params": parameters, "opt_state": {"1": {"count": np.int32(1000)}}}}
    path.write_bytes(serialization.msgpack_serialize(state))
    return path


@pytest.fixture(scope="session")
def tiny_checkpoints(tmp_path_factory) -> dict[str, pathlib.Path]:
    """Tiny stand-ins for both published files, by the name of their stage."""
    folder = tmp_path_factory.mktemp("tiny")
    return {
        "audiomae": write_checkpoint(folder / "audiomae.ckpt", "AudioMAE", tiny=True),
        "cacophony": write_checkpoint(folder / "cacophony.ckpt", "Cacophony", tiny=True),
    }


@pytest.fixture(scope="session")
def tiny_text_checkpoint(tmp_path_factory) -> pathlib.Path:
    """A tiny stand-in for Cacophony.ckpt with all its towers."""
    path = tmp_path_factory.mktemp("tiny-text") / "Cacophony.ckpt"
    return write_checkpoint(path, "Cacophony", tiny=True, audio_only=False)


@pytest.fixture(scope="session")
def tiny_text_model(tiny_text_checkpoint):
    """That with both sides loaded, and a tokenizer of its 512 tokens."""
    from tokenizer_files import write_tokenizer

    from hear_cacophony import load_audio_text_model

    return load_audio_text_model(tiny_text_checkpoint, tokenizer=write_tokenizer(tiny_text_checkpoint.parent / "small"))


@pytest.fixture(scope="session")
def text_model(tmp_path_factory) -> list[str]:
    """The arguments that name a tiny checkpoint with all its towers, which has its tokenizer beside it."""
    from tones_on_disk import write_text_model

    return write_text_model(tmp_path_factory.mktemp("text-model"))


@pytest.fixture
def own_cache(tmp_path, monkeypatch) -> None:
    """A cache, and a current folder, of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def full_size_text_checkpoint():
    """A full-size stand-in for Cacophony.ckpt with all its towers, without a file; parameters are drawn when taken."""
    from hear_cacophony.checkpoint.checkpoint import Checkpoint, LazyParameters, TextSide
    from hear_cacophony.checkpoint.parameters import expected_shapes, expected_text_shapes
    from hear_cacophony.model.stages import CACOPHONY, EncoderConfig, TextConfig

    draw = _stand_in_weights().draw
    audio, text = expected_shapes(CACOPHONY, EncoderConfig()), expected_text_shapes(CACOPHONY, TextConfig())
    side = TextSide(TextConfig(), LazyParameters(text, lambda path, _: draw(path, list(text[path]))))
    parameters = {path: draw(path, list(shape)) for path, shape in audio.items()}
    return Checkpoint(CACOPHONY, EncoderConfig(), parameters, "Cacophony.ckpt", "", text=side)


@pytest.fixture(scope="session", params=["audiomae", "cacophony"])
def full_size_checkpoint(request, tmp_path_factory) -> tuple[str, pathlib.Path]:
    """A full-size stand-in for the audio side of one published file, with the name of its stage."""
    model = {"audiomae": "AudioMAE", "cacophony": "Cacophony"}[request.param]
    path = write_checkpoint(tmp_path_factory.mktemp("full") / f"{model}.ckpt", model, tiny=False)
    yield request.param, path
    path.unlink()


@pytest.fixture
def noise():
    """Makes noise of a given number of samples, RMS 0.1, the same for the same seed."""

    def make(samples: int, seed: int = 0) -> np.ndarray:
        return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)

    return make
