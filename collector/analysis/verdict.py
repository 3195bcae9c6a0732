"""One sentence that says who is ahead, by how much, and how sure that is."""

from collector.analysis.montecarlo import Percentiles

SURE = 0.95


def verdict_sentence(models: list[tuple[str, Percentiles, float]], *, per: int, inferences_per_day: float) -> str:
    """Return the verdict for (network model, edge minus cloud, probability that the edge is lower) of each model."""
    parts = [f"{_words(spread)} ({_chance(p)}) with the {model} network model" for model, spread, p in models]
    answers = [_answer(p) for _, _, p in models]
    return (
        f"At {inferences_per_day:,.0f} inferences a day, per {per:,} inferences, the edge emits "
        f"{' and '.join(parts)}: {_conclusion(models, answers)}."
    )


def _words(spread: Percentiles) -> str:
    """Return for example "1.2 g less (90 % range 0.4 to 3.0 g less)"."""
    middle = f"{_figure(abs(spread.p50))} g {_side(spread.p50)} than the cloud"
    if (spread.p5 < 0.0) == (spread.p95 < 0.0):
        near, far = sorted((abs(spread.p5), abs(spread.p95)))
        return f"{middle}, 90 % range {_figure(near)} to {_figure(far)} g {_side(spread.p50)}"
    return f"{middle}, 90 % range {_figure(-spread.p5)} g less to {_figure(spread.p95)} g more"


def _side(difference: float) -> str:
    return "less" if difference < 0.0 else "more"


def _figure(grams: float) -> str:
    return f"{grams:#.2g}".rstrip(".") if grams < 100.0 else f"{grams:,.0f}"


def _chance(probability: float) -> str:
    return f"lower in {100.0 * probability:.0f} % of the drawn worlds"


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
