/** A short message at the edge of the admin. Errors stay in the page instead: a toast goes away. */
export function toast(message: string): void {
  // Without App Bridge (a page opened on its own) there is nobody to show it.
  if ("shopify" in globalThis) shopify.toast.show(message);
}
