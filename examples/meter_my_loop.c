/* A program in C that has its own inferences metered: one window of COUNT inferences (here: 2 ms of arithmetic each).
   cc -o meter_my_loop meter_my_loop.c && ./meter_my_loop SOCKET MODEL_ID COUNT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static volatile double sink;

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

static void infer(double seconds) {
    double until_s = now_s() + seconds;
    while (now_s() < until_s)
        for (int i = 0; i < 1000; i++) sink += i * 0.5;
}

static int answer(FILE *agent, char *line, int size) {
    if (!fgets(line, size, agent)) return 0;
    fputs(line, stdout);
    return strncmp(line, "ok", 2) == 0;
}

int main(int argc, char **argv) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char line[1024];
    if (argc != 4) return 2;
    snprintf(address.sun_path, sizeof address.sun_path, "%s", argv[1]);
    int channel = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(channel, (struct sockaddr *)&address, sizeof address) != 0) {
        perror(argv[1]);
        return 2;
    }
    FILE *agent = fdopen(channel, "r");
    dprintf(channel, "window %s\n", argv[2]);
    if (!answer(agent, line, sizeof line)) return 1;
    for (int i = 0; i < atoi(argv[3]); i++) {
        double begin_s = now_s();
        infer(0.002);
        dprintf(channel, "count 1 %.6f\n", now_s() - begin_s);
    }
    dprintf(channel, "end\n");
    if (!answer(agent, line, sizeof line)) return 1;
    return 0;
}
