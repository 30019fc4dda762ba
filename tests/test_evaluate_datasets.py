"""Data sets in the layouts of their publishers."""

from __future__ import annotations

import shutil

import pytest
from evaluate_datasets import (
    ESC50_CLASSES,
    WORDS,
    write_audiocaps,
    write_clotho,
    write_csv,
    write_esc50,
    write_tone,
    write_tut2017,
    write_urbansound8k,
    write_vggsound,
)

from hear_cacophony.frontend import media_sound
from hear_tasks.evaluate.datasets import DATASETS, Evaluation, find_dataset
from hear_tasks.evaluate.tables import LayoutError

READERS = {dataset.name: dataset.read for dataset in DATASETS}
TABLES = {
    "esc50": (write_esc50, "meta/esc50.csv"),
    "urbansound8k": (write_urbansound8k, "metadata/UrbanSound8K.csv"),
    "tut2017": (write_tut2017, "TUT-acoustic-scenes-2017-development/meta.txt"),
    "vggsound": (write_vggsound, "vggsound.csv"),
    "audiocaps": (write_audiocaps, "test.csv"),
    "clotho": (write_clotho, "clotho_captions_evaluation.csv"),
}


def texts(listing) -> dict[str, tuple[str, ...]]:
    return {clip.name: clip.texts for clip in listing.clips}


def test_esc50_keeps_its_underscores(tmp_path):
    listing = READERS["esc50"](write_esc50(tmp_path))
    assert listing.classes == tuple(sorted(ESC50_CLASSES))
    assert len(listing.clips) == 12
    assert texts(listing)["1-100002-A-2.wav"] == ("sea_waves",)
    assert not listing.missing


def test_urbansound8k_has_spaces_and_folds(tmp_path):
    listing = READERS["urbansound8k"](write_urbansound8k(tmp_path))
    assert listing.classes == ("air conditioner", "dog bark")
    assert listing.clips[3].path == tmp_path / "audio/fold4/3-1-0-0.wav"


def test_tut2017_is_one_set_or_both(tmp_path):
    both = READERS["tut2017"](write_tut2017(tmp_path))
    assert len(both.clips) == 4
    assert both.classes == ("beach", "cafe/restaurant")
    assert both.clips[3].name == "TUT-acoustic-scenes-2017-evaluation/audio/a1_0_10.wav"
    assert both.remarks == (
        "sets: TUT-acoustic-scenes-2017-development and TUT-acoustic-scenes-2017-evaluation",
        "the table has 4 clips and 2 classes, the published one 6,300 and 15",
    )
    for name in ("development", "evaluation"):
        one = READERS["tut2017"](tmp_path / f"TUT-acoustic-scenes-2017-{name}")
        assert texts(one) == {"audio/a0_0_10.wav": ("beach",), "audio/a1_0_10.wav": ("cafe/restaurant",)}
        assert "the published figure is over the development and the evaluation set" in one.remarks[0]


def test_tut2017_has_the_folds_of_its_development_set(tmp_path):
    setup = write_tut2017(tmp_path) / "TUT-acoustic-scenes-2017-development/evaluation_setup"
    write_csv(setup / "fold1_train.txt", [("audio/a1_0_10.wav", "cafe/restaurant")], "\t")
    write_csv(setup / "fold1_test.txt", [("audio/a0_0_10.wav",)], "\t")
    write_csv(setup / "fold1_evaluate.txt", [("audio/a0_0_10.wav", "beach")], "\t")
    write_csv(setup / "fold2_test.txt", [("audio/a1_0_10.wav",)], "\t")
    assert [clip.fold for clip in READERS["tut2017"](tmp_path).clips] == ["1", "2", "", ""]
    assert [clip.fold for clip in READERS["tut2017"](setup.parent).clips] == ["1", "2"]
    write_csv(setup / "fold2_test.txt", [("audio/a0_0_10.wav",)], "\t")
    with pytest.raises(LayoutError, match=r"fold2_test.txt: expected each clip in one fold, .*/a0_0_10.wav is in 1"):
        READERS["tut2017"](tmp_path)


@pytest.mark.parametrize(
    ("name", "table", "place"), [("esc50", "meta/esc50.csv", 1), ("urbansound8k", "metadata/UrbanSound8K.csv", 5)]
)
def test_a_clip_in_two_folds_is_refused(name, table, place, tmp_path):
    data = {"esc50": write_esc50, "urbansound8k": write_urbansound8k}[name](tmp_path)
    lines = (data / table).read_text().splitlines()
    again = lines[1].split(",")
    again[place] = "9"
    (data / table).write_text("\n".join([*lines, ",".join(again)]))
    with pytest.raises(LayoutError, match=rf"{again[0]} is in 1 and in 9"):
        READERS[name](data)


@pytest.mark.parametrize(
    ("name", "table", "place"), [("esc50", "meta/esc50.csv", 1), ("urbansound8k", "metadata/UrbanSound8K.csv", 5)]
)
@pytest.mark.parametrize("form", [" {}", "0{}", "{} "])
def test_a_fold_is_a_number_however_it_is_written(name, table, place, form, tmp_path):
    data = {"esc50": write_esc50, "urbansound8k": write_urbansound8k}[name](tmp_path)
    before = READERS[name](data)
    lines = [line.split(",") for line in (data / table).read_text().splitlines()]
    for line in lines[1::2]:
        line[place] = form.format(line[place])
    (data / table).write_text("\n".join(map(",".join, lines)))
    again = READERS[name](data)
    assert [(clip.fold, clip.path) for clip in again.clips] == [(clip.fold, clip.path) for clip in before.clips]
    assert not again.missing


def test_vggsound_takes_the_test_split_that_was_fetched(tmp_path):
    listing = READERS["vggsound"](write_vggsound(tmp_path))
    assert texts(listing) == {
        "-0AB1_cdEFg_000007": ("bird chirping, tweeting",),
        "_1AB1_cdEFg_000120": ("dog barking",),
        "2AB1-cdEFgh_000000": ("waterfall burbling",),
    }
    assert listing.missing == ("3gone-cdEFg_000005",)
    assert listing.clips[2].path.suffix == ".wav"
    assert listing.remarks == (
        "the table has 4 clips and 3 classes, the published one 15,446 and 309 or 15,496 and 309",
        "clips that are there more than once: 1, such as 2AB1-cdEFgh_000000: 2AB1-cdEFgh_000000.wav is taken, not "
        "2AB1-cdEFgh_000000.flac",
    )
    assert not listing.faults, "what the table has in its training split is no stranger"


def test_audiocaps_finds_clips_by_any_of_the_usual_names(tmp_path):
    listing = READERS["audiocaps"](write_audiocaps(tmp_path))
    assert [clip.path.stem for clip in listing.clips] == ["aaaaaaaaaa1", "Ybbbbbbbbbb2", "cccccccccc3_0", "302"]
    assert listing.missing == ("eeeeeeeeee5",)
    assert listing.clips[1].texts == tuple(f"a bell is heard, way {i}" for i in range(5))


def test_audiocaps_tells_two_clips_of_one_video_apart(tmp_path):
    header = ("audiocap_id", "youtube_id", "start_time", "caption")
    write_csv(tmp_path / "test.csv", [header, (1, "aaaaaaaaaa1", 0, "rain"), (2, "aaaaaaaaaa1", 30, "wind")])
    write_tone(tmp_path / "aaaaaaaaaa1.wav", 0)
    write_tone(tmp_path / "aaaaaaaaaa1_30.wav", 0)
    listing = READERS["audiocaps"](tmp_path)
    assert texts(listing) == {"aaaaaaaaaa1_30": ("wind",)}
    assert listing.missing == ("aaaaaaaaaa1_0",)
    told = "files that may be of several clips, left out: 1, such as aaaaaaaaaa1.wav: aaaaaaaaaa1_0 or aaaaaaaaaa1_30"
    assert told in listing.remarks


def test_clotho_names_captions_without_a_clip_and_clips_without_captions(tmp_path):
    write_clotho(tmp_path)
    (tmp_path / "evaluation/Recording, bell.wav").rename(tmp_path / "evaluation/other.wav")
    listing = READERS["clotho"](tmp_path)
    assert listing.missing == ("Recording, bell.wav",)
    assert listing.listed == 5
    assert listing.remarks == (
        "the table has 5 clips and 25 captions, the published one 1,045 and 5,225",
        "sound files that the table lacks, left out: 1, such as other.wav",
    )
    assert listing.clips[0].texts[4] == "a horn and a bell"


WRONG = {
    "esc50": (write_esc50, "meta", "expected meta/esc50.csv and audio/.*there is no meta/esc50.csv"),
    "urbansound8k": (write_urbansound8k, "audio", "expected metadata/UrbanSound8K.csv and .*there is no audio/"),
    "vggsound": (
        write_vggsound,
        "vggsound.csv",
        "expected vggsound.csv and, in any folder, clips named ID_000030, ID_30",
    ),
    "audiocaps": (write_audiocaps, "test.csv", "there is no test.csv"),
    "clotho": (write_clotho, "evaluation", "expected clotho_captions_evaluation.csv .*there is no evaluation/"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_layout_says_what_was_expected_where(name, tmp_path):
    write, part, message = WRONG[name]
    write(tmp_path)
    (tmp_path / part).rename(tmp_path / "elsewhere")
    with pytest.raises(LayoutError, match=message):
        READERS[name](tmp_path)


def test_wrong_layout_names_the_folder_that_was_meant(tmp_path):
    write_esc50(tmp_path / "ESC-50-master")
    with pytest.raises(LayoutError, match=r"did you mean .*ESC-50-master"):
        READERS["esc50"](tmp_path)
    with pytest.raises(LayoutError, match=r"did you mean .*ESC-50-master"):
        READERS["esc50"](tmp_path / "ESC-50-master/audio")


def test_tut2017_without_a_table(tmp_path):
    with pytest.raises(LayoutError, match=r"expected meta.txt"):
        READERS["tut2017"](tmp_path)
    write_tut2017(tmp_path)
    shutil.rmtree(tmp_path / "TUT-acoustic-scenes-2017-evaluation/audio")
    with pytest.raises(LayoutError, match=r"2017-evaluation: expected meta.txt .*there is no audio/"):
        READERS["tut2017"](tmp_path)


@pytest.mark.parametrize("name", READERS)
def test_no_such_folder(name, tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder; expected one with"):
        READERS[name](tmp_path / "nowhere")


def test_zero_clips_found(tmp_path):
    write_clotho(tmp_path)
    for clip in (tmp_path / "evaluation").iterdir():
        clip.unlink()
    with pytest.raises(LayoutError, match=r"found none of the 5 in the table, such as 'Recording, horn.wav'"):
        READERS["clotho"](tmp_path)


@pytest.fixture
def without_av(monkeypatch):
    monkeypatch.setattr(media_sound, "is_installed", lambda: False)


def test_clips_that_are_videos_are_read_where_av_is_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(media_sound, "is_installed", lambda: True)
    write_vggsound(tmp_path)
    video = tmp_path / "audio/_1AB1_cdEFg_000120.mp4"
    video.with_suffix(".wav").rename(video)
    listing = READERS["vggsound"](tmp_path)
    assert video in [clip.path for clip in listing.clips]
    assert not listing.unreadable
    write_tone(video.with_suffix(".mp3"), 2)
    assert video not in [clip.path for clip in READERS["vggsound"](tmp_path).clips], "the sound file is taken"


@pytest.mark.usefixtures("without_av")
def test_clips_that_are_videos(tmp_path):
    write_vggsound(tmp_path)
    for clip in (tmp_path / "audio").iterdir():
        clip.rename(clip.with_suffix(".mp4"))
    shutil.rmtree(tmp_path / "more")
    with pytest.raises(LayoutError, match=r"there are 4 sound files, from .*hqg_000030.mp4 to .*; .mp4 cannot be read"):
        READERS["vggsound"](tmp_path)
    write_tone(tmp_path / "audio/_1AB1_cdEFg_000120.mp3", 2)
    listing = READERS["vggsound"](tmp_path)
    assert texts(listing) == {"_1AB1_cdEFg_000120": ("dog barking",)}
    video = tmp_path / "audio/-0AB1_cdEFg_000007.mp4"
    assert listing.unreadable[str(video)].startswith(
        ".mp4 cannot be read here: pip install 'hear_cacophony[media]', or extract the audio"
    )
    assert len(listing.unreadable) == 2
    assert listing.listed == 4


def test_bad_tables(tmp_path):
    data = write_esc50(tmp_path)
    table = data / "meta/esc50.csv"
    good = table.read_text().splitlines()
    table.write_text("\n".join([good[0].replace("category", "kind"), *good[1:]]))
    with pytest.raises(
        LayoutError, match="expected a table with the columns filename, category, fold, each once, got filename, fold"
    ):
        READERS["esc50"](data)
    table.write_text("\n".join([*good, "1-2-A-3.wav,1,2"]))
    with pytest.raises(LayoutError, match=r"line 14: expected 7 values .*others.*, got 3; was it cut"):
        READERS["esc50"](data)
    table.write_text("\n".join([*good, good[1]]))
    assert READERS["esc50"](data).remarks[1:] == ("rows of the table that repeat another: 1; each counts once",)
    table.write_text("\n".join([*good, good[1].replace("dog", "cat")]))
    with pytest.raises(LayoutError, match=r"'1-100000-A-0.wav' is in the table twice, as \('dog',\) and as \('cat',\)"):
        READERS["esc50"](data)
    table.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LayoutError, match="expected a table as UTF-8 text"):
        READERS["esc50"](data)
    table.write_text("")
    with pytest.raises(LayoutError, match="got an empty file"):
        READERS["esc50"](data)


def test_tables_that_are_joined_or_empty_are_told(tmp_path):
    table = write_clotho(tmp_path) / "clotho_captions_evaluation.csv"
    text = table.read_text()
    table.write_text(text + text)
    with pytest.raises(LayoutError, match=r"line 7: expected a row, got the header again; are two tables joined\?"):
        READERS["clotho"](tmp_path)
    table.write_text(text.splitlines()[0])
    with pytest.raises(LayoutError, match=r"evaluation.csv: expected rows of file_name, .*, found none; was it cut"):
        READERS["clotho"](tmp_path)


def test_clips_of_vggsound_in_both_splits_are_told(tmp_path):
    with (write_vggsound(tmp_path) / "vggsound.csv").open("a") as table:
        table.write("_1AB1_cdEFg,120,dog barking,train\n")
    told = "clips of the test split that are in the training split, too: 1"
    assert told in READERS["vggsound"](tmp_path).remarks


def test_vggsound_table_without_a_test_split(tmp_path):
    write_csv(tmp_path / "vggsound.csv", [("--0PQM4-hqg", 30, "waterfall burbling", "train")])
    with pytest.raises(LayoutError, match="expected rows of the split 'test', got 1 rows without one"):
        READERS["vggsound"](tmp_path)


def replace(file, old: str, new: str, count: int = -1) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, count), encoding="utf-8")


UNQUOTED = r"expected 4 values .*, got 5; is one with ',' in it not quoted\?"
BROKEN = (
    ("vggsound", '"bird chirping, tweeting"', "bird chirping, tweeting", r"vggsound.csv: line 2: " + UNQUOTED),
    (
        "vggsound",
        "--0PQM4-hqg,",
        "id,start,label,split\n--0PQM4-hqg,",
        "line 1: expected a whole number in 'start in s",
    ),
    ("vggsound", "dog barking,test", "dog barking,te", r"line 3: .*train or test"),
    ("vggsound", '",test\n', '";test\n', r"line 2: .* cannot tell where it ends"),
    ("audiocaps", "a bell is heard, way 1", "a bell is heard,\nway 1", r"line 8: .* goes on to line 9"),
    (
        "audiocaps",
        'a bell is heard, way 1"',
        "a bell is heard, way 1",
        r"line 8: .* is there a \" too many, or one too few",
    ),
    ("audiocaps", 'a whistle is heard, way 4"', "a whistle is heard, way 4", r"line 26: .* cannot tell where it ends"),
    ("audiocaps", "a flute is heard, way 0", 'a "flute" is heard', r"line 17: .*'\"'"),
    ("audiocaps", "101,bb", "100,bb", r"audiocap_id 100 is there twice, with different"),
    ("clotho", '"a drum sounds, 1"', "a drum sounds, 1", r"line 4: expected 6 values .*, got 7"),
    ("clotho", "caption_3", "caption_2", r"each once, got file_name"),
    ("clotho", ",", ";", r"got file_name;caption_1.*another delimiter"),
    ("urbansound8k", ",1,0,air", ",one,0,air", r"line 2: expected a whole number in 'fold', got 'one'"),
    ("tut2017", "wav\tcafe", "wav cafe", r"meta.txt: line 2: "),
    ("audiocaps", "0,aaaaaaaaaa1,30,", "0,aaaaaaaaaa1,30,\0\0", r"line 2: .* there are zero bytes in it"),
    ("clotho", "Recording, bell.wav", "Recording, bell.wav\0", r"line 3: .* there are zero bytes in it"),
)


@pytest.mark.parametrize(("name", "old", "new", "message"), BROKEN)
def test_rows_that_cannot_be_told_apart_are_named(name, old, new, message, tmp_path):
    write, table = TABLES[name]
    data = write(tmp_path)
    replace(data / table, old, new, -1 if old == "," else 1)
    with pytest.raises(LayoutError, match=message):
        READERS[name](data)


@pytest.mark.parametrize("change", [lambda text: "\ufeff" + text, lambda text: text.replace("\n", "\r\n\r\n") + "\r\n"])
def test_tables_of_other_systems_are_the_same(change, tmp_path):
    table = write_clotho(tmp_path) / "clotho_captions_evaluation.csv"
    listing = READERS["clotho"](tmp_path)
    table.write_text(change(table.read_text(encoding="utf-8")), encoding="utf-8", newline="")
    assert READERS["clotho"](tmp_path) == listing


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_was_cut_beside_clips_is_a_fault(name, tmp_path):
    write, table = TABLES[name]
    data = write(tmp_path)
    assert not READERS[name](data).faults
    lines = (data / table).read_text().splitlines(keepends=True)
    (data / table).write_text("".join(lines[: len(lines) * 2 // 3]))
    (fault,) = READERS[name](data).faults
    assert fault.startswith("the table has ")
    assert ", the published one " in fault
    assert "sound files that the table lacks: " in fault


@pytest.mark.parametrize(("name", "last"), [("tut2017", "\ta1"), ("audiocaps", "404,eeeeeeeeee5,70,a whis")])
def test_a_table_that_was_cut_in_its_last_value_is_a_fault(name, last, tmp_path):
    write, table = TABLES[name]
    file = write(tmp_path) / table
    text = file.read_text()
    file.write_text(text[: text.rindex(last[:4])] + last)
    (fault,) = READERS[name](tmp_path).faults
    assert fault.endswith(f"; the last line of {file.name} has no end; was it cut?")


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (
            "urbansound8k",
            "1,0,air_conditioner\n",
            "1,0,air_cond\n",
            "'0' at that place .*'air cond' of 0-0-0-0.wav and",
        ),
        (
            "esc50",
            "1-100000-A-0.wav,1,0,dog",
            "1-100000-A-0.wav,1,0,rain",
            "'0' at .*'rain' of 1-100000-A-0.wav and 'dog'",
        ),
    ],
)
def test_classes_that_the_names_of_files_contradict_are_told(name, old, new, message, tmp_path):
    write, table = TABLES[name]
    replace(write(tmp_path) / table, old, new, 1)
    with pytest.raises(LayoutError, match=message):
        READERS[name](tmp_path)


def test_one_recording_of_tut2017_has_one_scene(tmp_path):
    folder = write_tut2017(tmp_path) / "TUT-acoustic-scenes-2017-development"
    with (folder / "meta.txt").open("a") as table:
        table.write("audio/a0_10_20.wav\tbea\ta0\n")
    with pytest.raises(
        LayoutError, match=r"meta.txt: expected one class .*'a0' .*'beach' of .*and 'bea' of audio/a0_10_20"
    ):
        READERS["tut2017"](folder)


def test_a_whole_table_has_no_remark_and_strangers_are_no_fault(tmp_path):
    header = ("filename", "fold", "target", "category", "esc10", "src_file", "take")
    rows = [(f"{i}.wav", 1, i % 50, f"class {i % 50}", "False", i, "A") for i in range(2000)]
    write_csv(tmp_path / "meta/esc50.csv", [header, *rows])
    for i in range(2):
        write_tone(tmp_path / f"audio/{i}.wav", 0, seconds=0.01)
    assert READERS["esc50"](tmp_path).remarks == ()
    write_tone(tmp_path / "audio/other.flac", 0, seconds=0.01)
    (tmp_path / "audio/._1.wav").touch()
    listing = READERS["esc50"](tmp_path)
    assert listing.remarks == ("sound files that the table lacks, left out: 1, such as other.flac",)
    assert not listing.faults
    assert [clip.number for clip in listing.clips] == [0, 1]


def test_rows_of_audiocaps_that_are_there_again_count_once(tmp_path):
    table = write_audiocaps(tmp_path) / "test.csv"
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join([*lines[:23], *lines[3:7]]))
    listing = READERS["audiocaps"](tmp_path)
    assert [len(clip.texts) for clip in listing.clips] == [5, 5, 5, 5]
    assert "rows of the table that repeat another: 4; each counts once" in listing.remarks
    assert "clips without five captions: 1, such as eeeeeeeeee5, which has 2" in listing.remarks


def test_tut2017_is_no_third_folder(tmp_path):
    write_tut2017(tmp_path)
    for name in ("TUT-acoustic-scenes-2016-development", "backup"):
        shutil.copytree(tmp_path / "TUT-acoustic-scenes-2017-development", tmp_path / name)
    listing = READERS["tut2017"](tmp_path)
    assert len(listing.clips) == 4
    assert listing.remarks[1].endswith(
        "neither set by their names, left out: TUT-acoustic-scenes-2016-development, backup"
    )
    (tmp_path / "backup").rename(tmp_path / "eval (copy)")
    with pytest.raises(LayoutError, match=r"expected each set .* once, got .*-evaluation and eval \(copy\)"):
        READERS["tut2017"](tmp_path)
    for name in ("development", "evaluation"):
        shutil.rmtree(tmp_path / f"TUT-acoustic-scenes-2017-{name}")
    (tmp_path / "eval (copy)").rename(tmp_path / "scenes")
    with pytest.raises(LayoutError, match="2016-development and scenes have such a table, and the name of neither set"):
        READERS["tut2017"](tmp_path)


NAMES = (
    "{i}_{s:06d}.wav", "{i}_{s}.flac", "{i}_{s}_{e}.mp3", "{i}_{s}000_{e}000.flac", "{i}_{s}.000_{e}.000.wav",
    "{i}-{s}.ogg", "{i}-{s}-{e}.wav", "{i}.WAV", "Y{i}.wav", "Y{i}_{s}.wav", "{i}_{s:06d}_{e:06d}.wav",
    "{i}_{s}.0_{e}.0.aiff", "{i}_{s}_10.wav", "{i},{s},{e}.wav", "{i} {s}.wav", "A [live] title [{i}].wav",
    "[{i}].flac",
)  # fmt: skip
CLIPS = (("-0qAbcdEf1g", 30), ("Zz_9yXwVu-t", 7), ("YY00-00_300", 0))


@pytest.mark.parametrize("form", NAMES)
def test_clips_of_videos_have_any_of_the_names_that_people_have(form, tmp_path):
    write_csv(tmp_path / "vggsound.csv", [(*clip, f"class {i}", "test") for i, clip in enumerate(CLIPS)])
    header = ("audiocap_id", "youtube_id", "start_time", "caption")
    write_csv(tmp_path / "test.csv", [header, *((i, *clip, f"noise {i}") for i, clip in enumerate(CLIPS))])
    (tmp_path / "elsewhere").mkdir()
    for i, (name, start) in enumerate(CLIPS):
        (tmp_path / "elsewhere" / form.format(i=name, s=start, e=start + 10)).write_text(str(i))
    (tmp_path / "data").mkdir()
    for table in ("vggsound.csv", "test.csv"):
        (tmp_path / table).rename(tmp_path / "data" / table)
    (tmp_path / "data/clips").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/round").symlink_to(tmp_path / "data")
    for reader, text in (("vggsound", "class"), ("audiocaps", "noise")):
        listing = READERS[reader](tmp_path / "data")
        assert [(clip.texts, clip.path.read_text()) for clip in listing.clips] == [
            ((f"{text} {i}",), str(i)) for i in range(3)
        ]
        assert not listing.faults


def test_names_of_other_parts_of_a_video_are_not_taken(tmp_path):
    write_csv(tmp_path / "vggsound.csv", [("-0qAbcdEf1g", 30, "rain", "test"), ("Zz_9yXwVu-t", 7, "wind", "test")])
    for name in ("-0qAbcdEf1g_40", "-0qAbcdEf1g_30_35", "-0qAbcdEf1g_30_40_50", "-0qAbcdEf1g_30.5", "Zz_9yXwVu-t_7"):
        (tmp_path / f"{name}.wav").touch()
    listing = READERS["vggsound"](tmp_path)
    assert list(texts(listing)) == ["Zz_9yXwVu-t_000007"]
    assert "sound files that the table lacks, left out: 4, such as -0qAbcdEf1g_30.5.wav" in listing.remarks


@pytest.mark.parametrize(
    ("ids", "names", "taken"),
    [
        ((103549, 596, 3, 81), ("0", "1", "2", "3"), None),  # of which one is an id by accident
        ((2, 1, 0, 3), ("0", "1", "2", "3"), None),  # all are ids, and may as well be places
        ((2, 1, 0, 3), ("0", "2"), None),
        ((0, 1, 2, 3), ("0", "2", "3"), [0, 2, 3]),  # places and ids say the same
        ((1, 2, 3, 4), ("1", "2", "3", "4"), [0, 1, 2, 3]),
        ((103549, 596, 3, 81), ("103549", "00596", "3"), [0, 1, 2]),
        ((103549, 596, 3, 81), ("id2________", "1", "1234"), [2]),  # numbers that are no ids are of other data
    ],
)
def test_numbers_are_ids_or_nothing(ids, names, taken, tmp_path):
    header = ("audiocap_id", "youtube_id", "start_time", "caption")
    rows = [(each, f"id{i}________", 30, f"noise {i}") for i, each in enumerate(ids)]
    write_csv(tmp_path / "test.csv", [header, *rows])
    for name in names:
        (tmp_path / f"{name}.wav").touch()
    if taken is None:
        with pytest.raises(LayoutError, match="expected clips named by the YouTube id, or all by an audiocap_id"):
            READERS["audiocaps"](tmp_path)
    else:
        listing = READERS["audiocaps"](tmp_path)
        assert [(clip.number, clip.texts) for clip in listing.clips] == [(i, (f"noise {i}",)) for i in taken]


def test_what_lies_there_is_told_beside_the_names_that_were_looked_for(tmp_path):
    write_csv(tmp_path / "vggsound.csv", [("-0qAbcdEf1g", 30, "rain", "test")])
    with pytest.raises(
        LayoutError, match=r"such as '-0qAbcdEf1g_000030', under ID_000030, ID_30.*; there is no sound fi"
    ):
        READERS["vggsound"](tmp_path)
    for i in range(3):
        (tmp_path / f"clip{i}.wav").touch()
    with pytest.raises(LayoutError, match=r"there are 3 sound files, from clip0.wav to clip2.wav"):
        READERS["vggsound"](tmp_path)


@pytest.mark.usefixtures("without_av")
def test_clips_of_a_table_may_have_another_ending(tmp_path):
    write_clotho(tmp_path)
    for word, ending in zip(WORDS, (".m4a", ".flac", ".FLAC", ".mp3"), strict=False):
        clip = tmp_path / f"evaluation/Recording, {word}.wav"
        clip.rename(clip.with_suffix(ending))
    listing = READERS["clotho"](tmp_path)
    assert [clip.path.suffix for clip in listing.clips] == [".flac", ".FLAC", ".mp3", ".wav"]
    assert list(listing.unreadable) == [str(tmp_path / "evaluation/Recording, horn.m4a")]
    assert not listing.missing
    write_tone(tmp_path / "evaluation/Recording, bell.wav", 1)
    assert READERS["clotho"](tmp_path).clips[0].path.suffix == ".wav", "as the table says"


def test_two_clips_of_a_table_have_two_files(tmp_path):
    write_clotho(tmp_path)
    table = tmp_path / "clotho_captions_evaluation.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines, lines[1].replace(".wav", ".flac", 1)]) + "\n")
    with pytest.raises(LayoutError, match=r"\.wav: expected one clip of the table, got '.*\.wav' and '.*\.flac'"):
        READERS["clotho"](tmp_path)


def test_unknown_data_set_and_one_of_another_evaluation():
    with pytest.raises(ValueError, match=r"unknown data set 'ESC 10'; expected one of esc50, .*did you mean esc50\?"):
        find_dataset("ESC 10", Evaluation.ZERO_SHOT)
    assert find_dataset("ESC-50", Evaluation.ZERO_SHOT).name == "esc50"
    with pytest.raises(ValueError, match="clotho is not for zero-shot evaluation; expected one of esc50, urbansound8k"):
        find_dataset("clotho", Evaluation.ZERO_SHOT)


@pytest.mark.parametrize(
    ("name", "clip"),
    [
        ("esc50", "1-100000-A-0.wav"),
        ("urbansound8k", "0-0-0-0.wav"),
        ("tut2017", "audio/a0_0_10.wav"),
        ("clotho", "Recording, horn.wav"),
    ],
)
def test_names_that_lead_out_of_the_folder(name, clip, tmp_path):
    write, table = TABLES[name]
    data = write(tmp_path / "data")
    write_tone(tmp_path / "outside.wav", 0)
    text = (data / table).read_text()
    for outside in ("../../../outside.wav", str(tmp_path / "outside.wav")):
        (data / table).write_text(text.replace(clip, outside))
        with pytest.raises(LayoutError, match=r"expected names of clips in this folder, but '.*outside.wav' leads to"):
            READERS[name](data)


def test_classes_that_are_one_but_for_blanks_or_case(tmp_path):
    table = write_esc50(tmp_path) / "meta/esc50.csv"
    table.write_text(table.read_text().replace(",dog,", ", dog ,", 1))
    assert READERS["esc50"](tmp_path).classes == tuple(sorted(ESC50_CLASSES))
    table.write_text(table.read_text().replace(", dog ,", ",Dog,", 1))
    assert READERS["esc50"](tmp_path).remarks[1:] == (
        "classes that differ in case or blanks alone, and count apart: 'Dog' and 'dog'",
    )


@pytest.mark.parametrize(
    ("there", "named", "told"),
    [
        ("Re\u0301cording, horn.wav", "R\xe9cording, horn.wav", "looks the same (in Unicode NFD, there NFC)"),
        ("recording, HORN.wav", "Recording, horn.wav", "differs in upper and lower case"),
    ],
)
def test_a_missing_clip_is_there_under_a_name_much_like_it(there, named, told, tmp_path):
    write_clotho(tmp_path)
    (tmp_path / "evaluation/Recording, horn.wav").rename(tmp_path / "evaluation" / there)
    table = tmp_path / "clotho_captions_evaluation.csv"
    table.write_text(table.read_text().replace("Recording, horn.wav", named), encoding="utf-8")
    listing = READERS["clotho"](tmp_path)
    assert listing.missing == (named,)
    assert listing.remarks[-1] == (
        f"missing clips with a name much like that of a file: 1; of {named!r}, {there!r} is, whose name {told}: "
        "rename the file, or correct the table"
    )
