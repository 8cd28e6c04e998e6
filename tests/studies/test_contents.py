"""The contents page: every notebook once, links that lead somewhere, and answers that follow the rows."""

import re

import pytest
from conftest import ROOT

from ghostlib import notebook
from ghostlib.errors import InputError
from ghostlib.results import read_table
from ghostlib.studies import contents

INDEX = ROOT / "notebooks" / "index.ipynb"


@pytest.fixture(autouse=True)
def at_the_top(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_every_notebook_is_on_the_page_once():
    listed = [entry.name for entries in contents.PARTS.values() for entry in entries]
    there = {str(path.relative_to(INDEX.parent).with_suffix("")) for path in INDEX.parent.rglob("*.ipynb")
             if ".ipynb_checkpoints" not in path.parts} - {INDEX.stem}
    assert sorted(listed) == sorted(there), "a line in PARTS of ghostlib/studies/contents.py for each notebook"
    named = [entry.picture for entries in contents.PARTS.values() for entry in entries if entry.picture]
    assert all((contents.FIGURES / name).is_file() for name in named if name.endswith(".png"))
    calls = [(entry, entry.picture) for entries in contents.PARTS.values() for entry in entries
             if entry.picture and not entry.picture.endswith(".png")]
    for entry, name in calls:
        cells = notebook.read(INDEX.parent / f"{entry.name}.ipynb").cells
        assert any(f"{name}(" in cell.source for cell in cells if cell.get("outputs")), f"{entry.name} draws no {name}"


def test_a_picture_that_is_named_is_that_cells_and_leads_to_its_notebook():
    [entry] = [entry for entry in contents.PARTS["Do ghosts pay?"] if entry.name == "photographs"]
    other = contents.Entry(entry.name, entry.answer, "fig_rates")
    assert len({contents.thumbnail(one, 40) for one in (entry, other)}) == 2
    assert ")](photographs.ipynb) | **[" in contents.part("Do ghosts pay?", ROOT / "data" / "results", 40)


def test_every_grid_that_has_rows_is_counted(tmp_path):
    [entry] = [one for entries in contents.PARTS.values() for one in entries if one.name == "tutorials/5_batch_runs"]
    assert contents.answer(entry, tmp_path) == contents.NOTHING
    rows = read_table("data/results/digits_kernel.csv")
    rows.iloc[:5].to_csv(tmp_path / "digits_kernel.csv", index=False)
    assert contents.answer(entry, tmp_path) == (
        "With a grid and `ghostlib sweep`: so 5 runs of this lab are recorded, of the 12 in the 1 grid that has been begun "
        "(digits_kernel).")
    assert "digits_kernel" in contents.answer(entry, ROOT / "data" / "results")


def test_the_stored_page_shows_all_of_them_with_a_picture_and_a_link_that_leads_there():
    shown = "".join(output.data.get("text/markdown", "") for cell in notebook.read(INDEX).cells
                    for output in cell.get("outputs", []))
    links = re.findall(r"\*\*\[[^]]+\]\(([^)]+)\)", shown)
    pictures = re.findall(r"!\[[^]]+\]\(data:image/png;base64,", shown)
    assert [f"{entry.name}.ipynb" for entries in contents.PARTS.values() for entry in entries] == links
    assert len(pictures) == len(links) and all((INDEX.parent / link).is_file() for link in links)
    asked = [cell.source.removeprefix("## ") for cell in notebook.read(INDEX).cells if cell.source.startswith("## ")]
    assert asked[:-1] == list(contents.PARTS)


def test_the_stored_page_says_what_rows_and_stored_notebooks_say():
    """Whoever stores a notebook anew, or records rows, makes the page after it: `make notebooks`."""
    shown = "".join(output.data.get("text/markdown", "") for cell in notebook.read(INDEX).cells
                    for output in cell.get("outputs", []))
    for entry in (entry for entries in contents.PARTS.values() for entry in entries):
        for told in (*contents.words(entry), contents.answer(entry, ROOT / "data" / "results")):
            assert told.replace("|", r"\|") in shown, entry.name


def test_a_stored_notebooks_answer_is_that_of_the_rows():
    """Its code and its tables may be those of today, and still what says it in words has changed since it was stored."""
    compared = []
    for entry in (entry for entries in contents.PARTS.values() for entry in entries if entry.answer is not None):
        compared += [entry.name for _ in contents._found(entry)[:1]]
        assert contents.is_told(entry.name, ROOT / "data" / "results"), entry.name
    assert len(compared) >= 9
    assert contents.is_told("explore") and contents.is_told("nobody")


def test_answers_follow_the_rows_and_say_where_there_are_none(tmp_path):
    entries = {entry.name: entry for one in contents.PARTS.values() for entry in one}
    assert contents.answer(entries["ablate_kernel"], tmp_path) == contents.NOTHING
    rows = read_table("data/results/ablate_cifar10.csv")
    rows.loc[rows.kernel == 1, "top1"] += 0.5
    rows.to_csv(tmp_path / "ablate_cifar10.csv", index=False)
    assert not contents.is_told("ablate_kernel", tmp_path)
    told = [contents.answer(entries["ablate_kernel"], folder) for folder in (ROOT / "data" / "results", tmp_path)]
    assert told[0].startswith("Yes. ") and not told[1].startswith("Yes. ") and all(one.endswith(".") for one in told)


def test_a_part_that_is_not_there_ends_in_one_line():
    with pytest.raises(InputError, match="question: 'Do ghost pay' given; did you mean Do ghosts pay"):
        contents.part("Do ghost pay")
