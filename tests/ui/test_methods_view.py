"""The reference page says everything that the registries say, of every score, and cannot fall behind them."""

import json
from dataclasses import fields, replace

import pytest

from engine import bootstrap, evaluation, run_scores, span_agreement, token_scores
from engine.chain_settings import ChainSettings
from engine.input_rows import DAMPING
from engine.logprob_import import BOUND_SCORES
from engine.types import NOISE_VERSION
from ui import chain_glossary, fork_glossary, session_glossary
from ui.chain_view import ATTENTION_SCORES
from ui.methods_view import methods

QUANTITIES = {
    "forking": fork_glossary.QUANTITIES,
    "chain": chain_glossary.QUANTITIES,
    "session": session_glossary.QUANTITIES,
}
NEEDED = {
    "forking": {"outcome_curve", "kept_mass", "fork_test", "drift", "jump", "survival", "change_points"},
    "chain": {"chain_score", "chain_similarity", "chain_kept", "chain_hop", "chain_variant", "p_answer", "p_uqac"},
    "session": {
        "krippendorff_alpha",
        "cohen_kappa",
        "fleiss_kappa",
        "span_f1",
        "auroc",
        "average_precision",
        "prr",
        "ece",
    },
}
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


@pytest.mark.parametrize("group", QUANTITIES)
def test_every_quantity_of_an_analysis_is_explained(group):
    entries = json.loads(methods())[group]
    assert [entry["name"] for entry in entries] == [quantity.name for quantity in QUANTITIES[group]]
    assert NEEDED[group] <= {entry["name"] for entry in entries}


def test_what_the_chain_says_besides_stands_among_the_run_scores():
    assert set(ATTENTION_SCORES.values()) <= {entry["name"] for entry in json.loads(methods())["run"]}


def test_the_settings_that_are_said_are_the_usual_ones():
    said = " ".join(one.definition for one in chain_glossary.QUANTITIES)
    usual = ChainSettings()
    for words in (
        f"{usual.heads} most focused heads", f"the {usual.most_a_round} with the largest sums",
        f"below {usual.threshold:g} once the chain has {usual.minimum} tokens", f"The {usual.similar} of the chain",
        f"at least {usual.floor:g}",
        f"above {usual.least_probability:.0%}".replace("%", " %"), f"the {usual.more} + |K|",
        f"from {DAMPING[0]:.2f} for the nearest to {DAMPING[-1]:.2f} for the tenth",
    ):  # fmt: skip
        assert words in said, words
    assert usual.top == 5 and "five most probable" in said and len(DAMPING) == 10


def test_the_figures_said_of_sessions_are_those_that_are_used():
    said = {one.name: f"{one.definition} {one.caveat}" for one in session_glossary.QUANTITIES}
    assert f"{bootstrap.DRAWS:,} for agreement and {evaluation.DRAWS} for scores" in said["session_interval"]
    assert f"below {bootstrap.LEAST_ITEMS} items" in said["session_interval"] and bootstrap.LEVEL == 0.95
    assert f"over {evaluation.BINS} bins" in said["ece"] and evaluation.FOLDS == 5 and "in five folds" in said["ece"]
    assert f"({span_agreement.GAMMA_ITEMS} at most)" in said["gamma_agreement"]


@pytest.mark.parametrize("group", [*GROUPS, *QUANTITIES])
def test_no_score_leaves_its_meaning_formula_or_source_empty(group):
    for entry in json.loads(methods())[group]:
        assert all(entry[key].strip() for key in ("label", "symbol", "definition", "short", "reference")), entry


def test_names_can_be_anchors_of_one_page():
    page = json.loads(methods())
    names = [entry["name"] for group in [*GROUPS, *QUANTITIES] for entry in page[group]]
    assert len(names) == len(set(names))
    assert all(name.replace("_", "").isalnum() and name.isascii() for name in names)


def test_a_score_that_is_added_is_shown(monkeypatch):
    extra = replace(token_scores.REGISTRY["entropy"], name="another", label="</script><b>Another")
    monkeypatch.setattr(token_scores, "REGISTRY", {**token_scores.REGISTRY, "another": extra})
    assert json.loads(methods())["token"][-1]["label"] == "</script><b>Another"


def test_the_noise_is_named_as_runs_record_it():
    assert json.loads(methods())["noise"] == NOISE_VERSION
