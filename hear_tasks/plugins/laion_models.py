"""LAION-CLAP: the audio side of transformers' ClapModel, from a folder or the hub.

The log-mel spectrograms are those of `transformers.ClapFeatureExtractor` (of its `_np_extract_fbank_features` and
`_get_input_mel`), on the device and for a batch at once; it takes a clip at a time, on the CPU, and draws excerpts at
random.
"""

from __future__ import annotations

import contextlib
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import torch
from transformers import ClapAudioConfig, ClapAudioModelWithProjection, ClapConfig, ClapFeatureExtractor
from transformers.utils import logging

from hear_tasks.plugins.torch_checkpoint import CheckpointError, report_mismatch
from hear_tasks.plugins.torch_model import Encoder

MODULES = {False: "hear_tasks.plugins.laion_clap", True: "hear_tasks.plugins.laion_clap_fusion"}
"""The HEAR modules of the models without and with fusion."""


SMALLEST_POWER = 1e-10


class LogMel(torch.nn.Module):
    """Log-mel spectrograms in decibels, with the settings and the filters of a feature extractor.

    In float64, as the extractor computes: in float32, the rounding of loud bands would show in silent ones.
    """

    window: torch.Tensor
    filters: torch.Tensor

    def __init__(self, extractor: ClapFeatureExtractor) -> None:
        super().__init__()
        self.window_length = extractor.fft_window_size
        self.hop_length = extractor.hop_length
        self.num_samples = extractor.nb_max_samples
        self.num_bands = extractor.feature_size
        fusion = extractor.truncation == "fusion"
        filters = extractor.mel_filters if fusion else extractor.mel_filters_slaney
        window = torch.hann_window(self.window_length, dtype=torch.float64)
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("filters", torch.as_tensor(filters, dtype=torch.float64), persistent=False)

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        """Shape (windows, samples) to (windows, frames, bands), float32."""
        spectrum = torch.stft(
            audio.double(),
            self.window_length,
            self.hop_length,
            window=self.window,
            center=True,
            pad_mode="reflect",
            return_complex=True,
        )
        power = torch.view_as_real(spectrum).square().sum(-1).transpose(1, 2) @ self.filters
        return (10 * power.clamp(min=SMALLEST_POWER).log10()).float()

    def fill(self, audio: torch.Tensor) -> torch.Tensor:
        """Repeat windows of up to `num_samples` samples as often as they fit whole, and append zeros ("repeatpad")."""
        repeated = audio.repeat(1, self.num_samples // audio.shape[1])
        return torch.nn.functional.pad(repeated, (0, self.num_samples - repeated.shape[1]))

    def fused(self, audio: torch.Tensor) -> tuple[torch.Tensor, bool]:
        """The four channels of the model with fusion, for windows of any length.

        Returns:
            Shape (windows, 4, frames of `num_samples`, bands): of a longer window, its whole spectrogram, shrunk, and
            three excerpts; of a shorter one, its spectrogram four times.
            Whether windows are longer than `num_samples`.
        """
        frames = self.num_samples // self.hop_length + 1
        longer = audio.shape[1] > self.num_samples
        spectrogram = self(audio if longer else self.fill(audio))
        if spectrogram.shape[1] == frames:
            return spectrogram[:, None].expand(-1, 4, -1, -1), False
        shrunk = torch.nn.functional.interpolate(
            spectrogram[:, None], size=[frames, self.num_bands], mode="bilinear", align_corners=False
        )
        excerpts = [spectrogram[:, None, i : i + frames] for i in excerpt_starts(spectrogram.shape[1], frames)]
        return torch.cat([shrunk, *excerpts], 1), True


def excerpt_starts(total: int, frames: int) -> list[int]:
    """First frames of the three excerpts: the middle of each third of the possible ones.

    The extractor draws one of each third at random; a third that has none gives 0, as there.
    """
    possible = total - frames + 1
    sizes = [possible // 3 + (third < possible % 3) for third in range(3)]
    return [sum(sizes[:third]) + size // 2 if size else 0 for third, size in enumerate(sizes)]


class LaionEncoder(Encoder):
    """The audio embedding of LAION-CLAP, as `ClapModel.get_audio_features` gives it: of length 1.

    With fusion, windows may have any length; without, up to that of the model's input.
    """

    def __init__(self, network: ClapAudioModelWithProjection, log_mel: LogMel, sample_rate: int) -> None:
        super().__init__()
        self.network = network
        self.log_mel = log_mel
        self.sample_rate = sample_rate
        self.embedding_size = network.config.projection_dim
        self.fusion = network.config.enable_fusion
        self.shortest = log_mel.num_samples
        self.longest = None if self.fusion else log_mel.num_samples

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        """See `Encoder.forward`."""
        if self.fusion:
            features, longer = self.log_mel.fused(audio)
        else:
            features, longer = self.log_mel(self.log_mel.fill(audio))[:, None], False
        is_longer = torch.full((len(audio), 1), longer, device=audio.device)
        embeddings = self.network(input_features=features, is_longer=is_longer).audio_embeds
        return torch.nn.functional.normalize(embeddings, dim=-1)


def load_laion_clap(path: str, *, hub_name: str, hub_revision: str, fusion: bool) -> LaionEncoder:
    """The audio encoder of LAION-CLAP.

    Args:
        path: a folder that `save_pretrained` of a model and its feature extractor wrote, or the name of a repository
            on the Hugging Face hub; "" for the published one.
        hub_name, hub_revision: the published repository, and a commit of it.
        fusion: whether the model has to be the one with feature fusion.

    Raises:
        FileNotFoundError: no such folder, or a file is missing in it.
        OSError: the hub cannot be reached, and its files are not in this machine's cache.
        CheckpointError: a model of another kind, or its parameters are not those of the model; all are listed.
    """
    place, revision = (path, "main") if path else (hub_name, hub_revision)
    _check_place(place)
    with _quiet_transformers():
        config = _read_config(place, revision, fusion)
        extractor = _read_extractor(place, revision, config)
        network = _read_network(place, revision, config)
    return LaionEncoder(network, LogMel(extractor), extractor.sampling_rate)


def _check_place(place: str) -> None:
    folder = pathlib.Path(place)
    if folder.is_file():
        raise CheckpointError(
            f"{place}: expected a folder in the format of transformers, with config.json, preprocessor_config.json and "
            "model.safetensors or pytorch_model.bin, found a file; name the folder that it lies in. A .pt file of "
            "laion_clap has to be converted (transformers has a script: convert_clap_original_pytorch_to_hf.py)"
        )
    if not folder.is_dir() and not re.fullmatch(r"[\w.-]+/[\w.-]+", place):
        raise FileNotFoundError(f"{place}: no such folder, and not the name of a repository on the hub")
    if folder.is_dir() and not (folder / "config.json").exists():
        raise FileNotFoundError(
            f"{place}: no config.json in this folder; is it one that transformers' save_pretrained wrote?"
        )


@contextlib.contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Keep back progress bars and the report on the text side, which is left out on purpose."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def _read_config(place: str, revision: str, fusion: bool) -> ClapAudioConfig:
    try:
        found, _ = ClapConfig.get_config_dict(place, revision=revision)
    except OSError as error:
        raise OSError(
            f"{place}: neither a folder here nor to be had from the Hugging Face hub or this machine's cache of it; "
            "name a folder: load_model(path)"
        ) from error
    kind = found.get("model_type")
    if kind not in ("clap", "clap_audio_model"):
        raise CheckpointError(
            f"{place}: expected a CLAP model of transformers, found model_type {kind!r} in config.json"
        )
    config = ClapAudioConfig.from_pretrained(place, revision=revision)
    if config.enable_fusion != fusion:
        names = {False: "LAION-CLAP", True: "LAION-CLAP with fusion"}
        raise CheckpointError(
            f"{place}: expected {names[fusion]}, found {names[not fusion]}; load it with {MODULES[not fusion]}"
        )
    return config


def _read_extractor(place: str, revision: str, config: ClapAudioConfig) -> ClapFeatureExtractor:
    extractor = ClapFeatureExtractor.from_pretrained(place, revision=revision)
    expected = {
        "truncation": "fusion" if config.enable_fusion else "rand_trunc",
        "padding": "repeatpad",
        "feature_size": config.num_mel_bins,
    }
    wrong = {name: value for name, value in expected.items() if getattr(extractor, name) != value}
    if wrong:
        found = {name: getattr(extractor, name) for name in wrong}
        raise CheckpointError(
            f"{place}: expected {wrong} in preprocessor_config.json, found {found}; is it that of another model?"
        )
    return extractor


def _read_network(place: str, revision: str, config: ClapAudioConfig) -> ClapAudioModelWithProjection:
    loaded: Any = ClapAudioModelWithProjection.from_pretrained(
        place,
        revision=revision,
        config=config,
        dtype=torch.float32,
        output_loading_info=True,
        ignore_mismatched_sizes=True,
    )
    network, found = loaded
    report_mismatch(
        place,
        missing=sorted(found["missing_keys"]),
        unexpected=sorted(name for name in found["unexpected_keys"] if name.startswith("audio_")),
        misshapen=[
            f"{name} {list(given)}, expected {list(own)}" for name, given, own in sorted(found["mismatched_keys"])
        ],
        not_finite=[name for name, tensor in network.state_dict().items() if not torch.isfinite(tensor).all()],
    )
    return network
