"""A recipe from its file to a catalogue of its own: scores, check sets of its own or of another, one-line errors."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from edge_agent.model_catalog import find_model
from edge_agent.wire.errors import ConfigurationError
from edgejoule.making.progress import Silence
from edgejoule.making.recipe import build, main
from edgejoule.zoo.catalog_file import read_catalog
from edgejoule.zoo.entry import Catalog
from edgejoule.zoo.verify import verify_entry
from tests.fakes.recipes import load_recipe

pytestmark = pytest.mark.train

CLASSIFIER = """
import numpy as np
from edgejoule.making.network import Dense, Network, Softmax
from edgejoule.making.recipe import Recipe, Trained
from edgejoule.making.tflite import float_model
from edgejoule.zoo.entry import Family

X = np.random.default_rng(0).uniform(-SCALE, SCALE, (60, 2)).astype(np.float32)

def train(progress):
    network = Network((2,), (Dense(2), Softmax()))
    weights = {"weights": np.array([[4.0, -4.0], [0.0, 0.0]], np.float32), "bias": np.zeros(2, np.float32)}
    return Trained(
        float_model=float_model(network, (weights, {})), calibration=X, test_x=X, test_y=(X[:, 0] < 0).astype(int),
        check=np.arange(0, 60, 2), limits=("told by training",),
    )

RECIPE = Recipe(
    family=Family(
        id="NAME", task="left or right", architecture="one layer", classes=["right", "left"], limits=["none"]
    ),
    train=train, tools=("numpy",), precisions=("int8", "float32"), check_set_from="OTHER",
)
"""
AUTOENCODER = """
import numpy as np
from edgejoule.making.network import Dense, Network
from edgejoule.making.recipe import Recipe, Trained
from edgejoule.making.tflite import float_model
from edgejoule.zoo.entry import Family

X = np.repeat([[0.5, 0.5], [0.9, -0.9]], [30, 10], axis=0).astype(np.float32)
X += np.random.default_rng(0).normal(0, 0.1, X.shape).astype(np.float32)

def train(progress):
    both = {"weights": np.full((2, 2), 0.5, np.float32), "bias": np.zeros(2, np.float32)}
    return Trained(
        float_model=float_model(Network((2,), (Dense(2),)), (both,)), calibration=X, test_x=X,
        anomalous=np.repeat([0, 1], [30, 10]),
    )

RECIPE = Recipe(
    family=Family(id="echo", task="unusual pairs", architecture="one layer"), train=train, tools=("numpy",),
    precisions=("float32",),
)
"""


def recipe(models: Path, name: str, text: str) -> ModuleType:
    path = models / "recipes" / f"{name}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return load_recipe(path)


def classifier(models: Path, name: str, other: str = "", scale: float = 2.0) -> ModuleType:
    text = CLASSIFIER.replace("NAME", name).replace("OTHER", other).replace("SCALE", str(scale))
    return recipe(models, name, text)


def made(module: ModuleType, out: Path) -> Catalog:
    catalog = build(module.RECIPE, out, Silence())
    assert read_catalog(out) == catalog
    return catalog


def test_a_family_may_bring_its_own_check_set_or_share_anothers(tmp_path: Path) -> None:
    models = tmp_path / "models"
    first = made(classifier(models, "first"), models)

    assert all(verify_entry(find_model(entry.id, models), first, entry).ok for entry in first.model)
    (family,) = first.family
    assert (family.metric, family.check_set, family.recipe) == ("accuracy", "first/check_set.npz", "recipes/first.py")
    assert family.limits == ["none", "told by training"]
    assert [entry.id for entry in first.model] == ["first_int8", "first_float32"]
    assert [entry.score.count for entry in first.model if entry.score is not None] == [60, 60]
    assert first.model[1].score is not None
    assert first.model[1].score.value == 1.0
    assert np.load(models / "first" / "check_set.npz")["x"].shape == (30, 2)

    second = made(classifier(models, "second", other="first"), tmp_path / "out")

    assert second.family[0].check_set == "first/check_set.npz"
    assert second.family[0].check_set_sha256 == family.check_set_sha256
    assert not (tmp_path / "out" / "second" / "check_set.npz").exists()
    assert all(verify_entry(find_model(entry.id, tmp_path / "out"), second, entry).ok for entry in second.model)


def test_a_check_set_on_another_scale_is_refused(tmp_path: Path) -> None:
    models = tmp_path / "models"
    made(classifier(models, "first"), models)

    with pytest.raises(ConfigurationError, match=r"another input scale.*calibrate on the inputs that first was"):
        build(classifier(models, "wide", other="first", scale=9.0).RECIPE, tmp_path / "out", Silence())


def test_a_family_without_a_check_set_cannot_share_it(tmp_path: Path) -> None:
    models = tmp_path / "models"
    made(recipe(models, "echo", AUTOENCODER), models)

    module = classifier(models, "first", other="echo")
    vars(module)["X"] = None  # training would fail by it

    with pytest.raises(ConfigurationError, match="family 'echo' has no check set"):
        build(module.RECIPE, tmp_path / "out", Silence())


def test_a_precision_that_does_not_come_out_is_not_claimed(tmp_path: Path) -> None:
    text = AUTOENCODER.replace("float_model=float_model(", "float_model=int8_model(float_model(")
    text = text.replace("(both,)),", "(both,)), X),").replace(
        "import numpy as np", "import numpy as np\nfrom edgejoule.making.quantise import int8_model"
    )

    with pytest.raises(ConfigurationError, match="echo: what was to be float32 is int8; leave float32 out"):
        build(recipe(tmp_path / "models", "echo", text).RECIPE, tmp_path / "out", Silence())


def test_an_anomaly_detector_has_an_area_and_may_ship_no_data(tmp_path: Path) -> None:
    catalog = made(recipe(tmp_path / "models", "echo", AUTOENCODER), tmp_path / "out")

    (family,), (entry,) = catalog.family, catalog.model
    assert (family.metric, family.check_set, entry.check_set_score) == ("roc_auc", "", None)
    assert entry.score is not None
    assert (entry.score.value, entry.score.method, entry.score.count) == (1.0, "bootstrap", 40)
    assert sorted(path.name for path in (tmp_path / "out" / "echo").iterdir()) == ["card.md", "float32.tflite"]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")

    with pytest.raises(SystemExit, match=r"Not a directory.*; see that there is room"):
        main(recipe(tmp_path / "models", "echo", AUTOENCODER).RECIPE, [str(tmp_path / "file" / "out")])
