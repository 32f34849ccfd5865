"""Fetches a model's files from the Hugging Face hub into the hub client's own cache.

Asks with short time-outs, downloads only what is needed (no pickle, no code), works from the cache when offline.
Does not know what is done with the files. HF_TOKEN, HF_HOME and HF_HUB_OFFLINE are the hub client's own settings.
"""

from __future__ import annotations

import shutil
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import ModelUnavailable
from engine.memory import gigabytes
from engine.progress import Progress

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

TIMEOUT_SECONDS = 8.0
ALLOWED = ("*.json", "*.safetensors", "*.jinja", "*.txt", "tokenizer.model")
# Sub-folders hold other formats; "consolidated" is the same weights once more.
IGNORED = ("*/*", "consolidated*")


def fetch(repo: str, *, progress: Progress) -> tuple[Path, str]:
    """The folder with a repository's files, and their commit. Raises ModelUnavailable, within seconds when offline."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )
    from huggingface_hub.errors import HTTPError as TransportError  # type: ignore[attr-defined]

    try:
        progress(f"Asking the hub for {repo}", None)
        return _download(repo, _describe(repo), progress)
    except GatedRepoError as error:
        raise ModelUnavailable(
            f"The owner of {repo} asks for a sign-up: accept the terms at its page on the hub, "
            "set HF_TOKEN to a token of yours, and start again."
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelUnavailable(
            f"The hub has no model {repo}, or it is private: check the spelling, or set HF_TOKEN."
        ) from error
    except HFValidationError as error:
        raise ModelUnavailable(f"{repo!r} is no hub id: write owner/name.") from error
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", "an error")
        return _from_cache(repo, f"the hub answered {status}", error)
    except (OfflineModeIsEnabled, TransportError) as error:
        return _from_cache(repo, "the hub cannot be reached", error)
    except OSError as error:
        raise ModelUnavailable(
            f"The files of {repo} could not be fetched ({error.strerror or type(error).__name__}): "
            "free some space or check the connection, and start again; it goes on where it stopped."
        ) from error


def _describe(repo: str) -> ModelInfo:
    """The hub's word on a repository, refused when it has no safetensors."""
    from huggingface_hub import HfApi

    info = HfApi().model_info(repo, files_metadata=True, timeout=TIMEOUT_SECONDS)
    if not any(wanted(file.rfilename) and file.rfilename.endswith(".safetensors") for file in info.siblings or ()):
        raise ModelUnavailable(
            f"{repo} holds no safetensors weights, and pickle files can run code when opened: choose another model."
        )
    return info


def wanted(name: str) -> bool:
    """Whether a file of a repository is downloaded."""
    allowed = any(fnmatchcase(name, pattern) for pattern in ALLOWED)
    return allowed and not any(fnmatchcase(name, pattern) for pattern in IGNORED)


def _download(repo: str, info: ModelInfo, progress: Progress) -> tuple[Path, str]:
    from huggingface_hub import constants, snapshot_download

    total = sum(file.size or 0 for file in info.siblings or () if wanted(file.rfilename))
    cached = _cached(repo, str(info.sha))
    if cached is None:
        _check_disk(repo, total, Path(constants.HF_HUB_CACHE))
    folder = snapshot_download(
        repo,
        allow_patterns=list(ALLOWED),
        ignore_patterns=list(IGNORED),
        etag_timeout=TIMEOUT_SECONDS,
        tqdm_class=_progress_bar(f"Downloading {repo} ({gigabytes(total)})", total, progress),
    )
    return Path(folder), Path(folder).name


def _from_cache(repo: str, reason: str, cause: Exception) -> tuple[Path, str]:
    """What an earlier download left, when it is whole."""
    folder = _cached(repo, None)
    if folder is None:
        raise ModelUnavailable(
            f"{repo} is not on this machine and {reason}: connect and start again, or choose the embedded model."
        ) from cause
    return folder, folder.name


def _cached(repo: str, revision: str | None) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = snapshot_download(
            repo,
            revision=revision,
            local_files_only=True,
            allow_patterns=list(ALLOWED),
            ignore_patterns=list(IGNORED),
        )
    except LocalEntryNotFoundError:
        return None
    return Path(folder)


def _check_disk(repo: str, total: int, cache: Path) -> None:
    home = next(folder for folder in (cache, *cache.parents) if folder.exists())
    free = shutil.disk_usage(home).free
    if total > free:
        raise ModelUnavailable(
            f"{repo} needs {gigabytes(total)} on disk and {cache} has {gigabytes(free)} free: "
            "free some space, or point HF_HOME to a larger disk."
        )


def _progress_bar(message: str, total: int, progress: Progress) -> Any:
    """A class in the shape of tqdm that tells `progress` instead of a terminal."""
    from huggingface_hub.utils.tqdm import tqdm

    furthest = 0.0

    class Bar(tqdm):
        """Counts bytes of all files together; the client makes one for what arrives and one for what is written."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self._counts_bytes = kwargs.get("unit") == "B"
            self._bytes = 0.0
            super().__init__(*args, **{**kwargs, "disable": True})

        def update(self, n: float | None = 1) -> None:
            nonlocal furthest
            self._bytes += n or 0
            if self._counts_bytes and total:
                furthest = max(furthest, min(1.0, self._bytes / total))
                progress(message, furthest)

    return Bar
