"""Replace the parameters in messages of the library by the options of the command line."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

#: Library parameter → option, where the names differ.
OTHER_NAMES = {"settings": "set", "strategy": "split", "view_name": "view"}
#: Parameters with several values of which the option is a switch.
SWITCHES = ("background",)
#: A parameter in a message, with or without a value: `store`, `workers=0`, `mel.dtype="uint8"`.
_PARAMETER = re.compile(r"`([a-z][a-z_0-9]*(?:\.[a-z_0-9]+(?==))?)(?:=([^`]*))?`", re.IGNORECASE)


def options_of(command: Any) -> dict[str, str]:
    """Return parameter → option of a command, such as ``{"min_fill": "--min-fill"}``, without arguments."""
    options = {}
    for parameter in command.params:
        long = [option for option in parameter.opts if option.startswith("--")]
        if long:
            options[str(parameter.name)] = long[0]
            options[long[0].removeprefix("--").replace("-", "_")] = long[0]
    return options


def with_options(message: str, options: Mapping[str, str]) -> str:
    """Replace parameters in backticks by a command's options.

    A parameter with a value and without an option belongs to a spec or a model: it becomes a ``--set`` if the
    command has that option. Any other name only loses its backticks.
    """

    def option(match: re.Match[str]) -> str:
        name, value = match[1], match[2]
        flag = options.get(OTHER_NAMES.get(name, name))
        if flag is None and value is not None and "set" in options:
            return f"{options['set']} {name}={_plain(value)}"
        if flag is None:
            return match[0].strip("`")
        return flag if value in (None, "True") or name in SWITCHES else f"{flag} {_plain(str(value))}"

    return _PARAMETER.sub(option, message)


def _plain(value: str) -> str:
    """Return a Python value as it is typed in a shell."""
    plain = "none" if value == "None" else value.strip("\"'")
    return shlex.quote(plain) if {*plain} & {*" ;|"} else plain
