"""Kept queries give the attention that eager layers would, for every kind of layer, and change nothing on the way."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from engine.attention_taps import CHUNK, TOP, AttentionTaps
from engine.errors import BadInput, ModelUnavailable
from engine.forward import ForwardPass
from engine.models import load_model
from engine.testing import tiny_model
from tests.support.small_networks import CONTEXT, KINDS, WINDOW, eager_attention, small_model, small_model_of, some_ids
from tests.support.toy_model import one_thread

LENGTH = 2 * CHUNK + 45
FIRST = 20
POSITIONS = (FIRST, FIRST + 1, WINDOW, 77, CHUNK - 1, CHUNK, CHUNK + 1, 200, 2 * CHUNK - 1, 2 * CHUNK, LENGTH - 1)
GPT = {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": CONTEXT}


@pytest.fixture(autouse=True)
def one_at_a_time():
    with one_thread():
        yield


def taps_of(model, ids, first=FIRST):
    taps = AttentionTaps(model, ids, first)
    assert list(taps.read())[-1] == len(ids)
    return taps


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_those_of_eager_layers_at_every_head(kind):
    model, ids = small_model(kind), some_ids(LENGTH)
    weights, logits, states = eager_attention(model, ids)
    assert weights.shape[2] == LENGTH > 2 * CHUNK
    taps = taps_of(model, ids)
    layers, heads = weights.shape[:2]
    assert taps.layers == layers
    for position in POSITIONS:
        expected = weights[:, :, position, : position + 1].reshape(layers * heads, position + 1)
        np.testing.assert_allclose(taps.weights(position), expected, atol=1e-5, rtol=0)
    scores = log_softmax(logits[FIRST:].astype(np.float64), axis=1)
    np.testing.assert_allclose(taps.logprobs[:-1], scores[np.arange(LENGTH - FIRST - 1), ids[FIRST + 1 :]], atol=1e-4)
    assert np.isnan(taps.logprobs[-1])
    np.testing.assert_allclose(taps.top_logprobs, -np.sort(-scores, axis=1)[:, :TOP], atol=1e-4)
    np.testing.assert_allclose(np.take_along_axis(scores, taps.top_ids, axis=1), taps.top_logprobs, atol=1e-4)
    np.testing.assert_allclose(taps.states, states[FIRST:], atol=1e-4)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "window" in kind])
def test_windows_hide_what_lies_before_them(kind):
    model = small_model(kind)
    weights = taps_of(model, some_ids(LENGTH)).weights(LENGTH - 1)
    hidden = (weights[:, : LENGTH - WINDOW] == 0).all(axis=1)
    assert hidden.any() and (weights[hidden][:, LENGTH - WINDOW :] > 0).all()


def test_a_soft_cap_changes_the_weights():
    """A control: the comparison with eager layers sees a cap that is left out."""
    model, ids = small_model("gemma2, soft caps and windows"), some_ids(LENGTH)
    taps = taps_of(model, ids)
    with_cap = taps.weights(200)
    for layer in taps._layers.values():
        assert layer.softcap == 1.5
        layer.softcap = None
    assert np.abs(taps.weights(200) - with_cap).max() > 1e-3


def test_queries_before_their_rotation_are_others():
    """A control: weights worked out from the keys of other positions differ by far more than is allowed."""
    taps = taps_of(small_model("llama, grouped queries"), some_ids(LENGTH))
    before = taps.weights(200)
    for layer in taps._cache.layers:
        layer.keys = layer.keys.roll(1, dims=2)
    assert np.abs(taps.weights(200) - before).max() > 1e-2


@pytest.mark.parametrize("kind", KINDS)
def test_attention_to_itself_is_the_diagonal(kind):
    model, ids = small_model(kind), some_ids(LENGTH)
    weights = eager_attention(model, ids)[0]
    for first in (0, FIRST):
        taps = taps_of(model, ids, first)
        found = dict(taps.to_itself(range(taps.layers), block=50))
        assert list(found) == list(range(taps.layers))
        rows = np.arange(first, LENGTH)
        for layer, heads in found.items():
            assert heads.shape == (weights.shape[1], LENGTH - first)
            np.testing.assert_allclose(heads[:, rows - first], weights[layer][:, rows, rows], atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_networks_answers_are_the_same_to_the_last_bit(kind, monkeypatch):
    from transformers import DynamicCache

    model, ids = small_model(kind), some_ids(LENGTH)
    tapped = []
    keep_logits = AttentionTaps._keep_logits
    monkeypatch.setattr(
        AttentionTaps, "_keep_logits", lambda self, logits, start: (tapped.append(logits.clone()),
                                                                    keep_logits(self, logits, start))
    )  # fmt: skip
    before = model.network.config._attn_implementation
    taps_of(model, ids, 0)
    assert model.network.config._attn_implementation == before
    cache = DynamicCache()
    with torch.inference_mode():
        for number, start in enumerate(range(0, LENGTH, CHUNK)):
            part = torch.tensor([ids[start : start + CHUNK]])
            logits = model.network(input_ids=part, past_key_values=cache, use_cache=True).logits[0]
            assert torch.equal(logits, tapped[number])
    assert len(tapped) == 3


def test_what_follows_a_substitute_is_what_a_whole_pass_says():
    for kind in ("llama, grouped queries", "mistral, sliding window", "gemma3, windows"):
        model, ids = small_model(kind), some_ids(LENGTH)
        taps = taps_of(model, ids)
        for position in (250, 200, 60):  # never further on
            changed = [*ids[:position], 65, *ids[position + 1 :]]
            keep = [0, 7, 39, min(CHUNK + 3, LENGTH - position - 1)]
            found = np.concatenate(list(taps.continued(position, changed[position:], keep)))
            logits = eager_attention(model, changed)[1]
            expected = log_softmax(logits[[position + k for k in keep]].astype(np.float64), axis=1)
            np.testing.assert_allclose(found, expected, atol=1e-4)


REFUSED = {
    "states instead of attention": ("mamba", {}, "do not attend at all"),
    "states beside attention": (
        "falcon_h1",
        {"mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_n_groups": 1},
        "do not attend at all",
    ),
    "some layers of convolutions": (
        "lfm2", {"layer_types": ["conv", "full_attention", "conv"]}, r"do not attend at all \(conv\)"
    ),
    "attention of its own, rotated": ("gptj", {**GPT, "rotary_dim": 4}, "only 0 of its 3 layers attend in a known way"),
    "attention of its own, with slopes": ("bloom", {"n_head": 4, "n_layer": 3}, "only 0 of its 3 layers"),
    "sinks": (
        "gpt_oss",
        {"head_dim": 8, "num_local_experts": 2, "sliding_window": WINDOW},
        r"depends on more than queries and keys \(s_aux\)",
    ),
    "compressed keys": (
        "deepseek_v3",
        {"n_routed_experts": 4, "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1, "q_lora_rank": 16,
         "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8, "num_key_value_heads": 4},
        "keep them in another form",
    ),
    "keys shared between layers": (
        "gemma3n_text",
        {"head_dim": 8, "num_hidden_layers": 6, "num_kv_shared_layers": 3, "sliding_window": WINDOW,
         "layer_types": ["sliding_attention", "full_attention"] * 3, "hidden_size_per_layer_input": 8,
         "vocab_size_per_layer_input": 288},
        "share keys",
    ),
    "two attentions a layer": ("diffllama", {}, "more than once"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_networks_without_accessible_attention_are_refused_with_the_reason(what):
    kind, settings, reason = REFUSED[what]
    model = small_model_of(kind, settings, "eager", name="odd one")
    with pytest.raises(ModelUnavailable, match=reason) as refusal:
        list(AttentionTaps(model, some_ids(LENGTH), FIRST).read())
    assert str(refusal.value).startswith("The attention chain is not available for odd one because ")
    assert "choose a model of the Llama" in str(refusal.value)
    assert model.network.config._attn_implementation == "eager", "left as it was"


def test_mixtures_of_experts_are_read():
    settings = {"num_experts": 4, "num_experts_per_tok": 2, "head_dim": 8, "moe_intermediate_size": 16}
    model, ids = small_model_of("qwen3_moe", settings), some_ids(LENGTH)
    expected = eager_attention(model, ids)[0][:, :, 200, :201].reshape(12, 201)
    np.testing.assert_allclose(taps_of(model, ids).weights(200), expected, atol=1e-5)


def test_texts_that_do_not_fit_are_refused_with_both_lengths(tiny):
    with pytest.raises(BadInput, match="have 600 tokens; this model's context holds 512"):
        AttentionTaps(tiny, some_ids(600), 5)
    with pytest.raises(BadInput, match="Row 9 is none of a text of 9 tokens"):
        AttentionTaps(tiny, some_ids(9), 9)


def test_a_reading_that_is_given_up_leaves_the_network_as_it_was(tiny):
    ids = some_ids(LENGTH)
    before = ForwardPass(tiny).feed(ids[:50])
    for part in AttentionTaps(tiny, ids, FIRST).read():
        assert part == CHUNK
        break
    assert tiny.network.config._attn_implementation == "sdpa"
    np.testing.assert_array_equal(ForwardPass(tiny).feed(ids[:50]), before)


def test_a_network_is_not_held_on_to_after_it_was_read():
    model = tiny_model()
    network = weakref.ref(model.network)
    taps_of(model, some_ids(60))
    del model
    gc.collect()
    assert network() is None


def test_two_networks_can_be_read_at_the_same_time():
    models = [small_model("llama, grouped queries", seed) for seed in (0, 1)]
    ids = some_ids(400)
    alone = [taps_of(model, ids).weights(399) for model in models]
    found: dict[int, list[np.ndarray]] = {0: [], 1: []}

    def read(number):
        for _ in range(6):
            found[number].append(taps_of(models[number], ids).weights(399))

    threads = [threading.Thread(target=read, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in (0, 1):
        assert len(found[number]) == 6 and all(np.abs(w - alone[number]).max() < 1e-5 for w in found[number])
    assert np.abs(alone[0] - alone[1]).max() > 1e-2, "the control: the two differ"


def test_kept_memory_grows_with_the_length_alone(tiny):
    sizes = []
    for length in (100, 200, 400):
        taps = taps_of(tiny, some_ids(length), 0)
        sizes.append(sum(layer.queries.numel() for layer in taps._layers.values()) + taps.states.size)
    assert sizes[1] == 2 * sizes[0] and sizes[2] == 4 * sizes[0]


@pytest.mark.model
@pytest.mark.parametrize(("quantization", "dtype"), [("nf4", "float32"), ("none", "bfloat16")])
def test_coarser_networks_give_the_attention_of_the_same_numbers_attending_eagerly(quantization, dtype):
    model = load_model("embedded", quantization=quantization, dtype=dtype, device="cpu")
    ids = model.encode("Tom has 3 boxes with 12 pencils each. He gives away 7 pencils. " * 9)
    assert len(ids) > CHUNK
    weights = eager_attention(model, ids)[0]

    def off(position):
        expected = weights[:, :, position, : position + 1].reshape(-1, position + 1)
        return np.abs(taps.weights(position) - expected)

    # layers compute in bfloat16: the last bit of a sum that another kernel makes may be a large step of theirs
    taps = taps_of(model, ids, 5)
    for position in (5, 100, len(ids) - 1):
        assert off(position).mean() < 2e-3 and np.quantile(off(position), 0.99) < 0.03
    model.network.set_attn_implementation("eager")
    taps = taps_of(model, ids, 5)
    apart = 1e-5 if quantization == "nf4" else 0.03
    assert max(off(position).max() for position in (5, 100, len(ids) - 1)) < apart
