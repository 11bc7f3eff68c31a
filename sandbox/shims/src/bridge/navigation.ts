/**
 * Clicks on links: inside the app they become `shopify:navigate` for the app's router; to the admin or
 * out of the frame they go to the host. Address changes inside the app are reported to the host.
 */

const LINKS = "a, s-link, s-button, s-clickable, s-clickable-chip";
const NAVIGATE = "shopify:navigate";

let routers = 0;

/** Counts who listens for shopify:navigate: without a router, the browser follows the link itself. */
export function countRouters(): void {
  const add = document.addEventListener.bind(document);
  const remove = document.removeEventListener.bind(document);
  document.addEventListener = (name: string, ...rest: [EventListenerOrEventListenerObject, (boolean | AddEventListenerOptions)?]) => {
    if (name === NAVIGATE) routers += 1;
    add(name, ...rest);
  };
  document.removeEventListener = (name: string, ...rest: [EventListenerOrEventListenerObject, (boolean | EventListenerOptions)?]) => {
    if (name === NAVIGATE) routers = Math.max(0, routers - 1);
    remove(name, ...rest);
  };
}

/** Lets the app's router follow a link; true if there is one. */
export function route(link: Element): boolean {
  const event = new CustomEvent(NAVIGATE, { bubbles: true, composed: true, cancelable: true });
  link.dispatchEvent(event);
  return routers > 0 || event.defaultPrevented;
}

/** Follows a link of the admin's navigation: by the router, else by loading the page. */
export function follow(link: Element | undefined, href: string): void {
  if (link) {
    if (!route(link)) location.assign(href);
    return;
  }
  // The app's own name in the admin need not stand in s-app-nav; the router still reads an element.
  const passing = document.createElement("a");
  passing.setAttribute("href", href);
  passing.hidden = true;
  document.body.append(passing);
  if (!route(passing)) location.assign(href);
  passing.remove();
}

export function watchClicks(leave: (href: string) => void): void {
  // On window, after every listener of the page: a router's own link has prevented the click by then.
  window.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const path = event.composedPath().filter((node) => node instanceof Element);
    const link = [...path].reverse().find((node) => node.matches(LINKS) && node.hasAttribute("href"));
    const href = link?.getAttribute("href");
    if (!link || !href || link.hasAttribute("download") || link.hasAttribute("disabled")) return;
    if (href.startsWith("shopify://") || href.startsWith("shopify:admin")) {
      event.preventDefault();
      leave(href);
      return;
    }
    const target = link.getAttribute("target") ?? "auto";
    const url = new URL(href, location.href);
    if (target === "_blank") return;
    if (target === "_top" || target === "_parent") {
      event.preventDefault();
      leave(url.href);
    } else if (url.origin === location.origin) {
      if (url.hash && href.startsWith("#")) return;
      const native = path.some((node) => node.localName === "a");
      if (route(link)) event.preventDefault();
      else if (!native) location.assign(url.href);
    } else if (/^https?:$/.test(url.protocol)) {
      event.preventDefault();
      leave(url.href);
    }
  });
}

export function watchHistory(report: (path: string) => void): void {
  const tell = (): void => report(location.pathname + location.search + location.hash);
  for (const name of ["pushState", "replaceState"] as const) {
    const native = history[name].bind(history);
    history[name] = (...args: Parameters<History["pushState"]>) => {
      native(...args);
      tell();
    };
  }
  addEventListener("popstate", tell);
  addEventListener("pageshow", tell);
  tell();
}
