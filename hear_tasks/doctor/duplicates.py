"""The same audio in two splits: a model would be tested on what it was trained on."""

from __future__ import annotations

from hear_tasks.doctor.audio import Audio
from hear_tasks.doctor.audio_folder import AudioFile
from hear_tasks.doctor.finding import Findings
from hear_tasks.doctor.metadata import Metadata

PUBLISHED_SHARE = 0.1
"""Share of a published task's clips up to which copies are taken for its own: GTZAN, for one, has some."""


def check_duplicates(audio: Audio, metadata: Metadata, findings: Findings) -> None:
    """Compare the content of all clips whose samples were read, silence aside."""
    seen: dict[bytes, AudioFile] = {}
    copies: list[tuple[AudioFile, AudioFile]] = []
    for key, clip in audio.clips.items():
        if clip.content is None or clip.content.silent:
            continue
        first = seen.setdefault(clip.content.digest, audio.files[key])
        if first.split != key[0]:
            copies.append((audio.files[key], first))
    published = metadata.hear_task is not None and len(copies) <= PUBLISHED_SHARE * len(audio.files)
    for copy, first in copies:
        message = f"expected audio of split {copy.split} alone, got the same samples as {first.shown}"
        if published:
            fix = "leave it if the task is as published, since published scores have it too"
            findings.warn("audio-duplicate", copy.shown, message, fix)
        else:
            fix = "take the clip out of one of the splits, and out of its split file"
            findings.error("audio-duplicate", copy.shown, message, fix)
