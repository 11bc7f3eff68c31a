/** commandFor and command: a button shows, hides or toggles the overlay whose id it names. */

/** What s-modal, s-popover and s-menu offer. */
export interface Overlay extends HTMLElement {
  showOverlay(source?: HTMLElement): void;
  hideOverlay(): void;
  toggleOverlay(source?: HTMLElement): void;
}

const isOverlay = (element: Element | null): element is Overlay =>
  element !== null && typeof (element as Partial<Overlay>).toggleOverlay === "function";

/** Carries out the command of a pressed element, if it has one. */
export function runCommand(source: HTMLElement): void {
  const id = source.getAttribute("commandfor");
  if (!id) return;
  const target = (source.getRootNode() as Document | ShadowRoot).getElementById(id);
  if (!isOverlay(target)) return;
  const command = source.getAttribute("command") ?? "--auto";
  if (command === "--hide") target.hideOverlay();
  else if (command === "--show") target.showOverlay(source);
  else if (command === "--auto" || command === "--toggle") target.toggleOverlay(source);
}
