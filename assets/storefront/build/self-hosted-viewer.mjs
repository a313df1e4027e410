// Makes @google/model-viewer fit a strict Content-Security-Policy and load no byte from another host.
//
// 1. Its shadow root carries an inline <style>, which `style-src 'self'` refuses: the text moves into Lit's `styles`,
//    a constructed style sheet, which the policy allows.
// 2. Its defaults for the Draco, KTX2 and Lottie decoders are addresses at Google and jsDelivr. Our models need none
//    of them; the defaults become paths of our own, so that a foreign model fails here instead of calling out.
// 3. It carries the meshopt decoder, which compiles WebAssembly as soon as it is loaded and so wants
//    'wasm-unsafe-eval', but is never used unless a decoder location is set. An empty one takes its place.
//
// Each rewrite fails the build when the text it expects is gone, so that an update of the package is noticed.

import { readFile } from 'node:fs/promises';

const STYLE = /<style>([\s\S]*?)<\/style>/;
const TEMPLATE_IMPORT = "import { makeTemplate } from './template.js';";
const FIRST_STATIC = 'static get is() {';
/** What the loader asks of the decoder; it never does, as no location is set. */
const NO_MESHOPT = 'export const MeshoptDecoder = { supported: false, ready: Promise.resolve() };';
const FOREIGN = /https:\/\/(?:www\.gstatic\.com|cdn\.jsdelivr\.net)\/[^'"]*/g;

/** Takes the style out of the template and exports it. */
function withExportedStyle(source) {
  const style = STYLE.exec(source);
  if (!style || style[1].includes('${')) {
    throw new Error('model-viewer: template.js has changed; adapt self-hosted-viewer.mjs');
  }
  return `import { unsafeCSS } from 'lit';
${source.replace(STYLE, '')}
export const templateStyles = unsafeCSS(${JSON.stringify(style[1])});`;
}

/** Gives the element the template's style the way Lit wants it; a sheet set by hand would be replaced on connection. */
function withLitStyles(source) {
  if (!source.includes(TEMPLATE_IMPORT) || !source.includes(FIRST_STATIC)) {
    throw new Error('model-viewer: model-viewer-base.js has changed; adapt self-hosted-viewer.mjs');
  }
  return source
    .replace(TEMPLATE_IMPORT, "import { makeTemplate, templateStyles } from './template.js';")
    .replace(FIRST_STATIC, `static get styles() { return templateStyles; }\n    ${FIRST_STATIC}`);
}

/** Points the decoder defaults at our own host, where they are answered with 404. */
function withoutForeignHosts(source) {
  if ((source.match(FOREIGN) ?? []).length === 0) {
    throw new Error('model-viewer: loading.js has changed; adapt self-hosted-viewer.mjs');
  }
  return source.replace(FOREIGN, '/assets/decoders-not-shipped/');
}

/** The esbuild plugin. */
export function selfHostedViewer() {
  let hasMeshopt = false;
  const rewrite = (change) => async ({ path }) => ({ contents: change(await readFile(path, 'utf8')), loader: 'js' });
  return {
    name: 'self-hosted-viewer',
    setup(build) {
      build.onLoad({ filter: /@google\/model-viewer\/lib\/template\.js$/ }, rewrite(withExportedStyle));
      build.onLoad({ filter: /@google\/model-viewer\/lib\/model-viewer-base\.js$/ }, rewrite(withLitStyles));
      build.onLoad({ filter: /@google\/model-viewer\/lib\/features\/loading\.js$/ }, rewrite(withoutForeignHosts));
      build.onLoad({ filter: /three\/examples\/jsm\/libs\/meshopt_decoder\.module\.js$/ }, () => {
        hasMeshopt = true;
        return { contents: NO_MESHOPT, loader: 'js' };
      });
      build.onEnd(() => {
        if (!hasMeshopt) throw new Error('model-viewer: the meshopt decoder has moved; adapt self-hosted-viewer.mjs');
      });
    },
  };
}
