"""Small checkpoints of the five plugin models, made by their libraries with random weights, and what those give.

Networks are the libraries' own, with narrower layers where the library has no setting for it.
"""

from __future__ import annotations

import contextlib
import functools
import pathlib
from collections.abc import Callable, Iterator
from unittest import mock

import numpy as np
import torch

from hear_tasks.plugins.libraries import MsclapModules, import_msclap, quiet_construction

Reference = Callable[[torch.Tensor], torch.Tensor]
"""What the library makes of audio of the length that its network takes, shape (rows, samples)."""

WIDTH = 4
PROJECTED = 24
LAION_SECONDS = 1
"""Length of the input, where the published models have 10 s; its images are half as wide and as high."""


def randomise(network: torch.nn.Module, seed: int) -> torch.nn.Module:
    """Give every trained value, and the running statistics of the log-mel bands, another random value."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in network.state_dict().items():
        if not value.is_floating_point() or any(part in name for part in ("extractor.", "attn_mask")):
            continue
        noise = torch.randn(value.shape, generator=generator)
        if name.endswith("running_var"):
            value.copy_(noise.abs() + (100 if "bn0" in name or "batch_norm" in name else 0.5))
        elif name.endswith("running_mean"):
            value.copy_(noise - (40 if "bn0" in name or "batch_norm" in name else 0))
        elif value.ndim == 1:
            value.copy_(0.3 * noise + name.endswith("weight"))
        else:
            value.copy_(noise / np.sqrt(value.numel() / (len(value) if value.ndim else 1)))
    return network.eval()


def centre(cnn14: torch.nn.Module) -> torch.nn.Module:
    """Make the statistics of batch normalisation those of some noise and silence, so that clips come out different."""
    norms = [module for module in cnn14.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    generator = torch.Generator().manual_seed(0)
    noise = 0.1 * torch.randn(4, 64_000, generator=generator) * (torch.arange(64_000) < 32_000)
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    with torch.no_grad():
        cnn14(noise)
    return cnn14.eval()


def save_laion_clap(folder: pathlib.Path, *, fusion: bool, audio_only: bool = False) -> torch.nn.Module:
    """Save a small LAION-CLAP with its feature extractor, and return the library's model."""
    from transformers import ClapAudioModelWithProjection, ClapConfig, ClapFeatureExtractor, ClapModel

    audio = {
        "patch_embeds_hidden_size": WIDTH,
        "hidden_size": 8 * WIDTH,
        "num_attention_heads": [1, 2, 2, 2],
        "depths": [1, 2, 1, 1],
        "spec_size": 128,
        "window_size": 4,
        "enable_fusion": fusion,
        "fusion_type": "aff_2d" if fusion else None,
    }
    text = {
        "vocab_size": 20,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "max_position_embeddings": 8,
    }
    config = ClapConfig(text_config=text, audio_config=audio, projection_dim=PROJECTED)
    model = ClapAudioModelWithProjection(config.audio_config) if audio_only else ClapModel(config)
    randomise(model, 1 + fusion).save_pretrained(folder)
    truncation = "fusion" if fusion else "rand_trunc"
    ClapFeatureExtractor(truncation=truncation, frequency_min=50, max_length_s=LAION_SECONDS).save_pretrained(folder)
    return model


@contextlib.contextmanager
def narrowed(msclap: MsclapModules) -> Iterator[None]:
    """In this context, msclap's networks come out narrower, and HTSAT with fewer heads."""
    block, network = msclap.audio.ConvBlock, msclap.htsat.HTSAT_Swin_Transformer
    original, by = block.__init__, 64 // WIDTH

    def narrow_block(self, in_channels: int, out_channels: int) -> None:
        original(self, -(-in_channels // by), out_channels // by)

    narrow_network = functools.partialmethod(network.__init__, embed_dim=WIDTH, num_heads=[1, 1, 2, 2])
    with mock.patch.object(block, "__init__", narrow_block), mock.patch.object(network, "__init__", narrow_network):
        yield


@contextlib.contextmanager
def transform_computed_once() -> Iterator[None]:
    """In this context, torchlibrosa computes the matrix of its transform once for all networks: it takes 0.4 s."""
    from torchlibrosa.stft import DFTBase

    matrices = functools.cache(functools.partial(DFTBase.dft_matrix, None))
    with mock.patch.object(DFTBase, "dft_matrix", lambda self, n: matrices(n)):
        yield


def narrow_cnn14(seed: int, sample_rate: int) -> torch.nn.Module:
    """msclap's CNN14, narrowed."""
    msclap = import_msclap()
    with narrowed(msclap):
        network = msclap.audio.Cnn14(sample_rate, 1024, 320, 64, 50, 14_000, 527, 40)
    network.fc1 = torch.nn.Linear(32 * WIDTH, 40)
    return centre(randomise(network, seed))


def narrow_htsat(seed: int) -> torch.nn.Module:
    """msclap's HTSAT, narrowed."""
    msclap = import_msclap()
    with narrowed(msclap), quiet_construction():
        return randomise(msclap.htsat.HTSAT_Swin_Transformer(config=msclap.config), seed)


def ms_clap_audio_encoder(version: int) -> torch.nn.Module:
    """msclap's audio encoder of one version, narrowed."""
    msclap = import_msclap()
    name, size = {2022: ("Cnn14", 40), 2023: ("HTSAT", 8 * WIDTH)}[version]
    with narrowed(msclap), quiet_construction():
        encoder = msclap.clap.AudioEncoder(name, size, PROJECTED, 44_100, 1024, 320, 64, 50, 14_000, 527)
    if version == 2022:
        encoder.base.fc1 = torch.nn.Linear(32 * WIDTH, 40)
    randomise(encoder, version)
    if version == 2022:
        centre(encoder.base)
    return encoder


def save_ms_clap(path: pathlib.Path, version: int) -> Reference:
    """Save an MS-CLAP checkpoint with something of a text side."""
    encoder = ms_clap_audio_encoder(version)
    state = {f"audio_encoder.{name}": value for name, value in encoder.state_dict().items()}
    torch.save(
        {"model": {**state, "caption_encoder.base.wte.weight": torch.ones(3, 2), "logit_scale": torch.ones([])}}, path
    )
    return lambda audio: encoder(audio)[0]


def save_wavcaps(path: pathlib.Path, encoder: str) -> Reference:
    """Save a WavCaps checkpoint, and return `ASE.encode_audio` of its repository over msclap's network."""
    if encoder == "cnn14":
        network, size = narrow_cnn14(6, 32_000), WIDTH * 32
        network.fc1 = network.fc_audioset = torch.nn.Identity()
        halves_time = network.conv_block6.forward
        network.conv_block6.forward = lambda x, pool_size, pool_type: halves_time(x, (2, 2), pool_type)
        output = "embedding"
    else:
        network, size = narrow_htsat(7), 8 * WIDTH
        output = "latent_output"
    layers = (torch.nn.Linear(size, PROJECTED), torch.nn.ReLU(), torch.nn.Linear(PROJECTED, PROJECTED))
    projection = randomise(torch.nn.Sequential(*layers), 8)
    theirs = {
        "spectrogram_extractor.": "audio_feats_extractor.mel_trans.",
        "logmel_extractor.": "audio_feats_extractor.log_trans.",
    }
    state = {}
    for name, value in network.state_dict().items():
        if "fc_audioset" not in name:
            prefix = next((prefix for prefix in theirs if name.startswith(prefix)), "")
            state[f"audio_encoder.audio_enc.{theirs.get(prefix, '')}{name.removeprefix(prefix)}"] = value
    state |= {f"audio_proj.{name}": value for name, value in projection.state_dict().items()}
    state |= {
        "text_encoder.text_encoder.x": torch.ones(2),
        "text_proj.0.weight": torch.ones(2, 2),
        "temp": torch.ones([]),
    }
    torch.save({"model": state, "epoch": 3, "config": {"temp": 0.07}}, path)
    return lambda audio: torch.nn.functional.normalize(projection(network(audio)[output]), dim=-1)
