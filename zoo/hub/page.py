"""The page of a published run: the README.md of its repository, with metadata for the hub."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from audiospec.datasets.base import datasets
from audiospec.errors import HubError
from audiospec.text import printable
from audiospec.zoo.runs.card import model_card
from audiospec.zoo.runs.info import RunInfo
from audiospec.zoo.runs.licences import licences_inside
from audiospec.zoo.runs.predictions import PREDICTIONS, TRACKS
from audiospec.zoo.scores.measuring.stored import stored_scores

PAGE = "README.md"
#: The hub's task of each target. It has none for a number that is estimated from audio.
_TASKS = dict.fromkeys(("single", "multi-label", "frames"), "audio-classification")
_TAGS = {
    "multi-label": "multi-label-classification",
    "number": "regression",
    "frames": "sound-event-detection",
}
#: What a run is made with, whose licence is named.
_INSIDE = {"feature": "The features", "model": "What the model began with"}
#: Datasets that a person names, whose word in the registry says nothing about what they hold.
_OWN = ("csv", "folder")
_LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]*")


def checked_licence(licence: str) -> str:
    """Return the hub's identifier of a licence; ``""``: none is given.

    Raises
    ------
    HubError
        It cannot be such an identifier.
    """
    if licence and not _LICENCE.fullmatch(licence):
        raise HubError(
            f"expected the hub's identifier of a licence, such as mit or cc-by-4.0; got {licence!r}",
            "give another `licence`, or `other`",
        )
    return licence


def page(
    info: RunInfo, metrics: dict[str, Any], repo: str, *, licence: str = "", left_out: Sequence[str] = ()
) -> str:
    """Return the page: metadata as YAML, the model card, how to use the run, licences, what is left out.

    Parameters
    ----------
    info : RunInfo
        As it is published.
    metrics : dict
        As in `Run.metrics`.
    repo : str
        ``"user/name"``.
    licence : str
        From `checked_licence`.
    left_out : sequence of str
        Names of files with ids of tracks that are not published.
    """
    import yaml  # of huggingface_hub

    metadata = _printable(_metadata(info, metrics, repo, licence))
    front = yaml.safe_dump(metadata, allow_unicode=True, sort_keys=False, width=math.inf)
    parts = [f"---\n{front}---\n", model_card(info, metrics), _use(info, repo), _licences(info, licence)]
    if left_out:
        parts.append(_left_out(info, left_out))
    return "\n".join(parts)


def _metadata(info: RunInfo, metrics: dict[str, Any], repo: str, licence: str) -> dict[str, Any]:
    """Return what the hub shows and searches."""
    target = info.target["name"]
    made: dict[str, Any] = {"library_name": "audiospec"}
    if target in _TASKS:
        made["pipeline_tag"] = _TASKS[target]
    if licence:
        made["license"] = licence
    tags = ["audio", "audiospec", info.model, str(info.spec["feature"]), _TAGS.get(target, "")]
    made["tags"] = list(dict.fromkeys(filter(None, tags)))
    if info.dataset not in _OWN:
        made["datasets"] = [info.dataset]
    made["model-index"] = [
        {
            "name": repo.rpartition("/")[2],
            "results": [_result(info, metrics, level) for level in ("track", "chunk")],
        }
    ]
    # Not the hub's: what the model hears and answers, for who looks before loading it.
    made["audiospec"] = {
        "target": target,
        "classes": list(info.classes),
        "sample_rate": info.spec.get("sample_rate"),
        "chunk_seconds": info.chunking.get("seconds"),
    }
    return made


def _result(info: RunInfo, metrics: dict[str, Any], level: str) -> dict[str, Any]:
    """Return the scores of the test rows by track or by chunk, each with its interval."""
    split, table = info.split, metrics["test"][level]
    leaky = bool(split["leaky"])
    protocol = {"split": split["name"], "seed": split["seed"], "unit": level, "count": table["count"]}
    return {
        "task": {"type": _TASKS.get(info.target["name"], "regression"), "name": f"{info.model} by {level}"},
        "dataset": {"type": info.dataset, "name": info.dataset, "split": "test", "args": protocol},
        "metrics": [
            {
                "type": key,
                "name": f"{score.title} by {level}{' (leaky)' if leaky else ''}",
                "value": table[key],
                "args": {"interval": table[f"{key}_interval"], "coverage": 0.95, "leaky": leaky},
            }
            for key, score in stored_scores([table]).items()
        ],
    }


def _printable(value: Any) -> Any:
    """Return a value whose texts have one line each, so that none ends the metadata or breaks the YAML."""
    if isinstance(value, dict):
        return {printable(str(key)): _printable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_printable(inner) for inner in value]
    return printable(value) if isinstance(value, str) else value


def _use(info: RunInfo, repo: str) -> str:
    if info.cross_validation:
        return (
            "## Use\n\nThis is a cross-validation: each folder has the model of a fold, and there is none of "
            "all rows.\n"
        )
    return (
        "## Use\n\n```bash\npip install 'audiospec[hub]'\n"
        f"audiospec predict hf://{repo} song.wav\n```\n\n"
        f'```python\nimport audiospec\n\nrun = audiospec.load_run("hf://{repo}")\n'
        'predictions = list(audiospec.predict(run, ["song.wav"]))\n```\n'
    )


def _licences(info: RunInfo, licence: str) -> str:
    own = f"This model: `{licence}`." if licence else "This model: none is given, so nothing is granted."
    name = info.dataset
    known = str(getattr(datasets[name], "licence", "")) if name in datasets and name not in _OWN else ""
    # A licence stands in code: it is no text of the data.
    source = (
        f"The audio that it was trained on, dataset {name}: {known}."
        if known
        else ("The audio that it was trained on: its licence is not known to audiospec.")
    )
    inside = [
        f"{_INSIDE[kind]}: {stated}."
        for kind, _, stated in licences_inside(str(info.spec["feature"]), info.model)
    ]
    lines = [own, source, *inside]
    return "## Licences\n\n" + "".join(f"- {line}\n" for line in lines)


def _left_out(info: RunInfo, left_out: Sequence[str]) -> str:
    lines = [f"## What is not here\n\nLeft out when the run was pushed: {', '.join(left_out)}."]
    if {PREDICTIONS, TRACKS} & {*left_out}:
        lines.append(
            "So `evaluate`, `compare` and `audit` do not know the rows of its split: its test rows cannot be "
            "scored again, and of another store it cannot be said which rows it learnt from."
        )
        if info.corrections:
            lines.append("Nor are the corrections of single labels here that it was trained with.")
    return " ".join(lines) + "\n"
