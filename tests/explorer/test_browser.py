"""JupyterLab in a real browser: notebooks run from its menu, a slider moves, and the picture follows.

Needs Chromium (Debian's package) and `pip install -e .[browser]`; skipped where they are not. Screenshots go to
data/runs/browser/.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest
from conftest import ROOT

from ghostlib import results
from ghostlib.config import Config
from ghostlib.studies import contents
from ghostlib.training.run_folder import LAST
from ghostlib.training.setup import build
from ghostlib.weights import save_weights

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SHOTS = ROOT / "data" / "runs" / "browser"
TOKEN = "test"
PATIENCE = 300  # seconds, for a machine that is busy with other things
EXPLORER, TUTORIAL, STUDY = (f"notebooks/{name}.ipynb" for name in ("explore", "tutorials/1_ghost_module", "ablate_kernel"))
RUN = "data/runs/mine"
# The last ones keep Chromium from calling home, which a closed network answers late.
OPTIONS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-quic", "--disable-background-networking",
           "--disable-component-update", "--disable-sync"]

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="module")
def page():
    """A page of a headless browser."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install -e .[browser]")
    if not CHROMIUM:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        page = browser.new_page(viewport={"width": 1500, "height": 1000})
        page.set_default_timeout(1000 * PATIENCE)
        yield page
        browser.close()


def as_make_starts_it():
    """What `make lab` tells JupyterLab about its kernels, its settings and its first page."""
    told = re.findall(r"--(?:LabApp|ServerApp)\.\w+=\S+", (ROOT / "Makefile").read_text())
    return [one.replace("=tools/", f"={ROOT}/tools/") for one in told]


@pytest.fixture(scope="module")
def lab(page, tmp_path_factory):
    """JupyterLab on loopback, on a copy of the lab with a finished run in it; gives its folder and address.

    The notebooks that are run have no outputs.
    """
    folder = tmp_path_factory.mktemp("lab")
    for name in ("notebooks", "data/results"):
        shutil.copytree(ROOT / name, folder / name)
    for name in (EXPLORER, TUTORIAL, STUDY):
        notebook = nbformat.read(folder / name, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        nbformat.write(notebook, folder / name)
    leave_a_run(folder / RUN)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}",
                               f"--ServerApp.root_dir={folder}", f"--IdentityProvider.token={TOKEN}", "--allow-root",
                               *as_make_starts_it()], env={**os.environ, "JUPYTER_CONFIG_DIR": str(folder / "config")},
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.time() + PATIENCE
        while True:
            try:
                urllib.request.urlopen(f"{address}/api/status?token={TOKEN}", timeout=5)
                break
            except OSError:
                assert time.time() < until and server.poll() is None, "JupyterLab did not start"
                time.sleep(0.5)
        yield folder, address
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()


def leave_a_run(folder):
    """What a finished run leaves that the explorer looks at; nothing is trained for it, which would compile for a minute."""
    config = Config(model="resnet20", width=0.25, epochs=0)
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(config.to_yaml())
    (folder / results.ROW).write_text("{}")
    save_weights(build(config), folder / LAST)


def run_all(page, lab, name):
    """Opens a notebook, chooses Run All Cells from the menu, and gives its cells of code as saved when all had run."""
    folder, address = lab
    page.goto(f"{address}/lab/tree/{name}?token={TOKEN}&reset")
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
    wait_until_idle(address, name)  # else the menu asks which kernel is meant
    choose(page, "Run", "runmenu:run-all")
    wait_until_idle(address, name)
    cells, until = saved(folder / name), time.time() + PATIENCE
    while not (cells and all(cell.execution_count for cell in cells)):
        assert time.time() < until, next((cell.source for cell in cells if not cell.execution_count), "nothing was saved")
        choose(page, "File", "docmanager:save")  # again where a cell was still at work: on a busy machine pauses are long
        time.sleep(2)
        cells = saved(folder / name)
    assert not [output for cell in cells for output in cell.outputs if output.output_type == "error"]
    return cells


def wait_until_idle(address, name, seconds=PATIENCE):
    """Between two cells a kernel is idle for a moment, too: waits until it has been for some."""
    until, quiet = time.time() + seconds, 0
    while quiet < 5:
        time.sleep(0.5)
        assert time.time() < until, f"the kernel of {name} is still at work"
        with urllib.request.urlopen(f"{address}/api/sessions?token={TOKEN}", timeout=30) as answer:
            states = [one["kernel"]["execution_state"] for one in json.load(answer) if one["path"] == name]
        quiet = quiet + 1 if states == ["idle"] else 0


def choose(page, menu, command):
    page.locator(".lm-MenuBar-item", has_text=menu).first.click()
    page.locator(f".lm-Menu-item[data-command='{command}']").click()


def saved(path):
    """A notebook's cells of code; none while Jupyter, which writes a notebook in its place, is at it."""
    if not path.read_text().rstrip().endswith("}"):
        return []
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code" and cell.source.strip()]


def shot(page, name):
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")


def test_make_lab_opens_on_the_contents_without_news(page, lab):
    _, address = lab
    page.goto(f"{address}/?token={TOKEN}")  # where the browser is sent
    page.wait_for_selector(".jp-NotebookPanel .jp-RenderedMarkdown table img")
    assert "/lab/tree/notebooks/index.ipynb" in page.url
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status='idle']")  # by then it would have asked
    assert page.get_by_text("Jupyter news").count() == 0
    pictures = page.evaluate("""async () => {
        const pictures = [...document.querySelectorAll('.jp-RenderedMarkdown table img')];
        await Promise.all(pictures.map(one => one.decode()));
        return pictures.map(one => [one.naturalWidth, one.clientWidth])}""")
    # Those that are near; test_contents counts them all.
    assert len(pictures) >= len(contents.PARTS) and all(wide == shown >= 100 for wide, shown in pictures)
    shot(page, "index")
    page.locator(".jp-RenderedMarkdown a", has_text="Explore a network").click()
    page.wait_for_selector(".lm-TabBar-tabLabel:has-text('explore.ipynb')")


SIZES = {"small": {"width": 1280, "height": 800}, "large": {"width": 1920, "height": 1080}}
# What a browser alone can say: pixels that are whole, at least 64, and texts and pictures that have room.
LOOK = """() => {
    const page = document.querySelector('.jp-OutputArea-output .jupyter-widgets');
    const right = document.querySelector('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-WindowedPanel-outer')
        .getBoundingClientRect().right;
    const pen = document.createElement('canvas').getContext('2d');
    const room = one => {pen.font = getComputedStyle(one).font;
        return one.clientWidth - pen.measureText(one.selectedOptions[0].text).width};
    return {
        tiles: [...page.querySelectorAll('figure img')].map(one => [one.clientWidth / one.naturalWidth,
            one.clientHeight / one.naturalHeight, one.clientWidth, getComputedStyle(one).imageRendering]),
        untitled: [...page.querySelectorAll('figure')].filter(one => !one.querySelector('figcaption').innerText).length,
        beyond: [...page.querySelectorAll('img, .widget-label, select, button, b, td, th')].filter(
            one => one.getBoundingClientRect().right > right + 1).map(one => one.outerHTML.slice(0, 80)),
        cut: [...page.querySelectorAll('.widget-label, .widget-readout, button, figcaption')].filter(
            one => one.scrollWidth > one.clientWidth + 1).map(one => one.innerText),
        cramped: [...page.querySelectorAll('select')].filter(one => room(one) < 16).map(one => one.value)}
}"""


def look(page, name):
    """Looks at the explorer in either size."""
    for size, viewport in SIZES.items():
        page.set_viewport_size(viewport)
        page.locator(".jp-OutputArea-output .jupyter-widgets").first.evaluate("one => one.scrollIntoView({block: 'start'})")
        page.wait_for_timeout(700)
        shot(page, f"{name}_{size}")
        found = page.evaluate(LOOK)
        assert found["tiles"] and not found["untitled"]
        for wide, high, pixels, rendering in found["tiles"]:
            assert wide == high == int(wide) and pixels >= 64 and rendering == "pixelated"
        assert not found["beyond"] and not found["cut"] and not found["cramped"], (name, size, found)


def press(page, description, key, times=1):
    """Moves a slider by its keys."""
    handle = page.locator(".widget-hslider", has_text=description).locator(".noUi-handle").first
    handle.focus()
    for _ in range(times):
        handle.press(key)


def reached_by_keys(page):
    """What Tab leads to from the first choice of the explorer on, by the words beside it."""
    page.locator(".jp-OutputArea-output select").first.focus()
    found = []
    for _ in range(30):
        found.append(page.evaluate("""() => {
            const box = document.activeElement.closest('.widget-hslider, .widget-dropdown, button');
            return box ? box.innerText.split('\\n')[0].trim() : ''}"""))
        page.keyboard.press("Tab")
    return found


def test_the_explorer_answers_a_hand(page, lab):
    """One visit: what is seen at either size and theme, by keys alone, with a map silenced, and with two networks."""
    run_all(page, lab, EXPLORER)
    assert page.locator("option", has_text=RUN).count() == 2  # a finished run, here or beside
    page.locator(".jp-OutputArea-output select").first.scroll_into_view_if_needed()
    look(page, "explore_light")
    reached = " | ".join(reached_by_keys(page))
    for control in ("picture", "which of it", "beside it", "your own picture", "kernel d", "pair", "tile size", "network",
                    "layer", "silence"):
        assert control in reached, reached
    said, maps = page.locator("table:has-text('It says')"), page.locator("figure img")
    assert "silenced" not in said.first.inner_text()
    press(page, "silence", "ArrowRight", 2)
    page.wait_for_selector("th:has-text('silenced: map 1')")
    assert page.locator("figcaption", has_text="silenced").count() == 1
    before = maps.nth(1).evaluate("one => one.clientWidth")  # the first is the picture
    press(page, "tile size", "ArrowRight", 2)
    page.wait_for_function("before => document.querySelectorAll('figure img')[1].clientWidth != before", arg=before)
    press(page, "tile size", "ArrowLeft", 2)
    page.locator(".widget-dropdown", has_text="beside it").locator("select").select_option(label=RUN)
    page.wait_for_function("document.querySelectorAll(\"table[aria-live]\").length == 2")
    look(page, "explore_two_light")
    page.locator(".lm-MenuBar-item", has_text="Settings").first.click()
    page.locator(".lm-Menu-item", has_text="Theme").first.hover()
    page.locator(".lm-Menu-item[data-command='apputils:change-theme']", has_text="JupyterLab Dark").first.click()
    page.wait_for_function("document.body.dataset.jpThemeLight == 'false'")
    look(page, "explore_two_dark")
    page.locator(".widget-dropdown", has_text="beside it").locator("select").select_option(label="none")
    page.wait_for_function("document.querySelectorAll(\"table[aria-live]\").length == 1")
    look(page, "explore_dark")
    page.locator(".widget-dropdown", has_text="layer").locator("select").select_option(label="conv_stem")
    page.wait_for_selector("b:has-text('4 kept')")  # of 8 maps: s = 2
    press(page, "ratio s", "ArrowRight")
    page.wait_for_selector("b:has-text('3 kept')")
    before = page.locator("figure img").first.get_attribute("src")
    page.locator(".widget-dropdown", has_text="picture").first.locator("select").select_option(label="digits")
    page.wait_for_function("before => document.querySelector('figure img').src != before", arg=before)
    assert page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']").count() == 0


def test_the_first_tutorial_runs(page, lab):
    cells = run_all(page, lab, TUTORIAL)
    shot(page, "tutorial_1")

    def texts(cells):
        return ["".join(output.get("text", "") for output in cell.outputs) for cell in cells]
    assert texts(cells) == texts(saved(ROOT / TUTORIAL))


def test_a_study_finds_the_recorded_rows(page, lab):
    """A kernel that started in the notebook's folder, as JupyterLab's own do, would not."""
    run_all(page, lab, STUDY)
    shot(page, "study")
