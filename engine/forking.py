"""The forking analysis as other code calls it: draw one (`analyse`), read a curve off branches (`outcome_curve`).

Entry points only: fork_plan.py says what is drawn, fork_analysis.py draws it, fork_curves.py makes the curve of it, and
fork_bands.py says how sure it is.
Does not know where analyses are kept.
Source: Bigelow et al., "Forking Paths in Neural Text Generation", arXiv 2412.07961.
"""

from engine.fork_analysis import ForkingReport, analyse
from engine.fork_bands import band, chance_bands, chance_samples, curve_samples
from engine.fork_curves import Branches, Estimator, OutcomeCurve, branches_of, outcome_curve
from engine.fork_plan import ForkSettings

__all__ = [
    "Branches",
    "Estimator",
    "ForkSettings",
    "ForkingReport",
    "OutcomeCurve",
    "analyse",
    "band",
    "branches_of",
    "chance_bands",
    "chance_samples",
    "curve_samples",
    "outcome_curve",
]
