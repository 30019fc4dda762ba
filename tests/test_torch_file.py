"""Files of torch: read as torch reads them, with as little memory as what is wanted takes."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile

import pytest
import torch

from hear_tasks.plugins.torch_checkpoint import CheckpointError, CheckpointKind, load_state, read_state
from hear_tasks.torch_file import TorchFileError, read_torch_file


@pytest.mark.parametrize("legacy", [False, True])
def test_tensors_are_read_as_torch_reads_them(legacy, tmp_path):
    whole = torch.arange(60, dtype=torch.float32).reshape(3, 4, 5)
    tensors = {
        "whole": whole,
        "part": whole[1:, ::2, 3],
        "turned": whole.permute(2, 0, 1),
        "shared": whole[2],
        "empty": torch.zeros(0, 3),
        "scalar": torch.tensor(7, dtype=torch.int64),
        "half": whole.half(),
        "brain": whole.bfloat16()[1],
        "truth": whole > 30,
        "complex": torch.complex(whole, -whole),
        "expanded": whole[0, 0].expand(2, 5),
        "marked": whole[1].clone(),
        **({} if legacy else {"unsigned": torch.tensor([1, 65_535], dtype=torch.uint16)}),
    }
    tensors["marked"].tensor_model_parallel = False  # as programs note what is theirs
    torch.save(tensors, tmp_path / "x.pt", pickle_protocol=4, _use_new_zipfile_serialization=not legacy)
    if not legacy:  # as a program writes it that packs the archive anew
        with zipfile.ZipFile(tmp_path / "x.pt") as archive, zipfile.ZipFile(tmp_path / "y.pt", "w", 8) as packed:
            for name in archive.namelist():
                packed.writestr(name, archive.read(name))
    for file in sorted(tmp_path.iterdir()):
        state = read_state(file, "")
        assert state.keys() == tensors.keys()
        for name, expected in tensors.items():
            assert state[name].shape == expected.shape
            torch.testing.assert_close(state[name].read(), expected, rtol=0, atol=0)


LOADING = """
import resource, sys, torch
from hear_tasks.plugins.torch_checkpoint import CheckpointKind, load_state, read_state
network = torch.nn.ModuleDict({"audio_layer": torch.nn.Linear(256, 256)})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for value, file in enumerate(sys.argv[1:]):
    load_state(network, read_state(file, ""), CheckpointKind("x", "", ""), "", constants=(), heads=())
    assert (network["audio_layer"].weight == value).all()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_what_is_not_wanted_is_left_in_the_file(tmp_path):
    rest = {"optimizer": [torch.zeros(1_000_000) for _ in range(20)]}  # 80 MB
    for value, legacy in enumerate((False, True)):
        layer = {"audio_layer.weight": torch.full((256, 256), float(value)), "audio_layer.bias": torch.ones(256)}
        torch.save({"model": layer, **rest}, tmp_path / f"{value}.pt", _use_new_zipfile_serialization=not legacy)
    command = [sys.executable, "-c", LOADING, *(str(tmp_path / f"{value}.pt") for value in range(2))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(done.stdout.split()) == 2
    assert max(map(int, done.stdout.split())) < 20_000  # kB


def write_entries(file, entries: dict[str, bytes]):
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


def entries_of(file) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_other_forms_are_named(tmp_path):
    file = tmp_path / "x.pt"
    write_entries(file, {"x/data.pkl": b"", "x/constants.pkl": b"", "x/code/x.py": b""})
    with pytest.raises(CheckpointError, match=r"x.pt: a TorchScript archive, which holds code; save the state_dict"):
        read_state(file, "")
    write_entries(file, {"weights/x.pt": b""})
    with pytest.raises(CheckpointError, match=r"a zip archive with weights/x\.pt; unpack it first"):
        read_state(file, "")
    torch.save({"x": torch.ones(2)}, file)
    write_entries(file, entries_of(file) | {"x/byteorder": b"big"})
    with pytest.raises(CheckpointError, match=r"the other order of bytes"):
        read_state(file, "")
    with tarfile.open(file, "w") as archive:
        archive.addfile(tarfile.TarInfo("sys_info"))
    with pytest.raises(CheckpointError, match=r"a tar archive, as torch before 0"):
        read_state(file, "")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("tensor", "protocol", "message"),
    [
        (torch.ones(2, dtype=torch.complex64).conj(), 2, "conjugate"),
        (torch.ones(2, dtype=torch.complex64).conj().imag, 2, "negative views"),
        (torch.ones(2), 0, "protocol 0"),
    ],
)
def test_what_would_be_read_wrongly_is_told(tensor, protocol, message, tmp_path):
    torch.save({"weight": tensor}, tmp_path / "file.pt", pickle_protocol=protocol)
    with pytest.raises(TorchFileError, match=message):
        read_torch_file(tmp_path / "file.pt")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("made", "kind"),
    [
        (lambda: torch.eye(2).to_sparse(), "sparse"),
        (lambda: torch.eye(2).to_sparse_csr(), "sparse"),
        (lambda: torch.nested.nested_tensor([torch.ones(2)]), "nested"),
        (lambda: torch.ones(2, device="meta"), "without values"),
        (lambda: torch.nn.Parameter(torch.eye(2).to_sparse()), "sparse"),
    ],
)
@pytest.mark.parametrize("others", [{}, {"bias": torch.ones(2)}])
def test_tensors_that_are_not_plain_are_named_and_not_taken_as_missing(made, kind, others, tmp_path):
    tensor = made()
    torch.save({"model": {"weight": tensor, **others}, "optimizer": {"state": tensor}}, tmp_path / "file.pt")
    with pytest.raises(CheckpointError, match=rf"file\.pt: weight is a tensor {kind}.*; save it as a plain one"):
        read_state(tmp_path / "file.pt", "")
    if others:
        torch.save({"model": others, "optimizer": {"state": tensor}}, tmp_path / "file.pt")
        assert list(read_state(tmp_path / "file.pt", "")) == ["bias"]


def test_a_storage_that_is_too_short_is_told(tmp_path):
    file = tmp_path / "x.pt"
    torch.save({"x": torch.ones(1000)}, file)
    entries = entries_of(file)
    write_entries(file, entries | {"x/data/0": entries["x/data/0"][:-4]})
    with pytest.raises(CheckpointError, match=r"cut off .expected 4000 bytes in the entry x/data/0, got 3996"):
        read_state(file, "")
    torch.save({"x": torch.ones(1000)}, file, _use_new_zipfile_serialization=False)
    size = file.stat().st_size
    os.truncate(file, size - 4)
    with pytest.raises(CheckpointError, match=rf"damaged or cut off .expected at least {size} bytes, got {size - 4}"):
        read_state(file, "")


def test_a_file_that_is_cut_while_it_is_read_is_told(tmp_path):
    file = tmp_path / "x.pt"
    torch.save({"audio_x": torch.ones(100_000)}, file)
    state = read_state(file, "")
    os.truncate(file, 100_000)
    network = torch.nn.ParameterDict({"audio_x": torch.zeros(100_000)})
    with pytest.raises(CheckpointError, match=r"x.pt: damaged or cut off .expected 400000 bytes of a tensor, got "):
        load_state(network, state, CheckpointKind("x", "", ""), str(file), constants=(), heads=())


class Runs:
    def __reduce__(self):
        return os.mkdir, ("made",)


FORMS = [{"pickle_protocol": 2}, {"pickle_protocol": 4}, {"_use_new_zipfile_serialization": False}]


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize(
    "content", [Runs(), {"model": {"w": torch.ones(2)}, "args": [Runs()]}], ids=["alone", "beside"]
)
def test_nothing_is_run(form, content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(content, "x.pt", **form)
    with pytest.raises(CheckpointError, match=r"more than weights is in it .posix\.mkdir."):
        read_state("x.pt", "")
    assert [file.name for file in tmp_path.iterdir()] == ["x.pt"]
