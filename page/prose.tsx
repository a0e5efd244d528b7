/**
 * Texts that are more than plain words.
 */

/** A text of the server's, with what stands between backticks as code. */
export function Prose({ text }: { readonly text: string }) {
  return <span>{text.split("`").map((piece, at) => (at % 2 === 1 ? <code key={at}>{piece}</code> : piece))}</span>;
}

/** An address, selected as a whole by a click, that breaks behind a slash where it must break. */
export function Address({ text }: { readonly text: string }) {
  const pieces = text.split(/(?<=[^/]\/)(?!\/)/);
  return (
    <code class="address">
      {pieces.map((piece, at) => (
        <span key={at}>
          {at === 0 ? null : <wbr />}
          {piece}
        </span>
      ))}
    </code>
  );
}
