"""ghostlib without its extras, as `pip install .` leaves it: what works there, and what says which extra it wants."""

import re
import subprocess
import sys

import pytest
from conftest import ROOT

from ghostlib import paths
from ghostlib.errors import InputError
from ghostlib.extras import EXTRA_OF
from ghostlib.yaml_input import read_yaml

# What extras bring besides what they name, as far as ghostlib could reach for it.
BESIDE = {"ipykernel", "jupyter_client", "jupyter_server", "nbclient", "nbconvert", "pytest", "traitlets"}
# Run first by the process: the finders of imports no longer see what an extra would have brought.
WITHOUT = f"""
import sys
class Without:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, *rest):
        if name.partition('.')[0] in {sorted({*EXTRA_OF, *BESIDE})}:
            return None
        return self.finder.find_spec(name, *rest)
    def __getattr__(self, name):
        return getattr(self.finder, name)
sys.meta_path = [Without(finder) for finder in sys.meta_path]
from ghostlib.commands import main
"""
CORE = """
from importlib import import_module
from pathlib import Path
import numpy as np
from mindspore import Tensor, nn
from ghostlib.complexity import count
from ghostlib.ghost import ghostify
from ghostlib.models import ghostnet
from ghostlib.weights import load_weights, save_weights

net = nn.SequentialCell(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 16, 3))
before = count(net, (3, 16, 16)).macs
assert 'replaced' in str(ghostify(net, ratio=2, kernel=3)) and count(net, (3, 16, 16)).macs < before
one, other = ghostnet(0.25), ghostnet(0.25)
save_weights(one, Path('one.safetensors'))
load_weights(other, 'one.safetensors')
assert all((a.asnumpy() == b.asnumpy()).all() for a, b in zip(one.get_parameters(), other.get_parameters()))
for part in 'bench doctor deploy.export deploy.predict features redundancy.runs redundancy.foreign studies.report'.split():
    import_module(f'ghostlib.{part}')
small = ['-p', 'model', 'vgg16', '-p', 'width', '0.0625', '-p', 'batch_size', '256', '-p', 'run_dir', 'run']
main(['train', 'notebooks/params/train_smoke.yaml', *small], standalone_mode=False)
main(['report', 'run'], standalone_mode=False)
main(['validate', 'run/config.yaml', '--weights', 'run/last.safetensors'], standalone_mode=False)
main(['models'], standalone_mode=False)
"""

# Every module but these is the core's: what it imports at its top comes with `pip install .`.
OF_EXTRAS = {"deploy.joins", "deploy.onnx_graph", "explorer.column", "explorer.panel", "explorer.tiles", "explorer.views",
             "figures", "lab", "notebook", "redundancy.cut", "redundancy.fitted_kernels", "redundancy.lesions",
             "redundancy.replacements", "studies.contents", "sweep", "watched"}
EVERY_MODULE = """
import pkgutil
from importlib import import_module
import ghostlib

for module in pkgutil.walk_packages(ghostlib.__path__, 'ghostlib.'):
    if module.name != 'ghostlib.__main__':
        try:
            import_module(module.name)
        except ModuleNotFoundError as error:
            print('wants', module.name.removeprefix('ghostlib.'), error.name)
"""


def without_extras(code, cwd):
    return subprocess.run([sys.executable, "-c", WITHOUT + code], cwd=cwd, capture_output=True, text=True)


def test_no_other_module_imports_what_an_extra_brings(tmp_path):
    done = without_extras(EVERY_MODULE, tmp_path)
    assert done.returncode == 0, done.stderr
    wanting = dict(line.split()[1:] for line in done.stdout.splitlines() if line.startswith("wants "))
    assert set(wanting) == OF_EXTRAS, wanting


@pytest.mark.slow
def test_the_core_needs_no_extra(tmp_path):
    """Networks, counting, weights, training and the command line; in an empty folder, where the lab's files are found."""
    done = without_extras(CORE, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("top-1 ") == 3 and "mindcv/ghostnet_100" in done.stdout
    assert (tmp_path / "run" / "row.json").exists()


@pytest.mark.parametrize(("words", "module", "extra"), [
    (["sweep", "notebooks/params/ablate_kernel_smoke.yaml"], "ray", "sweep"),
    (["redundancy", "net.onnx", "--images", ".", "--target", "tables"], "onnx", "onnx"),
    (["predict", "a.png", "--weights", "net.onnx"], "onnx", "onnx"),
    (["predict", "a.png", "--weights", "net.safetensors", "--engine", "openvino"], "openvino", "openvino")])
def test_a_command_whose_extra_is_missing_names_it_in_one_line(words, module, extra, tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"\x08\x07\x12\x02me")  # a head by which it is known as ONNX, whatever its name
    for name in ("net.safetensors", "a.png"):
        (tmp_path / name).write_bytes(b"none")
    done = without_extras(f"main({words!r}, prog_name='ghostlib')", tmp_path)
    assert done.returncode == 2 and done.stdout == "", done.stderr
    assert re.fullmatch(rf"ghostlib: .*{module}.*extra \[{extra}\] brings it: pip install '\.\[{extra}\]' .*\n", done.stderr)


def test_extras_are_those_of_the_package():
    """Each module is one that its extra lists, or comes with one; and each extra for users is known."""
    told = (ROOT / "pyproject.toml").read_text().split("[project.optional-dependencies]")[1].split("\n[")[0]
    extras = dict(re.findall(r"^(\w+) = \[(.*?)\](?: *#[^\n]*)?$", told, re.DOTALL | re.MULTILINE))
    assert set(EXTRA_OF.values()) == set(extras) - {"browser", "reference"}
    for module, extra in EXTRA_OF.items():
        assert f'"{module}>' in extras[extra] or module in ("IPython", "nbformat")


def test_the_labs_files_are_found_outside_it_or_it_is_said_where_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "notebooks/params/train_smoke.yaml"
    assert paths.of_lab(name) == ROOT / name
    assert str(paths.of_lab("data/runs")) == "data/runs" and str(paths.of_lab("notebooks/none")) == "notebooks/none"
    monkeypatch.setattr(paths, "CHECKOUT", tmp_path / "site-packages")
    monkeypatch.setattr(paths, "INSTALLED", tmp_path / "share")
    assert str(paths.of_lab(name)) == name
    assert paths.where_the_labs_are() == "the lab's own come with a checkout of ghostlib"
    (tmp_path / "share" / name).parent.mkdir(parents=True)
    (tmp_path / "share" / name).write_text("epochs: 1")
    assert paths.of_lab(name) == tmp_path / "share" / name
    with pytest.raises(InputError, match=r"notebooks/params/no.yaml: cannot be read .*; the lab's own are in .*share"):
        read_yaml("notebooks/params/no.yaml")
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text("epochs: 2")
    assert str(paths.of_lab(name)) == name
