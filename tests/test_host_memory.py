"""Memory limits of nested control groups."""

from __future__ import annotations

import pytest

from hear_cacophony.files.host_memory import available_memory

GIB = 1 << 30


@pytest.fixture
def system(tmp_path):
    """Makes a process file system and control groups; the memory that is left in them."""

    def make(cgroup: str, files: dict[str, str], available: int = 64 * GIB) -> int | None:
        (tmp_path / "proc" / "self").mkdir(parents=True)
        (tmp_path / "proc" / "meminfo").write_text(f"MemTotal: 1 kB\nMemAvailable: {available // 1024} kB\n")
        (tmp_path / "proc" / "self" / "cgroup").write_text(cgroup)
        for name, content in files.items():
            (tmp_path / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "cgroup" / name).write_text(content)
        return available_memory(tmp_path / "proc", tmp_path / "cgroup")

    return make


def test_without_a_limit_it_is_the_machines(system):
    assert system("0::/\n", {"memory.max": "max\n"}) == 64 * GIB


def test_the_limit_of_a_slurm_job_is_in_a_nested_group(system):
    job = "system.slice/slurmstepd.scope/job_7"
    left = system(
        f"0::/{job}/step_0/user/task_0\n",
        {
            f"{job}/step_0/user/task_0/memory.max": "max\n",
            f"{job}/step_0/user/task_0/memory.current": f"{GIB}\n",
            f"{job}/memory.max": f"{8 * GIB}\n",
            f"{job}/memory.current": f"{3 * GIB}\n",
            f"{job}/memory.stat": f"anon {GIB}\ninactive_file {GIB}\n",
        },
    )
    assert left == 6 * GIB


def test_the_tightest_of_all_groups_counts(system):
    left = system(
        "0::/a/b\n",
        {
            "a/memory.max": f"{4 * GIB}\n",
            "a/memory.current": f"{3 * GIB}\n",
            "a/b/memory.max": f"{9 * GIB}\n",
            "a/b/memory.current": "0\n",
        },
    )
    assert left == GIB


def test_version_1_of_control_groups(system):
    left = system(
        "12:cpu,cpuacct:/x\n4:memory:/slurm/uid_1/job_2\n",
        {
            "memory/slurm/uid_1/job_2/memory.limit_in_bytes": f"{2 * GIB}\n",
            "memory/slurm/uid_1/job_2/memory.usage_in_bytes": f"{GIB}\n",
            "memory/memory.limit_in_bytes": "9223372036854771712\n",
            "memory/memory.usage_in_bytes": f"{5 * GIB}\n",
        },
    )
    assert left == GIB


def test_a_full_group_has_nothing_left_and_an_unknown_system_says_nothing(system, tmp_path):
    assert system("0::/a\n", {"a/memory.max": f"{GIB}\n", "a/memory.current": f"{2 * GIB}\n"}) == 0
    assert available_memory(tmp_path / "nosuch", tmp_path / "nosuch") is None
