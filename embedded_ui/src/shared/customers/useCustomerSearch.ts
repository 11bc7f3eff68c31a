import { useQuery } from "@tanstack/react-query";
import { api, unwrap } from "@/shared/api/client";

/** Customers of an exact address, Shopify id or number; asked only once there is something to look for. */
export function useCustomerSearch(q: string) {
  const wanted = q.trim();
  return useQuery({
    queryKey: ["customers", wanted],
    queryFn: async () => (await unwrap(api.GET("/api/customers", { params: { query: { q: wanted } } }))).items,
    enabled: wanted !== "",
  });
}
