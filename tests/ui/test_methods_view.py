"""The reference page says everything that the registries say, of every score, and cannot fall behind them."""

import json
from dataclasses import fields, replace

import pytest

from engine import run_scores, token_scores
from engine.logprob_import import BOUND_SCORES
from engine.types import NOISE_VERSION
from ui.fork_glossary import QUANTITIES
from ui.methods_view import methods

GROUPS = {"token": token_scores.REGISTRY, "bounds": BOUND_SCORES, "run": run_scores.REGISTRY}


def plain(value):
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("group", GROUPS)
def test_every_score_appears_in_order_with_every_field(group):
    entries = json.loads(methods())[group]
    assert [entry["name"] for entry in entries] == list(GROUPS[group])
    for entry, score in zip(entries, GROUPS[group].values(), strict=True):
        said = {f.name: plain(getattr(score, f.name)) for f in fields(score) if f.name != "compute"}
        assert entry == said


def test_every_quantity_of_a_forking_analysis_is_explained():
    entries = json.loads(methods())["forking"]
    assert [entry["name"] for entry in entries] == [quantity.name for quantity in QUANTITIES]
    assert {"outcome_curve", "kept_mass", "fork_test", "drift", "jump", "survival", "change_points"} <= {
        entry["name"] for entry in entries
    }


@pytest.mark.parametrize("group", [*GROUPS, "forking"])
def test_no_score_leaves_its_meaning_formula_or_source_empty(group):
    for entry in json.loads(methods())[group]:
        assert all(entry[key].strip() for key in ("label", "symbol", "definition", "short", "reference")), entry


def test_names_can_be_anchors_of_one_page():
    page = json.loads(methods())
    names = [entry["name"] for group in [*GROUPS, "forking"] for entry in page[group]]
    assert len(names) == len(set(names))
    assert all(name.replace("_", "").isalnum() and name.isascii() for name in names)


def test_a_score_that_is_added_is_shown(monkeypatch):
    extra = replace(token_scores.REGISTRY["entropy"], name="another", label="</script><b>Another")
    monkeypatch.setattr(token_scores, "REGISTRY", {**token_scores.REGISTRY, "another": extra})
    assert json.loads(methods())["token"][-1]["label"] == "</script><b>Another"


def test_the_noise_is_named_as_runs_record_it():
    assert json.loads(methods())["noise"] == NOISE_VERSION
