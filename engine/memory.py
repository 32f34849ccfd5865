"""How much memory is free on a device, so that a model that cannot fit is refused before the machine suffers.

Knows the kernel's and the driver's counters; does not know models.
"""

from __future__ import annotations

import re
from pathlib import Path

from engine.errors import OutOfMemory

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")


def check_room(needed: int, device: str, what: str, remedy: str) -> None:
    """Raise OutOfMemory when `needed` bytes are not free on the device; do nothing where nobody can tell."""
    free = free_bytes(device)
    if free is not None and needed > free:
        raise OutOfMemory(f"{what} needs about {gigabytes(needed)}, and {device} has {gigabytes(free)} free: {remedy}.")


def free_bytes(device: str) -> int | None:
    """Free bytes on "cpu", "cuda", "cuda:1" or "mps"; None where the system does not say."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.mem_get_info(torch.device(device))[0])
    if device.startswith("mps"):
        import torch

        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    known = [value for value in (_meminfo(MEMINFO), cgroup_free(CGROUP)) if value is not None]
    return min(known, default=None)


def gigabytes(count: float) -> str:
    """A number of bytes for people: GB of 10^9, one digit."""
    return f"{count / 1e9:.1f} GB"


def _meminfo(path: Path) -> int | None:
    """MemAvailable of Linux: what can be had without swapping."""
    match = re.search(r"^MemAvailable:\s+(\d+) kB", _read(path), re.MULTILINE)
    return int(match[1]) * 1024 if match else None


def cgroup_free(folder: Path) -> int | None:
    """What a container may still take (cgroup v2); files that can be dropped from its cache count as free."""
    limit, used = _read(folder / "memory.max").strip(), _read(folder / "memory.current").strip()
    if not (limit.isdigit() and used.isdigit()):
        return None
    match = re.search(r"^inactive_file (\d+)", _read(folder / "memory.stat"), re.MULTILINE)
    return max(0, int(limit) - int(used) + (int(match[1]) if match else 0))


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError:
        return ""
