import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "@/shared/api/client";
import type { NewSchedule } from "@/shared/api/types";
import { type Choice, complete } from "./downloadChoice";

const WHILE_PREPARING_MS = 1500;

/** What the file would hold, before it is made. */
export function useDownloadCount(segment_id: string, choice: Choice) {
  return useQuery({
    queryKey: ["segment", segment_id, "export-count", choice],
    queryFn: () =>
      unwrap(api.POST("/api/segments/{segment_id}/exports/count", { params: { path: { segment_id } }, body: choice })),
    enabled: complete(choice),
    placeholderData: keepPreviousData,
  });
}

/** The log of downloads; asked for again while one is made, also by another page or a schedule. */
export function useDownloads(segment_id: string) {
  return useQuery({
    queryKey: ["segment", segment_id, "exports"],
    queryFn: async () =>
      (await unwrap(api.GET("/api/segments/{segment_id}/exports", { params: { path: { segment_id } } }))).items,
    refetchInterval: ({ state }) =>
      state.data?.some((one) => one.state === "preparing") === true ? WHILE_PREPARING_MS : false,
  });
}

/** The schedules of the segment's downloads, and whether files can go into a folder. */
export function useSchedules(segment_id: string) {
  return useQuery({
    queryKey: ["segment", segment_id, "export-schedules"],
    queryFn: () => unwrap(api.GET("/api/segments/{segment_id}/export-schedules", { params: { path: { segment_id } } })),
  });
}

/** Makes, pauses and removes schedules. */
export function useScheduleActions(segment_id: string) {
  const queries = useQueryClient();
  const onSuccess = () => queries.invalidateQueries({ queryKey: ["segment", segment_id] });
  const path = (schedule_id: number) => ({ params: { path: { segment_id, schedule_id } } });
  const add = useMutation({
    mutationFn: (body: NewSchedule) =>
      unwrap(api.POST("/api/segments/{segment_id}/export-schedules", { params: { path: { segment_id } }, body })),
    onSuccess,
  });
  const change = useMutation({
    mutationFn: ({ id, state }: { id: number; state: "active" | "paused" }) =>
      unwrap(
        api.PATCH("/api/segments/{segment_id}/export-schedules/{schedule_id}", { ...path(id), body: { state } }),
      ),
    onSuccess,
  });
  const remove = useMutation({
    mutationFn: (id: number) =>
      unwrap(api.DELETE("/api/segments/{segment_id}/export-schedules/{schedule_id}", path(id))),
    onSuccess,
  });
  return { add, change, remove };
}
