/**
 * The messages between the page in the iframe (app-bridge.js) and the admin around it (admin-host.js).
 *
 * Each side accepts a message only from the other's window and origin. Shopify's own messages are not
 * published; these are the sandbox's, and nothing outside these two scripts may know them.
 */

export interface Action {
  /** Names the element behind the button while the same title bar stands. */
  readonly id: string;
  readonly label: string;
  readonly icon: string;
  readonly tone: string;
  readonly disabled: boolean;
  readonly loading: boolean;
  /** What the menu that the button opens holds; null for a plain button. */
  readonly menu: readonly Action[] | null;
}

export interface TitleBar {
  readonly heading: string;
  readonly breadcrumb: Action | null;
  readonly primary: Action | null;
  readonly secondary: readonly Action[];
  readonly badges: readonly { readonly label: string; readonly tone: string }[];
}

export interface NavItem {
  readonly href: string;
  readonly label: string;
}

export interface SaveBarButton {
  readonly disabled: boolean;
  readonly loading: boolean;
}

export interface SaveBarState {
  readonly save: SaveBarButton;
  readonly discard: SaveBarButton;
  /** Whether Discard asks first. */
  readonly confirm: boolean;
}

export type FromApp =
  | { kind: "hello"; apiKey: string }
  | { kind: "id-token"; id: number }
  | { kind: "toast"; id: string; message: string; isError: boolean; duration: number; action: string }
  | { kind: "toast-hide"; id: string }
  | { kind: "loading"; on: boolean }
  | { kind: "location"; path: string }
  | { kind: "nav"; items: NavItem[] }
  | { kind: "title"; bar: TitleBar | null }
  | { kind: "leave"; href: string }
  | { kind: "save-bar"; bar: SaveBarState | null }
  | { kind: "leave-confirmation"; id: number }
  | { kind: "modal"; open: boolean };

export type FromHost =
  | { kind: "welcome"; shop: string; locale: string }
  | { kind: "id-token"; id: number; token: string }
  | { kind: "id-token-refused"; id: number; reason: string }
  | { kind: "navigate"; href: string }
  | { kind: "press"; id: string }
  | { kind: "toast-action"; id: string }
  | { kind: "toast-dismissed"; id: string }
  | { kind: "save-bar-press"; which: "save" | "discard" }
  | { kind: "leave-answer"; id: number; leave: boolean };

const MARK = "encore-sandbox-bridge";

export function send(target: Window, origin: string, message: FromApp | FromHost): void {
  target.postMessage({ [MARK]: 1, ...message }, origin);
}

/** The message in an event if it came from exactly this window and origin; else null. */
export function receive<T extends FromApp | FromHost>(event: MessageEvent, from: Window | null, origin: string): T | null {
  if (from === null || event.source !== from || event.origin !== origin) return null;
  const data = event.data as (T & { [MARK]?: number }) | null;
  return data !== null && typeof data === "object" && data[MARK] === 1 ? data : null;
}
