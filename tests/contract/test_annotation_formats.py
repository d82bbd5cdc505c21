"""Every registered format of annotations keeps the contract."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from audiospec.annotations.formats.base import annotation_formats
from audiospec.testing.annotation_formats import AnnotationFormatContract


class TestAudacity(AnnotationFormatContract):
    name = "audacity"


class TestRaven(AnnotationFormatContract):
    name = "raven"


class TestJams(AnnotationFormatContract):
    name = "jams"


class TestCsv(AnnotationFormatContract):
    name = "csv"


class TestParquet(AnnotationFormatContract):
    name = "parquet"

    @pytest.fixture(autouse=True)
    def _pyarrow(self) -> None:
        pytest.importorskip("pyarrow")


def test_every_format_has_a_contract() -> None:
    tested = {
        contract.name
        for contract in AnnotationFormatContract.__subclasses__()
        if contract.__module__ == __name__
    }
    assert tested == set(annotation_formats.names())


def test_the_registry_lists_without_heavy_libraries(
    python: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    output = python(
        "import sys\nfrom audiospec.annotations.formats.base import annotation_formats\n"
        "print(*annotation_formats)\n"
        "annotation_formats['raven']().read(b'', 'x')\n"
        "assert not {'torch', 'pyarrow', 'numpy'} & sys.modules.keys()"
    ).stdout
    assert output == "audacity csv jams parquet raven\n"
