"""What this machine is, for a bug report: versions and hardware; no user name, no path, no host name."""

import importlib.metadata
import locale
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import torch

import thalweg

PACKAGES = ("torch", "numpy", "scikit-learn", "polars", "matplotlib", "safetensors", "click", "rich")


def describe_environment() -> dict[str, str]:
    """Return what this machine is, as names and values in the order in which they are read."""
    asked = os.environ.get("OMP_NUM_THREADS", "not set")
    return {
        "thalweg": thalweg.__version__,
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        **{package: _version(package) for package in PACKAGES},
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "cores": f"{_usable_cores()} usable of {os.cpu_count()}",
        "threads": f"{torch.get_num_threads()} in torch, OMP_NUM_THREADS {asked}",
        "vector width": torch.backends.cpu.get_cpu_capability(),
        "memory": _memory(),
        "gpu": _gpu(),
        "compiler": _compiler(),
        "locale": f"{'.'.join(filter(None, locale.getlocale())) or 'C'}, output {sys.stdout.encoding}",
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _memory() -> str:
    try:
        pairs = [line.split(":") for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()]
        sizes = {name: int(rest.split()[0]) / 2**20 for name, rest in pairs}
    except (OSError, ValueError):
        return "unknown"
    return f"{sizes['MemTotal']:.1f} GB, {sizes['MemAvailable']:.1f} free"


def _gpu() -> str:
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())]
        return f"{', '.join(names)} (CUDA {torch.version.cuda})"
    return "Apple MPS" if torch.backends.mps.is_available() else "none"


def _compiler() -> str:
    """Name the C++ compiler that `--compile` would use."""
    program = next((name for name in (os.environ.get("CXX"), "g++", "clang++") if name and shutil.which(name)), None)
    if program is None:
        return "none found"
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return "does not answer"
    return said.splitlines()[0].strip() if said else "unknown"
