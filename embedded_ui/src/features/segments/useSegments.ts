import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "@/shared/api/client";
import type { paths } from "@/shared/api/schema";

const WHILE_PENDING_MS = 2000;
const WHILE_LOOKING_BACK_MS = 10_000;

export type SegmentQuery = NonNullable<paths["/api/segments"]["get"]["parameters"]["query"]>;

/** A page of the segments list, asked for again while one is worked out. The page before stays while the next comes. */
export function useSegments(query: SegmentQuery) {
  return useQuery({
    queryKey: ["segments", query],
    queryFn: () => unwrap(api.GET("/api/segments", { params: { query } })),
    placeholderData: keepPreviousData,
    refetchInterval: ({ state }) =>
      state.data?.items.some((segment) => segment.state === "pending") === true ? WHILE_PENDING_MS : false,
  });
}

/** All of one segment's page but its members; asked for again while it is worked out. */
export function useSegment(segment_id: string) {
  return useQuery({
    queryKey: ["segment", segment_id],
    queryFn: () => unwrap(api.GET("/api/segments/{segment_id}", { params: { path: { segment_id } } })),
    refetchInterval: ({ state }) => (state.data?.state === "pending" ? WHILE_PENDING_MS : false),
  });
}

/** A product segment's promises and receipts; asked for again while the look back is under way. */
export function useSegmentReceipts(segment_id: string, enabled: boolean) {
  return useQuery({
    queryKey: ["segment", segment_id, "receipts"],
    queryFn: () => unwrap(api.GET("/api/segments/{segment_id}/receipts", { params: { path: { segment_id } } })),
    enabled,
    refetchInterval: ({ state }) =>
      ["waiting", "running"].includes(state.data?.look_back.state ?? "") ? WHILE_LOOKING_BACK_MS : false,
  });
}

/** A page of a segment's members, each with the reason. */
export function useMembers(segment_id: string, cursor: string | undefined, reachable: boolean | undefined) {
  const query = {
    limit: 25,
    ...(cursor === undefined ? {} : { cursor }),
    ...(reachable === undefined ? {} : { reachable }),
  };
  return useQuery({
    queryKey: ["segment", segment_id, "members", query],
    queryFn: () =>
      unwrap(api.GET("/api/segments/{segment_id}/members", { params: { path: { segment_id }, query } })),
    placeholderData: keepPreviousData,
  });
}

/** Rules to start from, with the shop's own products. */
export function useTemplates(enabled = true) {
  return useQuery({
    queryKey: ["segments", "templates"],
    queryFn: async () => (await unwrap(api.GET("/api/segments/templates"))).items,
    enabled,
  });
}

/** What the More menu does to a segment. Each answer refreshes list and page. */
export function useSegmentActions(segment_id: string) {
  const queries = useQueryClient();
  const params = { path: { segment_id } };
  const refresh = async () => {
    await Promise.all([
      queries.invalidateQueries({ queryKey: ["segments"] }),
      queries.invalidateQueries({ queryKey: ["segment", segment_id] }),
    ]);
  };
  const duplicate = useMutation({
    mutationFn: () => unwrap(api.POST("/api/segments/{segment_id}/duplicate", { params, body: {} })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["segments"] }),
  });
  const remove = useMutation({
    mutationFn: () => unwrap(api.DELETE("/api/segments/{segment_id}", { params })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["segments"] }),
  });
  const evaluate = useMutation({
    mutationFn: () => unwrap(api.POST("/api/segments/{segment_id}/evaluate", { params })),
    onSuccess: refresh,
  });
  return { duplicate, remove, evaluate };
}

/** The rules that a segment had, newest first. */
export function useVersions(segment_id: string) {
  return useQuery({
    queryKey: ["segment", segment_id, "versions"],
    queryFn: async () =>
      (await unwrap(api.GET("/api/segments/{segment_id}/versions", { params: { path: { segment_id } } }))).items,
  });
}

/** Makes an old rule the newest version again. */
export function useRestoreVersion(segment_id: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (version: number) =>
      unwrap(
        api.POST("/api/segments/{segment_id}/versions/{version}/restore", { params: { path: { segment_id, version } } }),
      ),
    onSuccess: () =>
      Promise.all([
        queries.invalidateQueries({ queryKey: ["segments"] }),
        queries.invalidateQueries({ queryKey: ["segment", segment_id] }),
      ]),
  });
}

/** Brings a deleted segment back. */
export function useRestoreSegment() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (segment_id: string) =>
      unwrap(api.POST("/api/segments/{segment_id}/restore", { params: { path: { segment_id } } })),
    onSuccess: () =>
      Promise.all([
        queries.invalidateQueries({ queryKey: ["segments"] }),
        queries.invalidateQueries({ queryKey: ["segment"] }),
      ]),
  });
}
