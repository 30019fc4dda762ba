"""Pages to look at and listen to, that open from the file system: no server, no network.

`write_pages` makes a folder of pages, `write_page` one page with a folder of its files beside it. A `Page` is made of
blocks (`Text`, `Facts`, `Links`, `Picture`, `Plot`, `Table`); `SoundCells` gives sounds with their spectrograms for the
cells of tables. Whatever text they are given is shown as it is, and never taken for a part of the page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hear_cacophony.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from hear_cacophony.pages.blocks import Column, Facts, Links, Page, Picture, Plot, Table, Text
    from hear_cacophony.pages.checks import check_page, check_pages
    from hear_cacophony.pages.folder import PageFolder, write_page, write_pages
    from hear_cacophony.pages.sounds import SoundCells

__getattr__ = lazy_exports(
    __name__,
    {
        "blocks": ("Column", "Facts", "Links", "Page", "Picture", "Plot", "Table", "Text"),
        "checks": ("check_page", "check_pages"),
        "folder": ("PageFolder", "write_page", "write_pages"),
        "sounds": ("SoundCells",),
    },
)
