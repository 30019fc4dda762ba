"""What pages are made of: escaping, sounds, places; and how they behave in a browser."""

from __future__ import annotations

import io
import json
import os
import pathlib
import re

import numpy as np
import pytest
import soundfile

from hear_cacophony.files.build_folder import build_folder
from hear_cacophony.pages import (
    Column,
    Facts,
    Links,
    Page,
    Plot,
    SoundCells,
    Table,
    Text,
    check_page,
    check_pages,
    write_page,
    write_pages,
)
from hear_cacophony.pages import checks as pages_checks
from hear_cacophony.pages.blocks import PLOT_COLOURS, plot_text
from hear_cacophony.pages.folder import row_height
from hear_cacophony.pages.script_data import script_json
from hear_cacophony.pages.sounds import file_url
from hear_cacophony.pages.spectrogram_picture import draw_spectrogram
from hear_cacophony.printable import as_text
from hear_tasks.map.page import OPACITY, OUTLINE

EVIL = (
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    'it\'s "quoted" & <b>bold</b>',
    "{{ 7 * 7 }} {% raw %}",
    "line\nbreak\u2028and\u2029more",
    "🐕 emoji, ünïcode",
    "javascript:alert(1)",
    "",
    "nul \0 bell \a escape \x1b[31m",
    "]]> <!-- <![CDATA[ --> <textarea><title><style>",
    "%00 \u202eright to left\u200f",
    "x" * 300,
    "no UTF-8 \udcff\udc80",
)


def tone(pitch: float, seconds: float) -> np.ndarray:
    time = np.arange(int(16_000 * seconds)) / 16_000
    return (0.3 * np.sin(2 * np.pi * pitch * time)).astype(np.float32)


def every_kind(sound: list) -> Page:
    """A page with text that tries to break out of every place where text can stand."""
    columns = [
        Column(EVIL[0]),
        Column("sound", "sound"),
        Column("ranked", "ranked", labels=EVIL),
        Column("labels", "labels", labels=EVIL),
        Column("link", "link"),
        Column("number", "number"),
        Column("bar", "bar"),
    ]
    rows = [
        [text, sound, [[i, 0.7], [0, 0.1]], [i], [text, "index.html"], [i / 10, text], i / 10]
        for i, text in enumerate(EVIL)
    ]
    marks = {"tickvals": list(range(len(EVIL))), "ticktext": [plot_text(text, 40) for text in EVIL]}
    data = [{"type": "bar", "orientation": "h", "y": marks["tickvals"], "x": [1] * len(EVIL)}]
    blocks = [
        Text(EVIL),
        Text(EVIL, warns=True),
        Facts([(text, text) for text in EVIL]),
        Links([(text, "index.html") for text in EVIL]),
        Plot(data, {"yaxis": marks}, EVIL[1]),
        Table(columns, rows, EVIL[1]),
    ]
    return Page(EVIL[0], blocks, links=[(EVIL[1], "index.html")])


def test_text_stays_text_wherever_it_stands(tmp_path):
    write_pages(tmp_path / "out", lambda pages: pages.write("index", every_kind(["", "", 0])))
    text = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    tags = set(re.findall(r"<(\w+)", text))
    assert "alert(1)" in text
    assert not tags & {"img", "b"}
    assert len(re.findall(r"<script", text)) == 2 + 3, "those of a plot, a table and three files"
    assert "49" not in re.sub(r"\d{3,}|\.\d+", "", text), "templates in texts are not filled in"
    data = (tmp_path / "out" / "files" / "data" / "index-5-0.js").read_bytes()
    assert data.isascii()
    assert b"<" not in data
    assert json.loads(re.search(rb"\d,(\[.*\])\);", data)[1])[0][0] == EVIL[0]


def test_data_of_scripts_are_what_was_given():
    value = {"a": [1, 0.5, None, *EVIL], "b": (True, float("nan"), float("inf"))}
    read = json.loads(script_json(value))
    assert read == {"a": [1, 0.5, None, *map(as_text, EVIL)], "b": [True, None, None]}
    assert read["a"][-1] == "no UTF-8 \\xff\\x80"
    assert not set(script_json(value)) & set("<>&'\u2028\u2029")


def test_texts_of_plots_are_no_markup():
    assert plot_text("<b>a</b> & $x$\n") == "&lt;b&gt;a&lt;/b&gt; &amp; &#36;x&#36;"
    assert plot_text("abcdef", 4) == "abc…"
    assert plot_text("a\u202eb") == "a\\u202eb"


def test_what_is_there_and_is_not_ours_stays(tmp_path):
    page = Page("mine", [])
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="holds something else"):
        write_pages(tmp_path / "other", lambda pages: pages.write("index", page))
    (tmp_path / "page.html").write_text("<html>mine</html>")
    with pytest.raises(FileExistsError, match=r"no page of hear-cacophony"):
        write_page(tmp_path / "page.html", lambda pages: page)
    (tmp_path / "new_files").mkdir()
    with pytest.raises(FileExistsError, match="files of the page would go there"):
        write_page(tmp_path / "new.html", lambda pages: page)
    with pytest.raises(ValueError, match=r"ends in \.html"):
        check_page(tmp_path / "page.txt")
    with pytest.raises(FileNotFoundError, match="no folder"):
        check_page(tmp_path / "none" / "page.html")
    with pytest.raises(FileExistsError, match="got a file"):
        check_pages(tmp_path / "page.html")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["new_files", "notes.txt", "other", "page.html"]


def test_earlier_pages_give_way_whole(tmp_path):
    def first(pages):
        pages.add("sounds/0.webp", b"old")
        pages.write("index", Page("first", []))
        pages.write("task", Page("task", []))

    write_pages(tmp_path / "out", first)
    assert check_pages(tmp_path / "out")
    write_pages(tmp_path / "out", lambda pages: pages.write("index", Page("second", [])))
    assert "<h1>second</h1>" in (tmp_path / "out" / "index.html").read_text()
    assert not (tmp_path / "out" / "task.html").exists()
    assert not (tmp_path / "out" / "files" / "sounds").exists()
    for title in ("first", "second"):
        write_page(tmp_path / "a b.html", lambda pages, title=title: Page(title, []))
    text = (tmp_path / "a b.html").read_text()
    assert "<h1>second</h1>" in text
    assert 'href="a%20b_files/style.css"' in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a b.html", "a b_files", "out"]


def _add_notes(folder):
    (folder / "notes.md").write_text("mine")


def _add_link(folder):
    (folder / "recordings").symlink_to(folder.parent, target_is_directory=True)


def _add_folder(folder):
    (folder / "of mine" / "empty").mkdir(parents=True)


def _lose_list(folder):
    next(folder.rglob("list.json")).write_text('{"files": 3}')


@pytest.mark.parametrize("change", [_add_notes, _add_link, _add_folder, _lose_list])
def test_what_people_put_among_the_pages_is_not_replaced_with_them(tmp_path, change):
    def again():
        write_pages(tmp_path / "out", lambda pages: pages.write("index", Page("title", [])))
        write_page(tmp_path / "one.html", lambda pages: Page("title", []))

    again()
    again()
    page = (tmp_path / "one.html").read_bytes()
    for folder, make in (
        (tmp_path / "out", lambda: check_pages(tmp_path / "out")),
        (tmp_path / "out" / "files", again),
        (tmp_path / "one_files", lambda: check_page(tmp_path / "one.html")),
    ):
        before = set(folder.rglob("*"))
        change(folder)
        named = (*sorted(set(folder.rglob("*")) - before)[-1:], folder)[0]
        with pytest.raises(FileExistsError, match=rf"{named}.*: not made with the earlier pages"):
            make()
        assert set(folder.rglob("*")) >= before
    assert (tmp_path / "one.html").read_bytes() == page


def test_what_people_put_among_the_pages_while_they_are_made_stays_too(tmp_path):
    def build(pages):
        if (tmp_path / "out").exists():
            _add_notes(tmp_path / "out")
        pages.write("index", Page("title", []))

    write_pages(tmp_path / "out", build)
    with pytest.raises(FileExistsError, match=r"notes\.md: not made with the earlier pages"):
        write_pages(tmp_path / "out", build)
    assert (tmp_path / "out" / "notes.md").read_text() == "mine"


def test_pages_that_fail_leave_the_earlier_ones(tmp_path):
    write_pages(tmp_path / "out", lambda pages: pages.write("index", Page("first", [])))

    def fail(pages):
        raise ValueError("half done")

    with pytest.raises(ValueError, match="half done"):
        write_pages(tmp_path / "out", fail)
    assert "first" in (tmp_path / "out" / "index.html").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_that_is_there_is_replaced_only_where_that_is_asked(tmp_path):
    for text, replace in (("one", False), ("two", False), ("three", True)):
        build_folder(tmp_path / "t", lambda part, text=text: (part / text).write_text(text), replace=replace)
        assert [path.name for path in (tmp_path / "t").iterdir()] == ["three" if replace else "one"]


def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(pages_checks, "_NEEDED", ("jinja2", "nosuch"))
    with pytest.raises(ModuleNotFoundError, match=r"pages need nosuch: pip install 'hear_cacophony\[pages\]'"):
        check_pages(tmp_path)


@pytest.mark.parametrize(("pitch", "row"), [(200, 115), (3000, 41)])
def test_a_spectrogram_shows_low_tones_at_the_bottom(pitch, row):
    from PIL import Image

    picture = Image.open(io.BytesIO(draw_spectrogram(tone(pitch, 30))))
    values = np.asarray(picture.convert("L"), float)
    assert values.shape == (128, 600)
    assert abs(int(values.mean(axis=1).argmax()) - row) <= 2


@pytest.mark.parametrize("samples", [np.zeros(1, np.float32), np.zeros(16_000, np.float32), tone(300, 0.02)])
def test_a_spectrogram_of_silence_or_of_next_to_nothing(samples):
    from PIL import Image

    picture = Image.open(io.BytesIO(draw_spectrogram(samples)))
    assert picture.size == (max(1, -(-len(samples) // 160)), 128)


def test_a_spectrogram_is_that_of_the_encoder():
    from hear_cacophony.frontend.spectrogram import log_mel
    from hear_cacophony.pages.spectrogram_picture import _HIGHEST, _LOWEST, _columns

    samples = np.random.default_rng(0).standard_normal(16_000 * 13).astype(np.float32) * 0.1
    frames = np.asarray(log_mel(samples, 1300))
    starts = np.arange(600) * 1300 // 600
    expected = np.stack([part.mean(axis=0) for part in np.split(frames, starts[1:])])
    found = _columns(samples) / 255 * (_HIGHEST - _LOWEST) + _LOWEST
    assert np.abs(found - expected).max() < 0.01


def test_sounds_are_linked_or_copied_and_faults_are_told(tmp_path):
    names = ["a.wav", "#1 50% é?.wav", "javascript:alert(1).wav"]
    for name in names:
        soundfile.write(tmp_path / name, tone(440, 1.5), 16_000)
    (tmp_path / "bad.wav").write_bytes(b"no audio")
    cells: dict[str, list] = {}

    def build(pages, audio):
        sounds = SoundCells(pages, audio)
        cells[audio] = [sounds.cell(tmp_path / name) for name in [*names, "bad.wav", "gone.wav"]]
        assert sounds.cell(tmp_path / names[0]) is cells[audio][0]
        assert sounds.cell(tmp_path / names[0], {"labels": []}) == [*cells[audio][0], {"labels": []}]
        assert sounds.link_only(tmp_path / names[0])[0] == ("" if audio == "copy" else file_url(f"{tmp_path}/a.wav"))
        assert [pathlib.Path(file).name for file in sounds.faults] == ["bad.wav", "gone.wav"]
        pages.write("index", Page("sounds", []))

    for audio in ("link", "copy"):
        write_pages(tmp_path / audio, lambda pages, audio=audio: build(pages, audio))
    linked, copied = cells["link"], cells["copy"]
    assert linked[1][0] == f"file://{tmp_path}/%231%2050%25%20%C3%A9%3F.wav"
    assert linked[2][0].endswith("/javascript%3Aalert%281%29.wav")
    assert [cell[1:] for cell in linked] == [
        *([f"files/sounds/{number}.webp", 1.5] for number in range(3)),
        *[["", 0]] * 2,
    ]
    assert [cell[0] for cell in copied] == [*(f"files/sounds/{number}.mp3" for number in range(3)), "", ""]
    samples, rate = soundfile.read(tmp_path / "copy" / copied[0][0])
    assert rate == 16_000
    assert len(samples) == pytest.approx(24_000, abs=2400)
    assert np.abs(samples).max() == pytest.approx(0.3, abs=0.05)
    assert (tmp_path / "copy" / copied[0][0]).stat().st_size < 12_000
    with pytest.raises(ValueError, match="expected link or copy"):
        SoundCells(None, "move")


def test_rows_are_as_high_as_their_cells_need():
    assert row_height([Column("a")], [["x"]]) == pytest.approx(2.1)
    assert row_height([Column("a", "ranked")], [[[[0, 0.1]] * 5], [None]]) == pytest.approx(7.35)
    assert row_height([Column("a"), Column("b", "sound")], [["x", ["", "", 0]]]) == pytest.approx(8.2)
    for count, height in ((0, 8.2), (2, 10.5), (12, 22), (88, 12.7)):
        below = {"labels": ["a"] * count, "reference": [], "predicted": []}
        assert row_height([Column("b", "sound")], [[["", "", 0, below]]]) == pytest.approx(height)


def colours_of_style() -> list[dict[str, str]]:
    """The named colours of the style sheet, light and dark."""
    text = (pathlib.Path(pages_checks.__file__).parent / "assets" / "style.css").read_text()
    light, dark = (dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", part)) for part in text.split("@media")[:2])
    assert light.keys() == dark.keys()
    return [light, dark]


def luminance(colour: str) -> float:
    """The relative luminance of WCAG 2."""
    parts = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def mixed(colour: str, paper: str, opacity: float) -> str:
    """What is seen of a colour on paper that shows through."""
    one, other = (np.array([int(each[i : i + 2], 16) for i in (1, 3, 5)]) for each in (colour, paper))
    return "#" + bytes(np.round(opacity * one + (1 - opacity) * other).astype(np.uint8)).hex()


def test_colours_stand_out_from_what_is_behind_them():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)
    for style in colours_of_style():
        for text in ("ink", "pale", "link", "warn"):
            assert contrast(style[text], style["paper"]) >= 4.5, text
        assert contrast(style["ink"], style["raised"]) >= 4.5, "heads of tables"
        # Borders of fields and of warnings, bars on their ground, events and the frame of what has the focus.
        for mark, ground in (
            ("pale", "paper"),
            ("warn", "paper"),
            ("bar", "paper"),
            ("bar", "line"),
            ("bar", "raised"),
            ("warn", "raised"),
        ):
            assert contrast(style[mark], style[ground]) >= 3, f"{mark} on {ground}"
        outline = mixed(OUTLINE, style["paper"], OPACITY)
        for colour in (*PLOT_COLOURS[:6], outline):
            assert contrast(colour, style["paper"]) >= 3, colour


@pytest.fixture(scope="module")
def browser():
    from browser import open_browser

    with open_browser() as opened:
        yield opened


@pytest.mark.browser
def test_pages_in_a_browser(tmp_path, browser):
    for audio in ("link", "copy"):
        name = f'{EVIL[3]} "<b>" #{audio}.wav'
        soundfile.write(tmp_path / name, tone(440, 2), 16_000)

        def build(pages, audio=audio, name=name):
            pages.write("index", every_kind(SoundCells(pages, audio).cell(tmp_path / name)))

        write_pages(tmp_path / audio, build)
        browser.open(tmp_path / audio / "index.html")
        browser.run("document.querySelectorAll('audio')[3].play()")
        browser.wait("return document.querySelectorAll('audio')[3].currentTime > 0.05")
        browser.run("document.querySelectorAll('audio')[4].play()")
        browser.wait("return document.querySelectorAll('audio')[3].paused")
        assert browser.run("return document.querySelectorAll('audio')[3].duration") == pytest.approx(2, abs=0.1)
        browser.wait("return parseFloat(document.querySelectorAll('.cursor')[3].style.left) > 2")
        assert browser.errors() == []
        hosts = [url for url in browser.requests() if not url.startswith(("file:", "data:", "blob:"))]
        assert hosts == []
    assert browser.run("return document.querySelector('h1').textContent") == EVIL[0]
    assert browser.run("return [...document.querySelectorAll('main > .text:first-child p')].map((p) => p.textContent)")[
        :6
    ] == list(EVIL[:6])
    browser.run("document.querySelector('figure.plot').scrollIntoView()")  # plots are drawn when they are seen
    browser.wait("return document.querySelectorAll('.ytick text').length")
    shown = browser.run("return [...document.querySelectorAll('.ytick text')].map((t) => t.textContent)")
    assert shown[2] == EVIL[2]
    colours = []
    for dark in (False, True):
        browser.dark(dark)
        style = "getComputedStyle(document.body)"
        colours.append(browser.run(f"return [{style}.backgroundColor, {style}.color]"))
        browser.wait(f"return document.querySelector('.main-svg').style.background === '{colours[-1][0]}'")
        assert browser.pale_texts() == []
    assert colours[0] == ["rgb(255, 255, 255)", "rgb(27, 27, 27)"]
    assert colours[1] == ["rgb(22, 24, 26)", "rgb(236, 236, 236)"]


@pytest.mark.browser
def test_pages_in_a_browser_of_a_phone(tmp_path, browser):
    soundfile.write(tmp_path / "a.wav", tone(440, 2), 16_000)
    lines = [{"type": "scatter", "x": [0, 1], "y": [i, 0], "name": f"a name of some length {i}"} for i in range(20)]
    events = {"labels": ["dog", "rain"], "reference": [[0, 0, 1], [1, 0, 2]], "predicted": [[1, 0.5, 1.5]]}

    def build(pages):
        cell = SoundCells(pages).cell(tmp_path / "a.wav", events)
        columns = [Column("clip"), Column("sound", "sound", wide=True)]
        return Page("phone", [Plot(lines, {}, "lines"), Table(columns, [["a" * 300, cell]], "clips")])

    write_page(tmp_path / "phone.html", build)
    browser.resize(360, 760)
    browser.open(tmp_path / "phone.html")
    browser.wait("return document.querySelectorAll('.legendtoggle').length === 20")
    assert browser.run("return document.documentElement.scrollWidth") <= 360
    box = "const box = (name) => document.querySelector(name).getBoundingClientRect();"
    assert browser.run(f"{box} return box('.legend').top > box('.nsewdrag').bottom"), "the legend is below"
    assert browser.run(f"{box} return box('.lanes').left >= box('canvas').right"), "no name covers an event"
    tops = browser.run("return [...document.querySelectorAll('.lane')].map((e) => e.getBoundingClientRect().top)")
    heights = browser.run("return [...document.querySelectorAll('.lane')].map((e) => e.offsetHeight)")
    assert tops[1] - tops[0] >= heights[0] - 1
    browser.resize(1280, 1000)
    browser.wait(f"{box} return box('.legend').left > box('.nsewdrag').right")
    assert browser.errors() == []


@pytest.mark.browser
def test_rows_of_many_labels_are_named_by_keyboard_too(tmp_path, browser):
    soundfile.write(tmp_path / "a.wav", tone(440, 4), 16_000)
    labels = [f"label {i}" for i in range(20)]
    events = {"labels": labels, "reference": [[i, i / 10, i / 10 + 0.1] for i in range(20)], "predicted": []}

    def build(pages):
        cell = SoundCells(pages).link_only(tmp_path / "a.wav", events)
        return Page("many", [Table([Column("clip"), Column("sound", "sound", wide=True)], [["a", cell]], "clips")])

    page = tmp_path / os.fsdecode(b"no UTF-8 \xe9 #1 50% <b>?.html")
    write_page(page, build)
    browser.open(page)
    lane = "document.querySelector('.lane')"
    assert browser.run(f"return {lane}.textContent") == "20 labels"
    assert browser.beyond_tab() == []
    browser.run("document.querySelector('canvas').focus()")
    for key, label in (("\ue015", "label 0"), ("\ue015", "label 1"), ("\ue013", "label 0"), ("\ue013", "label 0")):
        browser.press(key)
        assert browser.run(f"return {lane}.textContent") == label
    from selenium.webdriver.common.action_chains import ActionChains

    place = browser.run(
        "const box = document.querySelector('canvas').getBoundingClientRect(); return [box.x, box.bottom]"
    )
    pointer = ActionChains(browser.driver)
    pointer.w3c_actions.pointer_action.move_to_location(round(place[0]) + 9, round(place[1]) - 2)
    pointer.perform()
    assert browser.run(f"return {lane}.textContent") == "label 19"
    both = f"[{lane}, document.querySelector('canvas')]"
    bottoms = browser.run(f"return {both}.map((each) => each.getBoundingClientRect().bottom)")
    assert bottoms[0] == pytest.approx(bottoms[1], abs=2), "the name stands beside its row"
    # Without a picture the cursor goes by the length of the sound, as the time line does; the space bar plays.
    browser.run("document.querySelector('audio').focus()")
    browser.press(" ")
    browser.wait("return document.querySelector('audio').currentTime > 0.05")
    browser.run("const audio = document.querySelector('audio'); audio.pause(); audio.currentTime = 1.5")
    browser.wait("return parseFloat(document.querySelector('.cursor').style.left) === 37.5")
    pen = "document.querySelector('canvas').getContext('2d')"
    pixels = browser.run(f"return [...{pen}.getImageData(0, {144 * 15 // 20 + 1}, 800, 1).data]")
    drawn = np.flatnonzero(pixels[3::4])
    assert (drawn[0], drawn[-1]) == (300, 319), "1.5 to 1.6 s of 4 s on 800 pixels"
    assert browser.errors() == []


@pytest.mark.browser
def test_long_tables_sort_and_draw_what_is_seen(tmp_path, browser):
    values = np.random.default_rng(0).permutation(20_000)
    rows = ([f"clip {value}", int(value), None if value == 5 else float(value) / 20_000] for value in values)
    columns = [Column("clip"), Column("number", "number", digits=0), Column("part", "bar")]
    blocks = [Table(columns, rows, "numbers"), Links([("behind it", "long.html")])]
    write_page(tmp_path / "long.html", lambda pages: Page("long", blocks))
    browser.open(tmp_path / "long.html")
    assert browser.run("return document.querySelectorAll('tbody tr').length") < 60
    seen = "return [...document.querySelectorAll('tbody tr:not(.spacer) td:first-child')].map((c) => c.textContent)"
    assert browser.run(seen)[0] == f"clip {values[0]}"
    browser.run("document.querySelectorAll('th button')[1].click()")
    assert browser.run(seen)[:2] == ["clip 19999", "clip 19998"]
    browser.run("document.querySelector('.rows').scrollTop = 1e9")
    browser.wait("return document.querySelector('tbody').textContent.includes('clip 0')")
    assert browser.run(seen)[-1] == "clip 0"
    assert browser.run("return document.querySelectorAll('tbody tr').length") < 60
    browser.run("document.querySelectorAll('th button')[2].click()")
    browser.run("document.querySelectorAll('th button')[2].click()")
    assert browser.run(seen)[0] == "clip 0"
    assert browser.run("return document.querySelectorAll('th')[2].getAttribute('aria-sort')") == "ascending"
    browser.run("document.querySelector('.rows').scrollTop = 1e9")
    browser.wait("return document.querySelector('tbody').textContent.includes('clip 19999')")
    assert browser.run(seen)[-1] == "clip 5", "what has no value comes last"
    # By the keyboard alone: the search, the heads, the rows.
    browser.run("document.querySelector('input').focus()")
    browser.press(*"clip 1234")
    assert browser.run("return document.querySelector('[role=status]').textContent") == "11 of 20,000 rows"
    focused = "return document.activeElement.textContent"
    browser.press("\ue004")
    assert browser.run(focused) == "past the rows"
    assert browser.run("return document.activeElement.getBoundingClientRect().left") > 0, "it is seen"
    browser.press("\ue007", "\ue004")
    assert browser.run(focused) == "behind it"
    browser.run("document.querySelector('button.skip').focus()")
    browser.press("\ue004", "\ue004", "\ue007")
    assert browser.run(focused) == "clip"
    assert browser.run(seen)[:2] == ["clip 1234", "clip 12340"]
    assert browser.errors() == []
