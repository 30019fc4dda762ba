"""The log-mel spectrograms of LAION-CLAP, on the device and for a batch at once.

They are those of `transformers.ClapFeatureExtractor` (of its `_np_extract_fbank_features` and `_get_input_mel`), which
takes a clip at a time, on the CPU, and draws excerpts at random.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from transformers import ClapFeatureExtractor

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
