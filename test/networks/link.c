/*
 * An emulated link: two network namespaces, a TUN device in each, and this program between them. It applies a rate, a
 * delay, a queue limit and seeded loss to real IP packets, as a trace says. It needs no sch_netem, which many kernels lack.
 *
 *     link [--name link0] [--a 10.77.0.1] [--b 10.77.0.2] [--join NAMESPACE] [--queue-ms 200] [--seed 1]
 *          [--congestion reno] STEP...
 *
 * STEP is SECONDS:KBIT_PER_S:DELAY_MS:LOSS_PERCENT, such as 30:1000:20:0.5. `a` is the server's end and `b` the reader's by
 * use; both directions are treated alike, each with a queue and a random sequence of its own. --join puts the end `a` into a
 * namespace that is there (a path such as /proc/PID/fd/N), so that one server can have several links.
 *
 *     TUN ─▶ queue, at most --queue-ms at the present rate ─▶ rate ─▶ loss ─▶ delay ─▶ TUN of the other end
 *
 * - A packet that finds the queue full is dropped. What is queued when the rate goes down stays, and takes its time.
 * - Loss comes after the rate: on the air, a lost packet takes time too. The draw is one for each packet that leaves the
 *   queue, so the same packets and the same seed lose the same ones.
 * - Counted are IPv4 packets with their headers. Multicast and IPv6 are not carried: what a kernel says by itself would
 *   take draws.
 *
 * TCP's congestion control is Reno unless --congestion says otherwise: a namespace may choose that one on every machine, and
 * at these rates CUBIC, Android's usual one, behaves as Reno does (RFC 9438 section 4.3).
 *
 * The first step holds from the start; its time, and the trace's, begins with the line "go" on standard input. Past its end
 * the last step stays. The program ends with its standard input, so its namespaces never outlive who started it, even by
 * a crash: they have no names, and are gone with the last process in them.
 *
 * Standard output, JSON lines: {"ready":…} with paths that nsenter --net= takes; {"step":…} when a step begins;
 * {"second":…} every second with the bytes delivered, the drops by cause and the time in the queue, by direction.
 * Exit codes: 0 told to end; 2 wrong arguments; 3 namespaces or TUN are refused here, with the reason on standard error.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

enum {
  STEPS_MAX = 64,
  MTU = 1500,
  /* Past any queue that 200 ms at 1 Gbit/s needs; a power of two. */
  FIFO_MAX = 1 << 15,
  /* Packets read from one device before the other gets its turn. */
  BATCH = 64,
  EXIT_USAGE = 2,
  EXIT_REFUSED = 3,
};

static const int64_t NS_PER_S = 1000000000;
static const int64_t NS_PER_MS = 1000000;

struct step {
  int64_t duration_ns;
  int64_t bits_per_second;
  int64_t delay_ns;
  /* 0 to 1 */
  double loss;
};

struct packet {
  int length;
  /* In the queue: when it came. On the air: when it is there. */
  int64_t at_ns;
  uint8_t *data;
};

struct fifo {
  struct packet packets[FIFO_MAX];
  unsigned head, tail;
};

struct direction {
  const char *name;
  int from, to;
  struct fifo queue, air;
  int64_t queued_bytes;
  /* When the queue's head has been sent; only while there is one. */
  int64_t sent_ns;
  /* When the newest packet on the air is there: a shorter delay overtakes nobody. */
  int64_t newest_ns;
  uint64_t random;
  /* Of this second. */
  long packets, bytes, dropped_queue, dropped_loss;
  int64_t wait_sum_ns, wait_max_ns;
  long waited;
};

static struct direction down = {.name = "down"}, up = {.name = "up"};
static struct step steps[STEPS_MAX];
static int step_count, step_now;
static int64_t queue_limit_ns = 200 * NS_PER_MS;
static const char *congestion = "reno";

static int64_t clock_ns(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static void usage(const char *what) {
  fprintf(stderr, "link: %s\nusage: link [--name NAME] [--a ADDRESS] [--b ADDRESS] [--join NAMESPACE] [--queue-ms MS] "
                  "[--seed N] [--congestion NAME] SECONDS:KBIT_PER_S:DELAY_MS:LOSS_PERCENT...\n", what);
  exit(EXIT_USAGE);
}

static void refused(const char *what) {
  fprintf(stderr, "link: %s: %s\n", what, strerror(errno));
  exit(EXIT_REFUSED);
}

/* splitmix64 (Steele, Lea, Flood 2014): 0 to just below 1. */
static double draw(struct direction *d) {
  uint64_t z = d->random += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return ((z ^ z >> 31) >> 11) * 0x1p-53;
}

static bool is_empty(const struct fifo *f) { return f->head == f->tail; }
static bool is_full(const struct fifo *f) { return f->tail - f->head == FIFO_MAX; }
static struct packet *front(struct fifo *f) { return &f->packets[f->head % FIFO_MAX]; }
static void push(struct fifo *f, struct packet p) { f->packets[f->tail++ % FIFO_MAX] = p; }
static struct packet pop(struct fifo *f) { return f->packets[f->head++ % FIFO_MAX]; }

static int64_t sending_ns(int length) { return length * 8 * NS_PER_S / steps[step_now].bits_per_second; }

/* The head of the queue begins to be sent. */
static void begin_sending(struct direction *d, int64_t now_ns) {
  const struct packet *p = front(&d->queue);
  const int64_t waited = now_ns - p->at_ns;
  d->wait_sum_ns += waited;
  d->waited++;
  if (waited > d->wait_max_ns) d->wait_max_ns = waited;
  d->sent_ns = now_ns + sending_ns(p->length);
}

static void arrive(struct direction *d, const uint8_t *data, int length, int64_t now_ns) {
  const int64_t limit = steps[step_now].bits_per_second * queue_limit_ns / NS_PER_S / 8;
  const bool idle = is_empty(&d->queue);
  /* Two packets always find room, or a slow link would carry nothing. */
  const bool crowded = d->queued_bytes + length > (limit > 2 * MTU ? limit : 2 * MTU);
  uint8_t *copy = crowded || is_full(&d->queue) ? NULL : malloc(length);
  if (copy == NULL) {
    d->dropped_queue++;
    return;
  }
  memcpy(copy, data, length);
  push(&d->queue, (struct packet){.length = length, .at_ns = now_ns, .data = copy});
  d->queued_bytes += length;
  if (idle) begin_sending(d, now_ns);
}

/* Everything that is due by now leaves the queue, and the air. */
static void advance(struct direction *d, int64_t now_ns) {
  while (!is_empty(&d->queue) && d->sent_ns <= now_ns) {
    struct packet p = pop(&d->queue);
    d->queued_bytes -= p.length;
    const int64_t sent_ns = d->sent_ns;
    if (draw(d) < steps[step_now].loss || is_full(&d->air)) {
      d->dropped_loss++;
      free(p.data);
    } else {
      p.at_ns = sent_ns + steps[step_now].delay_ns;
      if (p.at_ns < d->newest_ns) p.at_ns = d->newest_ns;
      d->newest_ns = p.at_ns;
      push(&d->air, p);
    }
    if (!is_empty(&d->queue)) begin_sending(d, sent_ns);
  }
  while (!is_empty(&d->air) && front(&d->air)->at_ns <= now_ns) {
    const struct packet p = pop(&d->air);
    if (write(d->to, p.data, p.length) == p.length) {
      d->packets++;
      d->bytes += p.length;
    }
    free(p.data);
  }
}

static int64_t due_ns(struct direction *d, int64_t earliest_ns) {
  if (!is_empty(&d->queue) && d->sent_ns < earliest_ns) earliest_ns = d->sent_ns;
  if (!is_empty(&d->air) && front(&d->air)->at_ns < earliest_ns) earliest_ns = front(&d->air)->at_ns;
  return earliest_ns;
}

static void receive(struct direction *d, int64_t now_ns) {
  uint8_t data[MTU + 64];
  for (int i = 0; i < BATCH; i++) {
    const ssize_t length = read(d->from, data, sizeof data);
    if (length <= 0) return;
    /* RFC 791 section 3.1: the version is the first half byte, the destination begins at 16; 224 and above is multicast. */
    const bool carried = length >= 20 && data[0] >> 4 == 4 && data[16] < 224;
    if (carried) arrive(d, data, length, now_ns);
  }
}

static void print_direction(struct direction *d, const char *before) {
  const double average_ms = d->waited == 0 ? 0 : (double)d->wait_sum_ns / d->waited / NS_PER_MS;
  printf("%s\"%s\":{\"packets\":%ld,\"bytes\":%ld,\"droppedByQueue\":%ld,\"droppedByLoss\":%ld,\"queueMs\":%.1f,"
         "\"queueMaxMs\":%.1f}",
         before, d->name, d->packets, d->bytes, d->dropped_queue, d->dropped_loss, average_ms,
         (double)d->wait_max_ns / NS_PER_MS);
  d->packets = d->bytes = d->dropped_queue = d->dropped_loss = d->waited = 0;
  d->wait_sum_ns = d->wait_max_ns = 0;
}

static double wall_ms(void) { return (double)clock_ns(CLOCK_REALTIME) / NS_PER_MS; }

static void print_second(long second) {
  printf("{\"second\":%ld,\"step\":%d,\"wallMs\":%.3f,", second, step_now, wall_ms());
  print_direction(&down, "");
  print_direction(&up, ",");
  printf("}\n");
}

static void print_step(void) {
  const struct step *s = &steps[step_now];
  printf("{\"step\":%d,\"wallMs\":%.3f,\"bitsPerSecond\":%lld,\"delayMs\":%.1f,\"lossPercent\":%.2f}\n", step_now,
         wall_ms(), (long long)s->bits_per_second, (double)s->delay_ns / NS_PER_MS, s->loss * 100);
}

/* Writes one setting of the namespace that this is in. Absent ones (a kernel without IPv6) are none to worry about. */
static void set(const char *path, const char *value) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return;
  if (fd < 0 || write(fd, value, strlen(value)) < 0) refused(path);
  close(fd);
}

static void raise_interface(int socket_fd, const char *name) {
  struct ifreq r = {0};
  strncpy(r.ifr_name, name, IFNAMSIZ - 1);
  if (ioctl(socket_fd, SIOCGIFFLAGS, &r) < 0) refused(name);
  r.ifr_flags |= IFF_UP;
  r.ifr_flags &= ~IFF_MULTICAST;
  if (ioctl(socket_fd, SIOCSIFFLAGS, &r) < 0) refused(name);
}

static void give_address(int socket_fd, const char *name, unsigned long request, const char *address) {
  struct ifreq r = {0};
  strncpy(r.ifr_name, name, IFNAMSIZ - 1);
  struct sockaddr_in *in = (struct sockaddr_in *)&r.ifr_addr;
  in->sin_family = AF_INET;
  if (inet_pton(AF_INET, address, &in->sin_addr) != 1) usage("--a and --b want IPv4 addresses");
  if (ioctl(socket_fd, request, &r) < 0) refused(address);
}

/* The device node; a container may have none, and root can make one. */
static int open_tun(void) {
  const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd >= 0 || errno != ENOENT) return fd;
  char path[] = "/tmp/porthole-tun-XXXXXX";
  if (mkdtemp(path) == NULL) return -1;
  char node[sizeof path + 4];
  snprintf(node, sizeof node, "%s/tun", path);
  int made = -1;
  if (mknod(node, S_IFCHR | 0600, makedev(10, 200)) == 0) made = open(node, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  const int error = errno;
  unlink(node);
  rmdir(path);
  errno = error;
  return made;
}

/* A TUN device in the namespace that this is in, with its address and a route to the peer. */
static int make_end(const char *name, const char *address, const char *peer) {
  const int fd = open_tun();
  if (fd < 0) refused("/dev/net/tun");
  struct ifreq r = {0};
  strncpy(r.ifr_name, name, IFNAMSIZ - 1);
  r.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (ioctl(fd, TUNSETIFF, &r) < 0) refused("a TUN device");
  char path[64 + IFNAMSIZ];
  snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
  set(path, "1");
  const int socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket_fd < 0) refused("a socket");
  give_address(socket_fd, name, SIOCSIFADDR, address);
  give_address(socket_fd, name, SIOCSIFDSTADDR, peer);
  raise_interface(socket_fd, name);
  close(socket_fd);
  return fd;
}

/* A new namespace, in which this process is from now on. Returns a file descriptor that stands for it. */
static int enter_new_namespace(void) {
  if (unshare(CLONE_NEWNET) < 0) refused("a network namespace");
  const int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (fd < 0) refused("/proc/self/ns/net");
  set("/proc/sys/net/ipv4/tcp_congestion_control", congestion);
  const int socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket_fd < 0) refused("a socket");
  raise_interface(socket_fd, "lo");
  close(socket_fd);
  return fd;
}

static void parse_step(const char *text) {
  double seconds, kbits, delay_ms, loss_percent;
  char rest;
  if (step_count == STEPS_MAX) usage("at most 64 steps");
  if (sscanf(text, "%lf:%lf:%lf:%lf%c", &seconds, &kbits, &delay_ms, &loss_percent, &rest) != 4 || !(seconds > 0) ||
      !(seconds <= 86400) || !(kbits >= 1) || !(kbits <= 1e6) || !(delay_ms >= 0) || !(delay_ms <= 10000) ||
      !(loss_percent >= 0) || !(loss_percent <= 100))
    usage("a step is SECONDS:KBIT_PER_S:DELAY_MS:LOSS_PERCENT; up to 86400 s, 1 to 1000000 kbit/s, up to 10000 ms and 100 %");
  steps[step_count++] = (struct step){.duration_ns = seconds * NS_PER_S,
                                      .bits_per_second = kbits * 1000,
                                      .delay_ns = delay_ms * NS_PER_MS,
                                      .loss = loss_percent / 100};
}

int main(int argc, char **argv) {
  const char *name = "link0", *a = "10.77.0.1", *b = "10.77.0.2", *join = NULL;
  uint64_t seed = 1;
  for (int i = 1; i < argc; i++) {
    const char *arg = argv[i];
    if (strncmp(arg, "--", 2) != 0) {
      parse_step(arg);
      continue;
    }
    if (++i == argc) usage("an option without a value");
    if (strcmp(arg, "--name") == 0) name = argv[i];
    else if (strcmp(arg, "--a") == 0) a = argv[i];
    else if (strcmp(arg, "--b") == 0) b = argv[i];
    else if (strcmp(arg, "--join") == 0) join = argv[i];
    else if (strcmp(arg, "--queue-ms") == 0) queue_limit_ns = atof(argv[i]) * NS_PER_MS;
    else if (strcmp(arg, "--seed") == 0) seed = strtoull(argv[i], NULL, 10);
    else if (strcmp(arg, "--congestion") == 0) congestion = argv[i];
    else usage(arg);
  }
  if (step_count == 0) usage("no step");
  if (queue_limit_ns <= 0) usage("--queue-ms wants milliseconds above 0");
  setvbuf(stdout, NULL, _IOLBF, 0);
  signal(SIGPIPE, SIG_IGN);
  prctl(PR_SET_TIMERSLACK, 1000UL);

  int a_namespace;
  if (join == NULL) a_namespace = enter_new_namespace();
  else {
    a_namespace = open(join, O_RDONLY | O_CLOEXEC);
    if (a_namespace < 0 || setns(a_namespace, CLONE_NEWNET) < 0) refused(join);
  }
  const int a_tun = make_end(name, a, b);
  const int b_namespace = enter_new_namespace();
  const int b_tun = make_end(name, b, a);
  down.from = up.to = a_tun;
  down.to = up.from = b_tun;
  /* Far apart, so that the two sequences do not meet. */
  down.random = seed * 2 * 0xd1342543de82ef95;
  up.random = (seed * 2 + 1) * 0xd1342543de82ef95;
  printf("{\"ready\":true,\"a\":\"/proc/%d/fd/%d\",\"b\":\"/proc/%d/fd/%d\"}\n", getpid(), a_namespace, getpid(),
         b_namespace);

  int64_t second_ns = clock_ns(CLOCK_MONOTONIC) + NS_PER_S, step_ends_ns = INT64_MAX;
  long second = 0;
  bool going = false;
  for (;;) {
    int64_t now_ns = clock_ns(CLOCK_MONOTONIC);
    advance(&down, now_ns);
    advance(&up, now_ns);
    if (now_ns >= second_ns) {
      print_second(second++);
      second_ns += NS_PER_S;
    }
    if (now_ns >= step_ends_ns && step_now + 1 < step_count) {
      step_now++;
      step_ends_ns += steps[step_now].duration_ns;
      print_step();
    }
    int64_t due = due_ns(&up, due_ns(&down, second_ns));
    if (step_now + 1 < step_count && step_ends_ns < due) due = step_ends_ns;
    const int64_t wait_ns = due > now_ns ? due - now_ns : 0;
    struct timespec wait = {.tv_sec = wait_ns / NS_PER_S, .tv_nsec = wait_ns % NS_PER_S};
    struct pollfd fds[] = {{a_tun, POLLIN, 0}, {b_tun, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    if (ppoll(fds, 3, &wait, NULL) < 0 && errno != EINTR) refused("poll");
    now_ns = clock_ns(CLOCK_MONOTONIC);
    advance(&down, now_ns);
    advance(&up, now_ns);
    if (fds[0].revents) receive(&down, now_ns);
    if (fds[1].revents) receive(&up, now_ns);
    if (!fds[2].revents) continue;
    char line[64];
    if (read(STDIN_FILENO, line, sizeof line) <= 0) return 0;
    if (going) continue;
    going = true;
    step_ends_ns = now_ns + steps[0].duration_ns;
    print_step();
  }
}
