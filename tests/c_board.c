/* c_board.c: a process that is a board with the C runtime: its serial port is a TCP port, its flash a file at the address where
 * a chip has it. `c_board LISTENER FLASH [RATES]`: the number of a listening socket, and of a pipe that is told at which baud
 * rate it speaks, where it can change that. One client after another; it ends when its parent does. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "fn_board_config.h"
#include "firmnet_link.h"
#include "fn_served.h"

static int client = -1;
static int rates = -1;

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

void fn_board_write(const uint8_t *data, uint32_t n)
{
    while (n > 0 && client >= 0) {
        const ssize_t sent = send(client, data, n, MSG_NOSIGNAL);
        if (sent <= 0) {
            return;
        }
        data += sent;
        n -= (uint32_t)sent;
    }
}

uint32_t fn_board_baud(uint32_t baud, int take)
{
    if (rates >= 0 && take) {
        usleep(5000); /* what was written has come through before, and what will be comes behind */
        if (write(rates, &baud, sizeof baud) < 0) {
            return 0u;
        }
        usleep(5000);
    }
    return rates < 0 ? 0u : baud;
}

uint32_t fn_board_ms(void)
{
    return (uint32_t)(now_us() / 1000u);
}

uint32_t fn_board_us(void)
{
    return (uint32_t)now_us();
}

static void lay_out_flash(const char *path)
{
    const int file = open(path, O_RDONLY);
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    void *const at = mmap((void *)(uintptr_t)FN_FLASH_ORIGIN, FN_FLASH_BYTES, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (file < 0 || at == MAP_FAILED || read(file, at, FN_FLASH_BYTES) < 0) {
        perror(path);
        exit(1);
    }
    close(file);
}

int main(int count, char **arguments)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (count < 3) {
        return 1;
    }
    lay_out_flash(arguments[2]);
    rates = count > 3 ? atoi(arguments[3]) : -1;
    fn_link_window = fn_kept_count; /* a socket holds them */
    for (;;) {
        client = accept(atoi(arguments[1]), 0, 0);
        if (client < 0) {
            return 1;
        }
        const int at_once = 1;
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
        fn_link_begin();
        for (;;) {
            struct pollfd waiting = {client, POLLIN, 0};
            uint8_t bytes[4096];
            if (poll(&waiting, 1, 1) > 0) {
                const ssize_t n = read(client, bytes, sizeof bytes);
                if (n <= 0) {
                    break;
                }
                for (ssize_t i = 0; i < n; i++) {
                    fn_link_receive(bytes[i]);
                }
            } else {
                fn_link_idle();
            }
        }
        close(client);
        client = -1;
    }
}
