"""Fields: frozen dataclasses that convert values, also from text, and name the field in their errors."""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from audiospec.errors import AudiospecError, SpecError, nearest


class Fields:
    """Base of frozen dataclasses such as specs: values are converted to the types of their fields.

    ``fmin=0``, ``fmin=0.0`` and ``fmin="0"`` are equal, so the command line needs no parser.

    Raises
    ------
    AudiospecError
        A value of the wrong type; the class is `error`.
    """

    #: Class of the errors.
    error: ClassVar[type[AudiospecError]] = SpecError
    #: Owner of the fields in messages, such as ``"feature 'mel'"``.
    whose: ClassVar[str] = ""

    def __post_init__(self) -> None:
        hints = _hints(typing.cast(Any, type(self)))
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            try:
                value = _coerce(field.name, hints[field.name], getattr(self, field.name))
            except SpecError as error:
                raise self.error(str(error)) from None
            object.__setattr__(self, field.name, value)

    @classmethod
    def replace_in(cls, values: Mapping[str, Any], whose: str = "") -> Self:
        """Make an instance with the given fields, and the others at their defaults.

        Parameters
        ----------
        values : mapping of str to object
            Field → value.
        whose : str
            Owner of the fields in messages; ``""``: `whose` of the class.

        Raises
        ------
        AudiospecError
            An unknown field (the message names the nearest one) or an impossible value; the class is
            `error`.
        """
        names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
        for name in values:
            if name not in names:
                known = f"it has: {', '.join(names)}" if names else "it has none"
                raise cls.error(
                    f"{whose or cls.whose} has no parameter {name!r}{nearest(name, names)} ({known})"
                )
        return cls(**values)


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    """Return the types of a class's fields, which take longer to resolve than values to convert."""
    return typing.get_type_hints(kind)


def _coerce(name: str, hint: Any, value: Any) -> Any:
    """Convert `value` to the type `hint`, or raise SpecError.

    Text is read as the value that it spells, so that the command line needs no parser.
    """
    text = value if isinstance(value, str) else None
    for choice in typing.get_args(hint) if _is_union(hint) else (hint,):
        if choice is type(None):
            if value is None or text == "none":
                return None
        elif typing.get_origin(choice) is Literal:
            for literal in typing.get_args(choice):
                same = isinstance(value, type(literal)) and value == literal
                if same or (literal is None and text == "none"):
                    return literal
        elif choice is bool:
            if isinstance(value, bool) or text in ("true", "false"):
                return value is True or text == "true"
        elif choice == tuple[str, ...]:
            names = text.split(",") if text is not None else value
            if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names):
                return tuple(name.strip() for name in names)
        elif choice == tuple[float, float]:
            parts = text.split(",") if text is not None else value
            pair = [_number(part) for part in parts] if isinstance(parts, list | tuple) else []
            if len(pair) == 2 and None not in pair:
                return tuple(pair)
        elif choice == dict[str, Any]:
            if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
                return dict(value)
        elif choice is int or choice is float:
            number = _number(value)
            if number is not None and (choice is float or number.is_integer()):
                return choice(number) + 0  # -0.0 is 0.0
        elif isinstance(value, choice):
            return value
    raise SpecError(f"parameter {name} must be {_expected(hint)}; got {shown(value)}")


def _number(value: Any) -> float | None:
    """Return `value` as a finite float, or None if that is impossible."""
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def shown(value: object) -> str:
    """Return a value for a message: one line of at most 200 characters, whatever it is."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits; lists in lists in lists
        return f"a {type(value).__name__}"
    return text if len(text) <= 200 else f"{text[:199]}…"


_IN_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a finite number",
    bool: "true or false",
    tuple[str, ...]: "a list of names",
    tuple[float, float]: "two numbers",
    dict[str, Any]: "a mapping",
}


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _expected(hint: Any) -> str:
    """Return a type hint in words, such as ``"a whole number or none"``."""
    words = []
    for choice in typing.get_args(hint) if _is_union(hint) else (hint,):
        if choice is type(None):
            words.append("none")
        elif typing.get_origin(choice) is Literal:
            words += [repr(literal) if literal is not None else "none" for literal in typing.get_args(choice)]
        else:
            words.append(_IN_WORDS.get(choice, getattr(choice, "__name__", str(choice))))
    return " or ".join(words)
