"""Data sets in the layouts of their publishers."""

from __future__ import annotations

import shutil

import pytest
from evaluate_datasets import (
    ESC50_CLASSES,
    write_audiocaps,
    write_clotho,
    write_csv,
    write_esc50,
    write_tone,
    write_tut2017,
    write_urbansound8k,
    write_vggsound,
)

from hear_tasks.evaluate.datasets import DATASETS, Evaluation, find_dataset
from hear_tasks.evaluate.tables import LayoutError

READERS = {dataset.name: dataset.read for dataset in DATASETS}


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
    assert both.remarks == ("sets: TUT-acoustic-scenes-2017-development and TUT-acoustic-scenes-2017-evaluation",)
    for name in ("development", "evaluation"):
        one = READERS["tut2017"](tmp_path / f"TUT-acoustic-scenes-2017-{name}")
        assert texts(one) == {"audio/a0_0_10.wav": ("beach",), "audio/a1_0_10.wav": ("cafe/restaurant",)}
        assert "the published figure is over the development and the evaluation set" in one.remarks[0]


def test_vggsound_takes_the_test_split_that_was_fetched(tmp_path):
    listing = READERS["vggsound"](write_vggsound(tmp_path))
    assert texts(listing) == {
        "-0AB1_cdEFg_000007": ("bird chirping, tweeting",),
        "_1AB1_cdEFg_000120": ("dog barking",),
        "2AB1-cdEFgh_000000": ("waterfall burbling",),
    }
    assert listing.missing == ("3gone-cdEFg_000005",)
    assert listing.clips[2].path.suffix == ".wav"
    assert listing.remarks[0].startswith("clips that are there more than once: 1, such as 2AB1-cdEFgh_000000")


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


def test_clotho_names_captions_without_a_clip_and_clips_without_captions(tmp_path):
    write_clotho(tmp_path)
    (tmp_path / "evaluation/Recording, bell.wav").rename(tmp_path / "evaluation/other.wav")
    listing = READERS["clotho"](tmp_path)
    assert listing.missing == ("Recording, bell.wav",)
    assert listing.listed == 5
    assert listing.remarks == ("files without captions, left out: 1, such as other.wav",)
    assert listing.clips[0].texts[4] == "a horn and a bell"


WRONG = {
    "esc50": (write_esc50, "meta", "expected meta/esc50.csv and audio/.*there is no meta/esc50.csv"),
    "urbansound8k": (write_urbansound8k, "audio", "expected metadata/UrbanSound8K.csv and .*there is no audio/"),
    "vggsound": (write_vggsound, "vggsound.csv", "expected vggsound.csv and, in any folder, clips named by YouTube id"),
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


def test_clips_that_are_videos(tmp_path):
    write_vggsound(tmp_path)
    for clip in (tmp_path / "audio").iterdir():
        clip.rename(clip.with_suffix(".mp4"))
    shutil.rmtree(tmp_path / "more")
    with pytest.raises(
        LayoutError, match=r"such as '-0AB1_cdEFg_000007'; there are .mp4 files \(4\): extract their audio"
    ):
        READERS["vggsound"](tmp_path)


def test_bad_tables(tmp_path):
    data = write_esc50(tmp_path)
    table = data / "meta/esc50.csv"
    good = table.read_text().splitlines()
    table.write_text("\n".join([good[0].replace("category", "kind"), *good[1:]]))
    with pytest.raises(LayoutError, match="expected a table with the columns filename, category, got filename, fold"):
        READERS["esc50"](data)
    table.write_text("\n".join([*good, "1-2-A-3.wav,1,2"]))
    with pytest.raises(LayoutError, match="row 14: expected a value in each of its columns, none in 'category'"):
        READERS["esc50"](data)
    table.write_text("\n".join([*good, good[1]]))
    assert READERS["esc50"](data).remarks == ("rows of the table that repeat another: 1; each clip counts once",)
    table.write_text("\n".join([*good, good[1].replace("dog", "cat")]))
    with pytest.raises(LayoutError, match=r"'1-100000-A-0.wav' is in the table twice, as \('dog',\) and as \('cat',\)"):
        READERS["esc50"](data)
    table.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LayoutError, match="expected a table as UTF-8 text"):
        READERS["esc50"](data)
    table.write_text("")
    with pytest.raises(LayoutError, match="got an empty file"):
        READERS["esc50"](data)


def test_vggsound_table_without_a_test_split(tmp_path):
    write_csv(tmp_path / "vggsound.csv", [("--0PQM4-hqg", 30, "waterfall burbling", "train")])
    with pytest.raises(LayoutError, match="expected rows of the split 'test', got 1 rows without one"):
        READERS["vggsound"](tmp_path)
    write_csv(tmp_path / "vggsound.csv", [("--0PQM4-hqg", "0:30", "waterfall burbling", "test")])
    with pytest.raises(LayoutError, match="expected a start in whole seconds, got '0:30'"):
        READERS["vggsound"](tmp_path)


def test_unknown_data_set_and_one_of_another_evaluation():
    with pytest.raises(ValueError, match=r"unknown data set 'ESC 10'; expected one of esc50, .*did you mean esc50\?"):
        find_dataset("ESC 10", Evaluation.ZERO_SHOT)
    assert find_dataset("ESC-50", Evaluation.ZERO_SHOT).name == "esc50"
    with pytest.raises(ValueError, match="clotho is not for zero-shot evaluation; expected one of esc50, urbansound8k"):
        find_dataset("clotho", Evaluation.ZERO_SHOT)


@pytest.mark.parametrize(
    ("name", "write", "table", "clip"),
    [
        ("esc50", write_esc50, "meta/esc50.csv", "1-100000-A-0.wav"),
        ("urbansound8k", write_urbansound8k, "metadata/UrbanSound8K.csv", "0-0-0-0.wav"),
        ("tut2017", write_tut2017, "TUT-acoustic-scenes-2017-development/meta.txt", "audio/a0_0_10.wav"),
        ("clotho", write_clotho, "clotho_captions_evaluation.csv", "Recording, horn.wav"),
    ],
)
def test_names_that_lead_out_of_the_folder(name, write, table, clip, tmp_path):
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
    assert READERS["esc50"](tmp_path).remarks == (
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
