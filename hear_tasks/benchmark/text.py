"""The text side: embeddings of texts beside the device's matrix products, and captions in batches and with caches."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from hear_cacophony.checkpoint import CheckpointError
from hear_cacophony.engine.audio_text import AudioTextModel
from hear_cacophony.engine.generation import START_TOKEN, Generation
from hear_cacophony.engine.load_audio_text import load_audio_text_model
from hear_cacophony.frontend.spectrogram import SAMPLE_RATE
from hear_cacophony.model.stages import TextConfig
from hear_tasks.benchmark.config import Config, no_word_of_untrained, tell
from hear_tasks.benchmark.encoder import Products, noise, product_flops
from hear_tasks.benchmark.timing import count_compilations, interleave

TEXT_TOKENS = 16
BATCHED_CLIPS = 8
PROMPTS = 1_000
PROMPT_TOKENS = (7, 15)
"""Fewest and most tokens of the prompts with the class names of the data sets, both marks included."""

RECOMPUTED_BUCKET = 16
"""Tokens to a multiple of which texts are padded where they are decoded anew for each token."""


def measure_text(config: Config) -> dict[str, Any]:
    """Rates of text embeddings and captions."""
    try:
        with no_word_of_untrained():
            model = load_audio_text_model(config.files[0], precision=config.precision)
    except CheckpointError as error:
        return {"skipped": str(error)}
    return {
        "embeddings": _measure_embeddings(config, model),
        "prompts": _measure_prompts(model),
        "captions": _measure_captions(config, model),
        "caches": _measure_caches(config, model),
    }


def text_flops(config: TextConfig, tokens: int) -> int:
    """Operations of the products in the text encoder and its pooler for one text; padding counts like the rest.

    Counted as those of the audio encoders; attention is counted whole, though half of it is masked.
    """
    hidden, mlp = config.hidden_size, config.mlp_size
    attention = product_flops(tokens, 4 * hidden, hidden) + 2 * product_flops(tokens, tokens, hidden)
    layer = attention + 2 * product_flops(tokens, mlp, hidden)
    pooler = product_flops(tokens, hidden, hidden) + 2 * product_flops(1, hidden, hidden)
    return config.num_layers * layer + pooler


def _texts(config: TextConfig, lengths: np.ndarray) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.integers(3, config.vocabulary_size, length).astype(np.int32) for length in lengths]


def _measure_embeddings(config: Config, model: AudioTextModel) -> dict[str, Any]:
    """One batch of texts beside the matrix products, and beside a plain loop of single texts."""
    count = config.scale.texts
    tell(f"{count} texts of {TEXT_TOKENS} tokens")
    texts = _texts(model.text_config, np.full(count, TEXT_TOKENS))
    products = Products(model.audio.config, model.audio.devices, config.precision, config.scale.product_seconds)
    actions: dict[str, Callable[[], Any]] = {
        "products": products,
        "batch": lambda: model.embed_tokens(texts),
        "loop": lambda: [model.embed_tokens([text]) for text in texts],
    }
    # The loop first: a model that has seen a batch fills single texts up to it.
    for name in ("loop", "batch"):
        actions[name]()
    times = interleave(actions, config.scale.rounds)
    rate = count * text_flops(model.text_config, TEXT_TOKENS) / times["batch"]
    matrix_rate = products.flops / times["products"]
    return {
        "texts": count,
        "tokens": TEXT_TOKENS,
        "matrix_gflops": matrix_rate / 1e9,
        "encoder_gflops": rate / 1e9,
        "fraction_of_matrix_rate": rate / matrix_rate,
        "texts_per_second": count / times["batch"],
        "texts_per_second_one_by_one": count / times["loop"],
        "speed_beside_one_by_one": times["loop"] / times["batch"],
    }


def _measure_prompts(model: AudioTextModel) -> dict[str, Any]:
    """Functions that are compiled for prompts of many lengths, by a model that has seen none."""
    fresh = model.with_options(model.audio.options)
    low, high = PROMPT_TOKENS
    lengths = np.random.default_rng(0).integers(low, high + 1, PROMPTS)
    with count_compilations() as counter:
        fresh.embed_tokens(_texts(model.text_config, lengths))
    return {"prompts": PROMPTS, "tokens": [low, high], "compilations": counter.count}


def _measure_captions(config: Config, model: AudioTextModel) -> dict[str, Any]:
    """Captions of clips one at a time and in a batch: the whole way, the encoding, and the writing.

    The encoding of a clip costs about as much in any batch, which bounds what a batch may win even if it wrote all of
    its captions in the time of one.
    """
    tokens, seconds = config.scale.caption_tokens, config.scale.caption_seconds
    tell(f"captions of {tokens} tokens, clips of {seconds} s")
    audio = list(noise(BATCHED_CLIPS * seconds * SAMPLE_RATE).reshape(BATCHED_CLIPS, -1).astype(np.float32) / 32_768)
    one, batch = model.with_options(model.audio.options), model.with_options(model.audio.options)
    options: dict[str, Any] = {"max_tokens": tokens, "end_token": -1}  # that never comes: all are of one length
    encoded = model._patch_encoder.encode(audio)
    actions: dict[str, Callable[[], Any]] = {
        "batch": lambda: batch.caption_tokens(audio, **options),
        "one": lambda: one.caption_tokens(audio[:1], **options),
        "batch written": lambda: _write(batch, encoded, Generation(**options)),
        "one written": lambda: _write(one, encoded[:1], Generation(**options)),
        "batch encoded": lambda: batch._patch_encoder.encode(audio),
        "one encoded": lambda: one._patch_encoder.encode(audio[:1]),
    }
    for action in actions.values():
        action()
    times = interleave(actions, config.scale.rounds)
    encoding, writing = times["one encoded"], times["one written"]
    return {
        "clips": BATCHED_CLIPS,
        "clip_seconds": seconds,
        "tokens": tokens,
        "captions_per_second": BATCHED_CLIPS / times["batch"],
        "captions_per_second_one_by_one": 1 / times["one"],
        "speed_beside_one_by_one": BATCHED_CLIPS * times["one"] / times["batch"],
        "encoding_speed_beside_one_by_one": BATCHED_CLIPS * encoding / times["batch encoded"],
        "writing_speed_beside_one_by_one": BATCHED_CLIPS * writing / times["batch written"],
        "encoding_beside_writing": encoding / writing,
        "most_beside_one_by_one": BATCHED_CLIPS * (encoding + writing) / (BATCHED_CLIPS * encoding + writing),
        "milliseconds_per_token": 1e3 * times["batch written"] / (tokens - 1),
    }


def _measure_caches(config: Config, model: AudioTextModel) -> dict[str, Any]:
    """Captions with caches, and such for which all tokens so far go through both towers for each new one.

    With caches, one caption alone waits for the memory, which all weights come from for each of its tokens; a batch
    reads them once for all of its captions.
    """
    tokens, seconds = config.scale.cached_tokens, config.scale.caption_seconds
    tell(f"captions of {tokens} tokens with caches and without")
    (encoded,) = model._patch_encoder.encode([noise(seconds * SAMPLE_RATE).astype(np.float32) / 32_768])
    generation = Generation(max_tokens=tokens, end_token=-1)
    speeds = {}
    for clips in (1, BATCHED_CLIPS):
        cached, batch = model.with_options(model.audio.options), [encoded] * clips
        actions: dict[str, Callable[[], Any]] = {
            "cached": functools.partial(_write, cached, batch, generation),
            "recomputed": functools.partial(_recompute, model, batch, tokens),
        }
        actions["cached"]()
        for length in range(RECOMPUTED_BUCKET, tokens + RECOMPUTED_BUCKET, RECOMPUTED_BUCKET):
            model._captioner.logits(batch, [[START_TOKEN] * length] * clips)
        times = interleave(actions, 1)
        speeds[clips] = times["recomputed"] / times["cached"]
    return {
        "tokens": tokens,
        "clips": BATCHED_CLIPS,
        "speed_beside_recomputing": speeds[BATCHED_CLIPS],
        "speed_beside_recomputing_of_one": speeds[1],
    }


def _write(model: AudioTextModel, encoded: list[np.ndarray], generation: Generation) -> np.ndarray:
    """Captions of encoded clips of one length."""
    (batch,) = model._captioner.batches([len(clip) for clip in encoded], generation)
    return model._captioner.write(encoded, np.zeros((len(encoded), 2), np.uint32), batch, generation)


def _recompute(model: AudioTextModel, encoded: list[np.ndarray], tokens: int) -> np.ndarray:
    """Greedy captions without caches."""
    ids = np.full((len(encoded), 1), START_TOKEN, np.int32)
    while (written := ids.shape[1]) < tokens:
        padded = np.pad(ids, ((0, 0), (0, -written % RECOMPUTED_BUCKET)), constant_values=START_TOKEN)
        logits = model._captioner.logits(encoded, padded.tolist())
        ids = np.column_stack([ids, logits[:, written - 1].argmax(axis=-1)])
    return ids


def describe_text(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Lines of the table."""
    texts, prompts, captions, caches = (result[name] for name in ("embeddings", "prompts", "captions", "caches"))
    return [
        (
            f"{texts['texts']} texts of {texts['tokens']} tokens",
            f"{texts['encoder_gflops']:,.0f} of {texts['matrix_gflops']:,.0f} GFLOP/s: "
            f"{texts['fraction_of_matrix_rate']:.1%}",
        ),
        (
            "",
            f"{texts['texts_per_second']:,.1f} texts a second; one by one {texts['texts_per_second_one_by_one']:,.1f}: "
            f"{texts['speed_beside_one_by_one']:.1f} times as fast",
        ),
        (f"{prompts['prompts']:,} prompts", f"{prompts['compilations']} functions compiled"),
        (
            f"captions of {captions['tokens']} tokens, {captions['clip_seconds']} s clips",
            f"{captions['captions_per_second']:.2f} a second by {captions['clips']}, one by one "
            f"{captions['captions_per_second_one_by_one']:.2f}: {captions['speed_beside_one_by_one']:.1f} times that",
        ),
        (
            "",
            f"encoding one clip takes {captions['encoding_beside_writing']:.2f} of writing its caption, and a batch "
            f"encodes {captions['encoding_speed_beside_one_by_one']:.2f} times as fast: at most "
            f"{captions['most_beside_one_by_one']:.1f} times",
        ),
        (
            "their writing alone",
            f"{captions['writing_speed_beside_one_by_one']:.1f} times as fast; "
            f"{captions['milliseconds_per_token']:.0f} ms for a token of each of {captions['clips']}",
        ),
        (
            "key/value caches",
            f"{caches['speed_beside_recomputing']:.1f} times as fast as recomputing {caches['clips']} captions of "
            f"{caches['tokens']} tokens, {caches['speed_beside_recomputing_of_one']:.1f} times one alone",
        ),
    ]
