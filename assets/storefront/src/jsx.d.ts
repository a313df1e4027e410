// The custom element, for the type checker.

import type { JSX } from 'preact';

declare module 'preact' {
  namespace JSX {
    interface IntrinsicElements {
      'model-viewer': JSX.HTMLAttributes<HTMLElement> & {
        src?: string;
        'ios-src'?: string | undefined;
        alt?: string;
        poster?: string | undefined;
        ar?: boolean;
        'ar-modes'?: string;
        'ar-scale'?: string;
        'camera-controls'?: boolean;
        'camera-orbit'?: string;
        'touch-action'?: string;
        'variant-name'?: string | undefined;
        'shadow-intensity'?: string;
        'shadow-softness'?: string;
        exposure?: string;
        'tone-mapping'?: string;
        'interaction-prompt'?: string;
        loading?: string;
      };
    }
  }
}
