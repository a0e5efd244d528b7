/*
 * An H.264 byte stream (ITU-T H.264 Annex B) in memory, cut into access units. Shared by the C programs of this folder.
 */
#ifndef PORTHOLE_BENCH_CLIP_H
#define PORTHOLE_BENCH_CLIP_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct {
  const uint8_t *data;
  size_t length;
} Unit;

/* One access unit: units `first` … `first + count - 1` of the clip; `data` and `length` are its bytes with start codes. */
typedef struct {
  const uint8_t *data;
  size_t length;
  int first, count, key;
} Access;

typedef struct {
  uint8_t *bytes;
  size_t length;
  Unit *units;
  int unit_count;
  Access *frames;
  int frame_count;
} Clip;

static void clip_die(const char *what, const char *file) {
  fprintf(stderr, "clip %s: %s\n", file, what);
  exit(2);
}

static Clip clip_load(const char *file) {
  Clip clip = {0};
  FILE *in = fopen(file, "rb");
  if (in == NULL) clip_die("can't be read", file);
  fseek(in, 0, SEEK_END);
  clip.length = (size_t)ftell(in);
  rewind(in);
  clip.bytes = malloc(clip.length + 4);
  if (fread(clip.bytes, 1, clip.length, in) != clip.length) clip_die("cut short", file);
  fclose(in);
  size_t capacity = 1024, frames = 1024;
  clip.units = malloc(capacity * sizeof(Unit));
  clip.frames = malloc(frames * sizeof(Access));
  const uint8_t *at = clip.bytes, *end = clip.bytes + clip.length;
  const uint8_t *start = NULL;
  int pending = 0, has_picture = 0;
  Access access = {0};
  for (;; at++) {
    int code = at + 3 <= end && at[0] == 0 && at[1] == 0 && at[2] == 1;
    if (!code && at < end) continue;
    if (start != NULL) {
      const uint8_t *stop = at;
      while (stop > start && stop[-1] == 0) stop--;
      if (clip.unit_count == (int)capacity) clip.units = realloc(clip.units, (capacity *= 2) * sizeof(Unit));
      clip.units[clip.unit_count] = (Unit){start, (size_t)(stop - start)};
      int type = start[0] & 31;
      int picture = type == 1 || type == 5;
      /* A unit before a picture, or a slice whose first_mb_in_slice is 0 (first bit of its header set), begins the next. */
      if (has_picture && (!picture || (start[1] & 0x80))) {
        access.count = clip.unit_count - access.first;
        access.length = (size_t)((start - 3) - access.data);
        if (clip.frame_count == (int)frames) clip.frames = realloc(clip.frames, (frames *= 2) * sizeof(Access));
        clip.frames[clip.frame_count++] = access;
        pending = has_picture = 0;
      }
      if (!pending) access = (Access){start - 3, 0, clip.unit_count, 0, 0};
      pending = 1;
      has_picture |= picture;
      access.key |= type == 5;
      clip.unit_count++;
    }
    if (at >= end) break;
    start = at + 3;
    at += 2;
  }
  if (has_picture) {
    access.count = clip.unit_count - access.first;
    access.length = (size_t)(end - access.data);
    clip.frames[clip.frame_count++] = access;
  }
  if (clip.frame_count == 0 || !clip.frames[0].key) clip_die("does not begin with a key frame", file);
  return clip;
}
#endif
