"""`reproduce --download`: each task is fetched while the one before it is embedded, and little of it stays."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import gzip
import io
import json
import os
import pathlib
import random
import shutil
import threading

import pytest
from hear_tarballs import make_tarballs, make_uncompressed_tarballs
from loopback_hosts import LoopbackHosts, garbled
from repeats import first

from hear_cacophony.download import transfers
from hear_cacophony.download.remote_file import HostError
from hear_cacophony.files.lock import BusyError, locked_folder
from hear_cacophony.progress import clock
from hear_tasks import cli
from hear_tasks.download import TarballSize, hear_tarballs, tarball_name
from hear_tasks.download.hear_tarballs import RECORD
from hear_tasks.prepare import workers
from hear_tasks.registry import TASKS, find_tasks
from hear_tasks.reproduce import __main__ as command
from hear_tasks.reproduce import fetch, passage, room, schedule
from hear_tasks.reproduce.hardware import Slot
from hear_tasks.reproduce.options import Phase
from hear_tasks.reproduce.run_job import Stop
from hear_tasks.task_folder import EMBEDDED_FILE

NAMES = ("esc50", "fsd50k", "dcase2016_task2")
IN_HERE = threading.Lock()


@pytest.fixture(scope="module")
def mirror(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("mirror")
    make_tarballs(folder)
    return folder


@pytest.fixture
def commands_in_here(monkeypatch):
    """What `reproduce` starts, download and prepare, runs in this process, and so do the workers of prepare."""
    began = []
    threads = concurrent.futures.ThreadPoolExecutor
    monkeypatch.setattr(workers.concurrent.futures, "ProcessPoolExecutor", lambda jobs, *_: threads(jobs))

    def run_logged(name, arguments, log, stop):
        began.append((name, arguments))
        with IN_HERE, contextlib.redirect_stderr(io.StringIO()) as said, contextlib.redirect_stdout(io.StringIO()):
            status = cli.main([name, *arguments])
        if stop.is_requested() or status:
            raise fetch.FetchError(said.getvalue().strip() or stop.reason)

    monkeypatch.setattr(fetch, "run_logged", run_logged)
    return began


def options(tmp_path, mirror, *more: str):
    given = ["--checkpoints", "random-tiny", "--stage", "1", "--tasks-dir", str(tmp_path / "tasks")]
    given += ["--out", str(tmp_path / "out"), "--download", "--mirror", str(mirror), "--task", *NAMES, *more]
    return run_options(given)


def run_options(given):
    from hear_tasks.reproduce.options import parse_options

    return parse_options(command.make_parser().parse_args(given))


def size_of(*folders: pathlib.Path) -> int:
    total = 0
    for place, _, names in (walked for folder in folders for walked in os.walk(folder)):
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # other threads write and remove
                total += os.stat(os.path.join(place, name)).st_size
    return total


class Embedder:
    """Marks tasks as embedded and as predicted, and looks at what the disk holds then."""

    def __init__(self) -> None:
        self.order, self.predicted, self.peak = [], [], 0

    def __call__(self, job, phase, slot, options, stop, tell) -> str:
        name = job.task.name.partition("-")[0]
        self.peak = max(self.peak, size_of(options.tasks_dir))
        if phase is Phase.PREDICT:
            self.predicted.append(name)
            return "done"
        self.order.append(name)
        assert all((job.task / str(rate)).is_dir() for rate in options.fetching.rates)
        job.target.mkdir(parents=True, exist_ok=True)
        (job.target / EMBEDDED_FILE).write_text("{}")
        return "done"


SLOT = Slot("cpu 0", None, None, 1, frozenset({"core 0"}))


def fetch_all(options, monkeypatch, embed=None) -> tuple[fetch.TaskFetcher, list[str]]:
    """Fetch all tasks, and embed them with `embed`."""
    from hear_tasks.reproduce.jobs import make_jobs

    told: list[str] = []
    jobs, stop = make_jobs(options), Stop()
    fetcher = fetch.TaskFetcher(options, jobs, stop, told.append)
    options.out.mkdir(parents=True, exist_ok=True)
    fetcher.plan()
    fetcher.start(jobs)
    monkeypatch.setattr(schedule, "run_job", embed or Embedder())
    slots = {phase: [SLOT] for phase in (Phase.EMBED, Phase.PREDICT)}
    schedule.run_jobs(jobs, slots, options, stop, told.append, fetcher)
    return fetcher, told


class Watch:
    """Looks at what the disk holds of tarballs and audio, whenever something has happened."""

    def __init__(self, *folders: pathlib.Path) -> None:
        self.peak, self.looks, self._folders, self._lock = 0, 0, folders, threading.Lock()

    def __call__(self, *_: object) -> None:
        with self._lock:
            self.peak, self.looks = max(self.peak, size_of(*self._folders)), self.looks + 1


def peak_told(told: list[str]) -> float:
    return float(told[0].partition("the disk holds ")[2].split()[0]) * 1e9  # a limit, rounded up


def test_tasks_are_embedded_as_they_come_and_neither_tarballs_nor_48_khz_audio_stay(
    mirror, commands_in_here, tmp_path, monkeypatch
):
    asked = options(tmp_path, mirror)
    embed = Embedder()
    fetcher, told = fetch_all(asked, monkeypatch, embed)
    assert fetcher.failures == {}
    assert sorted(embed.order) == sorted(embed.predicted) == sorted(NAMES)
    sizes = {name: len(gzip.decompress(next(mirror.glob(f"hear2021-{name}-*")).read_bytes())) for name in NAMES}
    smallest, middle, largest = sorted(NAMES, key=sizes.get)
    assert embed.order == [smallest, largest, middle]
    left = {str(file.relative_to(asked.tasks_dir)) for file in asked.tasks_dir.rglob("*")}
    assert not [name for name in left if "48000" in name or name.endswith(".gz")]
    assert all((asked.tasks_dir / find_tasks(name)[0].directory / "16000").is_dir() for name in NAMES)
    assert embed.peak <= peak_told(told)
    began = len(commands_in_here)
    fetcher, _ = fetch_all(asked, monkeypatch, Embedder())
    assert len(commands_in_here) == began  # all of it is settled
    monkeypatch.setattr(room.shutil, "disk_usage", lambda folder: room.shutil._ntuple_diskusage(0, 0, 600_000_000))
    fetch_all(asked, monkeypatch, Embedder())  # and needs no room


EIGHT = ("esc50", "gunshot_triangulation", "libricount", "tfds_gtzan", "tfds_gtzan_music_speech", "tfds_crema_d",
         "mridangam_stroke", "mridangam_tonic")  # fmt: skip


@pytest.mark.parametrize("stays", first(1, ["nothing", "tarballs", "audio"]))
def test_the_disk_never_holds_more_than_is_told_of_tarballs_and_audio(stays, commands_in_here, tmp_path, monkeypatch):
    """Eight tasks of one size: what any of them leaves is more than what may be there of two at a time."""
    mirror = tmp_path / "mirror"
    made = make_uncompressed_tarballs(mirror, EIGHT)
    with LoopbackHosts() as hosts:
        hosts.web |= {f"mirror/{file.name}": file.read_bytes() for file in mirror.iterdir()}
        given = ["--checkpoints", "random-tiny", "--stage", "1", "--tasks-dir", str(tmp_path / "tasks")]
        given += ["--out", str(tmp_path / "out"), "--download", "--mirror", f"{hosts.url}/web/mirror", "--task", *EIGHT]
        asked = run_options(given)
        _, all_told = room.plan_tasks(asked, room.list_tarballs(asked))
        _, told = room.plan_tasks(dataclasses.replace(asked, models=()), room.list_tarballs(asked))
        assert told.peak <= all_told.peak - all_told.embeddings - (all_told.other - room.OTHER_BYTES)
        hosts.watch = watch = Watch(asked.tasks_dir)
        run_logged, embed = fetch.run_logged, Embedder()
        monkeypatch.setattr(fetch, "run_logged", lambda *given: (watch(), run_logged(*given), watch()))
        for name in ("remove_tarball",) * (stays == "tarballs") + ("remove_audio",) * (stays == "audio"):
            monkeypatch.setattr(fetch.Made, name, lambda *_: None)
        fetcher, _ = fetch_all(asked, monkeypatch, lambda *given: (watch(), embed(*given), watch())[1])
    assert fetcher.failures == {}
    assert sorted(embed.order) == sorted(embed.predicted) == sorted(EIGHT)
    assert watch.looks >= 8 * (1 + 2 * 3 + 2 * 2)
    tarballs = sum(file.stat().st_size for file in made.values())
    assert tarballs / 8 * 2 < watch.peak < 2 * tarballs
    assert (watch.peak <= told.peak - told.other) == (stays == "nothing")
    left = [file for file in asked.tasks_dir.rglob("*") if file.suffix in (".gz", ".part") or file.name == "48000"]
    assert len(left) == (0 if stays == "nothing" else 8)


@pytest.mark.parametrize("seed", first(1, range(6)))
def test_what_faults_of_any_kind_have_kept_from_coming_comes_with_the_next_run(
    seed, mirror, commands_in_here, tmp_path, monkeypatch
):
    chance = random.Random(seed)
    monkeypatch.setattr(transfers, "pause", lambda stop, seconds: None)
    audio = {}
    with LoopbackHosts() as hosts:
        hosts.add_record(RECORD, {file.name: file.read_bytes() for file in mirror.glob("*.gz")})
        hosts.web = {f"mirror/{place.rpartition('/files/')[2].removesuffix('/content')}": content
                     for place, content in hosts.web.items() if "/files/" in place} | {
                     f"mirror/zenodo-{RECORD}.json": hosts.web[f"zenodo.org/api/records/{RECORD}"]}  # fmt: skip
        for name, runs in (("undisturbed", [False]), ("disturbed", [True, True, True, False, False])):
            given = ["--checkpoints", "random-tiny", "--stage", "1", "--tasks-dir", str(tmp_path / name / "tasks")]
            given += ["--out", str(tmp_path / name / "out"), "--mirror", f"{hosts.url}/web/mirror", "--task", *NAMES]
            asked = run_options([*given, "--download"])
            for faults in runs:  # of which the last but one may still find a list that was changed on its way
                hosts.garble = (lambda answer: garbled(answer, chance)) if faults else None
                with contextlib.suppress(OSError) if faults else contextlib.nullcontext():
                    fetcher, _ = fetch_all(asked, monkeypatch, Embedder())
            assert fetcher.failures == {}
            assert not list(asked.tasks_dir.rglob("*.gz")) + list(asked.tasks_dir.rglob("48000"))
            files = [file for file in asked.tasks_dir.rglob("*") if file.is_file() and file.suffix != ".json"]
            audio[name] = {file.relative_to(asked.tasks_dir): file.read_bytes() for file in files}
    assert len(audio["undisturbed"]) > 3 * 6
    assert audio["disturbed"] == audio["undisturbed"]


@pytest.mark.parametrize("after", first(2, [5, 2, 1, 3, 4, 7, 8]))
def test_what_is_there_tells_how_far_a_killed_run_has_come(after, mirror, commands_in_here, tmp_path, monkeypatch):
    asked = options(tmp_path, mirror)
    run_logged, counted = fetch.run_logged, []

    def until(name, arguments, log, stop):
        counted.append(name)
        if len(counted) > after:
            stop.request("killed", 137)
            raise fetch.FetchError("killed")
        run_logged(name, arguments, log, stop)

    monkeypatch.setattr(fetch, "run_logged", until)
    first = Embedder()
    fetch_all(asked, monkeypatch, first)
    monkeypatch.setattr(fetch, "run_logged", run_logged)
    commands_in_here.clear()
    second = Embedder()
    fetcher, _ = fetch_all(asked, monkeypatch, second)
    assert fetcher.failures == {}
    assert sorted(first.order + second.order) == sorted(NAMES)
    downloads = [arguments[1].partition("-")[0] for name, arguments in commands_in_here if name == "download"]
    assert len(downloads) <= 3 - after // 3  # each is followed by two others
    assert not list(asked.tasks_dir.rglob("*.gz"))
    assert not list(asked.tasks_dir.rglob("48000"))


def test_archives_may_stay(mirror, commands_in_here, tmp_path, monkeypatch):
    asked = options(tmp_path, mirror, "--keep-archives")
    fetch_all(asked, monkeypatch)
    assert len(list((asked.tasks_dir / "tarballs").glob("*.gz"))) == 3
    assert len(list(asked.tasks_dir.glob("*/48000"))) == 3


@pytest.mark.repeats
def test_audio_that_a_model_takes_at_48_khz_goes_when_it_is_embedded(mirror, commands_in_here, tmp_path, monkeypatch):
    asked = options(tmp_path, mirror, "--rates", "16000,48000")
    embed = Embedder()
    _, told = fetch_all(asked, monkeypatch, embed)
    assert not list(asked.tasks_dir.rglob("48000"))
    assert embed.peak <= peak_told(told)


def test_a_task_that_nobody_has_stops_nothing_else(mirror, commands_in_here, tmp_path, monkeypatch):
    asked = options(tmp_path, mirror, "libricount")
    fetcher, _ = fetch_all(asked, monkeypatch)
    ((task, failure),) = fetcher.failures.items()
    assert task.name.startswith("libricount-")
    assert "FAILED: download: " in failure
    assert "libricount-v1.0.0-hear2021-full-48000.tar.gz" in failure
    assert "By hand: save" in failure


def test_what_cannot_be_prepared_stays_until_another_task_needs_its_room(
    mirror, commands_in_here, tmp_path, monkeypatch
):
    asked = options(tmp_path, mirror)
    run_logged = fetch.run_logged

    def fail(name, arguments, log, stop):
        if name == "prepare" and arguments[-1] == "16000":
            raise fetch.FetchError("1 bad file")
        run_logged(name, arguments, log, stop)

    monkeypatch.setattr(fetch, "run_logged", fail)
    fetcher, told = fetch_all(asked, monkeypatch)
    assert [failure.partition(": ")[2] for failure in fetcher.failures.values()] == ["prepare: 1 bad file"] * 3
    left = sorted(folder.parent.name.partition("-")[0] for folder in asked.tasks_dir.glob("*/48000"))
    gone = [line.partition("-")[0] for line in told if line.endswith("is removed, as the next task needs the room")]
    assert sorted([*left, *gone]) == sorted(NAMES)
    assert len(left) == 2
    assert not list(asked.tasks_dir.rglob("*.gz"))
    monkeypatch.setattr(fetch, "run_logged", run_logged)
    embed = Embedder()
    fetcher, _ = fetch_all(asked, monkeypatch, embed)
    assert fetcher.failures == {}
    assert sorted(embed.order) == sorted(NAMES)


def test_a_second_run_at_the_same_time_removes_nothing_that_the_first_has_brought(
    mirror, commands_in_here, tmp_path, monkeypatch
):
    asked = options(tmp_path, mirror)
    with (
        locked_folder(asked.tasks_dir / "tarballs"),
        pytest.raises(BusyError, match=r"/tasks: another run fetches tasks to it; wait for its end, or stop it"),
    ):
        fetch_all(asked, monkeypatch)
    assert commands_in_here == []
    for _ in range(2):  # one after the other
        fetcher, _ = fetch_all(asked, monkeypatch)
        assert fetcher.failures == {}
    with locked_folder(asked.tasks_dir / "tarballs"):
        pass
    taken = fetch.TaskFetcher(asked, [], Stop(), lambda _: None)
    taken.plan()
    with pytest.raises(BusyError):
        fetch.TaskFetcher(asked, [], Stop(), lambda _: None).plan()


def test_what_a_user_has_brought_stays(mirror, commands_in_here, tmp_path, monkeypatch):
    asked = options(tmp_path, mirror)
    archives = asked.tasks_dir / "tarballs"
    esc50, fsd50k = (find_tasks(name)[0] for name in ("esc50", "fsd50k"))
    archives.mkdir(parents=True)
    shutil.copy(mirror / tarball_name(esc50), archives)
    assert cli.main(["prepare", str(mirror / tarball_name(fsd50k)), "--out", str(asked.tasks_dir)]) == 0
    embed = Embedder()
    fetcher, _ = fetch_all(asked, monkeypatch, embed)
    assert fetcher.failures == {}
    assert sorted(embed.order) == sorted(NAMES)
    assert [file.name for file in archives.glob("*.gz")] == [tarball_name(esc50)]
    assert [folder.parent.name for folder in asked.tasks_dir.glob("*/48000")] == [fsd50k.directory]


def test_of_the_rates_of_the_table_the_lowest_stays(mirror, commands_in_here, tmp_path, monkeypatch):
    asked = options(tmp_path, mirror, "--rates", "16000,32000,44100,48000")
    embed = Embedder()
    fetcher, told = fetch_all(asked, monkeypatch, embed)
    assert fetcher.failures == {}
    assert {folder.name for folder in asked.tasks_dir.glob("*/*000")} == {"16000"}
    assert not list(asked.tasks_dir.glob("*/44100"))
    assert embed.peak <= peak_told(told) - 40e6  # without what is not audio
    began = len(commands_in_here)
    fetch_all(asked, monkeypatch, Embedder())
    assert len(commands_in_here) == began


def test_two_tasks_at_a_time_and_no_more_bytes_than_two_neighbours_take():
    assert passage.most_bytes([1, 9, 2, 8, 3]) == 11
    assert passage.most_bytes([5]) == 5
    assert [passage.most_beside([1, 9, 2, 8, 3], i) for i in range(5)] == [0, 1, 9, 2, 8]
    assert [passage.most_beside([1, 9, 2, 1, 1], i) for i in range(5)] == [0, 1, 9, 9, 9]
    removed, stop = [], Stop()
    a, b, c = (pathlib.Path(name) for name in "abc")
    way = passage.Passage({a: 9, b: 1, c: 8}, removed.append, stop)
    assert way.enter(a)
    assert way.enter(b)
    entered = threading.Event()
    thread = threading.Thread(target=lambda: way.enter(c) and entered.set())
    thread.start()
    way.leave(b)
    assert not entered.wait(0.05)  # a seat, and no room
    way.fail(a)
    assert entered.wait(10)
    assert removed == [a]
    thread.join()
    stop.request("enough", 1)
    assert not way.enter(b)


def test_too_little_room_is_told_before_anything_is_fetched(mirror, commands_in_here, tmp_path, monkeypatch):
    monkeypatch.setattr(room.shutil, "disk_usage", lambda folder: room.shutil._ntuple_diskusage(0, 0, 1000))
    with pytest.raises(ValueError, match=r"no room: 0\.\d+ GB more are needed at most, 0.\d+ GB are free; make room"):
        fetch_all(options(tmp_path, mirror), monkeypatch)
    assert commands_in_here == []


def test_all_of_hear_takes_less_than_200_gb(tmp_path, mirror):
    """Tarballs are taken for as large as the audio that they hold."""
    sizes = {task: TarballSize(round(room.audio_seconds(task) * 96_000)) for task in TASKS}
    given = ["--checkpoints", str(tmp_path), "--tasks-dir", str(tmp_path), "--out", str(tmp_path), "--download"]
    for more, least, most in (((), 100e9, 120e9), (("--table",), 150e9, 175e9)):  # with the five other models
        _, told = room.plan_tasks(run_options([*given, *more]), sizes)
        assert least < told.peak < most
        assert room.plan_tasks(run_options([*given, *more]), {})[1].peak == pytest.approx(told.peak, rel=0.01)


def test_the_time_that_all_takes_is_told(tmp_path):
    given = ["--checkpoints", str(tmp_path), "--tasks-dir", str(tmp_path), "--out", str(tmp_path), "--download"]
    of_both = run_options([*given, "--predictor", "own"])
    (esc50,), (dcase,) = find_tasks("esc50"), find_tasks("dcase2016_task2")
    seconds = 2 * (2_000 * 5 + 4 * 72 * 120)  # two models; events at the default hop take four passes
    told = room.estimate_room({task: TarballSize(1_000_000) for task in (esc50, dcase)}, of_both).lines()[-1]
    assert f"about {clock(seconds / 24)} to embed" in told
    assert "3:09:00 to predict" in told  # 4 times 1:34:30, two at a time


def test_what_a_tarball_unpacks_to_is_told_by_its_last_bytes(tmp_path, mirror):
    asked = options(tmp_path, mirror)
    (esc50,), largest = find_tasks("esc50"), max(TASKS, key=room.audio_seconds)

    def unpacked(task, packed, told):
        return room.estimate_room({task: TarballSize(packed, told)}, asked).published[task]

    whole = 2000 * 5 * 96_000
    assert whole < unpacked(esc50, 0, None) < 1.01 * whole  # nobody tells anything
    assert unpacked(esc50, 1_000, None) == 20_000
    assert 3_000_000 < unpacked(esc50, 1_000, 3_000_000) <= 3_000_000 + 105 * 4096
    assert unpacked(esc50, 1_000, 10) == 20_000  # a part of it, packed by itself
    whole = round(room.audio_seconds(largest) * 96_000)
    assert (1 << 32) < whole - (1 << 32) < unpacked(largest, 3 * 10**9, 77) < 1.05 * whole  # it counts up to 4 GiB
    size, file = room.list_tarballs(asked)[esc50], mirror / tarball_name(esc50)
    assert size == TarballSize(file.stat().st_size, len(gzip.decompress(file.read_bytes())))


def test_a_host_that_gives_no_ends_of_tarballs_is_asked_for_one(tmp_path, mirror, monkeypatch):
    asked = []

    def read_last(file, size):
        asked.append(file.name)
        raise HostError("cut")

    monkeypatch.setattr(hear_tarballs, "read_last", read_last)
    sizes = room.list_tarballs(options(tmp_path, mirror))
    assert len(asked) == 1
    assert {size.unpacked for size in sizes.values()} == {None}
    assert all(size.packed for size in sizes.values())


def test_fetching_alone_prepares_everything_and_runs_nothing(mirror, commands_in_here, tmp_path, monkeypatch):
    given = ["--checkpoints", "random-tiny", "--tasks-dir", str(tmp_path / "tasks"), "--out", str(tmp_path / "out")]
    given += ["--download-only", "--mirror", str(mirror), "--task", *NAMES]
    assert command.main(given) == 0
    assert len(list((tmp_path / "tasks").glob("*/16000"))) == 3
    assert {name for name, _ in commands_in_here} == {"download", "prepare"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--mirror", "/x"], "--keep-archives, --mirror, --rates and --used are for --download"),
        (["--download", "--task", "esc-50"], "unknown HEAR task 'esc-50'; did you mean 'ESC-50'"),
    ],
)
def test_options_that_do_not_go_together(given, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        run_options(["--checkpoints", "random-tiny", "--tasks-dir", str(tmp_path), "--out", str(tmp_path), *given])


def test_weights_and_peers_come_first(commands_in_here, tmp_path):
    given = ["--checkpoints", str(tmp_path / "weights"), "--table", "--tasks-dir", str(tmp_path / "tasks")]
    asked = run_options([*given, "--out", str(tmp_path / "out"), "--download", "--mirror", str(tmp_path)])
    assert asked.fetching.rates == (16_000, 32_000, 44_100, 48_000)
    with pytest.raises(
        fetch.FetchError, match=r"AudioMAE.ckpt could not be downloaded: .*: the mirror has no such file"
    ):
        fetch.fetch_weights(asked, Stop(), lambda _: None)
    told = [arguments[: arguments.index("--to")] for name, arguments in commands_in_here if name == "download"]
    assert told[0] == ["peers", "LAION-CLAP-fusion"]
    assert told[-2:] == [["weights", "--stage", "1"], ["weights", "--stage", "2"]]
    assert len(told) == 7
    assert commands_in_here[0][1][2:] == ["--to", str(tmp_path / "weights"), "--mirror", str(tmp_path)]


def test_models_of_the_table_whose_weights_do_not_come_are_left_out_and_in_the_report(
    mirror, commands_in_here, tmp_path, monkeypatch, capsys
):
    from hear_tasks.reproduce import run

    weights, report = tmp_path / "weights", tmp_path / "out" / "report"
    weights.mkdir()
    (weights / "AudioMAE.ckpt").touch()
    given = ["--checkpoints", str(weights), "--table", "--tasks-dir", str(tmp_path / "tasks")]
    given += ["--out", str(tmp_path / "out"), "--download", "--mirror", str(mirror), "--task", "esc50"]
    ran = []

    def run_jobs(jobs, slots, options, stop, tell, supply):
        ran.extend(job.model.name for job in jobs)
        for task in supply.ready():
            supply.release(task)
        return {}

    monkeypatch.setattr(run, "run_jobs", run_jobs)
    assert command.main([*given, "--from-phase", "embed"]) == 1
    assert ran == ["audiomae"]
    told = capsys.readouterr().err
    assert "download: WavCaps-HTSAT: FAILED: " in told
    for _ in range(2):
        lines = (report / "leaderboard.md").read_text().splitlines()
        for title, file in (("LAION-CLAP", "clap-htsat-unfused"), ("Cacophony", "Cacophony.ckpt")):
            (line,) = [each for each in lines if each.startswith(f"- {title}: not run: its weights did not come: ")]
            assert f"{file} could not be downloaded: " in line
            assert "the mirror has no such file" in line
            assert f"hear-cacophony download {'weights' if title == 'Cacophony' else 'peers'} " in line
        assert (
            len([line for line in lines if line.startswith("- ")]) == 7
        )  # one of them AudioMAE, which did not run here
        shutil.rmtree(report)
        assert command.main([*given, "--from-phase", "leaderboard"]) == 1  # as the last job of a cluster does
    (weights / "AudioMAE.ckpt").unlink()
    assert command.main([*given, "--from-phase", "embed"]) == 1  # and without any weights nothing is run
    assert ran == ["audiomae"]


@pytest.mark.slow
@pytest.mark.repeats
def test_killed_three_times_the_table_is_that_of_an_undisturbed_run(mirror, tmp_path):
    from test_reproduce import start, wait_until

    with LoopbackHosts() as hosts:
        hosts.web |= {f"mirror/{file.name}": file.read_bytes() for file in mirror.iterdir()}
        url = f"{hosts.url}/web/mirror"
        tables = {}
        for name, kills in (("undisturbed", 0), ("killed", 3)):
            folder = tmp_path / name
            folder.mkdir()
            given = ["--checkpoints", "random-tiny", "--stage", "1", "--tasks-dir", str(folder / "tasks")]
            given += ["--out", str(folder / "out"), "--grid", "faster", "--grid-points", "1"]
            given += ["--download", "--mirror", url, "--task", *NAMES]
            asked = run_options(given)
            _, told = room.plan_tasks(asked, room.list_tarballs(asked))
            hosts.watch = watch = Watch(asked.tasks_dir, asked.out / "embeddings")
            for mark in ("tasks/tarballs/*.made.json", "tasks/*/16000", "out/embeddings/*/*")[:kills]:
                process = start(*given, cwd=folder)
                wait_until(lambda folder=folder, mark=mark, look=watch: look() or list(folder.glob(mark)), process)
                process.kill()
                process.communicate()
            process = start(*given, cwd=folder)
            said = "".join(line for line in process.stderr if not watch())
            process.communicate()
            assert process.returncode in (0, 1), said
            assert "not finished" not in said
            table = json.loads((folder / "out" / "report" / "manifest.json").read_text())["jobs"]
            tables[name] = {(job["task"], json.dumps(job["score"])) for job in table}
            assert not list((folder / "tasks").rglob("*.gz"))
            assert not list((folder / "tasks").rglob("48000"))
            peak = float(said.partition("the disk holds ")[2].split()[0]) * 1e9
            assert size_of(folder) <= peak
            assert sum(file.stat().st_size for file in mirror.iterdir()) / 2 < watch.peak <= told.peak - told.other
    assert len(tables["killed"]) == 3
    assert tables["killed"] == tables["undisturbed"]
