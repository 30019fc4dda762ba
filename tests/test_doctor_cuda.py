"""What `doctor` says of builds of JAX and torch that do not go with the NVIDIA driver."""

from __future__ import annotations

import importlib.metadata

import pytest

from hear_tasks.doctor import cuda
from hear_tasks.doctor.cuda import Builds, check_builds
from hear_tasks.doctor.report import Findings


@pytest.mark.parametrize(
    ("builds", "told"),
    [
        (Builds("580.65.06", ("13",), "13"), []),
        (Builds("580.65.06", ("12",), "12"), []),
        (Builds("570.10", ("12",), "12"), []),
        (Builds("", (), ""), []),
        (Builds("570.10", ("13",), "12"), ["jax's build for CUDA 12, as driver 570.10 takes no other, found CUDA 13"]),
        (
            Builds("570.10", ("12",), "13"),
            ["torch's build for CUDA 12, as driver 570.10 takes no other, found CUDA 13"],
        ),
        (Builds("580.1", (), ""), ["jax's build for CUDA 13, which driver 580.1", "torch's build for CUDA 13, which"]),
        (Builds("580.1", ("13",), None), []),
        (
            Builds("515.1", ("12",), "12"),
            ["expected an NVIDIA driver of 525 or later, got 515.1: no card will be used"],
        ),
        (Builds("580.1", ("12", "13"), "13"), ["JAX's build for one CUDA, found cuda12 and cuda13"]),
        (Builds("", ("13",), "13"), ["expected an NVIDIA driver for jax[cuda13], found none"]),
    ],
)
def test_builds_that_the_driver_does_not_take_are_told(builds, told):
    findings = Findings("environment")
    check_builds(builds, findings)
    messages = [finding.message for finding in findings.found]
    assert len(messages) == len(told)
    assert all(part in message for part, message in zip(told, messages, strict=True))


def test_the_driver_and_the_builds_are_read_without_importing_anything(tmp_path, monkeypatch):
    file = tmp_path / "version"
    monkeypatch.setattr(cuda, "_DRIVER", file)
    assert cuda.find_builds().driver == ""
    for line in ("Kernel Module  580.65.06  Sun", "Open Kernel Module for x86_64  580.65.06  Release Build"):
        file.write_text(f"NVRM version: NVIDIA UNIX x86_64 {line}\nGCC version: 12\n")
        assert cuda.find_builds().driver == "580.65.06"
    versions = {"jax-cuda13-plugin": "0.10.2"}

    def version(name):
        if name not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: ["nvidia-cudnn-cu13==9.20", "filelock"])
    assert cuda.find_builds() == Builds("580.65.06", ("13",), None)
    for found, expected in (("2.13.0", "13"), ("2.13.0+cu126", "12"), ("2.13.0+cpu", "")):
        versions["torch"] = found
        assert cuda.find_builds().torch == expected
