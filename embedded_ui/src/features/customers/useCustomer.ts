import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { api, unwrap } from "@/shared/api/client";

const PAGE = 25;

/** Who the customer is, consent, key figures, predictions. */
export function useProfile(customer_no: number) {
  return useQuery({
    queryKey: ["customer", customer_no],
    queryFn: () => unwrap(api.GET("/api/customers/{customer_no}", { params: { path: { customer_no } } })),
  });
}

/** A page of what happened, newest first. */
export function useTimeline(customer_no: number, cursor: string | undefined) {
  const query = { limit: PAGE, ...(cursor === undefined ? {} : { cursor }) };
  return useQuery({
    queryKey: ["customer", customer_no, "timeline", query],
    queryFn: () =>
      unwrap(api.GET("/api/customers/{customer_no}/timeline", { params: { path: { customer_no }, query } })),
    placeholderData: keepPreviousData,
  });
}

/** The segments that the customer is in, each with the reason. */
export function useSegmentsOfCustomer(customer_no: number) {
  return useQuery({
    queryKey: ["customer", customer_no, "segments"],
    queryFn: async () =>
      (await unwrap(api.GET("/api/customers/{customer_no}/segments", { params: { path: { customer_no } } }))).items,
  });
}

/** What campaigns decided about the customer, newest first. */
export function useDecisionsOfCustomer(customer_no: number) {
  return useQuery({
    queryKey: ["customer", customer_no, "decisions"],
    queryFn: async () =>
      (await unwrap(api.GET("/api/customers/{customer_no}/decisions", { params: { path: { customer_no } } }))).items,
  });
}
