"""Recipe of ``resnet8_distilled``: a smaller residual network that learns from ``resnet8`` beside the labels."""

from pathlib import Path

import numpy as np

from edge_agent.model_catalog import find_model, open_model
from edgejoule.making.data.fashion_mnist import U8, load, network_input
from edgejoule.making.distilling import taught_loss, taught_targets
from edgejoule.making.fit import Plan, fit
from edgejoule.making.network import F32, initial
from edgejoule.making.progress import Progress
from edgejoule.making.quality import predictions
from edgejoule.making.recipe import Recipe, Trained, catalog_beside, main
from edgejoule.making.resnet import clothes_family, residual_network, trained, varied

SEED = 11
TEACHER = "resnet8"
TEMPERATURE = 4.0
TEACHER_RATIO = 0.5
PART_COUNT = 5_000
NETWORK = residual_network([(16, 1), (32, 2)], stem_stride=2)
PLAN = Plan(epochs=6, batch_size=64, learning_rate=5e-3, weight_decay=5e-3, seed=SEED)
FAMILY = clothes_family(
    "resnet8_distilled",
    architecture=(
        "residual network of two blocks of 16 and 32 filters behind a convolution of stride 2; taught by resnet8"
    ),
    seed=SEED,
    intended_use=(
        "beside resnet8_pruned_channels: as many parameters, a third fewer multiply-accumulates, and the same "
        "pictures, so that either can be set against joules"
    ),
    limits=[
        "it has not the shape of a benchmark's model",
        "the teacher answered for each training picture as it is; the student saw it moved and mirrored",
    ],
)


def train(progress: Progress, directory: Path | None = None, catalog: Path | None = None) -> Trained:
    """Train a student from scratch. ``catalog``: the folder with the teacher, None for that of this recipe."""
    data = load(directory)
    teacher = open_model(find_model(f"{TEACHER}_float32", catalog or catalog_beside(__file__))).data
    answers = _answers(teacher, data.train_x, progress)
    params = fit(
        NETWORK,
        initial(NETWORK, PLAN.seed),
        data.train_x,
        taught_targets(data.train_y, answers, TEMPERATURE),
        PLAN,
        progress=progress,
        stage="train",
        loss=taught_loss(TEMPERATURE, TEACHER_RATIO),
        augment=varied,
    )
    return trained(data, NETWORK, params)


def _answers(teacher: bytes, pictures: U8, progress: Progress) -> F32:
    """Return the teacher's probabilities for pictures (n, 28, 28), asked in parts to save memory: (n, classes)."""
    parts = np.array_split(pictures, -(-len(pictures) // PART_COUNT))
    answers = []
    for number, part in enumerate(parts, start=1):
        answers.append(predictions(teacher, network_input(part)))
        progress.step("ask the teacher", number, len(parts))
    return np.concatenate(answers)


if __name__ == "__main__":
    main(Recipe(family=FAMILY, train=train, check_set_from=TEACHER, reused=(TEACHER,)))
