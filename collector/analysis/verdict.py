"""One sentence that says who is ahead, by how much, and how sure that is."""

from typing import Final

from collector.carbon.montecarlo import Percentiles

SURE: Final = 0.95
"""Probability from which on a side is called ahead."""

_SIZES: Final = ((1e3, "kg"), (1.0, "g"), (1e-3, "mg"), (1e-6, "µg"))


def verdict_sentence(
    models: list[tuple[str, Percentiles, float]], *, per: int, inferences_per_day: float, simulated: bool = False
) -> str:
    """Return the verdict for (network model, edge minus cloud, probability that the edge is lower) of each model."""
    parts = [f"{_words(spread)}, lower in {_chance(p)} with the {model} network model" for model, spread, p in models]
    answers = [_answer(p) for _, _, p in models]
    warning = "With joules from a simulated meter: at" if simulated else "At"
    return (
        f"{warning} {inferences_per_day:,.0f} inferences a day, per {per:,} inferences, the edge emits "
        f"{'; and '.join(parts)}: {_conclusion(models, answers)}."
    )


def _words(spread: Percentiles) -> str:
    """Return for example "1.2 g less than the cloud (90 % range 400 mg to 3.0 g less)"."""
    side = "less" if spread.p50 < 0.0 else "more"
    middle = f"{grams_words(abs(spread.p50))} {side} than the cloud"
    if (spread.p5 < 0.0) == (spread.p95 < 0.0):
        near, far = sorted((abs(spread.p5), abs(spread.p95)))
        return f"{middle} (90 % range {grams_words(near)} to {grams_words(far)} {side})"
    return f"{middle} (90 % range {grams_words(-spread.p5)} less to {grams_words(spread.p95)} more)"


def grams_words(grams: float) -> str:
    """Return grams (not negative) with two digits in a unit of readable size."""
    size, unit = next(((s, u) for s, u in _SIZES if grams >= s), _SIZES[-1])
    number = grams / size
    return f"{number:,.0f} {unit}" if number >= 10.0 or number == 0.0 else f"{number:.1f} {unit}"


def _chance(probability: float) -> str:
    percent = 100.0 * probability
    if 0.0 < percent < 1.0 or 99.0 < percent < 100.0:
        return f"{'fewer than 1' if percent < 1.0 else 'more than 99'} % of the drawn worlds"
    return f"{percent:.0f} % of the drawn worlds"


def _answer(probability: float) -> str:
    if probability >= SURE:
        return "edge"
    return "cloud" if probability <= 1.0 - SURE else "open"


def _conclusion(models: list[tuple[str, Percentiles, float]], answers: list[str]) -> str:
    if len(set(answers)) == 1:
        whatever = "whichever network model is used"
        return (
            f"the question stays open {whatever}" if answers[0] == "open" else f"the {answers[0]} is ahead {whatever}"
        )
    said = [
        f"{'it stays open' if answer == 'open' else f'the {answer} is ahead'} with the {model} one"
        for (model, _, _), answer in zip(models, answers, strict=True)
    ]
    return f"the answer depends on the network model: {', '.join(said)}"
