"""The two ways a run can end badly, bad input and a failed run, each told in one line.

`InputError` means that what the user gave cannot be used: nothing has been started or written, and the command line
exits with status 2. `RunError` means that a run which had begun could not go on: status 1. The checks of s and d stand
here because the layers and the configuration share them, and the configuration does without MindSpore.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """Something given is unusable; the message names the field or file, the value and what is allowed."""

    def __init__(self, message: object = ""):
        super().__init__(printable(message))


class RunError(RuntimeError):
    """A run that had begun had to stop; the message says where and why."""

    def __init__(self, message: object = ""):
        super().__init__(printable(message))


def printable(text: object) -> str:
    """A text that every terminal, log and JSON file can take: what cannot be printed is escaped, line breaks stay.

    A file name is bytes; those that are no UTF-8 come as lone surrogates, which nothing can encode again.

    >>> printable("na\udcefve \x1b[2J")
    'na\\xefve \\x1b[2J'
    """
    return "".join(map(_escaped, str(text)))


def _escaped(character: str) -> str:
    if character.isprintable() or character in "\n\t":
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name that is no UTF-8 (PEP 383)
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def last_line(text: str, most: int = 160) -> str:
    """What a program said last, which of a traceback is the error itself.

    >>> last_line("Traceback ...\\nValueError: no\\n\\n")
    'ValueError: no'
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return printable(lines[-1][:most]) if lines else "it said nothing"


def in_a_line(told: object, most: int | None = 160) -> str:
    """What an error or another program says, however many lines it takes, in one, of at most so many characters; of an error
    that says nothing its kind.

    >>> in_a_line("no such\\n  file\\n")
    'no such file'
    >>> in_a_line(ValueError())
    'ValueError'
    """
    words = " ".join(str(told).split())[:most]
    return words or (type(told).__name__ if isinstance(told, BaseException) else "")


def some(names: Iterable[object], most: int = 5, between: str = ", ") -> str:
    """The first few of many names, for a line, and how many more there are.

    >>> some("abcdefg")
    'a, b, c, d, e and 2 more'
    """
    names = list(names)
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return between.join(printable(name) for name in names[:most]) + more


def nearest(name: object, known: Iterable[str]) -> str:
    """A clause that offers the known names most like `name`, or, when none is alike, the first few.

    >>> nearest("learning", ["epochs", "lr"])
    'known: epochs, lr'
    >>> nearest("epoch", ["epochs", "lr"])
    'did you mean epochs?'
    """
    known = list(known)
    close = get_close_matches(str(name), known, n=3, cutoff=0.6)  # YAML makes True of a key `on:`
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"known: {some(known)}"


def check_ratio(ratio: int, where: str = "ratio") -> int:
    """The ratio s, or `InputError` unless it is an integer of at least 1."""
    if isinstance(ratio, bool) or not isinstance(ratio, int) or ratio < 1:
        raise InputError(f"{where}: {ratio!r} given; allowed are integers from 1 (a plain convolution) upwards")
    return ratio


def check_kernel(kernel: int, where: str = "kernel") -> int:
    """The cheap operation's kernel size d, or `InputError` unless it is a positive odd integer."""
    if isinstance(kernel, bool) or not isinstance(kernel, int) or kernel < 1 or kernel % 2 == 0:
        raise InputError(f"{where}: {kernel!r} given; allowed are odd integers (1, 3, 5, ...), which keep a map's size")
    return kernel
