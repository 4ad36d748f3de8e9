"""What do uploaders say? These write simulated boards and speak as openocd, bossac, dfu-util and pyocd do.

Each takes the arguments that the real one takes, yields the lines that it prints, and returns its exit code.
"""

import re
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from ..image import read_image
from .board import SimulatedBoard

Said = Generator[str, None, int]
Tool = Callable[[Sequence[SimulatedBoard], Sequence[str], Path], Said]


def openocd(boards: Sequence[SimulatedBoard], arguments: Sequence[str], folder: Path) -> Said:
    """By an ST-Link: `-c "adapter serial X"` chooses it, `-c "program {FILE} verify reset exit"` writes."""
    script = " ".join(arguments)
    yield "Open On-Chip Debugger 0.12.0"
    yield "Info : clock speed 2000 kHz"
    chosen = re.search(r"adapter serial (\w+)", script)
    file = re.search(r"program \{(.+?)\}", script)
    assert file
    found = [b for b in boards if b.probe is not None and (not chosen or b.probe == chosen[1])]
    fault = found[0].fault if found else "gone"
    if fault in ("forbidden", "busy"):
        word = "LIBUSB_ERROR_ACCESS" if fault == "forbidden" else "LIBUSB_ERROR_BUSY"
        yield (
            f"Error: libusb_open() failed with {word}"
            if fault == "forbidden"
            else (f"Error: libusb_claim_interface() failed with {word}")
        )
    if fault in ("forbidden", "busy", "gone"):
        yield "Error: open failed"
        yield "in procedure 'program'"
        yield "** OpenOCD init failed **"
        return 1
    if fault == "unpowered":
        yield "Info : Target voltage: 0.001591"
        yield "Error: target voltage may be too low for reliable debugging"
        yield "Error: init mode failed (unable to connect to the target)"
        yield "** OpenOCD init failed **"
        return 1
    yield "Info : STLINK V2J45M31 (API v2) VID:PID 0483:374B"
    yield "Info : Target voltage: 3.244628"
    yield "** Programming Started **"
    if fault == "protected":
        yield "Error: stm32x device protected"
        yield "Error: failed erasing sectors 0 to 5"
        yield "** Programming Failed **"
        return 1
    if fault == "broken":
        _write_half(found[0], folder / file[1])
        yield "Error: jtag status contains invalid mode value - communication failure"
        yield "** Programming Failed **"
        return 1
    _write(found[0], folder / file[1])
    yield "** Programming Finished **"
    yield "** Verify Started **"
    if fault == "verify":
        yield "Error: checksum mismatch - attempting binary compare"
        yield "** Verify Failed **"
        return 1
    yield "** Verified OK **"
    yield "** Resetting Target **"
    found[0].reset()
    return 0


def dfu_util(boards: Sequence[SimulatedBoard], arguments: Sequence[str], folder: Path) -> Said:
    """To STM32 bootloaders: `-S SERIAL` or `-p PLACE` chooses, `-s ADDRESS:leave -D FILE` writes."""
    yield "dfu-util 0.11"
    options = dict(zip(arguments[::2], arguments[1::2], strict=False))
    found = [b for b in boards if b.bootloader == "dfu" and any(d.usb_id in b.board.link.bootloader_usb_ids
             for d in b.plugged().usb or ())]  # fmt: skip
    if serial_number := options.get("-S"):
        found = [b for b in found if [d.serial_number for d in b.plugged().usb or ()] == [serial_number]]
    if place := options.get("-p"):
        found = [b for b in found if b.place == place]
    if len(found) > 1:
        yield "dfu-util: More than one DFU capable USB device found! Try `--list'"
        return 69
    fault = found[0].fault if found else "gone"
    if fault == "forbidden":
        yield "dfu-util: Cannot open DFU device 0483:df11 found on devnum 12 (LIBUSB_ERROR_ACCESS)"
    if fault in ("forbidden", "gone"):
        yield "dfu-util: No DFU capable USB device available"
        return 74
    if fault == "busy":
        yield "dfu-util: Cannot claim interface 0: LIBUSB_ERROR_BUSY"
        return 74
    yield "Opening DFU capable USB device..."
    yield "Downloading element to address = 0x08000000, size = 1"
    data = (folder / options["-D"].strip('"')).read_bytes()
    address = int(options["-s"].split(":")[0], 0)
    if fault == "broken":
        found[0].write(address, data[: len(data) // 2])
        yield "dfu-util: Error during download (LIBUSB_ERROR_PIPE)"
        return 74
    if fault == "verify":
        yield "dfu-util: state(10) = dfuERROR, status(7) = Programmed memory failed verification"
        return 74
    found[0].write(address, data)
    yield "File downloaded successfully"
    yield "dfu-util: Error during download get_status"  # the board has started already
    found[0].reset()
    return 74


def bossac(boards: Sequence[SimulatedBoard], arguments: Sequence[str], folder: Path) -> Said:
    """To Arduino's bootloader: `--port NAME` without its folder, the file last."""
    name = arguments[arguments.index("--port") + 1].rpartition("/")[2]
    found = [b for b in boards if b.bootloader == "sam-ba" and b.port and b.port.name == name
             and b.plugged().ports[0].usb_id in b.board.link.bootloader_usb_ids]  # fmt: skip
    fault = found[0].fault if found else "gone"
    if fault == "forbidden":
        yield f"Permission denied opening {name}"
    if fault == "busy":
        yield f"{name}: Device or resource busy"
    if fault in ("forbidden", "busy", "gone"):
        yield f"No device found on {name}"
        return 1
    yield "Device       : nRF52840-QIAA"
    yield "Erase flash"
    data = (folder / arguments[-1].strip('"')).read_bytes()
    if fault == "broken":
        found[0].write(found[0].board.chip.flash_origin, data[: len(data) // 2])
        yield "[==============                ] 50% (30/59 pages)"
        yield "SAM-BA operation failed"
        return 1
    found[0].write(found[0].board.chip.flash_origin, data)
    yield "[==============================] 100% (59/59 pages)"
    if fault == "verify":
        yield "Verify failed"
        yield "Page errors: 3"
        return 2
    found[0].reset()
    return 0


def pyocd(boards: Sequence[SimulatedBoard], arguments: Sequence[str], folder: Path) -> Said:
    """By any probe: `--uid SERIAL` chooses it."""
    if arguments[0] == "json":
        names = {b.board.flash.pyocd_target for b in boards if b.fault != "unpowered"} - {""}
        yield '{"targets": [' + ", ".join(f'{{"name": "{name}"}}' for name in sorted(names)) + "]}"
        return 0
    chosen = arguments[arguments.index("--uid") + 1] if "--uid" in arguments else ""
    found = [b for b in boards if b.probe is not None and chosen in ("", b.probe)]
    fault = found[0].fault if found else "gone"
    if fault == "gone":
        yield "No connected debug probes"
        yield "0000766 E No target device available [load_cmd]"
        return 1
    if fault in ("forbidden", "busy"):
        why = "[Errno 13] Access denied (insufficient permissions)"
        yield f"0000512 C {why if fault == 'forbidden' else '[Errno 16] Resource busy'} [__main__]"
        return 1
    _write(found[0], folder / arguments[-1])
    yield "0001480 I Erased 131072 bytes (1 sector), programmed 70016 bytes (274 pages) [loader]"
    found[0].reset()
    return 0


TOOLS: dict[str, Tool] = {"openocd": openocd, "dfu-util": dfu_util, "bossac": bossac, "pyocd": pyocd}


def _write(board: SimulatedBoard, elf: Path) -> None:
    for region in read_image(elf).regions:
        board.write(region.address, region.data)


def _write_half(board: SimulatedBoard, elf: Path) -> None:
    for region in read_image(elf).regions:
        board.write(region.address, region.data[: len(region.data) // 2])
