"""The templates of pages, filled in. All that they are given is escaped."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hear_cacophony.pages.blocks import Page
from hear_cacophony.pages.checks import GENERATOR
from hear_cacophony.pages.script_data import script_json
from hear_cacophony.printable import one_direction

if TYPE_CHECKING:
    import jinja2


def render(page: Page, blocks: Sequence[Mapping[str, Any]], files: str, scripts: Sequence[str]) -> str:
    """The text of a page.

    Args:
        page: the page.
        blocks: its blocks, as the template takes them.
        files: URL of the folder with style sheet and scripts.
        scripts: names of the scripts.
    """
    return _environment().get_template("page.html").render(page=page, blocks=blocks, files=files, scripts=scripts)


@functools.cache
def _environment() -> jinja2.Environment:
    import jinja2
    import markupsafe

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hear_cacophony.pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: one_direction(value) if type(value) is str else value,  # names may be no UTF-8
    )
    environment.filters["script_json"] = lambda value: markupsafe.Markup(script_json(value))
    environment.globals["generator"] = markupsafe.Markup(GENERATOR)
    return environment
