"""What `classify`, `search` and `features` do in collections of sounds, beside the plain lists."""

from __future__ import annotations

import csv
import io
import json
import os
import pathlib
import shutil

import numpy as np
import pytest
import soundfile

pytest.importorskip("tokenizers", reason="the extra 'text' is not installed")

from tones_on_disk import write_tones

import hear_cacophony
from hear_cacophony.files.lock import locked_file
from hear_cacophony.frontend.read_audio import read_audio
from hear_cacophony.sounds import duplicates as duplicates_module
from hear_cacophony.sounds import feature_update
from hear_cacophony.sounds.duplicates import find_duplicates
from hear_cacophony.sounds.excerpts import excerpt_times
from hear_cacophony.sounds.find import Sound
from hear_cacophony.sounds.labelled import Labelled
from hear_cacophony.sounds.matches import Matches
from hear_tasks.cli import main

pytestmark = [pytest.mark.filterwarnings("ignore:.*are untrained"), pytest.mark.usefixtures("own_cache")]


@pytest.fixture
def tones():
    return write_tones(pathlib.Path("sounds"), 5)


def rows_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_pipes_and_links_to_nothing_are_told_and_hold_nothing_up(tones, text_model, capsys):
    os.mkfifo("sounds/pipe.wav")
    for name, target in (("gone.wav", "elsewhere.wav"), ("session", "/mnt/unplugged"), ("loop", "loop")):
        pathlib.Path("sounds", name).symlink_to(target)
    assert main(["features", "sounds/", "sounds/../sounds", "--out", "f.npz", *text_model[:2]]) == 1
    assert len(np.load("f.npz")["files"]) == 5
    told = capsys.readouterr().err
    assert "sounds/pipe.wav: expected an audio file, got a pipe or a device" in told
    assert "sounds/session: a link to /mnt/unplugged, where nothing is" in told
    assert "4 files could not be read" in told


# classify


def test_labels_for_themselves_are_scored_by_similarity(tones, text_model, capsys):
    command = ["classify", "sounds", "--labels", "dog,rain,speech", "--multi", *text_model]
    assert main([*command, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)["files"]
    model = hear_cacophony.load_audio_text_model(text_model[1])
    texts = model.embed_labels(["dog", "rain", "speech"])
    expected = model.similarities(model.embed_audio([read_audio(name) for name in tones]), texts)
    for name, row in zip(tones, expected, strict=True):
        found = {each["label"]: each["similarity"] for each in answer[name]}
        assert [found[label] for label in ("dog", "rain", "speech")] == pytest.approx(row.tolist(), abs=1e-5)
        assert list(found.values()) == sorted(found.values(), reverse=True)
    below, above = np.sort(expected, axis=None)[6:8]  # a similarity itself would be on either side, by its last digit
    threshold = float(below + above) / 2
    assert above - below > 1e-5
    assert main([*command, "--csv", "--threshold", str(threshold), "--top", "9"]) == 0
    rows = rows_of(capsys.readouterr().out)
    assert rows[0] == ["file", "rank", "label", "similarity"]
    assert sum(bool(row[2]) for row in rows[1:]) == (expected >= threshold).sum() > 0
    assert {row[0] for row in rows[1:]} == set(tones), "a file without a label has a row"
    assert main([*command, "--threshold", "1"]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [[name, "-"] for name in tones]
    assert main(["classify", "sounds", "--labels", "dog", "--multi", "--sort", "dog", *text_model]) == 0
    order = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert order == [tones[i] for i in np.argsort(-expected[:, 0], kind="stable")]


def test_the_best_labels_and_one_in_any_case():
    labelled = Labelled(["a", "b"], ["x", "y", "z"], np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]]), False)
    assert labelled.best(1, None) == [[(1, "x", 0.5)], [(1, "z", 0.7)]]
    assert labelled.best(None, 0.25) == [[(1, "x", 0.5), (2, "y", 0.3)], [(1, "z", 0.7)]]
    assert labelled.best(1, 0.6, "y") == [[(2, "y", 0.3)], [(1, "z", 0.7), (2, "y", 0.2)]]
    assert labelled.sorted_by("z").names == ["b", "a"]


def test_excerpts_cover_a_sound():
    assert excerpt_times(16_000 * 10, 5) == [(0, 5), (5, 10)]
    assert excerpt_times(16_000 * 12, 5) == [(0, 5), (5, 12)]
    assert excerpt_times(16_000 * 13, 5) == [(0, 5), (5, 10), (10, 13)]
    assert excerpt_times(16_000, 5) == [(0, 1)]
    assert excerpt_times(1, 5) == [(0, 1 / 16_000)]


def test_scores_along_time_are_those_of_the_excerpts(text_model, monkeypatch, capsys):
    write_tones(pathlib.Path("sounds"), 1, seconds=2.3)
    write_tones(pathlib.Path("sounds"), 1, first=1, seconds=0.4)
    command = ["classify", "sounds", "--labels", "dog,rain", "--along", "1", *text_model]
    assert main([*command, "--csv"]) == 0
    rows = rows_of(capsys.readouterr().out)
    assert rows[0] == ["file", "start", "end", "dog", "rain"]
    assert [row[:3] for row in rows[1:]] == [
        ["sounds/000.wav", "0.000", "1.000"],
        ["sounds/000.wav", "1.000", "2.300"],
        ["sounds/001.wav", "0.000", "0.400"],
    ]
    clip = read_audio("sounds/000.wav")
    model = hear_cacophony.load_audio_text_model(text_model[1])
    expected = model.classify([clip[:16_000], clip[16_000:]], ["dog", "rain"]).probabilities
    assert np.array([row[3:] for row in rows[1:3]], float) == pytest.approx(expected, abs=1e-5)
    assert main([*command, "--json", "--plot", "along.png"]) == 0
    listed = json.loads(capsys.readouterr().out)["files"]["sounds/000.wav"]
    assert [each["end"] for each in listed] == [1, 2.3]
    assert listed[1]["scores"]["rain"] == pytest.approx(expected[1, 1], abs=1e-5)
    assert pathlib.Path("along.png").read_bytes().startswith(b"\x89PNG")
    assert main(command) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:3] == ["sounds/000.wav", "0:01", "0:02"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--threshold", "1.5"], "--threshold: expected a probability, from 0 to 1, got 1.5"),
        (["--multi", "--threshold", "-2"], "--threshold: expected a cosine similarity, from -1 to 1, got -2"),
        (["--threshold", "nan"], "--threshold: expected a probability"),
        (["--sort", "cat"], "--sort: expected one of the labels, dog, rain, got 'cat'"),
        (["--along", "0"], "--along: expected 0.2 seconds or more"),
        (["--along", "nan"], "--along: expected 0.2 seconds or more"),
        (["--along", "inf"], "--along: expected 0.2 seconds or more, got inf"),
        (["--along", "--sort", "dog"], "--sort does not go with --along"),
        (["--plot", "a.png"], "--plot goes with --along"),
        (["--along", "--plot", "a.txt"], "ends in one of .png, .pdf, .svg"),
        (["--along", "--plot", "there.png"], "there.png exists"),
        (["--along", "--plot", "none/a.png"], "none: no such folder for the picture"),
        (["--errors", "there.png"], "--errors there.png: exists, and is no earlier list of errors"),
        (["--errors", "none/e.csv"], "--errors none/e.csv: no folder none"),
    ],
)
def test_impossible_options_of_classify_are_told_before_any_work(arguments, message, tones, text_model, capsys):
    pathlib.Path("there.png").write_text("something else")
    assert main(["classify", "sounds", "--labels", "dog,rain", *arguments, *text_model]) == 1
    assert message in capsys.readouterr().err
    assert not pathlib.Path("cache/hear_cacophony/embeddings").exists()
    assert pathlib.Path("there.png").read_text() == "something else"


def test_what_could_not_be_read_is_listed_in_a_file(tones, text_model, capsys):
    pathlib.Path("sounds/bad,\n.wav").write_text("no audio")
    for command in (
        ["classify", "sounds", "--labels", "dog,rain", *text_model],
        ["search", "dog", "sounds", *text_model],
        ["caption", "sounds", "--max-tokens", "4", *text_model],
        ["features", "sounds", "--out", "f.npz", *text_model],
    ):
        assert main([*command, "--errors", "errors.csv"]) == 1
        rows = rows_of(pathlib.Path("errors.csv").read_text())
        assert rows[0] == ["file", "fault"]
        assert [row[0] for row in rows[1:]] == ["sounds/bad,\n.wav"]
        assert "expected an audio file" in rows[1][1]
    pathlib.Path("sounds/bad,\n.wav").unlink()
    assert main(["search", "dog", "sounds", "--errors", "errors.csv", *text_model]) == 0
    assert pathlib.Path("errors.csv").read_text() == "file,fault\n"


# search


def test_many_queries_come_from_a_file(tones, text_model, capsys):
    pathlib.Path("q.txt").write_text("dog barks\n\nrain\n")
    command = ["search", "sounds", "--queries", "q.txt", "--top", "2", *text_model]
    assert main([*command, "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["queries"]
    assert [each["query"] for each in listed] == ["dog barks", "rain"]
    for each in listed:
        assert main(["search", each["query"], "sounds", "--top", "2", "--json", *text_model]) == 0
        assert json.loads(capsys.readouterr().out)["matches"] == each["matches"]
    assert main([*command, "--csv"]) == 0
    rows = rows_of(capsys.readouterr().out)
    assert rows[0] == ["query", "rank", "file", "similarity"]
    assert [row[:3] for row in rows[1:]] == [
        [each["query"], str(rank), match["file"]] for each in listed for rank, match in enumerate(each["matches"], 1)
    ]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [lines[0], lines[3], lines[4]] == ["dog barks", "", "rain"]


def test_duplicates_are_equal_files_and_near_ones(tones, text_model, capsys):
    shutil.copy(tones[1], "sounds/copy.wav")
    samples, _ = soundfile.read(tones[3])
    soundfile.write("sounds/zz.flac", samples, 16_000)
    command = ["search", "sounds", "--duplicates", "0.99999", *text_model]
    assert main([*command, "--json"]) == 0
    groups = json.loads(capsys.readouterr().out)["groups"]
    assert [[(each["file"], each["same_content"]) for each in group] for group in groups] == [
        [(tones[1], True), ("sounds/copy.wav", True)],
        [(tones[3], True), ("sounds/zz.flac", False)],
    ]
    assert main([*command, "--csv"]) == 0
    rows = rows_of(capsys.readouterr().out)
    assert rows[0] == ["group", "file", "similarity", "same content"]
    assert [row[:2] for row in rows[1:]] == [
        [str(number), each["file"]] for number, group in enumerate(groups, 1) for each in group
    ]
    assert main(command) == 0
    assert f" 1.0000  same file  {tones[1]}" in capsys.readouterr().out.splitlines()


def matches(embeddings: list, digests: str) -> Matches:
    rows = np.array(embeddings, np.float32).reshape(len(digests), 2 if digests else 0)
    return Matches(tuple(Sound(f"s{i}", None) for i in range(len(digests))), rows, tuple(digests), {})


@pytest.mark.parametrize("block", [1, 2, 1024])
def test_groups_of_duplicates_are_whole(block, monkeypatch):
    monkeypatch.setattr(duplicates_module, "_BLOCK", block)
    angles = np.array([0.0, 2.0, 0.1, 4.0, 0.2, 2.05])
    found = matches(np.stack([np.cos(angles), np.sin(angles)], axis=1).tolist(), "abcdef")
    groups = find_duplicates(found, float(np.cos(0.11)))
    assert [[each.sound.name for each in group] for group in groups] == [["s0", "s2", "s4"], ["s1", "s5"]]
    assert groups[0][2].similarity == pytest.approx(np.cos(0.2), abs=1e-6)
    assert find_duplicates(matches([1.0, 0.0], "a"), 0.5) == []
    assert find_duplicates(matches([], ""), 0.5) == []
    [same] = find_duplicates(matches([[0.6, 0.8]] * 4, "aabc"), 1.001)
    assert [(each.sound.name, each.same_content) for each in same] == [("s0", True), ("s1", True)]
    [all_equal] = find_duplicates(matches([[0.6, 0.8]] * 4, "abcd"), 0.999)
    assert len(all_equal) == 4
    [rounded] = find_duplicates(matches([[0.6, 0.7999995]] * 2, "ab"), 1.0)
    assert len(rounded) == 2


# features --update


@pytest.mark.parametrize(
    ("suffix", "along"),
    [("npz", []), ("safetensors", []), pytest.param("npz", ["--timestamps"], marks=pytest.mark.repeats)],
)
def test_an_update_adds_what_is_new_and_replaces_what_has_changed(suffix, along, tones, capsys):
    file, command = f"f.{suffix}", ["features", "sounds", "--model", "random-tiny", *along]
    assert main([*command, "--out", file]) == 0
    before = pathlib.Path(file).read_bytes()
    assert main([*command, "--update", file]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{file}: 0 new, 0 changed, 0 gone, 5 as before"
    assert pathlib.Path(file).read_bytes() == before
    write_tones(pathlib.Path("sounds"), 2, first=5, seconds=0.7)
    shutil.copy("sounds/005.wav", tones[1])
    pathlib.Path(tones[2]).unlink()
    assert main([*command, "--update", file]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1] == f"{file}: 2 new, 1 changed, 1 gone, 3 as before"
    assert f"features: {tones[1]}: has changed, and is replaced" in printed.err
    assert f"features: {tones[2]}: is gone; what {file} has of it stays" in printed.err
    shutil.copy("sounds/006.wav", tones[2])
    assert main([*command, "--update", file]) == 0
    assert main([*command, "--out", f"anew.{suffix}"]) == 0
    assert contents(file).keys() == contents(f"anew.{suffix}").keys() == {*tones, "sounds/005.wav", "sounds/006.wav"}
    for name, rows in contents(f"anew.{suffix}").items():
        np.testing.assert_allclose(contents(file)[name], rows, atol=1e-5)


def test_an_update_knows_the_files_under_any_spelling(tones, capsys):
    command = ["features", "--model", "random-tiny"]
    assert main([*command, "sounds", "--out", "f.npz"]) == 0
    pathlib.Path("link").symlink_to("sounds")
    shutil.copy(tones[0], tones[1])
    for folder, counts in (
        ("./sounds/", "0 new, 1 changed"),
        (os.path.abspath("sounds"), "0 new, 0 changed"),
        ("link", "0 new, 0 changed"),
    ):
        assert main([*command, folder, "--update", "f.npz"]) == 0
        assert counts in capsys.readouterr().out
    assert list(contents("f.npz")) == tones


def test_an_update_keeps_the_row_of_a_sound_that_became_a_link_to_another(tones, capsys):
    command = ["features", "sounds", "--model", "random-tiny"]
    assert main([*command, "--out", "f.npz"]) == 0
    before = contents("f.npz")
    pathlib.Path(tones[0]).unlink()
    pathlib.Path(tones[0]).symlink_to(pathlib.Path(tones[3]).name)
    write_tones(pathlib.Path("sounds"), 1, first=5)
    assert main([*command, "--update", "f.npz"]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1] == "f.npz: 1 new, 0 changed, 1 gone, 4 as before"
    assert f"features: {tones[0]}: leads to another sound of them now; what f.npz has of it stays" in printed.err
    after = contents("f.npz")
    assert list(after) == [*tones, "sounds/005.wav"]
    for name, rows in before.items():
        np.testing.assert_array_equal(after[name], rows)


def test_an_update_tells_what_cannot_be_read_any_more_and_keeps_its_row(tones, capsys):
    command = ["features", "sounds", "--model", "random-tiny"]
    assert main([*command, "--out", "f.npz"]) == 0
    pathlib.Path("link.npz").symlink_to("f.npz")
    before = contents("f.npz")
    pathlib.Path(tones[0]).write_text("no audio")
    write_tones(pathlib.Path("sounds"), 1, first=5)
    assert main([*command, "--update", "link.npz"]) == 1
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1] == "link.npz: 1 new, 0 changed, 0 gone, 1 unreadable, 4 as before"
    assert f"features: {tones[0]}: cannot be read any more; what link.npz has of it stays" in printed.err
    assert pathlib.Path("link.npz").is_symlink()
    assert list(contents("f.npz")) == [*before, "sounds/005.wav"]


def test_what_another_process_has_written_meanwhile_is_not_overwritten(tones, monkeypatch, capsys):
    command = ["features", "sounds", "--model", "random-tiny"]
    assert main([*command, "--out", "f.npz"]) == 0
    write_tones(pathlib.Path("sounds"), 1, first=5)
    shutil.copy("f.npz", "other.npz")
    written = pathlib.Path("f.npz").read_bytes()
    real = feature_update.Updated

    def update_at_once(*given):
        pathlib.Path("other.npz").replace("f.npz")
        return real(*given)

    monkeypatch.setattr(feature_update, "Updated", update_at_once)
    assert main([*command, "--update", "f.npz"]) == 1
    assert "f.npz: was changed by another process meanwhile; run the same command again" in capsys.readouterr().err
    assert pathlib.Path("f.npz").read_bytes() == written


def test_of_two_updates_that_write_at_once_one_is_told(tones, capsys):
    command = ["features", "sounds", "--model", "random-tiny", "--timestamps"]
    assert main([*command, "--out", "f.npz"]) == 0
    write_tones(pathlib.Path("sounds"), 1, first=5)
    written = pathlib.Path("f.npz").read_bytes()
    with locked_file(pathlib.Path("f.npz"), print):
        assert main([*command, "--update", "f.npz"]) == 1
    assert "f.npz: another process works on it" in capsys.readouterr().err
    assert pathlib.Path("f.npz").read_bytes() == written
    assert main([*command, "--update", "f.npz"]) == 0
    assert len(contents("f.npz")) == 6


def test_an_update_from_another_folder_tells_that_sounds_are_the_same(tones, monkeypatch, capsys):
    command = ["features", "--model", "random-tiny"]
    assert main([*command, "sounds", "--out", "f.npz"]) == 0
    pathlib.Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert main([*command, "../sounds", "--update", "../f.npz"]) == 0
    told = (
        f"{tones[0]}: is gone; what ../f.npz has of it stays, as well as ../{tones[0]}, which is new and the same sound"
    )
    assert f"{told}; is this the folder that ../f.npz was made in?" in capsys.readouterr().err


def contents(file: str) -> dict[str, np.ndarray]:
    """The embeddings in a file of features, by audio file."""
    from hear_cacophony.sounds.feature_update import _read_npz, _read_safetensors

    read = _read_npz if file.endswith("npz") else _read_safetensors
    names, _, _, arrays = read(pathlib.Path(file))
    ends = np.cumsum(arrays.get("lengths", np.ones(len(names), int)))[:-1]
    return dict(zip(names, np.split(arrays["embeddings"], ends), strict=True))


def test_an_update_of_parquet(tones):
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra 'parquet' is not installed")
    command = ["features", "sounds", "--model", "random-tiny", "--timestamps"]
    assert main([*command, "--out", "f.parquet"]) == 0
    write_tones(pathlib.Path("sounds"), 1, first=5)
    assert main([*command, "--update", "f.parquet"]) == 0
    assert main([*command, "--out", "anew.parquet"]) == 0
    updated, anew = (parquet.read_table(file) for file in ("f.parquet", "anew.parquet"))
    assert updated["file"].to_pylist() == anew["file"].to_pylist()
    assert updated["timestamp_ms"].to_pylist() == anew["timestamp_ms"].to_pylist()
    embeddings = [np.stack(table["embedding"].to_numpy()) for table in (updated, anew)]
    np.testing.assert_allclose(*embeddings, atol=1e-5)


def test_rows_that_another_program_has_moved_or_taken_out_are_told(tones, capsys):
    parquet = pytest.importorskip("pyarrow.parquet")
    command = ["features", "sounds", "--model", "random-tiny"]
    assert main([*command, "--out", "f.parquet"]) == main([*command, "--out", "f.npz"]) == 0
    table = parquet.read_table("f.parquet")
    for name, other in (("sorted", table.sort_by([("file", "descending")])), ("cut", table.slice(1))):
        parquet.write_table(other, f"{name}.parquet")
        capsys.readouterr()
        assert main([*command, "--update", f"{name}.parquet"]) == 1
        assert "the column file has other rows than its metadata tell; were rows taken out, " in capsys.readouterr().err
    with np.load("f.npz") as features:
        kept = dict(features)
    for name, told in (("embeddings", "4 embeddings"), ("digests", "4 digests")):
        np.savez("cut.npz", **{**kept, name: kept[name][1:]})
        assert main([*command, "--update", "cut.npz"]) == 1
        assert f"cut.npz: expected 5 rows of 5 files, found {told}; were rows" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--update", "f.npz", "--errors", "f.npz"], "--errors f.npz: exists, and is no earlier list of errors"),
        (["--out", "g.npz", "--errors", "g.npz"], "--errors g.npz: expected another file than that of the features"),
        (["--update", "none.npz"], "none.npz: no such file of features to add to"),
        (["--update", "f.npz", "--timestamps"], "holds features of another kind (kind 'scene' there, 'timestamp' now)"),
        (["--update", "f.npz", "--window", "10"], "holds features of another kind (options {} there"),
        (["--update", "bad.npz"], "bad.npz: expected a file of `features`, could not read it"),
        (["--update", "f.npz", "--out", "g.npz"], "expected one of --out F, to write a file, and --update F"),
        ([], "expected one of --out F, to write a file, and --update F"),
        (["--update", "old.npz"], "does not tell the contents of its files"),
    ],
)
def test_impossible_updates_leave_the_file(arguments, message, tones, capsys):
    assert main(["features", tones[0], "--model", "random-tiny", "--out", "f.npz"]) == 0
    pathlib.Path("bad.npz").write_bytes(b"something else")
    with np.load("f.npz") as features:
        np.savez("old.npz", **{name: features[name] for name in features.files if name != "digests"})
    before = {file: pathlib.Path(file).read_bytes() for file in ("f.npz", "bad.npz", "old.npz")}
    assert main(["features", "sounds", "--model", "random-tiny", *arguments]) == 1
    assert message in capsys.readouterr().err
    assert {file: pathlib.Path(file).read_bytes() for file in before} == before
