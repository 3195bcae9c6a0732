/* Preloaded, it lets a process see another date: SHIFTED_CLOCK_S seconds from the true one. Waiting is not touched. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static time_t shift_s(void) {
    const char *text = getenv("SHIFTED_CLOCK_S");
    return text != NULL ? (time_t)atoll(text) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int code = (int)syscall(SYS_clock_gettime, clock, now);
    if (code == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += shift_s();
    return code;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec read;
    int code = clock_gettime(CLOCK_REALTIME, &read);
    (void)zone;
    now->tv_sec = read.tv_sec, now->tv_usec = read.tv_nsec / 1000;
    return code;
}

time_t time(time_t *out) {
    struct timespec read;
    clock_gettime(CLOCK_REALTIME, &read);
    if (out != NULL) *out = read.tv_sec;
    return read.tv_sec;
}
