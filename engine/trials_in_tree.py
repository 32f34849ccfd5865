"""Puts the trials of a decoding strategy into a branching tree, so that what was tried hangs beside what was kept.

Does not know strategies: a trial says where it begins and what it goes on from.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine import limits
from engine.errors import BadInput
from engine.tree import ROOT, Evaluation, Tree
from engine.trials import Outcome


@dataclass(frozen=True)
class Planted:
    """Node numbers. answer: of each token of the answer; trials: of each token of a trial, by the trial's number."""

    answer: tuple[int, ...]
    trials: dict[int, tuple[int, ...]]


def into_tree(tree: Tree, outcome: Outcome, at: int = ROOT) -> Planted:
    """Add the answer and every trial below node `at`, where the strategy began, with their log-probabilities.

    Nodes that the tree has already stay as they are. The probability that is no longer without a node is taken from
    the rest of its parent, so that the masses of the tree still add up. Raises BadInput when it does not fit.
    """
    _check(tree, outcome, at)
    answer: list[int] = []
    trials: dict[int, tuple[int, ...]] = {}

    def answer_until(length: int) -> int:
        for step in outcome.steps[len(answer) : length]:
            above = answer[-1] if answer else at
            answer.append(_add(tree, above, step.token_id, -step.scores["surprisal"], step.scores["entropy"]))
        return answer[length - 1] if length else at

    for trial in sorted(outcome.trials, key=lambda one: one.number):
        above = answer_until(trial.start - outcome.first) if trial.parent is None else trials[trial.parent][-1]
        nodes: list[int] = []
        for token_id, logprob, entropy in zip(trial.ids, trial.logprobs, trial.entropies, strict=True):
            nodes.append(_add(tree, nodes[-1] if nodes else above, token_id, logprob, entropy))
        trials[trial.number] = tuple(nodes)
    answer_until(len(outcome.steps))
    return Planted(tuple(answer), trials)


def _add(tree: Tree, parent: int, token_id: int, logprob: float, entropy: float) -> int:
    """The child with this token; the mass of a new one comes from what its siblings left."""
    child = tree.add(parent, token_id, logprob)
    if tree.evaluation(parent) is None:
        tree.set_evaluation(parent, Evaluation(entropy))
    return child


def _check(tree: Tree, outcome: Outcome, at: int) -> None:
    node = tree.node(at)
    if node.finished:
        raise BadInput(f"The answer ends at node {at}: nothing can hang below it. Choose a node above it.")
    tokens = len(outcome.steps) + sum(len(trial.ids) for trial in outcome.trials)
    if len(tree) + tokens > tree.limits.nodes:
        raise BadInput(
            f"The tree holds at most {tree.limits.nodes:,} nodes; it has {len(tree):,} and {tokens:,} tokens were "
            "drawn: start another tree."
        )
    limits.check_ids([i for trial in outcome.trials for i in trial.ids], tree.vocabulary_size)
    deepest = max([len(outcome.steps), *(one.start - outcome.first + len(one.ids) for one in outcome.trials)])
    length = len(tree.root_ids) + node.depth + deepest
    if length > tree.context_length:
        raise BadInput(
            f"With these trials a prefix has {length:,} tokens; the model's context holds {tree.context_length:,}."
        )
