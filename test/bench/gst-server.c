/*
 * gst-rtsp-server playing the clip in a loop: one shared media for all readers, access units pushed at their time.
 *
 *     gst-server --clip FILE --fps 30
 *
 * Prints its port; the path is /live/back.
 */
#include "clip.h"
#include <gst/app/gstappsrc.h>
#include <gst/rtsp-server/rtsp-server.h>
#include <string.h>

typedef struct {
  GstElement *source;
  gint running;
} Player;

static Clip clip;
static double fps = 30;

static gpointer play(gpointer data) {
  Player *player = data;
  gint64 start_us = g_get_monotonic_time();
  for (guint64 slot = 0; g_atomic_int_get(&player->running); slot++) {
    gint64 due_us = start_us + (gint64)((double)slot * 1e6 / fps);
    gint64 now_us = g_get_monotonic_time();
    if (due_us > now_us) g_usleep((gulong)(due_us - now_us));
    const Access *frame = &clip.frames[slot % (guint64)clip.frame_count];
    GstBuffer *buffer = gst_buffer_new_memdup(frame->data, frame->length);
    if (gst_app_src_push_buffer(GST_APP_SRC(player->source), buffer) != GST_FLOW_OK) break;
  }
  gst_object_unref(player->source);
  return NULL;
}

static void on_unprepared(GstRTSPMedia *media, gpointer data) {
  (void)media;
  g_atomic_int_set(&((Player *)data)->running, 0);
}

static void on_configure(GstRTSPMediaFactory *factory, GstRTSPMedia *media, gpointer data) {
  (void)factory, (void)data;
  GstElement *element = gst_rtsp_media_get_element(media);
  /* A few bytes a stream's start, never freed: the thread may outlive the media. */
  Player *player = g_new0(Player, 1);
  player->source = gst_bin_get_by_name_recurse_up(GST_BIN(element), "source");
  player->running = 1;
  gst_object_unref(element);
  g_signal_connect(media, "unprepared", G_CALLBACK(on_unprepared), player);
  g_thread_unref(g_thread_new("player", play, player));
}

int main(int argc, char **argv) {
  const char *file = NULL;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (!strcmp(argv[i], "--clip")) file = argv[i + 1];
    else if (!strcmp(argv[i], "--fps")) fps = atof(argv[i + 1]);
  }
  if (file == NULL) return fprintf(stderr, "gst-server: --clip FILE\n"), 2;
  gst_init(&argc, &argv);
  clip = clip_load(file);
  GstRTSPServer *server = gst_rtsp_server_new();
  gst_rtsp_server_set_address(server, "127.0.0.1");
  gst_rtsp_server_set_service(server, "0");
  GstRTSPMediaFactory *factory = gst_rtsp_media_factory_new();
  gst_rtsp_media_factory_set_launch(
      factory, "( appsrc name=source is-live=true format=time do-timestamp=true "
               "caps=video/x-h264,stream-format=byte-stream,alignment=au ! h264parse ! "
               "rtph264pay name=pay0 pt=96 mtu=1412 config-interval=-1 )");
  gst_rtsp_media_factory_set_shared(factory, TRUE);
  g_signal_connect(factory, "media-configure", G_CALLBACK(on_configure), NULL);
  GstRTSPMountPoints *mounts = gst_rtsp_server_get_mount_points(server);
  gst_rtsp_mount_points_add_factory(mounts, "/live/back", factory);
  g_object_unref(mounts);
  if (gst_rtsp_server_attach(server, NULL) == 0) return fprintf(stderr, "gst-server: can't listen\n"), 2;
  printf("port %d\n", gst_rtsp_server_get_bound_port(server));
  fflush(stdout);
  g_main_loop_run(g_main_loop_new(NULL, FALSE));
}
