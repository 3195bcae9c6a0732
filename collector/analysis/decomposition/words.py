"""The answer of a decomposition, and the names of its effects, in words."""

from typing import Final

from collector.analysis.decomposition.values import Decomposition, EffectName
from collector.carbon.estimate import Estimate
from collector.numbers import percent, prefix_of, si, significant

EFFECT_WORDS: Final[dict[EffectName, str]] = {
    "fleet_size": "fleet size",
    "inferences_per_device": "inferences per device",
    "energy_per_inference": "energy per inference",
    "energy_per_device": "energy per device, without inferences",
    "grid_intensity": "grid intensity",
    "embodied_fleet_size": "embodied: fleet size",
    "embodied_per_device": "embodied: per device-year",
}
FORMULA_WORDS: Final = (
    "grams a day = devices x inferences per device x joules per inference x grams per joule, plus charged devices x "
    "embodied grams per device; logarithmic mean Divisia index (LMDI-I), without a residual"
)
_SLIGHT: Final = 1e-9
_NAMED: Final = 3
_SURE: Final = 0.95


def verdict_of(found: Decomposition) -> str:
    """Return the answer in one or two sentences: what the sum did, how sure that is, and which effects made it."""
    largest = largest_of(found)
    change = found.change
    subject = "Emissions" if found.has_embodied else "Operational emissions"
    if any(found.before.left_out.values()) or any(found.after.left_out.values()):
        subject = f"Of what is known, {subject.lower()}"
    if abs(change.value) <= _SLIGHT * largest:
        first = f"{subject} did not change"
    else:
        rises = change.value > 0.0
        rise = 0.0 if found.ratio is None else 100.0 * (found.ratio - 1.0)
        part = "" if found.ratio is None else f", {_sign(rise)}{abs(rise):.3g}\N{NO-BREAK SPACE}%"
        size = f"{si(abs(change.value), 'g')} CO2e a day{part} ({signed_range(change)})"
        chance = found.rise_probability if rises else 1.0 - found.rise_probability
        hedge = "" if chance >= _SURE else f"; in {percent(1.0 - chance)} of the worlds it is the other way round"
        first = f"{subject} {'rose' if rises else 'fell'} by {size}{hedge}"
    effects = sorted(found.effects, key=lambda one: -abs(one.gco2e_per_day.value))
    named = [one for one in effects[:_NAMED] if abs(one.gco2e_per_day.value) > 1e-3 * largest]
    if not named:
        return f"{first}."
    effects_words = ", ".join(f"{EFFECT_WORDS[one.name]} {signed(one.gco2e_per_day.value)}" for one in named)
    return f"{first}. The largest effects: {effects_words}."


def signed(grams: float, largest: float = 0.0) -> str:
    """Return grams with their sign; what is only the rounding of figures as large as ``largest`` is 0."""
    grams = _settled(grams, largest)
    return _sign(grams) + si(abs(grams), "g")


def signed_range(figure: Estimate, largest: float = 0.0) -> str:
    """Return the range of a figure of either sign, in one unit: ``-1.2 to +3 mg``. ``largest``: see ``signed``."""
    ends = [_settled(end, largest) for end in (figure.low, figure.high)]
    scale, letter = prefix_of(max(map(abs, ends)))
    low, high = (_sign(end) + significant(abs(end) / scale, 2) for end in ends)
    return f"{low} to {high}\N{NO-BREAK SPACE}{letter}g"


def shown_effects(found: Decomposition) -> tuple[EffectName, ...]:
    """Return the effects that say something here: not those of hardware nobody knows, nor the line for no inferences.

    What is absent is unknown, and does not read as 0 g.
    """
    ranges = {one.name: one.gco2e_per_day for one in found.effects}
    idle = ranges["energy_per_device"]
    unsaid = set() if found.has_embodied else {"embodied_fleet_size", "embodied_per_device"}
    if idle.low == idle.high == 0.0:
        unsaid.add("energy_per_device")
    return tuple(name for name in ranges if name not in unsaid)


def largest_of(found: Decomposition) -> float:
    """Return the grams against which an effect may be mere rounding."""
    return max(found.before.total.value, found.after.total.value)


def _settled(grams: float, largest: float) -> float:
    return grams if abs(grams) > _SLIGHT * largest else 0.0


def _sign(value: float) -> str:
    return "+" if value > 0.0 else "\N{MINUS SIGN}" if value < 0.0 else ""
