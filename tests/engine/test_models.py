"""Promises of engine.models: a model by name, its prompts and ids, and one sentence for whatever is wrong."""

from __future__ import annotations

import json
import shutil
import struct
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers.processors import TemplateProcessing

from engine import memory
from engine.catalogue import QUANTIZATIONS, read_catalogue
from engine.errors import BadInput, ModelUnavailable, OutOfMemory, UserError
from engine.models import LanguageModel, load_model
from engine.sources import HUB_ID
from engine.testing import byte_tokenizer, save_tiny_folder, tiny_model
from engine.tokens import Vocabulary

NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "<|user|>{{ messages[0]['content'] }}<|end|><|assistant|>"
)
DEAF = "<|user|>{{ messages[-1]['content'] }}<|end|><|assistant|>"
REFUSING = "{{ raise_exception('never') }}"


def with_tokenizer(template: str | None = None, *, start: bool = False) -> LanguageModel:
    """The tiny model with another chat template, or with a start token before every text."""
    base = tiny_model(chat=False)
    tokenizer = byte_tokenizer(chat=False)
    tokenizer.chat_template = template
    if start:
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single="<|system|> $A", special_tokens=[("<|system|>", 259)]
        )
    card = replace(base.card, has_chat_template=template is not None)
    return LanguageModel(base.network, tokenizer, card, Vocabulary(tokenizer.backend_tokenizer))


def text_of(model: LanguageModel, ids: list[int]) -> str:
    return "".join(model.pieces(ids))


def refusal(name: str, **options: str) -> str:
    """The one sentence with which a model is refused."""
    with pytest.raises(ModelUnavailable) as caught:
        load_model(name, **{"device": "cpu", **options})
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence
    return sentence


# --- prompts and ids


@pytest.mark.parametrize("template", [NO_SYSTEM, DEAF], ids=["refuses", "drops"])
def test_a_template_without_a_system_role_gets_the_system_text_in_front_of_the_prompt(template: str) -> None:
    model = with_tokenizer(template)
    assert text_of(model, model.encode_prompt("Hi", "Be brief")) == "<|user|>Be brief\n\nHi<|end|><|assistant|>"
    assert text_of(model, model.encode_prompt("Hi")) == "<|user|>Hi<|end|><|assistant|>"


def test_a_template_that_refuses_every_prompt_is_named() -> None:
    model = with_tokenizer(REFUSING)
    for system in (None, "Be brief"):
        with pytest.raises(ModelUnavailable, match="chat template of tiny refuses this prompt \\(never\\)"):
            model.encode_prompt("Hi", system)


def test_the_start_token_comes_once_even_when_the_text_spells_it_out() -> None:
    model = with_tokenizer(start=True)
    assert model.start_ids == (259,)
    assert model.encode_prompt("ab") == [259, 97, 98]
    assert model.encode_prompt("<|system|>ab") == [259, 97, 98]
    assert model.encode_prompt("") == [259]
    assert model.encode("ab") == [97, 98]


def test_a_template_that_writes_the_start_token_is_not_given_a_second_one() -> None:
    model = with_tokenizer("<|system|>{{ messages[0]['content'] }}", start=True)
    assert model.encode_prompt("ab") == [259, 97, 98]


def test_control_tokens_in_a_text_are_recognised_and_nothing_is_added() -> None:
    model = tiny_model()
    assert model.encode("a<|end|>") == [97, 256]
    assert model.encode("") == []


@pytest.mark.parametrize("text", ["a\ud83d", "\udc00"])
def test_half_a_character_is_refused_with_its_place(text: str) -> None:
    model = tiny_model()
    tries: list[Callable[[], list[int]]] = [
        lambda: model.encode(text),
        lambda: model.encode_prompt(text),
        lambda: model.encode_prompt("a", text),
    ]
    for attempt in tries:
        with pytest.raises(BadInput, match=f"U\\+D[8C][03][0D] at position {len(text)}"):
            attempt()


def test_nul_and_other_control_characters_pass_through() -> None:
    model = tiny_model()
    assert text_of(model, model.encode("a\x00\x1b\u202eb")) == "a\x00\x1b\u202eb"
    assert "\x00" in text_of(model, model.encode_prompt("a\x00"))


@pytest.mark.model
def test_the_embedded_model_encodes_as_published(embedded: LanguageModel, shared_dir: Path) -> None:
    path = shared_dir / "golden" / "scores_expected.json"
    if not path.is_file():
        pytest.skip("no golden/scores_expected.json in the shared folder")
    for case in json.loads(path.read_text("utf-8"))["cases"]:
        assert embedded.encode_prompt(case["prompt"]) == case["prompt_ids"]
        assert embedded.encode(case["text"]) == case["token_ids"]
        assert text_of(embedded, case["token_ids"]) == case["text"]


@pytest.mark.model
def test_the_embedded_model_says_what_it_is(embedded: LanguageModel) -> None:
    entry = read_catalogue()["embedded"]
    card = embedded.card
    assert (card.name, card.repo, card.quantization, card.dtype) == ("embedded", entry.repo, "none", "float32")
    assert card.context_length == entry.context == embedded.context_length
    assert card.vocabulary_size == 49152
    assert len(card.revision) == len(card.tokenizer_hash) == 64
    assert embedded.end_ids == {0, 2}
    assert {1, 2} <= embedded.special_ids
    assert embedded.start_ids == ()
    assert not embedded.network.training


@pytest.mark.model
def test_an_empty_system_text_takes_the_place_of_the_models_own(embedded: LanguageModel) -> None:
    assert "named SmolLM" in text_of(embedded, embedded.encode_prompt("Hi"))
    assert "named SmolLM" not in text_of(embedded, embedded.encode_prompt("Hi", ""))
    assert "<|im_start|>system\nBe brief<|im_end|>" in text_of(embedded, embedded.encode_prompt("Hi", "Be brief"))


# --- number formats


@pytest.mark.model
@pytest.mark.parametrize(("quantization", "dtype"), [("nf4", None), ("nf4", "bfloat16"), ("int8", None)])
def test_a_quantised_model_loads_and_answers_on_the_cpu(
    embedded: LanguageModel, quantization: str, dtype: str | None
) -> None:
    model = load_model("embedded", quantization=quantization, dtype=dtype, device="cpu")
    assert (model.card.quantization, model.card.dtype) == (quantization, dtype or "float32")
    layers = {type(module).__name__ for module in model.network.modules()}
    assert {"nf4": "Linear4bit", "int8": "Linear8bitLt"}[quantization] in layers
    ids = torch.tensor([model.encode_prompt("What is the capital of France?")])
    with torch.inference_mode():
        answer = model.network.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False)
        close = model.network(input_ids=ids).logits[0, -1].float()
        exact = embedded.network(input_ids=ids).logits[0, -1]
    assert "Paris" in text_of(model, answer[0, ids.shape[1] :].tolist())
    assert not torch.equal(close, exact), "nothing was quantised"
    assert torch.nn.functional.cosine_similarity(close, exact, dim=0) > 0.98


def test_the_cpu_defaults_to_exact_float32(tmp_path: Path) -> None:
    save_tiny_folder(tmp_path / "tiny")
    card = load_model(str(tmp_path / "tiny"), device="cpu").card
    assert (card.quantization, card.dtype, card.device) == ("none", "float32", "cpu")


def test_a_graphics_card_defaults_to_nf4_with_bfloat16(tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("this machine has no CUDA device")
    save_tiny_folder(tmp_path / "tiny")
    model = load_model(str(tmp_path / "tiny"))
    assert (model.card.quantization, model.card.dtype, model.device.type) == ("nf4", "bfloat16", "cuda")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"device": "tpu9"}, "'tpu9' is not known: choose cpu, cuda or mps"),
        ({"device": "meta"}, "'meta' is not supported"),
        ({"device": "cpu:7"}, "no device cpu:7"),
        ({"device": "cuda:99"}, "no device cuda:99"),
        ({"dtype": "float8"}, "'float8' is not known: choose one of float32, bfloat16, float16"),
        ({"quantization": "int3"}, "'int3' is not known: choose one of none, nf4, int8"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_read(options: dict[str, str], words: str) -> None:
    assert words in refusal("embedded", **options)


# --- names and folders


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    sentence = refusal("gpt-17")
    assert all(name in sentence for name in read_catalogue())


@pytest.mark.parametrize("name", ["/nowhere/model", "./nowhere", "~/nowhere/x", "nowhere.gguf", "a/b/c"])
def test_a_path_to_nothing_is_called_a_path(name: str) -> None:
    assert refusal(name) == f"There is no folder or file {name}: check the path."


@pytest.mark.parametrize("name", ["", "\x00", "a b", "../..//\x00"])
def test_a_name_that_cannot_be_one_is_refused(name: str) -> None:
    assert refusal(name)


def test_a_hub_model_that_is_not_here_is_refused_within_seconds_when_offline() -> None:
    started = time.monotonic()
    sentence = refusal("nobody/nothing-of-this-name")
    assert "nobody/nothing-of-this-name is not on this machine" in sentence
    assert time.monotonic() - started < 5


def cut(path: Path, size: int) -> None:
    with path.open("r+b") as file:
        file.truncate(size)


def edit_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), "utf-8")


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def only_pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def shards_missing(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def index_cut(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text("{")


def bad_header(folder: Path) -> None:
    with (folder / "model.safetensors").open("r+b") as file:
        file.write(struct.pack("<Q", 2**60))


def array_renamed(folder: Path) -> None:
    raw = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(raw.replace(b"model.norm.weight", b"model.nope.weight"))


def not_finite(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    arrays = load_file(folder / "model.safetensors")
    arrays["model.norm.weight"] = torch.full_like(arrays["model.norm.weight"], float("nan"))
    save_file(arrays, folder / "model.safetensors", metadata={"format": "pt"})


BREAKAGES: list[tuple[Callable[[Path], object], str]] = [
    (without("config.json"), "holds no config.json"),
    (without("model.safetensors"), "holds no weights: add model.safetensors"),
    (only_pickle, "pickle files only, which can run code"),
    (shards_missing, "lacks 2 of 2 weight files"),
    (
        lambda f: (f / "model.safetensors.index.json").write_text("{") and without("model.safetensors")(f),
        "cannot be read",
    ),
    (lambda f: cut(f / "model.safetensors", 20_000), "is damaged, it has 20000 bytes instead of"),
    (lambda f: cut(f / "model.safetensors", 3), "its table cannot be read"),
    (bad_header, "is damaged, it has"),
    (array_renamed, "lack 1 of the network's arrays"),
    (not_finite, "numbers that are not finite in float32"),
    (without("tokenizer.json"), "comes without a tokenizer.json"),
    (lambda f: cut(f / "tokenizer.json", 500), "tokenizer of broken cannot be read"),
    (lambda f: (f / "tokenizer.json").write_text('{"model": 3}'), "tokenizer of broken cannot be read"),
    (lambda f: cut(f / "config.json", 30), "config.json cannot be read"),
    (lambda f: (f / "config.json").write_text("[]"), "config.json cannot be read"),
    (lambda f: edit_json(f / "config.json", hidden_size=64), "do not fit its configuration"),
    (lambda f: edit_json(f / "config.json", num_attention_heads=5), "of broken cannot be read"),
    (lambda f: edit_json(f / "config.json", architectures=["BertForMaskedLM"], model_type="bert"), "BertForMaskedLM"),
    (lambda f: edit_json(f / "config.json", architectures=["NoSuchForCausalLM"], model_type="nosuch"), "no causal"),
    (lambda f: edit_json(f / "config.json", quantization_config={"quant_method": "awq"}), "are stored quantised"),
]


@pytest.mark.parametrize(("damage", "words"), BREAKAGES, ids=[words for _, words in BREAKAGES])
def test_a_broken_folder_is_refused_with_cause_and_remedy(
    tmp_path: Path, damage: Callable[[Path], object], words: str
) -> None:
    save_tiny_folder(tmp_path / "broken")
    damage(tmp_path / "broken")
    sentence = refusal(str(tmp_path / "broken"))
    assert words in sentence
    assert ": " in sentence, "a remedy follows the cause"


def test_code_in_a_folder_is_never_run(tmp_path: Path) -> None:
    save_tiny_folder(tmp_path / "coded")
    trap = tmp_path / "ran"
    (tmp_path / "coded" / "modeling_x.py").write_text(f"open({str(trap)!r}, 'w')\n")
    auto_map = {"AutoConfig": "modeling_x.X", "AutoModelForCausalLM": "modeling_x.X", "AutoTokenizer": "modeling_x.X"}
    edit_json(tmp_path / "coded" / "config.json", auto_map=auto_map, model_type="x", architectures=["X"])
    edit_json(tmp_path / "coded" / "tokenizer_config.json", auto_map={"AutoTokenizer": ["modeling_x.X", None]})
    assert refusal(str(tmp_path / "coded"))
    assert not trap.exists()


def test_a_whole_folder_loads_and_its_revision_follows_its_content(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        save_tiny_folder(tmp_path / name, seed=seed)
    a, b, c = (load_model(str(tmp_path / name), device="cpu").card for name in "abc")
    assert (a.name, a.repo) == ("a", "a"), "where it lies on this machine is nobody's business"
    assert a.revision == b.revision != c.revision
    assert a.tokenizer_hash == c.tokenizer_hash


def test_sharded_weights_load_like_whole_ones(tmp_path: Path) -> None:
    model = tiny_model()
    model.network.save_pretrained(tmp_path, max_shard_size="40KB")
    byte_tokenizer().save_pretrained(tmp_path)
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 1
    ids = torch.tensor([[1, 2, 3]])
    loaded = load_model(str(tmp_path), device="cpu")
    assert torch.equal(loaded.network(input_ids=ids).logits, model.network(input_ids=ids).logits)


def test_a_relative_folder_is_a_folder_and_no_hub_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_tiny_folder(tmp_path / "owner" / "name")
    monkeypatch.chdir(tmp_path)
    assert load_model("owner/name", device="cpu").card.name == "name"


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    assert "is no model" in refusal(str(tmp_path / "notes.txt"))


@pytest.mark.parametrize("content", [b"", b"nope", b"GGUF\x03\x00\x00\x00" + b"\xff" * 40])
def test_a_damaged_gguf_file_is_refused_and_leaves_nothing_behind(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.gguf").write_bytes(content)
    with pytest.raises(ModelUnavailable, match=r"x\.gguf cannot be converted"):
        load_model(str(tmp_path / "x.gguf"), device="cpu", cache_dir=tmp_path / "cache")
    assert [path for path in (tmp_path / "cache" / "models").iterdir() if path.is_dir()] == []


# --- memory


def test_a_model_larger_than_memory_is_refused_before_it_is_loaded(tmp_path: Path) -> None:
    save_tiny_folder(tmp_path / "huge")
    path = tmp_path / "huge" / "model.safetensors"
    rows = 10**8
    table = {"model.layers.0.x.weight": {"dtype": "F32", "shape": [rows, 10_000], "data_offsets": [0, rows * 40_000]}}
    header = json.dumps(table).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    try:
        cut(path, 8 + len(header) + rows * 40_000)
    except OSError:
        pytest.skip("this file system has no sparse files of 4 TB")
    with pytest.raises(
        OutOfMemory, match=r"huge \(none, float32\) needs about 4000\.2 GB, and cpu has .* free: choose"
    ):
        load_model(str(tmp_path / "huge"), device="cpu")


def test_free_memory_is_the_smaller_of_machine_and_container(tmp_path: Path) -> None:
    free = memory.free_bytes("cpu")
    assert free is None or 0 < free < 10**14
    memory.check_room(1, "cpu", "x", "y")
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 200\n")
    assert memory.cgroup_free(tmp_path) == 500
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.cgroup_free(tmp_path) is None
    assert memory.cgroup_free(tmp_path / "none") is None


# --- the catalogue


def test_every_entry_of_the_catalogue_is_complete() -> None:
    catalogue = read_catalogue()
    assert next(iter(catalogue)) == "embedded"
    large = 0
    for entry in catalogue.values():
        assert entry.title and entry.licence, entry.name
        assert HUB_ID.fullmatch(entry.repo), entry.repo
        assert (entry.package is None) == (entry.file is None), entry.name
        assert set(entry.memory_gb) == set(QUANTIZATIONS), entry.name
        need = [entry.memory_gb[name] for name in ("none", "int8", "nf4")]
        assert need == sorted(need, reverse=True) and len(set(need)) == 3, entry.name
        assert 1.9 * entry.parameters <= need[0] <= 4.6 * entry.parameters, "16 to 32 bits a weight"
        assert 0.5 * entry.parameters <= need[2], "4 bits a weight"
        assert entry.context >= 2048, entry.name
        large += entry.package is None and 1.4 <= entry.parameters <= 8.1
    assert large >= 3
    assert len({entry.repo for entry in catalogue.values() if entry.package is None}) == len(catalogue) - 1


def test_one_table_adds_a_model_and_a_misspelt_field_is_an_error(tmp_path: Path) -> None:
    table = (
        '[mine]\ntitle="M"\nrepo="o/m"\nlicence="MIT"\nparameters=1.0\n'
        "memory_gb={none=2.0,int8=1.0,nf4=0.6}\ncontext=4096\ngated=false\n"
    )
    path = tmp_path / "models.toml"
    path.write_text(table)
    assert read_catalogue(path)["mine"].repo == "o/m"
    path.write_text(table + "contxt=3\n")
    with pytest.raises(TypeError, match="contxt"):
        read_catalogue(path)


def test_every_refusal_is_an_error_a_person_may_see() -> None:
    assert issubclass(ModelUnavailable, UserError) and issubclass(OutOfMemory, UserError)


def test_a_missing_package_is_answered_with_how_to_install_it(tmp_path: Path) -> None:
    from engine import conversion

    assert conversion.packaged_file("no_such_package_anywhere", "x.gguf") is None
    assert conversion.packaged_file("json", "no_such_file.gguf") is None
    assert conversion.packaged_file("json", "decoder.py") is not None


def test_finding_the_embedded_file_does_not_run_its_package() -> None:
    import sys

    from engine import conversion

    entry = read_catalogue()["embedded"]
    assert entry.package and entry.file
    conversion.packaged_file(entry.package, entry.file)
    assert entry.package not in sys.modules


def test_copies_of_a_folder_are_the_same_model(tmp_path: Path) -> None:
    save_tiny_folder(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    ids = torch.tensor([[5, 6]])
    a, b = (load_model(str(tmp_path / name), device="cpu") for name in "ab")
    assert np.array_equal(a.network(input_ids=ids).logits.numpy(), b.network(input_ids=ids).logits.numpy())
