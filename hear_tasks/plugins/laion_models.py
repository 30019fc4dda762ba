"""LAION-CLAP: the audio side of transformers' ClapModel, from a folder or the hub."""

from __future__ import annotations

import contextlib
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import torch
from transformers import ClapAudioConfig, ClapAudioModelWithProjection, ClapConfig, ClapFeatureExtractor
from transformers.utils import logging

from hear_tasks.plugins.laion_features import LogMel
from hear_tasks.plugins.torch_checkpoint import CheckpointError, report_mismatch
from hear_tasks.plugins.torch_model import Encoder

MODULES = {False: "hear_tasks.plugins.laion_clap", True: "hear_tasks.plugins.laion_clap_fusion"}
"""The HEAR modules of the models without and with fusion."""


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


def load_laion_clap(place: str, revision: str, *, fusion: bool) -> LaionEncoder:
    """The audio encoder of LAION-CLAP.

    Args:
        place: a folder that `save_pretrained` of a model and its feature extractor wrote, or the name of a repository
            on the Hugging Face hub.
        revision: commit of the repository.
        fusion: whether the model has to be the one with feature fusion.

    Raises:
        FileNotFoundError: no such folder, or a file is missing in it.
        OSError: the hub cannot be reached, and its files are not in this machine's cache.
        CheckpointError: a model of another kind, or its parameters are not those of the model; all are listed.
    """
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
