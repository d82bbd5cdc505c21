"""Runs on a hub: what leaves the house, what is opened, and what a hub or a repository may do wrong."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import audiospec
from audiospec.digests import digest
from audiospec.errors import AudiospecError, HubError, RunError
from audiospec.specs.base import features
from audiospec.stores.layout.view import View
from audiospec.text import printable
from audiospec.zoo.base import models
from audiospec.zoo.comparison.compare import compare
from audiospec.zoo.evaluation import evaluate
from audiospec.zoo.hub.address import HubAddress, hub_address
from audiospec.zoo.hub.load import load_run
from audiospec.zoo.hub.page import page
from audiospec.zoo.hub.published import published
from audiospec.zoo.hub.push import push_run
from audiospec.zoo.prediction import predict
from audiospec.zoo.report.collect import find_runs
from audiospec.zoo.runs.info import RunInfo
from audiospec.zoo.runs.run import Run
from audiospec.zoo.training import train

pytest.importorskip("huggingface_hub")

import yaml
from huggingface_hub import ModelCard

from audiospec.testing.hub import Hub, client_of, environment_of, hub

REPO = "someone/demo-lr"
#: The client's own use of its HTTP library, when it uploads a large file.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture(scope="module")
def server() -> Iterator[Hub]:
    with hub() as running:
        yield running


@pytest.fixture(autouse=True)
def online(server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty hub, an empty cache, and a client that does not wait before it asks again."""
    from huggingface_hub.utils import _http, disable_progress_bars

    disable_progress_bars()
    clock = types.SimpleNamespace(sleep=lambda seconds: None, time=__import__("time").time)
    monkeypatch.setattr(_http, "time", clock)
    server.repositories.clear()
    server.uploaded.clear()
    server.requests.clear()
    server.broken = ""
    with client_of(server, tmp_path / "cache"):
        yield


@pytest.fixture(scope="module")
def heard(tabular: View, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that predicts from audio, and whose split is leaky."""
    return train("lr", tabular, strategy="random", out=tmp_path_factory.mktemp("runs") / "heard")


def pushed(server: Hub) -> dict[str, bytes]:
    return server.repositories[REPO].files()


def front(content: bytes) -> dict[str, object]:
    metadata = yaml.safe_load(content.decode().split("---\n")[1])
    assert isinstance(metadata, dict)
    return metadata


def reseal(contents: dict[str, bytes], /, **changes: object) -> dict[str, bytes]:
    """Return the files with other values in run.json, whose digest is right."""
    stated = {**json.loads(contents["run.json"]), **changes}
    del stated["digest"]
    return {**contents, "run.json": json.dumps({**stated, "digest": digest(stated)}).encode()}


def test_a_run_comes_back_and_predicts_the_same_to_the_bit(
    server: Hub, heard: Run, music: Path, tmp_path: Path
) -> None:
    done = push_run(heard, REPO, private=True, licence="cc-by-4.0")
    assert server.repositories[REPO].private
    assert done.commit == server.repositories[REPO].branches["main"]
    assert sum("/commit/" in request for request in server.requests) == 1
    with client_of(server, tmp_path / "fresh"):
        back = load_run(f"hf://{REPO}")
    assert back.source == done.address == f"hf://{REPO}@{done.commit}"
    assert back.path.is_relative_to(tmp_path / "fresh")
    files = sorted(music.rglob("*.wav"))[::5]
    for ours, theirs in zip(predict(heard, files), predict(back, files), strict=True):
        assert not ours.problem
        assert ours.classes == theirs.classes
        assert np.array_equal(ours.probabilities, theirs.probabilities)
    assert back.metrics == heard.metrics
    assert {*done.files} == {*pushed(server)} - {".gitattributes"}


def test_ids_of_tracks_and_paths_of_this_machine_stay(
    server: Hub, heard: Run, music: Path, tmp_path: Path
) -> None:
    assert heard.info.split["leaks"]["names"]["track"]
    done = push_run(heard, REPO)
    assert done.left_out == ("predictions.csv", "tracks.csv")
    ids = {track.known.track for track in heard.tracks()}
    hashes = {track.known.hash for track in heard.tracks()}
    assert "" not in ids | hashes
    for name, content in pushed(server).items():
        for private in (
            *ids,
            *hashes,
            str(music),
            str(heard.path.parent),
            str(Path(heard.info.store).parent),
        ):
            assert private.encode() not in content, (name, private)
    text = pushed(server)["README.md"].decode()
    assert "Left out when the run was pushed: predictions.csv, tracks.csv." in text
    back = load_run(f"hf://{REPO}")
    assert back.lacks
    assert not back.is_older
    with pytest.raises(RunError, match=r"without its predictions .* give a `store`"):
        evaluate(back)
    scored = evaluate(back, audiospec.open_store(heard.info.store))
    assert scored.leaks is None  # it cannot be said what leaks, so nothing is
    with pytest.raises(RunError, match="published without"):
        compare([heard], [back])


def test_predictions_are_pushed_on_request_and_removed_by_the_next_push(server: Hub, heard: Run) -> None:
    push_run(heard, REPO, with_predictions=True)
    back = load_run(f"hf://{REPO}")
    assert not back.lacks
    assert back.tracks() == heard.tracks()
    push_run(heard, REPO)
    assert not {"predictions.csv", "tracks.csv"} & {*pushed(server)}


def test_the_page_says_what_the_scores_are(server: Hub, heard: Run, run: Run) -> None:
    push_run(heard, REPO, licence="cc-by-4.0")
    card = ModelCard(pushed(server)["README.md"].decode())
    assert (card.data.library_name, card.data.pipeline_tag) == ("audiospec", "audio-classification")
    assert card.data.license == "cc-by-4.0"
    table = heard.metrics["test"]["track"]
    by_name = {(one.metric_name, one.dataset_args["unit"]): one for one in card.data.eval_results or ()}
    score = by_name["macro F1 by track (leaky)", "track"]
    assert (score.metric_type, score.metric_value) == ("macro_f1", table["macro_f1"])
    assert score.metric_args == {"interval": table["macro_f1_interval"], "coverage": 0.95, "leaky": True}
    assert score.dataset_args["split"] == heard.info.split["name"] == "random (leaky: tracks)"
    assert "## Scores on the test rows (leaky)" in card.text
    assert f"audiospec predict hf://{REPO}" in card.text
    plain = page(run.info, run.metrics, REPO)
    assert "leaky" not in plain.replace("leaky: false", "")
    assert "license" not in front(plain.encode())
    assert "none is given, so nothing is granted" in plain


def test_the_hub_has_no_task_for_a_number(run: Run) -> None:
    info = dataclasses.replace(run.info, target={"name": "number"}, classes=["age"])
    metadata = front(page(info, run.metrics, REPO).encode())
    assert "pipeline_tag" not in metadata
    assert "regression" in metadata["tags"]  # type: ignore[operator]


NASTY = st.text(st.characters(codec="utf-8") | st.sampled_from("\n\r-:#'\"{}[]&*!|>%@`\u2028\x85\0"))


@settings(max_examples=30, deadline=None)
@given(st.lists(NASTY | st.just("\n---\n<script>"), min_size=1, max_size=4, unique=True), NASTY)
def test_no_label_breaks_the_metadata(run: Run, labels: list[str], name: str) -> None:
    info = dataclasses.replace(run.info, classes=labels, dataset=name, view=name)
    text = page(info, run.metrics, REPO)
    # How the hub's client finds the metadata.
    found = re.search(r"^(\s*---[\r\n]+)([\S\s]*?)([\r\n]+---(\r\n|\n|$))", text)
    assert found is not None
    metadata = yaml.safe_load(found[2])
    assert metadata["audiospec"]["classes"] == [printable(label) for label in labels]
    assert metadata["library_name"] == "audiospec"
    assert "<script>" not in text[found.end() :]


def test_the_page_names_the_licences_of_what_is_inside(
    run: Run, tabular: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = dataclasses.replace(run.info, spec=tabular.spec.to_dict(), dataset="esc10")
    frontend, model = features["tabular"], models["lr"]
    monkeypatch.setattr(frontend, "licence", "for research only", raising=False)
    monkeypatch.setattr(model, "licence", "CC BY 4.0", raising=False)
    text = page(info, run.metrics, REPO, licence="mit")
    assert text[text.index("## Licences") :].split("\n\n")[1].splitlines() == [
        "- This model: `mit`.",
        "- The audio that it was trained on, dataset esc10: CC BY 3.0.",
        "- The features: for research only.",
        "- What the model began with: CC BY 4.0.",
    ]


def test_decisions_and_paths_in_parameters_stay(make_run: Callable[..., Run], tmp_path: Path) -> None:
    decision = dict.fromkeys(("hash", "track", "old", "new", "who", "when", "why"), "Ann")
    corrections = {
        "labels": 1,
        "excluded": 0,
        "digest": "d",
        "file": "corrections.csv",
        "sha256": "s",
        "decisions": [decision],
    }
    weights = {"C": 1.0, "weights": "/home/ann/secret/best.pt", "others": ["..\\x\\y.wav"]}
    made = make_run(tmp_path / "run", corrections=corrections, settings=weights)
    stated = published(made).info
    assert stated["settings"] == {"C": 1.0, "weights": "best.pt", "others": ["y.wav"]}
    assert (stated["corrections"]["labels"], stated["corrections"]["decisions"]) == (1, [])
    kept = published(made, with_predictions=True).info["corrections"]["decisions"]
    assert kept == [{**decision, "who": ""}]
    named = make_run(tmp_path / "named", view=f"view of {tmp_path / 'x'}")
    with pytest.raises(RunError, match=r"names the folder .* of this machine"):
        published(named)


def test_a_cross_validation_goes_with_its_folds(
    server: Hub, table: View, tmp_path: Path, make_run: Callable[..., Run]
) -> None:
    whole = train("lr", table, folds=2, out=tmp_path / "folds")
    push_run(whole, REPO, with_predictions=True)
    back = load_run(f"hf://{REPO}")
    values = table.read()
    for ours, theirs in zip(whole.folds(), back.folds(), strict=True):
        assert np.array_equal(ours.model().predict_proba(values), theirs.model().predict_proba(values))
    assert compare([whole], [back]).difference == 0
    assert [run.source for run in find_runs([f"hf://{REPO}"]).runs] == [back.source]
    with pytest.raises(RunError, match="made by an older audiospec"):
        published(make_run(tmp_path / "older", older=True))


def test_branches_and_commits(server: Hub, run: Run, make_run: Callable[..., Run], tmp_path: Path) -> None:
    first = push_run(run, REPO)
    other = make_run(tmp_path / "other", 0.5)
    second = push_run(other, REPO, revision="tries/2", message="another")
    assert server.repositories[REPO].branches == {"main": first.commit, "tries/2": second.commit}
    assert load_run(f"hf://{REPO}@tries/2").metrics == other.metrics
    assert load_run(f"hf://{REPO}@{first.commit}").metrics == load_run(f"hf://{REPO}").metrics == run.metrics
    with pytest.raises(HubError, match="has no such revision"):
        load_run(f"hf://{REPO}@none")


def test_without_the_network_the_cache_is_used(server: Hub, run: Run, tmp_path: Path) -> None:
    push_run(run, REPO)
    online = load_run(f"hf://{REPO}")
    for offline in (True, False):
        server.broken = "/"  # answers nothing
        with client_of(server, tmp_path / "cache", offline=offline):
            assert load_run(f"hf://{REPO}").source == online.source
        with client_of(server, tmp_path / "empty", offline=offline):
            with pytest.raises(HubError, match=r"not in the cache as a whole.*HF_HUB_OFFLINE"):
                load_run(f"hf://{REPO}")
            with pytest.raises(HubError, match="HF_HUB_OFFLINE is set" if offline else "did not answer"):
                push_run(run, REPO)


@pytest.mark.parametrize("step", ["PUT /large", "/preupload/", "/commit/"])
def test_a_push_that_is_cut_off_changes_nothing_and_is_resumed(server: Hub, run: Run, step: str) -> None:
    push_run(run, REPO)
    before = dict(pushed(server))
    server.uploaded.clear()
    server.broken = step
    with pytest.raises(HubError, match=r"did not answer while .* was written .* run again"):
        push_run(run, REPO, licence="mit")
    assert pushed(server) == before
    server.broken = ""
    server.requests.clear()
    push_run(run, REPO, licence="mit")
    assert front(pushed(server)["README.md"])["license"] == "mit"
    uploads = [request for request in server.requests if request.startswith("PUT")]
    assert bool(uploads) == (step != "/commit/")


def test_what_the_hub_refuses(server: Hub, run: Run, tmp_path: Path) -> None:
    push_run(run, REPO, private=True)
    for token, reads, writes in (
        ("hf_wrong", "refuses the token", "refuses the token"),
        (None, "or it is private and there is no token: .* read it", "no token: .* write it"),
    ):
        with client_of(server, tmp_path / "other", token):
            with pytest.raises(HubError, match=reads):
                load_run(f"hf://{REPO}")
            with pytest.raises(HubError, match=writes):
                push_run(run, REPO)
    with pytest.raises(HubError, match="has no repository hf://nobody/nothing, or it is private: check"):
        load_run("hf://nobody/nothing")
    server.repositories[REPO].gated = True
    with pytest.raises(HubError, match="is gated"):
        load_run(f"hf://{REPO}")
    server.repositories[REPO].gated = server.repositories[REPO].private = False
    with pytest.raises(HubError, match=r"expected hf://.* to be private; it exists and is public"):
        push_run(run, REPO, private=True)


def test_what_is_no_address() -> None:
    assert hub_address("runs/hf") is None
    assert hub_address("hf://a/b.c_d-1@refs/pr/1") == HubAddress("a/b.c_d-1", "refs/pr/1")
    wrong = ("a", "a/b/c", "../b", "a/..", "/b", "a/", "a/b@", "a/b@../x", "a/b@x/../y", "a/b c", "a/-b", "")
    for text in wrong:
        with pytest.raises(HubError, match="USER/NAME"):
            hub_address(f"hf://{text}")
    with pytest.raises(RunError, match=r"open it by `audiospec\.load_run`"):
        Run("hf://a/b")
    with pytest.raises(HubError, match="licence"):
        push_run("run", REPO, licence="MIT\nx: y")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../../outside.json", "lists the file '../../outside.json', which no run has"),
        ("/etc/passwd", "which no run has"),
        ("weights.pkl", "which no run has"),
        ("fold-1/model.skops", "which no run has"),
        ("run.json", "which no run has"),
        ("model.*", "which no run has"),
        ("model.bin", "it has no model.bin"),
    ],
)
def test_a_repository_that_lists_other_files(server: Hub, run: Run, name: str, reason: str) -> None:
    push_run(run, REPO)
    files = pushed(server)
    stated = json.loads(files["run.json"])
    listed = {**stated["files"], name: "0" * 64}
    hostile = reseal(files, files=listed, sizes={**stated["sizes"], name: 1})
    server.repositories[REPO].commit("main", hostile)
    server.requests.clear()
    with pytest.raises(HubError, match=re.escape(reason)):
        load_run(f"hf://{REPO}")
    assert not [
        request for request in server.requests if "/resolve/" in request and "run.json" not in request
    ]


def test_a_repository_with_other_contents(server: Hub, run: Run, tmp_path: Path) -> None:
    push_run(run, REPO)
    repository, files = server.repositories[REPO], pushed(server)

    def refused(changed: dict[str, bytes], reason: str) -> None:
        repository.commit("main", changed)
        with pytest.raises(AudiospecError, match=reason) as raised:
            load_run(f"hf://{REPO}")
        assert "\n" not in str(raised.value)

    weights = files["model.skops"]
    refused({**files, "model.skops": weights[:-1] + b"x"}, "its model.skops is not what was written.*push it")
    refused({**files, "model.skops": weights + b"x"}, "was changed: model.skops has .* run.json states")
    refused({**files, "run.json": b"[" * 9999}, "cannot be read")
    refused({**files, "run.json": b"[1]"}, "is not of a run")
    refused({"model.safetensors": b"", "README.md": b""}, "is no run of audiospec: it has no run.json")
    folds = {"cross_validation": {"runs": [{"folder": "../fold-1"}]}}
    refused(reseal(files, **folds), r"lists '../fold-1' as the folder of a fold")
    repository.claimed["model.skops"] = 1 << 40
    stated = json.loads(files["run.json"])
    claims = reseal(files, sizes={**stated["sizes"], "model.skops": 1 << 40})
    refused(claims, "model.skops of .* has 1.1 TB; expected at most 17.2 GB")
    repository.claimed.clear()
    # What no run lists is left where it is.
    repository.commit("main", {**files, "evil.pkl": b"x", "../../../evil": b"x", "model.py": b"x"})
    back = load_run(f"hf://{REPO}")
    assert sorted(file.name for file in back.path.iterdir()) == sorted([*stated["files"], "run.json"])
    assert not list(tmp_path.rglob("*evil*"))


def test_without_the_extra(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for use in (lambda: push_run(run, REPO), lambda: load_run(f"hf://{REPO}")):
        with pytest.raises(HubError, match=r"needs huggingface_hub: pip install 'audiospec\[hub\]'"):
            use()


def test_a_dry_run_writes_what_would_be_pushed(server: Hub, run: Run, tmp_path: Path) -> None:
    done = push_run(run, REPO, dry_run=tmp_path / "dry")
    assert not server.requests
    assert done.commit == ""
    written = {file.name: file.stat().st_size for file in (tmp_path / "dry").iterdir()}
    assert written == done.files
    assert Run(tmp_path / "dry").metrics == run.metrics
    with pytest.raises(RunError, match="exists already: choose another `dry_run`"):
        push_run(run, REPO, dry_run=tmp_path / "dry")


def test_the_commands_take_addresses(server: Hub, run: Run, tmp_path: Path) -> None:
    """In a process of its own, whose client reads its settings from the environment."""
    lines = [
        ["push", str(run.path), REPO, "--licence", "mit", "--json"],
        ["evaluate", f"hf://{REPO}", "--store", run.info.store, "--json"],
        ["report", f"hf://{REPO}", "--out", "report.html", "--json"],
    ]
    code = (
        "import json, sys; from audiospec.cli import main\n"
        "for line in json.loads(sys.argv[1]):\n    sys.argv = ['audiospec', *line]; assert main() == 0, line"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(lines)],
        cwd=tmp_path,
        env=environment_of(server, tmp_path / "home"),
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert (done.returncode, done.stderr) == (0, "")
    sent, scores, report = map(json.loads, done.stdout.splitlines())
    address = f"hf://{REPO}@{server.repositories[REPO].branches['main']}"
    assert sent["address"] == scores["run"] == report["runs"][0] == address
    assert "model.skops" in sent["files"]
    assert address in (tmp_path / "report.html").read_text()


def test_the_fields_of_a_published_run_are_those_of_any(run: Run) -> None:
    stated = published(run).info
    assert {field.name for field in dataclasses.fields(RunInfo)} - {"corrections"} <= {*stated}
