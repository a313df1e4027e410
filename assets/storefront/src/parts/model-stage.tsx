// The stage of a product page: the picture first, the 3D model over it when it is ready.

import { useEffect, useRef, useState } from 'preact/hooks';
import type { ModelViewerElement } from '../viewer';
import { Picture } from './picture';

export interface ModelStageProps {
  src: string;
  usdz: string | undefined;
  poster: string | undefined;
  title: string;
  /** Name of the material variant inside the model. */
  variant: string | undefined;
  /** Gets the element once it can be asked for AR, and `null` when it goes. */
  onViewer: (viewer: ModelViewerElement | null) => void;
}

/** The page can be used before the viewer takes the processor; it starts after this at the latest. */
const IDLE_WAIT_MS_MAX = 1_500;

/** Runs `work` once the browser has nothing better to do; returns how to call it off. */
function whenIdle(work: () => void): () => void {
  if (typeof requestIdleCallback === 'function') {
    const id = requestIdleCallback(work, { timeout: IDLE_WAIT_MS_MAX });
    return () => cancelIdleCallback(id);
  }
  const timer = setTimeout(work, 200);
  return () => clearTimeout(timer);
}

type Phase = 'loading' | 'ready' | 'failed';

export function ModelStage({ src, usdz, poster, title, variant, onViewer }: ModelStageProps) {
  const [phase, setPhase] = useState<Phase>('loading');
  const [hasViewer, setHasViewer] = useState(false);
  const element = useRef<ModelViewerElement>(null);
  useEffect(() => {
    let wanted = true;
    const cancel = whenIdle(() => {
      import('../viewer').then(
        () => wanted && setHasViewer(true),
        () => wanted && setPhase('failed'),
      );
    });
    return () => {
      wanted = false;
      cancel();
    };
  }, []);
  useEffect(() => {
    const viewer = element.current;
    if (!hasViewer || !viewer) return undefined;
    const onLoad = (): void => {
      onViewer(viewer);
      // The first frames compile shaders and can take seconds without a GPU: the picture stays until they are drawn.
      requestAnimationFrame(() => requestAnimationFrame(() => setPhase('ready')));
    };
    const onError = (): void => setPhase('failed');
    viewer.addEventListener('load', onLoad);
    viewer.addEventListener('error', onError);
    if (viewer.loaded) onLoad();
    return () => {
      viewer.removeEventListener('load', onLoad);
      viewer.removeEventListener('error', onError);
      onViewer(null);
    };
  }, [hasViewer, src]);
  return (
    <div class={`model model-${phase}`}>
      {phase !== 'ready' && <Picture src={poster} alt={phase === 'failed' ? title : ''} eager />}
      {hasViewer && phase !== 'failed' && (
        <model-viewer
          ref={element}
          data-testid="model-viewer"
          data-phase={phase}
          src={src}
          ios-src={usdz}
          alt={`3D model of ${title}. Turn it with the arrow keys.`}
          variant-name={variant}
          camera-controls
          camera-orbit="30deg 72deg auto"
          touch-action="pan-y"
          ar
          ar-modes="webxr scene-viewer quick-look"
          ar-scale="fixed"
          shadow-intensity="0.9"
          shadow-softness="0.9"
          exposure="1.05"
          tone-mapping="neutral"
          interaction-prompt="none"
          loading="eager"
        >
          {/* Our own buttons stand beside the stage; these take the place of the built-in ones. */}
          <span slot="ar-button" hidden />
          <span slot="progress-bar" hidden />
        </model-viewer>
      )}
      <p class="model-hint" role="status">
        {phase === 'loading' && 'Loading the 3D model …'}
        {phase === 'ready' && 'Drag, or use the arrow keys, to walk around it'}
        {phase === 'failed' && 'The 3D model could not be shown here'}
      </p>
    </div>
  );
}
