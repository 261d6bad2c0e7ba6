"""How far an expert goes from the generalist: as far as people whom it has not met say, and no further.

Of what training taught an expert some is knowledge and some the noise of its few pixels. On the straight way from the
generalist's weights w_g to its own, w_g + a (w_e - w_g), the squared error is (nearly) a parabola in a, and its lowest
point is the slope of a regression: of what the generalist lacks on what the expert adds. It is measured on validation
people, of whom a hash may have few. So all experts' slopes together tell what a slope is like, and each is drawn
towards that the more, the less its own people agree: empirical Bayes (Efron & Morris 1975, "Data analysis using
Stein's estimator"), with the variance between experts as in DerSimonian & Laird 1986, "Meta-analysis in clinical
trials". From what is left, the doubt is taken off: one standard error. An expert that is wrong on somebody shows as a
tile in the picture, one that stays nearer to the generalist than it should costs some hundredths of a decibel.
"""

import numpy as np

from app.arrays import F64, Bools

NOTHING_KNOWN = 1e12  # variance of slopes, which matter between 0 and 1
TINIEST = 1e-6  # variance: no measurement is taken for more certain than this


def choose_reaches(toward: F64, length: F64) -> F64:
    """Choose every expert's a.

    Args:
        toward, length: (experts, people) of `judge.Judge.evidence`.

    Returns:
        (experts,) in 0..1; 0 for those that drew no pixel of the judging people, or that training broke.
    """
    usable = np.isfinite(toward).all(axis=1) & np.isfinite(length).all(axis=1) & (length.sum(axis=1) > 0.0)
    reaches = np.zeros(len(toward))
    if usable.any():
        reaches[usable] = np.clip(_shrunk(*_slopes(toward[usable], length[usable])), 0.0, 1.0)
    return reaches


def surely_too_far(toward: F64, length: F64) -> Bools:
    """Which experts (experts,) are worse than the generalist by more than two standard errors.

    At a slope below a half, the whole way leads farther from the truth than none of it.

    Args:
        toward, length: as for `choose_reaches`.
    """
    usable = np.isfinite(toward).all(axis=1) & np.isfinite(length).all(axis=1) & (length.sum(axis=1) > 0.0)
    found = np.zeros(len(toward), bool)
    if usable.any():
        slopes, variances = _slopes(toward[usable], length[usable])
        found[usable] = slopes + 2.0 * np.sqrt(variances) < 0.5
    return found


def _slopes(toward: F64, length: F64) -> tuple[F64, F64]:
    """Slopes (experts,), each over all people together, and their variances: what other people would change."""
    total = length.sum(axis=1)
    slopes = toward.sum(axis=1) / total
    people = (length > 0.0).sum(axis=1)
    effective = np.square(total) / np.square(length).sum(axis=1)  # how many people, were they equally important
    # Cluster-robust: the pixels of a person err together.
    off = np.square(toward - slopes[:, None] * length).sum(axis=1) / np.square(total)
    if not (people > 1).any():
        return slopes, _of_one_person(slopes, total)
    own = off * people / np.maximum(people - 1, 1)  # 0 for a single person
    # Few people may agree by chance, so a slope is at least as uncertain as those over as many people usually are.
    usual = np.average(own * effective, weights=people - 1) / effective
    return slopes, np.maximum(np.maximum(own, usual), TINIEST)


def _of_one_person(slopes: F64, length: F64) -> F64:
    """Variances (experts,) where a single person judges all: he cannot disagree with himself, but his slopes can.

    All that they differ by counts as chance, which falls with the length; so no expert is told from another, and all go
    the same way, or none. A single expert has nobody to be compared with, so nothing is known of it.
    """
    if len(slopes) < 2:
        return np.full(len(slopes), NOTHING_KNOWN)
    scatter = np.square(slopes - np.average(slopes, weights=length)) @ length / (len(slopes) - 1)
    return np.maximum(scatter / length, TINIEST)


def _shrunk(slopes: F64, variances: F64) -> F64:
    """Slopes drawn towards their common mean, less the standard error of what comes out."""
    weight = 1.0 / variances
    mean = np.average(slopes, weights=weight)
    spread = float((weight * np.square(slopes - mean)).sum()) - (len(slopes) - 1)
    scale = weight.sum() - np.square(weight).sum() / weight.sum()
    between = max(0.0, spread / scale) if len(slopes) > 1 else 0.0
    mean = np.average(slopes, weights=1.0 / (variances + between))
    own = between / (between + variances)
    common = 1.0 / (1.0 / (variances + between)).sum()  # the variance of the mean itself
    shrunk: F64 = mean + own * (slopes - mean) - np.sqrt(own * variances + np.square(1.0 - own) * common)
    return shrunk
