"""Errors: a reason and a hint on one line, unchanged by pickling and copying."""

from __future__ import annotations

import copy
import pickle

import pytest

from audiospec import errors
from audiospec.errors import AudiospecError

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, AudiospecError) and kind is not AudiospecError
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("hint", ["", "choose another `store`"])
def test_reason_and_hint(kind: type[AudiospecError], hint: str) -> None:
    error = kind("no store at x", hint)
    assert (error.reason, error.hint) == ("no store at x", hint)
    assert str(error) == ("no store at x: choose another `store`" if hint else "no store at x")
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is kind
        assert (str(again), again.reason, again.hint) == (str(error), error.reason, error.hint)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_is_also_a_built_in_error(kind: type[AudiospecError]) -> None:
    built_in = [base for base in kind.__mro__ if base.__module__ == "builtins"]
    assert built_in[0] not in (Exception, BaseException, object)
