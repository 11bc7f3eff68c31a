/**
 * Puts the session token on the app's own requests, through fetch and XMLHttpRequest.
 *
 * Only for the page's origin and its subdomains: a token must not reach anybody else. A 401 with
 * `X-Shopify-Retry-Invalid-Session-Request: 1` is answered by one more try with a new token.
 */

export interface Identity {
  idToken(): Promise<string>;
  locale(): string;
}

const RETRY = "X-Shopify-Retry-Invalid-Session-Request";

export function isOwn(address: string): boolean {
  const url = new URL(address, location.href);
  const sub = url.protocol === location.protocol && url.hostname.endsWith(`.${location.hostname}`);
  return url.origin === location.origin || sub;
}

export function interceptFetch(identity: Identity): void {
  const native = window.fetch.bind(window);
  const signed = async (request: Request): Promise<Response> => {
    const headers = new Headers(request.headers);
    headers.set("Authorization", `Bearer ${await identity.idToken()}`);
    if (!headers.has("Accept-Language")) headers.set("Accept-Language", identity.locale());
    return native(new Request(request, { headers }));
  };
  window.fetch = async (input, init) => {
    const request = new Request(input, init);
    // Whoever sets the header means it; such a request is passed on as it is.
    if (!isOwn(request.url) || request.headers.has("Authorization")) return native(input, init);
    const spare = request.clone();
    const response = await signed(request);
    return response.status === 401 && response.headers.get(RETRY) === "1" ? signed(spare) : response;
  };
}

type Opening = [method: string, url: string | URL, async: boolean, user?: string | null, password?: string | null];

/** Events of the answer that the page must not see while a request is silently tried again. */
const ANSWER_EVENTS = ["readystatechange", "progress", "load", "error", "loadend"] as const;

export function interceptXhr(identity: Identity): void {
  const Native = window.XMLHttpRequest;

  class BridgedXhr extends Native {
    private opening: Opening | null = null;
    private headers: [string, string][] = [];
    private body: Document | XMLHttpRequestBodyInit | null = null;
    private tries = 0;
    private retrying = false;

    constructor() {
      super();
      // Registered before any listener of the page, so these can hold an event back from it.
      for (const name of ANSWER_EVENTS) super.addEventListener(name, (event) => this.screen(event));
    }

    override open(method: string, url: string | URL, async = true, user?: string | null, password?: string | null): void {
      this.opening = [method, url, async, user, password];
      this.headers = [];
      this.tries = 0;
      super.open(method, url, async, user, password);
    }

    override setRequestHeader(name: string, value: string): void {
      this.headers.push([name, value]);
      super.setRequestHeader(name, value);
    }

    override send(body: Document | XMLHttpRequestBodyInit | null = null): void {
      this.body = body;
      const named = this.headers.some(([name]) => name.toLowerCase() === "authorization");
      // A synchronous request cannot wait for a token.
      if (!this.opening || !this.opening[2] || named || !isOwn(String(this.opening[1]))) super.send(body);
      else void this.sendSigned();
    }

    private async sendSigned(): Promise<void> {
      const opened = this.opening;
      this.tries += 1;
      const token = await identity.idToken().catch(() => "");
      // Aborted or opened anew while the token was on its way.
      if (this.readyState !== Native.OPENED || this.opening !== opened) return;
      if (token) super.setRequestHeader("Authorization", `Bearer ${token}`);
      if (!this.headers.some(([name]) => name.toLowerCase() === "accept-language"))
        super.setRequestHeader("Accept-Language", identity.locale());
      super.send(this.body);
    }

    private screen(event: Event): void {
      const arrived = this.readyState >= Native.HEADERS_RECEIVED;
      if (!this.retrying && this.tries === 1 && arrived && this.status === 401 && this.getResponseHeader(RETRY) === "1")
        this.retrying = true;
      if (!this.retrying) return;
      event.stopImmediatePropagation();
      if (event.type === "loadend" && this.opening) {
        const { responseType, timeout, withCredentials } = this;
        super.open(...this.opening);
        this.retrying = false;
        Object.assign(this, { responseType, timeout, withCredentials });
        for (const [name, value] of this.headers) super.setRequestHeader(name, value);
        void this.sendSigned();
      }
    }
  }

  window.XMLHttpRequest = BridgedXhr;
}
