"""Models: compute is not energy is not carbon. Each per inference side by side, with accuracy, variants and pay-back.

Energy, time and carbon come from the fleet's hourly sums, variants from benches, compute from the models' catalogue.
"""

from collections.abc import Sequence
from typing import Any, Final

from msgspec.structs import replace

from .. import queries as q
from .. import rates
from ..model import Dashboard, Panel
from ..panels import Ask, Look, bars, column_unit, placed, section, series, stat, table
from ..variables import BETWEEN, TAG, variables
from .parts import COUNT, GRAMS, NONE_IS_BETTER, RATIO, SIMULATED, TOGETHER

HOUR: Final = "1h"
VALID: Final = "\"valid\" = 'true'"
BUSY_S: Final = 'SUM("busy_s")'
VARIANT: Final = ("model", "runtime", "delegate", "device_class", "boundary")
VARIANT_COLUMNS: Final = {name: name for name in VARIANT} | {"device_class": "device class", "boundary": "meter at"}
J: Final = "inference energy"
PAYS_BACK: Final = "pays back at inferences"
_COMPUTE: Final = (
    'LAST("macs") AS "MACs", LAST("macs") / 1000000 AS "million MACs", LAST("parameters") AS "parameters", '
    'LAST("size_bytes") AS "size", LAST("accuracy_ratio") AS "catalogue accuracy", LAST("devices") AS "devices"'
)
_GAUGE: Final[dict[str, Any]] = {"type": "gauge", "mode": "basic"}
NO_QUOTIENT: Final[tuple[dict[str, Any], ...]] = (
    {"type": "value", "options": {"0": {"text": "unknown", "index": 0}}},
    {"type": "range", "options": {"from": 1e300, "to": None, "result": {"text": "unknown", "index": 1}}},
    {"type": "special", "options": {"match": "null+nan", "result": {"text": "unknown", "index": 2}}},
)
"""Of a column that Grafana divides: to it nothing / x is 0 and x / nothing has no end."""
_SIDE_BY_SIDE_UNITS: Final = (
    *(column_unit(one, COUNT) for one in ("MACs", "parameters", "devices")),
    column_unit("size", "bytes"),
    column_unit("catalogue accuracy", RATIO, decimals=1),
    column_unit("inference time", "s"),
    column_unit(J, "joule"),
    column_unit("inference carbon", GRAMS),
    column_unit("per million MACs", "joule", mappings=NO_QUOTIENT),
)


def board() -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        uid="edgejoule-models",
        title="edgejoule models",
        description="Compute, time, energy and carbon of one inference of each model, accuracy against energy, "
        "precision and runtime variants, and when development has paid back.",
        tags=(TAG, "models", "energy", "carbon"),
        panels=placed(
            section("Compute is not energy is not carbon", *_side_by_side()),
            section("What does accuracy cost?", *_accuracy()),
            section("Which precision and runtime?", *_variants()),
            section("When has development paid back?", *_development()),
            section("Does it stay so?", *_over_time()),
        ),
        variables=variables(),
        links=(BETWEEN,),
        time_from="now-7d",
        refresh="1m",
    )


def _side_by_side() -> list[Panel]:
    each = {"w": 5, "h": 7}
    return [
        bars(
            "Compute per inference, in MACs",
            "Multiply-accumulates of one inference, from the models' catalogue. It counts work, not what the work "
            "costs.",
            [Ask(_info("macs"), "$tag_model")],
            Look(COUNT),
            **each,
        ),
        bars(
            "Time per inference",
            "Seconds spent inside inference over the number of inferences, of all windows in this range.",
            [Ask(_time(), "$tag_model")],
            Look("s"),
            **each,
        ),
        bars(
            "Energy per inference",
            "Mean power over mean rate of the hours in this range, idle power included: a model that is asked seldom "
            "carries more of it. A meter's gap neither takes joules away nor hides inferences.",
            [Ask(_energy(), "$tag_model")],
            Look("joule"),
            **each,
        ),
        bars(
            "Carbon per inference",
            "Operational and embodied g CO2e over inferences, of hours in which both are known for every window; the "
            "operational ones at mean power, so that a meter's gap hides none.",
            [Ask(_carbon(), "$tag_model")],
            Look(GRAMS),
            **each,
        ),
        stat(
            "Simulated",
            "Windows and benches with any figure from an emulated meter. What they say of a model is no measurement.",
            [
                Ask(q.over_range('SUM("windows")', where=SIMULATED, of=q.HOURS), "windows"),
                Ask(q.over_range('COUNT("j_per_inference")', where=SIMULATED, of=q.BENCHES), "benches"),
            ],
            Look(COUNT, NONE_IS_BETTER, no_value="none"),
            h=7,
        ),
        table(
            "One inference of each model, side by side",
            "As above, with the model's size, and joules for a million multiply-accumulates: were compute energy, "
            "that column would be the same in every row.",
            [
                q.over_range(_COMPUTE, by=("model",), of=q.MODELS),
                _time(name="inference time"),
                _energy(name=J),
                _carbon(name="inference carbon"),
            ],
            Look("short", overrides=_SIDE_BY_SIDE_UNITS),
            h=6,
            transformations=(
                *TOGETHER,
                *divided(J, "million MACs", "per million MACs"),
                without("million MACs"),
            ),
            sort_by=J,
        ),
    ]


def _accuracy() -> list[Panel]:
    columns = (
        column_unit("accuracy", RATIO, decimals=1, min=0, max=1, **{"custom.cellOptions": _GAUGE}),
        column_unit(J, "joule"),
        column_unit("energy per correct answer", "joule"),
    )
    asked = (
        'MEAN("accuracy_ratio") AS "accuracy", '
        f'MEAN("j_per_inference") AS "{J}", '
        'MEAN("j_per_inference") / MEAN("accuracy_ratio") AS "energy per correct answer"'
    )
    return [
        table(
            "Accuracy against energy",
            "Means of the valid benches in this range that measured accuracy, by variant. Accuracy: share of the "
            "check set that was right in this very configuration. Energy per correct answer: their quotient.",
            [q.over_range(asked, by=VARIANT, where=f'{VALID} AND "accuracy_ratio" > 0', of=q.BENCHES)],
            Look("short", overrides=columns),
            columns=VARIANT_COLUMNS,
            sort_by="accuracy",
        ),
        long_names(
            "Energy per correct answer",
            "Joules per inference over accuracy, of valid benches by model and device class: what a right answer "
            "costs.",
            [
                Ask(
                    q.over_range(
                        'MEAN("j_per_inference") / MEAN("accuracy_ratio")',
                        by=("model", "device_class"),
                        where=f'{VALID} AND "accuracy_ratio" > 0',
                        of=q.BENCHES,
                    ),
                    "$tag_model $tag_device_class",
                )
            ],
            Look("joule"),
            w=24,
            h=10,
        ),
    ]


def _variants() -> list[Panel]:
    name = "$tag_model $tag_runtime $tag_delegate $tag_device_class"
    by = ("model", "runtime", "delegate", "device_class")
    asked = (
        f'COUNT("j_per_inference") AS "benches", MEAN("j_per_inference") AS "{J}", '
        'MEAN("j_per_inference_low") AS "low", MEAN("j_per_inference_high") AS "high", '
        'MEAN("net_j_per_inference") AS "above idle", MEAN("latency_p50_s") AS "p50", MEAN("latency_p95_s") AS "p95"'
    )
    columns = (
        *(column_unit(one, "joule") for one in (J, "low", "high", "above idle")),
        *(column_unit(one, "s") for one in ("p50", "p95")),
    )
    return [
        long_names(
            "Energy of each variant",
            "Joules per inference, mean of the valid benches in this range. A precision is a model of its own here: "
            "its name says which.",
            [Ask(_bench("j_per_inference", by), name)],
            Look("joule"),
            w=12,
            h=18,
        ),
        long_names(
            "Latency of each variant",
            "Median latency, mean of the valid benches in this range.",
            [Ask(_bench("latency_p50_s", by), name)],
            Look("s"),
            w=12,
            h=18,
        ),
        table(
            "What did the benches measure?",
            "Means of the valid benches in this range by model, runtime, delegate, device class and place of the "
            "meter. Low and high: ends of the 95 % interval. Above idle: without the declared idle power. Compare "
            "only meters at the same place; simulated benches are no measurement.",
            [q.over_range(asked, by=(*VARIANT, "simulated"), where=VALID, of=q.BENCHES)],
            Look("short", overrides=columns),
            h=10,
            columns=VARIANT_COLUMNS | {"simulated": "simulated"},
            sort_by=J,
        ),
    ]


def _development() -> list[Panel]:
    spent = (
        'LAST("development_energy_j") AS "development", LAST("development_gco2e") AS "development carbon", '
        'LAST("lifetime_inferences") AS "made for", '
        'LAST("development_energy_j") / LAST("lifetime_inferences") AS "development per inference"'
    )
    columns = (
        *(column_unit(one, "joule") for one in ("development", "development per inference", J)),
        *(column_unit(one, COUNT, decimals=0) for one in ("made for", "inferences in this range")),
        column_unit(PAYS_BACK, COUNT, decimals=0, mappings=NO_QUOTIENT),
        column_unit("development carbon", GRAMS),
    )
    return [
        table(
            "After how many inferences has use drawn as much as development?",
            "Development: training and search as the inventory states them, spread over the inferences that the model "
            "was made for. Pays back at: development energy over energy per inference; before that, most of an "
            "inference's energy was spent before the first one.",
            [
                q.over_range(spent, by=("model",), of=q.MODELS),
                q.over_range(f'{q.INFERENCES} AS "inferences in this range"', by=("model",), of=q.HOURS),
                _energy(name=J),
            ],
            Look("short", overrides=columns),
            transformations=(*TOGETHER, *divided("development", J, PAYS_BACK)),
            h=6,
        ),
        bars(
            "Development carbon per inference",
            "g CO2e of the making of each model over the inferences that it was made for. Of a model whose making "
            "nobody stated there is no bar.",
            [
                Ask(
                    q.over_range(
                        'LAST("development_gco2e") / LAST("lifetime_inferences")',
                        by=("model",),
                        where='"lifetime_inferences" > 0',
                        of=q.MODELS,
                    ),
                    "$tag_model",
                )
            ],
            Look(GRAMS),
            w=24,
            h=6,
        ),
    ]


def _over_time() -> list[Panel]:
    by = ("model", "device_class")
    return [
        series(
            "Energy per inference over time",
            "Mean power over mean rate of each step, idle power included, by model and device class. A step up after "
            "a release is a regression; so is a device that is asked less often.",
            [Ask(_energy(by=by, timed=True), "$tag_model $tag_device_class")],
            Look("joule"),
            step=HOUR,
        ),
        series(
            "Time per inference over time",
            "Seconds inside inference over inferences of each step, by model and device class.",
            [Ask(_time(by=by, timed=True), "$tag_model $tag_device_class")],
            Look("s"),
            step=HOUR,
        ),
    ]


def long_names(title: str, description: str, asks: Sequence[Ask], look: Look, *, w: int, h: int) -> Panel:
    """Return bars with their names above them, for names of several words."""
    panel = bars(title, description, asks, look, w=w, h=h)
    small = {"titleSize": 12, "valueSize": 14}
    return replace(panel, options=panel.options | {"namePlacement": "top", "text": small})


def without(column: str) -> dict[str, Any]:
    """Return the transformation that leaves a column out."""
    return {"id": "organize", "options": {"excludeByName": {column: True}, "indexByName": {}, "renameByName": {}}}


def divided(over: str, under: str, name: str) -> tuple[dict[str, Any], ...]:
    """Return the transformation that adds the column ``over`` / ``under``."""
    binary = {"left": over, "operator": "/", "right": under}
    return ({"id": "calculateField", "options": {"mode": "binary", "binary": binary, "alias": name}},)


def _info(field: str) -> str:
    return q.over_range(f'LAST("{field}")', by=("model",), of=q.MODELS)


def _bench(field: str, by: tuple[str, ...]) -> str:
    return q.over_range(f'MEAN("{field}")', by=by, where=VALID, of=q.BENCHES)


def _energy(*, by: tuple[str, ...] = ("model",), name: str = "ratio", timed: bool = False) -> str:
    return rates.j_per_inference(by=by, of=q.HOURS, name=name, timed=timed)


def _carbon(*, name: str = "ratio") -> str:
    return rates.gco2e_per_inference(by=("model",), of=q.HOURS, name=name)


def _time(*, by: tuple[str, ...] = ("model",), name: str = "ratio", timed: bool = False) -> str:
    return q.per(BUSY_S, q.INFERENCES, by=by, of=q.HOURS, name=name, timed=timed)
