"""The command line of audiospec: one file a command; parse, call one function, render.

Nothing heavy is imported here, nor at the top of a command's file: help answers at once.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from typing import Annotated, NoReturn

import typer

from audiospec import __version__
from audiospec.cli import (
    datasets,
    features,
    featurize,
    show,
    store_export,
    store_info,
    store_verify,
    stores,
)
from audiospec.cli._text import emit, encode_plainly
from audiospec.datasets.base import shown
from audiospec.errors import AudiospecError

_SETTINGS = {"help_option_names": ["-h", "--help"]}


def _version(asked: bool) -> None:
    if asked:
        print(f"audiospec {__version__}")
        raise typer.Exit


def _root(
    context: typer.Context,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error (or set AUDIOSPEC_DEBUG=1).")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Audio in, features out: from a folder of audio to a feature store."""
    if debug:
        os.environ["AUDIOSPEC_DEBUG"] = "1"
    _help_if_bare(context)


def _store(context: typer.Context) -> None:
    """Look into a feature store, check it, copy it."""
    _help_if_bare(context)


def _help_if_bare(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


app = typer.Typer(
    add_completion=False,
    callback=_root,
    context_settings=_SETTINGS,
    epilog="Start with: audiospec featurize demo",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
store = typer.Typer(rich_markup_mode=None, callback=_store, context_settings=_SETTINGS, invoke_without_command=True)

for _group, _name, _module in (
    (app, "featurize", featurize),
    (app, "datasets", datasets),
    (app, "features", features),
    (app, "stores", stores),
    (app, "show", show),
    (store, "info", store_info),
    (store, "verify", store_verify),
    (store, "export", store_export),
):
    _group.command(_name, epilog=_module.EPILOG, context_settings=_SETTINGS)(_module.command)
app.add_typer(store, name="store")


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
    encode_plainly(sys.stdout, sys.stderr)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        status = _run()
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except BrokenPipeError:
        status = 141
    except OSError as error:  # the output itself cannot be written
        status = _explain(error)
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
    status, message = _meaning(error)
    # A usage error comes before options are parsed, so the arguments themselves are asked.
    if "--json" in sys.argv:
        emit("error", type=type(error).__name__, message=message)
    elif isinstance(error, KeyboardInterrupt):
        print(f"\n{message}" if sys.stderr.isatty() else message, file=sys.stderr)
    else:
        print(f"error: {shown(message)}", file=sys.stderr)
    if os.environ.get("AUDIOSPEC_DEBUG", "0") not in ("", "0"):
        traceback.print_exception(error)
    return status


def _meaning(error: BaseException) -> tuple[int, str]:
    """Exit status and message for an error."""
    if isinstance(error, KeyboardInterrupt):
        status = 143 if isinstance(error, Terminated) else 130
        return status, "stopped; run the same command again to go on"
    if isinstance(error, AudiospecError):
        line, _, rest = str(error).partition("\n")
        return 2, line + (" (run again with --debug to see more)" if rest else "")
    if isinstance(error, OSError):
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        return 2, f"{what} ({type(error).__name__})"
    if hasattr(error, "format_message"):  # Typer's and Click's usage errors, whichever is installed
        path = error.ctx.command_path if getattr(error, "ctx", None) else "audiospec"
        return 2, f"{' '.join(error.format_message().split())} (see `{path} --help`)"
    text = " ".join(str(error).split())
    return 1, (
        f"unexpected {type(error).__name__}: {text} (run again with --debug for the traceback)"
        if os.environ.get("AUDIOSPEC_DEBUG", "0") in ("", "0")
        else f"unexpected {type(error).__name__}: {text}"
    )
