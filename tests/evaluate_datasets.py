"""Miniature data sets in the layouts of their publishers, of tones that a stand-in model can tell apart."""

from __future__ import annotations

import csv
import pathlib
import types
from collections.abc import Iterable, Sequence

import numpy as np
import soundfile

SIZE = 16
"""Tones that the stand-in model can tell apart, and values in its embeddings."""

STEP_HZ = 200
RATE = 16_000


def write_tone(path: pathlib.Path, tone: int, *, seconds: float = 0.5, rate: int = RATE, channels: int = 1) -> None:
    """A clip of tone number `tone`, which sounds at (tone + 1) * 200 Hz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    times = np.arange(round(seconds * rate)) / rate
    wave = 0.3 * np.sin(2 * np.pi * STEP_HZ * (tone + 1) * times)
    soundfile.write(path, np.repeat(wave[:, None], channels, axis=1), rate)


def write_csv(path: pathlib.Path, rows: Iterable[Sequence], delimiter: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)


class ToneModel:
    """Hears which tone a clip is, and finds in a text the word for a tone.

    Attributes:
        calls: settings of each call of `caption`.
        patches: `kept_patches` of all clips that were embedded.
        clips: how many clips were embedded or captioned.
        tokens: `max_tokens` of the texts.
        tokenizer: a stand-in of files.
    """

    source = "tones.ckpt"
    md5 = "0123456789abcdef0123456789abcdef"
    untrained = False
    logit_scale = float(np.log(20.0))

    def __init__(self, words: Sequence[str]) -> None:
        self.words = list(words)
        self.calls: list[dict] = []
        self.patches: list = []
        self.clips = 0
        self.tokens: set[int] = set()
        self.tokenizer = types.SimpleNamespace(files=[])

    def embed_audio(self, clips, *, kept_patches=None):
        self.clips += len(clips)
        self.patches += kept_patches or [None] * len(clips)
        return np.stack([np.eye(SIZE, dtype=np.float32)[self._tone(clip)] for clip in clips])

    def embed_texts(self, texts, *, max_tokens=100):
        self.tokens.add(max_tokens)
        return np.stack([self._embed_text(text) for text in texts])

    def embed_labels(self, labels, *, template, max_tokens=100):
        by_prompt = [
            self.embed_texts([each.replace("{}", label) for label in labels], max_tokens=max_tokens)
            for each in template
        ]
        return np.mean(by_prompt, axis=0)

    def caption(self, clips, **settings):
        self.clips += len(clips)
        self.calls.append(settings)
        return [f"the {self.words[self._tone(clip)]}, again" for clip in clips]

    def _tone(self, clip):
        spectrum = np.abs(np.fft.rfft(clip))
        return round(np.argmax(spectrum) * RATE / len(clip) / STEP_HZ) - 1

    def _embed_text(self, text):
        vector = np.full(SIZE, 1e-3, np.float32)
        vector[[i for i, word in enumerate(self.words) if word in text][-1:]] = 1
        return vector / np.linalg.norm(vector)


ESC50_CLASSES = ("dog", "rain", "sea_waves", "crying_baby", "clock_tick", "sneezing")


def write_esc50(data: pathlib.Path) -> pathlib.Path:
    """12 clips, two of each of 6 classes; the second of sneezing sounds like a dog. Stereo at 44.1 kHz."""
    header = ("filename", "fold", "target", "category", "esc10", "src_file", "take")
    rows = []
    for take in range(2):
        for i, name in enumerate(ESC50_CLASSES):
            file = f"{take + 1}-10000{i}-A-{i}.wav"
            rows.append((file, take + 1, i, name, "False", 10000 + i, "A"))
            tone = 0 if (name, take) == ("sneezing", 1) else i
            write_tone(data / "audio" / file, tone, seconds=0.5 + take / 10, rate=44_100, channels=2)
    write_csv(data / "meta/esc50.csv", [header, *rows])
    return data


def write_urbansound8k(data: pathlib.Path) -> pathlib.Path:
    header = ("slice_file_name", "fsID", "start", "end", "salience", "fold", "classID", "class")
    classes = ("air_conditioner", "dog_bark")
    rows = [(f"{i}-{i % 2}-0-0.wav", i, 0, 0.5, 1, i % 10 + 1, i % 2, classes[i % 2]) for i in range(4)]
    write_csv(data / "metadata/UrbanSound8K.csv", [header, *rows])
    for row in rows:
        write_tone(data / "audio" / f"fold{row[5]}" / row[0], row[6], rate=22_050)
    return data


def write_tut2017(data: pathlib.Path) -> pathlib.Path:
    """The development and the evaluation set beside one another, whose files have the same names."""
    scenes = ("beach", "cafe/restaurant")
    for name, table in (("development", "meta.txt"), ("evaluation", "evaluation_setup/evaluate.txt")):
        folder = data / f"TUT-acoustic-scenes-2017-{name}"
        rows = [(f"audio/a{i}_0_10.wav", scene, f"a{i}") for i, scene in enumerate(scenes)]
        write_csv(folder / table, rows, "\t")
        for i, row in enumerate(rows):
            write_tone(folder / row[0], i)
    return data


def write_vggsound(data: pathlib.Path) -> pathlib.Path:
    """4 clips in the table's test split, of which 3 are there, one of them twice; one of its training split."""
    rows = [
        ("--0PQM4-hqg", 30, "waterfall burbling", "train"),
        ("-0AB1_cdEFg", 7, "bird chirping, tweeting", "test"),
        ("_1AB1_cdEFg", 120, "dog barking", "test"),
        ("2AB1-cdEFgh", 0, "waterfall burbling", "test"),
        ("3gone-cdEFg", 5, "dog barking", "test"),
    ]
    write_csv(data / "vggsound.csv", rows)
    write_tone(data / "audio/--0PQM4-hqg_000030.wav", 0)
    write_tone(data / "audio/-0AB1_cdEFg_000007.flac", 1)
    write_tone(data / "audio/_1AB1_cdEFg_000120.wav", 2)
    write_tone(data / "audio/2AB1-cdEFgh_000000.wav", 0)
    write_tone(data / "more/2AB1-cdEFgh_000000.flac", 5)
    return data


def write_audiocaps(data: pathlib.Path) -> pathlib.Path:
    """Clips of five captions: named by the YouTube id, with Y, with the start, by audiocap_id; one is missing."""
    ids = [("aaaaaaaaaa1", 30), ("bbbbbbbbbb2", 130), ("cccccccccc3", 0), ("dddddddddd4", 20), ("eeeeeeeeee5", 70)]
    rows = [
        (100 * clip + i, name, start, f"a {WORDS[clip]} is heard, way {i}")
        for clip, (name, start) in enumerate(ids)
        for i in range(5)
    ]
    write_csv(data / "test.csv", [("audiocap_id", "youtube_id", "start_time", "caption"), *rows])
    for clip, stem in enumerate(("aaaaaaaaaa1", "Ybbbbbbbbbb2", "cccccccccc3_0", "302")):
        write_tone(data / "test" / f"{stem}.wav", clip)
    return data


WORDS = ("horn", "bell", "drum", "flute", "whistle")


def write_clotho(data: pathlib.Path, *, last_tone: int = 4) -> pathlib.Path:
    """5 clips of five captions; the first two share one caption; the last one may sound like another clip."""
    header = ("file_name", *(f"caption_{i}" for i in range(1, 6)))
    rows = []
    for clip, word in enumerate(WORDS):
        captions = [f"a {word} sounds, {i}" for i in range(5)]
        if clip < 2:
            captions[4] = "a horn and a bell"
        rows.append((f"Recording, {word}.wav", *captions))
        write_tone(data / "evaluation" / rows[-1][0], last_tone if clip == 4 else clip)
    write_csv(data / "clotho_captions_evaluation.csv", [header, *rows])
    return data
