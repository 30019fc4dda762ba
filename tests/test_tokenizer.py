from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tokenizers
from tokenizer_files import write_tokenizer

from hear_cacophony.text.tokenizer import KNOWN_IDS, ROBERTA_SIZE, TokenizerError, load_tokenizer

ROBERTA = pathlib.Path(__file__).parent.parent.parent / "shared" / "golden" / "roberta"
needs_roberta = pytest.mark.skipif(not ROBERTA.is_dir(), reason="RoBERTa's own files are not here")


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> pathlib.Path:
    return write_tokenizer(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def small(files):
    return load_tokenizer(files, size=512)


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    """Nothing is found by itself but what a test puts there."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("HEAR_CACOPHONY_WEIGHTS", raising=False)


def test_texts_are_encoded_between_marks_without_a_leading_space(small):
    vocabulary = small.vocabulary()
    (first, empty) = small.encode(["dog barks", ""], limit=77)
    assert first == [0, vocabulary["dog"], vocabulary["Ġbarks"], 2]
    assert empty == [0, 2]
    assert small.size == 512


def test_both_forms_of_a_tokenizer_are_the_same(small, files):
    pair = load_tokenizer(files / "vocab.json", size=512)
    texts = ["This is a sound of dog", "café\t世界 🎉\n", "a  <mask>b", "<s>rain</s> ", " dog"]
    assert pair.encode(texts, 100) == small.encode(texts, 100)
    assert load_tokenizer(files / "merges.txt", size=512).encode(texts, 100) == small.encode(texts, 100)


@pytest.mark.parametrize("text", ["a dog, that barks.", "café 世界 🎉", "  two  spaces ", ""])
def test_decoding_gives_the_text_back(small, text):
    (ids,) = small.encode([text], 100)
    assert small.decode(ids) == text


def test_decoding_ends_at_the_first_end_mark_and_leaves_marks_out(small):
    vocabulary = small.vocabulary()
    ids = np.array([0, vocabulary["dog"], 1, vocabulary["Ġbarks"], 2, vocabulary["rain"], 0, 0])
    assert small.decode(ids) == "dog barks"


@pytest.mark.parametrize("wrong", [512, -1])
def test_decoding_refuses_ids_beyond_the_vocabulary(small, wrong):
    with pytest.raises(ValueError, match=f"expected 0 to 511, got {wrong}"):
        small.decode([0, wrong, 2])


def test_long_texts_are_cut_with_one_warning_that_names_them(small):
    long = "dog" + " dog" * 9999
    with pytest.warns(UserWarning, match="^2 of 3 texts cut at the limit of 6 tokens: ") as caught:
        short, cut, longer = small.encode(["dog", "dog" + " rain" * 5, long], limit=6)
    dog, later_dog, rain = (small.vocabulary()[token] for token in ("dog", "Ġdog", "Ġrain"))
    assert short == [0, dog, 2]
    assert cut == [0, dog, rain, rain, rain, 2]
    assert longer == [0, dog, later_dog, later_dog, later_dog, 2]
    (warning,) = caught
    assert "text 1 (8 tokens, 'dog rain rain rain rain rain')" in str(warning.message)
    assert "text 2 (10002 tokens, 'dog dog" in str(warning.message)
    assert warning.filename == __file__


def test_text_of_exactly_the_limit_is_not_cut(small):
    (ids,) = small.encode(["dog rain rain"], limit=5)
    assert len(ids) == 5


def test_warning_of_many_long_texts_stays_short(small):
    with pytest.warns(UserWarning, match=r"text 4 \(8 tokens, .*\), 15 more$"):
        small.encode(["dog rain rain rain rain rain"] * 20, limit=4)


def test_single_text_in_place_of_a_list(small):
    with pytest.raises(TypeError, match=r"expected a list of texts, got the text 'rain'; did you mean \[text\]\?"):
        small.encode("rain", 77)
    with pytest.raises(TypeError, match="text 1: expected a text, got NoneType"):
        small.encode(["rain", None], 77)


def test_half_a_character(small):
    with pytest.raises(ValueError, match=r"text 1: expected whole characters, got the half one '\\udcff' at 3, in 'd"):
        small.encode(["dog", "dog\udcff"], limit=5)


def test_limit_without_room(small):
    with pytest.raises(ValueError, match="expected at least 3 ids, <s>, a token and </s>; got 2"):
        small.encode(["rain"], 2)


# Where it is found


def test_order_of_places(files, tmp_path, monkeypatch):
    named, beside = tmp_path / "named", tmp_path / "beside"
    cache = write_tokenizer(tmp_path / "cache" / "hear_cacophony", size=512)
    checkpoint = beside / "model.ckpt"
    beside.mkdir()
    checkpoint.touch()
    assert load_tokenizer(beside=checkpoint, size=512).size == 512
    shutil.rmtree(cache)
    monkeypatch.setenv("HEAR_CACOPHONY_WEIGHTS", str(write_tokenizer(named, size=513)))
    assert load_tokenizer(beside=checkpoint, size=513).size == 513
    write_tokenizer(beside, size=514)
    assert load_tokenizer(beside=checkpoint, size=514).size == 514
    assert load_tokenizer(files, beside=checkpoint, size=512).size == 512


def test_vocabulary_and_merges_do_where_the_whole_is_absent(files, tmp_path):
    cache = tmp_path / "cache" / "hear_cacophony"
    cache.mkdir(parents=True)
    shutil.copy(files / "vocab.json", cache)
    with pytest.raises(FileNotFoundError):
        load_tokenizer(size=512)
    shutil.copy(files / "merges.txt", cache)
    assert load_tokenizer(size=512).size == 512


def test_name_of_untrained_weights_is_no_place_to_look(tmp_path, monkeypatch):
    monkeypatch.chdir(write_tokenizer(tmp_path / "here"))
    monkeypatch.setenv("HEAR_CACOPHONY_WEIGHTS", "random-tiny")
    with pytest.raises(FileNotFoundError, match=r"no tokenizer found in .*cache/hear_cacophony; expected"):
        load_tokenizer(beside="random-tiny", size=512)


def test_none_found_says_how_to_get_one(tmp_path):
    checkpoint = tmp_path / "model.ckpt"
    checkpoint.touch()
    with pytest.raises(FileNotFoundError) as error:
        load_tokenizer(beside=checkpoint)
    for part in (
        f"no tokenizer found in {tmp_path} or {tmp_path}/cache/hear_cacophony",
        "expected tokenizer.json, or vocab.json and merges.txt, of roberta-base",
        "hear-cacophony download --tokenizer-only",
        "https://huggingface.co/roberta-base",
    ):
        assert part in str(error.value)


@pytest.mark.parametrize("name", ["", "tokenizer.json", "vocab.json", "merges.txt"])
def test_named_place_without_one(name, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no tokenizer there; expected tokenizer\.json, or"):
        load_tokenizer(tmp_path / name)


# Tokenizers of other models


def test_vocabulary_of_another_size(files):
    with pytest.raises(
        TokenizerError, match=r"expected a vocabulary of 50,265 entries, .* found 512, with ids up to 511"
    ):
        load_tokenizer(files)


def test_right_size_but_other_ids(tmp_path):
    other = write_tokenizer(tmp_path / "other", size=ROBERTA_SIZE)
    with pytest.raises(TokenizerError, match="expected 'Hello world!' to be encoded as 0 31414 232 328 2, got 0 "):
        load_tokenizer(other)


def test_other_marks(files, tmp_path):
    vocabulary = json.loads((files / "vocab.json").read_text(encoding="utf-8"))
    vocabulary["<s>"], vocabulary["</s>"] = 2, 0
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    shutil.copy(files / "merges.txt", tmp_path)
    with pytest.raises(TokenizerError, match=r"expected the marks \{'<s>': 0.*found \{'<s>': 2"):
        load_tokenizer(tmp_path, size=512)


@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.json", "merges.txt"])
def test_damaged_file(name, files, tmp_path):
    folder = tmp_path / "damaged"
    shutil.copytree(files, folder)
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(
        whole[: len(whole) // 2] if name != "merges.txt" else b"#version: 0.2\nno merge of two\n"
    )
    with pytest.raises(TokenizerError, match=rf"{name}.*: expected a byte-level BPE tokenizer: .*; is it cut\?"):
        load_tokenizer(folder / name, size=512)


def test_library_is_named_where_it_is_absent(files):
    code = (
        "import sys; sys.modules['tokenizers'] = None\n"
        "from hear_cacophony.text.tokenizer import load_tokenizer\n"
        f"try: load_tokenizer({str(files)!r})\n"
        "except ModuleNotFoundError as error: print(error)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed == "texts need the tokenizers library: pip install 'hear_cacophony[text]'\n"


# RoBERTa's own


@needs_roberta
@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.json"])
def test_roberta_is_read_as_it_reads_itself(name):
    tokenizer = load_tokenizer(ROBERTA / name)
    itself = tokenizers.Tokenizer.from_file(str(ROBERTA / "tokenizer.json"))
    texts = [*KNOWN_IDS[ROBERTA_SIZE], "This is a sound of washing_machine", "café, 世界 <mask> x", "", " "]
    assert tokenizer.size == ROBERTA_SIZE
    assert tokenizer.encode(texts, 100) == [itself.encode(text).ids for text in texts]
    assert [tokenizer.decode(ids) for ids in tokenizer.encode(texts[:5], 100)] == texts[:5]


@needs_roberta
def test_roberta_encodes_the_golden_texts():
    golden = np.load(ROBERTA.parent / "text_base.npz")
    texts = json.loads(str(golden["text/strings"]))
    ids = [golden[key].tolist() for key in golden.files if key.startswith("text/t") and key.endswith("/ids")]
    assert len(texts) == 6
    assert load_tokenizer(ROBERTA).encode(texts, 100) == ids[: len(texts)]


@needs_roberta
def test_merges_of_another_model_are_noticed(tmp_path):
    shutil.copy(ROBERTA / "vocab.json", tmp_path)
    lines = (ROBERTA / "merges.txt").read_text(encoding="utf-8").splitlines()
    (tmp_path / "merges.txt").write_text("\n".join(lines[:20000]) + "\n", encoding="utf-8")
    with pytest.raises(TokenizerError, match="Hello world"):
        load_tokenizer(tmp_path)
