"""Joules of CPU time: the table, whose processor it is, and that the seconds are those of the work."""

import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edgejoule.making.cost import CostMeter
from edgejoule.making.cpu_power import cpu_seconds, power_of, power_table, processor_name


def machine(root: Path, *, cpuinfo: str = "", board: str = "") -> Path:
    (root / "proc/device-tree").mkdir(parents=True)
    (root / "proc/cpuinfo").write_text(cpuinfo)
    if board:
        (root / "proc/device-tree/model").write_text(board + "\0")
    return root


def spin(cpu_s: float) -> None:
    end_s = cpu_seconds() + cpu_s
    while cpu_seconds() < end_s:
        _ = sum(range(1000))


def test_every_row_states_what_it_rests_on_and_has_limits_in_order() -> None:
    for row in power_table():
        assert row.low_w < row.power_w < row.high_w
        assert row.power_u_w == pytest.approx((row.high_w - row.low_w) / math.sqrt(12.0))
        assert row.source
        assert row.basis
        assert re.search(r"20\d\d", row.vintage)
        re.compile(row.pattern)
    assert [row.pattern for row in power_table()].index("") == len(power_table()) - 1


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("Intel(R) Xeon(R) Processor", "Intel.*Xeon"),
        ("AMD EPYC 7763 64-Core Processor", "AMD EPYC"),
        ("AMD Ryzen 7 5800X 8-Core Processor", "x86_64|Intel|AMD|GenuineIntel|AuthenticAMD"),
        ("Raspberry Pi 4 Model B Rev 1.4", "Raspberry Pi (3|4|400|Compute Module [34])"),
        ("Raspberry Pi Compute Module 4 Rev 1.0", "Raspberry Pi (3|4|400|Compute Module [34])"),
        ("Raspberry Pi 5 Model B Rev 1.0", "Raspberry Pi (5|500|Compute Module 5)"),
        ("NVIDIA Jetson Orin Nano Developer Kit", ""),
        ("riscv64", ""),
        ("", ""),
    ],
)
def test_a_processor_finds_its_row(name: str, pattern: str) -> None:
    assert power_of(name).pattern == pattern


def test_the_boards_name_goes_before_the_processors(tmp_path: Path) -> None:
    root = machine(tmp_path, cpuinfo="processor\t: 0\nModel\t\t: x\n", board="Raspberry Pi 4 Model B Rev 1.4")
    assert processor_name(root) == "Raspberry Pi 4 Model B Rev 1.4"


def test_the_processors_name_is_the_first_in_cpuinfo(tmp_path: Path) -> None:
    root = machine(tmp_path, cpuinfo="model\t\t: 143\nmodel name\t: AMD EPYC 7763 64-Core Processor \nflags\t: sse\n")
    assert processor_name(root) == "AMD EPYC 7763 64-Core Processor"


def test_a_machine_that_says_nothing_has_its_architecture(tmp_path: Path) -> None:
    assert processor_name(tmp_path) == os.uname().machine


def test_cpu_time_becomes_joules_that_are_said_to_be_modelled(tmp_path: Path) -> None:
    root = machine(tmp_path, cpuinfo="model name\t: Intel(R) Xeon(R) Processor\n")
    with CostMeter(root=root) as cost:
        spin(0.2)
    made = cost.development(("digits_mlp",))
    row = power_of("Intel(R) Xeon(R) Processor")
    assert made.method == "cpu_time"
    assert made.modelled
    assert made.boundary.startswith("CPU seconds times 3.69 W to 10.4 W")
    assert made.processor == "Intel(R) Xeon(R) Processor"
    assert made.cpu_s >= 0.2
    assert made.duration_s > 0.0
    assert made.development_energy_j == pytest.approx(row.power_w * made.cpu_s)
    assert made.development_energy_u_j == pytest.approx(row.power_u_w * made.cpu_s)
    assert made.reused == ["digits_mlp"]
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", made.date)


def test_a_child_that_has_ended_counts(tmp_path: Path) -> None:
    program = "import time\nwhile time.process_time() < 0.3: pass"
    with CostMeter(root=machine(tmp_path)) as cost:
        subprocess.run([sys.executable, "-S", "-c", program], check=True)
    assert cost.development().cpu_s >= 0.3


def test_the_cost_is_not_known_before_the_end() -> None:
    cost = CostMeter()
    with pytest.raises(RuntimeError, match="block has ended"):
        cost.development()
    with cost, pytest.raises(RuntimeError, match="block has ended"):
        cost.development()
