"""The `flowcodec` command: finds the sub-command, and turns every error into one line.

A sub-command lives in `flowcodec/cli/NAME.py` as `@click.command() def command(...)` and is
imported only when it runs, so that `flowcodec --help` costs no more than click.
"""

import os
import re
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

import click

from flowcodec import __version__
from flowcodec.cli.process import own_process
from flowcodec.errors import FlowcodecError
from flowcodec.media.names import printable

COMMANDS = {
    "encode": "Compress pictures and videos to .fci and .fcv files.",
    "decode": "Turn .fci and .fcv files back.",
    "flow": "Estimate motion between pictures or over a video.",
    "info": "Show what is in .fci and .fcv files.",
    "models": "List the bundled weights.",
    "train": "Train or adapt a model as a recipe says.",
    "eval": "Measure compression or flow over a folder.",
    "bench": "Compare with other codecs.",
    "figures": "Draw what a picture costs and how it looks.",
    "demo": "Compress three photographs and show them beside other codecs.",
}

USER_ERROR = 2
INTERRUPTED = 130
BROKEN_PIPE = 141


@dataclass
class Settings:
    """What the options before the sub-command say."""

    debug: bool = False


class LazyGroup(click.Group):
    """A group whose commands are named in COMMANDS and imported when one of them runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order in which a newcomer needs them."""
        return [name for name in COMMANDS if find_spec(f"flowcodec.cli.{name}")]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command, or None if there is none of that name."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = import_module(f"flowcodec.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One line for each command, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in self.list_commands(ctx)])


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("--debug", is_flag=True, help="Print the traceback of an error.")
@click.version_option(__version__, prog_name="flowcodec", message="%(prog)s %(version)s")
@click.pass_context
def group(ctx: click.Context, debug: bool) -> None:
    """Learned compression of pictures and videos, to small files and back; and optical flow."""
    ctx.ensure_object(Settings).debug = debug
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (default: this process's) and return its exit status.

    0: done; 2: an error of the family FlowcodecError, of the command line or of the operating
    system, told in one line on stderr; 130: interrupted; 141: nobody reads the output any more. As
    the command of this process it also ends after SIGHUP and SIGTERM, with 129 and 143.
    """
    if arguments is None:
        own_process()
    settings = Settings()
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with group.make_context("flowcodec", words, obj=settings) as ctx:
            group.invoke(ctx)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except BrokenPipeError:
        _leave_stdout()
        return BROKEN_PIPE
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except (FlowcodecError, OSError, MemoryError, click.ClickException) as error:
        if settings.debug:
            traceback.print_exc()
        complain(error)
        _leave_stdout()
        return USER_ERROR
    return 0


def complain(error: Exception) -> None:
    """Tell of an error, if there is anywhere to tell it."""
    context = click.get_current_context(silent=True)
    with suppress(OSError):
        if context and context.ensure_object(Settings).debug:
            traceback.print_exception(error)
        print(f"flowcodec: error: {one_line(error)}", file=sys.stderr)


def _leave_stdout() -> None:
    """What it does not take must not raise again when Python closes it."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def one_line(error: Exception) -> str:
    """What an error says, in one line for people."""
    if isinstance(error, click.UsageError) and error.ctx:
        text = error.format_message()
        stop = "" if text.rstrip(")").endswith((".", "?", "!")) else "."
        text = f"{text}{stop} See '{error.ctx.command_path} --help'."
    elif isinstance(error, click.ClickException):
        text = error.format_message()
    elif isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    elif isinstance(error, MemoryError):
        text = "not enough memory"
    else:
        text = str(error)
    return printable(re.sub(r"\s*\n\s+", " ", text.strip()))
