/** The path of a link that stays in the app, or null for anything the browser or the admin should follow. */
function pathInside(element: Element): string | null {
  const href = element.getAttribute("href");
  if (href === null || !href.startsWith("/") || href.startsWith("//")) return null;
  const leaves = ["target", "download", "disabled"].some((name) => element.hasAttribute(name));
  return leaves ? null : href;
}

const LINKS = "a[href], s-link[href], s-button[href], s-clickable[href], s-clickable-chip[href]";

/**
 * Turns clicks on links into page changes without a reload, which would reach the server without a
 * session token. App Bridge reports its own clicks (navigation, title bar) as `shopify:navigate`;
 * the same click may arrive both ways, so a path that is already shown is not entered twice.
 */
export function followLinks(go: (path: string) => void): () => void {
  const here = () => window.location.pathname + window.location.search;
  const enter = (path: string) => {
    if (path !== here()) go(path);
  };
  const onNavigate = (event: Event) => {
    if (!(event.target instanceof Element)) return;
    const path = pathInside(event.target);
    if (path !== null) enter(path);
  };
  const onClick = (event: MouseEvent) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest(LINKS) : null;
    const path = link === null ? null : pathInside(link);
    if (path === null) return;
    event.preventDefault();
    enter(path);
  };
  document.addEventListener("shopify:navigate", onNavigate);
  document.addEventListener("click", onClick);
  return () => {
    document.removeEventListener("shopify:navigate", onNavigate);
    document.removeEventListener("click", onClick);
  };
}
