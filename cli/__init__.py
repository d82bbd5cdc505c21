"""The command line of audiospec, one file per command: parse options, call the library, print the result.

Nothing heavy is imported here or at the top of a command's file, so that ``--help`` is fast.
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
    audit,
    benchmark,
    checks,
    compare,
    datasets,
    doctor,
    engines,
    evaluate,
    explore,
    export,
    features,
    featurize,
    leakage,
    losses,
    models,
    predict,
    push,
    report,
    reproduce,
    scores,
    show,
    specs,
    split,
    store_clean,
    store_export,
    store_info,
    store_verify,
    stores,
    table_export,
    table_import,
    train,
)
from audiospec.cli._help import Command, Help, print_help_if_needed, summary
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
        bool, typer.Option("--debug", help="Show the traceback of an error; the same as AUDIOSPEC_DEBUG=1.")
    ] = False,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
    help: Help = False,
) -> None:
    """Compute audio features, keep them in a store, and train, evaluate and use classifiers on them."""
    if version:
        print(f"audiospec {__version__}")
        raise typer.Exit
    if debug:
        os.environ["AUDIOSPEC_DEBUG"] = "1"  # inherited by worker processes
    print_help_if_needed(context, help)


@store.callback()
def _store(context: typer.Context, help: Help = False) -> None:
    """Inspect, verify and copy feature stores."""
    print_help_if_needed(context, help)


@table.callback()
def _table(context: typer.Context, help: Help = False) -> None:
    """Import and export tables of features (CSV, Parquet)."""
    print_help_if_needed(context, help)


for _group, _name, _module in (
    (app, "featurize", featurize),
    (app, "datasets", datasets),
    (app, "features", features),
    (app, "specs", specs),
    (app, "stores", stores),
    (app, "engines", engines),
    (app, "show", show),
    (app, "doctor", doctor),
    (app, "audit", audit),
    (app, "explore", explore),
    (app, "models", models),
    (app, "losses", losses),
    (app, "scores", scores),
    (app, "checks", checks),
    (app, "split", split),
    (app, "train", train),
    (app, "leakage", leakage),
    (app, "evaluate", evaluate),
    (app, "compare", compare),
    (app, "predict", predict),
    (app, "export", export),
    (app, "push", push),
    (app, "report", report),
    (app, "reproduce", reproduce),
    (app, "benchmark", benchmark),
    (store, "info", store_info),
    (store, "verify", store_verify),
    (store, "export", store_export),
    (store, "clean", store_clean),
    (table, "import", table_import),
    (table, "export", table_export),
):
    _group.command(
        _name,
        cls=Command,
        epilog=_module.EPILOG,
        short_help=summary(_module.command),
        context_settings={"help_option_names": ["--help", "-h"]},
    )(_module.command)
app.add_typer(store, name="store")
app.add_typer(table, name="table")


class Terminated(KeyboardInterrupt):
    """SIGTERM was received; it stops a command as Ctrl-C does."""


def main() -> int:
    """Run the command in `sys.argv`.

    Returns
    -------
    int
        Exit status. 0: success. 1: the command found a problem, such as damage in a store, or an unexpected
        error occurred. 2: an error that the user can fix. 130: stopped by Ctrl-C. 141: the reader of the
        output closed the pipe. 143: stopped by SIGTERM.
    """
    # Python sets a stream to None if it is closed at the start.
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
        print(f"error: cannot write the output: {error.strerror}", file=sys.stderr)
        status = 2
    # Python flushes standard output again at exit, which would fail.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return status


def _run() -> int:
    """Run the command; print any error except a broken pipe, and return the exit status."""
    try:
        command = typer.main.get_command(app)
        # Not `app()`: versions of Typer differ in how they handle errors and Ctrl-C.
        with command.make_context("audiospec", sys.argv[1:]) as context:
            command.invoke(context)
        return 0
    except typer.Exit as exit_:
        return exit_.exit_code
    except BrokenPipeError:
        raise
    except BaseException as error:
        return _explain(error)


def _terminate(*_: object) -> NoReturn:
    raise Terminated


def _explain(error: BaseException) -> int:
    """Print an error as one line, or as one ``--json`` event; return the exit status."""
    debug = os.environ.get("AUDIOSPEC_DEBUG", "0") not in ("", "0")
    status, message = _status_and_message(error, debug)
    if isinstance(error, AudiospecError):
        message = with_options(message, options_of(_requested_command()))
    # A usage error occurs before options are parsed, so look for --json in the arguments. That of `benchmark`
    # takes a file.
    if "--json" in sys.argv and _command_name() != "benchmark":
        emit("error", type=type(error).__name__, message=message)
    elif isinstance(error, KeyboardInterrupt):
        print(message, file=sys.stderr)
    else:
        print(f"error: {printable(message)}", file=sys.stderr)
    if debug:
        traceback.print_exception(error)
    return status


def _command_name() -> str:
    """Return the name of the requested command, or ``""``."""
    return next((word for word in sys.argv[1:] if not word.startswith("-")), "")


def _requested_command() -> Any:
    """Return the requested command, or the whole program if there is none."""
    command = typer.main.get_command(app)
    for word in sys.argv[1:]:
        subcommands = getattr(command, "commands", {})
        if word in subcommands:
            command = subcommands[word]
    return command


def _status_and_message(error: BaseException, debug: bool) -> tuple[int, str]:
    """Return exit status and message for an error; without `debug`, the message mentions ``--debug``."""
    if isinstance(error, KeyboardInterrupt):
        status = 143 if isinstance(error, Terminated) else 130
        option = " with --resume" if _command_name() == "train" else ""
        return status, f"stopped; run the same command again{option} to continue"
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
