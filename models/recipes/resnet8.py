"""Recipe of ``resnet8``: MLPerf Tiny's residual network for image classification, trained on pictures of clothes."""

from pathlib import Path

from edgejoule.making.data.fashion_mnist import load
from edgejoule.making.fit import Plan, fit
from edgejoule.making.network import initial
from edgejoule.making.progress import Progress
from edgejoule.making.recipe import Recipe, Trained, main
from edgejoule.making.resnet import clothes_family, residual_network, trained, varied

SEED = 8
NETWORK = residual_network([(16, 1), (32, 2), (64, 2)])
PLAN = Plan(epochs=4, batch_size=64, learning_rate=4e-3, weight_decay=5e-3, seed=SEED)
FAMILY = clothes_family(
    "resnet8",
    architecture="ResNet-8: three residual blocks of 16, 32 and 64 filters",
    benchmark="IC",
    seed=SEED,
    intended_use=(
        "energy and latency of the benchmark's image classification network, with weights that were trained: tensors "
        "and multiply-accumulates are the benchmark's, so that both compare with published figures; the task is not, "
        "so that the accuracy does not"
    ),
    limits=[f"trained for {PLAN.epochs} rounds only, so that training it again is cheap"],
)


def train(progress: Progress, directory: Path | None = None) -> Trained:
    """Train on the whole training part. ``directory``: where Fashion-MNIST's files are, None for the usual place."""
    data = load(directory)
    params = fit(
        NETWORK,
        initial(NETWORK, PLAN.seed),
        data.train_x,
        data.train_y,
        PLAN,
        progress=progress,
        stage="train",
        augment=varied,
    )
    return trained(data, NETWORK, params)


if __name__ == "__main__":
    main(Recipe(family=FAMILY, train=train))
