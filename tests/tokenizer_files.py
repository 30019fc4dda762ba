"""A small tokenizer of RoBERTa's form."""

from __future__ import annotations

import json
import pathlib

import tokenizers

WORDS = ["Ġdog", "Ġbarks", "Ġrain", "Ġfalls", "Ġis", "Ġsound", "Ġof", "Ġthis", "This", "dog", "rain"]


def write_tokenizer(folder: pathlib.Path, size: int = 512) -> pathlib.Path:
    """Write `vocab.json`, `merges.txt` and `tokenizer.json` of `size` entries to a folder; the folder.

    Beside marks and bytes the vocabulary has the beginnings of a few words, and fillers that occur in no text.
    """
    folder.mkdir(parents=True, exist_ok=True)
    merges = list(dict.fromkeys((word[:end], word[end]) for word in WORDS for end in range(1, len(word))))
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())]
    tokens += dict.fromkeys("".join(merge) for merge in merges)
    tokens += [f"filler{number}" for number in range(size - 1 - len(tokens))] + ["<mask>"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(merge) for merge in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    _whole(vocabulary, merges).save(str(folder / "tokenizer.json"))
    return folder


def _whole(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> tokenizers.Tokenizer:
    model = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, merges))
    model.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = tokenizers.decoders.ByteLevel()
    model.post_processor = tokenizers.processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    model.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", tokenizers.AddedToken("<mask>", lstrip=True)])
    model.enable_truncation(4)  # as files of fine-tuned models have it; texts must not be cut by it
    return model
