from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import importlib.util
import os
import pathlib
import resource
import shutil
import subprocess
import sys

import certifi
import huggingface_hub
import numpy as np
import pytest
from loopback_hosts import QUOTA_PAGE, LoopbackHosts, forget_network, lead_to
from tokenizer_files import write_tokenizer

from hear_cacophony.download import drive, network
from hear_cacophony.download import fetch as download_command
from hear_cacophony.download.fetch import STAGING, DownloadError, download
from hear_cacophony.download.network import HTTPX, share_certificates
from hear_cacophony.download.published_files import DriveFile, TokenizerFiles
from hear_cacophony.model import stages
from hear_cacophony.model.stages import STAGES, Release
from hear_cacophony.text.tokenizer import FORMS
from hear_tasks.cli import main

ROBERTA = pathlib.Path(__file__).parent.parent.parent / "shared" / "golden" / "roberta"
CONTENTS = {
    name: np.random.default_rng(seed).bytes(1_500_000) for seed, name in enumerate(["AudioMAE.ckpt", "Cacophony.ckpt"])
}
WEIGHTS = [DriveFile(Release(name, hashlib.md5(content).hexdigest())) for name, content in CONTENTS.items()]
AUDIOMAE, CACOPHONY = WEIGHTS
TOKENIZER = TokenizerFiles(512)
CHUNK = 512 * 1024  # gdown keeps what came in whole chunks
KINDS = "expected a proxy of http, https, socks5, socks5h"
NAMES = ("tokenizer.json", "vocab.json", "merges.txt")


@pytest.fixture(scope="module")
def tokenizer_contents(tmp_path_factory) -> dict[str, bytes]:
    folder = write_tokenizer(tmp_path_factory.mktemp("tokenizer"))
    return {name: (folder / name).read_bytes() for name in NAMES}


@pytest.fixture
def hosts(tokenizer_contents, monkeypatch):
    """Both hosts, with their right files, for everything in this process."""
    forget_network(monkeypatch)
    with LoopbackHosts() as hosts:
        hosts.drive.update(CONTENTS)
        hosts.hub.update(tokenizer_contents)
        lead_to(hosts.url, monkeypatch)
        yield hosts


def _bring(wanted, folder) -> list[str]:
    told = []
    download(wanted, folder, told.append)
    return told


def _names(folder) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


# Whole downloads


def test_everything_is_brought_and_the_second_run_asks_for_nothing(hosts, tokenizer_contents, tmp_path):
    told = _bring([*WEIGHTS, TOKENIZER], tmp_path / "new" / "weights")
    folder = tmp_path / "new" / "weights"
    expected = {**CONTENTS, **tokenizer_contents}
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == expected
    assert told[0] == f"{folder / 'AudioMAE.ckpt'}: downloaded, MD5 {AUDIOMAE.release.md5}; licence: none named"
    assert told[2:] == [f"{folder / name}: downloaded, 512 entries, known ids; licence: MIT" for name in NAMES]
    (tmp_path / "usual").touch()
    assert {file.stat().st_mode for file in folder.iterdir()} == {(tmp_path / "usual").stat().st_mode}

    hosts.requests.clear()
    times = [file.stat().st_mtime_ns for file in sorted(folder.iterdir())]
    assert [line.split(": ")[1].split(",")[0] for line in _bring([*WEIGHTS, TOKENIZER], folder)] == ["is there"] * 5
    assert hosts.requests == []
    assert [file.stat().st_mtime_ns for file in sorted(folder.iterdir())] == times


def test_what_is_there_and_right_is_kept(hosts, tmp_path):
    (tmp_path / "AudioMAE.ckpt").write_bytes(CONTENTS["AudioMAE.ckpt"])
    inode = (tmp_path / "AudioMAE.ckpt").stat().st_ino
    _bring(WEIGHTS, tmp_path)
    assert (tmp_path / "AudioMAE.ckpt").stat().st_ino == inode
    assert (tmp_path / "Cacophony.ckpt").read_bytes() == CONTENTS["Cacophony.ckpt"]
    assert not any("AudioMAE" in path for _, path, _ in hosts.requests)


def test_half_a_tokenizer_is_completed(hosts, tokenizer_contents, tmp_path):
    (tmp_path / "vocab.json").write_bytes(tokenizer_contents["vocab.json"])
    _bring([TOKENIZER], tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == tokenizer_contents


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_one_form_of_the_tokenizer_saved_by_hand_will_do(form, hosts, tokenizer_contents, tmp_path):
    for name in form:
        (tmp_path / name).write_bytes(tokenizer_contents[name])
    assert _bring([TOKENIZER], tmp_path) == [
        f"{tmp_path / name}: is there, 512 entries, known ids; licence: MIT" for name in form
    ]
    assert hosts.requests == []


# Cut connections


def test_cut_connection_is_gone_on_with(hosts, tmp_path):
    hosts.cuts["AudioMAE.ckpt"] = [1_000_000, 600_000]
    _bring([AUDIOMAE], tmp_path)
    assert (tmp_path / "AudioMAE.ckpt").read_bytes() == CONTENTS["AudioMAE.ckpt"]
    assert hosts.ranges() == [f"bytes={CHUNK}-", f"bytes={2 * CHUNK}-"]


def test_the_next_run_goes_on_where_the_connection_stayed_cut(hosts, tmp_path, monkeypatch):
    monkeypatch.setattr(drive, "RETRIES", 0)
    hosts.cuts["AudioMAE.ckpt"] = [1_000_000]
    with pytest.raises(DownloadError) as error:
        _bring([AUDIOMAE], tmp_path)
    work = tmp_path / STAGING / "AudioMAE.ckpt"
    assert f"What came is kept in {work}, and gone on with by the same command" in str(error.value)
    assert _names(tmp_path) == [STAGING]
    (part,) = [file for file in work.iterdir() if file.suffix == ".part"]
    assert part.read_bytes() == CONTENTS["AudioMAE.ckpt"][:CHUNK]

    _bring([AUDIOMAE], tmp_path)
    assert hosts.ranges() == [f"bytes={CHUNK}-"]
    assert (tmp_path / "AudioMAE.ckpt").read_bytes() == CONTENTS["AudioMAE.ckpt"]
    assert _names(tmp_path) == ["AudioMAE.ckpt"]


def test_cut_connection_to_the_hub_is_tried_again(hosts, tokenizer_contents, tmp_path):
    hosts.cuts["tokenizer.json"] = [5000]
    _bring([TOKENIZER], tmp_path)
    gets = [path for method, path, _ in hosts.requests if method == "GET"]
    assert gets.count("/roberta-base/resolve/main/tokenizer.json") == 2
    assert (tmp_path / "tokenizer.json").read_bytes() == tokenizer_contents["tokenizer.json"]


def test_killed_after_the_last_byte(hosts, tmp_path):
    work = tmp_path / STAGING / "AudioMAE.ckpt"
    work.mkdir(parents=True)
    (work / "AudioMAE.ckptabcdefgh.part").write_bytes(CONTENTS["AudioMAE.ckpt"])
    _bring([AUDIOMAE], tmp_path)
    assert hosts.requests == []
    assert _names(tmp_path) == ["AudioMAE.ckpt"]


def test_interrupted_command_says_how_to_go_on(hosts, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(stages, "STAGES", _stages())
    usage, calls = shutil.disk_usage, []

    def interrupt(folder):
        calls.append(folder)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return usage(folder)

    monkeypatch.setattr(shutil, "disk_usage", interrupt)
    assert main(["download", "--stage", "1", "--to", str(tmp_path)]) == 130
    assert "interrupted; the same command goes on where this one was" in capsys.readouterr().err
    assert _names(tmp_path) == [STAGING]
    assert main(["download", "--stage", "1", "--to", str(tmp_path)]) == 0
    assert hosts.ranges() == [f"bytes={2 * CHUNK}-"]


# Wrong files


def test_wrong_checksum_leaves_nothing(hosts, tmp_path):
    hosts.drive["AudioMAE.ckpt"] = CONTENTS["AudioMAE.ckpt"][:-1] + b"?"
    with pytest.raises(DownloadError) as error:
        _bring([AUDIOMAE], tmp_path)
    found = hashlib.md5(hosts.drive["AudioMAE.ckpt"]).hexdigest()
    said = str(error.value)
    assert f"expected the MD5 {AUDIOMAE.release.md5}, found {found}; is it cut, or another release?" in said
    assert "What came was removed. By hand: open https://drive.google.com/drive/folders/1lZHJuClyn4FK" in said
    assert _names(tmp_path) == []


def test_wrong_vocabulary_leaves_nothing(hosts, tmp_path):
    with pytest.raises(DownloadError, match=r"expected a vocabulary of 50,265 entries, .* found 512") as error:
        _bring([TokenizerFiles()], tmp_path)
    assert f"By hand: save tokenizer.json from https://huggingface.co/roberta-base/tree/main in {tmp_path}" in str(
        error.value
    )
    assert _names(tmp_path) == []


def test_forms_of_the_tokenizer_that_do_not_belong_together_leave_nothing(hosts, tmp_path):
    other = write_tokenizer(tmp_path / "other", size=513)
    hosts.hub["vocab.json"] = (other / "vocab.json").read_bytes()
    with pytest.raises(DownloadError, match=r"vocab\.json and .*expected a vocabulary of 512 entries, .* found 513"):
        _bring([TOKENIZER], tmp_path / "weights")
    assert _names(tmp_path / "weights") == []


def test_wrong_file_that_is_there_is_left_and_nothing_fetched(hosts, tokenizer_contents, tmp_path):
    (tmp_path / "Cacophony.ckpt").write_bytes(b"cut")
    (tmp_path / "tokenizer.json").write_bytes(b"{}")
    with pytest.raises(
        ValueError, match=r"nothing was downloaded or changed; move these away, and run this again"
    ) as error:
        _bring([*WEIGHTS, TOKENIZER], tmp_path)
    assert f"{tmp_path / 'Cacophony.ckpt'}: expected the MD5 {CACOPHONY.release.md5}" in str(error.value)
    assert f"{tmp_path / 'tokenizer.json'}: expected a byte-level BPE tokenizer" in str(error.value)
    assert hosts.requests == []
    assert (tmp_path / "Cacophony.ckpt").read_bytes() == b"cut"
    assert _names(tmp_path) == ["Cacophony.ckpt", "tokenizer.json"]


def test_half_a_tokenizer_of_another_model_is_left(hosts, tmp_path):
    (tmp_path / "merges.txt").write_text("#version: 0.2\nx y\n")
    with pytest.raises(DownloadError, match=r"merges.txt is there, and not the published file; move it away"):
        _bring([TOKENIZER], tmp_path)
    assert (tmp_path / "merges.txt").read_text() == "#version: 0.2\nx y\n"
    assert _names(tmp_path) == ["merges.txt"]


# Hosts that refuse


def test_quota_page_is_told_and_the_other_host_still_asked(hosts, tmp_path):
    hosts.quota.add("Cacophony.ckpt")
    with pytest.raises(DownloadError) as error:
        _bring([CACOPHONY, TOKENIZER], tmp_path)
    said = str(error.value)
    assert "Cacophony.ckpt could not be downloaded: drive.google.com: " in said
    assert "Too many users have viewed or downloaded this file recently." in said
    assert f"save Cacophony.ckpt (MD5 {CACOPHONY.release.md5}) in {tmp_path}" in said
    assert "\n" not in said
    assert _names(tmp_path) == sorted(NAMES)


def test_page_of_html_in_place_of_the_file(hosts, tmp_path):
    hosts.drive["AudioMAE.ckpt"] = QUOTA_PAGE
    with pytest.raises(DownloadError, match="it is a page of HTML"):
        _bring([AUDIOMAE], tmp_path)
    assert _names(tmp_path) == []


def test_folder_without_the_file(hosts, tmp_path):
    del hosts.drive["AudioMAE.ckpt"]
    with pytest.raises(DownloadError, match=r"expected AudioMAE.ckpt in the folder 1lZ\w+, found Cacophony.ckpt"):
        _bring([AUDIOMAE], tmp_path)


def test_hub_without_the_file(hosts, tokenizer_contents, tmp_path):
    del hosts.hub["merges.txt"]
    with pytest.raises(DownloadError, match=r"merges.txt could not be downloaded: http.*404"):
        _bring([TOKENIZER], tmp_path)
    assert _names(tmp_path) == [STAGING]
    hosts.hub["merges.txt"] = tokenizer_contents["merges.txt"]
    hosts.requests.clear()
    _bring([TOKENIZER], tmp_path)
    assert _names(tmp_path) == sorted(NAMES)
    assert {path.rpartition("/")[2] for _, path, _ in hosts.requests} == {"merges.txt"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"SSL_CERT_FILE": "a.pem"}, {"SSL_CERT_FILE": "a.pem", "REQUESTS_CA_BUNDLE": "a.pem"}),
        ({"CURL_CA_BUNDLE": "a.pem"}, {"CURL_CA_BUNDLE": "a.pem", "SSL_CERT_FILE": "a.pem"}),
        ({"REQUESTS_CA_BUNDLE": "."}, {"REQUESTS_CA_BUNDLE": ".", "SSL_CERT_DIR": "."}),
        (dict.fromkeys(["SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"], "."),) * 2,
        ({"SSL_CERT_FILE": "no.pem"}, {"SSL_CERT_FILE": "no.pem"}),
        ({}, {}),
    ],
)
def test_certificates_that_one_variable_names_are_for_all(given, expected, tmp_path, monkeypatch):
    names = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    for name in names:
        monkeypatch.setenv(name, "")  # and so what is set in here is undone
        monkeypatch.delenv(name)
    (tmp_path / "a.pem").touch()
    monkeypatch.chdir(tmp_path)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    share_certificates()
    assert {name: os.environ[name] for name in names if name in os.environ} == expected


def test_certificates_are_told_by_the_variable_that_names_them(tmp_path, monkeypatch):
    forget_network(monkeypatch)
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, "")  # and so what is set in here is undone
    (tmp_path / "a.pem").touch()
    monkeypatch.setenv("CURL_CA_BUNDLE", str(tmp_path / "a.pem"))
    share_certificates()
    with pytest.raises(ValueError, match=rf"^CURL_CA_BUNDLE={tmp_path}/a.pem: expected certificates as PEM"):
        network.check_way("https://a.host", HTTPX)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path))
    with pytest.raises(ValueError, match=rf"^SSL_CERT_FILE={tmp_path}: expected a file"):
        network.check_way("https://a.host", HTTPX)


def test_certificates_are_read_once_and_again_when_their_file_is_another(tmp_path, monkeypatch):
    """Also where the other one is as large and as old."""
    forget_network(monkeypatch)
    file, read = tmp_path / "a.pem", []
    create = network.ssl.create_default_context

    def note(cafile):
        read.append(cafile)
        return create(cafile=cafile)

    monkeypatch.setattr(network.ssl, "create_default_context", note)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
    certificates = pathlib.Path(certifi.where()).read_bytes()
    for content, good in ((certificates, True), (b"x" * len(certificates), False), (certificates, True)):
        file.write_bytes(content)
        os.utime(file, ns=(0, 0))
        read.clear()
        for _ in range(2):
            with contextlib.nullcontext() if good else pytest.raises(ValueError, match="expected certificates as PEM"):
                network.check_way("https://a.host", network.REQUESTS)
        assert read == [str(file)]


@pytest.mark.parametrize(
    ("proxy", "shown"),
    [
        ("http://me:secret@a.proxy:1", "http://***@a.proxy:1"),
        ("http://me:se@secret@a.proxy:1", "http://***@a.proxy:1"),
        ("http://me:se/secret@a.proxy:1", "http://***@a.proxy:1"),
        ("me:secret@a.proxy:1", "***@a.proxy:1"),
        ("http:/me:secret@a.proxy:1", "***@a.proxy:1"),
        ("//secret@a.proxy:1", "//***@a.proxy:1"),
        ("http://a.proxy:1/path", "http://a.proxy:1/path"),
    ],
)
def test_no_password_of_a_proxy_is_shown(proxy, shown, monkeypatch):
    forget_network(monkeypatch)
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    assert network.describe_way("https://a.host") == f" (by way of HTTPS_PROXY={shown})"


def test_refused_connections_give_the_steps_by_hand(tmp_path, monkeypatch):
    with LoopbackHosts() as closed:
        url = closed.url
    lead_to(url, monkeypatch)
    with pytest.raises(DownloadError) as error:
        _bring([AUDIOMAE, TOKENIZER], tmp_path)
    weights, tokenizer = str(error.value).splitlines()
    assert weights.startswith("AudioMAE.ckpt could not be downloaded: drive.google.com: ")
    assert "has to reach drive.google.com and drive.usercontent.google.com, through HTTPS_PROXY if need be" in weights
    assert tokenizer.startswith(f"tokenizer.json, vocab.json, merges.txt could not be downloaded: {url}: ")
    for line in (weights, tokenizer):
        assert "refused" in line
        assert "By hand: " in line
    assert _names(tmp_path) == []


@pytest.mark.parametrize(
    ("wanted", "variable", "value", "message"),
    [
        (AUDIOMAE, "REQUESTS_CA_BUNDLE", "{folder}/no.pem", "no such file or folder; correct the variable, or"),
        (AUDIOMAE, "CURL_CA_BUNDLE", "{folder}/text", "expected certificates as PEM, cannot be read ("),
        (TOKENIZER, "SSL_CERT_FILE", "{folder}/no.pem", "no such file; correct the variable, or unset it"),
        (TOKENIZER, "SSL_CERT_FILE", "{folder}", "expected a file of certificates, this is a folder"),
        (TOKENIZER, "SSL_CERT_DIR", "{folder}/text", "expected a folder of certificates, this is a file"),
        (TOKENIZER, "HF_ENDPOINT", "huggingface.co", "expected the URL of a host, https://...; correct the variable"),
        (TOKENIZER, "HF_ENDPOINT", "http://mirror:many", "expected the URL of a host"),
        (TOKENIZER, "HF_ENDPOINT", "", "expected the URL of a host"),
        (AUDIOMAE, "HTTPS_PROXY", "http://a proxy:1", "expected a proxy as http://HOST:PORT"),
        (AUDIOMAE, "HTTPS_PROXY", "http://:3128", "expected a proxy as http://HOST:PORT"),
        (AUDIOMAE, "https_proxy", "http://a.proxy:many", "expected a proxy as http://HOST:PORT"),
        (TOKENIZER, "HTTPS_PROXY", "a.proxy:many", "expected a proxy as http://HOST:PORT"),
        (TOKENIZER, "ALL_PROXY", "socks4://a.proxy:1", f"{KINDS}, got socks4"),
        (TOKENIZER, "ALL_PROXY", "socks://a.proxy:1", f"{KINDS}, got socks; most likely it is socks5://a.proxy:1"),
        (
            AUDIOMAE,
            "all_proxy",
            "socks://a.proxy:1",
            f"{KINDS}, socks4, socks4a, got socks; most likely it is socks5://a.proxy:1",
        ),
        (AUDIOMAE, "HTTPS_PROXY", "ftp://a.proxy:1", f"{KINDS}, socks4, socks4a, got ftp"),
    ],
)
def test_what_variables_say_of_the_way_is_told_with_their_name(
    wanted, variable, value, message, hosts, tmp_path, monkeypatch
):
    (tmp_path / "text").write_text("no certificate")
    value = value.format(folder=tmp_path)
    monkeypatch.setenv(variable, value)
    with pytest.raises(DownloadError) as error:
        _bring([wanted], tmp_path / "weights")
    assert f"could not be downloaded: {variable}={value}: {message}" in str(error.value)
    assert f"By hand: {wanted.by_hand(tmp_path / 'weights')}" in str(error.value)
    assert hosts.requests == []
    assert _names(tmp_path / "weights") == []


@pytest.mark.parametrize(("wanted", "package"), [(AUDIOMAE, "socks"), (TOKENIZER, "socksio")], ids=["Drive", "hub"])
def test_a_socks_proxy_without_its_package_says_what_to_install(wanted, package, hosts, tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else find(name))
    monkeypatch.setenv("ALL_PROXY", "socks5h://me:secret@a.proxy:1080")
    expected = f"ALL_PROXY=socks5h://\\*\\*\\*@a.proxy:1080: a SOCKS proxy needs {package}: pip install 'hear_cacophony"
    with pytest.raises(DownloadError, match=expected):
        _bring([wanted], tmp_path)


def test_what_is_set_for_other_hosts_and_libraries_does_not_matter(hosts, tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such.pem")
    monkeypatch.setenv("ALL_PROXY", "socks://a.proxy:1")
    monkeypatch.setenv("NO_PROXY", "google.com,127.0.0.1")
    _bring([AUDIOMAE], tmp_path)
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such.pem")
    monkeypatch.setenv("NO_PROXY", "*")
    _bring([TOKENIZER], tmp_path)
    assert _names(tmp_path) == ["AudioMAE.ckpt", *sorted(NAMES)]


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
@pytest.mark.parametrize("wanted", [AUDIOMAE, TOKENIZER], ids=["Drive", "hub"])
def test_a_proxy_that_refuses_is_named(scheme, wanted, tmp_path, monkeypatch):
    forget_network(monkeypatch)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with LoopbackHosts() as closed:
        proxy = f"127.0.0.1:{closed.server_port}"
    monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://me:secret@{proxy}")
    huggingface_hub.close_session()  # which would go on by the way of other tests
    try:
        with pytest.raises(DownloadError) as error:
            _bring([wanted], tmp_path)
    finally:
        huggingface_hub.close_session()
    assert f"(by way of HTTPS_PROXY={scheme}://***@{proxy}). By hand: " in str(error.value)
    assert "secret" not in str(error.value)


def test_a_certificate_that_is_not_trusted_says_where_to_name_it():
    error = OSError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate in chain")
    said = str(network.refusal("https://huggingface.co", error, HTTPX))
    assert said.endswith("a proxy that opens connections? its certificate goes, as PEM, into SSL_CERT_FILE")


# This machine


@pytest.mark.parametrize("wanted", [AUDIOMAE, TOKENIZER], ids=["Drive", "hub"])
def test_full_disk_keeps_what_came(hosts, wanted, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(DownloadError) as error:
            _bring([wanted], tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "(ulimit -f); raise that limit, or choose another folder. What came is kept in " in str(error.value)
    assert _names(tmp_path) == [STAGING]
    _bring([wanted], tmp_path)
    assert _names(tmp_path) == sorted(wanted.names)


def test_disk_with_too_little_room_is_noticed_at_the_start(hosts, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(0, 0, 1000))
    with pytest.raises(
        DownloadError,
        match=r"975,712 bytes are still to come, 0\.0 MB are free; make room, or choose another folder. What came",
    ):
        _bring([AUDIOMAE], tmp_path)
    assert _names(tmp_path) == [STAGING]


def test_one_process_at_a_time(hosts, tmp_path):
    (tmp_path / STAGING).mkdir()
    with (tmp_path / STAGING / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(DownloadError, match="another process downloads to this folder; wait for its end"):
            _bring([AUDIOMAE], tmp_path)
    assert hosts.requests == []
    _bring([AUDIOMAE], tmp_path)


def test_absent_package_is_named(hosts, tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "gdown" else find(name))
    with pytest.raises(ModuleNotFoundError, match=r"downloading needs gdown: pip install 'hear_cacophony\[download\]'"):
        _bring([TOKENIZER, AUDIOMAE], tmp_path / "new")
    assert not (tmp_path / "new").exists()


# The command


def _stages():
    """The stages, with the MD5s of what the server has."""
    return [dataclasses.replace(stage, release=files.release) for stage, files in zip(STAGES, WEIGHTS, strict=True)]


@pytest.mark.parametrize("variable", ["HEAR_CACOPHONY_WEIGHTS", "XDG_CACHE_HOME"])
def test_command_brings_one_stage_to_the_weights_folder(variable, hosts, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(stages, "STAGES", _stages())
    monkeypatch.delenv("HEAR_CACOPHONY_WEIGHTS", raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "new"))
    folder = tmp_path / "new" if variable == "HEAR_CACOPHONY_WEIGHTS" else tmp_path / "new" / "hear_cacophony"
    assert main(["download", "--stage", "1"]) == 0
    assert (
        capsys.readouterr().out
        == f"{folder / 'AudioMAE.ckpt'}: downloaded, MD5 {AUDIOMAE.release.md5}; licence: none named\n"
    )
    assert _names(folder) == ["AudioMAE.ckpt"]
    (folder / "AudioMAE.ckpt").write_bytes(b"")
    assert main(["download", "--stage", "1"]) == 1
    assert "expected the MD5" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ["AudioMAE.ckpt", "Cacophony.ckpt", *NAMES]),
        (["--stage", "1"], ["AudioMAE.ckpt"]),
        (["--stage", "2"], ["Cacophony.ckpt", *NAMES]),
        (["--tokenizer-only"], list(NAMES)),
    ],
)
def test_command_chooses_the_files(options, expected, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(download_command, "download", lambda wanted, folder, **_: calls.append((wanted, folder)))
    assert main(["download", *options, "--to", str(tmp_path)]) == 0
    ((wanted, folder),) = calls
    assert [name for files in wanted for name in files.names] == expected
    assert folder == tmp_path


def test_command_takes_the_hub_from_the_environment(hosts, tokenizer_contents, tmp_path):
    real = ROBERTA.is_dir()
    if real:
        hosts.hub.update({name: (ROBERTA / name).read_bytes() for name in NAMES})
    run = subprocess.run(
        [sys.executable, "-m", "hear_tasks.cli", "download", "--tokenizer-only", "--to", str(tmp_path)],
        env={**os.environ, "HF_ENDPOINT": hosts.url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == (0 if real else 1), run.stderr
    assert _names(tmp_path) == (sorted(NAMES) if real else [])
    assert ("50,265 entries, known ids" in run.stdout) if real else ("found 512" in run.stderr)
