"""audiospec: compute audio features, keep them in stores, and train and evaluate models on them.

    import audiospec

    view = audiospec.featurize("gtzan", data="genres", chunk=10)
    features = view.read([0, 5, 7])
    mel = audiospec.frontend(audiospec.MelSpec(n_mels=128))

Names are imported on first use, so that ``import audiospec`` loads nothing heavy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from audiospec.version import __version__ as __version__

if TYPE_CHECKING:
    from audiospec.audio.chunking import Chunking
    from audiospec.audio.reading import Reading
    from audiospec.corrections.corrections import Corrections
    from audiospec.corrections.decision import Decision
    from audiospec.datasets.base import Dataset
    from audiospec.doctor.audit.labels import audit
    from audiospec.doctor.audit.suspect import Audit, Suspect
    from audiospec.doctor.diagnosis import Diagnosis, diagnose
    from audiospec.doctor.finding import Finding
    from audiospec.engines.base import engine
    from audiospec.errors import AudiospecError
    from audiospec.explorer.run import explore
    from audiospec.features.base import Frontend, frontend
    from audiospec.manifest import Manifest, Track
    from audiospec.pipeline.clean import clean
    from audiospec.pipeline.featurize import featurize, run
    from audiospec.pipeline.progress import Progress
    from audiospec.pipeline.repair import repair
    from audiospec.pipeline.summary import PlannedView, Report
    from audiospec.specs.base import FeatureSpec
    from audiospec.specs.cqt import CqtSpec
    from audiospec.specs.embedding import EmbeddingSpec
    from audiospec.specs.gammatone import GammatoneSpec
    from audiospec.specs.mel import MelSpec
    from audiospec.specs.mfcc import MfccSpec
    from audiospec.specs.musicnn import MusicnnSpec
    from audiospec.specs.opensmile import OpensmileSpec
    from audiospec.specs.presets.base import spec
    from audiospec.specs.table import TableSpec
    from audiospec.specs.tabular import TabularSpec
    from audiospec.specs.vqt import VqtSpec
    from audiospec.specs.wave import WaveSpec
    from audiospec.stores.base import FeatureStore, open_store
    from audiospec.stores.layout.view import View
    from audiospec.tables.exporting import export_table
    from audiospec.tables.importing import import_table
    from audiospec.tables.reading import FeatureTable, read_table
    from audiospec.zoo.comparison.compare import Comparison, compare
    from audiospec.zoo.evaluation import evaluate
    from audiospec.zoo.export.export import Export, export_run
    from audiospec.zoo.hub.load import load_run
    from audiospec.zoo.hub.push import Pushed, push_run
    from audiospec.zoo.leakage.ladder import Ladder
    from audiospec.zoo.leakage.measure import leakage
    from audiospec.zoo.prediction import Prediction, predict
    from audiospec.zoo.progress import TrainingProgress
    from audiospec.zoo.runs.run import Run
    from audiospec.zoo.scores.measuring.tables import Evaluation
    from audiospec.zoo.splits.folds import Folds, make_folds
    from audiospec.zoo.splits.split import Split
    from audiospec.zoo.splits.split_file import read_split, write_split
    from audiospec.zoo.splits.strategies import split
    from audiospec.zoo.training import train

#: Public name → module of the package that defines it.
_HOMES = {
    "AudiospecError": "errors",
    "Chunking": "audio.chunking",
    "Audit": "doctor.audit.suspect",
    "Comparison": "zoo.comparison.compare",
    "Corrections": "corrections.corrections",
    "CqtSpec": "specs.cqt",
    "Dataset": "datasets.base",
    "Decision": "corrections.decision",
    "Diagnosis": "doctor.diagnosis",
    "EmbeddingSpec": "specs.embedding",
    "Evaluation": "zoo.scores.measuring.tables",
    "Export": "zoo.export.export",
    "FeatureSpec": "specs.base",
    "FeatureStore": "stores.base",
    "FeatureTable": "tables.reading",
    "Finding": "doctor.finding",
    "Folds": "zoo.splits.folds",
    "Frontend": "features.base",
    "GammatoneSpec": "specs.gammatone",
    "Ladder": "zoo.leakage.ladder",
    "Manifest": "manifest",
    "MelSpec": "specs.mel",
    "MfccSpec": "specs.mfcc",
    "MusicnnSpec": "specs.musicnn",
    "OpensmileSpec": "specs.opensmile",
    "PlannedView": "pipeline.summary",
    "Prediction": "zoo.prediction",
    "Progress": "pipeline.progress",
    "Pushed": "zoo.hub.push",
    "Reading": "audio.reading",
    "Report": "pipeline.summary",
    "Run": "zoo.runs.run",
    "Split": "zoo.splits.split",
    "Suspect": "doctor.audit.suspect",
    "TableSpec": "specs.table",
    "TabularSpec": "specs.tabular",
    "Track": "manifest",
    "TrainingProgress": "zoo.progress",
    "View": "stores.layout.view",
    "VqtSpec": "specs.vqt",
    "WaveSpec": "specs.wave",
    "audit": "doctor.audit.labels",
    "clean": "pipeline.clean",
    "compare": "zoo.comparison.compare",
    "diagnose": "doctor.diagnosis",
    "engine": "engines.base",
    "evaluate": "zoo.evaluation",
    "explore": "explorer.run",
    "export_run": "zoo.export.export",
    "export_table": "tables.exporting",
    "featurize": "pipeline.featurize",
    "frontend": "features.base",
    "import_table": "tables.importing",
    "leakage": "zoo.leakage.measure",
    "load_run": "zoo.hub.load",
    "make_folds": "zoo.splits.folds",
    "open_store": "stores.base",
    "predict": "zoo.prediction",
    "push_run": "zoo.hub.push",
    "read_split": "zoo.splits.split_file",
    "read_table": "tables.reading",
    "repair": "pipeline.repair",
    "run": "pipeline.featurize",
    "spec": "specs.presets.base",
    "split": "zoo.splits.strategies",
    "train": "zoo.training",
    "write_split": "zoo.splits.split_file",
}

__all__ = [
    "AudiospecError",
    "Audit",
    "Chunking",
    "Comparison",
    "Corrections",
    "CqtSpec",
    "Dataset",
    "Decision",
    "Diagnosis",
    "EmbeddingSpec",
    "Evaluation",
    "Export",
    "FeatureSpec",
    "FeatureStore",
    "FeatureTable",
    "Finding",
    "Folds",
    "Frontend",
    "GammatoneSpec",
    "Ladder",
    "Manifest",
    "MelSpec",
    "MfccSpec",
    "MusicnnSpec",
    "OpensmileSpec",
    "PlannedView",
    "Prediction",
    "Progress",
    "Pushed",
    "Reading",
    "Report",
    "Run",
    "Split",
    "Suspect",
    "TableSpec",
    "TabularSpec",
    "Track",
    "TrainingProgress",
    "View",
    "VqtSpec",
    "WaveSpec",
    "audit",
    "clean",
    "compare",
    "diagnose",
    "engine",
    "evaluate",
    "explore",
    "export_run",
    "export_table",
    "featurize",
    "frontend",
    "import_table",
    "leakage",
    "load_run",
    "make_folds",
    "open_store",
    "predict",
    "push_run",
    "read_split",
    "read_table",
    "repair",
    "run",
    "spec",
    "split",
    "train",
    "write_split",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'audiospec' has no attribute {name!r}")
    return getattr(importlib.import_module(f"audiospec.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
