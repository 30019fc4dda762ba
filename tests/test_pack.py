"""Packing sounds for training: what is taken, what is told, and what survives a kill."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import tarfile
import time

import numpy as np
import pytest
import soundfile

from hear_cacophony.commands import pack as pack_command
from hear_cacophony.files.atomic_write import PREFIX
from hear_cacophony.files.lock import locked_folder
from hear_cacophony.training import pack as pack_module
from hear_cacophony.training.captions import Caption, read_table
from hear_cacophony.training.pack import pack
from hear_cacophony.training.shards import Excerpt, Shards, shard_files
from hear_cacophony.training.sources import find_sources
from hear_tasks.cli import main


def write_sounds(folder: pathlib.Path, count: int, seconds: float = 0.5, rate: int = 16_000) -> list[pathlib.Path]:
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    files = [folder / f"{i:03d}.wav" for i in range(count)]
    for file in files:
        soundfile.write(file, 0.1 * random.standard_normal(int(seconds * rate)), rate)
    return files


def test_sounds_come_back_as_they_were_read_long_ones_in_pieces(tmp_path):
    files = write_sounds(tmp_path / "sounds", 3)
    long = 0.1 * np.sin(np.arange(16_000 * 70) / 20)
    soundfile.write(tmp_path / "sounds/long.flac", long, 16_000)
    packed = pack(find_sources([tmp_path / "sounds"]), tmp_path / "shards")
    shards = Shards(tmp_path / "shards")
    assert list(shards.clips) == packed.clips
    assert [clip.source for clip in shards.clips[:3]] == list(map(str, files))
    pieces = [clip for clip in shards.clips if clip.source.endswith("long.flac")]
    assert [clip.samples for clip in pieces] == [373_334, 373_333, 373_333]
    assert pieces[1].name == f"{tmp_path}/sounds/long.flac from 23.3334 s"
    read = shards.read([Excerpt(4, 0, 373_333), Excerpt(0, 0, 8_000)])
    np.testing.assert_allclose(read[1] / 32768, soundfile.read(files[0])[0], atol=1e-6)
    np.testing.assert_allclose(read[0] / 32768, long[373_334 : 2 * 373_334 - 1], atol=2e-5)
    ends = [(0, 1), (0, 32_000), (31_999, 32_001), (32_000, 64_000), (100_000, 373_333), (352_000, 373_333)]
    for (start, stop), part in zip(ends, shards.read([Excerpt(4, *each) for each in ends]), strict=True):
        np.testing.assert_array_equal(part, read[0][start:stop])


def test_captions_of_every_form_are_read(tmp_path):
    write_sounds(tmp_path, 3)
    (tmp_path / "some.csv").write_text(
        '\ufefffile, caption, synthetic\n000.wav,"rain, then ""thunder""\nand wind",\n001.wav,Ärger,true\n'
        "000.wav,drops,no\n",
        encoding="utf-8",
    )
    rows = [
        {"file": "002.wav", "captions": ["a", "b"], "synthetic": [False, True]},
        {"file": "002.wav", "captions": ["e", "f"], "synthetic": ["true", "no"]},
        {"file": "001.wav", "caption": "c\u2028d", "synthetic": ["made up"]},
    ]
    (tmp_path / "some.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n")
    sources = find_sources([tmp_path / "some.csv", tmp_path / "some.jsonl"])
    assert {pathlib.Path(source.name).name: source.captions for source in sources} == {
        "000.wav": (Caption('rain, then "thunder"\nand wind'), Caption("drops")),
        "001.wav": (Caption("Ärger", True), Caption("c\u2028d"), Caption("made up", True)),
        "002.wav": (Caption("a"), Caption("b", True), Caption("e", True), Caption("f")),
    }
    pack(sources, tmp_path / "shards")
    assert Shards(tmp_path / "shards").clips[1].captions == sources[1].captions


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"file,text\n000.wav,rain\n", r"columns file and caption, or captions, found file, text"),
        ("t.csv", b"file,caption\n000.wav,\n", r"t.csv, line 2: expected a text in 'caption'"),
        ("t.csv", b"file,caption\n000.wav,rain, thunder\n", r"line 2: expected 2 columns, got more; put what holds a"),
        ("t.csv", b'file,caption\n000.wav,"rain\n', r"no CSV \(unexpected end of data\); is a quote left open"),
        ("t.csv", b"file,caption\n000.wav,caf\xe9\n", r"expected UTF-8, got the byte 0xE9 at 24"),
        ("t.csv", b"file,caption,synthetic\n000.wav,rain,maybe\n", r"expected true or false in 'synthetic'"),
        ("t.csv", b"file,caption\nnone.wav,rain\n000.wav,x\n", r"1 of 2 sounds are not there: .*/none.wav"),
        ("t.csv", b"", r"found nothing"),
        ("t.csv", b"file;caption\n000.wav;rain\n", r"found file;caption; are its columns separated by commas"),
        ("t.csv", b"file,caption,caption\n000.wav,rain,x\n", r"expected each column once, found caption more often"),
        ("t.csv", "file,caption\n000.wav,rain\n".encode("utf-16"), r"iconv -f utf-16 -t utf-8"),
        ("t.tar.gz", b"", r"expected a .tar file, whose sounds can be read at random; decompress it first"),
        ("t.tar", b"\x1f\x8b\b\0", r"t.tar: expected a tar file, got a compressed file; decompress it first"),
        ("t.jsonl", b'{"file": "000.wav"}\n', r"line 1: expected a text in 'caption', or several"),
        ("t.jsonl", b'{"file": "000.wav", "captions": ["a", " "]}', r"expected a text as a caption, got ' '"),
        ("t.jsonl", b'{"file": "000.wav", "caption": "a"', r"line 1: expected a JSON object on each line"),
        ("t.jsonl", b'{"file": "000.wav", "captions": ' + b"[" * 100_000, r"line 1: .*brackets nested too deeply"),
        ("t.csv", b"file,captions\n000.wav," + b"[" * 100_000, r"line 2: expected a list of texts .*got '\[{60}'"),
        ("t.jsonl", b'{"file": "000.wav", "captions": 5}', r"expected a list of texts in 'captions', got 5$"),
        ("t.jsonl", b'{"caption": "a"}', r"expected the path of a sound in 'file', got None"),
        ("t.jsonl", b'{"file": "000.wav", "captions": ["a"], "synthetic": [true, true]}', r"of 1 captions, got 2"),
        (
            "t.jsonl",
            b'{"file": "000.wav", "captions": ["a dog \\ud83d barks"]}',
            r"t.jsonl, line 1: a caption: expected whole characters, got the half one '\\ud83d' at 6, in 'a dog ",
        ),
        ("t.jsonl", b'{"file": "000.wav", "caption": "a", "caption": "b"}', r"each name once, found 'caption' more"),
        ("t.jsonl", b'{"file": "000.wav", "caption": "a", "caption_2": "b"}', r"line 1: .*, found 'caption_2'; re"),
        ("t.csv", b"file,caption,Synthetic\n000.wav,rain,1\n", r"line 2: .*'synthetic', found 'Synthetic'; re"),
        ("t.csv", b"file,caption\n.,rain\n", r"expected the paths of sounds, found .*/\.; name folders, tar files"),
        ("t.txt", b"t.txt\n", r"expected the paths of sounds, found .*t.txt; name folders, tar files"),
        ("t.tsv", b"file\tcaption\n", r"t.tsv: expected a table of sounds as .csv or .jsonl, got .tsv; save it"),
        ("t.json", b"[]", r"t.json: expected a table of sounds as .csv or .jsonl, got .json"),
        ("t.txt", b"\n\n", r"expected the paths of sounds, found none"),
        ("t.txt", b"000.wav\n001.wav\n", r"1 of 2 sounds are not there"),
    ],
)  # fmt: skip
def test_damaged_tables_and_lists_are_refused(name, content, message, tmp_path):
    write_sounds(tmp_path, 1)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        find_sources([tmp_path / name])


def write_tar(file: pathlib.Path, members: dict[str, bytes]) -> None:
    with tarfile.open(file, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def test_webdataset_shards_are_read_and_cut_ones_refused(tmp_path):
    sound = write_sounds(tmp_path, 1)[0].read_bytes()
    told = json.dumps({"text": ["rain", "drops"], "text_augment_t5": "the sound of rain"}).encode()
    write_tar(
        tmp_path / "0.tar", {"a.wav": sound, "a.json": told, "b.wav": sound, "b.txt": b"wind\n", "c.wav": b"RIFF"}
    )
    packed = pack(find_sources([tmp_path / "0.tar"]), tmp_path / "shards")
    assert [clip.captions for clip in packed.clips] == [
        (Caption("rain"), Caption("drops"), Caption("the sound of rain", True)),
        (Caption("wind"),),
    ]
    assert list(packed.left_out) == [f"{tmp_path}/0.tar/c.wav"]
    assert f"{tmp_path}/0.tar/c.wav: expected" in packed.left_out[f"{tmp_path}/0.tar/c.wav"]
    whole = (tmp_path / "0.tar").read_bytes()
    for size in (len(sound) // 2, 512 + len(sound) // 512 * 512 + 512, len(sound) + 1500):
        (tmp_path / "cut.tar").write_bytes(whole[:size])
        with pytest.raises(ValueError, match="was a copy interrupted"):
            find_sources([tmp_path / "cut.tar"])


def test_what_cannot_be_read_or_is_too_short_is_left_out_and_told(tmp_path, capsys):
    files = write_sounds(tmp_path / "sounds", 4)
    files[0].write_bytes(b"no sound")
    soundfile.write(files[1], np.full(2000, 0.1), 16_000)
    soundfile.write(files[3], np.full(16_000, 12_000.0), 16_000, subtype="FLOAT")
    errors = tmp_path / "errors.csv"
    assert main(["pack", str(tmp_path / "sounds"), "--out", str(tmp_path / "shards"), "--errors", str(errors)]) == 0
    listed = errors.read_text().splitlines()
    assert [line.partition(",")[0] for line in listed] == ["file", *map(str, (files[0], files[1], files[3]))]
    assert listed[2] == f'{files[1]},"expected at least a patch, 160 ms, got 125 ms"'
    printed = capsys.readouterr()
    assert "000.wav: expected an audio file" in printed.err
    assert "001.wav: expected at least a patch, 160 ms, got 125 ms" in printed.err
    assert "1 clips, 0.00 hours, 0 silent clips, 0 captions, 0 synthetic captions" in printed.out
    assert "003.wav: expected samples in [-1, 1], got a peak of 12000; are these 16-bit integers" in printed.err
    assert "3 sounds were left out" in printed.out
    files[2].write_bytes(b"none either")
    assert main(["pack", str(tmp_path / "sounds"), "--out", str(tmp_path / "other")]) == 1
    assert "no sound could be packed" in capsys.readouterr().err
    with pytest.raises(ValueError, match="expected clips, found none"):
        Shards(tmp_path / "other")


def test_a_place_that_cannot_be_a_folder_of_shards_is_told(tmp_path):
    sources = find_sources(write_sounds(tmp_path, 1))
    with pytest.raises(ValueError, match=r"000\.wav: expected a folder, or a new name for one, found a file"):
        pack(sources, tmp_path / "000.wav")
    with pytest.raises(ValueError, match="expected a folder whose path is UTF-8, as training needs"):
        pack(sources, tmp_path / os.fsdecode(b"\xff"))


def test_a_link_to_nothing_is_left_out_and_told(tmp_path):
    write_sounds(tmp_path / "sounds", 1)
    (tmp_path / "sounds/gone.wav").symlink_to("nothing.wav")
    packed = pack(find_sources([tmp_path / "sounds"]), tmp_path / "shards")
    assert len(packed.clips) == 1
    assert "a link to nothing.wav, where nothing is" in packed.left_out[f"{tmp_path}/sounds/gone.wav"]


def test_silence_alone_is_refused(tmp_path):
    tmp_path.joinpath("sounds").mkdir()
    soundfile.write(tmp_path / "sounds/a.wav", np.zeros(16_000), 16_000)
    pack(find_sources([tmp_path / "sounds"]), tmp_path / "shards")
    with pytest.raises(ValueError, match="expected sounds, all 1 clips are silent"):
        Shards(tmp_path / "shards")


def test_as_many_threads_decode_as_there_are_processors_that_may_be_used(tmp_path, monkeypatch):
    asked: list[int] = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {2, 3, 5})  # of a job on a larger machine
    read_all = pack_module._read_all
    monkeypatch.setattr(pack_module, "_read_all", lambda all_, workers: asked.append(workers) or read_all(all_, 1))
    pack(find_sources(write_sounds(tmp_path / "sounds", 1)), tmp_path / "shards")
    assert asked == [3]


def test_a_folder_keeps_to_its_sounds(tmp_path):
    files = write_sounds(tmp_path / "sounds", 2)
    pack(find_sources(files), tmp_path / "shards")
    with pytest.raises(ValueError, match="other sounds are packed there"):
        pack(find_sources(files[:1]), tmp_path / "shards")
    with pytest.raises(ValueError, match=r"expected a new or empty folder, found 000\.wav"):
        pack(find_sources(files), tmp_path / "sounds")
    with pytest.raises(FileNotFoundError, match="expected a folder that `hear-cacophony pack` made"):
        Shards(tmp_path / "sounds")


def test_other_contents_with_equal_names_sizes_and_times_are_told(tmp_path):
    files = write_sounds(tmp_path / "sounds", 2)
    pack(find_sources(files), tmp_path / "shards")
    status = files[1].stat()
    files[1].write_bytes(files[1].read_bytes()[:-4] + b"abcd")
    os.utime(files[1], ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(ValueError, match="or the same ones have changed since"):
        pack(find_sources(files), tmp_path / "shards")


def test_a_sound_is_packed_once_whatever_its_spellings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_sounds(tmp_path / "sounds", 2)
    (tmp_path / "link").symlink_to("sounds")
    (tmp_path / "some.csv").write_text("file,caption\nsounds/001.wav,rain\n")
    sources = find_sources(["sounds", "./sounds/", "link", tmp_path / "some.csv"])
    assert [(source.name, [each.text for each in source.captions]) for source in sources] == [
        ("sounds/000.wav", []),
        ("sounds/001.wav", ["rain"]),
    ]


def test_other_samples_under_the_same_names_are_other_data(tmp_path):
    identities = []
    for number in range(2):
        sound = write_sounds(tmp_path, 1)[0]
        samples, rate = soundfile.read(sound)
        soundfile.write(sound, samples[::-1] if number else samples, rate)
        pack(find_sources([sound]), tmp_path / f"shards{number}")
        identities.append(Shards(tmp_path / f"shards{number}").identity)
    assert identities[0] != identities[1]


def test_a_shard_that_was_cut_or_is_not_there_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(pack_module, "SOUNDS_PER_SHARD", 2)
    pack(find_sources(write_sounds(tmp_path / "sounds", 3)), tmp_path / "shards")
    records, index = shard_files(tmp_path / "shards", 1)
    whole = records.read_bytes()
    records.write_bytes(whole[:-100])
    with pytest.raises(ValueError, match=rf"expected {len(whole)} bytes, got {len(whole) - 100}"):
        Shards(tmp_path / "shards")
    records.write_bytes(whole)
    assert len(Shards(tmp_path / "shards").clips) == 3
    index.unlink()
    with pytest.raises(ValueError, match="shard 1 of 2 is not there; end the packing with the same command"):
        Shards(tmp_path / "shards")


def test_a_second_process_waits_for_the_first(tmp_path, monkeypatch):
    told = []
    write_sounds(tmp_path / "sounds", 3)
    with contextlib.ExitStack() as first:
        first.enter_context(locked_folder(tmp_path / "shards"))

        def end_first(message):
            told.append(message)
            first.close()

        monkeypatch.setattr(pack_command, "_say", end_first)
        assert main(["pack", str(tmp_path / "sounds"), "--out", str(tmp_path / "shards")]) == 0
    assert told == [f"{tmp_path}/shards: another process packs into it; waiting for that"]
    assert len(Shards(tmp_path / "shards").clips) == 3


def test_where_there_are_no_locks_is_said(tmp_path, monkeypatch, capsys):
    def no_locks(number, how):
        raise OSError(errno.ENOLCK, "No locks available")

    write_sounds(tmp_path / "sounds", 3)
    monkeypatch.setattr(fcntl, "flock", no_locks)
    assert main(["pack", str(tmp_path / "sounds"), "--out", str(tmp_path / "shards")]) == 0
    assert f"pack: {tmp_path}: its file system has no locks" in capsys.readouterr().err


def test_a_full_disk_is_told_and_packing_goes_on_later(tmp_path):
    files = write_sounds(tmp_path / "sounds", 4, seconds=5)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limit[1]))
    try:
        with pytest.raises(OSError, match="could not be written"):
            pack(find_sources(files), tmp_path / "shards")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert len(pack(find_sources(files), tmp_path / "shards").clips) == 4
    assert Shards(tmp_path / "shards").read([Excerpt(3, 0, 80_000)])[0].shape == (80_000,)


CODE = """
import sys
from hear_cacophony.training import pack
from hear_tasks.cli import main
pack.SOUNDS_PER_SHARD = 8
sys.exit(main(["pack", *sys.argv[1:]]))
"""


@pytest.mark.slow
def test_packing_goes_on_after_kills_and_ends_with_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(pack_module, "SOUNDS_PER_SHARD", 8)
    write_sounds(tmp_path / "sounds", 60, seconds=10, rate=44_100)
    given = [str(tmp_path / "sounds"), "--out"]
    assert main(["pack", *given, str(tmp_path / "whole")]) == 0
    killed = [sys.executable, "-c", CODE, *given, str(tmp_path / "killed")]
    for kills in range(2):
        process = subprocess.Popen(killed, stderr=subprocess.DEVNULL)
        while process.poll() is None and len(list(tmp_path.glob("killed/*.json"))) < 2 + 2 * kills:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert main(["pack", *given, str(tmp_path / "killed")]) == 0
    names = sorted(os.listdir(tmp_path / "whole"))
    assert names == sorted(name for name in os.listdir(tmp_path / "killed") if not name.startswith(PREFIX))
    for name in names:
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes(), name


def test_of_a_webdataset_shard_nothing_is_dropped_unsaid(tmp_path):
    sound = write_sounds(tmp_path, 1)[0].read_bytes()
    told = json.dumps({"text": ["rain", None, ""], "captions": None}).encode()
    write_tar(
        tmp_path / "0.tar",
        {"x/a.b.wav": sound, "x/a.flac": sound, "x/a.b.json": told, "x/a.txt": b"drops", "c.json": told},
    )
    packed = pack(find_sources([tmp_path / "0.tar"]), tmp_path / "shards")
    assert [clip.captions for clip in packed.clips] == [(Caption("rain"),), (Caption("drops"),)]
    alone = f"{tmp_path}/0.tar/c.json"
    assert packed.left_out == {alone: f"{alone}: expected a sound of this name beside it in the tar file, found none"}
    write_tar(tmp_path / "1.tar", {"a.wav": sound, "a.flac": sound, "a.txt": b"rain"})
    assert [source.captions for source in find_sources([tmp_path / "1.tar"])] == 2 * [(Caption("rain"),)]


@pytest.mark.parametrize("text", [5, {"en": "rain"}, ["rain", 5], [["rain"]]])
def test_captions_of_a_webdataset_shard_that_are_no_texts_are_refused(text, tmp_path):
    write_tar(tmp_path / "0.tar", {"a.wav": b"RIFF", "a.json": json.dumps({"text": text}).encode()})
    with pytest.raises(ValueError, match=r"0.tar: the member a.json .*expected a text or a list of texts in 'text'"):
        find_sources([tmp_path / "0.tar"])


def test_members_of_equal_names_that_lead_outside_are_those_of_their_tar_files(tmp_path):
    sound = write_sounds(tmp_path, 1)[0].read_bytes()
    for name in ("one", "two"):
        write_tar(tmp_path / f"{name}.tar", {"../x.wav": sound, "../x.txt": name.encode()})
    sources = find_sources([tmp_path / "one.tar", tmp_path / "two.tar", tmp_path / "." / "one.tar"])
    assert [source.captions for source in sources] == [2 * (Caption("one"),), (Caption("two"),)]


def test_captions_of_a_webdataset_shard_end_with_their_lines_alone(tmp_path):
    sound = write_sounds(tmp_path, 1)[0].read_bytes()
    write_tar(tmp_path / "0.tar", {"a.wav": sound, "a.txt": "rain\u2028then\x0bwind\r\ndrops\n".encode()})
    assert [each.text for each in find_sources([tmp_path / "0.tar"])[0].captions] == ["rain\u2028then\x0bwind", "drops"]
    write_tar(tmp_path / "0.tar", {"a.wav": sound, "a.json": b'{"text": "rain", "text": "wind"}'})
    with pytest.raises(ValueError, match=r"the member a\.json .*expected each name once, found 'text' more often"):
        find_sources([tmp_path / "0.tar"])


def test_a_webdataset_shard_with_brackets_nested_too_deeply_is_refused(tmp_path):
    write_tar(tmp_path / "0.tar", {"a.wav": b"RIFF", "a.json": b"[" * 100_000})
    with pytest.raises(ValueError, match=r"0.tar: the member a.json .*brackets nested too deeply"):
        find_sources([tmp_path / "0.tar"])


def test_half_a_character_in_a_webdataset_shard_is_refused(tmp_path):
    write_tar(tmp_path / "0.tar", {"a.wav": b"RIFF", "a.json": rb'{"text": ["rain", "a \ud83d"]}'})
    with pytest.raises(ValueError, match=r"0.tar: the member a.json .*got the half one '\\ud83d' at 2"):
        find_sources([tmp_path / "0.tar"])


def test_a_table_names_the_line_of_a_second_mention(tmp_path):
    write_sounds(tmp_path, 1)
    (tmp_path / "t.csv").write_text("file,caption\n000.wav,a\n000.wav,b\n")
    assert read_table(tmp_path / "t.csv") == {f"{tmp_path}/000.wav": (Caption("a"), Caption("b"))}


def make_tar(file: pathlib.Path, members: list[tuple[str, bytes | tarfile.TarInfo]]) -> None:
    with tarfile.open(file, "w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name) if isinstance(content, bytes) else content
            info.name, info.size = name, len(content) if isinstance(content, bytes) else 0
            archive.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)


def link(target: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo()
    info.type, info.linkname = kind, target
    return info


def captions_in(path: pathlib.Path) -> dict[str, list[str]]:
    found = find_sources([path])
    return {source.name.removeprefix(f"{path}/"): [each.text for each in source.captions] for source in found}


def test_tar_files_that_tarfile_takes_for_shorter_ones_are_refused(tmp_path):
    sound = write_sounds(tmp_path, 1)[0].read_bytes()
    write_tar(tmp_path / "whole.tar", {f"{i}.wav": sound for i in range(6)})
    whole = (tmp_path / "whole.tar").read_bytes()
    assert len(captions_in(tmp_path / "whole.tar")) == 6
    header = whole.index(b"3.wav\0")
    last = whole.index(b"5.wav\0")
    for content, message in (
        (whole + whole, rf"several tar files joined .* begins at byte {len(whole)}\); name each by itself"),
        (whole + b"x", rf"data that cannot be read at byte {len(whole)}, behind the end mark"),
        (whole[: header + 9] + b"x" + whole[header + 10 :], rf"data that cannot be read at byte {header}\)"),
        (whole[: last + 9] + b"x" + bytes(len(whole) - last - 10), rf"data that cannot be read at byte {last}\)"),
        (whole[: header + 99] + bytes(len(whole) - header - 99), r"data that cannot be read"),
        (whole[: header - 99] + bytes(len(whole) - header + 99), r"nothing but zeros in the last \d+ of \d+ bytes"),
    ):
        (tmp_path / "a.tar").write_bytes(content)
        with pytest.raises(ValueError, match=message):
            find_sources([tmp_path / "a.tar"])
    end = len(whole.rstrip(b"\0")) // 512 * 512 + 512
    for blocks in (1, 20, 2048):  # of a record, which ends in zeros
        (tmp_path / "a.tar").write_bytes(whole[:end] + bytes(1024 + -(end + 1024) % (512 * blocks)))
        assert len(captions_in(tmp_path / "a.tar")) == 6


def test_sparse_files_in_a_tar_file_are_whole(tmp_path):
    samples = np.zeros(400_000)
    samples[:8000] = samples[-8000:] = 0.5
    soundfile.write(tmp_path / "a.wav", samples, 16_000)
    whole = (tmp_path / "a.wav").read_bytes()
    blocks = [whole[:16_384], whole[-16_384 - len(whole) % 512 :]]  # of them, those that are no zeros alone
    rows = [(0, len(blocks[0])), (len(whole) - len(blocks[1]), len(blocks[1]))]
    info = tarfile.TarInfo("GNUSparseFile.0/a.wav")
    info.size = sum(map(len, blocks))
    info.pax_headers = {
        "GNU.sparse.size": str(len(whole)),
        "GNU.sparse.name": "a.wav",
        "GNU.sparse.map": ",".join(str(number) for row in rows for number in row),
    }
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(b"".join(blocks)))
    assert (tmp_path / "a.tar").stat().st_size < len(whole) // 2
    (source,) = find_sources([tmp_path / "a.tar"])
    np.testing.assert_allclose(source.read(), samples, atol=1e-4)


def test_links_in_a_tar_file_are_the_files_that_they_lead_to(tmp_path):
    sound = write_sounds(tmp_path, 1)[0].read_bytes()
    make_tar(
        tmp_path / "a.tar",
        [
            ("x/late.wav", link("../blob", tarfile.SYMTYPE)),
            ("blob", sound),
            ("x/hard.wav", link("blob", tarfile.LNKTYPE)),
            ("x/hard.txt", b"rain"),
            ("x/late.txt", link("hard.txt", tarfile.SYMTYPE)),
            ("out.wav", link("/elsewhere.wav", tarfile.SYMTYPE)),
            ("out.txt", b"wind"),
            ("loop.wav", link("loop.wav", tarfile.SYMTYPE)),
            ("pipe.wav", link("", tarfile.FIFOTYPE)),
        ],
    )
    packed = pack(find_sources([tmp_path / "a.tar"]), tmp_path / "shards")
    at = f"{tmp_path}/a.tar"
    rain = (Caption("rain"),)
    assert [(clip.source, clip.captions, clip.samples) for clip in packed.clips] == [
        (f"{at}/x/late.wav", rain, 8000),
        (f"{at}/x/hard.wav", rain, 8000),
    ]
    assert packed.left_out == {
        f"{at}/out.wav": f"{at}/out.wav: a link to /elsewhere.wav, which is not in the tar file",
        f"{at}/loop.wav": f"{at}/loop.wav: a link to loop.wav, which is not in the tar file",
        f"{at}/pipe.wav": f"{at}/pipe.wav: expected a file, found a device or something else special (type 6)",
    }


def test_of_members_of_one_path_the_last_is_taken_and_none_of_a_mac(tmp_path):
    files = write_sounds(tmp_path, 2)
    first, second = (file.read_bytes() for file in files)
    make_tar(
        tmp_path / "a.tar",
        [
            ("./a.wav", first),
            ("./._a.wav", b"\0\5\x16\7"),
            ("._a.txt", b"\0\5\x16\7\xff"),
            ("a.txt", b"no JSON"),
            ("b.wav", first),
            ("b.json", b"no JSON"),
            ("./a.txt", b"rain"),
            ("b.json", b'{"text": "wind"}'),
            ("b.wav", second),
        ],
    )
    assert captions_in(tmp_path / "a.tar") == {"./a.wav": ["rain"], "b.wav": ["wind"]}
    np.testing.assert_array_equal(find_sources([tmp_path / "a.tar"])[1].read(), find_sources(files)[1].read())


def test_of_a_folder_every_tar_file_is_found_and_compressed_ones_are_told(tmp_path):
    sound = write_sounds(tmp_path / "sounds", 1)[0].read_bytes()
    (tmp_path / "in/d.tar").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "in/link").symlink_to("../elsewhere")
    for name in ("in/a.tar", "in/b.TAR", "in/d.tar/c.tar", "elsewhere/d.tar"):
        write_tar(tmp_path / name, {"a.wav": sound})
    (tmp_path / "in/e.tar.gz").write_bytes(b"")
    *found, told = find_sources([tmp_path / "in"])
    names = ["a.tar", "b.TAR", "d.tar/c.tar", "link/d.tar"]
    assert [source.name for source in found] == [f"{tmp_path}/in/{name}/a.wav" for name in names]
    with pytest.raises(ValueError, match=r"e.tar.gz: expected a .tar file, .*; decompress it first"):
        told.read()


@pytest.mark.parametrize("name", ["x.tar", "l.csv", "l.jsonl", "l.txt"])
def test_pipes_are_refused_and_not_waited_for(name, tmp_path):
    os.mkfifo(tmp_path / name)
    with pytest.raises(ValueError, match=rf"{name}: expected a (tar )?file, got a pipe"):
        find_sources([tmp_path / name])
    if name == "x.tar":
        with pytest.raises(ValueError, match=r"x.tar: expected a tar file, got a pipe"):
            find_sources([tmp_path])
