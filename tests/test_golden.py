"""Our outputs against those of the published inference code."""

from __future__ import annotations

import dataclasses
import functools
import json

import jax
import numpy as np
import pytest
from conftest import write_checkpoint
from golden_cases import CASES, EXACT, FOLDER, load_case, max_seconds, relative_error, tolerance
from repeats import first

from hear_cacophony import load_embedding_model
from hear_cacophony.checkpoint import read_checkpoint
from hear_cacophony.checkpoint.parameters import expected_shapes, to_variables
from hear_cacophony.engine.devices import Devices
from hear_cacophony.engine.embedding import EmbeddingModel
from hear_cacophony.engine.options import Options
from hear_cacophony.frontend import spectrogram
from hear_cacophony.model.encoder import AudioEncoder
from hear_cacophony.model.pooling import AttentionPooler
from hear_cacophony.model.stages import STAGES, EncoderConfig

compiled_log_mel = jax.jit(spectrogram.log_mel, static_argnums=1)


@pytest.mark.parametrize("case", CASES)
def test_log_mel(case):
    arrays = load_case(case)
    frames = spectrogram.count_frames(len(arrays["audio"]))
    ours = compiled_log_mel(arrays["audio"], frames)
    assert relative_error(ours, arrays["log_mel"]) < tolerance(case)


def check_case(case, size, stage, published):
    arrays = load_case(case)
    model = published.with_options(dataclasses.replace(published.options, max_seconds=max_seconds(case)))
    clip = arrays["audio"][None]
    (timestamps,) = model.embed_timestamps(clip)
    assert model.stage.name == stage
    assert relative_error(model.embed_scenes(clip)[0], arrays[f"{size}/{stage}/scene"]) < tolerance(case)
    assert relative_error(timestamps.embeddings, arrays[f"{size}/{stage}/timestamp"]) < tolerance(case)


LONGEST = "06_mix_160000"
NOT_LONGEST = [case for case in CASES if case != LONGEST]


@pytest.mark.parametrize("stage", ["audiomae", "cacophony"])
@pytest.mark.parametrize("case", first(len(NOT_LONGEST), [*NOT_LONGEST, LONGEST]))
def test_tiny_model_from_audio(case, stage, tiny_checkpoints):
    check_case(case, "tiny", stage, load_embedding_model(tiny_checkpoints[stage], protocol="published"))


@pytest.fixture(scope="module", params=first(1, ["cacophony", "audiomae"]))
def full_size_model(request, tmp_path_factory):
    """Stage 2 without a file, and stage 1 from one."""
    if request.param == "audiomae":
        return request.param, full_size_from_a_file("AudioMAE", tmp_path_factory.mktemp("full"))
    checkpoint = request.getfixturevalue("full_size_text_checkpoint")
    return request.param, EmbeddingModel(checkpoint, Options(protocol="published"), Devices([0]))


def full_size_from_a_file(name, folder):
    path = write_checkpoint(folder / f"{name}.ckpt", name, tiny=False)
    model = load_embedding_model(path, protocol="published", devices=[0])
    path.unlink()
    return model


@pytest.mark.parametrize("case", first(1, ["01_noise_43840", "07_harmonic_76320_max5s", *CASES[2:7], CASES[0]]))
def test_full_size_model_from_audio(case, full_size_model):
    check_case(case, "base", *full_size_model)


@pytest.mark.repeats
def test_full_size_stage_2_from_a_file(tmp_path):
    check_case("01_noise_43840", "base", "cacophony", full_size_from_a_file("Cacophony", tmp_path))


@functools.cache
def compiled(network, config):
    return jax.jit(network(config).apply)


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
@pytest.mark.parametrize("case", first(3, CASES))
def test_tiny_model_from_log_mel(case, stage, tiny_checkpoints):
    arrays = load_case(case)
    checkpoint = read_checkpoint(tiny_checkpoints[stage.name])
    variables = to_variables(stage, checkpoint.config, checkpoint.parameters)
    patches = np.asarray(spectrogram.to_patches(arrays["log_mel"]))
    golden = arrays[f"tiny/{stage.name}/timestamp"]
    padded = len(golden) * spectrogram.PATCHES_PER_STEP
    mask = np.arange(padded) < len(patches)
    patches = np.pad(patches, [(0, padded - len(patches)), (0, 0)])

    encoded = compiled(AudioEncoder, checkpoint.config)({"params": variables["encoder"]}, patches[None], mask[None])
    by_step = encoded[0].reshape(len(golden), spectrogram.PATCHES_PER_STEP, -1).mean(axis=1)
    assert relative_error(by_step, golden) < EXACT

    if stage.pool_path is None:
        scene = encoded[0].mean(axis=0)
    else:
        pooler = compiled(AttentionPooler, checkpoint.config)
        scene = pooler({"params": variables["pooler"]}, encoded, mask[None])[0]
    assert relative_error(scene, arrays[f"tiny/{stage.name}/scene"]) < EXACT


@pytest.mark.parametrize("stage", ["audiomae", "cacophony"])
@pytest.mark.parametrize("case", first(6, [case for case in [*NOT_LONGEST, LONGEST] if max_seconds(case) is None]))
def test_hear_scenes_agree_with_published_ones_where_nothing_is_padded(case, stage, tiny_checkpoints):
    arrays = load_case(case)
    scene = load_embedding_model(tiny_checkpoints[stage]).embed_scenes(arrays["audio"][None])[0]
    assert relative_error(scene, arrays[f"tiny/{stage}/scene"]) < tolerance(case)


def test_hear_scene_of_stage_2_never_sees_the_padding(tiny_checkpoints):
    arrays = load_case("07_harmonic_76320_max5s")
    scene = load_embedding_model(tiny_checkpoints["cacophony"]).embed_scenes(arrays["audio"][None])[0]
    assert relative_error(scene, arrays["tiny/cacophony/scene"]) < tolerance("07_harmonic_76320_max5s")


@pytest.mark.parametrize("stage", ["audiomae", "cacophony"])
def test_hear_timestamps_of_whole_patches_are_the_published_ones(stage, tiny_checkpoints):
    arrays = load_case("02_harmonic_64000")
    golden = arrays[f"tiny/{stage}/timestamp"]
    for hop in (160, 80, 40):
        model = load_embedding_model(tiny_checkpoints[stage], timestamp_hop_ms=hop)
        (ours,) = model.embed_timestamps(arrays["audio"][None])
        plain_pass = np.isin(ours.timestamps, 87.5 + 160 * np.arange(25))
        assert relative_error(ours.embeddings[plain_pass], golden) < tolerance("02_harmonic_64000")


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_parameter_names_and_shapes_are_the_published_ones(stage):
    layout = json.loads((FOLDER / "layout.json").read_text())[stage.title]
    subtrees = tuple(path for path in (stage.encoder_path, stage.pool_path) if path)
    published = {path: tuple(shape) for path, (shape, _) in layout.items() if path.startswith(subtrees)}
    assert expected_shapes(stage, EncoderConfig()) == published
