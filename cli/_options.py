"""Messages of the library, in the words of the command line: options in place of parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

#: Parameters of the library whose option has another name.
OTHER_NAMES = {"settings": "set", "strategy": "split", "view_name": "view"}
#: A parameter in a message, with or without a value: `store`, `workers=0`, `dtype="float16"`.
_PARAMETER = re.compile(r"`([a-z][a-z_0-9]*)(?:=([^`]*))?`", re.IGNORECASE)


def options_of(command: Any) -> dict[str, str]:
    """Parameter → option of a command, such as ``{"min_fill": "--min-fill"}``; arguments have none."""
    found = {}
    for parameter in command.params:
        long = [option for option in parameter.opts if option.startswith("--")]
        if long:
            found[str(parameter.name)] = long[0]
            found[long[0].removeprefix("--").replace("-", "_")] = long[0]
    return found


def with_options(message: str, options: Mapping[str, str]) -> str:
    """A message with a command's options in place of the library's parameters.

    A parameter with a value that is no option is one of the spec's or the model's: ``--set`` takes it, if the
    command has that. Any other name stays as it is, without the backticks.
    """

    def option(match: re.Match[str]) -> str:
        name, value = match[1], match[2]
        flag = options.get(OTHER_NAMES.get(name, name))
        if flag is None and value is not None and "set" in options:
            return f"{options['set']} {name}={_plain(value)}"
        if flag is None:
            return match[0].strip("`")
        return flag if value in (None, "True") else f"{flag} {_plain(str(value))}"

    return _PARAMETER.sub(option, message)


def _plain(value: str) -> str:
    """A Python value as it is typed in a shell."""
    return "none" if value == "None" else value.strip("\"'")
