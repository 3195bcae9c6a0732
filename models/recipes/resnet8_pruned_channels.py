"""Recipe of ``resnet8_pruned_channels``: half of the filters of ``resnet8``, trained on."""

from pathlib import Path

from edge_agent.model_catalog import find_model, open_model
from edgejoule.making.data.fashion_mnist import load
from edgejoule.making.fit import Plan, fit
from edgejoule.making.progress import Progress
from edgejoule.making.pruning import with_fewer_filters
from edgejoule.making.reading import parameters_of
from edgejoule.making.recipe import Recipe, Trained, catalog_beside, main
from edgejoule.making.resnet import clothes_family, residual_network, trained, varied

SEED = 10
BEGUN_AS = "resnet8"
KEPT_RATIO = 0.5
WHOLE = residual_network([(16, 1), (32, 2), (64, 2)], batch_norm=False)
NETWORK = residual_network([(8, 1), (16, 2), (32, 2)], batch_norm=False)
PLAN = Plan(epochs=5, batch_size=64, learning_rate=2e-3, seed=SEED)
FAMILY = clothes_family(
    "resnet8_pruned_channels",
    architecture="ResNet-8 with half of the filters: residual blocks of 8, 16 and 32",
    seed=SEED,
    intended_use=(
        "beside resnet8: about a quarter of the parameters and of the multiply-accumulates, and the same pictures, so "
        "that either can be set against joules"
    ),
    limits=["it has the layers of the benchmark's model but not its shape"],
)


def train(progress: Progress, directory: Path | None = None, catalog: Path | None = None) -> Trained:
    """Train on from half of resnet8's filters. ``catalog``: its folder, None for that of this recipe."""
    data = load(directory)
    begun = open_model(find_model(f"{BEGUN_AS}_float32", catalog or catalog_beside(__file__))).data
    params = fit(
        NETWORK,
        with_fewer_filters(WHOLE, parameters_of(WHOLE, begun), KEPT_RATIO),
        data.train_x,
        data.train_y,
        PLAN,
        progress=progress,
        stage="train on",
        augment=varied,
    )
    return trained(data, NETWORK, params)


if __name__ == "__main__":
    main(Recipe(family=FAMILY, train=train, check_set_from=BEGUN_AS, reused=(BEGUN_AS,)))
