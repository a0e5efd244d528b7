/*
 * The reader that measures every server alike: N RTSP sessions in one thread, epoll, no decoding.
 *
 *     reader --port 7778 --path /live/back --readers 100 --transport tcp|udp --seconds 5 --pid PID
 *     reader --port 7778 --path /live/back --transport tcp --joins 12 --interval-ms 2000
 *
 * It waits until every session has had its first key frame, then counts over a window whose ends lie between two frames:
 * complete frames, lost packets, the server's processor time (the process's own CPU clock, so threads that ended count),
 * and for each RTP timestamp the time from the first session's first packet to the last session's last. With --joins one
 * session stays while others come one by one, and it tells how long each waited for its first whole key frame.
 * Prints one JSON object. Exit code 1 when sessions fail.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_BYTES = 20, TEXT_BYTES = 8192, READ_BYTES = 512 * 1024, BATCH = 64, PEEK_BYTES = 32 };
/* Pictures remembered for 2 s, in a table by their hash: at 60 frames a second it is nearly empty. */
enum { TIMES_BITS = 13, TIMES = 1 << TIMES_BITS, TIMES_PROBES = 64 };
enum { AT_ONCE = 8, QUIET_MS = 8, KEY_WAIT_S = 20, RECEIVE_BYTES = 8 * 1024 * 1024 };

typedef enum { DESCRIBING, SETTING_UP, STARTING, PLAYING } State;

typedef struct {
  int fd, rtp, rtcp, port;
  State state;
  int cseq, has_key, in_key, closed;
  char session[128], base[512], control[512];
  /* Text of a response, and an interleaved packet's first bytes: '$', channel, length, then RTP. */
  char text[TEXT_BYTES];
  int text_length, head_length, head_wanted, skip, is_rtp, marker;
  uint8_t head[HEAD_BYTES];
  int has_sequence;
  uint16_t sequence;
  uint32_t timestamp;
  int64_t began_ns, play_ns, key_ns;
  uint64_t frames, packets, bytes, lost, disordered;
} Session;

/* One picture, by its RTP timestamp. */
typedef struct {
  uint32_t timestamp;
  int used, done;
  int64_t first_ns, last_ns;
} Picture;

static const char *path = "/live/back", *transport = "tcp", *host = "127.0.0.1";
static int port, wanted = 1, is_udp, poller, next_port;
static double seconds = 5;
static pid_t server_pid;
static Session *sessions;
static int opened, playing, keyed, failures;
static uint8_t *buffer;
static Picture pictures[TIMES];
static int in_window;
static int64_t window_ns, last_packet_ns;
static double *spreads;
static int spread_count, spread_room;
static char failure[256];

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int64_t server_cpu_ns(void) {
  clockid_t clock;
  struct timespec t;
  if (server_pid == 0 || clock_getcpuclockid(server_pid, &clock) != 0 || clock_gettime(clock, &t) != 0) return 0;
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void fail(Session *s, const char *format, ...) {
  if (s->closed) return;
  va_list rest;
  va_start(rest, format);
  if (failures++ == 0) vsnprintf(failure, sizeof failure, format, rest);
  va_end(rest);
  s->closed = 1;
  close(s->fd);
  if (s->rtp > 0) close(s->rtp), close(s->rtcp);
}

static void request(Session *s, const char *method, const char *url, const char *more) {
  char out[2048];
  char session[160] = "";
  if (s->session[0]) snprintf(session, sizeof session, "Session: %s\r\n", s->session);
  int n = snprintf(out, sizeof out, "%s %s RTSP/1.0\r\nCSeq: %d\r\nUser-Agent: porthole-bench\r\n%s%s\r\n", method, url,
                   ++s->cseq, session, more);
  if (send(s->fd, out, (size_t)n, MSG_NOSIGNAL) != n) fail(s, "%s: %s", method, strerror(errno));
}

static int bind_udp(int local) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)local)};
  inet_pton(AF_INET, host, &address.sin_addr);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

static void watch(int fd, int index, int udp) {
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)index << 1 | (uint64_t)udp};
  epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
}

static void open_udp(Session *s) {
  for (int tries = 0; tries < 2000; tries++, next_port += 2) {
    if (next_port > 60000) next_port = 30000;
    s->rtp = bind_udp(next_port);
    if (s->rtp < 0) continue;
    s->rtcp = bind_udp(next_port + 1);
    if (s->rtcp < 0) {
      close(s->rtp);
      continue;
    }
    s->port = next_port;
    next_port += 2;
    int size = RECEIVE_BYTES;
    if (setsockopt(s->rtp, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0) {
      setsockopt(s->rtp, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    }
    watch(s->rtp, (int)(s - sessions), 1);
    return;
  }
  fail(s, "no free UDP ports");
}

static void begin(Session *s) {
  memset(s, 0, sizeof *s);
  s->began_ns = now_ns();
  s->fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  inet_pton(AF_INET, host, &address.sin_addr);
  int on = 1, size = RECEIVE_BYTES;
  setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  if (connect(s->fd, (struct sockaddr *)&address, sizeof address) != 0) {
    fail(s, "connect: %s", strerror(errno));
    return;
  }
  fcntl(s->fd, F_SETFL, O_NONBLOCK);
  watch(s->fd, (int)(s - sessions), 0);
  snprintf(s->base, sizeof s->base, "rtsp://%s:%d%s", host, port, path);
  request(s, "DESCRIBE", s->base, "Accept: application/sdp\r\n");
}

/* The value of a header field, or of an SDP line, as a string in `out`. */
static int value_of(const char *text, const char *name, char *out, size_t room) {
  for (const char *line = text; line != NULL && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
    if (strncasecmp(line, name, strlen(name)) != 0) continue;
    const char *from = line + strlen(name);
    while (*from == ' ') from++;
    size_t n = strcspn(from, "\r\n");
    if (n >= room) n = room - 1;
    memcpy(out, from, n);
    out[n] = 0;
    return 1;
  }
  return 0;
}

static void on_response(Session *s, const char *text, const char *body) {
  int status = 0;
  if (sscanf(text, "RTSP/1.0 %d", &status) != 1 || status != 200) {
    fail(s, "state %d: %.60s", s->state, text);
    return;
  }
  char more[256];
  switch (s->state) {
    case DESCRIBING: {
      value_of(text, "Content-Base:", s->base, sizeof s->base);
      const char *video = strstr(body, "m=video");
      char control[512] = "";
      if (video == NULL || !value_of(video, "a=control:", control, sizeof control)) {
        fail(s, "no video in the description");
        return;
      }
      size_t base = strlen(s->base);
      if (strncasecmp(control, "rtsp://", 7) == 0) {
        snprintf(s->control, sizeof s->control, "%s", control);
      } else {
        snprintf(s->control, sizeof s->control, "%.255s%s%.250s", s->base, base > 0 && s->base[base - 1] == '/' ? "" : "/",
                 control);
      }
      if (is_udp) {
        open_udp(s);
        snprintf(more, sizeof more, "Transport: RTP/AVP;unicast;client_port=%d-%d\r\n", s->port, s->port + 1);
      } else {
        snprintf(more, sizeof more, "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n");
      }
      s->state = SETTING_UP;
      if (!s->closed) request(s, "SETUP", s->control, more);
      break;
    }
    case SETTING_UP:
      if (!value_of(text, "Session:", s->session, sizeof s->session)) fail(s, "SETUP without a session");
      s->session[strcspn(s->session, ";")] = 0;
      s->state = STARTING;
      s->play_ns = now_ns();
      if (!s->closed) request(s, "PLAY", s->base, "Range: npt=0.000-\r\n");
      break;
    case STARTING:
      s->state = PLAYING;
      playing++;
      break;
    case PLAYING:
      break;
  }
}

static Picture *picture_of(uint32_t timestamp, int64_t at_ns) {
  uint32_t slot = (timestamp * 2654435761u) >> (32 - TIMES_BITS);
  Picture *p = NULL;
  for (int probe = 0; probe < TIMES_PROBES; probe++, slot = (slot + 1) % TIMES) {
    p = &pictures[slot];
    if (p->used && p->timestamp == timestamp) return p;
    /* A picture of long ago makes room. */
    if (!p->used || at_ns - p->first_ns > 2000000000LL) break;
  }
  *p = (Picture){.timestamp = timestamp, .used = 1, .first_ns = at_ns};
  return p;
}

static void note_spread(double ms) {
  if (spread_count == spread_room) spreads = realloc(spreads, (size_t)(spread_room = spread_room * 2 + 256) * sizeof *spreads);
  spreads[spread_count++] = ms;
}

/* An RTP packet's beginning (RFC 3550 section 5.1): header and the first bytes of its payload (RFC 6184). */
static void on_rtp(Session *s, const uint8_t *p, int have, int length, int64_t at_ns) {
  if (have < 14 || (p[0] >> 6) != 2) return;
  uint16_t sequence = (uint16_t)(p[2] << 8 | p[3]);
  uint32_t timestamp = (uint32_t)p[4] << 24 | (uint32_t)p[5] << 16 | (uint32_t)p[6] << 8 | p[7];
  if (s->has_sequence) {
    uint16_t step = (uint16_t)(sequence - s->sequence);
    if (step == 0 || step >= 0x8000) s->disordered++;
    else s->lost += step - 1u;
  }
  s->has_sequence = 1;
  s->sequence = sequence;
  s->packets++;
  s->bytes += (uint64_t)length;
  last_packet_ns = at_ns;
  if (timestamp != s->timestamp) s->in_key = 0;
  s->timestamp = timestamp;
  int type = p[12] & 31;
  if (type == 5 || (type == 28 && (p[13] & 31) == 5)) s->in_key = 1;
  picture_of(timestamp, at_ns);
  s->marker = p[1] >> 7;
}

/* The packet that `on_rtp` began is whole. */
static void on_rtp_end(Session *s, int64_t at_ns) {
  if (!s->marker) return;
  s->marker = 0;
  s->frames++;
  if (s->in_key && s->key_ns == 0) {
    s->key_ns = at_ns;
    keyed++;
  }
  Picture *p = picture_of(s->timestamp, at_ns);
  p->last_ns = at_ns;
  if (++p->done == wanted && in_window && p->first_ns >= window_ns) note_spread((double)(p->last_ns - p->first_ns) / 1e6);
}

/* @return bytes used of a response, 0 when more are needed */
static int on_text(Session *s, const uint8_t *data, int length) {
  int before = s->text_length;
  int take = length < TEXT_BYTES - 1 - before ? length : TEXT_BYTES - 1 - before;
  memcpy(s->text + before, data, (size_t)take);
  s->text[before + take] = 0;
  char *body = strstr(s->text, "\r\n\r\n");
  int total = -1;
  if (body != NULL) {
    char number[32] = "0";
    value_of(s->text, "Content-Length:", number, sizeof number);
    total = (int)(body + 4 - s->text) + atoi(number);
  }
  if (total < 0 || total > before + take) {
    s->text_length = before + take;
    if (s->text_length >= TEXT_BYTES - 1) fail(s, "a response without an end");
    return take;
  }
  s->text[total] = 0;
  s->text_length = 0;
  on_response(s, s->text, body + 4);
  return total - before;
}

static void on_bytes(Session *s, const uint8_t *data, int length, int64_t at_ns) {
  while (length > 0 && !s->closed) {
    int used;
    if (s->skip > 0) {
      used = s->skip < length ? s->skip : length;
      s->skip -= used;
      if (s->skip == 0 && s->is_rtp) on_rtp_end(s, at_ns);
    } else if (s->head_length == 0 && (s->text_length > 0 || data[0] != '$')) {
      used = on_text(s, data, length);
    } else {
      if (s->head_length == 0) s->head_wanted = 4;
      used = s->head_wanted - s->head_length < length ? s->head_wanted - s->head_length : length;
      memcpy(s->head + s->head_length, data, (size_t)used);
      s->head_length += used;
      if (s->head_length == s->head_wanted) {
        int size = s->head[2] << 8 | s->head[3];
        int more = size < HEAD_BYTES - 4 ? size : HEAD_BYTES - 4;
        if (s->head_length == 4 && more > 0) {
          s->head_wanted = 4 + more;
        } else {
          s->is_rtp = s->head[1] % 2 == 0;
          if (s->is_rtp) on_rtp(s, s->head + 4, more, size, at_ns);
          s->skip = size - more;
          s->head_length = 0;
          if (s->skip == 0 && s->is_rtp) on_rtp_end(s, at_ns);
        }
      }
    }
    data += used;
    length -= used;
  }
}

static void read_tcp(Session *s) {
  ssize_t n = recv(s->fd, buffer, READ_BYTES, 0);
  if (n > 0) on_bytes(s, buffer, (int)n, now_ns());
  else if (n == 0) fail(s, "the server closed a connection");
  else if (errno != EAGAIN) fail(s, "a connection: %s", strerror(errno));
}

static void read_udp(Session *s) {
  static uint8_t peeks[BATCH][PEEK_BYTES];
  static struct iovec vectors[BATCH];
  static struct mmsghdr messages[BATCH];
  for (int i = 0; i < BATCH; i++) {
    vectors[i] = (struct iovec){peeks[i], PEEK_BYTES};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
  }
  int n = recvmmsg(s->rtp, messages, BATCH, MSG_DONTWAIT | MSG_TRUNC, NULL);
  int64_t at_ns = now_ns();
  for (int i = 0; i < n; i++) {
    int length = (int)messages[i].msg_len;
    on_rtp(s, peeks[i], length < PEEK_BYTES ? length : PEEK_BYTES, length, at_ns);
    on_rtp_end(s, at_ns);
  }
}

/* Handles what comes until `until_ns`, or until `quiet_ms` have passed without a packet when that is above 0. */
static void run(int64_t until_ns, int quiet_ms, int (*done)(void)) {
  static struct epoll_event events[256];
  for (;;) {
    int64_t now = now_ns();
    if (now >= until_ns || (done != NULL && done())) return;
    if (quiet_ms > 0 && now - last_packet_ns > quiet_ms * 1000000LL) return;
    int64_t wait_ms = (until_ns - now) / 1000000 + 1;
    if (quiet_ms > 0 && wait_ms > 1) wait_ms = 1;
    if (wait_ms > 50) wait_ms = 50;
    int n = epoll_wait(poller, events, 256, (int)wait_ms);
    for (int i = 0; i < n; i++) {
      Session *s = &sessions[events[i].data.u64 >> 1];
      if (s->closed) continue;
      if (events[i].data.u64 & 1) read_udp(s);
      else read_tcp(s);
    }
  }
}

static int all_keyed(void) {
  while (opened < wanted && opened - playing < AT_ONCE && failures == 0) begin(&sessions[opened++]);
  return keyed == wanted || failures > 0;
}

static int extra_keyed(void) { return sessions[1].key_ns != 0 || failures > 0; }

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static double percentile(double *sorted, int count, double share) {
  return count == 0 ? -1 : sorted[(int)(share * (count - 1) + 0.5)];
}

static void end_session(Session *s) {
  if (s->closed) return;
  request(s, "TEARDOWN", s->base, "");
  s->closed = 1;
  close(s->fd);
  if (s->rtp > 0) close(s->rtp), close(s->rtcp);
}

static int give_up(void) {
  printf("{\"error\":\"%s (%d of %d sessions failed, %d playing, %d with a key frame)\"}\n", failures ? failure : "timeout",
         failures, wanted, playing, keyed);
  return 1;
}

static int measure_joins(int joins, int interval_ms) {
  wanted = 1;
  run(now_ns() + KEY_WAIT_S * 1000000000LL, 0, all_keyed);
  if (keyed < 1) return give_up();
  double *whole = calloc((size_t)joins, sizeof *whole), *from_play = calloc((size_t)joins, sizeof *from_play);
  int64_t next = now_ns() + interval_ms * 1000000LL;
  for (int i = 0; i < joins; i++) {
    run(next, 0, NULL);
    /* One interval and one part of it later each: the joins spread over the interval. */
    next += (int64_t)interval_ms * 1000000LL * (joins + 1) / joins;
    begin(&sessions[1]);
    run(now_ns() + KEY_WAIT_S * 1000000000LL, 0, extra_keyed);
    if (sessions[1].key_ns == 0) return give_up();
    whole[i] = (double)(sessions[1].key_ns - sessions[1].began_ns) / 1e6;
    from_play[i] = (double)(sessions[1].key_ns - sessions[1].play_ns) / 1e6;
    end_session(&sessions[1]);
  }
  end_session(&sessions[0]);
  qsort(whole, (size_t)joins, sizeof *whole, by_value);
  qsort(from_play, (size_t)joins, sizeof *from_play, by_value);
  printf("{\"joins\":%d,\"firstKeyMs\":{\"median\":%.1f,\"min\":%.1f,\"max\":%.1f},\"fromPlayMs\":{\"median\":%.1f}}\n", joins,
         (whole[(joins - 1) / 2] + whole[joins / 2]) / 2, whole[0], whole[joins - 1],
         (from_play[(joins - 1) / 2] + from_play[joins / 2]) / 2);
  return failures > 0;
}

static int measure(void) {
  run(now_ns() + KEY_WAIT_S * 1000000000LL, 0, all_keyed);
  if (keyed < wanted) return give_up();
  /* Nobody's session may time out in the window. */
  for (int i = 0; i < wanted; i++) request(&sessions[i], "OPTIONS", sessions[i].base, "");
  run(now_ns() + 700000000LL, 0, NULL);
  run(now_ns() + 2000000000LL, QUIET_MS, NULL);
  for (int i = 0; i < wanted; i++) {
    Session *s = &sessions[i];
    s->frames = s->packets = s->bytes = s->lost = s->disordered = 0;
  }
  window_ns = now_ns();
  in_window = 1;
  int64_t cpu_ns = server_cpu_ns();
  run(window_ns + (int64_t)(seconds * 1e9), 0, NULL);
  run(now_ns() + 2000000000LL, QUIET_MS, NULL);
  cpu_ns = server_cpu_ns() - cpu_ns;
  double took = (double)(now_ns() - window_ns) / 1e9;
  in_window = 0;
  uint64_t frames = 0, packets = 0, bytes = 0, lost = 0, disordered = 0, fewest = UINT64_MAX;
  for (int i = 0; i < wanted; i++) {
    Session *s = &sessions[i];
    frames += s->frames, packets += s->packets, bytes += s->bytes, lost += s->lost, disordered += s->disordered;
    if (s->frames < fewest) fewest = s->frames;
    end_session(s);
  }
  if (failures > 0 || frames == 0) return give_up();
  qsort(spreads, (size_t)spread_count, sizeof *spreads, by_value);
  printf("{\"readers\":%d,\"transport\":\"%s\",\"seconds\":%.3f,\"frames\":%llu,\"fewestFrames\":%llu,\"packets\":%llu,"
         "\"bytes\":%llu,\"lost\":%llu,\"disordered\":%llu,\"cpuUs\":%.1f,\"cpuUsPerFrame\":%.3f,"
         "\"spreads\":%d,\"spreadMsP50\":%.3f,\"spreadMsP99\":%.3f,\"spreadMsMax\":%.3f}\n",
         wanted, transport, took, (unsigned long long)frames, (unsigned long long)fewest, (unsigned long long)packets,
         (unsigned long long)bytes, (unsigned long long)lost, (unsigned long long)disordered, (double)cpu_ns / 1e3,
         (double)cpu_ns / 1e3 / (double)frames, spread_count, percentile(spreads, spread_count, 0.5),
         percentile(spreads, spread_count, 0.99), percentile(spreads, spread_count, 1));
  return 0;
}

int main(int argc, char **argv) {
  int joins = 0, interval_ms = 2000;
  for (int i = 1; i + 1 < argc; i += 2) {
    const char *name = argv[i], *value = argv[i + 1];
    if (!strcmp(name, "--port")) port = atoi(value);
    else if (!strcmp(name, "--path")) path = value;
    else if (!strcmp(name, "--readers")) wanted = atoi(value);
    else if (!strcmp(name, "--transport")) transport = value;
    else if (!strcmp(name, "--seconds")) seconds = atof(value);
    else if (!strcmp(name, "--pid")) server_pid = atoi(value);
    else if (!strcmp(name, "--joins")) joins = atoi(value);
    else if (!strcmp(name, "--interval-ms")) interval_ms = atoi(value);
    else return fprintf(stderr, "reader: unknown option %s\n", name), 2;
  }
  is_udp = !strcmp(transport, "udp");
  next_port = 30000 + getpid() % 10000 * 2;
  poller = epoll_create1(0);
  sessions = calloc((size_t)wanted + 2, sizeof *sessions);
  buffer = malloc(READ_BYTES);
  return joins > 0 ? measure_joins(joins, interval_ms) : measure();
}
