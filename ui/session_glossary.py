"""What the results of a session say, measure by measure, for the reference page: definition, range, caveat, source.

Words only; what is computed stands in `engine.agreement`, `engine.span_agreement`, `engine.ranking` and
`engine.evaluation`.
"""

from __future__ import annotations

from ui.fork_glossary import Quantity

KRIPPENDORFF = "Krippendorff, Computing Krippendorff's alpha-reliability, 2011; checked against its worked examples"

AGREEMENT: tuple[Quantity, ...] = (
    Quantity(
        name="krippendorff_alpha",
        label="Krippendorff’s alpha",
        symbol="α",
        short="Agreement of any number of annotators beyond what chance gives, gaps allowed.",
        definition=(
            "α = 1 − D_o / D_e: the disagreement of the pairs of answers on the same item over that of pairs drawn "
            "from all answers. Nominal: different answers disagree by 1. Interval: by the square of their distance. "
            "Ordinal: by the square of how many answers lie between them, half of those at either end included."
        ),
        unit="",
        low=None,
        high=1.0,
        caveat=(
            "N/a where everybody always said the same one thing: then nothing tells agreement from habit. Rare labels "
            "keep it low although most answers agree."
        ),
        reference=KRIPPENDORFF,
    ),
    Quantity(
        name="percent_agreement",
        label="Percent agreement",
        symbol="P_o",
        short="How often two annotators of an item say the same.",
        definition="The share of equal pairs among all pairs of answers to an item, averaged over the items with two.",
        unit="",
        low=0.0,
        high=1.0,
        caveat="Chance alone makes it high where one answer is frequent: read it beside alpha.",
        reference="Fleiss, Psychological Bulletin 76 (1971)",
    ),
    Quantity(
        name="cohen_kappa",
        label="Cohen’s kappa",
        symbol="κ",
        short="Agreement of two annotators beyond chance.",
        definition=(
            "κ = 1 − Σ w p_ij / Σ w p_i p_j over the table of both answers, w = 1 off the diagonal; for scales w is "
            "also the distance of the two values (linear) or its square (quadratic). Chance is each one’s own habit."
        ),
        unit="",
        low=-1.0,
        high=1.0,
        caveat="Over the items that both answered; steps of a scale count by their values, unused ones included.",
        reference="Cohen, Educational and Psychological Measurement 20 (1960), Psychological Bulletin 70 (1968)",
    ),
    Quantity(
        name="fleiss_kappa",
        label="Fleiss’ kappa",
        symbol="κ_F",
        short="Agreement of several annotators beyond chance, with equally many answers to each item.",
        definition=(
            "κ = (P_o − P_e) / (1 − P_e), with P_o the percent agreement and P_e the chance that two answers drawn "
            "from all are equal."
        ),
        unit="",
        low=-1.0,
        high=1.0,
        caveat="Taken of the items with the largest number of answers only; how many that are stands beside it.",
        reference="Fleiss, Psychological Bulletin 76 (1971); checked against its table of diagnoses",
    ),
    Quantity(
        name="token_alpha",
        label="Alpha over tokens",
        symbol="α_tok",
        short="How far annotators agree on which tokens carry a label.",
        definition=(
            "Krippendorff’s nominal alpha with every token of an item as a unit, no label being a category of its own. "
            "Its interval draws items, not tokens."
        ),
        unit="",
        low=None,
        high=1.0,
        caveat="Long items weigh more. Of overlapping labels of one set the one that the set lists first is taken.",
        reference=KRIPPENDORFF,
    ),
    Quantity(
        name="span_f1",
        label="F1 of spans",
        symbol="F₁",
        short="How many spans of two annotators are the same.",
        definition=(
            "2 × matched spans / all spans of both, summed over items and pairs of annotators. A match has the same "
            "label and exactly the same tokens or, for overlap, at least one token in common; one span matches one."
        ),
        unit="",
        low=0.0,
        high=1.0,
        caveat="Not corrected for chance, which finding the same place in a text rarely gives.",
        reference="Hripcsak and Rothschild, JAMIA 12 (2005)",
    ),
    Quantity(
        name="gamma_agreement",
        label="Gamma",
        symbol="γ",
        short="Agreement on where spans lie and what they are called, at once.",
        definition=(
            "1 − the disorder of the best alignment of all annotators’ spans over that of spans drawn at random, item "
            "by item (40 at most), averaged by the number of spans."
        ),
        unit="",
        low=None,
        high=1.0,
        caveat="Needs the package pygamma-agreement, which is not installed by default.",
        reference="Mathet, Widlöcher and Métivier, Computational Linguistics 41 (2015); the package pygamma-agreement",
    ),
)

EVALUATION: tuple[Quantity, ...] = (
    Quantity(
        name="auroc",
        label="AUROC",
        symbol="AUC",
        short="How often a score is higher where people say 1 than where they say 0.",
        definition=(
            "The chance that an observation of label 1, drawn at random, has a higher score than one of label 0, ties "
            "counting half. Scores of confidence are turned round first, so that higher always means more uncertain."
        ),
        unit="",
        low=0.0,
        high=1.0,
        caveat=(
            "0.5 is chance; far below it the score is right the other way round. The best of forty scores looks better "
            "than it is: choose on one session, confirm on another."
        ),
        reference="Fawcett, Pattern Recognition Letters 27 (2006); as scikit-learn computes it",
    ),
    Quantity(
        name="average_precision",
        label="Average precision",
        symbol="AP",
        short="How pure the top of the list is, down to the last 1.",
        definition="Σ (R_k − R_k−1) P_k over the distinct values of the score, precision P and recall R from the top.",
        unit="",
        low=0.0,
        high=1.0,
        caveat="Chance gives the share of 1s, so that values of different labels do not compare.",
        reference="As scikit-learn computes it",
    ),
    Quantity(
        name="prr",
        label="Prediction rejection ratio",
        symbol="PRR",
        short="What is gained by giving up the most uncertain first.",
        definition=(
            "(area − random) / (oracle − random), with the area under the share of 0s among what is kept while one "
            "after another is given up; random in any order, oracle all 1s first. Ties: the mean over their orders."
        ),
        unit="",
        low=None,
        high=1.0,
        caveat="0 is giving up at random, below it worse than that.",
        reference="Malinin and Gales, ICLR 2021; checked against lm-polygraph",
    ),
    Quantity(
        name="ece",
        label="Calibration error",
        symbol="ECE",
        short="How far the probability that a score stands for is off.",
        definition=(
            "Σ n_b/n |mean probability − share of 1s| over 20 bins of equal width; the probabilities come from an "
            "isotonic fit to the other items, in five folds."
        ),
        unit="",
        low=0.0,
        high=1.0,
        caveat="A score that says nothing is calibrated by the share of 1s and has a small one: read it beside AUROC.",
        reference="Naeini, Cooper and Hauskrecht, AAAI 2015; Zadrozny and Elkan, KDD 2002",
    ),
    Quantity(
        name="risk_coverage",
        label="Risk over coverage",
        symbol="r(c)",
        short="The share of 1s among what is kept, the surest first.",
        definition="r(c) is the share of label 1 among the share c of observations with the lowest scores.",
        unit="",
        low=0.0,
        high=1.0,
        caveat="Its left end stands on few observations.",
        reference="El-Yaniv and Wiener, JMLR 11 (2010)",
    ),
    Quantity(
        name="label_correlation",
        label="Correlation with labels",
        symbol="ρ",
        short="Spearman’s rank correlation of score and label.",
        definition="The correlation of ranks, ties having the mean of theirs.",
        unit="",
        low=-1.0,
        high=1.0,
        caveat="With labels of 0 and 1 it cannot reach 1 unless both are equally frequent.",
        reference="Spearman 1904",
    ),
    Quantity(
        name="session_interval",
        label="Interval",
        symbol="95 %",
        short="How far a figure may be off by which items happened to be labelled.",
        definition=(
            "The middle 95 % of the figure over resamples of whole items with replacement, 1,000 for agreement and "
            "500 for scores (fewer above 100,000 observations); the same resamples for all scores. N/a below 5 items, "
            "where all resamples agree, or where many of them have no value."
        ),
        unit="",
        low=None,
        high=None,
        caveat="It knows nothing of how the items were chosen, nor of annotators who share a mistake.",
        reference="Efron and Tibshirani 1993, percentile method",
    ),
    Quantity(
        name="label_truth",
        label="Whose labels",
        symbol="–",
        short="What a score is held against.",
        definition=(
            "Gold: the final labels of adjudication, and what two or more said that nobody disputes. Majority: what "
            "more than half of those who submitted the item said; where as many said yes as no, the token or item is "
            "left out and counted. Or one annotator alone. Training and hidden check items never count."
        ),
        unit="",
        low=None,
        high=None,
        caveat="A single annotator’s labels measure the score and the annotator at once.",
        reference="This project",
    ),
    Quantity(
        name="label_levels",
        label="Tokens, spans, answers",
        symbol="–",
        short="What one observation is.",
        definition=(
            "Token labels: every token but control tokens. Span labels: labelled spans against stretches of unlabelled "
            "text cut to the same lengths, with the mean and the most uncertain value of each token score. Questions: "
            "whole answers, with the run scores and the same two summaries. Preferences: the difference of two answers."
        ),
        unit="",
        low=None,
        high=None,
        caveat=(
            "Lengths are matched because the largest of many values exceeds the largest of few whatever they are. Of a "
            "run that went on since, only the part that was labelled counts."
        ),
        reference="This project",
    ),
)

QUANTITIES: tuple[Quantity, ...] = (*AGREEMENT, *EVALUATION)
