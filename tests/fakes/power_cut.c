/* Records what a process writes to the files of one folder, in order: preloaded, it stands between SQLite and libc.
 *
 * Each record is five little-endian 64-bit integers: operation, file, offset, length of the data, and 0; then the data.
 * "File" numbers the paths in order of their first opening; opening a new one gives a record with the path as data. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OPEN = 1, WRITE = 2, TRUNCATE = 3, SYNC = 4, UNLINK = 5 };
enum { MAX_FDS = 4096, MAX_FILES = 256 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int file_of_fd[MAX_FDS]; /* 0: not recorded */
static char *paths[MAX_FILES];
static int path_count;
static int log_fd = -1;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static void record(int64_t operation, int64_t file, int64_t offset, const void *data, int64_t length) {
    int64_t head[5] = {operation, file, offset, length, 0};
    struct iovec parts[2] = {{head, sizeof head}, {(void *)data, (size_t)length}};
    if (log_fd >= 0 && writev(log_fd, parts, 2) < 0) abort();
}

static int file_number(const char *path, int add) {
    const char *folder = getenv("POWER_CUT_DIR");
    char full[PATH_MAX];
    if (folder == NULL || path == NULL) return 0;
    if (path[0] == '/') strncpy(full, path, sizeof full - 1), full[sizeof full - 1] = 0;
    else return 0;
    size_t length = strlen(folder); /* the folder itself is recorded too: its sync makes names durable */
    if (strncmp(full, folder, length) != 0 || (full[length] != '/' && full[length] != 0)) return 0;
    if (strstr(full, "-shm") != NULL) return 0;
    for (int i = 0; i < path_count; i++)
        if (strcmp(paths[i], full) == 0) return i + 1;
    if (!add || path_count == MAX_FILES) return 0;
    if (log_fd < 0) log_fd = REAL(open)(getenv("POWER_CUT_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    paths[path_count++] = strdup(full);
    record(OPEN, path_count, 0, full, (int64_t)strlen(full));
    return path_count;
}

static int note_open(int fd, const char *path, int flags) {
    if (fd >= 0 && fd < MAX_FDS) {
        pthread_mutex_lock(&lock);
        file_of_fd[fd] = file_number(path, 1);
        if (file_of_fd[fd] && (flags & O_TRUNC)) record(TRUNCATE, file_of_fd[fd], 0, NULL, 0);
        pthread_mutex_unlock(&lock);
    }
    return fd;
}

#define OPENER(name)                                                                   \
    int name(const char *path, int flags, ...) {                                       \
        va_list list;                                                                  \
        va_start(list, flags);                                                         \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(list, mode_t) : 0;      \
        va_end(list);                                                                  \
        return note_open(REAL(name)(path, flags, mode), path, flags);                  \
    }
OPENER(open)
OPENER(open64)

#define POSITIONED(name, offset_type)                                                  \
    ssize_t name(int fd, const void *data, size_t length, offset_type offset) {        \
        ssize_t done = REAL(name)(fd, data, length, offset);                           \
        pthread_mutex_lock(&lock);                                                     \
        if (done > 0 && fd < MAX_FDS && file_of_fd[fd]) record(WRITE, file_of_fd[fd], offset, data, done); \
        pthread_mutex_unlock(&lock);                                                   \
        return done;                                                                   \
    }
POSITIONED(pwrite, off_t)
POSITIONED(pwrite64, off64_t)

ssize_t write(int fd, const void *data, size_t length) {
    ssize_t done = REAL(write)(fd, data, length);
    if (done > 0 && fd >= 0 && fd < MAX_FDS && file_of_fd[fd]) {
        pthread_mutex_lock(&lock);
        record(WRITE, file_of_fd[fd], lseek(fd, 0, SEEK_CUR) - done, data, done);
        pthread_mutex_unlock(&lock);
    }
    return done;
}

#define TRUNCATER(name, offset_type)                                                   \
    int name(int fd, offset_type length) {                                             \
        int failed = REAL(name)(fd, length);                                           \
        pthread_mutex_lock(&lock);                                                     \
        if (!failed && fd < MAX_FDS && file_of_fd[fd]) record(TRUNCATE, file_of_fd[fd], length, NULL, 0); \
        pthread_mutex_unlock(&lock);                                                   \
        return failed;                                                                 \
    }
TRUNCATER(ftruncate, off_t)
TRUNCATER(ftruncate64, off64_t)

#define SYNCER(name)                                                                   \
    int name(int fd) {                                                                 \
        int failed = REAL(name)(fd);                                                   \
        pthread_mutex_lock(&lock);                                                     \
        if (!failed && fd >= 0 && fd < MAX_FDS && file_of_fd[fd]) record(SYNC, file_of_fd[fd], 0, NULL, 0); \
        pthread_mutex_unlock(&lock);                                                   \
        return failed;                                                                 \
    }
SYNCER(fsync)
SYNCER(fdatasync)

int unlink(const char *path) {
    int failed = REAL(unlink)(path);
    pthread_mutex_lock(&lock);
    int file = failed ? 0 : file_number(path, 0);
    if (file) record(UNLINK, file, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return failed;
}

int close(int fd) {
    if (fd >= 0 && fd < MAX_FDS) file_of_fd[fd] = 0;
    return REAL(close)(fd);
}
