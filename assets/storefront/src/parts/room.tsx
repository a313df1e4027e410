// "View in your room": the way into AR that this device has.

import { useEffect, useRef, useState } from 'preact/hooks';
import type { ArManifest } from '../api/types';
import { chooseLaunch, type Device } from '../ar';
import { track } from '../events';
import icon from '../images/room.svg';
import { encodeQr, qrPath } from '../qr';
import { announce } from '../state/announce';
import type { ModelViewerElement } from '../viewer';
import { CloseIcon, RoomIcon } from './icons';

/** Light modules around a QR code, as the standard asks. */
const QUIET_ZONE = 4;

function device(): Device {
  const probe = document.createElement('a');
  return {
    userAgent: navigator.userAgent,
    maxTouchPoints: navigator.maxTouchPoints,
    supportsQuickLook: probe.relList.supports?.('ar') ?? false,
  };
}

function QrCode({ text }: { text: string }) {
  const modules = encodeQr(text);
  if (!modules) return null;
  const size = modules.length + 2 * QUIET_ZONE;
  return (
    <svg class="qr" viewBox={`0 0 ${size} ${size}`} shape-rendering="crispEdges" role="img" aria-label={`QR code of ${text}`}>
      <rect width={size} height={size} fill="#fff" />
      <path d={qrPath(modules, QUIET_ZONE)} fill="#000" />
    </svg>
  );
}

interface PhoneDialogProps {
  url: string;
  onClose: () => void;
}

/** A modal dialog; the browser keeps the focus inside and gives it back afterwards. */
function PhoneDialog({ url, onClose }: PhoneDialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog
      ref={dialog}
      class="dialog"
      aria-labelledby="phone-title"
      onClose={onClose}
      onClick={(event) => event.target === event.currentTarget && event.currentTarget.close()}
    >
      <div class="dialog-body">
        <button type="button" class="icon-button dialog-close" aria-label="Close" onClick={() => dialog.current?.close()}>
          <CloseIcon />
        </button>
        <h2 id="phone-title">See it in your room with your phone</h2>
        <p>Scan the code with the camera of your phone or tablet. The piece then stands in front of you at true size.</p>
        <QrCode text={url} />
        <p class="dialog-url">{url}</p>
      </div>
    </dialog>
  );
}

export interface RoomButtonProps {
  manifest: ArManifest;
  handle: string;
  title: string;
  viewer: ModelViewerElement | null;
}

export function RoomButton({ manifest, handle, title, viewer }: RoomButtonProps) {
  const [isOpen, setIsOpen] = useState(false);
  const launch = chooseLaunch(manifest, device());
  const label = 'View in your room';
  const launched = (): void => track('ar_launch', handle);
  switch (launch.kind) {
    case 'quick-look':
      // Quick Look wants one <img> and nothing else inside; the words come from the style sheet.
      return (
        <a class="button button-room button-quick-look" rel="ar" href={launch.href} data-testid="ar-link" data-label={label} onClick={launched}>
          <img src={icon} alt={`View ${title} in your room`} width="20" height="20" />
        </a>
      );
    case 'scene-viewer':
      return (
        <a class="button button-room" href={launch.href} data-testid="ar-link" onClick={launched}>
          <RoomIcon /> {label}
        </a>
      );
    case 'webxr':
      return (
        <button
          type="button"
          class="button button-room"
          data-testid="ar-link"
          onClick={() => {
            if (viewer?.canActivateAR) {
              launched();
              void viewer.activateAR();
            } else if (manifest.links.scene_viewer) {
              launched();
              location.href = manifest.links.scene_viewer;
            } else announce('The model is still loading. Try again in a moment.');
          }}
        >
          <RoomIcon /> {label}
        </button>
      );
    case 'open-in-safari':
      return <p class="room-hint">Open this page in Safari to see the piece in your room.</p>;
    case 'phone':
      return (
        <>
          <button type="button" class="button button-room" aria-haspopup="dialog" data-testid="ar-link" onClick={() => setIsOpen(true)}>
            <RoomIcon /> {label}
          </button>
          {isOpen && <PhoneDialog url={location.href} onClose={() => setIsOpen(false)} />}
        </>
      );
  }
}
