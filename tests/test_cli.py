from __future__ import annotations

import pytest
from checkpoint_files import tiny_parameters, write_flax

from hear_cacophony.checkpoint import checkpoint, read_checkpoint
from hear_cacophony.model.stages import CACOPHONY
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


def test_unknown_command_lists_the_known_ones(capsys):
    with pytest.raises(SystemExit):
        main(["inform"])
    assert "'info', 'convert'" in capsys.readouterr().err.replace("info, convert", "'info', 'convert'")
