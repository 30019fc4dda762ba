"""What stage 1 restores of a clip, and the picture of it."""

from __future__ import annotations

import jax
import numpy as np
import pytest
import soundfile

from hear_cacophony.checkpoint.checkpoint import CheckpointError
from hear_cacophony.checkpoint.write import write_checkpoint
from hear_cacophony.frontend import spectrogram
from hear_cacophony.model.stages import AUDIOMAE
from hear_cacophony.training.initial import drawn_parameters
from hear_cacophony.training.masked_autoencoder import MaskedAutoencoder, PatchSet
from hear_cacophony.training.reconstruction import Reconstruction, Reconstructor, from_patches
from hear_cacophony.training.reconstruction_picture import MOST_ROWS
from hear_cacophony.training.sizes import SIZES
from hear_tasks.cli import main

PARAMETERS = drawn_parameters(AUDIOMAE, SIZES["tiny"], seed=5)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("stage1") / "AudioMAE.ckpt"
    write_checkpoint(PARAMETERS, path, step=1)
    return path


@pytest.fixture(scope="module")
def model(checkpoint):
    return Reconstructor(checkpoint)


def test_patches_go_back_to_where_they_were_cut_from():
    frames = np.random.default_rng(0).standard_normal((64, 128)).astype(np.float32)
    np.testing.assert_array_equal(from_patches(np.asarray(spectrogram.to_patches(frames))), frames)


def test_what_is_kept_stays_and_the_rest_is_the_decoders(model, noise):
    clip = noise(30_000)
    found = model.reconstruct(clip, 0.75, seed=3)
    frames = 30_000 // 160 // 16 * 16
    expected = np.asarray(spectrogram.log_mel(clip, frames))
    np.testing.assert_allclose(found.original, expected, atol=1e-6)
    assert found.kept.sum() == round(0.25 * (frames // 16 * 8))
    np.testing.assert_array_equal(found.restored[found.kept_values], found.original[found.kept_values])
    patches = np.asarray(spectrogram.to_patches(expected))
    sets = [
        PatchSet(patches[places][None], places[None], np.ones((1, len(places)), bool))
        for places in (np.flatnonzero(found.kept), np.flatnonzero(~found.kept))
    ]
    plain = MaskedAutoencoder(SIZES["tiny"].encoder, SIZES["tiny"].decoder)
    alone = np.asarray(jax.jit(plain.restore, static_argnums=3)(PARAMETERS, *sets, frames // 16))[0]
    restored = np.asarray(spectrogram.to_patches(found.restored))[~found.kept]
    assert np.linalg.norm(restored - alone) < 1e-5 * np.linalg.norm(alone)


def test_what_is_kept_follows_the_seed(model, noise):
    one, same, other = (model.reconstruct(noise(30_000), 0.75, seed).kept for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_single_patch_is_kept_and_one_restored_at_least(model, noise):
    assert model.reconstruct(noise(500), 0.99).kept.sum() == 1
    assert model.reconstruct(noise(500), 0.01).kept.sum() == 7


@pytest.mark.parametrize("told_by", ["file", "caller"])
def test_of_a_model_of_normalised_patches_mean_and_variance_are_the_true_ones(told_by, model, tmp_path, noise):
    write_checkpoint(PARAMETERS, tmp_path / "AudioMAE.ckpt", normalised=told_by == "file")
    found = Reconstructor(tmp_path / "AudioMAE.ckpt", normalised=told_by == "caller").reconstruct(noise(28_000), 0.75)
    plain = model.reconstruct(noise(28_000), 0.75)
    own, raw, truth = (
        np.asarray(spectrogram.to_patches(each))[~found.kept]
        for each in (found.restored, plain.restored, found.original)
    )
    np.testing.assert_allclose((own - truth.mean(1)[:, None]) / truth.std(1)[:, None], raw, rtol=1e-3, atol=1e-3)


def test_errors_are_those_of_the_restored_values():
    original = np.zeros((16, 128), np.float32)
    original[:8] = 2.0  # each patch has mean 1 and so a squared error of 1 around it
    restored = original + np.repeat(np.arange(8.0), 16)  # the patch of band k is off by k
    found = Reconstruction(original, restored, np.arange(8) < 6)
    assert found.error == pytest.approx((6**2 + 7**2) / 2)
    assert found.error_of_means == pytest.approx(1.0)


def test_a_picture_is_drawn_and_errors_are_told(checkpoint, tmp_path, monkeypatch, capsys, noise):
    monkeypatch.chdir(tmp_path)
    soundfile.write("a $b$.wav", noise(40_000), 16_000)
    arguments = ["reconstruct", "a $b$.wav", "--model", str(checkpoint), "--mask-ratio", "0.75", "0.5"]
    assert main([*arguments, "--seconds", "1.5", "--out", "p.png"]) == 0
    told = capsys.readouterr()
    assert "a $b$.wav: the first 1.5 of 2.5 s; --seconds" in told.err
    assert told.out.count("of each patch's mean 0.0") == 2
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert main([*arguments, "--seconds", "inf", "--out", "whole.png"]) == 0
    assert capsys.readouterr().err == ""
    soundfile.write("loud.wav", 9_000 * noise(8_000), 16_000, subtype="FLOAT")
    assert main(["reconstruct", "loud.wav", "--model", str(checkpoint), "--out", "loud.png"]) == 0
    assert "loud.wav: expected samples in [-1, 1], got a peak of" in capsys.readouterr().err
    before = (tmp_path / "p.png").read_bytes()
    assert main([*arguments, "--out", "p.png"]) == 1
    assert "p.png exists" in capsys.readouterr().err
    assert (tmp_path / "p.png").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--out", "p.gif"], "expected a picture that ends in one of"),
        (["--out", "p.png", "--mask-ratio", "1.0"], "expected shares above 0 and below 1, got 1.0"),
        (["--out", "p.png", "--mask-ratio", "nan"], "expected shares above 0 and below 1, got nan"),
        (["--out", "p.png", "--seconds", "0.1"], "expected 0.16 or more"),
        (["--out", "p.png", "--seed", "-1"], "expected 0 or more"),
        (["--out", "p.png", "--mask-ratio", *["0.5"] * (MOST_ROWS + 1)], f"expected at most {MOST_ROWS} rows"),
        (["--out", "no/p.png"], "no such folder"),
        (["--out", "p.png"], "missing.wav: no such audio file"),
    ],
)
def test_bad_arguments_are_told_before_any_work(arguments, told, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["reconstruct", "missing.wav", *arguments]) == 1
    assert told in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_without_the_decoder_is_told(tiny_checkpoints):
    with pytest.raises(CheckpointError, match="expected stage 1's decoder, AudioDecoder_0"):
        Reconstructor(tiny_checkpoints["audiomae"])
    with pytest.raises(CheckpointError, match="stage"):
        Reconstructor(tiny_checkpoints["cacophony"])
