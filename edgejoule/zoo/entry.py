"""What a catalogue says: of a family of models what all its members share, of each model what its file is."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from edge_agent.wire.records import Count, Identifier, Ratio, Sha256

Precision = Literal["int8", "dynamic_range", "float32", "mixed"]
"""``int8``: every tensor, in and out too. ``dynamic_range``: int8 weights, float activations. ``mixed``: else."""

Metric = Literal["accuracy", "roc_auc", "none"]
DevelopmentMethod = Literal["meter", "rapl", "cpu_time", "unknown"]
"""Where the joules of the making come from: an external meter, the processor's own counters, or CPU seconds times a
power that a table states, which is modelled and not measured."""

Joules = Annotated[float, Meta(ge=0.0, le=1e18)]
Seconds = Annotated[float, Meta(ge=0.0, le=1e12)]
NOT_STATED: Final = "not stated"


class Development(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the making of a family cost: one run of its recipe, with training, quantising and measuring.

    ``development_energy_u_j``: standard uncertainty (k = 1). ``cpu_s``: CPU seconds of the recipe's process.
    ``boundary``: what the joules hold. ``reused``: families whose making this one builds on and does not hold, as the
    teacher of a distilled one. ``date``: the day on which it ran, as 2025-01-31; "" where nobody noted it.
    """

    development_energy_j: Joules
    development_energy_u_j: Joules
    method: DevelopmentMethod
    duration_s: Seconds
    cpu_s: Seconds
    processor: str
    boundary: str
    reused: list[Identifier] = []
    date: str = ""

    @property
    def modelled(self) -> bool:
        """Return whether no instrument measured the joules."""
        return self.method == "cpu_time"


class Family(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ``[[family]]``: models that one recipe made from one training. Paths are relative to the catalogue.

    ``benchmark``: the MLPerf Tiny model whose shape it has (KWS, VWW, IC, AD, SWW), "" for none. ``data_package``:
    what installs the data. ``check_set``: held-out inputs that come along, "" where their licence does not let them;
    ``test_set``: what the scores were measured on. ``limits``: what it cannot do, one sentence each.
    """

    id: Identifier
    task: str
    architecture: str
    benchmark: str = ""
    classes: list[str] = []
    data: str = NOT_STATED
    data_package: str = ""
    data_licence: str = NOT_STATED
    licence: str = NOT_STATED
    metric: Metric = "none"
    test_set: str = ""
    check_set: str = ""
    check_set_sha256: Sha256 | None = None
    recipe: str = ""
    seed: int | None = None
    trained_with: list[str] = []
    intended_use: str = NOT_STATED
    limits: list[str] = []
    development: Development | None = None


class Score(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``value`` of the family's metric over ``count`` held-out inputs, with its 95 % confidence interval.

    ``method``: of the interval ("Wilson", "bootstrap").
    """

    value: Ratio
    low: Ratio
    high: Ratio
    count: Count
    method: str


class ModelEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ``[[model]]``: one file. Paths are relative to the catalogue.

    ``macs``: multiply-accumulates of one inference, counted from the graph, None where an operator's are not known.
    ``parameters``: values of all weights and biases; ``zero_parameters`` of them are zero, None where they are of a
    type that is not read. ``activation_bytes``: the most that tensors between operators hold at one time;
    ``arena_bytes``: what TensorFlow Lite Micro's allocator takes, None where it was not tried. ``runtimes``: what it
    was loaded and run with, as "litert 2.3.0". ``score``: on the family's test set, with LiteRT and its default
    kernels; ``check_set_score``: the same on what comes along.
    """

    id: Identifier
    family: Identifier
    precision: Precision
    file: str
    sha256: Sha256
    size_bytes: Count
    input_shape: list[int]
    input_dtype: str
    output_shape: list[int]
    output_dtype: str
    parameters: Count
    zero_parameters: Count | None = None
    macs: Count | None = None
    activation_bytes: Count | None = None
    arena_bytes: Count | None = None
    operators: list[str] = []
    runtimes: list[str] = []
    score: Score | None = None
    check_set_score: Ratio | None = None


class Catalog(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of catalog.toml."""

    family: list[Family] = []
    model: list[ModelEntry] = []

    def family_of(self, entry: ModelEntry) -> Family:
        """Return the family that the model belongs to; reading the catalogue made sure that it is there."""
        return next(one for one in self.family if one.id == entry.family)

    def members(self, family_id: str) -> list[ModelEntry]:
        """Return the models of a family, in the catalogue's order."""
        return [one for one in self.model if one.family == family_id]
