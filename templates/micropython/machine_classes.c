/* machine_classes.c: the parts of MicroPython's machine module that a port completes, and what completes them.
 *
 * Included here, in the order in which they need each other: a build then sees that one is made of the other.
 */
#include "py/mpconfig.h"

#if MICROPY_PY_MACHINE

#include "fn_machine_adc.h"
#include "fn_machine_port.h"
#include "fn_machine_pwm.h"
#include "fn_machine_uart.h"
#include "fn_machine_wdt.h"

#include "extmod/machine_adc.c"
#include "extmod/machine_pwm.c"
#include "extmod/machine_uart.c"
#include "extmod/machine_wdt.c"
#include "extmod/modmachine.c"

#endif
