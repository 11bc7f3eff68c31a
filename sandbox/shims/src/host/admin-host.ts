/** The admin's page around the app: answers its bridge, draws title bar, navigation, toasts, loading bar. */
import { receive, send, type Action, type FromApp, type FromHost, type NavItem, type SaveBarButton, type SaveBarState, type TitleBar } from "../bridge/protocol";
import { iconSvg } from "../elements/media";

interface HostConfig {
  readonly appOrigin: string;
  /** The path of the application URL; the app's own paths follow it. */
  readonly appPrefix: string;
  readonly apiKey: string;
  readonly shop: string;
  readonly locale: string;
  /** /store/{name}: the admin's own address of the store. */
  readonly storePath: string;
  /** /store/{name}/apps/encore */
  readonly appPath: string;
  readonly tokenUrl: string;
}

/** Parameters that open the app; they belong to one load and are kept out of the address bar. */
const LAUNCH = ["embedded", "hmac", "host", "id_token", "locale", "session", "shop", "timestamp"];

function one<T extends HTMLElement>(selector: string): T {
  const found = document.querySelector<T>(selector);
  if (!found) throw new Error(`the admin's page has no ${selector}`);
  return found;
}

function make<K extends keyof HTMLElementTagNameMap>(tag: K, className: string, words = ""): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = words;
  return made;
}

for (const place of document.querySelectorAll<HTMLElement>("[data-icon]")) place.innerHTML = iconSvg(place.dataset.icon ?? "");

const toggle = one<HTMLButtonElement>("#nav-toggle");
function showNavigation(open: boolean): void {
  document.body.classList.toggle("nav-open", open);
  toggle.setAttribute("aria-expanded", String(open));
}
toggle.addEventListener("click", () => showNavigation(!document.body.classList.contains("nav-open")));
one("#shade").addEventListener("click", () => showNavigation(false));
addEventListener("keydown", (event) => {
  if (event.key === "Escape") showNavigation(false);
});

function hostApp(config: HostConfig): void {
  const frame = one<HTMLIFrameElement>("#app-frame");
  const tell = (message: FromHost): void => {
    if (frame.contentWindow) send(frame.contentWindow, config.appOrigin, message);
  };
  const bar = new TitleBarView(tell);
  const toasts = new ToastView(tell);
  const saving = new SaveBarView(tell);
  const nav = new NavView(config, (message) => void saving.guarded(() => tell(message)));

  addEventListener("message", (event) => {
    const message = receive<FromApp>(event, frame.contentWindow, config.appOrigin);
    if (!message) return;
    switch (message.kind) {
      case "hello":
        // A new document: whatever the one before had asked for is over.
        loading(false);
        saving.show(null);
        modal(false);
        if (message.apiKey === config.apiKey) tell({ kind: "welcome", shop: config.shop, locale: config.locale });
        break;
      case "id-token":
        void answerToken(config, message.id, tell);
        break;
      case "toast":
        toasts.show(message);
        break;
      case "toast-hide":
        toasts.hide(message.id);
        break;
      case "loading":
        loading(message.on);
        break;
      case "location":
        nav.here(showAddress(config, message.path));
        break;
      case "nav":
        nav.fill(message.items);
        break;
      case "title":
        bar.show(message.bar);
        break;
      case "leave":
        void saving.guarded(() => leave(config, message.href));
        break;
      case "save-bar":
        saving.show(message.bar);
        break;
      case "leave-confirmation":
        void saving.asked(message.id);
        break;
      case "modal":
        modal(message.open);
        break;
    }
  });
}

/** Puts the app's path behind the admin's address of the app, so that reload and links lead back there. */
function showAddress(config: HostConfig, path: string): string {
  const url = new URL(path, config.appOrigin);
  const inside = url.pathname.startsWith(config.appPrefix) ? url.pathname.slice(config.appPrefix.length) : url.pathname;
  for (const name of LAUNCH) url.searchParams.delete(name);
  const tail = inside === "/" ? "" : inside;
  history.replaceState(null, "", config.appPath + tail + url.search + url.hash);
  return url.pathname;
}

async function answerToken(config: HostConfig, id: number, tell: (message: FromHost) => void): Promise<void> {
  try {
    const response = await fetch(config.tokenUrl, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ shop: config.shop }),
    });
    if (!response.ok) throw new Error(`the admin refused a session token (${response.status})`);
    const { id_token: token } = (await response.json()) as { id_token: string };
    tell({ kind: "id-token", id, token });
  } catch (error) {
    tell({ kind: "id-token-refused", id, reason: String(error) });
  }
}

/** Out of the app: `shopify://admin/products` is a page of this admin, an http address is the browser's. */
function leave(config: HostConfig, href: string): void {
  const admin = /^shopify:(?:\/\/)?admin(\/.*)?$/.exec(href);
  if (admin) location.assign(config.storePath + (admin[1] ?? ""));
  else if (/^https?:\/\//.test(href)) location.assign(href);
}

/** An open modal of the app covers the admin around it too. */
function modal(on: boolean): void {
  document.body.classList.toggle("modal", on);
  for (const part of document.querySelectorAll(".topbar, .nav, .titlebar")) part.toggleAttribute("inert", on);
}

interface Question {
  readonly heading: string;
  readonly words: string;
  readonly yes: string;
  readonly no: string;
}

/** Asks in a dialog over the whole admin; true for yes. */
function ask({ heading, words, yes, no }: Question): Promise<boolean> {
  const dialog = make("dialog", "question");
  const title = make("h2", "", heading);
  title.id = "question-heading";
  dialog.setAttribute("aria-labelledby", title.id);
  const buttons = make("div", "buttons");
  return new Promise((resolve) => {
    const end = (answer: boolean): void => {
      dialog.remove();
      resolve(answer);
    };
    for (const [label, look, answer] of [[no, "secondary", false], [yes, "primary critical", true]] as const) {
      const button = make("button", `button ${look}`, label);
      button.type = "button";
      button.addEventListener("click", () => end(answer));
      buttons.append(button);
    }
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      end(false);
    });
    dialog.append(title, make("p", "", words), buttons);
    document.body.append(dialog);
    dialog.showModal();
  });
}

const LEAVE: Question = { heading: "Leave page with unsaved changes?", words: "Leaving this page will delete all unsaved changes.", yes: "Leave page", no: "Stay" };
const DISCARD: Question = { heading: "Discard all unsaved changes?", words: "If you discard changes, you’ll delete any edits you made since you last saved.", yes: "Discard changes", no: "Continue editing" };

/** The bar over the admin that says something is unsaved; while it stands, leaving asks first. */
class SaveBarView {
  private bar: SaveBarState | null = null;

  constructor(private readonly tell: (message: FromHost) => void) {
    // Links of the admin itself lead out of the app.
    document.addEventListener("click", (event) => {
      const link = event.target instanceof Element ? event.target.closest<HTMLAnchorElement>("a[href]") : null;
      if (this.bar === null || link === null || event.defaultPrevented || link.target === "_blank") return;
      event.preventDefault();
      void this.guarded(() => location.assign(link.href));
    });
  }

  show(bar: SaveBarState | null): void {
    this.bar = bar;
    document.body.classList.toggle("unsaved", bar !== null);
    const place = one("#save-bar");
    place.hidden = bar === null;
    if (bar === null) return place.replaceChildren();
    const discard = this.button("Discard", "discard", bar.discard, async () => {
      if (!bar.confirm || (await ask(DISCARD))) this.tell({ kind: "save-bar-press", which: "discard" });
    });
    const save = this.button("Save", "save", bar.save, () => this.tell({ kind: "save-bar-press", which: "save" }));
    place.replaceChildren(iconBox("alert-circle"), make("span", "label", "Unsaved changes"), discard, save);
  }

  /** Goes on at once without unsaved changes, else when somebody confirms; the bar then goes. */
  async guarded(go: () => void): Promise<void> {
    if (this.bar !== null && !(await ask(LEAVE))) return;
    this.show(null);
    go();
  }

  async asked(id: number): Promise<void> {
    const leave = this.bar === null || (await ask(LEAVE));
    if (leave) this.show(null);
    this.tell({ kind: "leave-answer", id, leave });
  }

  private button(label: string, which: "save" | "discard", state: SaveBarButton, press: () => void): HTMLElement {
    const button = make("button", `button ${which}${state.loading ? " busy" : ""}`, label);
    button.type = "button";
    button.disabled = state.disabled || state.loading;
    button.addEventListener("click", press);
    return button;
  }
}

function loading(on: boolean): void {
  document.body.classList.toggle("loading", on);
}

function pressButton(action: Action, look: string, tell: (message: FromHost) => void): HTMLElement {
  const button = make("button", `button ${look}${action.tone === "critical" ? " critical" : ""}${action.loading ? " busy" : ""}`);
  button.type = "button";
  button.disabled = action.disabled || action.loading;
  if (action.icon) button.append(iconBox(action.icon));
  button.append(make("span", "label", action.label));
  if (!action.menu) {
    button.addEventListener("click", () => tell({ kind: "press", id: action.id }));
    return button;
  }
  button.append(iconBox("chevron-down"));
  const holder = make("span", "menu-holder");
  const menu = make("div", "menu");
  menu.setAttribute("role", "menu");
  menu.hidden = true;
  button.setAttribute("aria-haspopup", "menu");
  const open = (on: boolean): void => {
    menu.hidden = !on;
    button.setAttribute("aria-expanded", String(on));
    if (on) menu.querySelector("button")?.focus();
  };
  open(false);
  button.addEventListener("click", () => open(menu.hidden === true));
  for (const item of action.menu) {
    const entry = pressButton(item, "item", tell);
    entry.setAttribute("role", "menuitem");
    entry.addEventListener("click", () => open(false));
    menu.append(entry);
  }
  holder.addEventListener("focusout", (event) => {
    if (!holder.contains(event.relatedTarget as Node | null)) open(false);
  });
  holder.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    open(false);
    button.focus();
  });
  holder.append(button, menu);
  return holder;
}

function iconBox(name: string): HTMLElement {
  const box = make("span", "icon");
  box.innerHTML = iconSvg(name);
  return box;
}

class TitleBarView {
  constructor(private readonly tell: (message: FromHost) => void) {}

  show(bar: TitleBar | null): void {
    const place = one("#title");
    const heading = bar?.heading ?? "";
    document.title = heading ? `${heading} · Encore · Sandbox admin` : "Encore · Sandbox admin";
    const parts: HTMLElement[] = [];
    const crumb = bar?.breadcrumb;
    if (crumb) {
      const back = make("button", "crumb", crumb.label);
      back.type = "button";
      back.addEventListener("click", () => this.tell({ kind: "press", id: crumb.id }));
      parts.push(back, iconBox("chevron-right"));
    }
    parts.push(make("h1", "heading", heading || "Encore"));
    for (const badge of bar?.badges ?? []) parts.push(make("span", `badge ${badge.tone}`, badge.label));
    place.replaceChildren(...parts);
    const actions = (bar?.secondary ?? []).map((action) => pressButton(action, "secondary", this.tell));
    if (bar?.primary) actions.push(pressButton(bar.primary, "primary", this.tell));
    one("#actions").replaceChildren(...actions);
  }
}

class NavView {
  private path = "/";

  constructor(
    private readonly config: HostConfig,
    private readonly tell: (message: FromHost) => void,
  ) {
    one<HTMLAnchorElement>("#app-link").addEventListener("click", (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey) return;
      event.preventDefault();
      showNavigation(false);
      tell({ kind: "navigate", href: `${this.config.appPrefix}/` });
    });
  }

  fill(items: readonly NavItem[]): void {
    const rows = items.map((item) => {
      const row = make("li", "");
      const link = make("a", "sub", item.label);
      // A real address, so that a new tab opens the same page of the app.
      link.href = this.config.appPath + new URL(item.href, this.config.appOrigin).pathname.slice(this.config.appPrefix.length);
      link.dataset.path = new URL(item.href, this.config.appOrigin).pathname;
      link.addEventListener("click", (event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey) return;
        event.preventDefault();
        showNavigation(false);
        this.tell({ kind: "navigate", href: item.href });
      });
      row.append(link);
      return row;
    });
    one("#app-nav").replaceChildren(...rows);
    this.mark();
  }

  here(path: string): void {
    this.path = path;
    this.mark();
  }

  /** Marks the item whose path is the longest beginning of the current one. */
  private mark(): void {
    const links = [...document.querySelectorAll<HTMLAnchorElement>("#app-nav a")];
    const fits = links.filter(({ dataset: { path = "" } }) => this.path === path || this.path.startsWith(`${path.replace(/\/$/, "")}/`));
    const best = fits.sort((a, b) => (b.dataset.path ?? "").length - (a.dataset.path ?? "").length)[0];
    for (const link of links) {
      if (link === best) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    one("#app-link").classList.toggle("current", !best);
  }
}

class ToastView {
  private readonly timers = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(private readonly tell: (message: FromHost) => void) {}

  show({ id, message, isError, duration, action }: Extract<FromApp, { kind: "toast" }>): void {
    const toast = make("div", isError ? "toast error" : "toast");
    toast.dataset.id = id;
    if (isError) toast.append(iconBox("alert-circle"));
    toast.append(make("span", "label", message));
    if (action) {
      const button = make("button", "action", action);
      button.addEventListener("click", () => this.tell({ kind: "toast-action", id }));
      toast.append(button);
    }
    const close = make("button", "close");
    close.setAttribute("aria-label", "Dismiss");
    close.append(iconBox("x"));
    close.addEventListener("click", () => {
      this.tell({ kind: "toast-dismissed", id });
      this.hide(id);
    });
    toast.append(close);
    one("#toasts").append(toast);
    this.timers.set(id, setTimeout(() => this.hide(id), duration));
  }

  hide(id: string): void {
    clearTimeout(this.timers.get(id));
    this.timers.delete(id);
    document.querySelector(`#toasts [data-id="${CSS.escape(id)}"]`)?.remove();
  }
}

const settings = document.querySelector("#host-config");
if (settings) {
  hostApp(JSON.parse(settings.textContent ?? "{}") as HostConfig);
  // Only now, as the app's first messages would come before anybody listened.
  const frame = one<HTMLIFrameElement>("#app-frame");
  frame.src = frame.dataset.src ?? "";
}
