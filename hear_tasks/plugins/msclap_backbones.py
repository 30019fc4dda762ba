"""CNN14 and HTSAT, put together from the parts of msclap.

Both begin with the log-mel spectrogram that torchlibrosa computes, 64 bands, windows of 1024 samples, a hop of 320.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from hear_tasks.plugins.libraries import MsclapModules, quiet_construction

HOP_LENGTH = 320
WINDOW_LENGTH = 1024
MEL_BANDS = 64
LOWEST_HZ, HIGHEST_HZ = 50, 14_000


class Cnn14(torch.nn.Module):
    """CNN14 of PANNs up to its embedding; the names of parameters are those of `msclap.models.audio.Cnn14`.

    Args:
        msclap: what `import_msclap` returned.
        sample_rate: samples per second.
        width: channels of the first block; the five that follow double them.
        last_pool: factor by which the last block shortens time and frequency: 1 in PANNs and MS-CLAP, 2 in WavCaps.
        fully_connected: values behind the layer that follows the blocks in PANNs and MS-CLAP; None leaves it out.
    """

    def __init__(
        self, msclap: MsclapModules, sample_rate: int, width: int, last_pool: int, fully_connected: int | None
    ) -> None:
        super().__init__()
        library = msclap.audio
        self.spectrogram_extractor = library.Spectrogram(
            n_fft=WINDOW_LENGTH, hop_length=HOP_LENGTH, win_length=WINDOW_LENGTH, freeze_parameters=True
        )
        self.logmel_extractor = library.LogmelFilterBank(
            sr=sample_rate,
            n_fft=WINDOW_LENGTH,
            n_mels=MEL_BANDS,
            fmin=LOWEST_HZ,
            fmax=HIGHEST_HZ,
            amin=1e-10,
            top_db=None,
            freeze_parameters=True,
        )
        self.bn0 = torch.nn.BatchNorm2d(MEL_BANDS)
        channels = [1, *(width * 2**i for i in range(6))]
        self.conv_block1 = library.ConvBlock(channels[0], channels[1])
        self.conv_block2 = library.ConvBlock(channels[1], channels[2])
        self.conv_block3 = library.ConvBlock(channels[2], channels[3])
        self.conv_block4 = library.ConvBlock(channels[3], channels[4])
        self.conv_block5 = library.ConvBlock(channels[4], channels[5])
        self.conv_block6 = library.ConvBlock(channels[5], channels[6])
        self.last_pool = last_pool
        self.fc1 = None if fully_connected is None else torch.nn.Linear(channels[6], fully_connected)
        self.embedding_size = channels[6] if fully_connected is None else fully_connected

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        """Shape (windows, samples) to (windows, embedding_size): mean over frequency, maximum plus mean over time."""
        x = self.logmel_extractor(self.spectrogram_extractor(audio))
        x = self.bn0(x.transpose(1, 3)).transpose(1, 3)
        for block in (self.conv_block1, self.conv_block2, self.conv_block3, self.conv_block4, self.conv_block5):
            x = block(x, pool_size=(2, 2), pool_type="avg")
        x = self.conv_block6(x, pool_size=(self.last_pool, self.last_pool), pool_type="avg")
        x = x.mean(3)
        x = x.amax(2) + x.mean(2)
        return x if self.fc1 is None else torch.relu(self.fc1(x))


class Htsat(torch.nn.Module):
    """HTSAT up to its latent output, the mean over time and frequency of what its last layer gives.

    Args:
        msclap: what `import_msclap` returned. The network is msclap's own, `network`; it takes up to 1024 frames and
            stretches fewer to that number.
        width: channels of the first layer; each of the three that follow doubles them.
        heads: of attention, in each of the four layers.
    """

    def __init__(self, msclap: MsclapModules, width: int, heads: Sequence[int]) -> None:
        super().__init__()
        with quiet_construction():
            self.network = msclap.htsat.HTSAT_Swin_Transformer(
                embed_dim=width, num_heads=list(heads), config=msclap.config
            )
        self.embedding_size = self.network.num_features

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        """Shape (windows, samples) to (windows, embedding_size)."""
        return self.network(audio)["latent_output"]
