"""An assessment as CSV: one row for everything and one for each group, with units in the names of the columns."""

import csv
import io
from collections.abc import Callable
from typing import Any, Final

from collector.assessment.values import FleetAssessment, GroupFigures
from collector.carbon.estimate import Estimate

_PLAIN: Final = (
    "devices",
    "windows",
    "simulated_windows",
    "duration_s",
    "gap_s",
    "coverage_ratio",
    "energy_j",
    "energy_u_j",
    "energy_u_systematic_j",
    "inference_count",
    "j_per_inference",
    "unknown_operational_ratio",
    "unknown_embodied_devices",
    "beyond_lifetime_s",
    "before_service_s",
    "after_retirement_s",
)
_ESTIMATES: Final[dict[str, Callable[[GroupFigures], Estimate | None]]] = {
    "operational_gco2e": lambda one: one.grams.operational,
    "embodied_gco2e": lambda one: one.grams.embodied,
    "total_gco2e": lambda one: one.grams.total,
    "known_operational_gco2e": lambda one: one.grams_of_known.operational,
    "known_embodied_gco2e": lambda one: one.grams_of_known.embodied,
    "yearly_operational_gco2e": lambda one: one.yearly_operational_gco2e,
    "operational_gco2e_per_1000": lambda one: one.per_1000.operational,
    "embodied_gco2e_per_1000": lambda one: one.per_1000.embodied,
    "total_gco2e_per_1000": lambda one: one.per_1000.total,
    "embodied_share_ratio": lambda one: one.embodied_share_ratio,
    "development_gco2e": lambda one: one.development_gco2e,
    "residue_gco2e": lambda one: one.residue_gco2e,
}


def csv_text(assessment: FleetAssessment) -> str:
    """Return the rows; what is unknown is empty. Each estimate has three columns: value, ``_low`` and ``_high``."""
    rows = [("total", assessment.total)]
    rows += [(by, one) for by, groups in assessment.groups.items() for one in groups]
    records = [{"by": by, "name": one.name} | _record(one) for by, one in rows]
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(dict.fromkeys(name for record in records for name in record)))
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def _record(one: GroupFigures) -> dict[str, Any]:
    record = {name: getattr(one, name) for name in _PLAIN}
    record |= {f"intensity_{quality}_ratio": ratio for quality, ratio in one.intensity_ratio.items()}
    for name, estimate in ((name, of(one)) for name, of in _ESTIMATES.items()):
        record |= _three(name, estimate)
    for name, estimate in one.impacts.items():
        record |= _three(f"{name} [{estimate.unit}]" if estimate else name, estimate)
    return record


def _three(name: str, estimate: Estimate | None) -> dict[str, float | None]:
    value, low, high = (None, None, None) if estimate is None else estimate.range
    return {name: value, f"{name}_low": low, f"{name}_high": high}
