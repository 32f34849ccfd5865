"""Groups of answers: what belongs together, names a person can read, and that neither order nor number decides."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest

from engine.clusters import DISTANCE, cluster, contradicting, distance_of, distances, distinct_names, shared_beginnings
from engine.errors import BadInput
from engine.fork_draws import ForkDraws, from_arrays, to_arrays
from engine.meaning import Meanings
from engine.rollouts import Rollout

TOPICS = ("nurse", "pilot", "baker", "judge")


def topic_vectors(texts, noise=0.15):
    """Unit vectors about the direction of the topic that a text names, those of one text always the same."""
    rows = []
    for text in texts:
        own = np.random.default_rng(sum(text.encode())).normal(size=16) * noise / 4
        for i, topic in enumerate(TOPICS):
            own[i] += topic in text
        rows.append(own / np.linalg.norm(own))
    return np.array(rows, dtype=np.float32).reshape(len(texts), 16)


def answers(count, seed=0):
    rng = random.Random(seed)
    # each begins with a word of its own, so that none is longer for what it shares
    letters = "abcdefghij"
    return [
        f"{''.join(rng.choices(letters, k=6))} as a {rng.choice(TOPICS)} or so {rng.choice(letters)}"
        for _ in range(count)
    ]


def test_answers_that_name_different_things_are_kept_apart_however_close():
    texts = [
        "The capital of Australia is Canberra.", "The capital of Australia is Sydney.", "It is Canberra.",
        "So 36 - 14 = 18 rolls are left.", "So 36 - 14 = 14 rolls are left.", "there are 18 rolls",
    ]  # fmt: skip
    apart = contradicting(texts)
    assert apart[0, 1] and apart[1, 2] and apart[3, 4] and apart[4, 5]
    assert not apart[0, 2] and not apart[3, 5] and not apart.diagonal().any() and (apart == apart.T).all()
    alike = dict.fromkeys(texts, np.array([1.0, 0.0], dtype=np.float32))
    found = cluster(dict.fromkeys(texts[:2], 5), alike, DISTANCE)
    assert len(found.names) == 2


class Counting:
    def __init__(self):
        self.asked = []

    def __call__(self, texts):
        self.asked += texts
        return topic_vectors(texts)


def reader(embed=None, always=("The base says pilot",)):
    return Meanings(embed or Counting(), DISTANCE, always, blank="unparsed", cut="truncated", reserved=("Other",))


def sorts(texts, labels):
    """The grouping without its names."""
    groups = {}
    for text, label in zip(texts, labels, strict=True):
        groups.setdefault(label, set()).add(text)
    return {frozenset(group) for group in groups.values()}


def test_what_lies_together_is_one_group_and_what_does_not_is_not():
    texts = answers(60)
    found = cluster(dict.fromkeys(texts, 1), dict(zip(texts, topic_vectors(texts), strict=True)), DISTANCE)
    assert len(found.names) == len(set(found.names)) == 4
    for a in texts:
        for b in texts:
            same = next(t for t in TOPICS if t in a) == next(t for t in TOPICS if t in b)
            assert (found.members[a] == found.members[b]) == same
    assert np.allclose(np.linalg.norm(found.centres, axis=1), 1)


@pytest.mark.parametrize("distance", [0.02, 0.35, 0.95])
def test_a_larger_distance_never_makes_more_groups(distance):
    texts = answers(40)
    vectors = dict(zip(texts, topic_vectors(texts, noise=0.6), strict=True))
    counts = dict.fromkeys(texts, 1)
    assert len(cluster(counts, vectors, distance).names) >= len(cluster(counts, vectors, distance + 0.04).names)


def test_one_text_and_many_alike_are_one_group():
    vector = np.eye(16, dtype=np.float32)[0]
    assert cluster({"one": 3}, {"one": vector}, DISTANCE).names == ("one",)
    assert len(cluster({"a b": 1, "c d": 1}, {"a b": vector, "c d": vector}, DISTANCE).names) == 1


def test_what_two_texts_begin_with_alike_does_not_make_them_closer():
    lead = " ".join(["lead"] * 30)
    texts = ["red sky", "blue sea", f"{lead} red sky", f"{lead} blue sea", f"{lead} red sky"]
    shared = shared_beginnings(texts)
    assert shared[0, 1] == 0 and shared[2, 3] == 30 / 32 and shared[2, 4] == 1 and (np.diag(shared) == 1).all()
    assert np.array_equal(shared, shared.T)
    vectors = topic_vectors(["pilot 1", "pilot 2"])
    near = np.array([vectors[0], vectors[1]] * 2)
    table = distances(["x a", "y b", f"{lead} a", f"{lead} b"], near)
    assert table[2, 3] > 3 * table[0, 1] > 0 and (np.diag(table) == 0).all()


def test_shared_beginnings_are_those_of_every_pair():
    rng = random.Random(3)
    texts = list(dict.fromkeys(" ".join(rng.choice("ab") for _ in range(rng.randrange(1, 7))) for _ in range(60)))
    table = shared_beginnings(texts)
    for i, a in enumerate(texts):
        for j, b in enumerate(texts):
            x, y = a.split(), b.split()
            alike = next((n for n, (u, v) in enumerate(zip(x, y, strict=False)) if u != v), min(len(x), len(y)))
            assert table[i, j] == pytest.approx(alike / max(len(x), len(y)))


def test_the_order_in_which_answers_came_decides_neither_groups_nor_names():
    texts = answers(80)
    one = reader()
    one.take(texts)
    expected = dict(zip(texts, one.labels(), strict=True))
    for seed in range(3):
        mixed = random.Random(seed).sample(texts, len(texts))
        other = reader()
        # in parts, as an analysis that was stopped and gone on with
        for i in range(0, len(mixed), 7):
            other.take(mixed[i : i + 7])
            other.labels(provisional=True)
        assert dict(zip(mixed, other.labels(), strict=True)) == expected


def test_while_answers_come_each_is_embedded_once_and_groups_are_made_anew_now_and_then(monkeypatch):
    made = []
    monkeypatch.setattr("engine.meaning.cluster", lambda *args: made.append(1) or cluster(*args))
    embed, texts = Counting(), answers(300)
    groups = reader(embed)
    for text in texts:
        groups.take([text, text])
        labels = groups.labels(provisional=True)
        assert len(labels) == groups.taken
    assert sorted(embed.asked) == sorted({*texts, "The base says pilot"})
    assert 5 < len(made) < 25
    before = len(made)
    settled = groups.labels()
    assert groups.labels() == settled and len(made) <= before + 1
    assert sorts(texts, settled[::2]) == sorts(texts, [next(t for t in TOPICS if t in text) for text in texts])


def test_new_answers_meanwhile_go_to_the_nearest_group():
    groups = reader()
    groups.take(["a nurse", "b pilot", "c baker"] * 20)
    names = groups.labels()
    groups.take(["d nurse then", "e baker then"])
    assert groups.labels(provisional=True) == [*names, names[0], names[2]]


def test_answers_that_were_cut_or_are_empty_have_labels_of_their_own():
    groups = reader(always=(" ",))
    groups.take([None, " \n"])
    assert groups.labels() == ["truncated", "unparsed"] and groups.label("") == "unparsed"
    groups.take(["a pilot", None, "b pilot", ""])
    assert groups.labels(provisional=True) == groups.labels()
    name = groups.labels()[2]
    assert groups.labels()[2:] == [name, "truncated", name, "unparsed"] and name in ("a pilot", "b pilot")


def test_the_answer_itself_has_a_group_that_can_be_named():
    groups = reader()
    assert groups.label("The base says pilot") == "The base says pilot"
    groups.take(["a nurse", "b nurse", "c pilot"])
    labels = groups.labels()
    assert groups.label("The base says  pilot") == labels[2] != labels[0] == labels[1]
    assert groups.label("never seen: a nurse") == labels[0]


@pytest.mark.parametrize("word", ["truncated", "unparsed", "Other"])
def test_no_group_takes_a_name_that_means_something_else(word):
    groups = reader(always=())
    groups.take([word])
    assert groups.labels() == [f"“{word}”"]


def test_names_are_short_distinct_and_show_where_texts_part():
    lead = "The question is what to do with the money that was found in the street, and so "
    texts = [
        "Paris.", f"{lead}he keeps it.", f"{lead}he gives it back.",
        f"{lead}he gives it to a charity for the poor people.", lead.strip(),
        "Paris. Certainly, as everybody knows who has ever looked at a map of France.",
    ]  # fmt: skip
    names = distinct_names(texts)
    assert len(set(names)) == len(names) and all(0 < len(name) <= 60 for name in names)
    assert names[0] == "Paris." and "keeps it." in names[1] and "it back." in names[2] and "charity" in names[3]
    assert names[5].startswith("Paris. Certainly") and names[5].endswith("…")


def test_names_stay_distinct_even_where_nothing_readable_tells_texts_apart():
    long = "x" * 100
    texts = [f"{long}a", f"{long}b", f"{long}c", f"{long}a (2)", "… a", "a"]
    assert len(set(distinct_names(texts))) == len(texts)
    assert distinct_names([]) == []


def test_thousands_of_texts_take_a_second_or_so():
    rng = np.random.default_rng(0)
    texts = [f"{' '.join(['lead'] * 20)} {i} {i * 7919 % 1000}" for i in range(3_000)]
    rows = rng.normal(size=(len(texts), 384)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    began = time.perf_counter()
    found = cluster(dict.fromkeys(texts, 1), dict(zip(texts, rows, strict=True)), DISTANCE)
    assert time.perf_counter() - began < 10
    assert len(found.members) == 2_000 and found.nearest(rows).shape == (3_000,)


def test_the_commonest_texts_are_those_that_are_compared():
    texts = [f"{i} nurse" for i in range(2_100)]
    counts = {text: 5 if i >= 2_090 else 1 for i, text in enumerate(texts)}
    vectors = dict(zip(texts, topic_vectors(texts), strict=True))
    assert set(texts[2_090:]) <= set(cluster(counts, vectors, 0.9).members)


@pytest.mark.parametrize("text", ["0", "1", "-0.2", "nan", "near", "0,3", "1e9"])
def test_a_distance_that_is_none_is_refused_with_what_would_be(text):
    with pytest.raises(BadInput, match=r"must be a number between 0 and 1, for example 0\.35"):
        distance_of(text)


def test_no_distance_is_the_measured_one():
    assert distance_of("") == distance_of(" ") == DISTANCE and distance_of(" 0.2 ") == 0.2


def test_without_anything_that_embeds_draws_say_so_and_are_read_in_other_ways():
    draws = ForkDraws((0,), {0: b"a pilot", 1: b""}, frozenset())
    draws.add(Rollout(0, 1, n, (0,), "stop", 0) for n in range(3))
    with pytest.raises(BadInput, match="needs a sentence model, and none is at hand: choose another"):
        draws.labels("meaning")
    assert list(draws.labels("exact_text")) == ["a pilot"] * 3
    again = from_arrays(to_arrays(draws), topic_vectors)
    assert again.labels("meaning") == ["a pilot"] * 3 and again.label_of((0,), "meaning") == "a pilot"
