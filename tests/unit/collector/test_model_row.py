"""The making of a model in the inventory: read whole, refused with one line."""

import pytest

from collector.intensity.yearly_table import load_yearly_table
from collector.inventory import parse_inventory
from collector.model_row import developments
from edge_agent.wire.errors import ConfigurationError

TRAINED = """
[[model]]
id = "kws"
energy_kwh = { value = 2.0, low = 1.0, high = 4.0 }
zone = "DE"
pue = 1.5
runs = 10
lifetime_inferences = 1e9
source = "log"
vintage = "2025"
"""
STATED = '[[model]]\nid = "kws"\nkgco2e = { value = 0.5 }\nsource = "card"\nvintage = "2025"\n'


def test_energy_zone_pue_and_runs_give_grams_with_passports() -> None:
    inventory = parse_inventory(TRAINED)
    (made,) = developments(inventory.models, load_yearly_table().yearly, inventory.where)
    germany = load_yearly_table().yearly("DE")
    assert germany is not None
    assert made.whole_gco2e().value == pytest.approx(10.0 * 2.0 * 1.5 * germany.factor.estimate.value)
    assert {factor.id for factor in made.factors} == {"model-kws-training", "model-kws-pue", germany.factor.id}
    assert all(factor.source and factor.licence and factor.vintage for factor in made.factors)


def test_grams_stated_outright_are_taken_as_they_are() -> None:
    inventory = parse_inventory(STATED)
    (made,) = developments(inventory.models, lambda _zone: None, inventory.where)
    assert made.whole_gco2e().range == (500.0, 500.0, 500.0)
    assert made.policy == "by_observed_inferences"
    assert parse_inventory("").models == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (STATED + STATED, "stands twice"),
        (STATED.replace("kgco2e = { value = 0.5 }", ""), "one of the two"),
        (TRAINED + "kgco2e = { value = 1.0 }\n", "one of the two"),
        (TRAINED.replace('zone = "DE"', ""), "belong together"),
        (STATED + 'zone = "DE"\n', "belong together"),
        (STATED + "pue = 1.2\n", "a pue belongs to an energy_kwh"),
        (STATED.replace("0.5", "0.5, low = 0.7"), "give low <= value <= high"),
        (STATED.replace("0.5", "-0.5"), "kgco2e"),
        (TRAINED.replace("runs = 10", "runs = 0"), "runs"),
        (TRAINED.replace("pue = 1.5", "pue = 0.5"), "pue"),
        (TRAINED.replace("pue = 1.5", "pue = inf"), "pue"),
        (TRAINED.replace("runs = 10", "runs = inf"), "runs"),
        (TRAINED.replace("= 1e9", "= inf"), "lifetime_inferences"),
        (STATED.replace('source = "card"', ""), "source"),
    ],
)
def test_what_does_not_fit_together_is_one_line(text: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as caught:
        parse_inventory(text)
    assert "\n" not in str(caught.value)


def test_a_zone_without_a_yearly_average_is_named() -> None:
    inventory = parse_inventory(TRAINED.replace('"DE"', '"nowhere"'))
    with pytest.raises(ConfigurationError, match="no yearly intensity for zone 'nowhere'"):
        developments(inventory.models, load_yearly_table().yearly, inventory.where)
