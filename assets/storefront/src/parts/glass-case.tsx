// The glass case: the shop's mark, drawn large where a place is empty.

export interface GlassCaseProps {
  class?: string;
}

/** An empty case on a plinth, in hairlines. */
export function GlassCase({ class: name = '' }: GlassCaseProps) {
  return (
    <svg class={`glass-case ${name}`} viewBox="0 0 200 200" fill="none" aria-hidden="true">
      <path class="glass-back" d="M62 22h112v112H62zM26 52l36-30M138 52l36-30M26 164l36-30M138 164l36-30" />
      <path class="glass-front" d="M26 52h112v112H26z" />
      <path class="glass-plinth" d="M26 164h112l36-30v14l-36 34H26z" />
      <path class="glass-shine" d="M42 140l52-72M58 146l28-40" />
    </svg>
  );
}
