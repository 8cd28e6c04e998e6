"""What all commands share: their group, errors in one line, kinds of arguments, and parameter files."""

import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from ghostlib import __version__
from ghostlib.errors import InputError, RunError, in_a_line, printable
from ghostlib.extras import missing

SECTIONS = {"train": "Train", "judge": "Judge and use", "measure": "Measure", "batch": "Many runs", "data": "Data"}
"""In the order in which --help lists them, the groups of commands."""


class _Command(click.Command):
    """A command whose epilog is an example: a line that is never wrapped, so that it can be copied."""

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Example"):
            formatter.write(f"  {self.epilog}\n")


class Commands(click.Group):
    """Ends bad input with one line and status 2, a failed run or a file that cannot be used with one line and status 1,
    unless --traceback.

    A command says which of SECTIONS it belongs to, and gives the line with which its help ends:
    ``@main.command_of("train", "ghostlib train mine.yaml")``. tests/test_examples.py runs that line.
    """

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options)
        self.section_of: dict[str, str] = {}

    def command_of(self, section: str, example: str) -> Callable[[Callable], click.Command]:
        """As `command`, for one of SECTIONS and with an example that works in a checkout."""
        def register(function: Callable) -> click.Command:
            command = self.command(cls=_Command, epilog=example)(function)
            self.section_of[str(command.name)] = section
            return command
        return register

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        for section, title in SECTIONS.items():
            own = [name for name in self.list_commands(context) if self.section_of[name] == section]
            with formatter.section(title):
                formatter.write_dl([(name, _first_paragraph(self.commands[name])) for name in own])

    def invoke(self, context: click.Context):
        try:
            with _ended_by_sigterm():
                return super().invoke(context)
        except click.UsageError as error:
            command = error.ctx.command_path if error.ctx else "ghostlib"
            click.echo(f"ghostlib: {in_a_line(error.format_message(), None)} ('{command} --help' lists what there is)",
                       err=True)
            sys.exit(2)
        except (InputError, RunError, ModuleNotFoundError) as error:
            told = missing(error) if isinstance(error, ModuleNotFoundError) else str(error)
            if context.params["traceback"] or told is None:
                raise
            click.echo(f"ghostlib: {in_a_line(told, None)}", err=True)
            sys.exit(1 if isinstance(error, RunError) else 2)
        except OSError as error:  # a file or folder that nobody looked at before, such as one of somebody else's
            if context.params["traceback"] or not error.filename or error.errno == errno.EPIPE:  # a reader that left
                raise
            click.echo(f"ghostlib: {printable(error.filename)}: cannot be used ({error.strerror}); 'ghostlib --traceback' "
                       f"before the command shows for what", err=True)
            sys.exit(1)
        except KeyboardInterrupt:
            click.echo("ghostlib: interrupted", err=True)
            sys.exit(130)


def _first_paragraph(command: click.Command) -> str:
    """What a command does, whole: click's own short help ends at the first full stop, or after some characters."""
    return " ".join((command.help or "").partition("\n\n")[0].split())


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Has SIGTERM end a command as an interrupt does, with its one line and its lock given back.

    A queue sends it; and MindSpore sends it to its own process in place of an interrupt that comes while a graph runs. One
    process of several is left as it is: it may be waiting in MindSpore for another that is gone, and never hear of it.
    """
    if "MS_ROLE" in os.environ or threading.current_thread() is not threading.main_thread():
        yield
        return

    came = []

    def interrupt(*_):
        came.append(True)
        raise KeyboardInterrupt
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except Exception:
        if came:  # a module that was being imported makes something else of it
            raise KeyboardInterrupt from None
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


class _Text(click.ParamType):
    """Any text but an empty or blank one, such as a variable of the shell that is not set leaves."""

    name = "text"

    def convert(self, value, param, context):
        if not str(value).strip():
            raise InputError(f"{_field(param)}: {value!r} given, an empty text; allowed is a {self.name}")
        return value


class _Path(_Text):
    """A path, `~` and variables in it replaced."""

    name = "path"

    def convert(self, value, param, context):
        from ghostlib.paths import expand
        return Path(expand(super().convert(value, param, context), _field(param)))


def _field(param) -> str:
    """What a parameter is called where it is typed, as in `--weights` or RUN_DIRS."""
    return param.opts[0] if param.param_type_name == "option" else param.human_readable_name.strip("[]").rstrip(".")


TEXT, PATH = _Text(), _Path()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--traceback", is_flag=True, help="Show where an error came from.")
@click.version_option(__version__, message="%(prog)s %(version)s", help="Show the version and exit.")
def main(traceback: bool) -> None:
    """Networks of cheap operations: see, measure, doubt and train them."""
    for stream in (sys.stdout, sys.stderr):  # names that the terminal cannot encode are escaped and end nothing
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    from ghostlib.training.launch import QUIET
    for name, value in QUIET.items():  # MindSpore reads them when it is imported
        os.environ.setdefault(name, value)


def changes(pairs: tuple[tuple[str, str], ...]) -> dict:
    from ghostlib.config import parse
    return {name: parse(name, text) for name, text in pairs}


def with_params(command=None, required: bool = True):
    """A command's PARAMS.yaml, and `-p NAME VALUE` for fields in place of the file's; as a decorator, with brackets or
    without."""
    if command is None:
        return lambda one: with_params(one, required)
    metavar = "PARAMS.yaml" if required else "[PARAMS.yaml]"
    command = click.argument("params", metavar=metavar, type=PATH, required=required)(command)
    return click.option("-p", "pairs", nargs=2, multiple=True, metavar="NAME VALUE",
                        help="A field in place of the file's, such as device CPU; the value is read as YAML.")(command)
