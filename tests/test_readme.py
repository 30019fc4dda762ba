"""The examples of the README run as they stand."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from conftest import write_checkpoint
from hear_tasks_on_disk import make_scene_task
from plugins_on_disk import TORCH

from hear_tasks.cli import main

README = pathlib.Path(__file__).parents[1] / "README.md"


@pytest.mark.slow
def test_a_model_of_your_own_in_python(tmp_path):
    (example,) = re.findall(r"```python\n(from hear_tasks\.embed.*?)```", README.read_text(), re.DOTALL)
    task = make_scene_task(tmp_path / "tasks", clips=3).rename(tmp_path / "tasks" / "esc50-v2.0.0-full")
    metadata = json.loads((task / "task_metadata.json").read_text()) | {"task_name": "esc50", "version": "v2.0.0"}
    quick = {"task_specific_param_grid": {"max_epochs": [4], "hidden_dim": [8]}}
    (task / "task_metadata.json").write_text(json.dumps({**metadata, "evaluation_params": quick}))
    plugin = TORCH.replace("scale=1.0)", "size=4, scale=1.0)")
    (tmp_path / "my_plugin.py").write_text(plugin)
    (tmp_path / "weights.pt").write_text("0.5")
    (tmp_path / "example.py").write_text(example)
    environment = {key: value for key, value in os.environ.items() if key != "JAX_NUMPY_DTYPE_PROMOTION"}
    environment["PYTHONPATH"] = str(README.parent)
    done = subprocess.run([sys.executable, "example.py"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.search(r"ESC-50 +accuracy +0\.\d{3} +[01]\.\d{3} ± ", done.stdout), done.stdout
    assert (tmp_path / "embeddings/my_plugin-size=4/esc50-v2.0.0-full/test.predicted-scores.json").is_file()


def test_the_examples_of_ones_own_sounds(tmp_path, monkeypatch, capsys):
    """In a folder as `download` leaves it, with the weights of both stages and the tokenizer."""
    pytest.importorskip("tensorflow", reason="the extra 'hear' is not installed")
    pytest.importorskip("tokenizers", reason="the extra 'text' is not installed")
    from tokenizer_files import write_tokenizer

    write_tokenizer(tmp_path)
    for stage in ("AudioMAE", "Cacophony"):
        write_checkpoint(tmp_path / f"{stage}.ckpt", stage, tiny=True, audio_only=stage == "AudioMAE")
    (tmp_path / "sounds").mkdir()
    for name in ("dog.wav", "rain.mp3", "sounds/glass.flac"):
        soundfile.write(tmp_path / name, 0.3 * np.sin(np.arange(44_100) / 9), 44_100)
    monkeypatch.setenv("HEAR_CACOPHONY_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    text, names, shapes, ran = README.read_text(), {}, [], []
    for example in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        if "hear_tasks" not in example:
            exec(compile(example, "README.md", "exec"), names)
            shapes.append(tuple(names["embeddings"].shape))
    assert shapes[:2] == [(2, 64), (2, 50, 64)]
    for line in re.findall(r"^hear-cacophony (?:features|classify|search|caption) .*", text, re.MULTILINE):
        assert main(shlex.split(line, comments=True)[1:]) == 0, line
        ran.append(capsys.readouterr())
    assert ["Cacophony.ckpt" in ran[0].out, *("sounds/glass.flac" in each.out for each in ran[1:])] == [True] * 4
    assert {each.err for each in ran} == {""}
    assert (tmp_path / "features.npz").is_file()
