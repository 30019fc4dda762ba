"""Audio files of all forms that libsndfile writes, and what interrupted copies and careless programs make of them."""

from __future__ import annotations

import io
import pathlib
import struct

import numpy as np
import soundfile

FORMS = {
    "aiff": ("AIFF", "PCM_16"),
    "aifc": ("AIFF", "ULAW"),
    "au": ("AU", "PCM_16"),
    "avr": ("AVR", "PCM_16"),
    "caf": ("CAF", "ALAC_16"),
    "flac": ("FLAC", "PCM_16"),
    "htk": ("HTK", "PCM_16"),
    "iff": ("SVX", "PCM_16"),
    "mat": ("MAT5", "FLOAT"),
    "mat4": ("MAT4", "FLOAT"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "mpc": ("MPC2K", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "rf64": ("RF64", "PCM_24"),
    "sds": ("SDS", "PCM_16"),
    "sph": ("NIST", "ULAW"),
    "voc": ("VOC", "PCM_16"),
    "w64": ("W64", "PCM_16"),
    "wav": ("WAV", "MS_ADPCM"),
    "wve": ("WVE", "ALAW"),
}
"""Format and coding by ending, of the forms whose headers tell how long they are."""

SEQUENTIAL = {
    "gsm.wav": ("WAV", "GSM610"),
    "g721.wav": ("WAV", "G721_32"),
    "nms.wav": ("WAV", "NMS_ADPCM_32"),
    "g723.au": ("AU", "G723_24"),
    "dwvw.aiff": ("AIFF", "DWVW_16"),
    "instrument.xi": ("XI", "DPCM_16"),
}
"""Those that can be read from the first sample to the last alone."""


def encode(samples: np.ndarray, rate: int, form: str, subtype: str | None = None, **options) -> bytes:
    """Samples as a file."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=form, subtype=subtype, **options)
    return file.getvalue()


def cut(file: pathlib.Path, keep: float = 2 / 3) -> pathlib.Path:
    """The first part of a file in its place."""
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * keep)])
    return file


def with_count(mp3: bytes, factor: float) -> bytes:
    """An MP3 file whose first frame tells another number of frames."""
    place = max(mp3.find(b"Xing"), mp3.find(b"Info")) + 8
    (count,) = struct.unpack_from(">I", mp3, place)
    return mp3[:place] + struct.pack(">I", int(count * factor)) + mp3[place + 4 :]


def without_count(mp3: bytes) -> bytes:
    """An MP3 file without its first frame, which tells how many follow."""
    return mp3[mp3.find(mp3[:2], 4) :]


def without_length(flac: bytes) -> bytes:
    """A FLAC file as an encoder writes it to a pipe: the number of its samples is 0."""
    return flac[:21] + bytes([flac[21] & 0xF0]) + bytes(4) + flac[26:]
