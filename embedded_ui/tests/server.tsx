import { QueryClientProvider } from "@tanstack/react-query";
import { fireEvent, render } from "@testing-library/react";
import { createMemoryRouter, RouterProvider } from "react-router";
import { vi } from "vitest";
import { routes } from "@/app/routes";
import { newQueryClient } from "@/shared/api/queries";
import { ShopProvider } from "@/shared/shop/ShopProvider";
import full from "./samples/full.json";

export type Answers = Record<string, unknown>;
export type Reply = { status: number; body: unknown } | { data: unknown } | "never" | "lost";
/** A reply, or what makes one at each request. */
type Change = Reply | (() => Reply | Promise<Reply>);

export interface Asked {
  key: string;
  url: URL;
  body: unknown;
}

/** Who asks for that many gets the sample as the only page. */
const WHOLE_LIST = "200";

/** A copy of one full answer, typed as whatever the test says. */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the caller names the type of a JSON file
export function sample<T>(key: keyof typeof full): T {
  return structuredClone(full[key]) as unknown as T;
}

/** The app's error shape. */
export function refused(message: string, field: string | null = null, status = 422): { status: number; body: unknown } {
  return { status, body: { error: { code: "refused", message, field } } };
}

/**
 * Replaces fetch by answers: the full samples, with some left open, lost on the way, refused or changed by the test.
 * Returns what was asked, in order.
 */
export function answer(changes: Record<string, Change> = {}): Asked[] {
  const asked: Asked[] = [];
  const samples: Answers = full;
  vi.stubGlobal("fetch", async (request: Request) => {
    const url = new URL(request.url);
    const key = `${request.method} ${url.pathname}`;
    const text = request.method === "GET" ? "" : await request.text();
    asked.push({ key, url, body: text.startsWith("{") ? (JSON.parse(text) as unknown) : text });
    const given = changes[key];
    const change = await (typeof given === "function" ? given() : given);
    if (change === "never") return new Promise<Response>(() => undefined);
    if (change === "lost") throw new TypeError("Failed to fetch");
    if (change !== undefined && "status" in change) return Response.json(change.body, { status: change.status });
    const data = change === undefined ? samples[key] : change.data;
    if (data === undefined) return Response.json({ error: { code: "not_found", message: key } }, { status: 404 });
    return Response.json(url.searchParams.get("limit") === WHOLE_LIST ? { ...data, next: null } : data);
  });
  return asked;
}

/** Renders the page of an address, as the app would; with the store of answers that it reads from. */
export function open(address: string) {
  // jsdom has no window to scroll.
  vi.stubGlobal("scrollTo", () => undefined);
  const router = createMemoryRouter(routes, { initialEntries: [address] });
  const queries = newQueryClient(false);
  const view = render(
    <QueryClientProvider client={queries}>
      <ShopProvider>
        <RouterProvider router={router} />
      </ShopProvider>
    </QueryClientProvider>,
  );
  return { ...view, router, queries };
}

/**
 * All that a merchant would read: text, and the attributes in which Polaris elements carry theirs.
 * The elements are not defined here, so they hold what React gave them.
 */
export function words(container: Element): string {
  const found: string[] = [];
  const walk = (node: Node) => {
    if (node instanceof Element) {
      for (const name of ["heading", "label", "details", "error", "accessibilitylabel", "aria-label", "value"]) {
        const text = node.getAttribute(name);
        if (text) found.push(` ${text} `);
      }
      found.push(" ");
    } else if (node.nodeType === Node.TEXT_NODE && node.textContent) {
      found.push(node.textContent);
    }
    node.childNodes.forEach(walk);
    if (node instanceof Element) found.push(" ");
  };
  walk(container);
  return found.join("").replace(/\s+/g, " ");
}

/** The Polaris button with that text, or of that label. */
export function button(container: Element, text: string): HTMLElement {
  const all = [...container.querySelectorAll<HTMLElement>("s-button, s-clickable-chip")];
  const is = (one: string | null) => one?.replace(/\s+/g, " ").trim() === text;
  const found = all.find((one) => is(one.textContent) || is(one.getAttribute("accessibilitylabel")));
  if (found === undefined) throw new Error(`No button “${text}” among: ${all.map((one) => one.textContent).join(" | ")}`);
  return found;
}

/** What a Polaris field does when someone types or chooses: sets its value, then tells. */
export function enter(element: HTMLElement & { value: string }, value: string, event: "input" | "change" = "input") {
  element.value = value;
  fireEvent(element, new Event(event, { bubbles: true }));
}

/** A reply that comes when the test says so. */
export function later(): { reply: Promise<Reply>; come: (reply: Reply) => void } {
  let come: (reply: Reply) => void = () => undefined;
  const reply = new Promise<Reply>((resolve) => {
    come = resolve;
  });
  return { reply, come };
}

/** The Polaris field of that label. */
export function field(container: Element, label: string): HTMLElement & { value: string } {
  const found = [...container.querySelectorAll<HTMLElement>("[label]")].find(
    (one) => one.getAttribute("label") === label,
  );
  if (found === undefined) throw new Error(`No field “${label}”`);
  return found as HTMLElement & { value: string };
}
