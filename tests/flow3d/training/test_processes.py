"""Two processes of torchrun on the processor are one training: they share steps, and end after the same one."""

import csv
import json
import os
import subprocess
import sys

import pytest

from flow3d.training.checkpoint import read_checkpoint

# The second process alone is interrupted, in step 2.
TRAINING = """
import os, signal, sys
import torch
from flow3d.datasets.cache import FrameCache
from flow3d.training.config import training
from flow3d.training.trainer import Trainer
torch.set_num_threads(1)
config = training("micro", "strict", 1).replace(batch=2, steps=9)
trainer = Trainer(config, FrameCache(sys.argv[1]), sys.argv[2])
def watch(trainer):
    if trainer.step == 2 and not trainer.first:
        os.kill(os.getpid(), signal.SIGINT)
outcome = trainer.run(watch=watch)
weights = sum(float(value.double().sum()) for value in trainer.renderer.state_dict().values())
rank = trainer.accelerator.process_index
with open(f"{sys.argv[2]}.{rank}", "w") as file:  # both at once would mix their lines on one stdout
    print(outcome, trainer.step, trainer.accelerator.num_processes, weights.hex(), file=file)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends a process a signal")
def test_two_processes_train_as_one_and_end_together(data, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(TRAINING)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", str(script)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ACCELERATE_")}
    subprocess.run(
        [*torchrun, str(data.folder), str(tmp_path / "out")],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    one, other = ((tmp_path / f"out.{rank}").read_text() for rank in (0, 1))
    assert one == other
    assert one.startswith("interrupted 2 2 ")
    assert read_checkpoint(tmp_path / "out").step == 2
    assert json.loads((tmp_path / "out" / "training.json").read_text())["processes"] == 2
    with (tmp_path / "out" / "metrics.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["2"]
