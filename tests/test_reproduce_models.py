"""What a run is made of: our stages, a HEAR plugin, or all rows of the published table whose weights are there."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import sys

import pytest
import soundfile
from conftest import usual_environment
from hear_tasks_on_disk import make_scene_task
from plugins_on_disk import TORCH, write_plugin

from hear_tasks import cli
from hear_tasks.doctor import environment
from hear_tasks.leaderboard.published import published_rows
from hear_tasks.reproduce import __main__ as command
from hear_tasks.reproduce import run, run_job, status
from hear_tasks.reproduce.options import Phase
from hear_tasks.table_plugins import TABLE_PLUGINS

ROOT = pathlib.Path(__file__).resolve().parent.parent
SMALL_GRID = ("--grid", "faster", "--grid-points", "1")


def make_esc50(tasks: pathlib.Path) -> pathlib.Path:
    """A task that stands in the table's column ESC-50, at 16 and 48 kHz, which is trained in no time."""
    task = make_scene_task(tasks, clips=3).rename(tasks / "esc50-v2.0.0-full")
    quick = {"task_specific_param_grid": {"max_epochs": [4], "hidden_dim": [8]}}
    metadata = json.loads((task / "task_metadata.json").read_text())
    changed = {"task_name": "esc50", "version": "v2.0.0", "evaluation_params": quick}
    (task / "task_metadata.json").write_text(json.dumps({**metadata, **changed}))
    shutil.copytree(task / "16000", task / "48000")
    for file in (task / "48000").rglob("*.wav"):
        samples, _ = soundfile.read(file, dtype="int16")
        soundfile.write(file, samples.repeat(3), 48_000)
    return task


@pytest.fixture
def for_processes(monkeypatch, tmp_path):
    """The environment of the processes of a run, with a folder of plugins."""
    monkeypatch.setenv("XLA_FLAGS", usual_environment()["XLA_FLAGS"])
    monkeypatch.delenv("JAX_NUMPY_DTYPE_PROMOTION")
    monkeypatch.syspath_prepend(tmp_path / "plugins")
    seen = contextlib.nullcontext(lambda: environment.Device("cpu"))  # asked for in earnest by the doctor's own tests
    monkeypatch.setattr(environment, "_probe", lambda _: seen)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(tmp_path / "plugins")]))
    return tmp_path / "plugins"


@pytest.mark.slow
def test_a_plugin_goes_all_the_way(for_processes, tmp_path, monkeypatch, capsys):
    tasks = make_esc50(tmp_path / "tasks").parent
    here = tmp_path / "current folder"
    name = write_plugin(here, TORCH.replace("= 16000,", "= 48000,"))
    (here / "weights.txt").write_text("0.5")
    monkeypatch.chdir(here)
    out = tmp_path / "out"
    which = [
        "--module",
        name,
        "--model",
        "weights.txt",
        "--model-options",
        '{"scale": 2.0}',
        "--python",
        sys.executable,
    ]
    work = [*which, "--tasks-dir", str(tasks), "--out", str(out), *SMALL_GRID]
    assert command.main(work) == 0
    printed = capsys.readouterr()
    folder = f"{name}-scale=2-0"
    assert "ESC-50" in printed.out
    assert folder in printed.out
    assert (out / "embeddings" / folder / "esc50-v2.0.0-full" / "test.predicted-scores.json").is_file()
    manifest = json.loads((out / "report" / "manifest.json").read_text())
    assert manifest["models"] == {
        folder: {
            "module": name,
            "file": str(here / "weights.txt"),
            "name": "weights.txt",
            "md5": "d310cb367d993fb6fb584b198a2fd72c",
            "options": {"scale": 2.0},
            "python": sys.executable,
            "version": "",
        }
    }
    assert manifest["jobs"][0]["model"] == folder
    assert "grid points 1 (official: 8)" in manifest["jobs"][0]["score"]["reservations"]
    assert status.main(work) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == [folder, "esc50-v2.0.0-full", "done", "done"]
    assert status.main(["--to-do", *work]) == 0
    assert capsys.readouterr().out == ""


def run_in_this_process(jobs, slots, options, stop, tell, supply=None) -> dict[str, str]:
    """In the place of `run_jobs`: the commands of all jobs, one after another."""
    for job in jobs:
        for phase in (Phase.EMBED, Phase.PREDICT):
            command = run_job._command(job, phase, options)
            module, *given = command[command.index("-m") + 1 :]
            assert module == "hear_tasks.cli"
            with contextlib.chdir(run_job._prepare(job, phase, options)):
                assert cli.main(given) == 0
    return {}


@pytest.mark.slow
def test_the_published_table_with_the_rows_whose_weights_are_there(
    for_processes, tiny_checkpoints, tmp_path, capsys, monkeypatch
):
    from plugin_checkpoints import save_laion_clap

    monkeypatch.setattr(run, "run_jobs", run_in_this_process)

    tasks = make_esc50(tmp_path / "tasks").parent
    weights = tmp_path / "weights"
    save_laion_clap(weights / "clap-htsat-unfused", fusion=False)
    shutil.copy(tiny_checkpoints["audiomae"], weights / "AudioMAE.ckpt")
    out = tmp_path / "out"
    given = ["--table", "--checkpoints", str(weights), "--tasks-dir", str(tasks), "--out", str(out), *SMALL_GRID]
    assert command.main(given) == 0, capsys.readouterr().err
    text = (out / "report" / "leaderboard.txt").read_text()
    table = text[text.index("The published table") :]
    for title in ("MS-CLAP (published)", "WavCaps-CNN14 (published)", "Cacophony (stage 2) (published)"):
        assert title.split()[0] in table
    assert table.count("(published)") == 5
    (line,) = (line for line in table.splitlines() if line.startswith("ESC-50"))
    assert line.count("0.964)") == 1  # LAION-CLAP-fusion, as published
    assert line.count("(0.971 ") == line.count("(0.870 ") == 1  # LAION-CLAP and AudioMAE, beside ours
    assert (out / "report" / "leaderboard.png").stat().st_size > 10_000
    assert "The published table" in (out / "report" / "leaderboard.md").read_text()


def test_each_plugin_of_the_table_is_a_published_row():
    rows = {row.module: row.model for row in published_rows()}
    assert {plugin.module: plugin.title for plugin in TABLE_PLUGINS}.items() <= rows.items()
    assert len(rows) == 7


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            [],
            "or --module NAME, for a HEAR plugin, got neither",
        ),
        (["--checkpoints", "random", "--module", "any"], "got both"),
        (["--checkpoints", "random", "--python", "python3"], "are for a plugin; name it with --module"),
        (["--module", "any", "--protocol", "published"], "a plugin has none of them"),
        (["--module", "hear_cacophony.cacophony"], "a module of this package; --checkpoints DIR runs those"),
        (["--checkpoints", "random", "--only", "nosuch"], "--only nosuch: expected one of audiomae, cacophony"),
        (
            ["--table", "--checkpoints", "{empty}"],
            "expected one or more of AudioMAE.ckpt, Cacophony.ckpt, clap-htsat-fused",
        ),
    ],
)
def test_models_that_cannot_be_run(given, message, tmp_path, capsys):
    make_scene_task(tmp_path / "tasks", clips=1)
    (tmp_path / "empty").mkdir()
    places = ["--tasks-dir", str(tmp_path / "tasks"), "--out", str(tmp_path / "out")]
    assert command.main([*places, *(each.format(empty=tmp_path / "empty") for each in given)]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_slurm_is_given_names_the_model(for_processes, tmp_path, capsys, monkeypatch):
    make_scene_task(tmp_path / "tasks", clips=1)
    work = ["--tasks-dir", str(tmp_path / "tasks"), "--out", str(tmp_path / "out")]
    assert status.main(["--to-do", *work, "--checkpoints", "random-tiny", "--only", "cacophony"]) == 0
    assert capsys.readouterr().out == "cacophony\ttest_pitch-v1-full\tembed\tto do\n"
    plugin = ["--module", "pkg.plugin", "--model-options", '{"size": 3}']
    assert status.main(["--to-do", *work, *plugin]) == 1
    assert "--module pkg.plugin: no module pkg: it is neither installed, nor in PYTHONPATH" in capsys.readouterr().err
    (tmp_path / "pkg").mkdir()
    monkeypatch.chdir(tmp_path)
    assert status.main(["--to-do", *work, *plugin]) == 0
    assert capsys.readouterr().out == "pkg.plugin-size=3\ttest_pitch-v1-full\tembed\tto do\n"
