// Two lines stand before this text: an extension or none, and what SOURCE is.
#ifdef GL_FRAGMENT_PRECISION_HIGH
precision highp float;
#else
precision mediump float;
#endif
uniform SOURCE source;
// A quarter of an output pixel, in the source; 0 where the picture isn't made smaller.
uniform vec2 tapAcross;
uniform vec2 tapDown;
varying vec2 at;

void main() {
  // Four taps make the mean of what one pixel covers, up to a fourth of the size; one would leave pixels out, and flicker.
  gl_FragColor = 0.25 * (
    texture2D(source, at - tapAcross - tapDown) + texture2D(source, at + tapAcross - tapDown) +
    texture2D(source, at - tapAcross + tapDown) + texture2D(source, at + tapAcross + tapDown));
}
