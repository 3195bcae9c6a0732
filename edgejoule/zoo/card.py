"""The card of a family, and the table of all models: Markdown from what the catalogue and latency.toml say. Pure."""

from collections.abc import Callable, Sequence
from typing import Final

from collector.numbers import NBSP, si_u, significant
from edgejoule.zoo.entry import NOT_STATED, Catalog, Development, Family, Metric, ModelEntry, Score
from edgejoule.zoo.latency import Latency, latencies_of

METHODS: Final = {
    "meter": "measured with an external power meter",
    "rapl": "measured with the processor's own energy counters (RAPL)",
    "cpu_time": "**modelled, not measured**: CPU seconds times the watts of a core from a table",
    "unknown": "by a method that nobody stated",
}
METRICS: Final = {"accuracy": "accuracy", "roc_auc": "ROC AUC", "none": "score"}


def card(family: Family, models: Sequence[ModelEntry], latencies: Sequence[Latency] = ()) -> str:
    """Return the card of ``family`` with its ``models``; only ``latencies`` of just these files are shown."""
    sections = [
        f"# {family.id}\n\n{_sentence(family.task)}",
        "## Intended use and limits\n\n" + _use(family),
        _table("## What it is", ["", ""], _about(family)),
        *([_models(family, models)] if models else []),
        "## Latency\n\n" + _latency(models, latencies_of(models, latencies)),
        "## Energy\n\n" + _energy(models),
        "## What the making cost\n\n" + _development(family.development),
        "## Make it again\n\n" + _again(family),
        "## Files\n\n" + _files(family, models),
    ]
    return "\n\n".join(sections) + "\n"


def overview(catalog: Catalog) -> str:
    """Return one line for each model, as a table of Markdown; a task stands at the first of its family."""
    headings = ["model", "task", "score", "95 % interval", "points from float32", "MACs", "parameters", "bytes"]
    rows = []
    for one in catalog.model:
        family, score = catalog.family_of(one), one.score
        rows.append(
            [
                f"`{one.id}`",
                family.task if one is catalog.members(family.id)[0] else "",
                "not measured"
                if score is None
                else f"{score_text(family.metric, score.value)} {METRICS[family.metric]}",
                "" if score is None else interval_text(family.metric, score),
                _points(one, catalog.members(family.id)),
                *map(_count, (one.macs, one.parameters, one.size_bytes)),
            ]
        )
    return "\n".join(_rows(headings, rows)) + "\n"


def score_text(metric: Metric, value: float) -> str:
    """Return a score as its metric is read: an accuracy in per cent, an area under a curve as a number below 1."""
    return f"{value:.2%}" if metric == "accuracy" else f"{value:.4f}"


def interval_text(metric: Metric, score: Score) -> str:
    """Return a score's 95 % interval, as ``89.87% to 94.74%``."""
    return f"{score_text(metric, score.low)} to {score_text(metric, score.high)}"


def points_from_float(model: ModelEntry, models: Sequence[ModelEntry]) -> float | None:
    """Return by how many points (hundredths) a model's score lies above its float32 twin's, None where one is unknown.

    Negative: below it. A float32 model is its own twin.
    """
    twin = next((one for one in models if one.precision == "float32" and one.family == model.family), None)
    if twin is None or twin.score is None or model.score is None:
        return None
    return 100.0 * (model.score.value - twin.score.value)


def is_plain(model: ModelEntry) -> bool:
    """Return whether the family's id and the precision make up the model's id."""
    return model.id == f"{model.family}_{model.precision}"


def _name(model: ModelEntry) -> str:
    return model.precision if is_plain(model) else f"`{model.id}`"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _use(family: Family) -> str:
    use = f"Intended use: {family.intended_use}"
    limits = [f"- {_sentence(limit)}" for limit in family.limits] or ["Its limits: not stated."]
    return f"{use.rstrip('.')}.\n\n" + "\n".join(limits)


def _about(family: Family) -> list[list[str]]:
    shaped = f"has the shape of MLPerf Tiny's {family.benchmark} model" if family.benchmark else "none"
    return [
        ["architecture", family.architecture],
        ["benchmark", shaped],
        *([["classes", ", ".join(family.classes)]] if family.classes else []),
        ["data", family.data],
        *([["data installs with", family.data_package]] if family.data_package else []),
        ["licence of the data", family.data_licence],
        ["licence of the models", family.licence],
        ["scores measured on", family.test_set or NOT_STATED],
        ["comes along for checks", f"`{family.check_set}`" if family.check_set else "nothing"],
        ["trained with", ", ".join(family.trained_with) or NOT_STATED],
    ]


def _models(family: Family, models: Sequence[ModelEntry]) -> str:
    metric = METRICS[family.metric]
    facts: list[tuple[str, Callable[[ModelEntry], str]]] = [
        ("input", lambda one: f"{one.input_dtype} {one.input_shape}"),
        ("output", lambda one: f"{one.output_dtype} {one.output_shape}"),
        ("MACs", lambda one: _count(one.macs)),
        ("parameters", lambda one: _count(one.parameters)),
        ("of them zero", lambda one: _count(one.zero_parameters)),
        ("bytes of the file", lambda one: f"{one.size_bytes:,}"),
        ("most bytes of activations", lambda one: _count(one.activation_bytes)),
        ("bytes of TFLM's arena", lambda one: _count(one.arena_bytes)),
        (metric, lambda one: "not measured" if one.score is None else score_text(family.metric, one.score.value)),
        ("95 % interval", lambda one: "" if one.score is None else interval_text(family.metric, one.score)),
        ("interval by", lambda one: "" if one.score is None else f"{one.score.method}, n = {one.score.count:,}"),
        ("points from float32", lambda one: _points(one, models)),
        (f"{metric} on the check set", lambda one: _check_score(family, one)),
        ("runs with", lambda one: ", ".join(one.runtimes) or "not tried"),
    ]
    rows = [[name, *(fact(one) for one in models)] for name, fact in facts]
    return _table("## Models", ["", *map(_name, models)], rows)


def _count(number: int | None) -> str:
    return "unknown" if number is None else f"{number:,}"


def _points(model: ModelEntry, models: Sequence[ModelEntry]) -> str:
    points = points_from_float(model, models)
    if points is None:
        return "unknown"
    return "" if model.precision == "float32" else f"{points:+.2f}"


def _check_score(family: Family, model: ModelEntry) -> str:
    return "" if model.check_set_score is None else score_text(family.metric, model.check_set_score)


def _latency(models: Sequence[ModelEntry], rows: Sequence[Latency]) -> str:
    if not rows:
        return "Not measured."
    names = {one.id: _name(one) for one in models}
    where = sorted({f"{row.processor} ({row.date})" for row in rows})
    cells = [
        [
            names[row.model],
            f"{row.runtime} {row.version}",
            row.delegate,
            str(row.threads),
            f"{row.p50_us:,.1f}",
            f"{row.p95_us:,.1f}",
        ]
        for row in rows
    ]
    said = f"Microseconds of one inference on {' and '.join(where)}. Another machine gives other figures."
    return _table(said, ["model", "runtime", "delegate", "threads", "p50", "p95"], cells)


def _energy(models: Sequence[ModelEntry]) -> str:
    example = models[0].id if models else "MODEL"
    return (
        "Joules per inference belong to a device and a meter, so none stand here. "
        f"`edgejoule agent bench {example}` measures them on yours."
    )


def _development(development: Development | None) -> str:
    if development is None:
        return "Unknown: nobody measured it."
    joules, u = development.development_energy_j, development.development_energy_u_j
    when = f", {development.date}" if development.date else ""
    energy = si_u(joules, u, "J").replace(NBSP, " ")
    lines = [
        f"- {energy} (k = 1), which is {significant(joules / 3.6e6)} kWh; {METHODS[development.method]}",
        f"- boundary: {development.boundary}",
        f"- {development.duration_s:,.0f} s, {development.cpu_s:,.0f} s of CPU, on {development.processor}{when}",
    ]
    if development.reused:
        lines.append(f"- not in it: the making of {', '.join(development.reused)}, which it builds on")
    return "\n".join(lines)


def _again(family: Family) -> str:
    if not family.recipe:
        return "There is no recipe: it was not trained by this project."
    seed = "" if family.seed is None else f", with the seed {family.seed}"
    return (
        f"`edgejoule models train {family.id}` (extra `[train]`) runs `{family.recipe}`{seed}, and says whether bytes "
        "and scores are the same. With other package versions or on another processor the last bits of the training "
        "may differ, and then so do the hashes."
    )


def _files(family: Family, models: Sequence[ModelEntry]) -> str:
    files = [(f"`{one.id}`", one.file, one.sha256) for one in models]
    if family.check_set and family.check_set_sha256:
        files.append(("check set", family.check_set, family.check_set_sha256))
    return "\n".join(f"- {what}: `{name}`, sha256\n  `{sha256}`" for what, name, sha256 in files) or "None."


def _table(above: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return f"{above}\n\n" + "\n".join(_rows(headings, rows))


def _rows(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [headings, ["---"] * len(headings), *rows]
    return ["| " + " | ".join(map(_cell, line)) + " |" for line in lines]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
