"""Every registered check keeps the contract."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

from audiospec.doctor.checks.base import checks
from audiospec.testing.checks import CheckContract

#: Check → settings that make it faster.
SETTINGS: dict[str, dict[str, Any]] = {"confounds": {"permutations": 9, "alarm": 0.1, "folds": 3}}

for _name in checks.names():
    _class = f"Test{_name.title().replace('-', '')}"
    globals()[_class] = type(
        _class,
        (CheckContract,),
        {"name": _name, "settings": SETTINGS.get(_name, {}), "__module__": __name__},
    )


def test_every_check_has_a_contract() -> None:
    tested = {one.name for one in CheckContract.__subclasses__() if one.__module__ == __name__}
    assert tested == set(checks.names())
    assert {"confounds", "groups", "classes", "damaged-rows", "stale-audio", "feature-rows"} <= tested


def test_the_registry_lists_without_heavy_libraries(
    python: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    python(
        "import sys\nfrom audiospec.doctor.checks.base import checks\n"
        "[(checks[name], checks.summary(name)) for name in checks]\n"
        "assert not {'torch', 'lightning', 'sklearn', 'pandas', 'cleanlab'} & sys.modules.keys()"
    )
