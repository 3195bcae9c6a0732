"""Recipe of ``resnet8_pruned_weights``: three of four weights of ``resnet8`` set to zero, the rest trained on."""

from pathlib import Path

from edge_agent.model_catalog import find_model, open_model
from edgejoule.making.data.fashion_mnist import load
from edgejoule.making.fit import Plan, fit
from edgejoule.making.progress import Progress
from edgejoule.making.pruning import largest_weights
from edgejoule.making.reading import parameters_of
from edgejoule.making.recipe import Recipe, Trained, catalog_beside, main
from edgejoule.making.resnet import clothes_family, residual_network, trained, varied

SEED = 9
BEGUN_AS = "resnet8"
KEPT_RATIO = 0.25
NETWORK = residual_network([(16, 1), (32, 2), (64, 2)], batch_norm=False)
PLAN = Plan(epochs=2, batch_size=64, learning_rate=1e-3, seed=SEED)
FAMILY = clothes_family(
    "resnet8_pruned_weights",
    architecture="ResNet-8 as resnet8, three of four weights zero in each layer but the first and the last",
    benchmark="IC",
    seed=SEED,
    intended_use=(
        "beside resnet8: a quarter of the weights, yet the same tensors, so that fewer parameters can be set against "
        "joules"
    ),
    limits=[
        "kernels multiply by the zeros as by any other number: it has as many multiply-accumulates as resnet8",
        "the file stores the zeros: it is as large as resnet8's, and smaller only once it is packed",
    ],
)


def train(progress: Progress, directory: Path | None = None, catalog: Path | None = None) -> Trained:
    """Train on from resnet8 without the small weights. ``catalog``: its folder, None for that of this recipe."""
    data = load(directory)
    begun = open_model(find_model(f"{BEGUN_AS}_float32", catalog or catalog_beside(__file__))).data
    params = parameters_of(NETWORK, begun)
    params = fit(
        NETWORK,
        params,
        data.train_x,
        data.train_y,
        PLAN,
        progress=progress,
        stage="train on",
        augment=varied,
        mask=largest_weights(params, KEPT_RATIO),
    )
    return trained(data, NETWORK, params)


if __name__ == "__main__":
    main(
        Recipe(
            family=FAMILY,
            train=train,
            precisions=("int8", "float32"),
            check_set_from=BEGUN_AS,
            reused=(BEGUN_AS,),
        )
    )
