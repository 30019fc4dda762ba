"""The HEAR modules of the five other models: their libraries' output, exactly, for clips of any length."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import importlib.util
import pathlib
import sys
from collections.abc import Callable, Iterator
from types import ModuleType

import numpy as np
import pytest
import torch
from plugin_checkpoints import (
    LAION_SECONDS,
    Reference,
    save_laion_clap,
    save_ms_clap,
    save_wavcaps,
    transform_computed_once,
)
from repeats import first

from hear_tasks.plugins import libraries, msclap_models, torch_model
from hear_tasks.plugins.msclap_models import MS_CLAP_2022, MS_CLAP_2023
from hear_tasks.plugins.torch_checkpoint import CheckpointError
from hear_tasks.plugins.torch_model import count_timestamps, cut_windows, segment_starts, window_starts

MISSING = [name for name in ("transformers", "msclap", "torchlibrosa") if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"the plugins need {', '.join(MISSING)}: {libraries.INSTALL_MSCLAP}"
)

CLOSE = {"rtol": 1e-5, "atol": 5e-6}
"""Embeddings of length 1, or of layer-normalised values, in float32."""


def laion_reference(model: torch.nn.Module, folder: pathlib.Path) -> Reference:
    """transformers' own way, from audio to embedding, for clips of up to the length of its input."""
    from transformers import ClapFeatureExtractor

    extractor = ClapFeatureExtractor.from_pretrained(folder)

    def embed(audio: torch.Tensor) -> torch.Tensor:
        inputs = extractor(list(audio.numpy()), sampling_rate=48_000, return_tensors="pt")
        inputs["is_longer"] &= audio.shape[1] > extractor.nb_max_samples
        return model.get_audio_features(**inputs).pooler_output

    return embed


def laion_models() -> ModuleType:
    """Imported when it is used: it imports transformers, and each process of the tests collects all files."""
    return _module("laion_models")


def as_it_is(audio: torch.Tensor, length: int) -> torch.Tensor:
    """For a reference that fills up short clips itself."""
    return audio


def repeat(audio: torch.Tensor, length: int) -> torch.Tensor:
    return torch.cat([audio] * (length // audio.shape[1] + 1), 1)[:, :length]


def zeros(audio: torch.Tensor, length: int) -> torch.Tensor:
    return torch.cat([audio, torch.zeros(len(audio), length - audio.shape[1])], 1)


@dataclasses.dataclass(frozen=True)
class Plugin:
    """A HEAR module with a small checkpoint and its library."""

    module: ModuleType
    path: str
    library: Reference
    fill: Callable[[torch.Tensor, int], torch.Tensor]
    sample_rate: int
    shortest: Callable[[], int]
    longest: Callable[[], int | None]
    size: int = 24

    def load(self, **options):
        return self.module.load_model(self.path, **options)

    def noise(self, seconds: float, clips: int = 2, seed: int = 0) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        loudness = torch.linspace(0.02, 0.3, clips)[:, None]
        return loudness * torch.randn(clips, int(seconds * self.sample_rate), generator=generator)

    def expected(self, audio: torch.Tensor) -> torch.Tensor:
        """The library's embeddings of clips that its network takes at once."""
        length = self.shortest()
        with torch.no_grad():
            return self.library(self.fill(audio, length) if audio.shape[1] < length else audio)


def _laion(folder: pathlib.Path, fusion: bool) -> Plugin:
    name = "laion_clap_fusion" if fusion else "laion_clap"
    length = LAION_SECONDS * 48_000
    model = save_laion_clap(folder / name, fusion=fusion)
    reference = laion_reference(model, folder / name)
    longest = None if fusion else length
    return Plugin(_module(name), str(folder / name), reference, as_it_is, 48_000, lambda: length, lambda: longest)


def _ms_clap(folder: pathlib.Path, version: int) -> Plugin:
    path = folder / f"CLAP_weights_{version}.pth"
    kind = {2022: MS_CLAP_2022, 2023: MS_CLAP_2023}[version]

    def length() -> int:
        return msclap_models.MS_CLAP_LENGTHS[kind]

    return Plugin(_module("ms_clap"), str(path), save_ms_clap(path, version), repeat, 44_100, length, length)


def _wavcaps(folder: pathlib.Path, encoder: str) -> Plugin:
    path = folder / f"{encoder}-BERT-PT.pt"
    longest = {"cnn14": 960_000, "htsat": 320_000}[encoder]
    return Plugin(
        _module(f"wavcaps_{encoder}"),
        str(path),
        save_wavcaps(path, encoder),
        zeros,
        32_000,
        lambda: msclap_models.WAVCAPS_SHORTEST,
        lambda: longest,
    )


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"hear_tasks.plugins.{name}")


MAKERS = {
    "laion_clap": lambda folder: _laion(folder, False),
    "laion_clap_fusion": lambda folder: _laion(folder, True),
    "ms_clap_2022": lambda folder: _ms_clap(folder, 2022),
    "ms_clap_2023": lambda folder: _ms_clap(folder, 2023),
    "wavcaps_cnn14": lambda folder: _wavcaps(folder, "cnn14"),
    "wavcaps_htsat": lambda folder: _wavcaps(folder, "htsat"),
}


@pytest.fixture(scope="module")
def plugins(tmp_path_factory) -> dict[str, Plugin]:
    folder = tmp_path_factory.mktemp("plugins")
    return {name: make(folder) for name, make in MAKERS.items()}


@pytest.fixture(scope="module", params=MAKERS)
def plugin(request, plugins) -> Plugin:
    return plugins[request.param]


@pytest.fixture
def short_inputs(monkeypatch) -> None:
    """Inputs of a second where many are embedded."""
    monkeypatch.setattr(msclap_models, "WAVCAPS_SHORTEST", 32_000)
    monkeypatch.setattr(msclap_models, "MS_CLAP_LENGTHS", dict.fromkeys(msclap_models.MS_CLAP_LENGTHS, 44_100))


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Small networks wait for threads longer than they compute."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module", autouse=True)
def one_transform():
    with transform_computed_once():
        yield


# Against the libraries


@pytest.mark.parametrize("seconds", [0.31, 0.97])
def test_a_short_clip_is_embedded_as_by_the_library(plugin, seconds, short_inputs):
    audio = plugin.noise(seconds)
    scenes = plugin.module.get_scene_embeddings(audio, plugin.load())
    assert scenes.dtype == torch.float32
    torch.testing.assert_close(scenes, plugin.expected(audio), **CLOSE)
    assert (scenes[0] - scenes[1]).abs().max() > 1e-3, "the two clips have to differ, or the test would show nothing"


def test_a_clip_as_long_as_the_input_is_embedded_as_by_the_library(plugin):
    audio = plugin.noise(plugin.shortest() / plugin.sample_rate)
    torch.testing.assert_close(plugin.load().scene_embeddings(audio), plugin.expected(audio), **CLOSE)


def test_a_long_clip_is_the_mean_over_segments_that_cover_it(plugin):
    length = plugin.longest()
    if length is None:
        pytest.skip("takes clips of any length at once")
    audio = plugin.noise(2.5 * length / plugin.sample_rate, clips=1)
    starts = [0, audio.shape[1] // 2 - length // 2, audio.shape[1] - length]
    expected = torch.stack([plugin.expected(audio[:, start : start + length]) for start in starts]).mean(0)
    torch.testing.assert_close(plugin.load().scene_embeddings(audio), expected, **CLOSE)


def test_fusion_takes_fixed_excerpts_of_a_long_clip(plugins, monkeypatch):
    plugin = plugins["laion_clap_fusion"]
    audio = plugin.noise(2.35)
    scenes = plugin.load().scene_embeddings(audio)
    monkeypatch.setattr(np.random, "choice", lambda starts: starts[len(starts) // 2])
    torch.testing.assert_close(scenes, plugin.expected(audio), **CLOSE)
    monkeypatch.setattr(np.random, "choice", lambda starts: starts[0])
    assert (scenes - plugin.expected(audio)).abs().max() > 1e-4, "which excerpts are taken has to matter"


def test_fusion_of_a_clip_hardly_longer_than_the_input(plugins):
    plugin = plugins["laion_clap_fusion"]
    audio = plugin.noise(LAION_SECONDS + 0.005)
    scenes = plugin.load().scene_embeddings(audio)
    extractor = plugin.library.__closure__[0].cell_contents
    assert extractor.nb_max_samples < audio.shape[1] < extractor.nb_max_samples + extractor.hop_length
    spectrogram = torch.tensor(extractor._np_extract_fbank_features(audio[0].numpy(), extractor.mel_filters))
    torch.testing.assert_close(laion_models().LogMel(extractor)(audio[:1])[0], spectrogram, rtol=0, atol=1e-4)
    assert torch.isfinite(scenes).all()


def test_log_mel_is_exact_in_silence_beside_a_loud_tone(plugins):
    extractor = plugins["laion_clap"].library.__closure__[0].cell_contents
    tone = torch.sin(2 * torch.pi * 1000 / 48_000 * torch.arange(48_000, dtype=torch.float32))
    tone[24_000:] = 0
    expected = torch.tensor(extractor._np_extract_fbank_features(tone.numpy(), extractor.mel_filters_slaney))
    assert expected.min() < -80 < 20 < expected.max()
    torch.testing.assert_close(laion_models().LogMel(extractor)(tone[None])[0], expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize(("total", "frames"), [(1002, 1001), (1003, 1001), (2300, 1001), (60_001, 1001)])
def test_excerpts_are_the_middle_of_each_third(total, frames):
    thirds = np.array_split(np.arange(total - frames + 1), 3)
    assert laion_models().excerpt_starts(total, frames) == [
        third[len(third) // 2] if len(third) else 0 for third in thirds
    ]


# Timestamps


def test_a_timestamp_embedding_is_that_of_the_window_around_it(plugin, short_inputs):
    model = plugin.load(timestamp_hop_ms=400, timestamp_window_ms=600)
    audio = plugin.noise(1.7)
    embeddings, timestamps = plugin.module.get_timestamp_embeddings(audio, model)
    assert embeddings.shape == (2, 5, model.timestamp_embedding_size)
    assert (embeddings.dtype, timestamps.dtype) == (torch.float32, torch.float32)
    assert timestamps.tolist() == [[0, 400, 800, 1200, 1600]] * 2
    half = round(0.3 * plugin.sample_rate)
    padded = torch.nn.functional.pad(audio, (half, half))
    for i, milliseconds in enumerate([0, 400, 800, 1200, 1600]):
        start = milliseconds * plugin.sample_rate // 1000
        torch.testing.assert_close(embeddings[:, i], plugin.expected(padded[:, start : start + 2 * half]), **CLOSE)


@pytest.mark.parametrize("sample_rate", [32_000, 44_100, 48_000])
def test_timestamps_lie_inside_the_clip_and_do_not_drift(sample_rate):
    hour = 3600 * sample_rate
    count = count_timestamps(hour, 50, sample_rate)
    assert count == 72_000
    starts = window_starts(count, 1000, 50, sample_rate)
    assert starts[0] == -500
    assert starts[-1] == hour - sample_rate // 20 - 500
    assert count_timestamps(hour + 1, 50, sample_rate) == 72_001
    assert count_timestamps(1, 50, sample_rate) == 1


def test_windows_reach_over_both_ends_into_silence():
    clips = torch.tensor([[1.0, 2, 3], [4, 5, 6]])
    windows = list(cut_windows(clips, [-2, 0, 2], 3, at_once=4))
    assert [len(part) for part in windows] == [4, 2]
    assert torch.cat(windows).tolist() == [[0, 0, 1], [1, 2, 3], [3, 0, 0], [0, 0, 4], [4, 5, 6], [6, 0, 0]]


@pytest.mark.parametrize(
    ("samples", "length", "starts"),
    [(5, 10, [0]), (10, 10, [0]), (11, 10, [0, 1]), (25, 10, [0, 7, 15]), (30, 10, [0, 10, 20])],
)
def test_segments_cover_a_clip_evenly(samples, length, starts):
    assert segment_starts(samples, length) == starts


def test_chunks_and_batches_change_nothing(plugin, short_inputs, monkeypatch):
    audio = plugin.noise(1.2, clips=3)
    model = plugin.load(timestamp_hop_ms=600)
    whole, _ = model.timestamp_embeddings(audio)
    monkeypatch.setattr(torch_model, "CHUNK_SECONDS", 1)
    one_by_one, _ = model.timestamp_embeddings(audio)
    torch.testing.assert_close(one_by_one, whole, **CLOSE)
    alone, _ = model.timestamp_embeddings(audio[2:])
    torch.testing.assert_close(alone[0], whole[2], **CLOSE)


def test_nothing_is_random_and_nothing_learns(plugin, short_inputs):
    audio = plugin.noise(0.5)
    model = plugin.load()
    first, second = model.scene_embeddings(audio), plugin.load().scene_embeddings(audio)
    assert torch.equal(first, second)
    assert not first.requires_grad
    assert not any(module.training for module in model.modules())


# What is wrong is told


def test_the_model_is_what_heareval_expects(plugin):
    model = plugin.load()
    assert isinstance(model, torch.nn.Module)
    sizes = (model.sample_rate, model.scene_embedding_size, model.timestamp_embedding_size)
    assert sizes == (plugin.sample_rate, plugin.size, plugin.size)
    assert all(type(size) is int for size in sizes)


@pytest.mark.parametrize(
    ("audio", "error", "message"),
    [
        (torch.zeros(9), ValueError, r"got \(9,\); add an axis for a single clip: audio\[None, :\]"),
        (torch.zeros(2, 0), ValueError, r"at least one sample, got \(2, 0\)"),
        (torch.zeros(2, 9, dtype=torch.int16), TypeError, "expected float samples .* got torch.int16"),
        (torch.tensor([[0, 0.0], [0, torch.nan]]), ValueError, "got nan at sample 1 of clip 1"),
    ],
)
def test_audio_that_cannot_be_embedded(audio, error, message):
    with pytest.raises(error, match=message):
        torch_model.checked_audio(audio)


@pytest.mark.parametrize("options", [{"timestamp_hop_ms": 0}, {"timestamp_hop_ms": 2.5}, {"timestamp_window_ms": -1}])
def test_impossible_options(options, plugins):
    name, value = next(iter(options.items()))
    with pytest.raises(
        ValueError, match=f"expected {name} to be a whole number of milliseconds, at least 1, got {value}"
    ):
        plugins["wavcaps_htsat"].load(**options)


def test_a_window_longer_than_the_input(plugins):
    with pytest.raises(ValueError, match="expected timestamp_window_ms of up to 7000, got 7001"):
        plugins["ms_clap_2023"].load(timestamp_window_ms=7001)


@pytest.mark.parametrize(
    ("wanted", "given", "message"),
    [
        (
            "ms_clap_2022",
            "wavcaps_htsat",
            "expected MS-CLAP 2022 .* or MS-CLAP 2023 .*, found WavCaps-HTSAT; load it with ",
        ),
        (
            "wavcaps_cnn14",
            "wavcaps_htsat",
            r"expected WavCaps-CNN14, found WavCaps-HTSAT; load it with .*\.wavcaps_htsat$",
        ),
        ("wavcaps_htsat", "wavcaps_cnn14", "expected WavCaps-HTSAT, found WavCaps-CNN14"),
        (
            "wavcaps_htsat",
            "ms_clap_2023",
            r"expected WavCaps-HTSAT, found MS-CLAP 2023 \(HTSAT\); load it with .*ms_clap$",
        ),
        ("wavcaps_htsat", "laion_clap", "expected a checkpoint file, found a folder; name the file inside it"),
        (
            "laion_clap",
            "laion_clap_fusion",
            r"expected LAION-CLAP, found .* fusion; load it with .*\.laion_clap_fusion$",
        ),
        ("laion_clap_fusion", "laion_clap", r"expected .* fusion, found LAION-CLAP; load it with .*\.laion_clap$"),
        ("laion_clap", "ms_clap_2022", "expected a folder in the format of transformers, .* found a file"),
    ],
)
def test_a_checkpoint_of_another_kind_is_named(wanted, given, message, plugins):
    with pytest.raises(CheckpointError, match=message):
        plugins[wanted].module.load_model(plugins[given].path)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["clap.audio_encoder.base.htsat.norm.weight"], r"found MS-CLAP 2023 with a captioner \(clapcap\)$"),
        (["audio_branch.patch_embed.proj.weight"], "found LAION-CLAP as laion_clap saves it"),
        (["module.audio_encoder.audio_enc.resnet.layer1.0.conv1.weight"], "found WavCaps-ResNet38"),
        (["conv_block1.conv1.weight"], "found CNN14 of AudioSet"),
        (["a", "b", "c", "d"], "found parameters of no known model, such as 'a', 'b', 'c'"),
    ],
)
def test_other_checkpoints_are_known(names, message, tmp_path):
    torch.save({name: torch.zeros(1) for name in names}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match=message):
        _module("wavcaps_htsat").load_model(str(tmp_path / "x.pt"))


CHANGED = {
    "ms_clap_2022": ("audio_encoder.base.conv_block2.bn1.running_mean", "audio_encoder.projection.linear2.weight"),
    "ms_clap_2023": ("audio_encoder.base.htsat.layers.2.blocks.5.mlp.fc1.bias", "audio_encoder.base.htsat.norm.bias"),
    "wavcaps_cnn14": ("audio_encoder.audio_enc.conv_block4.bn1.running_var", "audio_proj.2.bias"),
    "wavcaps_htsat": ("audio_encoder.audio_enc.layers.1.downsample.norm.weight", "audio_proj.2.weight"),
}


@pytest.mark.parametrize("name", CHANGED)
def test_all_that_is_wrong_with_parameters_is_listed(name, plugins, tmp_path):
    missing, misshapen = CHANGED[name]
    state = torch.load(plugins[name].path)["model"]
    not_finite = next(other for other in state if "proj" in other and other not in (missing, misshapen))
    del state[missing]
    state[misshapen] = torch.zeros(3, 5)
    state[not_finite] = torch.full_like(state[not_finite], torch.inf)
    state["audio_encoder.extra"] = torch.zeros(2)
    torch.save({"model": state}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError) as raised:
        plugins[name].module.load_model(str(tmp_path / "x.pt"))
    message = str(raised.value)
    assert missing in message.split("missing (")[1].splitlines()[0]
    assert "unexpected (1): audio_encoder.extra" in message
    assert f"{misshapen} [3, 5], expected [" in message.split("misshapen (")[1].splitlines()[0]
    assert f"not finite (1): {not_finite}" in message


@pytest.mark.parametrize("name", CHANGED)
def test_constants_and_classifiers_may_be_left_out(name, plugins, short_inputs, tmp_path):
    plugin = plugins[name]
    left_out = (
        "extractor",
        "num_batches_tracked",
        "relative_position_index",
        "attn_mask",
        "fc_audioset",
        "head",
        "tscam",
    )
    state = {key: x for key, x in torch.load(plugin.path)["model"].items() if not any(part in key for part in left_out)}
    torch.save({f"module.{key}": x for key, x in state.items()}, tmp_path / "x.pt")
    audio = plugin.noise(0.4)
    scenes = plugin.module.load_model(str(tmp_path / "x.pt")).scene_embeddings(audio)
    torch.testing.assert_close(scenes, plugin.expected(audio), **CLOSE)


@pytest.mark.parametrize("fusion", [False, True])
def test_parameters_missing_in_a_folder_are_listed(fusion, plugins, tmp_path):
    from safetensors.torch import load_file, save_file

    plugin = plugins["laion_clap_fusion" if fusion else "laion_clap"]
    folder = tmp_path / "changed"
    folder.mkdir()
    for file in pathlib.Path(plugin.path).iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    state = load_file(folder / "model.safetensors")
    del state["audio_projection.linear1.bias"], state["audio_model.audio_encoder.layers.1.blocks.1.output.dense.weight"]
    state["audio_projection.linear2.weight"] = torch.zeros(3, 5)
    state["audio_model.extra"] = torch.zeros(2)
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError) as raised:
        plugin.module.load_model(str(folder))
    message = str(raised.value)
    assert "missing (2): audio_model.audio_encoder.layers.1.blocks.1.output.dense.weight, audio_proj" in message
    assert "unexpected (1): audio_model.extra" in message
    assert "misshapen (1): audio_projection.linear2.weight [3, 5], expected [24, 24]" in message


def test_a_folder_with_the_audio_side_alone(plugins, tmp_path, noise):
    save_laion_clap(tmp_path, fusion=False, audio_only=True)
    model = plugins["laion_clap"].module.load_model(str(tmp_path))
    assert model.scene_embeddings(torch.tensor(noise(9000))[None]).shape == (1, 24)


def test_a_feature_extractor_of_the_other_model(plugins, tmp_path):
    for file in pathlib.Path(plugins["laion_clap"].path).iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    settings = tmp_path / "preprocessor_config.json"
    settings.write_text(settings.read_text().replace("rand_trunc", "fusion"))
    with pytest.raises(
        CheckpointError, match=r"expected {'truncation': 'rand_trunc'} in preprocessor_config\.json, found"
    ):
        plugins["laion_clap"].module.load_model(str(tmp_path))


@pytest.mark.parametrize("name", ["ms_clap", "wavcaps_cnn14", "wavcaps_htsat"])
def test_no_file(name, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected a checkpoint file, .*load_model\(path\)\. Published: "):
        _module(name).load_model()
    with pytest.raises(FileNotFoundError, match=r"no such checkpoint file\. Published: "):
        _module(name).load_model(str(tmp_path / "x.pt"))


@pytest.mark.parametrize(
    "form",
    [*({"pickle_protocol": protocol} for protocol in range(1, 6)), {"_use_new_zipfile_serialization": False}],
    ids=str,
)
def test_every_form_of_file_is_read(form, plugins, short_inputs, tmp_path):
    """With what training leaves beside the weights: an optimizer, parameters, NumPy's numbers, sparse tensors."""
    plugin = plugins["wavcaps_htsat"]
    model = torch.load(plugin.path)["model"].items()
    state = {name: torch.nn.Parameter(x) if x.is_floating_point() else x for name, x in model}
    optimizer = {
        "state": {0: {"step": torch.tensor(3), "exp_avg": torch.ones(9)}},
        "param_groups": [{"lr": 1e-3, "betas": (1, 2)}],
    }
    rest = {
        "loss": np.float64(0.5),
        "epochs": {1, 2},
        "device": torch.device("cpu"),
        "sparse": torch.eye(3).to_sparse(),
    }
    torch.save({"model": collections.OrderedDict(state), "optimizer": optimizer, **rest}, tmp_path / "x.pt", **form)
    audio = plugin.noise(0.4)
    scenes = plugin.module.load_model(str(tmp_path / "x.pt")).scene_embeddings(audio)
    torch.testing.assert_close(scenes, plugin.expected(audio), **CLOSE)


class Whatever:
    """Something that reading a checkpoint must not bring to life."""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
        (b"<!DOCTYPE html><html>", "a web page, not a checkpoint"),
        (b"\x81\xa10\x82\xa4step", "not a checkpoint of torch"),
        ("cut", "damaged or cut off"),
        (
            {"model": {}, "epoch": 3},
            "expected a dict of parameters, alone or under 'model', found a dict with 'model', 'epoch'",
        ),
        ([1, 2], "expected a dict of parameters, alone or under 'model', found a list"),
        (
            {"model": {"x": Whatever()}},
            "more than weights is in it .*Whatever.* reading that would run code from the file",
        ),
        (print, r"more than weights is in it \(.*print\)"),
    ],
)
@pytest.mark.parametrize("form", [{}, {"pickle_protocol": 5}, {"_use_new_zipfile_serialization": False}], ids=str)
def test_files_that_are_no_checkpoint(content, message, form, tmp_path):
    file = tmp_path / "x.pt"
    if content == "cut":
        torch.save({"model": {"x": torch.zeros(9000)}}, file, **form)
        file.write_bytes(file.read_bytes()[:20_000])
    elif isinstance(content, bytes):
        file.write_bytes(content)
    else:
        torch.save(content, file, **form)
    with pytest.raises(CheckpointError, match=message):
        _module("wavcaps_htsat").load_model(str(file))


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="no/such/folder: no such folder, and not the name of a repository"):
        _module("laion_clap").load_model("no/such/folder")
    with pytest.raises(FileNotFoundError, match=r"no config\.json in this folder"):
        _module("laion_clap").load_model(str(tmp_path))


def test_a_folder_of_another_model(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(CheckpointError, match=r"expected a CLAP model of transformers, found model_type 'bert'"):
        _module("laion_clap").load_model(str(tmp_path))


@pytest.mark.parametrize(("name", "asked"), [("laion_clap", "unfused"), ("laion_clap_fusion", "fused")])
def test_without_a_folder_the_hub_is_asked_for_one_commit(name, asked, monkeypatch):
    from transformers import ClapConfig

    calls = []

    def unreachable(place: str, revision: str):
        calls.append((place, len(revision)))
        raise OSError("no network")

    monkeypatch.setattr(ClapConfig, "get_config_dict", unreachable)
    with pytest.raises(OSError, match=r"hub or this machine's cache of it; name a folder: load_model\(path\)"):
        _module(name).load_model()
    assert calls == [(f"laion/clap-htsat-{asked}", 40)]


@contextlib.contextmanager
def imported_anew() -> Iterator[None]:
    """In this context, nothing of ours is imported yet; behind it, what was imported before is there again."""

    def take_out() -> dict[str, ModuleType]:
        return {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == "hear_tasks"}

    before = take_out()
    try:
        yield
    finally:
        take_out()
        sys.modules.update(before)


class Blocker:
    """A finder that comes first, and says of one library that it is not there."""

    def __init__(self, library: str) -> None:
        self.library = library

    def find_spec(self, name, path=None, target=None) -> None:
        if name.split(".")[0] == self.library:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def message_without(library: str, module: str, monkeypatch) -> str:
    """What loading a plugin says where a library is missing."""
    with monkeypatch.context() as patched, imported_anew():
        for name in [name for name in sys.modules if name.split(".")[0] == library]:
            patched.delitem(sys.modules, name)
        patched.setattr(sys, "meta_path", [Blocker(library), *sys.meta_path])
        with pytest.raises(ModuleNotFoundError) as raised:
            _module(module).load_model("x")
    return str(raised.value)


def test_a_missing_library_is_named_with_the_line_that_installs_it(monkeypatch):
    modules = {
        "torch": "laion_clap",
        "transformers": "laion_clap_fusion",
        "msclap": "ms_clap",
        "torchlibrosa": "wavcaps_cnn14",
    }
    assert [message_without(library, module, monkeypatch) for library, module in modules.items()] == [
        "LAION-CLAP needs torch, which is not installed: pip install '.[plugins]'",
        "LAION-CLAP with fusion needs transformers, which is not installed: pip install '.[plugins]'",
        "MS-CLAP needs msclap, which is not installed: pip install '.[plugins]' && pip install --no-deps msclap==1.3.4",
        "WavCaps-CNN14 needs torchlibrosa, which is not installed: pip install '.[plugins]'",
    ]


def test_msclap_leaves_no_trace():
    assert not [name for name in sys.modules if name.split(".")[0] in ("msclap", "torchaudio")]
    assert libraries.import_msclap().htsat.HTSAT_Swin_Transformer.__module__ == "msclap.models.htsat"


# hear-validator


VALIDATED = ["laion_clap", "ms_clap_2022", "laion_clap_fusion", "wavcaps_cnn14", "wavcaps_htsat"]


@pytest.mark.parametrize("name", first(2, VALIDATED))
def test_hear_validator_finds_nothing_to_say(name, plugins, short_inputs):
    from hearvalidator.validate import ValidateModel

    plugin = plugins[name]
    with pytest.warns(UserWarning, match="IMPORTANT: A common bug") as warned:
        ValidateModel(plugin.module.__name__, plugin.path, "cpu")()
    assert len(warned) == 1
