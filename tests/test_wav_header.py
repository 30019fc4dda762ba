"""WAV files whose headers are wrong: what libsndfile reads whole is whole, what lacks samples is not."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import soundfile

from hear_cacophony.files.audio_extent import check_whole
from hear_cacophony.files.wav_header import HEAD_BYTES, parse_plain_header

SAMPLES = (1000 * np.sin(np.arange(400))).astype("<i2")


def wav(riff: int | None = None, data: int | None = None, chunks: bytes = b"", tail: bytes = b"") -> bytes:
    body = SAMPLES.tobytes()
    form = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16_000, 32_000, 2, 16)
    rest = b"WAVE" + form + chunks + b"data" + struct.pack("<I", len(body) if data is None else data) + body + tail
    return b"RIFF" + struct.pack("<I", len(rest) if riff is None else riff) + rest


@pytest.mark.parametrize(
    ("content", "remark"),
    [
        (wav(), ""),
        *[(wav(riff=size, data=size), "placeholder") for size in (0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)],
        (wav(riff=0x7FFFF024, data=0x7FFFF000), "placeholder 0x7ffff000"),
        (wav(riff=0xFFFFFFFF, data=0xFFFFFFFF - 36), "placeholder"),
        (wav(riff=len(wav())), "its header says"),  # the size of the file where 8 less belongs
        (wav(riff=5_000), "its header says"),  # a chunk behind the samples was taken away
        (wav(chunks=b"LIST" + struct.pack("<I", 3) + b"odd\0"), ""),
        (wav(tail=b"LIST" + struct.pack("<I", 4) + b"tail"), ""),
    ],
)
def test_what_is_whole_passes_and_libsndfile_reads_it(content, remark, tmp_path):
    file = tmp_path / "clip.wav"
    file.write_bytes(content)
    found = check_whole(file)
    assert (remark in found) if remark else found == ""
    samples, rate = soundfile.read(io.BytesIO(content), dtype="int16")
    assert rate == 16_000
    np.testing.assert_array_equal(samples[: len(SAMPLES)], SAMPLES)


@pytest.mark.parametrize("cut", [1, 2, 100, 700])
@pytest.mark.parametrize("riff", [None, 5_000])
def test_missing_samples_are_an_error(cut, riff, tmp_path):
    file = tmp_path / "clip.wav"
    file.write_bytes(wav(riff=riff)[:-cut])
    with pytest.raises(ValueError, match="was a copy interrupted"):
        check_whole(file)


def test_a_file_that_ends_before_its_samples_is_an_error(tmp_path):
    file = tmp_path / "clip.wav"
    file.write_bytes(wav()[:30])
    with pytest.raises(ValueError, match="was a copy interrupted"):
        check_whole(file)


def test_other_forms_pass(tmp_path):
    for content in (b"", b"RIFF", b"fLaC and more"):
        (tmp_path / "clip").write_bytes(content)
        assert check_whole(tmp_path / "clip") == ""


def test_a_placeholder_is_no_plain_header():
    assert parse_plain_header(wav()[:HEAD_BYTES]).frames == 400
    assert parse_plain_header(wav(data=0x80000000)[:HEAD_BYTES]) is None
