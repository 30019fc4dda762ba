from __future__ import annotations

import dataclasses
import hashlib
import json
import pickle
import subprocess
import sys
import zipfile

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
import soundfile
from checkpoint_files import OTHERS, tiny_parameters, write_flax
from flax import serialization

from hear_cacophony.checkpoint import (
    CheckpointError,
    convert_checkpoint,
    msgpack_scanner,
    read_checkpoint,
    summarize_checkpoint,
)
from hear_cacophony.checkpoint import checkpoint as checkpoint_module
from hear_cacophony.model.stages import AUDIOMAE, CACOPHONY, STAGES, TINY, Release

by_stage = pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)


@pytest.fixture
def flax_path(tmp_path):
    return write_flax(tmp_path / "model.ckpt", tiny_parameters(AUDIOMAE), AUDIOMAE)


@by_stage
@pytest.mark.parametrize("converted", [False, True], ids=["flax", "safetensors"])
def test_reading_gives_every_parameter_and_its_origin(stage, converted, tmp_path):
    parameters = tiny_parameters(stage)
    source = write_flax(tmp_path / "model.ckpt", parameters, stage)
    file = source
    if converted:
        file = tmp_path / "model.safetensors"
        convert_checkpoint(source, file)
    read = read_checkpoint(file)
    assert (read.stage, read.config, read.source, read.untrained) == (stage, TINY, "model.ckpt", False)
    assert read.md5 == hashlib.md5(source.read_bytes()).hexdigest()
    assert read.parameters.keys() == parameters.keys()
    assert all(np.array_equal(read.parameters[path], parameters[path]) for path in parameters)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_other_precisions_are_read_as_float32(dtype, tmp_path):
    parameters = {path: array.astype(dtype) for path, array in tiny_parameters(CACOPHONY).items()}
    read = read_checkpoint(write_flax(tmp_path / "half.ckpt", parameters, CACOPHONY)).parameters
    assert {array.dtype for array in read.values()} == {np.dtype(np.float32)}
    assert all(np.array_equal(read[path], parameters[path].astype(np.float32)) for path in parameters)


def test_split_arrays_are_joined(tmp_path, monkeypatch):
    monkeypatch.setattr(serialization, "MAX_CHUNK_SIZE", 1000)
    parameters = tiny_parameters(AUDIOMAE)
    file = write_flax(tmp_path / "split.ckpt", parameters, AUDIOMAE)
    assert file.read_bytes().count(b"__msgpack_chunked_array__") > 20
    read = read_checkpoint(file).parameters
    assert all(np.array_equal(read[path], parameters[path]) for path in parameters)


def test_known_md5_names_the_release(flax_path, monkeypatch):
    md5 = hashlib.md5(flax_path.read_bytes()).hexdigest()
    assert read_checkpoint(flax_path).release is None
    monkeypatch.setattr(checkpoint_module, "find_release", {md5: Release("AudioMAE.ckpt", md5)}.get)
    assert read_checkpoint(flax_path).release.file_name == "AudioMAE.ckpt"


def test_the_origin_is_logged(flax_path, monkeypatch, caplog):
    caplog.set_level("INFO", logger="hear_cacophony.checkpoint.read")
    md5 = read_checkpoint(flax_path).md5
    assert caplog.messages == [f"{flax_path}: MD5 {md5} is not that of a published file"]
    caplog.clear()
    monkeypatch.setattr(checkpoint_module, "find_release", {md5: Release("AudioMAE.ckpt", md5)}.get)
    read_checkpoint(flax_path)
    assert caplog.messages == [f"{flax_path}: the published AudioMAE.ckpt (MD5 {md5})"]


@by_stage
def test_the_published_md5_is_known(stage):
    assert checkpoint_module.find_release(stage.release.md5) is stage.release


def test_wrong_stage_names_the_right_module(flax_path, tmp_path):
    with pytest.raises(
        CheckpointError, match=r"expected stage 2 \(Cacophony\), found stage 1 .* hear_cacophony.audiomae"
    ):
        read_checkpoint(flax_path, CACOPHONY)
    convert_checkpoint(flax_path, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="found stage 1"):
        read_checkpoint(tmp_path / "model.safetensors", CACOPHONY)


def test_all_wrong_parameters_are_in_one_error(tmp_path):
    parameters = tiny_parameters(CACOPHONY)
    del parameters["audio_module/AudioEncoderLayer_1/LayerNorm_0/scale"]
    del parameters["audio_attention_pool/query"]
    parameters["audio_module/Dense_9/kernel"] = np.zeros((2, 3), np.float32)
    parameters["audio_module/LayerNorm_0/bias"] = np.zeros(65, np.float32)
    with pytest.raises(CheckpointError) as error:
        read_checkpoint(write_flax(tmp_path / "odd.ckpt", parameters, CACOPHONY))
    listed = str(error.value)
    assert "missing: audio_module/AudioEncoderLayer_1/LayerNorm_0/scale (64,)" in listed
    assert "missing: audio_attention_pool/query (64,)" in listed
    assert "extra: audio_module/Dense_9/kernel (2, 3)" in listed
    assert "misshapen: audio_module/LayerNorm_0/bias: expected (64,), found (65,)" in listed


@pytest.mark.parametrize("gap", ["AudioEncoder_0/freq_positional_embedding", "AudioEncoder_0/AudioEncoderLayer_0"])
def test_sizes_that_cannot_be_recognised_end_in_the_same_error(gap, tmp_path):
    parameters = {path: array for path, array in tiny_parameters(AUDIOMAE).items() if not path.startswith(gap)}
    with pytest.raises(CheckpointError, match=f"missing: {gap}"):
        read_checkpoint(write_flax(tmp_path / "gap.ckpt", parameters, AUDIOMAE))


def test_values_that_are_not_finite_are_named(tmp_path):
    parameters = tiny_parameters(AUDIOMAE)
    parameters["AudioEncoder_0/Dense_0/bias"][3] = np.nan
    with pytest.raises(CheckpointError, match="NaN or infinite values in AudioEncoder_0/Dense_0/bias"):
        read_checkpoint(write_flax(tmp_path / "nan.ckpt", parameters, AUDIOMAE))


def test_integers_are_no_parameters(tmp_path):
    parameters = tiny_parameters(AUDIOMAE)
    parameters["AudioEncoder_0/Dense_0/bias"] = np.zeros(64, np.int32)
    parameters["AudioEncoder_0/LayerNorm_0/scale"] = np.ones(64, bool)
    file = write_flax(tmp_path / "int.ckpt", parameters, AUDIOMAE)
    for read in (read_checkpoint, summarize_checkpoint):
        with pytest.raises(CheckpointError) as error:
            read(file)
        assert "no floats: AudioEncoder_0/Dense_0/bias: expected one of float16, " in str(error.value)
        assert "found int32" in str(error.value)
        assert "no floats: AudioEncoder_0/LayerNorm_0/scale" in str(error.value)


@pytest.mark.parametrize("index", ["200000", "9" * 5000, "007"])
def test_an_absurd_layer_number_is_one_extra_parameter(index, tmp_path):
    parameters = tiny_parameters(AUDIOMAE)
    name = f"AudioEncoder_0/AudioEncoderLayer_{index}/LayerNorm_0/scale"
    parameters[name] = np.ones(64, np.float32)
    with pytest.raises(CheckpointError) as error:
        read_checkpoint(write_flax(tmp_path / "many.ckpt", parameters, AUDIOMAE))
    assert str(error.value).splitlines()[1:] == [f"  extra: {name} (64,)"]


def test_layers_of_different_sizes_end_in_the_same_error(tmp_path):
    parameters = tiny_parameters(AUDIOMAE)
    layer = "AudioEncoder_0/AudioEncoderLayer_0"
    parameters[f"{layer}/MLP_0/Dense_0/kernel"] = np.zeros((64, 100), np.float32)
    parameters[f"{layer}/MultiHeadDotProductAttention_0/query/kernel"] = np.zeros((64, 5, 13), np.float32)
    with pytest.raises(CheckpointError) as error:
        read_checkpoint(write_flax(tmp_path / "mixed.ckpt", parameters, AUDIOMAE))
    listed = str(error.value)
    assert f"misshapen: {layer}/MLP_0/Dense_1/kernel: expected (100, 64), found (128, 64)" in listed
    assert f"misshapen: {layer}/MultiHeadDotProductAttention_0/query/kernel" in listed
    assert "hidden size 64 is not a multiple of the number of heads" in listed


def test_both_stages_in_one_file_are_refused(tmp_path):
    parameters = {**tiny_parameters(AUDIOMAE), **tiny_parameters(CACOPHONY)}
    with pytest.raises(CheckpointError, match="found AudioDecoder_0, AudioEncoder_0, audio_attention_pool, audio_mod"):
        read_checkpoint(write_flax(tmp_path / "both.ckpt", parameters, AUDIOMAE))


def test_every_truncation_is_found(flax_path, tmp_path):
    data = flax_path.read_bytes()
    cut = tmp_path / "cut.ckpt"
    for size in [1, 2, 7, 50, *range(97, len(data), len(data) // 60), len(data) - 1]:
        cut.write_bytes(data[:size])
        with pytest.raises(CheckpointError, match=rf"truncated: expected at least \d+ bytes, found {size};.*download"):
            read_checkpoint(cut)


def test_bytes_after_the_end_are_found(flax_path):
    flax_path.write_bytes(flax_path.read_bytes() + b"\xc0\xc0")
    with pytest.raises(CheckpointError, match="more bytes than the checkpoint needs"):
        read_checkpoint(flax_path)


def test_damage_never_ends_in_another_error(flax_path, tmp_path):
    data = bytearray(flax_path.read_bytes())
    random = np.random.default_rng(0)
    bad = tmp_path / "bad.ckpt"
    refused = 0
    for _ in range(300):
        spoiled = bytearray(data)
        for position in random.integers(0, 600, 3):
            spoiled[position] = random.integers(0, 256)
        bad.write_bytes(spoiled)
        try:
            read_checkpoint(bad)
        except CheckpointError:
            refused += 1
    assert refused > 100


def test_a_converted_file_is_known_as_its_origin_while_it_holds_what_that_held(flax_path, tmp_path):
    file, origin = tmp_path / "model.safetensors", read_checkpoint(flax_path)
    convert_checkpoint(flax_path, file)
    whole = file.read_bytes()
    with safetensors.safe_open(file, framework="numpy") as tensors:
        parameters, metadata = {path: tensors.get_tensor(path) for path in tensors.keys()}, tensors.metadata()  # noqa: SIM118
    damaged = bytearray(whole)
    damaged[-1000] ^= 1
    file.write_bytes(damaged)
    known = {origin.md5}
    for edit in (None, "AudioEncoder_0/LayerNorm_0/bias", "AudioEncoder_0/LayerNorm_0/scale"):
        if edit:
            safetensors.numpy.save_file(parameters | {edit: parameters[edit] + 1}, file, metadata)
        with pytest.warns(UserWarning, match=r"something else than was converted from model\.ckpt .*MD5 "):
            read = read_checkpoint(file)
        with pytest.warns(UserWarning, match=read.md5):
            summary = summarize_checkpoint(file)
        assert (summary.md5, summary.source) == (read.md5, "model.safetensors")
        known.add(read.md5)
    assert len(known) == 4
    file.write_bytes(whole)
    assert read_checkpoint(file).md5 == summarize_checkpoint(file).md5 == origin.md5


def test_a_converted_file_that_cannot_tell_what_it_held_is_known_by_its_own_md5(tmp_path):
    file = converted_file(tmp_path / "old.safetensors", tiny_parameters(AUDIOMAE), md5="0" * 32)
    own = hashlib.md5(file.read_bytes()).hexdigest()
    with pytest.warns(UserWarning, match=rf"does not tell whether it still holds .*its own MD5, {own}, until"):
        assert read_checkpoint(file).md5 == own
    unnamed = converted_file(tmp_path / "unnamed.safetensors", tiny_parameters(AUDIOMAE))
    assert read_checkpoint(unnamed).md5 == hashlib.md5(unnamed.read_bytes()).hexdigest()


def test_truncated_safetensors(flax_path, tmp_path):
    file = tmp_path / "model.safetensors"
    convert_checkpoint(flax_path, file)
    data = file.read_bytes()
    for size in (4, 100, len(data) // 2, len(data) - 1):
        file.write_bytes(data[:size])
        with pytest.raises(CheckpointError, match=r"not a readable \.safetensors file"):
            read_checkpoint(file)


def test_safetensors_of_others(tmp_path):
    file = tmp_path / "other.safetensors"
    safetensors.numpy.save_file({"weight": np.zeros(3, np.float32)}, file)
    with pytest.raises(
        CheckpointError, match=r"expected the configuration of a converted checkpoint.*hear-cacophony convert"
    ):
        read_checkpoint(file)


def converted_file(path, parameters, **changes):
    """A converted file of stage 1 with changes to its metadata, given as the text in the file."""
    metadata = {
        "format": "hear_cacophony",
        "format_version": "1",
        "stage": "audiomae",
        "config": json.dumps(dataclasses.asdict(TINY)),
        "source": "model.ckpt",
        "md5": "",
        "untrained": "false",
    }
    safetensors.numpy.save_file(parameters, path, metadata | changes)
    return path


@pytest.mark.parametrize(
    "changes",
    [
        {"config": "{"},
        {"config": "[64]"},
        {"config": '{"hidden_size": "64"}'},
        {"config": '{"hidden_size": 64, "num_heads": 0}'},
        {"config": '{"pool_heads": 0}'},
        {"config": '{"num_layers": 2.5}'},
        {"config": '{"num_layers": 300000}'},
        {"config": '{"width": 64}'},
        {"stage": "whisper"},
        {"untrained": "perhaps"},
    ],
    ids=str,
)
def test_a_damaged_configuration_is_told(changes, tmp_path):
    file = converted_file(tmp_path / "bad.safetensors", tiny_parameters(AUDIOMAE), **changes)
    for read in (read_checkpoint, summarize_checkpoint):
        with pytest.raises(CheckpointError, match="the configuration in the file is damaged"):
            read(file)


def test_an_unknown_stage_of_a_converted_file_is_named(tmp_path):
    file = converted_file(tmp_path / "bad.safetensors", tiny_parameters(AUDIOMAE), stage="whisper")
    with pytest.raises(CheckpointError, match=r"unknown stage 'whisper'; expected one of 'audiomae', 'cacophony'"):
        read_checkpoint(file)


def test_a_converted_file_of_a_later_format_is_told(tmp_path):
    file = converted_file(tmp_path / "later.safetensors", tiny_parameters(AUDIOMAE), format_version="2")
    with pytest.raises(CheckpointError, match=r"\(hear_cacophony 1\), found hear_cacophony 2"):
        read_checkpoint(file)


def test_wrong_parameters_of_a_converted_file_are_listed(tmp_path):
    parameters = tiny_parameters(AUDIOMAE)
    parameters["AudioEncoder_0/Dense_0/bias"] = np.zeros(64, np.int32)
    parameters["AudioEncoder_0/Dense_9/bias"] = parameters.pop("AudioEncoder_0/LayerNorm_0/bias")
    with pytest.raises(CheckpointError) as error:
        read_checkpoint(converted_file(tmp_path / "odd.safetensors", parameters))
    assert "missing: AudioEncoder_0/LayerNorm_0/bias (64,)" in str(error.value)
    assert "extra: AudioEncoder_0/Dense_9/bias (64,)" in str(error.value)
    assert "no floats: AudioEncoder_0/Dense_0/bias" in str(error.value)


def write_wav(path):
    soundfile.write(path, np.zeros(100), 16_000, format="WAV")


def write_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", b"")


class Bomb:
    """Unpickling it would end the test run."""

    def __reduce__(self):
        return (sys.exit, ("unpickled",))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: path.write_bytes(b""), "the file is empty"),
        (lambda path: path.mkdir(), "found a folder"),
        (lambda path: path.write_text("<!DOCTYPE html><html>Quota exceeded</html>"), "a web page.*failed download"),
        (lambda path: path.write_text("<!DOCTYPE html>", encoding="utf-8-sig"), "a web page.*failed download"),
        (lambda path: path.write_text('{"a": 1}'), "a JSON or text file"),
        (lambda path: path.write_text("[1, 2]"), "a JSON or text file"),
        (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1"), "a Git LFS pointer"),
        (lambda path: path.write_text("hello, this is text"), "expected a Flax msgpack checkpoint"),
        (lambda path: path.write_bytes(pickle.dumps(Bomb())), "a Python pickle, which is never loaded"),
        (lambda path: path.write_bytes(pickle.dumps(Bomb(), protocol=2)), "a Python pickle"),
        (write_zip, "a zip archive, such as a PyTorch checkpoint"),
        (write_wav, "a WAV file"),
        (lambda path: path.write_bytes(b"\x80"), r"expected parameters under \['0'\]\['params'\], found no names"),
        (
            lambda path: path.write_bytes(serialization.msgpack_serialize({"params": {"x": np.ones(2)}})),
            r"under \['0'\]\['params'\], found 'params' at the top",
        ),
        (
            lambda path: path.write_bytes(serialization.msgpack_serialize({"0": {"params": {"x": np.ones(2)}}})),
            r"expected AudioEncoder_0 \(AudioMAE\) or audio_module \(Cacophony\).*found x",
        ),
    ],
)
def test_files_of_another_kind(write, message, tmp_path):
    path = tmp_path / "model.ckpt"
    write(path)
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(path)


def test_safetensors_under_another_name(flax_path, tmp_path):
    file = tmp_path / "model.safetensors"
    convert_checkpoint(flax_path, file)
    with pytest.raises(
        CheckpointError, match=r"looks like a safetensors file; name it so that it ends in \.safetensors"
    ):
        read_checkpoint(file.rename(tmp_path / "renamed.ckpt"))


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such checkpoint file; is the path right"):
        read_checkpoint(tmp_path / "missing.ckpt")


def test_conversion_overwrites_nothing(flax_path, tmp_path):
    target = tmp_path / "model.safetensors"
    target.write_text("precious")
    with pytest.raises(FileExistsError, match="delete it first"):
        convert_checkpoint(flax_path, target)
    assert target.read_text() == "precious"
    with pytest.raises(ValueError, match=r"expected a target that ends in \.safetensors"):
        convert_checkpoint(flax_path, tmp_path / "model.npz")


def test_failed_conversion_leaves_nothing(flax_path, tmp_path):
    flax_path.write_bytes(flax_path.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match="truncated"):
        convert_checkpoint(flax_path, tmp_path / "model.safetensors")
    assert [file.name for file in tmp_path.iterdir()] == ["model.ckpt"]


def test_converted_file_has_the_usual_permissions(flax_path, tmp_path):
    target = tmp_path / "model.safetensors"
    convert_checkpoint(flax_path, target)
    (tmp_path / "usual").touch()
    assert target.stat().st_mode == (tmp_path / "usual").stat().st_mode


CONVERT_WITH_NO_ROOM = """
import resource, sys
from hear_tasks.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
sys.exit(main(["convert", *sys.argv[1:]]))
"""


def test_conversion_that_cannot_be_written_leaves_nothing(flax_path, tmp_path):
    target = tmp_path / "model.safetensors"
    command = [sys.executable, "-c", CONVERT_WITH_NO_ROOM, str(flax_path), str(target)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "model.safetensors: file too large (File too large); this process may write 100,000 bytes" in run.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["model.ckpt"]


@by_stage
def test_summary_counts_what_is_never_loaded(stage, tmp_path):
    parameters = tiny_parameters(stage)
    summary = summarize_checkpoint(write_flax(tmp_path / "model.ckpt", parameters, stage))
    audio = sum(array.size for path, array in parameters.items() if path.startswith(stage.encoder_path))
    assert summary.parameter_counts[stage.encoder_path] == audio
    assert summary.parameter_counts[OTHERS[stage.number].split("/")[0]] == 35
    assert (summary.stage, summary.config, summary.release) == (stage, TINY, None)


MEASURE = """
import sys
from hear_cacophony.checkpoint import read_checkpoint
from hear_tasks.benchmark.memory import peak_resident_bytes
before = peak_resident_bytes()
read_checkpoint(sys.argv[1])
print(peak_resident_bytes() - before)
"""


def test_memory_depends_on_the_audio_parameters_not_on_the_file(flax_path, tmp_path):
    large = tmp_path / "large.ckpt"
    tree = serialization.msgpack_restore(flax_path.read_bytes())
    tree["0"]["opt_state"]["0"]["mu"]["more"] = {str(i): np.zeros(5_000_000, np.float32) for i in range(15)}
    large.write_bytes(serialization.msgpack_serialize(tree))
    assert large.stat().st_size > 300_000_000
    grown = subprocess.run([sys.executable, "-c", MEASURE, str(large)], capture_output=True, text=True, check=True)
    assert int(grown.stdout) < 40_000_000, "above the imports, for 0.5 MB of audio parameters"


def test_lengths_beyond_the_file_allocate_nothing(tmp_path):
    file = tmp_path / "hostile.ckpt"
    file.write_bytes(b"\x81\xdb\xff\xff\xff\xff" + b"x" * 100)
    with pytest.raises(CheckpointError, match="string of length 4294967295 where a name was expected"):
        read_checkpoint(file)


@pytest.mark.parametrize("content", [b"\x81\xa1a" * 5000, b"\x81\xa1a" + b"\x91" * 5000], ids=["maps", "arrays"])
def test_endless_nesting_is_refused(content, tmp_path):
    file = tmp_path / "deep.ckpt"
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match=f"nested deeper than {msgpack_scanner.MAX_DEPTH}"):
        read_checkpoint(file)


@pytest.mark.parametrize(
    ("shape", "chunks", "message"),
    [
        ({"a": 1}, {"0": np.ones(1)}, "a split array with parts named a"),
        ({"0": 2}, {"0": np.ones(1), "2": np.ones(1)}, "a split array with parts named 0, 2"),
        ({"0": 3}, {"0": np.ones(1), "1": np.ones(1)}, "whose chunks do not make up its shape"),
        ({"0": 2**63, "1": 2}, {"0": np.ones(0)}, "whose chunks do not make up its shape"),
    ],
    ids=["shape", "gap", "sum", "overflow"],
)
def test_damaged_split_arrays_are_told(shape, chunks, message, tmp_path):
    split = {"__msgpack_chunked_array__": True, "shape": shape, "chunks": chunks}
    file = tmp_path / "split.ckpt"
    file.write_bytes(serialization.msgpack_serialize({"0": {"params": {"AudioEncoder_0": {"x": split}}}}))
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(file)


def test_the_md5_of_a_file_is_computed_once_for_each_state_of_it(tmp_path, monkeypatch):
    import hashlib

    from hear_cacophony.checkpoint import file_md5

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file, computed = tmp_path / "a.ckpt", []
    run = file_md5.FileDigest._run
    monkeypatch.setattr(file_md5.FileDigest, "_run", lambda self: (computed.append(1), run(self))[1])
    for content, times in ((b"first", 1), (b"first", 1), (b"other", 2)):
        if not file.exists() or file.read_bytes() != content:
            file.write_bytes(content)
        with file_md5.FileDigest(file) as digest:
            assert digest.md5() == hashlib.md5(content).hexdigest()
        assert len(computed) == times
    (tmp_path / "cache/hear_cacophony/checkpoints.json").write_text("damaged")
    with file_md5.FileDigest(file) as digest:
        assert digest.md5() == hashlib.md5(b"other").hexdigest()
    assert len(computed) == 3
