/* Loaded before the C library: keeps beside the folder DISK_DATA what a power loss would leave of it.
 *
 * What a process writes is in the system's memory until it is synced. So a file's content reaches its
 * copy with the fsync or fdatasync of that file, and names (a file made, renamed or removed) reach the
 * copy of the folder with the fsync of the folder:
 *
 *   DISK_SHADOW/files/<inode>  each file, as of its last fsync
 *   DISK_SHADOW/folder/<name>  links to these, as of the folder's last fsync
 *
 * With DISK_LIES nothing does: a disk that says it has what it has not.
 *
 * sync_file_range promises nothing of a file's size and is not heeded; what is written through a
 * mapping (SQLite's -shm) is never durable. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILES_MAX 64

struct range { off_t from, to; };

/* A file of the folder. */
struct file {
    ino_t inode;
    struct range *unsynced;
    size_t count, room;
    /* One fsync of a file after another, so that an older content never covers a newer one. */
    pthread_mutex_t syncing;
};

static struct file files[FILES_MAX];
static int known;
static pthread_mutex_t table = PTHREAD_MUTEX_INITIALIZER;
static char data[PATH_MAX], shadow[PATH_MAX - 128];
static struct stat folder;

#define REAL(name) ({ static __typeof__(&name) real; \
    real = real ? real : (__typeof__(&name))dlsym(RTLD_NEXT, #name); real; })

static void broken(const char *what) {
    perror(what);
    abort();
}

static void copy_path(char *path, ino_t inode) {
    sprintf(path, "%s/files/%lu", shadow, (unsigned long)inode);
}

static int open_copy(ino_t inode) {
    char path[PATH_MAX];
    copy_path(path, inode);
    int copy = REAL(open)(path, O_RDWR | O_CREAT, 0600);
    if (copy < 0) broken(path);
    return copy;
}

static void copy_range(int from, int to, struct range range) {
    char bytes[1 << 16];
    while (range.from < range.to) {
        size_t want = range.to - range.from;
        ssize_t got = pread(from, bytes, want < sizeof bytes ? want : sizeof bytes, range.from);
        if (got < 0) broken("disk: pread");
        if (got == 0) return; /* It was cut off meanwhile. */
        if (REAL(pwrite64)(to, bytes, got, range.from) != got) broken("disk: pwrite");
        range.from += got;
    }
}

/* The folder's names as they are now, one after another. */
static void sync_names(void) {
    char copy[PATH_MAX], new[PATH_MAX], kept[PATH_MAX];
    struct dirent *entry;
    struct stat stat_;
    sprintf(new, "%s/folder/.new", shadow);
    DIR *names = opendir(data);
    while (names && (entry = readdir(names))) {
        if (fstatat(dirfd(names), entry->d_name, &stat_, 0) || !S_ISREG(stat_.st_mode)) continue;
        close(open_copy(stat_.st_ino));
        copy_path(copy, stat_.st_ino);
        sprintf(kept, "%s/folder/%.64s", shadow, entry->d_name);
        if (link(copy, new) || rename(new, kept)) broken(kept);
        REAL(unlink)(new); /* Two links to one file are left as they are. */
    }
    if (names) closedir(names);
    sprintf(kept, "%s/folder", shadow);
    names = opendir(kept);
    while (names && (entry = readdir(names))) {
        sprintf(copy, "%.2048s/%.64s", data, entry->d_name);
        if (entry->d_name[0] != '.' && access(copy, F_OK)) unlinkat(dirfd(names), entry->d_name, 0);
    }
    if (names) closedir(names);
}

/* What is there at the start has survived. */
__attribute__((constructor)) static void begin(void) {
    const char *from = getenv("DISK_DATA"), *to = getenv("DISK_SHADOW");
    if (!from || !to || !realpath(from, data) || stat(data, &folder)) return;
    snprintf(shadow, sizeof shadow, "%s", to);
    struct dirent *entry;
    struct stat stat_;
    DIR *names = opendir(data);
    while (names && (entry = readdir(names))) {
        int file = openat(dirfd(names), entry->d_name, O_RDONLY);
        if (file >= 0 && !fstat(file, &stat_) && S_ISREG(stat_.st_mode)) {
            int copy = open_copy(stat_.st_ino);
            copy_range(file, copy, (struct range){0, stat_.st_size});
            close(copy);
        }
        close(file);
    }
    if (names) closedir(names);
    sync_names();
}

static struct file *find(ino_t inode) {
    for (int n = 0; n < known; n++)
        if (files[n].inode == inode) return &files[n];
    return NULL;
}

/* The file behind a descriptor, if it is one of the folder's. */
static struct file *file_of(int fd) {
    struct stat stat_;
    if (!known || fstat(fd, &stat_) || !S_ISREG(stat_.st_mode)) return NULL;
    return stat_.st_dev == folder.st_dev ? find(stat_.st_ino) : NULL;
}

static int opened(int fd) {
    char link_[64], path[PATH_MAX];
    struct stat stat_;
    if (fd < 0 || !shadow[0] || fstat(fd, &stat_) || !S_ISREG(stat_.st_mode)) return fd;
    sprintf(link_, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link_, path, sizeof path - 1);
    if (length < 0) return fd;
    path[length] = 0;
    if (strncmp(path, data, strlen(data)) || path[strlen(data)] != '/') return fd;
    pthread_mutex_lock(&table);
    if (!find(stat_.st_ino)) {
        if (known == FILES_MAX) broken("disk: too many files");
        files[known] = (struct file){.inode = stat_.st_ino};
        pthread_mutex_init(&files[known].syncing, NULL);
        known++;
    }
    pthread_mutex_unlock(&table);
    return fd;
}

/* To be called with the table locked. */
static void note(struct file *file, off_t from, off_t to) {
    struct range *last = file->count ? &file->unsynced[file->count - 1] : NULL;
    if (last && last->to == from) {
        last->to = to;
        return;
    }
    if (file->count == file->room) {
        file->room = file->room ? 2 * file->room : 64;
        file->unsynced = realloc(file->unsynced, file->room * sizeof *file->unsynced);
        if (!file->unsynced) broken("disk: realloc");
    }
    file->unsynced[file->count++] = (struct range){from, to};
}

/* After a write that moved the descriptor's place. */
static ssize_t wrote(int fd, ssize_t bytes) {
    struct file *file = bytes > 0 ? file_of(fd) : NULL;
    if (!file) return bytes;
    pthread_mutex_lock(&table);
    off_t to = lseek(fd, 0, SEEK_CUR);
    note(file, to - bytes, to);
    pthread_mutex_unlock(&table);
    return bytes;
}

static ssize_t wrote_at(int fd, ssize_t bytes, off_t at) {
    struct file *file = bytes > 0 ? file_of(fd) : NULL;
    if (!file) return bytes;
    pthread_mutex_lock(&table);
    note(file, at, at + bytes);
    pthread_mutex_unlock(&table);
    return bytes;
}

/* What was written before the fsync began is in the copy before the fsync is over. */
static int synced(int fd, int (*real)(int)) {
    struct stat stat_;
    if (getenv("DISK_LIES")) return 0;
    if (shadow[0] && !fstat(fd, &stat_) && stat_.st_ino == folder.st_ino && S_ISDIR(stat_.st_mode)) {
        pthread_mutex_lock(&table);
        sync_names();
        pthread_mutex_unlock(&table);
        return real(fd);
    }
    struct file *file = file_of(fd);
    if (!file) return real(fd);
    pthread_mutex_lock(&file->syncing);
    pthread_mutex_lock(&table);
    struct range *ranges = file->unsynced;
    size_t count = file->count;
    file->unsynced = NULL;
    file->count = file->room = 0;
    fstat(fd, &stat_);
    pthread_mutex_unlock(&table);
    int result = real(fd);
    /* The descriptor itself may be for writing alone. */
    char path[64];
    sprintf(path, "/proc/self/fd/%d", fd);
    int from = REAL(open)(path, O_RDONLY), copy = open_copy(file->inode);
    if (from < 0) broken("disk: open");
    if (REAL(ftruncate64)(copy, stat_.st_size)) broken("disk: ftruncate");
    for (size_t n = 0; n < count; n++) copy_range(from, copy, ranges[n]);
    close(from);
    close(copy);
    free(ranges);
    pthread_mutex_unlock(&file->syncing);
    return result;
}

#define OPEN(name, before, ...) \
    int name(before, int flags, ...) { \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more); \
        return opened(REAL(name)(__VA_ARGS__, flags, mode)); \
    }
#define AT int at, const char *path
OPEN(open, const char *path, path)
OPEN(open64, const char *path, path)
OPEN(openat, AT, at, path)
OPEN(openat64, AT, at, path)

ssize_t write(int fd, const void *bytes, size_t count) {
    return wrote(fd, REAL(write)(fd, bytes, count));
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
    return wrote(fd, REAL(writev)(fd, parts, count));
}
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
    return wrote_at(fd, REAL(pwrite)(fd, bytes, count, at), at);
}
ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t at) {
    return wrote_at(fd, REAL(pwrite64)(fd, bytes, count, at), at);
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) {
    return wrote_at(fd, REAL(pwritev)(fd, parts, count, at), at);
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t at) {
    return wrote_at(fd, REAL(pwritev64)(fd, parts, count, at), at);
}

/* What lay between the old end and the new one reads as zeros from here on. */
static int cut(int fd, off_t length, int (*real)(int, off_t)) {
    struct file *file = file_of(fd);
    struct stat before;
    if (!file || fstat(fd, &before)) return real(fd, length);
    pthread_mutex_lock(&table);
    int result = real(fd, length);
    if (!result && length < before.st_size) note(file, length, before.st_size);
    pthread_mutex_unlock(&table);
    return result;
}
int ftruncate(int fd, off_t length) { return cut(fd, length, REAL(ftruncate)); }
int ftruncate64(int fd, off_t length) { return cut(fd, length, REAL(ftruncate64)); }

int fsync(int fd) { return synced(fd, REAL(fsync)); }
int fdatasync(int fd) { return synced(fd, REAL(fdatasync)); }

/* Its number may be given to another file; what the folder's copy links to stays. */
int unlink(const char *path) {
    struct stat stat_;
    int result, was = shadow[0] && !lstat(path, &stat_) && S_ISREG(stat_.st_mode);
    pthread_mutex_lock(&table);
    result = REAL(unlink)(path);
    struct file *file = was && !result && stat_.st_nlink == 1 ? find(stat_.st_ino) : NULL;
    if (file) {
        char copy[PATH_MAX];
        copy_path(copy, file->inode);
        REAL(unlink)(copy);
        file->count = 0;
    }
    pthread_mutex_unlock(&table);
    return result;
}
