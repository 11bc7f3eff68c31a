import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { api, unwrap } from "@/shared/api/client";
import type { Rule } from "./rule";

const MAX_LISTED = 200;

/** The names that rules may use, and this shop's most common values. */
export function useVocabulary() {
  return useQuery({
    queryKey: ["segments", "vocabulary"],
    queryFn: () => unwrap(api.GET("/api/segments/vocabulary")),
    staleTime: 5 * 60_000,
  });
}

/** The segments that a rule can name. */
export function useSegmentNames() {
  return useQuery({
    queryKey: ["segments", "names"],
    queryFn: async () => {
      const query = { sort: "name", order: "asc", limit: MAX_LISTED } as const;
      const list = await unwrap(api.GET("/api/segments", { params: { query } }));
      return list.items.map(({ id, name }) => ({ id, name }));
    },
  });
}

/** Rules to start from, with the shop's own products and their live sizes. */
export function useTemplates() {
  return useQuery({
    queryKey: ["segments", "templates"],
    queryFn: async () => (await unwrap(api.GET("/api/segments/templates"))).items,
  });
}

/** A value that follows another once it has stood still for `pause` milliseconds. */
export function useSettled<T>(value: T, pause: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), pause);
    return () => clearTimeout(timer);
  }, [value, pause]);
  return settled;
}

/** What a rule selects now; the count before stays while the next one is on its way. Null asks nothing. */
export function usePreview(ruleText: string | null, segmentId: string | null) {
  return useQuery({
    queryKey: ["segments", "preview", ruleText, segmentId],
    queryFn: ({ signal }) => {
      const rule = JSON.parse(ruleText ?? "{}") as Record<string, unknown>;
      return unwrap(api.POST("/api/segments/preview", { body: { rule, sample: 10, segment_id: segmentId }, signal }));
    },
    enabled: ruleText !== null,
    placeholderData: keepPreviousData,
    retry: false,
    staleTime: 60_000,
  });
}

interface Saving {
  name: string;
  rule: Rule;
}

/** Saves a new segment, or the changes of one. Answers its details. */
export function useSaveSegment(segment_id: string | null) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ name, rule }: Saving) => {
      const body = { name, rule: { ...rule } };
      return segment_id === null
        ? unwrap(api.POST("/api/segments", { body }))
        : unwrap(api.PUT("/api/segments/{segment_id}", { params: { path: { segment_id } }, body }));
    },
    onSuccess: async (saved) => {
      queries.setQueryData(["segment", saved.id], saved);
      await queries.invalidateQueries({ queryKey: ["segments"] });
    },
  });
}
