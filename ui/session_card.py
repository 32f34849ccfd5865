"""The data card of a session: what the data set holds, under which guidelines it was made, and by how many people.

Writes Markdown with the front matter that hubs and the `datasets` library read. Titles and guidelines are other
people's texts: they stand in fences or with their marks taken off.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC

import yaml

from engine.label_schema import schema_yaml
from ui.fork_files import cleaned
from ui.session_lines import FORMAT, VERSION, time_text
from ui.session_voices import GOLD, Told

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_MARKS = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~&$:@])")
_COLUMNS_TOLD = (
    ("annotator", "pseudonym (A1, A2, …), `gold` for what was adjudicated, `expected` for answers known beforehand"),
    ("status", "`submitted`, `open` (begun, not handed in) or `skipped`"),
    ("part", "`work`, `training`, or `check` (a hidden item with a known answer)"),
    ("text, tokens", "the answer as the model gave it and its tokens, which joined are the text"),
    ("text_hash", "SHA-256 of the text in UTF-8"),
    ("token_start_char, token_stop_char", "where each token lies in the text, in Unicode code points from 0"),
    ("special_tokens", "indices of control tokens such as the end of a turn"),
    ("labels", "token range `start` to before `stop`, the same in code points, and the text between"),
    ("tags_*", "one BIO tag a token and label set, several joined by a bar; null where nothing was handed in"),
    ("answer_*", "answers by question; null is no answer, -1 the answer “nowhere” of a question for a token"),
    ("*_b", "the second run of a pair"),
)


def card(told: Told, names: bool, columns: Mapping[str, Sequence[tuple[str, str]]], files: Mapping[str, str]) -> str:
    """README.md. columns: of each table, name and type; files: configuration -> path of its table."""
    title = _plain(told.whole.session.title) or "Annotation session"
    parts = ["---", _front(told, files), "---", "", f"# {title}", "", *_about(told, names)]
    parts += ["", "## Annotators", "", *_people(told), "", "## Tables", ""]
    parts += [f"- `{what}`: {meaning}" for what, meaning in _COLUMNS_TOLD]
    for table, listed in columns.items():
        rows = [f"| `{name}` | `{kind}` |" for name, kind in listed]
        parts += ["", f"### {table}", "", "| column | type |", "|---|---|", *rows]
    parts += ["", "## Schema", "", *_fenced(schema_yaml(told.schema), "yaml")]
    parts += ["", "## Guidelines", "", *_versions(told), "", *_fenced(told.whole.session.guidelines, "markdown")]
    return cleaned("\n".join(parts) + "\n")


def _front(told: Told, files: Mapping[str, str]) -> str:
    rows = sum(len(item.voices) for item in told.items)
    matter = {
        "pretty_name": cleaned(" ".join(told.whole.session.title.split())),
        "tags": ["human-annotation", "uncertainty"],
        "size_categories": [next((name for most, name in _SIZES if rows < most), "n>1M")],
        "configs": [
            {
                "config_name": name,
                **({"default": True} if name == "default" else {}),
                "data_files": [{"split": "train", "path": path}],
            }
            for name, path in files.items()
        ],
    }
    return yaml.safe_dump(matter, sort_keys=False, allow_unicode=True, width=1000).rstrip("\n")


def _about(told: Told, names: bool) -> list[str]:
    session = told.whole.session
    settings = session.settings
    overlap = f"{settings.overlap} people an item" if settings.overlap else "everybody labels every item"
    counts = {part: sum(item.record.part == part for item in told.items) for part in ("work", "training", "check")}
    seen = "blind: nobody saw scores or what others said" if settings.blind else "open: others' labels could be seen"
    models = sorted({run.model_name for item in told.items for run in item.record.runs})
    checks = f"{counts['check']} hidden check{'' if counts['check'] == 1 else 's'}"
    simulated = "simulated" in f"{session.title} {session.guidelines}".lower()
    return [
        "Labels of language models' answers by simulated annotators: programs, no people. Made in Forklore."
        if simulated
        else "Human labels of language models' answers, made in Forklore.",
        "",
        f"- Items: {counts['work']} to work on, {counts['training']} for training, {checks}.",
        f"- Models: {', '.join(_plain(model) for model in models)}.",
        f"- Made {seen}; {overlap}.",
        f"- {'Names are in the data.' if names else 'Annotators have pseudonyms.'}",
        f"- Session of {session.created_at.astimezone(UTC):%Y-%m-%d}, {session.status}; schema version "
        f"{session.schema_version}, guidelines version {session.guidelines_version}; {FORMAT} version {VERSION}.",
        "- Offsets count Unicode code points, not bytes and not UTF-16.",
    ]


def _people(told: Told) -> Iterator[str]:
    yield "| annotator | role | submitted | skipped | begun |"
    yield "|---|---|---|---|---|"
    for who in told.voices:
        voices = [voice for item in told.items for voice in item.voices if voice.who == who]
        roles = [member.role for member in told.members if member.pseudonym == who]
        counts = [sum(voice.state.status == status for voice in voices) for status in ("submitted", "skipped", "open")]
        yield f"| {who} | {roles[0] if roles and who != GOLD else 'adjudicated'} | {' | '.join(map(str, counts))} |"


def _versions(told: Told) -> Iterator[str]:
    for text in told.whole.texts:
        if text.kind == "guidelines":
            yield f"- version {text.version} of {time_text(text.at)}"


def _fenced(text: str, language: str) -> list[str]:
    """A text as it is, in a fence that is longer than any within it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence + language, text.rstrip("\n"), fence]


def _plain(text: str) -> str:
    """Somebody's words on one line, with every mark of Markdown and HTML taken off its meaning."""
    return _MARKS.sub(r"\\\1", " ".join(text.split()))
