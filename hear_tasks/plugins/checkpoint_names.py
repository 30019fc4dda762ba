"""Which checkpoints there are, told by the names of their parameters, and what those are called in our encoders.

In our encoders, `backbone` (of HTSAT, `backbone.network`) is a network with the names of msclap, and `projection` leads
from it to the joint space of audio and text. The text side of a checkpoint is left aside.
"""

from __future__ import annotations

from hear_tasks.plugins.torch_checkpoint import CheckpointKind

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
