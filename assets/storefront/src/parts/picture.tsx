// Product pictures in their niche.

import { useState } from 'preact/hooks';
import { GlassCase } from './glass-case';

export interface PictureProps {
  src: string | undefined;
  alt: string;
  /** Loads at once: for what is on the first screen. */
  eager?: boolean;
}

/** A square picture; an empty case stands in when there is none or it does not load. */
export function Picture({ src, alt, eager = false }: PictureProps) {
  const [failed, setFailed] = useState('');
  return (
    <span class="picture">
      {src && failed !== src ? (
        <img
          src={src}
          alt={alt}
          width="800"
          height="800"
          decoding="async"
          loading={eager ? 'eager' : 'lazy'}
          {...(eager ? { fetchpriority: 'high' as const } : {})}
          onError={() => setFailed(src)}
        />
      ) : (
        <GlassCase />
      )}
    </span>
  );
}
