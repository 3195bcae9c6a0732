"""What has to stand beside a decomposition's figures, and the names of its effects, in words."""

from collections.abc import Iterator, Sequence
from typing import Final

from collector.analysis.decomposition.portions import Side
from collector.analysis.decomposition.values import Decomposition, EffectName, GroupChange, Question
from collector.assessment.assess import Gathered
from collector.carbon.estimate import Estimate
from collector.numbers import percent, prefix_of, si, significant, some_of

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
    if abs(change.value) <= _SLIGHT * largest:
        first = "Emissions did not change"
    else:
        rises = change.value > 0.0
        part = "" if found.ratio is None else f", {100.0 * (found.ratio - 1.0):+.3g}\N{NO-BREAK SPACE}%"
        size = f"{si(abs(change.value), 'g')} CO2e a day{part} ({signed_range(change)})"
        chance = found.rise_probability if rises else 1.0 - found.rise_probability
        hedge = "" if chance >= _SURE else f"; in {percent(1.0 - chance)} of the worlds it is the other way round"
        first = f"Emissions {'rose' if rises else 'fell'} by {size}{hedge}"
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


def largest_of(found: Decomposition) -> float:
    """Return the grams against which an effect may be mere rounding."""
    return max(found.before.total.value, found.after.total.value)


def _settled(grams: float, largest: float) -> float:
    return grams if abs(grams) > _SLIGHT * largest else 0.0


def _sign(value: float) -> str:
    return "+" if value > 0.0 else "\N{MINUS SIGN}" if value < 0.0 else ""


def notes_of(
    sides: Sequence[Side], groups: Sequence[GroupChange], asked: Question, gathered: Sequence[Gathered]
) -> Iterator[str]:
    """Give one sentence for each thing that a reader has to know."""
    if any(side.simulated_windows for side in sides):
        counts = " and ".join(f"{side.simulated_windows} of {side.windows}" for side in sides)
        yield f"simulated meters: {counts} windows of A and B were not measured on hardware"
    if sides[0].days != sides[1].days:
        lengths = " and ".join(f"{side.days:g}" for side in sides)
        yield f"the periods have {lengths} days: all figures are per day"
    for name, side, found in zip("AB", sides, gathered, strict=True):
        yield from _of_side(name, side, asked)
        if found.reading.cut_days:
            yield f"{name}: of {some_of(found.reading.cut_days)} only roll-ups are left, whose slots count whole"
    yield from _of_groups(groups)


def _of_side(name: str, side: Side, asked: Question) -> Iterator[str]:
    silent = side.days - side.days_with_data
    if silent > _SLIGHT:
        of = f"{name} has windows on {side.days_with_data:.4g} of {side.days:.4g} days"
        if asked.silent_days == "off":
            yield f"{of}; on the others the fleet is taken to have been off"
        else:
            yield (
                f"{of}; the others are unknown, and operational figures are per day with windows "
                "(--silent-days off: the fleet was off)"
            )
    if side.gap_s > 0.0 and side.duration_s > 0.0:
        yield (
            f"{name}: {percent(side.gap_s / side.duration_s, 1)} of the windows' time has no sample, and is taken at "
            "the mean power of the rest"
        )
    missing = 1.0 - side.known_j / side.energy_j if side.energy_j > 0.0 else 0.0
    if missing > _SLIGHT:
        yield (
            f"{name}: {percent(missing, 1)} of the energy has no known intensity: a device's known rest stands for "
            "it, and a device with none is left out"
        )
    for reason, devices in side.left_out.items():
        if devices:
            what = "embodied" if "hardware" in reason else "operational"
            yield f"{name}: left out of the {what} effects, for {reason}: {some_of(sorted(devices))}"


def _of_groups(groups: Sequence[GroupChange]) -> Iterator[str]:
    new = [one.name for one in groups if one.before.devices == 0.0 < one.after.devices]
    gone = [one.name for one in groups if one.after.devices == 0.0 < one.before.devices]
    if new or gone:
        words = [f"{what}: {some_of(names)}" for what, names in (("only in A", gone), ("only in B", new)) if names]
        yield f"{'; '.join(words)}: all of it is fleet size (--by all shows a renewal as efficiency)"
    idle = [one.name for one in groups if one.effects["energy_per_device"]]
    if idle:
        yield (
            f"on one side there were no inferences: {some_of(idle)}; the change of its energy per device cannot be "
            "told apart into work and efficiency, and stands in a line of its own"
        )
