"""The data folder of this machine: downloads, audio that was made, and ONNX models that were given."""

from __future__ import annotations

import os
from pathlib import Path

from audiospec.storage.location import local, location


def data_folder() -> Path:
    """Return the data folder of the machine: ``AUDIOSPEC_DATA``, or the user's cache folder."""
    if chosen := os.environ.get("AUDIOSPEC_DATA"):
        return Path(os.path.expanduser(local(location(chosen), "AUDIOSPEC_DATA"))).absolute()
    import pooch

    return Path(pooch.os_cache("audiospec"))
