"""demo_strokes: which drum is struck and when, strokes at three levels over real ambience.

The recordings are the samples of Sonic Pi (Debian package sonic-pi-samples): strokes of six kinds, and
ambience that is repeated with crossfades. No stroke and no ambience is in two splits.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from hear_tasks.debian_packages import Source, find_source
from hear_tasks.demo import sonic_pi
from hear_tasks.recordings import LEAD, PERCUSSIVE_RMS, at_level, read_recording, sounding
from hear_tasks.write_task import SAMPLE_RATE, Clip, Event

STROKES = {
    "cymbal": ("drum_cymbal_*", "drum_splash_*", "elec_cymbal"),
    "kick": ("bd_*", "drum_bass_*", "drum_heavy_kick", "elec_hollow_kick", "elec_soft_kick"),
    "snare": ("sn_*", "drum_snare_*", "elec_*snare"),
    "tabla_ghe": ("tabla_ghe*",),
    "tabla_na": ("tabla_na*", "tabla_tas*", "tabla_tun*"),
    "tom": ("drum_tom_*", "elec_fuzz_tom"),
}
"""Samples of each label. Those of the tabla are the ringing strokes of its bass drum (ghe) and of its treble drum
(na)."""

VOCABULARY = list(STROKES)

AMBIENCE = {
    "train": ("ambi_dark_woosh", "ambi_glass_hum", "ambi_haunted_hum", "vinyl_hiss"),
    "valid": ("ambi_glass_rub", "ambi_lunar_land"),
    "test": ("ambi_drone", "ambi_sauna"),
}
"""Backgrounds of each split, with a pitch and without. The two hums, of one author, are in one split."""

SECONDS = 20
METADATA = {
    "embedding_type": "event",
    "prediction_type": "multilabel",
    "split_mode": "trainvaltest",
    "sample_duration": float(SECONDS),
    "evaluation": ["event_onset_200ms_fms", "segment_1s_er"],
    "evaluation_params": {
        "event_postprocessing_grid": {"median_filter_ms": [250], "min_duration": [125, 250]},
    },
}
CLIPS = {"train": 24, "valid": 6, "test": 6}
LEVELS_DB = (0.0, 6.0, 12.0)
"""Level of the strokes of a clip over its ambience, of the root mean squares while they sound."""

SHORTEST_MS = 250
"""Length of the shortest event, so that timestamps 160 ms apart see it: shorter strokes are labelled that long."""

LONGEST = SAMPLE_RATE
"""Samples of the longest stroke, 1 s: what rings longer is faded out."""

FADE = SAMPLE_RATE // 10
CROSSFADE = SAMPLE_RATE // 2
JITTER_MS = 600
"""A stroke starts up to this long after the start of its second, so that strokes two seconds apart never overlap."""

SEED = 0


@dataclasses.dataclass(frozen=True)
class Stroke:
    """A stroke of a clip: its label, its recording, and when it starts, in whole milliseconds."""

    label: str
    file: pathlib.Path
    start: int


@dataclasses.dataclass(frozen=True)
class Scene:
    """What a clip is made of.

    Attributes:
        ambience: recording of the background.
        offset: where in the repeated recording the clip starts: 0 at its start, 1 at its end.
        level: level of the strokes over the ambience, in dB.
        strokes: in the order of their starts; two that follow each other differ in their labels.
    """

    ambience: pathlib.Path
    offset: float
    level: float
    strokes: Sequence[Stroke]


def read_splits(sources: pathlib.Path | None) -> tuple[dict[str, Iterator[Clip]], str]:
    """Clips by split, made as they are asked for, and the attribution; see `hear_tasks.demo.tasks.build`."""
    source = find_source(sonic_pi.PACKAGE, sources)
    scenes = _draw_scenes(source, np.random.default_rng(SEED))
    treatment = "Brought to 16 kHz mono, cut, repeated, mixed, and brought to a common level."
    return {split: _clips(split, each) for split, each in scenes.items()}, sonic_pi.credit(source, treatment)


def _draw_scenes(source: Source, random: np.random.Generator) -> dict[str, list[Scene]]:
    strokes = sonic_pi.split_samples(sonic_pi.find_samples(source, STROKES), random)
    ambience = sonic_pi.find_samples(source, {name: [name] for names in AMBIENCE.values() for name in names})
    scenes: dict[str, list[Scene]] = {}
    for split, count in CLIPS.items():
        backgrounds = [ambience[name][name] for name in AMBIENCE[split]]
        scenes[split] = [
            Scene(
                # Three clips in a row share a background, so that each comes at every level.
                backgrounds[i // len(LEVELS_DB) % len(backgrounds)],
                random.random(),
                LEVELS_DB[i % len(LEVELS_DB)],
                _draw_strokes(strokes[split], random),
            )
            for i in range(count)
        ]
    return scenes


def _draw_strokes(samples: Mapping[str, Sequence[pathlib.Path]], random: np.random.Generator) -> list[Stroke]:
    """At most one stroke in a second, none in some seconds nor in the last, which the last stroke rings into."""
    drawn: list[Stroke] = []
    for second in np.flatnonzero(random.random(SECONDS - 1) < 0.8):
        labels = [label for label in samples if not drawn or label != drawn[-1].label]
        label = labels[int(random.integers(len(labels)))]
        file = samples[label][int(random.integers(len(samples[label])))]
        drawn.append(Stroke(label, file, int(second) * 1000 + int(random.integers(JITTER_MS + 1))))
    return drawn


def _clips(split: str, scenes: Sequence[Scene]) -> Iterator[Clip]:
    for i, scene in enumerate(scenes):
        samples, events = _play(scene)
        yield Clip(f"{split}-{i:02d}.wav", samples, events)


def _play(scene: Scene) -> tuple[np.ndarray, list[Event]]:
    mixed = _repeat(read_recording(scene.ambience), SECONDS * SAMPLE_RATE, scene.offset)
    loudness = np.sqrt(np.mean(mixed**2)) * 10 ** (scene.level / 20)
    events = []
    for stroke in scene.strokes:
        samples, lead = _read_stroke(stroke.file)
        start = stroke.start * SAMPLE_RATE // 1000
        begin = max(0, start - lead)
        samples = samples[begin - (start - lead) :]
        mixed[begin : begin + len(samples)] += samples * loudness
        milliseconds = 1000 * (begin + len(samples) - start) / SAMPLE_RATE
        events.append(Event(stroke.label, stroke.start, stroke.start + max(SHORTEST_MS, milliseconds)))
    return at_level(mixed, PERCUSSIVE_RMS), events


def _read_stroke(file: pathlib.Path) -> tuple[np.ndarray, int]:
    """The stroke at a root mean square of 1 while it sounds, and the samples before its start."""
    samples = read_recording(file)
    start, end = sounding(samples)
    lead = min(start, LEAD)
    stroke = samples[start - lead : min(end, start + LONGEST)]
    if end > start + LONGEST:
        stroke[-FADE:] *= np.linspace(1, 0, FADE)
    return stroke / np.sqrt(np.mean(stroke[lead:] ** 2)), lead


def _repeat(samples: np.ndarray, length: int, offset: float) -> np.ndarray:
    """The recording again and again, each time faded into the next with constant power."""
    fade = min(CROSSFADE, len(samples) // 2)
    ramp = np.sin(np.linspace(0, np.pi / 2, fade))
    shaped = samples.copy()
    shaped[:fade] *= ramp
    shaped[-fade:] *= ramp[::-1]
    period = len(samples) - fade
    cycle = shaped[:period].copy()
    cycle[:fade] += shaped[period:]
    return np.resize(np.roll(cycle, -round(offset * period)), length)
