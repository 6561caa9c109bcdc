"""A training that is killed and resumed ends with the weights of one that was never disturbed.

Tests: trainer, checkpoint, flow3d.files.
"""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from flow3d.datasets.cache import FrameCache
from flow3d.files import CLAIM
from flow3d.training.checkpoint import Checkpoint, read_checkpoint
from flow3d.training.config import TrainingConfig, training
from flow3d.training.trainer import Trainer

STEPS = 6
LAST = 4  # where the training waits for its end, if that does not come earlier
# The process that is killed saves after every step, so that the signal may fall into any part of a step or a save.
TRAINING = f"""
import sys, time, torch
from flow3d.datasets.cache import FrameCache
from flow3d.training.config import TrainingConfig
from flow3d.training.trainer import Trainer
torch.set_num_threads(1)
trainer = Trainer(TrainingConfig.from_json(sys.argv[1]), FrameCache(sys.argv[2]), sys.argv[3], save_minutes=0.0)
trainer.run(watch=lambda trainer: time.sleep(600) if trainer.step == {LAST} else None)
"""


def kill_in_the_middle(config: TrainingConfig, data: FrameCache, out: Path) -> int:
    """Start a training in another process, and kill it as soon as it has saved; the step it can go on from."""
    command = [sys.executable, "-c", TRAINING, config.to_json(), str(data.folder), str(out)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while not (out / "checkpoint.pt").exists() and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    return read_checkpoint(out).step


def tensors(kept: Checkpoint) -> dict[str, torch.Tensor]:
    """Weights, averaged weights and the optimiser's averages."""
    states = {"weights": kept.weights, "averaged": kept.averaged} | kept.optimiser["state"]
    return {f"{kind} {name}": value for kind, state in states.items() for name, value in state.items()}


@pytest.mark.skipif(sys.platform == "win32", reason="kills a process by a signal")
@pytest.mark.parametrize("recipe", ["strict", "extended"])
def test_a_killed_training_goes_on_as_if_it_had_never_been(data, tmp_path, recipe):
    config = training("micro", recipe, 2).replace(batch=2, steps=STEPS, frozen_warp=0.0)
    undisturbed = Trainer(config, data, tmp_path / "undisturbed")
    for step in range(STEPS):
        undisturbed.advance(undisturbed.batch(step))
    undisturbed.save()
    assert 1 <= kill_in_the_middle(config, data, tmp_path / "killed") <= LAST
    assert (tmp_path / "killed" / CLAIM).exists()  # nobody was left to take it away; it holds nothing
    resumed = Trainer(config, data, tmp_path / "killed", resume=True)
    assert resumed.run() == "finished"
    one, other = (tensors(read_checkpoint(tmp_path / name)) for name in ("undisturbed", "killed"))
    assert one.keys() == other.keys()
    assert not [name for name in one if not torch.equal(one[name], other[name])]
