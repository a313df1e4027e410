// What a line says of its pieces that are not there yet.

/** Shows it; nothing where all are there. */
export function LineNote({ text }: { text: string | null }) {
  return text === null ? null : <span class="line-note" data-testid="line-note">{text}</span>;
}
