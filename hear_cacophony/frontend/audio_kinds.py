"""Kinds of audio files by their first bytes: those that libsndfile reads, and those that it does not."""

from __future__ import annotations

HEAD_BYTES = 512
"""So much of a file tells its kind."""

READABLE_ENDINGS = frozenset(
    f".{name}"
    for names in (
        "8svx aif aifc aiff au avr caf flac gsm htk mp2 mp3 nist oga ogg opus paf pvf",
        "rf64 sds snd sph svx voc vox w64 wav wave wve xi",
    )
    for name in names.split()
)
"""Endings of files that libsndfile reads, as far as nothing else has them."""

TOLD_ENDINGS = READABLE_ENDINGS - {".gsm", ".vox"}
"""Those of forms that it tells by what is in the file; the others have no header."""

FOREIGN_ENDINGS = frozenset(
    f".{name}"
    for names in (
        "3gp aac ac3 aiffc amr ape asf avi awb dff dsf dts eac3 ec3 m4a m4b m4r m4v mka mkv mov mp4",
        "mpc ra rm shn spx tak tta weba webm wma wmv wv",
    )
    for name in names.split()
)
"""Endings of files with sound that it does not read."""

_READABLE = (
    (0, b"fLaC"),
    (0, b"caff\x00\x01"),
    (0, b".snd\x00"),
    (0, b"riff\x2e\x91\xcf\x11"),
    (0, b"Creative Voice File"),
    (0, b"NIST_1A\n"),
    (0, b" paf\x00\x00\x00\x00"),
    (0, b"fap \x00\x00\x00\x00"),
    (0, b"ALawSoundFile**"),
    (0, b"PVF1\n"),
    (0, b"Extended Instrument:"),
    (20, b"samplerate\x00"),  # the name of the first variable in a file of MATLAB 4
    *((0, b"ID3" + bytes((version, 0))) for version in (2, 3, 4)),
    *((0, bytes((0x64, 0xA3, machine, 0))) for machine in range(1, 5)),  # IRCAM
    *((0, bytes((0, machine, 0xA3, 0x64))) for machine in range(1, 5)),
    *((8, form) for form in (b"AIFF", b"AIFC", b"8SVX", b"16SV")),
)
"""Place and bytes that no text has there."""

_WAVE = (b"RIFF", b"RIFX", b"RF64", b"BW64")
_OGG_CODECS = (b"\x01vorbis", b"OpusHead", b"FLAC")

_FOREIGN = (
    (4, b"ftyp", "an MP4 file (M4A: AAC, ALAC)"),
    (0, b"\x30\x26\xb2\x75", "a Windows Media file"),
    (0, b"\x1a\x45\xdf\xa3", "a WebM or Matroska file"),
    (0, b"#!AMR", "an AMR file"),
    (0, b"wvpk", "a WavPack file"),
    (0, b".RMF\x00", "a RealMedia file"),
    (8, b"AVI LIST", "an AVI file"),
)

_WAVE_CODECS = {
    0x0022: "TrueSpeech",
    0x0031: "GSM 6.10",
    0x0040: "G.721",
    0x0042: "G.723.1",
    0x0055: "MP3",
    0x00FF: "AAC",
    0x0161: "Windows Media",
    0x2000: "AC-3",
}
_PLAIN_CODES = (0x0001, 0x0003, 0xFFFE)
"""PCM, floats, and forms of either."""


def is_readable(head: bytes) -> bool:
    """Whether a file begins as one that libsndfile reads; MP3 files without a tag are told by their endings alone."""
    return (
        any(head.startswith(magic, place) for place, magic in _READABLE)
        or (head.startswith(_WAVE) and head[8:12] == b"WAVE")
        or (head.startswith(b"OggS") and any(codec in head[:80] for codec in _OGG_CODECS))
        or (head.startswith(b"MATLAB 5.0") and b"samplerate" in head)
    )


def foreign_kind(head: bytes) -> str:
    """What a file with sound is that libsndfile does not read, such as "an MP4 file"; "" if none is known."""
    return next((kind for place, magic, kind in _FOREIGN if head.startswith(magic, place)), "")


def may_be_foreign(head: bytes, ending: str) -> bool:
    """Whether a file that libsndfile does not open may be of another form, and no damaged one of its own.

    Args:
        head: the beginning of the file.
        ending: of its name, with the dot.
    """
    if foreign_kind(head) or ending.lower() in FOREIGN_ENDINGS:
        return True
    return not is_readable(head) and (head.startswith(b"OggS") or ending.lower() not in READABLE_ENDINGS)


def codec_name(head: bytes) -> str:
    """The codec of a WAV, AIFF or CAF file, as far as its name can be told; "" otherwise."""
    if head.startswith(_WAVE) and (place := head.find(b"fmt ")) > 0:
        code = int.from_bytes(head[place + 8 : place + 10], "little")
        return "" if code in _PLAIN_CODES else f"{_WAVE_CODECS.get(code, 'unknown')} (WAV format {code:#06x})"
    if head[8:12] == b"AIFC" and (place := head.find(b"COMM")) > 0:
        return repr(head[place + 26 : place + 30].decode("latin-1"))
    if head.startswith(b"caff"):
        return repr(head[28:32].decode("latin-1"))
    return ""
