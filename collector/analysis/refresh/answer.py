"""Compute when a class of devices pays to replace, on each grid, in every drawn world."""

import math
from typing import Final

import numpy as np

from collector.analysis.refresh.account import account_g, residue_share
from collector.analysis.refresh.answers import CurvePoint, GridAnswer, Payback, RefreshAnswer, SideAnswer, WaitRow
from collector.analysis.refresh.cycles import cycle_rows, joint_of
from collector.analysis.refresh.problem import GridPath, Look, Refresh, Side
from collector.analysis.refresh.words import flips, grid_name, verdict_of
from collector.carbon.embodied import embodied_gco2e
from collector.carbon.estimate import F64, exactly
from collector.carbon.factors import Factor
from collector.carbon.montecarlo import Draws, Percentiles, estimate_of, percentiles
from collector.carbon.operational import gram_unit
from collector.carbon.refresh import (
    KWH_PER_W_YEAR,
    YEARS_AHEAD,
    Plan,
    payback_years,
    totals_g,
    yearly_intensities,
)
from collector.carbon.units import G_PER_KG, KGCO2E

NOT_COUNTED: Final = (
    "taking the old devices away and the work of exchanging them",
    "what the old devices may still do elsewhere",
    "a network's energy, which is taken to be the same for both",
)
_AT_ONCE: Final = 20_000


def middle(factor: Factor) -> F64:
    """Return the median of a factor as the only world."""
    return np.array([factor.estimate.value])


def answer(problem: Refresh, *, seed: int, draws: int) -> RefreshAnswer:
    """Return the answer. ``draws``: worlds; one factor id is one cause, on both sides and on all grids."""
    worlds = Draws(seed=seed, count=draws)

    def drawn(factor: Factor) -> F64:
        return worlds.of(factor.id, factor.estimate)

    scenario = problem.scenario
    grids = tuple(_grid(problem, grid, drawn, draws) for grid in problem.grids)
    origins = {problem.old.power.origin, problem.new.power.origin}
    return RefreshAnswer(
        title=scenario.title,
        work=scenario.work.words,
        inferences_per_day=scenario.work.inferences_per_day,
        horizon_years=scenario.horizon_years,
        simulated="simulated" in origins,
        old=_side(problem.old, scenario.old.lifetime_years, drawn, draws),
        new=_side(problem.new, scenario.new.lifetime_years, drawn, draws),
        age_years=scenario.old.age_years,
        policy=scenario.old.policy,
        residue=scenario.old.residue,
        grids=grids,
        notes=(*flips(grids), *problem.notes),
        not_counted=NOT_COUNTED,
        factors=problem.factors(),
        seed=seed,
        draws=draws,
    )


def _side(side: Side, lifetime_years: float, drawn: Look, draws: int) -> SideAnswer:
    watts = np.broadcast_to(side.power.mean_w(drawn), (draws,))
    return SideAnswer(
        name=side.name,
        devices=side.devices,
        power=estimate_of(float(side.power.mean_w(middle)[0]), watts, "W", side.power.origin_text),
        origin=side.power.origin,
        origin_text=side.power.origin_text,
        embodied=embodied_gco2e(side.parts).scaled(1.0 / G_PER_KG, unit=KGCO2E) if side.parts else None,
        lifetime_years=lifetime_years,
    )


def _path(grid: GridPath, look: Look, years: int) -> F64:
    """Return gCO2e/kWh by world and year; a stated list goes on with its last value."""
    if grid.by_year:
        stated = np.array(grid.by_year[:years])
        return np.concatenate((stated, np.full(years - len(stated), stated[-1])))[np.newaxis, :]
    assert grid.now is not None, "a grid is a list of years, or a factor"
    fall = np.zeros(1) if grid.fall is None else look(grid.fall)
    return yearly_intensities(look(grid.now), fall, years)


def _holds_on(grid: GridPath) -> bool:
    """Return whether the grid stays as it is in the end; one that falls for ever comes to nothing."""
    return grid.fall is None or grid.fall.estimate.high == 0.0


def _plan(problem: Refresh, path: F64, look: Look, worlds: int) -> Plan:
    def of_all(values: F64) -> F64:
        return np.broadcast_to(values, (worlds,))

    scenario = problem.scenario
    return Plan(
        old_w=of_all(problem.old.total_w(look)),
        new_w=of_all(problem.new.total_w(look)),
        new_mass_g=of_all(problem.new.mass_g(look)),
        lifetime_years=scenario.new.lifetime_years,
        power_fall_ratio=of_all(look(problem.power_fall)),
        intensity=np.broadcast_to(path, (worlds, path.shape[1])),
        horizon_years=scenario.horizon_years,
    )


def _grid(problem: Refresh, grid: GridPath, drawn: Look, draws: int) -> GridAnswer:
    scenario = problem.scenario
    one = _plan(problem, _path(grid, middle, scenario.horizon_years), middle, 1)
    many = _plan(problem, _path(grid, drawn, scenario.horizon_years), drawn, draws)
    unit = gram_unit(grid.kind)
    payback = _payback(grid, one, many, drawn)
    rows = _rows(problem, one, many, unit)
    best = min(rows, key=lambda row: row.middle_g)
    cycles = cycle_rows(one, many, unit)
    now = one.intensity[0, 0]
    intensity = grid.now.estimate if grid.now is not None else exactly(float(now), "gCO2e/kWh", "as stated")
    return GridAnswer(
        name=grid.name,
        kind=grid.kind,
        intensity=intensity,
        last_year_gco2e_per_kwh=float(one.intensity[0, scenario.horizon_years - 1]),
        payback=payback,
        rows=rows,
        best_wait_years=best.wait_years,
        verdict=verdict_of(grid_name(grid.name, grid.kind), payback, rows, best, scenario.new.lifetime_years),
        cycles=cycles,
        best_cycle_years=min(cycles, key=lambda row: row.middle_g_per_year).cycle_years,
        joint=joint_of(one, (row.wait_years for row in rows)),
        curve=tuple(_curve(many, scenario.horizon_years, unit)),
    )


def _payback(grid: GridPath, one: Plan, many: Plan, drawn: Look) -> Payback:
    at_medians = _paybacks(grid, one, middle)
    found = np.sort(_paybacks(grid, many, drawn))
    last = len(found) - 1
    return Payback(
        years=_or_never(float(at_medians[0])),
        low=_or_never(float(found[round(0.05 * last)])),
        high=_or_never(float(found[round(0.95 * last)])),
        probability_ever=float(np.mean(np.isfinite(found))),
        probability_within_life=float(np.mean(found <= many.lifetime_years)),
    )


def _paybacks(grid: GridPath, plan: Plan, look: Look) -> F64:
    """Return the pay-back time in every world. A hundred years of a million worlds do not have to stand in memory."""
    known = {factor.id: look(factor) for factor in grid.factors}
    saved_w, count = plan.old_w - plan.new_w, len(plan.old_w)
    found = []
    for start in range(0, count, _AT_ONCE):
        some = slice(start, start + _AT_ONCE)

        def part(factor: Factor, some: slice = some) -> F64:
            return np.broadcast_to(known[factor.id], (count,))[some]

        path = _path(grid, part, YEARS_AHEAD)
        mass_g = plan.new_mass_g[some]
        path = np.broadcast_to(path, (len(mass_g), YEARS_AHEAD))
        found.append(payback_years(mass_g, saved_w[some], path, holds_on=_holds_on(grid)))
    return np.concatenate(found)


def _or_never(years: float) -> float | None:
    return years if math.isfinite(years) else None


def _rows(problem: Refresh, one: Plan, many: Plan, unit: str) -> tuple[WaitRow, ...]:
    scenario = problem.scenario
    lasts = scenario.old.keep_at_most_years
    waits = range(min(scenario.horizon_years, scenario.horizon_years if lasts is None else lasts) + 1)
    middles = [float(totals_g(one, wait)[0]) for wait in waits]
    drawn = np.stack([totals_g(many, wait) for wait in waits])
    best, chosen = int(np.argmin(middles)), np.argmin(drawn, axis=0)
    mass_g = float(problem.old.mass_g(middle)[0]) if problem.old.parts else None
    return tuple(
        WaitRow(
            wait_years=wait,
            replaced=wait < scenario.horizon_years,
            middle_g=middles[wait],
            total_g=percentiles(drawn[wait], unit),
            more_than_best_g=percentiles(drawn[wait] - drawn[best], unit),
            probability_best=float(np.mean(chosen == wait)),
            residue_g=None if mass_g is None else mass_g * residue_share(problem, wait),
            account_g=None if mass_g is None else middles[wait] + account_g(problem, mass_g, wait),
        )
        for wait in waits
    )


def _curve(many: Plan, years: int, unit: str) -> list[CurvePoint]:
    used = np.concatenate((np.zeros((len(many.old_w), 1)), many.intensity[:, :years].cumsum(axis=1)), axis=1)
    points = []
    for year in range(years + 1):
        kwh_g = used[:, year] * KWH_PER_W_YEAR
        keep: Percentiles = percentiles(many.old_w * kwh_g, unit)
        replace = percentiles(many.new_mass_g + many.new_w * kwh_g, unit)
        points.append(CurvePoint(year=year, keep_g=keep, replace_g=replace))
    return points
