"""A campaign against the lab: kills, cut and flipped bytes and full disks, at random, for as long as one likes.

    python tests/campaign.py [--minutes 15] [--seed N] [--only KIND] [--case N] [--record]

Each case is known by the campaign's seed and its number, from which all that is random in it follows; a failure prints the
command that repeats it (what is killed is killed at the same moment, as far as clocks allow). Every case asks the same
things: an error is one line with the right status, nothing that was whole is lost, and what goes on after a fault ends bit
for bit as if there had been none.
"""

import csv
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import numpy as np
import psutil
import yaml
from conftest import ROOT
from PIL import Image
from safetensors.numpy import load_file
from tqdm import tqdm

from ghostlib import results

TINY = {"model": "vgg16", "width": 0.0625, "ratio": 2, "epochs": 4, "batch_size": 128, "dropout": 0.2, "erasing": 0.3,
        "warmup_epochs": 1, "seed": 7}
PATIENCE = 240.0  # seconds after which a process that says nothing counts as hanging
KINDS: dict[str, tuple[int, Callable[["Case"], None]]] = {}  # how often each comes among the others, and what it does


class Case:
    """One attack: random numbers of its own, an empty folder, and what the whole campaign shares."""

    def __init__(self, seed: int, number: int, folder: Path, shared: Path):
        self.rng = np.random.default_rng([seed, number])
        self.folder, self.shared = folder, shared

    def params(self, name: str = "params.yaml", **changes) -> Path:
        path = self.folder / name
        path.write_text(yaml.safe_dump({**TINY, "run_dir": str(self.folder / "run"), **changes}))
        return path

    def start(self, *words: object, limit: int | None = None) -> subprocess.Popen:
        """A command of the lab, in this case's folder; `limit` is the largest file, in bytes, that it may write."""
        def limited() -> None:
            if limit is not None:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        return subprocess.Popen([sys.executable, "-m", "ghostlib", *map(str, words)], cwd=self.folder, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                env={**os.environ, "PYTHONPATH": str(ROOT), "GHOSTLIB_CACHE": str(self.shared / "cache")},
                                preexec_fn=limited, start_new_session=True)

    def run(self, *words: object, allowed: Sequence[int] = (0,), limit: int | None = None) -> tuple[int, str]:
        """Its status, one of those allowed, and what it said; an error must have been told in one line."""
        process = self.start(*words, limit=limit)
        try:
            out, err = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise AssertionError(f"{words}: hangs") from None
        assert process.returncode in allowed, f"{words}: status {process.returncode}, allowed {allowed}: {err[-1500:]}"
        assert "Traceback" not in err, f"{words}: {err[-1500:]}"
        if process.returncode:
            last = err.strip().splitlines()[-1]
            assert last.startswith("ghostlib: ") and len(last) < 1000, f"{words}: {last[:1500]!r}"
        return process.returncode, out + err

    def damage(self, content: bytes) -> bytes:
        """Some bytes changed, or a piece cut off, left out or put in twice."""
        how, data = self.rng.integers(5), bytearray(content)
        first, second = sorted(self.rng.integers(0, len(data) + 1, 2))
        if how == 0:
            return bytes(data[:first])
        if how == 1:
            return bytes(data[:first] + data[second:])
        if how == 2:
            return bytes(data[:second] + data[first:second] + data[second:])
        for place in self.rng.integers(0, len(data), 1 if how == 3 else 8):
            data[place] ^= 1 << self.rng.integers(8)
        return bytes(data)


def kind(weight: int):
    def register(function: Callable[[Case], None]) -> Callable[[Case], None]:
        KINDS[function.__name__.replace("_", " ")] = weight, function
        return function
    return register


def once(case: Case, name: str, make: Callable[[Path], None]) -> Path:
    """What the campaign makes once and every case may read."""
    target = case.shared / name
    if not target.exists():
        scratch = Path(tempfile.mkdtemp(dir=case.shared))
        make(scratch)
        scratch.rename(target)
    return target


def whole_run(case: Case, **changes) -> Path:
    """A run that nothing disturbed."""
    name = "whole_" + "_".join(f"{key}{value}" for key, value in changes.items())

    def make(folder: Path) -> None:
        case.run("train", case.params("whole.yaml", **changes, run_dir=str(folder), overwrite=True))
    return once(case, name, make)


def photographs(case: Case, folder: Path, each: int = 24) -> Path:
    """A small dataset in folders: two classes, two formats."""
    rng = np.random.default_rng(0)
    for split, count in (("train", each), ("val", each // 2)):
        for label, name in enumerate(("cat", "dog")):
            (folder / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = (rng.integers(0, 120, (48, 52, 3)) + 100 * label).astype(np.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{number:02d}.{('png', 'jpg')[number % 2]}")
    return folder


def assert_equal_runs(one: Path, other: Path) -> None:
    """Network, momentum, curves and outcome are the same, bit for bit."""
    first, second = (load_file(folder / "last.safetensors") for folder in (one, other))
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
    keys = ("top1", "top5", "data_fingerprint", "weights")
    rows = [results.read_row(folder) for folder in (one, other)]
    assert [rows[0][key] for key in keys] == [rows[1][key] for key in keys]
    curves = [results.read_table(folder / "history.csv") for folder in (one, other)]
    assert curves[0].test_top1.equals(curves[1].test_top1) and curves[0].train_loss.equals(curves[1].train_loss)


def kill(process: subprocess.Popen, how: signal.Signals, after: float, everyone: bool = False) -> None:
    """Ends a process, or all that it started too, after some seconds; it may have ended by itself."""
    try:
        process.wait(timeout=after)
    except subprocess.TimeoutExpired:
        found = [psutil.Process(process.pid)]
        found = [*found[0].children(recursive=True), *found] if everyone else found
        for one in found:
            try:
                one.send_signal(how)
            except psutil.NoSuchProcess:
                pass
        try:
            process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{how.name}: it does not end") from None


@kind(6)
def training_is_killed(case: Case) -> None:
    """Up to three times, at any moment, in any way; resumed it ends as if it had not been."""
    whole, params = whole_run(case), case.params(resume=True)
    for _ in range(case.rng.integers(1, 4)):
        how = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT][case.rng.integers(3)]
        kill(case.start("train", params), how, case.rng.uniform(0.5, 14))
        for path in (case.folder / "run").glob("*.safetensors"):
            load_file(path)  # whole
    case.run("train", params)
    assert_equal_runs(whole, case.folder / "run")


@kind(1)
def two_devices_are_killed(case: Case) -> None:
    """One rank, the starter or all; resumed they end as if nothing had happened."""
    if (os.cpu_count() or 1) < 2:
        return
    changes = {"devices": 2, "epochs": 3, "port": int(case.rng.integers(20_000, 60_000))}
    whole, params = whole_run(case, devices=2, epochs=3), case.params(resume=True, **changes)
    process = case.start("train", params)
    time.sleep(case.rng.uniform(2, 25))
    if process.poll() is None:
        children = psutil.Process(process.pid).children(recursive=True)
        ranks = [one for one in children if "MS_WORKER" in _environ(one).get("MS_ROLE", "")]
        victims = [[psutil.Process(process.pid)], [*children, psutil.Process(process.pid)],
                   ranks[:1] or children][case.rng.integers(3)]
        for one in victims:
            try:
                one.kill()
            except psutil.NoSuchProcess:
                pass
        process.communicate(timeout=90)
        left = psutil.wait_procs(children, timeout=30)[1]
        assert not [one for one in left if one.status() != psutil.STATUS_ZOMBIE], f"{len(left)} processes are left"
    case.run("train", case.params(resume=True, **changes | {"port": int(case.rng.integers(20_000, 60_000))}))
    assert_equal_runs(whole, case.folder / "run")


def _environ(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except psutil.Error:
        return {}


@kind(1)
def a_sweep_is_killed(case: Case) -> None:
    """Its driver or one of its runs; the same command ends it, with every point once and the same result."""
    params = {name: value for name, value in TINY.items() if name != "erasing"} | {"epochs": 1, "warmup_epochs": 0}
    grid = {"notebook": str(ROOT / "notebooks" / "train.ipynb"), "params": params, "grid": {"kernel": [1, 3]},
            "keep": ["last.safetensors"]}
    path = case.folder / "grid.yaml"
    path.write_text(yaml.safe_dump(grid))
    process = case.start("sweep", path, "--cpus", "1")
    time.sleep(case.rng.uniform(3, 40))
    if process.poll() is None:
        everyone = psutil.Process(process.pid).children(recursive=True)
        kernels = [one for one in everyone if "ipykernel" in " ".join(_words(one))]
        victim = psutil.Process(process.pid) if case.rng.random() < 0.5 or not kernels else kernels[0]
        victim.kill()
        process.communicate(timeout=120)
    status, said = case.run("sweep", path, "--cpus", "1", "--record", allowed=(0, 1))
    if status:  # with too much to do on the machine Ray gives up, and the lab says so
        assert "Ray did not start" in said, said[-1500:]
        case.run("sweep", path, "--cpus", "1", "--record")
    table = results.read_table(case.folder / "data" / "results" / "grid.csv")
    assert sorted(table.kernel) == [1, 3] and table.point.is_unique
    assert len(list((case.folder / "data" / "runs" / "grid").glob("*.last.safetensors"))) == 2

    def make(folder: Path) -> None:
        table.sort_values("kernel")[["kernel", "top1"]].to_csv(folder / "table.csv", index=False)
    first = results.read_table(once(case, "sweep", make) / "table.csv")
    assert first.top1.tolist() == table.sort_values("kernel").top1.tolist()


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@kind(3)
def images_are_damaged(case: Case) -> None:
    """Training goes on without them and names them, or says that there are too many."""
    folder = photographs(case, case.folder / "images")
    files = sorted(folder.rglob("*.*g"))
    for path in case.rng.choice(np.array(files, object), case.rng.integers(1, len(files) // 2), replace=False):
        path.write_bytes(case.damage(path.read_bytes()))
    params = case.params(dataset="imagefolder", data_dir=str(folder), num_classes=2, epochs=1, warmup_epochs=0, batch_size=8,
                         augment="crop+flip", broken_limit=int(case.rng.integers(0, 60)))
    status, said = case.run("train", params, allowed=(0, 1))
    if status == 0:
        row = results.read_row(case.folder / "run")
        assert (row["broken_images"] > 0) == ("cannot be read" in said)
    else:
        assert "data_dir: " in said and ("cannot be read" in said or "can be read" in said)


@kind(4)
def bundles_are_damaged(case: Case) -> None:
    """No changed byte of a bundle goes unnoticed, none is lost, and the whole one resumes to the same end."""
    from ghostlib.config import Config
    from ghostlib.errors import InputError
    from ghostlib.training import checkpoint, setup
    from ghostlib.training.optimizers import make_optimizer
    whole = whole_run(case)
    run = case.folder / "run"
    shutil.copytree(whole, run)
    params = case.params(resume=True)
    config = Config.load(params)
    net, data, _ = setup.prepare(config)
    optimizer, good = make_optimizer(net, config), (run / "last.safetensors").read_bytes()
    for _ in range(20):
        bad = case.damage(good)
        (run / "last.safetensors").write_bytes(bad)
        try:
            checkpoint.load_bundle(run / "last.safetensors", net, optimizer, config, data.contents)
        except InputError:
            continue
        assert bad == good, "a damaged bundle was taken"
    if bad != good:
        case.run("train", params, allowed=(2,))
        assert (run / "last.safetensors").read_bytes() == bad
        case.run("validate", params, "--weights", run / "last.safetensors", allowed=(2,))
    (run / "last.safetensors").write_bytes(good)
    case.run("train", params)
    assert_equal_runs(whole, run)


@kind(4)
def parameters_are_damaged(case: Case) -> None:
    """A damaged file is a Config, or one line that says why not; a grid likewise."""
    from ghostlib import sweep
    from ghostlib.config import Config
    from ghostlib.errors import InputError
    sources = sorted((ROOT / "notebooks" / "params").glob("*.yaml"))
    path = case.folder / "damaged.yaml"
    for _ in range(150):
        content = sources[case.rng.integers(len(sources))].read_bytes()
        path.write_bytes(case.damage(content))
        grid = b"\ngrid:" in content
        try:
            sweep.read(path) if grid else Config.load(path)
        except InputError as error:
            assert "\n" not in str(error) and len(str(error)) < 1000, str(error)
    words = ["sweep", path, "--dry-run"] if grid else ["validate", path, "--weights", "none.safetensors"]
    case.run(*words, allowed=(0, 2))


@kind(4)
def rows_are_damaged(case: Case) -> None:
    """A damaged row or table is said in one line and stays as it is."""
    whole = whole_run(case)
    run = case.folder / "run"
    shutil.copytree(whole, run)
    for _ in range(3):
        bad = case.damage((whole / "row.json").read_bytes())
        (run / "row.json").write_bytes(bad)
        case.run("report", run, allowed=(0, 2))
        table = case.folder / "table.csv"
        results.write_table(table, results.collect([whole]))
        table.write_bytes(before := case.damage(table.read_bytes()))
        status, _ = case.run("collect", table, whole, allowed=(0, 2))
        assert status == 0 or table.read_bytes() == before
        assert (run / "row.json").read_bytes() == bad


@kind(3)
def notebooks_are_damaged(case: Case) -> None:
    """A sweep of a damaged notebook is planned, or refused in one line; nothing runs."""
    from ghostlib import sweep
    from ghostlib.errors import InputError
    good = (ROOT / "notebooks" / "train.ipynb").read_bytes()
    (case.folder / "grid.yaml").write_text(yaml.safe_dump({"notebook": "train.ipynb", "grid": {"kernel": [1, 3]}}))
    for _ in range(10):
        (case.folder / "train.ipynb").write_bytes(case.damage(good))
        try:
            sweep.read(case.folder / "grid.yaml")
        except InputError as error:
            assert "\n" not in str(error) and len(str(error)) < 1000, str(error)
    case.run("sweep", "grid.yaml", "--dry-run", allowed=(0, 2))
    assert not (case.folder / "data").exists()


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[bool]:
    """A disk of so many bytes at a folder, where one may be made; else nothing."""
    folder.mkdir(exist_ok=True)
    made = os.getuid() == 0 and subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder],
                                               capture_output=True).returncode == 0
    try:
        yield made
    finally:
        if made:
            subprocess.run(["umount", "-l", folder], check=False)


@kind(3)
def the_disk_is_full(case: Case) -> None:
    """A run that cannot be written ends in one line, what was whole stays whole, and with room it ends as it should."""
    whole = whole_run(case)
    size = sum(path.stat().st_size for path in whole.iterdir())
    room = int(case.rng.uniform(0.02, 1.6) * size)
    with small_disk(case.folder / "disk", room) as made:
        place = case.folder / "disk" / "run" if made else case.folder / "run"
        params = case.params(resume=True, run_dir=str(place))
        status, said = case.run("train", params, allowed=(0, 1, 2), limit=None if made else room)
        assert status == 0 or "cannot be written" in said, said[-500:]
        for path in place.glob("*.safetensors"):
            load_file(path)
        if made:
            shutil.copytree(place, case.folder / "run", ignore_dangling_symlinks=True) if place.exists() else None
    case.run("train", case.params(resume=True))
    assert_equal_runs(whole, case.folder / "run")


def order(seed: int) -> Iterator[str]:
    """The kinds in the order of the campaign: each as often as it weighs, shuffled anew in each round."""
    rng = np.random.default_rng([seed, 2**32 - 1])
    while True:
        yield from rng.permutation([name for name, (weight, _) in KINDS.items() for _ in range(weight)])


def attack(seed: int, number: int, name: str, shared: Path) -> str | None:
    """Runs one case; what went wrong, or None."""
    folder = Path(tempfile.mkdtemp(prefix=f"case-{number}-", dir=shared.parent))
    try:
        KINDS[name][1](Case(seed, number, folder, shared))
    except Exception:  # whatever it is, it is a finding
        return traceback.format_exc()
    shutil.rmtree(folder, ignore_errors=True)
    return None


@click.command()
@click.option("--minutes", default=15.0, show_default=True)
@click.option("--seed", type=int, default=None, help="Of all that is random; a new one by default.")
@click.option("--only", type=click.Choice(sorted(KINDS)), default=None, help="One kind of attack.")
@click.option("--case", "single", type=int, default=None, help="One case alone, to repeat it.")
@click.option("--record", is_flag=True, help="Write the counts to data/results/reliability.csv.")
def main(minutes: float, seed: int | None, only: str | None, single: int | None, record: bool) -> None:
    """Attacks the lab for some minutes and says what it survived."""
    seed = int(time.time()) if seed is None else seed
    print(f"seed {seed}", flush=True)
    done, failed, end = Counter[str](), Counter[str](), time.monotonic() + 60 * minutes
    with tempfile.TemporaryDirectory(prefix="ghostlib-campaign-") as scratch, \
            tqdm(total=round(60 * minutes), unit=" s", disable=single is not None) as bar:
        shared = Path(scratch) / "shared"
        shared.mkdir()
        start, names = time.monotonic(), order(seed)
        number = 0
        while time.monotonic() < end:
            name = next(names)
            if (only is None or name == only) if single is None else number == single:
                bar.set_postfix_str(f"{number}: {name}, {sum(failed.values())} failed")
                problem = attack(seed, number, name, shared)
                done[name] += 1
                if problem:
                    failed[name] += 1
                    bar.write(f"case {number}, {name}:\n{problem}again: python tests/campaign.py --seed {seed} --case "
                              f"{number}")
                bar.update(min(round(time.monotonic() - start), bar.total) - bar.n)
            number += 1
            if single is not None and number > single:
                break
    for name, count in sorted(done.items()):
        print(f"{name:<28} {count:4d} cases, {failed[name]} failed")
    if record:
        provenance = results.provenance()
        with (ROOT / "data" / "results" / "reliability.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["attack", "cases", "failed", "minutes", "seed", *provenance])
            writer.writerows([name, count, failed[name], round(minutes), seed, *provenance.values()]
                             for name, count in sorted(done.items()))
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
