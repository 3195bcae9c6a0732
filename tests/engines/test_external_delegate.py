"""External delegates, with one that is compiled here and really computes what it takes."""

from pathlib import Path

import numpy as np
import pytest

from edge_agent.inference.registry import load_runner
from edge_agent.wire.errors import ConfigurationError

MODELS = Path(__file__).parents[1] / "data" / "models"
X = np.array([[0.0, 1.0, -2.5, 100.0]], np.float32)


@pytest.mark.compiler
def test_it_computes_what_it_takes_and_the_default_delegate_the_rest(
    tflite_engine: str, adding_delegate: Path
) -> None:
    runner = load_runner(MODELS / "add_multiply_add.tflite", engine=tflite_engine, delegate=str(adding_delegate))

    assert runner.identity.delegate == "libadding.so 2/3 ops + xnnpack 1/3 ops"
    assert np.array_equal(runner.infer(X), (X + 1) * 2 + 3)


@pytest.mark.compiler
def test_one_that_takes_everything_is_named_alone(tflite_engine: str, adding_delegate: Path) -> None:
    runner = load_runner(MODELS / "single_add.tflite", engine=tflite_engine, delegate=str(adding_delegate))

    assert runner.identity.delegate == "libadding.so"
    assert np.array_equal(runner.infer(X), X + 1)


@pytest.mark.compiler
def test_a_stateful_model_keeps_its_state_beside_it(tflite_engine: str, adding_delegate: Path) -> None:
    runner = load_runner(MODELS / "accumulator.tflite", engine=tflite_engine, delegate=str(adding_delegate))

    assert runner.identity.delegate.startswith("libadding.so 1/5 ops")
    assert [runner.infer(X)[0, 1] for _ in range(3)] == [11.0, 12.0, 13.0]
    runner.reset()
    assert runner.infer(X)[0, 1] == 11.0


@pytest.mark.compiler
def test_one_that_takes_nothing_is_refused_as_its_name_would_be_wrong(
    tflite_engine: str, adding_delegate: Path
) -> None:
    with pytest.raises(ConfigurationError, match=r"libadding\.so' took none of its 3 operators; name a model") as no:
        load_runner(
            MODELS / "add_multiply_add.tflite",
            engine=tflite_engine,
            delegate=str(adding_delegate),
            delegate_options={"claim": "nothing"},
        )
    assert "\n" not in str(no.value)


@pytest.mark.compiler
def test_what_it_says_when_it_refuses_to_start_is_passed_on(tflite_engine: str, adding_delegate: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"libadding\.so'.* refuses to start: no device on bus 3;") as no:
        load_runner(
            MODELS / "single_add.tflite",
            engine=tflite_engine,
            delegate=str(adding_delegate),
            delegate_options={"refuse": "no device on bus 3"},
        )
    assert "\n" not in str(no.value)


def test_a_library_that_is_not_there_is_one_line(tflite_engine: str) -> None:
    with pytest.raises(ConfigurationError, match=r"'libnowhere\.so\.1': the library cannot be loaded: .*; name") as no:
        load_runner(MODELS / "single_add.tflite", engine=tflite_engine, delegate="libnowhere.so.1")
    assert "\n" not in str(no.value)


def test_a_file_that_is_no_library_is_one_line(tflite_engine: str, tmp_path: Path) -> None:
    path = tmp_path / "notes.so"
    path.write_text("not a library")
    with pytest.raises(ConfigurationError, match=r"notes\.so': the library cannot be loaded: .*; name auto, none"):
        load_runner(MODELS / "single_add.tflite", engine=tflite_engine, delegate=str(path))


def test_a_library_that_is_no_delegate_is_one_line(tflite_engine: str) -> None:
    with pytest.raises(ConfigurationError, match=r"'libc\.so\.6': it is a shared library but no TF Lite delegate"):
        load_runner(MODELS / "single_add.tflite", engine=tflite_engine, delegate="libc.so.6")


def test_options_that_nobody_reads_are_refused(tflite_engine: str) -> None:
    with pytest.raises(ConfigurationError, match=r"nobody would read device, as delegate = 'xnnpack' takes none"):
        load_runner(
            MODELS / "single_add.tflite",
            engine=tflite_engine,
            delegate="xnnpack",
            delegate_options={"device": "usb:0"},
        )
