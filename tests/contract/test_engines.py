"""Every registered engine passes the tests of the contract."""

from __future__ import annotations

from audiospec.engines import engines
from audiospec.testing.engines import EngineContract


class TestSerial(EngineContract):
    name = "serial"
    has_workers = False


class TestLocal(EngineContract):
    name = "local"


def test_every_engine_has_a_contract() -> None:
    here = {contract.name for contract in EngineContract.__subclasses__() if contract.__module__ == __name__}
    assert here == set(engines.names())
