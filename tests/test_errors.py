"""Errors stay one line that is read, however many names there are."""

import pytest

from ghostlib.config import Config
from ghostlib.errors import InputError, in_a_line, nearest, some


def test_of_many_names_the_first_five_are_told_and_how_many_more():
    assert some(f"layer{number}" for number in range(1272)) == "layer0, layer1, layer2, layer3, layer4 and 1,267 more"
    assert some(range(5)) == "0, 1, 2, 3, 4" and some([]) == ""
    assert some("abc", most=2, between="; ") == "a; b and 1 more"


def test_the_names_like_it_are_offered_or_the_first_five():
    assert nearest("zzz", map(str, range(40))) == "known: 0, 1, 2, 3, 4 and 35 more"
    assert nearest("epoch", ["lr", "epochs"]) == "did you mean epochs?"
    assert nearest(True, ["lr", "epochs"]) == "known: lr, epochs"  # what YAML makes of a key `on:`
    rest = len(Config.model_fields) - 5
    with pytest.raises(InputError, match=rf"^zzz: no such parameter; known: (\w+, ){{4}}\w+ and {rest} more$"):
        Config.of({"zzz": 1})


def test_what_others_say_is_one_line_of_so_many_characters():
    assert in_a_line("no such\n\t file ") == "no such file" and in_a_line("word " * 99) == "word " * 32
    assert in_a_line(OSError("a\nb"), 2) == "a " and len(in_a_line("x" * 999, None)) == 999
    assert in_a_line(MemoryError()) == "MemoryError" and in_a_line("") == ""
