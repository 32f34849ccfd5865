"""Nodes evaluated together give what a plain pass over each prefix gives, whatever lies in the cache."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest
import torch

from engine.errors import BadInput, OutOfMemory
from engine.models import LanguageModel
from engine.testing import tiny_model
from engine.tree import ROOT, Tree, masses
from engine.tree_forward import TreeForward, packed_reach
from engine.tree_growth import grow, insert
from engine.tree_policies import POLICIES
from engine.tree_queue import Growth, replay


def plain(model: LanguageModel, prefix: tuple[int, ...]) -> np.ndarray:
    with torch.inference_mode():
        logits = model.network(input_ids=torch.tensor([list(prefix)], device=model.device)).logits[0, -1]
    return torch.log_softmax(logits.double(), -1).numpy()


def branches(model: LanguageModel, root: list[int], count: int, seed: int = 0) -> list[tuple[int, ...]]:
    """The root and nodes of all depths below it, forks and long lines among them."""
    rng = np.random.default_rng(seed)
    below: list[tuple[int, ...]] = [()]
    for _ in range(count):
        above = below[-1] if rng.random() < 0.5 else below[rng.integers(len(below))]
        below.append((*above, int(rng.integers(model.card.vocabulary_size))))
    return [(*root, *path) for path in below]


def worst(model: LanguageModel, prefixes: list[tuple[int, ...]], rows: np.ndarray) -> float:
    expected = {prefix: plain(model, prefix) for prefix in set(prefixes)}
    return max(float(np.abs(expected[p] - row).max()) for p, row in zip(prefixes, rows, strict=True))


@pytest.mark.parametrize(("batch", "cached_tokens"), [(1, 2048), (7, 2048), (60, 2048), (1, 1), (7, 20), (60, 20)])
def test_any_batch_in_any_order_gives_the_plain_pass_of_each_prefix(
    tiny: LanguageModel, batch: int, cached_tokens: int
) -> None:
    root = list(range(5, 12))
    prefixes = branches(tiny, root, 25)
    prefixes += [prefixes[i] for i in np.random.default_rng(1).permutation(len(prefixes))]
    forward = TreeForward(tiny, root, cached_tokens=cached_tokens)
    rows = np.concatenate([forward(prefixes[i : i + batch]) for i in range(0, len(prefixes), batch)])
    assert rows.dtype == np.float32 and rows.shape == (len(prefixes), tiny.card.vocabulary_size)
    assert worst(tiny, prefixes, rows) < 1e-4


def test_without_the_mask_the_rows_would_differ(tiny: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    root, forward = [1, 2, 3], TreeForward(tiny, [1, 2, 3])
    prefixes = branches(tiny, root, 12)
    passed = TreeForward._forward

    def sees_all(self, ids, positions, sees, keep):
        return passed(self, ids, positions, None if sees is None else np.tri(*sees.shape, sees.shape[1]) > 0, keep)

    monkeypatch.setattr(TreeForward, "_forward", sees_all)
    assert worst(tiny, prefixes, forward(prefixes)) > 0.1


def test_what_two_nodes_share_goes_through_once(tiny: LanguageModel) -> None:
    root = list(range(30))
    forward = TreeForward(tiny, root)
    forward([(*root, 1, 2, 3, i) for i in range(10)])
    assert forward.fed == len(root) + 3 + 10
    forward([(*root, 1, 2, 3, i, 7) for i in range(10)])
    assert forward.fed == len(root) + 3 + 10 + 10 == len(root) + forward.cached


def test_the_cache_stays_within_its_bound_over_a_long_growth(tiny: LanguageModel) -> None:
    root = [1, 2, 3]
    forward = TreeForward(tiny, root, cached_tokens=40)
    tree = Tree(root, end_ids=tiny.end_ids, vocabulary_size=tiny.card.vocabulary_size, context_length=512)
    held = []
    for _ in grow(tree, forward, "likely", budget=120, width=3, depth=20, batch=6):
        held.append(forward.cached)
    assert 0 < max(held) <= 40 and len(held) > 15
    assert forward._cache.get_seq_length() == len(root) + forward.cached


def test_a_pass_that_fails_leaves_a_forward_that_works(tiny: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    root = [4, 5, 6]
    prefixes = branches(tiny, root, 10)
    forward = TreeForward(tiny, root)
    forward(prefixes[:5])
    layer = tiny.network.model.layers[1]
    whole = layer.forward

    def refuses(*_args, **_options):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(layer, "forward", refuses)
    with pytest.raises(OutOfMemory):
        forward(prefixes)
    monkeypatch.setattr(layer, "forward", whole)
    assert worst(tiny, prefixes, forward(prefixes)) < 1e-4
    assert not tiny.lock.locked()


def test_a_long_root_and_prefixes_up_to_the_last_token_of_the_context(tiny: LanguageModel) -> None:
    root = [i % 200 for i in range(500)]
    prefix = (*root, *range(12))
    forward = TreeForward(tiny_model(context_length=1024), [i % 200 for i in range(900)])
    assert forward([(*forward._root, 3)]).shape[0] == 1
    rows = TreeForward(tiny, root)([prefix, prefix[:-3]])
    assert worst(tiny, [prefix, prefix[:-3]], rows) < 1e-4
    with pytest.raises(ValueError, match="does not fit"):
        TreeForward(tiny, root)([(*prefix, 1)])
    with pytest.raises(ValueError, match="begin with the root"):
        TreeForward(tiny, root)([(1, 2, 3)])


@pytest.mark.parametrize("root", [[], [1] * 513])
def test_a_root_that_does_not_fit_is_refused(tiny: LanguageModel, root: list[int]) -> None:
    with pytest.raises(BadInput, match=f"{len(root)} tokens"):
        TreeForward(tiny, root)


def test_sliding_windows_and_unknown_kinds_of_attention_are_computed_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model()
    assert packed_reach(model) == 512
    config = model.network.config
    prefixes = branches(model, [7, 8, 9, 10], 12)
    expected = TreeForward(model, [7, 8, 9, 10])(prefixes)
    monkeypatch.setattr(config, "sliding_window", 6, raising=False)
    assert packed_reach(model) == 6
    np.testing.assert_allclose(TreeForward(model, [7, 8, 9, 10])(prefixes), expected, atol=1e-4)
    monkeypatch.setattr(config, "layer_types", ["linear_attention", "full_attention"], raising=False)
    assert packed_reach(model) == 0


def test_other_contexts_may_use_the_model_in_between(tiny: LanguageModel) -> None:
    prefixes = [branches(tiny, [seed, seed], 25, seed) for seed in range(3)]
    rows: dict[int, np.ndarray] = {}

    def work(seed: int) -> None:
        forward = TreeForward(tiny, [seed, seed])
        rows[seed] = np.concatenate([forward(prefixes[seed][i : i + 3]) for i in range(0, 26, 3)])

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(rows) == [0, 1, 2]
    assert max(worst(tiny, prefixes[seed], rows[seed]) for seed in rows) < 1e-4


def test_the_embedded_model_gives_the_plain_pass_of_each_node(embedded: LanguageModel) -> None:
    root = embedded.encode_prompt("Name a colour.")
    prefixes = branches(embedded, root, 10)
    forward = TreeForward(embedded, root, cached_tokens=12)
    rows = np.concatenate([forward(prefixes[i : i + 5]) for i in range(0, len(prefixes), 5)])
    assert worst(embedded, prefixes, rows) < 1e-4


def test_every_policy_grows_a_tree_of_the_embedded_model(embedded: LanguageModel) -> None:
    root = embedded.encode_prompt("What is the capital of France? Answer with one word.")
    forward = TreeForward(embedded, root)
    card = embedded.card
    tree = Tree(
        root, end_ids=embedded.end_ids, vocabulary_size=card.vocabulary_size, context_length=card.context_length
    )
    for policy in POLICIES:
        *_, last = grow(tree, forward, policy, budget=12, width=5, depth=6, batch=4)
        assert abs(sum(vars(last.masses).values()) - 1.0) < 1e-5
        leaves = replay(tree, Growth(policy, 5, 6)).leaves
        for leaf in leaves[:1]:
            ids = tree.prefix(leaf.node)
            direct = sum(plain(embedded, ids[:i])[ids[i]] for i in range(len(root), len(ids)))
            assert leaf.phi == pytest.approx(direct, abs=1e-3)
    best = replay(tree, Growth("likely", 5, 6)).leaves
    assert any("Paris" in "".join(embedded.pieces(tree.path_ids(leaf.node))) for leaf in best)
    assert math.isclose(sum(vars(masses(tree, ROOT)).values()), 1.0, abs_tol=1e-5)
    edit = insert(tree, forward, tree.children(ROOT)[0], embedded.encode("London"))
    assert tree[edit].forced and tree[edit].phi < 0
