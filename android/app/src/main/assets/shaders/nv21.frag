// Packs a picture as NV21, four bytes in each pixel of the output: rows of Y from the top, then half as many rows of V and U
// in turns, one pair for two by two pixels. The output's row 0, which is read first, is the top; the picture's top is t = 1.
// Full range as JFIF has it (ITU-T T.871 section 7).
#ifdef GL_FRAGMENT_PRECISION_HIGH
precision highp float;
#else
precision mediump float;
#endif
uniform sampler2D picture;
// The picture's, in pixels; both even.
uniform vec2 size;

vec3 pixel(float x, float row) {
  // The last pixels of a row stand in for those that only fill it up.
  return texture2D(picture, vec2((min(x, size.x - 1.0) + 0.5) / size.x, 1.0 - (row + 0.5) / size.y)).rgb;
}

float luma(vec3 c) { return dot(c, vec3(0.299, 0.587, 0.114)); }

// 128 of 255 is no colour.
float blue(vec3 c) { return dot(c, vec3(-0.168736, -0.331264, 0.5)) + 128.0 / 255.0; }

float red(vec3 c) { return dot(c, vec3(0.5, -0.418688, -0.081312)) + 128.0 / 255.0; }

vec3 mean(float x, float row) {
  return 0.25 * (pixel(x, row) + pixel(x + 1.0, row) + pixel(x, row + 1.0) + pixel(x + 1.0, row + 1.0));
}

void main() {
  float x = floor(gl_FragCoord.x) * 4.0;
  float row = floor(gl_FragCoord.y);
  if (row < size.y) {
    gl_FragColor = vec4(
      luma(pixel(x, row)), luma(pixel(x + 1.0, row)), luma(pixel(x + 2.0, row)), luma(pixel(x + 3.0, row)));
  } else {
    float top = (row - size.y) * 2.0;
    vec3 left = mean(x, top);
    vec3 right = mean(x + 2.0, top);
    gl_FragColor = vec4(red(left), blue(left), red(right), blue(right));
  }
}
