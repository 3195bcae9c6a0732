"""What it costs a user's own loop to be metered: a count, beside the smallest inference that there is."""

import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness import Comparison, benchmark
from edge_agent.application.work import ApplicationWork
from edge_agent.checking import check_set_for, tensors_of
from edge_agent.inference.registry import load_runner
from edge_agent.model_catalog import find_model
from edge_agent.uncertainty.net import MeterLimits
from edge_agent.work.protocol import ModelName
from firmware_bridge.registry import get_driver
from firmware_bridge.stream import host_time_s

COUNTS = 2000
BATCH = 100
"""Lines until they are read: a Unix socket holds some 270 small writes."""


@benchmark
def application_count() -> Iterator[Comparison]:
    model = find_model("digits_mlp_int8")
    runner = load_runner(model.path)
    tensor = tensors_of(check_set_for(model, runner), runner)[0]
    work = ApplicationWork(host_time_s(), 3600.0, MeterLimits(get_driver("tc66c").data_sheet), host_time_s)
    span = work.begin(ModelName(model.model_id, model.sha256))

    def infer() -> None:
        for _ in range(COUNTS):
            runner.infer(tensor)

    def infer_and_count() -> None:
        for _ in range(COUNTS):
            runner.infer(tensor)
            work.count(span)

    yield Comparison(
        name="an 11 kB model's inference, counted in Python",
        ours=infer_and_count,
        other=infer,
        other_name="not counted",
        kind="floor",
        operations=COUNTS,
        limit_ratio=1.5,
    )


@benchmark
def application_count_by_socket() -> Iterator[Comparison]:
    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory) / "s")
        with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
            listener.bind(path)
            listener.listen(1)
            client.connect(path)
            server, _ = listener.accept()
            with server:

                def send() -> None:
                    for _ in range(COUNTS // BATCH):
                        for _ in range(BATCH):
                            client.send(b"count\n")
                        server.recv(16 * BATCH)

                def clock() -> None:
                    for _ in range(COUNTS):
                        host_time_s()

                yield Comparison(
                    name="a count written to the socket",
                    ours=send,
                    other=clock,
                    other_name="reading the clock",
                    kind="floor",
                    operations=COUNTS,
                )
