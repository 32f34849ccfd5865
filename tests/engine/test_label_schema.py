"""Schemas are read as written and written back; whatever is wrong is told with its line, and nothing costs much."""

import json
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import BadInput
from engine.label_schema import (
    Label,
    LabelSchema,
    LabelSet,
    Question,
    SchemaError,
    SchemaProblem,
    parse_schema,
    schema_fields,
    schema_of,
    schema_yaml,
)

EXAMPLE = """labels:
  - name: errors
    title: Errors
    unit: span
    overlap: true
    labels: [{name: factual, title: Factual error}, {name: arithmetic}, vague]
questions:
  - {name: correct, title: Is the answer correct?, kind: choice, options: [yes, no, unsure], required: true}
  - {name: quality, title: How good is it?, kind: likert, low: 1, high: 5, low_text: poor, high_text: excellent}
  - {name: where, title: Where does it go wrong?, kind: token}
  - {name: better, title: Which is better?, kind: preference}
"""
ERRORS = LabelSet(
    "errors",
    "Errors",
    "span",
    (
        Label("factual", "Factual error", "", 1),
        Label("arithmetic", "arithmetic", "", 2),
        Label("vague", "vague", "", 3),
    ),
    True,
)
SCHEMA = LabelSchema(
    (ERRORS,),
    (
        Question("correct", "Is the answer correct?", "choice", ("yes", "no", "unsure"), required=True),
        Question("quality", "How good is it?", "likert", low=1, high=5, low_text="poor", high_text="excellent"),
        Question("where", "Where does it go wrong?", "token"),
        Question("better", "Which is better?", "preference"),
    ),
)


def problems(text):
    with pytest.raises(SchemaError) as caught:
        parse_schema(text)
    assert all(problem.reason and len(problem.reason) < 400 for problem in caught.value.problems)
    return [(problem.line, problem.reason) for problem in caught.value.problems]


def test_the_example_is_read_as_it_is_meant():
    assert parse_schema(EXAMPLE) == SCHEMA


def test_json_is_read_too_also_with_tabs_and_escapes():
    text = json.dumps(schema_fields(SCHEMA), indent="\t")
    assert "\t" in text and parse_schema(text) == SCHEMA
    assert parse_schema(json.dumps(schema_fields(SCHEMA))) == SCHEMA
    smiling = parse_schema('{"questions": [{"name": "a", "kind": "text", "title": "\\ud83d\\ude00 \\/"}]}')
    assert smiling.questions[0].title == "😀 /"


def test_a_byte_order_mark_and_other_line_ends_do_not_matter():
    assert parse_schema("\ufeff" + EXAMPLE.replace("\n", "\r\n")) == SCHEMA
    bad = EXAMPLE.replace("unit: span", "unit: spam")
    for ends in ("\n", "\r\n", "\r"):
        assert [line for line, _ in problems(bad.replace("\n", ends))] == [4]


@pytest.mark.parametrize(
    "word", ["yes", "no", "on", "off", "y", "true", "null", "1", "1.50", "0x1F", "2026-11-22", "1_0"]
)
def test_what_is_written_without_quotes_as_an_option_stays_that_text(word):
    schema = parse_schema(f"questions:\n  - {{name: a, kind: choice, options: [{word}, 'other']}}")
    assert schema.questions[0].options == (word, "other")
    assert parse_schema(schema_yaml(schema)) == schema
    assert schema_of(schema_fields(schema)) == schema


def test_names_that_look_like_other_things_stay_names():
    schema = parse_schema("labels:\n - {name: 1, labels: [yes, 2, -x, null_]}\nquestions:\n - {name: on, kind: text}")
    assert [label.name for label in schema.label_sets[0].labels] == ["yes", "2", "-x", "null_"]
    assert (schema.label_sets[0].name, schema.questions[0].name) == ("1", "on")
    assert parse_schema(schema_yaml(schema)) == schema


def test_keys_are_given_in_order_around_those_that_are_asked_for():
    text = "labels: [{name: s, labels: [a, {name: b, key: 1}, {name: c, key: null}, d, e, f, g, h, i, j, k]}]"
    labels = parse_schema(text).label_sets[0].labels
    assert [label.key for label in labels] == [2, 1, None, 3, 4, 5, 6, 7, 8, 9, None]
    schema = parse_schema(text)
    assert parse_schema(schema_yaml(schema)) == schema and schema_of(schema_fields(schema)) == schema


def test_a_question_mark_inside_braces_is_part_of_the_title_and_colons_still_separate():
    schema = parse_schema("questions: [{name: a, title: Is it? Or not?, kind: text}]")
    assert schema.questions[0].title == "Is it? Or not?"
    assert parse_schema("questions:\n - ? name\n   : a\n   kind: text").questions[0].name == "a"


def test_a_field_that_is_given_as_nothing_is_as_if_it_were_not_there():
    assert parse_schema("labels:\nquestions:\n  - {name: a, kind: text, title: , help: ~}").questions == (
        Question("a", "a", "text"),
    )


ONE_WRONG = [
    ("", 1, "empty"),
    ("\n\n  # only a remark\n", 1, "empty"),
    ("hello", 1, "must be a mapping"),
    ("- a\n- b", 1, "must be a mapping"),
    ("{}", 1, "at least one"),
    ("labels: []", 1, "at least one"),
    ("labels: errors", 1, "must be a list of label sets"),
    ("labels:\n  errors:\n    labels: [a]", 2, "must be a list of label sets"),
    ("questions:\n  - a", 2, "must be a mapping with a name, not 'a'"),
    ("questions:\n  - [a]", 2, "not a list"),
    ("questions:\n  -", 2, "not nothing"),
    ("labels:\n  - name: a\n    labels: [b]\n    overlapp: true", 4, "did you mean 'overlap'?"),
    ("labels:\n  - name: a\n    labels: [b]\n    xyzzy: true", 4, "its fields are name, title, unit"),
    ("question:\n  - {name: a, kind: text}", 1, "did you mean 'questions'?"),
    ("questions:\n  - name: a\n    type: text\n    kind: text", 3, "did you mean 'kind'?"),
    ("questions:\n  - name: a\n    kind: multi\n    options: [a, b]\n    choices: [a]", 5, "did you mean 'options'?"),
    ("questions:\n  - name: a\n    kind: text\n    options: [a, b]", 4, "belongs to questions of kind choice or multi"),
    ("questions:\n  - name: a\n    kind: choice\n    options: [a, b]\n    low: 2", 5, "to questions of kind likert"),
    ("questions:\n  - name: a\n    kind: likert\n    ties: true", 4, "belongs to questions of kind preference"),
    ("questions:\n  - name: a", 2, "needs a 'kind': one of choice, multi"),
    ("questions:\n  - name: a\n    kind: chioce", 3, "did you mean 'choice'?"),
    ("questions:\n  - name: a\n    kind: [choice]", 3, "'kind' is a list"),
    ("questions:\n  - name: a\n    kind: choice", 2, "needs 'options'"),
    ("questions:\n  - name: a\n    kind: choice\n    options: [a]", 4, "at least two"),
    ("questions:\n  - name: a\n    kind: choice\n    options: yes", 4, "at least two"),
    ("questions:\n  - name: a\n    kind: choice\n    options: [a, b,\n      a]", 5, "'a' is taken already"),
    ("questions:\n  - name: a\n    kind: choice\n    options:\n      - a\n      - [b]\n      - c", 6, "not a list"),
    ("questions:\n  - name: a\n    kind: choice\n    options:\n      - a\n      - ''\n      - c", 6, "must be a text"),
    ("questions:\n  - name: a\n    kind: choice\n    options:\n      - a\n      -\n      - c", 6, "not nothing"),
    ("questions:\n  - name: a\n    kind: likert\n    low: 5\n    high: 5", 5, "from 5 to 5"),
    ("questions:\n  - name: a\n    kind: likert\n    low: 0\n    high: 100", 5, "2 to 40 points"),
    ("questions:\n  - name: a\n    kind: likert\n    low: 1.5", 4, "whole number, not '1.5'"),
    ("questions:\n  - name: a\n    kind: likert\n    low: '1'", 4, "without quotes"),
    ("questions:\n  - name: a\n    kind: likert\n    low: 99999999999999999999", 4, "whole number"),
    ("questions:\n  - name: a\n    kind: text\n    required: yes", 4, "must be true or false, not 'yes'"),
    ("questions:\n  - name: a\n    kind: text\n    required: 'true'", 4, "without quotes"),
    ("questions:\n  - name: a\n    kind: text\n    title: [a]", 4, "must be a text, not a list"),
    ("questions:\n  - kind: text", 2, "a question needs a 'name'"),
    ("questions:\n  - name: ''\n    kind: text", 2, "needs a 'name'"),
    ("questions:\n  - name: a b\n    kind: text", 2, "cannot be called 'a b'"),
    ("questions:\n  - name: größe\n    kind: text", 2, "put other writing into the title"),
    ("questions:\n  - name: " + "x" * 41 + "\n    kind: text", 2, "1 to 40"),
    ("questions:\n  - name: {a: b}\n    kind: text", 2, "a mapping"),
    ('questions:\n  - name: "a\\tb"\n    kind: text', 2, "'a\\tb'"),
    ('questions:\n  - name: "a\\u202eb"\n    kind: text', 2, "'a\\u202eb'"),
    ('questions:\n  - name: a\n    kind: text\n    title: "a\\u202eb"', 4, "invisible character U+202E"),
    ('questions:\n  - name: a\n    kind: text\n    title: "a\\x07b"', 4, "invisible character U+0007"),
    ('questions:\n  - name: a\n    kind: text\n    title: "a\\ud800b"', 4, "invisible character U+D800"),
    ("questions:\n  - name: a\n    kind: text\n    title: |\n      a\n      b", 4, "a line break"),
    ('questions:\n  - name: a\n    kind: choice\n    options: [b, "c\\u2066"]', 4, "invisible character U+2066"),
    ("questions:\n  - name: a\n    kind: text\n    title: " + "x" * 201, 4, "at most 200"),
    ("labels:\n  - name: a", 2, "needs 'labels'"),
    ("labels:\n  - name: a\n    labels: b", 3, "needs 'labels'"),
    ("labels:\n  - name: a\n    labels: []", 3, "at least one label"),
    ("labels:\n  - name: a\n    labels:\n      - b\n      - c\n      - b", 6, "'b' is taken already"),
    ("labels:\n  - name: a\n    labels:\n      - {name: b, key: 3}\n      - {name: c, key: 3}", 5, "key of 'a'"),
    ("labels:\n  - name: a\n    labels:\n      - {name: b, key: 0}", 4, "digit from 1 to 9"),
    ("labels:\n  - name: a\n    labels:\n      - {name: b, key: 10}", 4, "digit from 1 to 9"),
    ("labels:\n  - name: a\n    labels:\n      - {name: b, key: q}", 4, "digit from 1 to 9"),
    ("labels:\n  - name: a\n    labels:\n      - {title: B}", 4, "a label of 'a' needs a 'name'"),
    ("labels:\n  - name: a\n    labels:\n      - [b]", 4, "not a list"),
    ("labels:\n  - name: a\n    unit: word\n    labels: [b]", 3, "one of token, span"),
    ("labels:\n  - {name: a, labels: [b]}\n  - {name: a, labels: [b]}", 3, "'a' is taken already"),
    ("labels:\n  - {name: a, labels: [b]}\nquestions:\n  - {name: a, kind: text}", 4, "'a' is taken already"),
    ("labels: [{name: a, labels: [b]}]\nlabel_sets: [{name: c, labels: [b]}]", 2, "the same"),
    ("labels:\n  - name: a\n    name: b\n    labels: [c]", 3, "given in line 2 already"),
    ("labels:\n  - name: a\n    ? [x]\n    : 1\n    labels: [c]", 3, "must be a word"),
    ("labels:\n\t- name: a", 2, "tab"),
    ("labels:\n  - name: 'a", 2, "not YAML"),
    ("labels: [", 1, "not YAML"),
    ("labels:\n  - name: a\n   labels: [b]", 3, "not YAML"),
    ("a: b\n...\n---\nc: d", 3, "second document"),
    ("labels: &x [a]", 1, "anchor &x"),
    ("labels: *x", 1, "alias *x"),
    ("labels: !!python/object/apply:os.system [ls]", 1, "tag"),
    ("questions:\n  - name: !!str a", 2, "tag"),
    ("labels:\n  - name: a\x00b", 2, "U+0000"),
    ("labels:\n  - name: a\ud800", 2, "U+D800"),
    ("%YAML 9.9\n---\na: b", 1, "not YAML"),
    ('{"labels": [{"name": "a", "labels": ["b"]}], "labels": []}', 1, "given in line 1 already"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "said"), ONE_WRONG, ids=range(len(ONE_WRONG)))
def test_what_is_wrong_is_told_with_its_line(text, line, said):
    (found,) = problems(text)
    assert found[0] == line and said in found[1]


def test_all_that_is_wrong_is_told_at_once_in_the_order_of_the_lines():
    text = """labels:
  - name: a
    unitt: span
    labels: [b, b]
questions:
  - {name: c, kind: chioce}
  - name: a
    kind: text
    low: 3
"""
    assert [line for line, _ in problems(text)] == [3, 4, 6, 7, 9]
    with pytest.raises(SchemaError, match=r"^Line 3 of the schema: .*'unitt'.*\(4 more\)$"):
        parse_schema(text)


@pytest.mark.parametrize("what", ["labels", "questions"])
def test_there_are_bounds_on_how_much_is_asked(what):
    one = "{name: n%d, labels: [b]}" if what == "labels" else "{name: n%d, kind: text}"
    text = what + ":\n" + "\n".join("  - " + one % i for i in range(21))
    assert [(line, "at most 20" in said) for line, said in problems(text)] == [(22, True)]
    assert parse_schema("\n".join(text.split("\n")[:-1]))
    many = "\n".join(f"      - l{i}" for i in range(41))
    (labels,) = problems(f"labels:\n  - name: a\n    labels:\n{many}")
    (options,) = problems(f"questions:\n  - name: a\n    kind: multi\n    options:\n{many}")
    assert labels[0] == 44 and options[0] == 45
    assert "at most 40" in labels[1] and "at most 40" in options[1]


BOMBS = {
    "aliases": "a: &a [x,x,x,x,x,x,x,x,x]\n" + "\n".join(f"b{i}: &b{i} [*a,*a,*a,*a]" for i in range(20)),
    "deep lists": "labels: " + "[" * 50_000,
    "deep mappings": "labels: " + "{a: " * 20_000,
    "deep blocks": "- " * 45_000,
    "deep keys": "? " * 45_000,
    "ten megabytes": "labels: " + "x" * 10_000_000,
    "many fields": "\n".join(f"f{i}: 1" for i in range(9_000)),
    "many values": "labels: [" + "1," * 49_000 + "]",
    "deep json with tabs": '{\t"labels": ' + "[" * 90_000,
    "a long name": "labels: [{name: " + "x" * 90_000 + "}]",
    "many sets": "labels: [" + "{}," * 30_000 + "]",
    "quotes": "'" * 99_000,
    "blanks": "a:" + " " * 99_000 + "b",
    "commas": "[" + "," * 90_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_soon_and_shortly(name):
    began = time.process_time()
    found = problems(BOMBS[name])
    assert time.process_time() - began < 5
    assert 0 < len(found) <= 50


@pytest.mark.parametrize("text", [None, 3, b"labels:", ["labels"]])
def test_a_schema_that_is_no_text_is_refused(text):
    with pytest.raises(BadInput, match="is a text"):
        parse_schema(text)


@pytest.mark.parametrize(
    "fields",
    [{}, [], None, {"labels": 3}, {"label_sets": [{"name": "a"}]}, {"questions": [{"name": "a", "kind": object()}]},
     {"questions": [{"name": "a", "kind": "likert", "low": 10**5000}]}, {"questions": [{"name": "a", "kind": "likert",
      "low": float("nan")}]}, {"questions": [{"name": "a", "kind": "text", "required": "true"}]}],
)  # fmt: skip
def test_fields_that_are_no_schema_are_refused_without_a_line(fields):
    with pytest.raises(SchemaError) as caught:
        schema_of(fields)
    assert {problem.line for problem in caught.value.problems} == {0}
    assert str(caught.value).startswith("The schema: ")


def test_fields_nested_within_themselves_are_refused():
    fields = {"labels": []}
    fields["labels"].append(fields)
    with pytest.raises(SchemaError, match="nested"):
        schema_of(fields)


NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True)
LINE = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp", "Cf")), max_size=30).map(str.strip)
TEXTS = st.text(
    st.one_of(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp", "Cf")), st.just("\n")), max_size=60
).map(str.strip)


@st.composite
def schemas(draw):
    names = iter(draw(st.lists(NAMES, min_size=8, max_size=8, unique=True)))
    sets = []
    for _ in range(draw(st.integers(0, 3))):
        own = draw(st.lists(NAMES, min_size=1, max_size=12, unique=True))
        keys = draw(st.permutations([*range(1, 10), *[None] * 3]))[: len(own)]
        labels = [Label(one, draw(LINE) or one, draw(TEXTS), key) for one, key in zip(own, keys, strict=True)]
        name = next(names)
        unit = draw(st.sampled_from(["token", "span"]))
        sets.append(LabelSet(name, draw(LINE) or name, unit, tuple(labels), draw(st.booleans()), draw(TEXTS)))
    questions = []
    for _ in range(draw(st.integers(0 if sets else 1, 4))):
        name, kind = next(names), draw(st.sampled_from(["choice", "multi", "likert", "text", "token", "preference"]))
        one = Question(name, draw(LINE) or name, kind, required=draw(st.booleans()), help=draw(TEXTS))
        if kind in {"choice", "multi"}:
            options = draw(st.lists(LINE.filter(bool), min_size=2, max_size=6, unique_by=lambda t: t.casefold()))
            one = replace(one, options=tuple(options))
        if kind == "likert":
            low = draw(st.integers(-5, 5))
            one = replace(one, low=low, high=low + draw(st.integers(1, 9)), low_text=draw(LINE), high_text=draw(LINE))
        if kind == "preference":
            one = replace(one, ties=draw(st.booleans()))
        questions.append(one)
    return LabelSchema(tuple(sets), tuple(questions))


@settings(max_examples=150, deadline=None)
@given(schemas())
def test_any_schema_comes_back_the_same_from_fields_json_and_yaml(schema):
    try:
        schema_of(schema_fields(schema))
    except SchemaError as error:  # letters that are the same in another form
        assert {"is taken already" in problem.reason for problem in error.problems} == {True}
        return
    assert schema_of(json.loads(json.dumps(schema_fields(schema)))) == schema
    assert parse_schema(json.dumps(schema_fields(schema))) == schema
    assert parse_schema(schema_yaml(schema)) == schema


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="labelsquestions: -[]{}?,\n\"'#&*!|>%@`\tkind0", max_size=120))
def test_any_text_is_a_schema_or_a_refusal_with_lines(text):
    try:
        schema = parse_schema(text)
    except SchemaError as error:
        lines = text.count("\n") + 1
        assert all(0 <= problem.line <= lines for problem in error.problems)
    else:
        assert parse_schema(schema_yaml(schema)) == schema


def test_a_schema_as_yaml_is_short_and_readable():
    lines = schema_yaml(SCHEMA).splitlines()
    assert "key" not in schema_yaml(SCHEMA) and "null" not in schema_yaml(SCHEMA)
    assert lines[:3] == ["labels:", "- name: errors", "  title: Errors"]
    assert "  - name: arithmetic" in lines and "  - 'yes'" in lines


def test_a_question_says_only_what_its_kind_has():
    fields = {one["kind"]: set(one) for one in schema_fields(SCHEMA)["questions"]}
    common = {"name", "title", "kind", "required", "help"}
    assert fields["choice"] == common | {"options"}
    assert fields["likert"] == common | {"low", "high", "low_text", "high_text"}
    assert fields["preference"] == common | {"ties"}
    assert fields["token"] == common


def test_a_problem_is_a_line_and_a_reason():
    assert SchemaError((SchemaProblem(0, "no."),)).args == ("The schema: no.",)
    assert isinstance(SchemaError((SchemaProblem(2, "no."),)), BadInput)
