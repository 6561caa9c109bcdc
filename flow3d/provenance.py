"""Where a number comes from: the commit that is checked out, and the card that computed it."""

import subprocess

import torch

from .assets import PACKAGE


def head_commit() -> str:
    """The commit of the clone that this package lies in; "unknown" without git or outside a clone."""
    try:
        answer = subprocess.run(["git", "rev-parse", "HEAD"], cwd=PACKAGE, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "unknown"
    return answer.stdout.strip() or "unknown"


def card() -> dict[str, str]:
    """Name and driver of the first card, and the versions of Triton and of CUDA or ROCm."""
    import triton

    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", "--id=0"]
    try:
        driver = subprocess.run(query, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        driver = ""
    about = {"device": torch.cuda.get_device_name(0), "driver": driver or "unknown", "triton": triton.__version__}
    return about | {"toolkit": str(torch.version.cuda or torch.version.hip)}
