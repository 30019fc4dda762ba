"""Where training starts from, and the checkpoints that it ends with."""

from __future__ import annotations

import json

import numpy as np
import pytest
import safetensors.numpy
from conftest import stand_in_parameters
from golden_cases import FOLDER, relative_error

from hear_cacophony import load_audio_text_model, load_embedding_model
from hear_cacophony.checkpoint.checkpoint import CheckpointError
from hear_cacophony.checkpoint.read import read_checkpoint, summarize_checkpoint
from hear_cacophony.checkpoint.write import write_checkpoint
from hear_cacophony.model.stages import AUDIOMAE, CACOPHONY, STAGES, EncoderConfig, TextConfig
from hear_cacophony.model.text_encoder import TextEncoder
from hear_cacophony.training.defaults import default_options, nearest_name
from hear_cacophony.training.initial import (
    drawn_parameters,
    read_audio_start,
    read_roberta,
    read_start,
    training_shapes,
)
from hear_cacophony.training.sizes import SIZES, change_sizes


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A file of each stage, tiny, as training leaves it."""
    folder = tmp_path_factory.mktemp("trained")
    files = {}
    for stage in STAGES:
        files[stage] = folder / stage.release.file_name
        write_checkpoint(drawn_parameters(stage, SIZES["tiny"], seed=3), files[stage], step=7)
    return files


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_the_tree_of_size_base_is_the_published_one(stage):
    published = json.loads((FOLDER / "layout.json").read_text())[stage.title]
    assert training_shapes(stage, SIZES["base"]) == {path: tuple(shape) for path, (shape, _) in published.items()}


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
@pytest.mark.parametrize("size", ["tiny", "small"])
def test_the_bands_are_told_apart_from_the_start(stage, size):
    drawn = drawn_parameters(stage, SIZES[size], seed=1)
    bands = drawn[f"{stage.encoder_path}/freq_positional_embedding"]
    assert bands.std() == pytest.approx(1)
    apart = np.linalg.norm(bands[:, None] - bands, axis=-1)[~np.eye(8, dtype=bool)]
    assert apart.min() > np.sqrt(bands.shape[1])  # the length of a patch of variance 1 that they are added to


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_what_is_written_is_read_back_and_has_the_published_tree(stage, trained):
    from flax import serialization
    from flax.traverse_util import flatten_dict

    drawn = drawn_parameters(stage, SIZES["tiny"], seed=3)
    state = serialization.msgpack_restore(trained[stage].read_bytes())["0"]
    assert state["step"] == 7
    held = flatten_dict(state["params"], sep="/")
    assert held.keys() == stand_in_parameters(stage.title, tiny=True).keys()
    sizes, parameters = read_start(stage, trained[stage])
    assert (sizes.encoder, parameters.keys()) == (SIZES["tiny"].encoder, drawn.keys())
    for path, array in parameters.items():
        np.testing.assert_array_equal(array, drawn[path])
    assert summarize_checkpoint(trained[stage]).release is None


def test_both_forms_give_the_same_embeddings_and_the_text_side_goes_along(trained, noise):
    clips = [noise(20_000)]
    for stage in STAGES:
        both = [
            load_embedding_model(trained[stage].with_suffix(end)).embed_scenes(clips)
            for end in (".ckpt", ".safetensors")
        ]
        np.testing.assert_array_equal(*both)
    model = load_audio_text_model(trained[CACOPHONY].with_suffix(".safetensors"))
    assert model.embed_tokens([[0, 5, 2]]).shape == (1, 64)
    assert not read_checkpoint(trained[CACOPHONY].with_suffix(".safetensors")).untrained


def test_values_that_are_drawn_follow_the_seed_and_the_scale_begins_as_published():
    one, same, other = (drawn_parameters(CACOPHONY, SIZES["tiny"], seed) for seed in (1, 1, 2))
    path = "audio_module/Dense_0/kernel"
    np.testing.assert_array_equal(one[path], same[path])
    assert not np.array_equal(one[path], other[path])
    assert one["logit_scale"] == 2


def test_stage_2_starts_from_the_encoder_of_stage_1_alone(trained):
    config = SIZES["tiny"].encoder
    started = read_audio_start(trained[AUDIOMAE], config)
    _, stage_1 = read_start(AUDIOMAE, trained[AUDIOMAE])
    np.testing.assert_array_equal(started["audio_module/Dense_0/kernel"], stage_1["AudioEncoder_0/Dense_0/kernel"])
    assert started.keys() <= training_shapes(CACOPHONY, SIZES["tiny"]).keys()
    with pytest.raises(CheckpointError, match=r"expected stage 1 \(AudioMAE\), found stage 2"):
        read_audio_start(trained[CACOPHONY], config)
    with pytest.raises(CheckpointError, match=r"hidden_size 64 \(expected 192\), num_layers 2 \(expected 6\)"):
        read_audio_start(trained[AUDIOMAE], SIZES["small"].encoder)


def test_a_start_without_the_decoder_is_refused(trained, tiny_checkpoints):
    with pytest.raises(CheckpointError, match="a converted file holds no decoder"):
        read_start(AUDIOMAE, trained[AUDIOMAE].with_suffix(".safetensors"))
    with pytest.raises(CheckpointError, match="expected stage 1's decoder, AudioDecoder_0, found AudioEncoder_0"):
        read_start(AUDIOMAE, tiny_checkpoints["audiomae"])


def write_roberta(folder, **sizes):
    """A small RoBERTa of random weights, causal as the published text encoder is, and its file."""
    import torch
    from transformers import RobertaConfig, RobertaModel

    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=512, max_position_embeddings=514, type_vocab_size=1, is_decoder=True, layer_norm_eps=1e-5,
        hidden_act="gelu", attn_implementation="eager", **sizes,
    )  # fmt: skip
    model = RobertaModel(config, add_pooling_layer=False).eval()
    arrays = {f"roberta.{name}": tensor.numpy().copy() for name, tensor in model.state_dict().items()}
    arrays["lm_head.bias"] = np.zeros(512, np.float32)
    file = folder / "model.safetensors"
    safetensors.numpy.save_file(arrays, file)
    return model, file


SMALL_TEXT = TextConfig(hidden_size=48, vocabulary_size=512, num_layers=3, decoder_layers=1, num_heads=12, mlp_size=96)


def test_the_text_encoder_starts_as_roberta_each_position_two_rows_on(tmp_path):
    import torch

    from hear_cacophony.checkpoint.parameters import to_text_variables

    model, file = write_roberta(
        tmp_path, hidden_size=48, num_hidden_layers=3, num_attention_heads=12, intermediate_size=96
    )
    sizes = change_sizes(SIZES["tiny"], width=48, heads=4)
    sizes = type(sizes)(sizes.encoder, sizes.decoder, SMALL_TEXT)
    parameters = drawn_parameters(CACOPHONY, sizes, 0) | read_roberta(file, SMALL_TEXT)
    assert parameters.keys() == training_shapes(CACOPHONY, sizes).keys()
    ids = np.array([[0, 17, 300, 4, 2]])
    variables = to_text_variables(CACOPHONY, parameters, place=lambda array: array)
    ours = TextEncoder(SMALL_TEXT).apply({"params": variables["encoder"]}, ids, np.ones(ids.shape, bool))
    with torch.no_grad():
        theirs = model(torch.tensor(ids)).last_hidden_state.numpy()
    assert relative_error(ours, theirs) < 1e-5


def test_a_roberta_of_other_sizes_or_another_file_is_refused(tmp_path, trained):
    _, file = write_roberta(tmp_path, hidden_size=24, num_hidden_layers=3, num_attention_heads=12, intermediate_size=96)
    with pytest.raises(CheckpointError, match=r"misshapen: embeddings.word_embeddings.weight: expected \(512, 48\)"):
        read_roberta(file, SMALL_TEXT)
    with pytest.raises(CheckpointError, match=r"missing: embeddings.word_embeddings.weight"):
        read_roberta(trained[CACOPHONY].with_suffix(".safetensors"), SMALL_TEXT)
    with pytest.raises(FileNotFoundError, match=r"expected RoBERTa-base.s model\.safetensors"):
        read_roberta(tmp_path / "none.safetensors", SMALL_TEXT)


def test_small_has_the_parameters_that_its_name_promises_and_every_size_can_pool():
    count = sum(int(np.prod(shape)) for shape in training_shapes(AUDIOMAE, SIZES["small"]).values())
    assert 3e6 < count < 6e6
    for sizes in SIZES.values():
        assert sizes.encoder.hidden_size == sizes.text.hidden_size
        assert sizes.encoder.hidden_size % sizes.encoder.pool_heads == 0


def test_a_long_run_learns_from_its_start_and_a_checkpoint_has_the_defaults_of_its_size():
    assert default_options(AUDIOMAE, "small")["warmup"] == 500
    assert default_options(AUDIOMAE, "small", steps=200) == {
        "steps": 200, "learning_rate": 1e-3, "warmup": 20, "seconds": 2.0, "restore": 40, "normalise": True,
    }  # fmt: skip
    assert not default_options(AUDIOMAE, "base")["normalise"]
    assert default_options(CACOPHONY, "base")["seconds"] == 30
    assert [nearest_name(change_sizes(SIZES["base"], width=width)) for width in (64, 192, 384, 768)] == [
        "tiny", "small", "small", "base",
    ]  # fmt: skip


def test_sizes_can_be_changed_and_impossible_ones_are_refused():
    changed = change_sizes(SIZES["small"], width=96, layers=2, heads=6, decoder_layers=1, text_layers=3)
    assert changed.encoder == EncoderConfig(96, 2, 6, 384)
    assert (changed.decoder.num_layers, changed.text.num_layers, changed.text.num_heads) == (1, 3, 12)
    with pytest.raises(ValueError, match="a width of 100 is not possible; expected a multiple of the 3 heads"):
        change_sizes(SIZES["small"], width=100)
    with pytest.raises(ValueError, match="--layers 0: expected at least 1"):
        change_sizes(SIZES["small"], layers=0)
