// Preloaded into a process, writes down to POSTRIDER_TEST_CALLS whenever it calls an address of the
// Internet or asks libc's resolver for one.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void note(const char *what) {
    const char *path = getenv("POSTRIDER_TEST_CALLS");
    int file = path ? open(path, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;
    if (file < 0) return;
    if (write(file, what, strlen(what)) < 0) abort();
    close(file);
}

static int abroad(const struct sockaddr *to) {
    return to && (to->sa_family == AF_INET || to->sa_family == AF_INET6);
}

#define NEXT(name) static __typeof__(name) *next; if (!next) next = dlsym(RTLD_NEXT, #name)

int connect(int fd, const struct sockaddr *to, socklen_t length) {
    NEXT(connect);
    if (abroad(to)) note("connect\n");
    return next(fd, to, length);
}

ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to, socklen_t length) {
    NEXT(sendto);
    if (abroad(to)) note("sendto\n");
    return next(fd, data, size, flags, to, length);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    NEXT(sendmsg);
    if (abroad(message->msg_name)) note("sendmsg\n");
    return next(fd, message, flags);
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    NEXT(getaddrinfo);
    note("getaddrinfo\n");
    return next(name, service, hints, found);
}
