import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "@/shared/api/client";
import type { paths } from "@/shared/api/schema";
import { everySegment } from "@/shared/api/segments";
import type { Sync } from "@/shared/api/types";

const WHILE_RUNNING_MS = 2000;

type NewConnection = paths["/api/connections"]["post"]["requestBody"]["content"]["application/json"];
export type NewSync = paths["/api/syncs"]["post"]["requestBody"]["content"]["application/json"];
type SyncChange = paths["/api/syncs/{sync_id}"]["patch"]["requestBody"]["content"]["application/json"];
export type OutcomeQuery = NonNullable<
  paths["/api/syncs/{sync_id}/runs/{run_id}/outcomes"]["get"]["parameters"]["query"]
>;

/** Every vendor as a tile, connected or not. */
export function useTiles() {
  return useQuery({
    queryKey: ["connections"],
    queryFn: async () => (await unwrap(api.GET("/api/connections"))).items,
  });
}

/** Connect, check and disconnect. Each answer refreshes tiles and syncs. */
export function useConnectionActions() {
  const queries = useQueryClient();
  const onSuccess = () =>
    Promise.all([
      queries.invalidateQueries({ queryKey: ["connections"] }),
      queries.invalidateQueries({ queryKey: ["syncs"] }),
    ]);
  const at = (connection_id: string) => ({ params: { path: { connection_id } } });
  return {
    connect: useMutation({
      mutationFn: (body: NewConnection) => unwrap(api.POST("/api/connections", { body })),
      onSuccess,
    }),
    check: useMutation({
      mutationFn: (id: string) => unwrap(api.POST("/api/connections/{connection_id}/check", at(id))),
      onSuccess,
    }),
    disconnect: useMutation({
      mutationFn: (id: string) => unwrap(api.DELETE("/api/connections/{connection_id}", at(id))),
      onSuccess,
    }),
  };
}

/** The lists or tags that exist at a vendor now. */
export function useTargets(connection_id: string) {
  return useQuery({
    queryKey: ["connections", connection_id, "targets"],
    queryFn: () => unwrap(api.GET("/api/connections/{connection_id}/targets", { params: { path: { connection_id } } })),
    enabled: connection_id !== "",
  });
}

/** The shop's syncs, newest first; asked for again while one runs. */
export function useSyncs() {
  return useQuery({
    queryKey: ["syncs"],
    queryFn: async () => (await unwrap(api.GET("/api/syncs"))).items,
    refetchInterval: (query) => (query.state.data?.some((sync) => sync.running) === true ? WHILE_RUNNING_MS : false),
  });
}

/** The segments that can be synced. */
export function useSegmentChoices() {
  return useQuery({
    queryKey: ["segments", "choices"],
    queryFn: () => everySegment({ include_empty: false, sort: "name", order: "asc" }),
  });
}

export function useCreateSync() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: NewSync) => unwrap(api.POST("/api/syncs", { body })),
    onSuccess: () =>
      Promise.all([
        queries.invalidateQueries({ queryKey: ["syncs"] }),
        queries.invalidateQueries({ queryKey: ["connections"] }),
      ]),
  });
}

/** What can be done with one sync. */
export function useSyncActions(sync: Sync) {
  const queries = useQueryClient();
  const at = { params: { path: { sync_id: sync.id } } };
  const onSuccess = () =>
    Promise.all([
      queries.invalidateQueries({ queryKey: ["syncs"] }),
      queries.invalidateQueries({ queryKey: ["sync", sync.id] }),
    ]);
  return {
    preview: useMutation({ mutationFn: () => unwrap(api.POST("/api/syncs/{sync_id}/preview", at)) }),
    run: useMutation({
      mutationFn: (approve_removals: boolean) =>
        unwrap(api.POST("/api/syncs/{sync_id}/run", { ...at, body: { approve_removals } })),
      onSuccess,
    }),
    change: useMutation({
      mutationFn: (body: SyncChange) => unwrap(api.PATCH("/api/syncs/{sync_id}", { ...at, body })),
      onSuccess,
    }),
    pause: useMutation({ mutationFn: () => unwrap(api.POST("/api/syncs/{sync_id}/pause", at)), onSuccess }),
    resume: useMutation({ mutationFn: () => unwrap(api.POST("/api/syncs/{sync_id}/resume", at)), onSuccess }),
    remove: useMutation({ mutationFn: () => unwrap(api.DELETE("/api/syncs/{sync_id}", at)), onSuccess }),
  };
}

/** The runs of a sync, newest first. */
export function useRuns(sync: Sync) {
  return useQuery({
    queryKey: ["sync", sync.id, "runs", sync.last_run?.id ?? 0, sync.running],
    queryFn: () => unwrap(api.GET("/api/syncs/{sync_id}/runs", { params: { path: { sync_id: sync.id } } })),
    placeholderData: keepPreviousData,
  });
}

/** What became of each member in one run. */
export function useOutcomes(sync_id: string, run_id: number, query: OutcomeQuery) {
  return useQuery({
    queryKey: ["sync", sync_id, "runs", run_id, "outcomes", query],
    queryFn: () =>
      unwrap(
        api.GET("/api/syncs/{sync_id}/runs/{run_id}/outcomes", { params: { path: { sync_id, run_id }, query } }),
      ),
    placeholderData: keepPreviousData,
  });
}
