// A picture's corner, 0 or 1 to the right and down, to where it lies in the output and where it comes from in the source.
attribute vec2 corner;
// The source's point at the top left corner, and the way from there to the right and down; 0 to 1 as rows lie in memory.
uniform vec2 origin;
uniform vec2 across;
uniform vec2 down;
varying vec2 at;

void main() {
  at = origin + across * corner.x + down * corner.y;
  gl_Position = vec4(corner.x * 2.0 - 1.0, 1.0 - corner.y * 2.0, 0.0, 1.0);
}
