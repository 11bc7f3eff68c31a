/** The sandbox's app-bridge.js: `window.shopify` for a page embedded in the sandbox's admin. */
import type { ShopifyGlobal, ToastOptions } from "@shopify/app-bridge-types";

import type { Overlay } from "../elements/commands";
import { countRouters, follow, watchClicks, watchHistory } from "./navigation";
import { receive, send, type FromApp, type FromHost } from "./protocol";
import { interceptFetch, interceptXhr } from "./requests";
import { answered, defineSaveBar, left, pressed, saveBar } from "./save-bar";
import { PageReader } from "./title-bar";

/** What is built. Everything else of the real object is absent here, so that its use fails in tests. */
type Bridge = Pick<ShopifyGlobal, "origin" | "ready" | "idToken" | "loading" | "toast" | "saveBar"> & {
  config: { apiKey: string; shop: string; host: string; locale: string };
  environment: { embedded: boolean; mobile: boolean; pos: boolean };
  modal: { show(id: string): Promise<void>; hide(id: string): Promise<void>; toggle(id: string): Promise<void> };
};

const TOKEN_TIMEOUT_MS = 10_000;

const script = document.currentScript as HTMLScriptElement | null;
if (!script?.src) throw new Error("app-bridge.js must be loaded by a plain script tag, not async, deferred or as a module");
/** Messages go to and come from whoever served this script: as with Shopify's, that is the admin's word. */
const adminOrigin = new URL(script.src).origin;
const apiKey = document.querySelector<HTMLMetaElement>('meta[name="shopify-api-key"]')?.content ?? script.dataset.apiKey ?? "";
if (!apiKey) throw new Error('app-bridge.js needs <meta name="shopify-api-key" content="..."> before it');
const embedded = window.parent !== window;

/** Launch parameters; kept for the tab, since later pages of the app are opened without them. */
function remembered(name: string): string {
  const key = `shopify:${apiKey}:${name}`;
  const given = new URLSearchParams(location.search).get(name);
  if (given) sessionStorage.setItem(key, given);
  return given ?? sessionStorage.getItem(key) ?? "";
}

const config = { apiKey, shop: remembered("shop"), host: remembered("host"), locale: remembered("locale") || "en" };

function tell(message: FromApp): void {
  if (embedded) send(window.parent, adminOrigin, message);
}

interface Waiting {
  resolve(token: string): void;
  reject(reason: Error): void;
}
const waiting = new Map<number, Waiting>();
let lastToken = 0;

function idToken(): Promise<string> {
  if (!embedded) return Promise.reject(new Error("no session token: this page is not embedded in the admin"));
  lastToken += 1;
  const id = lastToken;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => settle(id, (entry) => entry.reject(new Error("the admin gave no session token in time"))), TOKEN_TIMEOUT_MS);
    waiting.set(id, {
      resolve: (token) => (clearTimeout(timer), resolve(token)),
      reject: (reason) => (clearTimeout(timer), reject(reason)),
    });
    tell({ kind: "id-token", id });
  });
}

function settle(id: number, how: (entry: Waiting) => void): void {
  const entry = waiting.get(id);
  waiting.delete(id);
  if (entry) how(entry);
}

const toasts = new Map<string, ToastOptions>();
let lastToast = 0;

function showToast(message: string, options: ToastOptions = {}): string {
  lastToast += 1;
  const id = `toast-${lastToast}`;
  toasts.set(id, options);
  const { isError = false, duration = 5000, action = "" } = options;
  tell({ kind: "toast", id, message, isError, duration, action });
  return id;
}

function overlay(id: string): Overlay {
  const found = document.getElementById(id) as Partial<Overlay> | null;
  if (!found?.showOverlay) throw new Error(`no modal with the id ${JSON.stringify(id)}`);
  return found as Overlay;
}

let welcomed: () => void = () => undefined;
const bridge: Bridge = {
  config,
  origin: adminOrigin,
  environment: { embedded, mobile: false, pos: false },
  // Outside the admin it stays pending, as there is nobody to become ready with.
  ready: new Promise((resolve) => {
    welcomed = resolve;
  }),
  idToken,
  loading: (on = true) => tell({ kind: "loading", on }),
  toast: { show: showToast, hide: (id) => tell({ kind: "toast-hide", id }) },
  saveBar,
  modal: {
    show: async (id) => overlay(id).showOverlay(),
    hide: async (id) => overlay(id).hideOverlay(),
    toggle: async (id) => overlay(id).toggleOverlay(),
  },
};
(window as unknown as { shopify: Bridge }).shopify = bridge;

const reader = new PageReader();

function heard(message: FromHost): void {
  switch (message.kind) {
    case "welcome":
      config.shop ||= message.shop;
      config.locale = message.locale;
      welcomed();
      break;
    case "id-token":
      settle(message.id, (entry) => entry.resolve(message.token));
      break;
    case "id-token-refused":
      settle(message.id, (entry) => entry.reject(new Error(message.reason)));
      break;
    case "save-bar-press":
      pressed(message.which);
      break;
    case "leave-answer":
      answered(message.id, message.leave);
      break;
    case "navigate":
      // The admin has asked already whether to leave unsaved changes.
      left();
      follow([...document.querySelectorAll("s-app-nav > [href]")].find((link) => link.getAttribute("href") === message.href), message.href);
      break;
    case "press":
      reader.press(message.id);
      break;
    case "toast-action":
      toasts.get(message.id)?.onAction?.();
      break;
    case "toast-dismissed":
      toasts.get(message.id)?.onDismiss?.();
      toasts.delete(message.id);
      break;
  }
}

/** Keeps the host's title bar and navigation like the page, while the page changes. */
function mirrorPage(): void {
  let lastBar = "";
  let lastNav = "";
  let queued = false;
  const report = (): void => {
    queued = false;
    const bar = reader.titleBar();
    const items = reader.navigation();
    if (JSON.stringify(bar) !== lastBar) tell({ kind: "title", bar });
    if (JSON.stringify(items) !== lastNav && document.querySelector("s-app-nav")) tell({ kind: "nav", items });
    lastBar = JSON.stringify(bar);
    lastNav = JSON.stringify(items);
  };
  const watcher = new MutationObserver(() => {
    if (!queued) queueMicrotask(report);
    queued = true;
  });
  watcher.observe(document.documentElement, {
    childList: true,
    subtree: true,
    characterData: true,
    attributes: true,
    attributeFilter: ["heading", "disabled", "loading", "tone", "href", "slot", "icon", "rel", "commandfor", "accessibilitylabel"],
  });
  report();
}

/** While a modal is open the whole admin waits for it, not only the app's frame. */
function watchModals(): void {
  const open = new Set<Element>();
  let told = false;
  const report = (): void => {
    for (const modal of open) if (!modal.isConnected) open.delete(modal);
    if (told !== open.size > 0) tell({ kind: "modal", open: open.size > 0 });
    told = open.size > 0;
  };
  for (const name of ["show", "hide"] as const)
    document.addEventListener(
      name,
      (event) => {
        if (!(event.target instanceof Element) || event.target.localName !== "s-modal") return;
        if (name === "show") open.add(event.target);
        else open.delete(event.target);
        report();
      },
      true,
    );
  new MutationObserver(report).observe(document.documentElement, { childList: true, subtree: true });
}

/** The app's page that only fetches a token and reloads: its address to reload is in the query. */
async function reloadWithToken(address: string): Promise<void> {
  const url = new URL(address, location.origin);
  if (url.origin !== location.origin) throw new Error("shopify-reload must stay on the app's own origin");
  url.searchParams.set("id_token", await idToken());
  location.replace(url);
}

class AppNav extends HTMLElement {
  connectedCallback(): void {
    this.style.display = "none";
  }
}
if (!customElements.get("s-app-nav")) customElements.define("s-app-nav", AppNav);

countRouters();
defineSaveBar(tell);
if (embedded) {
  addEventListener("message", (event) => {
    const message = receive<FromHost>(event, window.parent, adminOrigin);
    if (message) heard(message);
  });
  tell({ kind: "hello", apiKey });
  const reload = new URLSearchParams(location.search).get("shopify-reload");
  if (reload) void reloadWithToken(reload);
  else {
    const identity = { idToken, locale: () => config.locale };
    interceptFetch(identity);
    interceptXhr(identity);
    watchClicks((href) => tell({ kind: "leave", href }));
    watchHistory((path) => tell({ kind: "location", path }));
    watchModals();
    mirrorPage();
  }
}
