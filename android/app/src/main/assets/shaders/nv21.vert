// Fills the output.
attribute vec2 corner;

void main() {
  gl_Position = vec4(corner * 2.0 - 1.0, 0.0, 1.0);
}
