from __future__ import annotations

import errno
import subprocess
import sys

import pytest
from checkpoint_files import tiny_parameters, write_flax

import hear_cacophony
from hear_cacophony.checkpoint import checkpoint, read_checkpoint
from hear_cacophony.model.stages import CACOPHONY
from hear_tasks import cli
from hear_tasks.cli import main


@pytest.fixture
def source(tmp_path):
    return write_flax(tmp_path / "stage 2.ckpt", tiny_parameters(CACOPHONY), CACOPHONY)


def test_info(source, capsys):
    assert main(["info", str(source)]) == 0
    printed = capsys.readouterr().out
    assert "2, Cacophony (module hear_cacophony.cacophony)" in printed
    assert "hidden_size 64, num_layers 2, num_heads 4, mlp_size 128, pool_heads 8" in printed
    assert "not a published file" in printed
    assert "text_module" in printed


def test_info_names_the_published_file(source, capsys, monkeypatch):
    md5 = read_checkpoint(source).md5
    monkeypatch.setattr(checkpoint, "find_release", {md5: CACOPHONY.release}.get)
    assert main(["info", str(source)]) == 0
    assert f"MD5:         {md5}, the published Cacophony.ckpt" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "hidden", "audio_values"), [("random-tiny", 64, 84_032), ("random", 768, 85_259_520)])
def test_info_of_untrained_weights(name, hidden, audio_values, capsys):
    assert main(["info", name]) == 0
    printed = capsys.readouterr().out
    assert f"hidden_size {hidden}, " in printed
    assert f"source:      {name} (untrained)" in printed
    assert f"{audio_values:,}" in printed


def test_convert_then_info(source, tmp_path, capsys):
    target = tmp_path / "out.safetensors"
    assert main(["convert", str(source), str(target)]) == 0
    assert main(["info", str(target)]) == 0
    printed = capsys.readouterr().out
    assert "source:      stage 2.ckpt" in printed
    assert read_checkpoint(source).md5 in printed


@pytest.mark.parametrize("command", [["info", "missing.ckpt"], ["convert", "missing.ckpt", "x.safetensors"]])
def test_faulty_input_is_one_line_and_status_1(command, capsys):
    assert main(command) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("hear-cacophony: missing.ckpt: no such checkpoint file")


@pytest.mark.parametrize(
    "command",
    [
        ["predict", "a", "--grid", "none", "b"],
        ["leaderboard", "a", "--published", "b"],
        ["report", "a", "--out", "r", "b"],
        ["doctor", "a", "--json", "b"],
        ["prepare", "a", "--rates", "1", "b"],
        ["pack", "a", "--out", "o", "b"],
        ["reconstruct", "a", "--model", "m", "--out", "o.png", "b"],
        ["convert", "a", "b"],
        ["download", "tasks", "--dry-run", "nosuchtask"],
    ],
    ids=lambda command: command[0],
)
def test_options_may_stand_between_arguments_of_every_command(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(command) == 1, "and not the status of arguments that are not known"


def test_an_option_whose_number_is_left_out_may_stand_before_a_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for command in (["search", "--duplicates", "none"], ["search", "--duplicates", "0.5", "none"]):
        assert main(command) == 1
        assert "none: expected a folder of audio files" in capsys.readouterr().err
    assert main(["classify", "--along", "none", "--labels", "dog,rain", "--csv"]) == 1
    assert "none: no such file or folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"a": ', "expected JSON such as"),
        ("[1]", "expected a JSON object such as"),
        ("[" * 5000, "(brackets nested too deeply)"),
    ],
)
def test_model_options_that_are_no_object_are_told(text, told, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--module", "hear_cacophony", "--model-options", text])
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_unknown_command_lists_the_known_ones(capsys):
    with pytest.raises(SystemExit):
        main(["inform"])
    assert "'info', 'convert'" in capsys.readouterr().err.replace("info, convert", "'info', 'convert'")


HELP = """
import contextlib, io, sys
from hear_tasks.cli import main
shown = io.StringIO()
for command in ([], {commands}):
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(shown):
        main([*command, "--help"])
assert shown.getvalue().count("usage: hear-cacophony") == {count}, shown.getvalue()
print(*sorted({{name.partition(".")[0] for name in sys.modules}}))
"""


@pytest.mark.parametrize("command", ["embed", "doctor"])
def test_help_of_commands_that_run_the_peers_says_what_timestamps_cost(command, capsys):
    from hear_tasks.plugins.torch_model import count_timestamps

    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert "need 20 passes of 5 to 10 s for each second of an event task" in " ".join(capsys.readouterr().out.split())
    assert count_timestamps(48_000, 50, 48_000) == 20


def test_help_imports_nothing_that_takes_time():
    code = HELP.format(commands=", ".join(f"[{name!r}]" for name in cli.COMMANDS), count=len(cli.COMMANDS) + 1)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    slow = {"numpy", "jax", "flax", "soundfile", "safetensors", "tensorflow", "torch", "matplotlib", "scipy", "tqdm"}
    assert sorted(slow & set(done.stdout.split())) == []


@pytest.mark.parametrize("module", ["hear_cacophony", "hear_tasks"])
def test_the_packages_run_as_the_command(module):
    done = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"hear-cacophony {hear_cacophony.__version__}\n"
    unknown = subprocess.run([sys.executable, "-m", module, "inform"], capture_output=True, text=True, check=False)
    assert (unknown.returncode, unknown.stdout) == (2, "")


def failing(error: BaseException):
    def run(_):
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (KeyboardInterrupt(), 130, "info: interrupted"),
        (
            ModuleNotFoundError("No module named 'soxr'"),
            1,
            "hear-cacophony: No module named 'soxr'; pip install 'hear_cacophony[hear,tasks]', or scripts/setup.sh, "
            "installs what all commands need",
        ),
        (ModuleNotFoundError("needs soxr: pip install soxr"), 1, "hear-cacophony: needs soxr: pip install soxr"),
        (OSError("no such thing"), 1, "hear-cacophony: no such thing"),
        (
            OSError(errno.ENOSPC, "No space left on device", "gone/out.npz"),
            1,
            "hear-cacophony: gone/out.npz: no room (No space left on device); make room and run the same command again",
        ),
    ],
)
def test_no_command_ends_in_a_traceback(error, status, message, monkeypatch, capsys):
    monkeypatch.setattr("hear_cacophony.commands.info._run", failing(error))
    assert main(["info", "a.ckpt"]) == status
    assert capsys.readouterr().err == f"{message}\n"
