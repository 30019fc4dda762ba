"""Points of files and folders of sounds, by our own models or by any HEAR plugin."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from hear_cacophony.frontend.read_audio import read_audio_at
from hear_cacophony.sounds.chunks import Prepare, open_embeddings
from hear_cacophony.sounds.find import Sound
from hear_cacophony.sounds.matches import Matches
from hear_tasks.embed import HearModule
from hear_tasks.map.points import Points


def own_points(sounds: Sequence[Sound], identity: Mapping[str, Any], prepare: Prepare) -> Points:
    """The embeddings of sounds by a model of ours, which all commands keep.

    Args:
        sounds: the sounds.
        identity: of the embeddings that are kept.
        prepare: gives what computes those that are missing.
    """
    return _points(sounds, identity, prepare, None, [("model", str(identity["model"]))])


def module_points(sounds: Sequence[Sound], module: HearModule) -> Points:
    """The embeddings of sounds by a HEAR module, which are kept, too."""

    def read(name: str) -> np.ndarray:
        return read_audio_at(name, module.model.sample_rate)

    def compute(clips: list[np.ndarray], _: list[Sound]) -> dict[str, np.ndarray]:
        return {"embeddings": module.model.embed_scenes(clips)}

    facts = [("module", module.name), ("weights", str(module.identity["weights"]))]
    return _points(sounds, {"kind": "scene", **module.identity}, lambda: compute, read, facts)


def _points(
    sounds: Sequence[Sound],
    identity: Mapping[str, Any],
    prepare: Prepare,
    read: Callable[[str], np.ndarray] | None,
    facts: Sequence[tuple[str, str]],
) -> Points:
    with open_embeddings(sounds, identity, "map") as embeddings:
        embeddings.compute(prepare, "map", read)
        found = Matches.of(embeddings)
    names = [sound.name for sound in found.sounds]
    return Points(names, names, found.embeddings, found.faults, facts)
