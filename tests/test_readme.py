"""The examples of the README run as they stand."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest
from hear_tasks_on_disk import make_scene_task
from plugins_on_disk import TORCH

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
