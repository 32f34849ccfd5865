"""Words that carry grammar rather than meaning, by language: an attention chain passes over them.

English is the list of the published method; the other languages come from a kept collection, and a reader may add words
of their own. Knows words; does not know tokens or attention.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable

from engine.errors import BadInput

DEFAULT = "en"
LANGUAGES: dict[str, str] = {
    "en": "English",
    "ar": "Arabic",
    "da": "Danish",
    "de": "German",
    "es": "Spanish",
    "fi": "Finnish",
    "fr": "French",
    "it": "Italian",
    "nl": "Dutch",
    "no": "Norwegian",
    "pl": "Polish",
    "pt": "Portuguese",
    "ru": "Russian",
    "sv": "Swedish",
    "tr": "Turkish",
    "none": "No words, punctuation only",
}
MOST_EXTRA = 200
# punctuation by name, and yet what is computed with
SIGNS = frozenset("-*/%&#‐‑‒–—−·")

# After UQAC (Li et al., arXiv 2503.19168), whose list this is.
_ENGLISH = """
a about above after again against all am an and any are aren’t as at be because been before being below between both but
by cannot can’t could couldn’t did didn’t do does doesn’t doing don’t down during each few for from further had hadn’t
has hasn’t have haven’t having he he’d he’ll he’s her here here’s hers herself him himself his how how’s i i’d i’ll i’m
i’ve if in into is isn’t it its itself it’s let’s me more most mustn’t my myself no nor not of off on once only or other
ought our ours ourselves out over own same shan’t she she’d she’ll she’s should shouldn’t so some such than that that’s
the their theirs them themselves then there there’s these they they’d they’ll they’re they’ve this those through to too
under until up very was wasn’t we we’d we’ll we’re we’ve were weren’t what what’s when when’s where where’s which while
who whom who’s why why’s with won’t would wouldn’t you you’d you’ll you’re you’ve your yours yourself yourselves
"""
# what counts or computes is no stop word in any language: numbers from 0 to 10, plus and minus, equal, double
_COUNTED_WORDS = """
صفر واحد واحدة اثنان اثنين اثنتان ثلاثة ثلاث أربعة أربع خمسة خمس ستة ست سبعة سبع ثمانية ثمان تسعة تسع عشرة عشر مئة مائة
nul en et to tre fire fem seks syv otte ni ti hundrede null ein eins zwei drei vier fünf sechs sieben acht neun zehn
cero uno dos tres cuatro cinco seis siete ocho nueve diez cien menos más igual iguales total doble nolla yksi kaksi
kolme neljä viisi kuusi seitsemän kahdeksan yhdeksän kymmenen sata zéro deux trois quatre cinq six sept huit neuf dix
moins plus égal zero due quattro cinque sei sette otto nove dieci meno più doppio één twee drie zeven negen tien min
to fire sju åtte hundre jeden dwa trzy cztery pięć sześć siedem osiem dziewięć dziesięć dois quatro sete oito dez mais
один одна одно два две три четыре пять шесть семь восемь девять десять сто noll två fyra sex åtta nio tio hundra sıfır
iki üç dört beş altı yedi sekiz dokuz on yüz
"""
# words of these that mean something else in another language, and more often
_COUNTED = frozenset(_COUNTED_WORDS.split()) - frozenset(("en", "et", "to", "min", "ein", "on", "sei", "ni"))
_PUNCTUATION = "! \" ' ( ) , . : ; ? @ [ \\ ] _ ` { } ~ ‘ ’ “ ” …"


def stop_words(language: str = DEFAULT, extra: Iterable[str] = ()) -> frozenset[str]:
    """Lower-case words without blanks around them, with punctuation and the empty word.

    Digits and + - = * / $ % are never among them: they carry what is computed. Raises BadInput for an unknown language
    or more than MOST_EXTRA words.
    """
    if language not in LANGUAGES:
        raise BadInput(
            f"There are no stop words for {str(language)[:40]!r}; the languages are: {', '.join(LANGUAGES)}."
        )
    own = [bare(word) for word in extra]
    if len(own) > MOST_EXTRA:
        raise BadInput(f"{len(own):,} further stop words are too many; at most {MOST_EXTRA} are allowed.")
    return frozenset(("", *_PUNCTUATION.split(), *_of(language), *own))


def means_nothing(word: str, words: Collection[str]) -> bool:
    """Whether a chain passes over this bare word: one of `words`, or punctuation of whatever script.

    Signs that take part in a calculation are none.
    """
    return word in words or all(unicodedata.category(sign)[0] == "P" and sign not in SIGNS for sign in word)


def bare(text: str) -> str:
    """A token's text as it is looked up: no white space, lower case."""
    return "".join(text.split()).lower()


def _of(language: str) -> Iterable[str]:
    if language == "none":
        return ()
    if language == DEFAULT:
        words = _ENGLISH.split()
        return (*words, *(word.replace("’", "'") for word in words))
    from stop_words import get_stop_words

    found = map(bare, get_stop_words(LANGUAGES[language].lower()))
    return (word for word in found if word not in _COUNTED and not any(sign.isdigit() for sign in word))
