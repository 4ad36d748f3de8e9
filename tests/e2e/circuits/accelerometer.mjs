// accelerometer.mjs: what does a Pico see that has an LSM6DSL on GP4 (SDA) and GP5 (SCL)? Its registers, bit by bit.
//
// Beside this file lies motion.json: { readings: [[x, y, z], …] in steps, one every period_us from when it is set up, and over
// again; log: a file that gets a line for every change of GP25, the LED }.
import { appendFileSync, readFileSync } from "node:fs";

const { readings, period_us, log } = JSON.parse(readFileSync(new URL("motion.json", import.meta.url)));
const ADDRESS = 0x6a, WHO_AM_I = 0x0f, CTRL1_XL = 0x10, CTRL3_C = 0x12, STATUS_REG = 0x1e, OUTX_L_XL = 0x28;

/** The sensor's registers, by the data sheet: a new reading is announced until it is read. */
class Registers {
  constructor(every) {
    this.bytes = new Uint8Array(128);
    this.bytes[WHO_AM_I] = 0x6a;
    this.bytes[CTRL3_C] = 0x04;
    this.next = 0;
    every(period_us, () => {
      if (this.bytes[CTRL1_XL] >> 4 === 2) {
        readings[this.next++ % readings.length].forEach((steps, axis) => {
          this.bytes[OUTX_L_XL + 2 * axis] = steps & 0xff;
          this.bytes[OUTX_L_XL + 2 * axis + 1] = (steps >> 8) & 0xff;
        });
        this.bytes[STATUS_REG] |= 1;
      }
    });
  }

  read(at) {
    if (at === OUTX_L_XL + 5) {
      this.bytes[STATUS_REG] &= ~1;
    }
    return this.bytes[at];
  }

  write(at, value) {
    this.bytes[at] = value;
  }
}

/** One that answers on the bus: it sees both lines, and may hold SDA low. */
class Answerer {
  constructor(registers) {
    this.registers = registers;
    this.holds = false;
    this.bits = -1; // of the byte that is under way; -1: not spoken to
  }

  start() {
    this.bits = 0;
    this.byte = 0;
    this.mode = "address";
    this.holds = false;
  }

  stop() {
    this.bits = -1;
    this.holds = false;
  }

  /** SCL rose: the line's level counts. */
  rose(sda) {
    if (this.bits < 0) {
      return;
    }
    if (this.bits < 8) {
      this.byte = (this.byte << 1) | sda;
    } else if (this.mode === "send" && sda) {
      this.bits = -2; // not acknowledged: enough
      return;
    }
    this.bits++;
  }

  /** SCL fell: what is to be seen at its next rise. */
  fell() {
    this.holds = false;
    if (this.bits < 0) {
      return;
    }
    if (this.bits === 8 && this.mode !== "send") {
      this.holds = this.took(this.byte & 0xff);
      if (!this.holds) {
        this.bits = -1;
      }
    } else if (this.bits === 9 || (this.bits === 0 && this.mode === "send")) {
      this.bits = 0;
      this.byte = 0;
      if (this.answers) {
        this.mode = "send";
        this.sent = this.registers.read(this.at++ & 0x7f);
      }
    }
    if (this.mode === "send" && this.bits < 8) {
      this.holds = !((this.sent >> (7 - this.bits)) & 1);
    }
  }

  /** Whether a whole byte is acknowledged. */
  took(byte) {
    if (this.mode === "address") {
      this.answers = byte & 1;
      this.mode = "register";
      return byte >> 1 === ADDRESS;
    }
    if (this.mode === "register") {
      this.at = byte;
      this.mode = "write";
    } else {
      this.registers.write(this.at++ & 0x7f, byte);
    }
    return true;
  }
}

export default function wire({ mcu, rp2040js, every }) {
  const [sda, scl] = [mcu.gpio[4], mcu.gpio[5]];
  const isLow = (state) => state === rp2040js.GPIOPinState.Low;
  const sensor = new Answerer(new Registers(every));
  const line = { sda: 1, scl: 1 };
  const settle = () => {
    line.sda = isLow(sda.value) || sensor.holds ? 0 : 1;
    sda.setInputValue(!!line.sda);
    scl.setInputValue(!!line.scl);
  };
  sda.addListener((state) => {
    const before = line.sda;
    settle();
    if (line.scl && before !== line.sda) {
      line.sda ? sensor.stop() : sensor.start();
      settle();
    }
  });
  scl.addListener((state) => {
    const level = isLow(state) ? 0 : 1;
    if (level !== line.scl) {
      line.scl = level;
      level ? sensor.rose(line.sda) : sensor.fell();
      settle();
    }
  });
  settle();
  mcu.gpio[25].addListener((state) => {
    if (state === rp2040js.GPIOPinState.High || isLow(state)) {
      appendFileSync(log, isLow(state) ? "off\n" : "on\n");
    }
  });
}
