"""The HEAR model object of the plugins: an encoder of short windows of audio, applied to clips of any length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

CHUNK_SECONDS = 160
"""Audio that an encoder computes at once, which bounds the memory: 16 windows of 10 s, some 2 GB with CNN14."""


class Encoder(torch.nn.Module):
    """Audio of a limited length to one embedding.

    Attributes:
        sample_rate: samples per second of the audio that it takes.
        embedding_size: values in an embedding.
        shortest: samples that a window is filled up to.
        longest: most samples in a window; None if there is no limit.
    """

    sample_rate: int
    embedding_size: int
    shortest: int
    longest: int | None

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        """Shape (windows, samples) to (windows, embedding_size)."""
        raise NotImplementedError


class TorchModel(torch.nn.Module):
    """An encoder as the HEAR API wants it.

    Attributes:
        sample_rate: samples per second of the audio that it takes.
        scene_embedding_size: values in a scene embedding.
        timestamp_embedding_size: values in a timestamp embedding.
        encoder: the network beneath.
        timestamp_hop_ms: milliseconds between timestamps.
        timestamp_window_ms: milliseconds of audio around a timestamp that its embedding tells of.
    """

    def __init__(self, encoder: Encoder, timestamp_hop_ms: int, timestamp_window_ms: int) -> None:
        """
        Raises:
            ValueError: a hop or a window that is no positive whole number, or a window that the encoder cannot take.
        """
        super().__init__()
        _check_milliseconds("timestamp_hop_ms", timestamp_hop_ms)
        _check_milliseconds("timestamp_window_ms", timestamp_window_ms)
        window = timestamp_window_ms * encoder.sample_rate // 1000
        if encoder.longest is not None and window > encoder.longest:
            longest = encoder.longest * 1000 // encoder.sample_rate
            raise ValueError(f"expected timestamp_window_ms of up to {longest}, got {timestamp_window_ms}")
        self.encoder = encoder
        self.sample_rate = encoder.sample_rate
        self.scene_embedding_size = encoder.embedding_size
        self.timestamp_embedding_size = encoder.embedding_size
        self.timestamp_hop_ms = timestamp_hop_ms
        self.timestamp_window_ms = timestamp_window_ms
        self.eval()
        self.to("cuda" if torch.cuda.is_available() else "cpu")

    def scene_embeddings(self, audio: torch.Tensor) -> torch.Tensor:
        """See `hear_tasks.plugins.hear_api.get_scene_embeddings`."""
        clips = self._checked(audio)
        num_samples = clips.shape[1]
        length = num_samples if self.encoder.longest is None else min(num_samples, self.encoder.longest)
        return self._embed(clips, segment_starts(num_samples, length), length).mean(1)

    def timestamp_embeddings(self, audio: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See `hear_tasks.plugins.hear_api.get_timestamp_embeddings`."""
        clips = self._checked(audio)
        count = count_timestamps(clips.shape[1], self.timestamp_hop_ms, self.sample_rate)
        length = max(1, self.timestamp_window_ms * self.sample_rate // 1000)
        starts = window_starts(count, length, self.timestamp_hop_ms, self.sample_rate)
        timestamps = torch.arange(count, dtype=torch.float32, device=clips.device) * self.timestamp_hop_ms
        return self._embed(clips, starts, length), timestamps.repeat(len(clips), 1)

    def _embed(self, clips: torch.Tensor, starts: Sequence[int], length: int) -> torch.Tensor:
        """Embeddings of windows of all clips, shape (clips, windows, embedding_size)."""
        at_once = max(1, CHUNK_SECONDS * self.sample_rate // max(length, self.encoder.shortest))
        # TF32 would move embeddings by 1e-3 from those of a CPU; the fastest algorithms are not the same in each run.
        exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
        with torch.no_grad(), exact:
            embedded = [self.encoder(windows) for windows in cut_windows(clips, starts, length, at_once)]
        return torch.cat(embedded).float().reshape(len(clips), len(starts), -1)

    def _checked(self, audio: torch.Tensor) -> torch.Tensor:
        return checked_audio(audio).to(next(self.parameters()).device)


def checked_audio(audio: torch.Tensor) -> torch.Tensor:
    """A batch of clips as float32. Errors as in `hear_tasks.plugins.hear_api.get_scene_embeddings`."""
    clips = torch.as_tensor(audio)
    if clips.ndim != 2 or 0 in clips.shape:
        hint = "; add an axis for a single clip: audio[None, :]" if clips.ndim == 1 else ""
        raise ValueError(
            f"expected audio of shape (n_sounds, n_samples) with at least one sample, got {tuple(clips.shape)}{hint}"
        )
    if not clips.is_floating_point():
        raise TypeError(f"expected float samples in [-1, 1], got {clips.dtype}; divide 16-bit integers by 32768")
    finite = torch.isfinite(clips)
    if not finite.all():
        clip, sample = (~finite).nonzero()[0].tolist()
        raise ValueError(
            f"expected finite samples, got {clips[clip, sample].item()} at sample {sample} of clip {clip}; "
            "is the file damaged, or was a silent clip divided by its peak?"
        )
    return clips.detach().float()


def _check_milliseconds(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"expected {name} to be a whole number of milliseconds, at least 1, got {value!r}")


def segment_starts(num_samples: int, length: int) -> list[int]:
    """First samples of as few segments of `length` as cover a clip, evenly spread from its start to its end."""
    count = max(1, -(-num_samples // length))
    if count == 1:
        return [0]
    return [i * (num_samples - length) // (count - 1) for i in range(count)]


def count_timestamps(num_samples: int, hop_ms: int, sample_rate: int) -> int:
    """Multiples of `hop_ms`, 0 included, that lie before the end of a clip."""
    return -(-num_samples * 1000 // (hop_ms * sample_rate))


def window_starts(count: int, length: int, hop_ms: int, sample_rate: int) -> list[int]:
    """First samples of the windows of `length` around the multiples of `hop_ms`; the first ones are negative.

    Each is computed from its number, so that rounding to a sample does not add up.
    """
    return [i * hop_ms * sample_rate // 1000 - length // 2 for i in range(count)]


def cut_windows(clips: torch.Tensor, starts: Sequence[int], length: int, at_once: int) -> Iterator[torch.Tensor]:
    """Cut the same windows from all clips.

    Args:
        clips: shape (clips, samples).
        starts: first sample of each window; it may begin before the clip and end after it, where there is silence.
        length: samples in a window.
        at_once: windows to hold in memory at once.

    Yields:
        Shape (windows, length), up to `at_once` windows: all of the first clip, then of the second, and so on.
    """
    before = max(0, -min(starts))
    after = max(0, max(starts) + length - clips.shape[1])
    padded = torch.nn.functional.pad(clips, (before, after))
    offsets = torch.tensor(starts, device=clips.device) + before
    samples = torch.arange(length, device=clips.device)
    for numbers in torch.arange(len(clips) * len(starts), device=clips.device).split(at_once):
        clip = numbers // len(starts)
        start = offsets[numbers % len(starts)]
        yield padded[clip[:, None], start[:, None] + samples]
