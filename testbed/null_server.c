/* A server that computes nothing and writes down when each request came.
 *
 *   null_server LOG [STALL_MS:AFTER_MS [SERVICE_US]]
 *
 * Prints its port on 127.0.0.1 and ends with standard input. It answers each HTTP/1.1 request, once its body is there,
 * with the same 200. To the file LOG it writes, when it ends, the time at which each request's first byte was read:
 * nanoseconds of CLOCK_MONOTONIC, 8 bytes each, in the order of arrival. It can stall: be silent for STALL_MS, once,
 * from AFTER_MS after its first request on. It can take SERVICE_US for each request, one after the other: a queue. That
 * time passes by the clock, whatever else the processor does. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 256
#define RECEIVE (1 << 18)
#define CLIENTS 65536
#define HEAD 8192

static const char answer[] =
    "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 16\r\n\r\nxxxxxxxxxxxxxxxx";

struct client {
    size_t left;  /* bytes of the body still to come */
    size_t have;  /* bytes of a head that is not whole */
    char head[HEAD];
};

static struct client *clients[CLIENTS];
static uint64_t *times;
static size_t count, room;
static uint64_t service, busy_until;
static struct { uint64_t due; int fd; } waiting[CLIENTS];
static size_t first_waiting, last_waiting; /* places modulo CLIENTS */
static char buffer[RECEIVE + HEAD];

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void came(uint64_t moment) {
    if (count == room) {
        room = room ? 2 * room : 1 << 20;
        times = realloc(times, room * sizeof *times);
        if (!times) fail("memory");
    }
    times[count++] = moment;
}

static void leave(int fd) {
    close(fd);
    free(clients[fd]);
    clients[fd] = NULL;
}

/* Length of the body that a head of `size` bytes announces; -1 where it has none. */
static long length_of(const char *head, size_t size) {
    static const char name[] = "\ncontent-length:";
    for (size_t i = 0; i + sizeof name < size; i++)
        if (head[i] == '\n' && strncasecmp(head + i, name, sizeof name - 1) == 0)
            return strtol(head + i + sizeof name - 1, NULL, 10);
    return 0;
}

/* Take what came; how many requests are whole now, -1 where a head is too long. */
static int feed(struct client *client, char *data, size_t size, uint64_t moment) {
    int whole = 0;
    while (size) {
        if (client->left) {
            size_t part = size < client->left ? size : client->left;
            client->left -= part, data += part, size -= part;
            if (!client->left) whole++;
            continue;
        }
        if (!client->have) came(moment);
        if (client->have) { /* rare: a head in two pieces */
            if (client->have + size > HEAD) return -1;
            memmove(data + client->have, data, size);
            memcpy(data, client->head, client->have);
            size += client->have;
            client->have = 0;
        }
        char *end = memmem(data, size, "\r\n\r\n", 4);
        if (!end) {
            if (size > HEAD) return -1;
            memcpy(client->head, data, size);
            client->have = size;
            return whole;
        }
        size_t head = (size_t)(end - data) + 4;
        client->left = (size_t)length_of(data, head);
        data += head, size -= head;
        if (!client->left) whole++;
    }
    return whole;
}

static void reply(int fd) {
    if (send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL) != (ssize_t)(sizeof answer - 1)) leave(fd);
}

static void wait_in_line(int fd) {
    uint64_t moment = now();
    busy_until = (busy_until > moment ? busy_until : moment) + service;
    if (last_waiting - first_waiting == CLIENTS) fail("too many requests at a time");
    waiting[last_waiting % CLIENTS].due = busy_until;
    waiting[last_waiting++ % CLIENTS].fd = fd;
}

static void receive(int fd) {
    ssize_t size = recv(fd, buffer, RECEIVE, 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    int whole = size > 0 ? feed(clients[fd], buffer, (size_t)size, now()) : -1;
    if (whole < 0) {
        leave(fd);
        return;
    }
    while (whole-- > 0 && clients[fd])
        if (service)
            wait_in_line(fd);
        else
            reply(fd);
}

/* Answer those whose turn is over; how long until the next one's is, NULL where nobody waits. */
static struct timespec *serve(void) {
    static struct timespec until;
    uint64_t moment = now();
    for (; first_waiting < last_waiting; first_waiting++) {
        uint64_t due = waiting[first_waiting % CLIENTS].due;
        if (due > moment) {
            until.tv_sec = (time_t)((due - moment) / 1000000000u), until.tv_nsec = (long)((due - moment) % 1000000000u);
            return &until;
        }
        if (clients[waiting[first_waiting % CLIENTS].fd]) reply(waiting[first_waiting % CLIENTS].fd);
    }
    return NULL;
}

static void welcome(int poll, int listener) {
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        int one = 1;
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (fd >= CLIENTS || !(clients[fd] = calloc(1, sizeof **clients))) fail("clients");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
    }
}

int main(int argc, char **argv) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    unsigned stall = 0, after = 0;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), poll = epoll_create1(0);
    struct epoll_event events[EVENTS], own = {.events = EPOLLIN};

    if (argc < 2 || (argc > 2 && sscanf(argv[2], "%u:%u", &stall, &after) != 2)) {
        fputs("usage: null_server LOG [STALL_MS:AFTER_MS [SERVICE_US]]\n", stderr);
        return 2;
    }
    service = argc > 3 ? strtoul(argv[3], NULL, 10) * 1000 : 0;
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 4096) ||
        getsockname(listener, (struct sockaddr *)&address, &size))
        fail("listen");
    own.data.fd = listener;
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &own);
    own.data.fd = 0;
    epoll_ctl(poll, EPOLL_CTL_ADD, 0, &own);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (int on = 1; on;) {
        int ready = epoll_pwait2(poll, events, EVENTS, serve(), NULL);
        if (stall && count && now() - times[0] > after * 1000000ull) {
            usleep(stall * 1000);
            stall = 0;
        }
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd == 0)
                on = 0;
            else if (fd == listener)
                welcome(poll, listener);
            else if (clients[fd])
                receive(fd);
        }
    }
    FILE *log = fopen(argv[1], "wb");
    if (!log || fwrite(times, sizeof *times, count, log) != count || fclose(log)) fail(argv[1]);
    return 0;
}
