// The 3D viewer, a chunk of its own: three.js and model-viewer are five sixths of the shop's bytes and only product
// pages need them. Registers the element <model-viewer>.

import '@google/model-viewer';

/** What we call on the element. */
export interface ModelViewerElement extends HTMLElement {
  activateAR(): Promise<void>;
  readonly canActivateAR: boolean;
  readonly loaded: boolean;
}
