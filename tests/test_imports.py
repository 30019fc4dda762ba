"""What the core may import."""

from __future__ import annotations

import subprocess
import sys

HEAVY = "tensorflow torch heareval hearvalidator pytorch_lightning soxr matplotlib tokenizers gdown huggingface_hub"

BLOCK = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in set({heavy!r}.split()):
            raise ModuleNotFoundError("No module named " + repr(name), name=name)
sys.meta_path.insert(0, Blocker())
"""

USE = """
import warnings
import numpy as np
import hear_cacophony, hear_tasks.cli, hear_cacophony.audiomae, hear_cacophony.cacophony
for path, target in {files!r}:
    model = hear_cacophony.load_embedding_model(path)
    clips = [np.zeros(16000), np.zeros(20000)]
    assert model.embed_scenes(clips).shape == (2, 64)
    assert model.embed_timestamps(clips)[1].embeddings.shape == (32, 64)
    assert hear_tasks.cli.main(["info", path]) == 0
    assert hear_tasks.cli.main(["convert", path, target]) == 0
    hear_cacophony.load_embedding_model(target)
    try:
        hear_cacophony.load_model(path)
    except ModuleNotFoundError as error:
        print(error)
"""


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_core_works_where_the_heavy_packages_are_absent(tiny_checkpoints, tmp_path):
    files = [(str(path), str(tmp_path / f"{stage}.safetensors")) for stage, path in tiny_checkpoints.items()]
    printed = run(BLOCK.format(heavy=HEAVY) + USE.format(files=files))
    assert printed.count("the HEAR model object needs TensorFlow: pip install 'hear_cacophony[hear]'") == 2


def test_import_leaves_the_heavy_packages_alone():
    code = "import hear_cacophony, hear_tasks.heareval, sys; print(*sys.modules)"
    assert not set(HEAVY.split()) & set(run(code).split())


def test_metrics_of_training_are_kept_without_torch(tmp_path):
    code = f"""
import pathlib, sys
from hear_cacophony.training.metrics import Metrics
metrics = Metrics(pathlib.Path({str(tmp_path)!r}), 0)
metrics.write([{{"step": 1, "loss": 0.5}}])
metrics.close()
print(*sys.modules)"""
    assert not set(HEAVY.split()) & set(run(code).split())
    assert any((tmp_path / "tensorboard").iterdir())
