import { QueryClient } from "@tanstack/react-query";
import { ApiError } from "./client";

const MAX_RETRIES = 2;

/** A refusal is an answer and is shown at once; only a lost connection or a failing server is tried again. */
export function shouldRetry(failures: number, error: unknown): boolean {
  if (failures >= MAX_RETRIES) return false;
  return !(error instanceof ApiError) || error.status === 0 || error.status >= 500;
}

/** The page's store of answers. */
export function newQueryClient(retry: typeof shouldRetry | false = shouldRetry): QueryClient {
  return new QueryClient({
    defaultOptions: { queries: { retry, staleTime: 15_000, refetchOnWindowFocus: true } },
  });
}
