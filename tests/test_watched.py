"""Who looks on while a notebook is executed sees its progress bars move: images and accuracy, not cells."""

import io
import sys

import nbformat
import papermill
import pytest

from ghostlib.notebook import execute

CODE = """from ghostlib.progress import progress_bar
with progress_bar(400, "images") as bar:
    for epoch in (1, 2):
        bar.update(200)
        bar.set_postfix_str(f"epoch {epoch}, test {90 + epoch} %")
print("done")"""


class Terminal(io.StringIO):
    """What was written to a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Executes a notebook of some cells on a stream; gives what was written there."""
    def run(stream, *sources, watched=True):
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        kernel = {"name": "python3", "display_name": "Python 3"}
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), tmp_path / "one.ipynb")
        monkeypatch.setattr(sys, "stderr", stream)
        execute(tmp_path / "one.ipynb", tmp_path / "done.ipynb", watched=watched)
        return stream.getvalue()
    return run


def test_a_terminal_shows_images_and_accuracy_and_is_left_clean(run, tmp_path):
    told = run(Terminal(), CODE)
    lines = told.split("\r\x1b[K")
    assert any("200/400" in line and "images/s, epoch 1, test 91 %" in line for line in lines)
    assert any("400/400" in line and line.endswith("epoch 2, test 92 %]") for line in lines)
    assert lines[-1] == "" and "Executing" not in told and "cell" not in told
    outputs = nbformat.read(tmp_path / "done.ipynb", as_version=4).cells[0].outputs
    assert [output.output_type for output in outputs] == ["display_data", "stream"]  # the notebook is as it would be


def test_a_log_gets_nothing_of_it(run):
    assert run(io.StringIO(), CODE) == ""


def test_a_failure_is_told_as_ever(run):
    with pytest.raises(papermill.PapermillExecutionError, match="division by zero"):
        run(Terminal(), CODE, "1 / 0")


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_what_a_cell_shows_may_arrive_late(run, stream, tmp_path):
    """As on a machine with more work than cores, where papermill's own four seconds lost the end of long runs."""
    run(stream(), "import sys, time\nsys.stdout.flush_timeout = sys.stderr.flush_timeout = 0.1\n"
                  "get_ipython().kernel.iopub_thread.schedule(lambda: time.sleep(6))\ndisplay('at last')")
    [output] = nbformat.read(tmp_path / "done.ipynb", as_version=4).cells[0].outputs
    assert output.data["text/plain"] == "'at last'"
