import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "@/shared/api/client";
import type { SenderHealth, SendingPatch, SendingStatus } from "@/shared/api/types";

/** Whether sending is stopped, bounce and complaint rates, and the shop's choices. */
export function useSending() {
  return useQuery({ queryKey: ["sending"], queryFn: () => unwrap(api.GET("/api/deliverability")) });
}

/** Each sender's domain by the sender's id: its records, how much it sends and may send. */
export function useSendersHealth() {
  return useQuery({
    queryKey: ["sending", "senders"],
    queryFn: async () => {
      const { items } = await unwrap(api.GET("/api/deliverability/senders"));
      return new Map<string, SenderHealth>(items.map((item) => [item.sender_id, item]));
    },
  });
}

/** How mail fares with each mailbox provider. */
export function useMailProviders() {
  return useQuery({
    queryKey: ["sending", "providers"],
    queryFn: () => unwrap(api.GET("/api/deliverability/providers")),
  });
}

/** The addresses that are not mailed any more, the newest first. */
export function useSuppressions() {
  return useQuery({
    queryKey: ["sending", "suppressions"],
    queryFn: () => unwrap(api.GET("/api/deliverability/suppressions")),
  });
}

/** What can be done about sending; each answer is shown at once. */
export function useSendingActions() {
  const queries = useQueryClient();
  const keep = (status: SendingStatus) => queries.setQueryData(["sending"], status);
  return {
    release: useMutation({ mutationFn: () => unwrap(api.POST("/api/deliverability/release")), onSuccess: keep }),
    choose: useMutation({
      mutationFn: (body: SendingPatch) => unwrap(api.PATCH("/api/deliverability", { body })),
      onSuccess: keep,
    }),
    check: useMutation({
      mutationFn: (sender_id: string) =>
        unwrap(api.POST("/api/deliverability/senders/{sender_id}/check", { params: { path: { sender_id } } })),
      onSuccess: () => queries.invalidateQueries({ queryKey: ["sending", "senders"] }),
    }),
    reinstate: useMutation({
      mutationFn: (address_id: string) =>
        unwrap(
          api.POST("/api/deliverability/suppressions/{address_id}/reinstate", { params: { path: { address_id } } }),
        ),
      onSuccess: () => queries.invalidateQueries({ queryKey: ["sending", "suppressions"] }),
    }),
  };
}
