"""Transfers from hosts with faults: nothing wrong gets a final name, and the next call ends what one began."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import gzip
import hashlib
import io
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import warnings
import zipfile
from collections.abc import Iterator

import huggingface_hub.constants
import numpy as np
import pytest
from loopback_hosts import FOLDER, PAGE, Fault, LoopbackHosts, forget_network, garbled, lead_to
from repeats import first

from hear_cacophony.download import transfers
from hear_cacophony.download.fetch import STAGING, DownloadError, download
from hear_cacophony.download.mirror import Mirror
from hear_cacophony.download.remote_file import WrongFileError, version_note
from hear_tasks.cli import main
from hear_tasks.download import buckets, check_tarballs, choose, datasets
from hear_tasks.download.archive_check import check_archive
from hear_tasks.download.datasets import DATASETS
from hear_tasks.download.hear_tarballs import LICENCES
from hear_tasks.download.peers import PeerWeights
from hear_tasks.download.unpack import unpack
from hear_tasks.registry import TASKS
from hear_tasks.table_plugins import TABLE_PLUGINS

RECORD = 5885750
NAMES = {
    "esc50": "hear2021-esc50-v2.0.0-full-48000.tar.gz",
    "libricount": "hear2021-libricount-v1.0.0-hear2021-full-48000.tar.gz",
    "tfds_gtzan": "hear2021-tfds_gtzan-1.0.0-full-48000.tar.gz",
}
ESC50, LIBRICOUNT, GTZAN = NAMES.values()
CONTENTS = {name: np.random.default_rng(seed).bytes(300_000) for seed, name in enumerate(NAMES.values())}
MD5S = {name: hashlib.md5(content).hexdigest() for name, content in CONTENTS.items()}
PLACE = f"zenodo.org/api/records/{RECORD}/files/{ESC50}/content"


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


CHECKPOINT = zipped({"archive/data.pkl": bytes(1000)})
"""As far as anybody looks into one."""


@pytest.fixture
def hosts(monkeypatch):
    forget_network(monkeypatch)
    with LoopbackHosts() as hosts:
        hosts.add_record(RECORD, CONTENTS)
        hosts.waited = lead_to(hosts.url, monkeypatch)
        yield hosts


def bring(folder, *names, **options) -> list[str]:
    told = []
    download(choose.tasks(names or list(NAMES)), folder, told.append, **options)
    return told


def there(folder) -> dict[str, str]:
    """MD5 of each tarball."""
    files = [file for file in folder.iterdir() if file.is_file() and file.suffix == ".gz"]
    return {file.name: hashlib.md5(file.read_bytes()).hexdigest() for file in files}


def ranges(hosts) -> list[int]:
    return [int(wanted[6:-1]) for wanted in hosts.ranges()]


# Whole


def test_tarballs_come_with_the_list_of_the_record_and_are_known_without_network(hosts, tmp_path):
    told = bring(tmp_path)
    assert there(tmp_path) == MD5S
    md5 = hashlib.md5(CONTENTS[ESC50]).hexdigest()
    assert f"{tmp_path / ESC50}: downloaded, MD5 {md5}; licence: CC BY-NC 3.0" in told
    listed = json.loads((tmp_path / f"zenodo-{RECORD}.json").read_text())["files"]
    assert {file["key"]: file["checksum"] for file in listed}[ESC50] == f"md5:{md5}"
    hosts.requests.clear()
    told = bring(tmp_path)
    assert f"{tmp_path / ESC50}: is there, MD5 {md5}; licence: CC BY-NC 3.0" in told
    assert hosts.requests == []
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([*CONTENTS, f"zenodo-{RECORD}.json"])


def test_a_tarball_that_is_there_and_damaged_is_left_and_told(hosts, tmp_path):
    bring(tmp_path)
    (tmp_path / ESC50).write_bytes(CONTENTS[ESC50][:-1])
    with pytest.raises(ValueError, match=rf"(?s){ESC50}: expected the MD5 \w+, found \w+.*nothing was downloaded"):
        bring(tmp_path)
    assert (tmp_path / ESC50).stat().st_size == 299_999


def test_doctor_knows_tarballs_by_the_list_beside_them(hosts, tmp_path):
    bring(tmp_path)
    hosts.requests.clear()
    assert check_tarballs(tmp_path, deep=True) == {}
    (tmp_path / ESC50).write_bytes(CONTENTS[ESC50][:-1])
    (tmp_path / GTZAN).write_bytes(bytes(300_000))
    assert check_tarballs(tmp_path, deep=False) == {ESC50: "expected 300,000 bytes, found 299,999; is it cut?"}
    assert f"expected the MD5 {MD5S[GTZAN]}, found" in check_tarballs(tmp_path, deep=True)[GTZAN]
    assert hosts.requests == []
    assert check_tarballs(tmp_path / "elsewhere", deep=True) is None


def test_redirects_to_other_hosts_are_followed(hosts, tmp_path):
    hosts.web["elsewhere.org/a file"] = CONTENTS[ESC50]
    hosts.faults[PLACE] = [Fault(status=302, headers={"Location": "https://elsewhere.org/a%20file"})]
    bring(tmp_path, "esc50")
    assert there(tmp_path) == {ESC50: MD5S[ESC50]}


# Cut connections, and hosts that ask for patience


def test_a_file_that_is_cut_at_every_tenth_is_gone_on_with(hosts, tmp_path):
    hosts.faults[PLACE] = [*(Fault(cut=30_000) for _ in range(9)), None]
    bring(tmp_path, "esc50")
    assert there(tmp_path) == {ESC50: MD5S[ESC50]}
    assert ranges(hosts) == [30_000 * i for i in range(1, 10)]


def test_a_host_that_does_not_hear_ranges_gives_the_file_anew(hosts, tmp_path):
    hosts.faults[PLACE] = [Fault(cut=100_000), Fault(from_start=True)]
    bring(tmp_path, "esc50")
    assert there(tmp_path) == {ESC50: MD5S[ESC50]}


def test_a_connection_that_gives_nothing_ends_the_transfer_and_the_next_call_goes_on(hosts, tmp_path):
    hosts.faults[PLACE] = [Fault(cut=120_000), Fault(cut=0)]
    with pytest.raises(DownloadError, match=f"{ESC50} could not be downloaded: zenodo.org: .* tried 6 times") as error:
        bring(tmp_path)
    assert f"What came is kept in {tmp_path / STAGING}" in str(error.value)
    assert there(tmp_path) == {name: MD5S[name] for name in (LIBRICOUNT, GTZAN)}
    hosts.faults.clear()
    hosts.requests.clear()
    bring(tmp_path)
    assert there(tmp_path) == MD5S
    assert ranges(hosts) == [120_000]
    assert not (tmp_path / STAGING).exists()


def test_a_host_that_asks_for_patience_gets_it(hosts, tmp_path):
    hosts.faults[PLACE] = [
        Fault(status=429, headers={"Retry-After": "7"}),
        Fault(status=503, headers={"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}),
        Fault(status=503),
        None,
    ]
    told = bring(tmp_path, "esc50")
    assert hosts.waited == [7, 0, 4]
    assert any("zenodo.org" in line and "429" in line and "waiting 7 s, as the host asks" in line for line in told)
    assert there(tmp_path) == {ESC50: MD5S[ESC50]}


def test_the_list_of_files_is_waited_for_too(hosts, tmp_path):
    hosts.faults[f"zenodo.org/api/records/{RECORD}"] = [Fault(status=429, headers={"Retry-After": "3"}), None]
    bring(tmp_path, "esc50")
    assert hosts.waited == [3]
    assert there(tmp_path) == {ESC50: MD5S[ESC50]}


def test_a_host_that_asks_for_more_than_an_hour_is_told(hosts, tmp_path):
    for asked in ("99999999999", "Fri, 31 Dec 9999 23:59:59 GMT"):
        hosts.faults[PLACE] = [Fault(status=429, headers={"Retry-After": asked})]
        with pytest.raises(DownloadError, match=r"zenodo.org: .*429.*; it asks to wait [\d,]+ h: run the same command"):
            bring(tmp_path, "esc50")
    assert hosts.waited == []


@pytest.mark.parametrize("asked", ["\xb2", "-3", "soon", "1.5"])
def test_what_is_no_time_to_wait_is_none(asked, hosts, tmp_path):
    hosts.faults[PLACE] = [Fault(status=503, headers={"Retry-After": asked}), None]
    bring(tmp_path, "esc50")
    assert hosts.waited == [1]


def test_a_slow_host_keeps_no_other_waiting(hosts, tmp_path):
    at = "raw.githubusercontent.com"
    lists = [f"{at}/cdjkim/audiocaps/master/dataset/test.csv", f"{at}/hche11/VGGSound/master/data/vggsound.csv"]
    hosts.web |= dict.fromkeys(lists, b"a,1,dog,test\n")
    others_asked = threading.Event()

    def watch():
        if {f"/web/{place}" for place in lists} <= {path for _, path, _ in hosts.requests}:
            others_asked.set()

    hosts.watch = watch
    hosts.faults |= {PLACE.replace(ESC50, name): [Fault(after=others_asked)] for name in CONTENTS}
    wanted = [*choose.tasks(list(NAMES)), *choose.datasets(["audiocaps", "vggsound"])]
    download(wanted, tmp_path, lambda _: None, jobs=2)
    assert there(tmp_path) == MD5S
    assert [path.name for path in sorted(tmp_path.glob("*/*.csv"))] == ["test.csv", "vggsound.csv"]


def test_a_host_that_sends_the_same_beginning_again_and_again_is_given_up(hosts, tmp_path):
    hosts.faults[PLACE] = [Fault(cut=1000, from_start=True)]
    with pytest.raises(DownloadError, match=r"zenodo.org: .* tried 6 times"):
        bring(tmp_path, "esc50")
    hosts.faults.clear()
    bring(tmp_path, "esc50")
    assert there(tmp_path) == {ESC50: MD5S[ESC50]}


def test_another_range_than_that_asked_for_is_not_taken(hosts, tmp_path):
    hosts.faults[PLACE] = [Fault(cut=100_000), Fault(headers={"Content-Range": "bytes 5-9/300000"}), None]
    bring(tmp_path, "esc50")
    assert there(tmp_path) == {ESC50: MD5S[ESC50]}


@pytest.mark.parametrize("length", ["not", "chunks"])
def test_a_cut_is_gone_on_with_however_the_length_is_told(length, hosts, tmp_path):
    hosts.faults[PLACE] = [Fault(length=length, cut=100_000), Fault(length=length, cut=50_000), Fault(length=length)]
    bring(tmp_path, "esc50")
    assert there(tmp_path) == {ESC50: MD5S[ESC50]}
    assert ranges(hosts) == [100_000, 150_000]


@pytest.mark.parametrize("headers", [{}, {"Content-Range": ""}])
def test_what_came_to_its_last_byte_is_not_taken_for_a_page_where_the_host_has_no_more(headers, hosts, tmp_path):
    place = "raw.githubusercontent.com/hche11/VGGSound/master/data/vggsound.csv"
    hosts.web[place] = b"a,1,dog,test\n"
    part = tmp_path / STAGING / "vggsound" / "vggsound.csv.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(hosts.web[place])
    version_note(part).write_text('"a"')
    hosts.faults[place] = [Fault(headers=headers), Fault(headers={"ETag": '"a"'})]
    download(choose.datasets(["vggsound"]), tmp_path, lambda _: None)
    assert (tmp_path / "vggsound" / "vggsound.csv").read_bytes() == hosts.web[place]
    assert ranges(hosts) == [13]


# Wrong files


def test_what_changes_on_its_host_is_not_joined_to_its_former_beginning(hosts, tmp_path):
    place = "raw.githubusercontent.com/hche11/VGGSound/master/data/vggsound.csv"
    for begun, then in (('"a"', '"b"'), (None, None)):  # a host that names versions, and one that does not
        hosts.web[place] = b"a,1,dog,test\n" * 1000
        hosts.faults[place] = [Fault(cut=5000, headers={"ETag": begun} if begun else {}), Fault(cut=0)]
        with pytest.raises(DownloadError, match="tried 6 times"):
            download(choose.datasets(["vggsound"]), tmp_path, lambda _: None)
        hosts.web[place] = b"b,2,cat,test\n" * 1000
        hosts.faults[place] = [Fault(headers={"ETag": then} if then else {})]
        download(choose.datasets(["vggsound"]), tmp_path, lambda _: None)
        assert (tmp_path / "vggsound" / "vggsound.csv").read_bytes() == hosts.web[place]
        shutil.rmtree(tmp_path / "vggsound")


def test_what_a_proxy_packs_on_the_way_is_not_taken(hosts, tmp_path):
    place = "raw.githubusercontent.com/hche11/VGGSound/master/data/vggsound.csv"
    hosts.web[place] = gzip.compress(b"a,1,dog,test\n")
    hosts.faults[place] = [Fault(headers={"Content-Encoding": "gzip"})]
    with pytest.raises(
        DownloadError, match=r"expected vggsound.csv as it is, the host, or a proxy .* packs it as gzip"
    ):
        download(choose.datasets(["vggsound"]), tmp_path, lambda _: None)
    hosts.web[f"mirror.edu/hear/{ESC50}"] = gzip.compress(gzip.compress(b"tasks"))
    hosts.faults[f"mirror.edu/hear/{ESC50}"] = [Fault(headers={"Content-Encoding": "gzip"})]
    with pytest.raises(DownloadError, match="packed twice with gzip"):
        bring(tmp_path, "esc50", mirror=Mirror("https://mirror.edu/hear"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault(content=CONTENTS[ESC50][:-1] + b"?"), "expected the MD5 {md5}, found"),
        (Fault(content=CONTENTS[ESC50] + b"?"), "expected 300,000 bytes, the host has 300,001"),
        (Fault(content=CONTENTS[ESC50][:-1]), "expected 300,000 bytes, the host has 299,999"),
        (Fault(content=PAGE), "got a page of HTML; does it, or a proxy on the way, ask for a login or for consent"),
        (Fault(status=404), "404"),
        (Fault(status=403), "403"),
    ],
    ids=["checksum", "longer", "shorter", "page", "404", "403"],
)
def test_what_is_not_the_file_leaves_nothing(fault, message, hosts, tmp_path):
    hosts.faults[PLACE] = [fault]
    with pytest.raises(DownloadError) as error:
        bring(tmp_path)
    said = str(error.value)
    assert said.startswith(f"{ESC50} could not be downloaded: zenodo.org: ")
    assert message.format(md5=hashlib.md5(CONTENTS[ESC50]).hexdigest()) in said
    assert f"By hand: save {ESC50} from https://zenodo.org/records/{RECORD} in {tmp_path}" in said
    assert there(tmp_path) == {name: MD5S[name] for name in (LIBRICOUNT, GTZAN)}
    assert not (tmp_path / STAGING).exists()


@pytest.mark.parametrize("length", ["not", "chunks"])
def test_no_more_is_taken_than_was_told(length, hosts, tmp_path):
    hosts.faults[PLACE] = [Fault(length=length, endless=True)]
    with pytest.raises(DownloadError, match=r"zenodo.org: .*expected 300,000 bytes, got more.* What came was removed"):
        bring(tmp_path, "esc50")
    assert list(tmp_path.iterdir()) == []


def test_hosts_that_lead_in_a_circle_or_out_of_encryption(hosts, tmp_path):
    hosts.faults[PLACE] = [Fault(status=302, headers={"Location": f"https://{PLACE}"})]
    with pytest.raises(DownloadError, match=r"zenodo.org: Exceeded 30 redirects"):
        bring(tmp_path, "esc50")
    place = "raw.githubusercontent.com/hche11/VGGSound/master/data/vggsound.csv"
    record = f"zenodo.org/api/records/{RECORD}"
    hosts.web |= {"login.edu/a": b"a,1,dog,test\n", "login.edu/b": hosts.web[record], "login.edu/c": CONTENTS[ESC50]}
    for name, led in (("a", place), ("b", record), ("c", PLACE)):
        hosts.faults[led] = [Fault(status=302, headers={"Location": f"http://login.edu/{name}"})]
    with pytest.raises(
        DownloadError, match=r"raw.githubusercontent.com: leads to http://login.edu/a, without encryption"
    ):
        download(choose.datasets(["vggsound"]), tmp_path, lambda _: None)
    with pytest.raises(DownloadError, match=r"zenodo.org: leads to http://login.edu/b, without encryption"):
        bring(tmp_path, "esc50")
    assert list(tmp_path.iterdir()) == []
    hosts.faults.pop(record)
    bring(tmp_path, "esc50")  # a checksum tells, wherever the bytes come from
    assert there(tmp_path) == {ESC50: MD5S[ESC50]}


@pytest.mark.parametrize(
    ("kind", "content", "said"),
    [
        ("text/plain; charset=utf-8", b"Blocked:\n too many\x1b files today", "403 Forbidden: Blocked: too many"),
        ("application/json", b'{"status": 403, "message": "Record is closed"}', "403 Forbidden: Record is closed"),
        ("application/json", b'{"status": 403', '403 Forbidden: {"status": 403'),
        ("text/html", b"<html>no</html>", "403 Forbidden"),
        ("text/plain", b"x" * 100_000, f"403 Forbidden: {'x' * 200}"),
    ],
)
def test_what_a_host_says_beside_a_status_is_told(kind, content, said, hosts, tmp_path):
    hosts.faults[PLACE] = [Fault(status=403, headers={"Content-Type": kind}, content=content)]
    with pytest.raises(DownloadError) as error:
        bring(tmp_path, "esc50")
    assert re.search(rf"/content: {re.escape(said)}(\S* files today)?\. By hand: ", str(error.value))


def test_a_beginning_of_another_release_is_fetched_anew(hosts, tmp_path):
    work = tmp_path / STAGING / ESC50
    work.mkdir(parents=True)
    (work / f"{ESC50}.part").write_bytes(bytes(1000))
    bring(tmp_path, "esc50")
    assert there(tmp_path) == {ESC50: MD5S[ESC50]}
    assert ranges(hosts) == [1000]


def test_a_record_that_has_lost_a_file(hosts, tmp_path):
    hosts.add_record(RECORD, {name: CONTENTS[name] for name in (ESC50, GTZAN)})
    with pytest.raises(DownloadError, match=f"zenodo.org: expected {LIBRICOUNT} in record {RECORD}, found {ESC50}, "):
        bring(tmp_path)
    assert set(there(tmp_path)) == {ESC50, GTZAN}


@pytest.mark.parametrize(
    "record",
    [
        b"[]",
        b"<html>busy</html>",
        b'{"files": [{"key": "a"}]}',
        b'{"files": [{"key": "a", "si',
        b'{"files": {"enabled": true, "entries": {}}}',
        b'{"files": [{"key": "a", "size": 1e999}]}',
        b'{"files": [{"key": ["a"], "size": 1}]}',
        b"[" * 100_000,
    ],
)
def test_a_record_that_is_none(record, hosts, tmp_path):
    hosts.web[f"zenodo.org/api/records/{RECORD}"] = record
    with pytest.raises(DownloadError, match="expected a record of Zenodo as JSON, could not read it"):
        bring(tmp_path, "esc50")
    assert there(tmp_path) == {}


def test_a_record_without_checksums_and_one_with_others(hosts, tmp_path):
    place = f"zenodo.org/api/records/{RECORD}"
    listed = json.loads(hosts.web[place])
    for file in listed["files"]:
        del file["checksum"]
    hosts.web[place] = json.dumps(listed).encode()
    with pytest.raises(DownloadError, match=f"{ESC50}: cut or damaged"):
        bring(tmp_path, "esc50")
    for file in listed["files"]:
        file["checksum"] = "whirlpool:0"
    hosts.web[place] = json.dumps(listed).encode()
    with pytest.raises(DownloadError, match=f"{ESC50} could not be downloaded: zenodo.org: .*whirlpool"):
        bring(tmp_path, "esc50")
    for file in listed["files"]:
        file["checksum"] = f"sha256:{hashlib.sha256(CONTENTS[file['key']]).hexdigest().upper()}"
    hosts.web[place] = json.dumps(listed).encode()
    bring(tmp_path, "esc50")
    assert there(tmp_path) == {ESC50: MD5S[ESC50]}


def test_a_list_that_tells_wrong_of_a_file_is_asked_for_anew_by_the_next_call(hosts, tmp_path):
    hosts.add_record(RECORD, CONTENTS, {**CONTENTS, ESC50: bytes(300_000)})
    with pytest.raises(DownloadError, match=rf"{ESC50} could not be downloaded: zenodo.org: .*expected the MD5"):
        bring(tmp_path)
    hosts.add_record(RECORD, CONTENTS)
    bring(tmp_path)
    assert there(tmp_path) == MD5S
    hosts.requests.clear()
    assert len([line for line in bring(tmp_path) if "is there, MD5" in line]) == 3
    assert hosts.requests == []


def test_a_file_that_is_no_longer_where_the_list_has_it_is_asked_for_anew_by_the_next_call(hosts, tmp_path):
    bring(tmp_path, "libricount")  # with the list of all
    for name in CONTENTS:
        hosts.web[f"zenodo.org/new/{name}"] = hosts.web.pop(PLACE.replace(ESC50, name))
    record = f"zenodo.org/api/records/{RECORD}"
    hosts.web[record] = re.sub(rb"api/records/\d+/files/([^/]+)/content", rb"new/\1", hosts.web[record])
    with pytest.raises(DownloadError, match=rf"{ESC50} could not be downloaded: zenodo.org: .*404"):
        bring(tmp_path, "esc50")
    bring(tmp_path, "esc50")
    assert there(tmp_path) == {name: MD5S[name] for name in (ESC50, LIBRICOUNT)}


def test_a_list_that_was_kept_and_is_none_is_named(hosts, tmp_path):
    bring(tmp_path)
    kept = tmp_path / f"zenodo-{RECORD}.json"
    kept.write_bytes(kept.read_bytes()[:-20])
    with pytest.raises(OSError, match=rf"{kept}: expected a record of Zenodo as JSON.*remove that file, and run this"):
        bring(tmp_path)
    assert there(tmp_path) == MD5S


def on_our_drive(name: str) -> PeerWeights:
    """The weights of a model in the folder of Drive that is played."""
    (peer,) = choose.peers([name])
    return dataclasses.replace(peer, plugin=dataclasses.replace(peer.plugin, drive_folder=FOLDER))


def test_the_library_for_drive_has_no_progress_of_its_own(hosts, tmp_path, capsys):
    hosts.drive["HTSAT-BERT-PT.pt"] = CHECKPOINT
    hosts.cuts["HTSAT-BERT-PT.pt"] = [100]
    download([on_our_drive("WavCaps-HTSAT")], tmp_path, lambda _: None)
    assert (tmp_path / "HTSAT-BERT-PT.pt").read_bytes() == CHECKPOINT
    assert "".join(capsys.readouterr()) == ""


@pytest.mark.parametrize("seed", first(1, range(8)))
def test_faults_of_any_kind_give_nothing_wrong_and_the_next_calls_end_what_they_left(seed, hosts, tmp_path):
    chance = random.Random(seed)
    drive = on_our_drive("WavCaps-HTSAT")
    clap = {"config.json": b'{"a": 1}', "preprocessor_config.json": b"{}", "pytorch_model.bin": CHECKPOINT}
    hosts.repositories["laion/clap-htsat-unfused"] = clap
    hosts.drive["HTSAT-BERT-PT.pt"] = CHECKPOINT
    right = {f"clap-htsat-unfused/{name}": content for name, content in clap.items()}
    right |= {"HTSAT-BERT-PT.pt": CHECKPOINT, **CONTENTS}
    for number in range(6):
        folder = tmp_path / str(number)
        for left in range(chance.randrange(3, 6), 0, -1):
            faults = left > 2
            hosts.garble = (lambda answer: garbled(answer, chance)) if faults else None
            wanted = [*choose.tasks(list(NAMES)), *choose.peers(["LAION-CLAP"]), drive]
            with contextlib.suppress(DownloadError) if left > 1 else contextlib.nullcontext():
                download(wanted, folder, lambda _: None)  # once more, where a list was changed on its way and kept
            came = {name for name in right if (folder / name.partition("/")[0]).exists()}
            assert {name: (folder / name).read_bytes() == right[name] for name in came} == dict.fromkeys(came, True)
        assert came == right.keys()
        assert not (folder / STAGING).exists()


# This machine


def test_no_network_is_told_for_each_with_the_way_by_hand(tmp_path, monkeypatch):
    forget_network(monkeypatch)
    with LoopbackHosts() as closed:
        url = closed.url
    waited = lead_to(url, monkeypatch)
    with pytest.raises(DownloadError) as error:
        bring(tmp_path, "esc50")
    assert "zenodo.org: " in str(error.value)
    assert "refused" in str(error.value)
    assert f"By hand: save {ESC50} from https://zenodo.org/records/{RECORD}" in str(error.value)
    assert waited == []  # nothing that a list would come from by waiting
    assert not (tmp_path / STAGING).exists()


def test_too_little_room_is_told_before_anything_is_fetched(hosts, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(0, 0, 500_000))
    with pytest.raises(
        DownloadError, match=r"no room: 0\.0 GB are to be fetched, 0\.0 GB are free; nothing was fetched"
    ):
        bring(tmp_path)
    assert [path for _, path, _ in hosts.requests if "/files/" in path] == []


def test_a_disk_that_fills_keeps_what_came(hosts, tmp_path, monkeypatch):
    advance = transfers.TransferProgress.advance

    def fill(self, size):
        advance(self, size)
        if self._came > 0:
            raise OSError(28, os.strerror(28))

    monkeypatch.setattr(transfers.TransferProgress, "advance", fill)
    with pytest.raises(DownloadError, match=r"no room \(No space left on device\).*What came is kept in .*By hand"):
        bring(tmp_path, "esc50")
    assert there(tmp_path) == {}
    monkeypatch.setattr(transfers.TransferProgress, "advance", advance)
    bring(tmp_path, "esc50")
    assert there(tmp_path) == {ESC50: MD5S[ESC50]}
    assert 0 < ranges(hosts)[0] <= 262_144


@pytest.mark.parametrize("gone", [".", STAGING])
def test_a_folder_that_is_removed_meanwhile_is_told_and_the_next_call_begins_anew(gone, hosts, tmp_path, monkeypatch):
    advance, folder = transfers.TransferProgress.advance, tmp_path / "to"

    def remove(self, size):
        advance(self, size)
        shutil.rmtree(folder / gone, ignore_errors=True)

    monkeypatch.setattr(transfers.TransferProgress, "advance", remove)
    with pytest.raises(
        DownloadError, match=rf"{ESC50} could not .* was removed while files came; run the same command"
    ):
        bring(folder, "esc50")
    monkeypatch.setattr(transfers.TransferProgress, "advance", advance)
    bring(folder, "esc50")
    assert there(folder) == {ESC50: MD5S[ESC50]}


def test_a_read_only_folder_is_told(hosts, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    with pytest.raises(PermissionError, match="give yourself leave to write, or choose another folder: --to DIR"):
        bring(tmp_path / "new", "esc50")
    assert hosts.requests == []


def test_a_file_in_the_place_of_the_folder_is_told(hosts, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PermissionError, match="choose another folder: --to DIR"):
        bring(tmp_path / "file", "esc50")


# Mirrors


def test_a_folder_that_was_downloaded_is_a_mirror_that_needs_no_network(hosts, tmp_path):
    bring(tmp_path / "mirror")
    hosts.requests.clear()
    told = bring(tmp_path / "here", mirror=Mirror(str(tmp_path / "mirror")))
    assert there(tmp_path / "here") == MD5S
    assert hosts.requests == []
    assert len([line for line in told if "downloaded, MD5" in line]) == 3


def test_a_mirror_on_a_server_with_and_without_the_list(hosts, tmp_path):
    hosts.web |= {f"mirror.edu/hear/{name}": content for name, content in CONTENTS.items()}
    tarball = io.BytesIO()
    with tarfile.open(fileobj=tarball, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("tasks"), None)
    hosts.web[f"mirror.edu/hear/{ESC50}"] = tarball.getvalue()
    told = bring(tmp_path, "esc50", mirror=Mirror("https://mirror.edu/hear"))
    assert "downloaded, whole by the checksum of gzip; no other is known" in told[0]
    with pytest.raises(DownloadError, match=f"{LIBRICOUNT}: cut or damaged"):
        bring(tmp_path, "libricount", mirror=Mirror("https://mirror.edu/hear/"))
    hosts.web[f"mirror.edu/hear/zenodo-{RECORD}.json"] = hosts.web[f"zenodo.org/api/records/{RECORD}"]
    bring(tmp_path, "libricount", mirror=Mirror("https://mirror.edu/hear/"))
    assert set(there(tmp_path)) == {ESC50, LIBRICOUNT}
    assert not any("zenodo.org" in path for _, path, _ in hosts.requests)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault(status=401), f"mirror.edu: /hear/zenodo-{RECORD}.json: 401 Unauthorized"),
        (Fault(status=302, headers={"Location": "ftp://mirror.edu/a"}), "mirror.edu: No connection adapters"),
        (Fault(content=PAGE), f"zenodo-{RECORD}.json: expected a record of Zenodo as JSON"),
        (Fault(status=404), ""),
        (Fault(status=403), ""),
    ],
    ids=["401", "ftp", "page", "404", "403"],
)
def test_a_list_that_a_mirror_may_have_is_not_done_without(fault, message, hosts, tmp_path):
    hosts.web |= {f"mirror.edu/hear/{ESC50}": tarred({"tasks": b""}), f"mirror.edu/hear/zenodo-{RECORD}.json": b"{}"}
    hosts.faults[f"mirror.edu/hear/zenodo-{RECORD}.json"] = [fault]
    with pytest.raises(DownloadError, match=message) if message else contextlib.nullcontext():
        bring(tmp_path, "esc50", mirror=Mirror("https://mirror.edu/hear"))
    assert (tmp_path / ESC50).exists() == (not message)


def test_a_damaged_file_of_a_mirror_leaves_nothing(hosts, tmp_path):
    bring(tmp_path / "mirror")
    (tmp_path / "mirror" / ESC50).write_bytes(bytes(300_000))
    with pytest.raises(DownloadError, match=rf"{tmp_path}/mirror/{ESC50}: expected the MD5 \w+, found .* was removed"):
        bring(tmp_path / "here", mirror=Mirror(str(tmp_path / "mirror")))
    assert set(there(tmp_path / "here")) == {LIBRICOUNT, GTZAN}
    assert not (tmp_path / "here" / STAGING).exists()


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("HTTPS_PROXY", "socks://a.proxy:1", "most likely it is socks5://a.proxy:1"),
        ("REQUESTS_CA_BUNDLE", "/no/such.pem", "no such file or folder; correct the variable, or unset it"),
    ],
)
def test_what_variables_say_of_the_way_is_told(variable, value, message, hosts, tmp_path, monkeypatch):
    monkeypatch.setenv(variable, value)
    with pytest.raises(DownloadError, match=f"{ESC50} could not be downloaded: {variable}={value}: .*{message}"):
        bring(tmp_path, "esc50")
    assert hosts.requests == []


def test_a_mirror_without_the_file_says_where_it_was_looked_for(hosts, tmp_path):
    (tmp_path / "mirror").mkdir()
    with pytest.raises(DownloadError, match=f"{tmp_path}/mirror/{ESC50}: the mirror has no such file"):
        bring(tmp_path, "esc50", mirror=Mirror(str(tmp_path / "mirror")))
    with pytest.raises(ValueError, match=f"--mirror {tmp_path}/none: no such folder"):
        Mirror(str(tmp_path / "none"))
    with pytest.raises(ValueError, match="--mirror ftp://a: expected https"):
        Mirror("ftp://a")


# Other rates, in buckets


GCLOUD = """#!/bin/sh
case "$*" in
    *"storage ls"*)
        printf ' 8 2022-01-01T00:00:00Z gs://hear2021-archive/tasks/16000/hear-LATEST-{task}\\nTOTAL: 1\\n' ;;
    *"storage cp --billing-project=mine"*) for last; do :; done; printf '12345678' >"$last" ;;
    *) echo "no" >&2; exit 3 ;;
esac
"""
AWS = """#!/bin/sh
case "$*" in
    *"s3 ls"*requester*) printf '2022-01-01 00:00:00  8 tasks/16000/hear2021-{task}\\n' ;;
    *"s3 cp"*requester*) for last; do :; done; printf '12345678' >"$last" ;;
    *) echo "no" >&2; exit 3 ;;
esac
"""


@pytest.mark.parametrize(("tool", "script"), [("gcloud", GCLOUD), ("aws", AWS)])
def test_other_rates_come_from_a_bucket_by_its_tool(tool, script, tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / tool).write_text(script.format(task="esc50-v2.0.0-full-16000.tar.gz"))
    (tmp_path / "bin" / tool).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    buckets._listed.cache_clear()
    (wanted,) = choose.tasks(["esc50"], 16_000, "mine")
    assert ("project mine pays" if tool == "gcloud" else "the account of aws pays") in wanted.host
    (file,) = wanted.files(tmp_path, None)
    target = tmp_path / file.name
    file.source.fetch(file, target, lambda size: None)
    assert (target.name, target.read_bytes()) == ("hear2021-esc50-v2.0.0-full-16000.tar.gz", b"12345678")
    with pytest.raises(DownloadError, match=r"expected ...-libricount-\S+-16000.tar.gz, found 1 other tarballs"):
        download(choose.tasks(["libricount"], 16_000, "mine"), tmp_path / "to", lambda _: None)
    (tmp_path / "bin" / tool).write_text("#!/bin/sh\necho 'not logged in' >&2; exit 1\n")
    buckets._listed.cache_clear()
    with pytest.raises(DownloadError, match=rf"{tool} .* failed \(exit status 1\): not logged in"):
        download(choose.tasks(["libricount"], 16_000, "mine"), tmp_path / "to", lambda _: None)


def test_who_pays_and_the_tools_are_asked_for(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ValueError, match=r"--rate 16000: other rates .* --billing-project NAME.*prepare --rates 16000"):
        choose.tasks([], 16_000)
    with pytest.raises(ValueError, match=r"needs the command gcloud .* or aws .* found neither"):
        choose.tasks([], 16_000, "mine")


# Peers and data sets


def test_peers_come_under_the_names_that_the_table_takes(hosts, tmp_path, monkeypatch):
    files = {"config.json": b"{}", "preprocessor_config.json": b"{}", "pytorch_model.bin": CHECKPOINT}
    hosts.repositories["laion/clap-htsat-unfused"] = files
    (plugin,) = [each for each in TABLE_PLUGINS if each.title == "LAION-CLAP"]
    told = []
    download(choose.peers(["laion_clap"]), tmp_path, told.append)
    folder = tmp_path / plugin.file
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == files
    assert told == [f"{folder}: downloaded, whole by the checksums of ZIP; no other is known; licence: Apache-2.0"]
    assert sorted(file.name for file in tmp_path.iterdir()) == [plugin.file]
    assert choose.peers(["ms-clap"])[0].names == ("CLAP_weights_2022.pth",)
    hosts.repositories["microsoft/msclap"] = {"CLAP_weights_2022.pth": bytes(1000)}
    with pytest.raises(DownloadError, match=r"expected the SHA-256 5b917c47fec1.* it is another release"):
        download(choose.peers(["MS-CLAP"]), tmp_path, told.append)
    with pytest.raises(ValueError, match="unknown model 'clip'; expected one of LAION-CLAP-fusion, LAION-CLAP, "):
        choose.peers(["clip"])


@pytest.mark.parametrize(("name", "kind"), [("config.json", "git-blob"), ("pytorch_model.bin", "SHA-256")])
def test_what_is_not_what_the_hub_lists_leaves_nothing(name, kind, hosts, tmp_path):
    files = {"config.json": b"{}", "preprocessor_config.json": b"{}", "pytorch_model.bin": CHECKPOINT}
    hosts.listed["laion/clap-htsat-unfused"] = files
    hosts.repositories["laion/clap-htsat-unfused"] = files | {name: b"?" * len(files[name])}
    with pytest.raises(DownloadError, match=f"{name}: expected the {kind} .*, found"):
        download(choose.peers(["laion_clap"]), tmp_path, lambda _: None)
    assert not (tmp_path / "clap-htsat-unfused").exists()
    hosts.repositories["laion/clap-htsat-unfused"] = files
    download(choose.peers(["laion_clap"]), tmp_path, lambda _: None)
    assert (tmp_path / "clap-htsat-unfused" / name).read_bytes() == files[name]


def test_the_hub_is_asked_in_a_process_that_has_imported_nothing_else():
    code = "from hear_cacophony.download.hub import read_repository; print(read_repository('laion/a', 'main'))"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.stdout, ran.stderr) == ("{}\n", "")


def test_offline_the_cache_of_the_hub_will_do(hosts, tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    commit = "8fa0f1c6d0433df6e97c127f64b2a1d6c0dcda8a"
    cached = tmp_path / "cache" / "models--laion--clap-htsat-unfused" / "snapshots" / commit
    cached.mkdir(parents=True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DownloadError, match=r"clap-htsat-unfused could .* HF_HUB_OFFLINE is set: unset it, or fetch"):
        download(choose.peers(["laion_clap"]), tmp_path / "to", lambda _: None)
    for name in ("config.json", "preprocessor_config.json", "pytorch_model.bin"):
        (cached / name).write_bytes(CHECKPOINT if name.endswith(".bin") else b"{}")
    download(choose.peers(["laion_clap"]), tmp_path / "to", lambda _: None)
    assert len(list((tmp_path / "to" / "clap-htsat-unfused").iterdir())) == 3
    assert hosts.requests == []


def tarred(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return content.getvalue()


def seven(files: dict[str, bytes], folder: pathlib.Path) -> bytes:
    import py7zr

    with py7zr.SevenZipFile(folder / "made.7z", "w") as archive:
        for name, data in files.items():
            archive.writestr(data, name)
    return (folder / "made.7z").read_bytes()


def add_datasets(hosts, folder) -> None:
    """The data sets, in miniature, where their publishers have them."""
    esc50 = {"ESC-50-master/meta/esc50.csv": b"filename,category\n", "ESC-50-master/audio/a.wav": b"RIFF"}
    hosts.web["github.com/karolpiczak/ESC-50/archive/master.zip"] = zipped(esc50)
    urban = {"UrbanSound8K/metadata/UrbanSound8K.csv": b"fold\n", "UrbanSound8K/audio/fold1/a.wav": b"RIFF"}
    hosts.add_record(1203745, {"UrbanSound8K.tar.gz": tarred(urban)})
    for kind, number, parts in (("development", 400515, 10), ("evaluation", 1040168, 4)):
        name = f"TUT-acoustic-scenes-2017-{kind}"
        audio = {f"{name}.audio.{i}.zip": zipped({f"{name}/audio/{i}.wav": b"RIFF"}) for i in range(1, parts + 1)}
        hosts.add_record(number, {f"{name}.meta.zip": zipped({f"{name}/meta.txt": b"a\tb\n"}), **audio})
    clotho = {"clotho_audio_evaluation.7z": seven({"evaluation/a.wav": b"RIFF"}, folder)}
    hosts.add_record(4783391, {**clotho, "clotho_captions_evaluation.csv": b"file_name\n"})
    hosts.web["raw.githubusercontent.com/cdjkim/audiocaps/master/dataset/test.csv"] = b"audiocap_id\n"
    hosts.web["raw.githubusercontent.com/hche11/VGGSound/master/data/vggsound.csv"] = b"a,1,dog,test\n"


def test_data_sets_come_unpacked_as_evaluate_takes_them(hosts, tmp_path):
    add_datasets(hosts, tmp_path)
    to = tmp_path / "datasets"
    download(choose.datasets([]), to, lambda _: None)
    found = {str(file.relative_to(to)) for file in to.rglob("*") if file.is_file() and file.parent != to}
    tut = "TUT-acoustic-scenes-2017"
    assert {
        "ESC-50-master/meta/esc50.csv",
        "UrbanSound8K/audio/fold1/a.wav",
        f"{tut}/{tut}-development/meta.txt",
        f"{tut}/{tut}-development/audio/10.wav",
        f"{tut}/{tut}-evaluation/audio/4.wav",
        "clotho/evaluation/a.wav",
        "clotho/clotho_captions_evaluation.csv",
        "audiocaps/test.csv",
        "vggsound/vggsound.csv",
    } <= found
    assert not [name for name in found if name.endswith((".zip", ".7z", ".gz"))]
    hosts.requests.clear()
    told = []
    download(choose.datasets([]), to, told.append)
    assert hosts.requests == []
    assert len(told) == len(DATASETS)


def test_damaged_archives_of_data_sets_leave_nothing(hosts, tmp_path):
    add_datasets(hosts, tmp_path)
    whole = hosts.web["github.com/karolpiczak/ESC-50/archive/master.zip"]
    to = tmp_path / "datasets"
    for damaged in (whole[:-30], whole.replace(b"RIFF", b"RIFE", 1), zipped({"ESC-50-master/README": b""})):
        hosts.web["github.com/karolpiczak/ESC-50/archive/master.zip"] = damaged
        with pytest.raises(DownloadError, match=r"ESC-50-master could not be downloaded: .* What came was removed"):
            download(choose.datasets(["ESC-50"]), to, lambda _: None)
        assert list(to.iterdir()) == []
    hosts.web["github.com/karolpiczak/ESC-50/archive/master.zip"] = whole
    download(choose.datasets(["esc50"]), to, lambda _: None)
    assert (to / "ESC-50-master/meta/esc50.csv").exists()


@pytest.mark.parametrize("end", [KeyboardInterrupt(), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))])
def test_what_ends_in_the_middle_of_unpacking_is_unpacked_anew_by_the_next_call(end, hosts, tmp_path, monkeypatch):
    add_datasets(hosts, tmp_path)
    unpack, to = datasets.unpack, tmp_path / "datasets"

    def half(archive, folder):
        unpack(archive, folder)
        (folder / "UrbanSound8K" / "audio" / "fold1" / "a.wav").write_bytes(b"R")
        shutil.rmtree(folder / "UrbanSound8K" / "metadata")
        raise end

    monkeypatch.setattr(datasets, "unpack", half)
    with pytest.raises((KeyboardInterrupt, DownloadError)) as error:
        download(choose.datasets(["urbansound8k"]), to, lambda _: None)
    assert isinstance(end, KeyboardInterrupt) or re.search(
        r"no room .*What came is kept in .*By hand", str(error.value)
    )
    assert [path.name for path in to.iterdir()] == [STAGING]
    monkeypatch.setattr(datasets, "unpack", unpack)
    hosts.faults["zenodo.org/api/records/1203745/files/UrbanSound8K.tar.gz/content"] = [Fault(status=404)]
    download(choose.datasets(["urbansound8k"]), to, lambda _: None)
    assert (to / "UrbanSound8K" / "audio" / "fold1" / "a.wav").read_bytes() == b"RIFF"
    assert (to / "UrbanSound8K" / "metadata" / "UrbanSound8K.csv").is_file()
    assert not (to / STAGING).exists()


def test_a_7z_archive_with_a_link_that_leads_out_is_refused(tmp_path):
    import py7zr

    (tmp_path / "secret").write_text("key")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "in" / "above").symlink_to("../secret")
    for name in ("link", "above"):
        with py7zr.SevenZipFile(tmp_path / "a.7z", "w") as archive:
            archive.write(tmp_path / "in" / name, "a.wav")
        with pytest.raises(WrongFileError, match=r"a.7z: cannot be unpacked: \S"):
            unpack(tmp_path / "a.7z", tmp_path / "unpacked")


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "expected a file, got 0 bytes"), (b'{"error": 1}', "cut or damag")]
)
def test_what_a_mirror_without_a_list_gives_in_the_place_of_a_file_is_told_with_the_host(
    content, message, hosts, tmp_path
):
    hosts.web["mirror.edu/" + ESC50] = content
    with pytest.raises(DownloadError, match=rf": mirror.edu: .*{message}.* What came was removed"):
        download(choose.tasks(["esc50"]), tmp_path, lambda _: None, mirror=Mirror("https://mirror.edu"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../../../evil", "would lie outside the folder"),
        ("/evil", "would lie outside the folder"),
        ("ESC-50-master\\evil", "would lie outside the folder"),
        ("ESC-50-master/audio/a.wav", "is in it twice"),
        ("ESC-50-master/audio/a.wav/b", "Not a directory"),
        ("ESC-50-master/" + "a" * 300, "File name too long"),
    ],
)
def test_archives_with_names_that_are_none_of_a_data_set_are_refused(name, message, tmp_path):
    entries = ["ESC-50-master/meta/esc50.csv", "ESC-50-master/audio/a.wav", name]
    (tmp_path / "mirror").mkdir()
    with zipfile.ZipFile(tmp_path / "mirror" / "ESC-50-master.zip", "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the name that is there twice
        for each in entries:
            archive.writestr(each, b"RIFF")
    with pytest.raises(DownloadError, match=rf"cannot be unpacked: .*{message}.* What came was removed"):
        download(choose.datasets(["esc50"]), tmp_path / "to", lambda _: None, mirror=Mirror(str(tmp_path / "mirror")))
    assert list((tmp_path / "to").iterdir()) == []
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        for each in entries:
            archive.addfile(tarfile.TarInfo(each))
    with pytest.raises(WrongFileError, match=r"cannot be unpacked: "):
        unpack(tmp_path / "a.tar.gz", tmp_path / "unpacked")


def test_encrypted_and_cut_archives_are_told(tmp_path):
    whole = zipped({"ESC-50-master/audio/a.wav": b"RIFF"})
    directory = whole.index(b"PK\x01\x02")
    (tmp_path / "a.zip").write_bytes(whole[: directory + 8] + b"\x01" + whole[directory + 9 :])
    with pytest.raises(WrongFileError, match="is encrypted"):
        check_archive(tmp_path / "a.zip")
    seven_zip = seven({"evaluation/a.wav": os.urandom(3000)}, tmp_path)
    for size in range(10, len(seven_zip), 311):
        (tmp_path / "cut.7z").write_bytes(seven_zip[:size])
        with pytest.raises(WrongFileError, match=r"cut.7z: cannot be unpacked: \S"):
            unpack(tmp_path / "cut.7z", tmp_path / "unpacked")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("HTSAT-BERT-PT.pt", b""),
        ("HTSAT-BERT-PT.pt", b"P"),
        ("HTSAT-BERT-PT.pt", CHECKPOINT + CHECKPOINT[:100]),
        ("HTSAT-BERT-PT.pt", CHECKPOINT[:500] + CHECKPOINT),
        ("clap-htsat-unfused/config.json", b""),
        ("clap-htsat-unfused/config.json", b"P"),
        ("clap-htsat-unfused/config.json", b'{"a": 1}{"a"'),
    ],
)
def test_what_no_checksum_is_known_of_is_what_its_name_says_from_its_first_byte_to_its_last(name, content, tmp_path):
    (tmp_path / "clap-htsat-unfused").mkdir()
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WrongFileError, match=rf"{tmp_path}/{name}: \S"):
        check_archive(tmp_path / name)


@pytest.mark.parametrize(
    ("host", "error"),
    [("drive.google.com", KeyError("content-type")), ("huggingface.co", TypeError("'NoneType' object"))],
)
def test_what_libraries_do_not_understand_is_told_of_their_host(host, error, hosts, tmp_path, monkeypatch):
    import gdown

    def fail(*_, **__):
        raise error

    hosts.drive["HTSAT-BERT-PT.pt"] = CHECKPOINT
    monkeypatch.setattr(gdown, "download_folder", fail)
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", fail)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "https://huggingface.co")
    name = "WavCaps-HTSAT" if "drive" in host else "LAION-CLAP"
    with pytest.raises(DownloadError) as caught:
        download([*choose.peers([name]), *choose.tasks(["esc50"])], tmp_path, lambda _: None)
    assert f"{host}: " in str(caught.value)
    assert f"does not understand the answer ({error!r}); try again later" in str(caught.value)
    assert there(tmp_path) == {ESC50: MD5S[ESC50]}


def damaged_archives(folder: pathlib.Path) -> Iterator[tuple[str, bytes]]:
    """What libraries fail of with errors of their own."""
    name = "ESC-50-master/audio/a.wav"
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        whole = zipped({name: os.urandom(900)}, method)
        place = whole.index(name.encode()) + len(name) + 12
        yield "a.zip", whole[:place] + bytes(40) + whole[place + 40 :]
    whole = zipped({name: b"RIFF"})
    yield (
        "a.zip",
        whole.replace(b"\x14\x00\x00\x00\x00\x00", b"\x14\x00\x00\x08\x00\x00").replace(b"audio", b"\xff\xffdio"),
    )
    for kind in ("gz", "bz2", "xz"):
        with tarfile.open(folder / "made", f"w:{kind}") as archive:
            member = tarfile.TarInfo("UrbanSound8K/a.wav")
            member.size = 9000
            archive.addfile(member, io.BytesIO(os.urandom(9000)))
        packed = (folder / "made").read_bytes()
        yield "a.tar.gz", packed[:5000] + bytes(100) + packed[5100:]
    with tarfile.open(folder / "made", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("a")
        member.pax_headers = {"path": "UrbanSound8K/a\0b.wav"}
        archive.addfile(member)
    yield "a.tar.gz", (folder / "made").read_bytes()
    with tarfile.open(folder / "made", "w") as archive:
        for name in ("a.wav", "b.wav"):
            archive.addfile(tarfile.TarInfo(f"UrbanSound8K/{name}"))
    yield "a.tar.gz", gzip.compress((folder / "made").read_bytes().replace(b"K/b.wav", b"K/c.wav"))


def test_whatever_damage_does_to_libraries_is_told_as_damage(tmp_path):
    def take(archive: pathlib.Path) -> None:
        check_archive(archive)
        unpack(archive, tmp_path / "unpacked")

    for name, content in damaged_archives(tmp_path):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(WrongFileError, match=rf"{tmp_path}/{name}: ((cut or )?damaged|cannot be unpacked)\W+\w"):
            take(tmp_path / name)
        with contextlib.suppress(WrongFileError):  # some damage is seen at the end alone
            unpack(tmp_path / name, tmp_path / "unpacked")
        shutil.rmtree(tmp_path / "unpacked", ignore_errors=True)


def torch_file(folder: pathlib.Path, *, legacy: bool) -> bytes:
    import torch

    torch.save({"a": torch.arange(1000)}, folder / "made.pt", _use_new_zipfile_serialization=not legacy)
    return (folder / "made.pt").read_bytes()


@pytest.mark.parametrize(
    ("kind", "cut"),
    [("zip", 30), ("zip", 4000), ("legacy", 4), ("json", 4), ("columns", 18), ("quotes", 4), ("zeros", 30)],
)
def test_what_is_cut_and_neither_length_nor_checksum_tells_gets_no_final_name(kind, cut, tmp_path):
    """Of each kind of file that has no checksum on a mirror."""
    mirror, to = tmp_path / "mirror", tmp_path / "to"
    (mirror / "clap-htsat-unfused").mkdir(parents=True)
    wanted, name = choose.datasets(["audiocaps"]), "test.csv"
    whole = b'id,caption\n1,"a dog, barking"\n'
    if kind in ("zip", "legacy"):
        wanted, name = choose.peers(["WavCaps-HTSAT"]), "HTSAT-BERT-PT.pt"
        whole = torch_file(tmp_path, legacy=kind == "legacy")
    elif kind == "json":
        wanted, name = choose.peers(["LAION-CLAP"]), "clap-htsat-unfused/config.json"
        whole = b'{"a": [1, 2]}'
        (mirror / "clap-htsat-unfused" / "preprocessor_config.json").write_text("{}")
        (mirror / "clap-htsat-unfused" / "pytorch_model.bin").write_bytes(CHECKPOINT)
    (mirror / name).write_bytes(whole[:-cut] + bytes(cut) * (kind == "zeros"))
    with pytest.raises(DownloadError, match=r"cut.* What came was removed"):
        download(wanted, to, lambda _: None, mirror=Mirror(str(mirror)))
    assert list(to.iterdir()) == []
    (mirror / name).write_bytes(whole)
    download(wanted, to, lambda _: None, mirror=Mirror(str(mirror)))
    assert next(file for file in to.rglob(pathlib.Path(name).name)).read_bytes() == whole


# The command


def test_dry_run_tells_everything_and_brings_nothing(hosts, tmp_path, capsys):
    add_datasets(hosts, tmp_path)
    assert main(["download", "peers", "tasks", "datasets", "--dry-run", "--to", str(tmp_path / "to")]) == 0
    out = capsys.readouterr().out
    assert not (tmp_path / "to").exists()
    rows = {line.split()[0]: line for line in out.splitlines() if line}
    for plugin in TABLE_PLUGINS:
        assert any(row.startswith(plugin.file) and plugin.licence in row for row in rows.values())
    assert rows[ESC50].split()[1:3] == ["0.3", "zenodo.org"]
    tarballs = {name: row for name, row in rows.items() if name.startswith("hear2021-")}
    assert list(tarballs) == [f"hear2021-{task.directory}-48000.tar.gz" for task in TASKS]
    assert len(tarballs) == 20
    for task, row in zip(TASKS, tarballs.values(), strict=True):
        assert row.split()[2] == "zenodo.org"
        assert row.endswith(f"  {LICENCES[task.name]}")
    for dataset in DATASETS:
        (row,) = [line for line in out.splitlines() if line.startswith(f"{dataset.folder}: {dataset.remotes[0].name} ")]
        assert dataset.licence in row
        assert (dataset.remotes[0].url or "https://zenodo.org").split("/")[2] in row
    assert "expected hear2021-maestro-v3.0.0-5h-48000.tar.gz in record 5885750" in out
    assert "GB are free in" in out


def test_each_task_has_a_licence_or_is_said_to_have_none_known():
    assert set(LICENCES) == {task.name for task in TASKS}
    unknown = {name for name, licence in LICENCES.items() if licence.startswith("not known")}
    assert unknown == {"tfds_gtzan", "tfds_gtzan_music_speech"}


def test_command_chooses_by_names(hosts, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["download", "tasks", "GTZAN Genre", "libricount"]) == 0
    assert set(there(tmp_path / "tarballs")) == {GTZAN, LIBRICOUNT}
    assert f"tarballs/{GTZAN}: downloaded" in capsys.readouterr().out
    assert main(["download", "tasks", "esc-50"]) == 1
    assert "unknown HEAR task 'esc-50'; did you mean 'ESC-50'" in capsys.readouterr().err
    assert main(["download", "esc50"]) == 1
    assert "expected weights, peers, tasks or datasets, got 'esc50'; names come behind them" in capsys.readouterr().err


def test_a_token_of_other_letters_is_told_and_not_shown(hosts, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_IMPLICIT_TOKEN", False)
    monkeypatch.setenv("HF_TOKEN", "hf_geheim\u00fc")
    with pytest.raises(DownloadError) as caught:
        download(choose.peers(["LAION-CLAP"]), tmp_path, lambda _: None)
    assert "HF_TOKEN, or the token that `hf auth login` has kept, has letters that no token has" in str(caught.value)
    assert "geheim" not in str(caught.value)
