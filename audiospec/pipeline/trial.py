"""Try a feature that foreign code computes, in a process that may die, before a run relies on it.

A model that never ends, or asks for all memory, would otherwise cost each track two workers, and be mistaken
for tracks that cannot be decoded.
"""

from __future__ import annotations

import json
from typing import Any

from audiospec.errors import ModelError
from audiospec.pipeline.isolated import run_isolated
from audiospec.specs.base import FeatureSpec

#: Most seconds of audio that are tried.
SECONDS = 10


def try_out(spec: FeatureSpec, samples: int) -> dict[str, Any]:
    """Try a spec's feature, if the spec asks for it.

    Parameters
    ----------
    spec : FeatureSpec
    samples : int
        Length of a chunk.

    Returns
    -------
    dict
        What the spec's trial returns, as JSON; empty without one.

    Raises
    ------
    AudiospecError
        Whatever the trial raises. `ModelError` if its process died.
    """
    trial = spec.trial
    if trial is None:
        return {}
    function, file = trial
    # Through JSON, as tuples become lists in the other process.
    values = json.loads(json.dumps(spec.to_dict()))
    request = {"spec": values, "samples": min(samples, SECONDS * spec.sample_rate)}
    answer, death = run_isolated(file, function, request, None, what="computing it on noise")
    if answer is None:
        raise ModelError(f"feature {spec.feature!r} cannot be computed: {death}", "give another model")
    return answer
