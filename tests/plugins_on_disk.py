"""Small HEAR plugins for the tests, in torch and TensorFlow, some of which break the API in one way."""

from __future__ import annotations

import importlib
import pathlib

TORCH = '''
"""Means and loudness of pieces; timestamps whose number and spacing depend on the clip's length."""
import pathlib
import torch

class Model(torch.nn.Module):
    sample_rate, scene_embedding_size, timestamp_embedding_size = 16000, 6, 4

    def __init__(self, scale):
        super().__init__()
        self.scale = scale

def load_model(model_file_path="", scale=1.0):
    if model_file_path:
        scale *= float(pathlib.Path(model_file_path).read_text())
    return Model(scale)

def _pieces(audio, count, size):
    length = audio.shape[1] // count
    pieces = audio[:, :length * count].reshape(len(audio), count, length)
    statistics = [pieces.mean(2), pieces.std(2), pieces.abs().amax(2), pieces.diff(dim=2).abs().mean(2)]
    return torch.stack((statistics * 2)[:size], 2)

def get_scene_embeddings(audio, model):
    return model.scale * _pieces(audio, 1, 6)[:, 0]

def get_timestamp_embeddings(audio, model):
    seconds = audio.shape[1] / model.sample_rate
    count = max(1, int(seconds * 23))
    times = (torch.arange(count) + 0.5) * (1000 * seconds / count)
    return model.scale * _pieces(audio, count, 4), times.expand(len(audio), -1)
'''

TENSORFLOW = '''
"""Loudness of frames, at 44.1 kHz."""
import tensorflow as tf

class Model(tf.Module):
    sample_rate, scene_embedding_size, timestamp_embedding_size = 44100, 2, 3

    def __init__(self):
        super().__init__()
        self.weights = tf.Variable([[1.0, -2.0, 0.5]])

def load_model(model_file_path=""):
    return Model()

def get_scene_embeddings(audio, model):
    return tf.stack([tf.reduce_mean(tf.abs(audio), 1), tf.math.reduce_std(audio, 1)], 1)

def get_timestamp_embeddings(audio, model):
    hop = 2205
    frames = tf.signal.frame(audio, hop, hop)
    times = 25.0 + 50.0 * tf.range(frames.shape[1], dtype=tf.float32)
    loudness = tf.reduce_mean(frames**2, 2, keepdims=True)
    return loudness * model.weights[None], tf.repeat(times[None], len(audio), 0)
'''

FAULTS = {
    "number of clips": (
        "model.scale * _pieces(audio, 1, 6)[:, 0]",
        "model.scale * _pieces(audio, 1, 6)[:1, 0]",
        "expected shape (n_sounds, scene_embedding_size) = (6, 6), got (1, 6)",
    ),
    "size": (
        "model.scale * _pieces(audio, 1, 6)[:, 0]",
        "model.scale * _pieces(audio, 1, 5)[:, 0]",
        "= (6, 6), got (6, 5); is the size that the model states that of another layer?",
    ),
    "dimensions": (
        "model.scale * _pieces(audio, 1, 6)[:, 0]",
        "model.scale * _pieces(audio, 1, 6)",
        "(6, 6), got (6, 1, 6)",
    ),
    "float64": (
        "model.scale * _pieces(audio, 1, 6)[:, 0]",
        "_pieces(audio.double(), 1, 6)[:, 0]",
        "expected float32 embeddings, got float64",
    ),
    "no tensor": ("model.scale * _pieces(audio, 1, 6)[:, 0]", "None", "expected a tensor, got builtins.NoneType"),
    "NaN": (
        "model.scale * _pieces(audio, 1, 6)[:, 0]",
        "_pieces(audio, 1, 6)[:, 0] / 0",
        "expected finite embeddings, got NaN or infinity",
    ),
    "seconds": ("times.expand(len(audio), -1)", "times.expand(len(audio), -1) / 1000", "are they in seconds?"),
    "not increasing": (
        "times.expand(len(audio), -1)",
        "times.flip(0).expand(len(audio), -1)",
        "expected increasing timestamps, got",
    ),
    "beyond the clip": (
        "times.expand(len(audio), -1)",
        "2 * times.expand(len(audio), -1)",
        "expected timestamps inside the clip, of 4000 ms, got",
    ),
    "negative": (
        "times.expand(len(audio), -1)",
        "times.expand(len(audio), -1) - 500",
        "expected timestamps from 0 ms on, got",
    ),
    "number of timestamps": (
        "times.expand(len(audio), -1)",
        "times[1:].expand(len(audio), -1)",
        "a time for each embedding, got (2, 91)",
    ),
    "timestamps of one clip": (
        "times.expand(len(audio), -1)",
        "times",
        "= (2, 92), a time for each embedding, got (92,)",
    ),
    "embeddings alone": (
        "return model.scale * _pieces(audio, count, 4), times.expand(len(audio), -1)",
        "return model.scale * _pieces(audio, count, 4)",
        "expected embeddings and timestamps, got torch.Tensor",
    ),
    "every clip": (
        "def get_scene_embeddings(audio, model):",
        "def get_scene_embeddings(audio, model):\n    raise KeyError('weights')",
        "KeyError: 'weights'",
    ),
    "bfloat16": (
        "model.scale * _pieces(audio, 1, 6)[:, 0]",
        "_pieces(audio, 1, 6)[:, 0].bfloat16()",
        "expected a float32 array, got a tensor of torch.bfloat16",
    ),
    "bfloat16 timestamps": (
        "times.expand(len(audio), -1)",
        "times.expand(len(audio), -1).bfloat16()",
        "expected a float32 array, got a tensor of torch.bfloat16",
    ),
    "objects": (
        "model.scale * _pieces(audio, 1, 6)[:, 0]",
        "__import__('numpy').full((len(audio), 6), None)",
        "expected a float32 array, got numpy.ndarray of object",
    ),
    "masked": (
        "model.scale * _pieces(audio, 1, 6)[:, 0]",
        "__import__('numpy').ma.masked_less(_pieces(audio, 1, 6)[:, 0].numpy(), 0)",
        "expected a float32 array, got numpy.ma",
    ),
    "end": (
        "def get_scene_embeddings(audio, model):",
        "def get_scene_embeddings(audio, model):\n    raise SystemExit(0)",
        "it tried to end the program (SystemExit: 0)",
    ),
    "end at once": (
        "def get_timestamp_embeddings(audio, model):",
        "def get_timestamp_embeddings(audio, model):\n    import os; os._exit(0)",
        "it tried to end the program (SystemExit: os._exit(0))",
    ),
}
"""By its name, what of the torch plugin is replaced, by what, and what is told."""

LOAD = 'def load_model(model_file_path="", scale=1.0):'

UNUSABLE = {
    "no function": ("def get_scene_embeddings", "def scene_embeddings", "it has no get_scene_embeddings"),
    "no module": ("class Model(torch.nn.Module):", "class Model:", "a torch.nn.Module or a tensorflow.Module"),
    "no rate": (
        "sample_rate, scene_embedding_size",
        "rate, scene_embedding_size",
        "to have sample_rate, a positive int, found none",
    ),
    "no size": ("= 16000, 6, 4", "= 16000, 6.0, 4", "to have scene_embedding_size, a positive int, found 6.0"),
    "no file": ("    return Model(scale)", "    return open('nosuch')", "load_model failed: FileNotFoundError"),
    "no dependency": ("import torch", "import nosuch_library.part", "needs nosuch_library, which is not installed in"),
    "import ends": ("import torch", "import sys; sys.exit(0)", "cannot be imported: it tried to end the program"),
    "import ends at once": (
        "import torch",
        "import os; os._exit(0)",
        "to end the program (SystemExit: os._exit(0)",
    ),
    "load ends": (LOAD, f"{LOAD}\n    exit()", "load_model failed: it tried to end the program (SystemExit: None)"),
    "load is cancelled": (LOAD, f"{LOAD}\n    raise GeneratorExit('x')", "load_model failed: GeneratorExit: x"),
    "rate ends": (LOAD, f"{LOAD}\n    Model.sample_rate = property(exit)", "load_model failed: it tried to end"),
}
"""By its name, what of the torch plugin is replaced, by what, and what is told when it is loaded."""


def write_plugin(folder: pathlib.Path, code: str) -> str:
    """Write a plugin to a folder and give its name, which no other test has, as modules are imported once."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"plugin_{abs(hash((str(folder), code))):x}"
    (folder / f"{name}.py").write_text(code)
    importlib.invalidate_caches()
    return name
