"""What the inventory says about one device: its parts, its place, and the life that it is meant to have."""

import datetime as dt
from typing import Annotated, Final, Literal, get_args

import msgspec
from msgspec import Meta

from collector.carbon.allocation import Basis
from collector.carbon.amortisation import LifePlan, Policy, Residue
from collector.carbon.embodied import Part
from collector.carbon.units import s_from_years, years_from_s
from collector.data.hardware import NONE, PartRow
from edge_agent.wire.records import Identifier

LifetimeYears = Annotated[float, Meta(ge=0.001, le=50.0)]
Kilograms = Annotated[float, Meta(ge=0.0, le=1e9)]
LARGEST_CARD_GB: Final = 1_000_000
Gigabytes = Annotated[int, Meta(ge=0, le=LARGEST_CARD_GB)]
Ratio = Annotated[float, Meta(ge=0.0, le=1.0)]
Text = Annotated[str, Meta(min_length=1)]
PartKind = Literal["board", "sd_card", "power_supply", "case", "meter", "end_of_life"]
PART_KINDS: Final[tuple[PartKind, ...]] = get_args(PartKind)


class ProductFootprint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A maker's product carbon footprint or EPD, kgCO2e: it replaces the screening estimate of all that it ``covers``.

    Without the use phase. The board is always covered; the meter is not, unless it is said. ``low`` and ``high`` are
    what the declaration states; a declaration that states no range is entered with all three equal.
    """

    kgco2e: Kilograms
    low: Kilograms
    high: Kilograms
    source: Text
    vintage: Text
    licence: str = "user's own"
    covers: tuple[PartKind, ...] = ("sd_card", "power_supply", "case", "end_of_life")


class OwnPart(PartRow, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part that the device has besides: ``quantity`` of a shipped ``factor``, or of one's own ``kgco2e``.

    ``share_ratio``: which part of it this device answers for. ``lifetime_years``: how long one lasts; a shorter life
    than the device's means that more than one is used up.
    """

    factor: str = ""
    kgco2e: Kilograms | None = None
    low: Kilograms | None = None
    high: Kilograms | None = None
    source: str = ""
    vintage: str = ""
    share_ratio: Ratio = 1.0
    lifetime_years: LifetimeYears | None = None


class SecondHand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hardware that has had a life before: what of its mass that life was charged, and which parts it holds for.

    Where a part is used up more than once, it is the first one that is second-hand.
    """

    charged_before_ratio: Ratio
    parts: tuple[PartKind, ...] = ("board",)


class Equipment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What something is made of. Empty or absent means unknown; "none", or a card of 0 GB, that there is none.

    ``part`` stands besides all others. A device whose board is in it has ``hardware`` empty or "none".
    """

    hardware: str = ""
    sd_card_gb: Gigabytes | None = None
    power_supply: str = ""
    case: str = ""
    meter: str = ""
    end_of_life: bool | None = None
    pcf: ProductFootprint | None = None
    part: tuple[OwnPart, ...] = ()

    @property
    def board(self) -> str:
        """Return the name of the board of the tables, "" where there is none, or a footprint in its place."""
        return self.hardware if self.pcf is None and self.hardware != NONE else ""

    @property
    def is_known(self) -> bool:
        """Return whether anything is said of the board itself; without it, card and meter alone are no figure."""
        return bool(self.hardware or self.pcf is not None or self.part)


class DeviceRow(Equipment, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One device as the file has it. Empty or absent means the default of the file, unknown where that is absent too.

    ``meter_share_ratio``: which part of the meter this device answers for, 1 for a meter of its own.
    ``part_lifetime_years``: how long a part lasts where that is not the device's life: cards of 2.5 years in 5 years.
    ``retired_on``, ``extended_on``: the day on which that happened, as it begins (UTC).
    """

    id: Identifier
    zone: str = ""
    site: str = ""
    device_class: str = ""
    meter_share_ratio: Ratio = 1.0
    part_lifetime_years: dict[PartKind, LifetimeYears] = {}
    lifetime_years: LifetimeYears | None = None
    in_service_since: dt.date | None = None
    second_hand: SecondHand | None = None
    policy: Policy | None = None
    lifetime_uses: Annotated[float, Meta(gt=0.0)] | None = None
    decline_ratio: Annotated[float, Meta(gt=0.0, le=1.0)] | None = None
    extended_on: dt.date | None = None
    extended_lifetime_years: LifetimeYears | None = None
    retired_on: dt.date | None = None
    residue: Residue | None = None
    successor: Identifier | None = None

    def life_plan(self) -> LifePlan | None:
        """Return how long the device is meant to live and how its mass is charged; None without a lifetime.

        Raises ValueError for a life that does not fit together.
        """
        if self.lifetime_years is None:
            return None
        longer = self.extended_lifetime_years
        return LifePlan(
            lifetime_s=s_from_years(self.lifetime_years),
            policy=self.policy or "linear_in_time",
            in_service_since_unix_s=_unix_s(self.in_service_since),
            retired_unix_s=_unix_s(self.retired_on),
            residue=self.residue or "charged_at_retirement",
            lifetime_uses=self.lifetime_uses,
            decline_ratio=self.decline_ratio,
            extended_unix_s=_unix_s(self.extended_on),
            extended_lifetime_s=None if longer is None else s_from_years(longer),
        )

    def served_years(self) -> float | None:
        """Return for how long it is charged, as far as is known: the planned or extended life, or until it retired."""
        plan = self.life_plan()
        if plan is None:
            return None
        since_s, decided_s, longer_s = plan.in_service_since_unix_s, plan.extended_unix_s, plan.extended_lifetime_s
        life_s = plan.lifetime_s
        if since_s is None:
            return years_from_s(life_s)
        if decided_s is not None and longer_s is not None and decided_s < since_s + life_s:
            life_s = longer_s
        return years_from_s(life_s if plan.retired_unix_s is None else min(life_s, plan.retired_unix_s - since_s))

    def unstated(self) -> tuple[PartKind, ...]:
        """Return the parts that nothing is known of: their mass is missing, not zero. Empty without hardware."""
        if not self.is_known:
            return ()
        known: dict[PartKind, bool] = {
            "board": True,
            "sd_card": self.sd_card_gb is not None,
            "power_supply": bool(self.power_supply or self.board),
            "case": bool(self.case),
            "meter": bool(self.meter),
            "end_of_life": self.end_of_life is not None,
        }
        covered = () if self.pcf is None else self.pcf.covers
        return tuple(kind for kind in PART_KINDS if not known[kind] and kind not in covered)


class DeviceEntry(DeviceRow, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One device with all that it answers for. ``beside``: shares of common hardware, and what predecessors left."""

    beside: tuple[Part, ...] = ()


class SharedItem(Equipment, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hardware that several devices use, a switch or a gateway, and how it is shared among them.

    ``by``: what the weights count. ``users`` share it equally; ``weights`` by what each makes of it.
    """

    id: Identifier
    by: Basis
    users: tuple[Identifier, ...] = ()
    weights: dict[Identifier, Annotated[float, Meta(ge=0.0)]] = {}
    lifetime_years: LifetimeYears | None = None
    part_lifetime_years: dict[PartKind, LifetimeYears] = {}


def _unix_s(day: dt.date | None) -> float | None:
    """Return the first moment of a day (UTC) in seconds of Unix time, None when unknown."""
    return None if day is None else dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC).timestamp()
