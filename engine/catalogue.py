"""The models that can be chosen by name, read from assets/models.toml.

Knows names, origins and needs; does not know whether a model is installed, nor how it is loaded.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

Quantization = Literal["none", "nf4", "int8"]
QUANTIZATIONS: tuple[Quantization, ...] = get_args(Quantization)
CATALOGUE_FILE = Path(__file__).resolve().parent.parent / "assets" / "models.toml"


@dataclass(frozen=True)
class CatalogueEntry:
    """One model that can be chosen by name.

    repo: its home on the hub. package, file: the Python package and the GGUF file in it that carry the weights, both
    None for a model that comes from the hub. parameters: billions. memory_gb: quantisation -> GB (10^9 bytes) that
    the weights need. context: most tokens. gated: its owner asks for a sign-up before the download.
    """

    name: str
    title: str
    repo: str
    licence: str
    parameters: float
    memory_gb: Mapping[str, float]
    context: int
    gated: bool
    package: str | None = None
    file: str | None = None


def model_title(name: str, path: Path = CATALOGUE_FILE) -> str:
    """What people call a model: its title in the catalogue, otherwise its own name (a folder, a hub id)."""
    return titles(path).get(name, name)


@cache
def titles(path: Path = CATALOGUE_FILE) -> Mapping[str, str]:
    """Name -> title of every model in the catalogue; read once."""
    return {name: entry.title for name, entry in read_catalogue(path).items()}


def read_catalogue(path: Path = CATALOGUE_FILE) -> dict[str, CatalogueEntry]:
    """Name -> entry, in the file's order. Raises ValueError or TypeError for a file that is not a catalogue."""
    with path.open("rb") as file:
        tables = tomllib.load(file)
    return {name: CatalogueEntry(name=name, **table) for name, table in tables.items()}
