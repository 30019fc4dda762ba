"""Loading and calling any HEAR plugin: NumPy arrays in and out, whatever its framework.

This file is also the script of a worker process in an environment of the plugin's own. So it imports nothing of this
package, and keeps to what Python 3.7 understands.

A message between the processes is the length of a head (8 bytes, little-endian), the head (JSON), and the bytes of
the arrays that the head lists with dtype and shape.
"""

import importlib
import json
import os
import struct
import sys

import numpy as np

SCENE, TIMESTAMPS = "scene", "timestamps"
_FUNCTIONS = ("load_model", "get_scene_embeddings", "get_timestamp_embeddings")
_MODEL_FACTS = ("sample_rate", "scene_embedding_size", "timestamp_embedding_size")


class PluginError(Exception):
    """A plugin that cannot be used, or that failed; the message says how."""


class PluginApiError(PluginError):
    """A plugin whose results are not what the HEAR API asks for, whatever the clips."""


class PluginMemoryError(PluginError, MemoryError):
    """A plugin for whose batch there is not enough memory."""


class Plugin:
    """A loaded plugin.

    Attributes:
        facts: sample_rate (Hz), scene_embedding_size, timestamp_embedding_size, framework ("torch" or "tf"), device
            ("cpu" or the name of a GPU), and version (of the installed distribution, "" if unknown).
    """

    def __init__(self, name, path, options):
        """Load a plugin.

        Args:
            name: its module, installed or in the current folder.
            path: for its `load_model`; without it the function is called with options alone.
            options: keyword arguments for its `load_model`, a dictionary.

        Raises:
            PluginError: it cannot be imported or loaded, or lacks something of the HEAR API.
        """
        self._module = _import(name)
        try:
            model = self._module.load_model(*([path] if path else []), **options)
        except Exception as error:
            raise PluginError(f"{name}.load_model failed: {_told(error)}") from error
        self._model = model
        self._framework = _framework(name, model)
        self._device = _device(self._framework, model)
        self.facts = {fact: _positive(name, model, fact) for fact in _MODEL_FACTS}
        self.facts.update(framework=self._framework, device=_device_name(self._framework), version=_version(name))

    def call(self, kind, audio):
        """The arrays that the plugin gives for clips of equal lengths.

        Args:
            kind: `SCENE` or `TIMESTAMPS`.
            audio: float32, shape (clips, samples).

        Returns:
            [embeddings], or [embeddings, timestamps], as the plugin made them.

        Raises:
            PluginMemoryError: there is not enough memory.
            PluginApiError: it gave something that is no array.
            PluginError: it raised something else.
        """
        try:
            function = self._module.get_scene_embeddings if kind == SCENE else self._module.get_timestamp_embeddings
            result = self._run(function, audio)
        except Exception as error:
            if not is_out_of_memory(error):
                raise PluginError(_told(error)) from error
            self._free()
            raise PluginMemoryError(_told(error)) from error
        if kind == SCENE:
            return [_as_array(result, "get_scene_embeddings")]
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            raise PluginApiError(f"get_timestamp_embeddings: expected embeddings and timestamps, got {_kind(result)}")
        return [_as_array(each, "get_timestamp_embeddings") for each in result]

    def _run(self, function, audio):
        if self._framework == "torch":
            import torch

            with torch.no_grad():
                return function(torch.tensor(audio, device=self._device), self._model)
        import tensorflow

        return function(tensorflow.convert_to_tensor(audio), self._model)

    def _free(self):
        """Give back what torch keeps of a batch that was too large."""
        if self._framework == "torch":
            import torch

            torch.cuda.empty_cache()


def _import(name):
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise PluginError(
            f"{name}: no such module in {sys.executable} ({error}); is the plugin installed there?"
        ) from error
    except Exception as error:
        raise PluginError(f"{name}: cannot be imported: {_told(error)}") from error
    missing = [function for function in _FUNCTIONS if not callable(getattr(module, function, None))]
    if missing:
        raise PluginError(f"{name}: expected the functions of the HEAR API, it has no {', '.join(missing)}")
    return module


def _framework(name, model):
    """The library that a model is of; each is looked for only where the plugin has loaded it."""
    for framework, library, path in (("torch", "torch", ("nn", "Module")), ("tf", "tensorflow", ("Module",))):
        kind = sys.modules.get(library)
        for part in path:
            kind = getattr(kind, part, None)
        if isinstance(kind, type) and isinstance(model, kind):
            return framework
    raise PluginError(
        f"{name}.load_model: expected a torch.nn.Module or a tensorflow.Module, as heareval does, got {_kind(model)}"
    )


def _device(framework, model):
    """The torch device of a model, which is brought to the GPU where there is one; TensorFlow sees to that itself."""
    if framework != "torch":
        return None
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device)
    return device


def _device_name(framework):
    if framework == "torch":
        import torch

        return torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu"
    import tensorflow

    gpus = tensorflow.config.list_physical_devices("GPU")
    return tensorflow.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU") if gpus else "cpu"


def _positive(name, model, fact):
    value = getattr(model, fact, None)
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        found = "none" if not hasattr(model, fact) else repr(value)
        raise PluginError(f"{name}: expected the model to have {fact}, a positive int, found {found}")
    return int(value)


def _version(name):
    try:
        from importlib import metadata

        return metadata.version(metadata.packages_distributions()[name.split(".")[0]][0])
    except Exception:  # not installed as a distribution, or a Python that cannot tell
        return ""


def _as_array(tensor, function):
    if hasattr(tensor, "detach"):  # of torch
        tensor = tensor.detach().cpu()
    if hasattr(tensor, "numpy"):
        tensor = tensor.numpy()
    if not isinstance(tensor, np.ndarray):
        raise PluginApiError(f"{function}: expected a tensor, got {_kind(tensor)}")
    return tensor


def is_out_of_memory(error):
    """Whether an error of torch or TensorFlow says that there is not enough memory."""
    if isinstance(error, MemoryError) or type(error).__name__ in ("OutOfMemoryError", "ResourceExhaustedError"):
        return True
    return isinstance(error, RuntimeError) and ("out of memory" in str(error) or "can't allocate memory" in str(error))


def _told(error):
    return f"{type(error).__name__}: {error}"


def _kind(value):
    return type(value).__module__ + "." + type(value).__qualname__


def send(stream, head, arrays=()):
    """Write a message."""
    arrays = [np.ascontiguousarray(array) for array in arrays]
    text = json.dumps(dict(head, arrays=[[array.dtype.str, array.shape] for array in arrays])).encode()
    stream.write(struct.pack("<q", len(text)) + text)
    for array in arrays:
        stream.write(array.tobytes())
    stream.flush()


def receive(stream):
    """Read a message: its head and its arrays.

    Raises:
        EOFError: the other process has ended.
    """
    head = json.loads(_read(stream, struct.unpack("<q", _read(stream, 8))[0]).decode())
    arrays = []
    for dtype, shape in head.pop("arrays"):
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        arrays.append(np.frombuffer(_read(stream, size), dtype).reshape(shape))
    return head, arrays


def _read(stream, size):
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


def main():
    """Serve another process: what to load, then batch after batch, until it closes the pipe."""
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # the GPU is shared with what its owner runs there
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the plugin prints would get among the answers
    sys.path[0] = os.getcwd()  # where plugins may lie, and not the folder of this file
    try:
        head, _ = receive(requests)
        plugin = Plugin(head["name"], head["path"], head["options"])
        send(answers, {"facts": plugin.facts})
        while True:
            head, arrays = receive(requests)
            try:
                send(answers, {}, plugin.call(head["kind"], arrays[0]))
            except PluginError as error:
                send(answers, {"error": str(error), "kind": type(error).__name__})
    except PluginError as error:
        send(answers, {"error": str(error), "kind": "PluginError"})
    except EOFError:
        pass


if __name__ == "__main__":
    main()
