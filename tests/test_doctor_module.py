"""The doctor's look at a HEAR module: any plugin, and the tasks' audio at its sample rate."""

from __future__ import annotations

import contextlib
import json
import pathlib
import sys
import textwrap

import pytest
from hear_tasks_on_disk import make_scene_task
from test_doctor import SOUND

from hear_tasks.cli import main
from hear_tasks.doctor import examination

PLUGIN = """
import torch

class Model(torch.nn.Module):
    sample_rate, scene_embedding_size, timestamp_embedding_size = {rate}, 4, 4

def load_model(file="", size=4):
    if file.endswith(".ckpt"):
        open(file).close()
    return Model()

def get_scene_embeddings(audio, model):
    return torch.zeros(len(audio), {size})

def get_timestamp_embeddings(audio, model):
    times = torch.arange(0, 1000 * audio.shape[1] / model.sample_rate, 50.0)
    return torch.zeros(len(audio), len(times), 4), times.expand(len(audio), -1){in_seconds}
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Writes a plugin and gives its name, which no other test has, as modules are imported once."""
    monkeypatch.syspath_prepend(tmp_path / "plugins")
    monkeypatch.setattr(examination, "probing", lambda: contextlib.nullcontext(lambda: SOUND))
    (tmp_path / "plugins").mkdir()

    def write(rate: int = 44_100, size: int = 4, in_seconds: str = "") -> str:
        name = f"plugin_{rate}_{size}_{len(in_seconds)}_{tmp_path.name}"
        code = PLUGIN.format(rate=rate, size=size, in_seconds=in_seconds)
        (tmp_path / "plugins" / f"{name}.py").write_text(textwrap.dedent(code))
        return name

    yield write
    for name in [each for each in sys.modules if each.endswith(tmp_path.name)]:
        del sys.modules[name]


@pytest.fixture
def doctor(capsys):
    """Runs the command; its exit status, its findings and how many tasks it looked at."""

    def run(*args: object) -> tuple[int, list[dict], int]:
        status = main(["doctor", "--json", *map(str, args)])
        report = json.loads(capsys.readouterr().out)
        return status, report["findings"], len(report["tasks"])

    return run


def test_tasks_need_audio_at_the_rate_of_the_module(plugin, doctor, tmp_path):
    task = make_scene_task(tmp_path / "tasks")
    (task / "16000").rename(task / "48000")
    status, (finding,), tasks = doctor(tmp_path / "tasks", "--module", plugin())
    assert (status, tasks) == (1, 1)
    assert finding["message"] == "expected a folder with the audio at 44100 Hz, found only 48000"
    assert finding["fix"] == f"make it from that: hear-cacophony prepare --rates 44100 {task}"


def test_a_sound_module_has_no_finding(plugin, doctor):
    assert doctor("--module", plugin(), "--model-options", '{"size": 4}') == (0, [], 0)


@pytest.mark.parametrize(
    ("fault", "kind", "message"),
    [
        ({"size": 5}, "module-api", "expected shape (n_sounds, scene_embedding_size) = (2, 4), got (2, 5)"),
        ({"in_seconds": " / 1000"}, "module-api", "are they in seconds?"),
        ({"rate": 24_000}, "module-rate", "44100, 48000 Hz, got 24000"),
    ],
)
def test_a_module_that_breaks_the_api_is_found(plugin, doctor, tmp_path, fault, kind, message):
    make_scene_task(tmp_path / "tasks")
    status, found, tasks = doctor(tmp_path / "tasks", "--module", plugin(**fault))
    (finding,) = [each for each in found if each["task"] == "module"]
    assert (status, tasks, finding["kind"]) == (1, 1, kind)
    assert message in finding["message"]


def test_a_module_that_does_not_load_is_said_alone(plugin, doctor, tmp_path):
    tasks = make_scene_task(tmp_path / "tasks").parent
    name, nosuch = plugin(), tmp_path / "nosuch.ckpt"
    lacking = f"lacking_{tmp_path.name}"
    (tmp_path / "plugins" / f"{lacking}.py").write_text("import nosuch_library")
    for args, message, fix in [
        (["nosuch_plugin"], "nosuch_plugin: no such module in", "pip install it in this environment, or name"),
        (
            [lacking],
            f"{lacking}: needs nosuch_library, which is not installed in",
            "pip install it in this environment",
        ),
        ([name, "--model", nosuch], "FileNotFoundError", f"correct --model: there is no file or folder {nosuch}"),
        ([name, "--model-options", '{"colour": 1}'], "unexpected keyword argument 'colour'", "options"),
        ([name, "--python", tmp_path / "nosuch"], "cannot be run (No such file or directory)", "--python"),
    ]:
        status, (finding,), examined = doctor(tasks, "--module", *args)
        assert (status, examined, finding["kind"]) == (1, 0, "module")
        assert message in finding["message"]
        assert fix in finding["fix"]


def test_a_file_that_is_not_there_and_that_a_module_does_not_miss_is_told(plugin, doctor, tmp_path):
    status, (finding,), _ = doctor("--module", plugin(), "--model", tmp_path / "nosuch")
    assert (status, finding["kind"], finding["severity"]) == (0, "module-file", "warning")


def test_modules_of_this_package_are_known_by_name_and_options(plugin, doctor, tmp_path):
    tasks = make_scene_task(tmp_path / "tasks").parent
    assert doctor(tasks, "--module", "hear_cacophony.cacophony")[:2] == (0, [])
    for args, message in [
        (["hear_cacophony.cacofony"], "expected one of hear_cacophony, hear_cacophony.audiomae"),
        (["hear_cacophony.audiomae", "--model-options", '{"protocol": "nosuch"}'], "protocol"),
        (["hear_cacophony", "--python", "python3"], "as this one runs where it is installed"),
    ]:
        status, (finding,), _ = doctor(tasks, "--module", *args)
        assert status == 1
        assert message in finding["message"]


def test_options_are_a_json_object_of_a_module(capsys):
    for text in ("{'a': 1}", "[1]", "3"):
        with pytest.raises(SystemExit):
            main(["doctor", "--module", "any", "--model-options", text])
        assert f"got {text!r}" in capsys.readouterr().err
    assert main(["doctor", "--python", "python3"]) == 1
    assert "name it with --module" in capsys.readouterr().err


def test_a_module_in_another_python_is_checked(plugin, doctor, monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(pathlib.Path(tmp_path / "plugins")))
    assert doctor("--module", plugin(), "--python", sys.executable) == (0, [], 0)
