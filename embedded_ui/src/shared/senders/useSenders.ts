import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "@/shared/api/client";
import type { components } from "@/shared/api/schema";

export type NewSender = components["schemas"]["SenderCreate"];

const WHILE_PENDING_MS = 5000;

/** The shop's senders, the default first. Asked for again while a confirmation is awaited. */
export function useSenders() {
  return useQuery({
    queryKey: ["senders"],
    queryFn: async () => (await unwrap(api.GET("/api/senders"))).items,
    refetchInterval: (query) =>
      query.state.data?.some((sender) => sender.state === "pending") === true ? WHILE_PENDING_MS : false,
  });
}

/** What can be done with senders; each answer refreshes the list. */
export function useSenderActions() {
  const queries = useQueryClient();
  const onSuccess = () => queries.invalidateQueries({ queryKey: ["senders"] });
  const at = (sender_id: string) => ({ params: { path: { sender_id } } });
  return {
    create: useMutation({
      mutationFn: (body: NewSender) => unwrap(api.POST("/api/senders", { body })),
      onSuccess,
    }),
    change: useMutation({
      mutationFn: ({ id, body }: { id: string; body: NewSender }) =>
        unwrap(api.PATCH("/api/senders/{sender_id}", { ...at(id), body })),
      onSuccess,
    }),
    verify: useMutation({
      mutationFn: (id: string) => unwrap(api.POST("/api/senders/{sender_id}/verification", at(id))),
      onSuccess,
    }),
    makeDefault: useMutation({
      mutationFn: (id: string) => unwrap(api.POST("/api/senders/{sender_id}/default", at(id))),
      onSuccess,
    }),
    remove: useMutation({
      mutationFn: (id: string) => unwrap(api.DELETE("/api/senders/{sender_id}", at(id))),
      onSuccess,
    }),
  };
}
