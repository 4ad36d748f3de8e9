"""How does the board move? Reads an LSM6DSL over I2C into the model, and shows what it was on the LED.

Off: still, on: shaken, changes: turned. The sensor is on the B-L475E-IOT01A; to any other board it is wired:
3.3 V, GND, SCL and SDA of one of its buses (docs/machine.md). Registers: ST's data sheet DS11889.
"""

import struct
import time
from array import array

import motion
from machine import I2C, Pin

ADDRESSES = 0x6A, 0x6B  # by its pin SA0
WHO_AM_I, LSM6DSL = 0x0F, 0x6A
CTRL1_XL, RATE_26_HZ_RANGE_4_G = 0x10, 0x28
CTRL3_C, UNTORN_AND_IN_ORDER = 0x12, 0x44  # both bytes of one reading; registers read on one after the other
STATUS_REG, NEW = 0x1E, 0x01
OUTX_L_XL = 0x28
G = 0.122e-3  # per step

READINGS = 32


def find():
    """The bus and the address of the sensor, set up; OSError where no bus of the board has one."""
    for number in range(4):
        try:
            bus = I2C(number)
        except (ValueError, OSError):  # the board has no such bus, or something holds it
            continue
        for address in ADDRESSES:
            try:
                if bus.readfrom_mem(address, WHO_AM_I, 1)[0] == LSM6DSL:
                    bus.writeto_mem(address, CTRL3_C, bytes([UNTORN_AND_IN_ORDER]))
                    bus.writeto_mem(address, CTRL1_XL, bytes([RATE_26_HZ_RANGE_4_G]))
                    return bus, address
            except OSError:  # nobody answers there
                pass
    raise OSError("no LSM6DSL on any bus of this board: is it wired, and does it have power?")


def read(bus, address, window):
    """Fill the window, all of x, then y, then z, in g; the sensor says when there is something new."""
    raw = bytearray(6)
    for i in range(READINGS):
        while not bus.readfrom_mem(address, STATUS_REG, 1)[0] & NEW:
            time.sleep_ms(2)
        bus.readfrom_mem_into(address, OUTX_L_XL, raw)
        for axis, steps in enumerate(struct.unpack("<3h", raw)):
            window[READINGS * axis + i] = steps * G


def main():
    led = Pin("LED", Pin.OUT, value=0)
    bus, address = find()
    window = array("f", bytes(4 * 3 * READINGS))
    while True:
        read(bus, address, window)
        label, score = motion.predict(window)
        if label == "turned":
            led.toggle()
        else:
            led(label == "shaken")
        print(label, round(score, 2))


main()
