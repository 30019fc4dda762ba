"""From checkpoints and tasks to the leaderboard on one machine: whatever happens on the way, the table is the same."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import pytest
from conftest import usual_environment
from embeddings_on_disk import make_embeddings
from hear_tasks_on_disk import make_event_task, make_scene_task, make_tags_task

from hear_cacophony.files.lock import is_held, locked_folder
from hear_cacophony.model.stages import AUDIOMAE, CACOPHONY
from hear_tasks.doctor import environment as environment_check
from hear_tasks.predict import predict_task
from hear_tasks.reproduce import __main__ as command
from hear_tasks.reproduce import hardware, run, schedule, status
from hear_tasks.reproduce import run_job as job_module
from hear_tasks.reproduce.jobs import Job, audio_bytes, check_unchanged
from hear_tasks.reproduce.models import RunModel, own_model
from hear_tasks.reproduce.options import Phase
from hear_tasks.reproduce.record import Outcome, State, locked, read_attempts, read_state
from hear_tasks.reproduce.report import make_manifest
from hear_tasks.reproduce.run_job import Stop, run_job
from hear_tasks.task_folder import PREDICTED_FILE

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parent.parent
SMALL_GRID = ("--grid", "faster", "--grid-points", "1")


def environment(home: pathlib.Path | None = None) -> dict[str, str]:
    there = {key: value for key, value in usual_environment().items() if not key.startswith("SLURM")}
    own = {"HOME": str(home), "TMPDIR": str(home / ".cache")} if home else {}
    return {**there, "PYTHONPATH": str(ROOT), **own}


def arguments(tasks: pathlib.Path, out: pathlib.Path, *more: str, checkpoints="random-tiny") -> list[str]:
    return ["--checkpoints", str(checkpoints), "--tasks-dir", str(tasks), "--out", str(out), *SMALL_GRID, *more]


def start(*given: str, cwd: pathlib.Path, home: pathlib.Path | None = None, shell: str = "") -> subprocess.Popen:
    """The command in a process of its own; `shell` is run before it."""
    full = [sys.executable, "-m", "hear_tasks.reproduce", *given]
    if shell:
        full = ["bash", "-c", f'{shell}; exec "$@"', "bash", *full]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(full, cwd=cwd, env=environment(home), start_new_session=True, **pipes)


def wait_until(condition, process: subprocess.Popen | None = None) -> None:
    while not condition():
        assert process is None or process.poll() is None, process.communicate()[1][-2000:]
        time.sleep(0.05)


def break_clip(task: pathlib.Path) -> pathlib.Path:
    clip = sorted((task / "16000" / "train").iterdir())[0]
    clip.write_bytes(clip.read_bytes()[:1000])
    return clip


def job_of(task: pathlib.Path, out: pathlib.Path, stage=AUDIOMAE) -> Job:
    model = own_model(stage, "random-tiny", {})
    scoring = {"grid": "faster", "grid_points": 1, "seeds": "heareval"}
    return Job(model, task, out / "embeddings" / stage.module, out, audio_bytes(task), scoring)


@pytest.fixture
def options(tmp_path):
    """Parsed options for one small task and stage 1."""
    tasks = tmp_path / "tasks"
    make_tags_task(tasks, clips=3)
    return parse(arguments(tasks, tmp_path / "out", "--stage", "1"))


def parse(given: list[str]):
    import argparse

    from hear_tasks.reproduce.options import add_run_options, add_work_options, parse_options

    parser = argparse.ArgumentParser()
    add_work_options(parser)
    add_run_options(parser)
    return parse_options(parser.parse_args(given))


@pytest.mark.repeats  # the tests below end a run anywhere, those of embed and predict compare files and scores
@pytest.mark.parametrize("stages", [1, 2])
def test_killed_on_the_way_the_table_is_that_of_an_undisturbed_run_of_heareval(
    stages, tmp_path, monkeypatch, keeps_nothing
):
    """One process at a time and killed, with either predictor and our own at last, against one for each stage at a time
    with heareval's and left alone; all paths with spaces.

    Stage 2 is taken over from the undisturbed run, to save time.
    """
    only = ["--stage", "1"] if stages == 1 else []
    place = tmp_path / "a place"
    tasks, home, cwd = place / "the tasks", place / "home", place / "elsewhere"
    make_tags_task(tasks, clips=8)
    (home / ".cache").mkdir(parents=True)
    cwd.mkdir()
    before = sorted(tasks.rglob("*"))
    whole = start(
        *arguments(tasks, place / "left alone", "--devices", str(stages), "--predictor", "heareval", *only),
        cwd=cwd, home=home,
    )  # fmt: skip
    printed, told = whole.communicate()
    assert whole.returncode == 0, told[-3000:]
    assert "test_tags-v1-full  mAP" in printed
    assert "doctor: 1 task, 24 clips" in told

    out = place / "killed out"
    if stages == 2:
        others = pathlib.Path("embeddings", "hear_cacophony.cacophony")
        shutil.copytree(place / "left alone" / others, out / others)
    given = [*arguments(tasks, out), "--from-phase", "embed", "--devices", "1", *only]
    with monkeypatch.context() as patched:
        for name, value in keeps_nothing.items():
            patched.setenv(name, value)
        first = start(*given, cwd=cwd, home=home)
    working = out / "embeddings" / "hear_cacophony.audiomae" / ".embedding-test_tags-v1-full" / "settings"
    wait_until(working.exists, first)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    lock = out / "state" / "audiomae-test_tags-v1-full.embed.lock"
    wait_until(lambda: not is_held(lock))  # the killed command's process ends with it

    second = start(*given, "--predictor", "heareval", cwd=cwd, home=home)
    left = out / "work" / "audiomae-test_tags-v1-full" / "logs"
    wait_until(left.exists, second)
    second.terminate()
    told = second.communicate()[1]
    assert second.returncode == 143
    assert "interrupted by SIGTERM; the same command goes on where it was" in told
    assert list(left.rglob("*"))
    mark = out / "embeddings" / "hear_cacophony.audiomae" / "test_tags-v1-full" / PREDICTED_FILE
    assert not mark.exists()
    mark.write_text("{")  # as of a kill while heareval writes it, which heareval would take for a whole one

    log = out / "logs" / "audiomae-test_tags-v1-full-predict.log"
    with locked_folder(mark.parent.parent / ".predicting-test_tags-v1-full", print):
        third = start(*given, cwd=cwd, home=home)
        wait_until(lambda: "another process is predicting it" in log.read_text(), third)
        third.terminate()
        assert third.wait() == 143
    third.communicate()

    fourth = start(*given, cwd=cwd, home=home)
    told = fourth.communicate()[1]
    assert fourth.returncode == 0, told[-3000:]
    assert f"embed 1 of {stages}: AudioMAE test_tags-v1-full: was done already" in told
    reports = [folder / "report" for folder in (place / "left alone", out)]
    for name in ("leaderboard.txt", "leaderboard.md", "leaderboard.csv", "leaderboard.png"):
        assert (reports[0] / name).read_bytes() == (reports[1] / name).read_bytes(), name
    file = pathlib.Path("embeddings", "hear_cacophony.audiomae", "test_tags-v1-full", "test.predicted-scores.json")
    scores = [json.loads((run / file).read_text())["test"] for run in (place / "left alone", out)]
    assert [score["test_mAP"] for score in scores] == [scores[0]["test_score"]] * 2, "to the last digit"
    assert not any((out / "work").iterdir())

    manifests = [json.loads((report / "manifest.json").read_text()) for report in reports]
    assert manifests[0]["versions"]["heareval"] == "2021.1.3"
    assert manifests[0]["models"]["audiomae"] == {
        "module": "hear_cacophony.audiomae",
        "file": "random-tiny",
        "name": "untrained",
        "md5": "",
    }
    assert manifests[0]["options"]["grid_points"] == 1
    used = {each["embed"]["attempts"][-1]["device"] for each in manifests[0]["jobs"]}
    assert used == {"cpu 0", "cpu 1"} if stages == 2 else {"cpu"}
    attempts = manifests[1]["jobs"][0]["predict"]["attempts"]
    assert [attempt["outcome"] for attempt in attempts] == ["interrupted", "interrupted", "done"]
    assert [attempt["command"][attempt["command"].index("-m") + 1] for attempt in attempts] == [
        "hear_tasks.heareval",
        "hear_tasks.cli",
        "hear_tasks.cli",
    ]
    assert [manifest["options"]["predictor"] for manifest in manifests] == ["heareval", "own"]
    assert not any(cwd.iterdir())
    assert sorted(tasks.rglob("*")) == before
    assert [path.name for path in home.iterdir()] == [".cache"]
    left_behind = [path.name for path in (home / ".cache").iterdir()]  # which is the temporary folder, too
    assert not [name for name in left_behind if "torch" in name], "torch compiles into the cache folder"


def test_what_fails_is_named_with_its_cause_and_stops_nothing_else(tmp_path, tiny_checkpoints, capfd):
    tasks, out = tmp_path / "tasks", tmp_path / "out"
    make_scene_task(tasks, clips=30, seconds=0.1)
    clip = break_clip(make_event_task(tasks, clips=1))
    given = ["--stage", "1", "--from-phase", "embed", "--to-phase", "embed"]
    failing = start(*arguments(tasks, out, *given), cwd=tmp_path)
    told = failing.communicate()[1]
    assert failing.returncode == 1
    assert "AudioMAE test_pitch-v1-full: done in" in told
    assert f"AudioMAE test_events-v1-full: embed failed: embed: test_events-v1-full: FAILED: {clip}: expected" in told

    # The same folder, but other weights.
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "AudioMAE.ckpt").write_bytes(tiny_checkpoints["audiomae"].read_bytes())
    other = start(*arguments(tasks, out, *given, checkpoints=tmp_path / "weights"), cwd=tmp_path)
    assert "holds embeddings of another model (weights 'untrained' there" in other.communicate()[1]
    assert other.returncode == 1

    # The files' limit stands in for a full disk: its error is treated alike.
    narrow = [*arguments(tasks, tmp_path / "full", *given), "--task", "test_pitch"]
    full = start(*narrow, cwd=tmp_path, shell="ulimit -f 4")
    assert "may write 4,096 bytes into a file (ulimit -f)" in full.communicate()[1]
    assert full.returncode == 1

    assert command.main(arguments(tasks, out, "--stage", "1", "--from-phase", "leaderboard")) == 1
    printed = capfd.readouterr().out
    assert "not finished:" in printed
    assert "embeddings of another model" in printed, "the cause of the last attempt"
    assert "AudioMAE test_pitch-v1-full: predict to do" in printed
    report = (out / "report" / "leaderboard.txt").read_text()
    assert "embeddings of another model" in report
    assert status.main(arguments(tasks, out, "--stage", "1")) == 0
    shown = capfd.readouterr().out
    assert "audiomae  test_events-v1-full  failed  to do" in shown
    assert "audiomae  test_pitch-v1-full   done    to do" in shown
    assert "embeddings of another model" in shown


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--tasks-dir", "{nothing}"], "expected HEAR tasks, TASK/task_metadata.json, found none"),
        (["--tasks-dir", "{nothing}/there"], "no such folder"),
        (["--task", "esc50"], "esc50-v2.0.0-full is not there; there are test_tags-v1-full"),
        (["--checkpoints", "{nothing}"], "expected AudioMAE.ckpt (stage 1) and Cacophony.ckpt (stage 2), found none"),
        (["--checkpoints", "{weights}"], "expected Cacophony.ckpt (stage 2), found none"),
        (["--checkpoints", "{weights}"], "--stage 1 runs the other stage alone"),
        (["--checkpoints", "{weights}/none"], "no such folder; expected one with the checkpoints, or random"),
        (["--out", "{file}"], "expected a folder, got a file"),
        (["--grid-points", "0"], "--grid-points: expected 1 or more, got 0"),
        (["--from-phase", "predict", "--to-phase", "embed"], "--from-phase predict comes after --to-phase embed"),
        (["--seeds", "independent", "--predictor", "heareval"], "--seeds independent goes with --predictor own"),
        (["--devices", "0"], "--devices: expected 1 or more, got 0"),
        (["--memory-fraction", "1.5"], "expected a fraction above 0, up to 1, got 1.5"),
    ],
)
def test_bad_input_is_named_before_any_work(change, message, tmp_path, capsys):
    tasks, nothing, weights, file = (tmp_path / name for name in ("tasks", "nothing", "weights", "file"))
    make_tags_task(tasks, clips=3)
    for folder in (nothing, weights):
        folder.mkdir()
    file.touch()
    (weights / "AudioMAE.safetensors").touch()
    places = {"nothing": nothing, "weights": weights, "file": file}
    given = [part.format(**places) for part in change]
    assert command.main([*arguments(tasks, tmp_path / "out"), *given]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_scores_of_another_grid_are_not_mixed_in(tmp_path, options, capsys, monkeypatch):
    monkeypatch.setattr(run, "run_jobs", lambda *_: {})
    given = arguments(options.tasks_dir, options.out, "--from-phase", "embed", "--to-phase", "embed")
    assert command.main(given) == 1  # nothing is embedded
    assert command.main([*given, "--grid", "default", "--protocol", "published"]) == 1
    told = capsys.readouterr().err
    assert "holds a run with --protocol hear there, published now; --grid faster there, default now" in told
    for content in ("{", "[]"):
        (options.out / "settings.json").write_text(content)
        assert command.main(given) == 1
        assert "which options were the scores beside it made with?" in capsys.readouterr().err


def test_predictions_of_another_grid_or_of_other_embeddings_do_not_count(options):
    job = job_of(options.tasks[0], options.out)
    make_embeddings(job.target, [30, 12, 8])
    predict_task(job.target, grid="faster", grid_points=1, threads=1, tell=lambda _: None)
    check_unchanged([job])
    assert job.is_done(Phase.PREDICT)
    other = dataclasses.replace(job, scoring={**job.scoring, "grid": "fast"})
    assert not other.is_done(Phase.PREDICT)
    with pytest.raises(ValueError, match=r"audiomae/test_tags-v1-full: predicted with grid faster \(now: fast\)"):
        check_unchanged([other])
    embeddings = job.target / "test.embeddings.npy"
    before = embeddings.read_bytes()
    embeddings.write_bytes(before[4:] + before[:4])
    assert not job.is_done(Phase.PREDICT)
    with pytest.raises(ValueError, match=r"predicted with another test\.embeddings\.npy"):
        check_unchanged([job])
    embeddings.unlink()  # as one may to make room
    check_unchanged([job])
    assert job.is_done(Phase.PREDICT)


def test_independent_seeds_are_asked_for_noted_and_not_mixed_in(options, capsys, monkeypatch):
    monkeypatch.setattr(run, "run_jobs", lambda *_: {})
    out = options.out
    independent = parse(arguments(options.tasks_dir, out, "--stage", "1", "--seeds", "independent"))
    job = job_of(options.tasks[0], out)
    assert job_module._command(job, Phase.PREDICT, independent)[-2:] == ["--seeds", "independent"]
    assert make_manifest(independent, [job], "now", [])["options"]["seeds"] == "independent"
    given = arguments(options.tasks_dir, out, "--from-phase", "embed", "--to-phase", "embed")
    assert command.main([*given, "--seeds", "independent"]) == 1  # nothing is embedded
    assert command.main(given) == 1
    assert "holds a run with --seeds independent there, heareval now" in capsys.readouterr().err
    noted = json.loads((out / "settings.json").read_text())
    del noted["seeds"]
    (out / "settings.json").write_text(json.dumps(noted))
    assert command.main([*given, "--seeds", "independent"]) == 1
    assert "holds a run with --seeds heareval there, independent now" in capsys.readouterr().err


def test_an_error_in_the_environment_stops_the_run(options, capsys, monkeypatch):
    monkeypatch.setattr(run, "run_jobs", lambda *_: pytest.fail("nothing is to be begun"))
    monkeypatch.setattr("importlib.metadata.version", lambda name: "1.0")
    seen = contextlib.nullcontext(lambda: environment_check.Device("cpu"))
    monkeypatch.setattr(environment_check, "_probe", lambda _: seen)
    assert command.main(arguments(options.tasks_dir, options.out)) == 1
    told = capsys.readouterr().err
    assert "doctor: ERROR environment heareval: expected version 2021.1.3" in told
    assert "--from-phase embed goes on all the same" in told


def run_in_place_of_phase(monkeypatch, code: str) -> None:
    monkeypatch.setattr(job_module, "_command", lambda *_: [sys.executable, "-c", code])


SLOT = hardware.Slot("cpu 0", None, None, 3)


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), signal.SIGTERM)", "sys.exit(128 + signal.SIGTERM)"])
def test_a_phase_that_hears_of_the_end_of_its_job_first_is_interrupted(end, options, monkeypatch):
    job = job_of(options.tasks[0], options.out)
    run_in_place_of_phase(monkeypatch, f"import os, signal, sys; {end}")
    options.out.mkdir()
    assert run_job(job, Phase.EMBED, SLOT, options, Stop(), print).startswith("INTERRUPTED: interrupted by SIGTERM; ")
    assert read_state(job, Phase.EMBED)[0] is State.STOPPED


def test_the_cause_is_the_end_of_the_log(options, monkeypatch):
    job = job_of(options.tasks[0], options.out)
    lines = "import sys, os; [print(i) for i in range(9)]; print('RuntimeError: it broke'); print(); "
    run_in_place_of_phase(monkeypatch, lines + "print(os.environ['OMP_NUM_THREADS']); sys.exit(3)")
    options.out.mkdir()
    result = run_job(job, Phase.EMBED, SLOT, options, Stop(), print)
    assert result == f"FAILED: RuntimeError: it broke (see {job.log(Phase.EMBED)})"
    state, cause = read_state(job, Phase.EMBED)
    assert (state, cause) == (State.FAILED, ["6", "7", "8", "RuntimeError: it broke", "3"])
    run_in_place_of_phase(monkeypatch, "import os, signal; print('begun'); os.kill(os.getpid(), signal.SIGKILL)")
    run_job(job, Phase.EMBED, SLOT, options, Stop(), print)
    assert read_state(job, Phase.EMBED)[1] == ["begun", "FAILED: ended by the signal SIGKILL; out of memory?"]
    assert len(read_attempts(job, Phase.EMBED)) == 2
    assert "left out: its embeddings are not there (failed)" in run_job(
        job, Phase.PREDICT, SLOT, options, Stop(), print
    )


def test_the_time_limit_of_a_job_is_a_failure_and_a_signal_to_end_is_none(options, monkeypatch):
    job = job_of(options.tasks[0], options.out)
    options.out.mkdir()
    run_in_place_of_phase(monkeypatch, "import time; time.sleep(60)")
    for number, outcome in ((143, Outcome.INTERRUPTED), (1, Outcome.FAILED)):
        stop = Stop()
        monkeypatch.setattr(job_module, "_write_head", lambda *_, stop=stop, number=number: stop.request("so", number))
        assert f"{outcome.upper()}: so" in run_job(job, Phase.EMBED, SLOT, options, stop, print)
        assert read_attempts(job, Phase.EMBED)[-1].outcome is outcome
    assert read_state(job, Phase.EMBED) == (State.FAILED, ["so"])


def test_the_signal_before_the_time_limit_ends_the_command_with_a_message(options, tmp_path):
    given = arguments(options.tasks_dir, options.out, "--stage", "1", "--from-phase", "embed")
    process, _ = in_a_phase(given, tmp_path)
    process.send_signal(signal.SIGUSR1)
    assert "reproduce: stopped by the time limit of its job; give it more time" in process.communicate()[1]
    assert process.returncode == 1
    assert read_state(job_of(options.tasks[0], options.out), Phase.EMBED)[0] is State.FAILED


def test_a_process_that_was_killed_without_a_word_is_told(options):
    job = job_of(options.tasks[0], options.out)
    job_module.begin(job, Phase.PREDICT, "gpu 1", 4, ["what"])
    state, cause = read_state(job, Phase.PREDICT)
    assert state is State.STOPPED
    assert "killed without a word" in cause[0]
    assert str(job.log(Phase.PREDICT)) in cause[0]
    with locked(job, Phase.PREDICT, lambda: False, print):
        assert read_state(job, Phase.PREDICT)[0] is State.RUNNING
    job.record(Phase.PREDICT).write_text("{")
    assert read_state(job, Phase.PREDICT) == (State.TO_DO, [])


def in_a_phase(given: list[str], tmp_path: pathlib.Path, before: str = "") -> tuple[subprocess.Popen, int]:
    """The command while its first job is at work, and the number of that job's process, which leads another group."""
    begun = tmp_path / "begun"
    sleep = f"import os, signal, sys, time; {before}open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
    code = (
        "import sys; from hear_tasks.reproduce import __main__ as command, run_job\n"
        f"run_job._command = lambda *_: [sys.executable, '-c', {sleep!r}, {str(begun)!r}]\n"
        "sys.exit(command.main())"
    )
    full = [sys.executable, "-c", code, *given]
    process = subprocess.Popen(full, env=environment(), start_new_session=True, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: begun.exists() and begun.read_text(), process)
    return process, int(begun.read_text())


def test_what_a_killed_run_has_started_ends_with_it(options, tmp_path):
    """Killed, with its whole process group, in the middle of a phase."""
    given = arguments(options.tasks_dir, options.out, "--stage", "1", "--from-phase", "embed")
    process, started = in_a_phase(given, tmp_path)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    job = job_of(options.tasks[0], options.out)
    wait_until(lambda: not is_held(job.lock(Phase.EMBED)))
    wait_until(lambda: not pathlib.Path(f"/proc/{started}").exists())
    assert read_state(job, Phase.EMBED)[0] is State.STOPPED


def test_ctrl_c_twice_ends_what_would_have_had_time(options, tmp_path):
    given = arguments(options.tasks_dir, options.out, "--stage", "1", "--from-phase", "embed")
    process, started = in_a_phase(given, tmp_path, "signal.signal(signal.SIGTERM, signal.SIG_IGN); ")
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)  # two at the same moment may be one
    process.send_signal(signal.SIGINT)
    told = process.communicate()[1]
    # A line of the job that ends may come between that and the end.
    assert "reproduce: interrupted by SIGINT; the same command goes on where it was" in told.splitlines()
    assert process.returncode == 130
    wait_until(lambda: not pathlib.Path(f"/proc/{started}").exists())


def test_a_run_killed_between_the_end_of_a_phase_and_its_note_is_completed(options, monkeypatch):
    job = job_of(options.tasks[0], options.out)
    job_module.begin(job, Phase.PREDICT, "gpu 1", 4, ["what"])
    job.target.mkdir(parents=True)
    (job.target / PREDICTED_FILE).write_text('{"time": 12.345, "grid_points": 1}')
    (job.target / "test.predicted-scores.json").write_text("{}")
    (job.work / "logs").mkdir(parents=True)
    (job.work / "logs" / "a predictor.ckpt").touch()
    monkeypatch.setattr(run, "make_jobs", lambda _: [job])
    given = arguments(options.tasks_dir, options.out, "--stage", "1", "--from-phase", "leaderboard")
    assert command.main(given) == 1  # nothing is embedded
    assert not job.work.exists()
    manifest = json.loads((options.out / "report" / "manifest.json").read_text())
    (attempt,) = manifest["jobs"][0]["predict"]["attempts"]
    assert (attempt["outcome"], attempt["seconds"]) == ("done", 12.3)


def test_without_locks_a_run_goes_on_with_one_remark(options, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    job = job_of(options.tasks[0], options.out)
    options.out.mkdir()
    run_in_place_of_phase(monkeypatch, "import sys; sys.exit('it broke')")
    told: list[str] = []
    for _ in range(2):
        assert "FAILED: it broke" in run_job(job, Phase.EMBED, SLOT, options, Stop(), told.append)
    (remark,) = told
    assert remark.startswith(f"{options.out / 'state'}: its file system has no locks")
    assert read_state(job, Phase.EMBED)[0] is State.FAILED


def test_several_tasks_behind_one_option(options, tmp_path):
    make_scene_task(tmp_path / "tasks", clips=3, seconds=0.1)
    make_event_task(tmp_path / "tasks", clips=1)
    given = arguments(tmp_path / "tasks", options.out)
    several = parse([*given, "--task", "test_tags", "test_pitch"])
    assert [task.name for task in several.tasks] == ["test_pitch-v1-full", "test_tags-v1-full"]
    assert parse([*given, "--task", "test_tags", "--task", "test_pitch"]).tasks == several.tasks


def test_a_split_that_leads_out_of_the_task_is_not_read(options, tmp_path):
    task = options.tasks[0]
    content = json.loads((task / "task_metadata.json").read_text())
    (tmp_path / "tasks" / "outside.json").write_text(json.dumps({f"{i}.wav": [] for i in range(99)}))
    (task / "task_metadata.json").write_text(json.dumps({**content, "sample_duration": 1.0, "splits": ["../outside"]}))
    clips = sum(file.stat().st_size for file in (task / "16000").rglob("*.wav"))
    assert audio_bytes(task) == clips


def test_a_missing_gpu_fails_before_any_work(options, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(job_module, "_prepare", lambda *_: pytest.fail("nothing is to be begun"))
    asking = parse([*arguments(options.tasks_dir, options.out, "--stage", "1"), "--require-gpu"])
    job = job_of(options.tasks[0], options.out)
    result = run_job(job, Phase.EMBED, SLOT, asking, Stop(), print)
    assert "FAILED: expected a GPU, as one was asked for, but JAX on" in result
    assert "sees: cpu (CUDA_VISIBLE_DEVICES is ''). Was the job given a card" in result


def test_a_gpu_for_a_plugin_is_looked_for_by_its_own_interpreter(monkeypatch, tmp_path):
    (tmp_path / "their-python").write_text("#!/bin/sh\necho none at all\n")
    (tmp_path / "their-python").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    model = RunModel("theirs", "theirs", "theirs", "", python="their-python")
    (told,) = job_module._missing_gpu(model, Phase.EMBED, dict(os.environ), Stop())
    assert "torch or TensorFlow on" in told
    assert "sees: none at all" in told


def test_a_failure_that_cannot_be_noted_is_told_all_the_same(options, monkeypatch):
    def no_room(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(job_module, "begin", no_room)
    job = job_of(options.tasks[0], options.out)
    told: list[str] = []
    unnoted = run.run_jobs([job], {Phase.EMBED: [SLOT]}, options, Stop(), told.append)
    assert unnoted == {job.name: "FAILED: [Errno 28] No space left on device"}
    assert "No space left on device" in told[0]


@pytest.fixture
def cards(tmp_path, monkeypatch):
    """A machine with two cards, as nvidia-smi lists them."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'GPU 0: made up (UUID: a)'\necho 'GPU 1: made up (UUID: b)'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_each_card_has_one_process(options, cards, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(12)))
    slots = hardware.make_slots(Phase.EMBED, options, 9)
    assert [(slot.label, slot.card, slot.threads) for slot in slots] == [("gpu 0", "0", 6), ("gpu 1", "1", 6)]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    assert [slot.card for slot in hardware.make_slots(Phase.PREDICT, options, 9)] == ["5", "7"]
    asking = parse([*arguments(options.tasks_dir, options.out), "--devices", "3"])
    with pytest.raises(ValueError, match="--devices 3: there are 2 cards: 5, 7"):
        hardware.make_slots(Phase.EMBED, asking, 9)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert hardware.make_slots(Phase.EMBED, options, 9)[0].card is None


def test_one_library_has_the_card_and_slurm_is_hidden_from_lightning(options, monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", "1")
    monkeypatch.delenv("JAX_PLATFORMS")
    monkeypatch.delenv("XLA_PYTHON_CLIENT_MEM_FRACTION", raising=False)
    slot = hardware.Slot("gpu 1", "1", None, 6)
    embed = hardware.child_environment(Phase.EMBED, slot, 6, options)
    predict = hardware.child_environment(Phase.PREDICT, slot, 1, options)
    assert (embed["CUDA_VISIBLE_DEVICES"], predict["CUDA_VISIBLE_DEVICES"]) == ("1", "1")
    assert (embed["XLA_PYTHON_CLIENT_MEM_FRACTION"], embed["NPROC"], "JAX_PLATFORMS" in embed) == ("0.9", "6", False)
    assert (predict["JAX_PLATFORMS"], predict["OMP_NUM_THREADS"], "SLURM_NTASKS" in predict) == ("cpu", "1", False)
    monkeypatch.setenv("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.5")
    fraction = "XLA_PYTHON_CLIENT_MEM_FRACTION"
    assert hardware.child_environment(Phase.EMBED, slot, 6, options)[fraction] == "0.5"
    asking = parse([*arguments(options.tasks_dir, options.out), "--memory-fraction", "0.7"])
    assert hardware.child_environment(Phase.EMBED, slot, 6, asking)[fraction] == "0.7"


def test_the_cores_are_shared_and_no_more_are_used_than_slurm_grants(options, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    for variable in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(100, 132)))
    embed = hardware.make_slots(Phase.EMBED, options, 40)
    assert [sorted(slot.cores)[0] for slot in embed] == [100, 116]
    assert [(len(slot.cores), slot.threads) for slot in embed] == [(16, 16), (16, 16)]
    assert [slot.threads for slot in hardware.make_slots(Phase.PREDICT, options, 8)] == [4] * 8
    assert len(hardware.make_slots(Phase.PREDICT, options, 40)) == 32
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "6")  # of a node whose cores the job is not bound to
    assert hardware.make_slots(Phase.EMBED, options, 40) == [hardware.Slot("cpu 0", None, None, 6)]


def test_the_largest_are_begun_first_and_every_slot_is_used(options, tmp_path, monkeypatch):
    from hear_tasks.reproduce.jobs import make_jobs

    make_scene_task(tmp_path / "tasks", clips=3, seconds=0.2)
    make_event_task(tmp_path / "tasks", clips=2)
    every = parse(arguments(tmp_path / "tasks", options.out))
    jobs = make_jobs(every)
    assert [job.size for job in jobs] == sorted([job.size for job in jobs], reverse=True)
    assert {job.model.stage for job in jobs[:2]} == {AUDIOMAE, CACOPHONY}
    assert jobs[0].size == 6 * (4 * 16_000 * 2 + 44)

    taken: list[tuple[str, str, frozenset[int]]] = []

    def take(job, phase, slot, *_):
        taken.append((job.task.name, slot.label, frozenset(os.sched_getaffinity(0))))
        time.sleep(0.05)
        return "done"

    monkeypatch.setattr(schedule, "run_job", take)
    core = min(os.sched_getaffinity(0))
    slots = [hardware.Slot("cpu 0", None, frozenset({core}), 1), hardware.Slot("cpu 1", None, None, 1)]
    run.run_jobs(jobs, {Phase.EMBED: slots}, every, Stop(), lambda _: None)
    assert [name for name, *_ in taken[:2]] == ["test_events-v1-full"] * 2
    assert {label for _, label, _ in taken} == {"cpu 0", "cpu 1"}
    assert {cores for _, label, cores in taken if label == "cpu 0"} == {frozenset({core})}
    assert len(taken) == 6
