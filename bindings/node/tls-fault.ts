/**
 * What is wrong with a certificate, its key, or what is trusted: one line for the operator, with the cure. Host side.
 */
export class TlsFault extends Error {
  override readonly name = "TlsFault";
}
