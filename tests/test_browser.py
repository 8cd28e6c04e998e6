"""JupyterLab in a real browser: notebooks run from its menu, a slider moves, and the picture follows.

Needs Chromium (Debian's package) and `pip install -e .[browser]`; skipped where they are not. Screenshots go to
data/runs/browser/.
"""

import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest
from conftest import ROOT

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SHOTS = ROOT / "data" / "runs" / "browser"
TOKEN = "test"
# The last ones keep Chromium from calling home, which a closed network answers late.
OPTIONS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-quic", "--disable-background-networking",
           "--disable-component-update", "--disable-sync"]

pytestmark = pytest.mark.slow


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


@pytest.fixture(scope="module")
def lab(page, tmp_path_factory):
    """JupyterLab on loopback, on copies of two notebooks without outputs; gives its folder and address."""
    folder = tmp_path_factory.mktemp("lab")
    for name in ("explore.ipynb", "tutorials/1_ghost_module.ipynb"):
        notebook = nbformat.read(ROOT / "notebooks" / name, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        nbformat.write(notebook, folder / name.rpartition("/")[2])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}",
                               f"--ServerApp.root_dir={folder}", f"--IdentityProvider.token={TOKEN}", "--allow-root"],
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
    """Opens a notebook, chooses Run All Cells from the menu, and gives the notebook as it was saved when all had run."""
    folder, address = lab
    page.goto(f"{address}/lab/tree/{name}?token={TOKEN}&reset")
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status='idle']")
    page.locator(".lm-MenuBar-item", has_text="Run").first.click()
    page.locator(".lm-Menu-item[data-command='runmenu:run-all']").click()
    until = time.time() + 300
    while True:
        page.keyboard.press("Control+s")
        time.sleep(1)
        notebook = nbformat.read(folder / name, as_version=4)
        cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
        failed = [output for cell in cells for output in cell.outputs if output.output_type == "error"]
        assert not failed, failed
        if all(cell.execution_count for cell in cells):
            return notebook
        assert time.time() < until, next(cell.source for cell in cells if not cell.execution_count)


def shot(page, name):
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")


def test_the_explorer_answers_a_slider(page, lab):
    run_all(page, lab, "explore.ipynb")
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
    notebook = run_all(page, lab, "1_ghost_module.ipynb")
    stored = nbformat.read(ROOT / "notebooks" / "tutorials" / "1_ghost_module.ipynb", as_version=4)
    shot(page, "tutorial_1")

    def texts(one):
        return ["".join(output.get("text", "") for output in cell.outputs) for cell in one.cells if cell.cell_type == "code"]
    assert texts(notebook) == texts(stored)
