"""Whether what a HEAR plugin gives for a batch is what the HEAR API asks for."""

from __future__ import annotations

import numpy as np

from hear_tasks.embed.plugin.call import PluginApiError, PluginError

_PAST_THE_END_MS = 1.0
"""Rounding; hear-validator allows none, but refuses nothing that ends with its clip."""


def check_scenes(arrays: list[np.ndarray], clips: int, size: int) -> np.ndarray:
    """The scene embeddings of a batch, shape (clips, size), float32.

    Raises:
        PluginApiError: they are not what they have to be; the message says what was expected and what came.
        PluginError: embeddings are not finite, which depends on the clip.
    """
    (embeddings,) = arrays
    if embeddings.ndim != 2 or embeddings.shape[0] != clips or embeddings.shape[1] != size:
        raise PluginApiError(
            f"get_scene_embeddings: expected shape (n_sounds, scene_embedding_size) = ({clips}, {size}), got "
            f"{embeddings.shape}{_hint(embeddings, clips, size)}"
        )
    return _check_values("get_scene_embeddings", embeddings)


def check_timestamps(
    arrays: list[np.ndarray], clips: int, size: int, seconds: float
) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each clip of a batch its embeddings, shape (timestamps, size), float32, and its timestamps in milliseconds.

    Raises:
        PluginApiError: they are not what they have to be; the message says what was expected and what came.
        PluginError: embeddings are not finite, which depends on the clip.
    """
    embeddings, times = arrays
    name = "get_timestamp_embeddings"
    if embeddings.ndim != 3 or embeddings.shape[0] != clips or embeddings.shape[2] != size:
        raise PluginApiError(
            f"{name}: expected embeddings of shape (n_sounds, n_timestamps, timestamp_embedding_size) = ({clips}, "
            f"n_timestamps, {size}), got {embeddings.shape}{_hint(embeddings, clips, size)}"
        )
    if times.shape != embeddings.shape[:2]:
        raise PluginApiError(
            f"{name}: expected timestamps of shape (n_sounds, n_timestamps) = {embeddings.shape[:2]}, a time for each "
            f"embedding, got {times.shape}"
        )
    if not times.size:
        raise PluginApiError(f"{name}: expected at least one timestamp for a clip of {seconds:g} s, got none")
    _check_times(name, times, seconds)
    return list(zip(_check_values(name, embeddings), times, strict=True))


def _hint(embeddings: np.ndarray, clips: int, size: int) -> str:
    if embeddings.shape[:1] != (clips,):
        return "; are results of several clips put together, or is the batch's axis lost?"
    if size in embeddings.shape[1:-1]:
        return "; are axes in another order?"
    return "; is the size that the model states that of another layer?"


def _check_values(name: str, embeddings: np.ndarray) -> np.ndarray:
    if embeddings.dtype != np.float32:
        hint = "; is it converted somewhere on its way?" if embeddings.dtype.kind == "f" else ""
        raise PluginApiError(f"{name}: expected float32 embeddings, got {embeddings.dtype}{hint}")
    if not np.isfinite(embeddings).all():
        raise PluginError(
            f"{name}: expected finite embeddings, got NaN or infinity; a logarithm of "
            "silence, or a division by a norm of zero?"
        )
    return embeddings


def _check_times(name: str, times: np.ndarray, seconds: float) -> None:
    length = 1000.0 * seconds
    if times.dtype.kind not in "fiu" or not np.isfinite(times).all():
        raise PluginApiError(f"{name}: expected timestamps as finite numbers, got {times.dtype}, or NaN or infinity")
    first, last = float(times.min()), float(times.max())
    if times.shape[1] > 2 and last <= 1.01 * seconds and length > 50:
        raise PluginApiError(
            f"{name}: expected timestamps in milliseconds, got {first:g} to {last:g} for a clip of {seconds:g} s; "
            "are they in seconds?"
        )
    if not (np.diff(times, axis=1) > 0).all():
        clip, time = np.argwhere(np.diff(times, axis=1) <= 0)[0]
        pair = times[clip, time : time + 2].tolist()
        raise PluginApiError(f"{name}: expected increasing timestamps, got {pair[0]:g} ms and then {pair[1]:g} ms")
    if first < 0:
        raise PluginApiError(f"{name}: expected timestamps from 0 ms on, got {first:g} ms; padding not taken off?")
    if last > length + _PAST_THE_END_MS:
        raise PluginApiError(
            f"{name}: expected timestamps inside the clip, of {length:g} ms, got {last:g} ms; of padding at its end, "
            "or of another sample rate?"
        )
