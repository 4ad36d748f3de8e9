/* faults.h: what startup.c and faults.c have in common. */
#ifndef FN_FAULTS_H
#define FN_FAULTS_H

/* Below the stack. As much as the largest frame of a model's function: none leaps over it. cortexm.ld knows it too. */
#define FN_GUARD_BYTES 512u

void fn_guard_stack(void);
void fn_check_guard(void);
void fn_fault(void); /* every fault and unexpected interrupt */
void NMI_Handler(void);
void PendSV_Handler(void); /* with MicroPython, whose programs may start a watchdog */

#endif
