// bridge.mjs: how does a firmware for the RP2040 run on rp2040js, its port on a TCP socket? Boot ROM, USB host, faults, pace.
//
//   node bridge.mjs PACKAGE LISTENING-FD usb|uart IMAGE [CIRCUIT.mjs]
//
// PACKAGE is rp2040js, unpacked; LISTENING-FD an inherited socket that listens; usb or uart the port that the firmware talks
// over; IMAGE what lies in flash from 0x10000000.
// The chip is switched on when the first client connects. While a client is connected the port is open (DTR).
//
// CIRCUIT is what a test wires to the board: a module whose default export is called before the chip is switched on, and
// again after each reset, with
//
//   mcu       rp2040js' RP2040: mcu.gpio[25].addListener((state, before) => …), mcu.gpio[4].setInputValue(true),
//             mcu.i2c[0].onStart, .onConnect, .onWriteByte, .onReadByte, .onStop with their .complete…(), mcu.adc, mcu.spi, …
//   rp2040js  the package: GPIOPinState, I2CMode, …
//   port      the USB host: port.setLineCoding(baud), port.setLineState(open), port.text (all that the board has sent)
//   after(microseconds, act), every(microseconds, act)   by the board's own clock
//   say(text)  a line of this process's output
//
// A pin reads what the chip drives it to; else what the circuit set it to by setInputValue(); else its resistor.
import { readFileSync, writeSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, listening, kind, imagePath, circuitPath] = process.argv.slice(2);
const rp2040js = await import(pathToFileURL(join(folder, "dist", "esm", "index.js")));
const circuit = circuitPath ? (await import(pathToFileURL(circuitPath))).default : () => {};
const image = readFileSync(imagePath);

const BOOT2_AT = 0x20041f00; // where the boot ROM copies the first 256 bytes of flash
const FLASH = 0x10000000;
const SLICE_MS = 4; // of work between two looks at the socket
const HARD_FAULT = 3;
const WATCHDOG = 0x40058; // of rp2040js' peripherals

const say = (text) => writeSync(2, `${text}\n`);

function end(text) {
  say(text);
  process.exit(1);
}

// ---- the boot ROM: what of it a firmware can tell from the chip's ----

/** CRC-32 as the ROM computes it: not reflected, nothing inverted at the end. */
function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte << 24;
    for (let bit = 0; bit < 8; bit++) {
      crc = crc & 0x80000000 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
    }
  }
  return crc >>> 0;
}

/** Its table of functions has one, a breakpoint; version 0, which no chip has, says that it is this. */
const ROM = { version: 0, table: 0x40, lookup: 0x60, usbBoot: 0x90 };

function putRom(mcu) {
  const rom = new DataView(new ArrayBuffer(0x100));
  const put = (at, halves) => halves.forEach((half, i) => rom.setUint16(at + 2 * i, half, true));
  rom.setUint32(0x10, 0x01754d | (ROM.version << 24), true);
  put(0x14, [ROM.table, 0, ROM.lookup | 1]);
  put(ROM.table, [0x4255, ROM.usbBoot | 1, 0]); // "UB"
  put(ROM.usbBoot, [0xbe00]); // bkpt
  // r0: the table, r1: two letters → r0: the function or 0
  put(ROM.lookup, [0x8802, 0x2a00, 0xd003, 0x428a, 0xd003, 0x3004, 0xe7f8, 0x2000, 0x4770, 0x8840, 0x4770]);
  mcu.bootrom.set(new Uint32Array(rom.buffer));
}

/** As the ROM does: compare the checksum of the second stage, copy it to RAM, call it there. */
function boot(mcu) {
  if (image.length < 256 || crc32(image.subarray(0, 252)) !== image.readUInt32LE(252)) {
    end("the first 256 bytes are no second stage with its checksum: the chip's ROM would show its drive");
  }
  mcu.flash.set(image);
  mcu.sram.set(image.subarray(0, 256), BOOT2_AT - 0x20000000);
  mcu.core.SP = 0x20041f00;
  mcu.core.LR = 0;
  mcu.core.PC = BOOT2_AT;
}

// ---- the USB host: it enumerates a serial port, and never asks for more than the board has ----

const STANDARD = 0x00;
const CLASS_INTERFACE = 0x21;
const packet = (kind, request, value, index, length) =>
  Uint8Array.of(kind, request, value & 255, value >> 8, index & 255, index >> 8, length & 255, length >> 8);

class Port {
  /** `came(bytes)` is called with what the board sends. */
  constructor(usb, came) {
    this.usb = usb;
    this.text = Buffer.alloc(0);
    this.toBoard = [];
    this.requests = [];
    this.request = null;
    this.out = this.in = -1;
    this.free = new Map(); // endpoint → bytes that the board has room for
    usb.onUSBEnabled = () => usb.resetDevice();
    usb.onResetReceived = () => this.enumerate();
    usb.onEndpointWrite = (endpoint, bytes) => {
      if (endpoint === 0) {
        this.answered(bytes);
      } else if (endpoint === this.in) {
        this.text = Buffer.concat([this.text, bytes]).subarray(-65536);
        came(bytes);
      }
    };
    usb.onEndpointRead = (endpoint, room) => {
      this.free.set(endpoint, room);
      if (endpoint === 0) {
        this.confirm();
      } else {
        this.feed();
      }
    };
  }

  async enumerate() {
    Object.assign(this, { requests: [], request: null, in: -1, out: -1 });
    this.free.clear();
    const device = await this.ask(0x80, 6, 0x0100, 0, 18);
    await this.ask(STANDARD, 5, 1, 0, 0);
    const head = await this.ask(0x80, 6, 0x0200, 0, 9);
    const all = await this.ask(0x80, 6, 0x0200, 0, head[2] | (head[3] << 8));
    for (const index of [device[14], device[15], device[16]].filter(Boolean)) {
      await this.ask(0x80, 6, 0x0300 | index, 0x0409, 255);
    }
    await this.ask(STANDARD, 9, all[5], 0, 0);
    const ends = endpoints(all);
    if (!ends) {
      end("the board's USB is no serial port");
    }
    await this.setLineCoding(115200);
    Object.assign(this, ends);
    await this.setLineState(this.open ?? false);
    this.feed();
  }

  setLineCoding(baud) {
    const coding = Buffer.from([0, 0, 0, 0, 0, 0, 8]);
    coding.writeUInt32LE(baud);
    return this.ask(CLASS_INTERFACE, 0x20, 0, 0, coding);
  }

  setLineState(open) {
    this.open = open;
    return this.in < 0 ? null : this.ask(CLASS_INTERFACE, 0x22, open ? 3 : 0, 0, 0);
  }

  /** One request after the other; `data`: how many bytes are asked for, or those that are told. */
  ask(kind, request, value, index, data) {
    const length = typeof data === "number" ? data : data.length;
    return new Promise((done) => {
      this.requests.push({ setup: packet(kind, request, value, index, length), kind, length, data, got: [], done });
      this.next();
    });
  }

  next() {
    if (!this.request && this.requests.length) {
      this.request = this.requests.shift();
      this.free.delete(0);
      this.usb.sendSetupPacket(this.request.setup);
    }
  }

  answered(bytes) {
    const { request } = this;
    if (!request) {
      return;
    }
    request.got.push(...bytes);
    if (!(request.kind & 0x80)) {
      this.finish();
    } else if (bytes.length < 64 || request.got.length >= request.length) {
      request.confirms = true;
      this.confirm();
    }
  }

  /** The end of what the board told, or the data of a request. */
  confirm() {
    const { request } = this;
    if (!request || !this.free.has(0)) {
      return;
    }
    if (request.confirms) {
      this.free.delete(0);
      this.usb.endpointReadDone(0, new Uint8Array(0));
      this.finish();
    } else if (!(request.kind & 0x80) && request.length) {
      this.free.delete(0);
      this.usb.endpointReadDone(0, Uint8Array.from(request.data));
    }
  }

  finish() {
    const { request } = this;
    this.request = null;
    request.done(request.got);
    this.next();
  }

  /** The board gets a packet when it has room for one: else it waits here, as at a host whose packets are refused. */
  feed() {
    const room = this.free.get(this.out);
    if (this.out >= 0 && room && this.toBoard.length) {
      this.free.delete(this.out);
      this.usb.endpointReadDone(this.out, Uint8Array.from(this.toBoard.splice(0, room)));
    }
  }

  send(bytes) {
    for (const byte of bytes) {
      this.toBoard.push(byte);
    }
    this.feed();
  }
}

/** The bulk endpoints of the interface for data (class 10); null where there is none. */
function endpoints(configuration) {
  let data = false;
  const found = {};
  for (let at = 0; at < configuration.length && configuration[at]; at += configuration[at]) {
    const [, type, address, attributes, , interfaceClass] = configuration.slice(at, at + 6);
    if (type === 4) {
      data = interfaceClass === 10;
    } else if (type === 5 && data && (attributes & 3) === 2) {
      found[address & 0x80 ? "in" : "out"] = address & 15;
    }
  }
  return "in" in found && "out" in found ? found : null;
}

// ---- faults: rp2040js reports what a chip would end in a HardFault, and goes on ----

class Faults {
  constructor(mcu) {
    this.mcu = mcu;
    this.pending = "";
    this.inFlight = 0;
    mcu.logger = {
      debug() {},
      info() {},
      warn: (component, text) => this.noted(component, text),
      error: (component, text) => this.noted(component, text),
    };
  }

  noted(component, text) {
    if (/invalid memory|undefined address|not 32 bit aligned|not implemented yet/.test(text)) {
      this.pending ||= text;
    }
  }

  /** `before`: where the instruction was that did it. */
  raise(before) {
    const { core } = this.mcu;
    const why = this.pending;
    this.pending = "";
    if (core.IPSR === HARD_FAULT) {
      end(`the processor locked up at ${before.toString(16)}: ${why} in the handler of a fault`);
    }
    core.PC = before;
    core.exceptionEntry(HARD_FAULT);
    core.waiting = false;
  }
}

/** Registers of the core that rp2040js has not. There is no memory protection unit: MPU_TYPE reads 0. */
function completeCore(mcu, restart) {
  const { ppb } = mcu;
  const [read, write] = [ppb.readUint32.bind(ppb), ppb.writeUint32.bind(ppb)];
  const absent = (offset) => offset >= 0xd90 && offset < 0xdf0;
  ppb.readUint32 = (offset) => (absent(offset) || offset === 0xd10 || offset === 0xd0c ? 0 : read(offset));
  ppb.writeUint32 = (offset, value) => {
    if (offset === 0xd0c && value >>> 16 === 0x05fa && value & 4) {
      restart(); // SYSRESETREQ
    } else if (!absent(offset) && offset !== 0xd0c && offset !== 0xd10) {
      write(offset, value);
    }
  };
}

/** rp2040js' pins read what a circuit sets; a chip's read their own level too, and their resistors. */
function completePin(pin) {
  const { High, Low, InputPullUp } = rp2040js.GPIOPinState;
  const put = pin.setInputValue.bind(pin);
  let driven = null;
  const settle = (state) => {
    const level = state === High || (state !== Low && (driven ?? state === InputPullUp));
    if (level !== pin.rawInputValue) {
      put(level);
    }
  };
  pin.setInputValue = (level) => {
    driven = level;
    settle(pin.value);
  };
  pin.refreshInput = () => put(pin.rawInputValue);
  pin.addListener(settle);
}

// ---- the board ----

class Board {
  constructor(socket) {
    this.socket = socket;
    this.toBoard = [];
    this.switchOn();
  }

  switchOn() {
    const { sram, peripherals } = this.mcu ?? {};
    const before = peripherals?.[WATCHDOG];
    const mcu = (this.mcu = new rp2040js.RP2040());
    mcu.sram.set(sram ?? []);
    const watchdog = mcu.peripherals[WATCHDOG];
    watchdog.reason = before?.reason ?? 0; // with the scratch registers and RAM all that outlives a reset
    watchdog.scratchData = before?.scratchData ?? watchdog.scratchData;
    this.clock = mcu.clock;
    this.restarts = false;
    this.faults = new Faults(mcu);
    completeCore(mcu, () => (this.restarts = true));
    watchdog.onWatchdogTrigger = () => {
      watchdog.alarm.enable = false; // else it comes again at once, for ever
      this.restarts = true;
    };
    mcu.onBreak = (code) => this.broke(code);
    mcu.gpio.forEach(completePin);
    putRom(mcu);
    this.port = new Port(mcu.usbCtrl, (bytes) => this.socket?.write(bytes));
    this.port.open = this.socket !== null;
    mcu.uart[0].onByte = (byte) => kind === "uart" && this.socket?.write(Uint8Array.of(byte));
    const after = (microseconds, act) => this.clock.createAlarm(act).schedule(microseconds * 1000);
    const every = (microseconds, act) =>
      after(microseconds, () => {
        act();
        every(microseconds, act);
      });
    circuit({ mcu, rp2040js, port: this.port, after, every, say });
    boot(mcu);
    this.began = performance.now();
  }

  broke() {
    if (this.mcu.core.PC - 2 === ROM.usbBoot) {
      end("the firmware started the bootloader");
    }
    this.faults.pending ||= "a breakpoint or an illegal instruction";
  }

  /** A client came (a socket) or went (null). */
  connect(socket) {
    this.socket = socket;
    this.port.setLineState(socket !== null);
  }

  send(bytes) {
    if (kind === "usb") {
      this.port.send(bytes);
    } else if (this.toBoard.push(...bytes) === bytes.length) {
      this.feed();
    }
  }

  /** The next byte over the UART, and so on at its rate; while it is off, nothing. */
  feed() {
    const uart = this.mcu.uart[0];
    if (uart.enabled) {
      uart.feedByte(this.toBoard.shift());
    }
    if (this.toBoard.length) {
      this.clock.createAlarm(() => this.feed()).schedule(uart.enabled ? 10e9 / uart.baudRate : 1e6);
    }
  }

  step() {
    const { mcu, clock } = this;
    const { core } = mcu;
    if (core.waiting) {
      if (core.interruptsUpdated && core.checkForInterrupts()) {
        core.waiting = false;
      } else {
        clock.tick(clock.nanosToNextAlarm || 1000);
      }
      return;
    }
    const before = core.PC;
    clock.tick((core.executeInstruction() * 1e9) / mcu.clkSys);
    if (this.faults.pending) {
      this.faults.raise(before);
    }
  }

  /** Some milliseconds of work; how long to wait before the next (ms): the board never runs ahead of its clock. */
  work() {
    const until = performance.now() + SLICE_MS;
    while (performance.now() < until && !this.socket?.writableNeedDrain) {
      for (let i = 0; i < 2000 && !this.mcu.core.waiting; i++) {
        this.step();
      }
      const ahead = this.clock.nanos / 1e6 - (performance.now() - this.began);
      if (ahead < 0) {
        this.began -= ahead; // what was lost is not made up for
      } else if (ahead > 1 && this.mcu.core.waiting) {
        return ahead;
      }
      this.step();
      if (this.restarts) {
        this.switchOn();
      }
    }
    return 0;
  }
}

let board = null;
let sleeping = null;

function wake() {
  if (sleeping !== null) {
    clearTimeout(sleeping);
    sleeping = null;
    run();
  }
}

function run() {
  sleeping = null;
  if (board.socket?.writableNeedDrain) {
    board.socket.once("drain", run);
    return;
  }
  const wait = board.work();
  if (wait > 0) {
    sleeping = setTimeout(run, wait);
  } else {
    setImmediate(run);
  }
}

const server = createServer({ noDelay: true }, (socket) => {
  socket.on("error", () => {});
  socket.on("data", (bytes) => {
    board.send(bytes);
    wake();
  });
  socket.on("close", () => {
    if (board.socket === socket) {
      board.connect(null);
      socket.emit("drain");
      wake();
    }
  });
  if (board) {
    board.connect(socket);
    wake();
  } else {
    board = new Board(socket);
    run();
  }
});
server.maxConnections = 1;
server.listen({ fd: Number(listening) });
