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
    assert all((contents.FIGURES / name).is_file() for name in named)


def test_the_stored_page_shows_all_of_them_with_a_picture_and_a_link_that_leads_there():
    shown = "".join(output.data.get("text/markdown", "") for cell in notebook.read(INDEX).cells
                    for output in cell.get("outputs", []))
    links = re.findall(r"\*\*\[[^]]+\]\(([^)]+)\)", shown)
    pictures = re.findall(r"!\[[^]]+\]\(data:image/png;base64,", shown)
    assert [f"{entry.name}.ipynb" for entries in contents.PARTS.values() for entry in entries] == links
    assert len(pictures) == len(links) and all((INDEX.parent / link).is_file() for link in links)
    asked = [cell.source.removeprefix("## ") for cell in notebook.read(INDEX).cells if cell.source.startswith("## ")]
    assert asked[:-1] == list(contents.PARTS)


def test_answers_follow_the_rows_and_say_where_there_are_none(tmp_path):
    entries = {entry.name: entry for one in contents.PARTS.values() for entry in one}
    assert contents.answer(entries["ablate_kernel"], tmp_path) == contents.NOTHING
    rows = read_table("data/results/ablate_cifar10.csv")
    rows.loc[rows.kernel == 1, "top1"] += 0.5
    rows.to_csv(tmp_path / "ablate_cifar10.csv", index=False)
    told = [contents.answer(entries["ablate_kernel"], folder) for folder in (ROOT / "data" / "results", tmp_path)]
    assert told[0].startswith("Yes. ") and not told[1].startswith("Yes. ") and all(one.endswith(".") for one in told)


def test_a_part_that_is_not_there_ends_in_one_line():
    with pytest.raises(InputError, match="question: 'Do ghost pay' given; did you mean Do ghosts pay"):
        contents.part("Do ghost pay")
