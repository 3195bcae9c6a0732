/* Plays libnvidia-ml.so.1 for one card: a constant power in milliwatts, and a counter of its millijoules that moves on
 * in steps of UPDATE_MS, as drivers' counters do. Nothing answers before nvmlInit_v2.
 *
 * Compiled with -DPOWER_MW=..., and -DNO_COUNTER for a card from before Volta, -DHOT for one that heat slows.
 * Types and codes: NVML API Reference.
 */
#include <stdio.h>
#include <time.h>

#define SUCCESS 0
#define UNINITIALIZED 1
#define INVALID_ARGUMENT 2
#define NOT_SUPPORTED 3

typedef struct {
    unsigned int gpu, memory;
} utilization_t;

#ifndef UPDATE_MS
#define UPDATE_MS 100
#endif

static int card, ready;

int nvmlInit_v2(void) {
    ready = 1;
    return SUCCESS;
}

int nvmlDeviceGetCount_v2(unsigned int *count) {
    if (!ready) return UNINITIALIZED;
    *count = 1;
    return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **handle) {
    if (!ready) return UNINITIALIZED;
    if (index != 0) return INVALID_ARGUMENT;
    *handle = &card;
    return SUCCESS;
}

int nvmlDeviceGetName(void *handle, char *text, unsigned int size) {
    if (handle != &card) return INVALID_ARGUMENT;
    snprintf(text, size, "Played Card");
    return SUCCESS;
}

int nvmlDeviceGetUUID(void *handle, char *text, unsigned int size) {
    if (handle != &card) return INVALID_ARGUMENT;
    snprintf(text, size, "GPU-00000000-0000-0000-0000-000000000001");
    return SUCCESS;
}

int nvmlSystemGetDriverVersion(char *text, unsigned int size) {
    snprintf(text, size, "550.1");
    return SUCCESS;
}

int nvmlDeviceGetEnforcedPowerLimit(void *handle, unsigned int *milliwatts) {
    if (handle != &card) return INVALID_ARGUMENT;
    *milliwatts = 2 * POWER_MW;
    return SUCCESS;
}

int nvmlDeviceGetPowerUsage(void *handle, unsigned int *milliwatts) {
    if (handle != &card) return INVALID_ARGUMENT;
    *milliwatts = POWER_MW;
    return SUCCESS;
}

int nvmlDeviceGetTotalEnergyConsumption(void *handle, unsigned long long *millijoules) {
    struct timespec now;
    if (handle != &card) return INVALID_ARGUMENT;
#ifdef NO_COUNTER
    return NOT_SUPPORTED;
#endif
    clock_gettime(CLOCK_MONOTONIC, &now);
    unsigned long long steps = (now.tv_sec * 1000ULL + now.tv_nsec / 1000000) / UPDATE_MS;
    *millijoules = steps * UPDATE_MS * POWER_MW / 1000;
    return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(void *handle, utilization_t *rates) {
    if (handle != &card) return INVALID_ARGUMENT;
    rates->gpu = BUSY_PERCENT;
    rates->memory = 0;
    return SUCCESS;
}

int nvmlDeviceGetCurrentClocksThrottleReasons(void *handle, unsigned long long *bits) {
    if (handle != &card) return INVALID_ARGUMENT;
#ifdef HOT
    *bits = 0x40;
#else
    *bits = 0x4;
#endif
    return SUCCESS;
}
