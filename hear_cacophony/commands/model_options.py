"""The arguments that name a model and say how it runs, alike in all commands that load one."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hear_cacophony.checkpoint.checkpoint import CheckpointSummary
    from hear_cacophony.engine.audio_text import AudioTextModel
    from hear_cacophony.engine.embedding import Embedder, EmbeddingModel
    from hear_cacophony.engine.text_model import TextModel
    from hear_cacophony.sounds.kept_texts import KeptTexts


def add_model_options(parser: argparse.ArgumentParser, *, hop: bool = False) -> None:
    """Add --model and the options of the engine."""
    parser.add_argument("--model", default="", metavar="FILE", help="as load_model takes it: a checkpoint, or random")
    add_engine_options(parser, hop=hop)


def add_engine_options(parser: argparse.ArgumentParser, *, hop: bool = False) -> None:
    """Add the options of the engine; --hop where there are timestamps."""
    engine = parser.add_argument_group("options of the engine")
    engine.add_argument("--protocol", choices=("hear", "published"), help="published pads as the published evaluation")
    if hop:
        engine.add_argument(
            "--hop", type=int, metavar="MS", help="between timestamp embeddings: 40 (default) or 160, 80, 20, 10"
        )
    add_window_options(engine)


def add_window_options(group: argparse._ActionsContainer) -> None:
    """Add --window, --overlap, --precision and --devices, which all commands share that read clips."""
    group.add_argument(
        "--window", type=float, metavar="SECONDS", help="longer clips are cut into windows (default: 30)"
    )
    group.add_argument(
        "--overlap", type=float, metavar="SECONDS", help="least overlap of neighbouring windows (default: 3.84)"
    )
    group.add_argument("--precision", choices=("float32", "bfloat16"), help="of matrix products (default: float32)")
    group.add_argument("--devices", metavar="I,J", help="indices of the devices to use (default: all)")


def engine_options(args: argparse.Namespace) -> dict[str, Any]:
    """The options that were given, as `load_model` takes them."""
    given = {"protocol": args.protocol, "timestamp_hop_ms": getattr(args, "hop", None)}
    return {name: value for name, value in given.items() if value is not None} | window_options(args)


def window_options(args: argparse.Namespace) -> dict[str, Any]:
    """Those of `add_window_options` that were given, but the devices, as `load_model` takes them."""
    given = {
        "window_seconds": args.window,
        "window_overlap_seconds": args.overlap,
        "precision": args.precision,
    }
    return {name: value for name, value in given.items() if value is not None}


def device_indices(text: str | None) -> list[int] | None:
    """The indices behind --devices; None for all devices.

    Raises:
        ValueError: something else than indices.
    """
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"--devices: expected indices such as 0,1, got {text!r}") from None


def add_tokenizer_option(parser: argparse.ArgumentParser) -> None:
    """Add --tokenizer."""
    parser.add_argument(
        "--tokenizer",
        metavar="PATH",
        help="tokenizer.json, or its folder (default: beside the checkpoint, then in the weights folder)",
    )


def summarize_text_model(args: argparse.Namespace, *, text: bool = True) -> CheckpointSummary:
    """What the following functions load; nothing is loaded.

    Args:
        args: the arguments.
        text: whether a text is going to be read: a tokenizer that is missing is told now.
    """
    from hear_cacophony.checkpoint.load import load_summary
    from hear_cacophony.model.stages import CACOPHONY

    if text:
        check_tokenizer(args.model, args.tokenizer)
    return load_summary(args.model, CACOPHONY, with_text=True)


def load_text_side(args: argparse.Namespace, summary: CheckpointSummary, texts: int) -> KeptTexts | TextModel:
    """The text side of the model that --model, --tokenizer and the options of the engine name.

    Args:
        args: the arguments.
        summary: what they name.
        texts: how many are going to be embedded: those of few are kept, and JAX is not needed, unless devices or
            bfloat16 are asked for.
    """
    from hear_cacophony.sounds.kept_texts import MOST_TEXTS

    if texts > MOST_TEXTS or args.devices is not None or args.precision == "bfloat16":
        from hear_cacophony.engine import load_audio_text

        devices = device_indices(args.devices)
        return load_audio_text.load_text_side(
            args.model, tokenizer=args.tokenizer, devices=devices, **engine_options(args)
        )
    return _open_kept_texts(args, summary)


def _open_kept_texts(args: argparse.Namespace, summary: CheckpointSummary) -> KeptTexts:
    from hear_cacophony.checkpoint.load import load_checkpoint
    from hear_cacophony.engine.few_texts import FewTexts
    from hear_cacophony.engine.options import parse_options
    from hear_cacophony.model.stages import CACOPHONY
    from hear_cacophony.sounds.kept_texts import KeptTexts
    from hear_cacophony.text.tokenizer import find_tokenizer, load_tokenizer, tokenizer_digests

    parse_options(engine_options(args))
    text = load_checkpoint(args.model, CACOPHONY, with_text=True, with_audio=False).text
    assert text is not None
    where = {"path": args.tokenizer, "beside": args.model or None}
    digests = list(tokenizer_digests(find_tokenizer(**where)).values())
    identity = {**identify_model(summary, {}), "tokenizer": digests}
    load = functools.partial(load_tokenizer, **where, size=text.config.vocabulary_size)
    return KeptTexts(FewTexts(CACOPHONY, text), load, identity)


def audio_side_loader(args: argparse.Namespace) -> Callable[[], EmbeddingModel]:
    """Loads its audio side when it is first called: where all sounds are embedded already, it never is."""
    devices, options = device_indices(args.devices), engine_options(args)

    def load() -> EmbeddingModel:
        from hear_cacophony.engine.load_audio_text import load_audio_side  # JAX comes with it

        return load_audio_side(args.model, devices=devices, **options)

    return functools.cache(load)


def load_text_model(args: argparse.Namespace) -> AudioTextModel:
    """Both sides of it, and what writes captions."""
    from hear_cacophony.engine.load_audio_text import load_audio_text_model

    check_tokenizer(args.model, args.tokenizer)
    return load_audio_text_model(
        args.model, tokenizer=args.tokenizer, devices=device_indices(args.devices), **engine_options(args)
    )


def check_tokenizer(model: str, tokenizer: str | None) -> None:
    """Raise FileNotFoundError, before the model is loaded, where its tokenizer is missing."""
    from hear_cacophony.checkpoint.load import load_summary
    from hear_cacophony.text.tokenizer import find_tokenizer

    try:
        find_tokenizer(tokenizer, beside=model or None)
    except FileNotFoundError:
        if load_summary(model).text_config is not None:  # loading it tells what is wrong otherwise
            raise


def identify_model(model: Embedder | CheckpointSummary, options: Mapping[str, Any]) -> dict[str, Any]:
    """What tells results of a model and its options from others, for JSON; "model" is marked where it is untrained."""
    return {
        "model": f"{model.source}{' (untrained)' if model.untrained else ''}",
        "md5": model.md5,
        "options": dict(options),
    }


def scene_identity(summary: CheckpointSummary, options: Mapping[str, Any]) -> dict[str, Any]:
    """What tells scene embeddings that are kept from others, for JSON."""
    return {"kind": "scene", "stage": summary.stage.name, **identify_model(summary, options)}


def tell_untrained(model: Embedder | CheckpointSummary, command: str) -> None:
    """Say on standard error that results are of untrained weights."""
    if model.untrained:
        print(f"{command}: {model.source}: untrained weights; results mean nothing", file=sys.stderr)
