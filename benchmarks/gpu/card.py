"""Section `card`: versions, and what the card is. Imports the standard library; the libraries when it runs."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from gpu.record import Check

TITLE = "what was measured, and on what"
SECONDS = 10

PACKAGES = (
    "numpy", "numba", "numba-cuda", "cupy-cuda13x", "cupy-cuda12x", "torch", "triton", "cuda-bindings", "nvidia-cuda-nvrtc"
)  # fmt: skip
ATTRIBUTES = {
    "MultiProcessorCount": ("multiprocessors", 1, ""),
    "ClockRate": ("highest clock", 1e3, "MHz"),  # of kHz
    "MemoryClockRate": ("memory's clock", 1e3, "MHz"),
    "GlobalMemoryBusWidth": ("memory's width", 1, "bits"),
    "L2CacheSize": ("second cache", 2**20, "MiB"),
    "MaxSharedMemoryPerMultiprocessor": ("shared memory of a multiprocessor", 2**10, "KiB"),
}
ASKED = ("driver_version", "clocks.sm", "clocks.mem", "temperature.gpu", "power.draw", "power.limit", "utilization.gpu")
PREFIXES = ("CUDA_", "CUPY_", "NUMBA_", "MINIGAN_", "TORCH", "OMP_")


def run(check: Check) -> None:
    """List it."""

    def tell(of: str, value: Any) -> None:
        check.row("the machine", of=of, **{"is": str(value)})

    tell("date", datetime.now(UTC).isoformat(timespec="seconds"))
    tell("system", f"{platform.platform()}, {os.cpu_count()} cores")
    tell("python", platform.python_version())
    tell("minigan", importlib.import_module("minigan").__version__)
    for package in PACKAGES:
        try:
            tell(package, metadata.version(package))
        except metadata.PackageNotFoundError:
            continue
    for name, value in sorted(os.environ.items()):
        if name.startswith(PREFIXES) and os.sep not in value:  # where things lie is nobody's business
            tell(name, value)
    if check.device != "cuda":
        check.note(f"There is no card: the device is {check.device!r}.")
        return
    import cupy

    device, runtime = cupy.cuda.Device(), cupy.cuda.runtime
    properties = runtime.getDeviceProperties(device.id)
    tell("card", properties["name"].decode() if isinstance(properties["name"], bytes) else properties["name"])
    tell("memory", f"{device.mem_info[1] / 2**30:.1f} GiB, {device.mem_info[0] / 2**30:.1f} free")
    tell("compute capability", device.compute_capability)
    for attribute, (what, unit, name) in ATTRIBUTES.items():
        with check.part(what):
            if attribute in (attributes := device.attributes):
                tell(what, f"{attributes[attribute] / unit:g} {name}".strip())
    tell("CUDA runtime", runtime.runtimeGetVersion())
    tell("CUDA of the driver", runtime.driverGetVersion())
    with check.part("NVRTC"):
        tell("NVRTC", ".".join(map(str, cupy.cuda.nvrtc.getVersion())))
    with check.part("Numba's card"):
        from numba import cuda

        tell("Numba's card", cuda.get_current_device().name)
    if shutil.which("nvidia-smi"):
        with check.part("nvidia-smi"):
            command = ["nvidia-smi", f"--query-gpu={','.join(ASKED)}", "--format=csv,noheader", "-i", str(device.id)]
            answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
            for what, value in zip(ASKED, answer.strip().split(",")):
                tell("driver" if what == "driver_version" else what, value.strip())
