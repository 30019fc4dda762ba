from __future__ import annotations

import pathlib

import numpy as np
import pytest
import soundfile
from damaged_audio import cut

from hear_cacophony import load_embedding_model, read_audio
from hear_cacophony.frontend import audio_file


@pytest.fixture
def sound(noise) -> np.ndarray:
    """Half a second of two channels at 44.1 kHz, shape (samples, 2)."""
    return np.stack([noise(22_050), noise(22_050, 1)], axis=1)


@pytest.mark.parametrize(
    ("name", "subtype", "near"),
    [
        ("a.wav", "FLOAT", 1e-6),
        ("a.wav", "PCM_16", 1e-4),
        ("a.wav", "PCM_24", 1e-6),
        ("a.flac", "PCM_16", 1e-4),
        ("a.aiff", "PCM_16", 1e-4),
    ],
)
def test_a_file_is_its_channels_mean_at_16_khz(name, subtype, near, sound, tmp_path):
    soundfile.write(tmp_path / name, sound, 44_100, subtype=subtype)
    soundfile.write(tmp_path / "mono.wav", sound.mean(axis=1), 44_100, subtype="FLOAT")
    clip = read_audio(tmp_path / name)
    assert (clip.shape, clip.dtype) == ((8_000,), np.float32)
    assert np.abs(clip - read_audio(str(tmp_path / "mono.wav"))).max() < near


@pytest.mark.parametrize("name", ["a.ogg", "a.mp3"])
def test_lossy_formats_are_near(name, tmp_path):
    tone = 0.3 * np.sin(2 * np.pi * 500 * np.arange(48_000) / 48_000)
    soundfile.write(tmp_path / name, tone, 48_000)
    clip = read_audio(tmp_path / name)
    assert len(clip) == pytest.approx(16_000, abs=1_200)  # MP3 has whole frames
    assert np.sqrt(np.mean(clip[4_000:12_000] ** 2)) == pytest.approx(0.3 / np.sqrt(2), rel=0.02)


def test_16_khz_mono_is_read_as_it_is(noise, tmp_path, monkeypatch):
    monkeypatch.setattr(audio_file, "BLOCK", 1_000)  # the samples come in more than one block
    soundfile.write(tmp_path / "a.wav", noise(7_777), 16_000, subtype="FLOAT")
    assert np.array_equal(read_audio(tmp_path / "a.wav"), noise(7_777))


def written(path: pathlib.Path, samples: np.ndarray, **options) -> pathlib.Path:
    soundfile.write(path, samples, 16_000, **options)
    return path


BAD = {
    "folder": (lambda folder: folder, "expected an audio file, got a folder"),
    "empty": (lambda folder: (folder / "a.wav").touch() or folder / "a.wav", "this is empty; was a copy"),
    "text": (
        lambda folder: (folder / "a.wav").write_text("hello") and folder / "a.wav",
        "expected an audio file, such",
    ),
    "raw": (lambda folder: (folder / "a.raw").write_bytes(bytes(99)) and folder / "a.raw", "headerless samples"),
    "no samples": (lambda folder: written(folder / "a.wav", np.zeros(0)), "the file holds none"),
    "cut": (lambda folder: cut(written(folder / "a.wav", np.zeros(9_000))), "was a copy interrupted"),
    "NaN": (
        lambda folder: written(folder / "a.wav", np.array([0, np.nan]), subtype="FLOAT"),
        "expected finite samples, got nan at sample 1",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_files_are_named_with_what_is_wrong(kind, tmp_path, tiny_checkpoints):
    make, message = BAD[kind]
    file = make(tmp_path)
    with pytest.raises(ValueError, match=message) as error:
        read_audio(file)
    assert str(error.value).startswith(f"{file}: ")
    with pytest.raises(ValueError, match=message):
        load_embedding_model(tiny_checkpoints["audiomae"]).embed_scenes([file])


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.wav: no such audio file; is the path right"):
        read_audio(tmp_path / "gone.wav")
    with pytest.raises(TypeError, match="expected the path of an audio file, got int"):
        read_audio(3)


def test_files_are_embedded_as_what_is_read_from_them(sound, noise, tiny_checkpoints, tmp_path):
    model = load_embedding_model(tiny_checkpoints["cacophony"])
    soundfile.write(tmp_path / "a.wav", sound, 44_100)
    soundfile.write(tmp_path / "b.flac", noise(20_000), 16_000)
    files = [tmp_path / "a.wav", str(tmp_path / "b.flac")]
    clips = [read_audio(file) for file in files]
    expected = model.embed_scenes(clips)
    assert np.array_equal(model.embed_scenes(files), expected)
    assert np.array_equal(model.embed_scenes([files[0], clips[1]]), expected), "files and arrays may be mixed"
    assert model.embed_scenes(files[0]).shape == (1, 64)
    assert np.allclose(model.embed_scenes(files[0])[0], expected[0], atol=1e-5)
    assert len(model.embed_timestamps(str(files[0]))) == 1
