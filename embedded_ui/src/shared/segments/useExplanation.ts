import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "@/shared/api/client";

/** Why one customer is in a segment or is not. */
export function useExplanation(segment_id: string, customer_no: number) {
  return useQuery({
    queryKey: ["segment", segment_id, "explain", customer_no],
    queryFn: () =>
      unwrap(
        api.GET("/api/segments/{segment_id}/explain/{customer_no}", { params: { path: { segment_id, customer_no } } }),
      ),
  });
}

/** Who is pinned into a segment or out of it. */
export function usePins(segment_id: string) {
  return useQuery({
    queryKey: ["segment", segment_id, "pins"],
    queryFn: async () =>
      (await unwrap(api.GET("/api/segments/{segment_id}/pins", { params: { path: { segment_id } } }))).items,
  });
}

/** Pins a customer in or out, or takes the pin off. Each answer refreshes whatever shows the segment. */
export function usePinActions(segment_id: string) {
  const queries = useQueryClient();
  const onSuccess = async () => {
    await Promise.all([
      queries.invalidateQueries({ queryKey: ["segments"] }),
      queries.invalidateQueries({ queryKey: ["segment", segment_id] }),
      queries.invalidateQueries({ queryKey: ["customer"] }),
    ]);
  };
  const pin = useMutation({
    mutationFn: ({ customer_no, kind }: { customer_no: number; kind: "in" | "out" }) =>
      unwrap(
        api.PUT("/api/segments/{segment_id}/pins/{customer_no}", {
          params: { path: { segment_id, customer_no } },
          body: { kind },
        }),
      ),
    onSuccess,
  });
  const unpin = useMutation({
    mutationFn: (customer_no: number) =>
      unwrap(
        api.DELETE("/api/segments/{segment_id}/pins/{customer_no}", {
          params: { path: { segment_id, customer_no } },
        }),
      ),
    onSuccess,
  });
  return { pin, unpin };
}
