// Files that the build copies and names by content; the value is their address.

declare module '*.svg' {
  const address: string;
  export default address;
}
