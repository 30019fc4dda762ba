"""Audio files of every form: the samples that come are counted, and what was cut is an error wherever it was cut."""

from __future__ import annotations

import dataclasses
import os
import struct
import tracemalloc

import numpy as np
import pytest
import soundfile
from damaged_audio import FORMS, SEQUENTIAL, cut, encode, with_count, without_count, without_length

from hear_cacophony import read_audio
from hear_cacophony.files.mpeg_frames import count_frames
from hear_cacophony.frontend import media_sound
from hear_cacophony.frontend.audio_file import open_audio
from hear_cacophony.frontend.resample import resample, resample_blocks


@pytest.fixture(scope="module")
def music() -> np.ndarray:
    """Two seconds and a half at 8 kHz, which codecs cannot make small, shape (samples,)."""
    return np.random.default_rng(3).uniform(-0.4, 0.4, 20_001)


def length_of(path) -> tuple[int | None, int]:
    with open_audio(path) as audio:
        return audio.header.frames, sum(len(block) for block in audio.blocks(1_000))


@pytest.mark.parametrize("ending", FORMS)
def test_a_whole_file_is_read_and_a_cut_one_is_an_error(ending, music, tmp_path):
    file = tmp_path / f"clip.{ending}"
    soundfile.write(file, music, 8_000, FORMS[ending][1], format=FORMS[ending][0])
    whole = file.read_bytes()
    told, found = length_of(file)
    assert told == found >= len(music)
    for missing in (2, 40, len(whole) // 30, len(whole) // 2, len(whole) * 4 // 5):
        file.write_bytes(whole[:-missing])
        with pytest.raises(ValueError, match=r"interrupted|is it what its name says, and whole"):
            read_audio(file)


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_codecs_that_cannot_go_back_are_read(name, music, tmp_path):
    form, subtype = SEQUENTIAL[name]
    soundfile.write(tmp_path / name, music, 8_000, subtype, format=form)
    told, found = length_of(tmp_path / name)
    assert told == found >= len(music)
    with open_audio(tmp_path / name) as audio, open_audio(tmp_path / name) as again:
        assert len(read_audio(tmp_path / name)) == pytest.approx(found * 16_000 / audio.header.rate, abs=1)
        target = np.empty(500, np.float32)
        assert again.read(9_000, target) == 500
        assert np.array_equal(np.concatenate(list(audio.blocks()))[9_000:9_500, 0], target)


def test_an_mp3_holds_what_its_frames_do(music, tmp_path):
    whole = encode(music, 8_000, "MP3")
    constant = without_count(encode(music, 8_000, "MP3", bitrate_mode="CONSTANT", compression_level=0.5))
    file = tmp_path / "clip.mp3"
    for content, expected in (
        (whole, (20_001, 20_001)),
        (b"ID3\4\0\0\0\0\0\x09picture  " + whole, (20_001, 20_001)),
        (whole + b"TAG".ljust(128, b"\0"), (20_001, 20_001)),
    ):
        file.write_bytes(content)
        assert length_of(file) == expected
    for content in (constant, constant + b"TAG".ljust(128, b"\0")):
        file.write_bytes(content)
        told, found = length_of(file)
        assert told is None
        assert 20_001 <= found <= 20_001 + 3 * 1152
    for content, message in (
        (with_count(whole, 1.5), "expected 30.* samples by its header, got 20"),
        (with_count(whole, 0.5), "samples by its header, there are 2"),
        (constant[:-1], "ends before its last frame of MPEG audio"),
        (constant[: len(constant) // 2], "ends before its last frame of MPEG audio"),
    ):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=message):
            read_audio(file)


def id3(size: int) -> bytes:
    """A tag of 200 bytes whose header tells another size."""
    return b"ID3\3\0\0\0\0" + bytes([size >> 7, size & 127]) + bytes(range(200))


def constant_rate(music) -> bytes:
    return without_count(encode(music, 8_000, "MP3", bitrate_mode="CONSTANT", compression_level=0.5))


@pytest.mark.parametrize(
    "beginning", [id3(200), id3(200) * 2, id3(20), id3(0), bytes(300)], ids=["tag", "two", "short", "none", "junk"]
)
def test_an_mp3_is_counted_from_its_first_frame(beginning, music, tmp_path):
    file, counted, plain = tmp_path / "clip.mp3", encode(music, 8_000, "MP3"), constant_rate(music)
    for content in (counted, plain):
        file.write_bytes(beginning + content)
        assert 20_001 <= length_of(file)[1] <= 20_001 + 3 * 1152
        file.write_bytes(beginning + content[: len(content) * 2 // 3 + 5])
        with pytest.raises(ValueError, match="was a copy interrupted"):
            read_audio(file)


def with_vbri(mp3: bytes, frames: int) -> bytes:
    """Its first frame, of 104 bytes or more, tells how many follow as Fraunhofer's encoders do."""
    return mp3[:4] + bytes(32) + b"VBRI" + bytes(10) + frames.to_bytes(4, "big") + mp3[54:]


def test_an_mp3_whose_frames_are_not_where_they_should_be_is_damaged(music, tmp_path):
    plain = constant_rate(music)
    file = tmp_path / "clip.mp3"
    frames = count_frames(file).found // 576 if file.write_bytes(plain) else 0
    frame = len(plain) // frames
    other_rate = without_count(encode(music, 16_000, "MP3", bitrate_mode="CONSTANT", compression_level=0.5))
    for content, message in (
        (id3(200 + 3 * frame + 7) + plain, "its ID3v2 tag ends by its size, got the first one at 210"),
        (plain[: 10 * frame + 20] + bytes(500) + plain[10 * frame + 520 :], "was a copy damaged"),
        (plain[: 10 * frame + 20] + plain[10 * frame + 90 :], "was a copy damaged"),
        (plain + other_rate, "were files joined"),
        (with_vbri(plain, frames + 20), "before its last frame"),
    ):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=message):
            read_audio(file)
    file.write_bytes(id3(200) + plain + id3(200) + plain + b"TAG".ljust(128, b"\0"))
    assert length_of(file)[1] > 2 * 20_001
    file.write_bytes(with_vbri(plain, frames))
    assert length_of(file)[1] > 20_001


def test_an_mp3_joined_of_mono_and_stereo_is_told(music, tmp_path):
    mono, stereo = constant_rate(music), constant_rate(np.stack([music, music], 1))
    for first, second in ((mono, stereo), (stereo, mono)):
        (tmp_path / "clip.mp3").write_bytes(first + second)
        with pytest.raises(ValueError, match=f"another one from byte {len(first)} on; were files joined"):
            read_audio(tmp_path / "clip.mp3")


def with_free_rate(mp3: bytes) -> bytes:
    """An MP3 file of one bit rate, whose heads do not tell it."""
    kind, size = mp3[:2], mp3.find(mp3[:2], 4)
    return b"".join(
        kind + bytes([mp3[place + 2] & 0x0F]) + mp3[place + 3 : place + size] for place in range(0, len(mp3), size)
    )


def test_an_mp3_of_a_free_bit_rate_that_was_cut_is_an_error(music, tmp_path):
    file = tmp_path / "clip.mp3"
    whole = with_free_rate(constant_rate(music))
    for content in (whole, whole + b"TAG".ljust(128, b"\0")):
        file.write_bytes(content)
        assert count_frames(file).found == pytest.approx(length_of(file)[1], abs=2 * 576)
    file.write_bytes(whole[:-10])
    with pytest.raises(ValueError, match="before its last frame"):
        read_audio(file)


def test_fewer_samples_than_frames_tell_are_an_error(music, tmp_path):
    (tmp_path / "clip.mp3").write_bytes(constant_rate(music))
    found = count_frames(tmp_path / "clip.mp3").found
    with open_audio(tmp_path / "clip.mp3") as audio:
        assert audio.header.least == found - 2 * 576
        audio.header = dataclasses.replace(audio.header, least=90_000)
        with pytest.raises(ValueError, match=r"expected 90000 .* by its frames"):
            list(audio.blocks())


def test_an_mp3_that_libsndfile_counts_too_short_is_given_to_ffmpeg(music, tmp_path, monkeypatch):
    file = tmp_path / "clip.mp3"
    file.write_bytes(without_count(encode(music, 8_000, "MP3")))
    assert 20_001 <= length_of(file)[1] <= 20_001 + 3 * 1152
    monkeypatch.setattr(media_sound, "is_installed", lambda: False)
    with pytest.raises(ValueError, match=r"by its header, there are 2.*hear_cacophony\[media\]"):
        read_audio(file)


def mp3_in_wav(mp3: bytes) -> bytes:
    form = struct.pack("<HHIIHHHHIHHH", 0x55, 1, 8_000, 4_000, 1, 0, 12, 1, 2, 144, 1, 1393)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(mp3)) + mp3
    return b"RIFF" + struct.pack("<I", len(body)) + body


def test_an_mp3_in_a_wav_file_is_one(music, tmp_path):
    file = tmp_path / "clip.wav"
    whole = encode(music, 8_000, "MP3")
    file.write_bytes(mp3_in_wav(whole))
    assert length_of(file) == (20_001, 20_001)
    file.write_bytes(
        mp3_in_wav(without_count(encode(music, 8_000, "MP3", bitrate_mode="CONSTANT", compression_level=0.5)))
    )
    assert length_of(file)[0] is None
    for content in (
        mp3_in_wav(whole)[:-300],
        mp3_in_wav(whole[:-300]),
        mp3_in_wav(whole[:-5]),
    ):
        file.write_bytes(content)
        with pytest.raises(ValueError, match="by its header"):
            read_audio(file)


def plain_wav(samples: bytes, told: int, *, rate: int = 16_000, behind: bytes = b"") -> bytes:
    form = struct.pack("<HHIIHH", 1, 1, rate, 2 * rate, 2, 16)
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", told) + samples + behind
    return b"RIFF" + struct.pack("<I", len(body)) + body


def test_samples_that_the_header_does_not_know_of_are_told(music, tmp_path):
    samples = (music * 32767).astype("<i2").tobytes()
    ogg = encode(music, 8_000, "OGG")
    chunk = b"LIST" + struct.pack("<I", 9_000) + bytes(range(250)) * 36
    short = b"id3 " + struct.pack("<I", 3) + b"odd\0"
    for content, message in (
        (plain_wav(samples, 20_000), "the file goes on for 20002 bytes that are nothing else"),
        (plain_wav(samples, 0), "placeholder 0x0"),
        (plain_wav(samples, 0xFFFFFFFF, behind=chunk), f"the chunk 'LIST' begins at byte {44 + len(samples)}"),
        (plain_wav(samples, 0x7FFFF000, behind=short + chunk), "the chunk 'id3 ' begins"),
        (plain_wav(samples, 0xFFFFFFFF, behind=chunk + short[:-1]), "the chunk 'LIST' begins"),
        (
            plain_wav(samples[:20_000], 20_000, behind=chunk + b"data" + struct.pack("<I", 20_000) + samples[20_000:]),
            "nothing else",
        ),
        (plain_wav(samples, len(samples), rate=16), "expected 1000 to 768000 samples per second, got 16"),
        (plain_wav(samples, len(samples), rate=2_000_000_000), "got 2000000000"),
        (encode(music, 8_000, "AU")[:8] + struct.pack(">I", 20_000) + encode(music, 8_000, "AU")[12:], "nothing else"),
        (encode(music, 8_000, "SDS")[:10] + b"\1\1\0" + encode(music, 8_000, "SDS")[13:], "nothing else"),
        (ogg + ogg, f"another one begins at byte {len(ogg)}"),
    ):
        (tmp_path / "clip").write_bytes(content)
        with pytest.raises(ValueError, match=message):
            read_audio(tmp_path / "clip")
    for content in (
        plain_wav(samples, len(samples), behind=chunk + b"TAG".ljust(128, b"x")),
        plain_wav(samples, len(samples), behind=bytes(9_000)),
    ):
        (tmp_path / "clip").write_bytes(content)
        assert length_of(tmp_path / "clip")[1] == len(music)


BEHIND = {
    "au": ("AU", "G721_32", b"tail" * 300),
    "avr": ("AVR", "PCM_16", b"tail" * 300),
    "iff": ("SVX", "PCM_16", b"ANNO" + struct.pack(">I", 1_200) + b"tail" * 300),
    "mat": ("MAT5", "FLOAT", struct.pack("<II", 14, 1_200) + b"tail" * 300),
    "mpc": ("MPC2K", "PCM_16", b"tail" * 300),
    "sph": ("NIST", "PCM_16", b"tail" * 300),
    "voc": ("VOC", "PCM_16", b"tail" * 300),
    "w64": ("W64", "PCM_16", b"list" + bytes(12) + struct.pack("<Q", 1_224) + b"tail" * 300),
    "adpcm.w64": ("W64", "IMA_ADPCM", b"list" + bytes(12) + struct.pack("<Q", 1_224) + b"tail" * 300),
    "wve": ("WVE", "ALAW", b"tail" * 300),
}
"""Format, coding, and what may lie behind the samples."""


@pytest.mark.parametrize("ending", BEHIND)
def test_what_lies_behind_the_samples_is_none_of_them(ending, music, tmp_path):
    form, subtype, tail = BEHIND[ending]
    file = tmp_path / f"clip.{ending}"
    soundfile.write(file, music[:20_000], 8_000, subtype, format=form)
    whole, clip = length_of(file), read_audio(file)
    content = bytearray(file.read_bytes())
    content += bytes(-len(content) % 8 if form == "W64" else 0) + tail
    if form == "MAT5":  # libsndfile writes the size of the samples' variable 8 too large
        content[204:208] = struct.pack("<I", struct.unpack("<I", content[204:208])[0] - 8)
    file.write_bytes(content)
    assert length_of(file) == whole
    assert np.array_equal(read_audio(file), clip)


def test_a_voc_file_of_several_blocks_is_told(music, tmp_path):
    content = encode(music, 8_000, "VOC", "PCM_16")
    (tmp_path / "clip.voc").write_bytes(content[:-1] + b"\2\x10\0\0" + bytes(16) + b"\0")
    with pytest.raises(ValueError, match=f"another one begins at byte {len(content) - 1}"):
        read_audio(tmp_path / "clip.voc")


def test_a_codec_that_cannot_be_read_is_named(tmp_path):
    content = bytearray(mp3_in_wav(bytes(600)))
    content[20:22] = b"\x22\0"
    (tmp_path / "clip.wav").write_bytes(content)
    with pytest.raises(ValueError, match=r"codec TrueSpeech \(WAV format 0x0022\)"):
        read_audio(tmp_path / "clip.wav")


def test_packed_speech_is_not_taken_for_a_cut_file(tmp_path):
    head = b"NIST_1A\n   1024\nsample_count -i 90000\nsample_n_bytes -i 2\nchannel_count -i 1\n"
    head += b"sample_coding -s26 pcm,embedded-shorten-v2.00\nsample_rate -i 16000\nend_head\n"
    (tmp_path / "clip.sph").write_bytes(head.ljust(1024) + bytes(9_000))
    with pytest.raises(ValueError, match="such as WAV, FLAC, OGG or MP3, got: "):
        read_audio(tmp_path / "clip.sph")


def test_nothing_is_made_up_of_memory_that_was_never_written(music, tmp_path):
    file = tmp_path / "clip.mp3"
    file.write_bytes(with_count(encode(music, 8_000, "MP3"), 3))
    junk = [np.full(1 << k, 7.5e5, np.float32) for k in range(14, 20)]
    del junk
    peaks = []
    with open_audio(file) as audio, pytest.raises(ValueError, match="got 20"):
        peaks.extend(np.abs(block).max() for block in audio.blocks())
    assert max(peaks) < 2


def test_a_flac_of_unknown_length_is_read_to_its_end(music, tmp_path):
    content = encode(music, 8_000, "FLAC")
    for name, file in (("whole.flac", content), ("piped.flac", without_length(content))):
        (tmp_path / name).write_bytes(file)
    assert length_of(tmp_path / "piped.flac") == (len(music), len(music))
    assert np.array_equal(read_audio(tmp_path / "piped.flac"), read_audio(tmp_path / "whole.flac"))
    with pytest.raises(ValueError, match=r"expected \d+ samples by its header"):
        read_audio(cut(tmp_path / "piped.flac"))


def with_length(flac: bytes, count: int) -> bytes:
    """A FLAC file whose header tells another number of samples."""
    return flac[:22] + count.to_bytes(4, "big") + flac[26:]


@pytest.mark.parametrize("channels", [1, 2])
def test_a_flac_holds_what_its_frames_do(channels, music, tmp_path, monkeypatch):
    content = encode(np.stack([music, -music][:channels], 1), 8_000, "FLAC")
    file = tmp_path / "clip.flac"
    tags = (b"TAG".ljust(128, b"\0"), bytes(9_000), b"APETAGEX" + bytes(24), b"ID3\4\0\0\0\0\0\0")
    for flac in (content, without_length(content)):
        for whole in (flac, *(flac + tag for tag in tags), b"ID3\4\0\0\0\0\0\x09picture  " + flac):
            file.write_bytes(whole)
            assert length_of(file) == (len(music), len(music))
    for wrong, message in (
        (with_length(content, 20_002), "expected 20002 samples by its header, got 20001"),
        (with_length(content, 90_000) + tags[0], "expected 90000 samples by its header"),
        (content[:-2_000] + tags[1], "expected 20001 samples by its header"),
        (content + content, f"another one begins at byte {len(content)}; were files joined"),
    ):
        file.write_bytes(wrong)
        with pytest.raises(ValueError, match=message):
            read_audio(file)
    for count in (20_000, 8_192, 4_096, 1):
        file.write_bytes(with_length(content, count))
        assert length_of(file)[1] == len(music)  # by FFmpeg
        with monkeypatch.context() as patched:
            patched.setattr(media_sound, "is_installed", lambda: False)
            with pytest.raises(ValueError, match=f"expected {count} .*, there are 20001"):
                read_audio(file)


@pytest.mark.parametrize("ending", ["mp3", "wav", "au", "snd", "flac", "raw"])
def test_what_is_no_audio_is_told_whatever_its_name(ending, tmp_path):
    (tmp_path / f"notes.{ending}").write_text("a line of text\n" * 400)
    with pytest.raises(ValueError, match="expected an audio file") as error:
        read_audio(tmp_path / f"notes.{ending}")
    assert "does not exist" not in str(error.value)


def test_names_need_not_be_utf_8(music, tmp_path):
    file = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav")
    soundfile.write(os.fsencode(file), music, 16_000, format="WAV")
    assert len(read_audio(file)) == len(music)


def test_a_pipe_is_told(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(ValueError, match="got a pipe or a device"):
        read_audio(tmp_path / "pipe.wav")


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 48_000, 16_001])
@pytest.mark.parametrize("count", [1, 2, 5_000, 60_001])
def test_resampling_in_pieces_gives_the_same_bytes(rate, count, noise):
    samples = noise(count)
    pieces = [samples[start : start + 777] for start in range(0, count, 777)]
    assert np.array_equal(np.concatenate(list(resample_blocks(pieces, rate))), resample(samples, rate))


def test_a_long_file_takes_little_more_memory_than_its_clip(tmp_path):
    with soundfile.SoundFile(tmp_path / "long.flac", "w", 48_000, 2) as sound:
        for seed in range(120):
            sound.write(np.random.default_rng(seed).uniform(-0.1, 0.1, (48_000, 2)))
    tracemalloc.start()
    try:
        clip = read_audio(tmp_path / "long.flac")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(clip) == 120 * 16_000
    assert peak < clip.nbytes + 8_000_000, "blocks of 2 MB, and no 46 MB of all samples at 48 kHz"
