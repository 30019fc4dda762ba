"""Bringing what runs and evaluations need: our weights, those of the peers, the tarballs of the tasks, data sets.

    hear-cacophony download [weights] [peers] [tasks] [datasets]

What is fetched is told by `choose`; how, and when it gets its final name, by `hear_cacophony.download`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hear_cacophony.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from hear_tasks.download.hear_tarballs import TarballSize, check_tarballs, tarball_name, tarball_sizes

__all__ = ["TarballSize", "check_tarballs", "tarball_name", "tarball_sizes"]

__getattr__ = lazy_exports(
    __name__, {"hear_tarballs": ("TarballSize", "check_tarballs", "tarball_name", "tarball_sizes")}
)
