"""How long all of HEAR would take on this machine."""

from __future__ import annotations

from typing import Any

HEAR_HOURS = {1: 37.0, 5: 81.0, 10: 126.0, 30: 145.0}
"""Hours of audio in HEAR's 20 tasks by the nearest length of clip, windows of 30 s for longer clips.

    1 s    Speech Commands (5h, full), Mridangam (both), Gunshot
    5 s    NSynth Pitch (5h, 50h), CREMA-D, ESC-50, Libricount, Beijing Opera
    10 s   FSD50K, Vocal Imitation
    30 s   Beehive, both GTZAN, VoxLingua107; and DCASE 2016 and MAESTRO, 8.6 hours, which count four times, as the
           default hop of 40 ms takes four passes over them
"""

STAGES = 2


def project(sections: dict[str, Any]) -> dict[str, Any]:
    """Hours for both stages, from the speed of `embed` where it was measured, otherwise from the encoder's."""
    for name in ("embed", "encoder"):
        measured = sections.get(name, {}).get("lengths")
        if measured:
            speeds = {int(seconds): each["audio_seconds_per_second"] for seconds, each in measured.items()}
            return {"from": name, "audio_hours": HEAR_HOURS, "hours": STAGES * sum(_hours(speeds))}
    return {"skipped": "neither embed nor encoder was measured"}


def _hours(speeds: dict[int, float]):
    """Hours that each group of tasks takes, at the speed of the nearest length that was measured."""
    for length, hours in HEAR_HOURS.items():
        nearest = min(speeds, key=lambda seconds: abs(seconds - length))
        yield hours / speeds[nearest]


def describe_projection(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Lines of the table."""
    return [("all of HEAR, both stages", f"{result['hours']:.2f} hours, at the speed of {result['from']}")]
