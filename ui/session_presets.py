"""Label schemas to begin with: one entry each. What stands here is what anybody could write on the page."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """A schema as YAML. pairs: for items of two runs."""

    name: str
    title: str
    schema: str
    pairs: bool = False


ERRORS = """\
labels:
  - name: errors
    title: Errors
    unit: span
    overlap: true
    labels:
      - {name: factual, title: Factual error, description: Something that is not so}
      - {name: arithmetic, title: Arithmetic error, description: A sum or a number that is wrong}
      - {name: reasoning, title: Reasoning error, description: A step that does not follow}
      - {name: unsupported, title: Unsupported, description: A claim that nothing in the prompt carries}
questions:
  - {name: correct, title: Is the final answer correct?, kind: choice, options: [yes, no, unsure], required: true}
  - {name: where, title: Where does it go wrong first?, kind: token}
"""

CORRECTNESS = """\
questions:
  - {name: correct, title: Is the answer correct?, kind: choice, options: [yes, no, unsure], required: true}
  - {name: confidence, title: How sure are you?, kind: likert, low: 1, high: 5, low_text: a guess, high_text: certain}
  - {name: why, title: What makes you think so?, kind: text}
"""

FORKS = """\
labels:
  - name: forks
    title: Where it could have gone another way
    unit: token
    labels:
      - {name: meaning, title: Other meaning, description: "Another token here would have changed what is said"}
      - {name: wording, title: Other words only, description: "Another token here would have said the same"}
questions:
  - {name: quality, title: How good is the answer?, kind: likert, low: 1, high: 5, low_text: poor, high_text: excellent}
"""

PREFERENCE = """\
questions:
  - {name: better, title: Which answer is better?, kind: preference, required: true}
  - {name: because, title: Because it is, kind: multi, options: [more correct, clearer, shorter, safer]}
"""

PRESETS = (
    Preset("errors", "Errors in an answer", ERRORS),
    Preset("correctness", "Right or wrong", CORRECTNESS),
    Preset("forks", "Where it could have gone another way", FORKS),
    Preset("preference", "Which of two answers is better", PREFERENCE, pairs=True),
)
