"""Promises of load_model about folders and files: whole ones load, broken ones are refused with cause and remedy."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from engine.errors import ModelUnavailable
from engine.models import load_model
from engine.testing import byte_tokenizer, save_tiny_folder, tiny_model
from tests.support.refusals import only_pickle, refusal


def cut(path: Path, size: int) -> None:
    with path.open("r+b") as file:
        file.truncate(size)


def edit_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), "utf-8")


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


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
