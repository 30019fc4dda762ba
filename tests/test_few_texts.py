"""Texts without JAX, and texts that are kept."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from golden_cases import EXACT, FOLDER, relative_error

pytest.importorskip("tokenizers", reason="the extra 'text' is not installed")

from tokenizer_files import write_tokenizer
from tones_on_disk import write_text_model, write_tones

from hear_cacophony.checkpoint.checkpoint import CheckpointError, LazyParameters, TextSide
from hear_cacophony.checkpoint.load import load_checkpoint
from hear_cacophony.engine import few_texts
from hear_cacophony.engine.few_texts import FewTexts
from hear_cacophony.files.cache_folder import cache_folder
from hear_cacophony.model.stages import CACOPHONY
from hear_cacophony.sounds.kept_texts import KeptTexts
from hear_cacophony.text.tokenizer import load_tokenizer
from hear_tasks.cli import main


@pytest.fixture(scope="module")
def text_side(tiny_text_checkpoint):
    return load_checkpoint(tiny_text_checkpoint, CACOPHONY, with_text=True, with_audio=False).text


@pytest.fixture(scope="module")
def few(text_side):
    return FewTexts(CACOPHONY, text_side)


def test_embeddings_are_those_of_the_published_code(few):
    with np.load(FOLDER / "text/tiny.npz") as golden:
        cases = [key.removesuffix("/ids") for key in golden if key.startswith("text/") and key.endswith("/ids")]
        embedded = few.embed_tokens([golden[f"{case}/ids"] for case in cases])
        assert len(cases) == 8
        for ours, case in zip(embedded, cases, strict=True):
            assert relative_error(ours, golden[f"{case}/embedding"]) < EXACT, case
        assert few.logit_scale == golden["logit_scale"]


def test_an_embedding_is_the_same_whatever_texts_are_with_it(few):
    random = np.random.default_rng(0)
    texts = [[0, *random.integers(3, 512, length), 2] for length in (3, 4, 5, 6, 6, 6, 6, 6, 30, 98)]
    together = few.embed_tokens(texts)
    for text, embedding in zip(texts, together, strict=True):
        assert np.array_equal(few.embed_tokens([text])[0], embedding)


@pytest.mark.parametrize("form", [".ckpt", ".safetensors"])
def test_only_what_is_needed_is_read(tiny_text_checkpoint, tmp_path, capsys, form):
    file = tiny_text_checkpoint
    if form != ".ckpt":
        file = tmp_path / "Cacophony.safetensors"
        assert main(["convert", "--towers", "all", str(tiny_text_checkpoint), str(file)]) == 0
    text = load_checkpoint(file, CACOPHONY, with_text=True, with_audio=False).text
    words = "text_module/embeddings/word_embeddings/embedding"
    whole = text.parameters[words]
    assert np.array_equal(text.parameters.rows(words, 7, 9), whole[7:9])
    taken: dict[str, int] = {}

    def read(path: str, rows: slice | None) -> np.ndarray:
        array = text.parameters[path] if rows is None else text.parameters.rows(path, rows.start, rows.stop)
        taken[path] = taken.get(path, 0) + array.size
        return array

    FewTexts(CACOPHONY, TextSide(text.config, LazyParameters(text.parameters, read))).embed_tokens([[0, 7, 7, 2]])
    assert taken[words] == 3 * 64
    assert not any(path.startswith("decoder_module") for path in taken)


def test_parameters_that_are_not_finite_are_named(text_side):
    bad = "text_module/encoder/layer/ScanFlaxRobertaLayer_0/output/dense/kernel"

    def read(path: str, rows: slice | None) -> np.ndarray:
        raise CheckpointError(f"NaN in {path}")

    def read_all_but_one(path: str, rows: slice | None) -> np.ndarray:
        given = text_side.parameters
        return (
            read(path, rows)
            if path == bad
            else given[path]
            if rows is None
            else given.rows(path, rows.start, rows.stop)
        )

    side = TextSide(text_side.config, LazyParameters(text_side.parameters, read_all_but_one))
    with pytest.raises(CheckpointError, match=bad):
        FewTexts(CACOPHONY, side).embed_tokens([[0, 5, 2]])


def kept_texts(few, folder, name="a"):
    tokenizer = write_tokenizer(folder)
    return KeptTexts(few, lambda: load_tokenizer(tokenizer, size=512), {"model": name})


def test_no_text_is_embedded_twice(few, own_cache, tmp_path, monkeypatch):
    texts = kept_texts(few, tmp_path)
    first = texts.embed_texts(["dog", "rain"])
    added = kept_texts(few, tmp_path).embed_texts(["rain", "owl", "dog"])
    assert np.array_equal(added[[2, 0]], first)
    monkeypatch.setattr(few_texts, "_Layer", lambda *_: pytest.fail("embedded again"))
    again = kept_texts(few, tmp_path)
    assert np.array_equal(again.embed_texts(["owl", "dog"]), added[[1, 2]])
    with pytest.raises(pytest.fail.Exception):
        kept_texts(few, tmp_path, "another").embed_texts(["dog"])


def test_a_text_that_is_cut_is_told_each_time(few, own_cache, tmp_path):
    texts = kept_texts(few, tmp_path)
    for _ in range(2):
        with pytest.warns(UserWarning, match="1 of 2 texts cut at the limit of 100 tokens"):
            texts.embed_texts(["dog " * 200, f"rain {_}"])


@pytest.mark.parametrize("damage", [b"", b"no archive", None])
def test_a_damaged_cache_is_made_anew(few, own_cache, tmp_path, damage):
    first = kept_texts(few, tmp_path).embed_texts(["dog"])
    (file,) = cache_folder("texts").iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    assert np.array_equal(kept_texts(few, tmp_path).embed_texts(["dog"]), first)
    assert file.read_bytes() == whole


def test_where_the_cache_cannot_be_written_to_texts_are_embedded_each_time(few, own_cache, tmp_path):
    cache_folder().mkdir(parents=True)
    cache_folder("texts").write_text("a file where the folder should be")
    assert kept_texts(few, tmp_path).embed_texts(["dog"]).shape == (1, 64)


def test_new_labels_of_sounds_that_are_embedded_need_no_jax(own_cache):
    model = write_text_model(pathlib.Path("weights"))
    write_tones(pathlib.Path("sounds"), 3)
    assert main(["classify", "sounds", "--labels", "dog,rain", *model]) == 0
    code = "import sys; from hear_tasks.cli import main; status = main(sys.argv[1:]); assert status == 0; "
    code += "print([name for name in ('jax', 'flax') if name in sys.modules], file=sys.stderr)"
    for command in (
        ["classify", "sounds", "--labels", "owl,bee,dog", "--json", *model],
        ["search", "glass breaking", "sounds", *model],
    ):
        run = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=True)
        assert run.stderr == "[]\n"
        assert run.stdout


def test_labels_are_those_of_the_compiled_text_side(own_cache, capsys):
    model = write_text_model(pathlib.Path("weights"))
    write_tones(pathlib.Path("sounds"), 3)
    scores = []
    for compiled in ((), ("--devices", "0")):
        capsys.readouterr()
        assert main(["classify", "sounds", "--labels", "dog,rain", "--top", "2", "--json", *model, *compiled]) == 0
        files = json.loads(capsys.readouterr().out)["files"]
        scores.append(
            [[each["probability"] for each in sorted(best, key=lambda one: one["label"])] for best in files.values()]
        )
    assert np.abs(np.subtract(*scores)).max() < 1e-5
    assert np.std(scores[0]) > 0
