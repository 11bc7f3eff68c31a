import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "@/shared/api/client";
import type { ShopValues } from "@/shared/api/types";

const KEY = ["settings", "shop"];
const CHANGES = ["settings", "changes"];

export type Changes = Partial<ShopValues>;

/** The shop's settings and their defaults. */
export function useShopSettings() {
  return useQuery({ queryKey: KEY, queryFn: () => unwrap(api.GET("/api/settings/shop")) });
}

/** What unsaved changes would do now; asked for while there are any. */
export function useSettingsEffect(changes: Changes) {
  return useQuery({
    queryKey: [...KEY, "effect", changes],
    queryFn: () => unwrap(api.POST("/api/settings/shop/preview", { body: changes })),
    enabled: Object.keys(changes).length > 0,
    placeholderData: keepPreviousData,
    retry: false,
  });
}

/** Saves changes made on a version of the settings. */
export function useSaveSettings() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: { changes: Changes; version: number; confirmed: string }) =>
      unwrap(api.PATCH("/api/settings/shop", { body })),
    onSuccess: async (answer) => {
      queries.setQueryData(KEY, answer);
      await queries.invalidateQueries({ queryKey: CHANGES });
    },
  });
}

/** Who changed which setting. */
export function useSettingsChanges() {
  return useQuery({ queryKey: CHANGES, queryFn: () => unwrap(api.GET("/api/settings/changes")) });
}
