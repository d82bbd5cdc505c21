"""audiospec: audio features and the models on them, from a folder of audio to a feature store and on.

    import audiospec

    view = audiospec.featurize("gtzan", data="genres", chunk=10)
    features = view.read([0, 5, 7])
    mel = audiospec.frontend(audiospec.MelSpec(n_mels=128))

Names are imported when they are first used; importing audiospec alone loads nothing heavy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audiospec.chunking import Chunking
    from audiospec.datasets.base import Dataset
    from audiospec.errors import AudiospecError
    from audiospec.features.base import Frontend, frontend
    from audiospec.manifest import Manifest, Track
    from audiospec.pipeline import Progress, Report, featurize
    from audiospec.spec import FeatureSpec, MelSpec, TabularSpec
    from audiospec.stores.base import FeatureStore, View, open_store
    from audiospec.zoo.evaluation import evaluate
    from audiospec.zoo.prediction import predict
    from audiospec.zoo.runs import Run
    from audiospec.zoo.training import train

__version__ = "0.1.0"

_HOMES = {
    "AudiospecError": "errors",
    "Chunking": "chunking",
    "Dataset": "datasets.base",
    "FeatureSpec": "spec",
    "FeatureStore": "stores.base",
    "Frontend": "features.base",
    "Manifest": "manifest",
    "MelSpec": "spec",
    "Progress": "pipeline",
    "Report": "pipeline",
    "Run": "zoo.runs",
    "TabularSpec": "spec",
    "Track": "manifest",
    "View": "stores.base",
    "evaluate": "zoo.evaluation",
    "featurize": "pipeline",
    "frontend": "features.base",
    "open_store": "stores.base",
    "predict": "zoo.prediction",
    "train": "zoo.training",
}

__all__ = [
    "AudiospecError",
    "Chunking",
    "Dataset",
    "FeatureSpec",
    "FeatureStore",
    "Frontend",
    "Manifest",
    "MelSpec",
    "Progress",
    "Report",
    "Run",
    "TabularSpec",
    "Track",
    "View",
    "evaluate",
    "featurize",
    "frontend",
    "open_store",
    "predict",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'audiospec' has no attribute {name!r}")
    return getattr(importlib.import_module(f"audiospec.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
