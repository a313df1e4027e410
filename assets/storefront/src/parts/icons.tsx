// Icons, drawn in hairlines on a 24-unit square.

interface IconProps {
  path: string;
}

function Icon({ path }: IconProps) {
  return (
    <svg class="icon" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
      <path d={path} />
    </svg>
  );
}

export const SearchIcon = () => <Icon path="M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.5 15.5L20 20" />;
export const CartIcon = () => <Icon path="M5 8h14l-1.2 11.5H6.2zM9 8V7a3 3 0 0 1 6 0v1" />;
export const PersonIcon = () => <Icon path="M12 11.5a3.75 3.75 0 1 0 0-7.5 3.75 3.75 0 0 0 0 7.5zM5 20c.6-3.6 3.4-5.5 7-5.5s6.4 1.9 7 5.5" />;
export const RoomIcon = () => <Icon path="M4 8V5a1 1 0 0 1 1-1h3M16 4h3a1 1 0 0 1 1 1v3M20 16v3a1 1 0 0 1-1 1h-3M8 20H5a1 1 0 0 1-1-1v-3M12 7.5l4 2.3v4.5l-4 2.3-4-2.3V9.8zM8 9.8l4 2.3 4-2.3M12 12.1v4.5" />;
export const CloseIcon = () => <Icon path="M6 6l12 12M18 6L6 18" />;
export const CubeIcon = () => <Icon path="M12 3.5l7.5 4.25v8.5L12 20.5l-7.5-4.25v-8.5zM4.5 7.75L12 12l7.5-4.25M12 12v8.5" />;
