import { useState } from "react";

interface Paging {
  /** The cursor to ask with; undefined on the first page. */
  cursor: string | undefined;
  /** Counted from 1. */
  page: number;
  hasPrevious: boolean;
  forward: (next: string) => void;
  back: () => void;
}

/**
 * Walks a cursor-paged list in both directions, remembering the cursors passed.
 * A change of `filters` (any text that names them) starts at the first page again.
 */
export function usePaging(filters: string): Paging {
  const [state, setState] = useState<{ filters: string; passed: string[] }>({ filters, passed: [] });
  const passed = state.filters === filters ? state.passed : [];
  return {
    cursor: passed.at(-1),
    page: passed.length + 1,
    hasPrevious: passed.length > 0,
    forward: (next) => setState({ filters, passed: [...passed, next] }),
    back: () => setState({ filters, passed: passed.slice(0, -1) }),
  };
}
