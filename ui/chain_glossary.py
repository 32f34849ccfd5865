"""What the Chain view says, quantity by quantity, for the reference page: definition, unit, range, caveat, source.

Words only; what is computed stands in `engine.attention_chain`. RAUQ and attention-weighted surprisal are scores of the
registries and stand there.
"""

from __future__ import annotations

from ui.fork_glossary import Quantity

UQAC = (
    "Li et al., Language Model Uncertainty Quantification with Attention Chain (UQAC), arXiv 2503.19168; checked "
    "against an independent implementation with the whole attention"
)

QUANTITIES: tuple[Quantity, ...] = (
    Quantity(
        name="input_row",
        label="Attention that counts",
        symbol="r_j",
        short="What a position looks at, in one row for all layers and heads.",
        definition=(
            "The attention of position j in every layer and head, without what goes to j itself and to the very first "
            "token, the ten keys before j damped (from 0.17 for the nearest to 0.94 for the tenth), and made to add up "
            "to 1 again. r_j is the largest value, key by key, over the 16 most focused heads, those of smallest "
            "entropy; their mean, where that is chosen."
        ),
        unit="",
        low=0.0,
        high=1.0,
        caveat=(
            "Attention says where the network looked, not why: it is a lead, and the variants test it. The first token "
            "is left out as a place where heads park attention that they do not need."
        ),
        reference=UQAC,
    ),
    Quantity(
        name="chain_score",
        label="Chain score",
        symbol="a_k",
        short="How much attention a token of the chain gathered from what was found before it.",
        definition=(
            "From the rows that predict the answer's tokens, the strongest keys of r_j are gathered, stop words, "
            "prompt and places already visited left out; the 3 with the largest sums join the chain with a_k = "
            "Σ r_j[k]. The next hop begins at the rows that predict those 3. The walk ends where nothing new is found, "
            "or where a score is below 0.5 once the chain has 5 tokens besides the answer."
        ),
        unit="",
        low=0.0,
        high=None,
        caveat=(
            "Several rows may look at one token, so that it may exceed 1. Tokens of the prompt are never in a chain. "
            "The list of stop words is a setting: choose the language of the text."
        ),
        reference=UQAC,
    ),
    Quantity(
        name="chain_hop",
        label="Hop",
        symbol="h",
        short="How many steps back from the answer a token was found.",
        definition="1: found from the answer's own rows; h + 1: found from the tokens of hop h.",
        unit="steps",
        low=1.0,
        high=None,
        caveat="A token is found in one hop only; several tokens of the hop before may rest on it.",
        reference=UQAC,
    ),
    Quantity(
        name="chain_similarity",
        label="Similarity",
        symbol="cos",
        short="How alike the network's states at a token and at the answer are.",
        definition=(
            "Cosine of the last hidden states, after the final norm, at the token and at a token of the answer, "
            "averaged over the answer's tokens."
        ),
        unit="",
        low=-1.0,
        high=1.0,
        caveat="States of one text are alike in general: compare tokens of one chain, not chains of two models.",
        reference=UQAC,
    ),
    Quantity(
        name="chain_kept",
        label="Kept",
        symbol="K",
        short="The tokens of the chain that the confidence counts and whose substitutes are tried.",
        definition="The 10 of the chain with the highest similarity, if it is at least 0, in the order of the text.",
        unit="",
        low=None,
        high=None,
        caveat="Those that are not kept are in the chain all the same, drawn with a broken line.",
        reference=UQAC,
    ),
    Quantity(
        name="p_answer",
        label="P(answer)",
        symbol="P_ans",
        short="The probability of the answer's tokens, given all that stands before them.",
        definition=(
            "Product of the probabilities of the answer's tokens, none counting less than 10⁻¹². Of a variant: the "
            "same tokens read again behind the substitute, with nothing else changed and nothing generated."
        ),
        unit="",
        low=0.0,
        high=1.0,
        caveat=(
            "Once the reasoning is written the answer nearly always follows from it, so this alone is too sure of "
            "itself."
        ),
        reference=UQAC,
    ),
    Quantity(
        name="chain_variant",
        label="Variant",
        symbol="× P_ans",
        short="What one other token does to the probability of the same answer.",
        definition=(
            "At each kept token the five most probable tokens; of those above 1 % the 10 + |K| most probable ones, "
            "without the token that was written. Each alone takes its place. The figure is P(answer) behind it, "
            "divided by P(answer) of the text as it is: below 1 the answer leans on the token, at 1 it does not care."
        ),
        unit="",
        low=0.0,
        high=None,
        caveat=(
            "The text behind the substitute stays as it was written, even where it no longer makes sense: what would "
            "have been written instead is what the Forks tab draws."
        ),
        reference=f"{UQAC}; the quotient: this project",
    ),
    Quantity(
        name="p_uqac",
        label="P along the chain",
        symbol="P_UQAC",
        short="The answer's probability together with what it rests on, over the text and its variants.",
        definition=(
            "Σ over m = 0 … M of P_ans(m) P_K(m), with m = 0 the text as it is, m > 0 its variants, and P_K the "
            "product of the probabilities of the kept tokens, the substitute's own in its place."
        ),
        unit="",
        low=0.0,
        high=None,
        caveat=(
            "It shrinks with every kept token and grows with the number of variants: compare only chains that keep "
            "about as many."
        ),
        reference=UQAC,
    ),
    Quantity(
        name="chain_parts",
        label="Products and means",
        symbol="Π p, p̄",
        short="The same probabilities over more and more of the response.",
        definition=(
            "Product and mean of the probabilities of the written tokens: kept ones and answer, whole chain and "
            "answer, whole response."
        ),
        unit="",
        low=0.0,
        high=1.0,
        caveat="Products shrink with length, means do not.",
        reference="Follows from the token probabilities; means as in that paper's comparison",
    ),
)
