"""What names on the command line stand for."""

from __future__ import annotations

from collections.abc import Sequence

from hear_cacophony.download.published_files import PublishedFiles
from hear_tasks.download.buckets import find_bucket
from hear_tasks.download.datasets import DATASETS, DatasetFiles, find_dataset
from hear_tasks.download.hear_tarballs import RATE, RECORD, HearTarball
from hear_tasks.download.peers import PeerWeights
from hear_tasks.download.zenodo import Record
from hear_tasks.registry import TASKS, find_tasks
from hear_tasks.table_plugins import TABLE_PLUGINS, TablePlugin


def tasks(names: Sequence[str], rate: int = RATE, billing_project: str | None = None) -> list[PublishedFiles]:
    """The tarballs of HEAR tasks by directory, name or column; all without a name.

    Args:
        names: of tasks.
        rate: sample rate in Hz.
        billing_project: what pays for another rate than 48000.

    Raises:
        ValueError: there is no such task, or another rate cannot be had here.
    """
    wanted = {task for name in names for task in find_tasks(name)} if names else set(TASKS)
    bucket = None if rate == RATE else find_bucket(rate, billing_project)
    record = Record(RECORD)
    return [HearTarball(task, record, bucket) for task in TASKS if task in wanted]


def peers(names: Sequence[str]) -> list[PublishedFiles]:
    """The weights of the models beside ours, by title, module or file; all without a name.

    Raises:
        ValueError: there is no such model.
    """
    wanted = {_find_peer(name) for name in names} if names else set(TABLE_PLUGINS)
    return [PeerWeights(plugin) for plugin in TABLE_PLUGINS if plugin in wanted]


def _find_peer(name: str) -> TablePlugin:
    for plugin in TABLE_PLUGINS:
        known = (plugin.title, plugin.module, plugin.module.rpartition(".")[2], plugin.file)
        if name.casefold().replace("_", "-") in [each.casefold().replace("_", "-") for each in known]:
            return plugin
    raise ValueError(f"unknown model {name!r}; expected one of {', '.join(each.title for each in TABLE_PLUGINS)}")


def datasets(names: Sequence[str]) -> list[PublishedFiles]:
    """The data sets of the evaluations, by name or title; all without a name.

    Raises:
        ValueError: there is no such data set.
    """
    wanted = {find_dataset(name) for name in names} if names else set(DATASETS)
    records = {remote.record: Record(remote.record) for each in DATASETS for remote in each.remotes if remote.record}
    return [DatasetFiles(dataset, records) for dataset in DATASETS if dataset in wanted]
