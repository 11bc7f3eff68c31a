const UNDO_MS = 10_000; // time enough to see what happened

/** A short message at the edge of the admin. Errors stay in the page instead: a toast goes away. */
export function toast(message: string, undo?: () => void): void {
  // Without App Bridge (a page opened on its own) there is nobody to show it.
  if ("shopify" in globalThis) {
    shopify.toast.show(message, undo === undefined ? {} : { action: "Undo", onAction: undo, duration: UNDO_MS });
  }
}
