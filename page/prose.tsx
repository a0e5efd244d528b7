/** A text of the server's, with what stands between backticks as code. */
export function Prose({ text }: { readonly text: string }) {
  return <span>{text.split("`").map((piece, at) => (at % 2 === 1 ? <code key={at}>{piece}</code> : piece))}</span>;
}
