from __future__ import annotations

import shutil
import warnings

import numpy as np
import pytest

from hear_cacophony import load_embedding_model
from hear_cacophony.checkpoint import CheckpointError, convert_checkpoint, find_weights, load_checkpoint, load_summary
from hear_cacophony.checkpoint.untrained import untrained_checkpoint
from hear_cacophony.model.stages import AUDIOMAE, CACOPHONY, EncoderConfig


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder that HEAR_CACOPHONY_WEIGHTS names; beside it, "cache" stands in for the user's cache folder."""
    named = tmp_path / "named"
    named.mkdir()
    monkeypatch.setenv("HEAR_CACOPHONY_WEIGHTS", str(named))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return named


@pytest.fixture
def cache_folder(folder):
    cached = folder.parent / "cache" / "hear_cacophony"
    cached.mkdir(parents=True)
    return cached


def test_published_name_is_found_in_the_named_folder(folder, tiny_checkpoints):
    shutil.copy(tiny_checkpoints["audiomae"], folder / "AudioMAE.ckpt")
    assert find_weights(AUDIOMAE) == find_weights() == folder / "AudioMAE.ckpt"
    assert load_checkpoint("").stage is AUDIOMAE


def test_converted_form_comes_first(folder, tiny_checkpoints):
    shutil.copy(tiny_checkpoints["cacophony"], folder / "Cacophony.ckpt")
    convert_checkpoint(folder / "Cacophony.ckpt", folder / "Cacophony.safetensors")
    assert find_weights(CACOPHONY) == folder / "Cacophony.safetensors"


def test_cache_folder_comes_after_the_named_folder(folder, cache_folder, tiny_checkpoints):
    shutil.copy(tiny_checkpoints["audiomae"], cache_folder / "AudioMAE.ckpt")
    assert find_weights(AUDIOMAE) == cache_folder / "AudioMAE.ckpt"
    shutil.copy(tiny_checkpoints["cacophony"], folder / "Cacophony.ckpt")
    assert find_weights() == folder / "Cacophony.ckpt"
    shutil.copy(tiny_checkpoints["audiomae"], folder / "AudioMAE.ckpt")
    assert find_weights(AUDIOMAE) == folder / "AudioMAE.ckpt"


def test_the_text_side_is_found_where_it_is(folder, cache_folder, tiny_text_checkpoint):
    published, converted = folder / "Cacophony.ckpt", folder / "Cacophony.safetensors"
    shutil.copy(tiny_text_checkpoint, published)
    convert_checkpoint(published, converted)
    assert find_weights(CACOPHONY) == converted
    assert find_weights(CACOPHONY, with_text=True) == published
    assert load_checkpoint("", CACOPHONY, with_text=True).text is not None
    published.rename(cache_folder / published.name)
    assert find_weights(CACOPHONY) == converted
    assert find_weights(CACOPHONY, with_text=True) == cache_folder / published.name
    (cache_folder / published.name).unlink()
    with pytest.raises(CheckpointError, match=r"Cacophony\.safetensors.*--towers all"):
        load_checkpoint("", CACOPHONY, with_text=True)


def test_cache_folder_is_the_default(tmp_path, monkeypatch, tiny_checkpoints):
    monkeypatch.delenv("HEAR_CACOPHONY_WEIGHTS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "hear_cacophony").mkdir()
    shutil.copy(tiny_checkpoints["cacophony"], tmp_path / "hear_cacophony" / "Cacophony.ckpt")
    assert find_weights(CACOPHONY) == tmp_path / "hear_cacophony" / "Cacophony.ckpt"


def test_nothing_found_says_where_weights_are_published(folder):
    with pytest.raises(FileNotFoundError) as error:
        load_checkpoint("", CACOPHONY)
    said = str(error.value)
    for part in (
        str(folder),
        str(folder.parent / "cache" / "hear_cacophony"),
        "1lZHJuClyn4FK_Fhn92ylQqyAd40uJv0Y",
        "Cacophony.ckpt (MD5 bb6aa4b4e8e90ea3595021bf8233add0)",
        "HEAR_CACOPHONY_WEIGHTS",
        "hear-cacophony download",
    ):
        assert part in said
    assert "AudioMAE.ckpt (MD5 3a8a7778a5e2013ceb4a418e1504d3d8)" not in said
    with pytest.raises(FileNotFoundError, match=r"AudioMAE\.ckpt \(MD5 3a8a7778a5e2013ceb4a418e1504d3d8\) and"):
        load_checkpoint("")


def test_of_both_stages_the_second_is_taken_unless_told(folder, tiny_checkpoints):
    shutil.copy(tiny_checkpoints["audiomae"], folder / "AudioMAE.ckpt")
    shutil.copy(tiny_checkpoints["cacophony"], folder / "Cacophony.ckpt")
    assert find_weights().name == load_checkpoint("").source == "Cacophony.ckpt"
    assert find_weights(AUDIOMAE).name == "AudioMAE.ckpt"


def test_variable_that_names_no_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HEAR_CACOPHONY_WEIGHTS", str(tmp_path / "gone"))
    with pytest.raises(FileNotFoundError, match="no such folder; expected the folder that holds the published files"):
        find_weights(AUDIOMAE)


def test_variable_can_name_untrained_weights(monkeypatch):
    monkeypatch.setenv("HEAR_CACOPHONY_WEIGHTS", "random-tiny")
    with pytest.warns(UserWarning, match="AudioMAE are untrained"):
        checkpoint = load_checkpoint("", AUDIOMAE)
    assert checkpoint.untrained
    assert checkpoint.stage is AUDIOMAE
    assert load_summary("").source == "random-tiny"


def test_untrained_weights_have_the_usual_spread():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        checkpoint = untrained_checkpoint("random", CACOPHONY)
    parameters = checkpoint.parameters
    assert checkpoint.config == EncoderConfig()
    layer = "audio_module/AudioEncoderLayer_3"
    for path, fan_in in [
        ("audio_module/Dense_0/kernel", 256),
        (f"{layer}/MLP_0/Dense_1/kernel", 3072),
        (f"{layer}/MultiHeadDotProductAttention_0/key/kernel", 768),
        (f"{layer}/MultiHeadDotProductAttention_0/out/kernel", 768),
    ]:
        assert parameters[path].std() == pytest.approx(fan_in**-0.5, rel=0.01)
    assert np.all(parameters[f"{layer}/LayerNorm_0/scale"] == 1)
    assert not parameters[f"{layer}/LayerNorm_0/bias"].any()
    assert (
        parameters[f"{layer}/MLP_0/Dense_0/kernel"][0, 0]
        != parameters["audio_module/AudioEncoderLayer_4/MLP_0/Dense_0/kernel"][0, 0]
    )


@pytest.mark.parametrize("path", [None, 3, b"model.ckpt", ["model.ckpt"]])
def test_what_is_no_path_is_told_what_is_one(path):
    for load in (load_checkpoint, load_summary, load_embedding_model):
        with pytest.raises(TypeError, match="expected the path of a checkpoint, 'random' or 'random-tiny'"):
            load(path)


def test_a_stage_by_its_name_is_told_how_to_find_it():
    with pytest.raises(TypeError, match=r"stage='cacophony' is not possible; expected .*find_stage"):
        load_checkpoint("random-tiny", "cacophony")
