"""Promises of engine.tokens: exact text for any ids, characters carried by the token that completes them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders
from tokenizers.models import BPE, WordPiece

from engine.errors import ModelUnavailable
from engine.models import LanguageModel
from engine.testing import byte_tokenizer
from engine.tokens import Vocabulary, display_text, read_recipe

SMILE = "😀".encode()
WORDS = ["▁", "▁Hello", "▁world", "lo", "e", "é", "世", "界", "<0x", "<0xZZ>", "▁▁", "A", "▁▁▁▁"]
SENTENCEPIECE_DECODERS = {
    "llama": [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)],
    "gemma": [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()],
    "metaspace": [decoders.ByteFallback(), decoders.Metaspace("▁", prepend_scheme="always"), decoders.Fuse()],
    "metaspace first": [decoders.Metaspace("▁", prepend_scheme="first")],
    "metaspace never": [decoders.ByteFallback(), decoders.Metaspace("▁", prepend_scheme="never")],
}


def sentencepiece_like(decoder: str = "llama") -> Tokenizer:
    """Ids 0..2 control tokens, 3..258 the bytes 00..ff, then WORDS."""
    names = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *WORDS]
    backend = Tokenizer(
        BPE(vocab={n: i for i, n in enumerate(names)}, merges=[], unk_token="<unk>", byte_fallback=True)
    )
    backend.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names[:3]])
    steps = SENTENCEPIECE_DECODERS[decoder]
    backend.decoder = decoders.Sequence(steps) if len(steps) > 1 else steps[0]
    return backend


def byte_ids(raw: bytes) -> list[int]:
    return [3 + byte for byte in raw]


def streamed(vocabulary: Vocabulary, ids: list[int]) -> list[str]:
    decoder = vocabulary.decoder()
    return [*(decoder.push(token_id) for token_id in ids), decoder.flush()]


SENTENCEPIECE_IDS = st.lists(
    st.one_of(
        st.integers(0, 2 + 256 + len(WORDS)),
        st.integers(259, 258 + len(WORDS)),
        st.sampled_from(byte_ids(SMILE + "é".encode() + b" \n")),
        st.just(10_000),
    ),
    max_size=24,
)


@settings(max_examples=400, deadline=None)
@given(ids=SENTENCEPIECE_IDS, decoder=st.sampled_from(sorted(SENTENCEPIECE_DECODERS)))
def test_sentencepiece_pieces_join_to_the_tokenizers_own_decoding(ids: list[int], decoder: str) -> None:
    backend = sentencepiece_like(decoder)
    pieces = Vocabulary(backend).pieces(ids)
    assert len(pieces) == len(ids)
    assert "".join(pieces) == backend.decode(ids, skip_special_tokens=False)


@settings(max_examples=300, deadline=None)
@given(text=st.text(alphabet="aé世😀 ", max_size=12), decoder=st.sampled_from(["llama", "gemma"]))
def test_streaming_sentencepiece_says_what_the_tokenizer_says_for_text_that_is_whole(text: str, decoder: str) -> None:
    backend = sentencepiece_like(decoder)
    vocabulary = Vocabulary(backend)
    ids = byte_ids(text.encode())
    assert "".join(streamed(vocabulary, ids)) == backend.decode(ids, skip_special_tokens=False)
    assert streamed(vocabulary, ids)[:-1] == list(vocabulary.pieces(ids))


@settings(max_examples=400, deadline=None)
@given(ids=st.lists(st.integers(0, 300), max_size=40))
def test_byte_level_streaming_and_whole_agree_with_the_tokenizer_for_any_ids(ids: list[int]) -> None:
    backend = byte_tokenizer(288).backend_tokenizer
    vocabulary = Vocabulary(backend)
    whole = vocabulary.pieces(ids)
    assert "".join(whole) == backend.decode(ids, skip_special_tokens=False)
    assert "".join(streamed(vocabulary, ids)) == "".join(whole)


@settings(max_examples=300, deadline=None)
@given(raw=st.binary(max_size=24))
def test_any_bytes_decode_as_the_tokenizer_decodes_them(raw: bytes) -> None:
    backend = byte_tokenizer().backend_tokenizer
    vocabulary = Vocabulary(backend)
    assert "".join(vocabulary.pieces(list(raw))) == backend.decode(list(raw), skip_special_tokens=False)
    assert b"".join(vocabulary.token_bytes(i) for i in raw) == raw


@pytest.mark.parametrize("ids", [list(SMILE), byte_ids(SMILE)], ids=["byte level", "byte fallback"])
def test_the_token_that_completes_a_character_carries_it(ids: list[int]) -> None:
    backend = byte_tokenizer().backend_tokenizer if ids[0] == SMILE[0] else sentencepiece_like()
    vocabulary = Vocabulary(backend)
    assert vocabulary.pieces(ids) == ("", "", "", "😀")
    assert streamed(vocabulary, ids) == ["", "", "", "😀", ""]


def test_bytes_that_never_complete_become_replacement_characters() -> None:
    vocabulary = Vocabulary(byte_tokenizer().backend_tokenizer)
    assert vocabulary.pieces(list(SMILE[:2])) == ("", "\ufffd")
    assert vocabulary.pieces([SMILE[0], ord("A")]) == ("", "\ufffdA")


def test_a_broken_character_spoils_its_whole_run_as_the_tokenizer_has_it_but_only_in_hindsight() -> None:
    vocabulary = Vocabulary(sentencepiece_like())
    ids = byte_ids("é".encode() + SMILE[:2])
    assert vocabulary.pieces(ids) == ("\ufffd",) * 4
    assert streamed(vocabulary, ids) == ["", "é", "", "", "\ufffd\ufffd"]


def test_an_id_without_a_token_neither_shows_nor_breaks_a_character() -> None:
    vocabulary = Vocabulary(sentencepiece_like())
    first, *rest = byte_ids(SMILE)
    assert vocabulary.pieces([first, 10_000, *rest]) == ("", "", "", "", "😀")
    assert vocabulary.token_bytes(10_000) == b""
    assert vocabulary.token_bytes(-1) == b""


def test_the_space_before_the_first_word_is_dropped_once_and_only_there() -> None:
    vocabulary = Vocabulary(sentencepiece_like("llama"))
    hello, world = 259 + WORDS.index("▁Hello"), 259 + WORDS.index("▁world")
    assert vocabulary.pieces([hello, world, hello]) == ("Hello", " world", " Hello")
    assert vocabulary.pieces([1, hello]) == ("<s>", " Hello")
    assert vocabulary.token_bytes(hello) == b" Hello"


def test_bytes_of_tokens_are_the_raw_ones() -> None:
    vocabulary = Vocabulary(sentencepiece_like())
    assert [vocabulary.token_bytes(3 + b) for b in (0, 0x0A, 0xE2)] == [b"\x00", b"\n", b"\xe2"]
    assert vocabulary.token_bytes(1) == b"<s>"
    assert vocabulary.token_bytes(259 + WORDS.index("<0xZZ>")) == b"<0xZZ>"
    assert vocabulary.token_bytes(259 + WORDS.index("世")) == "世".encode()


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b" the", " the"),
        (b"\xe2\x82", "⟨e2⟩⟨82⟩"),
        (b"a\xf0\x9f", "a⟨f0⟩⟨9f⟩"),
        (b"\xed\xa0\x80", "⟨ed⟩⟨a0⟩⟨80⟩"),
        ("é⟨".encode(), "é⟨"),
        (b"\x00", "\x00"),
        (b"", ""),
    ],
)
def test_one_token_is_shown_as_text_or_as_its_bytes(raw: bytes, shown: str) -> None:
    assert display_text(raw) == shown


@given(raw=st.binary(max_size=12))
def test_shown_text_can_always_be_written_as_utf8(raw: bytes) -> None:
    display_text(raw).encode("utf-8")


def test_the_fingerprint_changes_with_the_vocabulary_and_with_how_it_is_joined() -> None:
    prints = [Vocabulary(sentencepiece_like(name)).fingerprint() for name in ("llama", "llama", "gemma")]
    assert prints[0] == prints[1] != prints[2]
    assert Vocabulary(byte_tokenizer(288).backend_tokenizer).fingerprint() != (
        Vocabulary(byte_tokenizer(289).backend_tokenizer).fingerprint()
    )
    assert len(prints[0]) == 64


@pytest.mark.parametrize("decoder", [None, decoders.WordPiece(), decoders.CTC(), decoders.BPEDecoder()])
def test_a_tokenizer_that_cannot_be_followed_is_refused_by_name(decoder: object) -> None:
    backend = Tokenizer(WordPiece(vocab={"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
    if decoder is not None:
        backend.decoder = decoder
    kind = type(decoder).__name__ if decoder else "none"
    with pytest.raises(ModelUnavailable, match=f"decoder {kind}"):
        read_recipe(backend)


@pytest.mark.model
@settings(max_examples=300, deadline=None)
@given(ids=st.lists(st.integers(0, 49_200), max_size=40))
def test_the_embedded_tokenizer_is_followed_for_any_ids(embedded: LanguageModel, ids: list[int]) -> None:
    expected = embedded.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    pieces = embedded.pieces(ids)
    decoder = embedded.decoder()
    assert "".join(pieces) == expected
    assert "".join([*(decoder.push(i) for i in ids), decoder.flush()]) == expected
    assert b"".join(map(embedded.token_bytes, ids)).decode("utf-8", "replace") == expected


@pytest.fixture(scope="module")
def lacking_bytes(embedded: LanguageModel) -> frozenset[int]:
    """Bytes without a token of their own: 21 of 256, some of them control characters."""
    spelled = {embedded.token_bytes(token_id) for token_id in range(embedded.card.vocabulary_size)}
    return frozenset(byte for byte in range(256) if bytes([byte]) not in spelled)


@pytest.mark.model
@settings(max_examples=300, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_text_survives_the_embedded_tokenizer_but_for_bytes_it_has_no_token_for(
    embedded: LanguageModel, lacking_bytes: frozenset[int], text: str
) -> None:
    ids = embedded.encode(text)
    kept = bytes(byte for byte in text.encode() if byte not in lacking_bytes)
    assert b"".join(map(embedded.token_bytes, ids)) == kept
    assert "".join(embedded.pieces(ids)) == kept.decode("utf-8", "replace")


@pytest.mark.model
def test_what_the_embedded_vocabulary_lacks_is_known(lacking_bytes: frozenset[int]) -> None:
    assert len(lacking_bytes) == 21
    assert lacking_bytes & set(range(0x80)) == {0x04, 0x06, 0x13, 0x14, 0x16, 0x1D}


HARD_TEXTS = [
    "👩\u200d👩\u200d👧\u200d👦 family",
    "漢字かな交じり文",
    "e\u0301",
    "a\x00b",
    "\u202eabc",
    "  two  spaces\n\n\t",
]


@pytest.mark.model
@pytest.mark.parametrize("text", HARD_TEXTS)
def test_hard_texts_survive_the_embedded_tokenizer(embedded: LanguageModel, text: str) -> None:
    assert "".join(embedded.pieces(embedded.encode(text))) == text
