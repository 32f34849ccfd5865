"""Making a model that cannot be had, asking for one, and checking the form of the answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import ModelUnavailable
from engine.models import load_model


def refusal(name: str, **options: str) -> str:
    """The one sentence with which a model is refused."""
    with pytest.raises(ModelUnavailable) as caught:
        load_model(name, **{"device": "cpu", **options})
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence
    return sentence


def only_pickle(folder: Path) -> None:
    """Leave a model's weights in no other form than the one that can run code."""
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
