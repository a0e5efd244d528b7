/*
 * The least that a server can do: an RTSP that is just enough for the reader, and per frame and reader only the system
 * calls that the bytes need. Packets are prepared once a frame (RFC 6184, payload 1,400), as a real server would at best.
 *
 *     bare --clip FILE --fps 30 --port 0 --udp send|mmsg|segment
 *
 * Over TCP one write a reader and frame. Over UDP, on connected sockets, `send` a packet, or one `sendmmsg`, or one `send`
 * a run of equal packets with UDP_SEGMENT. Prints its port.
 */
#define _GNU_SOURCE
#include "clip.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum { PAYLOAD = 1400, READERS_MAX = 1024, PACKETS_MAX = 1024, FRAME_MAX = 1 << 20, SEGMENTS_MAX = 64, RUN_MAX = 65000 };
enum { SEND_BYTES = 4 * 1024 * 1024 };
static const uint32_t SSRC = 0x506f7274;

typedef struct {
  int fd, udp, playing, begun, segment, client_port, length;
  char text[4096];
} Reader;

static Reader *readers[READERS_MAX];
static int poller, timer;
static Clip clip;
static enum { SEND, MMSG, SEGMENT } udp_mode = SEND;
static uint8_t packets[FRAME_MAX];
/* Ends of the packets in `packets`; with TCP framing each has 4 bytes more in front. */
static int ends[PACKETS_MAX], packet_count, length;
static uint16_t sequence = 1;

static void begin_packet(int framed, int payload, uint32_t timestamp, int marker) {
  uint8_t *p = packets + length;
  int size = 12 + payload;
  if (framed) {
    p[0] = '$', p[1] = 0, p[2] = (uint8_t)(size >> 8), p[3] = (uint8_t)size;
    p += 4;
  }
  p[0] = 0x80, p[1] = (uint8_t)(96 | marker << 7), p[2] = (uint8_t)(sequence >> 8), p[3] = (uint8_t)sequence;
  for (int i = 0; i < 4; i++) p[4 + i] = (uint8_t)(timestamp >> (24 - 8 * i)), p[8 + i] = (uint8_t)(SSRC >> (24 - 8 * i));
  length = (int)(p + 12 - packets);
  sequence++;
}

static void put(const void *data, size_t size) {
  memcpy(packets + length, data, size);
  length += (int)size;
}

/* Cuts one access unit into packets. */
static void packetize(const Access *frame, uint32_t timestamp, int framed) {
  packet_count = length = 0;
  for (int i = 0; i < frame->count; i++) {
    const Unit *unit = &clip.units[frame->first + i];
    int last_unit = i == frame->count - 1;
    if (unit->length <= PAYLOAD) {
      begin_packet(framed, (int)unit->length, timestamp, last_unit);
      put(unit->data, unit->length);
      ends[packet_count++] = length;
      continue;
    }
    size_t at = 1;
    while (at < unit->length) {
      size_t part = unit->length - at < PAYLOAD - 2 ? unit->length - at : PAYLOAD - 2;
      int last = at + part == unit->length;
      uint8_t head[2] = {(uint8_t)((unit->data[0] & 0xe0) | 28),
                         (uint8_t)((at == 1 ? 0x80 : 0) | (last ? 0x40 : 0) | (unit->data[0] & 31))};
      begin_packet(framed, (int)part + 2, timestamp, last && last_unit);
      put(head, 2);
      put(unit->data + at, part);
      ends[packet_count++] = length;
      at += part;
    }
  }
}

static void end_reader(int index) {
  Reader *r = readers[index];
  close(r->fd);
  if (r->udp > 0) close(r->udp);
  free(r);
  readers[index] = NULL;
}

static int write_tcp(Reader *r) {
  int at = 0;
  while (at < length) {
    ssize_t n = send(r->fd, packets + at, (size_t)(length - at), MSG_NOSIGNAL);
    if (n > 0) at += (int)n;
    else if (n < 0 && errno == EAGAIN) poll(&(struct pollfd){.fd = r->fd, .events = POLLOUT}, 1, 1000);
    else return -1;
  }
  return 0;
}

static void write_udp(Reader *r) {
  int start = 0;
  if (udp_mode == SEND) {
    for (int i = 0; i < packet_count; start = ends[i++]) send(r->udp, packets + start, (size_t)(ends[i] - start), 0);
    return;
  }
  if (udp_mode == MMSG) {
    static struct iovec vectors[PACKETS_MAX];
    static struct mmsghdr messages[PACKETS_MAX];
    for (int i = 0; i < packet_count; start = ends[i++]) {
      vectors[i] = (struct iovec){packets + start, (size_t)(ends[i] - start)};
      messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
    }
    for (int i = 0; i < packet_count;) {
      int n = sendmmsg(r->udp, messages + i, (unsigned)(packet_count - i), 0);
      if (n <= 0) return;
      i += n;
    }
    return;
  }
  for (int i = 0; i < packet_count;) {
    int size = ends[i] - start, last = i;
    while (last + 1 < packet_count && last + 1 - i < SEGMENTS_MAX && ends[last + 1] - start <= RUN_MAX) {
      int next = ends[last + 1] - ends[last];
      if (next > size) break;
      last++;
      if (next < size) break;
    }
    /* A size no smaller than the run does no harm, so it is set only when it must change. */
    if (last > i ? r->segment != size : r->segment > 0 && r->segment < size) {
      r->segment = last > i ? size : 0;
      setsockopt(r->udp, SOL_UDP, UDP_SEGMENT, &r->segment, sizeof r->segment);
    }
    send(r->udp, packets + start, (size_t)(ends[last] - start), 0);
    start = ends[last];
    i = last + 1;
  }
}

static void send_frame(const Access *frame, uint32_t timestamp) {
  uint16_t before = sequence;
  for (int udp = 0; udp < 2; udp++) {
    int prepared = 0;
    for (int i = 0; i < READERS_MAX; i++) {
      Reader *r = readers[i];
      if (r == NULL || !r->playing || (r->udp > 0) != udp) continue;
      if (!r->begun && !frame->key) continue;
      r->begun = 1;
      if (!prepared) {
        sequence = before;
        packetize(frame, timestamp, !udp);
        prepared = 1;
      }
      if (udp) write_udp(r);
      else if (write_tcp(r) != 0) end_reader(i);
    }
  }
}

static void answer(Reader *r, char *request) {
  char out[2048], more[1024] = "", body[512] = "";
  const char *cseq = strcasestr(request, "CSeq:");
  int number = cseq ? atoi(cseq + 5) : 0;
  if (!strncmp(request, "DESCRIBE", 8)) {
    snprintf(body, sizeof body, "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=bare\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
                                "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:trackID=0\r\n");
    snprintf(more, sizeof more, "Content-Type: application/sdp\r\nContent-Length: %zu\r\n", strlen(body));
  } else if (!strncmp(request, "SETUP", 5)) {
    const char *ports = strstr(request, "client_port=");
    if (ports != NULL) {
      r->client_port = atoi(ports + 12);
      struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons((uint16_t)r->client_port)};
      inet_pton(AF_INET, "127.0.0.1", &peer.sin_addr);
      r->udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
      connect(r->udp, (struct sockaddr *)&peer, sizeof peer);
      int size = SEND_BYTES;
      setsockopt(r->udp, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
      struct sockaddr_in own;
      socklen_t n = sizeof own;
      getsockname(r->udp, (struct sockaddr *)&own, &n);
      snprintf(more, sizeof more, "Session: 1\r\nTransport: RTP/AVP;unicast;client_port=%d-%d;server_port=%d-%d\r\n",
               r->client_port, r->client_port + 1, ntohs(own.sin_port), ntohs(own.sin_port) + 1);
    } else {
      snprintf(more, sizeof more, "Session: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n");
    }
  } else if (!strncmp(request, "PLAY", 4)) {
    snprintf(more, sizeof more, "Session: 1\r\n");
  }
  int n = snprintf(out, sizeof out, "RTSP/1.0 200 OK\r\nCSeq: %d\r\n%s\r\n%s", number, more, body);
  send(r->fd, out, (size_t)n, MSG_NOSIGNAL);
  if (!strncmp(request, "PLAY", 4)) r->playing = 1;
}

static void read_requests(int index) {
  Reader *r = readers[index];
  ssize_t n = recv(r->fd, r->text + r->length, sizeof r->text - 1 - (size_t)r->length, 0);
  if (n <= 0) {
    if (n == 0 || errno != EAGAIN) end_reader(index);
    return;
  }
  r->length += (int)n;
  r->text[r->length] = 0;
  char *end;
  while ((end = strstr(r->text, "\r\n\r\n")) != NULL) {
    *end = 0;
    answer(r, r->text);
    int used = (int)(end + 4 - r->text);
    memmove(r->text, r->text + used, (size_t)(r->length - used + 1));
    r->length -= used;
  }
}

static void accept_reader(int listener) {
  int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
  if (fd < 0) return;
  int index = 0;
  while (index < READERS_MAX && readers[index] != NULL) index++;
  if (index == READERS_MAX) {
    close(fd);
    return;
  }
  int on = 1, size = SEND_BYTES;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  readers[index] = calloc(1, sizeof(Reader));
  readers[index]->fd = fd;
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)index};
  epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
}

int main(int argc, char **argv) {
  const char *file = NULL;
  int port = 0;
  double fps = 30;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (!strcmp(argv[i], "--clip")) file = argv[i + 1];
    else if (!strcmp(argv[i], "--fps")) fps = atof(argv[i + 1]);
    else if (!strcmp(argv[i], "--port")) port = atoi(argv[i + 1]);
    else if (!strcmp(argv[i], "--udp")) udp_mode = argv[i + 1][0] == 'm' ? MMSG : argv[i + 1][2] == 'g' ? SEGMENT : SEND;
    else return fprintf(stderr, "bare: unknown option %s\n", argv[i]), 2;
  }
  if (file == NULL) return fprintf(stderr, "bare: --clip FILE\n"), 2;
  clip = clip_load(file);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  socklen_t size = sizeof address;
  if (bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 256) != 0) {
    return perror("bare"), 2;
  }
  getsockname(listener, (struct sockaddr *)&address, &size);
  printf("port %d\n", ntohs(address.sin_port));
  fflush(stdout);
  poller = epoll_create1(0);
  timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  long step = (long)(1e9 / fps);
  struct itimerspec every = {.it_interval = {0, step}, .it_value = {0, step}};
  timerfd_settime(timer, 0, &every, NULL);
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &(struct epoll_event){.events = EPOLLIN, .data.u32 = READERS_MAX});
  epoll_ctl(poller, EPOLL_CTL_ADD, timer, &(struct epoll_event){.events = EPOLLIN, .data.u32 = READERS_MAX + 1});
  struct epoll_event events[64];
  uint64_t slot = 0;
  for (;;) {
    int n = epoll_wait(poller, events, 64, -1);
    for (int i = 0; i < n; i++) {
      uint32_t who = events[i].data.u32;
      if (who == READERS_MAX) accept_reader(listener);
      else if (who < READERS_MAX && readers[who] != NULL) read_requests((int)who);
      else if (who == READERS_MAX + 1) {
        uint64_t ticks;
        if (read(timer, &ticks, sizeof ticks) != sizeof ticks) continue;
        /* A late frame is sent, never left out. */
        for (; ticks > 0; ticks--, slot++) {
          send_frame(&clip.frames[slot % (uint64_t)clip.frame_count], (uint32_t)((double)slot * 90000 / fps));
        }
      }
    }
  }
}
