/* fn_machine.h: what may a chip have beside its port and its clock? Pins and what is wired to them, a watchdog, an id.
 *
 * A family's file beside its glue answers it (stm32f4_pins.c), arduino_pins.cpp on an Arduino core. What it leaves out is
 * taken from lacking.c, which says that it is not there. A pin is a number of the family's own.
 */
#ifndef FN_MACHINE_H
#define FN_MACHINE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* In place of an answer: there is none, it did not become ready, it cannot be set so, it sends no such parity. */
enum { FN_LACKS = -1, FN_SILENT = -2, FN_RANGE = -3, FN_FORMAT = -4 };

/* ---- pins ---- */

typedef enum fn_pin_mode { FN_IN, FN_OUT, FN_OPEN_DRAIN } fn_pin_mode;
typedef enum fn_pin_pull { FN_PULL_NONE, FN_PULL_UP, FN_PULL_DOWN } fn_pin_pull;

int32_t fn_pin_called(const char *name);  /* the pin that the chip, or its core, calls so; FN_LACKS */
int32_t fn_pin_numbered(uint32_t number); /* where pins are called by number too; FN_LACKS */
int fn_pin_set(uint32_t pin, fn_pin_mode mode, fn_pin_pull pull); /* 0, or FN_LACKS where it has no such pull */
void fn_pin_write(uint32_t pin, int high);
int fn_pin_read(uint32_t pin);   /* the level at the pin, 0 or 1 */
int fn_pin_driven(uint32_t pin); /* the level that was last written */

/* ---- what is wired to pins ---- */

int32_t fn_adc_open(uint32_t pin); /* 0, FN_LACKS, FN_SILENT */
int32_t fn_adc_read(uint32_t pin); /* 0 to 65,535 for 0 V to the reference; FN_SILENT */

/* Some pins share a timer, and so the frequency that was set last. */
int32_t fn_pwm_set(uint32_t pin, uint32_t hz, uint32_t duty); /* duty of 65,535; 0, FN_LACKS, FN_RANGE */
void fn_pwm_stop(uint32_t pin);

/* One UART beside the port. It is open on its own pins, see the board file. */
typedef enum fn_parity { FN_NO_PARITY, FN_EVEN, FN_ODD } fn_parity;
int32_t fn_uart_open(uint32_t baud, fn_parity parity, uint32_t stop_bits); /* 0, FN_LACKS, FN_RANGE, FN_FORMAT */
void fn_uart_close(void);
uint32_t fn_uart_waiting(void); /* bytes that can be read */
int fn_uart_get(void);          /* the next, or -1 */
int fn_uart_put(uint8_t byte);  /* whether it could be taken at once */
int fn_uart_sent(void);         /* whether everything has left */

/* ---- the chip ---- */

int32_t fn_watchdog_start(uint32_t ms); /* 0, FN_LACKS, FN_RANGE, FN_SILENT */
void fn_watchdog_feed(void);
/* Not fed for so long, it is about to reset the board: says once what hangs, or notes it for after the reset. 0: it was fed after all. */
void fn_watchdog_is_due(uint32_t ms);

#define FN_ID_BYTES 16u
uint32_t fn_unique_id(uint8_t *id); /* how many bytes it has; an emulator's are zeros, some chips have none */

/* As MicroPython counts them. */
typedef enum fn_reset_cause { FN_UNKNOWN, FN_POWER_ON, FN_HARD, FN_WATCHDOG, FN_DEEP_SLEEP, FN_SOFT } fn_reset_cause;
fn_reset_cause fn_why_reset(void); /* asked once after every reset: it forgets */
void fn_reset(void) __attribute__((noreturn));
int32_t fn_bootloader(void); /* starts what takes a new firmware; returns FN_LACKS where there is none */

/* ---- what the board file says, for every family: pins.c ---- */

typedef struct fn_i2c_pins {
    int32_t id; /* FN_LACKS: no more */
    const char *scl, *sda;
} fn_i2c_pins;

typedef struct fn_spi_pins {
    int32_t id; /* FN_LACKS: no more */
    const char *sck, *miso, *mosi;
} fn_spi_pins;

extern const fn_i2c_pins fn_i2c_buses[];
extern const fn_spi_pins fn_spi_buses[];
extern const int32_t fn_uart_id; /* of the UART beside the port; FN_LACKS */

int32_t fn_pin_named(const char *name); /* the board's names first: "LED", then the chip's */
uint32_t fn_core_hz(void);

/* ---- what the glue calls ---- */

void fn_tick(void); /* in every tick of a millisecond, in an interrupt or not; startup.c does so with SysTick */

#ifdef __cplusplus
}
#endif

#endif
