/* rp2040_usb.c: fn_board.h on an RP2040 by its own USB, as a serial port (usb_cdc.h). Sections are those of its data sheet.
 *
 * What the ring has no room for stays in the controller's buffer, and the host's next packet is refused until there is room.
 * A host that opens the port at 1,200 baud and closes it gets the boot ROM's drive in place of this firmware.
 */
#define FN_USB_VID 0x2E8Au /* Raspberry Pi's, for boards with this chip that have no number of their own */
#define FN_USB_PID 0x000Au

#include "fn_board.h"
#include "rp2040.h"
#include "usb_cdc.h"

/* ---- the controller (4.1.4), and its memory (4.1.2.4) ---- */

#define USB(offset) (0x50110000u + (offset))
#define ADDR_ENDP REG(USB(0x00u))
#define MAIN_CTRL REG(USB(0x40u))
#define SIE_CTRL REG(USB(0x4Cu))
#define SIE_STATUS REG(USB(0x50u))
#define BUFF_STATUS REG(USB(0x58u))
#define EP_STALL_ARM REG(USB(0x68u))
#define USB_MUXING REG(USB(0x74u))
#define USB_PWR REG(USB(0x78u))
#define INTE REG(USB(0x90u))
#define INTS REG(USB(0x98u))
enum { CONTROLLER_EN = 1u, PULLUP_EN = 1u << 16, EP0_INT_1BUF = 1u << 29 };
enum { STATUS_SETUP = 1u << 17, STATUS_RESET = 1u << 19 };
enum { MUX_PHY = 1u << 0 | 1u << 3, VBUS_IS_THERE = 1u << 2 | 1u << 3 };
enum { INT_BUFFERS = 1u << 4, INT_RESET = 1u << 12, INT_SETUP = 1u << 16 };

#define DPRAM 0x50100000u
#define EP_CONTROL(ep, out) REG(DPRAM + 8u * (ep) + ((out) ? 4u : 0u))
#define BUFFER_CONTROL(ep, out) REG(DPRAM + 0x80u + 8u * (ep) + ((out) ? 4u : 0u))
enum { EP_ENABLE = 1u << 31, EP_INT_1BUF = 1u << 29, EP_BULK = 2u << 26, EP_INTERRUPT = 3u << 26 };
enum { BUFFER_FULL = 1u << 15, BUFFER_DATA_1 = 1u << 13, BUFFER_STALL = 1u << 11, BUFFER_READY = 1u << 10, BUFFER_LENGTH = 0x3FFu };
#define DONE(ep, out) (1u << (2u * (ep) + ((out) ? 1u : 0u)))

enum { EP0_BUFFER = 0x100u, DATA_OUT_BUFFER = 0x180u, DATA_IN_BUFFER = 0x1C0u, NOTICE_BUFFER = 0x200u };
static const uint16_t buffers[3][2] = { /* of endpoint 0, 1, 2: to the host, from it */
    { EP0_BUFFER, EP0_BUFFER },
    { NOTICE_BUFFER, NOTICE_BUFFER },
    { DATA_IN_BUFFER, DATA_OUT_BUFFER },
};

static uint8_t data_1[3][2]; /* which of the two kinds of packet is next (USB 2.0, 8.6) */

/* A buffer is the controller's as soon as it is ready; the other bits must have arrived there before (4.1.2.5.1). */
static void hand_over(uint32_t ep, int out, uint32_t length)
{
    const uint32_t kind = data_1[ep][out] ? BUFFER_DATA_1 : 0u;
    const uint32_t value = length | kind | (out ? 0u : BUFFER_FULL);
    data_1[ep][out] ^= 1u;
    BUFFER_CONTROL(ep, out) = value;
    __asm volatile("nop\n nop\n nop\n nop\n nop\n nop\n nop\n nop\n nop\n nop\n nop\n nop");
    BUFFER_CONTROL(ep, out) = value | BUFFER_READY;
}

/* Sends up to a packet; the memory takes words. */
static uint32_t send(uint32_t ep, const uint8_t *data, uint32_t n)
{
    n = n < EP_PACKET ? n : EP_PACKET;
    volatile uint32_t *const buffer = &REG(DPRAM + buffers[ep][0]);
    for (uint32_t i = 0; i < n; i += 4u) {
        uint32_t word = 0;
        for (uint32_t k = 0; k < 4u && i + k < n; k++) {
            word |= (uint32_t)data[i + k] << 8u * k;
        }
        buffer[i / 4u] = word;
    }
    hand_over(ep, 0, n);
    return n;
}

static uint8_t byte_at(uint32_t offset)
{
    return (uint8_t)(REG(DPRAM + (offset & ~3u)) >> 8u * (offset & 3u));
}

/* ---- the port ---- */

static uint8_t address;                    /* to be taken when the host knows that we heard it */
static uint8_t configuration;              /* 0: the host has not set it up */
static uint8_t line_state;                 /* DTR: somebody has the port open */
static uint8_t line_coding[LINE_CODING_BYTES] = { 0x00, 0xC2, 0x01, 0x00, 0, 0, 8 }; /* 115,200 baud, which USB ignores */
static volatile uint8_t sending;           /* a packet waits for the host to fetch it */
static uint8_t last_was_whole;             /* of 64 bytes: the host takes what follows for a part of it */
static uint32_t held, taken;               /* bytes of a packet that came, and how many of them are in the ring */
static uint8_t deaf;                       /* the host has the port open and fetches nothing */
static volatile uint32_t leave_after_ms;   /* until the bootloader is started; 0: not asked for */

#define DEAF_US 2000000u
#define LEAVE_MS 50u /* so that the host hears the end of its request */

static int is_open(void)
{
    return configuration && (line_state & LINE_DTR);
}

/* As far as there is room, after which the host may send another packet. */
static void take(void)
{
    while (taken < held && fn_receives()) {
        fn_received(byte_at(DATA_OUT_BUFFER + taken++));
    }
    if (held && taken == held) {
        held = taken = 0u;
        hand_over(EP_DATA, 1, EP_PACKET);
    }
}

static void came(void)
{
    held = BUFFER_CONTROL(EP_DATA, 1) & BUFFER_LENGTH;
    taken = 0u;
    deaf = 0u;
    if (held) {
        take();
    } else { /* an empty packet ends a transfer of the host's */
        hand_over(EP_DATA, 1, EP_PACKET);
    }
}

static void went(void)
{
    sending = 0u;
    deaf = 0u;
    if (last_was_whole) { /* and nothing follows so far: an empty packet says so */
        last_was_whole = 0u;
        sending = 1u;
        send(EP_DATA, 0, 0u);
    }
}

static void configure(uint8_t chosen)
{
    configuration = chosen;
    line_state = sending = last_was_whole = 0u;
    held = taken = 0u;
    for (uint32_t ep = 1; ep <= EP_DATA; ep++) {
        for (int out = 0; out < 2; out++) {
            EP_CONTROL(ep, out) = 0u;
            BUFFER_CONTROL(ep, out) = 0u;
            data_1[ep][out] = 0u;
        }
    }
    if (chosen) {
        EP_CONTROL(EP_NOTICE_IN, 0) = EP_ENABLE | EP_INT_1BUF | EP_INTERRUPT | NOTICE_BUFFER;
        EP_CONTROL(EP_DATA, 0) = EP_ENABLE | EP_INT_1BUF | EP_BULK | DATA_IN_BUFFER;
        EP_CONTROL(EP_DATA, 1) = EP_ENABLE | EP_INT_1BUF | EP_BULK | DATA_OUT_BUFFER;
        hand_over(EP_DATA, 1, EP_PACKET);
    }
}

/* The host counts the packets in one direction anew: what waits for it goes on with DATA0, too. */
static void begin_anew(int out)
{
    data_1[EP_DATA][out] = 0u;
    if (out ? configuration && !held : sending) {
        hand_over(EP_DATA, out, BUFFER_CONTROL(EP_DATA, out) & BUFFER_LENGTH);
    }
}

static void set_line_state(uint8_t state)
{
    const uint32_t baud = (uint32_t)line_coding[0] | (uint32_t)line_coding[1] << 8 | (uint32_t)line_coding[2] << 16;
    if ((line_state & LINE_DTR) && !(state & LINE_DTR) && baud == TOUCH_BAUD && !line_coding[3]) {
        leave_after_ms = LEAVE_MS;
    }
    line_state = state;
    deaf = 0u;
}

/* ---- endpoint 0 ---- */

static const uint8_t *answer; /* what is left of it */
static uint32_t answer_bytes;
static uint8_t answers;           /* with data, which the host is to confirm */
static uint8_t answer_goes_on;    /* another packet is to come, if only an empty one */
static uint8_t wants_line_coding; /* the data of a request is to come */
static uint8_t made[EP_PACKET];

static void refuse(void)
{
    EP_STALL_ARM = 3u; /* both directions, until the next request */
    BUFFER_CONTROL(0, 0) = BUFFER_STALL;
    BUFFER_CONTROL(0, 1) = BUFFER_STALL;
}

static void go_on_answering(void)
{
    const uint32_t n = send(0, answer, answer_bytes);
    answer += n;
    answer_bytes -= n;
    answer_goes_on = answer_bytes > 0u || (answer_goes_on && n == EP_PACKET);
}

/* Up to as many bytes as the host asked for; fewer, of whole packets, end with an empty one. */
static void say(const usb_setup *setup, const uint8_t *data, uint32_t n)
{
    answer = data;
    answer_bytes = n < setup->length ? n : setup->length;
    answers = 1u;
    answer_goes_on = n < setup->length;
    go_on_answering();
}

static void agree(void)
{
    send(0, 0, 0u);
}

static void describe(const usb_setup *setup)
{
    static const char *const texts[] = { "", "firmnet", FN_BOARD_NAME };
    const uint32_t which = LOW(setup->value);
    switch (HIGH(setup->value)) {
    case DESCRIPTOR_DEVICE:
        say(setup, device_descriptor, sizeof device_descriptor);
        return;
    case DESCRIPTOR_CONFIGURATION:
        say(setup, configuration_descriptor, sizeof configuration_descriptor);
        return;
    case DESCRIPTOR_STRING:
        if (which == STRING_LANGUAGES) {
            static const uint8_t english[] = { 4, DESCRIPTOR_STRING, 0x09, 0x04 };
            say(setup, english, sizeof english);
            return;
        }
        if (which <= STRING_PRODUCT) {
            say(setup, made, string_descriptor(texts[which], made));
            return;
        }
        break;
    default: /* such as one for high speed, which this chip has not */
        break;
    }
    refuse();
}

static void standard(const usb_setup *setup)
{
    switch (setup->request) {
    case GET_STATUS:
        made[0] = made[1] = 0u;
        say(setup, made, 2u);
        break;
    case SET_ADDRESS:
        address = setup->value & 0x7Fu;
        agree();
        break;
    case GET_DESCRIPTOR:
        describe(setup);
        break;
    case GET_CONFIGURATION:
        say(setup, &configuration, 1u);
        break;
    case SET_CONFIGURATION:
        configure(LOW(setup->value));
        agree();
        break;
    case GET_INTERFACE:
        made[0] = 0u;
        say(setup, made, 1u);
        break;
    case CLEAR_FEATURE:
        if ((setup->kind & TO_BITS) == TO_ENDPOINT && (setup->index & 0xFu) == EP_DATA) {
            begin_anew(setup->index & TO_HOST ? 0 : 1);
        }
        agree();
        break;
    case SET_INTERFACE:
        if (setup->index == DATA_INTERFACE) {
            begin_anew(0);
            begin_anew(1);
        }
        agree();
        break;
    case SET_FEATURE:
        agree();
        break;
    default:
        refuse();
    }
}

static void of_the_class(const usb_setup *setup)
{
    switch (setup->request) {
    case SET_LINE_CODING:
        if (setup->length == LINE_CODING_BYTES) {
            wants_line_coding = 1u;
            hand_over(0, 1, EP_PACKET);
        } else {
            refuse();
        }
        break;
    case GET_LINE_CODING:
        say(setup, line_coding, sizeof line_coding);
        break;
    case SET_LINE_STATE:
        set_line_state(LOW(setup->value));
        agree();
        break;
    case SEND_BREAK:
        agree();
        break;
    default:
        refuse();
    }
}

static void requested(void)
{
    const uint32_t first = REG(DPRAM), second = REG(DPRAM + 4u);
    const usb_setup setup = { LOW(first), HIGH(first), first >> 16, second & 0xFFFFu, second >> 16 };
    data_1[0][0] = data_1[0][1] = 1u; /* what follows a request */
    BUFFER_CONTROL(0, 1) = 0u; /* of one that was not brought to its end */
    answers = answer_goes_on = wants_line_coding = 0u;
    if ((setup.kind & KIND_BITS) == KIND_STANDARD) {
        standard(&setup);
    } else if ((setup.kind & KIND_BITS) == KIND_CLASS) {
        of_the_class(&setup);
    } else {
        refuse();
    }
}

static void answered(void)
{
    if (address) {
        ADDR_ENDP = address;
        address = 0u;
    } else if (answer_goes_on) {
        go_on_answering();
    } else if (answers) {
        answers = 0u;
        hand_over(0, 1, 0u); /* the host confirms with an empty packet */
    }
}

static void confirmed(void)
{
    if (wants_line_coding) {
        wants_line_coding = 0u;
        for (uint32_t i = 0; i < LINE_CODING_BYTES; i++) {
            line_coding[i] = byte_at(EP0_BUFFER + i);
        }
        agree();
    }
}

/* ---- what the controller has to say ---- */

static void attend(void)
{
    const uint32_t why = INTS;
    if (why & INT_BUFFERS) {
        const uint32_t done = BUFF_STATUS;
        BUFF_STATUS = done;
        if (done & DONE(0, 0)) {
            answered();
        }
        if (done & DONE(0, 1)) {
            confirmed();
        }
        if (done & DONE(EP_DATA, 0)) {
            went();
        }
        if (done & DONE(EP_DATA, 1)) {
            came();
        }
    }
    if (why & INT_RESET) {
        SIE_STATUS = STATUS_RESET;
        ADDR_ENDP = 0u;
        address = 0u;
        configure(0u);
    }
    if (why & INT_SETUP) {
        SIE_STATUS = STATUS_SETUP;
        requested();
    }
}

void fn_uart_isr(void)
{
    attend();
}

/* A program that never asks for bytes must not keep Ctrl-C in the buffer: fn_receives() knows when. */
void SysTick_Handler(void)
{
    take();
    if (leave_after_ms && --leave_after_ms == 0u) {
        start_bootloader();
    }
}

void fn_board_init(void)
{
    set_clock();
    restart(BLOCK_TIMER | BLOCK_IO_BANK0 | BLOCK_PADS_BANK0 | BLOCK_USBCTRL);
    for (uint32_t i = 0; i < 0x100u; i += 4u) { /* no endpoint, no buffer */
        REG(DPRAM + i) = 0u;
    }
    USB_MUXING = MUX_PHY;
    USB_PWR = VBUS_IS_THERE;
    MAIN_CTRL = CONTROLLER_EN;
    SIE_CTRL = EP0_INT_1BUF;
    INTE = INT_BUFFERS | INT_RESET | INT_SETUP;
    enable_interrupt(FN_UART_IRQ);
    start_tick();
    SIE_CTRL = EP0_INT_1BUF | PULLUP_EN; /* the host sees a device */
}

/* Neither the port's interrupt nor the tick comes in between; in a fault they are off already. */
static uint32_t hold_interrupts(void)
{
    uint32_t before;
    __asm volatile("mrs %0, primask\n cpsid i" : "=r"(before)::"memory");
    return before;
}

static void let_interrupts(uint32_t before)
{
    __asm volatile("msr primask, %0" ::"r"(before) : "memory");
}

void fn_board_poll(void)
{
    const uint32_t before = hold_interrupts();
    attend();
    take();
    let_interrupts(before);
}

uint32_t fn_board_baud(uint32_t baud, int take)
{
    (void)baud;
    (void)take;
    return 0u; /* USB has none */
}

void fn_board_write(const uint8_t *data, uint32_t n)
{
    uint32_t since = fn_board_us();
    while (n > 0u) {
        fn_board_poll();
        if (!is_open()) { /* nobody there: dropped, as by a cable without a listener */
            return;
        }
        if (!sending) {
            const uint32_t before = hold_interrupts();
            sending = 1u;
            const uint32_t sent = send(EP_DATA, data, n);
            last_was_whole = sent == EP_PACKET && sent == n; /* of what is said here; the rest follows at once */
            let_interrupts(before);
            data += sent;
            n -= sent;
            since = fn_board_us();
        } else if (deaf || fn_board_us() - since >= DEAF_US) {
            deaf = 1u;
            return;
        }
    }
}
