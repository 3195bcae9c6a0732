"""External meter against internal sensor: a fit where they agree, a name where they cannot both be right."""

import numpy as np
import pytest

from firmware_bridge.cross_check import REMEDIES, PowerPair, cross_check


def pairs_of(
    gain: float, offset_w: float, *, noise_w: float = 0.0, windows: int = 40, swing_w: float = 4.0
) -> list[PowerPair]:
    rng = np.random.default_rng(1)
    internal_w = 1.5 + swing_w * rng.random(windows)
    external_w = gain * internal_w + offset_w + noise_w * rng.standard_normal(windows)
    return [PowerPair(float(e), float(i), 0.01) for e, i in zip(external_w, internal_w, strict=True)]


def test_the_fit_finds_losses_and_what_is_outside() -> None:
    result = cross_check(pairs_of(1.12, 0.8, noise_w=0.02))
    assert result.findings == ()
    assert result.gain == pytest.approx(1.12, abs=0.01)
    assert result.offset_w == pytest.approx(0.8, abs=0.03)
    assert result.residual_sd_w == pytest.approx(0.02, rel=0.3)
    assert result.share_ratio is not None
    assert 0.6 < result.share_ratio < 0.9


def test_summed_rails_show_as_more_inside_than_outside() -> None:
    """POM_5V_IN with GPU and CPU added to it: half as much again as there is."""
    summed = [PowerPair(p.external_w, 1.5 * p.internal_w, 0.01) for p in pairs_of(1.1, 0.3)]
    assert cross_check(summed).findings == ("internal_above_external",)


def test_summed_rails_show_in_the_gain_where_fan_and_disks_hide_them() -> None:
    """Half as much again inside, but 8 W outside of it: never more than the whole, and yet it grows faster."""
    summed = [PowerPair(p.external_w, 1.5 * p.internal_w, 0.01) for p in pairs_of(1.1, 8.0, noise_w=0.02)]
    assert all(pair.internal_w < pair.external_w for pair in summed)
    assert cross_check(summed).findings == ("internal_above_external",)


def test_a_machine_that_is_off_is_no_basis_for_a_fit() -> None:
    assert cross_check([PowerPair(0.0, 0.0)] * 10).findings == ("too_few_windows",)


def test_a_sensor_that_does_not_move_is_flat() -> None:
    pairs = [PowerPair(2.0 + 0.1 * n, 1.0) for n in range(20)]
    result = cross_check(pairs)
    assert result.findings == ("internal_flat",)
    assert result.gain is None


def test_unrelated_figures_are_a_poor_fit() -> None:
    assert "poor_fit" in cross_check(pairs_of(1.0, 1.0, noise_w=2.0)).findings


def test_few_or_equal_windows_are_no_basis_for_a_fit() -> None:
    assert cross_check(pairs_of(1.1, 0.5, windows=5)).findings == ("too_few_windows",)
    assert cross_check(pairs_of(1.1, 0.5, swing_w=0.0)).findings == ("too_few_windows",)
    empty = cross_check([])
    assert (empty.windows, empty.share_ratio, empty.findings) == (0, None, ("too_few_windows",))


def test_every_finding_has_a_remedy() -> None:
    assert set(REMEDIES) == {"internal_above_external", "internal_flat", "poor_fit", "too_few_windows"}
