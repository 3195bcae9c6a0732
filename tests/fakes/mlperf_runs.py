"""Synthetic energy runs in both formats of the MLPerf Tiny result repositories, with the text of their runners."""

import json
import statistics
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 1000.0
BUSY_J = 33e-6
IDLE_J = 12e-6
LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 1059668\n"

METER_LOG = (
    "00510.491 emon: m-regfile-fn[trace1-energy.bin]-type[emon]-name[{meter}]\n00510.499 emon: m-voltage-mv[1800]\n"
)


def noisy(rng: np.random.Generator, level_j: float, count: int) -> NDArray[np.float64]:
    """Return joules per sample as a meter of four digits shows them."""
    return np.array([float(f"{one:.3e}") for one in level_j * (1.0 + 0.02 * rng.standard_normal(count))])


@dataclass
class JsonRun:
    """Five trials of v1.3. ``idle_j``: the level before each window."""

    seed: int = 1
    idle_j: float = IDLE_J
    trials: int = 5
    window_samples: int = 500
    before_samples: int = 300
    iterations: int = 40
    voltage: float | None = 1.8
    energies_j: list[float] = field(default_factory=list)

    def document(self) -> list[dict[str, object]]:
        rng = np.random.default_rng(self.seed)
        trials: list[dict[str, object]] = []
        self.energies_j = []
        for number in range(self.trials):
            begin, end = self.before_samples, self.before_samples + self.window_samples + int(rng.integers(20))
            parts = (self.idle_j, begin), (BUSY_J, end - begin), (IDLE_J, 40)
            samples_j = np.concatenate([noisy(rng, *part) for part in parts])
            self.energies_j.append(float(np.sum(samples_j[begin:end])))
            marks: list[list[object]] = [[f"{2 * number + 1:02d}", begin], [f"{2 * number + 2:02d}", end]]
            if number == 0:
                marks.insert(0, ["00", 20])
            trials.append(
                {
                    "file": "tst.bin",
                    "infer": {"results": [0.5], "iterations": self.iterations, "warmups": 1},
                    "power": {
                        "samples": samples_j.tolist(),
                        "timestamps": marks,
                        "extracted_power": None,
                        "voltage": self.voltage,
                    },
                    "mode": "e",
                }
            )
        return trials

    def text(self) -> str:
        lines = ["Power Edition Output"]
        per_inference_uj = []
        for number, (trial, energy_j) in enumerate(zip(self.document(), self.energies_j, strict=True)):
            power = trial["power"]
            assert isinstance(power, dict)
            begin, end = (mark[1] for mark in power["timestamps"][-2:])
            elapsed_s = end / 1000 - begin / 1000
            per_inference_uj.append(energy_j * 1e6 / self.iterations)
            lines += [
                f"Energy data for trial {number}",
                f"  Elapsed time  : {elapsed_s}",
                f"  Inferences    : {self.iterations}",
                f"  Power         : {energy_j / elapsed_s * 1e3:.4f} mW.",
                f"  Total Energy  : {energy_j * 1e6:.3f} uJ",
                f"  Energy/Inf    : {per_inference_uj[-1]:.3f} uJ/inf",
            ]
        lines += ["-" * 57, f"Median energy cost is {statistics.median(per_inference_uj):.4f} uJ/inf.", "-" * 57]
        return "\r\n".join(lines) + "\r\n"

    def json(self) -> bytes:
        return json.dumps(self.document()).encode()

    def write(self, folder: Path, prefix: str = "") -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{prefix}results.txt").write_text(self.text(), newline="")
        path = folder / f"{prefix}results.json"
        path.write_bytes(self.json())
        return path


@dataclass
class BinRun:
    """Windows of the older runner. The published sums have their edges up to a sample beside the written events."""

    seed: int = 2
    idle_j: float = IDLE_J
    windows: int = 5
    window_samples: int = 4000
    before_samples: int = 300
    inferences: int = 120
    meter: str | None = "lpm01a"

    def parts(self) -> tuple[NDArray[np.float32], list[tuple[int, int]]]:
        """Return microjoules per sample, and each window's samples."""
        rng = np.random.default_rng(self.seed)
        pieces, edges, at = [noisy(rng, IDLE_J, 50)], [], 50
        for _ in range(self.windows):
            begin = at + self.before_samples
            end = begin + self.window_samples + int(rng.integers(50))
            pieces += [noisy(rng, self.idle_j, self.before_samples), noisy(rng, BUSY_J, end - begin)]
            edges.append((begin, end))
            at = end
        pieces.append(noisy(rng, IDLE_J, 50))
        return (np.concatenate(pieces) * 1e6).astype(np.float32), edges

    def energy(self) -> bytes:
        samples_uj, _ = self.parts()
        return b"\xf1" + np.array([RATE_HZ], "<f4").tobytes() + samples_uj.astype("<f4").tobytes()

    def events(self) -> bytes:
        _, edges = self.parts()
        times_s = [0.016, *(one / RATE_HZ for pair in edges for one in pair)]
        return json.dumps(times_s, indent="\t").encode()

    def text(self) -> str:
        samples_uj, edges = self.parts()
        rng = np.random.default_rng(self.seed)
        energy_lines, count_lines, per_inference_uj = [], [], []
        for number, (begin, end) in enumerate(edges):
            first, last = begin + int(rng.integers(2)), end + int(rng.integers(2))
            energy_uj = float(np.sum(samples_uj[first:last], dtype=np.float64))
            duration_s = (end - begin) / RATE_HZ
            per_inference_uj.append(energy_uj / self.inferences)
            name = 2 * number + 2
            energy_lines += [
                f"Energy data for window {name} at time {begin / RATE_HZ:.2f} for {duration_s:.2f} sec.:",
                f"  Energy       : {energy_uj:12.3f} uJ",
                f"  Power        : {energy_uj / duration_s:12.3f} uW",
                f"  Energy/Inf.  : {per_inference_uj[-1]:12.3f} uJ/inf.",
            ]
            count_lines += [
                f"Performance results for window {name}:",
                f"  # Inferences : {self.inferences:12d}",
                f"  Runtime      : {duration_s:12.3f} sec.",
                f"  Throughput   : {self.inferences / duration_s:12.3f} inf./sec.",
            ]
        median = f"Median energy cost is {statistics.median(per_inference_uj):.3f} uJ/inf."
        lines = [*energy_lines, median, *count_lines, "Median throughput is 11.255 inf./sec."]
        return "".join(f"00510.603 ulp-ml: {line}\n" for line in lines)

    def write(self, folder: Path, prefix: str = "", number: int = 1) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{prefix}results.txt").write_text(self.text())
        (folder / f"{prefix}trace{number}-timestamps.json").write_bytes(self.events())
        path = folder / f"{prefix}trace{number}-energy.bin"
        path.write_bytes(self.energy())
        if self.meter is not None:
            (folder / f"{prefix}log.txt").write_text(METER_LOG.format(meter=self.meter))
        return path


def write_repository(root: Path) -> None:
    """Write a small tree with the layout, and the oddities, of the public result repositories."""
    org = root / "closed" / "Acme" / "results"
    JsonRun(seed=11).write(org / "BOARD_A" / "kws" / "energy")
    JsonRun(seed=12, idle_j=1.3 * BUSY_J).write(org / "BOARD_A" / "ad" / "energy")
    BinRun(seed=13).write(org / "BOARD-B" / "ic" / "energy")
    BinRun(seed=14).write(org / "BOARD-B" / "vww" / "enegy")  # a folder name of v1.0
    BinRun(seed=15, meter="js110").write(
        root / "open" / "Widgets" / "results" / "native" / "BOARD_C" / "ad" / "energy"
    )
    stripped = org / "BOARD_A" / "vww" / "energy"
    JsonRun(seed=16).write(stripped).unlink()
    pointer = org / "BOARD_A" / "ic" / "energy"
    JsonRun(seed=17).write(pointer).write_bytes(LFS_POINTER)
    streaming = org / "BOARD_A" / "sww" / "energy"
    JsonRun(seed=18, trials=1, iterations=1).write(streaming)
    for board, benchmark in (("BOARD_A", "kws"), ("BOARD-B", "ic")):
        performance = org / board / benchmark / "performance"
        performance.mkdir(parents=True)
        (performance / "results.txt").write_text("Performance results for window 1\n    # Inferences : 250\n")
        (performance / "results.json").write_text('[{"infer": {"iterations": 250, "throughput": 23.0}, "mode": "p"}]')
        (performance / "log.txt").write_text("m-ready\n")
    code = root / "closed" / "Acme" / "code" / "model"
    code.mkdir(parents=True)
    (code / "quantised_results.json").write_text('{"accuracy": 0.9}')
    (code / "firmware.bin").write_bytes(b"\x00" * 64)
