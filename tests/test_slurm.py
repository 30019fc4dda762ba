"""The scripts for Slurm: what they refuse and submit, and a whole run on a real cluster of one node."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np
import pytest
import soundfile
from conftest import usual_environment
from hear_tarballs import MAKERS, make_tarballs
from hear_tasks_on_disk import make_event_task, make_scene_task

from hear_cacophony.files.lock import locked_folder
from hear_cacophony.training.metrics import read_metrics
from hear_tasks.cli import main
from hear_tasks.download import tarball_name
from hear_tasks.registry import find_tasks

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / "scripts" / "slurm"
CLUSTER = ROOT / "tests" / "slurm_cluster.sh"
REQUIRED = "HEAR_CACOPHONY_REQUIRE_SLURM"
"""Environment variable: 1 makes a missing Slurm a failure."""

PITCH, EVENTS = "test_pitch-v1-full", "test_events-v1-full"


def environment(**more: str) -> dict[str, str]:
    return {**{key: value for key, value in usual_environment().items() if key != "JAX_PLATFORMS"}, **more}


def script(name: str, *given: str | pathlib.Path, **more: str) -> subprocess.CompletedProcess[str]:
    command = [str(SCRIPTS / name), *map(str, given)]
    return subprocess.run(command, env=environment(**more), capture_output=True, text=True, check=False)


def write_config(place: pathlib.Path, name: str, **keys: str) -> pathlib.Path:
    """A configuration of small jobs in the environment of the tests."""
    activate = f'PATH="{pathlib.Path(sys.executable).parent}:$PATH"; export PYTHONPATH="{ROOT}"'
    small = {"CPUS": "1", "MEMORY": "1G", "TIME": "10"}
    values = {
        "CHECKPOINTS": "random-tiny",
        "TASKS_DIR": f'"{place / "the tasks"}"',
        "OUT": f'"{place / "the out"}"',
        "ACTIVATE": f"'{activate}'",
        "GRID": "faster",
        "GRID_POINTS": "1",
        "EMBED_GPU": "--gres=gpu:1",
        "REQUIRE_GPU": "no",
        **{f"{phase}_{what}": value for phase in ("EMBED", "PREDICT", "REPORT") for what, value in small.items()},
        "REPORT_MEMORY": "100M",
        **keys,
    }
    file = place / name
    file.write_text("".join(f"{key}={value}\n" for key, value in values.items()))
    return file


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a task that is whole and one with a broken clip."""
    place = tmp_path_factory.mktemp("slurm") / "a place"
    tasks = place / "the tasks"
    make_scene_task(tasks, clips=6)
    clip = make_event_task(tasks, clips=2) / "16000" / "train" / "train-0.wav"
    clip.write_bytes(clip.read_bytes()[:2000])
    return place


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"EMBED_GPUS": "1"}, ":18: unknown key EMBED_GPUS; the keys are CHECKPOINTS TASKS_DIR OUT"),
        ({"TASKS_DIR": "/no/such"}, "TASKS_DIR=/no/such: no such folder"),
        ({"CHECKPOINTS": "/no/such"}, "CHECKPOINTS=/no/such: no such folder"),
        ({"OUT": ""}, "OUT is missing"),
        ({"OUT": "/a b"}, "a value with spaces or signs of the shell needs quotes: OUT=/a b"),
        ({"OUT": "/a;touch"}, "a value with spaces or signs of the shell needs quotes: OUT=/a;touch"),
        ({"OUT": '"$NOT_SET_HERE"/a'}, "NOT_SET_HERE: unbound variable"),
        ({"EMBED_GPU": "--gpus=0"}, "EMBED_GPU=--gpus=0 asks for no card; leave EMBED_GPU empty to use CPUs"),
        ({"PREDICT_GPU": "--gres=gpu:a100:0"}, "PREDICT_GPU=--gres=gpu:a100:0 asks for no card"),
        ({"EMBED_GPU": '"-G 0"'}, "EMBED_GPU=-G 0 asks for no card"),
        ({"EMBED_CPUS": "many"}, "EMBED_CPUS: expected a number of CPUs, got many"),
        ({"MAX_RUNNING": "0"}, "MAX_RUNNING: expected a number of jobs, got 0"),
        ({"TABLE": "maybe"}, "TABLE: expected yes or no, got maybe"),
        ({"MODULE": "plugin"}, "expected one of CHECKPOINTS and MODULE, got both"),
        ({"CHECKPOINTS": ""}, "CHECKPOINTS is missing"),
        ({"PYTHON": "python3"}, "MODEL_FILE, MODEL_OPTIONS and PYTHON need MODULE"),
        ({"SEEDS": "mine"}, "SEEDS: expected heareval or independent, got mine"),
        ({"SEEDS": "independent", "PREDICTOR": "heareval"}, "SEEDS=independent needs PREDICTOR=own"),
        ({"REQUIRE_GPU": "maybe"}, "REQUIRE_GPU: expected yes or no, got maybe"),
        ({"ACTIVATE": "false"}, "ACTIVATE failed: false"),
        ({"TASKS": "esc50"}, "esc50-v2.0.0-full is not there; there are test_events-v1-full, test_pitch-v1-full"),
        ({"DOWNLOAD": "maybe"}, "DOWNLOAD: expected 1 or 0, got maybe"),
        ({"MIRROR": "/a"}, "MIRROR, KEEP_ARCHIVES and RATES need DOWNLOAD=1"),
        ({"GRID": "finest"}, "argument --grid: invalid choice: 'finest'"),
    ],
)
def test_a_wrong_configuration_is_named_before_anything_is_submitted(keys, message, place, tmp_path):
    config = write_config(place, f"{tmp_path.name}.conf", **keys)
    done = script("submit.sh", config, "--dry-run")
    assert done.returncode == 1
    assert message in done.stderr
    assert "sbatch" not in done.stdout
    assert not (place / "the out").exists()


def test_a_plugin_in_the_place_of_checkpoints(place, tmp_path):
    keys = {"CHECKPOINTS": "", "MODULE": "plugin", "MODEL_FILE": '"the weights"', "MODEL_OPTIONS": """'{"size": 3}'"""}
    keys["SEEDS"] = "independent"
    config = write_config(place, "plugin.conf", OUT=f'"{tmp_path / "out"}"', PYTHON="python3", **keys)
    done = script("submit.sh", config, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert f"job 1: plugin-size=3, {PITCH}: embed" in done.stdout
    read = f"root='{ROOT}'; . '{SCRIPTS}/read_config.sh'; read_config {str(config)!r}; set_options"
    show = read + "; printf '%s\\n' \"${run_options[@]}\""
    shown = subprocess.run(["bash", "-c", show], capture_output=True, text=True, env=environment()).stdout
    assert shown.splitlines()[4:] == [
        "--module", "plugin", "--model", "the weights", "--model-options", '{"size": 3}', "--python", "python3",
        "--grid", "faster", "--grid-points", "1", "--seeds", "independent",
    ]  # fmt: skip


def test_lists_of_several_lines_are_taken_whole(place, tmp_path):
    names = tmp_path / "names"
    names.write_text(f"{PITCH},\n{EVENTS}\n")
    lists = {"SBATCH_OPTIONS": """$'--qos=long\\n--nice'""", "EMBED_GPU": """$'--gres=gpu:1\\n--constraint=a100'"""}
    config = write_config(place, "lines.conf", OUT=f'"{tmp_path / "out"}"', TASKS=f'"$(cat "{names}")"', **lists)
    done = script("submit.sh", config, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert f"job 0: audiomae, {EVENTS}: embed" in done.stdout
    assert f"job 3: cacophony, {PITCH}: embed" in done.stdout
    assert " --qos=long --nice --gres=gpu:1 --constraint=a100 --cpus-per-task=1 " in done.stdout
    names.write_text(f"{PITCH}\ngtzan\n")
    assert "gtzan" in script("submit.sh", config, "--dry-run").stderr


def test_wrong_arguments_and_places(place, tmp_path):
    config = write_config(place, "plain.conf")
    assert "no such configuration file; copy " in script("submit.sh", place / "none.conf").stderr
    assert "unknown option --dryrun" in script("submit.sh", config, "--dryrun").stderr
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("bash", "dirname", "basename", "realpath", "tr", "date", "sed"):
        (tools / tool).symlink_to(shutil.which(tool))
    assert "no command sbatch here" in script("submit.sh", config, PATH=str(tools)).stderr
    config.write_text(config.read_text().replace("GRID=", "GRID ="))
    assert "expected KEY=VALUE, without spaces around =, got: GRID =faster" in script("status.sh", config).stderr


def test_where_slurm_takes_some_jobs_only_they_are_cancelled_again(place, tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, code in (
        ("sbatch", 'case "$*" in *predict*) echo "no such partition" >&2; exit 1;; esac; echo 17'),
        ("scancel", f'echo "$@" >{tmp_path}/cancelled'),
    ):
        (tools / name).write_text(f"#!/bin/sh\n{code}\n")
        (tools / name).chmod(0o755)
    config = write_config(place, "some.conf", OUT=f'"{tmp_path / "the out"}"')
    done = script("submit.sh", config, PATH=f"{tools}:{os.environ['PATH']}")
    assert done.returncode == 1
    assert (
        "no such partition\ncancelled again: 17\nsubmit.sh: sbatch did not take the predict job: sbatch" in done.stderr
    )
    assert (tmp_path / "cancelled").read_text() == "17\n"


def test_what_is_submitted_is_noted_beside_the_plan(place, tmp_path):
    """The jobs of the arrays read their line of the plan when they start."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "sbatch").write_text("#!/bin/sh\necho 17\n")
    (tools / "sbatch").chmod(0o755)
    config = write_config(place, "noted.conf", OUT=f'"{tmp_path / "the out"}"', STAGE="1")
    done = script("submit.sh", config, PATH=f"{tools}:{os.environ['PATH']}")
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "the out" / "slurm").iterdir()
    assert (folder / "plan").read_text().splitlines() == [
        f"audiomae\t{EVENTS}\tembed\tto do",
        f"audiomae\t{PITCH}\tembed\tto do",
    ]
    assert (folder / "submitted").read_text() == "17\n17\n17\n"
    python = tools / "python"
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    (folder / "config").write_text((folder / "config").read_text() + f"ACTIVATE='PATH=\"{tools}:$PATH\"'\n")
    ran = subprocess.run(
        ["bash", SCRIPTS / "embed.sbatch", ROOT, folder],
        env=environment(SLURM_ARRAY_TASK_ID="1"), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert f"--only audiomae --task {PITCH} --from-phase embed --to-phase embed --devices 1" in ran.stdout


def test_each_task_is_fetched_while_the_one_before_it_is_embedded(place, tmp_path):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    names = ("esc50", "libricount", "gunshot_triangulation")
    for size, name in enumerate(names, 1):
        (mirror / tarball_name(find_tasks(name)[0])).write_bytes(bytes(1000 * size))
    keys = {"DOWNLOAD": "1", "MIRROR": str(mirror), "TASKS_DIR": str(tmp_path / "tasks"), "OUT": str(tmp_path / "out")}
    config = write_config(tmp_path, "fetch.conf", **keys, TASKS="esc50,GTZAN", DOWNLOAD_PARTITION="network")
    done = script("submit.sh", config, "--dry-run")
    assert "unknown HEAR task 'GTZAN'; did you mean 'tfds_gtzan' or 'GTZAN Genre'" in done.stderr
    config = write_config(tmp_path, "fetch.conf", **keys, TASKS=",".join(names), DOWNLOAD_PARTITION="network")
    done = script("submit.sh", config, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "the disk holds 0.0" in done.stderr
    order = [find_tasks(name)[0].directory for name in ("esc50", "gunshot_triangulation", "libricount")]
    assert [line.split(": ")[1] for line in done.stdout.splitlines() if line.startswith("job ")] == [
        f"{model}, {task}" for task in order for model in ("audiomae", "cacophony")
    ]
    jobs = [line for line in done.stdout.splitlines() if line.startswith("sbatch")]
    assert len(jobs) == 10
    downloads, embeddings, predictions = jobs[:9:3], jobs[1:9:3], jobs[2:9:3]
    for number, task in enumerate(order):
        assert "--cpus-per-task=4 --mem=8G --time=12:00:00 --partition=network" in downloads[number]
        assert f"--array={number} " in downloads[number]
        assert "gres" not in downloads[number]
        array = f"--array={2 * number},{2 * number + 1} "
        assert f"--dependency=afterany:JOB-OF-download-{task} {array}" in embeddings[number]
        assert f"{array}--dependency=aftercorr:JOB-OF-embed-{task} " in predictions[number]
    assert "dependency" not in downloads[0]
    assert f"--dependency=afterany:JOB-OF-download-{order[0]} " in downloads[1]
    assert f"--dependency=afterany:JOB-OF-download-{order[1]}:JOB-OF-embed-{order[0]} " in downloads[2]
    assert all(f":JOB-OF-{what}-{task}" in jobs[9] for what in ("download", "embed", "predict") for task in order)
    assert not (tmp_path / "tasks").exists()


def test_a_dry_run_prints_the_jobs_for_what_is_still_to_do_and_writes_nothing(place, tmp_path):
    out = tmp_path / "the out"
    config = write_config(place, "dry.conf", OUT=f'"{out}"', MAX_RUNNING="3", ACCOUNT="us", PARTITION="gpu",
                          PREDICT_PARTITION="cpu", SBATCH_OPTIONS='"--qos=long --nice"')  # fmt: skip
    done = script("submit.sh", config, "--dry-run")
    assert done.returncode == 0, done.stderr
    planned, jobs = done.stdout.splitlines()[:4], done.stdout.splitlines()[4:7]
    assert planned[0] == f"job 0: audiomae, {EVENTS}: embed"
    assert planned[3] == f"job 3: cacophony, {PITCH}: embed"
    assert "--account=us --qos=long --nice --gres=gpu:1 --cpus-per-task=1 --mem=1G --time=10 --partition=gpu" in jobs[0]
    assert "--array=0,1,2,3%3" in jobs[0]
    assert "--partition=cpu --array=0,1,2,3%3 --dependency=aftercorr:JOB-OF-embed" in jobs[1]
    assert "--dependency=afterany:JOB-OF-embed:JOB-OF-predict" in jobs[2]
    assert not out.exists()

    # One job embedded, one wholly done: they leave the arrays.
    embedded = out / "embeddings" / "hear_cacophony.audiomae" / EVENTS
    predicted = out / "embeddings" / "hear_cacophony.cacophony" / PITCH
    for folder in (embedded, predicted):
        folder.mkdir(parents=True)
        (folder / ".done.embeddings").write_text("{}")  # with no files
    for name in ("prediction-done.json", "test.predicted-scores.json"):
        (predicted / name).write_text("{}")
    jobs = [line for line in script("submit.sh", config, "--dry-run").stdout.splitlines() if line.startswith("sbatch")]
    assert len(jobs) == 4
    assert ["--array=1,2%3 " in job for job in jobs] == [True, True, False, False]
    assert "--array=0%3 " in jobs[2]
    assert "aftercorr" not in jobs[2]
    shown = script("status.sh", config).stdout
    assert "embed: 2 done, 2 to do\npredict: 1 done, 3 to do\n" in shown


@pytest.fixture(scope="module")
def cluster():
    """The environment variables of a cluster that is started for this module."""
    missing = [tool for tool in ("sbatch", "slurmctld", "slurmd", "munged") if shutil.which(tool) is None]
    reason = f"no {', '.join(missing)} here: apt-get install slurm-wlm munge" if missing else ""
    if os.geteuid() != 0 and not reason:
        reason = "a cluster is started by root alone"
    if reason and os.environ.get(REQUIRED) != "1":
        pytest.skip(reason)
    assert not reason, f"{REQUIRED}=1, but {reason}"
    folder = pathlib.Path(tempfile.mkdtemp(prefix="slurm.", dir="/tmp"))  # sockets need a short path
    try:
        done = subprocess.run([CLUSTER, "start", folder], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        assert done.returncode == 0, "the cluster did not start, see above"
        yield {"SLURM_CONF": done.stdout.strip()}
    finally:
        subprocess.run([CLUSTER, "stop", folder], check=True)
        shutil.rmtree(folder, ignore_errors=True)


class Jobs:
    """The jobs of a cluster."""

    def __init__(self, cluster: dict[str, str]) -> None:
        self._environment = environment(**cluster)

    def run(self, *command: str) -> str:
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def states(self) -> dict[str, str]:
        """State of each job, those of arrays too, that has not ended."""
        lines = self.run("squeue", "--noheader", "--array", "--format=%i %T").splitlines()
        return dict(line.split() for line in lines)

    def wait(self, what: str, condition) -> None:
        while not condition():
            assert self.states() or condition(), f"all jobs have ended without: {what}"
            time.sleep(0.2)

    def submit(self, config: pathlib.Path, cluster: dict[str, str]) -> dict[str, str]:
        """Numbers of the jobs that are submitted, by what they do."""
        done = script("submit.sh", config, **cluster)
        assert done.returncode == 0, done.stderr
        return dict(line.split(": job ") for line in done.stdout.splitlines() if ": job " in line)


def attempts(out: pathlib.Path, name: str) -> list[dict]:
    try:
        return json.loads((out / "state" / f"{name}.json").read_text())["attempts"]
    except FileNotFoundError:
        return []


def is_predicting(out: pathlib.Path, stage: str) -> bool:
    last = attempts(out, f"{stage}-{PITCH}.predict")[-1:]
    return bool(last) and last[0]["outcome"] is None


def held(out: pathlib.Path, stage: str) -> contextlib.AbstractContextManager:
    """Meanwhile a prediction of the pitch task waits, as it would for another process; it would be done in no time."""
    folder = out / "embeddings" / f"hear_cacophony.{stage}"
    folder.mkdir(parents=True, exist_ok=True)
    return locked_folder(folder / f".predicting-{PITCH}", print)


def test_a_run_with_a_requeue_a_cancelled_job_a_time_limit_and_a_failing_task(cluster, place):
    jobs, out = Jobs(cluster), place / "the out"
    config = write_config(place, "run.conf")
    with held(out, "cacophony"):
        with held(out, "audiomae"):
            numbers = jobs.submit(config, cluster)
            assert set(numbers) == {"embed", "predict", "report"}

            # Jobs 2 and 3 are the pitch task with stages 1 and 2. One prediction is requeued, the other cancelled.
            requeued, cancelled = (f"{numbers['predict']}_{i}" for i in (2, 3))
            jobs.wait("a prediction", lambda: is_predicting(out, "audiomae"))
            jobs.run("scontrol", "requeue", requeued)
            jobs.wait("the requeued job in the queue", lambda: jobs.states().get(requeued) == "PENDING")
        # Slurm would wait for two minutes; in the second of the requeue, it would take the job for the killed one.
        jobs.run("scontrol", "update", f"JobId={requeued}", "StartTime=now+3")
        jobs.wait("the other prediction", lambda: is_predicting(out, "cacophony"))
        assert f"cacophony  {PITCH}   done    running" in script("status.sh", config, **cluster).stdout
        assert "are running now" in script("submit.sh", config, **cluster).stderr
        jobs.run("scancel", cancelled)
        jobs.wait("the end", lambda: not jobs.states())

    assert [each["outcome"] for each in attempts(out, f"audiomae-{PITCH}.predict")] == ["interrupted", "done"]
    assert {each["job"] for each in attempts(out, f"audiomae-{PITCH}.predict")} == {requeued}
    assert [each["outcome"] for each in attempts(out, f"cacophony-{PITCH}.predict")] == ["interrupted"]
    report = (out / "report" / "leaderboard.txt").read_text()
    assert f"Cacophony {PITCH}: predict stopped: interrupted by SIGTERM" in report
    broken = place / "the tasks" / EVENTS / "16000" / "train" / "train-0.wav"
    for title in ("AudioMAE", "Cacophony"):
        cause = f"{title} {EVENTS}: embed failed: embed: {EVENTS}: FAILED: {broken}: expected 128044 bytes"
        assert cause in report
    assert (out / "logs" / f"audiomae-{EVENTS}-embed.log").exists()
    assert (
        "embed: 2 done, 2 failed\npredict: 1 done, 1 stopped, 2 to do\n"
        in script("status.sh", config, **cluster).stdout
    )

    # What is left is submitted alone. The signal that comes before the time limit is sent by hand.
    with held(out, "cacophony"):
        more = jobs.submit(write_config(place, "more.conf", TASKS="test_pitch"), cluster)
        assert set(more) == {"predict", "report"}
        jobs.wait("the prediction again", lambda: is_predicting(out, "cacophony"))
        jobs.run("scancel", "--batch", "--signal=USR1", more["predict"])
        jobs.wait("the end", lambda: not jobs.states())
    report = (out / "report" / "leaderboard.txt").read_text()
    assert f"Cacophony {PITCH}: predict failed: stopped by the time limit of its job" in report
    assert EVENTS not in report.partition("not finished:")[2]

    # The score of the requeued job is that of a run without Slurm.
    predicted = out / "embeddings" / "hear_cacophony.audiomae" / PITCH
    alone = place / PITCH
    shutil.copytree(predicted, alone, ignore=shutil.ignore_patterns("prediction*", "*predict*"))
    assert main(["predict", str(alone), "--grid", "faster", "--grid-points", "1", "--threads", "1"]) == 0
    files = (folder / "test.predicted-scores.json" for folder in (predicted, alone))
    scores = [json.loads(file.read_text())["aggregated_scores"] for file in files]
    of_tests = [name for name in scores[0] if name.startswith("test_")]
    assert len(of_tests) >= 8
    assert [scores[0][name] for name in of_tests] == [scores[1][name] for name in of_tests], "to the last digit"


def test_a_node_without_the_gpu_that_was_asked_for_is_told(cluster, place):
    jobs, out = Jobs(cluster), place / "no card"
    keys = {"OUT": f'"{out}"', "STAGE": "1", "TASKS": "test_pitch", "REQUIRE_GPU": "yes"}
    jobs.submit(write_config(place, "card.conf", **keys), cluster)
    jobs.wait("the end", lambda: not jobs.states())
    (only,) = attempts(out, f"audiomae-{PITCH}.embed")
    assert "expected a GPU, as one was asked for, but JAX on" in only["cause"][0]
    assert "sees: cpu (CUDA_VISIBLE_DEVICES is " in only["cause"][0]
    assert not attempts(out, f"audiomae-{PITCH}.predict")
    assert (
        only["cause"][0]
        in (out / "logs" / "slurm")
        .joinpath(next(path.name for path in (out / "logs" / "slurm").glob("report-*.log")))
        .read_text()
    )


def test_tasks_come_to_a_cluster_one_after_the_other_and_little_of_them_stays(cluster, tmp_path):
    mirror, out, tasks = (tmp_path / name for name in ("mirror", "out", "tasks"))
    make_tarballs(mirror)
    lost = find_tasks("libricount")[0]
    keys = {"DOWNLOAD": "1", "MIRROR": str(mirror), "TASKS_DIR": str(tasks), "OUT": str(out), "RATES": "16000,48000"}
    keys |= {"STAGE": "1", "TASKS": ",".join((*MAKERS, lost.name)), "PREDICT_TIME": "5"}
    keys |= {"DOWNLOAD_CPUS": "1", "DOWNLOAD_MEMORY": "1G", "DOWNLOAD_TIME": "10"}
    jobs = Jobs(cluster)
    numbers = jobs.submit(write_config(tmp_path, "fetch.conf", **keys), cluster)
    assert len(numbers) == 3 * 4 + 1
    most, seen = 0, set()

    def ended() -> bool:
        nonlocal most
        there = sorted(folder.parent.name for folder in tasks.glob("*/48000"))
        most = max(most, len(there))
        seen.update(there)
        return not jobs.states()

    jobs.wait("the end", ended)
    report = (out / "report" / "leaderboard.md").read_text()
    assert f"AudioMAE {lost.directory}: embed to do: FAILED: download: " in report
    assert len([line for line in report.splitlines() if line.startswith("- AudioMAE")]) == 1
    assert len(list(out.glob("embeddings/*/*/prediction-done.json"))) == 3
    assert most <= 2
    assert len(seen) == 3
    assert len(list(tasks.glob("*/16000"))) == 3
    assert not list(tasks.glob("*/48000"))
    assert not list(tasks.rglob("*.gz"))


def train_arguments(data: pathlib.Path, out: pathlib.Path) -> list[str]:
    small = "--size tiny --width 32 --layers 1 --decoder-layers 1 --seconds 1 --patches 16 --restore 16 --batch 8"
    steps = "--held-out 0.2 --steps 300 --warmup 10 --checkpoint-every 20"
    return ["audiomae", "--data", str(data), "--out", str(out), *small.split(), *steps.split()]


def train_out_of_time(cluster: dict[str, str], tasks: int, tmp_path: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """Data, and the folder of a run whose job has queued itself again on the way."""
    random = np.random.default_rng(0)
    (tmp_path / "sounds").mkdir()
    for i in range(20):
        soundfile.write(tmp_path / "sounds" / f"{i}.wav", 0.1 * random.standard_normal(16_000), 16_000)
    data, out = tmp_path / "shards", tmp_path / "run"
    assert main(["pack", str(tmp_path / "sounds"), "--out", str(data)]) == 0
    devices = f"--xla_force_host_platform_device_count={2 // tasks}"
    flags = " ".join([*os.environ["XLA_FLAGS"].split(), devices])
    activate = f'PATH="{pathlib.Path(sys.executable).parent}:$PATH"'
    jobs = Jobs({**cluster, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "ACTIVATE": activate})
    log = tmp_path / "log"
    job = jobs.run(
        "sbatch", "--parsable", f"--ntasks={tasks}", "--time=20", f"--output={log}", f"--chdir={ROOT}",
        str(SCRIPTS / "train.sbatch"), *train_arguments(data, out),
    ).strip()  # fmt: skip
    try:
        jobs.wait("a checkpoint", lambda: (out / "checkpoints/20").exists())
        jobs.run("scancel", "--batch", "--signal=USR1", job)
        jobs.wait("the job in the queue again", lambda: jobs.states().get(job) == "PENDING")
        jobs.run("scontrol", "update", f"JobId={job}", "StartTime=now+3")
        jobs.wait("the end", lambda: not jobs.states())
    finally:
        assert (out / "AudioMAE.ckpt").exists(), log.read_text()
    assert f"job {job} queues itself again" in log.read_text()
    return data, out


def test_training_that_runs_out_of_time_queues_itself_again_and_goes_on(cluster, tmp_path):
    _, out = train_out_of_time(cluster, 1, tmp_path)
    assert [int(row["step"]) for row in read_metrics(out / "metrics.csv")] == list(range(1, 301))


@pytest.mark.repeats  # tests/test_training.py: a run that was stopped ends with the same bytes
@pytest.mark.parametrize("tasks", [1, 2])
def test_training_that_ran_out_of_time_ends_as_if_undisturbed(cluster, tasks, tmp_path):
    data, out = train_out_of_time(cluster, tasks, tmp_path)
    assert main(["train", *train_arguments(data, tmp_path / "undisturbed")]) == 0
    if tasks == 1:
        for name in ("metrics.csv", "AudioMAE.ckpt"):
            assert (out / name).read_bytes() == (tmp_path / "undisturbed" / name).read_bytes()
    else:
        got, expected = (
            [float(row["loss"]) for row in read_metrics(folder / "metrics.csv")]
            for folder in (out, tmp_path / "undisturbed")
        )
        np.testing.assert_allclose(got[:20], expected[:20], rtol=0, atol=1e-5)
        assert len(got) == len(expected) == 300


def test_training_is_submitted_in_the_checkout(tmp_path):
    done = script("train.sbatch", "audiomae", SLURM_SUBMIT_DIR=str(tmp_path))
    assert done.returncode == 1
    assert f"expected to be submitted in the checkout, was submitted in {tmp_path}" in done.stderr
