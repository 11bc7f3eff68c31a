import { useQuery } from "@tanstack/react-query";
import { api, unwrap } from "@/shared/api/client";

/** The weekly cap recomputed, once the merchant asks for it: a long ledger takes seconds. */
export function useSendingProof() {
  return useQuery({
    queryKey: ["sending", "proof"],
    queryFn: () => unwrap(api.GET("/api/sending/proof")),
    enabled: false,
  });
}
