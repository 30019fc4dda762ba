"""Files that libsndfile does not read, through av; and what is said where that is not installed."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest

from hear_cacophony.files.media_extent import check_media_whole
from hear_cacophony.frontend import media_sound
from hear_cacophony.frontend.audio_file import open_audio
from hear_cacophony.frontend.read_audio import header_seconds, read_audio
from hear_cacophony.sounds.find import find_sounds

av = pytest.importorskip("av", reason="the extra 'media' is not installed")

RATE = 48_000
FORMS = {
    "a.m4a": ("ipod", "aac", {}),
    "fast.mp4": ("mp4", "aac", {"movflags": "faststart"}),
    "parts.mp4": ("mp4", "aac", {"movflags": "frag_keyframe+empty_moov"}),
    "lossless.m4a": ("ipod", "alac", {}),
    "a.webm": ("webm", "libopus", {}),
    "live.webm": ("webm", "libopus", {"live": "1"}),
    "a.mka": ("matroska", "aac", {}),
    "a.wma": ("asf", "wmav2", {}),
    "a.aac": ("adts", "aac", {}),
    "a.ac3": ("ac3", "ac3", {}),
    "a.wv": ("wv", "wavpack", {}),
    "a.tta": ("tta", "tta", {}),
    "flac.mkv": ("matroska", "flac", {}),
    "a.eac3": ("eac3", "eac3", {}),
    "unnamed": ("ipod", "aac", {}),
}
TELL_NOTHING = ("live.webm", "a.ac3", "a.eac3")
"""Containers that do not say how long they are."""

CUT_IS_TOLD = [name for name in FORMS if name not in ("a.ac3", "a.eac3")]
"""Those in which any number of missing bytes shows."""


def write_media(file: pathlib.Path, samples: np.ndarray, form: str, codec: str, options: dict[str, str]) -> None:
    """Write samples, shape (channels, samples), at 48 kHz, as two channels."""
    with av.open(str(file), "w", format=form, options=options) as container:
        stream = container.add_stream(codec, rate=RATE, layout="stereo", bit_rate=128_000)
        stream.codec_context.open()
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples, np.float32), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = RATE, 0
        resampler = av.AudioResampler(
            stream.codec_context.format, "stereo", RATE, frame_size=stream.codec_context.frame_size
        )
        for each in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(each))
        container.mux(stream.encode(None))


def tones(seconds: float) -> np.ndarray:
    time = np.arange(int(RATE * seconds)) / RATE
    return np.stack([0.3 * np.sin(2 * np.pi * 440 * time), 0.2 * np.sin(2 * np.pi * 440 * time)])


@pytest.mark.parametrize("name", FORMS)
def test_media_are_read_and_cut_ones_are_errors(name, tmp_path):
    file = tmp_path / name
    write_media(file, tones(2), *FORMS[name])
    clip = read_audio(file)
    assert len(clip) == pytest.approx(32_000, abs=1_500)
    assert np.sqrt(np.mean(clip[8_000:24_000] ** 2)) == pytest.approx(0.25 / np.sqrt(2), rel=0.03)
    spectrum = np.abs(np.fft.rfft(clip[8_000:24_000]))
    assert spectrum.argmax() == 440
    with open_audio(file) as audio:
        assert (audio.header.rate, audio.header.channels, audio.header.frames) == (RATE, 2, None)
        count = sum(len(block) for block in audio.blocks(1_000))
    with open_audio(file) as audio:
        target = np.empty((300, 2), np.int16)
        assert audio.read(20_000, target) == 300
        assert 0.25 * 32_768 < np.abs(target).max() < 0.35 * 32_768
        assert audio.read(count - 100, target) == 100
    assert header_seconds(file) == pytest.approx(2, abs=0.1) or name in TELL_NOTHING
    whole = file.read_bytes()
    for missing in (400, len(whole) // 2, len(whole) * 4 // 5) if name in CUT_IS_TOLD else ():
        file.write_bytes(whole[:-missing])
        with pytest.raises(ValueError, match="was a copy interrupted"):
            read_audio(file)


@pytest.mark.parametrize("name", ["live.webm", "a.webm"])
def test_what_is_lost_within_a_file_is_told_by_its_times(name, tmp_path, monkeypatch):
    write_media(tmp_path / name, tones(12), *FORMS[name])
    content = bytearray((tmp_path / name).read_bytes())
    content[len(content) // 5 : len(content) // 5 + 600] = bytes(600)
    (tmp_path / name).write_bytes(content)
    monkeypatch.setattr(media_sound, "check_media_whole", lambda _: None)
    with pytest.raises(ValueError, match=r"expected sound at \d\.\d+ s, what follows is of \d+\.\d+ s"):
        read_audio(tmp_path / name)


@pytest.mark.parametrize("name", ["live.webm", "a.webm", "a.mka", "flac.mkv"])
def test_matroska_without_an_element_where_one_belongs_is_damaged(name, tmp_path):
    write_media(tmp_path / name, tones(2), *FORMS[name])
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole + bytes(5_000))
    padded = read_audio(tmp_path / name)
    (tmp_path / name).write_bytes(whole)
    assert np.array_equal(read_audio(tmp_path / name), padded)
    half = len(whole) // 2
    (tmp_path / name).write_bytes(whole[:half] + bytes(4_000) + whole[half + 4_000 :])
    with pytest.raises(ValueError, match="expected an element of Matroska at byte"):
        check_media_whole(tmp_path / name)


@pytest.mark.parametrize("name", ["a.wv", "a.tta", "flac.mkv"])
def test_damaged_bytes_that_a_checksum_tells_are_no_noise(name, tmp_path):
    write_media(tmp_path / name, tones(2), *FORMS[name])
    content = bytearray((tmp_path / name).read_bytes())
    content[len(content) // 2] ^= 4
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match="they cannot be decoded behind"):
        read_audio(tmp_path / name)


@pytest.mark.parametrize("name", ["a.ac3", "a.eac3"])
def test_a_last_frame_that_was_cut_is_told(name, tmp_path):
    write_media(tmp_path / name, tones(2), *FORMS[name])
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"expected \d+ bytes by the head of a frame behind sample \d+, got \d+"):
        read_audio(tmp_path / name)


def test_joined_mp4_files_are_told(tmp_path):
    write_media(tmp_path / "a.m4a", tones(0.3), *FORMS["a.m4a"])
    content = (tmp_path / "a.m4a").read_bytes()
    (tmp_path / "a.m4a").write_bytes(content * 2)
    with pytest.raises(ValueError, match=f"another one begins at byte {len(content)}"):
        read_audio(tmp_path / "a.m4a")


def test_containers_tell_of_few_bytes_that_are_missing(tmp_path):
    for name in ("a.m4a", "a.webm", "a.wma"):
        write_media(tmp_path / name, tones(0.3), *FORMS[name])
        check_media_whole(tmp_path / name)
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-1])
        with pytest.raises(ValueError, match=r"expected \d+ bytes by its container, the file has \d+; was a copy"):
            check_media_whole(tmp_path / name)


def test_without_av_such_files_are_named_with_what_to_do(tmp_path, monkeypatch):
    write_media(tmp_path / "a.m4a", tones(0.3), *FORMS["a.m4a"])
    monkeypatch.setattr(media_sound, "is_installed", lambda: False)
    with pytest.raises(ValueError, match=r"got an MP4 file \(M4A: AAC, ALAC\), which cannot be read here: pip"):
        read_audio(tmp_path / "a.m4a")
    assert [pathlib.Path(sound.name).name for sound in find_sounds([tmp_path])] == ["a.m4a"]
    assert header_seconds(tmp_path / "a.m4a") == 0


def test_what_is_no_sound_is_told(tmp_path):
    (tmp_path / "fake.m4a").write_bytes(b"\0\0\0\x20ftypM4A ".ljust(600, b"\0"))
    (tmp_path / "list.m4a").write_text("#EXTM3U\n#EXTINF:1,\nhttp://localhost:9/a.aac\n")
    (tmp_path / "notes.xyz").write_text("a line of text\n" * 400)
    for name, message in (
        ("fake.m4a", r"got an MP4 file \(M4A: AAC, ALAC\) that FFmpeg cannot open"),
        ("list.m4a", r"expected an audio file|expected a file with sound"),
        ("notes.xyz", r"expected an audio file|expected a file with sound"),
    ):
        with pytest.raises(ValueError, match=message):
            read_audio(tmp_path / name)


def test_a_damaged_file_of_libsndfiles_own_forms_is_not_given_to_ffmpeg(tmp_path, noise, monkeypatch):
    import soundfile

    monkeypatch.setattr(media_sound, "open_media", lambda *_: pytest.fail("given to FFmpeg"))
    soundfile.write(tmp_path / "a.flac", noise(9_000), 16_000)
    content = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(content[:20])
    (tmp_path / "text.wav").write_text("no audio")
    for name in ("a.flac", "text.wav"):
        with pytest.raises(ValueError, match=r"expected an audio file|interrupted"):
            read_audio(tmp_path / name)
