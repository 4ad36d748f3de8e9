/* usb_cdc.h: what does a board say of itself over USB, so that it becomes a serial port? Descriptors, requests, none of a chip's.
 *
 * Chapters are those of USB 2.0, and of its class for communications (CDC 1.2, PSTN 1.2): an abstract control model, which all
 * systems know without a driver. The glue gives FN_USB_VID and FN_USB_PID.
 */
#ifndef FN_USB_CDC_H
#define FN_USB_CDC_H

#include <stdint.h>

#include "fn_board_config.h"

#define EP_PACKET 64u /* the most in one packet, full speed (5.8.3) */
enum { EP_NOTICE_IN = 1u, EP_DATA = 2u }; /* nothing is ever said on the first, which the class demands */
enum { CONTROL_INTERFACE = 0u, DATA_INTERFACE = 1u };

/* ---- descriptors (9.6; CDC 5.2) ---- */

enum { DESCRIPTOR_DEVICE = 1u, DESCRIPTOR_CONFIGURATION = 2u, DESCRIPTOR_STRING = 3u };
enum { STRING_LANGUAGES = 0u, STRING_MAKER = 1u, STRING_PRODUCT = 2u };

#define LOW(word) ((word) & 0xFFu)
#define HIGH(word) ((word) >> 8 & 0xFFu)

static const uint8_t device_descriptor[] = {
    18, DESCRIPTOR_DEVICE, 0x00, 0x02, /* USB 2.0 */
    0xEF, 2, 1, /* interfaces come in groups */
    EP_PACKET, LOW(FN_USB_VID), HIGH(FN_USB_VID), LOW(FN_USB_PID), HIGH(FN_USB_PID), 0x00, 0x01,
    STRING_MAKER, STRING_PRODUCT, 0, 1, /* no serial number: boards alike are told apart by their place on the bus */
};

static const uint8_t configuration_descriptor[] = {
    9, DESCRIPTOR_CONFIGURATION, 75, 0, 2, 1, 0, 0x80, 125, /* two interfaces; from the bus, at most 250 mA */
    8, 11, CONTROL_INTERFACE, 2, 2, 2, 0, 0, /* both are one function: CDC, abstract control model */
    9, 4, CONTROL_INTERFACE, 0, 1, 2, 2, 0, 0,
    5, 0x24, 0, 0x20, 0x01, /* CDC 1.2 */
    5, 0x24, 1, 0, DATA_INTERFACE, /* no calls to manage */
    4, 0x24, 2, 2, /* knows line coding and line state */
    5, 0x24, 6, CONTROL_INTERFACE, DATA_INTERFACE,
    7, 5, 0x80 | EP_NOTICE_IN, 3, 8, 0, 255, /* interrupt */
    9, 4, DATA_INTERFACE, 0, 2, 10, 0, 0, 0,
    7, 5, EP_DATA, 2, EP_PACKET, 0, 0, /* bulk, there */
    7, 5, 0x80 | EP_DATA, 2, EP_PACKET, 0, 0, /* and back */
};
_Static_assert(sizeof configuration_descriptor == 75, "its length stands in it");

/* One text as a descriptor: 16 bits for each letter, as many as one packet holds. Returns its bytes. */
static uint32_t string_descriptor(const char *text, uint8_t *made)
{
    uint32_t n = 2;
    for (; *text && n < EP_PACKET; text++) {
        made[n++] = (uint8_t)*text;
        made[n++] = 0;
    }
    made[0] = (uint8_t)n;
    made[1] = DESCRIPTOR_STRING;
    return n;
}

/* ---- requests (9.4; PSTN 6.3) ---- */

typedef struct {
    uint8_t kind; /* bit 7: the board answers with data; bits 6 to 5: 0 of USB's, 1 of the class */
    uint8_t request;
    uint16_t value;
    uint16_t index;
    uint16_t length;
} usb_setup;

enum { TO_HOST = 0x80u, KIND_BITS = 0x60u, KIND_STANDARD = 0x00u, KIND_CLASS = 0x20u };
enum { TO_BITS = 0x1Fu, TO_ENDPOINT = 2u };
enum {
    GET_STATUS = 0u,
    CLEAR_FEATURE = 1u,
    SET_FEATURE = 3u,
    SET_ADDRESS = 5u,
    GET_DESCRIPTOR = 6u,
    GET_CONFIGURATION = 8u,
    SET_CONFIGURATION = 9u,
    GET_INTERFACE = 10u,
    SET_INTERFACE = 11u,
};
enum { SET_LINE_CODING = 0x20u, GET_LINE_CODING = 0x21u, SET_LINE_STATE = 0x22u, SEND_BREAK = 0x23u };
enum { LINE_CODING_BYTES = 7u, LINE_DTR = 1u };

#define TOUCH_BAUD 1200u /* who opens the port at this rate and closes it wants the bootloader */

#endif
