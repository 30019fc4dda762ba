"""Small checkpoints of the five plugin models, made by their libraries with random weights, and what those give.

Networks are the libraries' own, with narrower layers where the library has no setting for it.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import numpy as np
import torch

from hear_tasks.plugins.libraries import import_msclap, quiet_construction

Reference = Callable[[torch.Tensor], torch.Tensor]
"""What the library makes of audio of the length that its network takes, shape (rows, samples)."""

WIDTH = 8
PROJECTED = 24


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


def save_laion_clap(folder: pathlib.Path, *, fusion: bool, audio_only: bool = False) -> torch.nn.Module:
    """Save a small LAION-CLAP with its feature extractor, and return the library's model."""
    from transformers import ClapAudioModelWithProjection, ClapConfig, ClapFeatureExtractor, ClapModel

    audio = {
        "patch_embeds_hidden_size": WIDTH,
        "hidden_size": 8 * WIDTH,
        "num_attention_heads": [1, 2, 2, 2],
        "depths": [1, 2, 1, 1],
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
    ClapFeatureExtractor(truncation="fusion" if fusion else "rand_trunc", frequency_min=50).save_pretrained(folder)
    return model


def narrow_cnn14(seed: int, sample_rate: int) -> torch.nn.Module:
    """msclap's CNN14, narrowed."""
    library = import_msclap().audio
    network = library.Cnn14(sample_rate, 1024, 320, 64, 50, 14_000, 527, 2048)
    channels = [1, *(WIDTH * 2**i for i in range(6))]
    for i in range(6):
        setattr(network, f"conv_block{i + 1}", library.ConvBlock(channels[i], channels[i + 1]))
    network.fc1 = torch.nn.Linear(channels[6], 40)
    network.fc_audioset = torch.nn.Linear(40, 5)
    return randomise(network, seed)


def narrow_htsat(seed: int) -> torch.nn.Module:
    """msclap's HTSAT, narrowed."""
    msclap = import_msclap()
    with quiet_construction():
        return randomise(msclap.htsat.HTSAT_Swin_Transformer(embed_dim=WIDTH, config=msclap.config), seed)


def ms_clap_audio_encoder(version: int) -> torch.nn.Module:
    """msclap's audio encoder of one version, narrowed."""
    msclap = import_msclap()
    settings = (44_100, 1024, 320, 64, 50, 14_000, 527)
    with quiet_construction():
        encoder = msclap.clap.AudioEncoder({2022: "Cnn14", 2023: "HTSAT"}[version], 2048, 1024, *settings)
    if version == 2022:
        encoder.base = narrow_cnn14(3, 44_100)
        encoder.projection = msclap.clap.Projection(40, PROJECTED)
    else:
        encoder.base.htsat = narrow_htsat(4)
        encoder.projection = msclap.clap.Projection(8 * WIDTH, PROJECTED)
    randomise(encoder.projection, 5)
    return encoder.eval()


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
        network.fc1 = torch.nn.Identity()
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
