"""Your own loop in Python, metered: ``python meter_my_loop.py agent.toml MODEL_ID [SECONDS]``.

The configuration has ``[input] source = "application"`` and says in ``[input.runtime]`` what runs the model.
"""

import math
import sys
import time

from edge_agent.metering import MeteredAgent


def infer(numbers: int = 20_000) -> float:
    """Stand in for your model."""
    return math.fsum(math.sqrt(number) for number in range(numbers))


def shown(energy_j: float | None) -> str:
    """Write joules; unknown where the meter was away."""
    return "unknown" if energy_j is None else f"{energy_j:.4g} J"


def main() -> None:
    """Meter some seconds of inference, and say what one of them came to."""
    config, model_id = sys.argv[1:3]
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 10.0
    infer()  # the first one is slower: before the window
    with MeteredAgent.from_config(config) as agent:
        with agent.window(model_id) as window:
            until_s = time.monotonic() + seconds
            while time.monotonic() < until_s:
                with window.inference():
                    infer()
        result = window.result
    sys.stdout.write(
        f"{result.inference_count} inferences in {result.duration_s:.1f} s, gap {result.gap_s:.1f} s: "
        f"{shown(result.energy_per_inference_j)} each, u = {shown(result.energy_per_inference_u_j)}"
        f"{', SIMULATED' if result.simulated else ''}\n"
    )


if __name__ == "__main__":
    main()
