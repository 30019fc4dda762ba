"""`python -m hear_tasks.benchmark`: what it counts and what it tells. How fast anything is, is not tested."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import subprocess
import sys
import warnings

import jax
import numpy as np
import pytest

from hear_cacophony.engine import devices
from hear_cacophony.model.stages import AUDIOMAE, CACOPHONY, TINY, EncoderConfig, TextConfig
from hear_tasks.benchmark import projection, start, synthetic, text, timing
from hear_tasks.benchmark import run as benchmark
from hear_tasks.benchmark.__main__ import main
from hear_tasks.benchmark.config import QUICK, Config
from hear_tasks.benchmark.encoder import product_flops, window_flops

SECTIONS = {"start", "loading", "encoder", "precision", "compilations", "embed", "text", "projection"}

BLOCK = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "torch"):
            raise ModuleNotFoundError("No module named " + repr(name), name=name)
sys.meta_path.insert(0, Blocker())
from hear_tasks.benchmark.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def test_operations_of_a_product():
    assert product_flops(2, 3, 4) == 48  # 6 values, each the sum of 4 products


def test_operations_of_an_encoder_computed_by_hand():
    # TINY has h = 64, f = 128, 2 layers; 6 time steps are t = 48 patches.
    projection = 2 * 48 * 256 * 64
    joined, logits, weighted, output = 1_179_648, 294_912, 294_912, 393_216
    mlp = 2 * 786_432
    stage_1 = projection + 2 * (joined + logits + weighted + output + mlp)
    assert stage_1 == 9_043_968
    assert window_flops(AUDIOMAE, TINY, 48) == stage_1
    key_value, pooling, projected = 786_432, 2 * 6_144, 8_192
    assert window_flops(CACOPHONY, TINY, 48) == stage_1 + key_value + pooling + projected
    # Full size, one patch: 2 (256 768 + 12 (4 768 768 + 2 768 + 2 768 3072)).
    assert window_flops(AUDIOMAE, EncoderConfig(), 1) == 170_299_392


def test_what_is_compared_takes_turns_and_medians_are_told(monkeypatch):
    turns = []
    seconds = {"a": iter([1.0, 9.0, 3.0]), "b": iter([5.0, 7.0])}

    def action(name):
        def act():
            turns.append(name)
            return next(seconds[name])

        return act

    monkeypatch.setattr(timing, "seconds_of", lambda act: act())
    assert timing.interleave({"a": action("a"), "b": action("b")}, 2) == {"a": 3.0, "b": 6.0}
    assert turns == ["a", "b", "a", "b", "a"]


def test_compilations_are_counted():
    compiled = jax.jit(lambda x: x * 2 + 1)
    values = np.ones(3, np.float32), np.ones(4, np.float32)
    with timing.count_compilations() as compilations:
        compiled(values[0])
        compiled(values[0])
        assert compilations.count == 1
        compiled(values[1])
    assert compilations.count == 2
    jax.jit(lambda x: x * 3 + 1)(values[0])
    assert compilations.count == 2


def test_lengths_like_those_of_fsd50k():
    samples = synthetic.mixed_lengths(2_000, 30.0)
    assert len(samples) == 2_000
    assert min(samples) >= 0.3 * 16_000
    assert max(samples) <= 30 * 16_000
    assert 6 < np.mean(samples) / 16_000 < 8  # FSD50K: 7.6 s
    assert len(set(samples)) > 1_500


def test_all_of_hear_at_the_speed_of_the_nearest_length():
    one_speed = {"lengths": {"1": {"audio_seconds_per_second": 100.0}}}
    projected = projection.project_embedding({"encoder": one_speed})
    assert projected["hours"] == pytest.approx(2 * (37 + 81 + 126 + 241) / 100)
    assert projected["from"] == "encoder"
    two_speeds = {"lengths": {"1": {"audio_seconds_per_second": 50.0}, "10": {"audio_seconds_per_second": 100.0}}}
    projected = projection.project_embedding({"encoder": one_speed, "embed": two_speeds})
    assert projected["hours"] == pytest.approx(2 * ((37 + 81) / 50 + (126 + 241) / 100))
    assert "neither" in projection.project_embedding({"embed": {"skipped": "No soundfile"}})["skipped"]


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    env = {key: value for key, value in os.environ.items() if key != "JAX_NUMPY_DTYPE_PROMOTION"}
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False, env=env)


@pytest.fixture(scope="module")
def quick(tmp_path_factory, tiny_checkpoints):
    """The JSON and what was printed, in this process, which has imported TensorFlow and torch for others, too.

    Batches are a quarter of what they are for speed.
    """
    file = tmp_path_factory.mktemp("benchmark") / "figures.json"
    models = ["--model", "random-tiny", "--model", str(tiny_checkpoints["audiomae"])]
    with (
        contextlib.redirect_stdout(io.StringIO()) as printed,
        contextlib.redirect_stderr(io.StringIO()) as said,
        warnings.catch_warnings(),
        pytest.MonkeyPatch.context() as patched,
    ):
        warnings.simplefilter("ignore")  # heareval's
        patched.setattr(devices, "TOKENS_PER_CPU_BATCH", 512)
        status = main(["--quick", "--json", str(file), *models])
    assert status == 0, said.getvalue()[-3000:]
    return json.loads(file.read_text()), printed.getvalue(), said.getvalue()


def positive(figures, *names: str) -> bool:
    return all(isinstance(figures[name], int | float) and figures[name] > 0 for name in names)


def test_all_sections_are_told(quick):
    figures, printed, said = quick
    assert set(figures["sections"]) == SECTIONS
    assert set(printed.splitlines()) >= SECTIONS
    assert "untrained" not in printed + said
    machine = figures["machine"]
    assert machine["devices"] == ["cpu", "cpu"]  # two virtual ones
    assert {"python", "jax", "jaxlib", "flax", "numpy"} <= set(machine["versions"])
    assert f"jax {jax.__version__}" in printed


def test_encoder_and_matrix_rates(quick):
    sections = quick[0]["sections"]
    for each in sections["encoder"]["lengths"].values():
        ratio = each["encoder_gflops"] / each["matrix_gflops"]
        assert each["fraction_of_matrix_rate"] == pytest.approx(ratio)
        assert positive(each, "fraction_of_matrix_rate", "frontend_ms_per_second_of_audio", "audio_seconds_per_second")
    assert sections["encoder"]["lengths"]["1"]["useful_fraction_of_patches"] == 1  # 6 time steps
    assert sections["encoder"]["lengths"]["5"]["useful_fraction_of_patches"] <= 1
    assert positive(sections["precision"], "bfloat16_speed")
    for precision in ("float32", "bfloat16"):
        assert positive(sections["precision"][precision], "matrix_gflops", "encoder_gflops", "fraction_of_matrix_rate")


def test_embed_beside_the_encoder_and_heareval(quick):
    figures, printed, _ = quick
    section = figures["sections"]["embed"]
    for each in (*section["lengths"].values(), section["tiny_model"]):
        assert each["fraction_of_encoder_alone"] == pytest.approx(each["encoder_alone_seconds"] / each["embed_seconds"])
        assert positive(each, "fraction_of_encoder_alone", "audio_seconds_per_second", "encoder_alone_gflops")
        assert each["compilations_after_warm_up"] == 0
        if importlib.util.find_spec("heareval") is not None and importlib.util.find_spec("tensorflow") is not None:
            assert each["speed_beside_heareval"] == pytest.approx(each["heareval_seconds"] / each["embed_seconds"])
            assert "heareval's own runner" in printed
            assert "heareval's own runner: not measured" not in printed


def test_compilations(quick):
    section = quick[0]["sections"]["compilations"]
    assert section["planned"]["shapes"] <= 16
    assert 0 < section["planned"]["padding_fraction_of_patches"] < 0.15
    assert 0 < section["embedded"]["compilations"] <= section["embedded"]["shapes"]


def test_texts_and_captions(quick):
    section = quick[0]["sections"]["text"]
    texts, captions = section["embeddings"], section["captions"]
    assert texts["fraction_of_matrix_rate"] == pytest.approx(texts["encoder_gflops"] / texts["matrix_gflops"])
    ratio = texts["texts_per_second"] / texts["texts_per_second_one_by_one"]
    assert texts["speed_beside_one_by_one"] == pytest.approx(ratio)
    assert section["prompts"] == {"prompts": 1000, "tokens": [7, 15], "compilations": 3}  # one for each bucket
    assert positive(captions, "speed_beside_one_by_one", "writing_speed_beside_one_by_one", "captions_per_second")
    assert positive(captions, "encoding_speed_beside_one_by_one")
    encoding = captions["encoding_beside_writing"]
    bound = captions["clips"] * (encoding + 1) / (captions["clips"] * encoding + 1)
    assert captions["most_beside_one_by_one"] == pytest.approx(bound)
    assert positive(section["caches"], "speed_beside_recomputing", "speed_beside_recomputing_of_one")


def test_operations_of_the_text_encoder():
    config = TextConfig(hidden_size=2, num_layers=3, mlp_size=5)
    layer = 2 * 7 * 2 * 8 + 2 * (2 * 7 * 7 * 2) + 2 * (2 * 7 * 2 * 5)
    assert text.text_flops(config, 7) == 3 * layer + 2 * 7 * 2 * 2 + 2 * (2 * 1 * 2 * 2)


def test_without_a_text_side_captions_are_left_out_with_the_reason(tmp_path, tiny_checkpoints):
    config = Config([str(tiny_checkpoints["audiomae"])], "float32", QUICK, tmp_path)
    assert "stage 1 (AudioMAE) has no text side" in text.measure_text(config)["skipped"]


def test_start_memory_and_loading(quick, tiny_checkpoints):
    sections = quick[0]["sections"]
    assert positive(sections["start"]["cold"], "first_embedding_seconds", "load_seconds", "loaded_bytes")
    assert "long" not in sections["start"]["cold"]
    long = sections["start"]["warm"]["long"]
    assert long["seconds"] == QUICK.long_seconds
    assert 0 <= long["short_bytes_above_loaded"] <= long["bytes_above_loaded"] < 2e9
    assert positive(long, "cost_beside_short")
    checkpoint = tiny_checkpoints["audiomae"]
    assert list(sections["loading"]["files"]) == [str(checkpoint)]
    assert sections["loading"]["files"][str(checkpoint)]["bytes"] == checkpoint.stat().st_size


@pytest.mark.repeats
def test_without_tensorflow_only_heareval_is_missing(tmp_path):
    file = tmp_path / "figures.json"
    done = run(["-c", BLOCK, "--quick", "--only", "embed", "--only", "projection", "--json", str(file)])
    assert done.returncode == 0, done.stderr[-3000:]
    assert "heareval's own runner: not measured: " in done.stdout
    sections = json.loads(file.read_text())["sections"]
    assert set(sections) == {"embed", "projection"}
    assert positive(sections["embed"]["tiny_model"], "fraction_of_encoder_alone")
    assert "speed_beside_heareval" not in sections["embed"]["tiny_model"]
    assert sections["projection"]["from"] == "embed"


def test_bad_arguments_are_told_before_any_work(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(benchmark, "measure", pytest.fail)
    assert main(["--model", str(tmp_path / "absent.ckpt")]) == 1
    assert "absent.ckpt: no such checkpoint file" in capsys.readouterr().err
    (tmp_path / "empty.ckpt").touch()
    assert main(["--model", str(tmp_path / "empty.ckpt")]) == 1
    assert "empty.ckpt: the file is empty" in capsys.readouterr().err
    assert main(["--json", str(tmp_path / "absent" / "figures.json")]) == 1
    assert "figures.json: expected a file in a folder that exists" in capsys.readouterr().err


def test_a_process_that_fails_is_told(tmp_path, capfd):
    (tmp_path / "damaged.safetensors").write_bytes(b"x" * 100)
    config = Config([str(tmp_path / "damaged.safetensors")], "float32", QUICK, tmp_path)
    with pytest.raises(ChildProcessError, match=r"damaged.safetensors failed with status 1"):
        start.measure_start(config)
    assert "CheckpointError" in capfd.readouterr().err
