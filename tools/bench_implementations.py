"""GhostNet 1.0 and its rivals side by side on this machine: ours, mindcv's and PyTorch's; a table and a CSV file.

    .venv/bin/python tools/bench_implementations.py --mindcv DIR --authors DIR --torch DIR/bin/python --photographs DIR

mindcv and the authors' code (Efficient-AI-Backbones) are checkouts; PyTorch has an environment of its own, with timm for the
rivals; --models ghostnet leaves those out. Each contender runs alone, in a process of its own, all of them in turn and that
--rounds times; the best round counts, for whatever else the machine does can only slow one down. mindcv's network is trained
by our step, so that the network alone differs, and reads its own pipeline by its own recipe.

Evaluation is measured with a batch and with one image, and, for GhostNet, by ONNX Runtime and OpenVINO, too: of our network
and of the authors', exported from PyTorch (which wants `onnx` in its environment).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import chain, count
from pathlib import Path

ROOT = Path(__file__).parents[1]
NETWORKS = ("mindcv", "ghostlib", "ghostlib, MindSpore's operators", "PyTorch", "PyTorch channels-last",
            "PyTorch compiled", "PyTorch compiled channels-last")
RIVALS = {"mobilenet_v2": "mobilenetv2_100", "mobilenet_v3_small": "mobilenetv3_small_100",
          "mobilenet_v3_large": "mobilenetv3_large_100", "ghostnetv2": "ghostnetv2_100"}  # timm's names
RIVALS_NETWORKS = ("ghostlib", *(name for name in NETWORKS if name.startswith("PyTorch")))
SHOWN = "model", "contender", "training", "evaluation", "evaluation_1", "pipeline"
PIPELINES = ("mindcv", "ghostlib")
BY_ENGINE = {f"{whose} by {name}": engine for name, engine in (("ONNX Runtime", "onnxruntime"), ("OpenVINO", "openvino"))
             for whose in ("ghostlib", "PyTorch's export")}
SIZE, STEPS, LEAST, SECONDS = 224, 6, 3.0, 8.0  # pixels; calls, and seconds of them, at least; seconds of a pipeline
PASSED = "mindcv", "authors", "photographs", "torch", "batch", "threads"  # to the process of a contender


def best(call, batch: int) -> float:
    """Images a second of the fastest of some calls, after two that do not count. They go on for a while: a machine that is
    slow for a second would else be slow for all of a quick network's."""
    call(), call()
    times: list[float] = []
    while len(times) < STEPS or sum(times) < LEAST:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return batch / min(times)


def evaluation(options, answer, images) -> dict[str, float]:
    """Images a second with a batch, and one at a time."""
    first = images[:1]
    return {"evaluation": best(lambda: answer(images), options.batch), "evaluation_1": best(lambda: answer(first), 1)}


def noise(options):
    import numpy as np
    return np.random.default_rng(0).normal(size=(options.batch, 3, SIZE, SIZE)).astype(np.float32)


def mindspore_network(options) -> dict[str, float]:
    import numpy as np
    from mindspore import Tensor, float32

    from ghostlib.config import Config
    from ghostlib.deploy import fold_batchnorm
    from ghostlib.device import use_device
    from ghostlib.kernels import fused
    from ghostlib.models import MODELS
    from ghostlib.training.optimizers import make_optimizer
    from ghostlib.training.step import TrainStep
    use_device("CPU")
    config = Config(dropout=0.0, num_classes=1000, dataset="imagefolder", data_dir="-", image_size=SIZE,
                    batch_size=options.batch)
    if options.child == "mindcv":
        sys.path.insert(0, options.mindcv)
        from mindcv.models.ghostnet import ghostnet_100
        net = fast = ghostnet_100(pretrained=False)
    else:
        net = MODELS[options.model](dropout=0.0)
        fast = fused.accelerated(net)
    images = Tensor(noise(options))
    labels = Tensor(np.random.default_rng(1).integers(0, 1000, options.batch).astype(np.int32))
    rate = Tensor(0.01, float32)
    step = TrainStep(fast, make_optimizer(net, config), config).set_train(True)
    train = best(lambda: step(images, labels, rate)[0].asnumpy(), options.batch)
    test = (net if net is fast else fused.accelerated(fold_batchnorm(net))).set_train(False)
    return {"training": train, **evaluation(options, lambda some: test(some).asnumpy(), images)}


def torch_net(options):
    """A rival of timm's, or the authors' GhostNet."""
    if options.model in RIVALS:
        import timm
        return timm.create_model(RIVALS[options.model])
    sys.path.insert(0, str(Path(options.authors) / "ghostnet_pytorch"))
    from ghostnet import ghostnet
    return ghostnet()


def torch_network(options) -> dict[str, float]:
    import torch
    torch.set_num_threads(options.threads)
    if options.model in RIVALS:
        for operator in ("nms", "qnms"):  # torchvision's, which timm looks for and these networks do not use
            torch.library.define(f"torchvision::{operator}", "(Tensor boxes, Tensor scores, float threshold) -> Tensor")
    net = torch_net(options)
    images = torch.randn(options.batch, 3, SIZE, SIZE)
    labels = torch.randint(0, 1000, (options.batch,))
    if "channels-last" in options.child:
        net, images = (x.to(memory_format=torch.channels_last) for x in (net, images))
    ready = torch.compile(net, dynamic=False) if "compiled" in options.child else net  # one graph for each batch size
    optimizer = torch.optim.SGD(net.parameters(), 0.01, 0.9, weight_decay=2e-5)
    loss = torch.nn.CrossEntropyLoss()

    def step():
        optimizer.zero_grad()
        loss(ready(images), labels).backward()
        optimizer.step()

    net.train()
    train = best(step, options.batch)
    net.eval()
    with torch.no_grad():
        return {"training": train, **evaluation(options, ready, images)}


def torch_export(options) -> dict[str, float]:
    """Writes the authors' network as ONNX, with its BatchNorms folded, and the number of images left open."""
    import torch
    torch.onnx.export(torch_net(options).eval(), torch.zeros(1, 3, SIZE, SIZE), options.export, dynamo=False,
                      input_names=["images"], dynamic_axes={"images": {0: "n"}})
    return {}


def by_engine(options) -> dict[str, float]:
    """Of an ONNX file, which another process writes: no PyTorch and no MindSpore beside the engine."""
    from ghostlib import latency
    from ghostlib.config import Config
    from ghostlib.deploy import engines
    name = BY_ENGINE[options.child]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "net.onnx"
        if options.child.startswith("PyTorch"):
            run(options, "export", options.model, "export", "--export", str(file))
        else:
            config = Config.of({"model": options.model, "width": 1.0, "num_classes": 1000, "dataset": "imagefolder",
                                "data_dir": "-", "image_size": SIZE})
            file.write_bytes(latency.onnx_of(config.model_dump_json()))
        return evaluation(options, engines.of_file(file, name), noise(options))


def pipeline(options) -> dict[str, float]:
    if options.child == "mindcv":
        sys.path.insert(0, options.mindcv)
        from mindcv.data import create_dataset, create_loader, create_transforms
        images = create_dataset(name="imagenet", root=options.photographs, split="train", shuffle=True,
                                num_parallel_workers=options.threads)
        changes = create_transforms("imagenet", image_resize=SIZE, is_training=True, auto_augment="randaug-m9-mstd0.5",
                                    re_prob=0.25, interpolation="bilinear")
        loader = create_loader(images, batch_size=options.batch, drop_remainder=True, is_training=True,
                               num_classes=1000, transform=changes, num_parallel_workers=options.threads)
        batches = chain.from_iterable(loader.create_tuple_iterator(num_epochs=1, output_numpy=True) for _ in count())
    else:
        from ghostlib.config import Config
        from ghostlib.data import load
        config = Config(dataset="imagefolder", data_dir=options.photographs, num_classes=200, image_size=SIZE,
                        batch_size=options.batch, augment="randaugment", erasing=0.25, workers=options.threads)
        train = load(config, 0, 1).train
        batches = chain.from_iterable(map(train.epoch, count()))
    for _ in range(3):
        next(batches)
    start, read = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS:
        next(batches)
        read += options.batch
    return {"pipeline": read / (time.perf_counter() - start)}


def run(options, kind: str, model: str, name: str, *more: str) -> dict[str, float]:
    """One contender in its own process; its lines are kept for when it fails."""
    is_torch = kind == "export" or (name.startswith("PyTorch") and name not in BY_ENGINE)
    environment = {**os.environ, "GHOSTLIB_KERNEL": "off" if "operators" in name else "on", "PYTHONPATH": str(ROOT)}
    if name in BY_ENGINE:
        environment["OMP_NUM_THREADS"] = str(options.threads)  # as many as engines take
    python = options.torch if is_torch else sys.executable
    words = [python, __file__, "--kind", kind, "--model", model, "--child", name, *more]
    for option in PASSED:
        words += [f"--{option}", str(getattr(options, option) or "")]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{model}, {name}: {done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(options) -> dict[str, float]:
    """What one contender gives, in its own process."""
    if options.kind == "network":
        return (by_engine if options.child in BY_ENGINE else torch_network if options.child.startswith("PyTorch") else
                mindspore_network)(options)
    return {"pipeline": pipeline, "export": torch_export}[options.kind](options)


def version_of_torch(python: str) -> str:
    """PyTorch's version in an environment; told before anything is measured if there is none."""
    done = subprocess.run([python, "-c", "import torch; print(torch.__version__)"], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"--torch: {python} has no PyTorch: {done.stderr}")
    return done.stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for option in ("mindcv", "authors", "torch", "photographs"):
        parser.add_argument(f"--{option}", required=option != "torch")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--csv", default="data/results/speed.csv")
    parser.add_argument("--models", nargs="+", default=["ghostnet", *RIVALS], choices=["ghostnet", *RIVALS])
    parser.add_argument("--without", nargs="*", default=[], help="words; contenders with one that begins so are left out")
    parser.add_argument("--contenders", nargs="+", choices=[*NETWORKS, *BY_ENGINE], help="of networks these alone; else all")
    parser.add_argument("--no-pipelines", action="store_true")
    parser.add_argument("--kind", help=argparse.SUPPRESS)
    parser.add_argument("--model", help=argparse.SUPPRESS)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--export", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(options)))
        return

    import pandas as pd
    from tqdm import tqdm

    from ghostlib import processor, results
    from ghostlib.deploy import engines
    contenders = [("network", model, name) for model in options.models
                  for name in (RIVALS_NETWORKS if model in RIVALS else (*NETWORKS, *BY_ENGINE))]
    contenders += [("pipeline", "ghostnet", name) for name in PIPELINES if not options.no_pipelines]
    contenders = [one for one in contenders
                  if not any(part.startswith(word) for part in one[2].split() for word in options.without)
                  and (one[0] == "pipeline" or one[2] in (options.contenders or [one[2]]))]
    for engine in {BY_ENGINE[name] for _, _, name in contenders if name in BY_ENGINE}:
        engines.check(engine)
    if not options.torch and any(name.startswith("PyTorch") for _, _, name in contenders):
        parser.error("--torch: not given; wanted is the Python of an environment with PyTorch, or --without PyTorch")
    torch = version_of_torch(options.torch) if options.torch else ""
    kept = Path(f"{options.csv}.rows.json")  # what was measured before something failed is not measured again
    rows = json.loads(kept.read_text()) if kept.exists() else []
    done = {(row["model"], row["contender"], row["round"], "pipeline" in row) for row in rows}
    for number, one in tqdm([(number, one) for number in range(1, options.rounds + 1) for one in contenders]):
        kind, model, name = one
        if (model, name, number, kind == "pipeline") not in done:
            rows.append({"model": model, "contender": name, "round": number, **run(options, *one)})
            kept.write_text(json.dumps(rows))
    table = pd.DataFrame(rows).groupby(["model", "contender"], sort=False).max().drop(columns="round").reset_index()
    for name, value in {"batch": options.batch, "threads": options.threads, "rounds": options.rounds,
                        **results.provenance(), "torch": torch,
                        "instruction_sets": processor.instruction_sets()}.items():
        table[name] = value
    results.write_table(options.csv, table)
    kept.unlink()
    print(table[[name for name in SHOWN if name in table]].round(1).to_string(index=False))


if __name__ == "__main__":
    main()
