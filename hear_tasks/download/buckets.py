"""The tarballs at other sample rates, in buckets whose transfers are paid by who asks; by the hosts' own tools."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import re
import shutil
import subprocess

from hear_cacophony.download.remote_file import Advance, HostError, RemoteFile, part_of

_BUCKET = "hear2021-archive/tasks/"
_LINE = re.compile(r"^\s*(?:\S+ \S+\s+)?(\d+)\s+(?:\S+\s+)?(\S+\.tar\.gz)\s*$", re.MULTILINE)
"""Of `gcloud storage ls --long`: size, time, URL; of `aws s3 ls`: date, time, size, path in the bucket."""

_END = 2000


@dataclasses.dataclass(frozen=True)
class Bucket:
    """A bucket, and the tool that reads it.

    Attributes:
        tool: "gcloud" or "aws".
        project: what pays with gcloud; with aws, the account that it is set up for does.
        rate: sample rate in Hz.
    """

    tool: str
    project: str
    rate: int

    @property
    def place(self) -> str:
        """Its URL."""
        return f"{'gs' if self.tool == 'gcloud' else 's3'}://{_BUCKET}"

    @property
    def host(self) -> str:
        """Host and who pays, for people."""
        payer = f"project {self.project}" if self.tool == "gcloud" else "the account of aws"
        return f"{self.place} ({payer} pays)"

    def file(self, name: str) -> RemoteFile:
        """The tarball that ends with the task and the rate, wherever it lies in the bucket.

        Raises:
            HostError: the tool refuses, or there is none.
        """
        listed = _listed(self.tool, self.project)
        wanted = name.removeprefix("hear2021-")
        found = sorted(path for path in listed if path.endswith(f"-{wanted}"))
        if not found:
            raise HostError(f"{self.place}: expected ...-{wanted}, found {len(listed)} other tarballs")
        return RemoteFile(name, BucketSource(self, found[-1]), listed[found[-1]])


@dataclasses.dataclass(frozen=True)
class BucketSource:
    """A file in a bucket, which the tool checks itself.

    Attributes:
        bucket: the bucket.
        path: its whole URL.
    """

    bucket: Bucket
    path: str

    @property
    def host(self) -> str:
        return self.bucket.place

    def fetch(self, file: RemoteFile, target: pathlib.Path, advance: Advance) -> None:
        """See `Source.fetch`."""
        part = part_of(target)
        if self.bucket.tool == "gcloud":
            _run("gcloud", "storage", "cp", f"--billing-project={self.bucket.project}", self.path, str(part))
        else:
            _run("aws", "s3", "cp", "--no-progress", "--request-payer", "requester", self.path, str(part))
        size = part.stat().st_size
        if size != file.size:
            part.unlink()
            raise HostError(f"{self.path}: expected {file.size:,} bytes, {self.bucket.tool} gave {size:,}")
        advance(size)
        part.replace(target)


def find_bucket(rate: int, project: str | None) -> Bucket:
    """The bucket that can be read here.

    Raises:
        ValueError: nobody is named who pays, or neither tool is here.
    """
    if not project:
        raise ValueError(
            f"--rate {rate}: other rates than 48000 lie in buckets whose transfers you pay: --billing-project NAME, "
            "and gcloud or aws; or take 48000, from Zenodo, and make the others of it: hear-cacophony prepare --rates "
            f"{rate}"
        )
    tool = next((tool for tool in ("gcloud", "aws") if shutil.which(tool)), None)
    if tool is None:
        raise ValueError(
            f"--rate {rate}: needs the command gcloud (https://cloud.google.com/sdk) or aws "
            "(https://aws.amazon.com/cli), found neither; or take 48000, from Zenodo, and make the others of it: "
            f"hear-cacophony prepare --rates {rate}"
        )
    return Bucket(tool, project, rate)


@functools.cache
def _listed(tool: str, project: str) -> dict[str, int]:
    """Sizes of the tarballs of the bucket, by their URLs."""
    if tool == "gcloud":
        listed = _run(
            "gcloud", "storage", "ls", "--long", "--recursive", f"--billing-project={project}", f"gs://{_BUCKET}"
        )
        return {path: int(size) for size, path in _LINE.findall(listed)}
    listed = _run("aws", "s3", "ls", "--recursive", "--request-payer", "requester", f"s3://{_BUCKET}")
    bucket = _BUCKET.partition("/")[0]
    return {f"s3://{bucket}/{path}": int(size) for size, path in _LINE.findall(listed)}


def _run(*command: str) -> str:
    """The output of a tool.

    Raises:
        HostError: it failed; with what it said.
    """
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join((done.stderr or done.stdout)[-_END:].split())
        raise HostError(f"{' '.join(command[:3])} failed (exit status {done.returncode}): {said}")
    return done.stdout
