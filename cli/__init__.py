"""The command line of audiospec: one file a command; parse, call one function, render.

Nothing heavy is imported here, nor at the top of a command's file: help answers at once.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import traceback
from typing import Annotated, Any, NoReturn

import typer

from audiospec.cli import (
    benchmark,
    datasets,
    engines,
    evaluate,
    features,
    featurize,
    losses,
    models,
    predict,
    report,
    reproduce,
    scores,
    show,
    store_export,
    store_info,
    store_verify,
    stores,
    table_export,
    table_import,
    train,
)
from audiospec.cli._help import Command, Help, help_if_asked
from audiospec.cli._options import options_of, with_options
from audiospec.cli._text import emit, encode_plainly
from audiospec.errors import AudiospecError
from audiospec.text import printable
from audiospec.version import __version__

app = typer.Typer(
    add_completion=False,
    add_help_option=False,
    epilog="Start with: audiospec featurize demo",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
store = typer.Typer(add_help_option=False, invoke_without_command=True, rich_markup_mode=None)
table = typer.Typer(add_help_option=False, invoke_without_command=True, rich_markup_mode=None)


@app.callback()
def _audiospec(
    context: typer.Context,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error, as AUDIOSPEC_DEBUG=1 does.")
    ] = False,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
    help: Help = False,
) -> None:
    """Audio in, features out, and the models on them: from a folder of audio to a classifier."""
    if version:
        print(f"audiospec {__version__}")
        raise typer.Exit
    if debug:
        os.environ["AUDIOSPEC_DEBUG"] = "1"  # workers take it over
    help_if_asked(context, help)


@store.callback()
def _store(context: typer.Context, help: Help = False) -> None:
    """Look into a feature store, check it, copy it."""
    help_if_asked(context, help)


@table.callback()
def _table(context: typer.Context, help: Help = False) -> None:
    """Bring published tables of features into a store, and write such tables."""
    help_if_asked(context, help)


for _group, _name, _module in (
    (app, "featurize", featurize),
    (app, "datasets", datasets),
    (app, "features", features),
    (app, "stores", stores),
    (app, "engines", engines),
    (app, "show", show),
    (app, "models", models),
    (app, "losses", losses),
    (app, "scores", scores),
    (app, "train", train),
    (app, "evaluate", evaluate),
    (app, "predict", predict),
    (app, "report", report),
    (app, "reproduce", reproduce),
    (app, "benchmark", benchmark),
    (store, "info", store_info),
    (store, "verify", store_verify),
    (store, "export", store_export),
    (table, "import", table_import),
    (table, "export", table_export),
):
    _settings = {"help_option_names": ["--help", "-h"]}
    _group.command(_name, cls=Command, epilog=_module.EPILOG, context_settings=_settings)(_module.command)
app.add_typer(store, name="store")
app.add_typer(table, name="table")


class Terminated(KeyboardInterrupt):
    """SIGTERM has come; it ends a command as Ctrl-C does."""


def main() -> int:
    """Run the command that `sys.argv` asks for.

    Returns
    -------
    int
        Exit status. 0: done. 1: damage was found, or something unexpected happened. 2: an error that the
        user can mend. 130 and 143: stopped by Ctrl-C and by SIGTERM. 141: nobody reads the output.
    """
    # A stream that was closed before the start is None.
    sys.stdout, sys.stderr = sys.stdout or io.StringIO(), sys.stderr or io.StringIO()
    encode_plainly(sys.stdout, sys.stderr)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        status = _run()
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        status = 141
    except OSError as error:
        print(f"error: the output cannot be written: {error.strerror}", file=sys.stderr)
        status = 2
    # Python flushes once more when it ends, and would complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return status


def _run() -> int:
    """Run the command; every error but a broken pipe becomes a line and a status."""
    try:
        command = typer.main.get_command(app)
        # Not `app()`: Typer versions differ in what they make of errors and of Ctrl-C.
        with command.make_context("audiospec", sys.argv[1:]) as context:
            command.invoke(context)
        return 0
    except typer.Exit as done:
        return done.exit_code
    except BrokenPipeError:
        raise
    except BaseException as error:
        return _explain(error)


def _terminate(*_: object) -> NoReturn:
    raise Terminated


def _explain(error: BaseException) -> int:
    """Print an error as one line, or as one event of ``--json``; return the exit status."""
    debug = os.environ.get("AUDIOSPEC_DEBUG", "0") not in ("", "0")
    status, message = _meaning(error, debug)
    if isinstance(error, AudiospecError):
        message = with_options(message, options_of(_asked_for()))
    # A usage error comes before options are parsed, so the arguments themselves are asked.
    if "--json" in sys.argv and _command() != "benchmark":  # which takes a file
        emit("error", type=type(error).__name__, message=message)
    elif isinstance(error, KeyboardInterrupt):
        print(message, file=sys.stderr)
    else:
        print(f"error: {printable(message)}", file=sys.stderr)
    if debug:
        traceback.print_exception(error)
    return status


def _command() -> str:
    """Name of the command that was asked for; empty if there is none."""
    return next((word for word in sys.argv[1:] if not word.startswith("-")), "")


def _asked_for() -> Any:
    """The command that was asked for; the whole program if there is none."""
    command = typer.main.get_command(app)
    for word in sys.argv[1:]:
        subcommands = getattr(command, "commands", {})
        if word in subcommands:
            command = subcommands[word]
    return command


def _meaning(error: BaseException, debug: bool) -> tuple[int, str]:
    """Exit status and message for an error; without `debug`, the message tells how to learn more."""
    if isinstance(error, KeyboardInterrupt):
        status = 143 if isinstance(error, Terminated) else 130
        how = " with --resume" if _command() == "train" else ""
        return status, f"stopped; run the same command again{how} to go on"
    if isinstance(error, AudiospecError):
        line, _, rest = str(error).partition("\n")
        return 2, line + (" (run again with --debug to see more)" if rest and not debug else "")
    if isinstance(error, OSError):
        return 2, f"{error.filename}: {error.strerror}" if error.filename else str(error)
    if isinstance(error, typer.TyperException):
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "audiospec"
        return 2, f"{' '.join(error.format_message().split())} (see `{path} --help`)"
    hint = "" if debug else " (run again with --debug for the traceback)"
    return 1, f"unexpected {type(error).__name__}: {' '.join(str(error).split())}{hint}"
