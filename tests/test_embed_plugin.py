"""`hear-cacophony embed --module NAME`: any HEAR plugin, with the files of heareval's runner."""

from __future__ import annotations

import functools
import json
import os
import pathlib
import pickle
import signal
import subprocess
import sys
from importlib import metadata

import numpy as np
import pytest
import soundfile
from hear_tasks_on_disk import make_event_task, make_scene_task, make_tags_task
from plugins_on_disk import FAULTS, LOAD, TENSORFLOW, TORCH, UNUSABLE, write_plugin
from repeats import first

from hear_tasks import cli
from hear_tasks.embed import work_folder
from hear_tasks.embed.hear_module import HearModule, load_module
from hear_tasks.embed.plugin.source import digest_code
from hear_tasks.embed.record import RECORD_FILE
from hear_tasks.task_folder import EMBEDDED_FILE

TIMES = "profile.embeddings.json"


@pytest.fixture(scope="module", autouse=True)
def listed_once():
    """What is installed, which each plugin is looked for in, stays the same; listing it takes longer than a test."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(metadata, "packages_distributions", functools.cache(metadata.packages_distributions))
        yield


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Writes a plugin and gives its name."""
    folder = tmp_path / "plugins"
    monkeypatch.syspath_prepend(folder)
    yield lambda code=TORCH: write_plugin(folder, code)
    for name in [name for name, module in sys.modules.items() if str(folder) in str(getattr(module, "__file__", ""))]:
        del sys.modules[name]


def make_uneven_events(tasks: pathlib.Path) -> pathlib.Path:
    """An event task of clips of different lengths, two of them equal."""
    task = make_event_task(tasks, clips=3, seconds=4.0)
    for i, file in enumerate(sorted((task / "16000").rglob("*.wav"))):
        samples, rate = soundfile.read(file, dtype="int16")
        soundfile.write(file, samples[: 30_000 + 7_001 * (i // 2)], rate)
    metadata = json.loads((task / "task_metadata.json").read_text())
    (task / "task_metadata.json").write_text(json.dumps({**metadata, "sample_duration": None}))
    return task


def at_rate(tasks: pathlib.Path, rate: int) -> None:
    """Call the audio of tasks that of another rate."""
    for task in tasks.iterdir():
        (task / "16000").rename(task / str(rate))
        for file in (task / str(rate)).rglob("*.wav"):
            soundfile.write(file, soundfile.read(file, dtype="int16")[0], rate)


def embed(tasks: pathlib.Path, out: str | pathlib.Path, module: str, *more: object) -> int:
    places = ["--tasks-dir", tasks, "--embeddings-dir", out]
    return cli.main([str(each) for each in ["embed", "--module", module, *places, *more]])


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    """All files but for the times that were taken, and for the sizes of files, some of which name their folder."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in (TIMES, EMBEDDED_FILE))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def assert_files_of_heareval(ours: dict[str, bytes], theirs: dict[str, bytes]) -> None:
    extra = {name for name in ours if name not in theirs}
    assert {pathlib.PurePath(name).name for name in extra} == {"weights.json", RECORD_FILE}
    for name, expected in theirs.items():
        if name.endswith(".npy"):
            skip = 128 if name.endswith(".embedding.npy") else 0
            arrays = [np.frombuffer(each[name][skip:], np.float32) for each in (ours, theirs)]
            np.testing.assert_allclose(*arrays, rtol=1e-5, atol=1e-7)
            assert ours[name][:skip] == expected[:skip]
        elif name.endswith(".pkl"):
            assert pickle.loads(ours[name]) == pickle.loads(expected), name
        else:
            assert ours[name] == expected, name


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_the_files_are_those_of_hearevals_runner(framework, plugin, tmp_path, monkeypatch):
    from heareval.embeddings.runner import runner

    tasks = tmp_path / "tasks"
    make_scene_task(tasks, clips=4)
    make_tags_task(tasks, clips=4)
    make_uneven_events(tasks)
    weights = tmp_path / "weights.txt"
    weights.write_text("0.37")
    if framework == "torch":
        name, options = plugin(), {"scale": 1.5}
    else:
        name, options = plugin(TENSORFLOW), {}
        at_rate(tasks, 44_100)
    arguments = ["--model", str(weights), "--model-options", json.dumps(options), "--tasks-dir", str(tasks)]
    for each in ("theirs", "ours"):
        (tmp_path / each).mkdir()
        monkeypatch.chdir(tmp_path / each)
        if each == "theirs":
            runner.main([name, *arguments, "--embeddings-dir", "embeddings"], standalone_mode=False)
        else:
            more = ["--model", weights, "--model-options", json.dumps(options), "--clip-files"]
            assert embed(tasks, "embeddings", name, *more) == 0
    theirs, ours = (contents(tmp_path / each / "embeddings") for each in ("theirs", "ours"))
    assert len(theirs) > 90
    assert any(path.startswith(f"{name}-scale=1-5/" if options else f"{name}/") for path in theirs)
    assert_files_of_heareval(ours, theirs)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_plugin_that_breaks_the_api_is_told_at_the_first_batch(fault, plugin, tmp_path, capsys):
    before, after, message = FAULTS[fault]
    assert before in TORCH
    scene = "times" not in before and "count" not in before
    task = make_scene_task(tmp_path / "tasks", clips=2) if scene else make_event_task(tmp_path / "tasks", seconds=4.0)
    assert embed(task.parent, tmp_path / "out", plugin(TORCH.replace(before, after)), "--batch-seconds", 8) == 1
    told = capsys.readouterr().err
    assert message in told
    assert "nothing after them was tried" in told
    assert "fails for 6 clips" in told if scene else "fails for 2 clips" in told


@pytest.mark.parametrize("reason", UNUSABLE)
def test_a_plugin_that_cannot_be_used_is_told_before_any_work(reason, plugin, tmp_path, capsys):
    before, after, message = UNUSABLE[reason]
    assert before in TORCH
    tasks = make_scene_task(tmp_path / "tasks", clips=1).parent
    assert embed(tasks, tmp_path / "out", plugin(TORCH.replace(before, after))) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_a_plugin_does_at_the_end_leaves_the_status_as_it_is(plugin, tmp_path):
    tasks = make_scene_task(tmp_path / "tasks", clips=1).parent
    name = plugin("import atexit, os, sys\natexit.register(lambda: os._exit(0))\nsys.exit(0)")
    places = ["--tasks-dir", str(tasks), "--embeddings-dir", str(tmp_path / "out")]
    command = [sys.executable, "-m", "hear_tasks.cli", "embed", "--module", name, *places]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "plugins"), *sys.path])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"{name}: cannot be imported: it tried to end the program" in done.stderr


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("import torch", "import os, torch\nos.chdir('/')"),
        (LOAD, f"{LOAD}\n    import os; os.chdir('/')"),
        ("audio, model):", "audio, model):\n    import os; os.chdir('/' if os.getcwd() != '/' else '/usr')"),
    ],
)
def test_a_plugin_has_a_working_directory_of_its_own(before, after, plugin, tmp_path, monkeypatch):
    make_scene_task(tmp_path / "tasks", clips=3)
    make_event_task(tmp_path / "tasks", clips=2)
    (tmp_path / "weights.txt").write_text("2")
    monkeypatch.chdir(tmp_path)
    roaming, staying = plugin(TORCH.replace(before, after)), plugin()
    for name in (roaming, staying):
        assert embed("tasks", "out", name, "--model", "weights.txt") == 0
        assert os.getcwd() == str(tmp_path)
    found, expected = (contents(tmp_path / "out" / name) for name in (roaming, staying))
    del found["weights.json"], expected["weights.json"]  # which tell one code from the other
    assert {file: data.replace(roaming.encode(), b"") for file, data in found.items()} == {
        file: data.replace(staying.encode(), b"") for file, data in expected.items()
    }


FAILING = TORCH.replace(
    "def get_scene_embeddings(audio, model):",
    """def get_scene_embeddings(audio, model):
    if audio.std(1).min() < 1e-3:
        raise ZeroDivisionError("silence")""",
)


def silence(task: pathlib.Path, *clips: str) -> dict[pathlib.Path, bytes]:
    """Make clips silent; what they were."""
    were = {}
    for clip in clips:
        file = task / "16000" / clip
        were[file] = file.read_bytes()
        soundfile.write(file, np.zeros(8000), 16_000, subtype="PCM_16")
    return were


def test_clips_that_a_plugin_fails_for_are_named_and_the_others_are_done(plugin, tmp_path, capsys):
    task = make_scene_task(tmp_path / "tasks", clips=6)
    failing = ("fold00/fold00-1.wav", "fold02/fold02-4.wav")
    silence(task, *failing)
    name = plugin(FAILING)
    assert embed(task.parent, tmp_path / "out", name, "--batch-seconds", 2) == 1
    told = capsys.readouterr().err
    assert "fails for 2 clips (all others are done" in told
    assert (
        f"{name}: ZeroDivisionError: silence\n  for {', '.join(str(task / '16000' / clip) for clip in failing)}" in told
    )
    module = sys.modules[name]
    calls = []
    monkey = module.get_scene_embeddings
    module.get_scene_embeddings = lambda audio, model: calls.append(len(audio)) or monkey(audio, model)
    assert embed(task.parent, tmp_path / "out", name, "--batch-seconds", 2) == 1
    assert sum(calls) < 18  # the batches without a failing clip are not computed again
    done = tmp_path / "out" / name / f".embedding-{task.name}" / "done"
    assert sum(done.read_bytes()) == 16


def test_what_a_plugin_is_known_by_includes_its_code(plugin, tmp_path, capsys):
    task = make_scene_task(tmp_path / "tasks", clips=1)
    helper = tmp_path / "plugins" / "a_helper.py"
    name = plugin(f"import a_helper\n{TORCH}")
    helper.write_text("FACTOR = 1\n")
    assert embed(task.parent, tmp_path / "out", name) == 0
    assert embed(task.parent, tmp_path / "out", name) == 0
    helper.write_text("FACTOR = 2\n")
    assert embed(task.parent, tmp_path / "out", name) == 1
    assert "holds embeddings of another model (code_md5 " in capsys.readouterr().err


def test_the_code_of_a_package_is_all_of_it_and_what_is_installed_is_known_by_its_version(tmp_path):
    package = tmp_path / "a_package" / "models"
    package.mkdir(parents=True)
    for file in (package.parent / "__init__.py", package / "__init__.py", package / "net.py", tmp_path / "other.py"):
        file.write_text("import other\n")
    inside = digest_code("a_package.models", str(package / "__init__.py"))
    assert inside == digest_code("a_package", str(package.parent / "__init__.py")) != ""
    (tmp_path / "other.py").write_text("x = 1\n")
    assert digest_code("a_package", str(package.parent / "__init__.py")) == inside
    (package / "net.py").write_text("x = 1\n")
    assert digest_code("a_package", str(package.parent / "__init__.py")) != inside
    assert digest_code("a_package", "/env/lib/python3.11/site-packages/a_package/__init__.py") == ""
    assert digest_code("a_package", None) == digest_code("a_package", "/a_package.so") == ""
    assert digest_code("hear_tasks.plugins.clap", "/here/hear_tasks/plugins/clap.py") == ""


def test_the_files_of_a_model_are_found_behind_links(plugin, tmp_path, capsys):
    task = make_scene_task(tmp_path / "tasks", clips=1)
    for weights in ("first", "second"):
        (tmp_path / weights).mkdir()
        (tmp_path / weights / "weights.bin").write_text(weights)
    model = tmp_path / "model"
    model.mkdir()
    (model / "itself").symlink_to(model)
    name = plugin(TORCH.replace(LOAD, f"{LOAD}\n    return Model(scale)"))
    for weights, status in (("first", 0), ("first", 0), ("second", 1)):
        (model / "encoder").unlink(missing_ok=True)
        (model / "encoder").symlink_to(tmp_path / weights)
        assert embed(task.parent, tmp_path / "out", name, "--model", model) == status
    assert "holds embeddings of another model (md5 " in capsys.readouterr().err


def test_a_plugin_that_takes_one_clip_at_a_time_is_given_one(plugin, tmp_path, capsys):
    task = make_scene_task(tmp_path / "tasks", clips=3)
    name = plugin(
        TORCH.replace(
            "def get_scene_embeddings(audio, model):",
            "def get_scene_embeddings(audio, model):\n    assert len(audio) == 1",
        )
    )
    assert embed(task.parent, tmp_path / "alone", name) == 0
    assert capsys.readouterr().err.count("and not with one: going on one by one") == 1
    assert embed(task.parent, tmp_path / "together", plugin()) == 0
    alone, together = (
        np.fromfile(tmp_path / each / module / task.name / "fold01.embeddings.npy", np.float32)
        for each, module in (("alone", name), ("together", plugin()))
    )
    np.testing.assert_allclose(alone, together, rtol=1e-5)


def test_batches_are_halved_until_the_memory_does(plugin, tmp_path, capsys):
    task = make_event_task(tmp_path / "tasks", seconds=4.0)
    code = "def get_timestamp_embeddings(audio, model):"
    name = plugin(
        TORCH.replace(
            code, f"{code}\n    if len(audio) > 2:\n        raise torch.OutOfMemoryError('CUDA out of memory')"
        )
    )
    assert embed(task.parent, tmp_path / "out", name) == 0
    assert "out of memory on the device; going on with batches of at most 128000 samples" in capsys.readouterr().err
    assert embed(task.parent, tmp_path / "out", plugin()) == 0
    halved, whole = (contents(tmp_path / "out" / each / task.name) for each in (name, plugin()))
    for split in ("train", "valid", "test"):
        file = f"{split}.embeddings.npy"
        np.testing.assert_allclose(*(np.frombuffer(each[file], np.float32) for each in (halved, whole)), rtol=1e-5)
    never = plugin(TORCH.replace(code, f"{code}\n    raise torch.OutOfMemoryError('CUDA out of memory')"))
    assert embed(task.parent, tmp_path / "out", never) == 1
    told = capsys.readouterr().err
    assert "even one clip at a time" in told
    assert "--window" not in told


@pytest.mark.slow
@pytest.mark.parametrize("kills", first(1, [(3,), (3, 4)]))
def test_killed_and_run_again_the_files_are_the_same(kills, plugin, tmp_path, monkeypatch):
    tasks = tmp_path / "tasks"
    make_uneven_events(tasks)
    make_scene_task(tasks, clips=3)
    budget = tmp_path / "budget"
    code = "    audio_clips_left()\n    seconds = audio.shape[1]"
    killer = f"""
import os, pathlib, signal
BUDGET = pathlib.Path({str(budget)!r})
def audio_clips_left():
    left = int(BUDGET.read_text())
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    BUDGET.write_text(str(left - 1))
"""
    name = plugin(TORCH.replace("    seconds = audio.shape[1]", code) + killer)
    budget.write_text("1000")
    assert embed(tasks, tmp_path / "whole", name) == 0
    command = [
        sys.executable,
        "-c",
        "import sys; from hear_tasks.embed import work_folder; work_folder.MARK_SECONDS = 0; "
        "from hear_tasks.cli import main; sys.exit(main())",
        "embed",
        "--module",
        name,
        "--batch-seconds",
        "0.1",
        "--tasks-dir",
        str(tasks),
        "--embeddings-dir",
        str(tmp_path / "killed"),
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "plugins"), *sys.path])}
    environment = {key: value for key, value in environment.items() if key != "JAX_NUMPY_DTYPE_PROMOTION"}
    for calls in kills:
        budget.write_text(str(calls))
        assert subprocess.run(command, env=environment).returncode == -signal.SIGKILL
    budget.write_text("1000")
    monkeypatch.setattr(work_folder, "MARK_SECONDS", 0)
    assert embed(tasks, tmp_path / "killed", name, "--batch-seconds", 0.1) == 0
    assert 1000 - int(budget.read_text()) <= 16 - sum(kills), "what is done is not computed again"
    whole, killed = (contents(tmp_path / each / name) for each in ("whole", "killed"))
    assert killed.keys() == whole.keys()
    for file, expected in whole.items():
        if not file.endswith((".npy", "timestamps.json")):
            assert killed[file] == expected, file
        elif file.endswith(".npy"):
            arrays = [np.frombuffer(each[file], np.float32) for each in (killed, whole)]
            np.testing.assert_allclose(*arrays, rtol=1e-5, atol=1e-7)


@pytest.mark.slow
def test_a_plugin_in_a_python_of_its_own_gives_the_same(plugin, tmp_path, monkeypatch, capfd):
    tasks = tmp_path / "tasks"
    make_uneven_events(tasks)
    make_scene_task(tasks, clips=3)
    silence(make_tags_task(tasks, clips=1), "test/test-0.wav")
    name = plugin("print('hello')\n" + FAILING)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "plugins"))
    assert embed(tasks, tmp_path / "there", name, "--python", sys.executable) == 1
    assert "ZeroDivisionError: silence\n  for " in capfd.readouterr().err
    assert embed(tasks, tmp_path / "here", name) == 1
    there, here = (contents(tmp_path / each / name) for each in ("there", "here"))
    assert {"test_events-v1-full", "test_pitch-v1-full"} <= {pathlib.PurePath(file).parts[0] for file in here}
    assert here.keys() == there.keys()
    assert {file for file in here if here[file] != there[file]} <= {
        file for file in here if file.endswith("filename-timestamps.json")
    }


def test_a_python_that_cannot_run_the_plugin(plugin, tmp_path, capfd):
    tasks = make_scene_task(tmp_path / "tasks", clips=1).parent
    assert embed(tasks, tmp_path / "out", plugin(), "--python", tmp_path / "nosuch") == 1
    assert "nosuch: cannot be run (No such file or directory); expected a Python" in capfd.readouterr().err
    assert embed(tasks, tmp_path / "out", plugin(), "--python", "/bin/cat") == 1
    assert "the plugin's process ended with exit status 1" in capfd.readouterr().err
    assert embed(tasks, tmp_path / "out", "nosuch_plugin", "--python", sys.executable) == 1
    assert f"nosuch_plugin: no such module in {sys.executable}" in capfd.readouterr().err


def program(file: pathlib.Path, lines: str) -> pathlib.Path:
    file.write_text("#!/bin/bash\n" + lines)
    file.chmod(0o755)
    return file


def test_what_an_interpreter_prints_is_no_answer(plugin, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "plugins"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "queue.py").write_text("raise RuntimeError('not the library of this name')")
    tasks = make_scene_task(tmp_path / "tasks", clips=1).parent
    name = plugin(
        "import queue\nprint('hello')\n" + TORCH.replace("audio, model):", "audio, model):\n    print('working')")
    )
    printing = program(tmp_path / "activate", f'echo activating; cd /; "{sys.executable}" "$@"; echo done')
    assert embed(tasks, tmp_path / "out", name, "--python", printing) == 0
    told = capfd.readouterr()
    assert told.out == ""
    assert all(f"{line}\n" in told.err for line in ("activating", "hello", "working"))
    other = program(tmp_path / "other", 'echo activated the environment >&"$2"; exec cat <&"$2"')
    assert embed(tasks, tmp_path / "out", name, "--python", other) == 1
    assert f"--python {other}: no answer of a worker came (" in capfd.readouterr().err
    closing = program(tmp_path / "closing", f'exec "{sys.executable}" "$1" 99')
    assert embed(tasks, tmp_path / "out", name, "--python", closing) == 1
    told = capfd.readouterr().err
    assert "the descriptor that it should inherit was closed on the way" in told
    assert f"--python {closing}: the plugin's process ended with exit status 1 (what it said is above)" in told


def test_the_rate_of_the_plugin_chooses_the_audio(plugin, tmp_path, capsys):
    task = make_scene_task(tmp_path / "tasks", clips=1)
    (task / "16000").rename(task / "48000")
    name = plugin(TORCH.replace("= 16000,", "= 44100,"))
    assert load_module(name).model.sample_rate == 44_100
    assert embed(task.parent, tmp_path / "out", name) == 1
    assert f"no such folder; make it from the 48 kHz audio: hear-cacophony prepare --rates 44100 {task}" in (
        capsys.readouterr().err
    )


def test_other_weights_are_refused(plugin, tmp_path, capsys):
    tasks = make_scene_task(tmp_path / "tasks", clips=1).parent
    name, weights = plugin(), tmp_path / "weights.txt"
    weights.write_text("2")
    assert embed(tasks, tmp_path / "out", name, "--model", weights) == 0
    weights.write_text("3")
    assert embed(tasks, tmp_path / "out", name, "--model", weights) == 1
    assert "holds embeddings of another model (md5 " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--module", "any", "--hop", "40"], "timestamp_hop_ms: options of this package's own modules"),
        (["--module", "any", "--devices", "0"], "devices are chosen by any itself"),
        (["--module", "hear_cacophony.cacophony", "--python", "python3"], "--python is for plugins of other packages"),
        (["--module", "hear_cacophony.nosuch"], "unknown module 'hear_cacophony.nosuch'; expected one of"),
        (["--hop", "40", "--model-options", '{"timestamp_hop_ms": 40}'], "given by --model-options and by a flag"),
    ],
)
def test_arguments_that_do_not_go_together(arguments, message, tmp_path, capsys):
    make_scene_task(tmp_path / "tasks", clips=1)
    places = ["--tasks-dir", str(tmp_path / "tasks"), "--embeddings-dir", str(tmp_path / "out")]
    assert cli.main(["embed", *places, *arguments]) == 1
    assert message in capsys.readouterr().err


def test_options_of_our_own_modules_may_be_json(tmp_path):
    tasks = make_scene_task(tmp_path / "tasks", clips=1).parent
    options = ["--model-options", '{"timestamp_hop_ms": 80}']
    assert embed(tasks, tmp_path / "out", "hear_cacophony.logmel", *options) == 0
    assert (tmp_path / "out" / "hear_cacophony.logmel-timestamp-hop-ms=80" / "test_pitch-v1-full").is_dir()


@pytest.mark.parametrize("value", [0.5, -5, True, None, "a/b.ckpt", "café_2", "1,000", [1, 2], {"a": "b c"}, "don't"])
def test_folders_are_named_as_heareval_names_them(value):
    from slugify import slugify

    expected = f"plugin-{slugify('some_Option')}={slugify(str(value))}"
    assert HearModule("plugin", None, {"some_Option": value}).folder_name == expected
