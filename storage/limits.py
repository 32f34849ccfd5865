"""Every size the store accepts, as named settings in one frozen table.

Knows numbers only; the code that refuses something names the setting's value in its sentence.
"""

from __future__ import annotations

from dataclasses import dataclass

MEBIBYTE = 2**20


@dataclass(frozen=True)
class StoreLimits:
    """Upper bounds; lengths are in characters unless the name says bytes.

    busy_seconds: how long a call waits for another writer. chain_depth: forks of forks that share stored tokens;
    a deeper one is stored whole. list_rows: rows of one page of the library. uids: runs named in one call.
    session_items, session_members, session_chars: items, members and all texts of one annotation session;
    events_once, events_each: actions in one save, and of one member on one item.
    runs_each, tokens_each, analyses_each, sessions_each: what one owner may keep, those in the bin counted; file_bytes:
    what the file may hold before nothing more is taken; None: as much as there is room for.
    """

    busy_seconds: float = 5.0
    owner_chars: int = 200
    title_chars: int = 300
    note_chars: int = 20_000
    tag_chars: int = 64
    tags: int = 32
    name_chars: int = 100
    text_chars: int = 4_000_000
    tokens: int = 200_000
    alternatives: int = 1_000
    scores: int = 200
    chain_depth: int = 64
    list_rows: int = 500
    uids: int = 10_000
    search_chars: int = 200
    json_chars: int = 1_000_000
    session_items: int = 10_000
    session_members: int = 1_000
    session_chars: int = 100_000_000
    guidelines_chars: int = 200_000
    events_once: int = 500
    events_each: int = 5_000
    runs_each: int | None = None
    tokens_each: int | None = None
    analyses_each: int | None = None
    sessions_each: int | None = None
    file_bytes: int | None = None

    @classmethod
    def public(cls) -> StoreLimits:
        """Bounds for strangers: a few weeks' curiosity of each, and a file that does not fill its disk."""
        return cls(
            session_items=500,
            session_members=60,
            session_chars=5_000_000,
            events_each=2_000,
            runs_each=1_000,
            tokens_each=400_000,
            analyses_each=200,
            sessions_each=20,
            file_bytes=8_192 * MEBIBYTE,
        )


@dataclass(frozen=True)
class ImportLimits:
    """Upper bounds for one imported file.

    file_bytes counts what arrives, unpacked_bytes what it holds after unzipping (base64 text included);
    line_bytes bounds one line; runs the number of lines after the first; json_depth the nesting of one line.
    run_tokens, run_chars: tokens of one run, and characters of its prompt, system text and answer together.
    problems bounds how many sentences are kept; the rest are counted.
    """

    file_bytes: int = 256 * MEBIBYTE
    unpacked_bytes: int = 512 * MEBIBYTE
    line_bytes: int = 64 * MEBIBYTE
    runs: int = 5_000
    run_tokens: int = 200_000
    run_chars: int = 12_000_000
    json_depth: int = 8
    problems: int = 100

    @classmethod
    def public(cls) -> ImportLimits:
        """Bounds for strangers: a file of a few hundred runs, each as long as a page's own may become."""
        return cls(
            file_bytes=16 * MEBIBYTE,
            unpacked_bytes=64 * MEBIBYTE,
            line_bytes=8 * MEBIBYTE,
            runs=500,
            run_tokens=10_000,
            run_chars=200_000,
        )
