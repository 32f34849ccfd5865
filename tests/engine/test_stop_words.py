"""Stop words: the published English list, other languages, the reader's own; what is computed is never among them."""

from __future__ import annotations

import pytest

from engine.errors import BadInput
from engine.stop_words import LANGUAGES, MOST_EXTRA, bare, stop_words

# function words that nobody who made a list would leave out
CERTAIN = {
    "en": "the and of don't don’t it's", "de": "und der nicht", "fr": "et dans les", "es": "y para los",
    "it": "per non che", "pt": "para não com", "nl": "en het niet", "ru": "и не что", "sv": "och inte att",
    "pl": "nie jest", "fi": "ja ei", "da": "og ikke", "no": "og ikke", "tr": "ve için", "ar": "من في",
}  # fmt: skip
COMPUTED = [*"0123456789+-=*/$%", "12", "×", "<", ">", "^", "&", "#"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_passes_over_its_function_words_but_never_over_what_is_computed(language):
    words = stop_words(language)
    assert set(CERTAIN.get(language, "").split()) <= words
    assert not words & set(COMPUTED)
    assert {"", *".,!?;:'\"“”‘’()[]{}_…\\@~`"} <= words
    assert all(word == bare(word) for word in words), "looked up by its bare form"


def test_no_language_leaves_punctuation_alone():
    words = stop_words("none")
    assert "the" not in words and "und" not in words and len(words) == 25


def test_languages_differ():
    assert "und" not in stop_words("en") and "the" not in stop_words("de")
    assert len({stop_words(language) for language in LANGUAGES}) == len(LANGUAGES)


@pytest.mark.parametrize(("text", "looked_up"), [(" The", "the"), ("\tDON’T\n", "don’t"), ("  ", ""), ("İ", "i̇"),
                                                 ("a b", "ab"), ("\u00a0x", "x")])  # fmt: skip
def test_a_token_is_looked_up_without_blanks_and_in_lower_case(text, looked_up):
    assert bare(text) == looked_up


def test_words_of_a_readers_own_come_on_top():
    words = stop_words("de", [" Schritt ", "LÖSUNG"])
    assert {"schritt", "lösung"} <= words and words - {"schritt", "lösung"} == stop_words("de")


def test_an_unknown_language_is_refused_with_the_known_ones():
    for language in ("", "EN", "klingon" * 20, None):
        with pytest.raises(BadInput, match=r"There are no stop words for .* the languages are: en, ar, da"):
            stop_words(language)


def test_too_many_words_are_refused_with_the_number():
    stop_words("en", ["x"] * MOST_EXTRA)
    with pytest.raises(BadInput, match="201 further stop words are too many; at most 200 are allowed"):
        stop_words("en", ["x"] * 201)
