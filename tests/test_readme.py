"""What the README tells people to type: each line works, and works again when it is typed once more."""

import re
import shlex
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT, ghostlib_process

# Lines that are not run here, each with the reason; another test runs what they start.
ELSEWHERE = {
    "make": "Makefile's targets are tests/test_house.py's, the tour is every notebook's first reader",
    "ghostlib fetch cifar10": "162 MB; tests/data/test_data.py fetches from a loopback server",
    "ghostlib fetch imagenette": "99 MB; tests/data/test_archives.py fetches from a loopback server",
    "ghostlib sweep notebooks/params/ablate_cifar10.yaml": "35 runs of twenty minutes",
    "ghostlib sweep notebooks/params/photographs.yaml": "30 runs of twenty minutes",
    "ghostlib sweep notebooks/params/ablate_vgg16_cifar10.yaml": "wants an NPU",
    "ghostlib train notebooks/params/cifar10": "wants CIFAR-10",
    "ghostlib train notebooks/params/imagenet": "wants ImageNet and eight NPUs",
    "ghostlib train notebooks/params/train_smoke.yaml -p dataset imagefolder": "wants images of yours; tutorial 3",
    "ghostlib train ghostnet_100_ascend.yaml": "wants ImageNet and mindcv's recipe",
    "ghostlib predict PICTURES": "wants pictures of yours; tests/deploy/test_predict_and_export.py",
    "ghostlib export": "refuses a file that is there; tests/deploy/test_predict_and_export.py",
    "ghostlib accept": "wants an NPU; tests/test_acceptance.py", "ghostlib report": "tests/studies/test_report.py",
    "ghostlib redundancy": "tests/redundancy/test_controls.py", "ghostlib allocate": "tests/redundancy/test_controls.py",
    "ghostlib prepare-imagenet": "tests/data/test_imagenet_archives.py",
    "ghostlib.": "a name, and no command",
    "papermill": "tests/test_notebooks.py runs every study; train.ipynb is run twice below",
}
QUICK = ["-p", "model", "vgg16", "-p", "width", "0.0625", "-p", "epochs", "1", "-p", "batch_size", "256"]
LINES = [line for line in re.findall(r"`((?:ghostlib|papermill|make)[ .][^`]*)`", (ROOT / "README.md").read_text())
         if not any(line.startswith(start) for start in ELSEWHERE)]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The lab's folders in a folder with a space, where nothing was run, and a network to judge."""
    folder = tmp_path_factory.mktemp("a lab")
    for name in ("notebooks", "data/results", "data/paper"):
        shutil.copytree(ROOT / name, folder / name)
    words = ["train", "notebooks/params/train_smoke.yaml", *QUICK, "-p", "run_dir", "data/runs/tour"]
    done = ghostlib_process(*words, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_line_is_run_or_has_a_reason():
    assert {shlex.split(line)[1] for line in LINES} == {"train", "sweep", "doctor", "fetch", "validate", "bench", "models"}


@pytest.mark.slow
@pytest.mark.xdist_group("many processes")
@pytest.mark.parametrize("line", LINES)
def test_a_line_of_the_readme_works_and_works_again(line, lab):
    words = shlex.split(line)[1:]
    more = {"train": QUICK, "validate": QUICK[:6], "bench": QUICK}.get(words[0], [])
    if words[0] == "sweep":
        more = ["--cpus", "1"]
    for time in ("first", "second"):
        done = ghostlib_process(*words, *more, cwd=lab)
        assert done.returncode == 0, f"{time} time: {done.stderr[-2000:]}"


@pytest.mark.slow
def test_a_notebook_runs_again_into_its_folder(lab):
    words = ["-p", "model", "vgg16", "-p", "width", "0.0625", "-p", "epochs", "0", "notebooks/train.ipynb", "out.ipynb"]
    for _ in range(2):
        done = subprocess.run([sys.executable, "-m", "papermill", *words], cwd=lab, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
    assert "nothing was trained" in (lab / "out.ipynb").read_text() or (lab / "data" / "runs" / "tour" / "row.json").exists()
