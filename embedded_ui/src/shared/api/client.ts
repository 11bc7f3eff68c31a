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

const OFFLINE = "Encore could not be reached. Nothing was changed. Check your connection and try again.";
const UNEXPECTED = "Encore answered in a way this page does not understand. Nothing was changed. Try again.";

/**
 * The typed client. App Bridge replaces `window.fetch` to add the session token, so fetch is looked
 * up at each call: a reference taken at start would go out without the token.
 */
export const api = createClient<paths>({
  baseUrl: window.location.origin,
  fetch: (request) => globalThis.fetch(request),
});

interface ErrorBody {
  error: { code: string; message: string; field?: string | null };
}

function isErrorBody(body: unknown): body is ErrorBody {
  if (typeof body !== "object" || body === null || !("error" in body)) return false;
  const { error } = body;
  return typeof error === "object" && error !== null && "message" in error && "code" in error;
}

/** Turns the body of a refused request into an ApiError. */
export function refusal(status: number, body: unknown): ApiError {
  if (isErrorBody(body)) {
    return new ApiError(status, body.error.code, body.error.message, body.error.field ?? null);
  }
  return new ApiError(status, "unexpected", UNEXPECTED, null);
}

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The data of an answer. Throws ApiError for a refusal and when the app can't be reached. */
export async function unwrap<T>(pending: Promise<Answer<T>>): Promise<T> {
  let answer: Answer<T>;
  try {
    answer = await pending;
  } catch (cause) {
    // A fetch that never got an answer rejects with a TypeError; an aborted one is the caller's own doing.
    if (cause instanceof TypeError) throw new ApiError(0, "offline", OFFLINE, null);
    throw cause;
  }
  if (!answer.response.ok) throw refusal(answer.response.status, answer.error);
  return answer.data as T;
}

/** What to tell the merchant about a failure of any kind. */
export function explain(error: unknown): string {
  return error instanceof ApiError ? error.message : UNEXPECTED;
}

/** The message for one form field, when the failure names it. */
export function fieldError(error: unknown, field: string): string | undefined {
  return error instanceof ApiError && error.field === field ? error.message : undefined;
}
