#!/usr/bin/env bash
# Makes the pictures of the README from what scripts/demo.sh has left: pages of `report`, and the plot of `leaderboard`.
#
#   scripts/pictures.sh [DEMO_OUTPUT] [OUT]     DEMO_OUTPUT: demo-output in the checkout; OUT: scripts/pictures there
#
# Needs Chromium and its driver (on Debian: chromium-driver).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/help.sh"
show_help "$@"
demo=${1:-$root/demo-output}
out=${2:-$root/scripts/pictures}
python=$root/.venv/bin/python
[ -d "$demo/tasks" ] || {
    echo "pictures.sh: $demo: expected what scripts/demo.sh has left, tasks/ and embeddings-*/" >&2
    exit 1
}
command -v chromedriver >/dev/null || {
    echo "pictures.sh: expected Chromium and its driver, found none; on Debian, install chromium-driver" >&2
    exit 1
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m hear_tasks report "$demo"/embeddings-*/ --tasks-dir "$demo/tasks" --out "$work/report"
"$python" -m hear_tasks leaderboard "$demo"/embeddings-*/ --plot "$work/leaderboard.png" >"$work/leaderboard.txt"

mkdir -p "$out"
"$python" - "$work" "$out" <<'CODE'
"""What is to be seen of pages from their heading "Clips" on, and the plot, as small files."""
import io, pathlib, shutil, sys, time

from PIL import Image
from selenium import webdriver

work, out = map(pathlib.Path, sys.argv[1:])
options = webdriver.ChromeOptions()
for argument in ("--headless=new", "--no-sandbox", "--hide-scrollbars", "--window-size=1200,760"):
    options.add_argument(argument)
options.binary_location = shutil.which("chromium")  # named, so that selenium asks no host for them
driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
pictures = {"leaderboard": Image.open(work / "leaderboard.png")}
try:
    for name, page in (("clips", "demo_vowel-v1-full"), ("events", "demo_strokes-v1-full")):
        driver.get((work / "report" / f"{page}.html").as_uri())
        driver.execute_script("document.documentElement.style.scrollBehavior = 'auto'; document.querySelector('#clips').scrollIntoView()")
        time.sleep(3)  # pictures of sounds are loaded when they are seen
        pictures[name] = Image.open(io.BytesIO(driver.get_screenshot_as_png()))
finally:
    driver.quit()
for name, picture in pictures.items():
    picture = picture.convert("RGB")
    picture.thumbnail((1200, 1200))
    picture.save(out / f"{name}.webp", quality=60, method=6)
CODE
ls -l "$out"
