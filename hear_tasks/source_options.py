"""The option that tells where Debian packages lie; their files are another module's, which takes longer to load."""

from __future__ import annotations

import argparse
import pathlib


def add_sources_option(parser: argparse.ArgumentParser) -> None:
    """Add `--sources`, as `hear_tasks.debian_packages.find_source` takes it."""
    parser.add_argument(
        "--sources",
        type=pathlib.Path,
        metavar="DIR",
        help="folder with the Debian packages, as .deb files or unpacked as DIR/PACKAGE, where apt is absent",
    )
