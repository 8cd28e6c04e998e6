"""JupyterLab in a real browser: notebooks run from its menu, a slider moves, and the picture follows.

Needs Chromium (Debian's package) and `pip install -e .[browser]`; skipped where they are not. Screenshots go to
data/runs/browser/.
"""

import json
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

from ghostlib.config import Config
from ghostlib.training.loop import train

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SHOTS = ROOT / "data" / "runs" / "browser"
TOKEN = "test"
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
        page.set_default_timeout(120_000)
        yield page
        browser.close()


def as_make_starts_it():
    """What `make lab` tells JupyterLab about its kernels."""
    return re.search(r"--ServerApp\.contents_manager_class=\S+", (ROOT / "Makefile").read_text())[0]


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
    train(Config(model="resnet20", width=0.25, epochs=0, run_dir=str(folder / RUN)), progress=False)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}",
                               f"--ServerApp.root_dir={folder}", f"--IdentityProvider.token={TOKEN}", "--allow-root",
                               as_make_starts_it()],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.time() + 120
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
        server.wait(30)


def run_all(page, lab, name):
    """Opens a notebook, chooses Run All Cells from the menu, and gives its cells of code as saved when all had run."""
    folder, address = lab
    page.goto(f"{address}/lab/tree/{name}?token={TOKEN}&reset")
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
    wait_until_idle(address, name)  # else the menu asks which kernel is meant
    choose(page, "Run", "runmenu:run-all")
    wait_until_idle(address, name)
    choose(page, "File", "docmanager:save")
    cells, until = saved(folder / name), time.time() + 60
    while not (cells and all(cell.execution_count for cell in cells)):
        assert time.time() < until, next((cell.source for cell in cells if not cell.execution_count), "nothing was saved")
        time.sleep(0.5)
        cells = saved(folder / name)
    assert not [output for cell in cells for output in cell.outputs if output.output_type == "error"]
    return cells


def wait_until_idle(address, name, seconds=300):
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


def test_the_explorer_answers_a_slider(page, lab):
    run_all(page, lab, EXPLORER)
    assert page.locator("option", has_text=RUN).count() == 1  # finished runs are found
    maps = page.locator(".widget-image").nth(1)
    maps.scroll_into_view_if_needed()
    shot(page, "explore")
    told = page.locator(".widget-html-content", has_text="kept").first
    before, said = maps.screenshot(), told.inner_text()
    handle = page.locator(".widget-hslider", has_text="ratio s").locator(".noUi-handle")
    handle.focus()
    handle.press("ArrowRight")
    page.wait_for_function("said => ![...document.querySelectorAll('.widget-html-content')].some(e => e.innerText == said)",
                           arg=said)
    page.wait_for_timeout(300)
    shot(page, "explore_ratio")
    assert maps.screenshot() != before
    assert "8 kept" in said and "6 kept" in told.inner_text()  # 16 maps: s = 2, then s = 3
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
