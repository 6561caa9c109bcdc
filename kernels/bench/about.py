"""What ran where, without torch: the commit, the processor, and what the card's driver says of it."""

import pathlib
import platform
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
ASKED = (  # of nvidia-smi: also what a run did to clocks and temperature
    *("name", "driver_version", "clocks.sm", "clocks.max.sm", "clocks.mem", "power.draw", "power.limit"),
    *("temperature.gpu", "ecc.mode.current"),
)


def head_commit() -> str:
    """The commit that is checked out; "unknown" where git or the repository is not at hand."""
    return output_of("git", "-C", str(ROOT), "rev-parse", "HEAD") or "unknown"


def processor() -> str:
    """The CPU's name."""
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor())


def driver() -> dict[str, str]:
    """What nvidia-smi says of the first card; empty where there is none."""
    text = output_of("nvidia-smi", f"--query-gpu={','.join(ASKED)}", "--format=csv,noheader", "--id=0")
    values = [each.strip() for each in text.split(",")]
    return dict(zip(ASKED, values, strict=True)) if len(values) == len(ASKED) else {}


def output_of(*command: str) -> str:
    """What a command prints; empty where it is missing, fails or hangs."""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip()
