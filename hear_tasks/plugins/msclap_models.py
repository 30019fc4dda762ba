"""MS-CLAP and WavCaps: encoders over the networks of msclap, loaded from a checkpoint file.

In our encoders, `backbone` (of HTSAT, `backbone.network`) is a network with the names of msclap, and `projection` leads
from it to the joint space of audio and text. The text side of a checkpoint is left aside.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence

import torch

from hear_tasks.plugins.libraries import import_msclap
from hear_tasks.plugins.msclap_backbones import Cnn14, Htsat
from hear_tasks.plugins.torch_checkpoint import CheckpointKind, check_kind, load_state, read_state
from hear_tasks.plugins.torch_model import Encoder
from hear_tasks.torch_file import StoredTensor

_MS_CLAP_PROJECTION = ("projection.", "audio_encoder.projection.")


def _wavcaps_names(backbone: str) -> tuple[tuple[str, str], ...]:
    return (
        (f"{backbone}spectrogram_extractor.", "audio_encoder.audio_enc.audio_feats_extractor.mel_trans."),
        (f"{backbone}logmel_extractor.", "audio_encoder.audio_enc.audio_feats_extractor.log_trans."),
        (backbone, "audio_encoder.audio_enc."),
        ("projection.", "audio_proj."),
    )


MS_CLAP_2022 = CheckpointKind(
    title="MS-CLAP 2022 (CNN14)",
    prefix="audio_encoder.base.",
    part="conv_block",
    module="hear_tasks.plugins.ms_clap",
    renamed=(("backbone.", "audio_encoder.base."), _MS_CLAP_PROJECTION),
)
MS_CLAP_2023 = CheckpointKind(
    title="MS-CLAP 2023 (HTSAT)",
    prefix="audio_encoder.base.",
    part="htsat.",
    module="hear_tasks.plugins.ms_clap",
    renamed=(("backbone.network.", "audio_encoder.base.htsat."), _MS_CLAP_PROJECTION),
)
WAVCAPS_CNN14 = CheckpointKind(
    title="WavCaps-CNN14",
    prefix="audio_encoder.audio_enc.",
    part="conv_block6.",
    module="hear_tasks.plugins.wavcaps_cnn14",
    renamed=_wavcaps_names("backbone."),
)
WAVCAPS_HTSAT = CheckpointKind(
    title="WavCaps-HTSAT",
    prefix="audio_encoder.audio_enc.",
    part="layers.",
    module="hear_tasks.plugins.wavcaps_htsat",
    renamed=_wavcaps_names("backbone.network."),
)
KINDS = (
    MS_CLAP_2022,
    MS_CLAP_2023,
    WAVCAPS_CNN14,
    WAVCAPS_HTSAT,
    CheckpointKind("MS-CLAP 2023 with a captioner (clapcap)", "clap.", "audio_encoder."),
    CheckpointKind("WavCaps-ResNet38", "audio_encoder.audio_enc.", "resnet."),
    CheckpointKind("LAION-CLAP as transformers saves it", "audio_model.", "audio_encoder."),
    CheckpointKind("LAION-CLAP as laion_clap saves it", "", "audio_branch."),
    CheckpointKind("HTSAT of AudioSet, without text", "", "sed_model."),
    CheckpointKind("CNN14 of AudioSet (PANNs), without text", "", "conv_block"),
)

MS_CLAP_RATE = 44_100
MS_CLAP_LENGTHS = {MS_CLAP_2022: 5 * MS_CLAP_RATE, MS_CLAP_2023: 7 * MS_CLAP_RATE}
"""Samples of the input (duration in msclap's settings)."""

WAVCAPS_RATE = 32_000
WAVCAPS_SHORTEST = 10 * WAVCAPS_RATE
"""To which WavCaps' zero_shot_classification.py fills up clips, with zeros."""

WAVCAPS_CNN14_LONGEST = 30 * WAVCAPS_RATE
"""To which WavCaps cut clips in training (max_length in its settings)."""

WAVCAPS_HTSAT_LONGEST = 10 * WAVCAPS_RATE
"""To which zero_shot_classification.py cuts clips; HTSAT itself takes up to 1024 frames, 10.23 s."""

CONSTANTS = (
    "spectrogram_extractor.",
    "logmel_extractor.",
    "audio_feats_extractor.",
    "relative_position_index",
    "attn_mask",
    "num_batches_tracked",
)
"""Parts of the names of what training does not change: it is computed where a checkpoint leaves it out."""

HEADS = ("fc_audioset.", "tscam_conv.", ".head.")
"""Parts of the names of the classifiers of AudioSet, on which embeddings do not depend."""

Fill = Callable[[torch.Tensor, int], torch.Tensor]


def fill_with_repetitions(audio: torch.Tensor, length: int) -> torch.Tensor:
    """Repeat windows, shape (windows, samples), up to `length`, as `msclap.CLAP.load_audio_into_tensor` does."""
    times = -(-length // audio.shape[1])
    return audio.repeat(1, times)[:, :length] if times > 1 else audio


def fill_with_zeros(audio: torch.Tensor, length: int) -> torch.Tensor:
    """Append zeros to windows, shape (windows, samples), up to `length`, as WavCaps' zero-shot script does."""
    return torch.nn.functional.pad(audio, (0, max(0, length - audio.shape[1])))


class MsclapEncoder(Encoder):
    """A backbone and the projection to the joint space of audio and text.

    Args:
        normalise: whether embeddings are scaled to length 1.
    """

    def __init__(
        self,
        backbone: torch.nn.Module,
        projection: torch.nn.Module,
        *,
        sample_rate: int,
        embedding_size: int,
        shortest: int,
        longest: int,
        fill: Fill,
        normalise: bool,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.projection = projection
        self.sample_rate = sample_rate
        self.embedding_size = embedding_size
        self.shortest = shortest
        self.longest = longest
        self.fill = fill
        self.normalise = normalise

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        """See `Encoder.forward`."""
        embeddings = self.projection(self.backbone(self.fill(audio, self.shortest)))
        return torch.nn.functional.normalize(embeddings, dim=-1) if self.normalise else embeddings


def load_ms_clap(path: str | os.PathLike[str], source: str) -> MsclapEncoder:
    """The audio encoder of either version of MS-CLAP, recognised from the file.

    Args and errors as in `hear_tasks.plugins.torch_checkpoint.read_state` and `load_state`.
    """
    msclap = import_msclap()
    state, kind = _read(path, source, (MS_CLAP_2022, MS_CLAP_2023))
    sizes, length = _Sizes(state, kind), MS_CLAP_LENGTHS[kind]
    backbone: Cnn14 | Htsat
    if kind is MS_CLAP_2022:
        backbone = Cnn14(msclap, MS_CLAP_RATE, sizes.cnn14_width, 1, sizes.output("backbone.fc1.weight", 2048))
    else:
        backbone = Htsat(msclap, sizes.htsat_width, sizes.htsat_heads)
    size = sizes.output("projection.linear1.weight", 1024)
    encoder = MsclapEncoder(
        backbone,
        msclap.clap.Projection(backbone.embedding_size, size),
        sample_rate=MS_CLAP_RATE,
        embedding_size=size,
        shortest=length,
        longest=length,
        fill=fill_with_repetitions,
        normalise=False,
    )
    load_state(encoder, state, kind, os.fspath(path), constants=CONSTANTS, heads=HEADS)
    return encoder


def load_wavcaps_cnn14(path: str | os.PathLike[str], source: str) -> MsclapEncoder:
    """The audio encoder of WavCaps-CNN14. Args and errors as in `load_ms_clap`."""
    msclap = import_msclap()
    state, kind = _read(path, source, (WAVCAPS_CNN14,))
    backbone = Cnn14(msclap, WAVCAPS_RATE, _Sizes(state, kind).cnn14_width, 2, None)
    return _wavcaps_encoder(backbone, WAVCAPS_CNN14_LONGEST, state, kind, os.fspath(path))


def load_wavcaps_htsat(path: str | os.PathLike[str], source: str) -> MsclapEncoder:
    """The audio encoder of WavCaps-HTSAT. Args and errors as in `load_ms_clap`."""
    msclap = import_msclap()
    state, kind = _read(path, source, (WAVCAPS_HTSAT,))
    sizes = _Sizes(state, kind)
    backbone = Htsat(msclap, sizes.htsat_width, sizes.htsat_heads)
    return _wavcaps_encoder(backbone, WAVCAPS_HTSAT_LONGEST, state, kind, os.fspath(path))


def _wavcaps_encoder(
    backbone: Cnn14 | Htsat, longest: int, state: Mapping[str, StoredTensor], kind: CheckpointKind, file: str
) -> MsclapEncoder:
    size = _Sizes(state, kind).output("projection.0.weight", 1024)
    projection = torch.nn.Sequential(
        torch.nn.Linear(backbone.embedding_size, size), torch.nn.ReLU(), torch.nn.Linear(size, size)
    )
    encoder = MsclapEncoder(
        backbone,
        projection,
        sample_rate=WAVCAPS_RATE,
        embedding_size=size,
        shortest=WAVCAPS_SHORTEST,
        longest=longest,
        fill=fill_with_zeros,
        normalise=True,
    )
    load_state(encoder, state, kind, file, constants=CONSTANTS, heads=HEADS)
    return encoder


def _read(
    path: str | os.PathLike[str], source: str, expected: Sequence[CheckpointKind]
) -> tuple[dict[str, StoredTensor], CheckpointKind]:
    state = read_state(path, source)
    return state, check_kind(state, expected, KINDS, os.fspath(path))


@dataclasses.dataclass(frozen=True)
class _Sizes:
    """Sizes of a network, read from a checkpoint; the published ones where the parameter that tells is missing."""

    state: Mapping[str, StoredTensor]
    kind: CheckpointKind

    def output(self, name: str, published: int) -> int:
        """Outputs of the layer whose weight has this name in our encoder."""
        return self._size(name, 0, published)

    @property
    def cnn14_width(self) -> int:
        return self.output("backbone.conv_block1.conv1.weight", 64)

    @property
    def htsat_width(self) -> int:
        return self.output("backbone.network.patch_embed.proj.weight", 96)

    @property
    def htsat_heads(self) -> list[int]:
        table = "backbone.network.layers.{}.blocks.0.attn.relative_position_bias_table"
        return [self._size(table.format(i), 1, heads) for i, heads in enumerate((4, 8, 16, 32))]

    def _size(self, name: str, axis: int, published: int) -> int:
        parameter = self.state.get(self.kind.their_name(name))
        return published if parameter is None or parameter.ndim <= axis else parameter.shape[axis]
