"""A branching tree from what runs recorded, without any model: their tokens, and the alternatives worth a look.

Recorded numbers stay as they are, and what a node passes on stays 1 whatever comes later: other runs, another tree,
or a pass of the network that rounds differently. Does not know where runs and trees are kept, nor how they are drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from engine.errors import BadInput
from engine.models import END_TOKENS
from engine.tree import LIMITS, ROOT, Evaluation, Noise, Tree, TreeLimits
from engine.tree_growth import Evaluate
from engine.tree_policies import normalised
from engine.types import Trace

SHOWN_SHARE = 0.02
# by how much float32 probabilities of one pass may exceed 1 in sum; more comes from another pass
ROUNDING = 2e-6
LEAST = 1e-9


def root_of(trace: Trace) -> tuple[int, ...]:
    """The ids that stand before a run's tree: its prompt, or its first token where nothing stood before it."""
    return tuple(trace.prompt_ids.tolist() or trace.token_ids[:1].tolist())


def tokens_in_root(trace: Trace) -> int:
    """How many of the run's own tokens belong to the root: 1 without a prompt, else 0."""
    return 0 if len(trace.prompt_ids) else min(1, len(trace))


def known_ends(traces: Iterable[Trace]) -> frozenset[int]:
    """What is known without the model of the ids that end a turn: by name, and those at which these runs ended."""
    ends: set[int] = set()
    for trace in traces:
        ends.update(
            i for i in trace.special_ids if trace.token_bytes.get(i, b"").decode("utf-8", "replace") in END_TOKENS
        )
        if trace.finish_reason == "stop":
            ends.update(trace.token_ids[-1:].tolist())
    return frozenset(ends)


def tree_for(trace: Trace, end_ids: Iterable[int], *, tree_limits: TreeLimits = LIMITS) -> Tree:
    """An empty tree at the root of a run. Raises BadInput for a run without any token."""
    ends = frozenset(end_ids)
    # a run made elsewhere need not say how large its vocabulary and its context are
    ids = [*trace.prompt_ids.tolist(), *trace.token_ids.tolist(), *trace.topk_ids.ravel().tolist(), *ends]
    return Tree(
        root_of(trace),
        end_ids=ends,
        vocabulary_size=max(trace.model.vocabulary_size, max(ids, default=0) + 1, 2),
        context_length=max(trace.model.context_length, len(trace.prompt_ids) + len(trace) + 1),
        tree_limits=tree_limits,
    )


def graft(tree: Tree, trace: Trace) -> tuple[int, ...]:
    """Put a run into the tree: the node after each of its first 0, 1, ... n tokens, the root first.

    Shorter where the tree ends before the run does: behind a token that ends the turn, at the end of the context, or
    where no log-probability was recorded. With each token come the recorded alternatives of at least SHOWN_SHARE,
    which nothing looked into. Of a branch, tokens that were not drawn are forced. What is in the tree stays as it is.
    Raises BadInput when the run begins elsewhere or the tree is full.
    """
    if root_of(trace) != tree.root_ids:
        raise BadInput("This run begins with another prompt than the tree: open a tree of its own for it.")
    inside = tokens_in_root(trace)
    path = [ROOT] * (inside + 1)
    ids, rows = trace.token_ids.tolist(), trace.noise_rows.tolist()
    logprobs, entropies = _logprobs(trace), _entropies(trace, tree.vocabulary_size)
    branch = trace.kind in ("branch", "counterfactual")
    for i in range(inside, len(ids)):
        above = path[-1]
        full_context = len(tree.root_ids) + tree[above].depth >= tree.context_length
        if tree[above].finished or full_context or math.isnan(logprobs[i]):
            break
        alternatives = _alternatives(trace, i)
        _check_room(tree, 1 + len(alternatives))
        path.append(_place(tree, above, ids[i], logprobs[i], forced=branch and rows[i] < 0))
        for token_id, logprob in alternatives:
            _place(tree, above, token_id, logprob)
        if tree.evaluation(above) is None:
            tree.set_evaluation(above, Evaluation(entropies[i]))
    return tuple(path)


def merge(tree: Tree, other: Tree) -> dict[int, int]:
    """Put all of another tree of the same root into this one: number there -> number here. Nothing here is lost.

    What follows a token that ends the turn here is left out. Into an empty tree it is a copy, bit for bit. Raises
    BadInput for another root, or when the tree is full.
    """
    if other.root_ids != tree.root_ids or other.vocabulary_size > tree.vocabulary_size:
        raise BadInput("This tree begins with another prompt or has another vocabulary: it belongs to another run.")
    placed = {ROOT: ROOT}
    for node in other:
        above = placed.get(node.parent)
        if above is None or tree[above].finished:
            continue
        _check_room(tree, 1)
        placed[node.index] = _place(tree, above, node.token_id, node.logprob, forced=node.forced)
    for index, here in placed.items():
        evaluation = other.evaluation(index)
        if evaluation is not None and not tree[here].finished:
            _adopt(tree, here, evaluation, placed)
    return placed


def copied(
    tree: Tree, *, end_ids: Iterable[int] | None = None, tree_limits: TreeLimits | None = None
) -> tuple[Tree, dict[int, int]]:
    """A tree with the same nodes, and number there -> number here, which differ only where a node was left out.

    end_ids: those that end a turn, once the model says which they are; what follows them is left out.
    """
    fresh = Tree(
        tree.root_ids,
        end_ids=tree.end_ids if end_ids is None else end_ids,
        vocabulary_size=tree.vocabulary_size,
        context_length=tree.context_length,
        tree_limits=tree_limits or tree.limits,
    )
    return fresh, merge(fresh, tree)


def agreeing(tree: Tree, evaluate: Evaluate) -> Evaluate:
    """An `evaluate` whose rows give the children that a node has the probabilities they have in the tree.

    Another pass over the same prefix differs a little (a quantised network: by per cents), and a node's children must
    not add up to more than 1. All other tokens share what is left, in the proportions of the row.
    """

    def rows(prefixes: list[tuple[int, ...]]) -> np.ndarray:
        found = np.array(evaluate(prefixes))
        for row, prefix in zip(found, prefixes, strict=True):
            index = find(tree, prefix[len(tree.root_ids) :])
            if index is not None and (children := tree.children(index)):
                row[:] = _with_known(row, [tree[i].token_id for i in children], [tree[i].logprob for i in children])
        return found

    return rows


def find(tree: Tree, ids: Iterable[int]) -> int | None:
    """The node at the end of a path of ids below the root, None where the tree does not hold it."""
    index = ROOT
    for token_id in ids:
        below = tree.child(index, token_id)
        if below is None:
            return None
        index = below
    return index


def _with_known(row: np.ndarray, ids: Sequence[int], logprobs: Sequence[float]) -> np.ndarray:
    values = normalised(row)
    elsewhere = np.ones(len(values), dtype=bool)
    elsewhere[list(ids)] = False
    left = max(LEAST, 1.0 - math.fsum(math.exp(p) for p in logprobs))
    others = float(np.exp(values[elsewhere]).sum())
    if others > 0.0:
        values[elsewhere] += math.log(left / others)
    values[list(ids)] = logprobs
    return values


def _place(tree: Tree, parent: int, token_id: int, logprob: float, *, forced: bool = False) -> int:
    """The child with this token; one that is new gets at most the probability that its siblings leave."""
    known = tree.child(parent, token_id)
    if known is not None:
        return known
    if tree.evaluation(parent) is None:
        return tree.add(parent, token_id, logprob, forced=forced)
    left = tree.rest(parent)
    if math.exp(logprob) > left + ROUNDING:
        logprob = math.log(max(left, LEAST))
    return tree.add(parent, token_id, logprob, forced=forced)


def _adopt(tree: Tree, index: int, evaluation: Evaluation, placed: dict[int, int]) -> None:
    """Add what another tree knows of a node; of two growths with one seed the wider one counts."""
    known = tree.evaluation(index)
    drawn = {
        seed: Noise(noise.width, tuple(placed[i] for i in noise.children), noise.values, noise.dropped)
        for seed, noise in evaluation.noise.items()
        if known is None or seed not in known.noise or known.noise[seed].width < noise.width
    }
    tree.set_evaluation(index, replace(evaluation, noise=drawn))


def _logprobs(trace: Trace) -> list[float]:
    """log p of each token as recorded, nan where it is not known."""
    surprisal = trace.scores.get("surprisal")
    return [math.nan] * len(trace) if surprisal is None else [-max(0.0, s) if s == s else s for s in surprisal.tolist()]


def _entropies(trace: Trace, vocabulary_size: int) -> list[float]:
    """Entropies as recorded; 0, which says nothing about the others, where none was."""
    entropy = trace.scores.get("entropy")
    values = [0.0] * len(trace) if entropy is None else entropy.tolist()
    most = math.log(vocabulary_size)
    return [min(max(h, 0.0), most) if h == h else 0.0 for h in values]


def _alternatives(trace: Trace, i: int) -> list[tuple[int, float]]:
    """Recorded alternatives worth a node, most likely first; the token itself may be among them."""
    least = math.log(SHOWN_SHARE)
    pairs = zip(trace.topk_ids[i].tolist(), trace.topk_logprobs[i].tolist(), strict=True)
    return [(token_id, min(0.0, p)) for token_id, p in pairs if token_id >= 0 and p >= least]


def _check_room(tree: Tree, more: int) -> None:
    if len(tree) + more > tree.limits.nodes:
        raise BadInput(f"The tree is full: it holds at most {tree.limits.nodes:,} nodes.")
