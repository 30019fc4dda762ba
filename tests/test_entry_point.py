"""How commands end: signals at any moment, closed pipes, what cannot be written."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
import soundfile
from hear_tasks_on_disk import make_scene_task

from hear_tasks import cli

COMMAND = """
import sys
from hear_tasks import entry_point

entry_point.GRACE_SECONDS = {grace}

def work(command):
    command.farewell = "work: interrupted; all is kept"
    {work}
    return 7

sys.exit(entry_point.run("work", work, whole_process=True))
"""
BEGUN = "print('begun', flush=True)"
CAUGHT = f"""
    import time
    try:
        {BEGUN}
        time.sleep(600)
    finally:
        print("left", flush=True)
"""
LONG_CALL = f"""
    import hashlib
    {BEGUN}
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)  # one call, of minutes
"""
IMPORT = """
    sys.path.insert(0, {folder!r})
    import slow
"""
LOST = f"""
    import time

    class Ignored:
        def __del__(self):
            {BEGUN}
            time.sleep(600)  # an exception here is told, and lost

    ignored = Ignored()
    del ignored
    time.sleep(600)
"""
CHILDREN = """
    import subprocess, time
    inner = "import subprocess, time; print(subprocess.Popen(['sleep', '601']).pid, flush=True); time.sleep(602)"
    child = subprocess.Popen([sys.executable, "-c", inner], process_group=0)
    print(child.pid, flush=True)
    {then}
"""
NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def start(work: str, grace: float = 600, **more) -> subprocess.Popen:
    code = COMMAND.format(work=work, grace=grace)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    env = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    return subprocess.Popen([sys.executable, "-c", code], text=True, env=env, **pipes)


def ended(process: subprocess.Popen) -> tuple[int, str, str]:
    out, err = process.communicate()
    return process.returncode, out, err


def is_running(pid: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_unwinds_the_work_and_ends_it_with_a_word_and_its_status(number):
    process = start(CAUGHT)
    assert process.stdout.readline() == "begun\n"
    process.send_signal(number)
    assert ended(process) == (128 + number, "left\n", "work: interrupted; all is kept\n")


@pytest.mark.parametrize("number", NUMBERS[:2])
def test_a_call_that_does_not_end_is_left(number):
    process = start(LONG_CALL, grace=0.2)
    assert process.stdout.readline() == "begun\n"
    process.send_signal(number)
    assert ended(process) == (128 + number, "", "work: interrupted; all is kept\n")


@pytest.mark.parametrize("number", NUMBERS)
def test_an_import_is_not_unwound(number, tmp_path):
    """What is raised in the midst of an extension module's import makes it crash."""
    (tmp_path / "slow.py").write_text(f"import time\n{BEGUN}\ntry:\n    time.sleep(600)\nfinally:\n    print('left')\n")
    process = start(IMPORT.format(folder=str(tmp_path)))
    assert process.stdout.readline() == "begun\n"
    process.send_signal(number)
    assert process.communicate() == ("", "work: interrupted; all is kept\n")
    assert process.returncode == 128 + number


def test_a_second_signal_ends_at_once_what_would_have_had_time():
    process = start(LONG_CALL)
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    time.sleep(0.1)  # two at the same moment may be one
    process.send_signal(signal.SIGINT)
    assert ended(process) == (130, "", "work: interrupted; all is kept\n")


def test_a_signal_is_not_lost_where_exceptions_are():
    process = start(LOST, grace=0.2)
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    status, _, err = ended(process)
    assert status == 130
    assert err.endswith("work: interrupted; all is kept\n")


@pytest.mark.parametrize("then", ["time.sleep(600)", "child.wait()", "hash_long()", "child.kill(); time.sleep(600)"])
def test_what_was_started_ends_too_with_all_that_it_started(then):
    long = "import hashlib; hash_long = lambda: hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)\n    "
    process = start(long + CHILDREN.format(then=then).strip(), grace=0.2)
    pids = [int(process.stdout.readline()) for _ in range(2)] if "kill" not in then else []
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    status, _, err = ended(process)  # which waits for all that hold the pipes
    assert (status, err) == (143, "work: interrupted; all is kept\n")
    while any(map(is_running, pids)):  # a process lets go of its pipes a moment before it is gone
        time.sleep(0.01)


def test_a_forked_process_takes_signals_as_the_system_does_and_does_not_end_its_parent():
    forked = f"""
    import os, signal, time
    child = os.fork()
    if not child:
        {BEGUN}
        time.sleep(600)
    print(os.WTERMSIG(os.waitpid(child, 0)[1]), flush=True)
    time.sleep(0.5)
    """
    process = start(forked.strip(), grace=0.1)
    assert process.stdout.readline() == "begun\n"
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGTERM)
    assert ended(process) == (7, f"{int(signal.SIGTERM)}\n", "")


def test_signals_that_were_ignored_still_are():
    nohup = (
        "import signal, sys, os; signal.signal(signal.SIGHUP, signal.SIG_IGN); os.execv(sys.executable, sys.argv[1:])"
    )
    code = COMMAND.format(work=f"{BEGUN}; input()", grace=0.1)
    command = [sys.executable, "-c", nohup, sys.executable, "-c", code]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    process = subprocess.Popen(command, text=True, **pipes)
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGHUP)
    out, err = process.communicate("go on\n")
    assert (process.returncode, out, err) == (7, "", "")


@pytest.mark.parametrize("lines", [1, 100_000])
def test_nothing_is_said_where_nobody_reads_the_output_any_more(lines):
    """Neither of what is written in the middle of the work, nor of the rest at its end."""
    with start(f"{BEGUN}; input(); print('line\\n' * {lines}, end='')", stdin=subprocess.PIPE) as process:
        assert process.stdout.readline() == "begun\n"
        process.stdout.close()
        process.stdin.write("go on\n")
        process.stdin.close()
        assert process.stderr.read() == ""
    assert process.returncode == 128 + signal.SIGPIPE


def test_a_broken_pipe_to_something_else_is_an_error():
    status, _, err = ended(start("raise BrokenPipeError(32, 'Broken pipe')"))
    assert (status, err) == (1, "work: [Errno 32] Broken pipe\n")


def test_output_that_cannot_be_written_is_an_error():
    with open("/dev/full", "w") as full:
        status, _, err = ended(start("print('a line')", stdout=full))
    assert (status, err) == (1, "work: no room (No space left on device); make room and run the same command again\n")


def test_closed_streams_lead_nowhere_and_files_do_not_take_their_place(tmp_path):
    work = f"""print("", end=""); print("err", file=sys.stderr)
    with open({str(tmp_path / "file")!r}, "w") as file:
        assert file.fileno() > 2
    """
    code = COMMAND.format(work=work, grace=1)
    closed = subprocess.run(["sh", "-c", '"$0" -c "$1" <&- >&- 2>&-', sys.executable, code], check=False)
    assert closed.returncode == 7
    assert (tmp_path / "file").read_text() == ""


def test_results_for_a_closed_output_are_an_error():
    code = COMMAND.format(work="print('a line')", grace=1)
    command = ["sh", "-c", '"$0" -c "$1" >&-', sys.executable, code]
    closed = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True)
    told = "work: standard output is closed, so that results cannot be printed; send them to a file: > FILE\n"
    assert (closed.returncode, closed.stderr) == (1, told)


@pytest.mark.parametrize(
    ("where", "told"),
    [(">&-", "standard output is closed"), (">/dev/full", "no room (No space left on device)")],
)
@pytest.mark.parametrize("arguments", ["--help", "info --help"])
def test_help_that_cannot_be_printed_is_an_error(arguments, where, told):
    command = ["sh", "-c", f'"$0" -m hear_tasks {arguments} {where}', sys.executable]
    for unbuffered in ("", "1"):
        env = os.environ | {"PYTHONUNBUFFERED": unbuffered}
        done = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True, env=env)
        assert done.returncode == 1
        assert done.stderr.startswith(f"hear-cacophony: {told}")


@pytest.mark.parametrize("name", ["hear_tasks", "hear_cacophony"])
def test_a_signal_before_the_arguments_are_read(name, tmp_path):
    """While the module of the command is imported."""
    slow = tmp_path / "sitecustomize.py"
    slow.write_text(
        "import sys, importlib.abc\n"
        "class Slow(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'hear_cacophony.commands.info':\n"
        "            import time\n"
        "            print('importing', flush=True)\n"
        "            time.sleep(600)\n"
        "sys.meta_path.insert(0, Slow())\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", name, "info", "random-tiny"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    assert ended(process) == (130, "", "hear-cacophony: interrupted\n")


A_PROCESS_IS_STARTED = """
import _posixsubprocess, os, subprocess, sys
if "hear_tasks" in str(sys.orig_argv) and "sitecustomize" not in os.environ:
    os.environ["sitecustomize"] = "done"  # for those that are started
    start = _posixsubprocess.fork_exec
    def fork_exec(*what):
        pid = start(*what)
        print(pid, flush=True)
        os.kill(os.getpid(), {number})
        return pid
    subprocess._fork_exec = fork_exec
"""


@pytest.mark.parametrize("number", NUMBERS[:2])
@pytest.mark.parametrize(
    "command",
    [
        "hear_tasks doctor",
        "hear_tasks embed --module none --python ./python --tasks-dir tasks --embeddings-dir out",
        "hear_tasks.train_and_score out --tasks-dir tasks -- audiomae --data data.csv --size tiny --steps 1 --batch 1",
        "hear_tasks.reproduce --checkpoints random-tiny --tasks-dir tasks --out out --from-phase embed",
        "hear_tasks download tasks esc50 --rate 16000 --billing-project mine --to out",
    ],
)
def test_a_signal_while_a_process_is_started_is_not_lost_nor_is_the_process_left(command, number, tmp_path):
    make_scene_task(tmp_path / "tasks", clips=3)
    soundfile.write(tmp_path / "a.wav", [0.0] * 16_000, 16_000)
    (tmp_path / "data.csv").write_text("file,caption\na.wav,silence\n")
    (tmp_path / "python").symlink_to(sys.executable)
    (tmp_path / "gcloud").write_text("#!/bin/sh\nexec sleep 600\n")
    (tmp_path / "gcloud").chmod(0o755)
    (tmp_path / "sitecustomize.py").write_text(A_PROCESS_IS_STARTED.format(number=int(number)))
    process = subprocess.Popen(
        [sys.executable, "-m", *command.split()],
        env=os.environ
        | {"PYTHONPATH": f"{tmp_path}:{pathlib.Path(__file__).parents[1]}", "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    pid = int(process.stdout.readline())
    status, _, err = ended(process)
    assert status == 128 + number
    assert ": interrupted" in err
    assert "Traceback" not in err
    while is_running(pid):  # a process lets go of its pipes a moment before it is gone
        time.sleep(0.01)


@pytest.mark.parametrize(
    "name",
    [
        "hear_cacophony",
        "hear_tasks",
        "hear_tasks.benchmark",
        "hear_tasks.demo",
        "hear_tasks.heareval",
        "hear_tasks.reproduce",
        "hear_tasks.reproduce.status",
        "hear_tasks.train_and_score",
        "hear_tasks.train_small",
    ],
)
def test_ctrl_c_before_the_command_listens_ends_it_without_a_traceback(name, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import sys, importlib.abc\n"
        "class Slow(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'hear_tasks.entry_point':\n"
        "            import time\n"
        "            print('importing', flush=True)\n"
        "            time.sleep(600)\n"
        "sys.meta_path.insert(0, Slow())\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", name],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    assert ended(process) == (-signal.SIGINT, "", "")


def test_a_command_that_another_program_calls_leaves_signals_alone(monkeypatch):
    def handlers():
        return [signal.getsignal(number) for number in NUMBERS]

    before, during = handlers(), []
    monkeypatch.setattr("hear_cacophony.commands.info._run", lambda args: during.append(handlers()) or 0)
    assert cli.main(["info", "a.ckpt"]) == 0
    assert during == [before]
    assert handlers() == before
