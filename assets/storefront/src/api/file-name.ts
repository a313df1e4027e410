// What a file is called, as an answer says it.

/** Reads the name from `Content-Disposition`; `null` where there is none that a file may have. */
export function fileName(header: string | null): string | null {
  const name = /^attachment;\s*filename="([\w.-]+)"$/.exec(header ?? '')?.[1];
  return name === undefined || name.startsWith('.') ? null : name;
}
