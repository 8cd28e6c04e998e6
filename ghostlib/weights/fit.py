"""Why the tensors of a file do not fit a network, in one short line, whatever the file holds: names and shapes alone."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Set

from ghostlib.errors import some

Shapes = Mapping[str, tuple[int, ...]]
ALIKE = 0.1  # of a file's names; with fewer in common it is of another network
LONGEST = 60  # characters of one name; a file may give it any


def misfit(given: Shapes, expected: Shapes, known: Iterable[str], head: Set[str] = frozenset(),
           ckpt: bool = False) -> str | None:
    """A clause on why tensors do not fit, or None if they do.

    What was done to all names is told as that: something before or after each, or other separators. Nothing is renamed
    here, since a file whose names had to be guessed may be of another network.

    Args:
        given: The shapes of a file's tensors, by name; under ours where they are known.
        expected: Those of the network.
        known: All names under which the network's tensors may come, PyTorch's as well.
        head: Those of `expected` that are of its last layer.
        ckpt: The file is MindSpore's, not safetensors, for the remedy.
    """
    given = dict(sorted(given.items()))  # a file's order is nobody's
    common = given.keys() & expected.keys()
    if 2 * len(common) < len(expected) and (clause := _renamed(list(given), set(known), len(expected), ckpt)):
        return clause
    if given and len(common) <= ALIKE * min(len(given), len(expected)):
        alike = "; their shapes are the same" if Counter(given.values()) == Counter(expected.values()) else ""
        return (f"is of another network, or one that was renamed: {len(common) or 'none'} of its {len(given):,} names "
                f"({_some(given, 3)}) {'are' if len(common) > 1 else 'is'} among this network's {len(expected):,} "
                f"({_some(expected, 3)}){alike}")
    misshapen = {name for name in common if given[name] != expected[name]}
    lists = {"missing": [*map(_short, sorted(expected.keys() - common))],
             "unexpected": [*map(_short, sorted(given.keys() - common))],
             "misshapen": [f"{_short(name)} {_short(str(given[name]))} for {expected[name]}" for name in sorted(misshapen)]}
    lists = {what: names for what, names in lists.items() if names}
    if not lists:
        return None
    hint = ("; it has other classes: new_head: true takes all the rest"
            if misshapen and misshapen <= head and given.keys() == expected.keys() else "")
    # Three of each where there are several lists: the line stays one that is read.
    most = 5 if len(lists) == 1 else 3
    told = (f"{len(names):,} {what} ({some(names, most)})" for what, names in lists.items())
    return f"does not fit this network{hint}: {'; '.join(told)}"


def _renamed(given: list[str], known: set[str], wanted: int, ckpt: bool) -> str | None:
    """What was done to at least half as many names as a network wants, and what undoes it; None if nothing was."""
    befores = Counter(name[:cut] for name in given for cut in range(1, len(name)) if name[cut:] in known)
    afters = Counter(name[cut:] for name in given for cut in range(1, len(name)) if name[:cut] in known)
    for counts, place, test, undo in ((befores, "begin with", str.startswith, "removeprefix"),
                                      (afters, "end in", str.endswith, "removesuffix")):
        (part, fitting), = counts.most_common(1) or [("", 0)]
        if 2 * fitting >= wanted:
            count = sum(test(name, part) for name in given)
            return (f"was renamed: {_of(count, given)} names {place} {_short(part)!r}, and {fitting:,} are this network's "
                    f"without it{_remedy(part, undo, test.__name__, count == len(given), ckpt)}")
    plain = {_letters(name): name for name in known}
    undone = {name: plain[_letters(name)] for name in given if name not in known and _letters(name) in plain}
    if 2 * len(undone) >= wanted:
        name, ours = min(undone.items())
        return (f"was renamed: {_of(len(undone), given)} names are this network's but for separators or capitals, "
                f"such as {_short(name)!r} for {_short(ours)!r}; save it under the network's names")
    return None


def _remedy(part: str, undo: str, test: str, everywhere: bool, ckpt: bool) -> str:
    """The Python that writes a file without a part of its names; nothing for a part too long for a line."""
    if len(part) > LONGEST:
        return ""
    only = "" if everywhere else f" if name.{test}({part!r})"
    if ckpt:
        return (f"; to undo it: import mindspore; mindspore.save_checkpoint([{{\"name\": name.{undo}({part!r}), "
                f"\"data\": tensor}} for name, tensor in mindspore.load_checkpoint(OLD).items(){only}], NEW)")
    return (f"; to undo it: from safetensors.numpy import load_file, save_file; save_file({{name.{undo}({part!r}): array "
            f"for name, array in load_file(OLD).items(){only}}}, NEW)")


def _of(count: int, given: list[str]) -> str:
    return f"all its {count:,}" if count == len(given) else f"{count:,} of its {len(given):,}"


def _letters(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.casefold())


def _short(name: str) -> str:
    name = re.sub(r"\s", " ", name)  # it may even hold line breaks
    return name if len(name) <= LONGEST else f"{name[:LONGEST // 2]}...{name[-LONGEST // 2:]}"


def _some(names: Iterable[str], most: int) -> str:
    return some(map(_short, names), most)
