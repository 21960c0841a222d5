/* Makes one file operation below a directory go wrong: loaded into a process with LD_PRELOAD.

   It stands between a program and libc, so it sees Python's, Rust's and C++'s calls alike. Every operation on a
   path below $FAULT_BELOW is counted, whatever thread makes it; the one with the number $FAULT_AT goes wrong as
   $FAULT_KIND says:

     kill   the process dies of SIGKILL before the operation
     eio    it fails with EIO, once
     full   it fails with ENOSPC, and so does every later one that needs space
     short  a write takes half of the bytes, and the rest fails with ENOSPC
     lost   it is done, and fails nevertheless: a link with EEXIST as over NFS, anything else with EIO

   $FAULT_LOG names a file that gets a line "NUMBER OPERATION PATH" for each. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { NONE, KILL, EIO_ONCE, FULL, SHORT, LOST };
enum verdict { GO, REFUSE, HALF, TELL_LOST };

static const char *below;
static size_t below_length;
static long fail_at;
static enum kind fail_kind;
static int log_fd = -1;
static atomic_long calls;
static atomic_int disk_full;

#define REAL(result, name, ...)                                  \
    static result (*real)(__VA_ARGS__);                          \
    if (!real) real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static ssize_t real_write(int fd, const void *data, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    return real(fd, data, size);
}

/* Reads the environment: when the process starts, and when a forked child asks for it. */
__attribute__((constructor)) void faults_arm(void) {
    const char *at = getenv("FAULT_AT"), *kind = getenv("FAULT_KIND"), *log = getenv("FAULT_LOG");
    below = getenv("FAULT_BELOW");
    below_length = below ? strlen(below) : 0;
    fail_at = at ? atol(at) : 0;
    fail_kind = !kind                    ? NONE
                : !strcmp(kind, "kill")  ? KILL
                : !strcmp(kind, "eio")   ? EIO_ONCE
                : !strcmp(kind, "full")  ? FULL
                : !strcmp(kind, "short") ? SHORT
                : !strcmp(kind, "lost")  ? LOST
                                         : NONE;
    calls = 0;
    disk_full = 0;
    log_fd = -1;
    if (log && below) {
        REAL(int, "open", const char *, int, ...);
        log_fd = real(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    }
}

static int watched(const char *path) {
    return below && !strncmp(path, below, below_length) && (path[below_length] == '/' || !path[below_length]);
}

static int locate(int directory, const char *path, char *whole) {
    char link[64], base[PATH_MAX];
    if (!path) return 0;
    if (*path == '/') return snprintf(whole, PATH_MAX, "%s", path) > 0;
    if (directory == AT_FDCWD) return getcwd(base, sizeof base) && snprintf(whole, PATH_MAX, "%s/%s", base, path) > 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
    ssize_t length = readlink(link, base, sizeof base - 1);
    if (length < 0) return 0;
    base[length] = 0;
    return snprintf(whole, PATH_MAX, *path ? "%s/%s" : "%s", base, path) > 0;
}

/* Counts an operation, and says what is to become of it. */
static enum verdict judge(const char *operation, const char *path, int needs_space) {
    long number = atomic_fetch_add(&calls, 1) + 1;
    if (log_fd >= 0) {
        char line[PATH_MAX + 64];
        int length = snprintf(line, sizeof line, "%ld %s %s\n", number, operation, path);
        real_write(log_fd, line, (size_t)length);
    }
    if (number != fail_at) {
        if (!disk_full || !needs_space) return GO;
        errno = ENOSPC;
        return REFUSE;
    }
    switch (fail_kind) {
    case KILL:
        kill(getpid(), SIGKILL);
        pause();
        return REFUSE;
    case EIO_ONCE:
        errno = EIO;
        return REFUSE;
    case FULL:
        disk_full = 1;
        errno = ENOSPC;
        return needs_space ? REFUSE : GO;
    case SHORT:
        disk_full = 1;
        return HALF;
    case LOST:
        return TELL_LOST;
    default:
        return GO;
    }
}

static enum verdict on_path(const char *operation, int directory, const char *path, int needs_space) {
    char whole[PATH_MAX];
    if (!below || !locate(directory, path, whole) || !watched(whole)) return GO;
    return judge(operation, whole, needs_space);
}

static enum verdict on_fd(const char *operation, int fd, int needs_space) {
    if (!below) return GO;
    char whole[PATH_MAX];
    int kept = errno;
    int found = locate(fd, "", whole);
    errno = kept;
    return found && watched(whole) ? judge(operation, whole, needs_space) : GO;
}

/* The answer to give once the operation was done, when it was. */
static long told(enum verdict verdict, long result, int error) {
    if (verdict != TELL_LOST || result < 0) return result;
    errno = error;
    return -1;
}

#define MODE(flags)                                  \
    mode_t mode = 0;                                 \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {         \
        va_list rest;                                \
        va_start(rest, flags);                       \
        mode = va_arg(rest, mode_t);                 \
        va_end(rest);                                \
    }

static int opened(enum verdict verdict, int fd) {
    if (verdict != TELL_LOST || fd < 0) return fd;
    close(fd);
    errno = EIO;
    return -1;
}

#define OPEN(name)                                                                  \
    int name(const char *path, int flags, ...) {                                    \
        REAL(int, #name, const char *, int, ...);                                   \
        MODE(flags)                                                                 \
        enum verdict verdict = on_path("open", AT_FDCWD, path, flags & O_CREAT);    \
        return verdict == REFUSE ? -1 : opened(verdict, real(path, flags, mode));   \
    }
#define OPENAT(name)                                                                         \
    int name(int directory, const char *path, int flags, ...) {                              \
        REAL(int, #name, int, const char *, int, ...);                                       \
        MODE(flags)                                                                          \
        enum verdict verdict = on_path("open", directory, path, flags & O_CREAT);            \
        return verdict == REFUSE ? -1 : opened(verdict, real(directory, path, flags, mode)); \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

#define ON_PATH(name, operation, needs_space, error, directory, path, parameters, arguments, types) \
    int name parameters {                                                                           \
        static int(*real) types;                                                                    \
        if (!real) real = (int(*) types)dlsym(RTLD_NEXT, #name);                                    \
        enum verdict verdict = on_path(operation, directory, path, needs_space);                    \
        return verdict == REFUSE ? -1 : (int)told(verdict, real arguments, error);                  \
    }
#define P const char *
ON_PATH(creat, "open", 1, EIO, AT_FDCWD, a, (P a, mode_t m), (a, m), (P, mode_t))
ON_PATH(creat64, "open", 1, EIO, AT_FDCWD, a, (P a, mode_t m), (a, m), (P, mode_t))
ON_PATH(rename, "rename", 1, EIO, AT_FDCWD, b, (P a, P b), (a, b), (P, P))
ON_PATH(renameat, "rename", 1, EIO, e, b, (int d, P a, int e, P b), (d, a, e, b), (int, P, int, P))
ON_PATH(renameat2, "rename", 1, EIO, e, b, (int d, P a, int e, P b, unsigned f), (d, a, e, b, f),
        (int, P, int, P, unsigned))
ON_PATH(link, "link", 1, EEXIST, AT_FDCWD, b, (P a, P b), (a, b), (P, P))
ON_PATH(linkat, "link", 1, EEXIST, e, b, (int d, P a, int e, P b, int f), (d, a, e, b, f), (int, P, int, P, int))
ON_PATH(unlink, "unlink", 0, EIO, AT_FDCWD, a, (P a), (a), (P))
ON_PATH(unlinkat, "unlink", 0, EIO, d, a, (int d, P a, int f), (d, a, f), (int, P, int))
ON_PATH(remove, "unlink", 0, EIO, AT_FDCWD, a, (P a), (a), (P))
ON_PATH(rmdir, "unlink", 0, EIO, AT_FDCWD, a, (P a), (a), (P))
ON_PATH(mkdir, "mkdir", 1, EIO, AT_FDCWD, a, (P a, mode_t m), (a, m), (P, mode_t))
ON_PATH(mkdirat, "mkdir", 1, EIO, d, a, (int d, P a, mode_t m), (d, a, m), (int, P, mode_t))
ON_PATH(truncate, "truncate", 1, EIO, AT_FDCWD, a, (P a, off_t s), (a, s), (P, off_t))
ON_PATH(truncate64, "truncate", 1, EIO, AT_FDCWD, a, (P a, off64_t s), (a, s), (P, off64_t))

#define ON_FD(name, operation, needs_space, parameters, arguments, types)               \
    int name parameters {                                                               \
        static int(*real) types;                                                        \
        if (!real) real = (int(*) types)dlsym(RTLD_NEXT, #name);                        \
        enum verdict verdict = on_fd(operation, fd, needs_space);                       \
        return verdict == REFUSE ? -1 : (int)told(verdict, real arguments, EIO);        \
    }
ON_FD(fsync, "fsync", 1, (int fd), (fd), (int))
ON_FD(fdatasync, "fsync", 1, (int fd), (fd), (int))
ON_FD(syncfs, "fsync", 1, (int fd), (fd), (int))
ON_FD(ftruncate, "truncate", 1, (int fd, off_t s), (fd, s), (int, off_t))
ON_FD(ftruncate64, "truncate", 1, (int fd, off64_t s), (fd, s), (int, off64_t))
ON_FD(fallocate, "truncate", 1, (int fd, int m, off_t o, off_t s), (fd, m, o, s), (int, int, off_t, off_t))

/* A write that is cut short takes half of the bytes; what is written again behind it finds the disk full. */
#define WRITE(name, count, parameters, arguments, halved, types)                        \
    ssize_t name parameters {                                                           \
        static ssize_t(*real) types;                                                    \
        if (!real) real = (ssize_t(*) types)dlsym(RTLD_NEXT, #name);                    \
        enum verdict verdict = on_fd("write", fd, 1);                                   \
        if (verdict == REFUSE) return -1;                                               \
        if (verdict == HALF && (count) > 1) return real halved;                         \
        return (ssize_t)told(verdict, real arguments, EIO);                             \
    }
#define D const void *
#define V const struct iovec *
WRITE(write, n, (int fd, D p, size_t n), (fd, p, n), (fd, p, n / 2), (int, D, size_t))
WRITE(pwrite, n, (int fd, D p, size_t n, off_t o), (fd, p, n, o), (fd, p, n / 2, o), (int, D, size_t, off_t))
WRITE(pwrite64, n, (int fd, D p, size_t n, off64_t o), (fd, p, n, o), (fd, p, n / 2, o), (int, D, size_t, off64_t))
WRITE(writev, n, (int fd, V p, int n), (fd, p, n), (fd, p, n / 2), (int, V, int))
WRITE(pwritev, n, (int fd, V p, int n, off_t o), (fd, p, n, o), (fd, p, n / 2, o), (int, V, int, off_t))
WRITE(pwritev64, n, (int fd, V p, int n, off64_t o), (fd, p, n, o), (fd, p, n / 2, o), (int, V, int, off64_t))
