"""What is given as weights and is none is told for what it is, by content and not by name, with what to do."""

import collections
import io
import json
import os
import pickle
import re
import socket
import tarfile
import threading
import zipfile

import mindspore
import numpy as np
import pytest
from mindspore import Tensor, nn
from safetensors.numpy import load_file, save_file

from ghostlib.errors import InputError
from ghostlib.models import MODELS
from ghostlib.weights import load_weights, locate, save_weights
from ghostlib.weights.kinds import is_safetensors, other_kind

NAMES = ("x.safetensors", "x.ckpt", "x.pth")  # the content decides


@pytest.fixture(scope="module")
def network():
    return MODELS["resnet20"](0.25)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GHOSTLIB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def told(source, net):
    """The error of loading it, one short line."""
    with pytest.raises(InputError) as error:
        load_weights(net, source)
    message = str(error.value)
    assert message.startswith(f"weights: {source} ") and "\n" not in message and len(message) < 1000
    return message


@pytest.fixture
def trace(tmp_path):
    """A pickle, all protocols of it, that leaves a trace if it is ever opened; which is looked for afterwards."""
    class Trace:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "trace"),))
    yield lambda protocol: pickle.dumps(Trace(), protocol)
    assert not (tmp_path / "trace").exists()


def old_pytorch(content):
    """PyTorch's format before 1.6: its magic number, its protocol, the machine, then the object."""
    head = (0x1950a86a20f9469cfc6c, 1001, {"protocol_version": 1001, "little_endian": True})
    return b"".join(pickle.dumps(part, 2) for part in head) + content


def new_pytorch(content):
    """PyTorch's format since: a zip archive, not compressed."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as file:
        # Not the present time: the content is part of a test's name, which pytest-xdist's workers must agree about.
        file.writestr(zipfile.ZipInfo("x/data.pkl"), content)
        file.writestr(zipfile.ZipInfo("x/version"), "3\n")
    return held.getvalue()


REMEDY = ("PyTorch makes safetensors of its own: import torch, safetensors.torch; safetensors.torch.save_file(torch.load("
          "\"{name}\", map_location=\"cpu\", weights_only=True), \"x.safetensors\")")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", [lambda trace: trace(2), lambda trace: trace(5), lambda trace: old_pytorch(trace(2)),
                                  lambda trace: new_pytorch(trace(2))], ids=["2", "5", "old", "zip"])
def test_a_pickle_is_not_opened_and_what_makes_safetensors_of_it_is_said(kind, name, trace, network, tmp_path):
    (tmp_path / name).write_bytes(kind(trace))
    message = told(tmp_path / name, network)
    assert f"{name} is a pickle, which would run code of whoever made it; " in message
    assert REMEDY.format(name=name) in message


def test_a_pickle_in_letters_is_not_opened_either(trace, network, tmp_path):
    (tmp_path / "x.pth").write_bytes(trace(0))
    assert "x.pth is text (" in told(tmp_path / "x.pth", network)


def test_an_npz_is_told_with_what_makes_safetensors_of_it(network, tmp_path, monkeypatch):
    np.savez(tmp_path / "x.npz", **{name: parameter.asnumpy() for name, parameter in network.parameters_and_names()})
    message = told(tmp_path / "x.npz", network)
    assert "x.npz is an .npz of NumPy's; it makes safetensors of it: import numpy, safetensors.numpy; " in message
    monkeypatch.chdir(tmp_path)
    exec(message.split("safetensors of it: ")[1], {})
    load_weights(network, "x.safetensors")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    for kind in ("MINDIR", "ONNX"):
        mindspore.export(nn.Dense(3, 2), Tensor(np.ones((1, 3), np.float32)), file_name=str(folder / "x"), file_format=kind)
    return folder


@pytest.mark.parametrize(("name", "kind"), [("x.mindir", "MindIR"), ("x.onnx", "ONNX")])
def test_a_graph_exported_for_inference(name, kind, exported, network):
    assert told(exported / name, network).endswith(
        f"{name} is {kind}, a graph exported for inference; wanted is safetensors or mindcv's .ckpt of the network that it "
        f"was exported from")


def test_an_onnx_of_pytorchs(network, tmp_path):
    (tmp_path / "x.ckpt").write_bytes(b"\x08\x08\x12\x07pytorch\x1a\x052.3.0:\xfa\x04\n\x1d\n\x05input")
    assert "x.ckpt is ONNX, a graph" in told(tmp_path / "x.ckpt", network)


POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'4d7a2146' * 8}\nsize 20971520\n"
PAGE = '<!DOCTYPE html>\n<html class="x"><head>\n<title>Sign in\n · GitLab</title></head><body></body></html>'


def packed(write):
    held = io.BytesIO()
    write(held)
    return held.getvalue()


def tar_of(held):
    with tarfile.open(fileobj=held, mode="w") as file:
        file.addfile(tarfile.TarInfo("weights"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("content", "message"), [
    (b"", "is an empty file; wanted is safetensors or mindcv's .ckpt"),
    (POINTER.encode(), "is a git-lfs pointer, not the file it stands for; git lfs pull fetches that"),
    (PAGE.encode(), "is an HTML page ('Sign in · GitLab'), as a server sends for a login or an address that is not "
                    "the file's own; "),
    (b"\xef\xbb\xbf \n<html><body>No</body>", "is an HTML page, as a server sends"),
    ("<?xml version='1.0'?>\n<!-- é -->\n<HTML><HEAD/>".encode("latin-1"), "is an HTML page, as a server sends"),
    (b'{"error": "Repository not found"}', "is text ('{\"error\": \"Repository not found\"}'); wanted is safetensors"),
    (b"Access denied\n", "is text ('Access denied'); wanted"), ("ü".encode() * 5000, "is text ('üüü"),
    (json.dumps({"metadata": {}, "weight_map": {"a": "model-00001-of-00002.safetensors"}}).encode(),
     "is the index of weights in several files; wanted is safetensors or mindcv's .ckpt, in one file"),
    (b"\x1f\x8b\x08\x00", "is compressed with gzip; unpack it first"), (b"BZh91AY&SY", "is compressed with bzip2; unpack"),
    (packed(tar_of), "is a tar archive; unpack it first"),
    (packed(lambda held: np.save(held, np.ones(3))), "is a NumPy array, one without names; wanted"),
    (b"\x89HDF\r\n\x1a\n\x00", "is HDF5, as Keras saves it; wanted"),
    (b"GGUF\x03\x00", "is GGUF, made for inference; wanted"),
    (new_pytorch(b"some")[:60], "is a truncated or damaged zip archive, such as a .pth of PyTorch's or an .npz; fetch it")])
def test_what_is_no_weights_file_is_told_for_what_it_is(content, message, name, network, tmp_path):
    (tmp_path / name).write_bytes(content)
    assert f"{tmp_path / name} {message}" in told(tmp_path / name, network)


def test_a_zip_of_something_else(network, tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr("last.safetensors", "...")
    assert "x.zip is a zip archive; unpack it first; wanted" in told(tmp_path / "x.zip", network)


@pytest.mark.parametrize("kept", [9, 100, -1])
def test_a_truncated_file_is_told_with_how_much_is_there(kept, network, tmp_path):
    save_weights(network, tmp_path / "x.safetensors")
    content = (tmp_path / "x.safetensors").read_bytes()
    (tmp_path / "x.safetensors").write_bytes(content[:kept])
    there = len(content[:kept])
    least = len(content) if kept < 0 else 8 + int.from_bytes(content[:8], "little")
    assert f"is truncated: {there:,} bytes of at least {least:,}, as after a" in told(tmp_path / "x.safetensors", network)


@pytest.mark.parametrize("header", [b'{"a":1}', b'{"a":{}}', b'{"a":{"data_offsets":[0,"b"]}}', b'{"a":[',
                                    b'{"a":' + b"[" * 99999])
def test_a_damaged_header_is_refused_too(header, network, tmp_path):
    (tmp_path / "x.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    assert "x.safetensors cannot be read as safetensors" in told(tmp_path / "x.safetensors", network)


def test_a_truncated_checkpoint_of_mindspores(network, tmp_path):
    mindspore.save_checkpoint(network, str(tmp_path / "x.ckpt"))
    content = (tmp_path / "x.ckpt").read_bytes()
    load_weights(network, tmp_path / "x.ckpt")
    (tmp_path / "x.ckpt").write_bytes(content[:len(content) // 2])
    assert "x.ckpt cannot be read" in told(tmp_path / "x.ckpt", network)


@pytest.mark.parametrize("name", NAMES)
def test_safetensors_by_any_name_load(name, network, tmp_path):
    save_weights(network, tmp_path / name)
    load_weights(network, tmp_path / name)


def test_no_length_of_a_header_is_taken_for_another_kind(tmp_path):
    """A file begins with its header's length: 640 begins as a pickle does, and 0x4b50 as a zip archive."""
    for length in (640, 0x4b50):
        save_file({"a": np.ones(3, np.float32)}, tmp_path / "x.safetensors", {"pad": ""})
        free = length - int.from_bytes((tmp_path / "x.safetensors").read_bytes()[:8], "little")
        save_file({"a": np.ones(3, np.float32)}, tmp_path / "x.safetensors", {"pad": "x" * free})
        start = (tmp_path / "x.safetensors").read_bytes()[:2]
        assert start in (b"\x80\x02", b"PK")
        assert is_safetensors(tmp_path / "x.safetensors") and other_kind(tmp_path / "x.safetensors") is None
        assert load_file(tmp_path / "x.safetensors")["a"].sum() == 3


@pytest.mark.parametrize("blank", ["", "  ", "\t"])
def test_a_blank_source_is_refused_by_name(blank, network):
    given = re.escape(repr(blank))
    with pytest.raises(InputError, match=f"^weights: {given} given, an empty text; allowed are a file, a URL, ghostlib/"):
        locate(blank)


@pytest.mark.parametrize(("files", "message"), [
    (["last.safetensors", "best.safetensors", "row.json"], "is a folder; did you mean {folder}/last.safetensors?"),
    (["best.safetensors"], "is a folder; did you mean {folder}/best.safetensors?"),
    (["config.json", "model.safetensors"], "is a folder; did you mean {folder}/model.safetensors?"),
    (["snapshots/0f3c/model.safetensors", "refs/main"], "did you mean {folder}/snapshots/0f3c/model.safetensors?"),
    (["b.ckpt", "a.safetensors", "c.txt"], "is a folder; allowed is a file, such as those in it: a.safetensors, b.ckpt"),
    ([f"{number}.ckpt" for number in range(9)], "such as those in it: 0.ckpt, 1.ckpt, 2.ckpt, 3.ckpt, 4.ckpt and 4 more"),
    ([], "is a folder; allowed are a file, a URL, ghostlib/NAME, mindcv/NAME")])
def test_a_folder_is_told_with_the_file_in_it_that_may_be_meant(files, message, network, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    assert message.format(folder=folder) in told(folder, network)


@pytest.mark.parametrize("source", ["x" * 300, "nul\0byte", "no/such/folder/x.safetensors"])
def test_a_name_that_no_file_can_have(source, network):
    with pytest.raises(InputError, match="^weights: .* cannot be read.*allowed are a file, a URL"):
        load_weights(network, source)


@pytest.mark.parametrize("content", [PAGE.encode(), POINTER.encode(), b"", new_pytorch(b"some")])
def test_a_download_that_is_no_weights_does_not_stay(content, server, cache, network):
    folder, address = server
    (folder / "x.safetensors").write_bytes(content)
    message = told(f"{address}/x.safetensors", network)
    assert re.search("HTML page|git-lfs|empty|pickle", message)
    assert not list(cache.iterdir())
    save_weights(network, folder / "x.safetensors")  # logged in, say
    load_weights(network, f"{address}/x.safetensors")
    assert len(list(cache.iterdir())) == 1


def test_what_an_earlier_version_kept_is_fetched_anew(server, cache, network):
    folder, address = server
    save_weights(network, folder / "x.safetensors")
    kept = locate(f"{address}/x.safetensors")
    kept.write_bytes(PAGE.encode())
    assert locate(f"{address}/x.safetensors") == kept and is_safetensors(kept)


def test_a_download_that_breaks_off_does_not_stay(cache, network):
    """The server promises more than it sends, or does not say how much there is."""
    save_weights(network, cache.parent / "w.safetensors")
    content = (cache.parent / "w.safetensors").read_bytes()
    answers = collections.deque([f"Content-Length: {len(content)}\r\n", "Connection: close\r\n"])
    with socket.create_server(("127.0.0.1", 0)) as listening:
        def serve():
            while answers:
                with listening.accept()[0] as asked:
                    asked.recv(10_000)
                    asked.sendall(b"HTTP/1.1 200 OK\r\n" + answers.popleft().encode() + b"\r\n" + content[:20_000])
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/x.safetensors"
        assert "cannot be downloaded" in told(address, network)
        assert f"is truncated: 20,000 bytes of at least {len(content):,}" in told(address, network)
        thread.join(10)
    assert not list(cache.iterdir())
