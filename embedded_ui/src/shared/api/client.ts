import createClient from "openapi-fetch";
import type { paths } from "./schema";

/** An answer that is not a success, in the words the app chose for the merchant. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly field: string | null,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

const OFFLINE = "Encore could not be reached.";
const UNEXPECTED = "Encore answered in a way this page does not understand.";

/** Without the app's own answer, only a question that changes nothing is known to have changed nothing. */
function afterwards(method: string): string {
  return method === "GET" ? "Nothing was changed. Try again." : "It may have been saved. Reload to see.";
}

/**
 * The typed client. App Bridge replaces `window.fetch` to add the session token, so fetch is looked
 * up at each call: a reference taken at start would go out without the token.
 */
export const api = createClient<paths>({ baseUrl: window.location.origin, fetch: ask });

/** Sends one request; throws ApiError for a refusal and when the app's answer doesn't arrive whole. */
async function ask(request: Request): Promise<Response> {
  let response: Response;
  let text: string;
  try {
    response = await globalThis.fetch(request);
    text = await response.text();
  } catch (cause) {
    // An answer that never came, or broke off, is a TypeError; an aborted one is the caller's own doing.
    if (cause instanceof TypeError) throw new ApiError(0, "offline", `${OFFLINE} ${afterwards(request.method)}`, null);
    throw cause;
  }
  const { status, headers } = response;
  const body = parsed(text);
  if (!response.ok || body === undefined) throw refusal(status, body, request.method);
  return new Response(text === "" ? null : text, { status, headers });
}

/** JSON, null for an empty text, or undefined for what is no JSON. */
function parsed(text: string): unknown {
  if (text === "") return null;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

interface ErrorBody {
  error: { code: string; message: string; field?: string | null };
}

function isErrorBody(body: unknown): body is ErrorBody {
  if (typeof body !== "object" || body === null || !("error" in body)) return false;
  const { error } = body;
  return typeof error === "object" && error !== null && "message" in error && "code" in error;
}

/** Turns the body of an answer that is no success into an ApiError. */
export function refusal(status: number, body: unknown, method: string): ApiError {
  if (isErrorBody(body)) {
    return new ApiError(status, body.error.code, body.error.message, body.error.field ?? null);
  }
  return new ApiError(status, "unexpected", `${UNEXPECTED} ${afterwards(method)}`, null);
}

/** The data of an answer of `api`, which throws ApiError for anything but a success. */
export async function unwrap<T>(pending: Promise<{ data?: T }>): Promise<T> {
  return (await pending).data as T;
}

/** What to tell the merchant about a failure of any kind. */
export function explain(error: unknown): string {
  return error instanceof ApiError ? error.message : `${UNEXPECTED} Reload to see where things stand.`;
}

/** The message for one form field, when the failure names it. */
export function fieldError(error: unknown, field: string): string | undefined {
  return error instanceof ApiError && error.field === field ? error.message : undefined;
}
