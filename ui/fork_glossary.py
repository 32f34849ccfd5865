"""What the Forks view says, quantity by quantity, for the reference page: definition, unit, range, caveat, source.

Words only; what is computed stands in `engine.forking` and `engine.fork_measures`.
"""

from __future__ import annotations

from dataclasses import dataclass

BIGELOW = "Bigelow, Holtzman, Tanaka and Ullman, Forking Paths in Neural Text Generation, arXiv 2412.07961"
OURS = "This project; checked against the recorded roll-outs of that paper"


@dataclass(frozen=True)
class Quantity:
    """One quantity of a forking analysis. low, high: ends of its range, None where open; unit: "" for none."""

    name: str
    label: str
    symbol: str
    short: str
    definition: str
    unit: str
    low: float | None
    high: float | None
    caveat: str
    reference: str


QUANTITIES: tuple[Quantity, ...] = (
    Quantity(
        name="outcome_curve",
        label="Outcome curve",
        symbol="o_t",
        short="How the outcome would be distributed had the answer started again here.",
        definition=(
            "o_t = Σ_w p̃_t(w) o_t,w over the token that was written and its alternatives w (probability of "
            "at least 5 %, ten at most), with o_t,w the outcomes of continuations drawn behind w at "
            "temperature 1 and p̃ the probabilities made to add up to 1. What follows the answer's own token "
            "is o_t+1, so the curve is computed from the end backwards."
        ),
        unit="",
        low=0.0,
        high=1.0,
        caveat=("Only continuations at temperature 1 allow the recursion; every-branch draws the answer's own too."),
        reference=f"{BIGELOW}, section 2; the recursion: law of total probability",
    ),
    Quantity(
        name="kept_mass",
        label="Kept mass",
        symbol="m_t",
        short="The probability of all tokens that were drawn from, here.",
        definition="m_t = Σ_w p_t(w). What is missing to 1 is shown as unexplored above the curve.",
        unit="",
        low=0.0,
        high=1.0,
        caveat="Where it is low the curve speaks for a part of what could have been said only.",
        reference=BIGELOW,
    ),
    Quantity(
        name="band",
        label="Band",
        symbol="80 %",
        short="How far the curve may be off by the luck of the draws.",
        definition=(
            "The middle 80 % of curves whose o_t,w are drawn from a Dirichlet posterior, its prior learnt from all "
            "draws of the answer: how much alternatives lean on what stands behind their token. Widened to hold "
            "the curve."
        ),
        unit="",
        low=0.0,
        high=1.0,
        caveat="It knows the luck of the draws, not what lies in the unexplored part.",
        reference=OURS,
    ),
    Quantity(
        name="fork_distance",
        label="Distance of an alternative",
        symbol="d(o_t,w, o_t,x)",
        short="How far the outcomes behind it lie from the answer's own.",
        definition="Euclidean distance of the two distributions.",
        unit="",
        low=0.0,
        high=2**0.5,
        caveat=(
            "Two samples of 30 from one and the same coin differ by about 0.15: read the test against noise beside it."
        ),
        reference=BIGELOW,
    ),
    Quantity(
        name="fork_influence",
        label="Influence of an alternative",
        symbol="p̃ d",
        short="How much it moves the curve.",
        definition=(
            "Its share times its distance: a 5 % alternative can flip nearly all outcomes while the curve barely moves."
        ),
        unit="",
        low=0.0,
        high=2**0.5,
        caveat="",
        reference=OURS,
    ),
    Quantity(
        name="fork_test",
        label="Told from noise",
        symbol="p",
        short="Whether the distance is more than the luck of the draws.",
        definition=(
            "p is the share of 5,000 samples, as many draws as the alternative has, from the answer's own "
            "outcomes (themselves drawn from their posterior) that lie at least as far away. Those with p "
            "small enough for a rate of false discoveries of 5 % among all alternatives of the analysis are "
            "called forks."
        ),
        unit="",
        low=0.0,
        high=1.0,
        caveat="With few draws a real fork may not be told from noise: add draws.",
        reference="Benjamini and Hochberg, J. R. Stat. Soc. B 57 (1995)",
    ),
    Quantity(
        name="jump",
        label="Jump",
        symbol="TV(o_t, o_t+1)",
        short="A step of the curve; the token before it is to blame.",
        definition=(
            "Half of the sum of absolute differences between two neighbouring places, above 0.10, 0.15 or 0.20."
        ),
        unit="",
        low=0.0,
        high=1.0,
        caveat="",
        reference=BIGELOW,
    ),
    Quantity(
        name="drift",
        label="Drift",
        symbol="y_t",
        short="How far the curve has come from where it began.",
        definition="Euclidean distance of o_t from o_0.",
        unit="",
        low=0.0,
        high=2**0.5,
        caveat="",
        reference=BIGELOW,
    ),
    Quantity(
        name="survival",
        label="Survival",
        symbol="S(t)",
        short="The chance that no token up to here was swapped for one that moves the outcome.",
        definition="S(t) = Π (1 - h_t'), with h_t the share of alternatives at t whose distance is at least ε.",
        unit="",
        low=0.0,
        high=1.0,
        caveat="Distances of few draws are too large on average, so that survival is a little too low.",
        reference=BIGELOW,
    ),
    Quantity(
        name="change_points",
        label="Change points",
        symbol="P(τ = t | y)",
        short="Where the level or slope of the drift changes.",
        definition=(
            "Exact posterior over 0 to 6 change points of piecewise constant or linear segments of at least 3"
            " tokens; the posterior odds are those of at least one against none, the Bayes factor is that "
            "without the prior's 6 to 1."
        ),
        unit="",
        low=0.0,
        high=1.0,
        caveat=("Nothing is looked for where the drift moves no more than its own noise. Claimed for odds above 9."),
        reference=f"{BIGELOW}, section 2.3; computed exactly here instead of by sampling",
    ),
    Quantity(
        name="lost_outcomes",
        label="Truncated, unparsed, Other",
        symbol="–",
        short="Outcomes that are no answers.",
        definition=(
            "truncated: the continuation hit the length limit before its outcome could be read; unparsed: it ended and "
            "has no outcome of the kind asked for; Other: answers too rare to be shown by themselves, chosen once for "
            "the whole analysis."
        ),
        unit="",
        low=None,
        high=None,
        caveat="They count as outcomes of their own in distances and tests: an alternative may differ by being longer.",
        reference=OURS,
    ),
    Quantity(
        name="close_calls",
        label="Close calls",
        symbol="–",
        short="Drawn tokens that float noise could decide otherwise.",
        definition=(
            "A token is drawn where a keyed uniform number falls among the cumulative probabilities. Counted are the "
            "drawn tokens whose number lay within 0.00002 of a border between two tokens, where another machine or "
            "batch may round to the other side."
        ),
        unit="tokens",
        low=0.0,
        high=None,
        caveat="Most of them come out alike all the same.",
        reference=OURS,
    ),
    Quantity(
        name="pelt",
        label="Second opinion",
        symbol="PELT",
        short="Change points without Bayes.",
        definition="Segments with a multinomial cost of the outcome counts, penalty 64, at least 2 tokens long.",
        unit="",
        low=None,
        high=None,
        caveat="",
        reference="Killick, Fearnhead and Eckley, JASA 107 (2012); Truong et al., ruptures",
    ),
)
