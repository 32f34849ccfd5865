"""Promises of runs that are continued: the longer run takes the shorter one's place whole, and nothing else moves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.errors import BadInput, NotFound
from engine.types import GenerationRequest, Trace
from storage.database import Store
from storage.records import RunQuery
from tests.storage.examples import assert_same_trace, continued, same_bits, shortened, small_trace

WHOLE = small_trace(5, 40)
HALF = shortened(WHOLE, 17)
NAMES = list(WHOLE.scores)


def add(store: Store, trace: Trace, **options: Any) -> str:
    return store.runs.add(trace, **{"status": "stopped", "run_scores": {"a": 1.0, "gone": 2.0}, **options})


def extend(store: Store, uid: str, trace: Trace, **options: Any) -> Any:
    return store.runs.extend(
        uid, trace, **{"viewer": "local", "status": "finished", "run_scores": {"a": 3.0, "new": 4.0}, **options}
    )


def with_score(trace: Trace, name: str, values: np.ndarray) -> Trace:
    return replace(trace, scores={**trace.scores, name: values})


def test_the_longer_run_stands_where_the_shorter_stood(store: Store) -> None:
    uid = add(store, HALF, title="A title", tags=("kept",), note="A note", visibility="unlisted")
    before = store.runs.header(uid, viewer="local")
    header = extend(store, uid, WHOLE)
    stored = store.runs.get(uid, viewer="local")
    assert_same_trace(stored.trace, WHOLE)
    assert header == stored.header and store.check().ok
    for name in ("uid", "created_at", "title", "tags", "note", "visibility", "owner", "parent", "example"):
        assert getattr(header, name) == getattr(before, name), name
    assert (header.status, header.tokens, header.finish_reason, header.seconds) == ("finished", 40, "stop", 1.25)
    assert header.run_scores == {"a": 3.0, "new": 4.0} and header.text_hash != before.text_hash
    assert header.updated_at > before.updated_at


def test_what_was_added_is_found_by_searching_and_labels_still_are(store: Store) -> None:
    uid = add(store, HALF, title="A title", tags=("kept",))
    word = WHOLE.pieces[30].strip()
    assert word not in HALF.text

    def found(text: str) -> list[str]:
        return [run.uid for run in store.runs.list(RunQuery("local", text=text)).rows]

    assert found(word) == []
    extend(store, uid, WHOLE)
    assert found(word) == found("a TITLE") == found("kept") == [uid]


def test_a_run_may_be_continued_as_often_as_it_is_stopped(store: Store) -> None:
    uid = add(store, shortened(WHOLE, 1))
    for tokens in (2, 9, 33):
        assert extend(store, uid, shortened(WHOLE, tokens), status="stopped").tokens == tokens
        assert_same_trace(store.runs.get(uid, viewer="local").trace, shortened(WHOLE, tokens))
    extend(store, uid, WHOLE)
    assert_same_trace(store.runs.get(uid, viewer="local").trace, WHOLE)


def changed(name: str, index: Any, value: Any) -> Trace:
    array = getattr(WHOLE, name).copy()
    array[index] = value
    return replace(WHOLE, **{name: array})


OTHER_SCORE = WHOLE.scores[NAMES[1]].copy()
OTHER_SCORE[3] += 1
SETTINGS: GenerationRequest = WHOLE.settings  # type: ignore[assignment]
REFUSED = {
    "as long": HALF,
    "shorter": shortened(WHOLE, 5),
    "token": changed("token_ids", 16, int(WHOLE.token_ids[9])),
    "alternative": changed("topk_ids", (3, 4), int(WHOLE.token_ids[9])),
    "last bit of a probability": changed("tail_mass", 16, np.float32(0.123)),
    "margin": changed("margin", 3, np.float32(0)),
    "noise row": changed("noise_rows", 2, 39),
    "prompt ids": replace(WHOLE, prompt_ids=WHOLE.prompt_ids + np.int32(1)),
    "score": with_score(WHOLE, NAMES[1], OTHER_SCORE),
    "score names": replace(WHOLE, scores={f"{name}x": values for name, values in WHOLE.scores.items()}),
    "bytes": replace(WHOLE, token_bytes={**WHOLE.token_bytes, int(WHOLE.token_ids[9]): b"other"}),
    "control tokens": replace(WHOLE, special_ids=frozenset()),
    "prompt": replace(WHOLE, prompt="another"),
    "seed": replace(WHOLE, seed=1),
    "model": replace(WHOLE, model=replace(WHOLE.model, revision="another")),
    "kind": replace(WHOLE, kind="branch"),
    "temperature": replace(WHOLE, settings=replace(SETTINGS, temperature=0.71)),
    "no settings": replace(WHOLE, settings=None),
    "text": replace(WHOLE, pieces=("x", *WHOLE.pieces[1:]), text="x" + WHOLE.text[len(WHOLE.pieces[0]) :]),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_run_that_does_not_begin_with_the_stored_one_is_refused_and_changes_nothing(store: Store, what: str) -> None:
    uid = add(store, HALF)
    before = store.runs.header(uid, viewer="local")
    with pytest.raises(BadInput, match="does not continue the stored one"):
        extend(store, uid, REFUSED[what])
    assert_same_trace(store.runs.get(uid, viewer="local").trace, HALF)
    assert store.runs.header(uid, viewer="local") == before and store.check().ok


def test_more_tokens_may_be_allowed_than_were_asked_for(store: Store) -> None:
    uid = add(store, HALF)
    more = replace(WHOLE, settings=replace(SETTINGS, max_new_tokens=400))
    extend(store, uid, more)
    assert_same_trace(store.runs.get(uid, viewer="local").trace, more)


def test_other_peoples_runs_deleted_ones_and_examples_are_refused(store: Store) -> None:
    foreign = add(store, HALF, owner="ann", visibility="unlisted")
    deleted = add(store, HALF)
    store.runs.delete([deleted], viewer="local")
    for uid in (foreign, deleted, "missing"):
        with pytest.raises(NotFound):
            extend(store, uid, WHOLE)
    with pytest.raises(BadInput, match="example"):
        extend(store, add(store, HALF, example=True), WHOLE)
    assert_same_trace(store.runs.get(foreign, viewer="ann").trace, HALF)


def test_a_score_over_the_whole_run_may_change_and_forks_keep_what_they_had(store: Store) -> None:
    uid = add(store, HALF)
    forks = {}
    for at in (1, 9, 17):
        fork = continued(HALF, at, 100 + at, 30)
        forks[add(store, fork, parent=uid, fork_position=at)] = fork
    plain = next(iter(forks))
    grandchild = continued(forks[plain], 20, 300, 35)
    forks[add(store, grandchild, parent=plain, fork_position=20)] = grandchild
    binned = continued(HALF, 12, 400, 30)
    gone = add(store, binned, parent=uid, fork_position=12)
    store.runs.delete([gone], viewer="local")
    longer = with_score(WHOLE, NAMES[1], WHOLE.scores[NAMES[1]] + np.float32(1))
    with pytest.raises(BadInput):
        extend(store, uid, longer)
    extend(store, uid, longer, over_run={NAMES[1]})
    store.runs.restore([gone], viewer="local")
    assert_same_trace(store.runs.get(uid, viewer="local").trace, longer)
    for fork_uid, fork in {**forks, gone: binned}.items():
        assert_same_trace(store.runs.get(fork_uid, viewer="local").trace, fork)
    assert store.check().ok


def test_an_unfinished_character_may_become_whole_and_forks_keep_the_broken_one(store: Store) -> None:
    """Token 1 holds the first two bytes of the euro sign, token 2 its last: stopped between them U+FFFD is shown."""
    broken = shortened(WHOLE, 2)
    broken = replace(broken, pieces=(WHOLE.pieces[0], "\ufffd"), text=WHOLE.pieces[0] + "\ufffd")
    assert WHOLE.pieces[1:3] == ("", "€")
    uid = add(store, broken)
    fork = continued(broken, 2, 7, 20)
    child = add(store, fork, parent=uid, fork_position=2)
    extend(store, uid, WHOLE)
    assert_same_trace(store.runs.get(uid, viewer="local").trace, WHOLE)
    assert_same_trace(store.runs.get(child, viewer="local").trace, fork)
    assert store.check().ok


def test_a_fork_that_shares_with_its_parent_can_itself_grow(store: Store) -> None:
    parent = small_trace(1, 20)
    whole = continued(parent, 12, 2, 40)
    first = add(store, parent)
    second = add(store, shortened(whole, 25), parent=first, fork_position=12)
    last = continued(shortened(whole, 25), 22, 3, 30)
    third = add(store, last, parent=second, fork_position=22)
    extend(store, second, whole)
    assert_same_trace(store.runs.get(first, viewer="local").trace, parent)
    assert_same_trace(store.runs.get(second, viewer="local").trace, whole)
    assert_same_trace(store.runs.get(third, viewer="local").trace, last)
    header = store.runs.header(second, viewer="local")
    assert (header.parent, header.fork_position) == (first, 12) and store.check().ok


def test_a_fork_made_after_growing_shares_again(store: Store) -> None:
    uid = add(store, HALF)
    extend(store, uid, WHOLE)
    fork = continued(WHOLE, 30, 9, 45)
    assert_same_trace(store.runs.get(add(store, fork, parent=uid, fork_position=30), viewer="local").trace, fork)
    assert same_bits(fork.margin[:30], WHOLE.margin[:30])
