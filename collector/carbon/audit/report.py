"""The whole audit: every publication, every figure with its verdict, and what else is to be known of them."""

from collections import Counter
from typing import Final

import msgspec

from collector.carbon.audit import clemm, papers, peers, regimes
from collector.carbon.audit.claim import Claim, Input, Publication, Remark, Says, Verdict
from collector.carbon.audit.server import Variant, variants

LIFETIMES_YEARS: Final = (3.0, 5.0)
GRIDS_GCO2E_PER_KWH: Final = (50.0, 400.0)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One claim as it is written out: ``Claim`` and its verdict. ``difference``: printed less exact, in ``unit``."""

    id: str
    publication: str
    where: str
    what: str
    formula: str
    inputs: tuple[Input, ...]
    unit: str
    exact: float
    printed: float | None
    says: Says
    difference: float | None
    as_printed_steps: float | None
    verdict: Verdict
    holds: bool
    note: str


class AuditReport(msgspec.Struct, frozen=True, kw_only=True):
    """What ``audit`` found. ``holds``: every verdict is the one found when the audit was written."""

    holds: bool
    verdicts: dict[Verdict, int]
    publications: tuple[Publication, ...]
    findings: tuple[Finding, ...]
    remarks: tuple[Remark, ...]
    variants: tuple[Variant, ...]


def publications() -> tuple[Publication, ...]:
    """Return every audited publication."""
    return (clemm.PUBLICATION, *papers.PUBLICATIONS, *peers.PUBLICATIONS, regimes.PUBLICATION)


def audit(
    only: tuple[str, ...] = (),
    *,
    slips_only: bool = False,
    lifetimes_years: tuple[float, ...] = LIFETIMES_YEARS,
    grids_gco2e_per_kwh: tuple[float, ...] = GRIDS_GCO2E_PER_KWH,
) -> AuditReport:
    """Derive every figure again. ``only``: ids of publications, () for all.

    ``slips_only``: leave out what agrees, and remarks that name no slip. ``lifetimes_years``,
    ``grids_gco2e_per_kwh``: the variants of the server and the GPU of Clemm et al., shown with that publication.
    Raises ValueError for an unknown publication, or a lifetime or grid that is not positive.
    """
    every = publications()
    wanted = set(only) or {one.id for one in every}
    unknown = sorted(wanted - {one.id for one in every})
    if unknown:
        raise ValueError(f"unknown publication {unknown[0]!r}; known: {', '.join(one.id for one in every)}")
    claims = (*clemm.claims(), *papers.claims(), *peers.claims(), *regimes.claims())
    findings = [_finding(one) for one in claims if one.publication in wanted]
    remarks = [one for one in (*clemm.REMARKS, *papers.REMARKS, *peers.REMARKS) if one.publication in wanted]
    holds = all(one.holds for one in findings)
    if slips_only:
        findings = [one for one in findings if one.verdict == "slip"]
        remarks = [one for one in remarks if one.kind in {"slip", "defect"}]
    with_variants = clemm.PUBLICATION.id in wanted and not slips_only
    return AuditReport(
        holds=holds,
        verdicts=dict(Counter(one.verdict for one in findings)),
        publications=tuple(one for one in every if one.id in wanted),
        findings=tuple(findings),
        remarks=tuple(remarks),
        variants=variants(lifetimes_years, grids_gco2e_per_kwh) if with_variants else (),
    )


def _finding(claim: Claim) -> Finding:
    shared = {name: getattr(claim, name) for name in Finding.__struct_fields__ if name != "difference"}
    return Finding(difference=None if claim.printed is None else claim.printed - claim.exact, **shared)
