import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { capital } from "@/shared/format/words";
import { Failure } from "./Failure";
import { Skeleton } from "./Skeleton";

interface Props<T> {
  query: UseQueryResult<T>;
  /** The thing in the plural of the page's words: "members". */
  noun: string;
  lines?: number;
  children: (data: T) => ReactNode;
}

/**
 * Shows a query as what it is: on its way, failed, or there.
 * Data that was there before a failed refetch stays on screen, with the failure above it.
 */
export function Loaded<T>({ query, noun, lines = 3, children }: Props<T>) {
  const failure = query.isError && (
    <Failure
      what={`${capital(noun)} could not be ${query.data === undefined ? "loaded" : "refreshed"}`}
      error={query.error}
      retry={() => void query.refetch()}
    />
  );
  if (query.data === undefined) return failure || <Skeleton label={`Loading ${noun}`} lines={lines} />;
  return (
    <>
      {failure}
      {children(query.data)}
    </>
  );
}
